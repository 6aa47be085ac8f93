"""The publisher's broadcast path in a process of its own: the same broadcaster and socket, fed from memory.

    python -m bench.publisher ENDPOINT

Commands, answered like the C programs answer theirs (floor/pubsub.c); N counts ticks:
    each N     ticks arrive in batches of 1,000 and leave as a frame each       publish_each
    single N   ticks arrive and leave one by one                                publish, one call a tick
    batch N    ticks arrive and leave in batches of 1,000                       publish, one call a batch
"""

import gc
import json
import sys
import time
from collections.abc import Callable

import zmq

from bench.ticks import BATCH, FEED, SYMBOL, sample_ticks
from gateway.accel import Broadcaster
from gateway.sockets import publisher_socket
from gateway.wire.structs import RECORD_BYTES

EPOCH = 1_717_400_000_000_000_000


def monotonic_ns() -> int:
    """Return the clock that the C programs read."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


class Publisher:
    """The three ways ticks leave."""

    def __init__(self, endpoint: str) -> None:
        # No water mark, as in the floor: a block is bounded by its length, and nothing is dropped.
        self._socket = publisher_socket(zmq.Context(), 0)
        self._socket.bind(endpoint)
        self._broadcaster = Broadcaster(self._socket, FEED, EPOCH)
        ticks = sample_ticks()
        self._records = ticks.tobytes()
        self._cursors = [int(msc) for msc in ticks["time_msc"]]

    def each(self, count: int) -> None:
        """Send `count` ticks as frames of their own, a thousand with each call."""
        publish_each, records = self._broadcaster.publish_each, self._records
        for _ in range(count // BATCH):
            publish_each(SYMBOL, records, monotonic_ns())

    def single(self, count: int) -> None:
        """Send `count` ticks, one with each call."""
        publish = self._broadcaster.publish
        singles = [self._records[at : at + RECORD_BYTES] for at in range(0, len(self._records), RECORD_BYTES)]
        arrivals = list(zip(singles, self._cursors, strict=True))
        for start in range(0, count, BATCH):
            for record, msc in arrivals[: min(BATCH, count - start)]:
                publish(SYMBOL, record, msc, 0, monotonic_ns())

    def batch(self, count: int) -> None:
        """Send `count` ticks, a thousand with each call and in each frame."""
        publish, records, cursor = self._broadcaster.publish, self._records, self._cursors[-1]
        for _ in range(count // BATCH):
            publish(SYMBOL, records, cursor, 0, monotonic_ns())


def main() -> None:
    """Serve commands until the end of input."""
    publisher = Publisher(sys.argv[1])
    ways: dict[str, Callable[[int], None]] = {
        "each": publisher.each,
        "single": publisher.single,
        "batch": publisher.batch,
    }
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    for line in sys.stdin:
        way, count = line.split()
        began = monotonic_ns()
        ways[way](int(count))
        print(json.dumps({"first_ns": began, "last_ns": monotonic_ns()}), flush=True)


if __name__ == "__main__":
    main()
