"""Recorded ticks, released along their own time line: at real time, N times that, or as fast as it goes."""

import math
from typing import Final

import numpy as np

from gateway.terminal.simulated.market.ticks import Records

__all__ = ("SLICE_TICKS", "ReplaySource")

SLICE_TICKS: Final = 32
"""How many ticks are released at most between two looks at the requests, so that orders can be traded in between."""

_NS_PER_MS: Final = 1_000_000


class ReplaySource:
    """One symbol's recorded ticks; the time line starts with `start`, at the first tick."""

    def __init__(self, ticks: Records, speed: float) -> None:
        self._ticks = ticks
        self._offsets_ms = ticks["time_msc"] - ticks["time_msc"][0] if len(ticks) else np.empty(0, np.int64)
        self._speed = speed
        self._start_ns: int | None = None
        self._released = 0

    def start(self, now_ns: int) -> Records:
        """Start the time line, once; return the ticks that lie before it: none."""
        if self._start_ns is None:
            self._start_ns = now_ns
        return self._ticks[:0]

    def take(self, now_ns: int) -> Records:
        """Release the ticks due by now, a slice at most."""
        first = self._released
        last = min(self._due(now_ns), first + SLICE_TICKS)
        self._released = max(first, last)
        return self._ticks[first : self._released]

    def next_due_ns(self) -> int | None:
        """Return when the next tick is due; None when the replay is over or hasn't started."""
        if self._start_ns is None or self._released == len(self._ticks):
            return None
        if math.isinf(self._speed):
            return self._start_ns
        return self._start_ns + math.ceil(int(self._offsets_ms[self._released]) * _NS_PER_MS / self._speed)

    def now_msc(self, now_ns: int) -> int:
        """Return the recording's time, not past its next tick; 0 before the start, and at infinite speed."""
        if self._start_ns is None or math.isinf(self._speed) or not len(self._ticks):
            return 0
        elapsed_ms = int((now_ns - self._start_ns) * self._speed / _NS_PER_MS)
        if self._released < len(self._ticks):
            elapsed_ms = min(elapsed_ms, int(self._offsets_ms[self._released]))
        return int(self._ticks["time_msc"][0]) + elapsed_ms

    def _due(self, now_ns: int) -> int:
        if self._start_ns is None:
            return 0
        if math.isinf(self._speed):
            return len(self._ticks)
        elapsed_ms = (now_ns - self._start_ns) * self._speed / _NS_PER_MS
        return int(np.searchsorted(self._offsets_ms, elapsed_ms, "right"))
