"""Deliberate faults, each of which breaks a promise: the harness has to notice every one of them.

They replace functions of the gateway in the processes under test, interpreted: a compiled class can't be changed so.
Their names, and what each breaks, are in MUTATIONS.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

__all__ = ("MUTATIONS", "patches")

Patches = dict[str, Callable[[ModuleType], None]]


def _dedupe_off(module: ModuleType) -> None:
    def repeated(engine: Any, request: Any, known: Any) -> None:
        session = engine._sessions.by_client[known.client_id]
        engine._dispatcher.submit(request, session, request.account.lanes[0])

    module.Engine._repeated = repeated


def _journal_skipped(module: ModuleType) -> None:
    def append(journal: Any, data: bytes, sequence: int) -> None:
        journal._last = sequence

    module.Journal.append = append


def _send_before_journal(module: ModuleType) -> None:
    def flush(broker: Any) -> None:
        engine = broker._engine
        while engine.has_output():
            to_clients, to_workers = engine.flush(module.monotonic_ns())
            broker._workers.send_burst(to_workers)
            broker._clients.send_burst(to_clients)
            broker._record()

    module.Broker._flush = flush


def _resend_on_worker_loss(module: ModuleType) -> None:
    part = module._part

    def parting(dispatcher: Any, request: Any, now_ns: int, is_final: bool, why: str) -> None:
        if request.plan.is_order and is_final and request.state in (module.State.SENT, module.State.BEGUN):
            request.state = module.State.SENT
            dispatcher.take_back(request)
            dispatcher.requeue(request)
        else:
            part(dispatcher, request, now_ns, is_final, why)

    vars(module)["_part"] = parting


def _events_unrecorded(module: ModuleType) -> None:
    note = module.OrderLog.note

    def noting(log: Any, kind: int, body: bytes) -> int:
        return int(log.sequence if kind == module.Kind.EVENT else note(log, kind, body))

    module.OrderLog.note = noting


def _unknown_taken_for_refused(module: ModuleType) -> None:
    fail = module.Outbox.fail

    def failing(outbox: Any, request: Any, status: int, code: int, message: str, detail: Any) -> None:
        if code == module.Code.OUTCOME_UNKNOWN:
            status, code = module.Status.REFUSED, module.Code.UNAVAILABLE
        fail(outbox, request, status, code, message, detail)

    module.Outbox.fail = failing


MUTATIONS: Final[dict[str, tuple[str, str, Callable[[ModuleType], None]]]] = {
    "dedupe-off": ("an id that comes again is executed again", "gateway.core.engine", _dedupe_off),
    "journal-skipped": ("nothing is written before orders leave", "gateway.journal", _journal_skipped),
    "send-before-journal": ("orders leave before their records", "gateway.broker", _send_before_journal),
    "resend-on-worker-loss": ("a lost worker's order is sent again", "gateway.core.departures", _resend_on_worker_loss),
    "events-unrecorded": ("events are told and not recorded", "gateway.core.orderlog", _events_unrecorded),
    "unknown-is-refused": (
        "a lost worker's order is called refused",
        "gateway.core.outbox",
        _unknown_taken_for_refused,
    ),
}
"""By name: what it breaks, the module, and how."""


def patches(name: str, role: str) -> Patches:
    """Return a mutation's patch by its module, for a process of this role; "" is none. Raises KeyError for no name."""
    if not name or role != "broker":
        return {}
    _, module, patch = MUTATIONS[name]
    return {module: patch}
