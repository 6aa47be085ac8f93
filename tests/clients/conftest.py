"""A broker and a publisher in the test's own process, made of the reference codec: as honest or as faulty as told."""

import itertools
import queue
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
import zmq

from gateway.wire import codec
from gateway.wire.messages import Request

WAIT_S = 20.0


@dataclass
class Seen:
    """A request that reached the broker."""

    identity: bytes
    request: Request
    args: list[Any]
    kwargs: dict[str, Any]

    @property
    def name(self) -> str:
        return self.request.name


@dataclass
class Answer:
    """What a handler returns for anything but an ordinary result."""

    status: int
    result: Any
    stamps: tuple[int, int, int, int, int, int] | None = (1, 2, 3, 4, 5, 6)


class Silence:
    """What a handler returns to leave a request without an answer; `FakeBroker.reply` may give it later."""


@dataclass
class FakeBroker:
    """A ROUTER in a thread. `handlers` answer by name; what they don't know is refused with UNKNOWN_CALL."""

    endpoint: str
    generation: int = 1
    handlers: dict[str, Callable[..., Any]] = field(default_factory=dict)
    welcome: dict[str, Any] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    receive_hwm: int = 100_000
    hello: Any = None  # an Answer or Silence instead of a welcome
    tokens: ClassVar[Iterator[int]] = itertools.count(2**63)

    def __post_init__(self) -> None:
        self.sessions: dict[int, tuple[str, bytes]] = {}  # token -> client id, identity
        self.changed = threading.Condition()
        self.errors: list[BaseException] = []
        self.paused = False  # alive, and reads nothing
        self._todo: queue.SimpleQueue[Callable[[zmq.Socket[bytes]], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> "FakeBroker":
        self._stopping = False
        bound = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(bound,), daemon=True)
        self._thread.start()
        assert bound.wait(WAIT_S)
        return self

    def stop(self) -> None:
        """End at once, like a killed process: nothing more is answered, connections break."""
        self._stopping = True
        if self._thread is not None:
            self._thread.join(WAIT_S)
            assert not self._thread.is_alive()
            self._thread = None

    def restart(self) -> "FakeBroker":
        """Start anew: a higher generation, no sessions."""
        self.stop()
        self.generation += 1
        self.sessions.clear()
        return self.start()

    def wait_for(self, rule: Callable[["FakeBroker"], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: rule(self), WAIT_S), [s.name for s in self.seen]

    def wait_seen(self, name: str, count: int = 1) -> list[Seen]:
        self.wait_for(lambda broker: len(broker.named(name)) >= count)
        return self.named(name)

    def named(self, name: str) -> list[Seen]:
        return [seen for seen in list(self.seen) if seen.name == name]

    def reply(self, seen: Seen, status: int, result: Any, stamps: Any = None) -> None:
        frame = codec.encode_reply(seen.request.request_id, status, codec.pack(result), stamps)
        self.send(seen.identity, frame)

    def notice(self, identity: bytes, kind: str, payload: Any) -> None:
        self.send(identity, codec.encode_reply(0, kind, codec.pack(payload), None))

    def send(self, identity: bytes, frame: bytes) -> None:
        self._todo.put(lambda socket: socket.send_multipart([identity, frame]))

    def _run(self, bound: threading.Event) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            socket = context.socket(zmq.ROUTER)
            socket.linger = 0
            socket.rcvhwm = self.receive_hwm
            socket.sndhwm = 100_000
            while True:
                try:
                    socket.bind(self.endpoint)
                    break
                except zmq.ZMQError:  # the address of the former life isn't free yet
                    if self._stopping:
                        return
            bound.set()
            while not self._stopping:
                while not self._todo.empty():
                    self._todo.get()(socket)
                if socket.poll(2) and not self.paused:
                    while not self.paused:
                        try:
                            identity, frame = socket.recv_multipart(zmq.DONTWAIT)
                        except zmq.Again:
                            break
                        self._take(socket, identity, frame)
        except BaseException as error:
            self.errors.append(error)
        finally:
            context.destroy(linger=0)

    def _take(self, socket: "zmq.Socket[bytes]", identity: bytes, frame: bytes) -> None:
        request = codec.decode_request(frame)
        args, kwargs = codec.decode_arguments(request.tail, request.has_kwargs)
        seen = Seen(identity, request, args, kwargs)
        with self.changed:
            self.seen.append(seen)
            answer = self._answer(socket, seen)
            self.changed.notify_all()
        if answer is Silence:
            return
        if not isinstance(answer, Answer):
            answer = Answer(0, answer)
        packed = codec.pack(answer.result)
        socket.send_multipart([identity, codec.encode_reply(request.request_id, answer.status, packed, answer.stamps)])

    def _answer(self, socket: "zmq.Socket[bytes]", seen: Seen) -> Any:
        request = seen.request
        if seen.name == "hello":
            return self._hello(socket, seen)
        if self.sessions.get(request.session, ("", b""))[1] != seen.identity:
            return Answer(2, [201, "session: dead", None], None)
        if seen.name in self.handlers:
            return self.handlers[seen.name](*seen.args, **seen.kwargs)
        if seen.name == "ping":
            return {"generation": self.generation}
        if seen.name == "bye":
            del self.sessions[request.session]
            return True
        return Answer(1, [103, f"{seen.name}: no such call", None], None)

    def _hello(self, socket: "zmq.Socket[bytes]", seen: Seen) -> Any:
        if self.hello is not None:
            return self.hello
        client_id = seen.args[0]
        for token, (owner, identity) in list(self.sessions.items()):
            if owner == client_id:
                del self.sessions[token]
                packed = codec.pack({"session": token})
                socket.send_multipart([identity, codec.encode_reply(0, "fenced", packed, None)])
        token = next(self.tokens)
        self.sessions[token] = (client_id, seen.identity)
        return {
            "session": token,
            "generation": self.generation,
            "heartbeat_ms": 1_000,
            "session_timeout_ms": 30_000,
            "accounts": ["demo", "second"],
            "account": "demo",
            "tick_endpoint": "ipc:///tmp/nowhere",
            "feeds": {"demo": "demo"},
            "version": "0",
        } | self.welcome

    def forget_sessions(self) -> None:
        """Let every session die of silence."""
        self.sessions.clear()


@pytest.fixture
def folder() -> Iterator[str]:
    path = tempfile.mkdtemp(prefix="mt5g", dir="/tmp")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def broker(folder: str) -> Iterator[FakeBroker]:
    fake = FakeBroker(f"ipc://{folder}/clients.ipc").start()
    yield fake
    fake.stop()
    assert not fake.errors


@pytest.fixture
def silence() -> Any:
    return Silence


@pytest.fixture
def answer() -> type[Answer]:
    return Answer
