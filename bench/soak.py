"""Runs the whole gateway under load for minutes or hours and reports whether broker and publisher stay flat in memory.

    python -m bench.soak --minutes 10 [--ticks-per-second 10000] [--orders-per-second 50] [--json PATH]

The simulated terminal's market is sped up until the subscriber counts the wanted rate; orders alternate between
opening and closing, timed from their plan. "Flat" is judged on what resident memory grew by in the second half, against
what one sample differs from the next: the first half fills caches, queues and allocator arenas.
"""

import argparse
import itertools
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from bench.floors import child_environment
from clients import Client, TickStream
from gateway.wire.errors import GatewayError, NoReply

SYMBOLS: Final = ("EURUSD", "GBPUSD", "USDJPY", "AUDUSD", "XAUUSD", "US500", "BTCUSD", "ETHUSD")
ROLES: Final = ("broker", "publisher", "feed-child", "simulator")
SAMPLE_SECONDS: Final = 5.0
REMEMBERED_ORDERS: Final = 1_024
"""What is remembered is to be full in the first half; 32,768 events are kept besides, some 25,000 orders' worth."""
START_SECONDS: Final = 60.0
CALIBRATION_SECONDS: Final = 4.0
COMMAND: Final = (sys.executable, "-P", "-c", "import sys; from gateway.cli import main; sys.exit(main())")


@dataclass
class Load:
    """What the two loads have done so far."""

    ticks: int = 0
    missed: int = 0
    orders: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    latencies_ns: list[int] = field(default_factory=list)


class Run:
    """One `mt5gate run` in a folder of its own."""

    def __init__(self, speed: float) -> None:
        self.state_dir = Path(tempfile.mkdtemp(prefix="mt5g", dir="/tmp"))
        self.endpoint = f"ipc://{self.state_dir}/broker.ipc"
        self.tick_endpoint = f"ipc://{self.state_dir}/ticks.ipc"
        self.log = (self.state_dir / "log").open("wb")
        self.process = subprocess.Popen(
            [*COMMAND, "run", "--state-dir", str(self.state_dir), "--speed", str(speed), "--log-level", "warning"],
            stdout=self.log,
            stderr=self.log,
            env=child_environment() | {"MT5GATE_BROKER__REMEMBERED_ORDERS": str(REMEMBERED_ORDERS)},
            cwd=self.state_dir,
        )
        deadline = time.monotonic() + START_SECONDS
        while "ready" not in (self.state_dir / "log").read_text(errors="replace"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the gateway didn't start:\n{(self.state_dir / 'log').read_text(errors='replace')}")
            time.sleep(0.1)

    def roles(self) -> dict[str, psutil.Process]:
        """The processes to watch, by role."""
        found = {}
        for process in psutil.Process(self.process.pid).children(recursive=True):
            words = process.cmdline()
            found.update({role: process for role in ROLES if role in words})
        return found

    def stop(self) -> None:
        """End it and remove what it left."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(START_SECONDS)
        self.log.close()
        shutil.rmtree(self.state_dir, ignore_errors=True)


def listen(run: Run, load: Load, stop: threading.Event) -> None:
    """Count ticks until told to stop."""
    with TickStream(run.tick_endpoint, SYMBOLS) as stream:
        while not stop.is_set():
            with suppress(NoReply):
                load.ticks += len(stream.recv_batch(0.5).ticks)
        load.missed = stream.statistics().missed


def trade(run: Run, load: Load, stop: threading.Event, per_second: float) -> None:
    """Open and close, each timed from its planned instant."""
    with Client(run.endpoint) as client:
        planned = time.monotonic()
        ticket = 0
        while not stop.is_set():
            planned += 1.0 / per_second
            if (pause := planned - time.monotonic()) > 0:
                time.sleep(pause)
            began = time.monotonic_ns()
            try:
                if ticket:
                    client.close(ticket)
                    ticket = 0
                else:
                    ticket = client.buy("EURUSD", 0.01, deviation=10_000).order
                load.orders += 1
                load.latencies_ns.append(time.monotonic_ns() - began)
            except GatewayError as error:
                ticket = 0
                name = type(error).__name__
                load.errors[name] = load.errors.get(name, 0) + 1


def calibrated_speed(wanted: float) -> float:
    """Return the market speed that gives `wanted` ticks a second, from a short run at a moderate speed."""
    probe = 50.0
    run, load, stop = Run(probe), Load(), threading.Event()
    listener = threading.Thread(target=listen, args=(run, load, stop))
    listener.start()
    time.sleep(1.0)
    before, began = load.ticks, time.monotonic()
    time.sleep(CALIBRATION_SECONDS)
    rate = (load.ticks - before) / (time.monotonic() - began)
    stop.set()
    listener.join()
    run.stop()
    return probe * wanted / max(rate, 1.0)


def samples(run: Run, load: Load, seconds: float) -> Iterator[dict[str, Any]]:
    """Yield memory and rates every SAMPLE_SECONDS."""
    roles = run.roles()
    began = last = time.monotonic()
    ticks, orders = load.ticks, load.orders
    while last - began < seconds:
        time.sleep(SAMPLE_SECONDS)
        now = time.monotonic()
        yield {
            "seconds": round(now - began, 1),
            "ticks_per_second": round((load.ticks - ticks) / (now - last)),
            "orders_per_second": round((load.orders - orders) / (now - last), 1),
            **{f"{role}_kib": process.memory_info().rss // 1024 for role, process in roles.items()},
        }
        last, ticks, orders = now, load.ticks, load.orders


def growth(series: list[int]) -> tuple[float, float]:
    """Return how much the second half grew (KiB, last tenth against its first) and the usual step between samples."""
    half = series[len(series) // 2 :]
    tenth = max(1, len(half) // 10)
    steps = [abs(b - a) for a, b in itertools.pairwise(half)] or [0]
    return statistics.fmean(half[-tenth:]) - statistics.fmean(half[:tenth]), statistics.fmean(steps)


def main() -> int:
    """Run, print a line a minute and the verdict; exit status 1 if a process grew."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--ticks-per-second", type=float, default=10_000.0)
    parser.add_argument("--orders-per-second", type=float, default=50.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    speed = calibrated_speed(options.ticks_per_second)
    run, load, stop = Run(speed), Load(), threading.Event()
    threads = [
        threading.Thread(target=listen, args=(run, load, stop)),
        threading.Thread(target=trade, args=(run, load, stop, options.orders_per_second)),
    ]
    for thread in threads:
        thread.start()
    taken = []
    try:
        for sample in samples(run, load, options.minutes * 60):
            taken.append(sample)
            if len(taken) % round(60 / SAMPLE_SECONDS) == 1:
                print("  ".join(f"{name} {value:,}" for name, value in sample.items()), flush=True)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        run.stop()
    print(f"ticks {load.ticks:,}, missed {load.missed:,}; orders {load.orders:,}, errors {load.errors or 'none'}")
    flat = True
    for role in ("broker", "publisher"):
        grown, step = growth([sample[f"{role}_kib"] for sample in taken])
        role_is_flat = grown <= max(256.0, 4 * step)
        flat = flat and role_is_flat
        verdict = "flat" if role_is_flat else "GROWS"
        print(f"{role}: second half grew {grown:+,.0f} KiB (step {step:,.0f} KiB): {verdict}")
    if options.json:
        result = asdict(load) | {"speed": speed, "samples": taken}
        result["latencies_ns"] = statistics.quantiles(load.latencies_ns, n=100)
        options.json.write_text(json.dumps(result))
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
