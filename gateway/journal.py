"""The order journal on disk: append-only segments in the state folder. What a record means is `gateway.core`'s affair.

One process writes at a time: whoever holds the state folder's lock. A segment is named for the sequence of its first
record. Laws: what `append` returned from is in the kernel (it survives the death of every process), and on the disk
when `durable` has reached its sequence, where that was asked for. Room is allocated before it is needed: when the disk
is full, `is_full` says so while RESERVE_BYTES are left for cancels, closes and the kill switch. A record that was cut
short at the very end was never answered for, and is cut away; any other damage stops the start.
"""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from gateway.core.records import Record, scan
from gateway.wire.errors import JournalError

__all__ = ("Journal", "boot_id", "segments")

SEGMENT_BYTES: Final = 64 * 1_024 * 1_024
CHUNK_BYTES: Final = 1_024 * 1_024
"""How much room is allocated at a time."""
RESERVE_BYTES: Final = 1_024 * 1_024
"""Room that entries may not use: some thousands of cancels and closes."""

_PREFIX: Final = "orders-"
_SUFFIX: Final = ".journal"
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
_SYNC: Final = getattr(os, "fdatasync", os.fsync)


def segments(folder: Path) -> list[tuple[int, Path]]:
    """Return the segments in order, each with its first sequence."""
    found = []
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        digits = path.name[len(_PREFIX) : -len(_SUFFIX)]
        if digits.isdigit():
            found.append((int(digits), path))
    return sorted(found)


def read(folder: Path) -> Iterator[tuple[Path, list[Record], int, str]]:
    """Read segment by segment: its path, its records, where they end, and what stands there (see `records.scan`).

    Raises JournalError where a segment is missing between two others. Changes nothing.
    """
    expected = 0
    for sequence, path in segments(folder):
        if expected and sequence != expected:
            raise JournalError(
                f"journal: expected record {expected} in {path.name}, found {sequence}: a segment is missing"
            )
        try:
            data = path.read_bytes()
        except OSError as error:
            raise JournalError(f"journal: {path} can't be read: {error}") from error
        records, end, problem = scan(data, sequence)
        expected = sequence + len(records)
        yield path, records, end, problem


def boot_id() -> bytes:
    """Return what tells this boot of the host from others, 16 bytes; zero where the system doesn't say."""
    try:
        return bytes.fromhex(Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip().replace("-", ""))
    except (OSError, ValueError):
        return bytes(16)


