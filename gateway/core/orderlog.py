"""Accepted orders and the journal's records of them: what is written before anything that follows from it leaves.

It must never know files: records go out as bytes by `take`, and what was read back comes in by `recover`. Rules: an
order is accepted, given to a worker and settled only together with its record. Where records become durable later than
they are written (`gated`), what follows from one is held back until `durable` reaches its sequence.
"""

from typing import TYPE_CHECKING, Any, Protocol

from gateway.core.dedupe import Order, OrderTable, Retention, new_order
from gateway.core.inflight import InFlight
from gateway.core.limits import Codec
from gateway.core.records import (
    Kind,
    Record,
    accepted_body,
    encode,
    read_accepted,
    read_sent,
    read_settled,
    read_start,
    sent_body,
    settled_body,
    start_body,
)
from gateway.core.states import OrderState
from gateway.wire.errors import Code, Status

if TYPE_CHECKING:
    from gateway.core.intents import Intent

__all__ = ("Guard", "OrderLog")

_START = int(Kind.START)
_ACCEPTED = int(Kind.ACCEPTED)
_SENT = int(Kind.SENT)
_SETTLED = int(Kind.SETTLED)
_ORDER_SENT = int(OrderState.SENT)
_ORDER_UNKNOWN = int(OrderState.UNKNOWN)
_ORDER_ANSWERED = int(OrderState.ANSWERED)
_ORDER_REFUSED = int(OrderState.REFUSED)
_ORDER_NOT_FOUND = int(OrderState.NOT_FOUND)
_STATUS_REFUSED = int(Status.REFUSED)
_STATUS_UNKNOWN = int(Status.UNKNOWN)

_NEVER_LEFT = "the broker that accepted it ended before it left: it never reached a terminal"
_BROKER_LOST = "the broker that sent it ended before an answer came: it may have been executed; query before acting"


class Guard(Protocol):
    """Who is told of each order as it is accepted, and whenever anything is known of its fate."""

    def accepted(self, order: Order, intent: "Intent | None", now_ns: int) -> None:
        """Take an accepted order, and what it was judged to do, if it was."""

    def settled(self, order: Order, state: int, status: int, result: bytes, now_ns: int) -> None:
        """Take what is known of an order now."""


