"""A strategy: the real client session over a line, and what a careful and a careless one do with it.

It writes an order's id down before it sends it, asks after every id of which it doesn't know the fate, and sends it
again under that id. It dies and comes back with what it had written down; it is taken over by a twin of its name.
"""

from collections import Counter
from typing import Any, Final

from clients.exchange import Exchange, Phase
from clients.session import Session
from gateway.core.orderids import made_id
from gateway.wire import codec
from gateway.wire import constants as mt5
from gateway.wire.errors import Code, GatewayError, OutcomeUnknown, TerminalRefused
from tests.simulation.broker import BrokerHost
from tests.simulation.invariants import EXECUTED, Checker
from tests.simulation.links import Line
from tests.simulation.plan import Plan
from tests.simulation.requests import change, entry
from tests.simulation.terminals import TerminalHost
from tests.simulation.world import MS, US, World

__all__ = ("SimulatedClient",)

NO_CLAIM: Final = (
    Code.FORGOTTEN_ID,
    Code.DUPLICATE_MISMATCH,
    Code.OUTCOME_UNKNOWN,
    Code.IN_FLIGHT,
    Code.NO_REPLY,
    Code.RETCODE,
)
"""Codes of errors that don't say that an order won't happen."""


class Asked(Exchange):
    """One request, whose end its client is told."""

    __slots__ = ("client", "fields", "life")

    def __init__(self, client: "SimulatedClient", name: str, args: tuple[Any, ...], deadline_ns: int) -> None:
        super().__init__(name, "demo", args, None, deadline_ns)
        self.client = client
        self.life = client.life
        self.fields: dict[str, Any] = {}

    def finished(self) -> None:
        self.client.finished(self)


