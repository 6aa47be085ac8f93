"""The publisher's last step: sequence numbers and tick frames (PROTOCOL §6.1), batch by batch or tick by tick.

It must never know what a tick says, save its time in milliseconds, from which a cursor is counted. A frame is the same,
byte for byte, as `gateway.wire.codec.encode_ticks` would make. Nothing waits: what a socket can't take is counted as
dropped, and its numbers are used up all the same, so that subscribers see the gap.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcpy

from fastpath.libzmq cimport ZMQ_DONTWAIT, ZMQ_PUB, ZMQ_XPUB, handle_of, lib, raise_error, type_of, zmq_msg_t
from fastpath.msgpack cimport (
    Writer,
    put_array_head,
    put_binary_head,
    put_byte,
    put_raw,
    put_signed,
    put_unsigned,
    raise_local,
    raise_remote,
    start,
)

import errno

import zmq

from fastpath import libzmq as _libzmq

if not _libzmq.AVAILABLE:
    raise ImportError(_libzmq.REASON)

__all__ = ("Broadcaster",)

cdef int EAGAIN = zmq.EAGAIN
cdef int EINTR = errno.EINTR


cdef inline int64_t _time_msc(const uint8_t *record) noexcept nogil:
    """A record's own time: little-endian on every host, and not aligned."""
    cdef const uint8_t *at = record + TIME_MSC_OFFSET
    cdef uint64_t number = 0
    cdef int index
    for index in range(8):
        number |= <uint64_t> at[index] << (8 * index)
    return <int64_t> number


cdef int _check_records(Py_ssize_t size) except -1:
    if size <= 0 or size % RECORD_BYTES or size > 0xFFFFFFFFLL:  # the head counts in 32 bits
        return raise_remote(
            f"records: expected a positive multiple of {RECORD_BYTES} bytes, got {size} bytes", 100, 0
        )
    return 0


cdef class Stream:
    pass


cdef class Broadcaster:
    """Numbers each symbol's ticks 1, 2, 3, … and sends them on a PUB or XPUB socket, never waiting."""

    def __cinit__(self, socket not None, str feed not None, uint64_t epoch):
        if type_of(socket) not in (ZMQ_PUB, ZMQ_XPUB):
            raise TypeError(f"socket: expected a PUB or XPUB, got type {type_of(socket)}")
        self.socket = socket
        self.feed = feed
        self.epoch = epoch
        self.streams = {}

    cdef Stream stream_of(self, str symbol):
        cdef Stream stream = self.streams.get(symbol)
        cdef bytes topic
        cdef Writer writer
        if stream is not None:
            return stream
        topic = f"{self.feed}/{symbol}\0".encode()
        if PyBytes_GET_SIZE(topic) > MAX_PREFIX_BYTES - 10:
            raise_local(f"symbol: expected a topic of at most {MAX_PREFIX_BYTES - 10} bytes, got {len(topic)}")
        stream = Stream()
        stream.next_seq = 1
        start(&writer, stream.prefix, MAX_PREFIX_BYTES)
        put_raw(&writer, PyBytes_AS_STRING(topic), <size_t> PyBytes_GET_SIZE(topic))
        put_array_head(&writer, 5)
        put_unsigned(&writer, self.epoch)
        stream.prefix_bytes = writer.used
        self.streams[symbol] = stream
        return stream

    cdef int send(
        self,
        void *handle,
        Stream stream,
        const uint8_t *records,
        size_t size,
        int64_t cursor_msc,
        int64_t cursor_ordinal,
        uint64_t publish_ns,
    ) except -1:
        """Encode and send one frame; 1 if it went, 0 if it was dropped."""
        cdef zmq_msg_t message
        cdef Writer writer
        cdef uint8_t[NUMBERS_BYTES] numbers
        cdef uint8_t *data
        start(&writer, numbers, NUMBERS_BYTES)
        put_unsigned(&writer, stream.next_seq)
        put_byte(&writer, 0x92)
        put_signed(&writer, cursor_msc)
        put_signed(&writer, cursor_ordinal)
        put_unsigned(&writer, publish_ns)
        put_binary_head(&writer, size)
        if lib.msg_init_size(&message, stream.prefix_bytes + writer.used + size) < 0:
            return raise_error()
        data = <uint8_t *> lib.msg_data(&message)
        memcpy(data, stream.prefix, stream.prefix_bytes)
        memcpy(data + stream.prefix_bytes, numbers, writer.used)
        memcpy(data + stream.prefix_bytes + writer.used, records, size)
        stream.next_seq += size // RECORD_BYTES
        self.frames += 1
        self.ticks += size // RECORD_BYTES
        self.bytes += stream.prefix_bytes + writer.used + size
        while lib.msg_send(&message, handle, ZMQ_DONTWAIT) < 0:
            if lib.last_error() == EINTR:
                continue
            if lib.last_error() == EAGAIN:
                lib.msg_close(&message)
                self.dropped += 1
                return 0
            try:
                return raise_error()
            finally:
                lib.msg_close(&message)
        return 1

    def publish(
        self, str symbol not None, records not None, int64_t cursor_msc, int64_t cursor_ordinal, uint64_t publish_ns
    ):
        """Send one batch (n packed 60-byte ticks) as one frame; return the number of its first tick."""
        cdef Stream stream
        cdef Py_buffer view
        cdef uint64_t first_seq
        PyObject_GetBuffer(records, &view, PyBUF_SIMPLE)
        try:
            _check_records(view.len)
            stream = self.stream_of(symbol)
            first_seq = stream.next_seq
            self.send(
                handle_of(self.socket),
                stream,
                <const uint8_t *> view.buf,
                <size_t> view.len,
                cursor_msc,
                cursor_ordinal,
                publish_ns,
            )
            return first_seq
        finally:
            PyBuffer_Release(&view)

    def publish_each(self, str symbol not None, records not None, uint64_t publish_ns):
        """Send every tick as a frame of its own; return the number of the first."""
        cdef Stream stream
        cdef Py_buffer view
        cdef uint64_t first_seq
        cdef const uint8_t *record
        cdef const uint8_t *end
        cdef void *handle
        cdef int64_t time_msc, last_msc = -1, ordinal = 0
        PyObject_GetBuffer(records, &view, PyBUF_SIMPLE)
        try:
            _check_records(view.len)
            stream = self.stream_of(symbol)
            first_seq = stream.next_seq
            handle = handle_of(self.socket)
            record = <const uint8_t *> view.buf
            end = record + view.len
            while record < end:
                time_msc = _time_msc(record)
                ordinal = ordinal + 1 if time_msc == last_msc else 0
                last_msc = time_msc
                self.send(handle, stream, record, RECORD_BYTES, time_msc, ordinal, publish_ns)
                record += RECORD_BYTES
            return first_seq
        finally:
            PyBuffer_Release(&view)

    def skip(self, str symbol not None):
        """Leave one number out: the symbol's next tick doesn't continue what went before, and shows it as a gap."""
        cdef Stream stream = self.streams.get(symbol)
        if stream is not None:
            stream.next_seq += 1

    def sequence(self, str symbol not None):
        """Return the number of the symbol's last tick, 0 before the first."""
        cdef Stream stream = self.streams.get(symbol)
        return 0 if stream is None else stream.next_seq - 1
