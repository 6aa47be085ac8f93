"""How this host's processes are started, watched and ended: children, their beats, requests to stop.

It knows nothing of orders, ticks or messages. Its rules: a child gets its settings on standard input and imports the
same tree as its parent; a child never outlives its parent; only a parent that has reaped a child may call it dead;
a beat costs two stores into shared memory and no system call.
"""

import contextlib
import ctypes
import dataclasses
import functools
import json
import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final

from gateway.clock import monotonic_ns

__all__ = (
    "EXIT_REFUSED",
    "EXIT_UNAVAILABLE",
    "Backoff",
    "Beat",
    "Child",
    "State",
    "Stop",
    "describe_exit",
    "die_with_parent",
    "keep_freed_memory",
)

EXIT_REFUSED: Final = 78
"""Exit status of a process that can't run as it is told (EX_CONFIG): an address in use, a folder that isn't its own."""

EXIT_UNAVAILABLE: Final = 69
"""Exit status of a simulated terminal that lacks what may be there later (EX_UNAVAILABLE): an address, a file or an
account that another process has. Its EXIT_REFUSED says that trying again won't help."""

STALLED_AFTER_NS: Final = 5_000_000_000
"""A process whose loop hasn't come round for so long, though it isn't inside a terminal call, is stopped or stuck."""

STARTED_WITHIN_NS: Final = 60_000_000_000
"""From a process's start to its first beat: imports on a cold disk, Windows' virus scanners included."""

_ON_LINUX: Final = sys.platform == "linux"
_ON_WINDOWS: Final = sys.platform == "win32"

_BOOTSTRAP: Final = (
    "import sys, json; sys.path[:] = json.loads(sys.stdin.readline()); from gateway.app import main; sys.exit(main())"
)
"""`python -m gateway.app`, but out of the very tree that the parent runs from, whatever the working directory is."""


# --- beats ----------------------------------------------------------------------------------------------------------


class State(IntEnum):
    """How far a process has come."""

    STARTING = 0
    READY = 1  # everything that it needs is there: its sockets, its terminal, its peer
    WAITING = 2  # it was ready, and something is missing now


_STATE, _LAST, _DEADLINE, _STOP = range(4)
BEAT_BYTES: Final = 64


class Beat:
    """64 bytes that a process writes and its watcher reads: 8-byte words, each written whole.

    An empty path makes a private one, so that a process that nobody watches needs no other code.
    """

    def __init__(self, path: str = "") -> None:
        if not path:
            self._map = mmap.mmap(-1, BEAT_BYTES)
        else:
            # Never truncated: the other side has it mapped, and would be ended by SIGBUS.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
            try:
                if os.fstat(descriptor).st_size < BEAT_BYTES:
                    os.truncate(descriptor, BEAT_BYTES)
                self._map = mmap.mmap(descriptor, BEAT_BYTES)
            finally:
                os.close(descriptor)
        self._words = memoryview(self._map).cast("Q")

    # The process's side.

    def start(self) -> None:
        """Say that the process has come as far as this: it has its beat."""
        self._words[_LAST] = monotonic_ns()

    def tick(self, now_ns: int) -> None:
        """Say that the loop came round."""
        self._words[_LAST] = now_ns

    def begin(self, deadline_ns: int) -> None:
        """Say that the process enters a call that it may not come out of; it is killed past the deadline."""
        self._words[_DEADLINE] = deadline_ns

    def end(self, now_ns: int) -> None:
        """Say that the call is over."""
        self._words[_LAST] = now_ns
        self._words[_DEADLINE] = 0

    @property
    def stop_requested(self) -> bool:
        """Whether the watcher wants the process to finish; where there are no signals this is the only way."""
        return self._words[_STOP] != 0

    # Both sides.

    @property
    def state(self) -> int:
        """How far the process has come: a `State`."""
        return self._words[_STATE]

    @state.setter
    def state(self, state: int) -> None:
        self._words[_STATE] = state

    # The watcher's side.

    @property
    def has_begun(self) -> bool:
        """Whether the process has it mapped."""
        return self._words[_LAST] != 0

    def request_stop(self) -> None:
        """Ask the process to finish."""
        self._words[_STOP] = 1

    def complaint(self, now_ns: int, watched_since_ns: int) -> str:
        """Return why the process must be killed, or "" while it is well.

        `watched_since_ns` is since when the watcher itself has run without a pause: a host that slept has stale beats
        everywhere, and they prove nothing.
        """
        deadline_ns = self._words[_DEADLINE]
        last_ns = self._words[_LAST]
        if deadline_ns:
            return "a terminal call didn't return in time" if now_ns > deadline_ns else ""
        if not last_ns:
            return "it never started" if now_ns - watched_since_ns > STARTED_WITHIN_NS else ""
        if now_ns - max(last_ns, watched_since_ns) > STALLED_AFTER_NS:
            return f"its loop stands still, for {(now_ns - last_ns) / 1e9:.1f} s"
        return ""

    def close(self) -> None:
        """Unmap."""
        self._words.release()
        self._map.close()


