"""The hot messages to bytes and back: same names, bytes and refusals as `gateway.wire.codec`, which is the reference.

Messages that are seldom sent (READY, WELCOME, …) aren't here: the reference codec encodes them everywhere. Decoders
return plain tuples equal to the reference's named ones. A frame is proven whole before a field of it is read, so that a
request whose tail is broken is refused here and not by the worker that would decode it.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr

from fastpath.msgpack cimport (
    MT5GATE_ARRAY,
    MT5GATE_BINARY,
    MT5GATE_MAP,
    MT5GATE_MAX_DEPTH,
    MT5GATE_NIL,
    MT5GATE_STRING,
    MT5GATE_UNSIGNED,
    STACK_BYTES,
    Reader,
    Writer,
    check,
    finish,
    interned,
    mt5gate_fields,
    mt5gate_read,
    mt5gate_skip,
    mt5gate_value,
    put_byte,
    put_raw,
    raise_fault,
    raise_remote,
    read_value,
    release,
    reserve,
    shown,
    start,
    write_value,
)

from fastpath.msgpack import pack, unpack

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
    "trade_outcome",
    "unpack",
    "worker_kind",
)

cdef enum:
    INNER_DEPTH = MT5GATE_MAX_DEPTH - 1  # inside the array that every message is

cdef uint64_t ANY = 0xFFFFFFFFFFFFFFFFULL

# --- opening and reading --------------------------------------------------------------------------------------------


cdef int open_array(Frame *frame, const uint8_t *at, const uint8_t *end) except -1:
    cdef int fault = 0
    frame.end = end
    frame.request_id = 0
    frame.count = mt5gate_fields(at, end, frame.fields, &fault)
    if frame.count >= 0:
        return 0
    if frame.count == -1:
        return raise_fault(fault)
    if frame.count == -2:
        return raise_remote("bytes behind the end of the message", MALFORMED, 0)
    return raise_remote(f"message: expected an array, got {shown(at, end)}", MALFORMED, 0)


cdef int open_message(Frame *frame, bytes data) except -1:
    cdef mt5gate_value version
    cdef const uint8_t *at = <const uint8_t *> PyBytes_AS_STRING(data)
    open_array(frame, at, at + PyBytes_GET_SIZE(data))
    if frame.count:
        version = mt5gate_read(frame.fields[0])
        if version.kind == MT5GATE_UNSIGNED and version.number == VERSION:
            return 0
    found = shown(frame.fields[0], frame.end) if frame.count else "nothing"
    return raise_remote(f"version: expected {VERSION}, got {found}", UNSUPPORTED_VERSION, 0)


cdef inline int _expect(Frame *frame, int64_t count, int64_t other) except -1:
    if frame.count == count or frame.count == other:
        return 0
    wanted = f"{count} or {other}" if other != count else f"{count}"
    return raise_remote(f"message: expected {wanted} fields, got {frame.count}", MALFORMED, 0)


cdef int _wrong(Frame *frame, int index, str name, str wanted) except -1:
    return raise_remote(
        f"{name}: expected {wanted}, got {shown(frame.fields[index], frame.end)}", MALFORMED, frame.request_id
    )


cdef int read_unsigned(Frame *frame, int index, str name, uint64_t low, uint64_t high, uint64_t *number) except -1:
    cdef mt5gate_value value = mt5gate_read(frame.fields[index])
    if value.kind != MT5GATE_UNSIGNED or value.number < low or value.number > high:
        return _wrong(frame, index, name, f"an integer from {low} to {high}")
    number[0] = value.number
    return 0


cdef str read_name(Frame *frame, int index, str name):
    cdef mt5gate_value value = mt5gate_read(frame.fields[index])
    if value.kind != MT5GATE_STRING or value.number > MAX_NAME_BYTES:
        _wrong(frame, index, name, f"a string of at most {MAX_NAME_BYTES} bytes")
    return <str> interned(value.body, <size_t> value.number)


cdef object read_field(Frame *frame, int index):
    cdef Reader reader = Reader(frame.fields[index], frame.end)
    return read_value(&reader)


cdef object read_stamps(Frame *frame, int index):
    cdef mt5gate_value value = mt5gate_read(frame.fields[index])
    cdef uint64_t[6] stamps
    cdef int place
    if value.kind == MT5GATE_NIL:
        return None
    if value.kind == MT5GATE_ARRAY and value.number == 6:
        for place in range(6):
            value = mt5gate_read(value.body)
            if value.kind != MT5GATE_UNSIGNED:
                break
            stamps[place] = value.number
        else:
            return stamps[0], stamps[1], stamps[2], stamps[3], stamps[4], stamps[5]
    _wrong(frame, index, "stamps", "six unsigned integers or nil")


cdef int read_cursor(Frame *frame, int index, uint64_t *time_msc, uint64_t *ordinal) except -1:
    cdef mt5gate_value value = mt5gate_read(frame.fields[index])
    cdef mt5gate_value second
    if value.kind == MT5GATE_ARRAY and value.number == 2:
        value = mt5gate_read(value.body)
        if value.kind == MT5GATE_UNSIGNED:
            second = mt5gate_read(value.body)
            if second.kind == MT5GATE_UNSIGNED and value.number >> 63 == 0 and second.number >> 63 == 0:
                time_msc[0] = value.number
                ordinal[0] = second.number
                return 0
    return _wrong(frame, index, "cursor", "[time_msc, ordinal]")


cdef bytes read_records(Frame *frame, int index):
    cdef mt5gate_value value = mt5gate_read(frame.fields[index])
    if value.kind != MT5GATE_BINARY:
        _wrong(frame, index, "records", f"a positive multiple of {RECORD_BYTES} bytes")
    if value.number == 0 or value.number % <uint64_t> RECORD_BYTES:
        raise_remote(
            f"records: expected a positive multiple of {RECORD_BYTES} bytes, got {value.number} bytes", MALFORMED, 0
        )
    return PyBytes_FromStringAndSize(<const char *> value.body, <Py_ssize_t> value.number)


cdef bytes tail_from(Frame *frame, int index):
    return PyBytes_FromStringAndSize(<const char *> frame.fields[index], frame.end - frame.fields[index])


cdef inline int _write_raw(Writer *writer, bytes data) except -1:
    reserve(writer, <size_t> PyBytes_GET_SIZE(data))
    put_raw(writer, PyBytes_AS_STRING(data), <size_t> PyBytes_GET_SIZE(data))
    return 0


# --- §3 client and broker -------------------------------------------------------------------------------------------


def encode_request(session, request_id, name, account, ttl_ms, args, kwargs=None):
    """Encode a request (§3.1); `ttl_ms` 0 asks for the call's default."""
    cdef Writer writer
    cdef uint8_t[STACK_BYTES] stack
    cdef bint has_kwargs = bool(kwargs)
    start(&writer, stack, STACK_BYTES)
    put_byte(&writer, 0x98 if has_kwargs else 0x97)
    put_byte(&writer, VERSION)
    try:
        write_value(&writer, session, INNER_DEPTH)
        write_value(&writer, request_id, INNER_DEPTH)
        write_value(&writer, name, INNER_DEPTH)
        write_value(&writer, account, INNER_DEPTH)
        write_value(&writer, ttl_ms, INNER_DEPTH)
        write_value(&writer, args if isinstance(args, (list, tuple)) else list(args), INNER_DEPTH)
        if has_kwargs:
            write_value(&writer, kwargs, INNER_DEPTH)
        return finish(&writer)
    finally:
        release(&writer)


