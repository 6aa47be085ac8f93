# Table of contents of dedupe.py: the same source, compiled.

cimport cython

cdef tuple _ORDER_MOVE_MASKS
cdef int _UNKNOWN
cdef long long _NS_PER_MS
cdef int _BLOCK_BITS
cdef int _FORGET_AT_ONCE


cdef class Order:
    # What was accepted.
    cdef public long long number
    cdef public str client_id, order_id, account_name
    cdef public long long birth_ms
    cdef public bint is_exit, has_kwargs
    cdef public bytes tail
    cdef public long long accepted_wall_ns
    # What became of it.
    cdef public int state
    cdef public object generation, call_id
    cdef public str worker_name
    cdef public int status
    cdef public bytes result
    cdef public long long settled_wall_ns, doubted_ns, released_ns

    cpdef move(self, int state)
    cpdef bint is_settled(self)


@cython.locals(order=Order)
cpdef Order new_order(long long number, str client_id, str order_id, str account_name, long long birth_ms, bint is_exit,
                      bint has_kwargs, bytes tail, long long wall_ns)


cdef class OrderTable:
    cdef readonly dict by_client, by_call, unsettled
    cdef public long long horizon_ms
    cdef readonly long long forgotten
    cdef object _retention, _settled
    cdef dict _blocks

    @cython.locals(orders=dict)
    cpdef Order find(self, str client_id, str order_id)

    @cython.locals(ahead_ms="long long")
    cpdef str refusal(self, long long birth_ms, long long wall_ns)

    @cython.locals(orders=dict)
    cpdef add(self, Order order)

    cpdef settle(self, Order order, int state, int status, bytes result, long long wall_ns)

    @cython.locals(oldest_ns="long long", horizon_ms="long long", order=Order)
    cpdef forget_old(self, long long wall_ns)

    @cython.locals(orders=dict)
    cdef _forget(self, Order order)
