"""What ticks do to the books: pending orders trigger or expire, stops close positions, a margin call stops out.

A symbol without positions and orders costs one look into a dict. For the others the prices that would set something
off are kept as four bounds, and a slice of ticks is searched for the first one beyond them: only there anything is
looked at one by one.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.market.ticks import Records
from gateway.terminal.simulated.trading.account import Account
from gateway.terminal.simulated.trading.books import Book, Order, Position
from gateway.terminal.simulated.trading.execution import Execution
from gateway.terminal.simulated.trading.rules import BUY_ORDERS, entry_price
from gateway.wire import constants as mt5

__all__ = ("Triggers",)

_ASK_FALLS: Final = (mt5.ORDER_TYPE_BUY_LIMIT,)
_ASK_RISES: Final = (mt5.ORDER_TYPE_BUY_STOP,)
_BID_RISES: Final = (mt5.ORDER_TYPE_SELL_LIMIT,)


@dataclass(slots=True)
class _Bounds:
    """Nothing happens while bid and ask stay strictly between these and time stays below `expires_s`."""

    changes: int
    bid_low: float = -math.inf
    bid_high: float = math.inf
    ask_low: float = -math.inf
    ask_high: float = math.inf
    expires_s: float = math.inf


class Triggers:
    """Feeds ticks to symbols and does what they set off, in the ticks' order."""

    def __init__(self, book: Book, market: Market, account: Account, execution: Execution) -> None:
        self._book = book
        self._market = market
        self._account = account
        self._execution = execution
        self._bounds: dict[str, _Bounds] = {}

    def feed(self, symbol: Symbol, ticks: Records) -> None:
        """Append ticks to a symbol; every execution sees the quote of the tick that caused it."""
        if not self._book.holds(symbol.name):
            symbol.append(ticks)
            return
        while len(ticks):
            end = self._first_beyond(symbol.name, ticks)
            symbol.append(ticks[: end + 1])
            if end < len(ticks):
                self._fire(symbol)
            ticks = ticks[end + 1 :]
        while self._book.exposures and self._account.must_stop_out():
            self._stop_out()

    def _first_beyond(self, name: str, ticks: Records) -> int:
        bounds = self._bounds.get(name)
        if bounds is None or bounds.changes != self._book.changes:
            bounds = self._bounds[name] = self._measure(name)
        bid, ask = ticks["bid"], ticks["ask"]
        beyond = (bid <= bounds.bid_low) | (bid >= bounds.bid_high) | (ask <= bounds.ask_low)
        beyond |= (ask >= bounds.ask_high) | (ticks["time"] >= bounds.expires_s)
        found = np.flatnonzero(beyond)
        return int(found[0]) if len(found) else len(ticks)

    def _measure(self, name: str) -> _Bounds:
        bounds = _Bounds(self._book.changes)
        for position in self._book.positions_of[name].values():
            sl, tp = position.sl, position.tp
            if position.type == mt5.POSITION_TYPE_BUY:
                bounds.bid_low = max(bounds.bid_low, sl or -math.inf)
                bounds.bid_high = min(bounds.bid_high, tp or math.inf)
            else:
                bounds.ask_high = min(bounds.ask_high, sl or math.inf)
                bounds.ask_low = max(bounds.ask_low, tp or -math.inf)
        for order in self._book.orders_of[name].values():
            bounds.expires_s = min(bounds.expires_s, order.expires_s or math.inf)
            if order.type in _ASK_FALLS:
                bounds.ask_low = max(bounds.ask_low, order.price)
            elif order.type in _ASK_RISES:
                bounds.ask_high = min(bounds.ask_high, order.price)
            elif order.type in _BID_RISES:
                bounds.bid_high = min(bounds.bid_high, order.price)
            else:
                bounds.bid_low = max(bounds.bid_low, order.price)
        return bounds

    def _fire(self, symbol: Symbol) -> None:
        """Do all that the current tick sets off; what opens now is looked at from the next tick on."""
        positions = list(self._book.positions_of[symbol.name].values())
        for order in list(self._book.orders_of[symbol.name].values()):
            if order.expires_s and symbol.time_msc >= order.expires_s * 1000:
                self._execution.finish(symbol, order, mt5.ORDER_STATE_EXPIRED)
            elif _triggered(symbol, order):
                self._open(symbol, order)
        for position in positions:
            self._stop(symbol, position)

    def _open(self, symbol: Symbol, order: Order) -> None:
        kind = mt5.ORDER_TYPE_BUY if order.type in BUY_ORDERS else mt5.ORDER_TYPE_SELL
        price = entry_price(symbol, order.type in BUY_ORDERS)
        if self._account.figures_after(symbol, kind, order.volume, price).margin_free < 0.0:
            self._execution.finish(symbol, order, mt5.ORDER_STATE_REJECTED)
        else:
            self._execution.open(symbol, order)

    def _stop(self, symbol: Symbol, position: Position) -> None:
        digits = symbol.specification.digits
        if position.type == mt5.POSITION_TYPE_BUY:
            lost = 0.0 < symbol.bid <= position.sl
            won = 0.0 < position.tp <= symbol.bid
        else:
            lost = 0.0 < position.sl <= symbol.ask
            won = 0.0 < symbol.ask <= position.tp
        if lost:
            self._close(symbol, position, mt5.DEAL_REASON_SL, f"[sl {position.sl:.{digits}f}]")
        elif won:
            self._close(symbol, position, mt5.DEAL_REASON_TP, f"[tp {position.tp:.{digits}f}]")

    def _stop_out(self) -> None:
        """Close the position that loses most."""
        worst = min(self._book.positions.values(), key=self._account.position_profit)
        level = self._account.figures().margin_level
        self._close(self._market.symbols[worst.symbol], worst, mt5.DEAL_REASON_SO, f"[so {level:.2f}%]")

    def _close(self, symbol: Symbol, position: Position, reason: int, comment: str) -> None:
        buy = position.type == mt5.POSITION_TYPE_BUY
        terms = Order(
            ticket=self._book.next_order(),
            symbol=symbol.name,
            type=mt5.ORDER_TYPE_SELL if buy else mt5.ORDER_TYPE_BUY,
            volume=position.volume,
            price=0.0,
            sl=0.0,
            tp=0.0,
            magic=position.magic,
            reason=reason,
            comment=comment,
            type_time=mt5.ORDER_TIME_GTC,
            type_filling=mt5.ORDER_FILLING_FOK,
            expires_s=0,
            time_setup_msc=symbol.time_msc,
        )
        self._execution.close(symbol, position, terms)


def _triggered(symbol: Symbol, order: Order) -> bool:
    if order.type in _ASK_FALLS:
        return symbol.ask <= order.price
    if order.type in _ASK_RISES:
        return symbol.ask >= order.price
    if order.type in _BID_RISES:
        return symbol.bid >= order.price
    return symbol.bid <= order.price
