"""What the order journal's records tell, in a human's words: events, and the orders that they are about. Pure.

A record names its order by a number; who sent it, and as what, stands only in the record that accepted it. What a
client wrote (its name, a symbol, a comment) may hold anything, and is shown without what would move a cursor.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from struct import error as StructError
from typing import Any, Final

from gateway.cli import tables
from gateway.cli.eventnotes import EVENT_NOTES
from gateway.core.goals import GoalKind, GoalState
from gateway.core.orders import trade_request
from gateway.core.records import Kind, Record, read_accepted, read_sent, read_settled, read_start
from gateway.core.states import OrderState
from gateway.core.switch import ScopeKind, SwitchState, told_scope
from gateway.wire import codec
from gateway.wire import constants as mt5
from gateway.wire.errors import JournalError, RemoteProtocolError, Status
from gateway.wire.structs import OrderSendResult

__all__ = ("Chronicle", "Event", "Story", "answer_text", "printable", "request_text", "utc")

_KINDS: Final = {int(kind): kind.name.lower() for kind in Kind}
_STATES: Final = {int(state): state.name.lower().replace("_", " ") for state in OrderState}
_ACTIONS: Final = {
    value: name.removeprefix("TRADE_ACTION_").lower().replace("_", " ")
    for name, value in vars(mt5).items()
    if name.startswith("TRADE_ACTION_")
}
_SHOWN: Final = ("order", "position", "position_by", "price", "stoplimit", "sl", "tp", "magic", "comment")
"""Of a request, behind what it is, how much and of what."""


@dataclass(slots=True)
class Story:
    """One order, as far as the records tell. Times are nanoseconds of the broker's wall clock; 0: not yet."""

    number: int
    client: str
    order_id: str
    account: str
    request: dict[str, Any]
    accepted_ns: int
    state: int = int(OrderState.ACCEPTED)
    worker: str = ""
    settled_ns: int = 0
    status: int = 0
    reply: Any = None

    @property
    def state_name(self) -> str:
        """The state in words."""
        return _STATES.get(self.state, f"state {self.state}")

    def to_json(self) -> dict[str, Any]:
        """Return the order for programs."""
        settled = {"settled": utc(self.settled_ns), "status": self.status} | _reply_json(self.status, self.reply)
        return {
            "number": self.number,
            "client": self.client,
            "client_order_id": self.order_id,
            "account": self.account,
            "state": self.state_name,
            "accepted": utc(self.accepted_ns),
            "worker": self.worker,
            "request": self.request,
        } | (settled if self.settled_ns else {})


@dataclass(frozen=True, slots=True)
class Event:
    """One record. `story` is None where the order's acceptance isn't in the journal any more, or it is about none."""

    sequence: int
    wall_ns: int
    what: str
    number: int = 0
    story: Story | None = None
    text: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """Return the event for people, in one line."""
        story = self.story
        names = ("", "", "") if story is None else (story.client, story.order_id, story.account)
        order = str(self.number or "")
        head = f"{utc(self.wall_ns)}  {self.sequence:>8}  {order:>8}  {self.what:<9}"
        return printable(f"{head}  {names[0]:<12}  {names[1]:<26}  {names[2]:<8}  {self.text}".rstrip())

    def to_json(self) -> dict[str, Any]:
        """Return the event for programs."""
        story = self.story
        names = (
            {}
            if story is None
            else {"client": story.client, "client_order_id": story.order_id, "account": story.account}
        )
        order = {"order": self.number} if self.number else {}
        return {
            "time": utc(self.wall_ns),
            "time_ns": self.wall_ns,
            "sequence": self.sequence,
            "what": self.what,
            **order,
            **names,
            **self.detail,
        }


