"""Which filling mode an order must name: the rule behind retcode 10030.

`SymbolInfo.filling_mode` is a bit mask of what a symbol allows; `type_filling` of a request is an enumeration with
other values. Source: MQL5 documentation, "Order properties" and "Symbol properties" (SYMBOL_FILLING_MODE).
"""

from typing import Final

from gateway.wire.constants import (
    ORDER_FILLING_FOK,
    ORDER_FILLING_IOC,
    ORDER_FILLING_RETURN,
    SYMBOL_TRADE_EXECUTION_EXCHANGE,
    SYMBOL_TRADE_EXECUTION_MARKET,
    TRADE_ACTION_PENDING,
)

__all__ = ("SYMBOL_FILLING_BOC", "SYMBOL_FILLING_FOK", "SYMBOL_FILLING_IOC", "filling_for")

SYMBOL_FILLING_FOK: Final = 1
SYMBOL_FILLING_IOC: Final = 2
SYMBOL_FILLING_BOC: Final = 4


def filling_for(action: int, trade_exemode: int, filling_mask: int) -> int:
    """Return the ORDER_FILLING value for a request.

    Pending orders and exchange execution take RETURN; market execution takes FOK, else IOC, as the mask allows;
    instant and request execution take FOK. Under market execution RETURN is never allowed, so a mask with neither
    bit (some brokers leave it 0) gets FOK, and the trade server's own refusal.
    """
    if action == TRADE_ACTION_PENDING or trade_exemode == SYMBOL_TRADE_EXECUTION_EXCHANGE:
        return ORDER_FILLING_RETURN
    only_ioc = filling_mask & (SYMBOL_FILLING_FOK | SYMBOL_FILLING_IOC) == SYMBOL_FILLING_IOC
    if trade_exemode == SYMBOL_TRADE_EXECUTION_MARKET and only_ioc:
        return ORDER_FILLING_IOC
    return ORDER_FILLING_FOK
