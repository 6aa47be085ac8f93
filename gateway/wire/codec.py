"""The reference codec: every message to bytes and back, on the `msgpack` package.

It is what `fastpath.codec` is tested against, byte for byte, and what runs where nothing is compiled. It says what is
accepted: one value, no bytes behind it, no extension types, string keys, at most MAX_DEPTH containers deep, UTF-8.
Every `decode_` raises RemoteProtocolError for what breaks these rules, and nothing else.
"""

from typing import Any, Final, NoReturn

import msgpack

from gateway.wire.errors import Code, LocalProtocolError, RemoteProtocolError
from gateway.wire.messages import (
    MAX_DEPTH,
    MAX_NAME_BYTES,
    MAX_TTL_MS,
    VERSION,
    CallMessage,
    FeedKind,
    FeedReady,
    Goodbye,
    Ready,
    Reply,
    Request,
    Return,
    Stamps,
    TickBatch,
    Ticks,
    Want,
    WorkerKind,
)
from gateway.wire.structs import RECORD_BYTES

_U64: Final = 2**64 - 1
_packer_options: Final = {"use_bin_type": True, "strict_types": False}


# --- values ---------------------------------------------------------------------------------------------------------


def pack(value: Any) -> bytes:
    """Encode one plain value (None, bool, int, float, str, bytes, list or tuple, dict); O(size), allocates once.

    Raises LocalProtocolError for another type, an integer beyond 64 bits, a string that is no Unicode. Keys that aren't
    strings and too deep nesting are left to the peer, who refuses them; `fastpath.codec` refuses them here.
    """
    try:
        encoded: bytes = msgpack.packb(value, **_packer_options)
    except (TypeError, ValueError, OverflowError) as error:
        raise LocalProtocolError(f"can't be sent: {error}") from error
    return encoded


def unpack(data: bytes | memoryview) -> Any:
    """Decode one value that fills `data` exactly."""
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=True, ext_hook=_no_extension, **_limits(len(data)))
    except RemoteProtocolError:
        raise
    except msgpack.ExtraData as error:
        raise RemoteProtocolError(f"{len(error.extra)} bytes behind the end of the message") from error
    except Exception as error:  # msgpack raises ValueError, its subclasses, and OverflowError
        raise RemoteProtocolError(f"not msgpack: {error or type(error).__name__}") from error
    _check_shape(value, MAX_DEPTH)
    return value


def _limits(size: int) -> dict[str, int]:
    return {
        "max_str_len": size,
        "max_bin_len": size,
        "max_array_len": size,
        "max_map_len": size,
        "max_ext_len": size,
    }


def _no_extension(code: int, _data: bytes) -> NoReturn:
    raise RemoteProtocolError(f"extension type {code} isn't used here")


def _check_shape(value: Any, depth: int) -> None:
    if isinstance(value, msgpack.Timestamp):
        raise RemoteProtocolError("extension type -1 isn't used here")
    if not isinstance(value, (list, dict)):
        return
    if depth == 0:
        raise RemoteProtocolError(f"more than {MAX_DEPTH} containers deep")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise RemoteProtocolError(f"map key: expected a string, got {type(key).__name__}")
    for item in value.values() if isinstance(value, dict) else value:
        _check_shape(item, depth - 1)


