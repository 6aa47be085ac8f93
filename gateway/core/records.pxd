# Table of contents of records.py: the same source, compiled. Sequences and times are u64.

cimport cython

cpdef bytes encode(int kind, object sequence, object wall_ns, object now_ns, object generation, bytes body)
cpdef bytes accepted_body(long long birth_ms, bytes client, bytes order_id, bytes account, bint is_exit,
                          bint has_kwargs, bytes tail)
cpdef tuple read_accepted(bytes body)
cpdef bytes sent_body(object number, object call_id, str worker)
cpdef tuple read_sent(bytes body)
cpdef bytes settled_body(object number, int state, int status, bytes result)
cpdef tuple read_settled(bytes body)

@cython.locals(records=list, offset=Py_ssize_t, size=Py_ssize_t, length=Py_ssize_t, rest=bytes)
cpdef tuple read_sound(bytes data, object sequence)
