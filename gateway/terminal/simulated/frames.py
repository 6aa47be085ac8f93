"""How a worker and a simulated terminal talk: length-prefixed msgpack, one reply for each request, in order.

Request: `[id, name, arguments]`, arguments in the canonical form of `arguments.prepare`. Reply: `[id, code, text,
value]`, where code and text are the call's `last_error()`. A length is four bytes, little-endian, without itself.
"""

import struct
from typing import Any, Final

import msgpack

__all__ = ("LENGTH", "MAX_REPLY_BYTES", "MAX_REQUEST_BYTES", "FrameError", "decode", "encode")

LENGTH: Final = struct.Struct("<I")
MAX_REQUEST_BYTES: Final = 65_536
"""The longest honest request is a group filter of 1997 characters; the rest is room."""
MAX_REPLY_BYTES: Final = 1 << 30
"""A full tick history is 60 MB; four bytes of length could say 4 GB."""


class FrameError(ValueError):
    """What a peer sent is no frame of this protocol."""


def encode(message: tuple[Any, ...]) -> bytes:
    """Return one frame, length included."""
    body: bytes = msgpack.packb(message)
    return LENGTH.pack(len(body)) + body


def decode(body: bytes | bytearray | memoryview, fields: int) -> tuple[Any, ...]:
    """Return the tuple of exactly `fields` values that `body` holds; raises FrameError for anything else."""
    try:
        message = msgpack.unpackb(body, use_list=False)
    except Exception as error:  # msgpack raises a dozen kinds for bytes that aren't msgpack: all mean the same here
        raise FrameError(f"not msgpack: {error or type(error).__name__}") from error
    if not isinstance(message, tuple) or len(message) != fields:
        raise FrameError(f"expected an array of {fields} values, got {type(message).__name__}")
    return message
