# Table of contents of equity.py: the same source, compiled. Money is in the account's currency, times are u63.

cimport cython

cdef long long _NS_PER_S, _DAY_S


cdef class DayClock:
    cdef public long long day, offset_s
    cdef long long _reset_s
    cdef object _newest_msc                # as a worker says it: any u64
    cdef bint _on_server

    cpdef long long of(self, long long wall_ns)


cdef class EquityWatch:
    cdef readonly DayClock clock
    cdef readonly double equity, baseline, peak, day_loss, drawdown, worst_day_loss, worst_drawdown
    cdef readonly object last_flow         # a ticket, as a worker says it
    cdef bint _is_day_open
    cdef set _flows
    cdef object _recent
