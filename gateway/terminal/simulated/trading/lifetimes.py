"""How long an order and a position's stops live.

Source: MQL5 documentation, "Order properties" (ENUM_ORDER_TYPE_TIME) and "Symbol properties" (SYMBOL_EXPIRATION_MODE,
ENUM_SYMBOL_ORDER_GTC_MODE). An order until cancelled shows no expiration even where its symbol's orders are daily: it
ends with the day all the same. A specified day that ends outside a session ends with the next session's beginning.
"""

from typing import Final

from gateway.terminal.simulated.market.specification import Specification
from gateway.terminal.simulated.trading.entries import Order, Position
from gateway.wire import constants as mt5

__all__ = ("check_lifetime", "expires_at", "order_ends_msc", "stops_end_msc")

_DAY: Final = 86_400
_DAY_MSC: Final = 86_400_000
_LAST_TIME_S: Final = 32_535_215_999
"""The last second that MetaTrader 5 can name, at the end of the year 3000."""
_MASK_OF_LIFETIME: Final = {
    mt5.ORDER_TIME_GTC: 1,
    mt5.ORDER_TIME_DAY: 2,
    mt5.ORDER_TIME_SPECIFIED: 4,
    mt5.ORDER_TIME_SPECIFIED_DAY: 8,
}


def expires_at(type_time: int, expiration_s: int, now_s: int) -> int:
    """Return when an order of this lifetime ends, in seconds of the server's clock; 0 is never."""
    if type_time == mt5.ORDER_TIME_DAY:
        return (now_s // _DAY + 1) * _DAY
    if type_time == mt5.ORDER_TIME_SPECIFIED:
        return expiration_s
    if type_time == mt5.ORDER_TIME_SPECIFIED_DAY:
        return (expiration_s // _DAY + 1) * _DAY
    return 0


def check_lifetime(specification: Specification, type_time: int, expiration_s: int, now_s: int) -> int:
    """Return 0, or INVALID_EXPIRATION for a lifetime that the symbol doesn't allow, or that is over."""
    if not specification.expiration_mode & _MASK_OF_LIFETIME.get(type_time, 0):
        return mt5.TRADE_RETCODE_INVALID_EXPIRATION
    if type_time in (mt5.ORDER_TIME_GTC, mt5.ORDER_TIME_DAY):
        return 0
    end_s = expires_at(type_time, expiration_s, now_s)
    return 0 if now_s < end_s <= _LAST_TIME_S else mt5.TRADE_RETCODE_INVALID_EXPIRATION


def order_ends_msc(specification: Specification, order: Order) -> int | None:
    """Return when an active order is over; None for never."""
    if order.expires_s:
        return order.expires_s * 1000
    if specification.gtc_mode == mt5.SYMBOL_ORDERS_GTC:
        return None
    return _next_midnight_msc(order.time_setup_msc)


def stops_end_msc(specification: Specification, position: Position) -> int | None:
    """Return when a position's stops are taken off; None for never."""
    if specification.gtc_mode != mt5.SYMBOL_ORDERS_DAILY or not (position.sl or position.tp):
        return None
    return _next_midnight_msc(position.time_update_msc)


def _next_midnight_msc(time_msc: int) -> int:
    return (time_msc // _DAY_MSC + 1) * _DAY_MSC
