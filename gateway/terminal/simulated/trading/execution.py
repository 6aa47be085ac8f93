"""What happens when an order is executed: the entries it makes in the books. It judges nothing, and answers nobody.

A fill is one or more portions, each a deal of its own at its own price. What a deal does depends on the account:
| account            | a deal of an order ...                                                                    |
| hedging            | opens the order's own position, enlarges it (a later portion), or takes off the named one |
| netting, exchange  | opens, enlarges, takes off or reverses the symbol's only position                         |
A reversal is one INOUT deal: the identifier stays, the ticket becomes the order's. An enlarged or reversed position
takes the latest order's stops, none if it names none; a partial close leaves them. Magic and comment stay those of the
order that opened or reversed the position. Source: MetaTrader 5 help, "Stop loss and take profit inheritance"; MQL5
documentation, "Position properties" and "Deal properties"; magic and comment aren't documented.
"""

from dataclasses import dataclass
from typing import Final

from gateway.terminal.simulated.market.symbols import Symbol
from gateway.terminal.simulated.trading.books import Book
from gateway.terminal.simulated.trading.entries import Order, Position, lots
from gateway.terminal.simulated.trading.levels import BUY_ORDERS, entry_price
from gateway.terminal.simulated.trading.liquidity import Portion
from gateway.terminal.simulated.trading.records import finished_order
from gateway.terminal.simulated.trading.valuation import Valuation
from gateway.wire import constants as mt5

__all__ = ("Execution", "Fill")

_OPPOSITE: Final = {mt5.POSITION_TYPE_BUY: mt5.DEAL_TYPE_SELL, mt5.POSITION_TYPE_SELL: mt5.DEAL_TYPE_BUY}
_PRICE_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class Fill:
    """What an execution left behind: its last deal's ticket, the order's, lots, and their average price."""

    deal: int
    order: int
    volume: float
    price: float


