"""One request on its way, and the two lists it can stand in: a lane's queue and the deadlines' wheel.

Both lists are chained through the requests themselves: joining and leaving cost O(1), allocate nothing, and leave no
grave behind, whichever way a request ends. States change only through `InFlight.move`.
"""

from typing import TYPE_CHECKING, Protocol

from gateway.core.states import MOVE_MASKS, IllegalMove, State
from gateway.wire.calls import Call, Kind

if TYPE_CHECKING:
    from gateway.core.accounts import Account
    from gateway.core.dedupe import Order
    from gateway.core.intents import Intent
    from gateway.core.lanes import LaneQueue, Worker
    from gateway.core.session import Session

__all__ = ("Asker", "CallPlan", "DeadlineWheel", "Fifo", "InFlight", "new_request")

_MOVE_MASKS = MOVE_MASKS

# A slot of 2**23 ns (8.4 ms) is how much later than its deadline a request may be ended, at most; 4,096 slots are one
# turn of 34 s, and what lives longer is passed over once a turn.
_SLOT_BITS = 23
_SLOTS = 4_096
_SLOT_MASK = _SLOTS - 1


class Asker(Protocol):
    """Who makes requests of the gateway's own."""

    def answered(self, request: "InFlight", status: int, result: bytes) -> None:
        """Take the end of a request, whatever it is."""


class CallPlan:
    """What is to be done with one call of the allow-list, as plain fields for the hot path."""

    __slots__ = ("cache_ns", "clears_specs", "index", "is_gateway", "is_order", "is_quote", "lane", "name", "ttl_ns")

    def __init__(self, call: Call, index: int) -> None:
        self.name = call.name
        self.index = index
        self.lane = int(call.lane)
        self.ttl_ns = call.ttl_ms * 1_000_000
        self.cache_ns = call.cache_ms * 1_000_000
        self.is_gateway = call.kind is Kind.GATEWAY
        self.is_order = call.kind is Kind.ORDER
        self.is_quote = call.name == "symbol_info_tick"
        self.clears_specs = call.name == "symbol_select"


class InFlight:
    """One request from its arrival to its one reply, and, if it left for a worker, to that worker's RETURN."""

    __slots__ = (
        "account",
        "asker",
        "attempts",
        "birth_ms",
        "call_id",
        "call_ns",
        "deadline_ns",
        "has_kwargs",
        "identity",
        "in_wheel",
        "intent",
        "is_exit",
        "lane",
        "order",
        "order_id",
        "plan",
        "queue_after",
        "queue_before",
        "received_ns",
        "request_id",
        "result",
        "returned_ns",
        "sent_ns",
        "session",
        "state",
        "status",
        "tail",
        "wait_ns",
        "wheel_after",
        "wheel_before",
        "wheel_slot",
        "worker",
    )

    identity: bytes  # whom the reply goes to
    session: "Session | None"  # set once it is registered there: it then holds its request id
    request_id: int
    plan: "CallPlan"  # these two from the moment it is permitted
    account: "Account"
    tail: bytes
    has_kwargs: bool
    is_exit: bool
    order_id: str  # an order's: the client's id for it, and when that was born
    birth_ms: int
    intent: "Intent | None"  # what it would do, where risk has judged it
    order: "Order | None"  # once it is accepted
    asker: "Asker | None"  # who is told its end, of a request that the gateway makes itself
    state: int
    attempts: int  # CALLs that left for a worker
    call_id: int
    worker: "Worker"  # in states SENT to ABANDONED
    lane: "LaneQueue"  # from the moment it is submitted
    received_ns: int
    deadline_ns: int
    sent_ns: int  # 0 while its CALL hasn't left this process
    returned_ns: int
    wait_ns: int
    call_ns: int
    status: int
    result: bytes
    queue_before: "InFlight | None"
    queue_after: "InFlight | None"
    wheel_before: "InFlight | None"
    wheel_after: "InFlight | None"
    wheel_slot: int
    in_wheel: bool

    def move(self, state: int) -> None:
        """Change the state; raises IllegalMove, and changes nothing, where the table doesn't lead."""
        if not _MOVE_MASKS[self.state] >> state & 1:
            raise IllegalMove(f"request {self.request_id}: {State(self.state).name} can't become {State(state).name}")
        self.state = state


