"""SymbolInfo: what a broker sets, and what lives."""

from typing import Any

import numpy as np
import pytest

from gateway.terminal.simulated.market.catalog import SHOWN, SPECIFICATIONS
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.terminal import Session, SimulatedTerminal
from gateway.wire import constants as mt5
from gateway.wire.structs import RATES_DTYPE

START_MS = 1_700_000_000_000
DAY_MS = 86_400_000


class Terminal:
    """A terminal with made-up prices, asked for symbols."""

    def __init__(self, saved: Any = None, **settings: Any) -> None:
        self.terminal = SimulatedTerminal(Settings(address="sim:///nowhere", **settings), (), START_MS, 0, saved)
        self.session = Session(authorised=True)

    def call(self, name: str, *arguments: Any) -> Any:
        return self.terminal.call(self.session, name, arguments, 0)[2]

    def info(self, name: str) -> Any:
        return self.call("symbol_info", name)


def rates(packed: bytes) -> Any:
    return np.frombuffer(packed, RATES_DTYPE)


@pytest.fixture(scope="module")
def terminal() -> Terminal:
    return Terminal()


def test_all_listed_symbols_are_there_and_the_usual_ones_selected(terminal):
    infos = terminal.call("symbols_get", None)

    assert [info.name for info in infos] == list(SPECIFICATIONS)
    assert tuple(info.name for info in infos if info.select and info.visible) == SHOWN
    assert not any(info.select or info.visible for info in infos[len(SHOWN) :])


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_every_field_has_its_type(terminal, name):
    info = terminal.info(name)

    assert len(info) == 96
    assert all(type(value) is kind for value, kind in zip(info, type(info).__annotations__.values(), strict=True))


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        (
            "EURCHF",
            {
                "trade_exemode": mt5.SYMBOL_TRADE_EXECUTION_INSTANT,
                "trade_stops_level": 20,
                "trade_freeze_level": 10,
                "spread_float": False,
                "swap_mode": mt5.SYMBOL_SWAP_MODE_CURRENCY_MARGIN,
                "order_mode": 127,
                "expiration_mode": 15,
                "filling_mode": 1,
            },
        ),
        (
            "ES-12.35",
            {
                "trade_calc_mode": mt5.SYMBOL_CALC_MODE_EXCH_FUTURES,
                "trade_exemode": mt5.SYMBOL_TRADE_EXECUTION_EXCHANGE,
                "trade_tick_size": 0.25,
                "trade_tick_value": 12.5,
                "trade_contract_size": 50.0,
                "margin_initial": 12_000.0,
                "margin_maintenance": 10_800.0,
                "expiration_time": 2_081_880_000,
                "order_mode": 63,
                "filling_mode": 7,
                "ticks_bookdepth": 10,
                "basis": "ES",
                "volume_min": 1.0,
                "volume_step": 1.0,
            },
        ),
        (
            "SAP",
            {
                "order_gtc_mode": mt5.SYMBOL_ORDERS_DAILY,
                "currency_profit": "EUR",
                "isin": "DE0007164600",
                "exchange": "MT5GATE",
                "category": "Technology",
                "path": "Stocks\\EU\\SAP",
            },
        ),
        ("BUND-12.35", {"trade_face_value": 1000.0, "trade_mode": mt5.SYMBOL_TRADE_MODE_LONGONLY}),
        ("USDPLN", {"volume_limit": 20.0, "margin_hedged": 50_000.0, "swap_long": -6.0, "swap_short": -3.0}),
        ("GBPJPY", {"margin_hedged_use_leg": True, "swap_rollover3days": mt5.DAY_OF_WEEK_WEDNESDAY}),
        ("EURUSD", {"digits": 5, "point": 0.00001, "spread_float": True, "description": "Euro vs US Dollar"}),
    ],
)
def test_specification_is_shown(terminal, name, fields):
    info = terminal.info(name)

    assert {field: getattr(info, field) for field in fields} == fields


def test_unselected_symbol_has_no_quote(terminal):
    info = terminal.info("EURGBP")

    assert (info.bid, info.ask, info.spread, info.time, info.session_open, info.price_change) == (0, 0, 0, 0, 0, 0)


