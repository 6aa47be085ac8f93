# Table of contents of orderids.py: the same source, compiled.

cimport cython

cdef int _MAX_BYTES
cdef int _ULID_CHARACTERS
cdef int _TIME_CHARACTERS
cdef str _CROCKFORD
cdef int _NO_DIGIT
cdef bytes _VALUES
cdef frozenset _LABEL
cdef long long _MAX_TIME

@cython.locals(size=Py_ssize_t, index=Py_ssize_t, value=int, born="long long")
cpdef long long birth_ms(str order_id)
cpdef str made_id(object born_ms, object generation, object sequence)
