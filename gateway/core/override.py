"""What an operator decides where the gateway can't know: what became of an order that stays UNKNOWN, and whether exits
may go while they can't be recorded.

Rules: each says who and why, and that is written down. Nobody decides about an order of their own: a strategy that
wants to trade on has every reason to believe that nothing happened. What a worker may still execute isn't "not
executed". Evidence that comes later is believed all the same, with the alarm that every reopened order gives.
"""

from typing import Any, Final

from gateway.core.dedupe import Order
from gateway.core.evidence import resolved_result
from gateway.core.inflight import InFlight
from gateway.core.lanes import LIVE
from gateway.core.limits import Codec
from gateway.core.orderlog import OrderLog
from gateway.core.orders import trade_request
from gateway.core.outbox import Outbox
from gateway.core.reconcile import Reconciler
from gateway.core.records import Kind
from gateway.core.session import Session
from gateway.core.states import OrderState
from gateway.core.workers import WorkerTable
from gateway.wire.errors import Code, Status

__all__ = ("OVERRIDE_CALLS", "Overrides")

OVERRIDE_CALLS: Final = ("resolve_order", "allow_exits")

MAX_TEXT_BYTES: Final = 256
"""Of a reason, of who has it, and of a name."""

_MAX_TICKET: Final = 2**63
_OPTIONS: Final[dict[str, dict[str, type]]] = {
    "resolve_order": {
        "client": str,
        "client_order_id": str,
        "executed": bool,
        "ticket": int,
        "reason": str,
        "who": str,
    },
    "allow_exits": {"reason": str, "who": str},
}
_NEEDED: Final = {"resolve_order": ("client", "client_order_id", "executed", "reason"), "allow_exits": ("reason",)}
_IN_DOUBT: Final = (OrderState.UNKNOWN, OrderState.NOT_FOUND)


class Overrides:
    """Answers OVERRIDE_CALLS. Nothing here is hot."""

    def __init__(
        self,
        codec: Codec,
        outbox: Outbox,
        log: OrderLog,
        workers: WorkerTable,
        reconciler: Reconciler,
        operators: tuple[str, ...],
    ) -> None:
        self._codec = codec
        self._outbox = outbox
        self._log = log
        self._workers = workers
        self._reconciler = reconciler
        self._operators = operators

    def answer(self, request: InFlight, name: str, session: Session, args: list[Any]) -> None:
        """Answer one of OVERRIDE_CALLS."""
        problem, options = _checked(name, args)
        if problem:
            self._outbox.refuse(request, Code.BAD_ARGUMENTS, f"{name}: {problem}")
            return
        who = options.get("who", "")
        by = f"{who} ({session.client_id})" if who else session.client_id
        if name == "allow_exits":
            self._allow_exits(request, session, by, options["reason"])
        else:
            self._resolve(request, session, by, options)

    # --- exits without a record -------------------------------------------------------------------------------------

    def _allow_exits(self, request: InFlight, session: Session, by: str, why: str) -> None:
        if session.client_id not in self._operators:
            known = ", ".join(self._operators) or "nobody"
            text = f"client {session.client_id!r} may not allow exits without a journal: risk.operators names {known}"
            self._outbox.refuse(request, Code.PERMISSION, text)
        elif not self._log.barred and not self._log.allowed_by:
            self._outbox.refuse(request, Code.REFUSED, "the journal takes exits: there is nothing to allow")
        else:
            self._log.allow_exits(by, why)
            self._outbox.answer(request, self._codec.pack(self._log.describe_journal()))

    # --- orders that stay UNKNOWN -----------------------------------------------------------------------------------

    def _resolve(self, request: InFlight, session: Session, by: str, options: dict[str, Any]) -> None:
        client_id, order_id = options["client"], options["client_order_id"]
        executed, ticket, why = options["executed"], options.get("ticket", 0), options["reason"]
        order = self._log.table.find(client_id, order_id)
        if client_id == session.client_id:
            text = f"order {order_id} is this client's own: another one may say what became of it"
            self._outbox.refuse(request, Code.PERMISSION, text)
            return
        if order is None:
            text = f"client {client_id!r} has no order {order_id} that is remembered"
            self._outbox.refuse(request, Code.REFUSED, text)
            return
        problem = self._obstacle(order, executed)
        if problem:
            self._outbox.refuse(request, Code.REFUSED, f"order {order_id} {problem}")
            return
        said = f"executed as {ticket}" if executed else "not executed"
        self._log.note(int(Kind.RESOLVED), self._codec.pack([order.number, executed, ticket, by, why]))
        self._log.remark(f"order {order_id} of client {client_id} is resolved: {said}, says {by}: {why}")
        if executed:
            fields, _ = trade_request(*self._codec.decode_arguments(order.tail, order.has_kwargs))
            result = self._codec.pack(resolved_result(fields or {}, ticket, f"resolved by {by}"))
            self._reconciler.settle(order, int(OrderState.ANSWERED), int(Status.OK), result)
        else:
            text = f"order {order_id} was not executed, says {by}: {why}"
            result = self._codec.encode_error(int(Code.NOT_EXECUTED), text, {"worker": order.worker_name})
            self._reconciler.settle(order, int(OrderState.NOT_FOUND), int(Status.REFUSED), result)
        self._outbox.answer(request, self._codec.pack(self._log.describe(order) | {"status": order.status}))

    def _obstacle(self, order: Order, executed: bool) -> str:
        """Say why an order can't be resolved so; "" if it can."""
        if order.state not in _IN_DOUBT or (order.state == OrderState.NOT_FOUND and not executed):
            return f"is {OrderState(order.state).name.lower()}: there is nothing to resolve"
        worker = self._workers.by_name.get(order.worker_name)
        if not executed and not order.released_ns and worker is not None and worker.condition == LIVE:
            return f"may still be executed: worker {worker.name} is there, and holds it"
        return ""


def _checked(name: str, args: list[Any]) -> tuple[str, dict[str, Any]]:
    """Return what is wrong with a call's arguments ("": nothing), and its options."""
    known, needed = _OPTIONS[name], _NEEDED[name]
    if len(args) != 1 or type(args[0]) is not dict:
        return f"expected one map with {', '.join(known)}", {}
    options: dict[str, Any] = args[0]
    for option, value in options.items():
        if option not in known:
            return f"unknown option {option[:MAX_TEXT_BYTES]!r}; known: {', '.join(known)}", {}
        if type(value) is not known[option]:
            return f"{option}: expected a {known[option].__name__}, got {type(value).__name__}", {}
        if type(value) is str and len(value.encode()) > MAX_TEXT_BYTES:
            return f"{option}: expected at most {MAX_TEXT_BYTES} bytes", {}
    missing = [option for option in needed if option not in options or options[option] == ""]
    if missing:
        return f"{missing[0]}: expected it; needed: {', '.join(needed)}", {}
    ticket = options.get("ticket", 0)
    if not 0 <= ticket < _MAX_TICKET or (options.get("executed", False) != bool(ticket)):
        return f"ticket: expected the order's at the terminal where it was executed, and none else, got {ticket}", {}
    return "", options
