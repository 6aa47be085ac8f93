"""A symbol's settings as people write them."""

import re

import pytest

from gateway.terminal.simulated.market.catalog import SPECIFICATIONS
from gateway.terminal.simulated.market.overrides import overridden
from gateway.terminal.simulated.market.sessions import FOREX, INDEX, ROUND_THE_CLOCK, Sessions
from gateway.wire import constants as mt5

EURUSD = SPECIFICATIONS["EURUSD"]
CLOSED = ()


def changed(**settings):
    return overridden(EURUSD, settings, "EURUSD")


@pytest.mark.parametrize(
    ("key", "value", "field", "expected"),
    [
        ("calc_mode", "cfdindex", "calc_mode", mt5.SYMBOL_CALC_MODE_CFDINDEX),
        ("trade_calc_mode", "exch_stocks", "calc_mode", mt5.SYMBOL_CALC_MODE_EXCH_STOCKS),
        ("calc_mode", 2, "calc_mode", mt5.SYMBOL_CALC_MODE_CFD),
        ("trade_exemode", "instant", "trade_exemode", mt5.SYMBOL_TRADE_EXECUTION_INSTANT),
        ("execution", "Exchange", "trade_exemode", mt5.SYMBOL_TRADE_EXECUTION_EXCHANGE),
        ("trade_mode", "closeonly", "trade_mode", mt5.SYMBOL_TRADE_MODE_CLOSEONLY),
        ("swap_mode", "reopen_bid", "swap_mode", mt5.SYMBOL_SWAP_MODE_REOPEN_BID),
        ("swap_rollover3days", "friday", "swap_rollover3days", mt5.DAY_OF_WEEK_FRIDAY),
        ("order_gtc_mode", "daily_no_stops", "gtc_mode", mt5.SYMBOL_ORDERS_DAILY_NO_STOPS),
        ("filling", ["fok", "ioc"], "filling_mode", 3),
        ("filling", "boc", "filling_mode", 4),
        ("filling_mode", [], "filling_mode", 0),
        ("filling_mode", 2, "filling_mode", 2),
        ("order_mode", ["market", "limit", "sl"], "order_mode", 1 | 2 | 16),
        ("expiration_mode", ["gtc", "specified_day"], "expiration_mode", 9),
        ("contract_size", 1000, "contract_size", 1000.0),
        ("trade_contract_size", 10.5, "contract_size", 10.5),
        ("spread", 12, "spread_points", 12),
        ("spread_fixed", True, "spread_fixed", True),
        ("description", "Mine", "description", "Mine"),
        ("expiration_time", "2035-12-21", "expiration_time_s", 2_081_808_000),
        ("expiration_time", "2035.12.21 20:00", "expiration_time_s", 2_081_880_000),
        ("start_time_s", 1_700_000_000, "start_time_s", 1_700_000_000),
    ],
)
def test_field_is_understood(key, value, field, expected):
    assert getattr(changed(**{key: value}), field) == expected


@pytest.mark.parametrize(
    ("value", "sessions"),
    [
        ("forex", FOREX),
        ("Index", INDEX),
        ("always", ROUND_THE_CLOCK),
        (INDEX, INDEX),
        ({}, Sessions((CLOSED,) * 7)),
        ({"sunday": "22:00-24:00"}, Sessions((((79_200, 86_400),), *(CLOSED,) * 6))),
        (
            {"Friday": ["09:00-12:00", "13:30 - 17:00"]},
            Sessions((*(CLOSED,) * 5, ((32_400, 43_200), (48_600, 61_200)), CLOSED)),
        ),
    ],
)
def test_sessions_are_a_word_or_spans_by_day(value, sessions):
    assert changed(sessions=value).sessions == sessions


def test_what_follows_from_a_field_follows_its_new_value():
    assert (changed(digits=3).tick_size, changed(digits=3).tick_value) == (0.001, 100.0)
    assert changed(contract_size=10).tick_value == pytest.approx(0.0001)
    assert (changed(tick_size=0.25).tick_size, changed(tick_size=0.25).tick_value) == (0.25, 25_000.0)
    assert changed(tick_size=0.25, tick_value=5).tick_value == 5.0
    assert changed(contract_size=10_000).margin_hedged == 10_000.0
    assert changed(contract_size=10_000, margin_hedged=5000).margin_hedged == 5000.0


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"colour": 1}, "expected a symbol's field, got 'colour'"),
        ({"name": "X"}, "expected a symbol's field, got 'name'"),
        ({"digits": 2.0}, "digits: expected a whole number, got 2.0"),
        ({"digits": True}, "digits: expected a whole number, got True"),
        ({"digits": 9}, "digits: expected 0 to 8, got 9"),
        ({"contract_size": "1"}, "contract_size: expected a number, got '1'"),
        ({"contract_size": float("nan")}, "contract_size: expected a number above 0, got nan"),
        ({"stops_level": -1}, "stops_level: expected a number of at least 0, got -1"),
        ({"spread_fixed": 1}, "spread_fixed: expected true or false, got 1"),
        ({"description": 5}, "description: expected a text, got 5"),
        ({"volume_max": 0.001}, "volume_max: expected at least volume_min 0.01, got 0.001"),
        ({"gtc_mode": "always"}, "gtc_mode: expected one of daily, daily_no_stops, gtc, got 'always'"),
        ({"gtc_mode": 7}, "gtc_mode: expected one of daily, daily_no_stops, gtc, got 7"),
        ({"filling": ["fok", "return"]}, "filling: expected one of fok, ioc, boc, got 'return'"),
        ({"filling": 8}, "filling: expected a list of fok, ioc, boc, got 8"),
        ({"sessions": "never"}, "sessions: expected one of forex, index, always, or spans by day, got 'never'"),
        ({"sessions": {"mon": []}}, "sessions: expected days from sunday"),
        ({"sessions": {"monday": 5}}, "sessions: monday: expected a list of spans like 09:00-17:30, got 5"),
        ({"sessions": {"monday": "9-17"}}, "sessions: monday: expected a span like 09:00-17:30, got '9-17'"),
        ({"sessions": {"monday": "17:00-09:00"}}, "sessions: monday: expected a span within a day, got '17:00-09:00'"),
        ({"sessions": {"monday": "09:00-24:01"}}, "sessions: monday: expected a span within a day, got '09:00-24:01'"),
        ({"sessions": {"monday": ["09:00-12:00", "11:00-13:00"]}}, "sessions: expected ascending spans"),
        ({"expiration_time": "tomorrow"}, "expiration_time: expected a date like 2035-12-21"),
        ({"expiration_time": "2035-02-30"}, "expiration_time: expected a day of the calendar since 1970"),
        ({"expiration_time": "2035-02-28 24:00"}, "expiration_time: expected a time of day"),
    ],
)
def test_setting_that_makes_no_sense_is_refused_with_symbol_and_field(settings, reason):
    with pytest.raises(ValueError, match="^" + re.escape(f"symbols: EURUSD: {reason}")):
        changed(**settings)
