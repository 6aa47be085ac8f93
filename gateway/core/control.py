"""The calls that stop and restart trading: kill, resume, flatten, switches; and what a lost session leaves to be done.

Joins switches, goals, queues and sessions. Rules: a switch is thrown before anything else is done about it; whoever is
concerned is told by a notice. Nothing here waits for a terminal or a disk. A client can't lift what somebody else has
thrown against it.
"""

from typing import Any, Final

from gateway.core.accounts import Account
from gateway.core.dispatch import Dispatcher
from gateway.core.goals import GoalKind, Goals
from gateway.core.inflight import InFlight
from gateway.core.orderlog import OrderLog
from gateway.core.outbox import Outbox
from gateway.core.records import Kind, Record
from gateway.core.session import Session, SessionTable
from gateway.core.states import State
from gateway.core.switch import MAX_SWITCHES, Halt, Scope, ScopeKind, Switchboard, SwitchState, told_scope
from gateway.wire.calls import Lane
from gateway.wire.codec import pack
from gateway.wire.errors import Code, Status
from gateway.wire.messages import MAX_NAME_BYTES

__all__ = ("CONTROL_CALLS", "Control")

CONTROL_CALLS: Final = ("kill", "resume", "flatten", "switches")

MAX_TEXT_BYTES: Final = 256
"""Of a reason, and of who wants it."""

_OPTIONS: Final[dict[str, dict[str, type]]] = {
    "kill": {"scope": str, "name": str, "flatten": bool, "reason": str, "who": str},
    "flatten": {"scope": str, "name": str, "reason": str, "who": str},
    "resume": {"scope": str, "name": str, "reason": str, "who": str, "number": int},
}
_SCOPES: Final = {kind.name.lower(): kind for kind in ScopeKind}
_GATEWAY: Final = "the gateway"
_LOST: Final = "its session ended without a bye, and it had asked for cancel-on-disconnect"


