# Table of contents of risk.py: the same source, compiled.

cimport cython

from gateway.core.checks cimport Checks
from gateway.core.dedupe cimport Order
from gateway.core.intents cimport Intent
from gateway.core.limitset cimport Counted, LimitTable, Plan
from gateway.core.orderlog cimport OrderLog
from gateway.core.riskcase cimport AccountRisk

cdef int _ENTRY, _EXIT, _CANCEL, _OK, _UNKNOWN, _ANSWERED


cdef class Risk:
    cdef readonly object rules
    cdef readonly LimitTable table
    cdef readonly dict reasons, accounts
    cdef readonly bint active
    cdef bint _watches_equity
    cdef Checks _checks
    cdef OrderLog _log
    cdef object _codec

    cpdef tuple judge(self, dict fields, str account_name, str client_id, long long now_ns)

    @cython.locals(risk=AccountRisk, checks=Checks, plan=Plan, counted=Counted, is_exit=bint, limit="long long")
    cpdef accepted(self, Order order, Intent intent, long long now_ns)

    @cython.locals(risk=AccountRisk)
    cpdef settled(self, Order order, int state, int status, bytes result, long long now_ns)
