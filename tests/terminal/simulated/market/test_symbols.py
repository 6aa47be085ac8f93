"""Symbols and their quotes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.terminal.simulated.market.catalog import SPECIFICATIONS
from gateway.terminal.simulated.market.replay import SLICE_TICKS, ReplaySource
from gateway.terminal.simulated.market.symbols import CROWD, WAKE_NS, DayRange, Market, Symbol
from gateway.wire import constants as mt5
from gateway.wire.structs import TICK_DTYPE


def ticks_of(*rows):
    return np.array([(time, bid, bid + 0.1, 0.0, 0, time * 1000, 6, 0.0) for time, bid in rows], TICK_DTYPE)


def test_bars_and_day_remember_ticks_that_the_store_forgot():
    symbol = Symbol(SPECIFICATIONS["EURUSD"], ReplaySource(ticks_of(), 1.0), max_ticks=4)
    for time in range(0, 600, 60):
        symbol.append(ticks_of((time, 1.0 + time / 600)))
    symbol.refresh()

    assert symbol.ticks.discarded > 0
    assert symbol.bars.series(mt5.TIMEFRAME_M1)["time"].tolist() == list(range(0, 600, 60))
    assert (symbol.day.bid_low, symbol.day.bid_high) == (1.0, 1.9)


def test_quote_is_the_latest_tick():
    symbol = Symbol(SPECIFICATIONS["EURUSD"], ReplaySource(ticks_of(), 1.0))
    assert tuple(symbol.tick) == (0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0)
    assert not symbol.quoted

    symbol.append(ticks_of((1, 1.0), (2, 1.1)))
    symbol.append(ticks_of())

    assert tuple(symbol.tick) == ticks_of((2, 1.1))[0].item()
    assert symbol.quoted


def test_day_range_of_no_ticks_is_empty():
    day = DayRange()
    day.update(ticks_of())

    assert (day.day, day.bid_high) == (-1, 0.0)


MS = 1_000_000
EURUSD = SPECIFICATIONS["EURUSD"]


def replaying(name, *times_ms, speed=1.0, always_open=True, **changes):
    """Return a symbol that replays ticks at these times."""
    ticks = np.array([(time // 1000, 1.0, 1.1, 0.0, 0, time, 6, 0.0) for time in times_ms], TICK_DTYPE)
    return Symbol(replace(EURUSD, name=name, **changes), ReplaySource(ticks, speed), always_open=always_open)


def market_of(*symbols):
    market = Market(symbols)
    for symbol in symbols:
        market.select(symbol, 0)
    return market


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 400), min_size=1, max_size=70).map(sorted), min_size=1, max_size=6),
    st.lists(st.integers(0, 500), max_size=8).map(sorted),
)
def test_market_releases_every_tick_at_its_time_and_none_before(recordings, nows_ms):
    symbols = [replaying(f"S{number}", *(5000 + t for t in times)) for number, times in enumerate(recordings)]
    market = market_of(*symbols)
    seen = {symbol.name: [] for symbol in symbols}

    for now_ms in [*nows_ms, 500]:
        while (due_ns := market.next_due_ns()) is not None and due_ns <= now_ms * MS:
            for symbol, ticks in market.take(now_ms * MS):
                assert len(ticks) <= SLICE_TICKS
                seen[symbol.name] += ticks["time_msc"].tolist()
        for symbol, times in zip(symbols, recordings, strict=True):
            first = times[0]
            assert seen[symbol.name] == [5000 + time for time in times if time - first <= now_ms]
    assert market.next_due_ns() is None


def test_ticks_due_at_once_come_in_the_order_of_the_list():
    market = market_of(replaying("B", 0, 10), replaying("A", 0, 10))

    assert [symbol.name for symbol, _ in market.take(0)] == ["B", "A"]
    assert [symbol.name for symbol, _ in market.take(10 * MS)] == ["B", "A"]


def test_wake_ups_of_a_crowd_are_joined():
    few = market_of(*(replaying(f"S{number}", 0, 1) for number in range(CROWD - 1)))
    many = market_of(*(replaying(f"S{number}", 0, 1, 2, speed=10.0) for number in range(CROWD)))
    few.take(0)
    many.take(0)

    assert few.next_due_ns() == MS
    assert many.next_due_ns() == WAKE_NS
    assert len(many.take(WAKE_NS)) == CROWD


def test_slices_that_are_still_due_are_not_put_off():
    market = market_of(*(replaying(f"S{number}", *[0] * (SLICE_TICKS + 1)) for number in range(CROWD)))
    market.take(0)

    assert market.next_due_ns() == 0


def test_select_says_whether_it_is_the_first_time():
    symbol = replaying("A", 0)
    market = Market([symbol])

    assert market.select(symbol, 0)
    symbol.selected = False
    assert not market.select(symbol, 0)
    assert symbol.selected


def test_time_stands_still_while_ticks_are_taken_in():
    symbol = replaying("A", 1000, 1010, 1020)
    market = market_of(symbol)
    ((_, ticks),) = market.take(500 * MS)
    nows = []
    for index in range(3):
        symbol.append(ticks[index : index + 1])
        nows.append(symbol.now_msc)

    assert nows == [1000, 1010, 1500]
    market.move(700 * MS)
    market.move(600 * MS)
    assert symbol.now_msc == market.now_msc == 1700


def test_time_waits_for_a_tick_that_is_due():
    symbol = replaying("A", 1000, 1010)
    market = market_of(symbol)
    market.move(500 * MS)

    assert symbol.now_msc == 1000


def test_sessions_count_unless_it_is_always_open():
    saturday_ms = (3 + 6) * 86_400_000
    closed, always = replaying("A", saturday_ms, always_open=False), replaying("B", saturday_ms)
    for symbol in (closed, always):
        market_of(symbol).move(0)

    assert (closed.trade_open, always.trade_open) == (False, True)
    monday_ms = saturday_ms + 2 * 86_400_000
    assert (closed.open_at(monday_ms - 1), closed.open_at(monday_ms)) == (False, True)


@pytest.mark.parametrize(
    ("life", "trade_open"),
    [
        ({"start_time_s": 101}, False),
        ({"expiration_time_s": 100}, False),
        ({"start_time_s": 100, "expiration_time_s": 101}, True),
    ],
)
def test_symbol_can_be_traded_in_its_life_alone(life, trade_open):
    symbol = replaying("A", 100_000, **life)
    market_of(symbol)

    assert symbol.trade_open == trade_open
