"""Bursts on ROUTER and DEALER sockets, and waiting for several, without a Python object between libzmq and the bytes.

It must never know what the bytes mean, and never wait except in `wait`, which lets other threads run. Rules:

- A frame larger than `max_bytes` is not copied: it arrives as None, so that the broker can answer it.
- A message of several frames is drained and arrives as b"". One empty frame before the only frame is REQ's delimiter:
  it is taken off, remembered with the peer, and put before whatever is sent to that peer.
- What can't be sent now is not sent: its index is returned, and whoever called decides.
- A signal never breaks a burst in two: calls that don't wait are repeated, and its handler runs when the burst is over.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcmp, memcpy

from fastpath.libzmq cimport (
    ZMQ_DEALER,
    ZMQ_DONTWAIT,
    ZMQ_POLLIN,
    ZMQ_ROUTER,
    ZMQ_SNDMORE,
    handle_of,
    lib,
    raise_error,
    type_of,
    zmq_pollitem_t,
)

import errno

import zmq

from fastpath import libzmq as _libzmq

if not _libzmq.AVAILABLE:
    raise ImportError(_libzmq.REASON)

__all__ = ("DealerSocket", "RouterSocket", "wait")

cdef int EAGAIN = zmq.EAGAIN
cdef int EINTR = errno.EINTR
cdef int EHOSTUNREACH = zmq.EHOSTUNREACH

# --- receiving ------------------------------------------------------------------------------------------------------


cdef int receive(zmq_msg_t *message, void *handle) except -1:
    cdef int number
    while lib.msg_recv(message, handle, ZMQ_DONTWAIT) < 0:
        number = lib.last_error()
        if number == EAGAIN:
            return 0
        if number != EINTR:
            return raise_error()
    return 1


cdef int drain(zmq_msg_t *message, void *handle) except -1:
    # The frames of a message arrive in libzmq together: while one says that more follow, the next is there.
    while lib.msg_more(message):
        if not receive(message, handle):
            break
    return 0


cdef inline bytes _bytes_of(zmq_msg_t *message):
    return PyBytes_FromStringAndSize(<char *> lib.msg_data(message), <Py_ssize_t> lib.msg_size(message))


cdef class RouterSocket:
    """Burst receive and non-blocking send on a ROUTER socket with ROUTER_MANDATORY set."""

    def __cinit__(self, socket not None, int64_t max_bytes):
        if type_of(socket) != ZMQ_ROUTER:
            raise TypeError(f"socket: expected a ROUTER, got type {type_of(socket)}")
        if max_bytes < 1:
            raise ValueError(f"max_bytes: expected at least 1, got {max_bytes}")
        self.socket = socket
        self.max_bytes = max_bytes
        self.delimited = set()

    def __dealloc__(self):
        cdef int slot
        for slot in range(IDENTITIES):
            Py_XDECREF(self.identities[slot])

    cdef bytes identity_of(self, zmq_msg_t *message):
        """The peer's identity, the same object each time: its hash is known then, and nothing is allocated."""
        cdef const uint8_t *at = <const uint8_t *> lib.msg_data(message)
        cdef size_t size = lib.msg_size(message)
        cdef size_t slot
        cdef uint64_t tail = 0
        cdef bytes identity
        if size > IDENTITY_MAX_BYTES:
            return _bytes_of(message)
        memcpy(&tail, at + size - 8 if size >= 8 else at, 8 if size >= 8 else size)
        slot = <size_t> ((tail * 0x9E3779B97F4A7C15ULL) >> 56)
        if self.identities[slot] != NULL:
            identity = <bytes> self.identities[slot]
            if <size_t> PyBytes_GET_SIZE(identity) == size and not memcmp(PyBytes_AS_STRING(identity), at, size):
                return identity
        identity = _bytes_of(message)
        Py_INCREF(identity)
        Py_XDECREF(self.identities[slot])
        self.identities[slot] = <PyObject *> identity
        return identity

    cdef object receive_rest(self, zmq_msg_t *message, void *handle, bytes identity):
        """The frame behind the identity: bytes, None if it is too large, b"" for other than one."""
        cdef bint delimiter = False
        if lib.msg_more(message):
            receive(message, handle)
            if lib.msg_size(message) == 0 and lib.msg_more(message):
                delimiter = True
                receive(message, handle)
            if not lib.msg_more(message):
                if delimiter:
                    if len(self.delimited) >= MAX_DELIMITED:
                        self.delimited.clear()  # they are remembered anew with their next message
                    self.delimited.add(identity)
                if lib.msg_size(message) > <size_t> self.max_bytes:
                    self.oversized += 1
                    return None
                return _bytes_of(message)
        drain(message, handle)
        self.malformed += 1
        return b""

    def recv_burst(self, Py_ssize_t limit):
        """Return up to `limit` messages as (identity, frame), without waiting. O(bytes); copies."""
        cdef zmq_msg_t message
        cdef void *handle = handle_of(self.socket)
        cdef list burst = []
        cdef bytes identity
        lib.msg_init(&message)
        try:
            while limit > 0 and receive(&message, handle):
                identity = self.identity_of(&message)
                burst.append((identity, self.receive_rest(&message, handle, identity)))
                limit -= 1
        finally:
            lib.msg_close(&message)
        return burst

    cdef int send_one(self, void *handle, bytes identity, bytes frame) except -1:
        """1 if sent, 0 if the peer is full or gone (counted).

        With ROUTER_MANDATORY libzmq refuses a full or missing peer at the first frame, before anything is queued; the
        frames behind it are then written into that peer's pipe without waiting, or thrown away if it breaks meanwhile.
        So there is no message begun and left: what can fail for want of memory is done before the first frame.
        """
        cdef zmq_msg_t message
        cdef int number
        if lib.msg_init_size(&message, <size_t> PyBytes_GET_SIZE(frame)) < 0:
            return raise_error()
        memcpy(lib.msg_data(&message), PyBytes_AS_STRING(frame), <size_t> PyBytes_GET_SIZE(frame))
        try:
            while lib.send(
                handle, PyBytes_AS_STRING(identity), <size_t> PyBytes_GET_SIZE(identity), ZMQ_DONTWAIT | ZMQ_SNDMORE
            ) < 0:
                number = lib.last_error()
                if number == EAGAIN:
                    self.full += 1
                    return 0
                if number == EHOSTUNREACH:
                    self.unreachable += 1
                    return 0
                if number != EINTR:
                    return raise_error()
            if self.delimited and identity in self.delimited:
                _finish_frame(NULL, handle)
            _finish_frame(&message, handle)
            return 1
        finally:
            lib.msg_close(&message)  # empty after it was sent

    def send_burst(self, messages not None):
        """Send all (identity, frame), never waiting; return the indexes that found their peer full or gone."""
        cdef void *handle = handle_of(self.socket)
        cdef list failed = []
        cdef Py_ssize_t index = 0
        for identity, frame in messages:
            if type(identity) is not bytes or type(frame) is not bytes:
                raise TypeError(
                    f"message {index}: expected (bytes, bytes), got "
                    f"({type(identity).__name__}, {type(frame).__name__})"
                )
            if not self.send_one(handle, <bytes> identity, <bytes> frame):
                failed.append(index)
            index += 1
        return failed


