"""Which filling policy an order may name, and what becomes of the part that the market can't fill at once.

Source: MQL5 documentation, "Order properties" (ENUM_ORDER_TYPE_FILLING) and "Symbol properties" (SYMBOL_FILLING_MODE):
| execution        | market order                | pending order                        |
| request, instant | FOK is used, whatever named | RETURN is used, whatever named       |
| market           | FOK, IOC as the mask says   | those and RETURN; BOC as the mask says |
| exchange         | those and RETURN            | those and RETURN; BOC as the mask says |
BOC is for limit and stop-limit orders alone.
"""

from typing import Final

from gateway.terminal.simulated.market.specification import Specification
from gateway.terminal.simulated.trading.levels import LIMITS, STOP_LIMITS
from gateway.wire import constants as mt5
from gateway.wire.filling import SYMBOL_FILLING_BOC, SYMBOL_FILLING_FOK, SYMBOL_FILLING_IOC

__all__ = ("check_market_filling", "check_pending_filling", "filling_used")

_MASK_OF_FILLING: Final = {
    mt5.ORDER_FILLING_FOK: SYMBOL_FILLING_FOK,
    mt5.ORDER_FILLING_IOC: SYMBOL_FILLING_IOC,
    mt5.ORDER_FILLING_BOC: SYMBOL_FILLING_BOC,
}
_FREE: Final = (mt5.ORDER_FILLING_FOK, mt5.ORDER_FILLING_IOC, mt5.ORDER_FILLING_RETURN)
_DEALER: Final = (mt5.SYMBOL_TRADE_EXECUTION_REQUEST, mt5.SYMBOL_TRADE_EXECUTION_INSTANT)


def check_market_filling(specification: Specification, filling: int) -> int:
    """Return 0, or INVALID_FILL for a policy that a market order can't have here."""
    if specification.trade_exemode in _DEALER:
        return 0 if filling in _FREE else mt5.TRADE_RETCODE_INVALID_FILL
    if filling == mt5.ORDER_FILLING_RETURN:
        exchange = specification.trade_exemode == mt5.SYMBOL_TRADE_EXECUTION_EXCHANGE
        return 0 if exchange else mt5.TRADE_RETCODE_INVALID_FILL
    allowed = specification.filling_mode & _MASK_OF_FILLING.get(filling, 0)
    return 0 if allowed and filling != mt5.ORDER_FILLING_BOC else mt5.TRADE_RETCODE_INVALID_FILL


def check_pending_filling(specification: Specification, kind: int, filling: int) -> int:
    """Return 0, or INVALID_FILL for a policy that a pending order can't have here."""
    if filling == mt5.ORDER_FILLING_RETURN:
        return 0
    if specification.trade_exemode in _DEALER:
        return 0 if filling in _FREE else mt5.TRADE_RETCODE_INVALID_FILL
    if filling == mt5.ORDER_FILLING_BOC and kind not in LIMITS and kind not in STOP_LIMITS:
        return mt5.TRADE_RETCODE_INVALID_FILL
    allowed = specification.filling_mode & _MASK_OF_FILLING.get(filling, 0)
    return 0 if allowed else mt5.TRADE_RETCODE_INVALID_FILL


def filling_used(specification: Specification, filling: int, *, pending: bool) -> int:
    """Return the policy that an order is executed by, which isn't always the one it names."""
    if specification.trade_exemode in _DEALER:
        return mt5.ORDER_FILLING_RETURN if pending else mt5.ORDER_FILLING_FOK
    return filling