def new_request(identity: bytes, request_id: int, received_ns: int) -> InFlight:
    """Return a request in state RECEIVED."""
    request = InFlight.__new__(InFlight)
    request.identity = identity
    request.session = None
    request.request_id = request_id
    request.plan = None  # type: ignore[assignment]  # see the class
    request.account = None  # type: ignore[assignment]  # see the class
    request.tail = b""
    request.has_kwargs = False
    request.is_exit = False
    request.order_id = ""
    request.birth_ms = 0
    request.intent = None
    request.order = None
    request.asker = None
    request.state = 0
    request.attempts = 0
    request.call_id = 0
    request.worker = None  # type: ignore[assignment]  # see the class
    request.lane = None  # type: ignore[assignment]  # see the class
    request.received_ns = received_ns
    request.deadline_ns = 0
    request.sent_ns = 0
    request.returned_ns = 0
    request.wait_ns = 0
    request.call_ns = 0
    request.status = 0
    request.result = b""
    request.queue_before = None
    request.queue_after = None
    request.wheel_before = None
    request.wheel_after = None
    request.wheel_slot = 0
    request.in_wheel = False
    return request


class Fifo:
    """Requests in the order they came; any of them may leave."""

    __slots__ = ("head", "size", "tail")

    def __init__(self) -> None:
        self.head: InFlight | None = None
        self.tail: InFlight | None = None
        self.size = 0

    def push(self, request: InFlight) -> None:
        """Append at the end."""
        last = self.tail
        request.queue_before = last
        request.queue_after = None
        if last is None:
            self.head = request
        else:
            last.queue_after = request
        self.tail = request
        self.size += 1

    def push_front(self, request: InFlight) -> None:
        """Put before all others."""
        first = self.head
        request.queue_before = None
        request.queue_after = first
        if first is None:
            self.tail = request
        else:
            first.queue_before = request
        self.head = request
        self.size += 1

    def remove(self, request: InFlight) -> None:
        """Take out a request that is in this list."""
        before = request.queue_before
        after = request.queue_after
        if before is None:
            self.head = after
        else:
            before.queue_after = after
        if after is None:
            self.tail = before
        else:
            after.queue_before = before
        request.queue_before = None
        request.queue_after = None
        self.size -= 1


class DeadlineWheel:
    """Deadlines in coarse slots. A heap would cost O(log n) and keep the answered ones until their time; most requests
    are answered long before it, so what counts is that joining and leaving are O(1) and leave nothing behind.
    Nothing is ever due early; at most one slot late.
    """

    __slots__ = ("_cursor", "_heads", "size")

    def __init__(self) -> None:
        self._heads: list[InFlight | None] = [None] * _SLOTS
        self._cursor = 0
        self.size = 0

    def add(self, request: InFlight) -> int:
        """Take a request in by its deadline; return when `expired` will yield it."""
        slot = request.deadline_ns >> _SLOT_BITS
        if slot < self._cursor:
            slot = self._cursor
        index = slot & _SLOT_MASK
        first = self._heads[index]
        request.wheel_before = None
        request.wheel_after = first
        if first is not None:
            first.wheel_before = request
        self._heads[index] = request
        request.wheel_slot = slot
        request.in_wheel = True
        self.size += 1
        return (slot + 1) << _SLOT_BITS

    def remove(self, request: InFlight) -> None:
        """Take a request out, if it is in."""
        if not request.in_wheel:
            return
        before = request.wheel_before
        after = request.wheel_after
        if before is None:
            self._heads[request.wheel_slot & _SLOT_MASK] = after
        else:
            before.wheel_after = after
        if after is not None:
            after.wheel_before = before
        request.wheel_before = None
        request.wheel_after = None
        request.in_wheel = False
        self.size -= 1

    def expired(self, now_ns: int) -> list[InFlight]:
        """Take out and return what is due, earliest slot first and in order of arrival within a slot."""
        due: list[InFlight] = []
        end = now_ns >> _SLOT_BITS
        start = self._cursor
        if end <= start:
            return due
        self._cursor = end
        if self.size == 0:
            return due
        slot = start if end - start <= _SLOTS else end - _SLOTS
        while slot < end:
            found: list[InFlight] = []
            request = self._heads[slot & _SLOT_MASK]
            while request is not None:
                after = request.wheel_after
                if request.wheel_slot < end:
                    found.append(request)
                    self.remove(request)
                request = after
            found.reverse()
            due.extend(found)
            slot += 1
        return due

    def next_due_ns(self, until_ns: int) -> int:
        """Return when `expired` should next be called, `until_ns` at the latest. O(slots until then)."""
        if self.size == 0:
            return until_ns
        slot = self._cursor
        end = until_ns >> _SLOT_BITS
        if end - slot > _SLOTS:
            end = slot + _SLOTS
        while slot < end:
            if self._heads[slot & _SLOT_MASK] is not None:
                return (slot + 1) << _SLOT_BITS
            slot += 1
        return until_ns
