# Table of contents of accounts.py: the same source, compiled.

cimport cython

from gateway.core.lanes cimport LaneQueue, Worker

cdef int _TRADE


cdef class Account:
    cdef readonly str name
    cdef readonly object rules
    # What is proven; login is below 2**63.
    cdef readonly object login
    cdef readonly str server
    cdef readonly dict proof
    cdef public str rejection
    cdef readonly list workers
    # Hot: a request finds its lane by number, and its cache key's beginning by the call's.
    cdef readonly list lanes
    cdef readonly bytes prefix
    cdef readonly dict prefixes

    @cython.locals(queue=LaneQueue)
    cpdef order_refusal(self, bint is_exit)
