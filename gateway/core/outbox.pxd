# Table of contents of outbox.py: the same source, compiled.

cimport cython

from gateway.core.inflight cimport InFlight
from gateway.core.dedupe cimport Order
from gateway.core.orderlog cimport OrderLog
from gateway.core.session cimport Session
from gateway.core.statistics cimport Counters, Stages

cdef int _ANSWERED
cdef int _REFUSED_STATE
cdef int _OK
cdef int _PROTOCOL
cdef int _REFUSED
cdef int _FIRST_REFUSAL


cdef class Outbox:
    cdef readonly Counters counters
    cdef readonly Stages stages
    cdef list _pending
    cdef OrderLog _log
    cdef object _held, _recalled
    cdef long long _durable
    # The codec's functions, bound once.
    cdef object _encode_reply, _encode_error, _pack

    @cython.locals(session=Session, order=Order)
    cpdef reply(self, InFlight request, int status, bytes result)

    cpdef recall(self, InFlight request, int status, bytes result)

    @cython.locals(request=InFlight, status=int, result=bytes)
    cpdef release(self, long long durable)

    cpdef answer(self, InFlight request, bytes result)
    cpdef fail(self, InFlight request, int status, int code, str message, detail)
    cpdef refuse(self, InFlight request, int code, str message)
    cpdef notice(self, Session session, str kind, result)

    @cython.locals(session=Session)
    cpdef notice_all(self, list sessions, str kind, result)

    cpdef bint is_empty(self)

    # `now` stays a Python integer: made once, used by every reply.
    @cython.locals(pending=list, frames=list, request=InFlight, session=Session, now=object)
    cpdef list flush(self, long long now_ns)
