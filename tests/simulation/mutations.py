"""Faults of the code under test, each with a name: a checker that doesn't find them proves nothing.

Each is a small change to one class or function, as somebody might make by mistake, for the time of a `with`. They are
made to interpreted code: what is compiled can't be changed so.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import gateway.core.departures
import gateway.core.dispatch
import gateway.core.reconcile
import gateway.core.records
import gateway.journal
import gateway.workers.execution
import tests.simulation.broker
from gateway.broker import Broker
from gateway.core.accounts import AccountRules
from gateway.core.dedupe import OrderTable
from gateway.core.dispatch import Dispatcher
from gateway.core.engine import Engine
from gateway.core.eventlog import EventLog
from gateway.core.exposure import Book
from gateway.core.goals import Goals, GoalState
from gateway.core.orderlog import OrderLog
from gateway.core.outbox import Outbox
from gateway.core.session import SessionTable
from gateway.core.states import OrderState
from gateway.core.switch import Switchboard
from gateway.core.watch import Watcher
from gateway.wire import constants as mt5
from gateway.workers.attachment import Attachment
from gateway.workers.ledger import ORDER_ID
from gateway.workers.worker import Worker

__all__ = ("MUTATIONS", "Mutation", "mutated")

_AMBIGUOUS: Final = (mt5.TRADE_RETCODE_ERROR, mt5.TRADE_RETCODE_TIMEOUT, mt5.TRADE_RETCODE_CONNECTION)


class Mutation(NamedTuple):
    """`makes` returns what is put in the place of `owner.name`, given what stands there.

    `given`: of a seed's plan, what brings the fault to light soon."""

    what: str
    owner: Any
    name: str
    makes: Callable[[Any], Any]
    given: Mapping[str, Any] = MappingProxyType({})


def _nothing(returned: Any = None) -> Callable[[Any], Any]:
    return lambda _original: lambda *_args, **_options: returned


def _resending(original: Any) -> Any:
    def call(self: Attachment, name: str, *args: Any) -> Any:
        result = original(self, name, *args)
        if name == "order_send" and result is not None and result.retcode in _AMBIGUOUS:
            result = original(self, name, *args)
        return result

    return call


def _repeating(original: Any) -> Any:
    def part(dispatcher: Dispatcher, request: Any, now_ns: int, is_final: bool, why: str) -> None:
        if request.plan.is_order and is_final and request.state == 2:
            dispatcher.take_back(request)
            dispatcher.requeue(request)
        else:
            original(dispatcher, request, now_ns, is_final, why)

    return part


def _sending_first(_original: Any) -> Any:
    def flush(self: Any) -> None:
        engine = self._engine
        while engine.has_output():
            now_ns = self._clients.world.monotonic_ns()
            to_clients, to_workers = engine.flush(now_ns)
            if to_workers and (indexes := self._workers.send_burst(to_workers)):
                engine.undeliverable_workers(now_ns, indexes)
            if to_clients and (indexes := self._clients.send_burst(to_clients)):
                engine.undeliverable_clients(now_ns, indexes)
            self._record()

    return flush


def _hasty(_original: Any) -> Any:
    return lambda name, **options: AccountRules(name, **(options | {"settle_ns": 0}))


def _evicting(original: Any) -> Any:
    def settle(self: OrderTable, order: Any, state: int, *args: Any) -> None:
        original(self, order, state, *args)
        if state == OrderState.UNKNOWN and len(self.unsettled) > 1:
            del self.unsettled[order.number]
            self.by_client[order.client_id].pop(order.order_id, None)

    return settle


def _obeying(original: Any) -> Any:
    def execute(self: Worker, arrival: Any) -> None:
        self._generation = min(self._generation, arrival.call.generation)
        original(self, arrival)

    return execute


def _satisfied(original: Any) -> Any:
    def look(self: Goals, goal: Any, account: Any, ledger: Any, asked_ns: int) -> None:
        original(self, goal, account, ledger, asked_ns)
        view = goal.views[account.name]
        if goal.state == GoalState.PURSUED and not (view.orders or view.positions or view.doubts):
            view.reached = True
            self._reached(goal)

    return look


def _ungated(original: Any) -> Any:
    def send(self: Dispatcher, request: Any, worker: Any) -> None:
        original(self, request, worker)
        if self._held and self._held[-1][1] is request:
            self._outgoing.append(self._held.pop()[1])

    return send


def _hurried(original: Any) -> Any:
    def reply(self: Outbox, request: Any, status: int, result: bytes) -> None:
        original(self, request, status, result)
        while self._held:
            self._pending.append(self._held.popleft()[1])

    return reply


def _forgetful_worker(original: Any) -> Any:
    def init(self: Worker, *args: Any) -> None:
        original(self, *args)
        self._returned = deque(maxlen=0)

    return init


def _unfenced(_original: Any) -> Any:
    def close(self: SessionTable, session: Any) -> None:
        self.by_client.pop(session.client_id, None)

    return close


def _forgetting(original: Any) -> Any:
    def start(self: OrderLog, *args: Any) -> None:
        for order in list(self.table.unsettled.values()):
            if order.state in (OrderState.SENT, OrderState.UNKNOWN):
                del self.table.unsettled[order.number]
                del self.table.by_client[order.client_id][order.order_id]
        original(self, *args)

    return start


