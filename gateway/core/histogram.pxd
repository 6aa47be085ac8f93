# Table of contents of histogram.py: the same source, compiled.

cimport cython

cdef long long _FINE_BITS
cdef long long _FINE
cdef long long _MAX_VALUE_NS
cdef long long _BUCKETS


cdef class Histogram:
    cdef unsigned long long[::1] _counts
    cdef readonly long long count, max_ns
    cdef readonly long long sum_ns     # 2**63 ns are 292 years of waiting in all

    @cython.locals(rest="long long", octave="long long", index="long long")
    cpdef record(self, long long value_ns)
