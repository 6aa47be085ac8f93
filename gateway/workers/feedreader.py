"""Reading one symbol's ticks without loss or repetition, out of a terminal that only answers "from this second on".

Pure: it says what to ask (`request`), takes the answer (`take`), and holds what is new until it could be delivered
(`batch`, `delivered`). What it copes with: dates are whole seconds, so a second that was begun is always read again;
several ticks share a millisecond, and their order there may differ between two readings; a page may be full, even of
one single second; history may lag behind the last tick that the terminal shows.

Laws: every tick of the history at or behind the start is delivered exactly once, times never step back, and at most
one page is held. What a terminal inserts before the last delivered millisecond can't be delivered in order: it is
counted in `late`.
"""

from collections import Counter, deque
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.wire.structs import RECORD_BYTES, TICK_DTYPE

__all__ = ("MAX_BATCH", "Batch", "TickReader")

PAGE: Final = 4_096
"""Ticks asked for at a time."""

MAX_PAGE: Final = 1_048_576
"""Ticks of one second that can be read; a page grows so far when one second fills it."""

MAX_BATCH: Final = 4_096
"""Ticks delivered at a time: 245 kB."""

SWEEP_NS: Final = 2_000_000_000
"""A quiet symbol's history is read this often, in case the terminal's last tick didn't show a change."""

LAG_FIRST_NS: Final = 1_000_000
LAG_LIMIT_NS: Final = 50_000_000
LAG_PATIENCE_NS: Final = 5_000_000_000
"""How soon and how rarely history is asked for a tick that it doesn't have yet, and when to give it up."""


class Batch(NamedTuple):
    """Ticks to deliver: packed records, and the last one's cursor: its time, and how many of the same millisecond
    stand before it."""

    cursor_msc: int
    cursor_ordinal: int
    records: bytes