def decode_request(bytes frame not None):
    """Check a request through and through: (session, request_id, name, account, ttl_ms, tail, has_kwargs)."""
    cdef Frame message
    cdef uint64_t session = 0, ttl_ms = 0
    cdef str name, account
    open_message(&message, frame)
    _expect(&message, 7, 8)
    read_unsigned(&message, 1, "session", 0, ANY, &session)
    read_unsigned(&message, 2, "request_id", 1, ANY, &message.request_id)
    name = read_name(&message, 3, "name")
    account = read_name(&message, 4, "account")
    read_unsigned(&message, 5, "ttl_ms", 0, MAX_TTL_MS, &ttl_ms)
    if mt5gate_read(message.fields[6]).kind != MT5GATE_ARRAY:
        _wrong(&message, 6, "args", "an array")
    if message.count == 8 and mt5gate_read(message.fields[7]).kind != MT5GATE_MAP:
        _wrong(&message, 7, "kwargs", "a map")
    return session, message.request_id, name, account, ttl_ms, tail_from(&message, 6), message.count == 8


def decode_arguments(bytes tail not None, bint has_kwargs):
    """Decode a checked request's `tail` into args (a list) and kwargs (a dict)."""
    cdef Reader reader
    cdef int fault = 0
    cdef const uint8_t *behind
    reader.at = <const uint8_t *> PyBytes_AS_STRING(tail)
    reader.end = reader.at + PyBytes_GET_SIZE(tail)
    if not has_kwargs:
        check(reader.at, reader.end)
        return read_value(&reader), {}
    behind = mt5gate_skip(reader.at, reader.end, INNER_DEPTH, &fault)
    if behind != NULL:
        behind = mt5gate_skip(behind, reader.end, INNER_DEPTH, &fault)
    if behind == NULL:
        raise_fault(fault)
    if behind != reader.end:
        raise_remote("bytes behind the end of the arguments", MALFORMED, 0)
    args = read_value(&reader)
    return args, read_value(&reader)


