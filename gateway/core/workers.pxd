# Table of contents of workers.py: the same source, compiled. All but `seen` is rare.

cimport cython

from gateway.core.accounts cimport Account
from gateway.core.dispatch cimport Dispatcher
from gateway.core.lanes cimport LaneQueue, Worker
from gateway.core.statistics cimport Counters

cdef int _LIVE
cdef int _LOST
cdef int _DEAD
cdef int _TRADE


cdef class WorkerTable:
    cdef readonly dict by_name, by_identity
    cdef dict _accounts
    cdef Dispatcher _dispatcher
    cdef Counters _counters
    cdef object _cache, _limits, _buried
    cdef bytes _heartbeat, _welcome

    cpdef seen(self, Worker worker, long long now_ns)

    @cython.locals(worker=Worker)
    cpdef sweep(self, long long now_ns)
