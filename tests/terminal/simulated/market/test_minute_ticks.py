"""A minute's ticks fold into its bar, whatever the bar."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.terminal.simulated.market.minute_ticks import ticks_of_minute
from gateway.terminal.simulated.market.minutes import MinuteTable, RecordedMinutes, Scale
from gateway.terminal.simulated.market.rates import minute_bars
from gateway.wire.structs import RATES_DTYPE

START_S = 1_700_000_040
SCALE = Scale(1, 100)


@st.composite
def minutes(draw) -> MinuteTable:
    low = draw(st.integers(1, 10_000))
    high = low + draw(st.integers(0, 40))
    opened, close = draw(st.integers(low, high)), draw(st.integers(low, high))
    volume = draw(st.integers(0, 100))
    bars = np.zeros(1, RATES_DTYPE)
    bars[0] = (START_S, opened / 100, high / 100, low / 100, close / 100, draw(st.integers(1, 60)), 0, volume)
    bars["spread"] = draw(st.integers(0, 9))
    return RecordedMinutes(bars, SCALE, 0).table(START_S // 86_400, 1)


@settings(max_examples=150, deadline=None)
@given(minutes(), st.integers(0, 2**64 - 1), st.booleans())
def test_ticks_fold_into_their_bar(table, key, spread_fixed):
    if spread_fixed:
        table = replace(table, top=table.spread)
    ticks = ticks_of_minute(table, 0, SCALE, key)

    assert minute_bars(ticks, 0.01).tobytes() == table.bars(SCALE).tobytes()
    assert len(ticks) == table.count[0]
    assert ticks["ask"].max() == (table.high + table.top)[0] / 100 or spread_fixed
    assert ticks["ask"].min() == (table.low + table.spread)[0] / 100
    assert (ticks["ask"] >= ticks["bid"]).all()


@settings(max_examples=60, deadline=None)
@given(minutes(), st.integers(0, 2**64 - 1))
def test_times_ascend_within_the_minute_and_flags_say_what_changed(table, key):
    ticks = ticks_of_minute(table, 0, SCALE, key)
    offsets = ticks["time_msc"] - START_S * 1000
    bid_changed, ask_changed = np.diff(ticks["bid"]) != 0, np.diff(ticks["ask"]) != 0

    assert (np.diff(offsets) >= 0).all()
    assert 0 <= offsets[0] <= offsets[-1] < 60_000
    assert (ticks["time"] == ticks["time_msc"] // 1000).all()
    assert (ticks["flags"][1:][bid_changed] & 2 != 0).all()
    assert (ticks["flags"][1:][ask_changed] & 4 != 0).all()
    assert (ticks["flags"] != 0).all()


def test_several_ticks_share_a_millisecond_now_and_then():
    columns = [np.array([value]) for value in (START_S, 1000, 1020, 990, 1010, 5000, 2, 9, 0)]
    ticks = ticks_of_minute(MinuteTable(*columns), 0, SCALE, 1)

    assert 0.03 < np.mean(np.diff(ticks["time_msc"]) == 0) < 0.13


def test_another_key_makes_other_ticks():
    columns = [np.array([value]) for value in (START_S, 1000, 1020, 990, 1010, 50, 2, 9, 0)]
    first, again, other = (ticks_of_minute(MinuteTable(*columns), 0, SCALE, key).tobytes() for key in (1, 1, 2))

    assert first == again != other


@settings(max_examples=60, deadline=None)
@given(minutes(), st.integers(0, 2**64 - 1))
def test_deals_are_made_at_the_quote_and_reach_its_extremes(table, key):
    ticks = ticks_of_minute(table, 0, SCALE, key)
    dealt = ticks["flags"] & 16 != 0
    volume = int(table.volume[0])

    assert ticks["volume"].sum() == volume
    assert (dealt == (ticks["volume"] > 0)).all()
    assert (ticks["volume_real"] == ticks["volume"]).all()
    bought = ticks["flags"] & 32 != 0
    assert (ticks["last"][bought] == ticks["ask"][bought]).all()
    sold = ticks["flags"] & 64 != 0
    assert (ticks["last"][sold] == ticks["bid"][sold]).all()
    assert (dealt == (bought | sold)).all()
    assert (ticks["last"] > 0).all() == (volume > 0)
    if volume >= table.count[0]:
        assert (ticks["last"].max(), ticks["last"].min()) == (table.high[0] / 100, table.low[0] / 100)
