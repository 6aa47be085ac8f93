# Table of contents of riskcase.py: the same source, compiled.

from gateway.core.exposure cimport Book
from gateway.core.intents cimport Intent


cdef class AccountRisk:
    cdef public object account, equity, values
    cdef public Book book
    cdef public bint is_unrecorded
    cdef public long long recorded_ns


cdef class Case:
    cdef public Intent intent
    cdef public object plan, value
    cdef public AccountRisk risk
    cdef public long long now_ns, wall_ns
    cdef public bint is_entry


cdef class Refusal:
    cdef readonly str text
    cdef readonly dict detail
