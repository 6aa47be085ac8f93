"""The order journal's records on raw memory: where each field stands, and the room of one record."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "mt5gate_crc32.h" nogil:
    void mt5gate_crc32_prepare() noexcept
    uint32_t mt5gate_crc32(const uint8_t *at, size_t size) noexcept


# The form, from gateway.core.records, which this package must not import. Little-endian, packed.
cdef enum:
    LENGTH_AT = 0
    CHECKSUM_AT = 4
    SEQUENCE_AT = 8
    WALL_AT = 16
    NOW_AT = 24
    GENERATION_AT = 32
    KIND_AT = 36
    BODY_AT = 40
    KIND_ACCEPTED = 2
    KIND_SENT = 3
    KIND_SETTLED = 4
    ACCEPTED_BYTES = 16   # of a body's fields, before its texts
    SENT_BYTES = 16
    SETTLED_BYTES = 10


# What every record's head has, besides its length and its checksum.
ctypedef struct Head:
    uint64_t sequence
    uint64_t wall_ns
    uint64_t now_ns
    uint32_t generation
    uint8_t kind


# Make a record's bytes with its head, the body still empty; then, with the body in it, seal it.
cdef bytes begin(Head *head, size_t body_bytes)
cdef bytes seal(bytes record)
