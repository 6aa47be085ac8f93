"""Bars: every timeframe says the same about the same ticks."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.terminal.simulated.market.rates import TIMEFRAMES, Bars, period_seconds
from gateway.wire import constants as mt5
from gateway.wire.structs import RATES_DTYPE, TICK_DTYPE

POINT = 0.01


def ticks_of(*rows):
    ticks = np.zeros(len(rows), TICK_DTYPE)
    for index, (time_s, bid, ask) in enumerate(rows):
        ticks[index] = (time_s, bid, ask, 0.0, 3, time_s * 1000, 6, 3.0)
    return ticks


def opening(time_s: int, timeframe: int) -> int:
    """Say when the bar of a moment opens, by the calendar."""
    moment = datetime.fromtimestamp(time_s, UTC)
    midnight = int(moment.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())
    if timeframe == mt5.TIMEFRAME_MN1:
        return midnight - (moment.day - 1) * 86_400
    if timeframe == mt5.TIMEFRAME_W1:
        return midnight - moment.isoweekday() % 7 * 86_400
    period = period_seconds(timeframe)
    return midnight + (time_s - midnight) // period * period


@st.composite
def tick_runs(draw):
    gaps = draw(st.lists(st.sampled_from([0, 1, 7, 59, 60, 61, 600, 3600, 90_000, 700_000]), min_size=1, max_size=60))
    times = np.cumsum([draw(st.integers(0, 2**31 - 60 * 700_000)), *gaps]).tolist()
    prices = [draw(st.integers(1, 500)) for _ in times]
    return [
        (time, price / 100, (price + draw(st.integers(1, 9))) / 100) for time, price in zip(times, prices, strict=True)
    ]


def test_there_are_21_timeframes():
    assert len(TIMEFRAMES) == 21


def test_bar_is_made_of_its_ticks_bids():
    bars = Bars(POINT)
    bars.update(ticks_of((60, 1.5, 1.52), (61, 1.7, 1.71), (119, 1.4, 1.43), (120, 9.0, 9.01)))

    assert bars.series(mt5.TIMEFRAME_M1)[0].item() == (60, 1.5, 1.7, 1.4, 1.4, 3, 1, 9)


@settings(max_examples=60, deadline=None)
@given(tick_runs(), st.integers(1, 5), st.sampled_from(sorted(TIMEFRAMES)))
def test_every_timeframe_agrees_with_the_ticks(rows, parts, timeframe):
    bars = Bars(POINT)
    for part in np.array_split(ticks_of(*rows), parts):  # asked in between: what is cached must grow right
        bars.update(part)
        bars.series(timeframe)

    expected = {}
    for time_s, bid, ask in rows:
        expected.setdefault(opening(time_s, timeframe), []).append((bid, ask))
    series = bars.series(timeframe)

    assert series["time"].tolist() == sorted(expected)
    for bar, quotes in zip(series, expected.values(), strict=True):
        bids = [bid for bid, _ in quotes]
        assert (bar["open"], bar["high"], bar["low"], bar["close"]) == (bids[0], max(bids), min(bids), bids[-1])
        assert bar["tick_volume"] == len(quotes)
        assert bar["spread"] == min(round((ask - bid) / POINT) for bid, ask in quotes)
        assert bar["real_volume"] == 3 * len(quotes)


def test_ticks_without_a_bid_make_no_bar():
    bars = Bars(POINT)
    bars.update(ticks_of((60, 0.0, 1.0)))

    assert len(bars.series(mt5.TIMEFRAME_M1)) == 0
    assert len(bars.series(mt5.TIMEFRAME_H4)) == 0


def test_history_is_asked_for_once_and_comes_before():
    asked = []

    def history(time_s, price):
        asked.append((time_s, price))
        bars = np.zeros(2, RATES_DTYPE)
        bars["time"] = [time_s - 120, time_s - 60]
        return bars

    bars = Bars(POINT, history)
    assert len(bars.series(mt5.TIMEFRAME_M1)) == 0
    bars.update(ticks_of((600, 1.5, 1.6)))
    bars.series(mt5.TIMEFRAME_M5)

    assert bars.series(mt5.TIMEFRAME_M1)["time"].tolist() == [480, 540, 600]
    assert asked == [(600, 1.5)]


@pytest.fixture
def minutes():
    bars = Bars(POINT)
    bars.update(ticks_of(*((60 * minute, 1.0 + minute, 2.0 + minute) for minute in range(10))))
    return bars


def times(bars):
    return (bars["time"] // 60).tolist()


def test_copy_from_pos_counts_back_from_the_newest(minutes):
    assert times(minutes.copy_from_pos(mt5.TIMEFRAME_M1, 0, 3)) == [7, 8, 9]
    assert times(minutes.copy_from_pos(mt5.TIMEFRAME_M1, 2, 3)) == [5, 6, 7]
    assert times(minutes.copy_from_pos(mt5.TIMEFRAME_M1, 8, 5)) == [0, 1]
    assert times(minutes.copy_from_pos(mt5.TIMEFRAME_M1, 10, 5)) == []


def test_copy_from_ends_with_the_bar_of_the_date(minutes):
    assert times(minutes.copy_from(mt5.TIMEFRAME_M1, 60 * 4 + 30, 2)) == [3, 4]
    assert times(minutes.copy_from(mt5.TIMEFRAME_M1, 10**9, 2)) == [8, 9]
    assert times(minutes.copy_from(mt5.TIMEFRAME_M1, -1, 2)) == []


def test_copy_range_includes_both_ends(minutes):
    assert times(minutes.copy_range(mt5.TIMEFRAME_M1, 120, 240)) == [2, 3, 4]
    assert times(minutes.copy_range(mt5.TIMEFRAME_M1, 121, 239)) == [3]
    assert times(minutes.copy_range(mt5.TIMEFRAME_M1, 10_000, 20_000)) == []
