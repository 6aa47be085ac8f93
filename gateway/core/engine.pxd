# Table of contents of engine.py: the same source, compiled.

cimport cython

from gateway.core.accounts cimport Account
from gateway.core.dedupe cimport Order
from gateway.core.dispatch cimport Dispatcher
from gateway.core.inflight cimport CallPlan, InFlight, new_request
from gateway.core.lanes cimport LaneQueue, Worker
from gateway.core.orderids cimport birth_ms, made_id
from gateway.core.orderlog cimport OrderLog
from gateway.core.orders cimport is_exit, look_alike, trade_request
from gateway.core.outbox cimport Outbox
from gateway.core.returns cimport Returns
from gateway.core.risk cimport Risk
from gateway.core.session cimport Session, SessionTable
from gateway.core.statistics cimport Counters
from gateway.core.workers cimport WorkerTable

cdef int _KIND_RETURN
cdef int _KIND_BEGUN
cdef int _KIND_READY
cdef int _KIND_HEARTBEAT
cdef int _KIND_GOODBYE
cdef long long _NS_PER_MS
cdef long long _NEVER_NS
cdef bytes _KILL
cdef bytes _RESUME
cdef Py_ssize_t _NAME_ENDS
cdef int _ANSWERED
cdef int _REFUSED
cdef int _ORDER_UNKNOWN
cdef str _NO_ID
cdef str _FENCED


cdef class Engine:
    cdef readonly Counters counters
    # Who and what.
    cdef dict _accounts, _plans
    cdef SessionTable _sessions
    cdef Dispatcher _dispatcher
    cdef Outbox _outbox
    cdef WorkerTable _workers
    cdef Returns _returns
    cdef OrderLog _log
    cdef Risk _risk
    cdef object _control, _risk_desk
    cdef dict _thrown                      # switches that refuse entries; empty: none does
    cdef object _watcher, _desk, _events, _cache, _quotes, _limits
    cdef object _generation
    # Time.
    cdef long long _session_timeout_ns, _next_sweep_ns, _look_ns
    cdef bint _closed
    # The codec's functions, bound once.
    cdef object _decode_request, _decode_arguments, _pack, _worker_kind

    @cython.locals(identity=bytes)
    cpdef receive_clients(self, long long now_ns, list burst)

    @cython.locals(urgent=list, item=tuple, frame=bytes)
    cpdef list take_urgent(self, list burst)

    @cython.locals(request=InFlight, plan=CallPlan, session=Session, account=Account, ttl_ms="long long")
    cdef _client_frame(self, long long now_ns, bytes identity, bytes frame)

    @cython.locals(queue=LaneQueue)
    cdef _read(self, long long now_ns, InFlight request, Session session, Account account, CallPlan plan)

    @cython.locals(known=Order, wall_ns="long long")
    cdef _order(self, long long now_ns, InFlight request, Session session, Account account)

    cdef _doubted(self, InFlight request)

    @cython.locals(twin=Order)
    cdef Order _twin_in_doubt(self, Session session, Account account, dict fields)

    @cython.locals(account=Account)
    cdef _repeated(self, InFlight request, Order known)

    cdef _gateway_call(self, long long now_ns, InFlight request, str name, Session session, bytes tail, bint has_kwargs)

    @cython.locals(identity=bytes)
    cpdef receive_workers(self, long long now_ns, list burst)

    @cython.locals(kind=int, worker=Worker)
    cdef _worker_frame(self, long long now_ns, bytes identity, bytes frame)

    @cython.locals(dispatcher=Dispatcher)
    cpdef tick(self, long long now_ns)

    cpdef next_deadline_ns(self)
    cpdef set_wall_clock(self, long long now_ns, long long wall_ns)
    cpdef take_records(self)
    cpdef durable(self, long long sequence)
    cpdef bint has_output(self)
    cpdef flush(self, long long now_ns)
    cpdef undeliverable_clients(self, long long now_ns, list indexes)
    cpdef undeliverable_workers(self, long long now_ns, list indexes)