class Chronicle:
    """Turns records, in their order, into events; remembers the orders that are asked for."""

    HEADER: Final = (
        f"{'time (UTC)':<23}  {'record':>8}  {'order':>8}  {'what':<9}"
        f"  {'client':<12}  {'client order id':<26}  account"
    )

    def __init__(self, client: str = "", order_id: str = "") -> None:
        """Ask for all orders, or a client's, or one; the others' events are left out."""
        self.stories: dict[int, Story] = {}
        self.horizon_ms = 0
        """Ids born then or before are known here, or are refused by the gateway as forgotten."""
        self._client = client
        self._order_id = order_id

    def tell(self, record: Record) -> Event | None:
        """Take the next record in; return what it tells, None if it isn't asked for. Raises JournalError."""
        sequence, wall_ns, generation, kind, body = record
        try:
            if kind == Kind.START:
                return self._started(sequence, wall_ns, generation, body)
            if kind == Kind.ACCEPTED:
                return self._accepted(sequence, wall_ns, body)
            if kind == Kind.SENT:
                return self._sent(sequence, wall_ns, body)
            if kind == Kind.SETTLED:
                return self._settled(sequence, wall_ns, body)
            if kind == Kind.RESOLVED:
                return self._resolved(sequence, wall_ns, body)
        except (StructError, UnicodeDecodeError, RemoteProtocolError, ValueError, TypeError) as error:
            raise JournalError(f"record {sequence} is sound, but its {_KINDS[kind]} can't be read: {error}") from error
        if kind == Kind.DURABLE:
            return None  # between the broker and its disk
        if kind in _NOTES:
            return None if self._is_choosy else self._noted(sequence, wall_ns, kind, body)
        return None if self._is_choosy else Event(sequence, wall_ns, f"kind {kind}", text=f"{len(body)} bytes")

    @property
    def _is_choosy(self) -> bool:
        return bool(self._client or self._order_id)

    def _started(self, sequence: int, wall_ns: int, generation: int, body: bytes) -> Event | None:
        _, horizon_ms = read_start(body)
        self.horizon_ms = max(self.horizon_ms, horizon_ms)
        if self._is_choosy:
            return None
        text = f"generation {generation}; ids born after {utc(horizon_ms * 1_000_000)} are taken"
        return Event(sequence, wall_ns, "start", text=text, detail={"generation": generation, "horizon_ms": horizon_ms})

    def _accepted(self, sequence: int, wall_ns: int, body: bytes) -> Event | None:
        _, client, order_id, account, _, has_kwargs, tail = read_accepted(body)
        if (self._client and client != self._client) or (self._order_id and order_id != self._order_id):
            return None
        request = _request(tail, has_kwargs)
        story = Story(sequence, client, order_id, account, request, wall_ns)
        self.stories[sequence] = story
        detail = {"request": request}
        return Event(sequence, wall_ns, "accepted", sequence, story, request_text(request), detail)

    def _sent(self, sequence: int, wall_ns: int, body: bytes) -> Event | None:
        number, call_id, worker = read_sent(body)
        story = self.stories.get(number)
        if story is None and self._is_choosy:
            return None
        if story is not None:
            story.state, story.worker = int(OrderState.SENT), worker
        detail = {"worker": worker, "call_id": call_id}
        return Event(sequence, wall_ns, "sent", number, story, f"to {worker} as call {call_id}", detail)

    def _noted(self, sequence: int, wall_ns: int, kind: int, body: bytes) -> Event:
        """Tell of a kill switch, of cancel-on-disconnect, or of what the gateway pursues by itself."""
        try:
            fields = codec.unpack(body)
            what, text, detail = _NOTES[kind](fields)
        except (RemoteProtocolError, KeyError, ValueError, TypeError) as error:
            raise JournalError(f"record {sequence} is sound, but its {_KINDS[kind]} can't be read: {error}") from error
        return Event(sequence, wall_ns, what, text=text, detail=detail)

    def _resolved(self, sequence: int, wall_ns: int, body: bytes) -> Event | None:
        """Tell who has said what became of an order in doubt; its next record says what follows from it."""
        number, executed, ticket, by, why = codec.unpack(body)
        story = self.stories.get(number)
        if story is None and self._is_choosy:
            return None
        text = f"{f'executed as {ticket}' if executed else 'not executed'}, says {by}: {why}"
        detail = {"executed": executed, "ticket": ticket, "by": by, "why": why}
        return Event(sequence, wall_ns, "resolved", number, story, text, detail)

    def _settled(self, sequence: int, wall_ns: int, body: bytes) -> Event | None:
        number, state, status, result = read_settled(body)
        story = self.stories.get(number)
        if story is None and self._is_choosy:
            return None
        reply = _reply(result)
        if story is not None:
            story.state, story.status, story.reply, story.settled_ns = state, status, reply, wall_ns
        what = _STATES.get(state, f"state {state}")
        detail = {"status": status} | _reply_json(status, reply)
        return Event(sequence, wall_ns, what, number, story, answer_text(status, reply), detail)


def _switch_note(fields: Any) -> tuple[str, str, dict[str, Any]]:
    scope_kind, name, state, by, why, *_ = fields
    scope = told_scope((scope_kind, name))
    words = SwitchState(state).name.lower()
    detail = {"scope": ScopeKind(scope_kind).name.lower(), "name": name, "state": words, "by": by, "why": why}
    return "switch", f"{scope}: {words}, by {by}{': ' if why else ''}{why}", detail


