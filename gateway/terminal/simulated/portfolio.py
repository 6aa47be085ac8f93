"""The calls that show an account: its positions, orders, history and figures, as the package returns them.

History may lag (see `faults`, "deals_late"): then what was entered last isn't shown for a while. How much of it is
known by counting, since records enter a book one behind the other, whatever times they bear.
"""

from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final

from gateway.terminal.simulated.market.symbols import Market
from gateway.terminal.simulated.trading.books import FIRST_DEAL, Order, Position
from gateway.terminal.simulated.trading.desk import Desk
from gateway.terminal.simulated.trading.records import describe_order, describe_position
from gateway.wire.groups import matches
from gateway.wire.structs import AccountInfo, TradeDeal, TradeOrder, TradePosition

__all__ = ("EMPTY", "Portfolio")

_NS_PER_MS: Final = 1_000_000

EMPTY: Final[dict[str, Callable[..., Any]]] = {
    "positions_total": lambda: 0,
    "positions_get": lambda *_: [],
    "orders_total": lambda: 0,
    "orders_get": lambda *_: [],
    "history_orders_total": lambda *_: 0,
    "history_orders_get": lambda *_: [],
    "history_deals_total": lambda *_: 0,
    "history_deals_get": lambda *_: [],
}
"""The same calls of a terminal that has heard nothing of its account yet."""

_NO_FIGURES: Final = ("balance", "credit", "profit", "equity", "margin", "margin_free", "margin_level")


class Portfolio:
    """One desk's account, shown. `calls`: what answers, by the package's names."""

    def __init__(self, desk: Desk, market: Market) -> None:
        self._desk = desk
        self._book = desk.book
        self._market = market
        self._entered: deque[tuple[int, int, int]] = deque()
        self._shown_orders = self._shown_deals = 0
        self._lagging = False
        self.calls: dict[str, Callable[..., Any]] = {
            "positions_total": lambda: len(self._book.positions),
            "positions_get": self._positions_get,
            "orders_total": lambda: len(self._book.orders),
            "orders_get": self._orders_get,
            "history_orders_total": self._history_orders_total,
            "history_orders_get": self._history_orders_get,
            "history_deals_total": self._history_deals_total,
            "history_deals_get": self._history_deals_get,
        }

    def account_info(self, trade_allowed: bool, synchronised: bool) -> AccountInfo:
        """Return the account; before it is synchronised its money is zero, its name and number are known."""
        permission = self._desk.permission
        info = self._desk.account.info(
            trade_allowed=trade_allowed and permission.trade_allowed, trade_expert=permission.trade_expert
        )
        if synchronised:
            return info
        return AccountInfo((info._asdict() | dict.fromkeys(_NO_FIGURES, 0.0)).values())

    # --- history that lags ---

    def lag(self, now_ns: int, lag_ms: int) -> None:
        """Hide what was entered less than `lag_ms` ago, from when this is first called; to be called ever again.

        0 ends it. O(what became visible).
        """
        orders, deals = len(self._book.history_of), len(self._book.deals)
        if not lag_ms:
            self._lagging = False
            self._entered.clear()
            return
        if not self._lagging:
            self._lagging = True
            self._shown_orders, self._shown_deals = orders, deals
        entered = self._entered
        newest = entered[-1][1:] if entered else (self._shown_orders, self._shown_deals)
        if newest != (orders, deals):
            entered.append((now_ns, orders, deals))
        while entered and entered[0][0] <= now_ns - lag_ms * _NS_PER_MS:
            _, self._shown_orders, self._shown_deals = entered.popleft()

    def _seen_orders(self, found: list[TradeOrder]) -> list[TradeOrder]:
        hidden = len(self._book.history_of) - self._shown_orders
        if not self._lagging or hidden <= 0:
            return found
        tickets = set(islice(reversed(self._book.history_of), hidden))
        return [order for order in found if order.ticket not in tickets]

    def _seen_deals(self, found: list[TradeDeal]) -> list[TradeDeal]:
        if not self._lagging or len(self._book.deals) <= self._shown_deals:
            return found
        return [deal for deal in found if deal.ticket < FIRST_DEAL + self._shown_deals]

    # --- what is open ---

    def _positions_get(self, ticket: int | None, name: str | None, group: str | None) -> list[TradePosition]:
        book = self._book
        chosen: Iterable[Position]
        if ticket is not None:
            chosen = [book.positions[ticket]] if ticket in book.positions else []
        elif name is not None:
            chosen = book.positions_of[name].values() if name in book.positions_of else ()
        else:
            chosen = (item for item in book.positions.values() if group is None or matches(group, item.symbol))
        return [self._position(item) for item in chosen]

    def _orders_get(self, ticket: int | None, name: str | None, group: str | None) -> list[TradeOrder]:
        book = self._book
        chosen: Iterable[Order]
        if ticket is not None:
            chosen = [book.orders[ticket]] if ticket in book.orders else []
        elif name is not None:
            chosen = book.orders_of[name].values() if name in book.orders_of else ()
        else:
            chosen = (item for item in book.orders.values() if group is None or matches(group, item.symbol))
        return [describe_order(self._market.symbols[item.symbol], item) for item in chosen]

    def _position(self, position: Position) -> TradePosition:
        profit = self._desk.account.position_profit(position)
        return describe_position(self._market.symbols[position.symbol], position, profit)

    # --- what is over ---

    def _history_orders_total(self, from_s: int, to_s: int) -> int:
        if not self._lagging:
            return self._book.history.count_between(from_s, to_s)
        return len(self._seen_orders(self._book.history.between(from_s, to_s)))

    def _history_deals_total(self, from_s: int, to_s: int) -> int:
        if not self._lagging:
            return self._book.deals.count_between(from_s, to_s)
        return len(self._seen_deals(self._book.deals.between(from_s, to_s)))

    def _history_orders_get(
        self, from_s: int | None, to_s: int | None, group: str | None, ticket: int | None, position: int | None
    ) -> list[TradeOrder]:
        """Finished orders by the time they were done, by their ticket, or by their position."""
        book = self._book
        if from_s is not None and to_s is not None:
            found = book.history.between(from_s, to_s)
            if group is not None:
                found = [item for item in found if matches(group, item.symbol)]
        elif ticket is not None:
            found = [book.history_of[ticket]] if ticket in book.history_of else []
        else:
            found = book.history_of_position.get(position or 0, [])
        return self._seen_orders(found)

    def _history_deals_get(
        self, from_s: int | None, to_s: int | None, group: str | None, ticket: int | None, position: int | None
    ) -> list[TradeDeal]:
        """Deals by time, by the ticket of their order, or by their position."""
        book = self._book
        if from_s is not None and to_s is not None:
            found = book.deals.between(from_s, to_s)
            if group is not None:
                found = [item for item in found if matches(group, item.symbol)]
        elif ticket is not None:
            found = book.deals_of_order.get(ticket, [])
        else:
            found = book.deals_of_position.get(position or 0, [])
        return self._seen_deals(found)
