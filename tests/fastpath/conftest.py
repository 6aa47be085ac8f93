"""What the tests of compiled modules share: the gateway's error classes, and a comparison with the reference."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

from gateway.wire.errors import LocalProtocolError, ProtocolError, RemoteProtocolError


@pytest.fixture(autouse=True)
def _gateway_errors() -> Iterator[None]:
    """The gateway's own errors, before a test and after it: one test registers others."""
    try:
        from fastpath.msgpack import set_errors
    except ImportError:
        yield
        return
    set_errors(LocalProtocolError, RemoteProtocolError)
    yield
    set_errors(LocalProtocolError, RemoteProtocolError)


def outcome(function: Callable[..., Any], *arguments: Any) -> tuple[Any, ...]:
    """What a codec function made of its arguments: the value as text, types and NaN included, or the refusal."""
    try:
        value = function(*arguments)
    except ProtocolError as error:
        return type(error), error.code, error.detail
    return "accepted", _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    return value if isinstance(value, bytes) else repr(value)


@pytest.fixture(name="outcome", scope="session")
def _outcome() -> Callable[..., tuple[Any, ...]]:
    return outcome


class Opener:
    """Opens sockets of one context, and keeps them until the test is over."""

    def __init__(self) -> None:
        self._context: zmq.Context[Any] = zmq.Context()
        self._opened: list[zmq.Socket[Any]] = []

    def socket(self, kind: int) -> zmq.Socket[Any]:
        socket = self._context.socket(kind)
        self._opened.append(socket)
        return socket

    def close(self) -> None:
        for socket in self._opened:
            socket.close(linger=0)
        self._context.term()


@pytest.fixture
def context() -> Iterator[Opener]:
    opener = Opener()
    yield opener
    opener.close()


@pytest.fixture
def folder() -> Iterator[str]:
    """A folder whose path is short enough for a Unix socket."""
    path = tempfile.mkdtemp(prefix="mt5g", dir="/tmp")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def endpoint(folder: str) -> str:
    return f"ipc://{folder}/s"
