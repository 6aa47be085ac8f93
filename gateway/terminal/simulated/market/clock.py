"""The server's clock: its time zone with daylight saving, and how market time runs along the monotonic clock.

MT5 writes the server's local time as if it were UTC. Where daylight saving begins, an hour of it never exists; where
it ends, an hour comes twice. Market data is kept by server time: what was quoted when an hour came first is what is
quoted when it comes again, so that history holds each moment once and in order, while live times step back.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ("LiveTime", "ReplayTime", "ServerClock", "Timeline")

_NS_PER_MS: Final = 1_000_000
_MS_PER_S: Final = 1000
_DAY_S: Final = 86_400
_STEP_S: Final = 7 * _DAY_S
"""No zone changes its offset twice within a week."""
_MAX_MINUTES: Final = 24 * 60
_FIRST_YEAR, _LAST_YEAR = 1970, 2100
"""Beyond these years a zone's rules are not asked for: the offset stays."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A stretch of UTC, [start, end) in seconds, in which the server's clock runs on: None is without an end."""

    start_s: int | None
    end_s: int | None
    offset_s: int


class ServerClock:
    """A server's clock. `timezone`: minutes ahead of UTC ("120", "-300") or an IANA name; ValueError for others."""

    def __init__(self, timezone: str = "0") -> None:
        self._zone: ZoneInfo | None = None
        self._years: dict[int, tuple[Leg, ...]] = {}
        self._latest = Leg(None, None, 0)
        try:
            minutes = int(timezone)
        except ValueError:
            self._zone = _zone(timezone)
            self._latest = self._legs(_FIRST_YEAR)[0]
            return
        if abs(minutes) > _MAX_MINUTES:
            raise ValueError(f"timezone: expected at most {_MAX_MINUTES} minutes, got {timezone!r}")
        self._latest = Leg(None, None, minutes * 60)

    def offset_s(self, utc_ms: int) -> int:
        """Return how many seconds the server's clock is ahead of UTC."""
        return self.leg(utc_ms // _MS_PER_S).offset_s

    def to_server_ms(self, utc_ms: int) -> int:
        """Return the server's time."""
        return utc_ms + self.offset_s(utc_ms) * _MS_PER_S

    def leg(self, utc_s: int) -> Leg:
        """Return the stretch without a change of the clock that holds a second of UTC; each year is searched once."""
        latest = self._latest
        if (latest.start_s is None or latest.start_s <= utc_s) and (latest.end_s is None or utc_s < latest.end_s):
            return latest
        year = datetime.fromtimestamp(min(max(utc_s, 0), _year_s(_LAST_YEAR)), UTC).year
        legs = self._years.get(year)
        if legs is None:
            legs = self._years[year] = self._legs(year)
        self._latest = next(leg for leg in reversed(legs) if leg.start_s is None or leg.start_s <= utc_s)
        return self._latest

    def skipped(self, from_s: int, to_s: int) -> list[tuple[int, int]]:
        """Return the spans of server time, [start, end), that never exist and begin within [from_s, to_s)."""
        spans = []
        leg = self.leg(from_s - _DAY_S)
        while leg.end_s is not None and leg.end_s + leg.offset_s < to_s:
            following = self.leg(leg.end_s)
            if following.offset_s > leg.offset_s and leg.end_s + leg.offset_s >= from_s:
                spans.append((leg.end_s + leg.offset_s, leg.end_s + following.offset_s))
            leg = following
        return spans

    def _legs(self, year: int) -> tuple[Leg, ...]:
        """Return a year's stretches; at its first and last second one may end without a change."""
        start_s = _year_s(year)
        end_s = _year_s(year + 1)
        edges: list[int] = []
        before_s = start_s
        while before_s < end_s:
            after_s = min(before_s + _STEP_S, end_s)
            if self._ahead(after_s) != self._ahead(before_s):
                edges.append(self._change(before_s, after_s))
            before_s = after_s
        starts: list[int | None] = [start_s if year > _FIRST_YEAR else None, *edges]
        ends: list[int | None] = [*edges, end_s if year < _LAST_YEAR else None]
        return tuple(
            Leg(start, end, self._ahead(start_s if start is None else start))
            for start, end in zip(starts, ends, strict=True)
            if start != end
        )

    def _change(self, before_s: int, after_s: int) -> int:
        """Return the first second with the offset of `after_s`."""
        while after_s - before_s > 1:
            middle_s = (before_s + after_s) // 2
            if self._ahead(middle_s) == self._ahead(before_s):
                before_s = middle_s
            else:
                after_s = middle_s
        return after_s

    def _ahead(self, utc_s: int) -> int:
        offset = datetime.fromtimestamp(utc_s, self._zone).utcoffset()
        return 0 if offset is None else int(offset.total_seconds())


class Timeline(Protocol):
    """How a symbol's market time runs along the monotonic clock; it may jump where one leg of it ends."""

    def start(self, now_ns: int) -> int:
        """Start it, once; return the market time then."""

    def time_ms(self, now_ns: int) -> int:
        """Return the market time, at most the last millisecond of the present leg; -1 before the start."""

    def now_ms(self, now_ns: int) -> int:
        """Return the market time as it is shown; 0 before the start, and where only ticks tell it."""

    def due_ns(self, time_ms: int) -> int:
        """Return when it is `time_ms`, or when the leg ends if that is sooner."""

    def turn(self, now_ns: int) -> int | None:
        """If the present leg is over, go on to the next and return the time that it begins with."""


class LiveTime:
    """The server's clock, running since `start_ms` (UTC) at `origin_ns` of the monotonic clock."""

    __slots__ = ("_clock", "_leg", "_origin_ns", "_start_ms")

    def __init__(self, clock: ServerClock, start_ms: int, origin_ns: int) -> None:
        self._clock = clock
        self._start_ms = start_ms
        self._origin_ns = origin_ns
        self._leg = clock.leg(start_ms // _MS_PER_S)

    def now_ms(self, now_ns: int) -> int:
        """Return what the server's clock shows."""
        return self._clock.to_server_ms(self._utc_ms(now_ns))

    def start(self, now_ns: int) -> int:
        """Return the server's time; it has been running."""
        self._leg = self._clock.leg(self._utc_ms(now_ns) // _MS_PER_S)
        return self.time_ms(now_ns)

    def time_ms(self, now_ns: int) -> int:
        """Return the server's time, at most the last millisecond before its clock is changed."""
        leg, utc_ms = self._leg, self._utc_ms(now_ns)
        if leg.end_s is not None:
            utc_ms = min(utc_ms, leg.end_s * _MS_PER_S - 1)
        return utc_ms + leg.offset_s * _MS_PER_S

    def due_ns(self, time_ms: int) -> int:
        """Return when the server's clock shows `time_ms`, or is changed."""
        utc_ms = time_ms - self._leg.offset_s * _MS_PER_S
        if self._leg.end_s is not None:
            utc_ms = min(utc_ms, self._leg.end_s * _MS_PER_S)
        return self._origin_ns + (utc_ms - self._start_ms) * _NS_PER_MS

    def turn(self, now_ns: int) -> int | None:
        """Change the clock when it is time to; return the server's time from then on."""
        end_s = self._leg.end_s
        if end_s is None or self._utc_ms(now_ns) < end_s * _MS_PER_S:
            return None
        self._leg = self._clock.leg(end_s)
        return (end_s + self._leg.offset_s) * _MS_PER_S

    def _utc_ms(self, now_ns: int) -> int:
        return self._start_ms + (now_ns - self._origin_ns) // _NS_PER_MS


class ReplayTime:
    """A recording's own clock: it starts with the first tick at `first_ms` and runs `speed` times as fast as time."""

    __slots__ = ("_end_ms", "_first_ms", "_speed", "_start_ns")

    def __init__(self, first_ms: int, end_ms: int, speed: float) -> None:
        self._first_ms = first_ms
        self._end_ms = end_ms
        self._speed = speed
        self._start_ns: int | None = None

    def start(self, now_ns: int) -> int:
        """Start at the first tick, once."""
        if self._start_ns is None:
            self._start_ns = now_ns
        return self.time_ms(now_ns)

    def time_ms(self, now_ns: int) -> int:
        """Return the recording's time; at infinite speed that is its end from the start."""
        if self._start_ns is None:
            return -1
        if math.isinf(self._speed):
            return self._end_ms
        return self._first_ms + int((now_ns - self._start_ns) * self._speed / _NS_PER_MS)

    def now_ms(self, now_ns: int) -> int:
        """Return the recording's time; 0 at infinite speed, where it is what the last tick says."""
        return 0 if math.isinf(self._speed) else max(self.time_ms(now_ns), 0)

    def due_ns(self, time_ms: int) -> int:
        """Return when the recording reaches `time_ms`; the start at infinite speed, and before it has begun."""
        start_ns = self._start_ns or 0
        if math.isinf(self._speed):
            return start_ns
        return start_ns + math.ceil((time_ms - self._first_ms) * _NS_PER_MS / self._speed)

    def turn(self, now_ns: int) -> int | None:
        """Return None: a recording holds its own changes of the clock."""
        return None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"timezone: expected minutes ahead of UTC or a name like Europe/Athens, got {name!r}"
        ) from error


def _year_s(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