class OrderLog:
    """The orders of one broker, and the records that wait to be written."""

    __slots__ = (
        "_boot_id",
        "_encode_error",
        "_generation",
        "_pending",
        "_recovered",
        "gated",
        "guard",
        "now_ns",
        "reopened",
        "sequence",
        "table",
        "unknown",
        "wall_offset_ns",
    )

    def __init__(self, generation: int, codec: Codec, retention: Retention, gated: bool) -> None:
        self.table = OrderTable(retention)
        self.unknown: dict[int, Order] = {}  # by number: in doubt, and those whose doubt has ended a short while ago
        self._recovered: dict[str, list[Order]] = {}  # by worker: what it may still hold of an earlier broker's
        self.sequence = 0  # of the last record
        self.gated = gated
        self.guard: Guard | None = None  # who counts what is under way
        self.reopened = 0  # orders found or answered after it was concluded that they weren't executed: an alarm
        self.now_ns = 0  # of what is being done, set by the engine
        self.wall_offset_ns = 0  # from the monotonic to the wall clock
        self._boot_id = bytes(16)
        self._generation = generation
        self._encode_error = codec.encode_error
        self._pending: list[bytes] = []

    # --- an order's life ----------------------------------------------------------------------------------------------

    def accept(self, request: InFlight, client_id: str) -> None:
        """Take an order in; its request names the id."""
        account_name: str = request.account.name
        body = accepted_body(
            request.birth_ms,
            client_id.encode(),
            request.order_id.encode(),
            account_name.encode(),
            request.is_exit,
            request.has_kwargs,
            request.tail,
        )
        number = self._record(_ACCEPTED, body)
        order = new_order(
            number,
            client_id,
            request.order_id,
            account_name,
            request.birth_ms,
            request.is_exit,
            request.has_kwargs,
            request.tail,
            self.now_ns + self.wall_offset_ns,
        )
        self.table.add(order)
        request.order = order
        if self.guard is not None:
            self.guard.accepted(order, request.intent, self.now_ns)

    def sent(self, request: InFlight) -> None:
        """Note that an order is given to a worker."""
        order: Order = request.order  # type: ignore[assignment]  # it is accepted
        worker_name: str = request.worker.name
        order.move(_ORDER_SENT)
        order.generation = self._generation
        order.call_id = request.call_id
        order.worker_name = worker_name
        self._record(_SENT, sent_body(order.number, request.call_id, worker_name))

    def replied(self, order: Order, status: int, result: bytes) -> None:
        """Note the reply to an order: its fate, or that it is unknown."""
        if status == _STATUS_UNKNOWN:
            state = _ORDER_UNKNOWN
        elif status == _STATUS_REFUSED:
            state = _ORDER_REFUSED
        else:
            state = _ORDER_ANSWERED
        self._settle(order, state, status, result)

    def dropped(self, order: Order) -> None:
        """Note that an order never left: its session ended before."""
        text = "its session ended before it left"
        self._settle(order, _ORDER_REFUSED, _STATUS_REFUSED, self._encode_error(int(Code.REFUSED), text, None))

    def release(self, order: Order) -> None:
        """Note that no worker can hold an UNKNOWN order any more; keep it findable by its call: its RETURN may come."""
        if not order.released_ns:
            order.released_ns = self.now_ns
            self.table.by_call[(order.generation, order.call_id)] = order

    def worker_settled(self, worker_name: str) -> None:
        """Note that a worker has handed over all that it held of earlier brokers, or is dead."""
        for order in self._recovered.pop(worker_name, ()):
            self.release(order)

    def evidence(self, generation: int, call_id: int, status: int, result: bytes) -> Order | None:
        """Take a RETURN that no request waits for; return the order whose fate it tells, if there is one."""
        order = self.table.by_call.get((generation, call_id))
        return order if order is not None and self.evidence_for(order, status, result) else None

    def evidence_for(self, order: Order, status: int, result: bytes) -> bool:
        """Take what a worker returns for an order in doubt; tell whether it says anything new."""
        if status == _STATUS_UNKNOWN or order.state in (_ORDER_ANSWERED, _ORDER_REFUSED):
            return False
        if order.state != _ORDER_NOT_FOUND or status != _STATUS_REFUSED:
            self.replied(order, status, result)
        return True

    def note(self, kind: int, body: bytes) -> int:
        """Record what isn't about one order; return the record's sequence."""
        return self._record(kind, body)

    def resolve(self, order: Order, state: int, status: int, result: bytes) -> None:
        """Settle an UNKNOWN order by evidence, or for want of it."""
        self._settle(order, state, status, result)

    # --- the journal --------------------------------------------------------------------------------------------------

    def take(self) -> bytes:
        """Return the records that wait to be written, as one piece, b"" for none."""
        pending = self._pending
        if not pending:
            return b""
        self._pending = []
        return pending[0] if len(pending) == 1 else b"".join(pending)

    def has_records(self) -> bool:
        """Tell whether records wait to be written."""
        return len(self._pending) > 0

    def recover(self, records: list[Record]) -> None:
        """Take in records in the order they were written; call it before `start`."""
        table = self.table
        for sequence, wall_ns, generation, kind, body in records:
            self.sequence = sequence
            if kind == _ACCEPTED:
                birth_ms, client_id, order_id, account_name, is_exit, has_kwargs, tail = read_accepted(body)
                table.add(
                    new_order(
                        sequence,
                        client_id,
                        order_id,
                        account_name,
                        birth_ms,
                        is_exit,
                        has_kwargs,
                        tail,
                        wall_ns,
                    )
                )
            elif kind == _SENT:
                number, call_id, worker_name = read_sent(body)
                order = table.unsettled.get(number)
                if order is not None:
                    order.move(_ORDER_SENT)
                    order.generation = generation
                    order.call_id = call_id
                    order.worker_name = worker_name
            elif kind == _SETTLED:
                number, state, status, result = read_settled(body)
                order = table.unsettled.get(number)
                if order is not None:
                    table.settle(order, state, status, result, wall_ns)
            elif kind == _START:
                _, horizon_ms = read_start(body)
                if horizon_ms > table.horizon_ms:
                    table.horizon_ms = horizon_ms

    def start(self, boot_id: bytes, now_ns: int, wall_ns: int) -> None:
        """Begin this generation: what was accepted and never sent is refused, what was sent is UNKNOWN.

        A journal that holds nothing remembers nothing: ids born before now are refused.
        """
        self.now_ns = now_ns
        self.wall_offset_ns = wall_ns - now_ns
        if self.sequence == 0:
            self.table.horizon_ms = wall_ns // 1_000_000
        self._boot_id = boot_id
        self.begin_segment()
        for order in list(self.table.unsettled.values()):
            if order.state == _ORDER_SENT:
                detail = {"worker": order.worker_name, "call_id": order.call_id}
                result = self._encode_error(int(Code.OUTCOME_UNKNOWN), _BROKER_LOST, detail)
                self._settle(order, _ORDER_UNKNOWN, _STATUS_UNKNOWN, result)
            if order.state == _ORDER_UNKNOWN:
                order.doubted_ns = now_ns
                self.unknown[order.number] = order
                self.table.by_call[(order.generation, order.call_id)] = order
                self._recovered.setdefault(order.worker_name, []).append(order)
            else:
                result = self._encode_error(int(Code.UNAVAILABLE), _NEVER_LEFT, None)
                self._settle(order, _ORDER_REFUSED, _STATUS_REFUSED, result)

    def begin_segment(self) -> None:
        """Record which ids are no longer taken, so that what stands in older segments may go."""
        self._record(_START, start_body(self._boot_id, self.table.horizon_ms))

    def describe(self, order: Order) -> dict[str, Any]:
        """Return what `order_status` tells of an order; its reply is left out, for it is encoded."""
        return {
            "client_order_id": order.order_id,
            "number": order.number,
            "account": order.account_name,
            "state": OrderState(order.state).name.lower(),
            "accepted_ns": order.accepted_wall_ns,
            "settled_ns": order.settled_wall_ns,
            "worker": order.worker_name,
        }

    def _settle(self, order: Order, state: int, status: int, result: bytes) -> None:
        self._record(_SETTLED, settled_body(order.number, state, status, result))
        if order.state == _ORDER_NOT_FOUND:
            self.reopened += 1
        if state == _ORDER_UNKNOWN:
            order.doubted_ns = self.now_ns
            self.unknown[order.number] = order
        elif state != _ORDER_NOT_FOUND:
            self.unknown.pop(order.number, None)
        self.table.settle(order, state, status, result, self.now_ns + self.wall_offset_ns)
        if self.guard is not None:
            self.guard.settled(order, state, status, result, self.now_ns)

    def _record(self, kind: int, body: bytes) -> int:
        sequence = self.sequence + 1
        self.sequence = sequence
        wall_ns = self.now_ns + self.wall_offset_ns
        self._pending.append(encode(kind, sequence, wall_ns, self.now_ns, self._generation, body))
        return sequence
