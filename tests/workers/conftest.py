"""A terminal and a broker of the test's own, small enough to see through."""

import contextlib
import dataclasses
import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from gateway.process import Beat, Stop
from gateway.settings import WorkerSettings
from gateway.terminal.port import Login
from gateway.wire import codec
from gateway.wire.messages import Goodbye, Ready, Return, WorkerKind
from gateway.wire.structs import AccountInfo, OrderSendResult, TerminalInfo, TradeRequest
from gateway.workers import attachment
from gateway.workers.worker import Worker

DEADLINE_S = 60.0


def wait_until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited {DEADLINE_S:.0f} s for: {what}")
        time.sleep(0.005)


def blank(kind: Any, **fields: Any) -> Any:
    """A structure with the given fields, and nothing in the others."""
    empty = {int: 0, float: 0.0, bool: False, str: ""}
    return kind([fields.get(name, empty.get(of)) for name, of in kind.__annotations__.items()])


def done(request: dict[str, Any]) -> OrderSendResult:
    return blank(
        OrderSendResult, retcode=10009, order=7, comment="Request executed", request=blank(TradeRequest, **request)
    )


class FakeTerminal:
    """Answers `account_info` and `terminal_info` from its fields, everything else from `answers`."""

    def __init__(self) -> None:
        self.account = {"login": 1, "server": "Demo", "trade_mode": 0, "trade_allowed": True, "trade_expert": True}
        self.terminal = {"connected": True, "trade_allowed": True, "path": "/terminals/one"}
        self.answers: dict[str, Callable[..., Any]] = {"order_send": done}
        self.error = (1, "Success")
        self.connected = False
        self.admits = True
        self.logins: list[Login] = []
        self.calls: list[tuple[Any, ...]] = []

    def initialize(self, login: Login) -> bool:
        self.logins.append(login)
        self.connected = self.admits
        self.error = (1, "Success") if self.admits else (-10003, "IPC initialize failed")
        return self.admits

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self.connected:
            self.error = (-10004, "No IPC connection")
            return None
        self.error = (1, "Success")
        if name == "account_info":
            return blank(AccountInfo, **self.account)
        if name == "terminal_info":
            return blank(TerminalInfo, **self.terminal)
        self.calls.append((name, args, kwargs))
        return self.answers[name](*args, **kwargs)

    def fails(self, code: int, text: str, returned: Any = None) -> Callable[..., Any]:
        """An answer that fails in the package's way."""

        def answer(*_args: Any, **_kwargs: Any) -> Any:
            self.error = (code, text)
            if code in (-10001, -10002):
                self.connected = False
            return returned

        return answer

    def last_error(self) -> tuple[int, str]:
        return self.error

    def shutdown(self) -> None:
        self.connected = False


