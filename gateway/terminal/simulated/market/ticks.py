"""Where ticks and bars are kept: growing arrays of packed records, and one symbol's tick history."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gateway.wire.constants import (
    COPY_TICKS_INFO,
    COPY_TICKS_TRADE,
    TICK_FLAG_ASK,
    TICK_FLAG_BID,
    TICK_FLAG_LAST,
    TICK_FLAG_VOLUME,
)
from gateway.wire.structs import TICK_DTYPE

__all__ = ("MAX_TICKS", "GrowingArray", "Records", "TickStore", "TooManyTicks", "wanted_flags")

Records = npt.NDArray[np.void]

MAX_TICKS: Final = 1_000_000
"""How many ticks of a symbol are remembered if nothing else is said: 68 MB."""

_FIRST_CAPACITY: Final = 1024


class TooManyTicks(Exception):
    """One call asked for more ticks than are copied at once; the message says how many that is."""


class GrowingArray:
    """A one-dimensional array that grows at its end; appending is amortised O(1) per record."""

    __slots__ = ("_data", "_size")

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._data: npt.NDArray[Any] = np.empty(_FIRST_CAPACITY, dtype)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def view(self) -> npt.NDArray[Any]:
        """The records so far, without a copy; valid until the next change."""
        return self._data[: self._size]

    def extend(self, records: npt.NDArray[Any]) -> None:
        """Append records of the same dtype."""
        needed = self._size + len(records)
        if needed > len(self._data):
            grown = np.empty(max(needed, 2 * len(self._data)), self._data.dtype)
            grown[: self._size] = self.view
            self._data = grown
        self._data[self._size : needed] = records
        self._size = needed

    def truncate(self, size: int) -> None:
        """Forget the records from `size` on."""
        self._size = max(min(size, self._size), 0)

    def discard(self, count: int) -> None:
        """Forget the oldest `count` records; O(n)."""
        kept = self._data[count : self._size].copy()
        self._data[: len(kept)] = kept
        self._size = len(kept)


class TickStore:
    """One symbol's ticks in order, at most `limit` of them; the oldest half goes when it is full.

    Times are kept a second time as a contiguous array: a search over the packed records would copy them all.
    """

    __slots__ = ("_limit", "_records", "_times_msc", "discarded")

    def __init__(self, limit: int = MAX_TICKS) -> None:
        self._limit = limit
        self._records = GrowingArray(TICK_DTYPE)
        self._times_msc = GrowingArray(np.int64)
        self.discarded = 0

    def __len__(self) -> int:
        return len(self._records)

    @property
    def total(self) -> int:
        """How many ticks there ever were."""
        return self.discarded + len(self._records)

    def has_room(self, count: int) -> bool:
        """Say whether `count` more fit without forgetting any."""
        return len(self._records) + count <= self._limit

    def make_room(self) -> None:
        """Forget the older half."""
        half = len(self._records) // 2
        self._records.discard(half)
        self._times_msc.discard(half)
        self.discarded += half

    def extend(self, records: Records) -> None:
        """Append ticks; the caller has seen to room and order."""
        self._records.extend(records)
        self._times_msc.extend(records["time_msc"])

    def since(self, total: int) -> Records:
        """Return the ticks behind the first `total` ones there ever were, without a copy."""
        return self._records.view[max(total - self.discarded, 0) :]

    def forward(self, from_msc: int, count: int, flags: int) -> bytes:
        """Return up to `count` ticks with time_msc >= `from_msc`, packed; O(log n + result) for all kinds of ticks."""
        start = int(np.searchsorted(self._times_msc.view, from_msc, "left"))
        return self._pack(start, len(self), flags, count)

    def between(self, from_msc: int, to_msc: int, flags: int) -> bytes:
        """Return the ticks with `from_msc` <= time_msc <= `to_msc`, packed."""
        start = int(np.searchsorted(self._times_msc.view, from_msc, "left"))
        stop = int(np.searchsorted(self._times_msc.view, to_msc, "right"))
        return self._pack(start, stop, flags, len(self))

    def _pack(self, start: int, stop: int, flags: int, count: int) -> bytes:
        mask = wanted_flags(flags)
        if mask is None:
            return self._records.view[start : min(stop, start + count)].tobytes()
        records = self._records.view[start:stop]
        chosen = np.flatnonzero(records["flags"] & np.uint32(mask))[:count]
        return records[chosen].tobytes()


def wanted_flags(flags: int) -> int | None:
    """Return which tick flags COPY_TICKS_* `flags` ask for; None means every tick."""
    both = COPY_TICKS_INFO | COPY_TICKS_TRADE
    if flags & both == both:
        return None
    if flags & COPY_TICKS_INFO:
        return TICK_FLAG_BID | TICK_FLAG_ASK
    return TICK_FLAG_LAST | TICK_FLAG_VOLUME
