"""Plain values to msgpack and back, by the rules of `gateway.wire.codec`, byte for byte.

It must never know what a message means. Reading proves the bytes first (mt5gate_msgpack.h), so that nothing is built
of a frame that is broken somewhere, and no count in a head can ask for more memory than the frame's own size warrants.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Next, PyDict_SetItem, PyDict_Size
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_FromDouble
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_DecodeUTF8
from libc.stdlib cimport malloc, realloc
from libc.string cimport memcmp, memcpy

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    long long PyLong_AsLongLongAndOverflow(object number, int *overflow) except? -1
    # For lists and tuples, which is all they are given here; the item is borrowed.
    Py_ssize_t PySequence_Fast_GET_SIZE(object sequence) noexcept
    PyObject *PySequence_Fast_GET_ITEM(object sequence, Py_ssize_t index) noexcept
    unsigned long long PyLong_AsUnsignedLongLong(object number) except? 0xFFFFFFFFFFFFFFFFULL

__all__ = ("DecodeError", "EncodeError", "is_well_formed", "pack", "set_errors", "unpack")

MALFORMED = 100
BAD_ARGUMENTS = 104

# --- errors ---------------------------------------------------------------------------------------------------------


class EncodeError(ValueError):
    """Ours: a value that can't travel. `code` and `detail` are those of the gateway's LocalProtocolError."""

    def __init__(self, message, *, code=BAD_ARGUMENTS, detail=None):
        super().__init__(message)
        self.message = message
        self.code = code
        self.detail = detail or {}


class DecodeError(ValueError):
    """The peer's: bytes that aren't a message. `code` and `detail` are those of the gateway's RemoteProtocolError."""

    def __init__(self, message, *, code=MALFORMED, detail=None):
        super().__init__(message)
        self.message = message
        self.code = code
        self.detail = detail or {}


cdef object _local_error = EncodeError
cdef object _remote_error = DecodeError


def set_errors(local_error not None, remote_error not None):
    """Have the whole package raise these from now on: called once, at start."""
    global _local_error, _remote_error
    _local_error = local_error
    _remote_error = remote_error


cdef int raise_local(str message) except -1:
    raise _local_error(message)


cdef int raise_remote(str message, int code, uint64_t request_id) except -1:
    raise _remote_error(message, code=code, detail={"request_id": request_id} if request_id else None)


cdef int raise_fault(int fault) except -1:
    if fault == MT5GATE_TRUNCATED:
        return raise_remote("not msgpack: the frame ends inside a value", MALFORMED, 0)
    if fault == MT5GATE_RESERVED:
        return raise_remote("not msgpack: byte 0xc1 begins no value", MALFORMED, 0)
    if fault == MT5GATE_EXTENSION:
        return raise_remote("extension types aren't used here", MALFORMED, 0)
    if fault == MT5GATE_KEY:
        return raise_remote("map key: expected a string, got another type", MALFORMED, 0)
    if fault == MT5GATE_UTF8:
        return raise_remote("string: expected UTF-8, got other bytes", MALFORMED, 0)
    assert fault == MT5GATE_DEPTH
    return raise_remote(f"more than {MT5GATE_MAX_DEPTH} containers deep", MALFORMED, 0)


# --- reading --------------------------------------------------------------------------------------------------------

cdef enum:
    INTERNED = 256            # slots, more than there are calls, accounts and keys in use at once
    INTERNED_MAX_BYTES = 64   # messages.MAX_NAME_BYTES: what is longer hardly comes again

# Direct-mapped: a slot holds a strong reference to the last string that fell into it. A peer that sends ever new names
# costs the others a str each, as without the table, and never memory.
cdef PyObject *_interned[INTERNED]


cdef inline size_t _slot(const uint8_t *at, size_t size) noexcept nogil:
    """Mix first and last eight bytes: names differ there, and no name needs a loop."""
    cdef uint64_t first = 0, last = 0
    if size >= 8:
        memcpy(&first, at, 8)
        memcpy(&last, at + size - 8, 8)
    else:
        mt5gate_copy(<uint8_t *> &first, at, size)
    first = (first ^ (last * 0x9E3779B97F4A7C15ULL) ^ size) * 0xFF51AFD7ED558CCDULL
    return <size_t> (first >> 56)  # the top 8 bits: 256 slots


