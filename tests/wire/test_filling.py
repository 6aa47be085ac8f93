"""The filling mode that an order must name, by action, execution mode and the symbol's bit mask."""

import pytest

from gateway.wire import constants as mt5
from gateway.wire.filling import SYMBOL_FILLING_BOC, SYMBOL_FILLING_FOK, SYMBOL_FILLING_IOC, filling_for

FOK, IOC, BOC = SYMBOL_FILLING_FOK, SYMBOL_FILLING_IOC, SYMBOL_FILLING_BOC
DEAL, PENDING = mt5.TRADE_ACTION_DEAL, mt5.TRADE_ACTION_PENDING
MARKET, INSTANT = mt5.SYMBOL_TRADE_EXECUTION_MARKET, mt5.SYMBOL_TRADE_EXECUTION_INSTANT
REQUEST, EXCHANGE = mt5.SYMBOL_TRADE_EXECUTION_REQUEST, mt5.SYMBOL_TRADE_EXECUTION_EXCHANGE


@pytest.mark.parametrize(
    ("action", "execution", "mask", "expected"),
    [
        (PENDING, MARKET, FOK, mt5.ORDER_FILLING_RETURN),
        (PENDING, INSTANT, IOC, mt5.ORDER_FILLING_RETURN),
        (DEAL, MARKET, FOK, mt5.ORDER_FILLING_FOK),
        (DEAL, MARKET, IOC, mt5.ORDER_FILLING_IOC),
        (DEAL, MARKET, FOK | IOC, mt5.ORDER_FILLING_FOK),
        (DEAL, MARKET, IOC | BOC, mt5.ORDER_FILLING_IOC),
        (DEAL, MARKET, 0, mt5.ORDER_FILLING_FOK),
        (DEAL, INSTANT, IOC, mt5.ORDER_FILLING_FOK),
        (DEAL, REQUEST, 0, mt5.ORDER_FILLING_FOK),
        (DEAL, EXCHANGE, FOK | IOC, mt5.ORDER_FILLING_RETURN),
    ],
)
def test_filling_mode(action: int, execution: int, mask: int, expected: int) -> None:
    assert filling_for(action, execution, mask) == expected
