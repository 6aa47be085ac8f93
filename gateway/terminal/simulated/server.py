"""The simulated terminal's process: one thread that serves sockets and lets the market move. No trading policy here.

Malformed input closes the connection it came on, is logged, and touches nothing else. While a reply waits to be
taken, its connection isn't read: a slow peer slows itself only.
"""

import logging
import os
import selectors
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.clock import monotonic_ns, wall_ns
from gateway.terminal.simulated.address import Address, parse
from gateway.terminal.simulated.frames import LENGTH, MAX_REQUEST_BYTES, FrameError, decode, encode
from gateway.terminal.simulated.market.export import read
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.terminal import Session, SimulatedTerminal
from gateway.wire.arguments import conforms

__all__ = ("Server", "Settings", "serve")

MAX_CONNECTIONS: Final = 256
"""Five to an account are usual."""
_BACKLOG: Final = 64
_RECEIVE_BYTES: Final = 65_536
_MAX_WAIT_S: Final = 0.1
"""How long the loop sleeps at most before it asks whether to stop."""
_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000

_log = logging.getLogger("mt5gate.simulator")


def serve(
    settings: Settings,
    *,
    ready: Callable[[], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Run a simulated terminal until `should_stop`; `ready` is called once it accepts connections.

    Reads the tick files first. Raises ValueError for an address or a tick file that can't be used, OSError for one
    that can't be opened or is taken by another terminal.
    """
    exports = [read(path) for path in settings.tick_files]
    terminal = SimulatedTerminal(settings, exports, wall_ns() // _NS_PER_MS, monotonic_ns())
    server = Server(terminal, parse(settings.address))
    try:
        if ready is not None:
            ready()
        while not should_stop():
            server.step()
    finally:
        server.close()


class Server:
    """A terminal behind a listening socket."""

    def __init__(self, terminal: SimulatedTerminal, address: Address) -> None:
        self._terminal = terminal
        self._address = address
        self._listener = _listen(address)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._peers: set[_Peer] = set()

    def step(self) -> None:
        """Let the market move, then serve what is ready; waits for the sooner of a tick and a request."""
        now_ns = monotonic_ns()
        self._terminal.advance(now_ns)
        due_ns = self._terminal.next_due_ns()
        wait_s = _MAX_WAIT_S if due_ns is None else min(max(due_ns - now_ns, 0) / _NS_PER_S, _MAX_WAIT_S)
        for key, _ in self._selector.select(wait_s):
            if key.data is None:
                self._accept()
            else:
                self._serve(key.data)

    def close(self) -> None:
        """Close everything, and take the socket's file away."""
        for peer in list(self._peers):
            self._drop(peer)
        self._selector.close()
        self._listener.close()
        if self._address.path:
            with suppress(FileNotFoundError):
                os.unlink(self._address.path)

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError as error:  # gone again, or no descriptor left: the listener itself is sound
            _log.warning("a connection could not be accepted: %s", error)
            return
        if len(self._peers) >= MAX_CONNECTIONS:
            _log.warning("connection refused: %d are open", MAX_CONNECTIONS)
            accepted.close()
            return
        accepted.setblocking(False)
        if accepted.family == socket.AF_INET:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = _Peer(accepted)
        self._peers.add(peer)
        self._selector.register(accepted, selectors.EVENT_READ, peer)

    def _serve(self, peer: "_Peer") -> None:
        try:
            if peer.outgoing:
                peer.flush()
            else:
                peer.fill()
            while not peer.outgoing and (body := peer.next_request()) is not None:
                peer.send(self._answer(peer.session, body))
        except FrameError as error:
            _log.warning("connection closed, malformed request: %s", error)
            self._drop(peer)
        except OSError as error:
            _log.info("connection closed: %s", error)
            self._drop(peer)
        except Exception:
            # A terminal outlives whatever one of its connections sets off.
            _log.exception("connection closed: its request failed")
            self._drop(peer)
        else:
            self._watch(peer)

    def _watch(self, peer: "_Peer") -> None:
        """Wait for room while something waits to be sent, else for requests; a system call only on a change."""
        events = selectors.EVENT_WRITE if peer.outgoing else selectors.EVENT_READ
        if events != peer.events:
            peer.events = events
            self._selector.modify(peer.socket, events, peer)

    def _answer(self, session: Session, body: bytes) -> bytes:
        call_id, name, arguments = decode(body, 3)
        if type(call_id) is not int or type(name) is not str or not conforms(name, arguments):
            raise FrameError(f"no call of this form: {str(name)[:64]!r}")
        return encode((call_id, *self._terminal.call(session, name, arguments, monotonic_ns())))

    def _drop(self, peer: "_Peer") -> None:
        self._peers.discard(peer)
        with suppress(KeyError):
            self._selector.unregister(peer.socket)
        peer.socket.close()


class _Peer:
    """One connection: its socket, its session, and the bytes on their way in and out."""

    __slots__ = ("events", "incoming", "outgoing", "session", "socket")

    def __init__(self, accepted: socket.socket) -> None:
        self.socket = accepted
        self.session = Session()
        self.events = selectors.EVENT_READ
        self.incoming = bytearray()
        self.outgoing = memoryview(b"")

    def fill(self) -> None:
        """Take what has arrived; raises OSError when the peer is gone."""
        try:
            received = self.socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        if not received:
            raise ConnectionResetError("by its peer")
        self.incoming += received

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

    def send(self, frame: bytes) -> None:
        """Send, and keep what doesn't fit yet."""
        self.outgoing = memoryview(frame)
        self.flush()

    def flush(self) -> None:
        """Send what is waiting, as far as it goes."""
        with suppress(BlockingIOError):
            sent = self.socket.send(self.outgoing)
            self.outgoing = self.outgoing[sent:]


def _listen(address: Address) -> socket.socket:
    """Return a listening socket; a Unix socket is the owner's alone from before the first connection."""
    if address.path:
        _clear_stale(address)
    listener = address.open()
    try:
        if not address.path and os.name != "nt":  # on Windows it would let a second server in
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address.target)
        if address.path:
            os.chmod(address.path, 0o600)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _clear_stale(address: Address) -> None:
    """Unlink the socket of a terminal that is gone; raises OSError if it answers, or if the file is no socket."""
    path = Path(address.path)
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(f"{path} is there and is no socket")
    with address.open() as probe:
        try:
            probe.connect(address.target)
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError(f"{path}: another terminal answers there")