class Journal:
    """The journal of one broker, open for writing. Use: `recover`, `open`, then `append`; `close` at the end."""

    def __init__(self, folder: Path, notify: Callable[[], None] | None = None) -> None:
        """`notify` is called, from another thread, whenever `durable` has grown; None: `append` alone is enough."""
        self.is_full = False
        self.segment_bytes = SEGMENT_BYTES
        self._folder = folder
        self._file = -1
        self._end = 0  # where the next record goes
        self._allocated = 0
        self._last = 0  # sequence of the last record
        self._syncer = None if notify is None else _Syncer(notify)

    @property
    def last(self) -> int:
        """The sequence of the last record, read or written; 0 for none."""
        return self._last

    @property
    def problem(self) -> str:
        """Why the disk can't be trusted any more; "" while it can."""
        return "" if self._syncer is None else self._syncer.problem

    @property
    def durable(self) -> int:
        """The sequence up to which everything is on the disk."""
        return self._last if self._syncer is None else self._syncer.durable

    @property
    def wants_segment(self) -> bool:
        """Whether the segment is long enough."""
        return self._end >= self.segment_bytes

    def recover(self, take: Callable[[list[Record]], None]) -> int:
        """Hand over all records, oldest first, and cut away a torn end; return how many bytes were cut.

        Raises JournalError for damage, naming the file and the place.
        """
        cut = 0
        found = segments(self._folder)
        for path, records, end, problem in read(self._folder):
            is_last = path == found[-1][1]
            if problem and not (is_last and problem == "torn"):
                what = problem if problem != "torn" else f"cut short at byte {end}"
                raise JournalError(f"journal: {path}: {what}; restore it from a copy, or move the folder away")
            take(records)
            if records:
                self._last = records[-1][0]
            if is_last:
                cut = self._cut(path, end)
        return cut

    def open(self, sequence: int) -> None:
        """Begin a segment whose first record will be `sequence`; raises JournalError where that can't be."""
        path = self._folder / f"{_PREFIX}{sequence:020d}{_SUFFIX}"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise JournalError(f"journal: {path} can't be made: {error}") from error
        older, self._file = self._file, file
        self._end = self._allocated = 0
        self._allocate(0)
        if self._syncer is not None:
            self._syncer.use(file, older)
            _sync_folder(self._folder)
        elif older >= 0:
            os.close(older)

    def append(self, data: bytes, sequence: int) -> None:
        """Write records, the last of which is `sequence`; raises JournalError, and then nothing of it counts."""
        end = self._end + len(data)
        if end + RESERVE_BYTES > self._allocated:
            self._allocate(len(data))
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self._end + written)
        except OSError as error:
            raise JournalError(f"journal: {len(data)} bytes can't be written in {self._folder}: {error}") from error
        self._end = end
        self._last = sequence
        if self._syncer is not None:
            self._syncer.want(sequence)

    def look_for_room(self) -> bool:
        """Try again to allocate, after the disk was full; tell whether there is room."""
        self._allocate(0)
        return not self.is_full

    def drop_below(self, number: int) -> list[Path]:
        """Remove the segments that hold nothing from `number` on; return them."""
        found = segments(self._folder)
        dropped = []
        for (_, path), (following, _) in pairwise(found):
            if following > number:
                break
            path.unlink()
            dropped.append(path)
        return dropped

    def sync(self) -> None:
        """Wait until everything is on the disk; for the end of the process."""
        if self._syncer is not None:
            self._syncer.wait(self._last)

    def close(self) -> None:
        """Stop, and give back the room that wasn't used."""
        if self._syncer is not None:
            self._syncer.stop()
        if self._file >= 0:
            os.ftruncate(self._file, self._end)
            os.close(self._file)
            self._file = -1

    def _allocate(self, wanted: int) -> None:
        """Allocate ahead of what is to be written; note whether the disk is full."""
        target = self._end + wanted + CHUNK_BYTES + RESERVE_BYTES
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._file, self._allocated, target - self._allocated)
            else:
                os.ftruncate(self._file, target)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise JournalError(f"journal: no room can be allocated in {self._folder}: {error}") from error
            self.is_full = True
            return
        self._allocated = target
        self.is_full = False

    def _cut(self, path: Path, end: int) -> int:
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(end)
            torn = len(file.read().rstrip(b"\0"))
            file.truncate(end)
            os.fsync(file.fileno())
        return torn if size > end else 0


class _Syncer:
    """Brings to the disk what was written, as much at a time as has gathered, in a thread of its own.

    The thread waits inside system calls, where it doesn't hold the interpreter's lock.
    """

    def __init__(self, notify: Callable[[], None]) -> None:
        self.durable = 0
        self.problem = ""
        self._notify = notify
        self._wanted = 0
        self._file = -1
        self._older: list[int] = []
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self._thread.start()

    def use(self, file: int, older: int) -> None:
        """Sync another file from now on; the older one is finished and closed."""
        with self._changed:
            self._file = file
            if older >= 0:
                self._older.append(older)
                self._changed.notify_all()

    def want(self, sequence: int) -> None:
        """Ask for everything up to `sequence`, which has been written."""
        with self._changed:
            self._wanted = sequence
            self._changed.notify_all()

    def wait(self, sequence: int) -> None:
        """Wait until `sequence` is durable, or can't become so."""
        with self._changed:
            self._changed.wait_for(lambda: self.durable >= sequence or self.problem)

    def stop(self) -> None:
        """Finish what is wanted, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._wanted > self.durable or self._older)
                file, wanted = self._file, self._wanted
                older, self._older = self._older, []
                if wanted <= self.durable and not older:
                    return
            try:
                for finished in older:
                    _SYNC(finished)
                    os.close(finished)
                _SYNC(file)
            except OSError as error:
                with self._changed:
                    self.problem = str(error)
                    self._changed.notify_all()
                self._notify()
                return
            with self._changed:
                self.durable = wanted
                self._changed.notify_all()
            self._notify()


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
