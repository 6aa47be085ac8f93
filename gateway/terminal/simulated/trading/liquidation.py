"""Who goes first when the account is stopped out, and what the broker writes beside it.

Pending orders are deleted first, the one that frees most margin first, those that free none never. Then positions are
closed, the largest loss first, one by one, until the margin level is above the stop-out level again. The order in which
they were opened doesn't count, not even where they must be closed so. Source: MetaTrader 5 documentation, "Stop out".
"""

from typing import Final

from gateway.terminal.simulated.market.symbols import Market
from gateway.terminal.simulated.trading.account import Account
from gateway.terminal.simulated.trading.books import Book, Order, Position
from gateway.wire import constants as mt5

__all__ = ("Liquidation",)

MAX_COMMENT: Final = 31
"""How many characters a comment holds at the trade server."""
_MARKET: Final = (mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_SELL)


class Liquidation:
    """Chooses; the caller deletes or closes, and asks `Account.must_stop_out` again."""

    def __init__(self, book: Book, market: Market, account: Account) -> None:
        self._book = book
        self._market = market
        self._account = account

    def victim(self) -> Order | Position | None:
        """Return what goes next, None if nothing can; O(orders + positions).

        What can't be traded now (no price, its market closed) is passed over. Among equals the oldest goes.
        """
        freed = [(margin, order) for margin, order in self._account.freed_by_orders() if order.type not in _MARKET]
        margin, largest = max(freed, key=lambda pair: (pair[0], -pair[1].ticket), default=(0.0, None))
        if largest is not None and margin > 0.0:
            return largest
        closable = [position for position in self._book.positions.values() if self._can_close(position)]
        return min(closable, key=lambda position: (self._result(position), position.ticket), default=None)

    def comment(self) -> str:
        """Return what the closing order and deal say: margin level, equity and margin, before the closing.

        What is too long for a comment loses its decimals first, then its amounts.
        """
        figures = self._account.figures()
        for digits in (2, 0):
            text = f"[so {figures.margin_level:.2f}%/{figures.equity:.{digits}f}/{figures.margin:.{digits}f}]"
            if len(text) <= MAX_COMMENT:
                return text
        return f"[so {figures.margin_level:.2f}%]"

    def _result(self, position: Position) -> float:
        return self._account.position_profit(position) + position.swap

    def _can_close(self, position: Position) -> bool:
        symbol = self._market.symbols[position.symbol]
        return symbol.quoted and symbol.trade_open
