"""Which call goes to which worker, when; and how each comes back, or doesn't.

Rules: an order leaves at most once. What waits here can still be refused with certainty; what has left can't. A worker
never holds more than its credit. What is in flight or UNKNOWN is bounded by the workers' credits and never evicted.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gateway.core.inflight import DeadlineWheel, InFlight
from gateway.core.lanes import LaneQueue, Worker
from gateway.core.limits import Codec, Limits
from gateway.core.orderlog import OrderLog
from gateway.core.outbox import Outbox
from gateway.core.session import Session
from gateway.core.states import State
from gateway.wire.errors import Code, Status

if TYPE_CHECKING:
    from gateway.core.switch import Halt, Scope

__all__ = ("Dispatcher",)

_QUEUED = int(State.QUEUED)
_SENT = int(State.SENT)
_BEGUN = int(State.BEGUN)
_REFUSED = int(State.REFUSED)
_EXPIRED = int(State.EXPIRED)
_UNKNOWN = int(State.UNKNOWN)
_ABANDONED = int(State.ABANDONED)
_DROPPED = int(State.DROPPED)

_NS_PER_MS = 1_000_000
_HALTED_AT_ONCE = 16
_ALL = 2**31 - 1


class Dispatcher:
    """Queues, credits, deadlines and the table of calls in flight."""

    __slots__ = (
        "_encode_call",
        "_flushed",
        "_generation",
        "_halted",
        "_halting",
        "_has_just_halted",
        "_held",
        "_log",
        "_max_queued",
        "_max_queued_per_session",
        "_next_call_id",
        "_outbox",
        "_outgoing",
        "_switch_over",
        "_thrown",
        "calls",
        "deadlines",
        "due_ns",
    )

    def __init__(self, generation: int, codec: Codec, limits: Limits, outbox: Outbox, log: OrderLog) -> None:
        self.calls: dict[int, InFlight] = {}  # by call id: given to a worker and not returned
        self.due_ns = 0
        self._generation = generation
        self._max_queued = limits.max_queued
        self._max_queued_per_session = limits.max_queued_per_session
        self._outbox = outbox
        self._log = log
        self._held: deque[tuple[int, InFlight]] = deque()  # orders whose record, of this sequence, isn't durable yet
        self._encode_call = codec.encode_call
        self.deadlines = DeadlineWheel()
        self._next_call_id = 1
        self._outgoing: list[Any] = []  # a request to be sent, or an encoded (identity, frame)
        self._thrown: dict[Scope, Halt] = {}
        self._switch_over: Callable[[str, str], Halt | None] | None = None
        self._halting: list[tuple[list[InFlight], Halt]] = []  # still in their queue, and can't leave any more
        self._halted: deque[tuple[InFlight, Halt]] = deque()  # out of it, and to be refused
        self._has_just_halted = False
        self._flushed: list[Any] = []  # the last flush's, in the order of its frames

    def obey(self, thrown: "dict[Scope, Halt]", switch_over: "Callable[[str, str], Halt | None]") -> None:
        """Learn of the kill switches: while any is in `thrown`, no entry leaves against which `switch_over`, given its
        client and account, finds one."""
        self._thrown = thrown
        self._switch_over = switch_over

    # --- on the way out -------------------------------------------------------------------------------------------

    def submit(self, request: InFlight, session: Session, queue: LaneQueue) -> None:
        """Take a permitted request: to a free worker at once, else into its lane's queue, else it is refused BUSY."""
        request.lane = queue
        worker = queue.pick(request)
        if worker is None:
            if queue.depth >= self._max_queued:
                text = f"the {queue.lane_name} queue of account {queue.account_name} is full ({queue.depth})"
                self._outbox.refuse(request, Code.BUSY, text)
                return
            if session.queued >= self._max_queued_per_session:
                self._outbox.refuse(request, Code.BUSY, f"this session has {session.queued} requests queued")
                return
        if request.plan.is_order:
            self._log.accept(request, session.client_id)
        request.session = session
        session.requests[request.request_id] = request
        due_ns = self.deadlines.add(request)
        if due_ns < self.due_ns:
            self.due_ns = due_ns
        if worker is None:
            request.move(_QUEUED)
            queue.push(request)
            session.queued += 1
        else:
            self._send(request, worker)

    def submit_own(self, request: InFlight, queue: LaneQueue) -> None:
        """Take a request of the gateway's own: nothing bounds these but that each asker has one under way."""
        request.lane = queue
        worker = queue.pick(request) if queue.workers else None
        due_ns = self.deadlines.add(request)
        if due_ns < self.due_ns:
            self.due_ns = due_ns
        if worker is not None:
            self._send(request, worker)
        else:
            request.move(_QUEUED)
            queue.push(request)
            self.refuse_unserved(request)

    def released(self, request: InFlight) -> None:
        """Note that an order's worker can't hold it any more."""
        if request.order is not None:
            self._log.release(request.order)

    def worker_settled(self, worker_name: str) -> None:
        """Note that a worker has handed over what it held of earlier brokers, or is dead."""
        self._log.worker_settled(worker_name)

    def feed(self, worker: Worker, now_ns: int) -> None:
        """Give a worker what waits for it, as far as its credit goes."""
        if not worker.attached:
            return
        for queue in worker.queues:
            while queue.depth and worker.used < worker.credit:
                request = queue.next_for(worker)
                if request is None:
                    break
                self._leave_queue(request)
                if request.deadline_ns <= now_ns:
                    self._expire_queued(request)
                elif not self._thrown or not self._halt_entry(request):
                    self._send(request, worker)

    def feed_lane(self, queue: LaneQueue, now_ns: int) -> None:
        """Give every worker of a lane what waits."""
        for worker in list(queue.workers):
            self.feed(worker, now_ns)

    def send_frame(self, identity: bytes, frame: bytes) -> None:
        """Send a worker something that is no call."""
        self._outgoing.append((identity, frame))

    def is_empty(self) -> bool:
        """Tell whether nothing waits for the flush."""
        return not self._outgoing and not self._halted and not self._halting

    def flush(self, now_ns: int) -> list[tuple[bytes, bytes]]:
        """Encode all that waits, as (identity, frame) in order; what has expired by now never leaves."""
        frames: list[tuple[bytes, bytes]] = []
        outgoing = self._outgoing
        flushed: list[Any] = []
        self._flushed = flushed
        if not outgoing:
            return frames
        generation = self._generation
        self._outgoing = []  # what expires frees credit, and what is sent then has its record written first
        for item in outgoing:
            if type(item) is tuple:
                frames.append(item)
                flushed.append(item)
                continue
            request: InFlight = item
            worker = request.worker
            if request.deadline_ns <= now_ns:
                self.take_back(request)
                self._expire_queued(request)
                self.feed(worker, now_ns)
                continue
            request.sent_ns = now_ns
            request.attempts += 1
            ttl_ms = (request.deadline_ns - now_ns) // _NS_PER_MS
            if ttl_ms == 0:
                ttl_ms = 1
            frame = self._encode_call(
                generation, request.call_id, request.plan.name, ttl_ms, request.tail, request.has_kwargs
            )
            frames.append((worker.identity, frame))
            flushed.append(request)
        return frames

    def flushed(self, index: int) -> Any:
        """Return what stood at `index` of the last flush: a request, an (identity, frame), or None."""
        return self._flushed[index] if 0 <= index < len(self._flushed) else None

    def _send(self, request: InFlight, worker: Worker) -> None:
        request.move(_SENT)
        call_id = self._next_call_id
        self._next_call_id = call_id + 1
        request.call_id = call_id
        request.worker = worker
        worker.used += 1
        worker.last_call = call_id
        self.calls[call_id] = request
        if request.order is not None:
            self._log.sent(request)
            if self._log.gated:
                self._held.append((self._log.sequence, request))
                return
        self._outgoing.append(request)

    def release(self, durable: int) -> None:
        """Let those orders leave whose records are durable, up to and including this sequence."""
        held = self._held
        while held and held[0][0] <= durable:
            self._outgoing.append(held.popleft()[1])

    def take_back(self, request: InFlight) -> None:
        """Undo `_send`: the CALL never left this process, or never left it whole."""
        worker = request.worker
        del self.calls[request.call_id]
        worker.used -= 1
        request.worker = None  # type: ignore[assignment]  # it is at none
        request.sent_ns = 0

    def _leave_queue(self, request: InFlight) -> None:
        request.lane.remove(request)
        session = request.session
        if session is not None:
            session.queued -= 1

    def requeue(self, request: InFlight) -> None:
        """Put back, ahead of all others, what was taken from a worker: a queue may pass its bound by its credit."""
        request.move(_QUEUED)
        request.lane.push_front(request)
        session = request.session
        if session is not None:
            session.queued += 1

    # --- on the way back ------------------------------------------------------------------------------------------

    def returned(self, request: InFlight) -> None:
        """Settle the books of a call whose RETURN has come; its answer is the caller's to give."""
        del self.calls[request.call_id]
        self.deadlines.remove(request)
        worker = request.worker
        worker.used -= 1
        worker.calls += 1
        if request.state == _UNKNOWN or request.state == _ABANDONED:
            worker.stuck -= 1

    def held_by(self, worker: Worker) -> list[InFlight]:
        """Return the calls a worker holds, oldest first. O(calls in flight)."""
        return [request for request in self.calls.values() if request.worker is worker]

    # --- endings ----------------------------------------------------------------------------------------------------

    def expire(self, now_ns: int) -> None:
        """End what has waited past its deadline."""
        for request in self.deadlines.expired(now_ns):
            worker = request.worker
            if request.state == _QUEUED:
                self._leave_queue(request)
                self._expire_queued(request)
            elif request.state != _SENT and request.state != _BEGUN:
                continue  # ended meanwhile: the credit that another one freed was offered to it
            elif request.sent_ns == 0:
                self.recall(request)
                self._expire_queued(request)
                self.feed(worker, now_ns)
            else:
                ttl_ms = (request.deadline_ns - request.received_ns) // _NS_PER_MS
                self.give_up(request, f"no answer within {ttl_ms} ms")

    def next_due_ns(self, until_ns: int) -> int:
        """Return when `expire` should next be called, `until_ns` at the latest."""
        return self.deadlines.next_due_ns(until_ns)

    def recall(self, request: InFlight) -> None:
        """Take back a call that waits for the flush."""
        if request in self._outgoing:
            self._outgoing.remove(request)
        else:
            self._held = deque([item for item in self._held if item[1] is not request])
        self.take_back(request)

    def _expire_queued(self, request: InFlight) -> None:
        """End a request that is in no queue and at no worker, and whose deadline has passed."""
        self.deadlines.remove(request)
        ttl_ms = (request.deadline_ns - request.received_ns) // _NS_PER_MS
        if request.attempts:
            request.move(_ABANDONED)
            self._no_reply(request, f"no answer within {ttl_ms} ms: its worker was lost, and no other was free")
        else:
            request.move(_EXPIRED)
            self._outbox.fail(
                request, Status.REFUSED, Code.EXPIRED, f"no worker was free within {ttl_ms} ms: it never left", None
            )

    def give_up(self, request: InFlight, why: str) -> None:
        """Stop waiting for a call that has left; it keeps its worker's credit until that worker's RETURN or end."""
        worker = request.worker
        self.deadlines.remove(request)
        worker.stuck += 1
        if request.plan.is_order:
            begun = request.state == _BEGUN
            request.move(_UNKNOWN)
            self._outbox.counters.orders_unknown += 1
            self._outbox.fail(
                request,
                Status.UNKNOWN,
                Code.OUTCOME_UNKNOWN,
                f"{why}: the order left and may have been executed; query before acting, never resend it blindly",
                {"worker": worker.name, "call_id": request.call_id, "begun": begun},
            )
        else:
            request.move(_ABANDONED)
            self._no_reply(request, why)

    def forget(self, request: InFlight) -> None:
        """Strike out a call that was given up and whose worker can't return it any more."""
        worker = request.worker
        del self.calls[request.call_id]
        worker.used -= 1
        worker.stuck -= 1
        if request.order is not None:
            self._log.release(request.order)

    def _no_reply(self, request: InFlight, why: str) -> None:
        self._outbox.counters.reads_unanswered += 1
        self._outbox.fail(request, Status.TERMINAL, Code.NO_REPLY, why, None)

    def refuse_queued(self, queue: LaneQueue, entries_only: bool, code: int, message: str) -> None:
        """Refuse what waits before a lane: it certainly never left."""
        for request in queue.waiting(entries_only):
            self._refuse_one(request, code, message)

    def halt(self, queue: LaneQueue, client_id: str, now_ns: int, halt: "Halt") -> int:
        """Stop every entry of one client ("": of all) before a trade lane that hasn't left this process; return how
        many. What is done at once is no more than finding them, so that the first are refused at once: none can leave
        any more, for the switch is thrown. `go_on_halting` does the rest. O(depth + what waits for the flush)."""
        found = queue.waiting(True)
        if client_id:
            found = [request for request in found if self._is_of(request, client_id)]
        count = len(found)
        if found:
            self._halting.append((found, halt))
        freed: list[Worker] = []
        outgoing: list[Any] = []
        for item in self._outgoing:
            if type(item) is tuple or not self._may_halt(item, queue, client_id):
                outgoing.append(item)
            else:
                freed.append(item.worker)
                self.take_back(item)
                self._halt_one(item, halt)
                count += 1
        self._outgoing = outgoing
        held: deque[tuple[int, InFlight]] = deque()
        for waiting in self._held:
            request = waiting[1]
            if self._may_halt(request, queue, client_id):
                freed.append(request.worker)
                self.take_back(request)
                self._halt_one(request, halt)
                count += 1
            else:
                held.append(waiting)
        self._held = held
        for worker in freed:
            self.feed(worker, now_ns)
        self._take_out(_HALTED_AT_ONCE - len(self._halted))
        self._refuse_halted()
        self._has_just_halted = True
        return count

    def go_on_halting(self) -> None:
        """Go on with what was halted, after a flush: the one that carries the first refusals waits for none of it."""
        if self._has_just_halted:
            self._has_just_halted = False
        else:
            self.finish_halting()
            self._refuse_halted()

    def finish_halting(self) -> None:
        """Take all that was halted out of its queue; their clients are told bit by bit."""
        if self._halting:
            self._take_out(_ALL)

    def _take_out(self, limit: int) -> None:
        """Take up to `limit` of those that were halted out of their queues, in order."""
        while self._halting and limit > 0:
            found, halt = self._halting.pop()
            for request in found[:limit]:
                if request.state == _QUEUED:  # else it has expired, or its worker's credit found it first
                    self._leave_queue(request)
                    self._halt_one(request, halt)
            if len(found) > limit:
                self._halting.append((found[limit:], halt))
            limit -= len(found)

    def _refuse_halted(self) -> None:
        """Tell a bounded number of clients: the first must not wait for the last."""
        for _ in range(min(len(self._halted), _HALTED_AT_ONCE)):
            request, halt = self._halted.popleft()
            self._outbox.fail(request, Status.REFUSED, Code.HALTED, halt.text, halt.detail)

    def _halt_entry(self, request: InFlight) -> bool:
        """Halt a request that was about to leave its queue, if a thrown switch stands against it; tell whether it
        does. It waited when the switch was thrown, or was put back since."""
        session = request.session
        if request.is_exit or session is None or not request.plan.is_order or self._switch_over is None:
            return False
        halt = self._switch_over(session.client_id, request.lane.account_name)
        if halt is not None:
            self._halt_one(request, halt)
        return halt is not None

    def _may_halt(self, request: InFlight, queue: LaneQueue, client_id: str) -> bool:
        return request.lane is queue and not request.is_exit and self._is_of(request, client_id)

    def _is_of(self, request: InFlight, client_id: str) -> bool:
        session = request.session
        return not client_id or (session is not None and session.client_id == client_id)

    def _halt_one(self, request: InFlight, halt: "Halt") -> None:
        self.deadlines.remove(request)
        request.move(_REFUSED)
        self._halted.append((request, halt))

    def refuse_unserved(self, request: InFlight) -> None:
        """Refuse a request that has just been put back, if nobody serves its lane."""
        queue = request.lane
        if request.state == _QUEUED and not queue.workers:
            text = f"no worker serves the {queue.lane_name} lane of account {queue.account_name}"
            self._refuse_one(request, Code.UNAVAILABLE, text)

    def _refuse_one(self, request: InFlight, code: int, message: str) -> None:
        self._leave_queue(request)
        self.deadlines.remove(request)
        if request.attempts:
            request.move(_ABANDONED)
            self._no_reply(request, f"its worker was lost: {message}")
        else:
            self._outbox.refuse(request, code, f"{message}: it never left")

    def drop_session(self, now_ns: int, session: Session) -> None:
        """Forget what of an ended session hasn't left; what has left runs to its end."""
        self.finish_halting()
        for request in list(session.requests.values()):
            worker = request.worker
            if request.state == _QUEUED:
                self._leave_queue(request)
                self._drop(request)
            elif request.state == _SENT and request.sent_ns == 0:
                self.recall(request)
                request.move(_QUEUED)
                self._drop(request)
                self.feed(worker, now_ns)
        session.requests.clear()

    def requeue_or_drop(self, request: InFlight) -> None:
        """Put back what was taken from a worker, unless its session has ended."""
        session = request.session
        if request.asker is None and (session is None or session.ended):
            request.move(_QUEUED)
            self._drop(request)
        else:
            self.requeue(request)

    def repeat(self, request: InFlight) -> None:
        """Put back a read whose worker was lost."""
        self._outbox.counters.reads_repeated += 1
        self.requeue(request)

    def _drop(self, request: InFlight) -> None:
        self.deadlines.remove(request)
        request.move(_ABANDONED if request.attempts else _DROPPED)
        if request.order is not None:
            self._log.dropped(request.order)
        self._outbox.counters.requests_dropped += 1

    def withdraw_orders(self, queues: list[LaneQueue], now_ns: int, code: int, message: str) -> None:
        """Refuse every order that hasn't left this process, entries and exits. O(calls in flight + what waits)."""
        for request in list(self.calls.values()):
            if request.plan.is_order and request.state == _SENT and request.sent_ns == 0:
                worker = request.worker
                self.recall(request)
                self.requeue_or_drop(request)
                for queue in queues:
                    self.refuse_queued(queue, False, code, message)
                self.feed(worker, now_ns)
        for queue in queues:
            self.refuse_queued(queue, False, code, message)

    # --- the end -----------------------------------------------------------------------------------------------------

    def end(self, queues: list[LaneQueue]) -> None:
        """Settle everything: what waits is refused, what has left is UNKNOWN or without a reply."""
        why = "the gateway shuts down"
        for request in list(self.calls.values()):
            if request.state != _SENT and request.state != _BEGUN:
                continue
            if request.sent_ns == 0:
                self.recall(request)
                self.requeue_or_drop(request)
            else:
                self.give_up(request, why)
        for queue in queues:
            self.refuse_queued(queue, False, Code.UNAVAILABLE, why)
