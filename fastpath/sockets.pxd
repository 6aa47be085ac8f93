"""ROUTER and DEALER sockets of pyzmq, driven straight through libzmq's functions: whole bursts, never waiting.

The objects borrow pyzmq's sockets: who opened a socket closes it, and sets its options. One thread owns each.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from fastpath.libzmq cimport zmq_msg_t


cdef enum:
    MAX_DELIMITED = 4096   # remembered peers that send REQ's empty delimiter
    MAX_WAITED = 16        # sockets in one wait
    IDENTITIES = 256       # slots of identities whose bytes objects are used again
    IDENTITY_MAX_BYTES = 64


# A frame received: 1; nothing there: 0.
cdef int receive(zmq_msg_t *message, void *handle) except -1

# Take and drop what is left of a message that began with other frames.
cdef int drain(zmq_msg_t *message, void *handle) except -1


cdef class RouterSocket:
    # The socket, and its limit for a frame.
    cdef readonly object socket
    cdef readonly int64_t max_bytes
    # What is known of peers: who sends delimiters, and bytes objects made before.
    cdef set delimited
    cdef PyObject *identities[IDENTITIES]
    # What came that can't be used, and what couldn't be sent.
    cdef readonly int64_t malformed
    cdef readonly int64_t oversized
    cdef readonly int64_t full
    cdef readonly int64_t unreachable

    cdef bytes identity_of(self, zmq_msg_t *message)
    cdef object receive_rest(self, zmq_msg_t *message, void *handle, bytes identity)
    cdef int send_one(self, void *handle, bytes identity, bytes frame) except -1


cdef class DealerSocket:
    cdef readonly object socket
    cdef readonly int64_t malformed
    cdef readonly int64_t full
