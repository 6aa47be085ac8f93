"""Plain values to msgpack and back, by the rules of `gateway.wire.codec`, byte for byte."""

from typing import Any

__all__ = ("DecodeError", "EncodeError", "is_well_formed", "pack", "set_errors", "unpack")

class EncodeError(ValueError):
    """Ours: a value that can't travel. What is raised until `set_errors`."""

    message: str
    code: int
    detail: dict[str, Any]
    def __init__(self, message: str, *, code: int = 104, detail: dict[str, Any] | None = None) -> None: ...

class DecodeError(ValueError):
    """The peer's: bytes that aren't a message. What is raised until `set_errors`."""

    message: str
    code: int
    detail: dict[str, Any]
    def __init__(self, message: str, *, code: int = 100, detail: dict[str, Any] | None = None) -> None: ...

def set_errors(local_error: type[Exception], remote_error: type[Exception]) -> None:
    """Have the whole package raise these from now on: called once, at start.

    `local_error(message)` and `remote_error(message, code=…, detail=…)` must be the ways to make them.
    """

def pack(value: Any) -> bytes:
    """Encode one plain value (None, bool, int, float, str, bytes-like, list or tuple, dict), or a subclass's.

    Raises the local error for what can't travel: another type, an integer beyond 64 bits, a map key that is no string,
    more than 16 containers deep, a string with lone surrogates. O(size); allocates the result, and a working buffer if
    that is larger than 1,024 bytes.
    """

def unpack(data: bytes | bytearray | memoryview) -> Any:
    """Decode one value that fills `data` exactly; arrays become lists, binaries bytes. Copies; O(size).

    Raises the remote error (code 100) for truncated or trailing bytes, extension types, map keys that are no strings,
    invalid UTF-8, and more than 16 containers deep. Of a key that comes twice the last value counts.
    """

def is_well_formed(data: bytes) -> bool:
    """Say whether `unpack` would accept `data`, without building anything."""
