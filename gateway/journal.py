"""The order journal on disk: append-only segments in the state folder. What a record means is `gateway.core`'s affair.

One process writes at a time: whoever holds the state folder's lock. A segment is named for the sequence of its first
record. Laws: what `append` returned from is in the kernel (it survives the death of every process), and on the disk
when `durable` has reached its sequence, where that was asked for. Room is allocated before it is needed: when the disk
is full, `is_full` says so while RESERVE_BYTES are left for cancels, closes and the kill switch, and `is_exhausted` when
all but LAST_BYTES of that is used. Who comes after finds the reserve, too: it stays allocated behind the last record,
and a start that gets no segment of its own goes on in the last one. A record that was cut short at the very end was
never answered for, and is wiped; any other damage stops the start.
"""

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from gateway import accel
from gateway.core.records import Record, scan
from gateway.wire.errors import JournalError

__all__ = ("Journal", "boot_id", "segments")

SEGMENT_BYTES: Final = 64 * 1_024 * 1_024
CHUNK_BYTES: Final = 1_024 * 1_024
"""How much room is allocated at a time."""
RESERVE_BYTES: Final = 2 * 1_024 * 1_024
"""Room that entries may not use: some thousands of cancels and closes."""
LAST_BYTES: Final = 256 * 1_024
"""Of it, what exits may not use either: for what becomes of orders that have left, for switches, and for a start."""

