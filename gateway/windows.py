"""What `gateway.process` needs of Windows' kernel: whether a process has gone, and children that end with their parent.

Loaded on Windows (and in Wine) alone. Source: Microsoft's documentation of job objects.
"""

import ctypes
from collections.abc import Callable
from typing import Any, Final

__all__ = ("Job", "process_gone")

_SYNCHRONIZE: Final = 0x0010_0000
_SET_QUOTA_AND_TERMINATE: Final = 0x0101
_EXTENDED_LIMIT_INFORMATION: Final = 9
_KILL_ON_JOB_CLOSE: Final = 0x2000
_SILENT_BREAKAWAY_OK: Final = 0x1000


class _ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION, of which only the flags are used."""

    _fields_ = (
        ("process_user_time", ctypes.c_int64),
        ("job_user_time", ctypes.c_int64),
        ("flags", ctypes.c_uint32),
        ("minimum_working_set", ctypes.c_size_t),
        ("maximum_working_set", ctypes.c_size_t),
        ("active_processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority_class", ctypes.c_uint32),
        ("scheduling_class", ctypes.c_uint32),
        ("io_counters", ctypes.c_uint64 * 6),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("peak_process_memory", ctypes.c_size_t),
        ("peak_job_memory", ctypes.c_size_t),
    )


def _kernel32() -> Any:
    kernel32: Any = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    for name in ("OpenProcess", "CreateJobObjectW"):
        getattr(kernel32, name).restype = ctypes.c_void_p
    kernel32.CloseHandle.argtypes = [ctypes.c_void_p]
    kernel32.WaitForSingleObject.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    kernel32.AssignProcessToJobObject.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    kernel32.SetInformationJobObject.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32]
    return kernel32


def process_gone(pid: int) -> Callable[[], bool]:
    """Return a function that tells whether process `pid` has ended; its id can't be given to another meanwhile."""
    kernel32 = _kernel32()
    handle = kernel32.OpenProcess(_SYNCHRONIZE, False, pid)  # held for as long as the function
    return lambda: not handle or kernel32.WaitForSingleObject(handle, 0) == 0


class Job:
    """Processes that the kernel ends when this one ends, however it ends and whatever they are doing.

    What they start themselves isn't in it: a terminal that the MetaTrader5 package has started outlives its worker.
    """

    def __init__(self) -> None:
        """Raises OSError where the system allows no job."""
        self._kernel32 = _kernel32()
        self._handle = self._kernel32.CreateJobObjectW(None, None)  # closed by the kernel, when this process ends
        limits = _ExtendedLimits(flags=_KILL_ON_JOB_CLOSE | _SILENT_BREAKAWAY_OK)
        self._check(self._handle)
        self._check(
            self._kernel32.SetInformationJobObject(
                self._handle, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
            )
        )

    def add(self, pid: int) -> None:
        """Take a process in; raises OSError where the system refuses it."""
        process = self._kernel32.OpenProcess(_SET_QUOTA_AND_TERMINATE, False, pid)
        self._check(process)
        try:
            self._check(self._kernel32.AssignProcessToJobObject(self._handle, process))
        finally:
            self._kernel32.CloseHandle(process)

    def _check(self, succeeded: Any) -> None:
        if not succeeded:
            raise ctypes.WinError(ctypes.get_last_error())  # type: ignore[attr-defined,unused-ignore]
