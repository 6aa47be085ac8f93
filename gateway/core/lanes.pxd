# Table of contents of lanes.py: the same source, compiled.

cimport cython

from gateway.core.inflight cimport Fifo, InFlight

cdef int _LIVE
cdef int _TRADE


cdef class Worker:
    # Who it is and where.
    cdef readonly str name
    cdef public object epoch           # u64
    cdef public bytes identity, previous_identity
    cdef public object account         # Account: it stands above this module
    cdef public list queues
    cdef public bint attached
    # What it has proven.
    cdef public int condition
    cdef public bint proven, tradable
    cdef public dict proof
    cdef public str reason
    # Credit.
    cdef public int credit, used, stuck
    cdef public list doubtful
    cdef public bint settled
    cdef public long long last_call
    # Signs of life, and what it has done.
    cdef public long long last_seen_ns, connected_ns, calls, errors, busy_ns
    cdef public int epochs_seen

    @cython.locals(queue=LaneQueue)
    cpdef attach(self)

    @cython.locals(queue=LaneQueue)
    cpdef detach(self)


cdef class LaneQueue:
    cdef readonly str account_name, lane_name
    cdef readonly int lane
    cdef readonly list workers
    cdef readonly Py_ssize_t depth, peak
    cdef Fifo _exits, _others

    @cython.locals(best=Worker, worker=Worker, entry=bint)
    cpdef Worker pick(self, InFlight request)

    @cython.locals(request=InFlight)
    cpdef InFlight next_for(self, Worker worker)

    cpdef push(self, InFlight request)
    cpdef push_front(self, InFlight request)
    cpdef remove(self, InFlight request)

    @cython.locals(found=list, request=InFlight)
    cpdef list waiting(self, bint entries_only)

    @cython.locals(worker=Worker)
    cpdef bint trades(self)
