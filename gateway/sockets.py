"""How the gateway's own sockets are made: bounds and options set on purpose, owner-only ipc, one owner per address."""

import os
from pathlib import Path
from typing import Final

import zmq

from gateway.statedir import Lock
from gateway.wire.errors import ConfigError

__all__ = ("bind", "publisher_socket", "router_socket")

HWM: Final = 10_000
"""Messages kept for one peer in each direction; a full peer costs itself."""

LISTEN_BACKLOG: Final = 1_024
"""Connections that may knock at the same time."""

HEARTBEAT_MS: Final = 1_000
"""libzmq's own heartbeats: they find a dead TCP peer and drop its queue, and say nothing of what it is doing."""


def router_socket(context: "zmq.Context[zmq.Socket[bytes]]", max_message_bytes: int) -> "zmq.Socket[bytes]":
    """Return a ROUTER that reports dead peers instead of dropping their replies, and never blocks when told not to."""
    socket = context.socket(zmq.ROUTER)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    _common(socket)
    socket.setsockopt(zmq.MAXMSGSIZE, max_message_bytes)
    socket.setsockopt(zmq.RCVHWM, HWM)
    socket.setsockopt(zmq.SNDHWM, HWM)
    return socket


def publisher_socket(context: "zmq.Context[zmq.Socket[bytes]]", send_hwm: int) -> "zmq.Socket[bytes]":
    """Return an XPUB that drops a slow subscriber's own ticks beyond `send_hwm` frames, and nobody else's."""
    socket = context.socket(zmq.XPUB)
    _common(socket)
    socket.setsockopt(zmq.MAXMSGSIZE, 1_024)  # what it receives: subscriptions
    socket.setsockopt(zmq.SNDHWM, send_hwm)
    return socket


def _common(socket: "zmq.Socket[bytes]") -> None:
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.IPV6, 1)  # for tcp://[::1]; IPv4 addresses stay what they are
    socket.setsockopt(zmq.BACKLOG, LISTEN_BACKLOG)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 5 * HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TTL, 5 * HEARTBEAT_MS)


def bind(socket: "zmq.Socket[bytes]", endpoint: str) -> Lock | None:
    """Bind, and return the lock that keeps a second process off an ipc address (which would steal it in silence).

    Raises ConfigError with the address and the reason.
    """
    lock = None
    if endpoint.startswith("ipc://"):
        path = Path(endpoint.removeprefix("ipc://"))
        lock = Lock(path.with_name(path.name + ".lock"), endpoint)
    mask = os.umask(0o077)
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        if lock is not None:
            lock.release()
        raise ConfigError(f"{endpoint}: can't be bound: {error}") from error
    finally:
        os.umask(mask)
    return lock
