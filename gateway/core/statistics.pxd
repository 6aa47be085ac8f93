# Table of contents of statistics.py: the same source, compiled.

from gateway.core.histogram cimport Histogram
from gateway.core.inflight cimport InFlight


cdef class Counters:
    cdef public long long frames_from_clients, frames_from_workers, replies, notices, replies_dropped, requests_dropped
    cdef public dict refusals
    cdef public long long quotes_from_board, orders_repeated, orders_unknown, orders_reconciled, orders_not_found, late_answers, orders_unresolved
    cdef public long long reads_repeated, reads_unanswered, late_returns
    cdef public long long stray_frames, malformed_from_workers
    cdef public long long sessions_opened, sessions_ended, sessions_fenced, sessions_expired
    cdef public long long workers_lost, workers_rejected, undeliverable_to_clients, undeliverable_to_workers

    cpdef refused(self, int code)


cdef class Stages:
    cdef readonly Histogram queue, transport, worker_wait, terminal, total

    cpdef record(self, InFlight request, long long replied_ns)
