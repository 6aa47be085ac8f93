"""How a client's sockets are made: bounds set on purpose, dead peers found, and a monitor that tells of the connection.

It never knows what travels.
"""

import select
import sys
from typing import Any, Final

import zmq

from gateway.wire.errors import ConfigError
from gateway.wire.messages import MAX_RESULT_BYTES

__all__ = ("Descriptors", "connect", "dealer", "monitor_of", "read_monitor", "subscriber")

SEND_HWM: Final = 4_096
"""Requests kept in the socket for a broker that doesn't read; then `submit` waits."""

RECEIVE_HWM: Final = 32_768
"""Answers kept in the socket: more than can be in flight, so that a slow client never blocks the broker."""

RECONNECT_MS: Final = (20, 500)
"""First and longest pause before the next attempt to connect."""

HANDSHAKE_MS: Final = 5_000
"""A peer that accepts a connection and then says nothing is given up after this."""


def dealer(context: "zmq.Context[zmq.Socket[bytes]]", heartbeat_ms: int) -> "zmq.Socket[bytes]":
    """Return a DEALER with every bound set on purpose; `heartbeat_ms` 0 means none."""
    socket = context.socket(zmq.DEALER)
    # A request that waited inside the socket while the broker was away would arrive late, with a dead token.
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.setsockopt(zmq.SNDHWM, SEND_HWM)
    socket.setsockopt(zmq.RCVHWM, RECEIVE_HWM)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_RESULT_BYTES + 4_096)
    _common(socket, heartbeat_ms)
    return socket


def subscriber(context: "zmq.Context[zmq.Socket[bytes]]", queue: int, heartbeat_ms: int) -> "zmq.Socket[bytes]":
    """Return a SUB that keeps at most `queue` frames for a reader that is slow; the rest are lost, and seen as gaps."""
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, queue)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_RESULT_BYTES)
    _common(socket, heartbeat_ms)
    return socket


def _common(socket: "zmq.Socket[bytes]", heartbeat_ms: int) -> None:
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS[0])
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MS[1])
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, heartbeat_ms)
    if heartbeat_ms:
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3 * heartbeat_ms)
        socket.setsockopt(zmq.HEARTBEAT_TTL, 3 * heartbeat_ms)


def connect(socket: "zmq.Socket[bytes]", endpoint: str) -> None:
    """Start connecting; raises ConfigError for an endpoint libzmq refuses."""
    try:
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        raise ConfigError(
            f"endpoint: expected something like tcp://127.0.0.1:5550, got {endpoint!r}: {error}"
        ) from error


def monitor_of(socket: "zmq.Socket[bytes]") -> "zmq.Socket[bytes]":
    """Return the socket's monitor, which tells when its connection stands and when it breaks."""
    monitor: zmq.Socket[bytes] = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
    read_monitor(monitor)  # a descriptor signals only after a receive has found nothing
    return monitor


def read_monitor(monitor: "zmq.Socket[bytes]") -> list[bool]:
    """Return what happened to the connection since the last time: True for "stands", False for "broke"; never waits."""
    events: list[bool] = []
    while True:
        try:
            frames = monitor.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return events
        event = int.from_bytes(frames[0][:2], sys.byteorder)
        if event in (zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_DISCONNECTED):
            events.append(event == zmq.EVENT_HANDSHAKE_SUCCEEDED)


class Descriptors:
    """Waits until one of some file descriptors can be read. No lock is held meanwhile, and no socket touched."""

    def __init__(self, descriptors: list[int]) -> None:
        self._descriptors = descriptors
        self._poll: Any = None
        if hasattr(select, "poll"):
            self._poll = select.poll()
            for descriptor in descriptors:
                self._poll.register(descriptor, select.POLLIN)

    def wait(self, timeout_ns: int) -> list[int]:
        """Return those that can be read, after at most `timeout_ns` (rounded up to milliseconds)."""
        if self._poll is not None:
            return [descriptor for descriptor, _ in self._poll.poll((timeout_ns + 999_999) // 1_000_000)]
        return select.select(self._descriptors, (), (), timeout_ns / 1e9)[0]