class SimulatedClient:
    """One client name; several lives, one after the other."""

    def __init__(
        self,
        world: World,
        plan: Plan,
        gateway: BrokerHost,
        terminal: TerminalHost,
        checker: Checker,
        name: str,
        *,
        is_twin: bool = False,
    ) -> None:
        self.world = world
        self.plan = plan
        self.gateway = gateway
        self.terminal = terminal
        self.checker = checker
        self.name = name
        self.chance = world.random(f"client/{name}{is_twin}")
        self.life = 0
        self.line: Line | None = None
        self.orders: dict[str, dict[str, Any]] = {}  # what is written down: by id, the order
        self.known: dict[str, tuple[int, int]] = {}  # answered ids: status, and retcode or code
        self.acknowledged: dict[str, None] = {}
        self.next_event = 1
        self.silent_until_ns = 0
        self.cuts_behind_order = False
        self._session = self._new_session()
        self._made = 0
        self._serial = 500 if is_twin else 0  # what tells its ids from those of its twin
        self._sent: Counter[str] = Counter()
        self._events: dict[int, Any] = {}
        self._lines: dict[bytes, int] = {}  # in which life each was made

    def _new_session(self) -> Session:
        options: dict[str, Any] = {
            "account": "demo",
            "events_from": self.next_event if hasattr(self, "next_event") else 1,
        }
        if self.plan.cancel_on_disconnect:
            options["cancel_on_disconnect"] = True
        return Session(self.name, codec, options=options)

    # --- the connection -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin a life with what is written down."""
        self.life += 1
        self.next_event = max(self._events, default=0) + 1
        self._session = self._new_session()
        self.world.note("client starts", self.name)
        self._connect(self.life)
        self._tick(self.life)
        self.world.at(self.chance.randrange(1, self.plan.act_every_ns), self._act, self.life)
        for order_id in self.orders:
            if order_id not in self.known:
                self.ask("order_status", order_id)

    def crash(self) -> None:
        """Die, and come back."""
        self.world.note("client crashes", self.name)
        self.leave()
        self.world.at(self.chance.randrange(10 * MS, 800 * MS), self.start)

    def leave(self) -> None:
        """Die, and stay away."""
        self.life += 1
        line, self.line = self.line, None
        if line is not None:
            line.end(by_router=False)

    def cut(self) -> None:
        """Lose the connection."""
        if self.line is not None:
            self.world.note("client's line cut", self.name)
            line = self.line
            line.end(by_router=False)
            self.line_lost(line)

    def be_silent(self, duration_ns: int) -> None:
        """Say nothing for a while, not even that it lives."""
        self.world.note("client silent", self.name)
        self.silent_until_ns = self.world.now_ns + duration_ns

    def _connect(self, life: int) -> None:
        if life != self.life or self.line is not None:
            return
        self.line = self.gateway.connect(self, self.name, as_client=True)
        if self.line is None:
            self.world.at(50 * MS, self._connect, life)
            return
        self._lines[self.line.identity] = self.life
        self._session.connected()
        if self._session.phase is Phase.FENCED:
            self._session.reset()
        self._pump()

    def line_received(self, line: Line, frame: bytes) -> None:
        """Take a frame."""
        if line is not self.line:
            return
        self._session.receive(frame, self.world.now_ns)
        for notice in self._session.take_notices():
            self._noticed(notice.kind, notice.payload)
        self._pump()

    def line_repeats(self, frame: bytes) -> None:
        """Take note that what was sent once arrives twice: of an order that was refused this is another try."""
        _, _, name, _, _, tail, has_kwargs = codec.decode_request(frame)
        if name == "order_send":
            args, _ = codec.decode_arguments(tail, has_kwargs)
            self._sent[args[0]["client_order_id"]] += 1
            self.checker.never.pop(args[0]["client_order_id"], None)

    def line_late(self, line: Line, frame: bytes) -> None:
        """Take a frame of a line that is broken, if this is still the process that had it."""
        if self.line is not None and self._lines.get(line.identity) == self.life:
            self.world.note("frame late", self.name)
            self.line_received(self.line, frame)

    def line_lost(self, line: Line) -> None:
        """Take note that the line is broken."""
        if line is self.line:
            self.line = None
            self._session.lost()
            self.world.at(self.chance.randrange(1 * MS, 60 * MS), self._connect, self.life)

    def _pump(self) -> None:
        while self.line is not None and self.world.now_ns >= self.silent_until_ns:
            frame = self._session.next_frame(self.world.now_ns)
            if frame is None:
                return
            self.line.send_up(frame)

    def _tick(self, life: int) -> None:
        if life != self.life:
            return
        self._session.expire(self.world.now_ns)
        if self._session.phase is Phase.FENCED and self.chance.random() < 0.3:
            self._session.reset()
        if self._session.phase is Phase.OPEN and not self._session.in_flight and self.chance.random() < 0.3:
            self.ask("ping")
        self._pump()
        self.world.at(100 * MS, self._tick, life)

    # --- asking -------------------------------------------------------------------------------------------------------

    def ask(self, name: str, *args: Any) -> None:
        """Ask for something, and wait a while for the answer."""
        exchange = Asked(self, name, args, self.world.now_ns + self.chance.choice((400, 1_500, 3_000)) * MS)
        if name == "order_status":
            exchange.fields = {"sent": self._sent[args[0]]}
        self._submit(exchange)

    def send(self, fields: dict[str, Any]) -> None:
        """Send an order, for the first time or again."""
        order_id = fields["client_order_id"]
        self.orders.setdefault(order_id, fields)
        self._sent[order_id] += 1
        self.checker.never.pop(order_id, None)
        wait_ns = self.chance.choice((150, 800, 3_000)) * MS
        exchange = Asked(self, "order_send", (fields,), self.world.now_ns + wait_ns)
        exchange.order_id = order_id
        exchange.fields = fields
        self.world.note("client sends", order_id, _told(fields))
        self._submit(exchange)
        if self.cuts_behind_order and not self.world.quiet:
            self.cuts_behind_order = False
            self.cut()

    def _ask_later(self, order_id: str) -> None:
        self.ask("order_status", order_id)

    def _submit(self, exchange: Asked) -> None:
        try:
            self._session.request(exchange, self.world.now_ns)
        except GatewayError as error:
            self.world.note("client can't ask", self.name, type(error).__name__)
            return
        self._pump()

    # --- being answered -----------------------------------------------------------------------------------------------

    def finished(self, exchange: Asked) -> None:
        """Take the end of a request."""
        if exchange.life != self.life:
            return
        if exchange.name == "order_send":
            self._order_finished(exchange)
        elif exchange.error is None and exchange.name == "order_status":
            if self._sent[exchange.args[0]] == exchange.fields["sent"]:  # else it tells of what was before
                self._status_told(exchange.args[0], exchange.value)
        elif exchange.error is None and exchange.name == "client_orders":
            for told in [one for one in exchange.value if one["client_order_id"] in self.orders]:
                self._status_told(told["client_order_id"], told)
        elif exchange.error is None and exchange.name == "events":
            for event in exchange.value["events"]:
                self._take_event(event)
        elif exchange.error is None and exchange.name == "ping" and set(exchange.value) != {"generation"}:
            self.checker.violation(f"{self.name} asked for a ping and got {exchange.value}")

    def _order_finished(self, exchange: Asked) -> None:
        order_id, error = exchange.order_id, exchange.error
        if error is None:
            self._acknowledge(order_id)
            result = exchange.value
            wanted = (exchange.fields.get("magic", 0), exchange.fields.get("comment", ""))
            if result[7] == "reconciled":
                self.world.note("reconciled", order_id)
            elif (result[10][1], result[10][14]) != wanted:
                self.checker.violation(f"{order_id} was answered with the reply to another order: {result}")
            self._learn(order_id, 0, result[0])
            return
        self.world.note(f"told {type(error).__name__}", order_id, error.message[:100])
        if isinstance(error, OutcomeUnknown):
            if error.code == Code.OUTCOME_UNKNOWN and exchange.replied_ns:
                self._acknowledge(order_id)
            if self.chance.random() < 0.5 and not self.world.quiet:
                self.world.at(self.chance.randrange(20 * MS, 500 * MS), self._ask_later, order_id)
            return
        if error.code in NO_CLAIM:
            view = self.checker.by_id.get((self.name, order_id))
            if error.code == Code.DUPLICATE_MISMATCH and view is not None and exchange.fields == view.fields:
                self.checker.violation(f"{order_id} is refused for other content, and has the same")
            return
        if isinstance(error, TerminalRefused):
            self._acknowledge(order_id)
            self._learn(order_id, 3, error.code)
        elif self._sent[order_id] > 1 and error.code != Code.NOT_EXECUTED:
            return  # this request never left; what became of an earlier one is another matter
        self._never(order_id, f"{self.name} was told {type(error).__name__}: {error.message}")

    def _acknowledge(self, order_id: str) -> None:
        self.acknowledged[order_id] = None
        self.checker.acknowledged[self.name, order_id] = self.acknowledged[order_id]

    def _status_told(self, order_id: str, told: dict[str, Any]) -> None:
        if told["client_order_id"] != order_id:
            self.checker.violation(f"{self.name} asked for {order_id} and was told of {told['client_order_id']}")
        state = told["state"]
        self.world.note(f"status {state}", order_id)
        if state == "none":
            if order_id in self.acknowledged:
                self.checker.violation(f"{order_id} was acknowledged, and isn't known any more")
            self._never(order_id, f"{self.name} was told that it isn't known")
        elif state == "forgotten":
            if order_id in self.acknowledged and not self.checker.forgets and not self.checker.was_cut:
                self.checker.violation(f"{order_id} was acknowledged, and is forgotten")
        elif state in ("refused", "not_found"):
            self._never(order_id, f"{self.name} was told {state}")
        elif state == "answered" and told["status"] == 0:
            self._learn(order_id, 0, told["result"][0])

    def _learn(self, order_id: str, status: int, code: int) -> None:
        """Hold an answer against the truth, and against what was told before."""
        done = self.checker.was_done(order_id)
        before = self.known.get(order_id)
        if before is not None and before != (status, code) and not self.checker.was_cut:
            self.checker.violation(f"{order_id} was answered {before}, and now {status, code}")
        self.known[order_id] = status, code
        self.checker.acknowledged[self.name, order_id] = status, code
        action = self.orders[order_id]["action"]
        if status == 0 and action in (mt5.TRADE_ACTION_DEAL, mt5.TRADE_ACTION_PENDING, mt5.TRADE_ACTION_CLOSE_BY):
            if code in EXECUTED and not done:
                self.checker.violation(f"{self.name} was told that {order_id} is done, and it isn't")
            elif code not in EXECUTED and done:
                self.checker.violation(f"{self.name} was told {code} of {order_id}, and it is done")

    def _never(self, order_id: str, why: str) -> None:
        if self.checker.was_done(order_id) and self.orders[order_id]["action"] not in (6, 7, 8):
            self.checker.violation(f"{order_id}: {why}, and it was executed")
        self.checker.never.setdefault(order_id, why)

    def _noticed(self, kind: str, payload: Any) -> None:
        self.world.note(f"notice {kind}", self.name)
        if kind == "order":
            self._take_event(payload)
        elif kind == "malformed":
            self.checker.violation(f"{self.name} got what it can't read: {payload}")

    def _take_event(self, event: dict[str, Any]) -> None:
        if event["kind"] == "gap":
            if not self.checker.was_cut and not self.checker.forgets:
                self.checker.violation(f"{self.name} is told of a gap in its events: {event}")
            return
        number = event["number"]
        known = self._events.get(number)
        if known is not None and known != event and not self.checker.was_cut:
            self.checker.violation(f"{self.name}: event {number} was {known}, and is {event}")
        self._events[number] = event

    # --- acting -------------------------------------------------------------------------------------------------------

    def _act(self, life: int) -> None:
        if life != self.life or self.world.quiet:
            return
        if self.world.now_ns >= self.silent_until_ns:
            self._do_something()
        self.world.at(int(self.chance.expovariate(1.0 / self.plan.act_every_ns)) + 100 * US, self._act, life)

    def _do_something(self) -> None:
        chance = self.chance.random()
        if chance < 0.45:
            self.send(self._new(entry(self.chance, self.terminal)))
        elif chance < 0.62:
            fields = change(self.chance, self.terminal)
            if fields is not None:
                self.send(self._new(fields))
        elif chance < 0.76 and self.orders:
            self._repeat()
        elif chance < 0.86 and self.orders:
            self.ask("order_status", self._recent())
        elif chance < 0.89:
            self.ask("client_orders")
        elif chance < 0.92:
            self.ask("events", max(1, len(self._events) - 3))
        elif chance < 0.92 + 0.12 * self.plan.kills:
            self._control()
        else:
            self.ask(self.chance.choice(("positions_get", "orders_get", "account_info", "accounts", "switches")))

    def _new(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._made += 1
        number = self._made * 1_000 + self._serial + self.life
        fields["client_order_id"] = f"{made_id(self.world.wall_ns() // MS, number, number)}-{self.name}"
        fields["comment"] = self.chance.choice(("", f"{self.name}.{self._made}", "a comment of 20 chars"))
        if self.chance.random() >= self.plan.without_magic:
            fields["magic"] = number * 10 + int(self.name[1:]) if self.chance.random() < 0.7 else 7
        return fields

    def _recent(self) -> str:
        return self.chance.choice(list(self.orders)[-8:])

    def _repeat(self) -> None:
        """Send an order again: what came of it isn't known, or the caller doesn't care."""
        fields = self.orders[self._recent()]
        draw = self.chance.random()
        if draw < 0.1:
            fields = fields | {"deviation": 3}
            self.world.note("other content", fields["client_order_id"])
        elif draw < 0.2:  # the careless one: the same once more, as a new order
            fields = self._new({name: value for name, value in fields.items() if name != "magic"})
        self.send(dict(fields))

    def _control(self) -> None:
        scope = self.chance.choice(("client", "account", "all"))
        draw = self.chance.random()
        if draw < 0.4:
            if self.chance.random() < 0.5:
                self.send(self._new(entry(self.chance, self.terminal)))
            self.ask("kill", {"scope": scope, "flatten": self.chance.random() < 0.5})
        elif draw < 0.5:
            self.ask("flatten", {"scope": scope})
        else:
            self.ask("resume", {"scope": scope, "reason": "simulated"})

    def place_and_kill(self) -> None:
        """Place a pending order, and stop everybody when it rests."""
        if self.line is not None and not self.world.quiet:
            self.world.note("placed and killed", self.name)
            self.send(self._new(entry(self.chance, self.terminal, pending=True)))
            self.world.at(12 * MS, self.ask, "kill", {"scope": "account"})
            self.world.at(1_500 * MS, self.ask, "resume", {"scope": "account", "reason": "simulated"})

    # --- the end ------------------------------------------------------------------------------------------------------

    def ask_for_all(self) -> None:
        """Ask after every order ever sent, and for every event."""
        for order_id in self.orders:
            self.ask("order_status", order_id)
        for first in range(1, len(self._events) + 2, 256):
            self.ask("events", first)

    def finish(self) -> None:
        """Judge what this client was told in the end."""
        numbers = list(self._events)
        is_whole = not numbers or sorted(numbers) == list(range(1, max(numbers) + 1))
        if not (is_whole or self.checker.was_cut or self.checker.forgets):
            self.checker.violation(f"{self.name} knows events {sorted(numbers)}")


def _told(fields: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in fields.items() if name != "client_order_id")