cdef int _finish_frame(zmq_msg_t *message, void *handle) except -1:
    """A frame behind an accepted identity: the empty delimiter (NULL) or the last."""
    cdef int sent
    while True:
        if message == NULL:
            sent = lib.send(handle, NULL, 0, ZMQ_DONTWAIT | ZMQ_SNDMORE)
        else:
            sent = lib.msg_send(message, handle, ZMQ_DONTWAIT)
        if sent >= 0:
            return 0
        if lib.last_error() != EINTR:
            return raise_error()  # the context or the socket is being closed: nothing more is sent on it


cdef class DealerSocket:
    """Burst receive and non-blocking send on a DEALER socket."""

    def __cinit__(self, socket not None):
        if type_of(socket) != ZMQ_DEALER:
            raise TypeError(f"socket: expected a DEALER, got type {type_of(socket)}")
        self.socket = socket

    def recv_burst(self, Py_ssize_t limit):
        """Take up to `limit` messages without waiting, and return those of a single frame. O(bytes); copies."""
        cdef zmq_msg_t message
        cdef void *handle = handle_of(self.socket)
        cdef list burst = []
        lib.msg_init(&message)
        try:
            while limit > 0 and receive(&message, handle):
                if lib.msg_more(&message):
                    drain(&message, handle)
                    self.malformed += 1
                else:
                    burst.append(_bytes_of(&message))
                limit -= 1
        finally:
            lib.msg_close(&message)
        return burst

    def send(self, bytes frame not None):
        """Send one frame; False if it would have to wait."""
        cdef void *handle = handle_of(self.socket)
        cdef int number
        while lib.send(handle, PyBytes_AS_STRING(frame), <size_t> PyBytes_GET_SIZE(frame), ZMQ_DONTWAIT) < 0:
            number = lib.last_error()
            if number == EAGAIN:
                self.full += 1
                return False
            if number != EINTR:
                raise_error()
        return True


# --- waiting --------------------------------------------------------------------------------------------------------


def wait(sockets not None, long timeout_ms):
    """Wait until a socket can be read, at most `timeout_ms` (-1: for ever); return a bit mask, lowest bit first."""
    cdef zmq_pollitem_t[MAX_WAITED] items
    cdef Py_ssize_t count = 0
    cdef Py_ssize_t index
    cdef int ready
    cdef int mask = 0
    for socket in sockets:
        if count == MAX_WAITED:
            raise ValueError(f"sockets: expected at most {MAX_WAITED}")
        if isinstance(socket, (RouterSocket, DealerSocket)):
            socket = socket.socket
        items[count].socket = handle_of(socket)
        items[count].fd = 0
        items[count].events = ZMQ_POLLIN
        items[count].revents = 0
        count += 1
    with nogil:
        ready = lib.poll(items, <int> count, timeout_ms)
    if ready < 0:
        if lib.last_error() != EINTR:
            raise_error()
        PyErr_CheckSignals()
        return 0
    for index in range(count):
        if items[index].revents & ZMQ_POLLIN:
            mask |= 1 << <int> index
    return mask