def beat_place() -> tuple[str, int]:
    """Return a path for a child's beat, and the descriptor that the child has to inherit for it to hold, or -1.

    On Linux it is memory without a name, so that nothing is left behind whoever is killed, and writing to it never
    waits for a disk. Elsewhere it is a file, to be removed.
    """
    if _ON_LINUX:
        descriptor = os.memfd_create("mt5gate-beat")
        return f"/proc/self/fd/{descriptor}", descriptor
    descriptor, path = tempfile.mkstemp(prefix="mt5gate-beat-")
    os.close(descriptor)
    return path, -1


# --- waiting longer each time ---------------------------------------------------------------------------------------


class Backoff:
    """How long to wait before the next attempt: doubling up to a limit, with jitter; a healthy time starts it anew.

    `random` returns a number from 0.0 to 1.0; the delay lies between half and the whole of the current step, so that
    what failed together doesn't come back together.
    """

    def __init__(
        self,
        random: Callable[[], float],
        first_ms: int = 100,
        limit_ms: int = 10_000,
        healthy_ms: int = 10_000,
    ) -> None:
        self._random = random
        self._first_ns = first_ms * 1_000_000
        self._limit_ns = limit_ms * 1_000_000
        self._healthy_ns = healthy_ms * 1_000_000
        self._step_ns = self._first_ns
        self._since_ns = 0

    def started(self, now_ns: int) -> None:
        """An attempt begins to count as healthy from now on."""
        self._since_ns = now_ns

    def failed(self, now_ns: int) -> int:
        """Return how long to wait from now, in nanoseconds."""
        if self._since_ns and now_ns - self._since_ns >= self._healthy_ns:
            self._step_ns = self._first_ns
        self._since_ns = 0
        delay_ns = int(self._step_ns * (0.5 + 0.5 * self._random()))
        self._step_ns = min(self._step_ns * 2, self._limit_ns)
        return delay_ns


# --- being asked to end ---------------------------------------------------------------------------------------------


class Stop:
    """Whether this process was asked to end, as a flag and as something to wait on."""

    def __init__(self) -> None:
        self.requests = 0
        self._catches = False
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    @property
    def requested(self) -> bool:
        """Whether it was asked, once or more often."""
        return self.requests > 0

    def fileno(self) -> int:
        """Readable when there is a reason to look: a request, or (if asked for) a child that ended."""
        return self._reader.fileno()

    def request(self) -> None:
        """Ask; from any thread."""
        self.requests += 1
        with contextlib.suppress(BlockingIOError):
            self._writer.send(b"\0")

    def catch_signals(self) -> None:
        """Let SIGTERM ask, and SIGINT and SIGHUP too unless they are ignored (as in a child, or under nohup). A
        child's end wakes the waiter. Main thread only.
        """
        signals = [signal.SIGTERM, signal.SIGINT] if _ON_WINDOWS else [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
        for number in signals:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        if not _ON_WINDOWS:
            signal.signal(signal.SIGCHLD, _on_child)  # else the end of a child would be ignored, and wake nobody
        self._catches = True
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

    def _on_signal(self, _signal: int, _frame: Any) -> None:
        self.requests += 1

    def wait(self, timeout_ns: int) -> None:
        """Wait until something happens, at most `timeout_ns`."""
        select.select([self._reader], [], [], max(timeout_ns, 0) / 1e9)
        self.settle()

    def settle(self) -> None:
        """Forget the wake-ups, not the request."""
        with contextlib.suppress(BlockingIOError):
            self._reader.recv(4_096)

    def close(self) -> None:
        """Close; the process is about to end."""
        if self._catches:
            signal.set_wakeup_fd(-1)
        self._reader.close()
        self._writer.close()


def _on_child(_signal: int, _frame: Any) -> None:
    """Do nothing: the wake-up is all that is wanted."""


# --- not outliving the parent ---------------------------------------------------------------------------------------

_PR_SET_PDEATHSIG: Final = 1
PARENT_WATCH_S: Final = 0.25
"""Where the kernel doesn't end orphans: how often a thread looks whether the parent is still there."""


def die_with_parent(pid: int) -> None:
    """Tie this process's life to its parent's, whose id it was handed; ends this process if the parent has gone.

    On Linux the kernel does it, in the middle of a terminal's call too (it follows the thread that started us: parents
    start their children from their main thread). Elsewhere a thread does, that sleeps and does nothing else; on Windows
    the kernel besides, since the parent has put us into its job.
    """
    if _ON_LINUX:
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != pid:
            os._exit(1)
    else:
        watch_parent(pid)


def watch_parent(pid: int) -> None:
    """End this process when the parent has gone, from a thread of its own; what `die_with_parent` does off Linux."""
    if _ON_WINDOWS:
        from gateway import windows

        gone = windows.process_gone(pid)
    else:

        def gone() -> bool:
            return os.getppid() != pid

    if gone():
        os._exit(1)

    def watch() -> None:
        pause = threading.Event()
        while not gone():
            pause.wait(PARENT_WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


@functools.cache
def _windows_job() -> Any:
    from gateway import windows

    return windows.Job()


def _end_with_us(pid: int) -> None:
    """Have the kernel end a child when we end, where it needs to be asked from outside the child."""
    if _ON_WINDOWS:
        with contextlib.suppress(OSError):  # Windows before 8, in a job already: the child's own watch must do
            _windows_job().add(pid)


# --- memory ----------------------------------------------------------------------------------------------------------

_M_MMAP_THRESHOLD: Final = -3
_M_TRIM_THRESHOLD: Final = -1
KEPT_BLOCK_BYTES: Final = 32 << 20
"""Blocks up to so large come from the heap; glibc takes no larger value."""
KEPT_BYTES: Final = 64 << 20
"""How much freed memory at the heap's end is kept."""


def keep_freed_memory() -> bool:
    """Have freed memory kept for the next large message instead of given back; return whether that could be said.

    glibc returns large blocks to the system at once, and every page of the next one is a fault again: with 10,000 bars
    in a reply that was half of its way through the gateway. Elsewhere (musl, macOS, Windows) nothing is changed.
    """
    if not _ON_LINUX:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, KEPT_BLOCK_BYTES) and mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES))


