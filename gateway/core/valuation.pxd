# Table of contents of valuation.py: the same source, compiled. Hot is what a check asks: `value` and its arithmetic.

cimport cython

from gateway.core.accounts cimport Account
from gateway.core.dispatch cimport Dispatcher
from gateway.core.inflight cimport CallPlan

cdef long long _VALUE_MAX_AGE_NS


cdef class SymbolValue:
    cdef readonly str symbol
    cdef public long long known_ns, asked_ns, tried_ns, used_ns
    cdef public double per_price, bid, ask, margin_initial

    cpdef double notional(self, double lots, double price)
    cpdef double margin(self, double lots, double price, double leverage)


cdef class Valuation:
    cdef Account _account
    cdef Dispatcher _dispatcher
    cdef CallPlan _plan
    cdef object _codec
    cdef dict _values
    cdef SymbolValue _under_way

    @cython.locals(value=SymbolValue)
    cpdef SymbolValue value(self, str symbol, long long now_ns)