def encode_reply(request_id, status, bytes result not None, stamps):
    """Encode a reply or a notice (§3.2) around an already encoded result."""
    cdef Writer writer
    cdef uint8_t[STACK_BYTES] stack
    start(&writer, stack, STACK_BYTES)
    put_byte(&writer, 0x95)
    put_byte(&writer, VERSION)
    try:
        write_value(&writer, request_id, INNER_DEPTH)
        write_value(&writer, status, INNER_DEPTH)
        _write_raw(&writer, result)
        write_value(&writer, stamps, INNER_DEPTH)
        return finish(&writer)
    finally:
        release(&writer)


def decode_reply(bytes frame not None):
    """Decode a reply or a notice: (request_id, status, result, stamps)."""
    cdef Frame message
    cdef mt5gate_value status
    cdef uint64_t request_id = 0
    open_message(&message, frame)
    _expect(&message, 5, 5)
    read_unsigned(&message, 1, "request_id", 0, ANY, &request_id)
    status = mt5gate_read(message.fields[2])
    if not (
        (status.kind == MT5GATE_UNSIGNED and status.number <= 255)
        or (status.kind == MT5GATE_STRING and request_id == 0)
    ):
        _wrong(&message, 2, "status", "an integer from 0 to 255 (a notice's: its kind)")
    result = read_field(&message, 3)
    return (
        request_id,
        status.number if status.kind == MT5GATE_UNSIGNED else interned(status.body, <size_t> status.number),
        result,
        read_stamps(&message, 4),
    )


def encode_error(code, message, detail=None):
    """Encode the result of a reply whose status isn't OK."""
    return pack([int(code), message, detail or None])


# --- §4 broker and worker -------------------------------------------------------------------------------------------


def worker_kind(bytes frame not None):
    """Return the kind of a broker–worker or feed–publisher message; looks at its first three bytes only."""
    cdef const uint8_t *at = <const uint8_t *> PyBytes_AS_STRING(frame)
    if PyBytes_GET_SIZE(frame) < 3 or at[0] < 0x92 or at[0] > 0x9f or at[2] > 0x7f:
        raise_remote("message: expected an array of version, kind, …", MALFORMED, 0)
    if at[1] != VERSION:
        raise_remote(f"version: expected {VERSION}, got {at[1]}", UNSUPPORTED_VERSION, 0)
    return at[2]


def encode_call(generation, call_id, name, ttl_ms, bytes tail not None, bint has_kwargs):
    """Encode CALL (§4.3) around still encoded arguments."""
    cdef Writer writer
    cdef uint8_t[STACK_BYTES] stack
    start(&writer, stack, STACK_BYTES)
    put_byte(&writer, 0x98 if has_kwargs else 0x97)
    put_byte(&writer, VERSION)
    put_byte(&writer, 4)  # CALL
    try:
        write_value(&writer, generation, INNER_DEPTH)
        write_value(&writer, call_id, INNER_DEPTH)
        write_value(&writer, name, INNER_DEPTH)
        write_value(&writer, ttl_ms, INNER_DEPTH)
        _write_raw(&writer, tail)
        return finish(&writer)
    finally:
        release(&writer)


def decode_begun(bytes frame not None):
    """Decode BEGUN (§4.4): (generation, call_id)."""
    cdef Frame message
    cdef uint64_t generation = 0, call_id = 0
    open_message(&message, frame)
    _expect(&message, 4, 4)
    read_unsigned(&message, 2, "generation", 1, ANY, &generation)
    read_unsigned(&message, 3, "call_id", 1, ANY, &call_id)
    return generation, call_id


