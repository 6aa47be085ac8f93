# Table of contents of returns.py: the same source, compiled.

cimport cython

from gateway.core.accounts cimport Account
from gateway.core.dispatch cimport Dispatcher
from gateway.core.inflight cimport CallPlan, InFlight
from gateway.core.lanes cimport Worker
from gateway.core.orderlog cimport OrderLog
from gateway.core.outbox cimport Outbox
from gateway.core.session cimport Session, SessionTable
from gateway.core.workers cimport WorkerTable

cdef int _SENT
cdef int _BEGUN
cdef int _ANSWERED
cdef int _REFUSED
cdef int _UNKNOWN
cdef int _OK
cdef int _STATUS_REFUSED
cdef int _STATUS_TERMINAL
cdef int _STATUS_UNKNOWN
cdef object _MAX_DURATION_NS           # compared with what a worker says: any u64
cdef Py_ssize_t _MAX_CACHED_TAIL_BYTES
cdef Py_ssize_t _MAX_CACHED_RESULT_BYTES


cdef class Returns:
    cdef object _generation
    cdef Dispatcher _dispatcher
    cdef Outbox _outbox
    cdef WorkerTable _workers
    cdef OrderLog _log
    cdef SessionTable _sessions
    cdef object _cache
    cdef int _spec_index
    # The codec's functions, bound once.
    cdef object _decode_begun, _decode_return, _encode_error, _unpack

    @cython.locals(request=InFlight, plan=CallPlan)
    cpdef begun(self, long long now_ns, Worker worker, bytes frame)

    @cython.locals(request=InFlight, result=bytes, status=int)
    cpdef returned(self, long long now_ns, Worker worker, bytes frame)

    @cython.locals(request=InFlight, plan=CallPlan)
    cpdef unreadable(self, long long now_ns, Worker worker, str why)

    @cython.locals(request=InFlight)
    cdef InFlight _held_call(self, Worker worker, generation, call_id)

    @cython.locals(worker=Worker, plan=CallPlan, account=Account, state=int)
    cdef _take(self, long long now_ns, InFlight request, int status, bytes result)

    cdef _settle(self, InFlight request, CallPlan plan, int status, bytes result)

    @cython.locals(session=Session)
    cdef _late(self, InFlight request, int state, int status, bytes result)

    cdef _keep(self, long long now_ns, InFlight request, Account account, CallPlan plan, bytes result)
