# Table of contents of inflight.py: the same source, compiled. Times are nanoseconds on the monotonic clock (int64).

cimport cython

cdef tuple _MOVE_MASKS
cdef int _SLOT_BITS
cdef long long _SLOTS
cdef long long _SLOT_MASK


cdef class CallPlan:
    cdef readonly str name
    cdef readonly int index, lane
    cdef readonly long long ttl_ns, cache_ns
    cdef readonly bint is_gateway, is_order, is_quote, clears_specs


cdef class InFlight:
    # Who asked, and what. `session`, `account`, `worker` and `lane` are typed where they are used: their modules
    # stand above this one.
    cdef public bytes identity
    cdef public object session
    cdef public object request_id      # u64
    cdef public CallPlan plan
    cdef public object account
    cdef public bytes tail
    cdef public bint has_kwargs, is_exit
    # An order's: `order` is a `dedupe.Order`, once it is accepted.
    cdef public str order_id
    cdef public long long birth_ms
    cdef public object intent          # an `intents.Intent`, where risk has judged it
    cdef public object order
    cdef public object asker           # who is told the end of a request of the gateway's own
    # Where it is.
    cdef public int state, attempts
    cdef public object call_id         # u64
    cdef public object worker
    cdef public object lane
    cdef public long long received_ns, deadline_ns, sent_ns, returned_ns, wait_ns, call_ns
    # What it was answered.
    cdef public int status
    cdef public bytes result
    # Chains.
    cdef public InFlight queue_before, queue_after, wheel_before, wheel_after
    cdef public long long wheel_slot
    cdef public bint in_wheel

    cpdef move(self, int state)


@cython.locals(request=InFlight)
cpdef InFlight new_request(bytes identity, object request_id, long long received_ns)


cdef class Fifo:
    cdef public InFlight head, tail
    cdef public Py_ssize_t size

    @cython.locals(last=InFlight)
    cpdef push(self, InFlight request)

    @cython.locals(first=InFlight)
    cpdef push_front(self, InFlight request)

    @cython.locals(before=InFlight, after=InFlight)
    cpdef remove(self, InFlight request)


cdef class DeadlineWheel:
    cdef list _heads
    cdef long long _cursor
    cdef public Py_ssize_t size

    @cython.locals(slot="long long", index=Py_ssize_t, first=InFlight)
    cpdef long long add(self, InFlight request)

    @cython.locals(before=InFlight, after=InFlight)
    cpdef remove(self, InFlight request)

    @cython.locals(due=list, found=list, end="long long", start="long long", slot="long long", request=InFlight, after=InFlight)
    cpdef list expired(self, long long now_ns)

    @cython.locals(slot="long long", end="long long")
    cpdef long long next_due_ns(self, long long until_ns)