class TickReader:
    """One symbol's place in its history."""

    def __init__(self, start_msc: int, skip: int = 0, page: int = PAGE) -> None:
        """Begin with the first tick at or after `start_msc`, leaving out the first `skip` of exactly that millisecond:
        to continue behind a cursor, give its time and its ordinal plus one.
        """
        self._start_msc = start_msc
        self._skip = skip
        self._page = page
        self._count = page
        self._second = start_msc // 1_000
        self._overlap = b""  # records of `_second` and later that were seen, whatever became of them
        self._last_msc = start_msc
        self._last_ordinal = skip - 1
        self._batches: deque[Batch] = deque()
        self._behind = True
        self._shown: tuple[Any, ...] = ()
        self._awaited: tuple[Any, ...] = ()
        self._awaited_until_ns = 0
        self._lag_ns = LAG_FIRST_NS
        self._due_ns = 0
        self.cursor: tuple[int, int] | None = (start_msc, skip - 1) if skip else None
        """Where the last delivered tick stands; None before the first."""
        self.late = 0
        """Ticks that appeared before the last delivered millisecond."""
        self.overfull = 0
        """Seconds with more than MAX_PAGE ticks, of which the rest couldn't be read."""

    @property
    def caught_up(self) -> bool:
        """Whether everything that the terminal shows was read and delivered."""
        return not (self._behind or self._awaited or self._batches)

    def observe(self, tick: Any, now_ns: int) -> None:
        """Take the terminal's last tick; if it is another than before, history is worth reading."""
        shown = (tick.time_msc, tick.bid, tick.ask, tick.last)
        if (shown, tick.volume_real) == self._shown:
            return
        self._shown = (shown, tick.volume_real)
        self._behind = True
        if tick.time_msc >= self._start_msc:
            self._awaited = shown
            self._awaited_until_ns = now_ns + LAG_PATIENCE_NS
            self._lag_ns = LAG_FIRST_NS

    def is_due(self, now_ns: int) -> bool:
        """Whether a page should be asked for now: never while something waits to be delivered."""
        return not self._batches and (self._behind or now_ns >= self._due_ns)

    def request(self) -> tuple[int, int]:
        """Return from which second on, and how many ticks, to ask for."""
        return self._second, self._count

    def batch(self) -> Batch | None:
        """Return the next ticks to deliver, the same until `delivered` is called."""
        return self._batches[0] if self._batches else None

    def delivered(self) -> None:
        """The batch has left."""
        batch = self._batches.popleft()
        self.cursor = (batch.cursor_msc, batch.cursor_ordinal)

    def take(self, page: NDArray[Any], now_ns: int) -> None:
        """Take the answer to `request`: records in TICK_DTYPE's layout, oldest first. O(page)."""
        is_full = len(page) >= self._count
        page = np.ascontiguousarray(page).view(TICK_DTYPE)
        times = page["time_msc"]
        if len(page) > 1 and bool((times[1:] < times[:-1]).any()):
            page = page[np.argsort(times, kind="stable")]
            times = page["time_msc"]
        data = page.tobytes()
        fresh, left_over = self._fresh(data, len(page))
        self.late += int((fresh & (times < self._last_msc) & (times >= self._start_msc)).sum())
        wanted = np.flatnonzero(fresh & (times >= self._last_msc))
        if self._skip:
            skipped = int((times[wanted] == self._start_msc)[: self._skip].sum())
            wanted = wanted[skipped:]
            self._skip -= skipped
        self._queue(page[wanted])
        self._advance(times, data, left_over, is_full)
        self._schedule(page, is_full, now_ns)

    def _fresh(self, data: bytes, count: int) -> tuple[NDArray[np.bool_], bytes]:
        """Return which records weren't seen before, and those seen before that this page doesn't show."""
        fresh = np.ones(count, dtype=np.bool_)
        seen = self._overlap
        if data.startswith(seen):  # the usual case: the same ticks in the same order, and perhaps more
            fresh[: len(seen) // RECORD_BYTES] = False
            return fresh, b""
        counts = Counter(seen[at : at + RECORD_BYTES] for at in range(0, len(seen), RECORD_BYTES))
        for index in range(count):
            record = data[index * RECORD_BYTES : (index + 1) * RECORD_BYTES]
            if counts[record] > 0:
                counts[record] -= 1
                fresh[index] = False
        return fresh, b"".join(record * number for record, number in counts.items())

    def _queue(self, records: NDArray[Any]) -> None:
        for at in range(0, len(records), MAX_BATCH):
            part = records[at : at + MAX_BATCH]
            times = part["time_msc"]
            msc = int(times[-1])
            of_last = len(part) - int(np.searchsorted(times, msc, side="left"))
            if msc == self._last_msc:  # then the whole batch is of that millisecond, and continues it
                self._last_ordinal += of_last
            else:
                self._last_ordinal = of_last - 1
            self._last_msc = msc
            self._batches.append(Batch(msc, self._last_ordinal, part.tobytes()))

    def _advance(self, times: NDArray[Any], data: bytes, left_over: bytes, is_full: bool) -> None:
        """Move on to the last second that the page shows: everything before it was seen whole."""
        second = max(self._second, int(times[-1]) // 1_000) if len(times) else self._second
        if is_full and second == self._second and self._count >= MAX_PAGE:
            self.overfull += 1
            second += 1
        first = int(np.searchsorted(times, second * 1_000, side="left"))
        if left_over and second > self._second:
            rows = np.frombuffer(left_over, TICK_DTYPE)
            left_over = rows[rows["time_msc"] >= second * 1_000].tobytes()
        self._overlap = data[first * RECORD_BYTES :] + left_over
        self._second = second
        # What was seen of this second comes again: there must be room for more.
        self._count = min(max(self._page, 2 * len(self._overlap) // RECORD_BYTES), MAX_PAGE)

    def _schedule(self, page: NDArray[Any], is_full: bool, now_ns: int) -> None:
        self._behind = is_full
        self._due_ns = now_ns + SWEEP_NS
        if not self._awaited or is_full:
            return
        if self._shows(page) or now_ns >= self._awaited_until_ns:
            self._awaited = ()
            return
        self._due_ns = now_ns + self._lag_ns
        self._lag_ns = min(self._lag_ns * 2, LAG_LIMIT_NS)

    def _shows(self, page: NDArray[Any]) -> bool:
        """Whether history has come as far as the terminal's last tick."""
        msc, bid, ask, last = self._awaited
        if msc < self._second * 1_000 or (len(page) and page["time_msc"][-1] > msc):
            return True
        same = page[np.searchsorted(page["time_msc"], msc, side="left") :]
        return bool(((same["bid"] == bid) & (same["ask"] == ask) & (same["last"] == last)).any())