class _Reader:
    """A message's leading fields, one by one, and where the rest begins."""

    def __init__(self, frame: bytes) -> None:
        message = unpack(frame)
        if not isinstance(message, list):
            raise RemoteProtocolError(f"message: expected an array, got {type(message).__name__}")
        if not message or message[0] is True or message[0] != VERSION or isinstance(message[0], float):
            found = message[0] if message else "nothing"
            raise RemoteProtocolError(
                f"version: expected {VERSION}, got {_shown(found)}", code=Code.UNSUPPORTED_VERSION
            )
        self.frame = frame
        self.fields = message

    def expect(self, *lengths: int) -> None:
        if len(self.fields) not in lengths:
            wanted = " or ".join(map(str, lengths))
            raise RemoteProtocolError(f"message: expected {wanted} fields, got {len(self.fields)}")

    def unsigned(self, index: int, name: str, low: int = 0, high: int = _U64) -> int:
        value = self.fields[index]
        if type(value) is not int or not low <= value <= high:
            raise RemoteProtocolError(f"{name}: expected an integer from {low} to {high}, got {_shown(value)}")
        return value

    def text(self, index: int, name: str) -> str:
        value = self.fields[index]
        if type(value) is not str or len(value.encode()) > MAX_NAME_BYTES:
            raise RemoteProtocolError(
                f"{name}: expected a string of at most {MAX_NAME_BYTES} bytes, got {_shown(value)}"
            )
        return value

    def of_type(self, index: int, name: str, kind: type) -> Any:
        value = self.fields[index]
        if type(value) is not kind:
            raise RemoteProtocolError(f"{name}: expected {_TYPE_NAMES[kind]}, got {_shown(value)}")
        return value

    def tail(self, index: int) -> bytes:
        """The bytes from field `index` to the end."""
        unpacker = msgpack.Unpacker(raw=False, max_buffer_size=0)
        unpacker.feed(self.frame)
        unpacker.read_array_header()
        for _ in range(index):
            unpacker.skip()
        return self.frame[unpacker.tell() :]


_TYPE_NAMES: Final = {list: "an array", dict: "a map", bytes: "binary", bool: "a boolean", str: "a string"}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


# --- §3 client and broker -------------------------------------------------------------------------------------------


def encode_request(
    session: int,
    request_id: int,
    name: str,
    account: str,
    ttl_ms: int,
    args: tuple[Any, ...] | list[Any],
    kwargs: dict[str, Any] | None = None,
) -> bytes:
    """Encode a request; `ttl_ms` 0 asks for the call's default. Raises LocalProtocolError for what can't travel."""
    fields = [VERSION, session, request_id, name, account, ttl_ms, list(args)]
    if kwargs:
        fields.append(kwargs)
    return pack(fields)


def decode_request(frame: bytes) -> Request:
    """Check a request through and through; its arguments stay encoded.

    Raises RemoteProtocolError; its detail holds `request_id` where that much could be read.
    """
    reader = _Reader(frame)
    request_id = 0
    try:
        reader.expect(7, 8)
        session = reader.unsigned(1, "session")
        request_id = reader.unsigned(2, "request_id", 1)
        name = reader.text(3, "name")
        account = reader.text(4, "account")
        ttl_ms = reader.unsigned(5, "ttl_ms", 0, MAX_TTL_MS)
        reader.of_type(6, "args", list)
        has_kwargs = len(reader.fields) == 8
        if has_kwargs:
            reader.of_type(7, "kwargs", dict)
    except RemoteProtocolError as error:
        if request_id:
            error.detail["request_id"] = request_id
        raise
    return Request(session, request_id, name, account, ttl_ms, reader.tail(6), has_kwargs)


def decode_arguments(tail: bytes, has_kwargs: bool) -> tuple[list[Any], dict[str, Any]]:
    """Decode a checked request's `tail` into args and kwargs."""
    if not has_kwargs:
        return unpack(tail), {}
    args, kwargs = unpack(b"\x92" + tail)
    return args, kwargs


def encode_reply(
    request_id: int, status: int | str, result: bytes, stamps: tuple[int, int, int, int, int, int] | None
) -> bytes:
    """Encode a reply around an already encoded result."""
    return b"\x95\x01" + pack(request_id) + pack(status) + result + pack(stamps)


