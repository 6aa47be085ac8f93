"""Bursts on ROUTER and DEALER sockets, and waiting for several, straight through libzmq's functions.

The sockets stay pyzmq's: who opened one closes it and sets its options. Each is used by one thread. A closed socket, or
a context being terminated, raises the ZMQError that pyzmq would raise. Importing raises ImportError where libzmq can't
be reached (`fastpath.libzmq.AVAILABLE`).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import zmq

__all__ = ("DealerSocket", "RouterSocket", "wait")

class RouterSocket:
    """Burst receive and non-blocking send on a ROUTER socket with ROUTER_MANDATORY set."""

    def __init__(self, socket: zmq.Socket[Any], max_bytes: int) -> None:
        """Raise TypeError for a socket that is no ROUTER."""

    @property
    def socket(self) -> zmq.Socket[Any]:
        """The pyzmq socket."""

    @property
    def max_bytes(self) -> int:
        """Size above which a frame isn't copied."""

    @property
    def malformed(self) -> int:
        """Messages that had no frame behind the identity, or several."""

    @property
    def oversized(self) -> int:
        """Frames larger than `max_bytes`."""

    @property
    def full(self) -> int:
        """Messages not sent because the peer's queue was full."""

    @property
    def unreachable(self) -> int:
        """Messages not sent because the peer was gone."""

    def recv_burst(self, limit: int) -> list[tuple[bytes, bytes | None]]:
        """Return up to `limit` messages as (identity, frame), without waiting. O(bytes); copies.

        A frame over `max_bytes` comes as None, a message of several frames as b"": both are counted here and are the
        caller's to answer. The empty delimiter that a REQ socket sends is taken off, and put before what is sent back.
        """

    def send_burst(self, messages: Iterable[tuple[bytes, bytes]]) -> list[int]:
        """Send all (identity, frame), never waiting; return the indexes that found their peer full or gone."""

class DealerSocket:
    """Burst receive and non-blocking send on a DEALER socket."""

    def __init__(self, socket: zmq.Socket[Any]) -> None:
        """Raise TypeError for a socket that is no DEALER."""

    @property
    def socket(self) -> zmq.Socket[Any]:
        """The pyzmq socket."""

    @property
    def malformed(self) -> int:
        """Messages of several frames, which were dropped."""

    @property
    def full(self) -> int:
        """Frames not sent because the queue was full."""

    def recv_burst(self, limit: int) -> list[bytes]:
        """Take up to `limit` messages without waiting, and return those of a single frame. O(bytes); copies."""

    def send(self, frame: bytes) -> bool:
        """Send one frame; False if it would have to wait."""

def wait(sockets: Sequence[zmq.Socket[Any] | RouterSocket | DealerSocket], timeout_ms: int) -> int:
    """Wait until a socket can be read, at most `timeout_ms` (-1: for ever); return a bit mask, lowest bit first.

    Blocks without the GIL. A signal ends the wait with 0 once its Python handler has run; what that raises is raised.
    """