def test_day_runs_from_the_close_before_it(terminal):
    info, tick = terminal.info("EURUSD"), terminal.call("symbol_info_tick", "EURUSD")
    midnight_s = START_MS // DAY_MS * DAY_MS // 1000
    (day,) = rates(terminal.call("copy_rates_range", "EURUSD", mt5.TIMEFRAME_D1, midnight_s, midnight_s))
    (before,) = rates(terminal.call("copy_rates_from", "EURUSD", mt5.TIMEFRAME_M1, midnight_s - 1, 1))

    assert (info.bid, info.ask, info.time) == (tick.bid, tick.ask, tick.time)
    assert info.spread == round((tick.ask - tick.bid) * 100_000)
    assert info.session_open == day["open"]
    assert info.session_close == before["close"] > 0.0
    assert info.price_change == pytest.approx((tick.bid / info.session_close - 1) * 100, abs=1e-4)
    assert info.bidlow <= info.bid <= info.bidhigh < info.askhigh


def test_quotes_of_the_day_before_arent_the_days(written):
    day = DAY_MS - START_MS % DAY_MS
    harness = written({"EURUSD": [(0, 1.1, 1.1002), (day + 1, 1.21, 1.2101), (day + 2, 1.2, 1.2001)]})
    first = harness.call("symbol_info", "EURUSD")
    harness.move_to(day + 2)
    info = harness.call("symbol_info", "EURUSD")

    # no day before the first: since its first price
    assert (first.session_open, first.session_close, first.price_change) == (1.1, 0.0, 0.0)
    assert (info.session_open, info.session_close, info.bidhigh, info.bidlow) == (1.21, 1.1, 1.21, 1.2)
    assert info.price_change == pytest.approx((1.2 / 1.1 - 1) * 100, abs=1e-4)


def test_tick_value_is_in_the_accounts_currency():
    terminal = Terminal(currency="EUR")
    info, tick = terminal.info("EURUSD"), terminal.call("symbol_info_tick", "EURUSD")

    assert info.trade_tick_value == info.trade_tick_value_profit == pytest.approx(1.0 / tick.ask)
    assert info.trade_tick_value_loss == pytest.approx(1.0 / tick.bid)


def test_symbols_that_a_conversion_needs_are_quoted_but_hidden():
    terminal = Terminal(currency="CHF")
    pair, tick = terminal.info("USDCHF"), terminal.call("symbol_info_tick", "USDCHF")
    assert (pair.select, pair.visible, terminal.info("EURCHF").select) == (True, False, True)
    assert terminal.info("EURUSD").trade_tick_value == pytest.approx(tick.bid)
    terminal.call("symbol_select", "USDCHF", True)
    terminal.call("symbol_select", "DE40", True)

    assert (terminal.info("USDCHF").visible, terminal.info("EURCHF").visible) == (True, False)


def test_suffixed_symbols_convert_like_any():
    terminal = Terminal(suffix=".r", currency="JPY")
    tick = terminal.call("symbol_info_tick", "USDJPY.r")
    account = terminal.call("account_info")

    assert terminal.info("EURUSD.r").trade_tick_value == pytest.approx(tick.bid)
    assert (account.currency, account.currency_digits) == ("JPY", 0)


def test_symbols_that_an_account_holds_are_selected_when_its_terminal_is_back():
    first = Terminal()
    first.call("symbol_select", "XAGUSD", True)
    request = (1, 0, 0, "XAGUSD", 0.5, 0.0, 0.0, 0.0, 0.0, 0, 0, 1, 0, 0, "", 0, 0)
    assert first.call("order_send", *request).retcode == mt5.TRADE_RETCODE_DONE
    book, login = first.terminal.desk.book, first.terminal.settings.login
    again = Terminal({login: (book.take_changes(), START_MS)})

    assert (again.info("XAGUSD").select, again.info("XAGUSD").bid > 0.0) == (True, True)
    assert again.call("account_info") == first.call("account_info")
