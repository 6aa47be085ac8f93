"""Streams: what is released, what history shows of it, and what happens where the server's clock is changed."""

import calendar
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.terminal.simulated.market import stream as streams
from gateway.terminal.simulated.market.catalog import SPECIFICATIONS
from gateway.terminal.simulated.market.clock import LiveTime, ReplayTime, ServerClock
from gateway.terminal.simulated.market.kept import Kept
from gateway.terminal.simulated.market.minutes import RecordedMinutes, Scale
from gateway.terminal.simulated.market.stream import MinuteStream, first_tick_ms
from gateway.terminal.simulated.market.synthetic import GeneratedMinutes
from gateway.terminal.simulated.market.ticks import TooManyTicks
from gateway.wire.structs import RATES_DTYPE, TICK_DTYPE

SECOND = 1_000_000_000
HOUR_MS = 3_600_000
START_MS = 1_700_000_030_500
HISTORY_FROM = 19_600
ALL = -1


def made(start_ms: int = START_MS, *, zone: str = "0", name: str = "BTCUSD", speed: float = 1.0) -> MinuteStream:
    clock = ServerClock(zone)
    minutes = GeneratedMinutes(SPECIFICATIONS[name], 3, first_day=HISTORY_FROM, clock=clock, speed=speed)
    return MinuteStream(minutes, LiveTime(clock, start_ms, 0))


def released(stream: MinuteStream, *nows_ns: int) -> np.ndarray:
    """Take all ticks up to several times, as a market does."""
    parts = []
    for now_ns in nows_ns:
        while (due_ns := stream.next_due_ns()) is not None and due_ns <= now_ns:
            parts.append(stream.take(now_ns))
            if len(parts[-1]):
                stream.extend(parts[-1])
    return np.concatenate([np.empty(0, TICK_DTYPE), *parts])


def started(stream: MinuteStream) -> MinuteStream:
    ticks = stream.start(0)
    if len(ticks):
        stream.extend(ticks)
    return stream


def between(stream: MinuteStream, from_msc: int, to_msc: int, flags: int = ALL) -> np.ndarray:
    return np.frombuffer(stream.between(from_msc, to_msc, flags), TICK_DTYPE)


def utc_ms(*moment: int) -> int:
    return calendar.timegm((*moment, *(0,) * (6 - len(moment)))) * 1000


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 200 * SECOND), min_size=1, max_size=6).map(sorted))
def test_history_is_what_was_released_however_often_was_asked(nows_ns):
    stream = started(made())
    ticks = released(stream, *nows_ns)
    stop_ms = START_MS + nows_ns[-1] // 1_000_000

    assert between(stream, START_MS + 1, 2**50).tobytes() == ticks.tobytes()
    assert (ticks["time_msc"] <= stop_ms).all()
    assert ticks.tobytes() == between(started(made(stop_ms)), START_MS + 1, stop_ms).tobytes()


def test_terminals_started_at_different_times_agree_on_the_past():
    early, late = started(made()), started(made(START_MS + 3_600_000))
    released(early, 4000 * SECOND)

    span = START_MS - 600_000, START_MS + 3_600_000
    assert between(early, *span).tobytes() == between(late, *span).tobytes() != b""


