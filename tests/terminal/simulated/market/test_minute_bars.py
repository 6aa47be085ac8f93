"""Bars that are made on request: each timeframe is the fold of the ticks there were, however they are asked for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.terminal.simulated.market.catalog import SPECIFICATIONS
from gateway.terminal.simulated.market.clock import LiveTime, ServerClock
from gateway.terminal.simulated.market.kept import Kept
from gateway.terminal.simulated.market.minute_bars import MinuteBars, weigh_bars
from gateway.terminal.simulated.market.rates import TIMEFRAMES, Bars
from gateway.terminal.simulated.market.sessions import Sessions
from gateway.terminal.simulated.market.stream import MinuteStream
from gateway.terminal.simulated.market.symbols import DayRange, Symbol
from gateway.terminal.simulated.market.synthetic import GeneratedMinutes
from gateway.wire import constants as mt5
from gateway.wire.structs import TICK_DTYPE

SECOND = 1_000_000_000
START_MS = 1_700_000_030_500
TODAY = START_MS // 86_400_000
EURUSD = SPECIFICATIONS["EURUSD"]
SESSIONS = Sessions(((), *(((0, 60), (36_000, 36_300), (79_800, 81_000)),) * 5, ()))
"""So few minutes a day that a year of ticks is made in a moment; START_MS is among them."""


def made(start_ms: int = START_MS, *, days: int = 2, speed: float = 1.0, limit: int = 10**7, **changes) -> Symbol:
    """Return a started symbol with a history of some days."""
    specification = replace(EURUSD, **changes)
    minutes = GeneratedMinutes(specification, 1, first_day=start_ms // 86_400_000 - days, speed=speed)
    stream = MinuteStream(minutes, LiveTime(ServerClock(), start_ms, 0))
    symbol = Symbol(EURUSD, stream, made=(stream, MinuteBars(stream, EURUSD.point, Kept(limit, weigh_bars))))
    symbol.append(stream.start(0))
    return symbol


def run(symbol: Symbol, now_ns: int) -> None:
    while symbol.source.next_due_ns() <= now_ns:
        symbol.append(symbol.source.take(now_ns))


def history(symbol: Symbol) -> np.ndarray:
    return np.frombuffer(symbol.ticks.between(0, 2**50, -1), TICK_DTYPE)


def year(**options) -> Symbol:
    return made(days=420, speed=0.02, sessions=SESSIONS, **options)


@pytest.fixture(scope="module")
def charted() -> tuple[Symbol, Bars]:
    """More than a year of a symbol, and the fold of all its ticks."""
    symbol = year()
    run(symbol, 500 * SECOND)
    folded = Bars(EURUSD.point)
    folded.update(history(symbol))
    return symbol, folded


@pytest.mark.parametrize("timeframe", sorted(TIMEFRAMES))
def test_every_timeframe_is_the_fold_of_the_ticks(charted, timeframe):
    symbol, folded = charted

    assert symbol.bars.series(timeframe).tobytes() == folded.series(timeframe).tobytes()


@settings(max_examples=150, deadline=None)
@given(data=st.data(), timeframe=st.sampled_from(sorted(TIMEFRAMES)))
def test_any_part_is_that_part_of_the_fold(charted, data, timeframe):
    symbol, folded = charted
    whole = folded.series(timeframe)
    count, position = data.draw(st.integers(1, len(whole) + 3)), data.draw(st.integers(0, len(whole) + 3))
    dates = st.integers(int(whole["time"][0]) - 90_000, int(whole["time"][-1]) + 90_000)
    from_s, to_s = sorted((data.draw(dates), data.draw(dates)))

    for made_part, folded_part in (
        (symbol.bars.copy_from_pos(timeframe, position, count), folded.copy_from_pos(timeframe, position, count)),
        (symbol.bars.copy_from(timeframe, to_s, count), folded.copy_from(timeframe, to_s, count)),
        (symbol.bars.copy_range(timeframe, from_s, to_s), folded.copy_range(timeframe, from_s, to_s)),
    ):
        assert made_part.tobytes() == folded_part.tobytes()


def test_bars_grow_with_the_ticks_across_minutes_and_midnight():
    midnight_ms = START_MS // 86_400_000 * 86_400_000 + 86_400_000
    symbol = made(midnight_ms - 200_000)
    for now_s in range(0, 400, 23):
        run(symbol, now_s * SECOND)
        folded = Bars(EURUSD.point)
        folded.update(np.frombuffer(symbol.ticks.between(midnight_ms - 3_600_000, 2**50, -1), TICK_DTYPE))
        for timeframe in (mt5.TIMEFRAME_M1, mt5.TIMEFRAME_M5, mt5.TIMEFRAME_H1):
            bars = symbol.bars.copy_range(timeframe, midnight_ms // 1000 - 3600, 2**31)
            assert bars.tobytes() == folded.series(timeframe).tobytes()


def test_small_cache_changes_nothing(charted):
    _, folded = charted
    poor = year(limit=1)
    run(poor, 500 * SECOND)

    for timeframe in (mt5.TIMEFRAME_M1, mt5.TIMEFRAME_H4, mt5.TIMEFRAME_W1):
        assert poor.bars.copy_from_pos(timeframe, 3, 500).tobytes() == folded.copy_from_pos(timeframe, 3, 500).tobytes()


def test_what_is_kept_is_bounded(charted):
    kept = Kept(100_000, weigh_bars)
    bars = MinuteBars(charted[0].ticks, EURUSD.point, kept)
    for timeframe in sorted(TIMEFRAMES):
        bars.series(timeframe)

    assert 0 < kept.weight <= 100_000


def test_there_are_a_hundred_thousand_minutes():
    symbol = made(days=200)
    bars = symbol.bars.copy_from_pos(mt5.TIMEFRAME_M1, 0, 100_000)

    assert len(bars) == 100_000
    assert (np.diff(bars["time"]) > 0).all()
    assert bars["close"][-1] == symbol.bid


@pytest.mark.parametrize("trade_exemode", [mt5.SYMBOL_TRADE_EXECUTION_MARKET, mt5.SYMBOL_TRADE_EXECUTION_EXCHANGE])
def test_days_range_is_that_of_its_ticks(trade_exemode):
    symbol = made(days=0, speed=0.05, trade_exemode=trade_exemode)
    fields = ("day", "bid_open", "bid_high", "bid_low", "ask_high", "ask_low", "last_high", "last_low")
    for now_s in (0, 1, 100, 400):
        run(symbol, now_s * SECOND)
        symbol.refresh()
        expected = DayRange()
        expected.update(history(symbol))

        for field in fields:
            assert getattr(symbol.day, field) == getattr(expected, field), field


def test_days_range_begins_anew_at_midnight():
    midnight_ms = START_MS // 86_400_000 * 86_400_000 + 86_400_000
    symbol = made(midnight_ms - 10_000)
    symbol.refresh()
    assert symbol.day.day == midnight_ms // 86_400_000 - 1

    run(symbol, 30 * SECOND)
    symbol.refresh()
    today = np.frombuffer(symbol.ticks.between(midnight_ms, 2**50, -1), TICK_DTYPE)
    assert symbol.day.day == midnight_ms // 86_400_000
    assert (symbol.day.bid_open, symbol.day.bid_high) == (today["bid"][0], today["bid"].max())


def test_symbol_that_was_never_started_has_no_bars():
    stream = MinuteStream(GeneratedMinutes(EURUSD, 1, first_day=TODAY - 2), LiveTime(ServerClock(), START_MS, 0))
    bars = MinuteBars(stream, EURUSD.point)
    day = DayRange()
    bars.update_day(day)

    assert len(bars.copy_from_pos(1, 0, 10)) == len(bars.copy_range(1, 0, 2**31)) == len(bars.series(1)) == 0
    assert day == DayRange()
