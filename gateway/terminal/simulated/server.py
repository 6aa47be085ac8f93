"""The simulated terminal's process: one thread that serves sockets and lets the market move. No trading policy here.

Malformed input closes the connection it came on, is logged, and touches nothing else. While a reply waits to be taken,
or is held back, its connection isn't served: a slow peer slows itself only, and a hung call hangs nobody else.
"""

import logging
import os
import selectors
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Final

from gateway.clock import monotonic_ns, wall_ns
from gateway.terminal.simulated.address import Address, parse
from gateway.terminal.simulated.commands import PREFIX, is_command
from gateway.terminal.simulated.faults import HELD
from gateway.terminal.simulated.frames import FrameError, decode, encode
from gateway.terminal.simulated.listening import listen
from gateway.terminal.simulated.market.building import read_exports
from gateway.terminal.simulated.market.clock import ServerClock
from gateway.terminal.simulated.peer import Peer
from gateway.terminal.simulated.session import PROMPT, Delivery
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.store import open_store, persist
from gateway.terminal.simulated.terminal import SimulatedTerminal
from gateway.terminal.simulated.trading.entries import Changes
from gateway.wire.arguments import conforms

__all__ = ("Server", "Settings", "serve")

MAX_CONNECTIONS: Final = 256
"""Five to an account are usual."""
MAX_BURST: Final = 32
"""How many requests of one connection are answered before the others and the market have their turn."""
_MAX_WAIT_S: Final = 0.1
"""How long the loop sleeps at most before it asks whether to stop."""
_DAY_MS: Final = 86_400_000
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

    Reads the tick files first, and the accounts that an earlier life has left in the state file. Raises ValueError for
    an address or a file that can't be used, OSError for one that can't be opened or is taken by another terminal, and
    when what has changed can't be written any more.
    """
    exports = read_exports(settings)
    with ExitStack() as ending:
        store = open_store(settings)
        if store is not None:
            ending.callback(store.close)
        saved = store.load() if store is not None else {}
        terminal = SimulatedTerminal(settings, exports, _start_ms(settings, saved), monotonic_ns(), saved)
        server = Server(terminal, parse(settings.address), lambda: persist(store, terminal))
        ending.callback(server.close)
        if ready is not None:
            ready()
        while not should_stop():
            server.step()


def _start_ms(settings: Settings, saved: Mapping[int, tuple[Changes, int]]) -> int:
    """Return the time in UTC to start at: now, but never before what has happened already, whatever the host says."""
    clock = ServerClock(settings.timezone)
    known_msc = max((now_msc for _, now_msc in saved.values()), default=0)
    ahead_s = max(clock.offset_s(known_msc - _DAY_MS), clock.offset_s(known_msc + _DAY_MS))
    return max(wall_ns() // _NS_PER_MS, known_msc - ahead_s * 1000)


class Server:
    """A terminal behind a listening socket. `keep` is called after everything that may have changed an account, before
    anybody hears of it; what it raises ends the server.
    """

    def __init__(self, terminal: SimulatedTerminal, address: Address, keep: Callable[[], None] = lambda: None) -> None:
        self._terminal = terminal
        self._keep = keep
        self._address = address
        self._listener = listen(address)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._peers: dict[Peer, None] = {}
        self._held: dict[Peer, None] = {}
        self._unserved: dict[Peer, None] = {}
        self._life = terminal.life

    def step(self) -> None:
        """Let the market move, then serve what is ready; waits for the sooner of a tick and a request."""
        now_ns = monotonic_ns()
        self._terminal.advance(now_ns)
        self._keep()
        self._part_from_the_dead()
        for peer in [held for held in self._held if held.held_until_ns is not None and held.held_until_ns <= now_ns]:
            self._release(peer)
        unserved, self._unserved = self._unserved, {}
        for key, _ in self._selector.select(0.0 if unserved else self._wait_s(now_ns)):
            if key.data is None:
                self._accept()
            else:
                self._attend(key.data)
                unserved.pop(key.data, None)
        for peer in unserved:
            self._serve(peer)

    def close(self) -> None:
        """Close everything, and take the socket's file away."""
        for peer in list(self._peers):
            self._drop(peer)
        self._selector.close()
        self._listener.close()
        if self._address.path:
            with suppress(FileNotFoundError):
                os.unlink(self._address.path)

    def _wait_s(self, now_ns: int) -> float:
        """Return how long nothing needs to be done, if nobody asks."""
        times = [self._terminal.next_due_ns(), *(peer.held_until_ns for peer in self._held)]
        due_ns = min((time for time in times if time is not None), default=None)
        return _MAX_WAIT_S if due_ns is None else min(max(due_ns - now_ns, 0) / _NS_PER_S, _MAX_WAIT_S)

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
        peer = Peer(accepted, selectors.EVENT_READ)
        self._peers[peer] = None
        self._selector.register(accepted, selectors.EVENT_READ, peer)

    def _attend(self, peer: Peer) -> None:
        """Move a peer's bytes, and serve it if nothing is owed to it."""
        if peer not in self._peers:  # the terminal has gone in this very step
            return
        try:
            if peer.outgoing:
                peer.flush()
            else:
                peer.fill()
        except (OSError, FrameError) as error:
            self._lose(peer, error)
        else:
            self._serve(peer)

    def _serve(self, peer: Peer) -> None:
        """Answer the requests that are there, some at most."""
        for _ in range(MAX_BURST):
            if peer not in self._peers or not peer.is_free:
                break
            try:
                body = peer.next_request()
                if body is None:
                    break
                frame, delivery = self._answer(peer, body)
            except FrameError as error:
                self._lose(peer, error)
                return
            except Exception:
                # A terminal outlives whatever one of its connections sets off.
                _log.exception("connection closed: its request failed")
                self._drop(peer)
                return
            self._keep()
            self._part_from_the_dead()
            self._deliver(peer, frame, delivery)
        else:
            self._unserved[peer] = None
        if peer in self._peers:
            self._watch(peer)

    def _answer(self, peer: Peer, body: bytes) -> tuple[bytes, Delivery]:
        call_id, name, arguments = decode(body, 3)
        if type(call_id) is int and type(name) is str:
            if conforms(name, arguments):
                reply, delivery = self._terminal.answer(peer.session, name, arguments, monotonic_ns())
                return encode((call_id, *reply)), delivery
            if name.startswith(PREFIX) and is_command(name, arguments):
                return encode((call_id, *self._terminal.command(name, arguments, monotonic_ns()))), PROMPT
        raise FrameError(f"no call of this form: {str(name)[:64]!r}")

    def _deliver(self, peer: Peer, frame: bytes, delivery: Delivery) -> None:
        if peer not in self._peers:
            return
        if delivery.delay_ms:
            until_ns = None if delivery.delay_ms == HELD else monotonic_ns() + delivery.delay_ms * _NS_PER_MS
            peer.hold(b"" if delivery.closes else frame, until_ns)
            self._held[peer] = None
        elif delivery.closes:
            self._drop(peer)
        else:
            try:
                peer.send(frame)
            except OSError as error:
                self._lose(peer, error)

    def _release(self, peer: Peer) -> None:
        if peer not in self._held:  # the terminal has gone in this very step
            return
        del self._held[peer]
        try:
            peer.release()
        except OSError as error:
            self._lose(peer, error)
        else:
            self._serve(peer)

    def _watch(self, peer: Peer) -> None:
        """Wait for room while something waits to be sent, else for requests; a system call only on a change."""
        events = selectors.EVENT_WRITE if peer.outgoing else selectors.EVENT_READ
        if events != peer.events:
            peer.events = events
            self._selector.modify(peer.socket, events, peer)

    def _part_from_the_dead(self) -> None:
        """Close what was connected to the terminal's last life; who only gives it commands stays."""
        if self._terminal.life == self._life:
            return
        self._life = self._terminal.life
        for peer in [peer for peer in self._peers if peer.session.authorised]:
            self._drop(peer)

    def _lose(self, peer: Peer, error: Exception) -> None:
        if isinstance(error, FrameError):
            _log.warning("connection closed, malformed request: %s", error)
        else:
            _log.info("connection closed: %s", error)
        self._drop(peer)

    def _drop(self, peer: Peer) -> None:
        self._peers.pop(peer, None)
        self._held.pop(peer, None)
        self._unserved.pop(peer, None)
        with suppress(KeyError):
            self._selector.unregister(peer.socket)
        peer.socket.close()