cdef object interned(const uint8_t *at, size_t size):
    cdef size_t slot
    cdef Py_ssize_t known_size
    cdef const char *known
    cdef object text
    if size > INTERNED_MAX_BYTES:
        return PyUnicode_DecodeUTF8(<char *> at, <Py_ssize_t> size, NULL)
    slot = _slot(at, size)
    if _interned[slot] != NULL:
        known = PyUnicode_AsUTF8AndSize(<object> _interned[slot], &known_size)
        if known_size == <Py_ssize_t> size and memcmp(known, at, size) == 0:
            return <object> _interned[slot]
    text = PyUnicode_DecodeUTF8(<char *> at, <Py_ssize_t> size, NULL)
    PyUnicode_AsUTF8AndSize(text, &known_size)  # makes the UTF-8 now, so that the comparison above can't fail
    Py_INCREF(text)
    Py_XDECREF(_interned[slot])
    _interned[slot] = <PyObject *> text
    return text


cdef object read_value(Reader *reader):
    cdef mt5gate_value value = mt5gate_read(reader.at)
    cdef mt5gate_value head
    cdef object built, key, item
    cdef size_t index
    reader.at = value.body
    if value.kind == MT5GATE_UNSIGNED:
        return value.number
    if value.kind == MT5GATE_FLOAT:
        return PyFloat_FromDouble(mt5gate_bits_double(value.number))
    if value.kind == MT5GATE_STRING:
        reader.at = value.body + value.number
        return PyUnicode_DecodeUTF8(<char *> value.body, <Py_ssize_t> value.number, NULL)
    if value.kind == MT5GATE_ARRAY:
        built = PyList_New(<Py_ssize_t> value.number)
        for index in range(value.number):
            item = read_value(reader)
            Py_INCREF(item)  # SET_ITEM takes over the reference
            PyList_SET_ITEM(built, <Py_ssize_t> index, item)
        return built
    if value.kind == MT5GATE_MAP:
        built = {}
        for index in range(value.number):
            head = mt5gate_read(reader.at)  # a string: proven
            key = interned(head.body, head.number)
            reader.at = head.body + head.number
            PyDict_SetItem(built, key, read_value(reader))
        return built
    if value.kind == MT5GATE_BINARY:
        reader.at = value.body + value.number
        return PyBytes_FromStringAndSize(<char *> value.body, <Py_ssize_t> value.number)
    if value.kind == MT5GATE_NEGATIVE:
        return <int64_t> value.number
    if value.kind == MT5GATE_BOOLEAN:
        return value.number != 0
    assert value.kind == MT5GATE_NIL
    return None


cdef int check(const uint8_t *at, const uint8_t *end) except -1:
    cdef int fault = 0
    cdef const uint8_t *behind = mt5gate_skip(at, end, MT5GATE_MAX_DEPTH, &fault)
    if behind == NULL:
        return raise_fault(fault)
    if behind != end:
        return raise_remote(f"{end - behind} bytes behind the end of the message", MALFORMED, 0)
    return 0


cdef str shown(const uint8_t *at, const uint8_t *end):
    cdef Reader reader = Reader(at, end)
    cdef str text = repr(read_value(&reader))
    return text if len(text) <= 40 else f"{text[:37]}..."


def unpack(data not None):
    """Decode one value that fills `data` exactly; arrays become lists, binaries bytes. Copies; O(size)."""
    cdef Reader reader
    cdef Py_buffer view
    if type(data) is bytes:
        reader.at = <const uint8_t *> PyBytes_AS_STRING(data)
        reader.end = reader.at + PyBytes_GET_SIZE(data)
        check(reader.at, reader.end)
        return read_value(&reader)
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        reader.at = <const uint8_t *> view.buf
        reader.end = reader.at + view.len
        check(reader.at, reader.end)
        return read_value(&reader)
    finally:
        PyBuffer_Release(&view)