_PREFIX: Final = "orders-"
_SUFFIX: Final = ".journal"
_FRESH: Final = "segment.new"
"""A segment gets its name when it has its room: who finds a last segment finds a reserve in it."""
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
        records, end, problem = scan(data, sequence, accel.records.read_sound)
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
        self._wanted_at = 0  # how long the segment must be before another one is asked for
        self._found: tuple[Path, int] | None = None  # the last segment that was read, and where its records end
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
        return self._end >= max(self.segment_bytes, self._wanted_at)

    @property
    def is_exhausted(self) -> bool:
        """Whether the disk is full and the reserve is used up, but for LAST_BYTES."""
        return self.is_full and self._allocated - self._end < LAST_BYTES

    def recover(self, take: Callable[[list[Record]], None]) -> int:
        """Hand over all records, oldest first, and wipe a torn end; return how many bytes that was.

        Raises JournalError for damage, naming the file and the place.
        """
        torn = 0
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
                torn = _wipe(path, end)
                self._found = path, end
        return torn

    def open(self, sequence: int) -> bool:
        """Begin a segment whose first record will be `sequence`; without room for one, go on in the last one.

        Returns whether a segment was begun; raises JournalError where neither can be.
        """
        path = self._folder / f"{_PREFIX}{sequence:020d}{_SUFFIX}"
        file = -1 if self._found is not None and self._found[0] == path else self._fresh()
        if file < 0:
            self._go_on()
            return False
        try:
            if self._syncer is not None:
                self._sync_last()
            os.replace(self._folder / _FRESH, path)
            older, self._file = self._file, file
            if older >= 0:
                os.ftruncate(older, self._end)
            elif self._found is not None:
                os.truncate(*self._found)
            if self._syncer is not None:
                self._syncer.use(file, older)
                _sync_folder(self._folder)
            elif older >= 0:
                os.close(older)
        except OSError as error:
            raise JournalError(f"journal: {path} can't be made: {error}") from error
        self._end = self._wanted_at = 0
        self._allocated = CHUNK_BYTES + RESERVE_BYTES
        self._found = None
        self.is_full = False
        return True

    def append(self, data: bytes, sequence: int) -> None:
        """Write records, the last of which is `sequence`; raises JournalError, and then nothing of it counts."""
        end = self._end + len(data)
        if end + RESERVE_BYTES > self._allocated:
            self._allocate(len(data))
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self._end + written)
        except OSError as error:
            self.is_full = self.is_full or error.errno in _NO_ROOM
            with contextlib.suppress(OSError):
                _zero(self._file, self._end, written)  # a whole record among it would be believed
            raise JournalError(f"journal: {len(data)} bytes can't be written in {self._folder}: {error}") from error
        self._end = end
        self._last = sequence
        if self._syncer is not None:
            self._syncer.want(sequence)

    def look_for_room(self) -> bool:
        """Try again to allocate, after the disk was full; tell whether there is room."""
        if self._file >= 0:
            self._allocate(0)
        else:
            self._discard(self._fresh())
        return not self.is_full

    def drop_below(self, number: int) -> list[Path]:
        """Remove the segments that hold nothing from `number` on; return them."""
        found = segments(self._folder)
        dropped = []
        for (_, path), (following, _) in pairwise(found):
            if following > number:
                break
            with contextlib.suppress(OSError):  # the next time, then
                path.unlink()
                dropped.append(path)
        return dropped

    def sync(self) -> None:
        """Wait until everything is on the disk; for the end of the process."""
        if self._syncer is not None:
            self._syncer.wait(self._last)

    def close(self) -> None:
        """Stop, and give back the room that wasn't used, but for the reserve: the next start may need it."""
        if self._syncer is not None:
            self._syncer.stop()
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, min(self._end + RESERVE_BYTES, max(self._allocated, self._end)))
            os.close(self._file)
            self._file = -1

    def _fresh(self) -> int:
        """Return a new file with room in it, which has no segment's name yet; -1, and `is_full`, without room."""
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0)
            file = os.open(self._folder / _FRESH, flags, 0o600)
        except OSError as error:
            self.is_full = error.errno in _NO_ROOM
            if self.is_full:
                return -1
            raise JournalError(f"journal: no segment can be made in {self._folder}: {error}") from error
        try:
            self.is_full = not _allocated(file, 0, CHUNK_BYTES + RESERVE_BYTES)
        except OSError as error:
            self._discard(file)
            raise JournalError(f"journal: no room can be allocated in {self._folder}: {error}") from error
        if self.is_full:
            self._discard(file)
            return -1
        return file

    def _discard(self, file: int) -> None:
        """Close what `_fresh` has made, and remove it."""
        if file >= 0:
            os.close(file)
            with contextlib.suppress(OSError):
                (self._folder / _FRESH).unlink()

    def _sync_last(self) -> None:
        """Bring the last segment to the disk: a power cut may leave the next one's name, and not this one's end."""
        file = self._file
        if file < 0 and self._found is not None:
            file = os.open(self._found[0], os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        if file >= 0:
            try:
                _SYNC(file)
            finally:
                if file != self._file:
                    os.close(file)

    def _go_on(self) -> None:
        """Go on in the segment that is open, or in the last one that was read."""
        if self._file >= 0:
            self._wanted_at = self._end + CHUNK_BYTES
            return
        if self._found is None:
            raise JournalError(f"journal: the disk is full, and {self._folder} holds no segment to go on in")
        path, self._end = self._found
        try:
            self._file = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
            self._allocated = os.fstat(self._file).st_size
        except OSError as error:
            raise JournalError(f"journal: {path} can't be written: {error}") from error
        self._wanted_at = self._end + CHUNK_BYTES
        if self._syncer is not None:
            _sync_folder(self._folder)  # who made the segment may have been killed before its name was on the disk
            self._syncer.use(self._file, -1)
        self._allocate(0)

    def _allocate(self, wanted: int) -> None:
        """Allocate ahead of what is to be written; note whether the disk is full."""
        target = self._end + wanted + CHUNK_BYTES + RESERVE_BYTES
        try:
            self.is_full = not _allocated(self._file, self._allocated, target)
        except OSError as error:
            raise JournalError(f"journal: no room can be allocated in {self._folder}: {error}") from error
        if not self.is_full:
            self._allocated = max(self._allocated, target)


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


def _allocated(file: int, start: int, end: int) -> bool:
    """Allocate a file's bytes from `start` to `end`; tell whether there is room. Raises OSError for anything else."""
    if end <= start:
        return True
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, start, end - start)
        else:
            os.ftruncate(file, end)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        return False
    return True


def _zero(file: int, start: int, count: int) -> None:
    """Make zeros of a file's bytes; one write may take less than it is given."""
    done = 0
    while done < count:
        done += os.pwrite(file, bytes(count - done), start + done)


def _wipe(path: Path, end: int) -> int:
    """Make zeros of what stands behind the last record; return how much that was. The room stays allocated."""
    try:
        torn = len(path.read_bytes()[end:].rstrip(b"\0"))
        if torn:
            file = os.open(path, os.O_RDWR)
            try:
                _zero(file, end, torn)
                _SYNC(file)
            finally:
                os.close(file)
    except OSError as error:
        raise JournalError(f"journal: {path} can't be written: {error}") from error
    return torn
