"""Accepted orders and the journal's records of them: what is written before anything that follows from it leaves.

It must never know files: records go out as bytes by `take`, and what was read back comes in by `recover`. Rules: an
order is accepted, given to a worker and settled only together with its record. Where records become durable later than
they are written (`gated`), what follows from one is held back until `durable` reaches its sequence. A journal that
can't be written any more is `lost`: from then on nothing is recorded, until the next broker; entries don't go, and
exits only where an operator has said so.
"""

from typing import TYPE_CHECKING, Any, Protocol

from gateway.core import records
from gateway.core.dedupe import Order, OrderTable, Retention, new_order
from gateway.core.inflight import InFlight
from gateway.core.limits import Codec, RecordWriter
from gateway.core.records import (
    Kind,
    Record,
    durable_body,
    outlives_power_cuts,
    read_accepted,
    read_sent,
    read_settled,
    read_start,
    start_body,
)
from gateway.core.states import OrderState
from gateway.wire.errors import Code, Status

if TYPE_CHECKING:
    from gateway.core.intents import Intent

__all__ = ("Guard", "OrderLog")

MAX_REMARKS = 64
"""That wait for the shell's log; it takes them several times a second."""

_LOOKED_FOR_NS = 600_000_000_000
"""What wasn't found so long ago or less is still looked for by the next broker."""

_START = int(Kind.START)
_ACCEPTED = int(Kind.ACCEPTED)
_SENT = int(Kind.SENT)
_SETTLED = int(Kind.SETTLED)
_DURABLE = int(Kind.DURABLE)
_ORDER_ACCEPTED = int(OrderState.ACCEPTED)
_ORDER_SENT = int(OrderState.SENT)
_ORDER_UNKNOWN = int(OrderState.UNKNOWN)
_ORDER_ANSWERED = int(OrderState.ANSWERED)
_ORDER_REFUSED = int(OrderState.REFUSED)
_ORDER_NOT_FOUND = int(OrderState.NOT_FOUND)
_STATUS_REFUSED = int(Status.REFUSED)
_STATUS_UNKNOWN = int(Status.UNKNOWN)