def is_well_formed(bytes data not None):
    """Say whether `unpack` would accept `data`, without building anything."""
    cdef const uint8_t *at = <const uint8_t *> PyBytes_AS_STRING(data)
    cdef const uint8_t *end = at + PyBytes_GET_SIZE(data)
    cdef int fault = 0
    return mt5gate_skip(at, end, MT5GATE_MAX_DEPTH, &fault) == end


# --- writing --------------------------------------------------------------------------------------------------------

cdef int grow(Writer *writer, size_t more) except -1:
    cdef size_t capacity = writer.used + more
    cdef uint8_t *data
    if capacity < writer.used:
        raise MemoryError()
    if capacity < 2 * writer.capacity:
        capacity = 2 * writer.capacity
    data = <uint8_t *> (realloc(writer.data, capacity) if writer.on_heap else malloc(capacity))
    if data == NULL:
        raise MemoryError()
    if not writer.on_heap:
        memcpy(data, writer.data, writer.used)
    writer.data = data
    writer.capacity = capacity
    writer.on_heap = True
    return 0


cdef inline int _check_size(Py_ssize_t size, object value) except -1:
    if <uint64_t> size > 0xFFFFFFFFULL:  # a head's count has 32 bits
        return raise_local(f"can't be sent: {type(value).__name__}: expected a size below 2**32, got {size}")
    return 0


cdef int _write_integer(Writer *writer, object value) except -1:
    cdef int overflow = 0
    cdef int64_t number = PyLong_AsLongLongAndOverflow(value, &overflow)
    reserve(writer, MT5GATE_HEAD_BYTES)
    if overflow == 0:
        put_signed(writer, number)
        return 0
    if overflow > 0:
        try:
            put_unsigned(writer, PyLong_AsUnsignedLongLong(value))
            return 0
        except OverflowError:
            pass
    return raise_local("can't be sent: integer: expected 64 bits at most, got more")


cdef const char *_utf8(object value, Py_ssize_t *size) except NULL:
    try:
        return PyUnicode_AsUTF8AndSize(value, size)
    except UnicodeEncodeError as error:
        raise_local(f"can't be sent: string: {error}")


cdef int _write_text(Writer *writer, object value) except -1:
    cdef Py_ssize_t size = 0
    cdef const char *text = _utf8(value, &size)
    _check_size(size, value)
    reserve(writer, MT5GATE_HEAD_BYTES + <size_t> size)
    put_string_head(writer, <size_t> size)
    put_raw(writer, text, <size_t> size)
    return 0


cdef int _write_binary(Writer *writer, object value, const char *data, Py_ssize_t size) except -1:
    _check_size(size, value)
    reserve(writer, MT5GATE_HEAD_BYTES + <size_t> size)
    put_binary_head(writer, <size_t> size)
    put_raw(writer, data, <size_t> size)
    return 0


cdef int _write_view(Writer *writer, object value) except -1:
    cdef Py_buffer view
    try:
        PyObject_GetBuffer(value, &view, PyBUF_SIMPLE)
    except BufferError as error:
        return raise_local(f"can't be sent: memoryview: {error}")
    try:
        return _write_binary(writer, value, <char *> view.buf, view.len)
    finally:
        PyBuffer_Release(&view)


cdef inline int _write_key(Writer *writer, object key) except -1:
    if not isinstance(key, str):
        return raise_local(f"can't be sent: map key: expected a string, got {type(key).__name__}")
    return write_value(writer, key, 0)