def _believing(original: Any) -> Any:
    def start(self: OrderLog, *args: Any) -> None:
        for order in self.table.unsettled.values():
            if order.state == OrderState.SENT:
                order.state = int(OrderState.ACCEPTED)
        original(self, *args)

    return start


def _dropping(original: Any) -> Any:
    return lambda self, number: original(self, 2**62)


def _unmarked(_original: Any) -> Any:
    return lambda request: ({name: value for name, value in request.items() if name != ORDER_ID}, None)


_DYING_WORKERS: Final = {"worker_kills": 1.5, "trade_workers": 2, "one_worker": False}
_POWER_CUTS: Final = {"power": 1.0, "power_cuts": True, "clock_jumps": 0.0}

MUTATIONS: Final[dict[str, Mutation]] = {
    "worker-resends": Mutation("an ambiguous answer is followed by another try", Attachment, "call", _resending),
    "broker-resends": Mutation(
        "an order of a dead worker goes to another", gateway.core.departures, "_part", _repeating, _DYING_WORKERS
    ),
    "journal-after-send": Mutation("frames leave before their records are written", Broker, "_flush", _sending_first),
    "dedupe-off": Mutation("no id is known", OrderTable, "find", _nothing()),
    "settle-time-off": Mutation(
        "an order isn't there if three readings say so", tests.simulation.broker, "AccountRules", _hasty, _DYING_WORKERS
    ),
    "unknown-evicted": Mutation("an UNKNOWN order makes room for others", OrderTable, "settle", _evicting),
    "generation-ignored": Mutation(
        "a worker takes calls of an earlier broker",
        Worker,
        "_execute",
        _obeying,
        {"adversarial": True, "broker_kills": 1.0},
    ),
    "clean-reads-off": Mutation(
        "one clean reading will do",
        Goals,
        "_look",
        _satisfied,
        {"races": 2.0, "kills": 0.0, "one_worker": False, "limits": {}, "broker_kills": 0.0},
    ),
    "torn-tail-accepted": Mutation("a record isn't checked", gateway.core.records, "crc32", _nothing(0)),
    "kill-misses-queue": Mutation("a kill leaves what waits", Dispatcher, "halt", _nothing(0), {"kills": 2.0}),
    "order-before-disk": Mutation("an order doesn't wait for its record's sync", Dispatcher, "_send", _ungated),
    "reply-before-disk": Mutation(
        "a reply doesn't wait for its record's sync", Outbox, "reply", _hurried, _POWER_CUTS | {"gated": True}
    ),
    "hand-over-ignored": Mutation("late answers mean nothing", OrderLog, "evidence", _nothing(), {"broker_kills": 1.0}),
    "fence-ignored": Mutation(
        "a dead session's token is good",
        SessionTable,
        "close",
        _unfenced,
        {"adversarial": True, "client_breaks": 2.0, "without_magic": 0.0},
    ),
    "in-flight-uncounted": Mutation("exposure is what the terminal shows", Book, "claim", _nothing()),
    "look-alikes-pass": Mutation(
        "doubt doesn't stop a second one", Engine, "_twin_in_doubt", _nothing(), {"worker_kills": 1.5}
    ),
    "events-from-one": Mutation("a restart forgets what was told", EventLog, "start", _nothing()),
    "recovery-forgets": Mutation("a restart forgets what is UNKNOWN", OrderLog, "start", _forgetting),
    "recovery-refuses": Mutation(
        "a restart takes what was sent for unsent", OrderLog, "start", _believing, {"broker_kills": 1.0}
    ),
    "horizon-stays": Mutation(
        "ids from before a power cut are new", OrderTable, "doubt_until", _nothing(), _POWER_CUTS | {"gated": False}
    ),
    "segments-dropped": Mutation(
        "older segments go at once", gateway.journal.Journal, "drop_below", _dropping, {"segment_bytes": 1_500}
    ),
    "switches-forgotten": Mutation(
        "a restart lifts every switch", Switchboard, "recover", _nothing(), {"kills": 2.0, "broker_kills": 1.0}
    ),
    "empty-believed": Mutation(
        "a terminal that shows nothing has nothing",
        Watcher,
        "_is_synchronised",
        _nothing(True),
        {
            "terminal_faults": 1.0,
            "terminal_troubles": ("unsynchronised",),
            "limits": {"max_open_volume": 0.05},
            "netting": False,
            "kills": 0.0,
        },
    ),
    "anonymous-ignored": Mutation(
        "an order with an overwritten comment can't be ours",
        gateway.core.reconcile,
        "may_be_there",
        _nothing(False),
        _DYING_WORKERS | {"without_magic": 1.0, "terminal_rates": {"comment_overwritten": 0.5}},
    ),
    "orders-unmarked": Mutation(
        "orders carry no tag",
        gateway.workers.execution,
        "marked",
        _unmarked,
        _DYING_WORKERS | {"without_magic": 1.0, "terminal_rates": {}},
    ),
}
"""By name."""


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """Put a fault into the code under test."""
    mutation = MUTATIONS[name]
    original = mutation.owner.__dict__[mutation.name]
    setattr(mutation.owner, mutation.name, mutation.makes(original))
    try:
        yield
    finally:
        setattr(mutation.owner, mutation.name, original)
