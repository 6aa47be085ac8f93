"""What the gateway pursues on its own account until it is reached: no pending order left, no position left.

A goal has a scope. It is pursued by reading what the terminals show and sending cancels and closes, under the same laws
as everybody's orders: accepted into the journal before they leave, tagged, sent at most once. Rules: a goal outlives
the broker and ends only by being reached or withdrawn; what is UNKNOWN is waited for; an answer that says "done" isn't
followed by another close of the same position while the terminal still shows it unchanged. Reached means that several
readings in a row show nothing in scope, and that nothing in scope is under way which could still appear. While the
scope's switch stays thrown, a goal that was reached stays on guard: what gateway orders that are confirmed later leave
behind is cleared, too; what somebody does by hand is left alone.
"""

from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final

from gateway.core.accounts import Account
from gateway.core.closing import Closer
from gateway.core.evidence import Ledger
from gateway.core.orderlog import OrderLog
from gateway.core.records import Kind, Record
from gateway.core.states import IllegalMove
from gateway.core.switch import Scope, ScopeKind, read_note, told_scope
from gateway.wire import constants as mt5
from gateway.wire.codec import pack
from gateway.wire.structs import TradeOrder, TradePosition
from gateway.wire.tags import is_tagged

__all__ = ("CLEAN_NS", "CLEAN_READS", "GOAL_MOVES", "Goal", "GoalKind", "GoalState", "Goals")

CLEAN_READS: Final = 3
"""Readings in a row that must show nothing before a goal is reached on an account, …"""
CLEAN_NS: Final = 1_000_000_000
"""… and the time that they must span: a terminal's lists lag behind its answers."""

_REMEMBERED: Final = 16
"""Goals that have ended and are still shown."""


class GoalKind(IntEnum):
    """What is wanted; the greater includes the less."""

    CANCEL = 0  # no pending orders
    FLATTEN = 1  # and no positions


class GoalState(IntEnum):
    """Where a goal is."""

    PURSUED = 0
    REACHED = 1  # and on guard, while the switch is thrown
    WITHDRAWN = 2


GOAL_MOVES: Final[dict[GoalState, frozenset[GoalState]]] = {
    GoalState.PURSUED: frozenset({GoalState.REACHED, GoalState.WITHDRAWN}),
    GoalState.REACHED: frozenset({GoalState.WITHDRAWN}),
    GoalState.WITHDRAWN: frozenset(),
}
"""From each state, the states that may follow."""


class _View:
    """What the last reading of one account showed of one goal."""

    __slots__ = ("clean_reads", "clean_since_ns", "doubts", "error", "orders", "positions", "reached")

    def __init__(self) -> None:
        self.orders = -1  # not read yet
        self.positions = -1
        self.doubts = 0  # orders under way or UNKNOWN
        self.clean_reads = 0
        self.clean_since_ns = 0
        self.reached = False
        self.error = ""

    def dirty(self) -> None:
        """Begin the quiet time anew."""
        self.clean_reads = 0
        self.reached = False


class Goal:
    """One goal and how far it has come."""

    __slots__ = ("by", "kind", "number", "scope", "since_wall_ns", "state", "views", "why")

    def __init__(self, scope: Scope, kind: int, by: str, why: str, since_wall_ns: int) -> None:
        self.scope = scope
        self.kind = kind
        self.by = by
        self.why = why
        self.state = GoalState.PURSUED
        self.since_wall_ns = since_wall_ns
        self.number = 0  # of its first record
        self.views: dict[str, _View] = {}  # by account

    def move(self, state: GoalState) -> None:
        """Change the state; raises IllegalMove, and changes nothing, where the table doesn't lead."""
        if state not in GOAL_MOVES[self.state]:
            raise IllegalMove(f"the goal for {told_scope(self.scope)}: {self.state.name} can't become {state.name}")
        self.state = state

    def covers(self, account_name: str) -> bool:
        """Tell whether an account has anything to do with it."""
        return self.scope[0] != ScopeKind.ACCOUNT or self.scope[1] == account_name

    def describe(self) -> dict[str, Any]:
        """Return what `switches` tells of it; -1 stands for what hasn't been read yet."""
        return {
            "scope": ScopeKind(self.scope[0]).name.lower(),
            "name": self.scope[1],
            "wanted": GoalKind(self.kind).name.lower(),
            "state": self.state.name.lower(),
            "by": self.by,
            "why": self.why,
            "number": self.number,
            "since_ns": self.since_wall_ns,
            "accounts": {
                name: {
                    "orders": view.orders,
                    "positions": view.positions,
                    "in_doubt": view.doubts,
                    "reached": view.reached,
                    "error": view.error,
                }
                for name, view in self.views.items()
            },
        }