# --- children -------------------------------------------------------------------------------------------------------


class Child:
    """One life of a child process: started in the constructor, over when `poll` says so."""

    def __init__(self, role: str, settings: Any, *, epoch: int = 0) -> None:
        self.role = role
        self.epoch = epoch
        self.killed_for = ""
        self._beat_path, inherited = beat_place()
        self.beat = Beat(self._beat_path)
        self._watched_ns = self._since_ns = monotonic_ns()
        command = [sys.executable, "-P", "-c", _BOOTSTRAP, role, "--parent", str(os.getpid())]
        if epoch:
            command += ["--epoch", str(epoch)]
        options: dict[str, Any] = {"process_group": 0}  # the shell's Ctrl-C is for the supervisor alone
        if _ON_WINDOWS:
            options = {"creationflags": 0x0000_0200}  # CREATE_NEW_PROCESS_GROUP
        if inherited >= 0:
            options["pass_fds"] = (inherited,)
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, **options)
        finally:
            if inherited >= 0:
                os.close(inherited)
        _end_with_us(self._process.pid)
        assert self._process.stdin is not None
        text = json.dumps([os.path.abspath(entry) for entry in sys.path]) + "\n"
        text += dataclasses.replace(settings, beat_file=self._beat_path).to_json()
        with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
            stdin.write(text.encode())

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return its exit status once it is over (and reaped): negative for a signal, as subprocess has it."""
        return self._process.poll()

    def watch(self, now_ns: int) -> str:
        """Kill it if it hangs, and return the reason then; to be called at least every second."""
        if now_ns - self._watched_ns > 1_000_000_000:
            self._since_ns = now_ns  # we were stopped, or the host slept: it gets its time anew
        self._watched_ns = now_ns
        if self.killed_for:
            return ""
        reason = self.beat.complaint(now_ns, self._since_ns)
        if reason:
            self.kill(reason)
        return reason

    def request_stop(self) -> None:
        """Ask it to finish its work and end."""
        self.beat.request_stop()
        # Not on Windows: where the two share no console, Python's os.kill ends the child at once instead of asking it.
        if not _ON_WINDOWS:
            with contextlib.suppress(OSError):  # it has ended
                self._process.terminate()

    def kill(self, reason: str) -> None:
        """End it at once; it is dead when `poll` says so."""
        self.killed_for = reason
        with contextlib.suppress(OSError):
            self._process.kill()

    def end(self) -> int:
        """Kill it if it still runs, wait for its end, and free what was held for it."""
        if self.poll() is None:
            self.kill(self.killed_for or "its watcher ends")
        status = self._process.wait()
        self.beat.close()
        if not _ON_LINUX:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._beat_path)
        return status


def describe_exit(status: int) -> str:
    """Return an exit status in words."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"ended by signal {-status}"
