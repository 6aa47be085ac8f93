# Table of contents of orders.py: the same source, compiled.

cdef tuple _CLOSING
cdef object _DEAL

cpdef tuple trade_request(list args, dict kwargs)
cpdef bint is_exit(dict request)