class Goals:
    """All goals, at most one for each scope; a `watch.Listener`."""

    def __init__(
        self,
        accounts: dict[str, Account],
        log: OrderLog,
        closer: Closer,
        is_thrown: Callable[[Scope], bool],
        owner_of: Callable[[str, int, str], str],
    ) -> None:
        """`is_thrown` tells whether a scope's switch is, `owner_of` whose an account's ticket with some comment."""
        self.goals: dict[Scope, Goal] = {}
        self._shown: dict[str, tuple[Ledger, int]] = {}  # by account: the last sound reading, and when it was asked for
        self.ended: deque[Goal] = deque(maxlen=_REMEMBERED)
        self._accounts = accounts
        self._log = log
        self._closer = closer
        self._is_thrown = is_thrown
        self._owner_of = owner_of

    # --- taken up and given up ----------------------------------------------------------------------------------------

    def pursue(self, scope: Scope, kind: GoalKind, by: str, why: str) -> Goal:
        """Take up a goal; one of the same scope is extended, never narrowed."""
        known = self.goals.get(scope)
        if known is not None and known.state == GoalState.PURSUED and known.kind >= kind:
            return known
        goal = Goal(scope, int(kind), by, why, self._log.now_ns + self._log.wall_offset_ns)
        if known is not None:
            goal.kind = max(int(kind), known.kind) if known.state == GoalState.PURSUED else int(kind)
        self.goals[scope] = goal
        goal.number = self._record(goal)
        return goal

    def withdraw(self, scope: Scope) -> Goal | None:
        """Give a goal up; what it has sent runs to its end."""
        goal = self.goals.pop(scope, None)
        if goal is not None:
            goal.move(GoalState.WITHDRAWN)
            self._record(goal)
            self._end(goal)
        return goal

    # --- the journal --------------------------------------------------------------------------------------------------

    def recover(self, record: Record) -> None:
        """Take in a record of kind GOAL; raises JournalError for one that can't be understood."""
        fields = read_note(record, int, str, int, int, str, str, int, int)
        scope_kind, name, kind, state, by, why, number, since_ns = fields
        scope = (scope_kind, name)
        self.goals.pop(scope, None)
        goal = Goal(scope, kind, by, why, since_ns)
        goal.number = number or record[0]
        goal.state = GoalState(state)
        if state != GoalState.WITHDRAWN:
            self.goals[scope] = goal

    def start(self) -> None:
        """Begin, after all was recovered: find what was sent for the goals."""
        for scope in [scope for scope in self.goals if not self._stands(self.goals[scope])]:
            del self.goals[scope]
        if self.goals:
            self._closer.start()

    def begin_segment(self) -> None:
        """Record the goals that stand, so that the records of them may go."""
        for goal in self.goals.values():
            self._record(goal)

    # --- readings -----------------------------------------------------------------------------------------------------

    def since_s(self, account: Account) -> int | None:
        """Return None: of the history, nothing is needed."""
        return None

    def blind(self, account: Account, now_ns: int) -> None:
        """Take note that nothing is known of an account."""
        for goal in self.goals.values():
            if goal.covers(account.name):
                view = self._view(goal, account.name)
                view.dirty()
                view.error = f"account {account.name} can't be read: {account.reason() or 'its terminal is away'}"

    def seen(self, account: Account, ledger: Ledger, asked_ns: int, now_ns: int) -> None:
        """Compare what a terminal shows with what is wanted, and send what is missing."""
        self._shown[account.name] = (ledger, asked_ns)
        if not self.goals:
            return
        self._closer.begin(account, ledger, asked_ns, now_ns)
        for goal in list(self.goals.values()):
            if goal.covers(account.name):
                self._look(goal, account, ledger, asked_ns)

    def describe(self) -> list[dict[str, Any]]:
        """Return every goal, those that have ended a short while ago first."""
        return [goal.describe() for goal in (*self.ended, *self.goals.values())]

    def may_open(self, fields: dict[str, Any], account: Account) -> bool:
        """Tell whether an order that names a position could open one, as far as the last reading tells.

        On a netting account it could, where it is larger than what is open, has its direction, or where another order
        for the symbol is under way or isn't shown yet. A hedging account's terminal refuses all that. What wasn't read
        is believed. O(orders under way).
        """
        shown = self._shown.get(account.name)
        if shown is None or fields.get("action") != mt5.TRADE_ACTION_DEAL:
            return False
        ledger, asked_ns = shown
        if ledger.account.margin_mode == mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING:
            return False
        position = ledger.positions.get(fields["position"])
        volume, kind = fields.get("volume"), fields.get("type")
        if position is None or not isinstance(volume, int | float):
            return True
        closes = kind == (mt5.ORDER_TYPE_SELL if position.type == mt5.POSITION_TYPE_BUY else mt5.ORDER_TYPE_BUY)
        symbols = self._closer.symbols_under_way(account.name, asked_ns, "")
        return not closes or not 0 < volume <= position.volume + 1e-9 or position.symbol in symbols

    # --- inside -------------------------------------------------------------------------------------------------------

    def _look(self, goal: Goal, account: Account, ledger: Ledger, asked_ns: int) -> None:
        view = self._view(goal, account.name)
        orders = self._orders(goal, account, ledger)
        positions = self._positions(goal, account, ledger)
        view.orders, view.positions = len(orders), len(positions)
        view.doubts = self._doubts(goal, account)
        view.error = ""
        if orders or positions:
            view.dirty()
            view.error = self._act(goal, account, orders, positions)
        elif view.doubts:
            view.dirty()
        else:
            if not view.clean_reads:
                view.clean_since_ns = asked_ns
            view.clean_reads += 1
            view.reached = view.clean_reads >= CLEAN_READS and asked_ns - view.clean_since_ns >= CLEAN_NS
            if view.reached and goal.state == GoalState.PURSUED:
                self._reached(goal)

    def _act(self, goal: Goal, account: Account, orders: list[TradeOrder], positions: list[TradePosition]) -> str:
        """Send what brings the goal nearer; return what stands in its way, "" for nothing."""
        problems = [self._closer.cancel(order) for order in orders if order.type in _PENDING_TYPES]
        if goal.scope[0] == ScopeKind.CLIENT and positions and self._closer.nets:
            problems.append(f"account {account.name} is netting, and its positions are no client's own: flatten it all")
        else:
            problems += self._closer.close(positions)
        return next((problem for problem in problems if problem), "")

    def _orders(self, goal: Goal, account: Account, ledger: Ledger) -> list[TradeOrder]:
        found = list(ledger.orders.values())
        if goal.scope[0] == ScopeKind.CLIENT:
            name = account.name
            return [order for order in found if self._owner_of(name, order.ticket, order.comment) == goal.scope[1]]
        return found if goal.state == GoalState.PURSUED else [order for order in found if is_tagged(order.comment)]

    def _positions(self, goal: Goal, account: Account, ledger: Ledger) -> list[TradePosition]:
        if goal.kind == GoalKind.CANCEL:
            return []
        found = sorted(ledger.positions.values(), key=lambda position: (position.time_msc, position.ticket))
        if goal.scope[0] == ScopeKind.CLIENT:
            name = account.name
            return [place for place in found if self._owner_of(name, place.identifier, place.comment) == goal.scope[1]]
        return found if goal.state == GoalState.PURSUED else [place for place in found if is_tagged(place.comment)]

    def _doubts(self, goal: Goal, account: Account) -> int:
        """Count the orders in scope of which nobody knows yet what they leave behind."""
        client_id = goal.scope[1] if goal.scope[0] == ScopeKind.CLIENT else ""
        return sum(
            1
            for order in self._log.table.unsettled.values()
            if order.account_name == account.name
            and (not order.is_exit or self._closer.nets)
            and (not client_id or order.client_id == client_id)
        )

    def _reached(self, goal: Goal) -> None:
        if not all(name in goal.views and goal.views[name].reached for name in self._covered(goal)):
            return
        goal.move(GoalState.REACHED)
        self._record(goal)
        if not self._stands(goal):
            del self.goals[goal.scope]
            self._end(goal)

    def _end(self, goal: Goal) -> None:
        self.ended.append(goal)
        if not self.goals:
            self._closer.forget()

    def _covered(self, goal: Goal) -> list[str]:
        return [goal.scope[1]] if goal.scope[0] == ScopeKind.ACCOUNT else list(self._accounts)

    def _stands(self, goal: Goal) -> bool:
        """Tell whether a goal is to be kept: it is pursued, or stays on guard."""
        return goal.state == GoalState.PURSUED or self._is_thrown(goal.scope)

    def _view(self, goal: Goal, account_name: str) -> _View:
        view = goal.views.get(account_name)
        if view is None:
            view = goal.views[account_name] = _View()
        return view

    def _record(self, goal: Goal) -> int:
        fields = [int(goal.scope[0]), goal.scope[1], int(goal.kind), int(goal.state), goal.by, goal.why]
        return self._log.note(Kind.GOAL, pack([*fields, goal.number, goal.since_wall_ns]))


_PENDING_TYPES: Final = (
    mt5.ORDER_TYPE_BUY_LIMIT,
    mt5.ORDER_TYPE_SELL_LIMIT,
    mt5.ORDER_TYPE_BUY_STOP,
    mt5.ORDER_TYPE_SELL_STOP,
    mt5.ORDER_TYPE_BUY_STOP_LIMIT,
    mt5.ORDER_TYPE_SELL_STOP_LIMIT,
)
