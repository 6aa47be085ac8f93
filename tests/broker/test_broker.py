"""One broker for a folder and for an address; each start is a new generation; stopping says goodbye."""

import logging
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from gateway.broker import Broker
from gateway.settings import BrokerSettings
from gateway.wire import codec
from gateway.wire.errors import ConfigError

LOG = logging.getLogger("test")


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="mt5g", dir="/tmp"))
    yield path
    shutil.rmtree(path)


def settings(state_dir: Path, *endpoints: str) -> BrokerSettings:
    return BrokerSettings(
        state_dir=str(state_dir),
        endpoints=endpoints or (f"ipc://{state_dir}/broker.ipc",),
        worker_endpoints=(f"ipc://{state_dir}/workers.ipc",),
        accounts=({"name": "demo"},),
    )


@pytest.fixture
def start() -> Iterator[Callable[[BrokerSettings], Broker]]:
    """Start brokers in threads of their own; stop them at the end."""
    running: list[tuple[Broker, threading.Thread]] = []

    def start_one(told: BrokerSettings) -> Broker:
        broker = Broker(told, LOG)
        thread = threading.Thread(target=broker.serve)
        thread.start()
        running.append((broker, thread))
        return broker

    yield start_one
    for broker, thread in running:
        broker.stop()
        thread.join()


def ask(endpoint: str, *frames: bytes) -> list[Any]:
    context: zmq.Context[Any] = zmq.Context()
    try:
        socket = context.socket(zmq.DEALER)
        socket.setsockopt(zmq.RCVTIMEO, 20_000)
        socket.connect(endpoint)
        replies = []
        for frame in frames:
            socket.send(frame)
            replies.append(codec.decode_reply(socket.recv()))
        return replies
    finally:
        context.destroy(linger=0)


PING = codec.encode_request(0, 1, "ping", "", 0, [])


def test_each_start_is_a_new_generation(folder: Path, start: Callable[[BrokerSettings], Broker]) -> None:
    broker = start(settings(folder))
    (first,) = ask(f"ipc://{folder}/broker.ipc", PING)
    assert first.result == {"generation": broker.generation}
    other = folder / "other"
    other.mkdir(mode=0o700)
    shutil.copy(folder / "generation", other / "generation")
    assert start(settings(other)).generation == broker.generation + 1


def test_second_broker_on_the_folder_is_refused(folder: Path, start: Callable[[BrokerSettings], Broker]) -> None:
    start(settings(folder))
    with pytest.raises(ConfigError, match="in use by process"):
        Broker(settings(folder, f"ipc://{folder}/elsewhere.ipc"), LOG)
    assert ask(f"ipc://{folder}/broker.ipc", PING)[0].status == 0


def test_second_broker_on_an_ipc_address_is_refused(folder: Path, start: Callable[[BrokerSettings], Broker]) -> None:
    start(settings(folder))
    other = folder / "other"
    other.mkdir(mode=0o700)
    with pytest.raises(ConfigError, match=r"broker\.ipc is in use by process"):
        Broker(settings(other, f"ipc://{folder}/broker.ipc"), LOG)
    assert ask(f"ipc://{folder}/broker.ipc", PING)[0].status == 0


def test_second_broker_on_a_tcp_address_is_refused(folder: Path, start: Callable[[BrokerSettings], Broker]) -> None:
    context: zmq.Context[Any] = zmq.Context()
    try:
        holder = context.socket(zmq.ROUTER)
        port = holder.bind_to_random_port("tcp://127.0.0.1")
        with pytest.raises(ConfigError, match="can't be bound"):
            Broker(settings(folder, f"tcp://127.0.0.1:{port}"), LOG)
    finally:
        context.destroy(linger=0)
    start(settings(folder))  # nothing was left held


def test_folder_open_to_others_is_refused(folder: Path) -> None:
    folder.chmod(0o755)
    with pytest.raises(ConfigError, match="chmod 700"):
        Broker(settings(folder), LOG)


def test_ipc_socket_is_the_owners_alone(folder: Path, start: Callable[[BrokerSettings], Broker]) -> None:
    start(settings(folder))
    assert (folder / "broker.ipc").stat().st_mode & 0o077 == 0


def test_req_client_is_answered_in_its_own_manner(folder: Path, start: Callable[[BrokerSettings], Broker]) -> None:
    start(settings(folder))
    context: zmq.Context[Any] = zmq.Context()
    try:
        socket = context.socket(zmq.REQ)
        socket.setsockopt(zmq.RCVTIMEO, 20_000)
        socket.connect(f"ipc://{folder}/broker.ipc")
        for _ in range(3):
            socket.send(PING)
            assert codec.decode_reply(socket.recv()).request_id == 1
    finally:
        context.destroy(linger=0)


def test_stopping_tells_the_sessions(folder: Path, start: Callable[[BrokerSettings], Broker]) -> None:
    broker = start(settings(folder))
    context: zmq.Context[Any] = zmq.Context()
    try:
        socket = context.socket(zmq.DEALER)
        socket.setsockopt(zmq.RCVTIMEO, 20_000)
        socket.connect(f"ipc://{folder}/broker.ipc")
        socket.send(codec.encode_request(0, 1, "hello", "", 0, ["me", {}]))
        assert codec.decode_reply(socket.recv()).status == 0
        broker.stop()
        assert codec.decode_reply(socket.recv()).status == "shutdown"
    finally:
        context.destroy(linger=0)
