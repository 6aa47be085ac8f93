"""Files in memory under the real journal: what the kernel holds, what is on the platter, and what a crash leaves.

A process that dies loses nothing that was written, but may be in the middle of writing it. A power cut loses what
wasn't synced: writes reach the platter in the order they were made, up to some byte (writeback that overtakes isn't
modelled: the journal's `process` mode doesn't claim to survive it). A full disk refuses new room; what was allocated
stays usable.
"""

import errno
import os
from collections.abc import Callable
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Final

__all__ = ("Disk", "DiskOs", "DiskPath")

_FOLDER: Final = -2
_OF_BYTES: Final = ("write", "size")
_Operation = tuple[Any, ...]


class _Stat:
    def __init__(self, size: int) -> None:
        self.st_size = size


class Disk:
    """One disk: a folder's names, what they stand for, and bytes."""

    def __init__(self, chance: Random, *, keeps_log: bool) -> None:
        """`keeps_log`: there will be power cuts."""
        self.chance = chance
        self.full = False
        self.short_writes = 0.0
        self.held = _Held()
        self._platter = _Held()
        self._log: list[_Operation] = []
        self._keeps_log = keeps_log
        self._inodes = 0

    def new_inode(self) -> int:
        """Return a number for a new file."""
        self._inodes += 1
        return self._inodes

    def do(self, *operation: Any) -> None:
        """Do something, of which the platter doesn't know yet."""
        self.held.apply(operation)
        if self._keeps_log:
            self._log.append(operation)

    def sync(self, inode: int) -> None:
        """Bring one file's bytes to the platter."""
        self._bring([operation for operation in self._log if operation[0] in _OF_BYTES and operation[1] == inode])

    def sync_folder(self) -> None:
        """Bring the folder's names to the platter."""
        self._bring([operation for operation in self._log if operation[0] not in _OF_BYTES])

    def _bring(self, operations: list[_Operation]) -> None:
        if operations:
            for operation in operations:
                self._platter.apply(operation)
            self._log = [operation for operation in self._log if not any(operation is one for one in operations)]

    def cut_power(self) -> int:
        """Lose what isn't on the platter, but for some of what was done first; return how many bytes went."""
        kept = self.chance.randint(0, len(self._log))
        lost = sum(len(operation[3]) for operation in self._log[kept:] if operation[0] == "write")
        for operation in self._log[:kept]:
            self._platter.apply(operation)
        if kept < len(self._log) and self._log[kept][0] == "write" and self.chance.random() < 0.5:
            _, inode, offset, data = self._log[kept]
            self._platter.apply(("write", inode, offset, data[: self.chance.randrange(len(data) + 1)]))
        self._log.clear()
        self.held = self._platter.copy()
        return lost

    def segments(self) -> list[bytes]:
        """Return what the journal's files hold, in the order of their names."""
        return [bytes(self.held.bytes_of(name)) for name in sorted(self.held.names) if name.endswith(".journal")]


