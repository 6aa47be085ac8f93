"""Builds and drives the C programs of bench/floor: the floors, the load client, the null worker.

They are compiled here, from source, with the flags below, and bound to the very libzmq that the gateway's process
uses: the one bundled with pyzmq. A program is one child process; its conventions are in floor/floor.h.
"""

import json
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import zmq.backend.cython._zmq

from bench.runner import Unavailable
from bench.stats import Nanoseconds

__all__ = ("FLAGS", "Failed", "Program", "build", "child_environment", "libzmq_path", "read_latencies", "run_once")

SOURCES: Final = Path(__file__).with_name("floor")
BINARIES: Final = SOURCES / "bin"
NAMES: Final = ("echo", "proxy", "client", "null_worker", "pubsub", "noise")
FLAGS: Final = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread")

LIBZMQ_FILE: Final = re.compile(r"libzmq(-[0-9a-f]+)?\.so[.0-9]*|libzmq[-.0-9a-f]*\.dylib")
"""libzmq itself, with the hash that a wheel's repair gives it or without; not an extension module of that name."""

READY_TIMEOUT_S: Final = 10.0
ANSWER_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 5.0


class Failed(Exception):
    """A program didn't do what it was asked; the message holds what it said about it."""


def build(binaries: Path = BINARIES) -> dict[str, Path]:
    """Compile what is older than its sources, and return the path of each program.

    Raises Unavailable where there is no C compiler or no POSIX, Failed with the compiler's words where it refuses.
    """
    if os.name != "posix":
        raise Unavailable("the floors in C need a POSIX system")
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise Unavailable("the floors in C need a C compiler named cc (or named by CC)")
    binaries.mkdir(parents=True, exist_ok=True)
    newest_header = max(header.stat().st_mtime_ns for header in SOURCES.glob("*.h"))
    programs = {}
    for name in NAMES:
        source, binary = SOURCES / f"{name}.c", binaries / name
        newest = max(newest_header, source.stat().st_mtime_ns)
        if not binary.exists() or binary.stat().st_mtime_ns < newest:
            command = [compiler, *FLAGS, str(source), "-o", str(binary), "-ldl"]
            finished = subprocess.run(command, capture_output=True, text=True, check=False)
            if finished.returncode != 0:
                raise Failed(f"{source.name} doesn't compile:\n{finished.stderr}")
        programs[name] = binary
    return programs


def libzmq_path() -> str:
    """Return the file of the libzmq that pyzmq has loaded into this process.

    The extension module itself can't be opened outside Python (it needs Python's symbols), its libzmq can. Linux says
    what is mapped; elsewhere the wheel's own folder of bundled libraries is searched.
    """
    maps = Path("/proc/self/maps")
    if maps.exists():
        for line in maps.read_text().splitlines():
            path = line.split(maxsplit=5)[-1]
            if LIBZMQ_FILE.fullmatch(os.path.basename(path)):
                return path
    package = Path(zmq.__file__).parent
    for folder in (package / ".dylibs", package.parent / "pyzmq.libs"):
        for found in sorted(folder.glob("libzmq*")):
            if LIBZMQ_FILE.fullmatch(found.name):
                return str(found)
    raise Unavailable("the floors in C need a libzmq beside pyzmq, as in its wheels for Linux and macOS; found none")


def read_latencies(path: Path) -> Nanoseconds:
    """Return what a client wrote: one uint64 of nanoseconds per request."""
    return np.fromfile(path, dtype=np.uint64)


def run_once(program: Path, *arguments: str) -> dict[str, Any]:
    """Run a program that answers once and ends."""
    finished = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False, timeout=60)
    if finished.returncode != 0:
        raise Failed(f"{program.name}: {finished.stderr.strip()}")
    answer: dict[str, Any] = json.loads(finished.stdout)
    return answer


def child_environment() -> dict[str, str]:
    """Return the environment in which a Python child (run with -P) finds the very packages that this process found."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


class Program:
    """A running child that prints "ready", takes a command a line, answers a line of JSON, and ends on SIGTERM.

    The C floors and the bench's own Python children behave alike. Use as a context manager.
    """

    def __init__(self, name: str, command: Sequence[str], environment: dict[str, str] | None = None) -> None:
        self.name = name
        self._pending = b""
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        try:
            line = self._read_line(READY_TIMEOUT_S)
            if line != "ready":
                raise Failed(f"{name}: expected ready, got {line!r}")
        except BaseException:
            self.stop()
            raise

    @classmethod
    def floor(cls, programs: dict[str, Path], name: str, *options: str) -> Self:
        """Start one of the C programs with its libzmq; raises Unavailable where they couldn't be built."""
        if name not in programs:
            raise Unavailable("the floors in C couldn't be built here")
        return cls(name, [str(programs[name]), "--lib", libzmq_path(), *options])

    @classmethod
    def python(cls, module: str, *options: str) -> Self:
        """Start one of the bench's own modules under this interpreter."""
        return cls(module, [sys.executable, "-P", "-m", module, *options], child_environment())

    def send(self, command: str) -> None:
        """Give a command without waiting for its answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(command.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Failed(f"{self.name}: gone before {command!r}: {self._last_words()}") from None

    def answer(self, timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
        """Wait for the answer to the last command; raises Failed when the program ends or stays silent."""
        answer: dict[str, Any] = json.loads(self._read_line(timeout_s))
        return answer

    def ask(self, command: str) -> dict[str, Any]:
        """Give a command and wait for its answer."""
        self.send(command)
        return self.answer()

    @property
    def pid(self) -> int:
        """Return the child's process id."""
        return self._process.pid

    def stop(self) -> int:
        """End the program; returns its exit status. It gets SIGTERM, and SIGKILL if that isn't enough."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):  # an unread command to a program that has ended
                    stream.close()
        return self._process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read_line(self, timeout_s: float) -> str:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._pending:
            readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise Failed(f"{self.name}: no answer within {timeout_s:g} s")
            received = os.read(descriptor, 65536)
            if not received:
                raise Failed(f"{self.name}: ended without an answer: {self._last_words()}")
            self._pending += received
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode()

    def _last_words(self) -> str:
        """What the program wrote on standard error, once it has ended."""
        assert self._process.stderr is not None
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return "still running"
        return self._process.stderr.read().decode(errors="replace").strip() or "no reason given"
