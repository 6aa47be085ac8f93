# Table of contents of session.py: the same source, compiled. Tokens are Python integers: u64 with the top bit set.

from gateway.core.accounts cimport Account

cdef object _U64
cdef object _TOP_BIT


cdef class Session:
    cdef readonly object token
    cdef readonly str client_id
    cdef readonly bytes identity
    cdef readonly Account account
    cdef public long long last_seen_ns
    cdef public dict requests
    cdef public Py_ssize_t queued
    cdef public bint ended


cdef class SessionTable:
    cdef readonly dict by_token, by_client
    cdef readonly Py_ssize_t peak
    cdef object _seed, _counter

    cpdef Session open(self, str client_id, bytes identity, Account account, long long now_ns)
    cpdef close(self, Session session)
    cpdef list silent(self, long long now_ns, long long timeout_ns)
