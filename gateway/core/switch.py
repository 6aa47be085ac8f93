"""Kill switches: who may not enter, since when, because of whom and why; and who asked for cancel-on-disconnect.

A switch has a scope: one client, one account, or all. It must never know sessions, queues or what is to be cancelled.
Rules: a thrown switch refuses every entry in its scope from the moment it is thrown, and permits exits. Every move is a
record; what is thrown outlives the broker. Only `lift` ends it: no time, no hello and no restart does.
"""

from enum import IntEnum
from typing import Any, Final

from gateway.core.orderlog import OrderLog
from gateway.core.records import Kind, Record
from gateway.core.states import IllegalMove
from gateway.wire.codec import pack, unpack
from gateway.wire.errors import JournalError, RemoteProtocolError

__all__ = (
    "MAX_SWITCHES",
    "SWITCH_MOVES",
    "Halt",
    "Scope",
    "ScopeKind",
    "SwitchState",
    "Switchboard",
    "read_note",
    "told_scope",
)

MAX_SWITCHES: Final = 256
"""How many may be thrown or armed at a time; beyond, a hello that would arm one is refused, and a kill of a client."""

_RESERVED: Final = 64
"""Of these, what arming leaves for kills."""


class ScopeKind(IntEnum):
    """What a switch is about."""

    CLIENT = 0
    ACCOUNT = 1
    ALL = 2


Scope = tuple[int, str]
"""A `ScopeKind` and the name of a client or an account; "" for all."""


class SwitchState(IntEnum):
    """Where a switch is."""

    ACTIVE = 0  # entries go
    HALTED = 1  # somebody has thrown it
    DISCONNECTED = 2  # a session that had asked for cancel-on-disconnect has ended without a bye


SWITCH_MOVES: Final[dict[SwitchState, frozenset[SwitchState]]] = {
    SwitchState.ACTIVE: frozenset({SwitchState.HALTED, SwitchState.DISCONNECTED}),
    SwitchState.HALTED: frozenset({SwitchState.HALTED, SwitchState.ACTIVE}),
    SwitchState.DISCONNECTED: frozenset({SwitchState.HALTED, SwitchState.ACTIVE}),
}
"""From each state, the states that may follow. HALTED follows itself where it is thrown again, by somebody else."""


def told_scope(scope: Scope) -> str:
    """Return a scope in words."""
    kind, name = scope
    return "all trading" if kind == ScopeKind.ALL else f"{ScopeKind(kind).name.lower()} {name}"


class Halt:
    """A thrown switch. `text` and `detail` are what each refused entry is told: made once, for a flood of them."""

    __slots__ = ("by", "detail", "number", "scope", "since_wall_ns", "state", "text", "why")

    def __init__(self, scope: Scope, state: int, by: str, why: str, number: int, since_wall_ns: int) -> None:
        self.scope = scope
        self.state = state
        self.by = by
        self.why = why
        self.number = number  # of its record: what tells this throw from another of the same scope
        self.since_wall_ns = since_wall_ns
        self.text = self._told()
        self.detail = self.describe()

    def describe(self) -> dict[str, Any]:
        """Return what `switches` tells of it."""
        return {
            "scope": ScopeKind(self.scope[0]).name.lower(),
            "name": self.scope[1],
            "state": SwitchState(self.state).name.lower(),
            "by": self.by,
            "why": self.why,
            "number": self.number,
            "since_ns": self.since_wall_ns,
        }

    def _told(self) -> str:
        """Say who may not enter, and because of whom."""
        how = "halted" if self.state == SwitchState.HALTED else "disconnected, and so halted"
        return f"{told_scope(self.scope)} is {how} by {self.by}{': ' if self.why else ''}{self.why}"


