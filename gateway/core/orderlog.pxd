# Table of contents of orderlog.py: the same source, compiled.

cimport cython

from gateway.core.dedupe cimport Order, OrderTable, new_order
from gateway.core.inflight cimport InFlight
from gateway.core.records cimport read_accepted, read_sent, read_settled

cdef int _START
cdef int _ACCEPTED
cdef int _SENT
cdef int _SETTLED
cdef int _DURABLE
cdef int _ORDER_ACCEPTED
cdef int _ORDER_SENT
cdef int _ORDER_UNKNOWN
cdef int _ORDER_ANSWERED
cdef int _ORDER_REFUSED
cdef int _ORDER_NOT_FOUND
cdef int _STATUS_REFUSED
cdef int _STATUS_UNKNOWN


cdef class OrderLog:
    cdef readonly OrderTable table
    cdef readonly dict unknown
    cdef dict _recovered
    # Where the journal is.
    cdef public long long sequence, reopened, now_ns, wall_offset_ns
    cdef readonly bint gated
    cdef list _pending
    cdef public long long durable_to
    cdef long long _marked
    # What the journal can't do.
    cdef public str doubt
    cdef readonly str barred, lost, allowed_by
    cdef readonly long long unrecorded
    cdef public list remarks
    cdef public object guard
    cdef object _generation, _encode_error
    cdef object _record_of, _accepted_record, _sent_record, _settled_record
    # What was read of it, until the start.
    cdef bytes _boot_id
    cdef bint _lost_end
    cdef long long _last_wall_ns
    cdef dict _not_found

    @cython.locals(account_name=str, number="long long", wall_ns="long long", order=Order)
    cpdef accept(self, InFlight request, str client_id)

    @cython.locals(order=Order, worker_name=str, sequence="long long", wall_ns="long long")
    cpdef sent(self, InFlight request)

    cpdef replied(self, Order order, int status, bytes result)
    cpdef dropped(self, Order order)
    cpdef release(self, Order order)
    cpdef worker_settled(self, str worker_name)

    @cython.locals(order=Order)
    cpdef Order evidence(self, object generation, object call_id, int status, bytes result)

    cpdef bint evidence_for(self, Order order, int status, bytes result)
    cpdef long long note(self, int kind, bytes body) except -1
    cpdef resolve(self, Order order, int state, int status, bytes result)
    cpdef bytes take(self)
    cpdef lose(self, str why)
    cpdef bar_exits(self, str why)
    cpdef allow_exits(self, str by, str why)
    cpdef remark(self, str text)
    cpdef bint has_records(self)

    @cython.locals(table=OrderTable, order=Order, others=list, record=tuple, sequence="long long", wall_ns="long long",
                   kind=int, body=bytes)
    cpdef list recover(self, list found)

    @cython.locals(sequence="long long", wall_ns="long long")
    cdef _settle(self, Order order, int state, int status, bytes result)

    @cython.locals(sequence="long long", wall_ns="long long")
    cdef long long _record(self, int kind, bytes body) except -1
