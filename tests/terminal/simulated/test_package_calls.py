"""Every function of the package, and its three helpers, on a connection to a running terminal."""

import socket
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from clients import metatrader5 as dropin
from gateway.terminal.simulated.control import Control
from gateway.wire import constants as mt5
from gateway.wire.arguments import CALLS
from gateway.wire.structs import (
    RATES_DTYPE,
    TICK_DTYPE,
    AccountInfo,
    BookInfo,
    OrderCheckResult,
    OrderSendResult,
    SymbolInfo,
    TerminalInfo,
    Tick,
    TradeDeal,
    TradeOrder,
    TradePosition,
)

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this host has no Unix sockets")

REQUEST = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "type_filling": 0}
PENDING = {"action": 5, "symbol": "EURUSD", "volume": 0.1, "type": 2, "price": 0.5, "type_filling": 2}


class Called:
    """The package's functions as methods, on one connection."""

    def __init__(self, connection):
        self._connection = connection

    def __getattr__(self, name):
        return lambda *args, **kwargs: self._connection.call(name, args, kwargs)


@pytest.fixture
def package(fast, serving, connect):
    with serving(fast):
        yield Called(connect(fast.address))


def only(values, kind):
    assert type(values) is tuple
    assert {type(value) for value in values} == {kind}
    return values


def test_every_function_answers_as_documented(fast, package):
    now = datetime.now(UTC)
    past, soon = now - timedelta(minutes=2), now + timedelta(days=1)
    asked: list[str] = []

    def call(name, *args, **kwargs):
        asked.append(name)
        return getattr(package, name)(*args, **kwargs)

    assert call("initialize", fast.address, login=fast.login) is True
    assert call("login", fast.login, server=fast.server) is True
    assert call("version")[0] == 500
    assert type(call("terminal_info")) is TerminalInfo
    assert type(call("account_info")) is AccountInfo
    assert call("symbols_total") == len(only(call("symbols_get"), SymbolInfo))
    assert call("symbol_select", "EURUSD", True) is True
    assert type(call("symbol_info", "EURUSD")) is SymbolInfo
    assert type(call("symbol_info_tick", "EURUSD")) is Tick
    assert call("market_book_add", "EURUSD") is True
    assert only(call("market_book_get", "EURUSD"), BookInfo)
    assert call("market_book_release", "EURUSD") is True
    for rates in (
        call("copy_rates_from", "EURUSD", mt5.TIMEFRAME_M5, now, 3),
        call("copy_rates_from_pos", "EURUSD", mt5.TIMEFRAME_D1, 0, 3),
        call("copy_rates_range", "EURUSD", mt5.TIMEFRAME_H4, now - timedelta(days=30), now),
    ):
        assert rates.dtype == RATES_DTYPE
        assert len(rates) >= 3
    for ticks in (
        call("copy_ticks_from", "EURUSD", past, 20, mt5.COPY_TICKS_ALL),
        call("copy_ticks_range", "EURUSD", past, now, mt5.COPY_TICKS_INFO),
    ):
        assert ticks.dtype == TICK_DTYPE
        assert len(ticks) >= 20
        assert not ticks.flags.writeable
    assert call("order_calc_margin", 0, "EURUSD", 1.0, 1.1) == 1100.0
    assert call("order_calc_profit", 0, "EURUSD", 1.0, 1.1, 1.101) == pytest.approx(100.0)
    assert type(call("order_check", REQUEST)) is OrderCheckResult
    result = call("order_send", REQUEST)
    assert (type(result), result.retcode) == (OrderSendResult, mt5.TRADE_RETCODE_DONE)
    assert call("order_send", PENDING).retcode == mt5.TRADE_RETCODE_DONE
    assert call("positions_total") == len(only(call("positions_get"), TradePosition)) == 1
    assert call("orders_total") == len(only(call("orders_get"), TradeOrder)) == 1
    assert call("history_orders_total", 0, soon) == len(only(call("history_orders_get", 0, soon), TradeOrder)) == 1
    assert call("history_deals_total", 0, soon) == len(only(call("history_deals_get", 0, soon), TradeDeal)) == 2
    assert call("last_error") == (1, "Success")
    assert call("shutdown") is True
    assert set(asked) == set(CALLS)


def test_dates_are_cut_to_seconds(package):
    second = datetime.fromtimestamp(package.symbol_info_tick("EURUSD").time - 10, UTC)
    whole = package.copy_ticks_from("EURUSD", second, 50, -1)

    assert whole["time_msc"][0] >= second.timestamp() * 1000
    for date in (second.replace(microsecond=999_999), second.timestamp() + 0.9, int(second.timestamp())):
        assert np.array_equal(package.copy_ticks_from("EURUSD", date, 50, -1), whole)


def test_no_more_bars_are_shown_than_the_terminal_keeps(package):
    most = package.terminal_info().maxbars
    assert len(package.copy_rates_from_pos("EURUSD", mt5.TIMEFRAME_M1, 0, most - 1)) == most - 1
    assert len(package.copy_rates_from_pos("EURUSD", mt5.TIMEFRAME_M1, most - 3, 10)) == 3

    for position, count, error in ((most, 1, -1), (0, most, -2), (0, -1, -2), (-1, 1, -2)):
        assert package.copy_rates_from_pos("EURUSD", mt5.TIMEFRAME_M1, position, count) is None
        assert package.last_error()[0] == error
    now = package.symbol_info_tick("EURUSD").time
    assert package.copy_rates_range("EURUSD", mt5.TIMEFRAME_M1, now - (most + 2) * 60, now) is None
    assert package.last_error() == (-2, "Terminal: Invalid params")


@pytest.fixture
def helpers(package, monkeypatch):
    """The drop-in's Buy, Sell and Close, sending on this connection."""
    for name in ("order_send", "symbol_info_tick", "positions_get", "last_error"):
        monkeypatch.setattr(dropin, name, getattr(package, name))
    return dropin


def test_helpers_trade(package, helpers):
    assert helpers.Buy("EURUSD", 0.1, comment="helped").retcode == mt5.TRADE_RETCODE_DONE
    assert helpers.Sell("USDJPY", 0.2).retcode == mt5.TRADE_RETCODE_DONE
    assert [position.comment for position in package.positions_get()] == ["helped", ""]

    assert helpers.Close("EURUSD") is True
    assert [position.symbol for position in package.positions_get()] == ["USDJPY"]
    assert helpers.Close("EURUSD") is False


def test_helpers_try_again_while_the_price_moves_away(fast, package, helpers):
    with Control(fast.address) as control:
        control.fault("requote", count=3)
        control.fault("price_off", count=5)
        assert helpers.Buy("EURUSD", 0.1).retcode == mt5.TRADE_RETCODE_DONE
        control.fault("requote", count=0)
        assert helpers.Buy("EURUSD", 0.1).retcode == mt5.TRADE_RETCODE_REQUOTE
    assert package.positions_total() == 1
