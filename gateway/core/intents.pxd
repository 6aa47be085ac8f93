# Table of contents of intents.py: the same source, compiled.

cimport cython

cdef object _DEAL, _SLTP, _MODIFY, _REMOVE, _CLOSE_BY, _PENDING
cdef int _ENTRY, _EXIT, _STOPS, _MODIFY_KIND
cdef double _VOLUME_UNITS
cdef object _MAX_LOTS, _MAX_TICKET, _MAX_TYPE


cdef class Intent:
    # What it is: as its fields have it, and as the account stands.
    cdef public int kind, effect
    cdef public object action, plan, likeness
    # What it is about.
    cdef public str symbol, canonical
    cdef public int direction
    cdef public long long volume           # at most 1e9 lots: below 2**57
    cdef public double price, stop_loss
    cdef public object ticket


@cython.locals(intent=Intent)
cpdef tuple intent_of(dict fields)

cpdef double lots(long long volume)
cpdef long long units(double volume_lots)
cdef bint _is_number(object value)
