"""Binds libzmq's functions at import. `AVAILABLE` says whether that went well; `REASON` why it didn't.

Loading pyzmq's own extension module once more through ctypes gives a handle from which every zmq_ symbol can be
resolved, since the loader follows its dependencies: no header, no link step, no second libzmq. On Windows libzmq is
linked into that module without being exported, so there it is not available and pyzmq's plain path serves.
"""

import ctypes

import zmq

from libc.string cimport memcpy

cdef Functions lib

AVAILABLE = False
REASON = ""

# In the order of `Functions`: the addresses are laid into it one after the other.
_NAMES = (
    "zmq_errno",
    "zmq_version",
    "zmq_send",
    "zmq_msg_init",
    "zmq_msg_init_size",
    "zmq_msg_close",
    "zmq_msg_send",
    "zmq_msg_recv",
    "zmq_msg_data",
    "zmq_msg_size",
    "zmq_msg_more",
    "zmq_getsockopt",
    "zmq_poll",
)


def _bind():
    """Fill `lib`; raises ImportError with the reason where libzmq can't be reached."""
    cdef Py_ssize_t index
    cdef size_t address
    cdef void *function
    cdef int major, minor, patch
    if sizeof(Functions) != len(_NAMES) * sizeof(void *):
        raise ImportError("libzmq: the table of functions and the list of their names differ")
    try:
        from zmq.backend.cython import _zmq

        library = ctypes.CDLL(_zmq.__file__)
        addresses = [ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in _NAMES]
    except (ImportError, AttributeError, OSError) as error:
        raise ImportError(f"libzmq can't be reached through pyzmq {zmq.__version__}: {error}") from error
    for index in range(len(_NAMES)):
        address = addresses[index]
        function = <void *> address
        memcpy((<char *> &lib) + index * <Py_ssize_t> sizeof(void *), &function, sizeof(void *))
    lib.version(&major, &minor, &patch)
    if (major, minor, patch) != zmq.zmq_version_info() or major != 4:
        raise ImportError(f"libzmq: expected the {zmq.zmq_version()} that pyzmq uses, got {major}.{minor}.{patch}")


try:
    _bind()
    AVAILABLE = True
except ImportError as _error:
    REASON = str(_error)


cdef void *handle_of(object socket) except NULL:
    cdef size_t address
    if socket.closed:
        raise zmq.ZMQError(zmq.ENOTSOCK)
    address = socket.underlying
    return <void *> address


cdef int type_of(object socket) except -1:
    cdef int kind = 0
    cdef size_t size = sizeof(kind)
    if lib.getsockopt(handle_of(socket), ZMQ_TYPE, &kind, &size) < 0:
        return raise_error()
    return kind


cdef int raise_error() except -1:
    cdef int number = lib.last_error()
    if number == zmq.EAGAIN:
        raise zmq.Again(number)
    if number == zmq.ETERM:
        raise zmq.ContextTerminated(number)
    raise zmq.ZMQError(number)
