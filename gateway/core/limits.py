"""The engine's bounds and periods, each with its name, and what the engine asks of those it is handed.

Rules: plain data and protocols; no behaviour.
"""

from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ("Codec", "Limits", "QuoteSource", "RecordWriter", "ReplyCacheLike")


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of the order plane. Overflow is refused with BUSY and counted."""

    heartbeat_ns: int = 1_000_000_000
    worker_timeout_ns: int = 4_000_000_000  # an idle worker's silence
    session_timeout_ns: int = 30_000_000_000
    max_sessions: int = 1_024
    max_queued: int = 8_192  # per account and lane
    max_queued_per_session: int = 1_024
    max_workers: int = 256
    max_credit: int = 1_024  # per worker: with max_workers it bounds what is in flight
    watch_ns: int = 250_000_000  # how often what an account's terminal shows is read; 0: never
    late_answer_ns: int = (
        60_000_000_000  # an UNKNOWN order of a dead worker stays known so long: its RETURN may be under way
    )


class QuoteSource(Protocol):
    """The quote board, seen from the core."""

    def encoded_tick(self, account: str, tail: bytes, now_ns: int) -> bytes | None:
        """Return the encoded answer to `symbol_info_tick` with these encoded arguments; None: ask the terminal."""

    def prices(self, account: str, tail: bytes, now_ns: int) -> tuple[float, float] | None:
        """Return bid and ask of the same quote."""


class ReplyCacheLike(Protocol):
    """A bounded map of encoded results that expire: `gateway.core.replycache` or its compiled twin."""

    @property
    def hits(self) -> int: ...
    @property
    def misses(self) -> int: ...
    @property
    def evictions(self) -> int: ...
    @property
    def expirations(self) -> int: ...
    def get(self, key: bytes, now_ns: int, /) -> bytes | None: ...
    def put(self, key: bytes, value: bytes, now_ns: int, ttl_ns: int, /) -> None: ...
    def invalidate(self, prefix: bytes, /) -> int: ...
    def clear(self) -> None: ...
    def __len__(self) -> int: ...


class RecordWriter(Protocol):
    """The hot functions of `gateway.core.records`, or of their compiled twin."""

    def record(self, kind: int, sequence: int, wall_ns: int, now_ns: int, generation: int, body: bytes, /) -> bytes: ...
    def accepted_record(
        self,
        sequence: int,
        wall_ns: int,
        now_ns: int,
        generation: int,
        birth_ms: int,
        client_id: str,
        order_id: str,
        account_name: str,
        is_exit: bool,
        has_kwargs: bool,
        tail: bytes,
        /,
    ) -> bytes: ...
    def sent_record(
        self, sequence: int, wall_ns: int, now_ns: int, generation: int, number: int, call_id: int, worker_name: str, /
    ) -> bytes: ...
    def settled_record(
        self,
        sequence: int,
        wall_ns: int,
        now_ns: int,
        generation: int,
        number: int,
        state: int,
        status: int,
        result: bytes,
        /,
    ) -> bytes: ...


class Codec(Protocol):
    """The hot functions of `gateway.wire.codec`; their compiled twins return plain tuples. What is rare has no twin."""

    def pack(self, value: Any, /) -> bytes: ...
    def unpack(self, data: bytes, /) -> Any: ...
    def decode_request(self, frame: bytes, /) -> tuple[int, int, str, str, int, bytes, bool]: ...
    def decode_arguments(self, tail: bytes, has_kwargs: bool, /) -> tuple[list[Any], dict[str, Any]]: ...
    def encode_reply(
        self,
        request_id: int,
        status: int | str,
        result: bytes,
        stamps: tuple[int, int, int, int, int, int] | None,
        /,
    ) -> bytes: ...
    def encode_error(self, code: int, message: str, detail: dict[str, Any] | None, /) -> bytes: ...
    def trade_outcome(self, result: bytes, /) -> tuple[int, int]: ...
    def worker_kind(self, frame: bytes, /) -> int: ...
    def decode_begun(self, frame: bytes, /) -> tuple[int, int]: ...
    def decode_return(self, frame: bytes, /) -> tuple[int, int, int, int, int, bytes]: ...
    def encode_call(
        self, generation: int, call_id: int, name: str, ttl_ms: int, tail: bytes, has_kwargs: bool, /
    ) -> bytes: ...
