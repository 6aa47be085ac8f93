"""The blocking shell around a session: one DEALER socket, its monitor, and the threads that wait on them.

Nothing here decides what an answer means; that is `clients.session`. There is no thread of our own: a call by the only
thread is encode, send, wait, receive. Where several threads share a connection, one lock guards socket and session, and
it is never held while waiting: one of the waiting threads leads (it waits on the sockets' file descriptors and takes in
the answers for all), the others wait to be told; whoever stops leading hands over.

libzmq signals a descriptor only after a receive has found nothing. So whoever is about to wait, and whoever touches the
socket while another waits, receives until nothing is left.
"""

import contextlib
import socket
import threading
import time
from typing import Any, Final

import zmq

from clients.exchange import Exchange, Notice, Phase, State
from clients.results import decode_result
from clients.session import Session
from clients.sockets import Descriptors, connect, dealer, monitor_of, read_monitor
from gateway.accel import DealerSocket
from gateway.clock import monotonic_ns
from gateway.wire.calls import Kind
from gateway.wire.errors import OutcomeUnknown, RemoteProtocolError

__all__ = ("Connection", "Pending", "timing")

BURST: Final = 256
"""Answers taken from the socket at a time."""

MAX_WAIT_NS: Final = 250_000_000
"""Longest single wait: bounds how late Ctrl-C is noticed on Windows, and heals a hand-over that Ctrl-C cut off."""

IDLE_NS: Final = 10_000_000
"""After so long without a request, and before every order, the monitor is asked whether the connection still stands."""

FAREWELL_MS: Final = 100
"""How long `bye` may take to leave at close."""


class Pending(Exchange):
    """A request under way: what `Client.submit` returns. Any thread may ask it, and several may wait for it."""

    __slots__ = ("_connection", "_event", "_report")

    def __init__(
        self,
        connection: "Connection",
        name: str,
        account: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
        deadline_ns: int,
        report: Any,
    ) -> None:
        super().__init__(name, account, args, kwargs, deadline_ns)
        self._connection = connection
        self._event: threading.Event | None = None
        self._report = report

    def done(self) -> bool:
        """Take in what has arrived, without waiting, and say whether the outcome is known."""
        return self.state is State.DONE or self._connection.wait(self, 0)

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the outcome and return it as the call by name would, or raise its error.

        The request's own deadline ends the wait. A shorter `timeout` (s) raises TimeoutError; the request goes on.
        """
        if self.state is not State.DONE:
            until_ns = None if timeout is None else monotonic_ns() + int(timeout * 1e9)
            if not self._connection.wait(self, until_ns):
                raise TimeoutError(f"{self.name}: no answer within {timeout} s; it is still under way")
        return self._report(self)

    def wait(self) -> None:
        """Wait until the outcome is known, at most until the request's own deadline; raises nothing of it."""
        if self.state is not State.DONE:
            self._connection.wait(self)

    def decoded(self) -> Any:
        """Return a finished request's result in MT5's type, or raise its error, whatever it is."""
        if self.error is not None:
            raise self.error
        try:
            return decode_result(self.name, self.value)
        except RemoteProtocolError as error:
            if self.kind is not Kind.ORDER:
                raise
            message = f"{error.message}: the order may have happened; look at positions and orders first"
            raise OutcomeUnknown(message, detail={"request_id": self.request_id}) from error

    @property
    def total_ns(self) -> int:
        """From the last time it was sent to its answer; 0 without an answer."""
        return max(0, self.replied_ns - self.sent_ns)

    def timing(self) -> dict[str, int]:
        """Return where the time went, in ns; see `clients.connection.timing`."""
        return timing(self.total_ns, self.stamps)

    def finished(self) -> None:
        """Wake who waits."""
        if self._event is not None:
            self._event.set()

    def event(self) -> threading.Event:
        """Return what `finished` sets, cleared; the caller holds the connection's lock."""
        if self._event is None:
            self._event = threading.Event()
        self._event.clear()
        return self._event


