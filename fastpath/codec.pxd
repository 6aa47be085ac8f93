"""The messages on the hot paths, to bytes and back. Nothing here is offered to other compiled modules.

What the functions share: a frame is opened once (proven, its fields located, its version checked), then each field is
read by the rule for it.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from fastpath.msgpack cimport MT5GATE_MAX_FIELDS


# Rules of the protocol, from gateway.wire.messages and gateway.wire.errors, which this package must not import.
cdef enum:
    VERSION = 1
    MAX_NAME_BYTES = 64
    MAX_TTL_MS = 86400000
    RECORD_BYTES = 60
    MALFORMED = 100
    UNSUPPORTED_VERSION = 101


# A proven frame.
ctypedef struct Frame:
    # Where it ends, and where its first fields begin.
    const uint8_t *end
    const uint8_t *fields[MT5GATE_MAX_FIELDS]
    int64_t count
    # For the detail of an error; 0 until it was read.
    uint64_t request_id


# Opening a frame: prove, locate, check version and number of fields.
cdef int open_array(Frame *frame, const uint8_t *at, const uint8_t *end) except -1
cdef int open_message(Frame *frame, bytes data) except -1

# One field by its rule; each raises the remote error that names it.
cdef int read_unsigned(Frame *frame, int index, str name, uint64_t low, uint64_t high, uint64_t *number) except -1
cdef str read_name(Frame *frame, int index, str name)
cdef object read_field(Frame *frame, int index)
cdef object read_stamps(Frame *frame, int index)
cdef int read_cursor(Frame *frame, int index, uint64_t *time_msc, uint64_t *ordinal) except -1
cdef bytes read_records(Frame *frame, int index)
cdef bytes tail_from(Frame *frame, int index)
