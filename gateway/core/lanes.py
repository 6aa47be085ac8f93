"""Workers, and the queue before each lane of an account.

Rules: a worker never holds more calls than the credit it granted. In the trade lane exits (cancels and closes) go
before entries, each in order of arrival, and an entry goes only to a worker whose terminal trades.
"""

from typing import TYPE_CHECKING, Any

from gateway.core.inflight import Fifo, InFlight
from gateway.wire.calls import Lane

if TYPE_CHECKING:
    from gateway.core.accounts import Account

__all__ = ("DEAD", "LIVE", "LOST", "LaneQueue", "Worker")

LIVE = 0  # heard of, and used if its account is proven
LOST = 1  # silent or unreachable: not used, but it may come back and its calls may still return
DEAD = 2  # its epoch is over: what it held has ended with it

_LIVE = LIVE
_TRADE = int(Lane.TRADE)


class Worker:
    """One epoch of one worker: a life of the process that holds a connection to a terminal."""

    __slots__ = (
        "account",
        "attached",
        "busy_ns",
        "calls",
        "condition",
        "connected_ns",
        "credit",
        "doubtful",
        "epoch",
        "epochs_seen",
        "errors",
        "identity",
        "last_call",
        "last_seen_ns",
        "name",
        "previous_identity",
        "proof",
        "proven",
        "queues",
        "reason",
        "settled",
        "stuck",
        "tradable",
        "used",
    )

    def __init__(self, name: str, epoch: int, identity: bytes, account: "Account", now_ns: int) -> None:
        self.name = name
        self.epoch = epoch
        self.identity = identity
        self.previous_identity = b""  # of the same epoch: frames from before a reconnect may still come
        self.account = account
        self.queues: list[LaneQueue] = []  # the lanes it serves, trade first
        self.attached = False
        self.condition = LIVE
        self.proven = False
        self.proof: dict[str, Any] = {}
        self.tradable = False
        self.reason = ""
        self.credit = 0
        self.used = 0
        self.settled = False  # it has handed over what it held of earlier brokers
        self.stuck = 0  # of these, calls that nobody waits for any more: UNKNOWN or ABANDONED
        self.doubtful: list[InFlight] = []  # sent on a connection that it has left since
        self.last_call = 0  # the number of the last call it was given: the least goes first
        self.last_seen_ns = now_ns
        self.connected_ns = now_ns
        self.epochs_seen = 1
        self.calls = 0
        self.errors = 0
        self.busy_ns = 0

    def attach(self) -> None:
        """Join the lanes it serves."""
        if not self.attached:
            self.attached = True
            for queue in self.queues:
                queue.workers.append(self)

    def detach(self) -> None:
        """Leave them."""
        if self.attached:
            self.attached = False
            for queue in self.queues:
                queue.workers.remove(self)


class LaneQueue:
    """What waits before one lane of one account, and who serves it."""

    __slots__ = ("_exits", "_others", "account_name", "depth", "lane", "lane_name", "peak", "workers")

    def __init__(self, account_name: str, lane: int) -> None:
        self.account_name = account_name
        self.lane = lane
        self.lane_name = Lane(lane).name.lower()
        self.workers: list[Worker] = []
        self.depth = 0
        self.peak = 0
        self._exits = Fifo()
        self._others = Fifo()

    def pick(self, request: InFlight) -> Worker | None:
        """Return the worker that may take `request` now: free, and given a call least recently. O(workers).

        None, too, while an earlier request of its kind waits.
        """
        if request.is_exit:
            if self._exits.size:
                return None
        elif self.depth:
            return None
        best: Worker | None = None
        entry = self.lane == _TRADE and not request.is_exit
        for worker in self.workers:
            if worker.used >= worker.credit or (entry and not worker.tradable):
                continue
            if best is None or worker.last_call < best.last_call:
                best = worker
        return best

    def next_for(self, worker: Worker) -> InFlight | None:
        """Return what `worker` should take next; it stays queued."""
        request = self._exits.head
        if request is None and (self.lane != _TRADE or worker.tradable):
            request = self._others.head
        return request

    def push(self, request: InFlight) -> None:
        """Queue a request behind those of its kind."""
        if request.is_exit:
            self._exits.push(request)
        else:
            self._others.push(request)
        self.depth += 1
        if self.depth > self.peak:
            self.peak = self.depth

    def push_front(self, request: InFlight) -> None:
        """Queue a request that has waited before, ahead of those of its kind."""
        if request.is_exit:
            self._exits.push_front(request)
        else:
            self._others.push_front(request)
        self.depth += 1
        if self.depth > self.peak:
            self.peak = self.depth

    def remove(self, request: InFlight) -> None:
        """Take out a queued request."""
        if request.is_exit:
            self._exits.remove(request)
        else:
            self._others.remove(request)
        self.depth -= 1

    def waiting(self, entries_only: bool) -> list[InFlight]:
        """Return all that wait, exits first; or all but the exits. O(depth)."""
        found: list[InFlight] = []
        request = None if entries_only else self._exits.head
        while request is not None:
            found.append(request)
            request = request.queue_after
        request = self._others.head
        while request is not None:
            found.append(request)
            request = request.queue_after
        return found

    def trades(self) -> bool:
        """Tell whether a terminal behind this lane accepts entries."""
        for worker in self.workers:  # noqa: SIM110 - an order's path: no generator
            if worker.tradable:
                return True
        return False