class _Held:
    """What somebody (the kernel, the platter) knows of the folder."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.files: dict[int, bytearray] = {}

    def copy(self) -> "_Held":
        held = _Held()
        held.names = dict(self.names)
        held.files = {inode: bytearray(data) for inode, data in self.files.items()}
        return held

    def bytes_of(self, name: str) -> bytearray:
        return self.files.setdefault(self.names[name], bytearray())

    def apply(self, operation: _Operation) -> None:
        kind = operation[0]
        if kind == "link":
            self.names[operation[1]] = operation[2]
        elif kind == "unlink":
            self.names.pop(operation[1], None)
        elif kind == "rename":
            if operation[1] in self.names:
                self.names[operation[2]] = self.names.pop(operation[1])
        elif kind == "write":
            _, inode, offset, data = operation
            file = self.files.setdefault(inode, bytearray())
            if offset > len(file):
                file.extend(bytes(offset - len(file)))
            file[offset : offset + len(data)] = data
        else:
            _, inode, size = operation
            file = self.files.setdefault(inode, bytearray())
            if size < len(file):
                del file[size:]
            else:
                file.extend(bytes(size - len(file)))


class DiskPath:
    """What the journal uses of a `pathlib.Path`; "" is the folder."""

    def __init__(self, disk: Disk, name: str = "") -> None:
        self.disk = disk
        self.name = name

    def __truediv__(self, name: str) -> "DiskPath":
        return DiskPath(self.disk, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DiskPath) and other.name == self.name

    def __lt__(self, other: "DiskPath") -> bool:
        return self.name < other.name

    def __hash__(self) -> int:
        raise TypeError("a path isn't hashed here: the order of sets isn't the seed's")

    def __str__(self) -> str:
        return f"/journal/{self.name}"

    def glob(self, pattern: str) -> list["DiskPath"]:
        return [DiskPath(self.disk, name) for name in self.disk.held.names if fnmatchcase(name, pattern)]

    def read_bytes(self) -> bytes:
        return bytes(self.disk.held.bytes_of(self.name))

    def unlink(self) -> None:
        self.disk.do("unlink", self.name)


class DiskOs:
    """What the journal uses of `os`, for the process that writes."""

    name = "posix"
    O_RDWR = os.O_RDWR
    O_CREAT = os.O_CREAT
    O_TRUNC = os.O_TRUNC
    O_RDONLY = os.O_RDONLY

    def __init__(self, disk: Disk, step: Callable[[int], int | None]) -> None:
        """`step` is called before each operation with the bytes it would write. It may end the process there and then;
        or in the middle: then it returns how many are written, and is called again with -1."""
        self._disk = disk
        self._step = step
        self._open: dict[int, int] = {}
        self._next = 3

    def open(self, path: DiskPath, flags: int, mode: int = 0) -> int:
        if not path.name:
            return _FOLDER
        self._step(0)
        held = self._disk.held
        if flags & os.O_CREAT:
            if path.name not in held.names:
                if self._disk.full and self._disk.chance.random() < 0.3:
                    raise OSError(errno.ENOSPC, "no space left on device")
                self._disk.do("link", path.name, self._disk.new_inode())
            self._disk.do("size", held.names[path.name], 0)
        self._next += 1
        self._open[self._next] = held.names[path.name]
        return self._next

    def close(self, file: int) -> None:
        self._open.pop(file, None)

    def replace(self, source: DiskPath, target: DiskPath) -> None:
        self._step(0)
        self._disk.do("rename", source.name, target.name)

    def fstat(self, file: int) -> _Stat:
        return _Stat(len(self._bytes(file)))

    def posix_fallocate(self, file: int, offset: int, length: int) -> None:
        self._step(0)
        if offset + length > len(self._bytes(file)):
            if self._disk.full:
                raise OSError(errno.ENOSPC, "no space left on device")
            self._disk.do("size", self._open[file], offset + length)

    def pwrite(self, file: int, data: bytes, offset: int) -> int:
        inode = self._open[file]
        written = self._step(len(data))
        if written is not None:
            self._disk.do("write", inode, offset, bytes(data[:written]))
            self._step(-1)
        room = len(self._bytes(file)) - offset
        if self._disk.full and len(data) > room:
            if room <= 0:
                raise OSError(errno.ENOSPC, "no space left on device")
            data = data[:room]
        elif len(data) > 1 and self._disk.chance.random() < self._disk.short_writes:
            data = data[: self._disk.chance.randrange(1, len(data))]
        self._disk.do("write", inode, offset, bytes(data))
        return len(data)

    def ftruncate(self, file: int, size: int) -> None:
        self._disk.do("size", self._open[file], size)

    def truncate(self, path: DiskPath, size: int) -> None:
        self._step(0)
        self._disk.do("size", self._disk.held.names[path.name], size)

    def fsync(self, file: int) -> None:
        if file == _FOLDER:
            self._disk.sync_folder()
        elif file in self._open:
            self._disk.sync(self._open[file])

    def _bytes(self, file: int) -> bytearray:
        return self._disk.held.files.setdefault(self._open[file], bytearray())