class Switchboard:
    """All switches. `thrown` is empty while everybody may enter: an order's path looks at that alone."""

    def __init__(self, log: OrderLog) -> None:
        self.thrown: dict[Scope, Halt] = {}
        self.armed: dict[str, bool] = {}  # by client: whose pending orders are cancelled when its session is lost
        self._log = log

    def over(self, client_id: str, account_name: str) -> Halt | None:
        """Return what stands against an entry, the widest first; None if nothing does."""
        thrown = self.thrown
        return thrown.get(_ALL) or thrown.get((_ACCOUNT, account_name)) or thrown.get((_CLIENT, client_id))

    def throw(self, scope: Scope, by: str, why: str, state: SwitchState = SwitchState.HALTED) -> Halt:
        """Throw a switch, from this moment on, and record it. Raises IllegalMove and changes nothing where the table
        doesn't lead."""
        self._check(scope, state)
        wall_ns = self._log.now_ns + self._log.wall_offset_ns
        number = self._log.note(Kind.SWITCH, _switch_body(scope, state, by, why, 0, wall_ns))
        halt = self.thrown[scope] = Halt(scope, int(state), by, why, number, wall_ns)
        return halt

    def lift(self, scope: Scope, by: str, why: str) -> None:
        """Let entries go again, and record who wanted that and why."""
        self._check(scope, SwitchState.ACTIVE)
        wall_ns = self._log.now_ns + self._log.wall_offset_ns
        self._log.note(Kind.SWITCH, _switch_body(scope, SwitchState.ACTIVE, by, why, 0, wall_ns))
        del self.thrown[scope]

    def has_room(self, scope: Scope) -> bool:
        """Tell whether one more may be thrown: one for all, or for an account, always may."""
        return scope[0] != _CLIENT or scope in self.thrown or self._size() < MAX_SWITCHES

    def may_arm(self, client_id: str) -> bool:
        """Tell whether cancel-on-disconnect can be promised to one more client."""
        known = client_id in self.armed or (_CLIENT, client_id) in self.thrown
        return known or self._size() < MAX_SWITCHES - _RESERVED

    def arm(self, client_id: str, wanted: bool) -> None:
        """Note whether a client wants its pending orders cancelled when its session is lost."""
        if wanted != (client_id in self.armed):
            self._log.note(Kind.ARMED, pack([client_id, wanted]))
            if wanted:
                self.armed[client_id] = True
            else:
                del self.armed[client_id]

    def recover(self, record: Record) -> None:
        """Take in a record of kind SWITCH or ARMED; raises JournalError for one that can't be understood."""
        if record[3] == Kind.ARMED:
            client_id, wanted = read_note(record, str, bool)
            self.armed.pop(client_id, None)
            if wanted:
                self.armed[client_id] = True
            return
        kind, name, state, by, why, number, since_ns = read_note(record, int, str, int, str, str, int, int)
        scope = (kind, name)
        self.thrown.pop(scope, None)
        if state != SwitchState.ACTIVE:
            self.thrown[scope] = Halt(scope, state, by, why, number or record[0], since_ns)

    def begin_segment(self) -> None:
        """Record what is thrown and armed, so that the records of it may go."""
        for halt in self.thrown.values():
            body = _switch_body(halt.scope, halt.state, halt.by, halt.why, halt.number, halt.since_wall_ns)
            self._log.note(Kind.SWITCH, body)
        for client_id in self.armed:
            self._log.note(Kind.ARMED, pack([client_id, True]))

    def _size(self) -> int:
        return len(self.thrown) + len(self.armed)

    def _check(self, scope: Scope, target: SwitchState) -> None:
        halt = self.thrown.get(scope)
        state = SwitchState.ACTIVE if halt is None else SwitchState(halt.state)
        if target not in SWITCH_MOVES[state]:
            raise IllegalMove(f"the switch of {told_scope(scope)}: {state.name} can't become {target.name}")


def read_note(record: Record, *kinds: type) -> list[Any]:
    """Return the fields of a record whose body is a msgpack array of these types; raises JournalError for another.

    What stops trading must not be lost for want of understanding it: there is no start without it.
    """
    try:
        fields = unpack(record[4])
    except RemoteProtocolError as error:
        raise JournalError(f"journal: record {record[0]} can't be read: {error.message}") from error
    if type(fields) is not list or [type(field) for field in fields] != list(kinds):
        raise JournalError(f"journal: record {record[0]} ({Kind(record[3]).name}) has an unknown form")
    return fields


def _switch_body(scope: Scope, state: int, by: str, why: str, number: int, since_ns: int) -> bytes:
    """Return SWITCH's body; `number` 0 stands for the record's own sequence."""
    return pack([int(scope[0]), scope[1], int(state), by, why, number, since_ns])


_CLIENT = int(ScopeKind.CLIENT)
_ACCOUNT = int(ScopeKind.ACCOUNT)
_ALL: Scope = (int(ScopeKind.ALL), "")
