"""Says what the numbers were measured on: the machine, its software, and the noise that lies under everything.

A number without this line beside it can't be compared with anything.
"""

import os
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import zmq

from bench.context import Context
from bench.floors import FLAGS, read_latencies, run_once
from bench.stats import PERCENTILES, percentile

__all__ = ("Machine", "Noise", "describe", "listen")

PACKAGES = ("pyzmq", "msgpack", "msgspec", "numpy", "Cython")


@dataclass(frozen=True, slots=True)
class Machine:
    """Hardware and software, as far as the system tells."""

    cpu: str
    cores: int
    governor: str
    hypervisor: str
    system: str
    python: str
    libzmq: str
    packages: dict[str, str]
    gateway: str  # compiled or its plain twin, installed or out of the source tree
    load: float  # of the last minute, when the bench began

    def lines(self) -> list[str]:
        """Return the machine line, and the software line below it."""
        packages = ", ".join(f"{name} {version}" for name, version in self.packages.items())
        virtual = f", {self.hypervisor}" if self.hypervisor else ""
        governor = f", governor {self.governor}" if self.governor else ""
        return [
            f"{self.cpu}, {self.cores} cores{virtual}{governor}; {self.system}; load {self.load:.2f} at the start",
            f"Python {self.python}, libzmq {self.libzmq}, {packages}; gateway: {self.gateway}; "
            f"C: cc {' '.join(flag for flag in FLAGS if flag.startswith('-O'))}",
        ]


@dataclass(frozen=True, slots=True)
class Noise:
    """What the machine does to a program that does nothing: see floor/noise.c."""

    clock_read_ns: float
    gap_share: float
    longest_gap_ns: int
    wake_ns: dict[str, int]  # Unix socket round trip: two wake-ups by the scheduler

    def line(self) -> str:
        """Return the noise floor in one line."""
        wakes = ", ".join(f"{name} {value / 1e3:.0f}" for name, value in self.wake_ns.items())
        return (
            f"a spinning program loses {100 * self.gap_share:.2f} % of its time, "
            f"at most {self.longest_gap_ns / 1e3:.0f} µs at once; "
            f"Unix socket ping-pong {wakes} µs; a clock read {self.clock_read_ns:.0f} ns"
        )


def describe(gateway: str) -> Machine:
    """Ask the system; what it doesn't tell is left empty."""
    return Machine(
        cpu=_cpu_model(),
        cores=os.cpu_count() or 0,
        governor=_read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        hypervisor=_hypervisor(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        libzmq=zmq.zmq_version(),
        packages={name: version for name in PACKAGES if (version := _version(name))},
        gateway=gateway,
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
    )


def listen(noise_program: Path, context: Context) -> Noise:
    """Measure the noise floor; takes a fifth of a second, or one."""
    spin_ms, round_trips = context.pick((150, 1_000), (800, 4_000))
    spun = run_once(noise_program, "spin", str(spin_ms))
    path = context.scratch / "pingpong.bin"
    run_once(noise_program, "pingpong", str(round_trips), str(path))
    wakes = read_latencies(path)
    return Noise(
        clock_read_ns=spun["clock_read_ns"],
        gap_share=spun["gap_share"],
        longest_gap_ns=spun["longest_gap_ns"],
        wake_ns={name: percentile(wakes, percent) for name, percent in PERCENTILES},
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _cpu_model() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _hypervisor() -> str:
    """Linux's own word for it; "virtual machine" where only the CPU flag gives it away."""
    product = _read("/sys/class/dmi/id/product_name")
    if "hypervisor" in _read("/proc/cpuinfo"):
        return f"virtual machine ({product})" if product else "virtual machine"
    return ""


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
