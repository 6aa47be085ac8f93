"""The account's memory: finished orders and deals in the order of their times. It grows, and forgets nothing."""

from bisect import bisect_left, bisect_right
from typing import Generic, TypeVar

from gateway.wire.structs import TradeDeal, TradeOrder

__all__ = ("Ledger",)

Record = TypeVar("Record", TradeOrder, TradeDeal)


class Ledger(Generic[Record]):
    """Records in the order of their times, in seconds; those of the same time as they came.

    Symbols replayed side by side have clocks of their own, so that a record isn't always the newest.
    """

    __slots__ = ("_records", "_times_s")

    def __init__(self) -> None:
        self._times_s: list[int] = []
        self._records: list[Record] = []

    def __len__(self) -> int:
        return len(self._records)

    def enter(self, time_s: int, record: Record) -> None:
        """Add a record; O(1) for the newest."""
        if not self._times_s or self._times_s[-1] <= time_s:
            self._times_s.append(time_s)
            self._records.append(record)
            return
        place = bisect_right(self._times_s, time_s)
        self._times_s.insert(place, time_s)
        self._records.insert(place, record)

    def count_between(self, from_s: int, to_s: int) -> int:
        """Count the records with `from_s` <= time <= `to_s`; O(log n)."""
        return max(bisect_right(self._times_s, to_s) - bisect_left(self._times_s, from_s), 0)

    def between(self, from_s: int, to_s: int) -> list[Record]:
        """Return the records with `from_s` <= time <= `to_s`."""
        return self._records[bisect_left(self._times_s, from_s) : bisect_right(self._times_s, to_s)]
