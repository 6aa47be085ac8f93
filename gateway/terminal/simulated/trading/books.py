"""The account's books: open positions, active orders, finished orders, deals, and the balance they add up to.

Two laws. The balance is the sum of all deals' profit, commission, swap and fee (deals of credit make up the credit);
nothing else moves it. And every change passes through a method of `Book`: `take_changes` tells of all of them, and
`restore` makes the same book again.

Orders and deals are numbered apart, in ascending order; a position has the ticket of the order that opened it. MT5
keeps apart what it calls the identifier: it stays when a reversal or a reopening gives the position a new ticket, and
it is what orders and deals name as their `position_id`. Source: MQL5 documentation, "Position properties".
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from gateway.terminal.simulated.trading.entries import Changes, Exposure, Order, Position, lots
from gateway.terminal.simulated.trading.ledger import Ledger
from gateway.wire.constants import (
    DEAL_TYPE_BALANCE,
    DEAL_TYPE_CREDIT,
    ORDER_TYPE_BUY,
    ORDER_TYPE_SELL,
)
from gateway.wire.structs import TradeDeal, TradeOrder

__all__ = ("Book", "Changes", "Exposure", "Ledger", "Order", "Position", "lots")

FIRST_ORDER: Final = 10_000_001
FIRST_DEAL: Final = 20_000_001
_PRICE_DIGITS: Final = 8
"""An average of prices has more digits than the symbol; so many are kept."""
_MAX_U32: Final = 2**32 - 1
_MARKET: Final = (ORDER_TYPE_BUY, ORDER_TYPE_SELL)

Entry = TypeVar("Entry")


@dataclass(slots=True)
class _Journal:
    """What happened since `take_changes` was last called."""

    positions: set[int] = field(default_factory=set)
    orders: set[int] = field(default_factory=set)
    finished: list[TradeOrder] = field(default_factory=list)
    deals: list[TradeDeal] = field(default_factory=list)
    counted: bool = False

    def __bool__(self) -> bool:
        return bool(self.counted or self.positions or self.orders or self.finished or self.deals)


class Book:
    """All of one account. `changes` counts changes to positions and orders: what was derived from them is stale.

    `digits`: how many of the account currency's digits money has. Positions and orders are listed by ticket.
    `pending` counts the pending orders, `swap` sums up the open positions' swaps.
    """

    def __init__(self, digits: int = 2) -> None:
        self.digits = digits
        self.balance = 0.0
        self.credit = 0.0
        self.request_id = 0
        self.changes = 0
        self.positions: dict[int, Position] = {}
        self.orders: dict[int, Order] = {}
        self.pending = 0
        self.swap = 0.0
        self.exposures: dict[str, Exposure] = {}
        self.positions_of: dict[str, dict[int, Position]] = defaultdict(dict)
        self.orders_of: dict[str, dict[int, Order]] = defaultdict(dict)
        self.history: Ledger[TradeOrder] = Ledger()
        self.history_of: dict[int, TradeOrder] = {}
        self.history_of_position: dict[int, list[TradeOrder]] = defaultdict(list)
        self.deals: Ledger[TradeDeal] = Ledger()
        self.deals_of_order: dict[int, list[TradeDeal]] = defaultdict(list)
        self.deals_of_position: dict[int, list[TradeDeal]] = defaultdict(list)
        self._next_order = FIRST_ORDER
        self._next_deal = FIRST_DEAL
        self._journal: _Journal | None = None

    def money(self, amount: float) -> float:
        """Round to the account currency's digits, without a negative zero."""
        return round(amount, self.digits) + 0.0

    def holds(self, symbol: str) -> bool:
        """Say whether a symbol has positions or orders that its ticks could move."""
        return bool(self.positions_of.get(symbol) or self.orders_of.get(symbol))

    def position_by(self, symbol: str, identifier: int) -> Position | None:
        """Return a symbol's position by its identifier; O(1) unless it was reversed or reopened."""
        position = self.positions.get(identifier)
        if position is not None and position.identifier == identifier:
            return position
        held = self.positions_of.get(symbol, {}).values()
        return next((item for item in held if item.identifier == identifier), None)

    def next_order(self) -> int:
        """Return a fresh order ticket."""
        ticket = self._next_order
        self._next_order += 1
        if self._journal is not None:
            self._journal.counted = True
        return ticket

    def next_request(self) -> int:
        """Return a fresh request id: 1 to 2^32 - 1, and around again."""
        self.request_id = self.request_id % _MAX_U32 + 1
        if self._journal is not None:
            self._journal.counted = True
        return self.request_id

    # --- deals and finished orders ---

    def deposit(self, amount: float, time_msc: int, comment: str = "", kind: int = DEAL_TYPE_BALANCE) -> int:
        """Book a deal without a trade: balance, credit, charge, correction, bonus; return its ticket."""
        return self.record_deal(
            order=0,
            time_msc=time_msc,
            type_=kind,
            entry=0,
            magic=0,
            position_id=0,
            reason=0,
            volume=0.0,
            price=0.0,
            profit=self.money(amount),
            symbol="",
            comment=comment,
        )

    def record_deal(
        self,
        *,
        order: int,
        time_msc: int,
        type_: int,
        entry: int,
        magic: int,
        position_id: int,
        reason: int,
        volume: float,
        price: float,
        profit: float,
        symbol: str,
        comment: str,
        commission: float = 0.0,
        swap: float = 0.0,
        fee: float = 0.0,
    ) -> int:
        """Enter a deal, move the balance (or the credit) by it, and return its ticket; amounts are rounded money."""
        ticket = self._next_deal
        self._next_deal += 1
        deal = TradeDeal(
            (
                ticket,
                order,
                time_msc // 1000,
                time_msc,
                type_,
                entry,
                magic,
                position_id,
                reason,
                volume,
                price,
                commission,
                swap,
                profit,
                fee,
                symbol,
                comment,
                "",
            )
        )
        self._enter_deal(deal, time_msc // 1000, order, position_id)
        if self._journal is not None:
            self._journal.deals.append(deal)
        amount = profit + commission + swap + fee
        if type_ == DEAL_TYPE_CREDIT:
            self.credit = self.money(self.credit + amount)
        else:
            self.balance = self.money(self.balance + amount)
        return ticket

    def record_order(self, order: TradeOrder) -> None:
        """Enter a finished order into the history, at the time it was done."""
        self._enter_order(order)
        if self._journal is not None:
            self._journal.finished.append(order)

    # --- positions ---

    def add_position(self, position: Position) -> None:
        """Enter an open position."""
        self._touch_position(position.ticket)
        self.swap = self.money(self.swap + position.swap)
        _insert(self.positions, position.ticket, position)
        _insert(self.positions_of[position.symbol], position.ticket, position)
        self._expose(position, position.volume)

    def enlarge_position(self, position: Position, volume: float, price: float, time_msc: int) -> None:
        """Add lots to a position; its opening price becomes the average by volume."""
        self._touch_position(position.ticket)
        self._expose(position, -position.volume)
        total = lots(position.volume + volume)
        position.price_open = round((position.price_open * position.volume + price * volume) / total, _PRICE_DIGITS)
        position.volume = total
        position.time_update_msc = time_msc
        self._expose(position, total)

    def reduce_position(self, position: Position, volume: float, time_msc: int) -> None:
        """Take `volume` lots off a position; it is gone when nothing is left."""
        self._touch_position(position.ticket)
        self._expose(position, -volume)
        position.volume = lots(position.volume - volume)
        position.time_update_msc = time_msc
        if position.volume <= 0.0:
            self._drop_position(position)

    def replace_position(self, position: Position, **terms: Any) -> Position:
        """Put a position with other terms (a reversed or reopened one) in a position's place; return it."""
        self._touch_position(position.ticket)
        self._expose(position, -position.volume)
        self._drop_position(position)
        successor = replace(position, **terms)
        self.add_position(successor)
        return successor

    def move_stops(self, position: Position, sl: float, tp: float, time_msc: int) -> None:
        """Set a position's stop loss and take profit; 0 is none."""
        self._touch_position(position.ticket)
        position.sl, position.tp = sl, tp
        position.time_update_msc = time_msc

    def charge_swap(self, position: Position, amount: float) -> None:
        """Add to a position's swap; it is paid when the position is closed."""
        self._touch_position(position.ticket)
        position.swap = self.money(position.swap + amount)
        self.swap = self.money(self.swap + amount)

    # --- orders ---

    def add_order(self, order: Order) -> None:
        """Enter an active order."""
        self._touch_order(order.ticket)
        self.pending += order.type not in _MARKET
        _insert(self.orders, order.ticket, order)
        _insert(self.orders_of[order.symbol], order.ticket, order)

    def change_order(self, order: Order, **terms: Any) -> None:
        """Change an active order's terms, by their field names; never its ticket, its symbol, or pending to market."""
        self._touch_order(order.ticket)
        for name, value in terms.items():
            setattr(order, name, value)

    def drop_order(self, order: Order) -> None:
        """Take an active order off the book; its history is the caller's to record."""
        self._touch_order(order.ticket)
        self.pending -= order.type not in _MARKET
        del self.orders[order.ticket]
        del self.orders_of[order.symbol][order.ticket]

    # --- what changed, and the way back ---

    def take_changes(self) -> Changes | None:
        """Return what changed since it was last asked, None for nothing; the first answer is the whole book.

        A book that is never asked keeps no account of its changes. O(changes). Positions and orders are copies.
        """
        journal = self._journal
        if journal is None:
            finished, deals = list(self.history_of.values()), sorted(self._all_deals(), key=_ticket)
            journal = _Journal(set(self.positions), set(self.orders), finished, deals, True)
        elif not journal:
            return None
        self._journal = _Journal()
        return Changes(
            positions={ticket: _copied(self.positions.get(ticket)) for ticket in sorted(journal.positions)},
            orders={ticket: _copied(self.orders.get(ticket)) for ticket in sorted(journal.orders)},
            finished=journal.finished,
            deals=journal.deals,
            balance=self.balance,
            credit=self.credit,
            next_order=self._next_order,
            next_deal=self._next_deal,
            request_id=self.request_id,
        )

    def restore(self, saved: Changes) -> None:
        """Fill an empty book with the sum of all changes there ever were; they count as taken."""
        if self._next_deal != FIRST_DEAL or self._next_order != FIRST_ORDER:
            raise ValueError("restore: expected an empty book, got one that was traded on")
        for order in _present(saved.orders.values()):
            self.add_order(replace(order))
        for position in _present(saved.positions.values()):
            self.add_position(replace(position))
        for finished in saved.finished:
            self._enter_order(finished)
        for deal in saved.deals:
            self._enter_deal(deal, deal.time, deal.order, deal.position_id)
        self.balance, self.credit, self.request_id = saved.balance, saved.credit, saved.request_id
        self._next_order, self._next_deal = saved.next_order, saved.next_deal
        self._journal = _Journal()

    def _all_deals(self) -> Iterable[TradeDeal]:
        return (deal for deals in self.deals_of_order.values() for deal in deals)

    def _enter_deal(self, deal: TradeDeal, time_s: int, order: int, position_id: int) -> None:
        self.deals.enter(time_s, deal)
        self.deals_of_order[order].append(deal)
        self.deals_of_position[position_id].append(deal)

    def _enter_order(self, order: TradeOrder) -> None:
        self.history.enter(order.time_done, order)
        self.history_of[order.ticket] = order
        self.history_of_position[order.position_id].append(order)

    def _expose(self, position: Position, volume: float) -> None:
        exposure = self.exposures.get(position.symbol)
        if exposure is None:
            exposure = self.exposures[position.symbol] = Exposure()
        exposure.add(position.type, volume, position.price_open)

    def _drop_position(self, position: Position) -> None:
        held = self.positions_of[position.symbol]
        self.swap = self.money(self.swap - position.swap)
        del self.positions[position.ticket]
        del held[position.ticket]
        if not held:
            del self.exposures[position.symbol]

    def _touch_position(self, ticket: int) -> None:
        self.changes += 1
        if self._journal is not None:
            self._journal.positions.add(ticket)

    def _touch_order(self, ticket: int) -> None:
        self.changes += 1
        if self._journal is not None:
            self._journal.orders.add(ticket)


def _insert(entries: dict[int, Entry], ticket: int, entry: Entry) -> None:
    """Enter by ticket and keep the order of tickets; O(1) for the highest, O(n) for one that waited longer."""
    late = bool(entries) and ticket < next(reversed(entries))
    entries[ticket] = entry
    if late:
        ordered = sorted(entries.items())
        entries.clear()
        entries.update(ordered)


def _copied(entry: Entry | None) -> Entry | None:
    return None if entry is None else replace(entry)  # type: ignore[type-var]


def _present(entries: Iterable[Entry | None]) -> Iterable[Entry]:
    return (entry for entry in entries if entry is not None)


def _ticket(deal: TradeDeal) -> int:
    return deal.ticket
