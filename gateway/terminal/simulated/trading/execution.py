"""What happens when an order is executed: the entries it makes in the books. It judges nothing, and answers nobody."""

from dataclasses import dataclass
from typing import Final

from gateway.terminal.simulated.market.symbols import Symbol
from gateway.terminal.simulated.trading.books import Book, Order, Position, lots
from gateway.terminal.simulated.trading.rules import BUY_ORDERS, entry_price
from gateway.terminal.simulated.trading.valuation import Valuation, money
from gateway.wire import constants as mt5
from gateway.wire.structs import TradeOrder

__all__ = ("Execution", "Fill", "describe_order", "finished_order")


@dataclass(frozen=True, slots=True)
class Fill:
    """What an execution left behind: tickets, lots, price."""

    deal: int
    order: int
    volume: float
    price: float


class Execution:
    """Executes at the symbol's current quote and time."""

    def __init__(self, book: Book, valuation: Valuation) -> None:
        self._book = book
        self._valuation = valuation

    def open(self, symbol: Symbol, terms: Order) -> Fill:
        """Open a position on an order's terms, a market order's or a triggered pending one's."""
        book = self._book
        buy = terms.type in BUY_ORDERS
        kind = mt5.POSITION_TYPE_BUY if buy else mt5.POSITION_TYPE_SELL
        price, now_msc = entry_price(symbol, buy), symbol.time_msc
        if terms.ticket in book.orders:
            book.drop_order(terms)
        else:
            terms.price = price
        book.record_order(finished_order(symbol, terms, mt5.ORDER_STATE_FILLED, position_id=terms.ticket))
        deal = book.record_deal(
            order=terms.ticket,
            time_msc=now_msc,
            type_=kind,
            entry=mt5.DEAL_ENTRY_IN,
            magic=terms.magic,
            position_id=terms.ticket,
            reason=terms.reason,
            volume=terms.volume,
            price=price,
            profit=0.0,
            symbol=symbol.name,
            comment=terms.comment,
            commission=_commission(symbol, terms.volume),
        )
        book.add_position(
            Position(
                ticket=terms.ticket,
                symbol=symbol.name,
                type=kind,
                volume=terms.volume,
                price_open=price,
                sl=terms.sl,
                tp=terms.tp,
                magic=terms.magic,
                reason=terms.reason,
                comment=terms.comment,
                time_msc=now_msc,
                time_update_msc=now_msc,
            )
        )
        return Fill(deal, terms.ticket, terms.volume, price)

    def close(self, symbol: Symbol, position: Position, terms: Order) -> Fill:
        """Close a position, or the part of it that the order's volume names."""
        volume = min(lots(terms.volume), position.volume)
        price = entry_price(symbol, terms.type == mt5.ORDER_TYPE_BUY)
        terms.price, terms.volume = price, volume
        deal = self._exit(symbol, position, terms, volume, price, price, mt5.DEAL_ENTRY_OUT)
        self._book.record_order(finished_order(symbol, terms, mt5.ORDER_STATE_FILLED, position_id=position.ticket))
        return Fill(deal, terms.ticket, volume, price)

    def close_by(self, symbol: Symbol, position: Position, other: Position, terms: Order) -> Fill:
        """Close two opposite positions against each other, as far as the smaller one reaches.

        The first deal carries the whole difference of their opening prices, the second one none.
        """
        volume = min(position.volume, other.volume)
        price = other.price_open
        terms.price, terms.volume = price, volume
        order = finished_order(
            symbol, terms, mt5.ORDER_STATE_FILLED, position_id=position.ticket, position_by_id=other.ticket
        )
        deal = self._exit(symbol, position, terms, volume, price, price, mt5.DEAL_ENTRY_OUT_BY)
        self._exit(symbol, other, terms, volume, price, other.price_open, mt5.DEAL_ENTRY_OUT_BY)
        self._book.record_order(order)
        return Fill(deal, terms.ticket, volume, price)

    def finish(self, symbol: Symbol, order: Order, state: int) -> None:
        """Take a pending order off the book unfilled: cancelled, expired or rejected."""
        self._book.drop_order(order)
        self._book.record_order(finished_order(symbol, order, state))

    def _exit(
        self,
        symbol: Symbol,
        position: Position,
        terms: Order,
        volume: float,
        price: float,
        valued_at: float,
        entry: int,
    ) -> int:
        profit = self._valuation.profit(symbol, position.type, volume, position.price_open, valued_at)
        swap = money(position.swap * volume / position.volume)
        position.swap = money(position.swap - swap)
        deal = self._book.record_deal(
            order=terms.ticket,
            time_msc=symbol.time_msc,
            type_=_OPPOSITE[position.type],
            entry=entry,
            magic=terms.magic,
            position_id=position.ticket,
            reason=terms.reason,
            volume=volume,
            price=price,
            profit=profit,
            symbol=symbol.name,
            comment=terms.comment,
            commission=_commission(symbol, volume) if entry == mt5.DEAL_ENTRY_OUT else 0.0,
            swap=swap,
        )
        self._book.reduce_position(position, volume, symbol.time_msc)
        return deal


_OPPOSITE: Final = {mt5.POSITION_TYPE_BUY: mt5.DEAL_TYPE_SELL, mt5.POSITION_TYPE_SELL: mt5.DEAL_TYPE_BUY}


def _commission(symbol: Symbol, volume: float) -> float:
    return money(-symbol.specification.commission_per_lot * volume)


def describe_order(symbol: Symbol, order: Order) -> TradeOrder:
    """Return an active order as the package's structure."""
    return _structure(symbol, order, mt5.ORDER_STATE_PLACED, 0, order.volume, 0, 0)


def finished_order(
    symbol: Symbol, order: Order, state: int, *, position_id: int = 0, position_by_id: int = 0
) -> TradeOrder:
    """Return an order that just ended as the package's structure."""
    left = 0.0 if state == mt5.ORDER_STATE_FILLED else order.volume
    return _structure(symbol, order, state, symbol.time_msc, left, position_id, position_by_id)


def _structure(
    symbol: Symbol, order: Order, state: int, done_msc: int, left: float, position_id: int, position_by_id: int
) -> TradeOrder:
    return TradeOrder(
        (
            order.ticket,
            order.time_setup_msc // 1000,
            order.time_setup_msc,
            done_msc // 1000,
            done_msc,
            order.expires_s,
            order.type,
            order.type_time,
            order.type_filling,
            state,
            order.magic,
            position_id,
            position_by_id,
            order.reason,
            order.volume,
            left,
            order.price,
            order.sl,
            order.tp,
            entry_price(symbol, order.type in BUY_ORDERS),
            0.0,
            order.symbol,
            order.comment,
            "",
        )
    )
