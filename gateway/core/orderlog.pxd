# Table of contents of orderlog.py: the same source, compiled.

cimport cython

from gateway.core.dedupe cimport Order, OrderTable, new_order
from gateway.core.inflight cimport InFlight
from gateway.core.records cimport (
    accepted_body,
    encode,
    read_accepted,
    read_sent,
    read_settled,
    sent_body,
    settled_body,
)

cdef int _START
cdef int _ACCEPTED
cdef int _SENT
cdef int _SETTLED
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
    cdef public object guard
    cdef object _generation, _encode_error
    cdef bytes _boot_id

    @cython.locals(account_name=str, number="long long", order=Order)
    cpdef accept(self, InFlight request, str client_id)

    @cython.locals(order=Order, worker_name=str)
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
    cpdef bint has_records(self)

    @cython.locals(table=OrderTable, order=Order, kind=int)
    cpdef recover(self, list records)

    cdef _settle(self, Order order, int state, int status, bytes result)

    @cython.locals(sequence="long long", wall_ns="long long")
    cdef long long _record(self, int kind, bytes body) except -1
