"""Reading and writing msgpack on raw memory, for the modules that know which fields a message has.

Reading is validate once, then trust: `mt5gate_skip` (mt5gate_msgpack.h) proves a frame, and `mt5gate_read` and
`read_value` may be given only what it has proven. Writing is reserve, then put: `reserve` may move the buffer and
raise, the `put_` functions write into room that was reserved and can do neither.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free


# --- the core in C --------------------------------------------------------------------------------------------------

cdef extern from "mt5gate_msgpack.h" nogil:
    enum:
        MT5GATE_MAX_DEPTH
        MT5GATE_MAX_FIELDS
        MT5GATE_HEAD_BYTES  # the longest head of a value, and the longest number
        # Faults.
        MT5GATE_TRUNCATED
        MT5GATE_RESERVED
        MT5GATE_EXTENSION
        MT5GATE_KEY
        MT5GATE_UTF8
        MT5GATE_DEPTH
        # Kinds of value.
        MT5GATE_NIL
        MT5GATE_BOOLEAN
        MT5GATE_UNSIGNED
        MT5GATE_NEGATIVE
        MT5GATE_FLOAT
        MT5GATE_STRING
        MT5GATE_BINARY
        MT5GATE_ARRAY
        MT5GATE_MAP

    ctypedef struct mt5gate_value:
        const uint8_t *body
        uint64_t number
        int kind

    const uint8_t *mt5gate_skip(const uint8_t *at, const uint8_t *end, unsigned int depth, int *fault) noexcept
    int64_t mt5gate_fields(
        const uint8_t *at, const uint8_t *end, const uint8_t *fields[MT5GATE_MAX_FIELDS], int *fault
    ) noexcept
    mt5gate_value mt5gate_read(const uint8_t *at) noexcept
    double mt5gate_bits_double(uint64_t bits) noexcept
    void mt5gate_copy(uint8_t *to, const void *source, size_t size) noexcept
    uint8_t *mt5gate_put_unsigned(uint8_t *at, uint64_t number) noexcept
    uint8_t *mt5gate_put_signed(uint8_t *at, int64_t number) noexcept
    uint8_t *mt5gate_put_double(uint8_t *at, double number) noexcept
    uint8_t *mt5gate_put_string_head(uint8_t *at, size_t size) noexcept
    uint8_t *mt5gate_put_binary_head(uint8_t *at, size_t size) noexcept
    uint8_t *mt5gate_put_array_head(uint8_t *at, size_t size) noexcept
    uint8_t *mt5gate_put_map_head(uint8_t *at, size_t size) noexcept

# The same, given Python's values; takes the GIL for granted.
cdef extern from "mt5gate_plain.h":
    uint8_t *mt5gate_put_plain(uint8_t *at, const uint8_t *end, object value) noexcept


# --- errors: this package's own until the gateway registers its classes ---------------------------------------------

cdef int raise_local(str message) except -1
# `request_id` goes into the detail; 0: it could not be read
cdef int raise_remote(str message, int code, uint64_t request_id) except -1
cdef int raise_fault(int fault) except -1


# --- reading --------------------------------------------------------------------------------------------------------

# Proven bytes, and how far they have been read.
ctypedef struct Reader:
    const uint8_t *at
    const uint8_t *end

# Prove that the bytes are exactly one value; raises the remote error.
cdef int check(const uint8_t *at, const uint8_t *end) except -1

# Build the next value and step behind it.
cdef object read_value(Reader *reader)

# A str of proven UTF-8 that often comes again (a name, a key): the same object each time, if it is short.
cdef object interned(const uint8_t *at, size_t size)

# How a value looks in an error message.
cdef str shown(const uint8_t *at, const uint8_t *end)


# --- writing --------------------------------------------------------------------------------------------------------

# Bytes being written: on the caller's stack at first, on the heap once they outgrow it.
ctypedef struct Writer:
    # The bytes, and how many of them are written.
    uint8_t *data
    size_t used
    # Room, and who owns it.
    size_t capacity
    bint on_heap

cdef enum:
    STACK_BYTES = 1024  # holds every message but bulk results, and stays small beside a thread's stack

cdef int grow(Writer *writer, size_t more) except -1

# Write any plain value; raises the local error for what can't travel. `depth`: containers it may still nest.
# `write_value` below takes the commonest values itself and leaves the others to `write_other`.
cdef int write_other(Writer *writer, object value, int depth) except -1


cdef inline void start(Writer *writer, uint8_t *stack, size_t size) noexcept nogil:
    writer.data = stack
    writer.used = 0
    writer.capacity = size
    writer.on_heap = False


cdef inline void release(Writer *writer) noexcept nogil:
    if writer.on_heap:
        free(writer.data)


cdef inline object finish(Writer *writer):
    return PyBytes_FromStringAndSize(<char *> writer.data, <Py_ssize_t> writer.used)


cdef inline int reserve(Writer *writer, size_t more) except -1:
    if writer.capacity - writer.used < more:
        grow(writer, more)
    return 0


cdef inline int write_value(Writer *writer, object value, int depth) except -1:
    cdef uint8_t *at = mt5gate_put_plain(writer.data + writer.used, writer.data + writer.capacity, value)
    if at == NULL:
        return write_other(writer, value, depth)
    writer.used = <size_t> (at - writer.data)
    return 0


cdef inline void put_byte(Writer *writer, int byte) noexcept nogil:
    writer.data[writer.used] = <uint8_t> byte
    writer.used += 1


cdef inline void put_raw(Writer *writer, const void *data, size_t size) noexcept nogil:
    mt5gate_copy(writer.data + writer.used, data, size)
    writer.used += size


cdef inline void advance(Writer *writer, uint8_t *at) noexcept nogil:
    writer.used = <size_t> (at - writer.data)


cdef inline void put_unsigned(Writer *writer, uint64_t number) noexcept nogil:
    advance(writer, mt5gate_put_unsigned(writer.data + writer.used, number))


cdef inline void put_signed(Writer *writer, int64_t number) noexcept nogil:
    advance(writer, mt5gate_put_signed(writer.data + writer.used, number))


cdef inline void put_double(Writer *writer, double number) noexcept nogil:
    advance(writer, mt5gate_put_double(writer.data + writer.used, number))


# The heads of what has a length; `size` is below 2**32, which whoever calls has checked.
cdef inline void put_string_head(Writer *writer, size_t size) noexcept nogil:
    advance(writer, mt5gate_put_string_head(writer.data + writer.used, size))


cdef inline void put_binary_head(Writer *writer, size_t size) noexcept nogil:
    advance(writer, mt5gate_put_binary_head(writer.data + writer.used, size))


cdef inline void put_array_head(Writer *writer, size_t size) noexcept nogil:
    advance(writer, mt5gate_put_array_head(writer.data + writer.used, size))


cdef inline void put_map_head(Writer *writer, size_t size) noexcept nogil:
    advance(writer, mt5gate_put_map_head(writer.data + writer.used, size))
