# Table of contents of intents.py: the same source, compiled.

cimport cython

cdef object _DEAL, _SLTP, _MODIFY, _REMOVE, _CLOSE_BY, _PENDING


cdef class Intent:
    # What it is: as its fields have it, and as the account stands.
    cdef public int kind, effect
    cdef public object action, plan
    # What it is about.
    cdef public str symbol, canonical
    cdef public int direction
    cdef public long long volume           # at most 1e9 lots: below 2**57
    cdef public double price, stop_loss
    cdef public object ticket


@cython.locals(intent=Intent)
cpdef tuple intent_of(dict fields)

cpdef double lots(long long volume)
cdef bint _is_number(object value)
