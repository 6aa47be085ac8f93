"""Shares each symbol's last tick through memory: one writer, any number of readers, on one host."""

from os import PathLike

__all__ = ("BoardReader", "BoardWriter")

class BoardWriter:
    """Owns a board: makes its file (0600, of its full size) and puts it in the place of the one before it.

    Readers of the old file see it closed and open the new one. One thread writes.
    """

    def __init__(self, path: str | PathLike[str], capacity: int = 4_096, epoch: int = 0) -> None:
        """Make the file, 128 bytes for each of `capacity` symbols; `epoch` is the publisher's.

        Raises ValueError for a capacity below 1 or above 65,536, OSError where the file can't be made.
        """

    @property
    def path(self) -> str:
        """Where the file is."""

    @property
    def capacity(self) -> int:
        """How many symbols it holds in its life; raises ValueError once closed."""

    @property
    def epoch(self) -> int:
        """The publisher's epoch; raises ValueError once closed."""

    @property
    def refused(self) -> int:
        """Writes of symbols that found no place: the board is full, or the name longer than 39 bytes."""

    def write(self, symbol: str, record: bytes | bytearray | memoryview, stream_seq: int, publish_ns: int) -> bool:
        """Make a packed 60-byte tick the symbol's last; False if there is no place for the symbol (`refused`).

        O(1), no system call. Raises ValueError for a record of another size, and once closed.
        """

    def retire(self, symbol: str) -> None:
        """Have readers find no tick of this symbol until it is written again; its place stays its own."""

    def set_alive(self, now_ns: int) -> None:
        """Vouch that every tick on the board was the last one at `now_ns` (the host's monotonic clock)."""

    def close(self) -> None:
        """Mark the file closed, for its readers, and let go of it. The file stays. Idempotent."""

class BoardReader:
    """Reads a board that may not be there yet, and follows its writer's successors. Used by one thread."""

    def __init__(self, path: str | PathLike[str]) -> None:
        """Open the file if it exists; otherwise it is looked for when something is asked."""

    @property
    def path(self) -> str:
        """Where the file is looked for."""

    @property
    def epoch(self) -> int | None:
        """The epoch of the board that is open; None if there is none."""

    def tick(self, symbol: str) -> bytes | None:
        """Return the symbol's last tick (60 bytes), however old; None if there is none. O(1)."""

    def quote(self, symbol: str) -> tuple[bytes, int, int] | None:
        """Return (tick, its number in the stream, when it was published in ns); None if there is none. O(1)."""

    def encoded_tick(self, tail: bytes, now_ns: int, max_age_ns: int) -> bytes | None:
        """Answer `symbol_info_tick`: the msgpack array of Tick's eight fields, or None.

        `tail` is the encoded argument list `[symbol]`, as it stands in a request. None unless the writer vouched for
        its ticks within `max_age_ns` of `now_ns`, the board isn't closed, and the symbol is live. O(1), no system call
        while the board is fresh; a missing or stale file is looked for every 100 ms of `now_ns`.
        """

    def prices(self, tail: bytes, now_ns: int, max_age_ns: int) -> tuple[float, float] | None:
        """Return bid and ask of the tick that `encoded_tick` would answer with, or None. O(1)."""

    def close(self) -> None:
        """Let go of the file; the next question opens it again."""