def decode_reply(frame: bytes) -> Reply:
    """Decode a reply or a notice."""
    reader = _Reader(frame)
    reader.expect(5)
    request_id = reader.unsigned(1, "request_id")
    status = reader.fields[2]
    if type(status) is str and request_id == 0:
        pass
    elif type(status) is not int or not 0 <= status <= 255:
        raise RemoteProtocolError(f"status: expected an integer from 0 to 255, got {_shown(status)}")
    return Reply(request_id, status, reader.fields[3], _stamps(reader.fields[4]))


def _stamps(value: Any) -> Stamps | None:
    if value is None:
        return None
    if type(value) is not list or len(value) != 6 or not all(type(v) is int and 0 <= v <= _U64 for v in value):
        raise RemoteProtocolError(f"stamps: expected six unsigned integers or nil, got {_shown(value)}")
    return Stamps(*value)


def encode_error(code: int, message: str, detail: dict[str, Any] | None = None) -> bytes:
    """Encode the result of a reply whose status isn't OK."""
    return pack([int(code), message, detail or None])


# --- §4 broker and worker -------------------------------------------------------------------------------------------


def worker_kind(frame: bytes) -> int:
    """Return the kind of a broker–worker or feed–publisher message; raises for another version or no message."""
    if len(frame) < 3 or not 0x92 <= frame[0] <= 0x9F or frame[2] > 0x7F:
        raise RemoteProtocolError("message: expected an array of version, kind, …")
    if frame[1] != VERSION:
        raise RemoteProtocolError(f"version: expected {VERSION}, got {frame[1]}", code=Code.UNSUPPORTED_VERSION)
    return frame[2]


def encode_ready(ready: Ready) -> bytes:
    """Encode READY."""
    return pack([VERSION, int(WorkerKind.READY), *ready])


def decode_ready(frame: bytes) -> Ready:
    """Decode READY."""
    reader = _Reader(frame)
    reader.expect(10)
    lanes = reader.of_type(5, "lanes", list)
    if not lanes or not all(type(lane) is str for lane in lanes):
        raise RemoteProtocolError(f"lanes: expected an array of names, got {_shown(lanes)}")
    return Ready(
        reader.text(2, "worker"),
        reader.unsigned(3, "epoch", 1),
        reader.text(4, "account"),
        tuple(lanes),
        reader.unsigned(6, "credit", 1, 65_535),
        reader.of_type(7, "proof", dict),
        reader.of_type(8, "tradable", bool),
        reader.of_type(9, "reason", str),
    )


def encode_welcome(generation: int, heartbeat_ms: int) -> bytes:
    """Encode WELCOME."""
    return pack([VERSION, int(WorkerKind.WELCOME), generation, heartbeat_ms])


def decode_welcome(frame: bytes) -> tuple[int, int]:
    """Decode WELCOME into generation and heartbeat interval (ms)."""
    reader = _Reader(frame)
    reader.expect(4)
    return reader.unsigned(2, "generation", 1), reader.unsigned(3, "heartbeat_ms", 1)


def encode_heartbeat(name: str = "", epoch: int = 0, age_ns: int = 0) -> bytes:
    """Encode HEARTBEAT (same shape between broker and worker, feed and publisher).

    A feed's `age_ns` is how long ago it last asked the terminal for every symbol.
    """
    return pack([VERSION, int(WorkerKind.HEARTBEAT), name, epoch, age_ns])


def decode_heartbeat(frame: bytes) -> tuple[str, int, int]:
    """Decode HEARTBEAT into name, epoch and age_ns; a short one (version and kind alone) has empty fields."""
    reader = _Reader(frame)
    reader.expect(2, 4, 5)
    if len(reader.fields) == 2:
        return "", 0, 0
    age_ns = reader.unsigned(4, "age_ns") if len(reader.fields) == 5 else 0
    return reader.text(2, "name"), reader.unsigned(3, "epoch"), age_ns


def encode_call(generation: int, call_id: int, name: str, ttl_ms: int, tail: bytes, has_kwargs: bool) -> bytes:
    """Encode CALL around still encoded arguments."""
    head = b"\x98" if has_kwargs else b"\x97"
    return head + b"\x01\x04" + pack(generation) + pack(call_id) + pack(name) + pack(ttl_ms) + tail


