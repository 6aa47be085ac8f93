"""A bounded map of bytes to bytes with a time to live, in two fixed allocations: slots, and buckets of slot numbers."""

from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t


cdef enum:
    NONE = -1  # no slot


ctypedef struct Slot:
    # What is kept: two strong references to bytes.
    PyObject *key
    PyObject *value
    # When it ends, on the caller's clock.
    int64_t expires_ns
    # Where it is found: the key's hash, and the next slot of the same bucket (or of the free ones).
    Py_hash_t hash
    int32_t chain
    # Order of insertion, for eviction.
    int32_t older
    int32_t newer


cdef class ReplyCache:
    # Memory: `capacity` slots, and a power of two of buckets.
    cdef Slot *slots
    cdef int32_t *buckets
    cdef size_t mask
    cdef readonly int32_t capacity
    # What is in it.
    cdef int32_t count
    cdef int32_t free
    cdef int32_t oldest
    cdef int32_t newest
    # What became of it.
    cdef readonly int64_t hits
    cdef readonly int64_t misses
    cdef readonly int64_t evictions
    cdef readonly int64_t expirations

    cdef int32_t find(self, bytes key, Py_hash_t hash) noexcept
    cdef void remove(self, int32_t index) noexcept
