"""An order meets the market: what can be filled is, and the filling policy decides on the rest."""

from typing import Final

from gateway.terminal.simulated.market.symbols import Symbol
from gateway.terminal.simulated.trading.books import Book
from gateway.terminal.simulated.trading.entries import Order, Position
from gateway.terminal.simulated.trading.execution import Execution, Fill
from gateway.terminal.simulated.trading.fillings import filling_used
from gateway.terminal.simulated.trading.levels import BUY_ORDERS, LIMITS, PENDING, entry_price, points_of
from gateway.terminal.simulated.trading.liquidity import Liquidity
from gateway.wire import constants as mt5

__all__ = ("Dealing", "deviates")

_DEALER: Final = (mt5.SYMBOL_TRADE_EXECUTION_REQUEST, mt5.SYMBOL_TRADE_EXECUTION_INSTANT)
_STAYS: Final = (mt5.ORDER_FILLING_RETURN, mt5.ORDER_FILLING_BOC)


def deviates(symbol: Symbol, buy: bool, price: float, deviation_points: int) -> bool:
    """Say whether the price has moved further from the requested one than allowed, whichever way.

    Only instant and request execution ask; market and exchange execution take the price as it comes.
    """
    if symbol.specification.trade_exemode not in _DEALER or deviation_points < 0:
        return False
    return abs(points_of(symbol, price) - points_of(symbol, entry_price(symbol, buy))) > deviation_points


class Dealing:
    """Fills orders from what the market offers."""

    def __init__(self, book: Book, liquidity: Liquidity, execution: Execution) -> None:
        self._book = book
        self._liquidity = liquidity
        self._execution = execution

    def deal(self, symbol: Symbol, order: Order, now_msc: int) -> Fill | None:
        """Fill an order that isn't on the book as far as its policy and the market allow; None if nothing came of it.

        A remainder is cancelled (IOC) or put on the book (RETURN, BOC). With None the order is as it was.
        """
        filling = filling_used(symbol.specification, order.type_filling, pending=order.type in PENDING)
        portions = self._liquidity.take(
            symbol,
            order.type in BUY_ORDERS,
            order.volume_current,
            ticket=order.ticket,
            limit=order.price if order.type in LIMITS else None,
            all_or_nothing=filling == mt5.ORDER_FILLING_FOK,
        )
        if not portions and filling not in _STAYS:
            return None
        fill = self._execution.fill(symbol, order, portions, now_msc)
        if order.volume_current > 0.0:
            if filling in _STAYS:
                self._execution.rest(order)
            else:
                self._execution.finish(symbol, order, mt5.ORDER_STATE_CANCELED, now_msc)
        return fill

    def close(
        self, symbol: Symbol, position: Position, reason: int, comment: str, now_msc: int, limit: float | None = None
    ) -> bool:
        """Close a position by the server's own order, as far as the market allows; say whether anything was closed."""
        buy = position.type == mt5.POSITION_TYPE_SELL
        portions = self._liquidity.take(symbol, buy, position.volume, ticket=position.ticket, limit=limit)
        if portions:
            self._execution.close(symbol, position, portions, reason, comment, now_msc)
        return bool(portions)
