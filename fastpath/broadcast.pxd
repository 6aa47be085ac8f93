"""Numbers each symbol's ticks and sends them as tick frames, encoded straight into libzmq's memory."""

from libc.stdint cimport int64_t, uint8_t, uint64_t


cdef enum:
    RECORD_BYTES = 60        # one tick, structs.TICK_DTYPE
    TIME_MSC_OFFSET = 40     # of time_msc inside it
    MAX_PREFIX_BYTES = 512   # topic and epoch: bounds the frame's head on the stack
    NUMBERS_BYTES = 48       # array head and five numbers or heads of at most 9 bytes


cdef class Stream:
    # What every frame of a symbol begins with: topic, array head, epoch.
    cdef uint8_t prefix[MAX_PREFIX_BYTES]
    cdef size_t prefix_bytes
    # The number of its next tick.
    cdef uint64_t next_seq


cdef class Broadcaster:
    # Where to, and as whom.
    cdef readonly object socket
    cdef readonly str feed
    cdef readonly uint64_t epoch
    # Symbol to Stream.
    cdef dict streams
    # What was sent, and what wasn't.
    cdef readonly uint64_t frames
    cdef readonly uint64_t ticks
    cdef readonly uint64_t bytes
    cdef readonly uint64_t dropped

    cdef Stream stream_of(self, str symbol)
    cdef int send(
        self,
        void *handle,
        Stream stream,
        const uint8_t *records,
        size_t size,
        int64_t cursor_msc,
        int64_t cursor_ordinal,
        uint64_t publish_ns,
    ) except -1
