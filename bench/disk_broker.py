"""The broker, with each of its waits for the disk noted, and made as long as is wanted. A child of the bench.

    python -m bench.disk_broker NOTES DELAY_MS

takes BrokerSettings as JSON on standard input, as `python -m gateway.app broker` does. NOTES receives two uint64 for
each wait: when it began and when it ended, in ns of the host's monotonic clock.
"""

import struct
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from gateway import app, journal

__all__ = ("command", "waits")

_NOTE: Final = struct.Struct("=QQ")


def command(notes: Path, delay_ms: int = 0) -> tuple[str, ...]:
    """Return the command that starts it."""
    return (sys.executable, "-P", "-m", "bench.disk_broker", str(notes), str(delay_ms))


def waits(notes: Path) -> npt.NDArray[np.uint64]:
    """Return what was noted so far: a row of beginning and end for each wait."""
    return np.frombuffer(notes.read_bytes(), np.uint64).reshape(-1, 2)


def main() -> int:
    """Run the broker."""
    notes, delay_ms = sys.argv[1:]
    file = open(notes, "wb", buffering=0)  # noqa: SIM115 - until the process ends
    sync = journal._SYNC

    def noted(descriptor: int) -> None:
        began_ns = time.monotonic_ns()
        sync(descriptor)
        time.sleep(int(delay_ms) / 1_000)
        file.write(_NOTE.pack(began_ns, time.monotonic_ns()))

    journal._SYNC = noted  # type: ignore[misc]
    sys.argv[1:] = ["broker"]
    return app.main()


if __name__ == "__main__":
    sys.exit(main())