class Execution:
    """Enters executions at the time it is given; `netting` accounts hold one position a symbol."""

    def __init__(self, book: Book, valuation: Valuation, *, netting: bool) -> None:
        self._book = book
        self._valuation = valuation
        self._netting = netting

    def fill(self, symbol: Symbol, order: Order, portions: list[Portion], now_msc: int) -> Fill:
        """Execute portions of an order, which may be on the book or not; finish it where nothing is left.

        A remainder is the caller's: to cancel, or to keep with `rest`.
        """
        deal = 0
        for price, volume in portions:
            deal = self._apply(symbol, order, price, volume, now_msc)
            order.volume_current = lots(order.volume_current - volume)
        if portions and order.type in (mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_SELL):
            order.price = portions[0][0]
        if order.volume_current <= 0.0:
            self.finish(symbol, order, mt5.ORDER_STATE_FILLED, now_msc)
        if len(portions) == 1:
            return Fill(deal, order.ticket, portions[0][1], portions[0][0])
        return _joined(deal, order.ticket, portions)

    def rest(self, order: Order) -> None:
        """Put what is left of an order on the book, partly filled or not yet at all."""
        order.state = mt5.ORDER_STATE_PARTIAL if order.volume_current < order.volume else mt5.ORDER_STATE_PLACED
        self._book.add_order(order)

    def finish(self, symbol: Symbol, order: Order, state: int, now_msc: int, comment: str | None = None) -> None:
        """Take an order off the book, if it is there, and enter it into the history: filled, cancelled, expired, …"""
        if order.ticket in self._book.orders:
            self._book.drop_order(order)
        order.state = state
        if comment is not None:
            order.comment = comment
        self._book.record_order(finished_order(symbol, order, now_msc))

    def close_by(self, symbol: Symbol, position: Position, other: Position, order: Order, now_msc: int) -> Fill:
        """Close two opposite positions against each other, as far as the smaller one reaches.

        The first deal carries the whole difference of their opening prices, the second one none; neither costs a
        commission.
        """
        volume = min(position.volume, other.volume)
        price = other.price_open
        order.price, order.volume, order.volume_current = price, volume, 0.0
        order.position_id, order.position_by_id = position.identifier, other.identifier
        deal = self._take_off(symbol, position, order, price, volume, mt5.DEAL_ENTRY_OUT_BY, now_msc)
        self._take_off(symbol, other, order, price, volume, mt5.DEAL_ENTRY_OUT_BY, now_msc)
        self.finish(symbol, order, mt5.ORDER_STATE_FILLED, now_msc)
        return Fill(deal, order.ticket, volume, price)

    def close(
        self, symbol: Symbol, position: Position, portions: list[Portion], reason: int, comment: str, now_msc: int
    ) -> None:
        """Close a position, wholly or as far as the portions reach, by the server's own order; the rest is cancelled.

        What isn't filled is left open: a stop that still holds at the next tick closes it then.
        """
        order = self._servers_order(symbol, position, reason, comment, now_msc)
        self.fill(symbol, order, portions, now_msc)
        if order.volume_current > 0.0:
            self.finish(symbol, order, mt5.ORDER_STATE_CANCELED, now_msc)

    def reopen(self, symbol: Symbol, position: Position, price: float, now_msc: int) -> Position:
        """Close a position at the quote and open it again at `price`, as some swaps are charged; return it.

        The ticket is a new one, the identifier stays, stops stay too. Source: MQL5 documentation, "Symbol properties"
        (SYMBOL_SWAP_MODE_REOPEN_CURRENT, _BID) and "Position properties" (POSITION_TICKET).
        """
        volume, kind = position.volume, position.type
        closing = entry_price(symbol, kind == mt5.POSITION_TYPE_SELL)
        reason, comment = mt5.DEAL_REASON_ROLLOVER, position.comment
        out = self._servers_order(symbol, position, reason, comment, now_msc)
        out.price, out.volume_current, out.state = closing, 0.0, mt5.ORDER_STATE_FILLED
        profit, swap = self._settled(symbol, position, volume, closing)
        self._record(
            symbol,
            out,
            _OPPOSITE[kind],
            mt5.DEAL_ENTRY_OUT,
            position.identifier,
            volume,
            closing,
            now_msc,
            profit=profit,
            swap=swap,
        )
        out.reason = mt5.ORDER_REASON_CLIENT  # orders know no rollover
        self._book.record_order(finished_order(symbol, out, now_msc))
        again = self._servers_order(symbol, position, reason, comment, now_msc)
        again.type, again.price, again.volume_current, again.state = kind, price, 0.0, mt5.ORDER_STATE_FILLED
        self._record(symbol, again, kind, mt5.DEAL_ENTRY_IN, position.identifier, volume, price, now_msc)
        again.reason = mt5.ORDER_REASON_CLIENT
        self._book.record_order(finished_order(symbol, again, now_msc))
        return self._book.replace_position(
            position, ticket=again.ticket, price_open=price, swap=0.0, time_msc=now_msc, time_update_msc=now_msc
        )

    # --- one deal ---

    def _apply(self, symbol: Symbol, order: Order, price: float, volume: float, now_msc: int) -> int:
        position = self._target(order)
        kind = mt5.POSITION_TYPE_BUY if order.type in BUY_ORDERS else mt5.POSITION_TYPE_SELL
        if position is None:
            return self._open(symbol, order, kind, price, volume, now_msc)
        order.position_id = position.identifier
        if position.type == kind:
            return self._enlarge(symbol, position, order, price, volume, now_msc)
        if volume > position.volume:
            return self._reverse(symbol, position, order, price, volume, now_msc)
        return self._take_off(symbol, position, order, price, volume, mt5.DEAL_ENTRY_OUT, now_msc)

    def _target(self, order: Order) -> Position | None:
        """Return the position that a deal of the order is about; None if it opens one."""
        if self._netting:
            return next(iter(self._book.positions_of[order.symbol].values()), None)
        return self._book.position_by(order.symbol, order.position_id) if order.position_id else None

    def _open(self, symbol: Symbol, order: Order, kind: int, price: float, volume: float, now_msc: int) -> int:
        order.position_id = order.ticket
        deal = self._record(
            symbol, order, kind, mt5.DEAL_ENTRY_IN, order.ticket, volume, price, now_msc, commission=True
        )
        self._book.add_position(
            Position(
                ticket=order.ticket,
                identifier=order.ticket,
                symbol=symbol.name,
                type=kind,
                volume=volume,
                price_open=price,
                sl=order.sl,
                tp=order.tp,
                magic=order.magic,
                reason=order.reason,
                comment=order.comment,
                time_msc=now_msc,
                time_update_msc=now_msc,
            )
        )
        return deal

    def _enlarge(
        self, symbol: Symbol, position: Position, order: Order, price: float, volume: float, now_msc: int
    ) -> int:
        identifier, entry = position.identifier, mt5.DEAL_ENTRY_IN
        deal = self._record(symbol, order, position.type, entry, identifier, volume, price, now_msc, commission=True)
        self._book.enlarge_position(position, volume, price, now_msc)
        if self._netting and (order.sl, order.tp) != (position.sl, position.tp):
            self._book.move_stops(position, order.sl, order.tp, now_msc)
        return deal

    def _reverse(
        self, symbol: Symbol, position: Position, order: Order, price: float, volume: float, now_msc: int
    ) -> int:
        kind = _OPPOSITE[position.type]
        profit, swap = self._settled(symbol, position, position.volume, price)
        deal = self._record(
            symbol,
            order,
            kind,
            mt5.DEAL_ENTRY_INOUT,
            position.identifier,
            volume,
            price,
            now_msc,
            profit=profit,
            swap=swap,
            commission=True,
        )
        self._book.replace_position(
            position,
            ticket=order.ticket,
            type=kind,
            volume=lots(volume - position.volume),
            price_open=price,
            sl=order.sl,
            tp=order.tp,
            magic=order.magic,
            reason=order.reason,
            comment=order.comment,
            time_msc=now_msc,
            time_update_msc=now_msc,
            swap=0.0,
        )
        return deal

    def _take_off(
        self,
        symbol: Symbol,
        position: Position,
        order: Order,
        price: float,
        volume: float,
        entry: int,
        now_msc: int,
    ) -> int:
        profit, swap = self._settled(symbol, position, volume, price)
        if swap:
            self._book.charge_swap(position, -swap)
        kind, costs = _OPPOSITE[position.type], entry == mt5.DEAL_ENTRY_OUT
        deal = self._record(
            symbol,
            order,
            kind,
            entry,
            position.identifier,
            volume,
            price,
            now_msc,
            profit=profit,
            swap=swap,
            commission=costs,
        )
        self._book.reduce_position(position, volume, now_msc)
        return deal

    def _settled(self, symbol: Symbol, position: Position, volume: float, price: float) -> tuple[float, float]:
        """Return the profit of closing so much of a position at a price, and its part of the swap."""
        profit = self._valuation.profit(symbol, position.type, volume, position.price_open, price)
        return profit, self._book.money(position.swap * volume / position.volume) if position.swap else 0.0

    def _record(
        self,
        symbol: Symbol,
        order: Order,
        kind: int,
        entry: int,
        position_id: int,
        volume: float,
        price: float,
        now_msc: int,
        *,
        profit: float = 0.0,
        swap: float = 0.0,
        commission: bool = False,
    ) -> int:
        return self._book.record_deal(
            order=order.ticket,
            time_msc=now_msc,
            type_=kind,
            entry=entry,
            magic=order.magic,
            position_id=position_id,
            reason=order.reason,
            volume=volume,
            price=price,
            profit=profit,
            symbol=symbol.name,
            comment=order.comment,
            commission=self._commission(symbol, volume, price) if commission else 0.0,
            swap=swap,
        )

    def _commission(self, symbol: Symbol, volume: float, price: float) -> float:
        specification = symbol.specification
        if not (specification.commission_per_lot or specification.commission_percent):
            return 0.0
        return self._valuation.commission(symbol, volume, price)

    def _servers_order(self, symbol: Symbol, position: Position, reason: int, comment: str, now_msc: int) -> Order:
        buys = position.type == mt5.POSITION_TYPE_SELL
        return Order(
            ticket=self._book.next_order(),
            symbol=symbol.name,
            type=mt5.ORDER_TYPE_BUY if buys else mt5.ORDER_TYPE_SELL,
            volume=position.volume,
            volume_current=position.volume,
            price=0.0,
            sl=0.0,
            tp=0.0,
            magic=position.magic,
            reason=reason,
            comment=comment,
            type_time=mt5.ORDER_TIME_GTC,
            type_filling=mt5.ORDER_FILLING_FOK,
            expires_s=0,
            time_setup_msc=now_msc,
            position_id=position.identifier,
        )


def _joined(deal: int, order: int, portions: list[Portion]) -> Fill:
    volume = lots(sum(part for _, part in portions))
    if not volume:
        return Fill(0, order, 0.0, 0.0)
    return Fill(deal, order, volume, round(sum(price * part for price, part in portions) / volume, _PRICE_DIGITS))
