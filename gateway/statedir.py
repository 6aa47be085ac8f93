"""The state folder: who may use it, and which life of the broker this is.

One process at a time holds a lock here; the kernel gives it back when its holder dies, however it dies. It must never
know what the state means.
"""

import contextlib
import errno
import os
import sys
from pathlib import Path
from typing import BinaryIO

from gateway.wire.errors import ConfigError, JournalError

if sys.platform == "win32":
    import msvcrt

    _LOCKED_BYTE = 2**30  # far behind what is written: a locked byte can't be read by others

    def _try_lock(file: BinaryIO) -> None:
        file.seek(_LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try_lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


__all__ = ("Lock", "next_generation", "prepare")

_PID_BYTES = 20


def prepare(state_dir: str) -> Path:
    """Create the folder for its owner alone, and return it; raises ConfigError if it is open to others."""
    path = Path(state_dir)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix":
        status = path.stat()
        if status.st_uid != os.getuid():
            raise ConfigError(f"state_dir: {path} belongs to another user; choose a folder of your own")
        if status.st_mode & 0o077:
            raise ConfigError(f"state_dir: {path} is open to other users; run `chmod 700 {path}`")
    return path


class Lock:
    """An exclusive lock on a file, held until `release()` or the process's end."""

    def __init__(self, path: Path, what: str) -> None:
        """Take it; raises ConfigError, naming `what` and the holder's process id, if somebody else has it."""
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        self._file: BinaryIO = os.fdopen(os.open(path, flags, 0o600), "r+b", buffering=0)
        try:
            _try_lock(self._file)
        except OSError as error:
            self._file.seek(0)
            holder = self._file.read(_PID_BYTES).decode("ascii", "replace").strip() or "unknown"
            self._file.close()
            raise ConfigError(f"{what} is in use by process {holder} (lock file {path})") from error
        self._file.seek(0)
        with contextlib.suppress(OSError):  # a full disk: it says who has it, and isn't the lock
            self._file.truncate(self._file.write(str(os.getpid()).encode("ascii")))  # over the old one: it has its room

    def release(self) -> None:
        """Give it back. The file stays: removing it would let two processes lock two files of one name."""
        self._file.close()


def next_generation(state_dir: Path) -> int:
    """Raise the generation kept in the folder by one, on disk before it returns, and return it (1, 2, 3, …).

    Call it with the folder's lock held. On a full disk the few bytes are written over the old ones, which need no
    room. Raises JournalError if what is there can't be read or written.
    """
    path = state_dir / "generation"
    try:
        previous = int(path.read_text("ascii")) if path.exists() else 0
        text = str(previous + 1)
        try:
            _replace(path, text)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not previous:
                raise
            with path.open("r+b", buffering=0) as file:
                file.write(text.encode("ascii"))
                os.fsync(file.fileno())
    except (OSError, ValueError) as error:
        raise JournalError(f"generation: {path} can't be read or written: {error}") from error
    return previous + 1


def _replace(path: Path, text: str) -> None:
    """Put another file in the place of one, or leave that as it is; on disk when it returns."""
    fresh = path.with_suffix(".new")
    try:
        with fresh.open("wb", buffering=0) as file:
            file.write(text.encode("ascii"))
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
