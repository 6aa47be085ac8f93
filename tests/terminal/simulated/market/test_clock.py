"""The server's clock, and how market time runs along it."""

import calendar
import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.terminal.simulated.market.clock import LiveTime, ReplayTime, ServerClock

SECOND = 1_000_000_000
HOUR_S = 3600
ZONES = ("Europe/Athens", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "Africa/Casablanca")


def utc_s(*moment: int) -> int:
    return calendar.timegm((*moment, *(0,) * (6 - len(moment))))


SPRING = utc_s(2024, 3, 31, 1)
"""Athens goes from 03:00 to 04:00."""
AUTUMN = utc_s(2024, 10, 27, 1)
"""Athens goes from 04:00 to 03:00."""


@pytest.mark.parametrize(("timezone", "offset_s"), [("0", 0), ("120", 7200), ("-300", -18_000)])
def test_minutes_are_a_fixed_offset(timezone, offset_s):
    clock = ServerClock(timezone)

    assert clock.offset_s(0) == clock.offset_s(SPRING * 1000) == offset_s
    assert clock.to_server_ms(1234) == 1234 + offset_s * 1000
    assert clock.skipped(0, 2**31) == []


@pytest.mark.parametrize("timezone", ["Nowhere/City", "", "2000", "../etc/passwd"])
def test_unknown_timezone_is_refused(timezone):
    with pytest.raises(ValueError, match="timezone: expected"):
        ServerClock(timezone)


@given(st.sampled_from(ZONES), st.integers(0, utc_s(2099, 12, 31)))
def test_named_zone_has_its_own_offset(name, second):
    expected = datetime.fromtimestamp(second, UTC).astimezone(ZoneInfo(name)).utcoffset()

    assert ServerClock(name).offset_s(second * 1000) == expected.total_seconds()


def test_hour_that_spring_skips_never_exists():
    clock = ServerClock("Europe/Athens")
    midnight = utc_s(2024, 3, 31)

    assert clock.skipped(midnight, midnight + 86_400) == [(midnight + 3 * HOUR_S, midnight + 4 * HOUR_S)]
    assert clock.skipped(midnight + 86_400, midnight + 100 * 86_400) == []
    assert clock.skipped(utc_s(2024, 10, 1), utc_s(2024, 11, 1)) == []
    assert len(clock.skipped(utc_s(2015, 1, 1), utc_s(2025, 1, 1))) == 10


@pytest.mark.parametrize(("change", "before_h", "after_h"), [(SPRING, 3, 4), (AUTUMN, 4, 3)])
def test_live_time_stops_where_the_clock_is_changed_and_goes_on_behind(change, before_h, after_h):
    time = LiveTime(ServerClock("Europe/Athens"), (change - 10) * 1000, 0)
    midnight_ms = change * 1000 - HOUR_S * 1000  # the changes are at 01:00 UTC
    time.start(0)

    assert time.due_ns(midnight_ms + before_h * HOUR_S * 1000 - 1) == 10 * SECOND - 1_000_000
    assert time.due_ns(midnight_ms + 30 * HOUR_S * 1000) == 10 * SECOND
    assert time.turn(10 * SECOND - 1) is None
    assert time.time_ms(15 * SECOND) == midnight_ms + before_h * HOUR_S * 1000 - 1
    assert time.turn(15 * SECOND) == midnight_ms + after_h * HOUR_S * 1000
    assert time.time_ms(15 * SECOND) == time.now_ms(15 * SECOND) == midnight_ms + after_h * HOUR_S * 1000 + 5000
    assert time.turn(15 * SECOND) is None


def test_replay_time_starts_with_the_first_tick_and_runs_at_its_speed():
    time = ReplayTime(1000, 90_000, 10.0)
    assert (time.time_ms(5 * SECOND), time.now_ms(5 * SECOND)) == (-1, 0)

    assert time.start(5 * SECOND) == 1000
    assert time.start(6 * SECOND) == 11_000
    assert time.due_ns(11_000) == 6 * SECOND
    assert time.now_ms(7 * SECOND) == 21_000


def test_replay_time_without_bounds_is_over_at_once():
    time = ReplayTime(1000, 90_000, math.inf)
    time.start(5)

    assert (time.time_ms(5), time.due_ns(90_000), time.now_ms(5)) == (90_000, 5, 0)