_NEVER_LEFT = "the broker that accepted it ended before it left: it never reached a terminal"
_POWER_LOST = "the host has lost its power, and the journal its end: it may have left; query before acting"
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
        "_accepted_record",
        "_boot_id",
        "_encode_error",
        "_generation",
        "_last_wall_ns",
        "_lost_end",
        "_marked",
        "_not_found",
        "_pending",
        "_record_of",
        "_recovered",
        "_sent_record",
        "_settled_record",
        "allowed_by",
        "barred",
        "doubt",
        "durable_to",
        "gated",
        "guard",
        "lost",
        "now_ns",
        "remarks",
        "reopened",
        "sequence",
        "table",
        "unknown",
        "unrecorded",
        "wall_offset_ns",
    )

    def __init__(
        self, generation: int, codec: Codec, retention: Retention, gated: bool, writer: RecordWriter = records
    ) -> None:
        """`writer`: `gateway.core.records`, or its compiled twin."""
        self.table = OrderTable(retention)
        self.unknown: dict[int, Order] = {}  # by number: in doubt, and those whose doubt has ended a short while ago
        self._recovered: dict[str, list[Order]] = {}  # by worker: what it may still hold of an earlier broker's
        self.sequence = 0  # of the last record
        self.gated = gated
        self.guard: Guard | None = None  # who counts what is under way
        self.reopened = 0  # orders found or answered after it was concluded that they weren't executed: an alarm
        self.now_ns = 0  # of what is being done, set by the engine
        self.wall_offset_ns = 0  # from the monotonic to the wall clock
        self.durable_to = (
            0  # the sequence up to which the records are on the disk for certain, where that is waited for
        )
        self._marked = 0  # the last one that was recorded
        self.doubt = ""  # why entries are refused; "": they are not
        self.barred = ""  # why exits are, too
        self.lost = ""  # why nothing can be recorded any more
        self.allowed_by = ""  # who wants exits to go though they can't be recorded
        self.unrecorded = 0  # orders that were accepted all the same
        self.remarks: list[str] = []  # for the shell's log
        self._boot_id = bytes(16)
        self._lost_end = False  # whether a power cut takes records from whose orders something has followed
        self._last_wall_ns = 0  # of the last record that was read
        self._not_found: dict[int, Order] = {}  # by number: those that were read as such, until `start`
        self._generation = generation
        self._encode_error = codec.encode_error
        self._pending: list[bytes] = []
        self._record_of = writer.record
        self._accepted_record = writer.accepted_record
        self._sent_record = writer.sent_record
        self._settled_record = writer.settled_record

    # --- an order's life ----------------------------------------------------------------------------------------------

    def accept(self, request: InFlight, client_id: str) -> None:
        """Take an order in; its request names the id."""
        account_name: str = request.account.name
        number = self.sequence + 1
        wall_ns = self.now_ns + self.wall_offset_ns
        self.sequence = number
        if not self.lost:
            self._pending.append(
                self._accepted_record(
                    number,
                    wall_ns,
                    self.now_ns,
                    self._generation,
                    request.birth_ms,
                    client_id,
                    request.order_id,
                    account_name,
                    request.is_exit,
                    request.has_kwargs,
                    request.tail,
                )
            )
        order = new_order(
            number,
            client_id,
            request.order_id,
            account_name,
            request.birth_ms,
            request.is_exit,
            request.has_kwargs,
            request.tail,
            wall_ns,
        )
        self.table.add(order)
        request.order = order
        if self.lost:
            self.unrecorded += 1
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
        sequence = self.sequence + 1
        wall_ns = self.now_ns + self.wall_offset_ns
        self.sequence = sequence
        if not self.lost:
            self._pending.append(
                self._sent_record(
                    sequence, wall_ns, self.now_ns, self._generation, order.number, request.call_id, worker_name
                )
            )

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
        """Return the records that wait to be written, as one piece, b"" for none.

        Where they become durable later, the last one says how far that is: after a power cut it tells what may be
        missing from what may not.
        """
        if not self._pending:
            return b""
        if self.gated and self.durable_to > self._marked:
            self._marked = self.durable_to
            self._record(_DURABLE, durable_body(self.durable_to))
        pending = self._pending
        self._pending = []
        return pending[0] if len(pending) == 1 else b"".join(pending)

    def lose(self, why: str) -> None:
        """Record nothing from now on: what was to be written can't be."""
        self.lost = why
        self.doubt = why
        self.gated = False
        self._pending = []
        self.bar_exits(why)

    def bar_exits(self, why: str) -> None:
        """Refuse exits, too, for as long as there is a reason, unless somebody wants them to go all the same."""
        self.barred = "" if self.allowed_by else why

    def allow_exits(self, by: str, why: str) -> None:
        """Let exits go though they can't be recorded, until this broker ends."""
        self.allowed_by = by
        self.barred = ""
        self.remark(f"exits go without a record, says {by}: {why}")

    def remark(self, text: str) -> None:
        """Have the shell write something to its log."""
        if len(self.remarks) < MAX_REMARKS:
            self.remarks.append(text)

    def has_records(self) -> bool:
        """Tell whether records wait to be written."""
        return len(self._pending) > 0

    def recover(self, found: list[Record]) -> list[Record]:
        """Take in records in the order they were written, and return those that are others' affair; call it before
        `start`."""
        table = self.table
        others: list[Record] = []
        for record in found:
            sequence, wall_ns, generation, kind, body = record
            self.sequence = sequence
            self._last_wall_ns = max(self._last_wall_ns, wall_ns)
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
                order = table.unsettled.get(number) or self._not_found.pop(number, None)
                if order is not None:
                    table.settle(order, state, status, result, wall_ns)
                    if state == _ORDER_NOT_FOUND:
                        self._not_found[number] = order
            elif kind == _START:
                self._boot_id, horizon_ms = read_start(body)
                self._lost_end = not outlives_power_cuts(body)
                if horizon_ms > table.horizon_ms:
                    table.horizon_ms = horizon_ms
            else:
                others.append(record)
        return others

    def start(self, boot_id: bytes, now_ns: int, wall_ns: int) -> None:
        """Begin this generation: what was accepted and never sent is refused, what was sent is UNKNOWN.

        A journal that holds nothing remembers nothing: ids born before now are refused. So they are where the host was
        booted anew since, unless every record was on the disk before anything followed from it, or the last broker has
        ended in order: the journal's end may be gone with what was accepted, or that it was sent.
        """
        self.now_ns = now_ns
        self.wall_offset_ns = wall_ns - now_ns
        is_behind = self._lost_end and any(boot_id) and any(self._boot_id) and boot_id != self._boot_id
        if self.sequence == 0:
            self.table.horizon_ms = wall_ns // 1_000_000
        elif is_behind:
            self.table.doubt_until(max(wall_ns, self._last_wall_ns))
        if is_behind:  # who comes after a start that was cut short must see it, too
            self._record(_START, start_body(self._boot_id, self.table.horizon_ms))
        else:
            self._boot_id = boot_id
            self.begin_segment()
        for order in list(self.table.unsettled.values()):
            if order.state == _ORDER_SENT or (is_behind and order.state == _ORDER_ACCEPTED):
                why = _BROKER_LOST if order.state == _ORDER_SENT else _POWER_LOST
                detail = {"worker": order.worker_name, "call_id": order.call_id}
                result = self._encode_error(int(Code.OUTCOME_UNKNOWN), why, detail)
                self._settle(order, _ORDER_UNKNOWN, _STATUS_UNKNOWN, result)
            if order.state == _ORDER_UNKNOWN:
                order.doubted_ns = now_ns
                self.unknown[order.number] = order
                if order.generation:
                    self.table.by_call[(order.generation, order.call_id)] = order
                    self._recovered.setdefault(order.worker_name, []).append(order)
                else:
                    order.released_ns = now_ns  # no worker is known to have it; the settle time must do
            else:
                result = self._encode_error(int(Code.UNAVAILABLE), _NEVER_LEFT, None)
                self._settle(order, _ORDER_REFUSED, _STATUS_REFUSED, result)
        if is_behind:
            self._boot_id = boot_id
            self.begin_segment()
        for order in self._not_found.values():
            if wall_ns - order.settled_wall_ns < _LOOKED_FOR_NS:
                order.doubted_ns = order.released_ns = now_ns
                self.unknown[order.number] = order
        self._not_found = {}

    def end(self) -> None:
        """Record that nothing more follows: who finds this record has found all."""
        self._record(_START, start_body(self._boot_id, self.table.horizon_ms, True))

    def begin_segment(self) -> None:
        """Record which ids are no longer taken, so that what stands in older segments may go."""
        self._record(_START, start_body(self._boot_id, self.table.horizon_ms, self.gated))

    def describe_journal(self) -> dict[str, Any]:
        """Return what stands against recording orders; "" for nothing."""
        return {
            "entries_refused": self.doubt,
            "exits_refused": self.barred,
            "lost": self.lost,
            "exits_allowed_by": self.allowed_by,
            "unrecorded": self.unrecorded,
        }

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
        sequence = self.sequence + 1
        wall_ns = self.now_ns + self.wall_offset_ns
        self.sequence = sequence
        if not self.lost:
            self._pending.append(
                self._settled_record(
                    sequence, wall_ns, self.now_ns, self._generation, order.number, state, status, result
                )
            )
        if order.state == _ORDER_NOT_FOUND:
            self.reopened += 1
        if state == _ORDER_UNKNOWN:
            order.doubted_ns = self.now_ns
            self.unknown[order.number] = order
        elif state != _ORDER_NOT_FOUND:
            self.unknown.pop(order.number, None)
        self.table.settle(order, state, status, result, wall_ns)
        if self.guard is not None:
            self.guard.settled(order, state, status, result, self.now_ns)

    def _record(self, kind: int, body: bytes) -> int:
        sequence = self.sequence + 1
        self.sequence = sequence
        if self.lost:
            return sequence
        wall_ns = self.now_ns + self.wall_offset_ns
        self._pending.append(self._record_of(kind, sequence, wall_ns, self.now_ns, self._generation, body))
        return sequence