def decode_return(bytes frame not None):
    """Check RETURN (§4.5): (generation, call_id, status, wait_ns, call_ns, result), the result still encoded."""
    cdef Frame message
    cdef uint64_t generation = 0, call_id = 0, status = 0, wait_ns = 0, call_ns = 0
    open_message(&message, frame)
    _expect(&message, 8, 8)
    read_unsigned(&message, 2, "generation", 1, ANY, &generation)
    read_unsigned(&message, 3, "call_id", 1, ANY, &call_id)
    read_unsigned(&message, 4, "status", 0, 4, &status)
    read_unsigned(&message, 5, "wait_ns", 0, ANY, &wait_ns)
    read_unsigned(&message, 6, "call_ns", 0, ANY, &call_ns)
    return generation, call_id, status, wait_ns, call_ns, tail_from(&message, 7)


def trade_outcome(bytes result not None):
    """Return retcode and order ticket of an encoded answer to `order_send`; 0 for what isn't there."""
    cdef const uint8_t *fields[MT5GATE_MAX_FIELDS]
    cdef const uint8_t *at = <const uint8_t *> PyBytes_AS_STRING(result)
    cdef int fault = 0
    cdef mt5gate_value retcode, ticket
    if mt5gate_fields(at, at + PyBytes_GET_SIZE(result), fields, &fault) < 3:
        return 0, 0
    retcode = mt5gate_read(fields[0])
    ticket = mt5gate_read(fields[2])
    return (
        retcode.number if retcode.kind == MT5GATE_UNSIGNED else 0,
        ticket.number if ticket.kind == MT5GATE_UNSIGNED else 0,
    )


# --- §6 publisher and subscriber ------------------------------------------------------------------------------------


def encode_ticks(bytes topic not None, epoch, first_seq, cursor_msc, cursor_ordinal, publish_ns, records):
    """Encode a tick frame (§6.1): the topic, then msgpack; `records` are packed 60-byte ticks."""
    cdef Writer writer
    cdef uint8_t[STACK_BYTES] stack
    start(&writer, stack, STACK_BYTES)
    try:
        _write_raw(&writer, topic)
        reserve(&writer, 1)
        put_byte(&writer, 0x95)
        write_value(&writer, epoch, INNER_DEPTH)
        write_value(&writer, first_seq, INNER_DEPTH)
        reserve(&writer, 1)
        put_byte(&writer, 0x92)
        write_value(&writer, cursor_msc, INNER_DEPTH - 1)
        write_value(&writer, cursor_ordinal, INNER_DEPTH - 1)
        write_value(&writer, publish_ns, INNER_DEPTH)
        write_value(&writer, records, INNER_DEPTH)
        return finish(&writer)
    finally:
        release(&writer)


def decode_ticks(bytes frame not None):
    """Decode a tick frame: (topic, epoch, first_seq, cursor_msc, cursor_ordinal, publish_ns, records)."""
    cdef Frame message
    cdef uint64_t epoch = 0, first_seq = 0, cursor_msc = 0, cursor_ordinal = 0, publish_ns = 0
    cdef const uint8_t *at = <const uint8_t *> PyBytes_AS_STRING(frame)
    cdef const uint8_t *end = at + PyBytes_GET_SIZE(frame)
    cdef const uint8_t *body = <const uint8_t *> memchr(at, 0, <size_t> (end - at))
    if body == NULL:
        raise_remote("tick frame: expected a topic that ends in NUL", MALFORMED, 0)
    body += 1
    open_array(&message, body, end)
    if message.count != 5:
        raise_remote(f"tick frame: expected an array of 5, got {message.count} items", MALFORMED, 0)
    read_unsigned(&message, 0, "epoch", 0, ANY, &epoch)
    read_unsigned(&message, 1, "first_seq", 0, ANY, &first_seq)
    read_unsigned(&message, 3, "publish_ns", 0, ANY, &publish_ns)
    read_cursor(&message, 2, &cursor_msc, &cursor_ordinal)
    topic = PyBytes_FromStringAndSize(<const char *> at, body - at)
    return topic, epoch, first_seq, cursor_msc, cursor_ordinal, publish_ns, read_records(&message, 4)
