"""The state folder: who may use it, and which life of the broker this is.

One process at a time holds a lock here; the kernel gives it back when its holder dies, however it dies. It must never
know what the state means.
"""

import os
import sys
from pathlib import Path
from typing import IO

from gateway.wire.errors import ConfigError, JournalError

if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[str]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try_lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


__all__ = ("Lock", "next_generation", "prepare")


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
        self._file: IO[str] = path.open("a+", encoding="ascii")
        try:
            _try_lock(self._file)
        except OSError as error:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise ConfigError(f"{what} is in use by process {holder} (lock file {path})") from error
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Give it back. The file stays: removing it would let two processes lock two files of one name."""
        self._file.close()


def next_generation(state_dir: Path) -> int:
    """Raise the generation kept in the folder by one, on disk before it returns, and return it (1, 2, 3, …).

    Call it with the folder's lock held. Raises JournalError if what is there can't be read or written.
    """
    path = state_dir / "generation"
    try:
        previous = int(path.read_text("ascii")) if path.exists() else 0
        fresh = path.with_suffix(".new")
        with fresh.open("w", encoding="ascii") as file:
            file.write(str(previous + 1))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        if os.name == "posix":
            folder = os.open(state_dir, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except (OSError, ValueError) as error:
        raise JournalError(f"generation: {path} can't be read or written: {error}") from error
    return previous + 1
