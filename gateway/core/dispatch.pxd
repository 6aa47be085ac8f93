# Table of contents of dispatch.py: the same source, compiled.

cimport cython

from gateway.core.inflight cimport CallPlan, DeadlineWheel, InFlight
from gateway.core.lanes cimport LaneQueue, Worker
from gateway.core.orderlog cimport OrderLog
from gateway.core.outbox cimport Outbox
from gateway.core.session cimport Session

cdef int _QUEUED
cdef int _SENT
cdef int _BEGUN
cdef int _REFUSED
cdef int _EXPIRED
cdef int _UNKNOWN
cdef int _ABANDONED
cdef int _DROPPED
cdef long long _NS_PER_MS
cdef int _HALTED_AT_ONCE
cdef Py_ssize_t _ALL


cdef class Dispatcher:
    cdef readonly dict calls
    cdef readonly DeadlineWheel deadlines
    cdef public long long due_ns
    cdef object _generation
    cdef Py_ssize_t _max_queued, _max_queued_per_session
    cdef Outbox _outbox
    cdef object _encode_call
    cdef long long _next_call_id
    cdef list _outgoing, _flushed
    cdef OrderLog _log
    cdef object _held
    # What kill switches stop.
    cdef dict _thrown
    cdef object _switch_over, _halted
    cdef list _halting
    cdef bint _has_just_halted

    cpdef obey(self, dict thrown, switch_over)

    @cython.locals(worker=Worker, due_ns="long long")
    cpdef submit(self, InFlight request, Session session, LaneQueue queue)

    @cython.locals(worker=Worker, due_ns="long long")
    cpdef submit_own(self, InFlight request, LaneQueue queue)

    cpdef released(self, InFlight request)
    cpdef worker_settled(self, str worker_name)

    @cython.locals(queue=LaneQueue, request=InFlight)
    cpdef feed(self, Worker worker, long long now_ns)

    @cython.locals(worker=Worker)
    cpdef feed_lane(self, LaneQueue queue, long long now_ns)

    cpdef send_frame(self, bytes identity, bytes frame)
    cpdef bint is_empty(self)

    @cython.locals(frames=list, outgoing=list, flushed=list, request=InFlight, worker=Worker,
                   plan=CallPlan, ttl_ms="long long")
    cpdef list flush(self, long long now_ns)

    @cython.locals(call_id="long long")
    cdef _send(self, InFlight request, Worker worker)

    cpdef release(self, long long durable)

    @cython.locals(worker=Worker)
    cpdef take_back(self, InFlight request)

    @cython.locals(session=Session, queue=LaneQueue)
    cdef _leave_queue(self, InFlight request)

    @cython.locals(session=Session, queue=LaneQueue)
    cpdef requeue(self, InFlight request)

    @cython.locals(worker=Worker)
    cpdef returned(self, InFlight request)

    @cython.locals(request=InFlight, worker=Worker)
    cpdef expire(self, long long now_ns)

    cpdef long long next_due_ns(self, long long until_ns)
    cpdef recall(self, InFlight request)
    cdef _expire_queued(self, InFlight request)

    @cython.locals(worker=Worker, begun=bint)
    cpdef give_up(self, InFlight request, str why)

    cdef _no_reply(self, InFlight request, str why)

    @cython.locals(request=InFlight)
    cpdef refuse_queued(self, LaneQueue queue, bint entries_only, int code, str message)

    @cython.locals(request=InFlight, found=list, freed=list, outgoing=list, worker=Worker, count=Py_ssize_t)
    cpdef Py_ssize_t halt(self, LaneQueue queue, str client_id, long long now_ns, halt) except -1

    cpdef go_on_halting(self)
    cpdef finish_halting(self)

    @cython.locals(request=InFlight, found=list)
    cdef _take_out(self, Py_ssize_t limit)

    @cython.locals(request=InFlight)
    cdef _refuse_halted(self)

    @cython.locals(session=Session, queue=LaneQueue)
    cdef bint _halt_entry(self, InFlight request) except -1

    cdef bint _may_halt(self, InFlight request, LaneQueue queue, str client_id) except -1

    @cython.locals(session=Session)
    cdef bint _is_of(self, InFlight request, str client_id) except -1

    cdef _halt_one(self, InFlight request, halt)

    @cython.locals(queue=LaneQueue)
    cpdef refuse_unserved(self, InFlight request)

    cdef _refuse_one(self, InFlight request, int code, str message)

    @cython.locals(request=InFlight, worker=Worker)
    cpdef drop_session(self, long long now_ns, Session session)

    @cython.locals(session=Session)
    cpdef requeue_or_drop(self, InFlight request)

    @cython.locals(worker=Worker)
    cpdef forget(self, InFlight request)

    cdef _drop(self, InFlight request)

    @cython.locals(request=InFlight, queue=LaneQueue, worker=Worker)
    cpdef withdraw_orders(self, list queues, long long now_ns, int code, str message)

    @cython.locals(request=InFlight)
    cpdef end(self, list queues)
