# Table of contents of orders.py: the same source, compiled.

cdef tuple _CLOSING
cdef object _DEAL
cdef tuple _WHAT_IT_DOES

cpdef tuple trade_request(list args, dict kwargs)
cpdef bint is_exit(dict request)
cpdef bint look_alike(dict request, dict other)