def _armed_note(fields: Any) -> tuple[str, str, dict[str, Any]]:
    client, wanted = fields
    text = f"client {client}: cancel-on-disconnect {'wanted' if wanted else 'no longer wanted'}"
    return "armed", text, {"client": client, "wanted": wanted}


def _goal_note(fields: Any) -> tuple[str, str, dict[str, Any]]:
    scope_kind, name, kind, state, by, why, *_ = fields
    wanted, words = GoalKind(kind).name.lower(), GoalState(state).name.lower()
    scope = {"scope": ScopeKind(scope_kind).name.lower(), "name": name}
    text = f"{wanted} {told_scope((scope_kind, name))}: {words}, for {by}{': ' if why else ''}{why}"
    return "goal", text, scope | {"wanted": wanted, "state": words, "by": by, "why": why}


def _limits_note(fields: Any) -> tuple[str, str, dict[str, Any]]:
    kind, name = fields["scope"]
    changes = ", ".join(f"{limit}={'off' if value is None else value}" for limit, value in fields["limits"].items())
    text = f"{f'each {kind}' if name == '*' else f'{kind} {name}'}: {changes}, by {fields['who']}: {fields['why']}"
    return "limits", text, dict(fields)


def _equity_note(fields: Any) -> tuple[str, str, dict[str, Any]]:
    losses = f"lost {fields['worst_day_loss']:.2f} today, {fields['worst_drawdown']:.2f} since {fields['peak']:.2f}"
    by = f", measured anew by {fields['who']}: {fields['why']}" if "who" in fields else ""
    text = f"account {fields['account']}: began the day with {fields['baseline']:.2f}, {losses}{by}"
    return "equity", text, dict(fields)


_NOTES: Final = {int(Kind.SWITCH): _switch_note, int(Kind.ARMED): _armed_note, int(Kind.GOAL): _goal_note} | {
    int(Kind.LIMITS): _limits_note,
    int(Kind.EQUITY): _equity_note,
    **EVENT_NOTES,
}


def utc(wall_ns: int) -> str:
    """Return a time of the wall clock to the millisecond, in UTC; "" for 0."""
    if not wall_ns:
        return ""
    seconds, rest = divmod(wall_ns // 1_000_000, 1_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest:03d}"


def printable(text: str) -> str:
    """Return a text with everything that isn't printable written as an escape."""
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


def request_text(request: dict[str, Any]) -> str:
    """Return what a request asks for: `buy 0.1 EURUSD at 1.08, sl 1.07, comment scalp`."""
    action, kind = _number(request.get("action")), _number(request.get("type", 0))
    names = tables.ORDER_TYPES if action in (mt5.TRADE_ACTION_DEAL, mt5.TRADE_ACTION_PENDING) else None
    what = _ACTIONS.get(action, f"action {request.get('action')}") if names is None else names.get(kind, f"type {kind}")
    words = [what, *(tables.number(request[name]) for name in ("volume", "symbol") if request.get(name))]
    shown = (f"{name.replace('_', ' ')} {tables.number(request[name])}" for name in _SHOWN if request.get(name))
    return ", ".join([" ".join(words), *shown])


def answer_text(status: int, reply: Any) -> str:
    """Return what an order was answered: `10009 done, order 11, deal 22, 0.1 at 1.08123`, or the error."""
    result = _result(status, reply)
    if result is not None:
        named = [f"{name} {getattr(result, name)}" for name in ("order", "deal") if getattr(result, name)]
        filled = [f"{tables.number(result.volume)} at {tables.number(result.price)}"] if result.price else []
        comment = [str(result.comment)] if result.comment else []
        return ", ".join([tables.retcode_name(result.retcode), *named, *filled, *comment])
    if isinstance(reply, list) and len(reply) > 1:
        return f"{reply[1]} ({reply[0]})"
    return "" if reply is None else str(reply)


def _number(value: Any) -> int:
    return value if type(value) is int else -1


def _request(tail: bytes, has_kwargs: bool) -> dict[str, Any]:
    try:
        request, _ = trade_request(*codec.decode_arguments(tail, has_kwargs))
    except RemoteProtocolError:
        request = None
    return {name: value for name, value in (request or {}).items() if name != "client_order_id"}


def _reply(result: bytes) -> Any:
    try:
        return codec.unpack(result)
    except RemoteProtocolError:
        return None


def _result(status: int, reply: Any) -> OrderSendResult | None:
    if status != Status.OK or not isinstance(reply, list) or len(reply) != OrderSendResult.n_fields:
        return None
    return OrderSendResult(reply)


def _reply_json(status: int, reply: Any) -> dict[str, Any]:
    result = _result(status, reply)
    return {"reply": reply} if result is None else {"result": result}
