"""Prices that a request may name: on their side of the market, far enough from it, and on the symbol's grid.

Prices are compared in whole points, so that a float's last bit decides nothing; what a request names between two
points is rounded to the symbol's digits. Where the tick size is larger than a point, prices between two ticks are
refused. Source: MQL5 documentation, "Symbol properties" (SYMBOL_TRADE_STOPS_LEVEL, SYMBOL_TRADE_FREEZE_LEVEL), and
"The checks a trading robot must pass" on the distances, which are counted from the price that would set a level off.
"""

from typing import Final

from gateway.terminal.simulated.market.symbols import Symbol
from gateway.terminal.simulated.trading.entries import Order, Position
from gateway.wire import constants as mt5

__all__ = (
    "BUY_ORDERS",
    "LIMITS",
    "PENDING",
    "STOP_LIMITS",
    "check_pending",
    "check_price",
    "check_stops",
    "crosses",
    "entry_price",
    "is_frozen_order",
    "is_frozen_position",
    "plain",
    "points_of",
    "price_of",
)

BUY_ORDERS: Final = frozenset(
    (mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_BUY_LIMIT, mt5.ORDER_TYPE_BUY_STOP, mt5.ORDER_TYPE_BUY_STOP_LIMIT)
)
LIMITS: Final = frozenset((mt5.ORDER_TYPE_BUY_LIMIT, mt5.ORDER_TYPE_SELL_LIMIT))
STOP_LIMITS: Final = frozenset((mt5.ORDER_TYPE_BUY_STOP_LIMIT, mt5.ORDER_TYPE_SELL_STOP_LIMIT))
PENDING: Final = LIMITS | STOP_LIMITS | {mt5.ORDER_TYPE_BUY_STOP, mt5.ORDER_TYPE_SELL_STOP}

_BELOW_MARKET: Final = frozenset((mt5.ORDER_TYPE_BUY_LIMIT, mt5.ORDER_TYPE_SELL_STOP, mt5.ORDER_TYPE_SELL_STOP_LIMIT))
_MAX_PRICE: Final = 1e12
"""Above any price of anything, and its points can still be counted exactly."""


def entry_price(symbol: Symbol, buy: bool) -> float:
    """Return the price that a buy or a sell trades at now."""
    return symbol.ask if buy else symbol.bid


def price_of(symbol: Symbol, price: float) -> float:
    """Round a price to the symbol's digits."""
    return round(price, symbol.specification.digits) if price else 0.0


def points_of(symbol: Symbol, price: float) -> int:
    """Return a price in whole points."""
    return round(price * symbol.specification.points_per_unit)


def plain(price: float) -> bool:
    """Say whether a price is a number that could be one; 0 is."""
    return 0.0 <= price <= _MAX_PRICE  # false for a NaN


def check_price(symbol: Symbol, price: float, *, needed: bool = False) -> int:
    """Return 0, or INVALID_PRICE for a price that is none, or lies between two ticks; 0.0 only if not `needed`."""
    good = plain(price) and (price > 0.0 or not needed) and _on_grid(symbol, price)
    return 0 if good else mt5.TRADE_RETCODE_INVALID_PRICE


def check_pending(symbol: Symbol, kind: int, price: float, stoplimit: float) -> int:
    """A pending order stands on its side of the market, the stops level away and at least one point.

    The limit of a stop-limit order stands as far on the other side of its stop price. Under exchange execution a limit
    order may cross the market: it is filled against the depth at once.
    """
    level = max(symbol.specification.stops_level, 1)
    wanted = points_of(symbol, price)
    if not _may_cross(symbol, kind):
        market = points_of(symbol, entry_price(symbol, kind in BUY_ORDERS))
        away = market - wanted if kind in _BELOW_MARKET else wanted - market
        if away < level:
            return mt5.TRADE_RETCODE_INVALID_PRICE
    if kind in STOP_LIMITS:
        limit = points_of(symbol, stoplimit)
        away = wanted - limit if kind == mt5.ORDER_TYPE_BUY_STOP_LIMIT else limit - wanted
        if limit <= 0 or away < level:
            return mt5.TRADE_RETCODE_INVALID_PRICE
    return 0 if wanted > 0 else mt5.TRADE_RETCODE_INVALID_PRICE


def crosses(symbol: Symbol, kind: int, price: float) -> bool:
    """Say whether a limit order would trade at once; elsewhere than on an exchange such a price is refused."""
    if not _may_cross(symbol, kind):
        return False
    return symbol.ask <= price if kind == mt5.ORDER_TYPE_BUY_LIMIT else symbol.bid >= price


def check_stops(symbol: Symbol, buy: bool, reference: float, sl: float, tp: float) -> int:
    """Stops stand on their sides of the reference price, the stops level away and at least one point; 0 is none."""
    if not sl and not tp:
        return 0
    if not (plain(sl) and plain(tp) and _on_grid(symbol, sl) and _on_grid(symbol, tp)):
        return mt5.TRADE_RETCODE_INVALID_STOPS
    level = max(symbol.specification.stops_level, 1)
    side = 1 if buy else -1
    start = points_of(symbol, reference)
    if sl > 0.0 and side * (start - points_of(symbol, sl)) < level:
        return mt5.TRADE_RETCODE_INVALID_STOPS
    if tp > 0.0 and side * (points_of(symbol, tp) - start) < level:
        return mt5.TRADE_RETCODE_INVALID_STOPS
    return 0


def is_frozen_order(symbol: Symbol, order: Order) -> bool:
    """Say whether a pending order is too close to its execution to be touched."""
    return _within_freeze(symbol, order.price, entry_price(symbol, order.type in BUY_ORDERS))


def is_frozen_position(symbol: Symbol, position: Position) -> bool:
    """Say whether a position is too close to its stop loss or take profit to be touched."""
    if not symbol.specification.freeze_level:
        return False
    close = entry_price(symbol, position.type == mt5.POSITION_TYPE_SELL)
    return any(level and _within_freeze(symbol, level, close) for level in (position.sl, position.tp))


def _within_freeze(symbol: Symbol, price: float, market: float) -> bool:
    freeze = symbol.specification.freeze_level
    return freeze > 0 and abs(points_of(symbol, price) - points_of(symbol, market)) <= freeze


def _may_cross(symbol: Symbol, kind: int) -> bool:
    return kind in LIMITS and symbol.specification.trade_exemode == mt5.SYMBOL_TRADE_EXECUTION_EXCHANGE


def _on_grid(symbol: Symbol, price: float) -> bool:
    """Say whether a price is a whole number of ticks, where a tick is more than a point."""
    specification = symbol.specification
    ticks = points_of(symbol, specification.tick_size)
    return ticks <= 1 or points_of(symbol, price) % ticks == 0
