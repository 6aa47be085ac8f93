"""How often: orders within a sliding window, entries that are alike, and orders of a day.

It must never know what a scope is. Rules: the windows are exact, not buckets; what is refused isn't counted; each
memory is bounded, and forgets what can't matter any more first.
"""

from array import array
from collections.abc import Hashable

__all__ = ("DayCounts", "RateWindow", "Throttle")

MAX_WINDOWS = 4_096
"""Then the idle ones go; a client can't make more of them than it sends orders in a window."""


class RateWindow:
    """When the last `limit` orders went: one more may go when the oldest of them has left the window."""

    __slots__ = ("_cursor", "_times", "limit", "newest_ns")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.newest_ns = -(2**62)
        self._times = array("q", [self.newest_ns] * max(limit, 1))
        self._cursor = 0

    def is_full(self, now_ns: int, window_ns: int) -> bool:
        """Tell whether `limit` orders went within the window."""
        if not self.limit:
            return True
        return self._times[self._cursor] > now_ns - window_ns

    def take(self, now_ns: int) -> None:
        """Count an order."""
        self.newest_ns = now_ns
        if not self.limit:
            return
        self._times[self._cursor] = now_ns
        self._cursor += 1
        if self._cursor == self.limit:
            self._cursor = 0

    def resized(self, limit: int) -> "RateWindow":
        """Return a window of another limit that remembers the same orders, as many as it can."""
        window = RateWindow(limit)
        for age in range(min(limit, self.limit), 0, -1):
            window.take(self._times[(self._cursor - age) % self.limit])
        window.newest_ns = self.newest_ns
        return window


class Throttle:
    """Windows by what they are about."""

    __slots__ = ("_window_ns", "_windows")

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._windows: dict[Hashable, RateWindow] = {}

    def is_full(self, key: Hashable, limit: int, now_ns: int) -> bool:
        """Tell whether `limit` orders of this key went within the window."""
        window = self._windows.get(key)
        if window is None:
            return limit == 0
        if window.limit != limit:
            window = self._windows[key] = window.resized(limit)
        return window.is_full(now_ns, self._window_ns)

    def take(self, key: Hashable, limit: int, now_ns: int) -> None:
        """Count an order."""
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) >= MAX_WINDOWS:
                self._forget_idle(now_ns)
            window = self._windows[key] = RateWindow(limit)
        window.take(now_ns)

    def _forget_idle(self, now_ns: int) -> None:
        idle_ns = now_ns - self._window_ns
        self._windows = {key: window for key, window in self._windows.items() if window.newest_ns > idle_ns}


class DayCounts:
    """Orders of the present day, by what they are counted for."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[Hashable, tuple[int, int]] = {}

    def count(self, key: Hashable, day: int) -> int:
        """Return how many went on this day."""
        found = self._counts.get(key)
        return found[1] if found is not None and found[0] == day else 0

    def take(self, key: Hashable, day: int) -> None:
        """Count an order of this day."""
        if len(self._counts) >= MAX_WINDOWS and key not in self._counts:
            self._counts = {key: found for key, found in self._counts.items() if found[0] == day}
        self._counts[key] = (day, self.count(key, day) + 1)