def timing(total_ns: int, stamps: tuple[int, int, int, int, int, int] | None) -> dict[str, int]:
    """Return the parts of a round trip of `total_ns` by its stamps (§3.2); `total` alone if the gateway gave none.

    `transport` is both ways between client and broker, `queue` the wait in the broker, `link` both ways between broker
    and worker, `worker_wait` and `terminal` the worker's own durations, `reply` the broker's last part. An answer that
    no worker gave has `transport` and `broker` alone.
    """
    if stamps is None:
        return {"total": total_ns}
    received, sent, returned, replied, worker_wait, worker_call = stamps
    parts = {"total": total_ns, "transport": total_ns - (replied - received)}
    if not sent or not returned:
        return parts | {"broker": replied - received}
    return parts | {
        "queue": sent - received,
        "link": returned - sent - worker_wait - worker_call,
        "worker_wait": worker_wait,
        "terminal": worker_call,
        "reply": replied - returned,
    }


class Connection:
    """Socket and session, shared by any number of threads until `close`."""

    def __init__(self, endpoint: str, session: Session, heartbeat_ms: int) -> None:
        """Start connecting, without waiting. Raises ConfigError for an endpoint that can't be."""
        self.session = session
        self._lock = threading.Lock()
        self._leader: Pending | None = None
        self._followers: dict[Pending, None] = {}
        self._active_ns = 0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._wake_reader, self._wake_writer = socket.socketpair()
        try:
            self._socket = dealer(self._context, heartbeat_ms)
            self._monitor = monitor_of(self._socket)
            connect(self._socket, endpoint)
        except BaseException:
            self._release()
            raise
        for end in (self._wake_reader, self._wake_writer):
            end.setblocking(False)
        self._dealer = DealerSocket(self._socket)
        self._monitor_fd = int(self._monitor.FD)
        self._wake_fd = self._wake_reader.fileno()
        self._all = Descriptors([int(self._socket.FD), self._monitor_fd, self._wake_fd])
        self._monitor_alone = Descriptors([self._monitor_fd])

    def submit(self, pending: Pending) -> None:
        """Take a request and send it if it can be sent. Raises as `Session.request`."""
        with self._lock:
            now_ns = monotonic_ns()
            session = self.session
            if pending.kind is Kind.ORDER or now_ns - self._active_ns > IDLE_NS:
                self._look(now_ns)
            session.request(pending, now_ns)
            self._active_ns = now_ns
            self._send(now_ns)
            if self._leader is not None:
                # Our touching the socket may have taken the signal that the leader waits for.
                self._work(now_ns)
                self._tell_leader()

    def wait(self, pending: Pending, until_ns: int | None = None) -> bool:
        """Wait until `pending` is done, at most until its deadline (which ends it) or `until_ns`; say whether it is."""
        look = False
        while True:
            try:
                with self._lock:
                    now_ns = monotonic_ns()
                    if look:
                        self._look(now_ns)
                        look = False
                        if self._leader is not None:
                            self._work(now_ns)
                            self._wake()
                    leading = self._leader is None
                    if leading and pending.state is not State.DONE:
                        self._work(now_ns)
                    if pending.state is not State.DONE and now_ns >= pending.deadline_ns:
                        self.session.give_up(pending)
                    done = pending.state is State.DONE
                    if done or (until_ns is not None and now_ns >= until_ns):
                        self._hand_over(pending)
                        return done
                    limit_ns = min(pending.deadline_ns - now_ns, MAX_WAIT_NS)
                    if until_ns is not None:
                        limit_ns = min(limit_ns, until_ns - now_ns)
                    if leading:
                        self._leader = pending
                    else:
                        event = pending.event()
                        self._followers[pending] = None
                if not leading:
                    event.wait(limit_ns / 1e9)
                    continue
                ready = self._all.wait(limit_ns)
            finally:  # an interrupt may come anywhere: nobody must be left waiting for a leader that has gone
                if self._leader is pending:
                    self._leader = None
                self._followers.pop(pending, None)
            look = self._monitor_fd in ready
            if self._wake_fd in ready:
                self._drain_wake()

    def reset(self) -> None:
        """Take the client id back, if another client has taken it."""
        with self._lock:
            self.session.reset()

    def take_notices(self) -> list[Notice]:
        """Take in what has arrived, without waiting, and return the notices since the last time."""
        with self._lock:
            now_ns = monotonic_ns()
            self._look(now_ns)
            self._work(now_ns)
            self._tell_leader()
            return self.session.take_notices()

    @property
    def told(self) -> int:
        """How many notices have come, read or not."""
        return self.session.told

    def wait_told(self, told: int, until_ns: int) -> None:
        """Wait until more than `told` notices have come, at most until `until_ns`."""
        listener = Pending(self, "ping", "", (), None, until_ns, None)  # never sent
        with self._lock:
            if self.session.told != told:
                return
            self.session.listen(listener)
        self.wait(listener)

    def wait_sent(self, pending: Pending) -> None:
        """Wait until `pending` has left, at most until its deadline: what keeps a flood of `submit` within bounds."""
        while pending.state is State.WAITING and not self.wait(pending, monotonic_ns() + 1_000_000):
            pass

    def close(self) -> None:
        """Say bye and close; what is under way ends as `Session.close` says. Other threads' calls raise."""
        with self._lock:
            if self.session.phase is Phase.CLOSED:
                return
            frame = self.session.farewell()
            if frame is not None and self._dealer.send(frame):
                self._socket.setsockopt(zmq.LINGER, FAREWELL_MS)
            self.session.close()
            self._wake()
        while self._leader is not None:  # it was woken, and is about to leave the descriptors alone
            time.sleep(0.0005)
        with self._lock:
            self._release()

    def _release(self) -> None:
        self._context.destroy()
        self._wake_reader.close()
        self._wake_writer.close()

    # --- under the lock ---------------------------------------------------------------------------------------------

    def _work(self, now_ns: int) -> None:
        """Take in every answer that is there, and send what may be sent."""
        if self.session.phase is Phase.CLOSED:
            return
        self._receive(now_ns)
        if self.session.waiting or self.session.phase is not Phase.OPEN:
            self._send(now_ns)

    def _receive(self, now_ns: int) -> None:
        session = self.session
        limit = 1 if session.in_flight == 1 else BURST
        while True:
            frames = self._dealer.recv_burst(limit)
            for frame in frames:
                session.receive(frame, now_ns)
            if len(frames) < limit or not (session.in_flight or session.waiting or self._leader):
                return
            limit = BURST

    def _send(self, now_ns: int) -> None:
        session = self.session
        while (frame := session.next_frame(now_ns)) is not None:
            if not self._dealer.send(frame):
                session.unsent()
                return

    def _look(self, now_ns: int) -> None:
        """Learn from the monitor whether the connection came or went; what had arrived before counts first."""
        if self.session.phase is Phase.CLOSED or not self._monitor_alone.wait(0):
            return
        for stands in read_monitor(self._monitor):
            if stands:
                self.session.connected()
            elif self.session.up:
                self._receive(now_ns)
                self.session.lost()
        self._tell_leader()

    def _tell_leader(self) -> None:
        leader = self._leader  # it leaves without the lock
        if leader is not None and leader.state is State.DONE:
            self._wake()

    def _hand_over(self, pending: Pending) -> None:
        self._followers.pop(pending, None)
        if self._leader is None:
            successor = next(iter(tuple(self._followers)), None)  # a copy: followers leave without the lock
            if successor is not None and successor._event is not None:
                successor._event.set()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it is full of wake-ups already
            self._wake_writer.send(b"\0")

    def _drain_wake(self) -> None:
        with contextlib.suppress(OSError):  # nothing there, or closed meanwhile
            self._wake_reader.recv(4_096)
