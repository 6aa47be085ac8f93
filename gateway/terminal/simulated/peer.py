"""One connection of the simulated terminal's server: its socket, its session, its bytes on their way in and out.

Its memory is bounded: one request and what came with it on the way in, one reply on the way out.
"""

import socket
from contextlib import suppress
from typing import Final

from gateway.terminal.simulated.frames import LENGTH, MAX_REQUEST_BYTES, FrameError
from gateway.terminal.simulated.session import Session

__all__ = ("Peer",)

_RECEIVE_BYTES: Final = 65_536


class Peer:
    """A connected socket that doesn't block. `events` is what the server waits for on it."""

    __slots__ = ("events", "held", "held_until_ns", "incoming", "outgoing", "session", "socket")

    def __init__(self, accepted: socket.socket, events: int) -> None:
        self.socket = accepted
        self.session = Session()
        self.events = events
        self.incoming = bytearray()
        self.outgoing = memoryview(b"")
        self.held: bytes | None = None
        self.held_until_ns: int | None = None

    @property
    def is_free(self) -> bool:
        """Whether it may be asked for its next request: nothing is owed to it."""
        return not self.outgoing and self.held is None

    def fill(self) -> None:
        """Take what has arrived; raises OSError when the peer is gone.

        Raises FrameError for too much while it is owed a reply.
        """
        try:
            received = self.socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        if not received:
            raise ConnectionResetError("by its peer")
        self.incoming += received
        if self.held is not None and len(self.incoming) > LENGTH.size + MAX_REQUEST_BYTES:
            raise FrameError("it asks on and on while it is owed a reply")

    def next_request(self) -> bytes | None:
        """Return the body of the next whole frame, None if there is none yet; raises FrameError for too long a one."""
        if len(self.incoming) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self.incoming)
        if length > MAX_REQUEST_BYTES:
            raise FrameError(f"expected at most {MAX_REQUEST_BYTES} bytes, got {length}")
        end = LENGTH.size + length
        if len(self.incoming) < end:
            return None
        body = bytes(self.incoming[LENGTH.size : end])
        del self.incoming[:end]
        return body

    def hold(self, frame: bytes, until_ns: int | None) -> None:
        """Keep a reply back until then, None is for ever; an empty one stands for the connection's end."""
        self.held, self.held_until_ns = frame, until_ns

    def release(self) -> None:
        """Send what was held back; raises OSError when the peer is gone, or is to be closed."""
        frame, self.held, self.held_until_ns = self.held, None, None
        if not frame:
            raise ConnectionAbortedError("instead of an answer")
        self.send(frame)

    def send(self, frame: bytes) -> None:
        """Send, and keep what doesn't fit yet; raises OSError when the peer is gone."""
        self.outgoing = memoryview(frame)
        self.flush()

    def flush(self) -> None:
        """Send what is waiting, as far as it goes."""
        with suppress(BlockingIOError):
            sent = self.socket.send(self.outgoing)
            self.outgoing = self.outgoing[sent:]
