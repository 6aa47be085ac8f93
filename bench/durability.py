"""`durability: disk`: what waiting for the disk adds to an order, and how many orders share one wait."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench import frames
from bench.chains import Chains, LoadClient, ask_once
from bench.context import Context, Entry
from bench.disk_broker import command, waits
from bench.orders import MANY_AT_ONCE, STAMPS_OFFSET, WINDOW
from bench.runner import Block, Contender, Finding, Result, Target, interleave
from bench.stats import Nanoseconds, estimate, percentile

__all__ = ("ENTRIES",)

RATE = 1_000
OVER_TWO_SYNCS = Target("<=", 200_000)
ORDERS_PER_SYNC = Target(">=", 20)

RECORD_BYTES = 344
"""What one order writes before it leaves."""

_SYNC = getattr(os, "fdatasync", os.fsync)


def steady(context: Context) -> Result:
    """Send 1,000 orders a second at planned times; how long each stays in the broker, beside fdatasync alone."""
    notes = context.path("waits")
    with Chains(context, "ipc", frames.ORDER) as chains:
        gateway = chains.gateway(MANY_AT_ONCE, command=command(notes), durability="disk")
        ask_once(gateway.endpoint, frames.ORDER)
        client = chains.gateway_client("gateway", gateway.endpoint, "--stamps-offset", STAMPS_OFFSET)
        seconds, rounds = context.pick((0.5, 8), (2.0, 24))
        count = int(RATE * seconds)
        contenders = [
            Contender("fdatasync alone", lambda: Block(_syncs(context.scratch / "syncs", count // 5))),
            Contender("gateway", lambda: client.residence(count, RATE)),
        ]
        measured = interleave(contenders, rounds)
    result = Result("disk", f"durability: disk, an order's time in the broker at {RATE:,} a second", measured)
    alone, ours = measured
    over = [b - 2 * a for a, b in zip(alone.values("p99"), ours.values("p99"), strict=True)]
    label = "p99 in the broker, less twice fdatasync's p99"
    result.findings.append(Finding(label, estimate(over), "ns", None, OVER_TWO_SYNCS))
    taken_us = [percentile(_taken(notes), percent) / 1e3 for percent in (50.0, 99.0)]
    result.notes.append(f"fdatasync in the broker meanwhile: p50 {taken_us[0]:,.0f}, p99 {taken_us[1]:,.0f} µs.")
    result.notes.append(f"fdatasync alone: after {RECORD_BYTES} bytes, one order's records, on the same file system.")
    return result


def shared(context: Context) -> Result:
    """Keep 256 orders in flight: how many of them one wait for the disk serves."""
    notes = context.path("waits")
    with Chains(context, "ipc", frames.ORDER) as chains:
        gateway = chains.gateway(MANY_AT_ONCE, command=command(notes), durability="disk")
        ask_once(gateway.endpoint, frames.ORDER)
        client = chains.gateway_client("gateway", gateway.endpoint)
        count, rounds = context.pick((2_000, 6), (10_000, 12))
        shares: list[float] = []
        measured = interleave([Contender("gateway", _shared(client, count, notes, shares))], rounds)
    result = Result("disk-shared", f"durability: disk, {WINDOW} orders in flight", measured)
    finding = Finding("orders per sync", estimate(shares[1:]), "x", None, ORDERS_PER_SYNC)  # without the warm-up
    result.findings.append(finding)
    result.state("rate", "gateway")
    return result


def _shared(client: LoadClient, count: int, notes: Path, shares: list[float]) -> Callable[[], Block]:
    def block() -> Block:
        before = len(waits(notes))
        measured = client.pipelined(count, WINDOW)
        shares.append(count / max(len(waits(notes)) - before, 1))
        return measured

    return block


def _syncs(path: Path, count: int) -> Nanoseconds:
    """Return what fdatasync took, after each of `count` writes into room that is allocated, as the journal's is."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    taken = np.empty(count, np.uint64)
    try:
        os.posix_fallocate(descriptor, 0, (count + 1) * RECORD_BYTES)
        os.fsync(descriptor)
        for index in range(count):
            os.pwrite(descriptor, bytes(RECORD_BYTES), index * RECORD_BYTES)
            began_ns = time.perf_counter_ns()
            _SYNC(descriptor)
            taken[index] = time.perf_counter_ns() - began_ns
    finally:
        os.close(descriptor)
        path.unlink()
    return taken


def _taken(notes: Path) -> Nanoseconds:
    found = waits(notes)
    return found[:, 1] - found[:, 0]


ENTRIES = (
    Entry("disk", "durability: disk, an order's time in the broker, and fdatasync's", steady),
    Entry("disk-shared", "durability: disk, orders per sync with 256 in flight", shared),
)