cdef int _write_map(Writer *writer, dict value, int depth) except -1:
    cdef Py_ssize_t position = 0
    cdef Py_ssize_t size = PyDict_Size(value)
    cdef Py_ssize_t count = 0
    cdef PyObject *key
    cdef PyObject *item
    cdef uint8_t *at
    cdef uint8_t *behind
    cdef const uint8_t *end
    _check_size(size, value)
    reserve(writer, MT5GATE_HEAD_BYTES)
    put_map_head(writer, <size_t> size)
    at = writer.data + writer.used
    end = writer.data + writer.capacity
    while PyDict_Next(value, &position, &key, &item):
        behind = mt5gate_put_plain(at, end, <object> key) if PyUnicode_CheckExact(<object> key) else NULL
        if behind != NULL:
            at = behind
            behind = mt5gate_put_plain(at, end, <object> item)
            if behind == NULL:
                advance(writer, at)
                write_other(writer, <object> item, depth - 1)
                behind = writer.data + writer.used
                end = writer.data + writer.capacity
        else:
            advance(writer, at)
            _write_key(writer, <object> key)
            write_value(writer, <object> item, depth - 1)
            behind = writer.data + writer.used
            end = writer.data + writer.capacity
        at = behind
        count += 1
    advance(writer, at)
    if count != size or PyDict_Size(value) != size:
        return raise_local("can't be sent: a map changed while it was written")
    return 0


cdef int _write_other_map(Writer *writer, object value, int depth) except -1:
    cdef list pairs = list(value.items())  # a subclass's own order
    _check_size(len(pairs), value)
    reserve(writer, MT5GATE_HEAD_BYTES)
    put_map_head(writer, <size_t> len(pairs))
    for key, item in pairs:
        _write_key(writer, key)
        write_value(writer, item, depth - 1)
    return 0


cdef int _write_array(Writer *writer, object value, int depth) except -1:
    cdef Py_ssize_t index, size = PySequence_Fast_GET_SIZE(value)
    _check_size(size, value)
    reserve(writer, MT5GATE_HEAD_BYTES)
    put_array_head(writer, <size_t> size)
    for index in range(size):
        if index >= PySequence_Fast_GET_SIZE(value):
            return raise_local("can't be sent: an array changed while it was written")
        write_value(writer, <object> PySequence_Fast_GET_ITEM(value, index), depth - 1)
    return 0


cdef int write_other(Writer *writer, object value, int depth) except -1:
    # A subclass's `items` may run any code, which may change what is being written: the value stays alive at least,
    # and its container notices by its size.
    cdef object owned = value
    if owned is None or owned is True or owned is False:
        reserve(writer, MT5GATE_HEAD_BYTES)
        put_byte(writer, 0xc0 if owned is None else 0xc3 if owned is True else 0xc2)
        return 0
    if isinstance(owned, (dict, list, tuple)):
        if depth == 0:
            return raise_local(f"can't be sent: more than {MT5GATE_MAX_DEPTH} containers deep")
        if type(owned) is dict:
            return _write_map(writer, <dict> owned, depth)
        if isinstance(owned, dict):
            return _write_other_map(writer, owned, depth)
        return _write_array(writer, owned, depth)
    if isinstance(owned, bytes):
        return _write_binary(writer, owned, PyBytes_AS_STRING(owned), PyBytes_GET_SIZE(owned))
    if isinstance(owned, int):
        return _write_integer(writer, owned)
    if isinstance(owned, float):
        reserve(writer, MT5GATE_HEAD_BYTES)
        put_double(writer, PyFloat_AS_DOUBLE(owned))
        return 0
    if isinstance(owned, str):
        return _write_text(writer, owned)
    if isinstance(owned, bytearray):
        return _write_binary(writer, owned, PyByteArray_AS_STRING(owned), PyByteArray_GET_SIZE(owned))
    if isinstance(owned, memoryview):
        return _write_view(writer, owned)
    return raise_local(f"can't be sent: a value of type {type(owned).__name__}")


def pack(value):
    """Encode one plain value (None, bool, int, float, str, bytes-like, list or tuple, dict), or a subclass's."""
    cdef Writer writer
    cdef uint8_t[STACK_BYTES] stack
    start(&writer, stack, STACK_BYTES)
    try:
        write_value(&writer, value, MT5GATE_MAX_DEPTH)
        return finish(&writer)
    finally:
        release(&writer)
