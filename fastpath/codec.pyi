"""The hot messages to bytes and back: the same names, bytes and refusals as `gateway.wire.codec`.

Encoders raise the local error for what can't travel (see `fastpath.msgpack.pack`); decoders raise the remote error,
with code 100 for what is malformed and 101 for another version of the protocol. Which classes those are is said by
`fastpath.msgpack.set_errors`. All are O(size) and copy what they return.
"""

from typing import Any

from fastpath.msgpack import pack as pack
from fastpath.msgpack import unpack as unpack

__all__ = (
    "decode_arguments",
    "decode_begun",
    "decode_reply",
    "decode_request",
    "decode_return",
    "decode_ticks",
    "encode_call",
    "encode_error",
    "encode_reply",
    "encode_request",
    "encode_ticks",
    "pack",
    "unpack",
    "worker_kind",
)

def encode_request(
    session: int,
    request_id: int,
    name: str,
    account: str,
    ttl_ms: int,
    args: tuple[Any, ...] | list[Any],
    kwargs: dict[str, Any] | None = None,
) -> bytes:
    """Encode a request (§3.1); `ttl_ms` 0 asks for the call's default."""

def decode_request(frame: bytes) -> tuple[int, int, str, str, int, bytes, bool]:
    """Check a request through and through: (session, request_id, name, account, ttl_ms, tail, has_kwargs).

    Its arguments stay encoded, in `tail`. An error's detail holds `request_id` where that much could be read.
    """

def decode_arguments(tail: bytes, has_kwargs: bool) -> tuple[Any, Any]:
    """Decode a checked request's `tail` into args (a list) and kwargs (a dict)."""

def encode_reply(
    request_id: int, status: int | str, result: bytes, stamps: tuple[int, int, int, int, int, int] | None
) -> bytes:
    """Encode a reply or a notice (§3.2) around an already encoded result."""

def decode_reply(frame: bytes) -> tuple[int, int | str, Any, tuple[int, int, int, int, int, int] | None]:
    """Decode a reply or a notice: (request_id, status, result, stamps)."""

def encode_error(code: int, message: str, detail: dict[str, Any] | None = None) -> bytes:
    """Encode the result of a reply whose status isn't OK."""

def worker_kind(frame: bytes) -> int:
    """Return the kind of a broker–worker or feed–publisher message; looks at its first three bytes only."""

def encode_call(generation: int, call_id: int, name: str, ttl_ms: int, tail: bytes, has_kwargs: bool) -> bytes:
    """Encode CALL (§4.3) around still encoded arguments."""

def decode_begun(frame: bytes) -> tuple[int, int]:
    """Decode BEGUN (§4.4): (generation, call_id)."""

def decode_return(frame: bytes) -> tuple[int, int, int, int, int, bytes]:
    """Check RETURN (§4.5): (generation, call_id, status, wait_ns, call_ns, result), the result still encoded."""

def encode_ticks(
    topic: bytes,
    epoch: int,
    first_seq: int,
    cursor_msc: int,
    cursor_ordinal: int,
    publish_ns: int,
    records: bytes | bytearray | memoryview,
) -> bytes:
    """Encode a tick frame (§6.1): the topic, then msgpack; `records` are packed 60-byte ticks."""

def decode_ticks(frame: bytes) -> tuple[bytes, int, int, int, int, int, bytes]:
    """Decode a tick frame: (topic, epoch, first_seq, cursor_msc, cursor_ordinal, publish_ns, records)."""
