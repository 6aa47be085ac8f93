"""Virtual time, and the one list of events that everything in a simulation hangs on.

Rules: same seed, same events in the same order. Nothing reads a real clock, iterates over a set or asks for an `id()`.
Code that blocks (a worker in its terminal's call) runs the world meanwhile: see `spend`.
"""

import heapq
import traceback
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, Final

__all__ = ("MS", "SECOND", "US", "World")

US: Final = 1_000
MS: Final = 1_000_000
SECOND: Final = 1_000_000_000
START_NS: Final = 1_000 * SECOND
START_WALL_NS: Final = 1_750_000_000 * SECOND


class World:
    """One simulation's time, chance, counters and trace."""

    def __init__(self, seed: int, *, traced: bool = False) -> None:
        self.seed = seed
        self.now_ns = START_NS
        self.wall_offset_ns = START_WALL_NS - START_NS
        self.skew_ns = 0  # between this clock and that of the process whose code runs: its host is another one
        self.tally: Counter[str] = Counter()
        self.lines: list[str] | None = [] if traced else None
        self.failures: list[str] = []
        self.quiet = False  # nothing goes wrong any more
        self._events: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def random(self, name: str) -> Random:
        """Return a stream of chance of its own: one more draw elsewhere moves nothing here."""
        return Random(f"{self.seed}/{name}")

    def monotonic_ns(self) -> int:
        """Return the monotonic clock of the process whose code runs."""
        return self.now_ns + self.skew_ns

    def wall_ns(self) -> int:
        """Return the wall clock, which may have been set."""
        return self.now_ns + self.wall_offset_ns

    def at(self, delay_ns: int, action: Callable[..., None], *args: Any) -> None:
        """Have something happen later."""
        self._count += 1
        heapq.heappush(self._events, (self.now_ns + max(delay_ns, 0), self._count, action, args))

    def run(self, until_ns: int) -> None:
        """Let everything happen up to a time."""
        events = self._events
        while events and events[0][0] <= until_ns:
            time_ns, _, action, args = heapq.heappop(events)
            if time_ns > self.now_ns:
                self.now_ns = time_ns
            try:
                action(*args)
            except Exception:  # whose code is waiting further down the stack must not catch it
                self.failures.append(traceback.format_exc())
        if until_ns > self.now_ns:
            self.now_ns = until_ns

    def spend(self, duration_ns: int) -> None:
        """Let time pass for code that waits, while everything else goes on."""
        skew_ns, self.skew_ns = self.skew_ns, 0
        try:
            self.run(self.now_ns + duration_ns)
        finally:
            self.skew_ns = skew_ns

    def note(self, kind: str, *parts: object) -> None:
        """Count what happens, and write it into the trace."""
        self.tally[kind] += 1
        if self.lines is not None:
            text = " ".join(map(str, parts))
            self.lines.append(f"{(self.now_ns - START_NS) / MS:11.3f} {kind:<22} {text}")
