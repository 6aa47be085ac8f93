"""The publisher's last step: sequence numbers and tick frames (PROTOCOL §6.1), batch by batch or tick by tick."""

from typing import Any

import zmq

__all__ = ("Broadcaster",)

_Records = bytes | bytearray | memoryview  # `bytes` is also a counter's name below

class Broadcaster:
    """Numbers each symbol's ticks 1, 2, 3, … and sends them on a PUB or XPUB socket, never waiting.

    Frames are encoded straight into libzmq's memory: each tick is copied once. What the socket can't take is counted in
    `dropped`; its numbers are used up, so subscribers see the gap. Owned by one thread.
    """

    def __init__(self, socket: zmq.Socket[Any], feed: str, epoch: int) -> None:
        """Raise TypeError for another kind of socket. `epoch` names this life of the numbering (unsigned, 64 bits)."""

    @property
    def socket(self) -> zmq.Socket[Any]:
        """The pyzmq socket."""

    @property
    def feed(self) -> str:
        """The feed's name, first part of every topic."""

    @property
    def epoch(self) -> int:
        """The epoch in every frame."""

    @property
    def frames(self) -> int:
        """Frames made, the dropped ones included; so with `ticks` and `bytes`."""

    @property
    def ticks(self) -> int:
        """Ticks in them."""

    @property
    def bytes(self) -> int:
        """Bytes in them, topics included."""

    @property
    def dropped(self) -> int:
        """Frames that the socket couldn't take."""

    def publish(
        self,
        symbol: str,
        records: _Records,
        cursor_msc: int,
        cursor_ordinal: int,
        publish_ns: int,
    ) -> int:
        """Send one batch (n packed 60-byte ticks) as one frame; return the number of its first tick.

        The cursor is the last tick's place in history. Raises the remote error for records that aren't a positive
        multiple of 60 bytes, the local error for a symbol whose topic is longer than 502 bytes. O(bytes).
        """

    def publish_each(self, symbol: str, records: _Records, publish_ns: int) -> int:
        """Send every tick as a frame of its own; return the number of the first.

        A frame's cursor is its tick's own time_msc, and its place among those of the same millisecond in `records`.
        Raises as `publish` does. O(bytes), in one loop.
        """

    def skip(self, symbol: str) -> None:
        """Leave one number out: the symbol's next tick doesn't continue what went before, and shows it as a gap."""

    def sequence(self, symbol: str) -> int:
        """Return the number of the symbol's last tick, 0 before the first."""
