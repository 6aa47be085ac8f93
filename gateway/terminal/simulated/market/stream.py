"""One symbol's ticks where they can be made again: released along a clock, and copied from any time there ever was.

Nothing is kept but the minutes at hand. What has been released is the prefix of an endless row of ticks; history is
that row up to there, made again where it is asked for. It knows nothing of selected symbols or trades.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from gateway.terminal.simulated.market.clock import Timeline
from gateway.terminal.simulated.market.kept import Kept
from gateway.terminal.simulated.market.minute_ticks import ticks_of_minute
from gateway.terminal.simulated.market.minutes import DAY_S, MINUTE_S, Minutes, MinuteTable
from gateway.terminal.simulated.market.ticks import Records, TooManyTicks, wanted_flags
from gateway.wire.constants import TICK_FLAG_ASK, TICK_FLAG_BID
from gateway.wire.structs import TICK_DTYPE

__all__ = ("KEPT_DAYS", "MAX_COPIED_TICKS", "MinuteStream", "Position", "first_tick_ms")

SLICE_TICKS: Final = 256
"""How many ticks one `take` releases at most; the rest stays due."""
MAX_COPIED_TICKS: Final = 2_000_000
"""How many ticks one call may copy: 120 MB."""
KEPT_DAYS: Final = 512
"""How many days of minutes all symbols of a market keep together: some 40 MB."""
_KEPT_MINUTES: Final = 3
"""How many minutes of ticks each symbol keeps: the last one, the present one, the next one."""
_MAX_SILENT_DAYS: Final = 10
"""How far the next tick is looked for at once: no week without a session is quoted again sooner."""
_MINUTE_MS: Final = MINUTE_S * 1000
_DAY_MS: Final = DAY_S * 1000
_STAGGER: Final = 1024
_QUOTES: Final = TICK_FLAG_BID | TICK_FLAG_ASK
_NOTHING: Final = np.empty(0, TICK_DTYPE)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """How far ticks have been released: `count` of the minute that begins at `minute_s`, all of the minutes before."""

    minute_s: int
    count: int


@dataclass(frozen=True, slots=True)
class _Minute:
    """One minute's ticks and, once more, their times: bisection in an array costs a fraction of NumPy's search."""

    start_s: int
    ticks: Records
    times_msc: "array[int]"


class MinuteStream:
    """One symbol's ticks. It is a `Source`, and where its symbol's ticks are copied from."""

    def __init__(
        self, minutes: Minutes, timeline: Timeline, days: Kept[MinuteTable] | None = None, *, live: bool = True
    ) -> None:
        """`days` may be shared among symbols; `live`: the market has been running, else it starts with its start."""
        self.minutes = minutes
        self._timeline = timeline
        self._days: Kept[MinuteTable] = Kept(KEPT_DAYS) if days is None else days
        self._lately: Kept[_Minute] = Kept(_KEPT_MINUTES)
        self._live_market = live
        self._started = False
        self._minute: _Minute | None = None
        self._next = 0
        self._prepared = False
        self._resume_ms: int | None = None
        self._live = Position(0, 0)
        self.end = Position(0, 0)

    # --- the source of live ticks ---

    def start(self, now_ns: int) -> Records:
        """Start the time line, once; return the latest tick before it, if there is one."""
        if self._started:
            return _NOTHING
        self._started = True
        time_ms = self._timeline.start(now_ns)
        if not self._live_market:
            self._seek(self.minutes.first_day * _DAY_MS)
            return _NOTHING
        self._seek(time_ms + 1)
        latest = self._latest(time_ms)
        if latest is None:
            return _NOTHING
        minute, count = latest
        # The last one is still to be appended.
        self._live = self.end = Position(minute.start_s, count - 1)
        return minute.ticks[count - 1 : count]

    def take(self, now_ns: int) -> Records:
        """Release the ticks due by now, a slice of one minute at most."""
        if not self._started:
            return _NOTHING
        while True:
            time_ms = self._timeline.time_ms(now_ns)
            minute = self._minute
            if minute is None and self._resume_ms is not None and self._resume_ms <= time_ms:
                self._seek(self._resume_ms)
                continue
            if minute is not None:
                most = min(self._next + SLICE_TICKS, len(minute.ticks))
                stop = bisect_right(minute.times_msc, time_ms, self._next, most)
                if stop > self._next:
                    taken = minute.ticks[self._next : stop]
                    self._next = stop
                    self._go_on(minute)
                    return taken
            resume_ms = self._timeline.turn(now_ns)
            if resume_ms is None:
                return _NOTHING
            self._seek(resume_ms)

    def next_due_ns(self) -> int | None:
        """Return when to `take` next; None before the start and behind the end."""
        if not self._started:
            return None
        next_ms = self._next_ms()
        return None if next_ms is None else self._timeline.due_ns(next_ms)

    def now_msc(self, now_ns: int) -> int:
        """Return the market time, not past the next tick; 0 before the start."""
        time_ms = self._timeline.now_ms(now_ns)
        next_ms = self._next_ms() if self._started else None
        return time_ms if next_ms is None else min(time_ms, next_ms)

    # --- the history of what was released ---

    @property
    def first_s(self) -> int:
        """The beginning of the history."""
        return self.minutes.first_day * DAY_S

    def day(self, day: int) -> MinuteTable:
        """Return a day's minutes, released or not."""
        return self._days.get((self.minutes.key, day), lambda: self.minutes.table(day, 1))

    def released(self) -> Records:
        """Return the released ticks of the latest minute that has any."""
        if not self.end.count:
            return _NOTHING
        return self._ticks(self.end.minute_s).ticks[: self.end.count]

    def extend(self, ticks: Records) -> None:
        """Note that ticks of one `take` have been released, in order; times that came before stay as they are."""
        minute_s = int(ticks["time"][0]) // MINUTE_S * MINUTE_S
        before = self._live.count if minute_s == self._live.minute_s else 0
        self._live = Position(minute_s, before + len(ticks))
        self.end = max(self.end, self._live)

    def forward(self, from_msc: int, count: int, flags: int) -> bytes:
        """Return up to `count` ticks with time_msc >= `from_msc`, packed, of COPY_TICKS_* `flags`; O(result).

        At most MAX_COPIED_TICKS: who wants more goes on from the last one.
        """
        parts: list[bytes] = []
        left = min(count, MAX_COPIED_TICKS)
        for ticks in self._pieces(from_msc, None, flags):
            parts.append(ticks[:left].tobytes())
            left -= len(ticks)
            if left <= 0:
                break
        return b"".join(parts)

    def between(self, from_msc: int, to_msc: int, flags: int) -> bytes:
        """Return the ticks with `from_msc` <= time_msc <= `to_msc`, packed; O(result).

        Raises TooManyTicks for more than MAX_COPIED_TICKS.
        """
        parts: list[bytes] = []
        total = 0
        for ticks in self._pieces(from_msc, to_msc, flags):
            total += len(ticks)
            if total > MAX_COPIED_TICKS:
                raise TooManyTicks(f"expected a range of at most {MAX_COPIED_TICKS} ticks, got more")
            parts.append(ticks.tobytes())
        return b"".join(parts)

    def _pieces(self, from_msc: int, to_msc: int | None, flags: int) -> Iterator[Records]:
        """Yield the released ticks of a span of time and a kind, minute by minute."""
        end_s = self.end.minute_s
        mask = wanted_flags(flags)
        if mask is not None and mask & _QUOTES:
            mask = None  # made ticks all change a quote
        if not self.end.count or (mask is not None and not self.minutes.deals):
            return
        from_msc = max(from_msc, self.first_s * 1000)
        for day in range(from_msc // _DAY_MS, end_s // DAY_S + 1):
            if to_msc is not None and day * _DAY_MS > to_msc:
                return
            starts = self.day(day).time_s
            first = int(np.searchsorted(starts, from_msc // _MINUTE_MS * MINUTE_S))
            for start_s in starts[first:].tolist():
                if start_s > end_s or (to_msc is not None and start_s * 1000 > to_msc):
                    return
                # What is long ago isn't kept: it would drive out what the next tick needs.
                minute = self._ticks(start_s) if start_s >= end_s - MINUTE_S else self._make(start_s)
                begin = bisect_left(minute.times_msc, from_msc)
                stop = self.end.count if start_s == end_s else len(minute.ticks)
                if to_msc is not None:
                    stop = bisect_right(minute.times_msc, to_msc, 0, stop)
                if stop > begin:
                    ticks = minute.ticks[begin:stop]
                    yield ticks if mask is None else ticks[ticks["flags"] & np.uint32(mask) != 0]

    # --- minutes ---

    def _ticks(self, start_s: int) -> _Minute:
        return self._lately.get(start_s, lambda: self._make(start_s))

    def _make(self, start_s: int) -> _Minute:
        table = self.day(start_s // DAY_S)
        row = int(np.searchsorted(table.time_s, start_s))
        ticks = ticks_of_minute(table, row, self.minutes.scale, self.minutes.key)
        if self.minutes.deals and not table.volume[row]:
            ticks["last"] = ticks["bid"][0]  # nothing is dealt: a last price there is all the same
        return _Minute(start_s, ticks, array("q", ticks["time_msc"].tobytes()))

    def _next_ms(self) -> int | None:
        if self._minute is None:
            return self._resume_ms
        return self._minute.times_msc[self._next]

    def _go_on(self, minute: _Minute) -> None:
        """Step on to the next minute at this one's end; make it ready before, each symbol at a time of its own."""
        size = len(minute.ticks)
        if self._next == size:
            self._seek((minute.start_s + MINUTE_S) * 1000)
        elif not self._prepared and self._next * _STAGGER >= size * (self.minutes.key % _STAGGER):
            self._prepared = True
            following = self._following(minute.start_s + MINUTE_S)
            if following is not None:
                self._ticks(following)

    def _seek(self, from_ms: int) -> None:
        """Make the first tick at or after a time the next one."""
        self._prepared = False
        start_s: int | None = from_ms // _MINUTE_MS * MINUTE_S
        while start_s is not None and (start_s := self._following(start_s)) is not None:
            minute = self._ticks(start_s)
            self._next = bisect_left(minute.times_msc, from_ms)
            if self._next < len(minute.ticks):
                self._minute, self._resume_ms = minute, None
                return
            start_s += MINUTE_S
        self._minute = None
        last_day = self.minutes.last_day
        look_on_ms = (from_ms // _DAY_MS + _MAX_SILENT_DAYS) * _DAY_MS
        self._resume_ms = look_on_ms if last_day is None or look_on_ms // _DAY_MS <= last_day else None

    def _following(self, from_s: int) -> int | None:
        """Return the first minute with ticks at or after a time; None if there is none within _MAX_SILENT_DAYS."""
        first_day = max(from_s // DAY_S, self.minutes.first_day)
        for day in range(first_day, first_day + _MAX_SILENT_DAYS):
            if self.minutes.last_day is not None and day > self.minutes.last_day:
                return None
            starts = self.day(day).time_s
            row = int(np.searchsorted(starts, from_s))
            if row < len(starts):
                return int(starts[row])
        return None

    def _latest(self, time_ms: int) -> tuple[_Minute, int] | None:
        """Return the last minute with ticks up to a time, and how many of them; None if there is none lately."""
        day = time_ms // _DAY_MS
        for earlier in range(day, max(day - _MAX_SILENT_DAYS, self.minutes.first_day - 1), -1):
            starts = self.day(earlier).time_s
            for start_s in reversed(starts[starts <= time_ms // 1000].tolist()):
                minute = self._ticks(start_s)
                count = bisect_right(minute.times_msc, time_ms)
                if count:
                    return minute, count
        return None


def first_tick_ms(minutes: Minutes) -> int:
    """Return the time of the first tick of the first day; 0 if it has none."""
    table = minutes.table(minutes.first_day, 1)
    return int(ticks_of_minute(table, 0, minutes.scale, minutes.key)["time_msc"][0]) if len(table) else 0
