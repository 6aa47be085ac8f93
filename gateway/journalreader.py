"""The order journal as others than its broker read it, perhaps while that one writes. Nothing is changed or locked.

What is being written can be seen in part; so a fault in the last segment is looked at again before it is believed.
Segments that the broker no longer needs may vanish meanwhile.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from gateway.core.records import Record, scan
from gateway.journal import segments
from gateway.wire.errors import JournalError

__all__ = ("JournalReader", "Segment", "examine")

LOOKS: Final = 5
"""How often a fault at the end is looked at before it is believed."""

LOOK_AGAIN_S: Final = 0.02
"""The pause between two looks: a record is written within microseconds."""


class Segment(NamedTuple):
    """One segment as it was found. `problem`: "" for a sound one, "torn" for the last one, cut short, or the damage."""

    path: Path
    records: list[Record]
    end_bytes: int
    problem: str
    is_last: bool


class JournalReader:
    """Reads a journal from its beginning, and then what has been added, as often as it is asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._first = 0  # the segment being read, by its first record's sequence
        self._offset = 0
        self._next = 0  # sequence of the next record; 0: any

    def records(self) -> Iterator[list[Record]]:
        """Yield what has been written since the last time, segment by segment; a record cut short is left for later.

        Raises JournalError for damage, and where records are missing between two segments; blocks for the disk.
        """
        found = segments(self._folder)
        for first, path in found:
            if first < self._first:
                continue
            is_last = path == found[-1][1]
            is_new = first > self._first
            if is_new and self._next not in (0, first):
                raise JournalError(
                    f"journal: expected record {self._next} in {path.name}, found {first}:"
                    " the segment between them is missing, or was removed because nothing in it is needed any more"
                )
            offset, sequence = (0, first) if is_new else (self._offset, self._next)
            try:
                records, end, problem = _scanned(path, offset, sequence, ("", "torn") if is_last else None)
            except FileNotFoundError:
                continue
            self._first, self._offset, self._next = first, offset + end, sequence + len(records)
            if records:
                yield records
            if problem and not (is_last and problem == "torn"):
                _, end, problem = scan(path.read_bytes(), first)  # for the place, counted from the file's beginning
                raise JournalError(f"journal: {path}: {_worded(problem, end)}")


def examine(folder: Path) -> Iterator[Segment]:
    """Read every segment, whatever is wrong with the one before; raises JournalError for one that can't be read."""
    found = segments(folder)
    expected = 0  # the next segment's first record; 0: nobody knows
    for first, path in found:
        is_last = path == found[-1][1]
        try:
            records, end, problem = _scanned(path, 0, first, ("",) if is_last else None)
        except FileNotFoundError:
            continue
        if problem and not (is_last and problem == "torn"):
            problem = _worded(problem, end)
        missing = f"expected record {expected} first, found {first}: a segment is missing before it"
        problems = [missing] if expected not in (0, first) else []
        expected = 0 if problem else first + len(records)
        yield Segment(path, records, end, "; ".join([*problems, problem] if problem else problems), is_last)


def _scanned(path: Path, offset: int, sequence: int, expected: tuple[str, ...] | None) -> tuple[list[Record], int, str]:
    """Scan a segment from a record's beginning on, see `records.scan`; raises FileNotFoundError, JournalError.

    A problem that isn't among the `expected` ones is looked at again; None: nobody writes here any more.
    """
    for look in range(LOOKS):
        if look:
            time.sleep(LOOK_AGAIN_S)
        try:
            with path.open("rb") as file:
                file.seek(offset)
                found = scan(file.read(), sequence)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise JournalError(f"journal: {path} can't be read: {error.strerror}") from error
        if expected is None or found[2] in expected:
            break
    return found


def _worded(problem: str, end: int) -> str:
    return f"cut short at byte {end}" if problem == "torn" else problem
