# Table of contents of exposure.py: the same source, compiled. Volumes are in VOLUME_UNITS: sums of 9e10 lots fit.

cimport cython

from gateway.core.intents cimport Intent
from gateway.core.limitset cimport LimitTable

cdef int _ENTRY, _EXIT, _CANCEL
cdef object _DEAL
cdef long long _LAG_NS


cdef class Group:
    cdef public long long volume, count
    cdef public list tallies


cdef class Tally:
    cdef public str symbol
    cdef public Group group
    cdef public long long bought, sold, buys, sells, claimed, items, worst, count


cdef class Claim:
    cdef public object number, position, ticket
    cdef public str client_id, symbol
    cdef public int direction
    cdef public long long volume, settled_ns


cdef class Book:
    cdef LimitTable _table
    # What the terminal last showed.
    cdef public bint netting
    cdef public object reading
    cdef public long long asked_ns
    cdef public dict positions
    # What it comes to, with the claims.
    cdef public dict tallies, groups, clients, claims, closing, owners
    cdef public Group total

    @cython.locals(tally=Tally, group=Group)
    cpdef Tally tally(self, str symbol)

    cpdef Group client(self, str client_id)
    cpdef Group canonical(self, str canonical)

    @cython.locals(tally=Tally)
    cpdef long long worst(self, str symbol)

    @cython.locals(tally=Tally, net="long long", after="long long")
    cpdef long long volume_after(self, Intent intent)

    @cython.locals(tally=Tally)
    cpdef int added_count(self, Intent intent)

    @cython.locals(tally=Tally, net="long long", under_way="long long", open_volume="long long")
    cpdef bint reduces(self, Intent intent)

    @cython.locals(claim=Claim)
    cpdef claim(self, object number, str client_id, Intent intent, bint is_reducing)

    @cython.locals(claim=Claim)
    cpdef drop(self, object number)

    @cython.locals(claim=Claim)
    cpdef settled(self, object number, object ticket, long long now_ns)

    @cython.locals(claim=Claim, known=dict)
    cpdef seen(self, object ledger, long long asked_ns)

    @cython.locals(claim=Claim, owners=dict)
    cpdef _rebuild(self)

    @cython.locals(tally=Tally)
    cdef _count(self, Claim claim, int sign)

    @cython.locals(group=Group)
    cdef _own(self, str client_id, long long volume, int count)

    @cython.locals(net="long long", worst="long long", count="long long", group=Group)
    cdef _weigh(self, Tally tally)


cdef bint _is_shown(Claim claim, dict orders, dict history, long long asked_ns) except -1
