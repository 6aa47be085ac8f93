"""The kill switch under a flood: how soon after a kill has reached the broker the first order is refused for it.

Both times are the broker's own stamps: `received` of the kill, `replied` of the flood's first refusal. What the flood
had queued is refused, too; the kill's answer says how much that was.
"""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import zmq

from bench import frames
from bench.chains import ASK_TIMEOUT_MS, Chains, LoadClient
from bench.context import Context, Entry
from bench.disk_broker import command
from bench.floors import Failed
from bench.roundtrip import ORDER_WORKERS
from bench.runner import Block, Contender, Result, Target, interleave
from gateway.wire.codec import decode_reply, encode_request
from gateway.wire.errors import Code
from gateway.wire.messages import Reply

__all__ = ("ENTRIES",)

RATE: Final = 20_000
FLOOD_S: Final = 0.5
KILL_AFTER_S: Final = 0.25
SLOW_DISK_MS: Final = 200
FIRST_REFUSAL: Final = Target("<=", 1_000_000)
SCOPE: Final = {"scope": "all", "reason": "bench"}


class Operator:
    """A client that kills and resumes: a context manager."""

    def __init__(self, endpoint: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger, self._socket.rcvtimeo = 0, ASK_TIMEOUT_MS
        self._socket.connect(endpoint)
        self._socket.send(frames.hello_frame("bench-operator"))
        self._session = frames.session_of(self._socket.recv())
        self._last_id = 0

    def ask(self, name: str, options: dict[str, Any]) -> Reply:
        """Return the reply to one of the gateway's calls; raises Failed for a refusal."""
        self._last_id += 1
        self._socket.send(encode_request(self._session, self._last_id, name, "", 0, [options]))
        while True:
            reply = decode_reply(self._socket.recv())
            if reply.request_id == self._last_id:
                break
        if reply.status != 0:
            raise Failed(f"{name}: {reply.result}")
        return reply

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.destroy(linger=0)


def kill(context: Context, name: str, title: str, **options: Any) -> Result:
    """Kill in the middle of a flood of 20,000 orders a second, again and again."""
    rounds = context.pick(6, 24)
    with Chains(context, "ipc", frames.ORDER) as chains:
        gateway = chains.gateway(ORDER_WORKERS, **options)
        flood = chains.gateway_client("flood", gateway.endpoint)
        with Operator(gateway.endpoint) as operator:
            queued: list[int] = []
            measured = interleave([Contender("gateway", _kill(operator, flood, queued))], rounds)
    result = Result(name, title, measured)
    result.state("p50", "gateway", FIRST_REFUSAL, "from the kill's arrival to the first refused order")
    result.notes.append(f"Waiting in the broker's queue at the kill, and refused: {min(queued):,} to {max(queued):,}.")
    return result


def _kill(operator: Operator, flood: LoadClient, queued: list[int]) -> Callable[[], Block]:
    def block() -> Block:
        flood.flood(int(RATE * FLOOD_S), RATE)
        time.sleep(KILL_AFTER_S)
        killed = operator.ask("kill", SCOPE)
        refused, frame = flood.flooded()
        operator.ask("resume", SCOPE)
        first = decode_reply(frame)
        if not refused or first.result[0] != Code.HALTED or killed.stamps is None or first.stamps is None:
            raise Failed(f"expected orders refused by the kill switch, got {first.result!r:.200}")
        queued.append(killed.result["refused"])
        return Block(np.array([max(first.stamps.replied - killed.stamps.received, 0)], np.uint64))

    return block


def flooded(context: Context) -> Result:
    """With the journal in the kernel's hands."""
    return kill(context, "kill", f"A kill under a flood of {RATE:,} orders a second")


def on_a_slow_disk(context: Context) -> Result:
    """With a disk that takes 200 ms to say that it has what it was given."""
    title = f"A kill under a flood of {RATE:,} orders a second, durability: disk, and a disk of {SLOW_DISK_MS} ms"
    slow = command(context.path("waits"), SLOW_DISK_MS)
    return kill(context, "kill-slow-disk", title, command=slow, durability="disk")


ENTRIES = (
    Entry("kill", "from a kill to the first refused order, under a flood", flooded),
    Entry("kill-slow-disk", "the same while the disk takes 200 ms a time", on_a_slow_disk),
)