class FakeBroker:
    """A ROUTER that remembers what workers say, and answers as told."""

    def __init__(self, endpoint: str) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.LINGER, 0)
        self._router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._router.bind(endpoint)
        self.generation = 5
        self.heartbeat_ms = 50
        self.answers = True
        self.welcomes = True
        self.heard: list[tuple[int, Any]] = []
        self.introduced: set[bytes] = set()
        self.identities: list[bytes] = []
        self._call_id = 0

    def listen(self) -> None:
        """Take everything that has come."""
        while True:
            try:
                identity, frame = self._router.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            if identity not in self.identities:
                self.identities.append(identity)
            kind = codec.worker_kind(frame)
            if kind == WorkerKind.READY:
                self.heard.append((kind, codec.decode_ready(frame)))
                self.introduced.add(identity)
                if self.answers and self.welcomes:
                    self.send(codec.encode_welcome(self.generation, self.heartbeat_ms), identity)
            elif kind == WorkerKind.HEARTBEAT:
                self.heard.append((kind, codec.decode_heartbeat(frame)))
                if self.answers and identity in self.introduced:
                    self.send(codec.encode_heartbeat(), identity)
            elif kind == WorkerKind.BEGUN:
                self.heard.append((kind, codec.decode_begun(frame)))
            elif kind == WorkerKind.RETURN:
                self.heard.append((kind, codec.decode_return(frame)))
            else:
                self.heard.append((kind, codec.decode_goodbye(frame)))

    def send(self, frame: bytes, identity: bytes = b"") -> None:
        with contextlib.suppress(zmq.ZMQError) if identity else contextlib.nullcontext():  # it may have left
            self._router.send_multipart([identity or self.identities[-1], frame])

    def call(
        self, name: str, *args: Any, ttl_ms: int = 60_000, generation: int = 0, kwargs: dict[str, Any] | None = None
    ) -> int:
        """Send a CALL to the worker that spoke last from a new line, and return its id."""
        self._call_id += 1
        tail = codec.pack(list(args)) + (codec.pack(kwargs) if kwargs else b"")
        self.send(codec.encode_call(generation or self.generation, self._call_id, name, ttl_ms, tail, bool(kwargs)))
        return self._call_id

    def wait_for(self, kind: int, fits: Callable[[Any], bool] = lambda _: True) -> Any:
        """Return the first message of this kind that fits."""
        found: list[Any] = []

        def look() -> bool:
            self.listen()
            found.extend(message for of, message in self.heard if of == kind and fits(message))
            return bool(found)

        wait_until(look, f"a message of kind {kind}; heard {self.heard[-5:]}")
        return found[0]

    def ready(self, fits: Callable[[Ready], bool] = lambda _: True) -> Ready:
        """Return the first READY that fits; forget what came before."""
        ready: Ready = self.wait_for(WorkerKind.READY, fits)
        self.heard.clear()
        return ready

    def returned(self, call_id: int) -> tuple[int, Any]:
        """Return status and decoded result of a call."""
        back: Return = self.wait_for(WorkerKind.RETURN, lambda message: message.call_id == call_id)
        return back.status, codec.unpack(back.result)

    def goodbye(self) -> Goodbye:
        message: Goodbye = self.wait_for(WorkerKind.GOODBYE)
        return message

    def has_begun(self, call_id: int) -> bool:
        return any(kind == WorkerKind.BEGUN and message[1] == call_id for kind, message in self.heard)

    def close(self) -> None:
        self._router.close()
        self._context.term()


@pytest.fixture(autouse=True)
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers and feeds of this process look more often at who is logged in at their terminal."""
    monkeypatch.setattr(attachment, "PROVE_EVERY_NS", 100_000_000)


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="mt5g", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def terminal() -> FakeTerminal:
    return FakeTerminal()


@pytest.fixture
def settings(folder: Path) -> WorkerSettings:
    return WorkerSettings(name="demo-all-1", account="demo", gateway=f"ipc://{folder}/workers.ipc", credit=4)


@pytest.fixture
def start_broker(settings: WorkerSettings) -> Iterator[Callable[[], FakeBroker]]:
    """Start a broker at the worker's endpoint; a second one in place of the first."""
    started: list[FakeBroker] = []

    def start() -> FakeBroker:
        started.append(FakeBroker(settings.gateway))
        return started[-1]

    yield start
    for broker in started:
        broker.close()


@pytest.fixture
def broker(start_broker: Callable[[], FakeBroker]) -> FakeBroker:
    return start_broker()


@pytest.fixture
def until() -> Callable[[Callable[[], object], str], None]:
    return wait_until


class RunningWorker:
    """A worker's loop in a thread of the test's process."""

    def __init__(self, settings: WorkerSettings, terminal: FakeTerminal) -> None:
        self.stop = Stop()
        self.beat = Beat()
        self.worker = Worker(settings, 77, terminal, self.beat, self.stop, logging.getLogger("test"), lambda: 0.0)
        self.thread = threading.Thread(target=self.worker.run)
        self.thread.start()

    def end(self) -> None:
        self.stop.request()
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive()


@pytest.fixture
def start_worker(settings: WorkerSettings, terminal: FakeTerminal) -> Iterator[Callable[..., RunningWorker]]:
    started: list[RunningWorker] = []

    def start(**changes: Any) -> RunningWorker:
        started.append(RunningWorker(dataclasses.replace(settings, **changes), terminal))
        return started[-1]

    yield start
    for worker in started:
        worker.end()
        worker.stop.close()
