"""Every message's shape, in one place. docs/PROTOCOL.md is the normative text; section numbers below are its.

All messages are msgpack arrays that begin with the protocol's version. Field names here are those of the text;
the field order of each tuple is the wire's, save that the version (and the kind) are left out.
"""

from enum import IntEnum
from typing import Any, Final, NamedTuple

__all__ = (
    "MAX_DEPTH",
    "MAX_NAME_BYTES",
    "MAX_REQUEST_BYTES",
    "MAX_RESULT_BYTES",
    "MAX_TTL_MS",
    "VERSION",
    "CallMessage",
    "FeedKind",
    "FeedReady",
    "Goodbye",
    "Ready",
    "Reply",
    "Request",
    "Return",
    "Stamps",
    "TickBatch",
    "Ticks",
    "Want",
    "WorkerKind",
    "topic_for",
)

VERSION: Final = 1
"""First field of every message; a peer of another version is refused, with ours in the message."""

MAX_REQUEST_BYTES: Final = 65_536
"""A request's size. The largest honest one is a group filter of 2,000 characters."""

MAX_RESULT_BYTES: Final = 67_108_864
"""A result's size: about a million ticks."""

MAX_DEPTH: Final = 16
"""Nested containers in one message; the deepest honest one has four."""

MAX_NAME_BYTES: Final = 64
"""A call's, account's, client's, worker's or feed's name, in UTF-8."""

MAX_TTL_MS: Final = 86_400_000
"""A request's time to live: a day."""


class WorkerKind(IntEnum):
    """Second field of every message between broker and worker (§4). 3 and 7 are reserved."""

    READY = 1
    HEARTBEAT = 2
    CALL = 4
    BEGUN = 5
    RETURN = 6
    WELCOME = 8
    GOODBYE = 9
    REJECT = 10


class FeedKind(IntEnum):
    """Second field of every message between feed and publisher (§5). 6 to 8 are reserved."""

    READY = 1
    HEARTBEAT = 2
    WANT = 3
    TICKS = 4
    NO_SYMBOL = 5
    GOODBYE = 9
    REJECT = 10


class Request(NamedTuple):
    """§3.1, client to broker. `tail` is args and, if `has_kwargs`, kwargs, still encoded."""

    session: int
    request_id: int
    name: str
    account: str
    ttl_ms: int
    tail: bytes
    has_kwargs: bool


class Stamps(NamedTuple):
    """§3.2, nanoseconds. Four instants on the broker's monotonic clock (0: didn't get there), two durations
    on the worker's: from the call's arrival to its start, and inside the terminal."""

    received: int
    sent: int
    returned: int
    replied: int
    worker_wait: int
    worker_call: int


class Reply(NamedTuple):
    """§3.2, broker to client. `status` is a `Status`, or a notice's kind (a string) when request_id is 0.

    `result` is the call's result, or `[code, message, detail]` where status isn't OK.
    """

    request_id: int
    status: int | str
    result: Any
    stamps: Stamps | None


class Ready(NamedTuple):
    """§4.1, worker to broker: who it is, how many calls it holds, and what it has proven."""

    worker: str
    epoch: int
    account: str
    lanes: tuple[str, ...]
    credit: int
    proof: dict[str, Any]
    tradable: bool
    reason: str


class CallMessage(NamedTuple):
    """§4.3, broker to worker."""

    generation: int
    call_id: int
    name: str
    ttl_ms: int
    args: list[Any]
    kwargs: dict[str, Any]


class Return(NamedTuple):
    """§4.5, worker to broker. `result` is still encoded."""

    generation: int
    call_id: int
    status: int
    wait_ns: int
    call_ns: int
    result: bytes


class Goodbye(NamedTuple):
    """§4.6, worker (or its watchdog, when the worker is dead) to broker: this epoch is over."""

    worker: str
    epoch: int
    reason: str


class FeedReady(NamedTuple):
    """§5.1, feed to publisher: who it is, and which symbols it reads whether anybody listens or not."""

    feed: str
    epoch: int
    account: str
    symbols: tuple[str, ...]


class Want(NamedTuple):
    """§5.2, publisher to feed: read this symbol, from behind this cursor; a time of 0 means there is none yet."""

    symbol: str
    cursor_msc: int
    cursor_ordinal: int


class Ticks(NamedTuple):
    """§5.3, feed to publisher: `records` are packed 60-byte ticks. The cursor is the last one's place in history:
    its time, and how many ticks of the same millisecond stand before it."""

    symbol: str
    cursor_msc: int
    cursor_ordinal: int
    records: bytes


class TickBatch(NamedTuple):
    """§6.1, publisher to subscriber."""

    topic: bytes
    epoch: int
    first_seq: int
    cursor_msc: int
    cursor_ordinal: int
    publish_ns: int
    records: bytes


def topic_for(feed: str, symbol: str) -> bytes:
    """Return the topic of one symbol of one feed; the closing NUL keeps EURUSD from matching EURUSD.r."""
    return f"{feed}/{symbol}\0".encode()