def decode_call(frame: bytes) -> CallMessage:
    """Decode CALL, arguments too."""
    reader = _Reader(frame)
    reader.expect(7, 8)
    return CallMessage(
        reader.unsigned(2, "generation", 1),
        reader.unsigned(3, "call_id", 1),
        reader.text(4, "name"),
        reader.unsigned(5, "ttl_ms"),
        reader.of_type(6, "args", list),
        reader.of_type(7, "kwargs", dict) if len(reader.fields) == 8 else {},
    )


def encode_begun(generation: int, call_id: int) -> bytes:
    """Encode BEGUN."""
    return pack([VERSION, int(WorkerKind.BEGUN), generation, call_id])


def decode_begun(frame: bytes) -> tuple[int, int]:
    """Decode BEGUN into generation and call id."""
    reader = _Reader(frame)
    reader.expect(4)
    return reader.unsigned(2, "generation", 1), reader.unsigned(3, "call_id", 1)


def trade_outcome(result: bytes) -> tuple[int, int]:
    """Return retcode and order ticket of an encoded answer to `order_send`; 0 for what isn't there."""
    try:
        fields = unpack(result)
    except RemoteProtocolError:
        return 0, 0
    if type(fields) is not list or len(fields) < 3:
        return 0, 0
    retcode, ticket = (field if type(field) is int and field >= 0 else 0 for field in (fields[0], fields[2]))
    return retcode, ticket


def encode_return(generation: int, call_id: int, status: int, wait_ns: int, call_ns: int, result: bytes) -> bytes:
    """Encode RETURN around an already encoded result."""
    head = pack([VERSION, int(WorkerKind.RETURN), generation, call_id, status, wait_ns, call_ns])
    return b"\x98" + head[1:] + result


def decode_return(frame: bytes) -> Return:
    """Check RETURN; its result stays encoded."""
    reader = _Reader(frame)
    reader.expect(8)
    return Return(
        reader.unsigned(2, "generation", 1),
        reader.unsigned(3, "call_id", 1),
        reader.unsigned(4, "status", 0, 4),
        reader.unsigned(5, "wait_ns"),
        reader.unsigned(6, "call_ns"),
        reader.tail(7),
    )


def encode_goodbye(goodbye: Goodbye) -> bytes:
    """Encode GOODBYE (same shape between broker and worker, feed and publisher)."""
    return pack([VERSION, int(WorkerKind.GOODBYE), *goodbye])


def decode_goodbye(frame: bytes) -> Goodbye:
    """Decode GOODBYE."""
    reader = _Reader(frame)
    reader.expect(5)
    return Goodbye(reader.text(2, "name"), reader.unsigned(3, "epoch"), reader.of_type(4, "reason", str))


def encode_reject(code: int, message: str) -> bytes:
    """Encode REJECT."""
    return pack([VERSION, int(WorkerKind.REJECT), int(code), message])


def decode_reject(frame: bytes) -> tuple[int, str]:
    """Decode REJECT into code and message."""
    reader = _Reader(frame)
    reader.expect(4)
    return reader.unsigned(2, "code"), reader.of_type(3, "message", str)


# --- §5 feed and publisher ------------------------------------------------------------------------------------------


def encode_feed_ready(ready: FeedReady) -> bytes:
    """Encode a feed's READY."""
    return pack([VERSION, int(FeedKind.READY), *ready])


def decode_feed_ready(frame: bytes) -> FeedReady:
    """Decode a feed's READY."""
    reader = _Reader(frame)
    reader.expect(6)
    symbols = reader.of_type(5, "symbols", list)
    if not all(type(symbol) is str for symbol in symbols):
        raise RemoteProtocolError(f"symbols: expected an array of names, got {_shown(symbols)}")
    return FeedReady(reader.text(2, "feed"), reader.unsigned(3, "epoch", 1), reader.text(4, "account"), tuple(symbols))


