"""What every bench is handed: how long it may take, where its files go, and the programs it may start."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from bench.runner import Result

__all__ = ("Context", "Entry", "Transport")

Transport = Literal["ipc", "tcp"]
T = TypeVar("T")


@dataclass(slots=True)
class Context:
    """One run of the benchmarks."""

    quick: bool
    scratch: Path
    programs: dict[str, Path]
    _numbers: Iterator[int] = field(default_factory=count)

    def pick(self, quick: T, full: T) -> T:
        """Return the one for this run's length."""
        return quick if self.quick else full

    def path(self, stem: str) -> Path:
        """Return a fresh file in the scratch folder."""
        return self.scratch / f"{stem}-{next(self._numbers)}"

    def endpoint(self, transport: Transport) -> str:
        """Return an endpoint that nobody is bound to."""
        if transport == "ipc":
            return f"ipc://{self.path('s')}"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


class Run(Protocol):
    """A bench: measures, and returns what it found; raises Unavailable where it can't run."""

    def __call__(self, context: Context) -> Result: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of `--list`."""

    name: str
    title: str
    run: Run
