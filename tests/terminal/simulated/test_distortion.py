"""What faults make of tick history; and that a reader of ticks copes with it, or counts what it couldn't deliver."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.terminal.simulated.distortion import PLAIN, Distortion
from gateway.wire.structs import TICK_DTYPE
from gateway.workers.feedreader import TickReader


def ticks_at(times):
    rows = [(msc // 1000, 1.0 + index * 1e-5, 1.1, 0.0, 0, msc, 6, 0.0) for index, msc in enumerate(times)]
    return np.array(rows, dtype=TICK_DTYPE)


def bids(ticks):
    return sorted(ticks["bid"].tolist())


def test_nothing_wrong_shows_everything():
    ticks = ticks_at([1, 2, 3])

    assert (PLAIN.shown(ticks, 3) == ticks).all()


def test_lag_hides_the_newest():
    ticks = ticks_at([1_000, 2_000, 3_000])

    assert Distortion(lag_ms=500).shown(ticks, 3_000)["time_msc"].tolist() == [1_000, 2_000]
    assert len(Distortion(lag_ms=500).shown(ticks, 3_500)) == 3


def test_late_ticks_are_the_same_at_every_reading_and_come_in_their_place():
    ticks = ticks_at(range(1_000, 3_000))
    late = Distortion(late_ms=1_000, late_share=0.25, salt=9)
    first = late.shown(ticks, 2_999)
    missing = set(ticks["time_msc"].tolist()) - set(first["time_msc"].tolist())

    assert 150 < len(missing) < 350
    assert min(missing) > 1_999
    assert (late.shown(ticks, 2_999) == first).all()
    assert (late.shown(ticks, 3_999) == ticks).all()
    assert set(Distortion(late_ms=1_000, late_share=0.25, salt=8).shown(ticks, 2_999)["time_msc"]) != set(
        first["time_msc"]
    )


def test_order_changes_within_a_millisecond_alone():
    ticks = ticks_at([1] * 20 + [2] * 20)
    one, two = (Distortion(order_seed=seed).shown(ticks, 2) for seed in (1, 2))

    assert one["time_msc"].tolist() == ticks["time_msc"].tolist()
    assert bids(one) == bids(ticks)
    assert one["bid"].tolist() != two["bid"].tolist()


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=200),
    st.sampled_from([0, 300, 2_000]),
    st.sampled_from([0.0, 0.3]),
    st.booleans(),
    st.integers(1, 7),
)
def test_reader_delivers_every_tick_once_or_counts_it(gaps, lag_ms, share, is_shuffled, page):
    start = 1_000_000
    times = (start + np.cumsum(gaps)).tolist()
    history = ticks_at(times)
    reader = TickReader(start, page=page)
    delivered = []
    now_ns = 0
    for now_msc in [*times, times[-1] + 10_000, times[-1] + 20_000]:
        released = history[history["time_msc"] <= now_msc]
        for _ in range(3):
            now_ns += 10_000_000_000  # every reading is due
            from_s, count = reader.request()
            seed = now_ns % 1_000_003 if is_shuffled else None
            shown = Distortion(lag_ms, 500 if share else 0, share, seed, 5).shown(
                released[released["time_msc"] >= from_s * 1_000], now_msc
            )
            reader.take(shown[:count], now_ns)
            while (batch := reader.batch()) is not None:
                delivered += np.frombuffer(batch.records, TICK_DTYPE)["bid"].tolist()
                reader.delivered()
    while reader.request()[1] <= len(times) and len(delivered) + reader.late < len(times):
        from_s, count = reader.request()
        before = (len(delivered), reader.request())
        reader.take(history[history["time_msc"] >= from_s * 1_000][:count], now_ns)
        while (batch := reader.batch()) is not None:
            delivered += np.frombuffer(batch.records, TICK_DTYPE)["bid"].tolist()
            reader.delivered()
        if before == (len(delivered), reader.request()):
            break

    assert len(delivered) == len(set(delivered))
    assert len(delivered) + reader.late == len(times)
    assert share or not reader.late


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_share_is_none_or_all_at_its_ends(share):
    ticks = ticks_at([1_000, 1_100])

    assert len(Distortion(late_ms=500, late_share=share).shown(ticks, 1_100)) == (0 if share else 2)
