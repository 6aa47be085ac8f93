"""What a worker's uplink takes for ZeroMQ: a DEALER over a `links.Line`, which connects by itself, again and again."""

from collections import deque
from typing import TYPE_CHECKING, Any

import zmq

from tests.simulation.links import Line
from tests.simulation.world import MS, US

if TYPE_CHECKING:
    from tests.simulation.workers import WorkerHost

__all__ = ("Dealer", "Zmq")


class _Monitor:
    def __init__(self) -> None:
        self.ready = False

    def close(self, linger: int = 0) -> None:
        self.ready = False


class Dealer:
    """A DEALER: it connects by itself, again and again, and keeps what is sent meanwhile."""

    def __init__(self, host: "WorkerHost") -> None:
        self._host = host
        self._life = host.life
        self._closed = False
        self._monitor = _Monitor()
        self._line: Line | None = None
        self._unsent: deque[bytes] = deque()
        self._incoming: deque[bytes] = deque()
        self.readable = False

    def setsockopt(self, _option: int, _value: object) -> None:
        pass

    def get_monitor_socket(self, _events: int) -> _Monitor:
        return self._monitor

    def disable_monitor(self) -> None:
        pass

    def connect(self, _endpoint: str) -> None:
        self._host.world.at(self._host.chance.randrange(50 * US, 3 * MS), self._try)

    def _try(self) -> None:
        if self._is_gone() or self._line is not None:
            return
        self._line = self._host.gateway.connect(self, self._host.name, as_client=False)
        if self._line is None:
            self._host.world.at(60 * MS, self._try)
            return
        while self._unsent:
            self._line.send_up(self._unsent.popleft())

    def _is_gone(self) -> bool:
        return self._closed or self._host.life != self._life or not self._host.lives

    def send(self, frame: bytes, _flags: int = 0) -> None:
        if self._host.chance.random() < self._host.full_share:
            self._host.world.note("worker's line full")
            raise zmq.Again
        if self._line is None:
            self._unsent.append(frame)
        else:
            self._line.send_up(frame)

    def recv_multipart(self, _flags: int = 0) -> list[bytes]:
        if not self._incoming:
            raise zmq.Again
        return [self._incoming.popleft()]

    @property
    def is_ready(self) -> bool:
        return bool(self._incoming)

    def line_received(self, line: Line, frame: bytes) -> None:
        if not self._is_gone():
            self._incoming.append(frame)
            self._host.wake()

    def line_lost(self, line: Line) -> None:
        if line is not self._line:
            return
        self._line = None
        if not self._is_gone():
            self._monitor.ready = True
            self._host.wake()
            self._host.world.at(50 * MS, self._try)

    def line_repeats(self, frame: bytes) -> None:
        pass

    def line_late(self, line: Line, frame: bytes) -> None:
        dealer = self._host.dealer
        if dealer is not None and not dealer._is_gone():
            self._host.world.note("frame late", self._host.name)
            dealer._incoming.append(frame)
            self._host.wake()

    def close(self, linger: int = 0) -> None:
        self._closed = True
        line, self._line = self._line, None
        if line is not None:
            line.end(by_router=False)

    def cut(self) -> None:
        """Break the line."""
        line = self._line
        if line is not None:
            line.end(by_router=False)
            self._host.world.at(self._host.chance.randrange(50 * US, 20 * MS), self.line_lost, line)


class _Poller:
    def __init__(self) -> None:
        self._registered: list[Any] = []

    def register(self, socket: Any, _events: int) -> None:
        self._registered.append(socket)

    def poll(self, _timeout_ms: int) -> list[tuple[Any, int]]:
        return [
            (socket, 1)
            for socket in self._registered
            if (isinstance(socket, _Monitor) and socket.ready) or (isinstance(socket, Dealer) and socket.is_ready)
        ]


class _Context:
    def __init__(self) -> None:
        self._host = Zmq.host
        self._host.dealer = None

    def socket(self, _kind: int) -> Dealer:
        self._host.dealer = Dealer(self._host)
        return self._host.dealer

    def term(self) -> None:
        pass


class Zmq:
    """What `workers.uplink` uses of the zmq module. `host`: whose process runs."""

    host: "WorkerHost"
    Context = _Context
    Poller = _Poller
    Again = zmq.Again
    DEALER = LINGER = SNDHWM = RCVHWM = MAXMSGSIZE = HEARTBEAT_IVL = HEARTBEAT_TIMEOUT = 0
    RECONNECT_IVL = RECONNECT_IVL_MAX = EVENT_DISCONNECTED = POLLIN = DONTWAIT = 0