class Control:
    """Who may trade, as clients and operators decide it. Nothing here is hot."""

    def __init__(
        self,
        accounts: dict[str, Account],
        sessions: SessionTable,
        dispatcher: Dispatcher,
        outbox: Outbox,
        log: OrderLog,
        switches: Switchboard,
        goals: Goals,
        session_timeout_ns: int,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._dispatcher = dispatcher
        self._outbox = outbox
        self._log = log
        self._switches = switches
        self._goals = goals
        self._session_timeout_ns = session_timeout_ns
        self._recovered_until_ns = 0  # until when clients of an earlier broker may come back; 0: there are none

    # --- calls --------------------------------------------------------------------------------------------------------

    def answer(self, now_ns: int, request: InFlight, name: str, session: Session, args: list[Any]) -> None:
        """Answer one of CONTROL_CALLS."""
        if name == "switches":
            if args:
                self._outbox.refuse(request, Code.BAD_ARGUMENTS, f"switches takes no arguments, got {len(args)}")
            else:
                self._outbox.answer(request, pack(self.describe()))
            return
        problem, options = _checked(name, args)
        scope = self._scope(options, session)
        if not problem and scope is None:
            problem = f"{name}: name: {self._expected(options)}"
        if problem or scope is None:
            self._outbox.refuse(request, Code.BAD_ARGUMENTS, problem)
            return
        who = options.get("who", "")
        by = f"{who} ({session.client_id})" if who else session.client_id
        if name == "kill":
            self._kill(now_ns, request, scope, by, options)
        elif name == "flatten":
            goal = self._goals.pursue(scope, GoalKind.FLATTEN, by, options.get("reason", ""))
            self._outbox.answer(request, pack({"goal": goal.describe()}))
        else:
            self._resume(request, scope, by, session, options)

    def halt_over(self, client_id: str, account_name: str) -> Halt | None:
        """Return what stands against an entry of a client on an account, None if nothing does."""
        return self._switches.over(client_id, account_name)

    def may_open(self, fields: dict[str, Any], account: Account) -> bool:
        """Tell whether an order that calls itself an exit could open a position all the same: see `Goals.may_open`."""
        return self._goals.may_open(fields, account)

    def refuse(self, request: InFlight, halt: Halt) -> None:
        """Refuse what a thrown switch stands against: an entry, or an exit that may become one."""
        text = f"{halt.text}; on a netting account this could pass through zero" if request.is_exit else halt.text
        request.move(State.REFUSED)
        self._outbox.fail(request, Status.REFUSED, Code.HALTED, text, halt.detail)

    def describe(self) -> dict[str, Any]:
        """Return what `switches` tells: what is thrown, what is pursued, who is armed."""
        return {
            "switches": [halt.describe() for halt in self._switches.thrown.values()],
            "goals": self._goals.describe(),
            "armed": list(self._switches.armed),
        }

    def _kill(self, now_ns: int, request: InFlight, scope: Scope, by: str, options: dict[str, Any]) -> None:
        if not self._switches.has_room(scope):
            text = f"{MAX_SWITCHES} switches are thrown or armed: kill the account, or resume some clients"
            self._outbox.refuse(request, Code.BUSY, text)
            return
        why = options.get("reason", "")
        halt, count = self._throw(now_ns, scope, by, why, SwitchState.HALTED)
        wanted = GoalKind.FLATTEN if options.get("flatten", False) else GoalKind.CANCEL
        goal = self._goals.pursue(scope, wanted, by, why)
        told = {"switch": halt.describe(), "goal": goal.describe(), "refused": count}
        self._outbox.answer(request, pack(told))
        self._tell("halted", scope, halt.describe())

    def _throw(self, now_ns: int, scope: Scope, by: str, why: str, state: SwitchState) -> tuple[Halt, int]:
        """Throw a switch, and take back what it stands against and hasn't left; return how much that was."""
        halt = self._switches.throw(scope, by, why, state)
        kind, name = scope
        count = 0
        for account in self._accounts.values():
            if kind != ScopeKind.ACCOUNT or account.name == name:
                queue = account.lanes[int(Lane.TRADE)]
                count += self._dispatcher.halt(queue, name if kind == ScopeKind.CLIENT else "", now_ns, halt)
        return halt, count

    def _resume(self, request: InFlight, scope: Scope, by: str, session: Session, options: dict[str, Any]) -> None:
        halt, goal = self._switches.thrown.get(scope), self._goals.goals.get(scope)
        number = options.get("number", 0)
        if not options.get("reason"):
            text = "resume: reason: expected why trading may go on; it is written down"
            self._outbox.refuse(request, Code.BAD_ARGUMENTS, text)
            return
        if number and (halt is None or halt.number != number):
            text = f"{told_scope(scope)}: switch {number} isn't the one that is thrown now; ask `switches`"
            self._outbox.refuse(request, Code.REFUSED, text)
            return
        own = scope == (ScopeKind.CLIENT, session.client_id)
        if halt is not None and own and halt.state == SwitchState.HALTED and not _is_by(halt.by, session.client_id):
            text = f"{halt.text}; who is halted can't lift it: another client may"
            self._outbox.refuse(request, Code.PERMISSION, text)
            return
        if halt is not None:
            self._dispatcher.finish_halting()  # what waited when it was thrown stays refused
            self._switches.lift(scope, by, options["reason"])
            self._tell("resumed", scope, {"scope": options["scope"], "name": scope[1], "by": by})
        if goal is not None:
            self._goals.withdraw(scope)
        lifted = {"switch": halt and halt.describe(), "goal": goal and goal.describe()}
        self._outbox.answer(request, pack(lifted | {"remaining": self.describe()["switches"]}))

    def _scope(self, options: dict[str, Any], session: Session) -> Scope | None:
        """Return the scope that was named, None if there is no such."""
        kind = _SCOPES.get(options.get("scope", ""))
        name = options.get("name", "")
        if kind == ScopeKind.CLIENT:
            return int(kind), name or session.client_id
        if kind == ScopeKind.ACCOUNT:
            if not name and session.account is not None:
                name = session.account.name
            known = name in self._accounts or (int(kind), name) in self._switches.thrown
            return (int(kind), name) if known else None
        return (int(ScopeKind.ALL), "") if kind is not None and not name else None

    def _expected(self, options: dict[str, Any]) -> str:
        if options.get("scope") == "all":
            return "expected none: it is for all"
        return f"expected one of {', '.join(self._accounts) or 'none'}, got {options.get('name', '')!r}"

    def _tell(self, kind: str, scope: Scope, told: dict[str, Any]) -> None:
        """Send a notice to every session that a switch concerns. O(sessions)."""
        sessions = self._sessions.by_token.values()
        concerned = [session for session in sessions if scope[0] != ScopeKind.CLIENT or scope[1] == session.client_id]
        self._outbox.notice_all(concerned, kind, told)

    # --- sessions -----------------------------------------------------------------------------------------------------

    def refusal(self, client_id: str, wanted: Any) -> str:
        """Say why cancel-on-disconnect can't be had as a hello wants it; "" if it can."""
        if type(wanted) is not bool:
            return "hello: cancel_on_disconnect: expected true or false"
        if wanted and not self._switches.may_arm(client_id):
            return f"hello: cancel_on_disconnect: {MAX_SWITCHES} switches are thrown or armed; resume some clients"
        return ""

    def greeted(self, session: Session, wanted: bool | None) -> None:
        """Take a new session in: arm or disarm it, if it says so, and tell it what stands against it."""
        if wanted is not None:
            self._switches.arm(session.client_id, wanted)
        for halt in self._switches.thrown.values():
            kind, name = halt.scope
            if kind != ScopeKind.CLIENT or name == session.client_id:
                self._outbox.notice(session, "halted", halt.describe())

    def left(self, client_id: str) -> None:
        """Take note of a bye: what was asked for its loss is no longer wanted."""
        self._switches.arm(client_id, False)

    def lost(self, now_ns: int, client_id: str) -> None:
        """Take note of a session that has ended without a bye, and of whom no newer one is there."""
        if client_id not in self._switches.armed:
            return
        self._switches.arm(client_id, False)
        scope = (int(ScopeKind.CLIENT), client_id)
        if scope not in self._switches.thrown:
            self._throw(now_ns, scope, _GATEWAY, _LOST, SwitchState.DISCONNECTED)
        self._goals.pursue(scope, GoalKind.CANCEL, _GATEWAY, _LOST)

    def sweep(self, now_ns: int) -> None:
        """After a restart, take those for lost who haven't come back within a session's time."""
        if self._recovered_until_ns and now_ns >= self._recovered_until_ns:
            self._recovered_until_ns = 0
            for client_id in list(self._switches.armed):
                if client_id not in self._sessions.by_client:
                    self.lost(now_ns, client_id)

    # --- the journal --------------------------------------------------------------------------------------------------

    def recover(self, records: list[Record]) -> None:
        """Take in what concerns switches and goals; raises JournalError for what can't be understood."""
        for record in records:
            if record[3] == Kind.GOAL:
                self._goals.recover(record)
            elif record[3] in _SWITCH_KINDS:
                self._switches.recover(record)

    def start(self, now_ns: int) -> None:
        """Begin, after all was recovered."""
        self._goals.start()
        self.begin_segment()
        if self._switches.armed:
            self._recovered_until_ns = now_ns + self._session_timeout_ns

    def begin_segment(self) -> None:
        """Record what stands, so that the records of it may go."""
        self._switches.begin_segment()
        self._goals.begin_segment()


_SWITCH_KINDS: Final = (int(Kind.SWITCH), int(Kind.ARMED))


def _is_by(by: str, client_id: str) -> bool:
    return by == client_id or by.endswith(f" ({client_id})")


def _checked(name: str, args: list[Any]) -> tuple[str, dict[str, Any]]:
    """Return what is wrong with a call's arguments ("": nothing so far), and its options."""
    known = _OPTIONS[name]
    if len(args) != 1 or type(args[0]) is not dict:
        return f"{name}: expected one map with a scope: {', '.join(_SCOPES)}", {}
    options: dict[str, Any] = args[0]
    for option, value in options.items():
        if option not in known:
            return f"{name}: unknown option {option[:MAX_NAME_BYTES]!r}; known: {', '.join(known)}", {}
        if type(value) is not known[option]:
            return f"{name}: {option}: expected a {known[option].__name__}, got {type(value).__name__}", {}
        limit = MAX_NAME_BYTES if option == "name" else MAX_TEXT_BYTES
        if type(value) is str and len(value.encode()) > limit:
            return f"{name}: {option}: expected at most {limit} bytes", {}
    if options.get("scope") not in _SCOPES:
        return f"{name}: scope: expected one of {', '.join(_SCOPES)}, got {options.get('scope', '')!r}", {}
    return "", options
