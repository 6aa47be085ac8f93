"""libzmq's C functions, bound at run time out of the copy that pyzmq brings: there is no header and no link step.

`lib` is valid only where `AVAILABLE` is true. The sockets are pyzmq's own (`socket.underlying`), so there is one
libzmq in the process and one owner of each socket. Declarations are those of libzmq 4's stable zmq.h.
"""

from libc.stdint cimport uint64_t


# zmq.h promises 64 bytes, aligned like a pointer, and nothing about what is inside.
ctypedef struct zmq_msg_t:
    uint64_t opaque[8]


ctypedef struct zmq_pollitem_t:
    void *socket
    int fd
    short events
    short revents


ctypedef struct Functions:
    # Errors: libzmq keeps its own errno, which need not be the C library's.
    int (*last_error)() noexcept nogil
    void (*version)(int *major, int *minor, int *patch) noexcept nogil

    # Whole frames, copied in: for identities and delimiters, which are small.
    int (*send)(void *socket, const void *data, size_t size, int flags) noexcept nogil

    # Messages: encoded straight into libzmq's memory, read straight out of it.
    int (*msg_init)(zmq_msg_t *message) noexcept nogil
    int (*msg_init_size)(zmq_msg_t *message, size_t size) noexcept nogil
    int (*msg_close)(zmq_msg_t *message) noexcept nogil
    int (*msg_send)(zmq_msg_t *message, void *socket, int flags) noexcept nogil
    int (*msg_recv)(zmq_msg_t *message, void *socket, int flags) noexcept nogil
    void *(*msg_data)(zmq_msg_t *message) noexcept nogil
    size_t (*msg_size)(const zmq_msg_t *message) noexcept nogil
    int (*msg_more)(const zmq_msg_t *message) noexcept nogil

    # Options and waiting.
    int (*getsockopt)(void *socket, int option, void *value, size_t *size) noexcept nogil
    int (*poll)(zmq_pollitem_t *items, int count, long timeout_ms) noexcept nogil


cdef enum:
    # Flags of send and recv.
    ZMQ_DONTWAIT = 1
    ZMQ_SNDMORE = 2
    # Events.
    ZMQ_POLLIN = 1
    # Options.
    ZMQ_TYPE = 16
    # Socket types.
    ZMQ_PUB = 1
    ZMQ_DEALER = 5
    ZMQ_ROUTER = 6
    ZMQ_XPUB = 9


cdef Functions lib

# The open socket's C handle; raises ZMQError(ENOTSOCK) when it is closed, so that no freed memory is touched.
cdef void *handle_of(object socket) except NULL

# The socket's type (ZMQ_ROUTER, …), asked of libzmq: pyzmq's own attribute has changed its name between versions.
cdef int type_of(object socket) except -1

# Raise what pyzmq raises for libzmq's last error (Again, ContextTerminated, ZMQError).
cdef int raise_error() except -1
