"""Ticks to one subscriber: the publisher's broadcast path against a PUB loop in C with frames of the same size."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from bench.context import Context, Entry
from bench.floors import Failed, Program
from bench.runner import Block, Contender, Result, Target, interleave
from bench.ticks import BATCH, FEED, SYMBOL, sample_ticks
from gateway.wire.codec import encode_ticks
from gateway.wire.messages import topic_for

__all__ = ("ENTRIES",)

SINGLE_OF_FLOOR = Target(">=", 0.5)
BATCHED_TICKS = Target(">=", 5_000_000)

WARM_UP_TICKS = 70_000
"""Past 65,536, so that every sequence number measured is five bytes long and frames have one size."""

SYNCHRONISE_MS = 5_000
STALL_MS = 10_000


@dataclass(slots=True)
class Wire:
    """A publisher, and the C subscriber that counts what arrives."""

    name: str
    publisher: Program
    subscriber: Program
    bytes_per_frame: float = 0.0

    def synchronise(self, probe: str) -> None:
        """Wait until the subscription has arrived: a PUB tells nobody that nobody listens."""
        self.subscriber.send(f"count 1 {SYNCHRONISE_MS}")
        for _ in range(SYNCHRONISE_MS // 100):
            self.publisher.ask(probe)
            try:
                if self.subscriber.answer(0.1)["frames"]:
                    self.subscriber.ask("count 1000000000 100")  # probes still under way
                    return
            except Failed:
                continue
        raise Failed(f"{self.name}: the subscriber heard nothing within {SYNCHRONISE_MS} ms")

    def measure(self, command: str, frames: int, ticks_per_frame: int) -> Block:
        """Send a block; ticks a second from its first send to its last arrival, and the sender's own time per frame."""
        self.subscriber.send(f"count {frames} {STALL_MS}")
        sent = self.publisher.ask(command)
        arrived = self.subscriber.answer()
        if arrived["frames"] != frames:
            raise Failed(f"{self.name}: {frames} frames sent, {arrived['frames']} arrived")
        self.bytes_per_frame = arrived["bytes"] / frames
        seconds = (arrived["last_ns"] - sent["first_ns"]) / 1e9
        return Block(rate=frames * ticks_per_frame / seconds, cost_ns=(sent["last_ns"] - sent["first_ns"]) / frames)


def _frame(ticks: int) -> bytes:
    """Return one frame as the broadcaster sends it, mid-stream."""
    records = sample_ticks(ticks)
    return encode_ticks(
        topic_for(FEED, SYMBOL),
        1_717_400_000_000_000_000,
        1_000_000,
        int(records["time_msc"][-1]),
        0,
        2**62,
        records.tobytes(),
    )


@dataclass(slots=True)
class Wires:
    """Starts wires with frames of one size, and ends them all at once: a context manager."""

    context: Context
    frame: bytes
    started: list[Wire] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Wires":
        return self

    def __exit__(self, *details: Any) -> None:
        self._stack.close()

    def floor(self, name: str) -> Wire:
        """Start the PUB loop in C and its subscriber."""
        path = self.context.path("frame")
        path.write_bytes(self.frame)
        endpoint = self.context.endpoint("ipc")
        options = ("--pub", endpoint, "--frame", str(path))
        wire = self._wire(name, endpoint, Program.floor(self.context.programs, "pubsub", *options))
        wire.synchronise("send 1 0")
        return wire

    def ours(self, name: str) -> Wire:
        """Start the publisher's broadcast path and its subscriber."""
        endpoint = self.context.endpoint("ipc")
        wire = self._wire(name, endpoint, Program.python("bench.publisher", endpoint))
        wire.synchronise("single 1")
        wire.measure(f"single {WARM_UP_TICKS}", WARM_UP_TICKS, 1)
        return wire

    def _wire(self, name: str, endpoint: str, publisher: Program) -> Wire:
        self._stack.enter_context(publisher)
        subscriber = self._stack.enter_context(Program.floor(self.context.programs, "pubsub", "--sub", endpoint))
        self.started.append(Wire(name, publisher, subscriber))
        return self.started[-1]

    def check_sizes(self) -> None:
        """Raise Failed unless all sent frames of the floor's size."""
        sizes = {wire.name: wire.bytes_per_frame for wire in self.started}
        if set(sizes.values()) != {float(len(self.frame))}:
            raise Failed(f"expected frames of {len(self.frame)} bytes on all sides, got {sizes}")


def single(context: Context) -> Result:
    """Single ticks, a frame each."""
    count, rounds = context.pick((200_000, 9), (500_000, 24))
    with Wires(context, _frame(1)) as wires:
        contenders = [
            _contender(wires.floor("C PUB"), f"send {count} 0", count, 1),
            _contender(wires.floor("C PUB again"), f"send {count} 0", count, 1),
            _contender(wires.ours("publish_each"), f"each {count}", count, 1),
            _contender(wires.ours("publish"), f"single {count}", count, 1),
        ]
        measured = interleave(contenders, rounds)
        wires.check_sizes()
        result = Result("broadcast-single", "Tick broadcast, ipc: single ticks to one subscriber", measured)
        result.compare("rate", "publish_each", "C PUB", "C PUB again", SINGLE_OF_FLOOR)
        result.compare("rate", "publish", "C PUB", "C PUB again")
        result.notes += _notes(len(wires.frame))
        result.notes.append(f"publish_each sends {BATCH:,} ticks with each call from Python, publish one.")
        return result


def batches(context: Context) -> Result:
    """Ticks in batches of 1,000, a frame each."""
    frames, rounds = context.pick((1_000, 9), (3_000, 24))
    with Wires(context, _frame(BATCH)) as wires:
        contenders = [
            _contender(wires.floor("C PUB"), f"send {frames} 0", frames, BATCH),
            _contender(wires.floor("C PUB again"), f"send {frames} 0", frames, BATCH),
            _contender(wires.ours("publish"), f"batch {frames * BATCH}", frames, BATCH),
        ]
        measured = interleave(contenders, rounds)
        wires.check_sizes()
        result = Result("broadcast-batch", f"Tick broadcast, ipc: batches of {BATCH:,} to one subscriber", measured)
        result.state("rate", "publish", BATCHED_TICKS)
        result.compare("rate", "publish", "C PUB", "C PUB again")
        result.notes += _notes(len(wires.frame))
        return result


def _notes(frame_bytes: int) -> list[str]:
    return [
        f"Frames of {frame_bytes:,} bytes on all sides. The rate counts ticks, from a block's first send to its last"
        " arrival; ns per operation is the sender's own time per frame. Where the sender isn't the slowest part,"
        " libzmq's I/O thread or the subscriber is.",
        "No water mark on any side: nothing is dropped, and all that was sent has to arrive.",
    ]


def _contender(wire: Wire, command: str, frames: int, ticks_per_frame: int) -> Contender:
    return Contender(wire.name, lambda: wire.measure(command, frames, ticks_per_frame))


ENTRIES = (
    Entry("broadcast-single", "single ticks to one subscriber / PUB loop in C", single),
    Entry("broadcast-batch", "batches of 1,000 ticks to one subscriber", batches),
)