def test_history_reaches_back_to_its_beginning():
    stream = started(made())
    oldest = np.frombuffer(stream.forward(0, 5, ALL), TICK_DTYPE)

    assert (oldest["time"] // 86_400 == HISTORY_FROM).all()
    assert len(oldest) == 5


def test_forward_pages_join_to_the_range():
    stream = started(made())
    whole = between(stream, START_MS - 200_000, START_MS)
    pages, cursor = [], START_MS - 200_000
    while len(page := np.frombuffer(stream.forward(cursor, 97, ALL), TICK_DTYPE)):
        last = int(page["time_msc"][-1])
        pages.append(page if len(page) < 97 else page[page["time_msc"] < last])
        cursor = last + 1 if len(page) < 97 else last

    assert np.concatenate(pages).tobytes() == whole.tobytes()


def test_kind_of_ticks_is_chosen_by_flags():
    stream = started(made())
    span = START_MS - 60_000, START_MS

    assert stream.between(*span, 1) == stream.between(*span, 3) == stream.between(*span, ALL) != b""
    assert stream.between(*span, 2) == stream.forward(span[0], 10, 2) == b""


def test_exchange_shows_its_deals():
    stream = started(made(name=next(name for name, item in SPECIFICATIONS.items() if item.trade_exemode == 3)))
    whole = between(stream, START_MS - 86_400_000, START_MS)
    deals = between(stream, START_MS - 86_400_000, START_MS, 2)

    assert 0 < len(deals) < len(whole)
    assert deals.tobytes() == whole[whole["flags"] & 24 != 0].tobytes()
    assert (whole["last"] > 0).all()
    assert between(stream, START_MS - 86_400_000, START_MS, 1).tobytes() == whole.tobytes()


def test_range_of_too_many_ticks_is_refused_and_a_page_is_cut(monkeypatch):
    monkeypatch.setattr(streams, "MAX_COPIED_TICKS", 100)
    stream = started(made())

    with pytest.raises(TooManyTicks, match="at most 100"):
        stream.between(START_MS - 600_000, START_MS, ALL)
    assert len(np.frombuffer(stream.forward(0, 2**31 - 1, ALL), TICK_DTYPE)) == 100


def test_nothing_is_shown_or_due_before_the_start():
    stream = made()

    assert (stream.next_due_ns(), len(stream.take(10**18)), len(stream.released())) == (None, 0, 0)
    assert stream.forward(0, 10, ALL) == b""
    started(stream)
    assert len(stream.start(5 * SECOND)) == 0


def test_time_goes_on_between_ticks_and_waits_for_them():
    stream = started(made())
    due_ns = stream.next_due_ns()

    assert stream.now_msc(due_ns // 2) == START_MS + due_ns // 2_000_000
    assert stream.now_msc(due_ns + 60 * SECOND) == START_MS + due_ns // 1_000_000


def test_one_take_is_bounded():
    stream = started(made(speed=200.0))

    assert len(stream.take(60 * SECOND)) == streams.SLICE_TICKS
    assert stream.next_due_ns() < 60 * SECOND


def test_hour_that_comes_twice_is_quoted_twice_and_kept_once():
    start_ms = utc_ms(2023, 10, 29, 0, 50)  # 03:50 in Athens; at 01:00 UTC it is 03:00 again
    stream = started(made(start_ms, zone="Europe/Athens"))
    first = released(stream, 600 * SECOND - 1)
    before = stream.forward(0, 1000, ALL)
    second = released(stream, 4200 * SECOND - 1)

    assert first["time_msc"][-1] < utc_ms(2023, 10, 29, 4)
    assert second["time_msc"][0] < utc_ms(2023, 10, 29, 3, 1)
    again = second[second["time_msc"] >= first["time_msc"][0]]
    assert again[: len(first)].tobytes() == first.tobytes()
    assert stream.forward(0, 1000, ALL) == before
    history = between(stream, utc_ms(2023, 10, 29, 2), 2**50)
    assert (np.diff(history["time_msc"]) >= 0).all()
    third = released(stream, 4300 * SECOND)
    assert third["time_msc"][-1] > utc_ms(2023, 10, 29, 4)
    assert between(stream, int(third["time_msc"][0]), 2**50)[-1] == third[-1]


def test_hour_that_never_exists_has_no_ticks():
    start_ms = utc_ms(2024, 3, 31, 0, 50)  # 02:50 in Athens; at 01:00 UTC it is 04:00
    stream = started(made(start_ms, zone="Europe/Athens"))
    ticks = released(stream, 1200 * SECOND)
    hours = ticks["time_msc"] % 86_400_000 // HOUR_MS

    assert set(hours.tolist()) == {2, 4}
    assert between(stream, start_ms + 2 * HOUR_MS + 1, 2**50).tobytes() == ticks.tobytes()


def test_closed_market_is_quoted_again_at_its_session():
    friday_ms = utc_ms(2023, 11, 17, 23, 59, 30)
    stream = started(made(friday_ms, name="EURUSD"))
    last = released(stream, 3600 * SECOND)[-1]
    monday_ms = utc_ms(2023, 11, 20)

    assert last["time_msc"] < utc_ms(2023, 11, 18)
    assert 0 <= stream.next_due_ns() // 1_000_000 + friday_ms - monday_ms < 60_000
    assert stream.now_msc(7200 * SECOND) == friday_ms + 7_200_000


def test_start_at_a_weekend_shows_fridays_last_tick():
    stream = made(utc_ms(2023, 11, 18, 12), name="EURUSD")
    tick = stream.start(0)

    assert utc_ms(2023, 11, 17, 23, 59) <= tick["time_msc"][0] < utc_ms(2023, 11, 18)


def recorded(*minutes: int, volumes: int = 0) -> MinuteStream:
    bars = np.zeros(len(minutes), RATES_DTYPE)
    for row, minute in enumerate(minutes):
        bars[row] = (60 * minute, 1.5, 1.7, 1.4, 1.6, 8, 2, volumes * row)
    source = RecordedMinutes(bars, Scale(1, 100), 5)
    return MinuteStream(source, ReplayTime(first_tick_ms(source), source.end_s * 1000, math.inf), live=False)


def test_recorded_minutes_are_replayed_to_their_end_across_any_gap():
    minutes = [1, 2, 100, 40_000, 90_000]
    stream = started(recorded(*minutes))
    ticks = released(stream, 0)

    assert len(ticks) == 8 * len(minutes)
    assert sorted(set((ticks["time"] // 60).tolist())) == minutes
    assert stream.next_due_ns() is None
    assert stream.forward(0, 1000, ALL) == ticks.tobytes()


def test_recorded_minute_without_a_deal_has_a_last_price_all_the_same():
    ticks = released(started(recorded(1, 2, volumes=50)), 0)

    assert ticks["volume"].sum() == 50
    assert (ticks["last"] > 0).all()


def test_what_is_kept_is_bounded_however_much_is_read():
    days = Kept(3)
    clock = ServerClock()
    minutes = GeneratedMinutes(SPECIFICATIONS["EURUSD"], 1, first_day=HISTORY_FROM, speed=0.05)
    stream = started(MinuteStream(minutes, LiveTime(clock, START_MS, 0), days))
    stream.between(START_MS - 8 * 86_400_000, START_MS, ALL)

    assert len(days) <= 3
    assert len(stream._lately) <= streams._KEPT_MINUTES
