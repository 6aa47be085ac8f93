# Table of contents of throttle.py: the same source, compiled. Times are nanoseconds on the monotonic clock (int64).

cimport cython


cdef class RateWindow:
    cdef readonly Py_ssize_t limit
    cdef public long long newest_ns
    cdef long long[::1] _times
    cdef Py_ssize_t _cursor

    cpdef bint is_full(self, long long now_ns, long long window_ns)
    cpdef take(self, long long now_ns)


cdef class Throttle:
    cdef long long _window_ns
    cdef dict _windows

    @cython.locals(window=RateWindow)
    cpdef bint is_full(self, object key, Py_ssize_t limit, long long now_ns)

    @cython.locals(window=RateWindow)
    cpdef take(self, object key, Py_ssize_t limit, long long now_ns)


cdef class DayCounts:
    cdef dict _counts

    cpdef long long count(self, object key, long long day)
    cpdef take(self, object key, long long day)
