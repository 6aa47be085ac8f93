"""When a symbol's books must be looked at: the prices and the time until which nothing can happen to them."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from gateway.terminal.simulated.market.symbols import Symbol
from gateway.terminal.simulated.market.ticks import Records
from gateway.terminal.simulated.trading.entries import Order, Position
from gateway.terminal.simulated.trading.lifetimes import order_ends_msc, stops_end_msc
from gateway.wire import constants as mt5

__all__ = ("Bounds", "activated", "order_due_msc", "position_due_msc", "triggered")

_ASK_FALLS: Final = (mt5.ORDER_TYPE_BUY_LIMIT,)
_ASK_RISES: Final = (mt5.ORDER_TYPE_BUY_STOP, mt5.ORDER_TYPE_BUY_STOP_LIMIT)
_BID_RISES: Final = (mt5.ORDER_TYPE_SELL_LIMIT,)
_MARKET: Final = (mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_SELL)
_STOPS: Final = (mt5.ORDER_TYPE_BUY_STOP, mt5.ORDER_TYPE_SELL_STOP)


def triggered(order: Order, bid: float, ask: float) -> bool:
    """Say whether a pending order's price is reached."""
    if order.type in _ASK_FALLS:
        return ask <= order.price
    if order.type in _ASK_RISES:
        return ask >= order.price
    if order.type in _BID_RISES:
        return bid >= order.price
    return bid <= order.price


def activated(order: Order) -> bool:
    """Say whether an order waits for nothing but somebody to fill it, at any price."""
    if order.executes_msc:
        return False
    return order.type in _MARKET or (order.type in _STOPS and order.state == mt5.ORDER_STATE_PARTIAL)


def order_due_msc(symbol: Symbol, order: Order) -> float:
    """Return when time alone does something to an order: executes it, or ends it.

    A specified day that ends outside the symbol's sessions ends when the next one begins.
    """
    if order.executes_msc:
        return order.executes_msc
    ends_msc = order_ends_msc(symbol.specification, order)
    if ends_msc is None:
        return math.inf
    if not symbol.always_open and order.type_time == mt5.ORDER_TIME_SPECIFIED_DAY:
        opens_s = symbol.specification.sessions.next_open(ends_msc // 1000)
        return math.inf if opens_s is None else max(opens_s * 1000, ends_msc)
    return ends_msc


def position_due_msc(symbol: Symbol, position: Position) -> float:
    """Return when time alone takes a position's stops off."""
    ends_msc = stops_end_msc(symbol.specification, position)
    return math.inf if ends_msc is None else ends_msc


@dataclass(slots=True)
class Bounds:
    """Nothing happens while bid and ask stay strictly between these, and time before `due_msc`.

    `changes` is the book's count that they were measured at.
    """

    changes: int
    bid_low: float = -math.inf
    bid_high: float = math.inf
    ask_low: float = -math.inf
    ask_high: float = math.inf
    due_msc: float = math.inf

    def watch_position(self, symbol: Symbol, position: Position) -> None:
        """Narrow the bounds by a position's stops."""
        sl, tp = position.sl, position.tp
        if not sl and not tp:
            return
        if position.type == mt5.POSITION_TYPE_BUY:
            self.bid_low = max(self.bid_low, sl or -math.inf)
            self.bid_high = min(self.bid_high, tp or math.inf)
        else:
            self.ask_high = min(self.ask_high, sl or math.inf)
            self.ask_low = max(self.ask_low, tp or -math.inf)
        self.due_msc = min(self.due_msc, position_due_msc(symbol, position))

    def watch_order(self, symbol: Symbol, order: Order) -> None:
        """Narrow the bounds by an active order."""
        self.due_msc = min(self.due_msc, order_due_msc(symbol, order))
        if order.executes_msc:
            return
        if activated(order):
            self.bid_high = -math.inf  # every tick may fill more of it
        elif order.type in _ASK_FALLS:
            self.ask_low = max(self.ask_low, order.price)
        elif order.type in _ASK_RISES:
            self.ask_high = min(self.ask_high, order.price)
        elif order.type in _BID_RISES:
            self.bid_high = min(self.bid_high, order.price)
        else:
            self.bid_low = max(self.bid_low, order.price)

    def before_due(self, ticks: Records) -> int:
        """Return how many of the ticks come before anything is due."""
        if math.isinf(self.due_msc) or int(ticks["time_msc"][-1]) < self.due_msc:
            return len(ticks)
        return int(np.argmax(ticks["time_msc"] >= self.due_msc))

    def first_beyond(self, ticks: Records) -> int:
        """Return the index of the first tick beyond the bounds, the number of ticks if there is none."""
        bid, ask = ticks["bid"], ticks["ask"]
        beyond = (bid <= self.bid_low) | (bid >= self.bid_high) | (ask <= self.ask_low) | (ask >= self.ask_high)
        found = int(np.argmax(beyond))
        return found if beyond[found] else len(ticks)
