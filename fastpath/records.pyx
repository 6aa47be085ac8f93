"""The order journal's records, to bytes and back: same names, bytes and refusals as `gateway.core.records`.

Three kinds stand in an order's path and have a function of their own, which writes each straight into its one bytes
object. It must never know what a record means, nor judge what stands behind the last sound one.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

__all__ = ("accepted_record", "read_sound", "record", "sent_record", "settled_record")

mt5gate_crc32_prepare()


# --- writing --------------------------------------------------------------------------------------------------------


cdef inline void put(uint8_t *at, uint64_t number, int size) noexcept nogil:
    cdef int index
    for index in range(size):
        at[index] = <uint8_t> (number >> (8 * index))


cdef bytes begin(Head *head, size_t body_bytes):
    cdef bytes made = PyBytes_FromStringAndSize(NULL, <Py_ssize_t> (BODY_AT + body_bytes))
    cdef uint8_t *at = <uint8_t *> PyBytes_AS_STRING(made)
    put(at + LENGTH_AT, BODY_AT + body_bytes, 4)
    put(at + SEQUENCE_AT, head.sequence, 8)
    put(at + WALL_AT, head.wall_ns, 8)
    put(at + NOW_AT, head.now_ns, 8)
    put(at + GENERATION_AT, head.generation, 4)
    put(at + KIND_AT, head.kind, 4)  # and three zero bytes
    return made


cdef bytes seal(bytes record):
    cdef uint8_t *at = <uint8_t *> PyBytes_AS_STRING(record)
    put(at + CHECKSUM_AT, mt5gate_crc32(at + SEQUENCE_AT, <size_t> PyBytes_GET_SIZE(record) - SEQUENCE_AT), 4)
    return record


def record(uint8_t kind, uint64_t sequence, uint64_t wall_ns, uint64_t now_ns, uint32_t generation, bytes body not None):
    """Return a record of any kind."""
    cdef Head head = Head(sequence, wall_ns, now_ns, generation, kind)
    cdef bytes made = begin(&head, <size_t> PyBytes_GET_SIZE(body))
    memcpy(PyBytes_AS_STRING(made) + BODY_AT, PyBytes_AS_STRING(body), <size_t> PyBytes_GET_SIZE(body))
    return seal(made)


def accepted_record(
    uint64_t sequence,
    uint64_t wall_ns,
    uint64_t now_ns,
    uint32_t generation,
    uint64_t birth_ms,
    str client_id not None,
    str order_id not None,
    str account_name not None,
    bint is_exit,
    bint has_kwargs,
    bytes tail not None,
):
    """Return ACCEPTED. Raises OverflowError for a name of 65,536 bytes or more."""
    cdef Head head = Head(sequence, wall_ns, now_ns, generation, KIND_ACCEPTED)
    cdef const char *texts[3]
    cdef Py_ssize_t[3] sizes
    cdef Py_ssize_t tail_bytes = PyBytes_GET_SIZE(tail)
    cdef bytes made
    cdef uint8_t *at
    cdef int index
    texts[0] = PyUnicode_AsUTF8AndSize(client_id, &sizes[0])
    texts[1] = PyUnicode_AsUTF8AndSize(order_id, &sizes[1])
    texts[2] = PyUnicode_AsUTF8AndSize(account_name, &sizes[2])
    for index in range(3):
        if sizes[index] > 0xFFFF:
            raise OverflowError(f"a name has {sizes[index]} bytes, expected at most 65,535")
    made = begin(&head, <size_t> (ACCEPTED_BYTES + sizes[0] + sizes[1] + sizes[2] + tail_bytes))
    at = <uint8_t *> PyBytes_AS_STRING(made) + BODY_AT
    put(at, birth_ms, 8)
    for index in range(3):
        put(at + 8 + 2 * index, <uint64_t> sizes[index], 2)
    put(at + 14, (1 if is_exit else 0) | (2 if has_kwargs else 0), 2)
    at += ACCEPTED_BYTES
    for index in range(3):
        memcpy(at, texts[index], <size_t> sizes[index])
        at += sizes[index]
    memcpy(at, PyBytes_AS_STRING(tail), <size_t> tail_bytes)
    return seal(made)


def sent_record(
    uint64_t sequence,
    uint64_t wall_ns,
    uint64_t now_ns,
    uint32_t generation,
    uint64_t number,
    uint64_t call_id,
    str worker_name not None,
):
    """Return SENT."""
    cdef Head head = Head(sequence, wall_ns, now_ns, generation, KIND_SENT)
    cdef Py_ssize_t size = 0
    cdef const char *name = PyUnicode_AsUTF8AndSize(worker_name, &size)
    cdef bytes made = begin(&head, <size_t> (SENT_BYTES + size))
    cdef uint8_t *at = <uint8_t *> PyBytes_AS_STRING(made) + BODY_AT
    put(at, number, 8)
    put(at + 8, call_id, 8)
    memcpy(at + SENT_BYTES, name, <size_t> size)
    return seal(made)


def settled_record(
    uint64_t sequence,
    uint64_t wall_ns,
    uint64_t now_ns,
    uint32_t generation,
    uint64_t number,
    uint8_t state,
    uint8_t status,
    bytes result not None,
):
    """Return SETTLED."""
    cdef Head head = Head(sequence, wall_ns, now_ns, generation, KIND_SETTLED)
    cdef bytes made = begin(&head, <size_t> (SETTLED_BYTES + PyBytes_GET_SIZE(result)))
    cdef uint8_t *at = <uint8_t *> PyBytes_AS_STRING(made) + BODY_AT
    put(at, number, 8)
    at[8] = state
    at[9] = status
    memcpy(at + SETTLED_BYTES, PyBytes_AS_STRING(result), <size_t> PyBytes_GET_SIZE(result))
    return seal(made)


# --- reading --------------------------------------------------------------------------------------------------------


cdef inline uint64_t get(const uint8_t *at, int size) noexcept nogil:
    cdef uint64_t number = 0
    cdef int index
    for index in range(size):
        number |= <uint64_t> at[index] << (8 * index)
    return number


def read_sound(bytes data not None, uint64_t sequence):
    """Read records while they are sound and numbered from `sequence` on; return them, and where they end. O(size).

    A record is (sequence, wall clock in ns, generation, kind, body).
    """
    cdef const uint8_t *begins = <const uint8_t *> PyBytes_AS_STRING(data)
    cdef size_t size = <size_t> PyBytes_GET_SIZE(data)
    cdef size_t offset = 0
    cdef size_t length
    cdef const uint8_t *at
    cdef list records = []
    while size - offset >= BODY_AT:
        at = begins + offset
        length = <size_t> get(at + LENGTH_AT, 4)
        if length < BODY_AT or length > size - offset:
            break
        if mt5gate_crc32(at + SEQUENCE_AT, length - SEQUENCE_AT) != get(at + CHECKSUM_AT, 4):
            break
        if get(at + SEQUENCE_AT, 8) != sequence:
            break
        records.append(
            (
                sequence,
                get(at + WALL_AT, 8),
                <uint32_t> get(at + GENERATION_AT, 4),
                at[KIND_AT],
                PyBytes_FromStringAndSize(<const char *> at + BODY_AT, <Py_ssize_t> (length - BODY_AT)),
            )
        )
        sequence += 1
        offset += length
    return records, offset
