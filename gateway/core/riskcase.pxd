# Table of contents of riskcase.py: the same source, compiled.

from gateway.core.accounts cimport Account
from gateway.core.equity cimport EquityWatch
from gateway.core.exposure cimport Book
from gateway.core.intents cimport Intent
from gateway.core.limitset cimport Plan
from gateway.core.valuation cimport SymbolValue, Valuation


cdef class AccountRisk:
    cdef public Account account
    cdef public EquityWatch equity
    cdef public Valuation values
    cdef public Book book
    cdef public bint is_unrecorded
    cdef public long long recorded_ns


cdef class Case:
    cdef public Intent intent
    cdef public Plan plan
    cdef public SymbolValue value
    cdef public AccountRisk risk
    cdef public long long now_ns, wall_ns
    cdef public bint is_entry
    cdef public double bid, ask


cdef class Refusal:
    cdef readonly str text
    cdef readonly dict detail


cpdef Refusal refusal(Case case, str name, str expected, str found)
cpdef Refusal told(str name, str scope, str expected, str found)