def encode_want(wants: list[Want]) -> bytes:
    """Encode WANT: every symbol that somebody listens to now, and where each continues."""
    return pack([VERSION, int(FeedKind.WANT), wants])


def decode_want(frame: bytes) -> list[Want]:
    """Decode WANT."""
    reader = _Reader(frame)
    reader.expect(3)
    wants = reader.of_type(2, "wants", list)
    for want in wants:
        if type(want) is not list or len(want) != 3 or type(want[0]) is not str:
            raise RemoteProtocolError(f"want: expected [symbol, time_msc, ordinal], got {_shown(want)}")
        _cursor(want[1:])
    return [Want(*want) for want in wants]


def encode_feed_ticks(ticks: Ticks) -> bytes:
    """Encode TICKS."""
    cursor = [ticks.cursor_msc, ticks.cursor_ordinal]
    return pack([VERSION, int(FeedKind.TICKS), ticks.symbol, cursor, ticks.records])


def decode_feed_ticks(frame: bytes) -> Ticks:
    """Decode TICKS."""
    reader = _Reader(frame)
    reader.expect(5)
    cursor_msc, cursor_ordinal = _cursor(reader.fields[3])
    return Ticks(reader.text(2, "symbol"), cursor_msc, cursor_ordinal, _records(reader.fields[4]))


def encode_no_symbol(symbol: str, message: str) -> bytes:
    """Encode NO_SYMBOL: the terminal has no such symbol, or can't select it."""
    return pack([VERSION, int(FeedKind.NO_SYMBOL), symbol, message])


def decode_no_symbol(frame: bytes) -> tuple[str, str]:
    """Decode NO_SYMBOL into symbol and message."""
    reader = _Reader(frame)
    reader.expect(4)
    return reader.text(2, "symbol"), reader.of_type(3, "message", str)


# --- §6 publisher and subscriber ------------------------------------------------------------------------------------


def encode_ticks(
    topic: bytes, epoch: int, first_seq: int, cursor_msc: int, cursor_ordinal: int, publish_ns: int, records: bytes
) -> bytes:
    """Encode a tick frame: the topic, then msgpack."""
    return topic + pack([epoch, first_seq, [cursor_msc, cursor_ordinal], publish_ns, records])


def decode_ticks(frame: bytes) -> TickBatch:
    """Decode a tick frame."""
    end = frame.find(b"\0") + 1
    if end == 0:
        raise RemoteProtocolError("tick frame: expected a topic that ends in NUL")
    body = unpack(frame[end:])
    if type(body) is not list or len(body) != 5:
        raise RemoteProtocolError(f"tick frame: expected an array of 5, got {_shown(body)}")
    epoch, first_seq, cursor, publish_ns, records = body
    for name, value in (("epoch", epoch), ("first_seq", first_seq), ("publish_ns", publish_ns)):
        if type(value) is not int or not 0 <= value <= _U64:
            raise RemoteProtocolError(f"{name}: expected an unsigned integer, got {_shown(value)}")
    return TickBatch(frame[:end], epoch, first_seq, *_cursor(cursor), publish_ns, _records(records))


def _cursor(value: Any) -> tuple[int, int]:
    if type(value) is not list or len(value) != 2 or not all(type(v) is int and 0 <= v < 2**63 for v in value):
        raise RemoteProtocolError(f"cursor: expected [time_msc, ordinal], got {_shown(value)}")
    return value[0], value[1]


def _records(value: Any) -> bytes:
    if type(value) is not bytes or not value or len(value) % RECORD_BYTES:
        size = f"{len(value)} bytes" if type(value) is bytes else _shown(value)
        raise RemoteProtocolError(f"records: expected a positive multiple of {RECORD_BYTES} bytes, got {size}")
    return value
