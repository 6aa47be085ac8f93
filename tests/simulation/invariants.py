"""The checker: it knows what truly happened at the trade server, and what was written, sent and told.

What is held against the laws:
- each client order id reaches the terminal at most once, and only behind its record;
- a record's move follows the tables, and says nothing of an order that isn't true;
- what was told to a client stays true, and is found again;
- exposure within limits, nothing enters behind a thrown switch;
- each deal is told once, numbers have no hole.
A violation is noted, not raised: the code under test must not be able to catch it.
"""

from collections import Counter
from collections.abc import Callable
from struct import unpack_from
from typing import Any, Final

from gateway.core.goals import GOAL_MOVES, GoalState
from gateway.core.orders import look_alike
from gateway.core.records import Kind, read_accepted, read_sent, read_settled, scan
from gateway.core.states import ORDER_MOVES, OrderState
from gateway.core.switch import SWITCH_MOVES, ScopeKind, SwitchState
from gateway.wire import codec
from gateway.wire import constants as mt5
from gateway.wire.errors import Status
from gateway.wire.messages import WorkerKind
from tests.simulation.plan import Plan
from tests.simulation.world import World

__all__ = ("Checker", "OrderView")

EXECUTED: Final = (mt5.TRADE_RETCODE_PLACED, mt5.TRADE_RETCODE_DONE, mt5.TRADE_RETCODE_DONE_PARTIAL)
SAYS_NOTHING: Final = (mt5.TRADE_RETCODE_ERROR, mt5.TRADE_RETCODE_TIMEOUT, mt5.TRADE_RETCODE_CONNECTION)
BY_VALUE: Final = (mt5.TRADE_ACTION_SLTP, mt5.TRADE_ACTION_MODIFY, mt5.TRADE_ACTION_REMOVE)
"""Actions that are looked for by what they leave behind: others may have left, or undone, the same."""
GATEWAY: Final = "!gateway"
NAMED: Final = (mt5.TRADE_ACTION_DEAL, mt5.TRADE_ACTION_PENDING)
"""Actions whose order has a comment and a magic number of its own."""


class OrderView:
    """An accepted order, as the journal tells of it."""

    def __init__(self, sequence: int, client: str, order_id: str, fields: dict[str, Any], is_exit: bool) -> None:
        self.sequence = sequence
        self.client = client
        self.order_id = order_id
        self.fields = fields
        self.is_exit = is_exit
        self.state = OrderState.ACCEPTED
        self.sent: tuple[int, int] = (0, 0)  # generation and call id
        self.sent_sequence = 0
        self.status = -1
        self.result = b""


class Checker:
    """Sees everything, changes nothing."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self.violations: list[str] = []
        self.durable: Callable[[], int] = lambda: 0  # these are set by who knows
        self.deals_now: Callable[[], int] = lambda: 0
        self.shows: Callable[[dict[str, Any]], bool] = lambda fields: False
        self.resting: Callable[[], list[int]] = list
        self.attempts: Counter[str] = Counter()  # by id: order_sends that reached the terminal
        self.truth: dict[str, Any] = {}  # by id: what the trade server did of it
        self.tickets: dict[int, str] = {}  # order tickets of executed orders, with their ids
        self.never: dict[str, str] = {}  # ids of which somebody was told that nothing happened, and why
        self.forgets = plan.remembered < 4_096 or plan.remembered_ms < 3_600_000 or plan.clock_jumps > 0
        self.stale: set[str] = set()  # ids in calls of a generation that their worker knows to be over
        self.was_cut = False
        self.handed: dict[int, int] = {}  # orders of which a worker has just said what became of them
        self.acknowledged: dict[tuple[str, str], tuple[int, int] | None] = {}  # by client and id: what it was told
        self._records: list[tuple[int, int, int, bytes]] = []
        self._clear()

    def violation(self, *parts: object) -> None:
        """Note that a law is broken."""
        text = " ".join(map(str, parts))
        self.world.note("VIOLATION", text)
        self.violations.append(text)

    # --- the journal --------------------------------------------------------------------------------------------------

    def _clear(self) -> None:
        self.orders: dict[int, OrderView] = {}
        self.by_id: dict[tuple[str, str], OrderView] = {}
        self.switches: dict[tuple[int, str], int] = {}
        self.goals: dict[int, int] = {}
        self.quiet_goals: dict[tuple[int, str], int] = {}  # by scope: what was reached
        self.deals_told: dict[int, int] = {}
        self.numbers: dict[str, int] = {}
        self.unwatched_deals: int | None = None  # deals entered before anything was shown: nobody need be told

    def recovering(self, segments: list[bytes]) -> None:
        """Compare what is on the disk with what was written, when a broker begins."""
        found: list[tuple[int, int, int, bytes]] = []
        for data in segments:
            if len(data) < 16 or not any(data[:8]):
                continue
            records, _, _ = scan(data, unpack_from("<Q", data, 8)[0])
            found += [(sequence, generation, kind, body) for sequence, _, generation, kind, body in records]
        last = found[-1][0] if found else 0
        known = self._records[-1][0] if self._records else 0
        if last < known:
            if not self.was_cut:
                self.violation(f"records {last + 1} to {known} are gone without a power cut")
            self.world.note("records lost", known - last)
            kept = [record for record in self._records if record[0] <= last]
            shown = self.unwatched_deals
            self._records = []
            self._clear()
            self.unwatched_deals = shown if any(record[2] == Kind.SHOWN for record in kept) else None
            for record in kept:
                self._take(record, again=True)
        for record in found:
            if record[0] > (self._records[-1][0] if self._records else 0):
                self._take(record)
        self._recall()

    def _recall(self) -> None:
        """See that what was acknowledged is on the disk: always, unless a power cut may have taken it."""
        if self.was_cut and not self.plan.gated:
            return
        for (client, order_id), told in self.acknowledged.items():
            order = self.by_id.get((client, order_id))
            if order is None:
                self.violation(f"{order_id} was acknowledged, and isn't in the journal")
            elif told is not None and order.state != OrderState.ANSWERED:
                self.violation(f"{order_id} was answered {told}, and the journal has {order.state.name}")

    def appended(self, data: bytes, sequence: int) -> None:
        """See what the journal has taken."""
        records, end, problem = scan(data, unpack_from("<Q", data, 8)[0])
        if problem or end != len(data) or records[-1][0] != sequence:
            self.violation(f"records up to {sequence} can't be read: {problem}")
            return
        for number, _, generation, kind, body in records:
            if self._records and number != self._records[-1][0] + 1:
                self.violation(f"record {number} follows {self._records[-1][0]}")
            self._take((number, generation, kind, body))

    def _take(self, record: tuple[int, int, int, bytes], again: bool = False) -> None:
        self._records.append(record)
        sequence, generation, kind, body = record
        if kind == Kind.ACCEPTED:
            _, client, order_id, _, is_exit, has_kwargs, tail = read_accepted(body)
            args, kwargs = codec.decode_arguments(tail, has_kwargs)
            view = OrderView(sequence, client, order_id, kwargs or args[0], is_exit)
            if (client, order_id) in self.by_id and not self.forgets:
                self.violation(f"{order_id} is accepted twice")
            if not again:
                self._accepted(view)
            self.orders[sequence] = self.by_id[client, order_id] = view
        elif kind == Kind.SENT:
            number, call_id, _ = read_sent(body)
            self._move(number, OrderState.SENT)
            if number in self.orders:
                self.orders[number].sent = (generation, call_id)
                self.orders[number].sent_sequence = sequence
        elif kind == Kind.SETTLED:
            number, state, status, result = read_settled(body)
            self._move(number, OrderState(state))
            if number in self.orders:
                self.orders[number].status, self.orders[number].result = status, result
                if not again:
                    self._settled(self.orders[number])
        elif kind == Kind.SWITCH:
            fields = codec.unpack(body)
            self._switched(fields[0], fields[1], fields[2], fields[5])
        elif kind == Kind.GOAL:
            fields = codec.unpack(body)
            self._goal(fields[6] or sequence, fields[3])
            if fields[3] == GoalState.REACHED and fields[6] and not again:
                self._reached(fields[0], fields[1], fields[2])
        elif kind == Kind.EVENT:
            self._event(*codec.unpack(body))
        elif kind == Kind.SHOWN and self.unwatched_deals is None:
            self.unwatched_deals = self.deals_now()

    def _accepted(self, order: OrderView) -> None:
        """Hold an accepted order against those in doubt."""
        if order.is_exit or order.client == GATEWAY:
            return
        for other in self.orders.values():
            in_doubt = other.client == order.client and other.state == OrderState.UNKNOWN
            if in_doubt and look_alike(order.fields, other.fields):
                self.violation(f"{order.order_id} is accepted, and {other.order_id}, its like, is in doubt")

    def _move(self, number: int, state: OrderState) -> None:
        order = self.orders.get(number)
        if order is None:
            return
        if state not in ORDER_MOVES[order.state]:
            self.violation(f"{order.order_id}: {order.state.name} became {state.name}")
        order.state = state
        self.world.note(f"order {state.name}", order.order_id)

    def _switched(self, kind: int, name: str, state: int, number: int) -> None:
        scope = (kind, name)
        before = SwitchState(self.switches.get(scope, 0))
        if not number and SwitchState(state) not in SWITCH_MOVES[before]:
            self.violation(f"switch {scope}: {before.name} became {SwitchState(state).name}")
        self.switches[scope] = state
        if not number:
            self.world.note(f"switch {SwitchState(state).name}", ScopeKind(kind).name, name)

    def _goal(self, number: int, state: int) -> None:
        before = self.goals.get(number)
        if before is not None and before != state and GoalState(state) not in GOAL_MOVES[GoalState(before)]:
            self.violation(f"goal {number}: {GoalState(before).name} became {GoalState(state).name}")
        self.goals[number] = state
        if before != state:
            self.world.note(f"goal {GoalState(state).name}", number)

    def _reached(self, kind: int, name: str, wanted: int) -> None:
        """See that what is said to be cleared is: of what the gateway's clients have brought there."""
        if self.quiet_goals.get((kind, name)) == wanted:
            return
        self.quiet_goals[kind, name] = wanted
        if kind == ScopeKind.CLIENT or not self.switches.get((kind, name)):
            return
        orders = [ticket for ticket in self.resting() if ticket in self.tickets]
        if orders:
            self.violation(f"orders {orders} rest, and the goal to cancel all is reached")

    def _event(self, number: int, _account: str, told: list[Any], body: bytes) -> None:
        self.world.note("event", number, codec.unpack(body)[1])
        for client, own in [("", number), *((one[0], one[1]) for one in told)]:
            if own != self.numbers.get(client, 0) + 1:
                self.violation(f"event {own} of {client or 'all'} follows {self.numbers.get(client, 0)}")
            self.numbers[client] = own
        deal = codec.unpack(body)[4]
        if deal is not None:
            if deal[0] in self.deals_told:
                self.violation(f"deal {deal[0]} is told again, by event {number}")
            self.deals_told[deal[0]] = number

    def _settled(self, order: OrderView) -> None:
        """Hold what is known of an order now against what is true."""
        order_id, action = order.order_id, order.fields.get("action")
        done = self.was_done(order_id)
        if order.state == OrderState.REFUSED and self.attempts[order_id]:
            self.violation(f"{order_id} is REFUSED, and has reached the terminal")
        if order.state == OrderState.NOT_FOUND:
            self.never[order_id] = "NOT_FOUND"
            if done and (action not in BY_VALUE or self.shows(order.fields)):
                self.violation(f"{order_id} is NOT_FOUND, and was executed: {self.truth[order_id]}")
        if order.state == OrderState.REFUSED:
            self.never[order_id] = "REFUSED"
        if order.state == OrderState.ANSWERED:
            self._answered(order, done, action in BY_VALUE)

    def _answered(self, order: OrderView, done: bool, by_value: bool) -> None:
        result = codec.unpack(order.result)
        if order.status == Status.TERMINAL:
            if done:
                self.violation(f"{order.order_id} was answered {result[:2]}, and was executed")
            return
        if order.status != Status.OK or by_value:
            return
        retcode = result[0]
        if retcode in EXECUTED and not done:
            self.violation(
                f"{order.order_id} was answered {retcode}, and wasn't executed: {self.truth.get(order.order_id)}"
            )
        elif retcode in EXECUTED and result[2] != self.truth[order.order_id].order:
            self.violation(f"{order.order_id} was answered order {result[2]}, it is {self.truth[order.order_id].order}")
        elif retcode in SAYS_NOTHING:
            self.violation(f"{order.order_id} was answered {retcode}, which doesn't say whether it happened")
        elif retcode not in EXECUTED and done:
            self.violation(f"{order.order_id} was answered {retcode}, and was executed")

    # --- what leaves --------------------------------------------------------------------------------------------------

    def sent_to_worker(self, identity: bytes, frame: bytes) -> None:
        """See a frame that leaves for a worker."""
        if codec.worker_kind(frame) != WorkerKind.CALL:
            return
        call = codec.decode_call(frame)
        if call.name != "order_send":
            return
        fields = call.kwargs or call.args[0]
        order_id = fields.get("client_order_id", "")
        found = [view for view in self.orders.values() if view.order_id == order_id]
        view = found[-1] if found else None
        self.world.note("order leaves", order_id, identity.decode(), f"call {call.generation}/{call.call_id}")
        if view is None or view.sent != (call.generation, call.call_id):
            self.violation(f"{order_id} leaves without its record")
            return
        if self.plan.gated and view.sent_sequence > self.durable():
            self.violation(f"{order_id} leaves, and its record isn't on the disk")
        if not view.is_exit and self.halted(view.client):
            self.violation(f"{order_id} of {view.client} enters behind a thrown switch")

    def taken_from_workers(self, burst: list[tuple[bytes, bytes | None]]) -> None:
        """See what workers say that the broker has received."""
        for _, frame in burst:
            if frame is not None and codec.worker_kind(frame) == WorkerKind.RETURN:
                generation, call_id, status, *_ = codec.decode_return(frame)
                if status in (Status.OK, Status.REFUSED, Status.TERMINAL):
                    for order in self.orders.values():
                        if order.sent == (generation, call_id):
                            self.handed[order.sequence] = status

    def turned(self) -> None:
        """See that a turn of the broker's loop is over."""
        handed, self.handed = self.handed, {}
        for number, status in handed.items():
            order = self.orders.get(number)
            if order is not None and order.state in (OrderState.SENT, OrderState.UNKNOWN):
                self.violation(f"{order.order_id} is {order.state.name}, and its worker has returned status {status}")

    def halted(self, client: str) -> bool:
        """Tell whether a client may not enter."""
        scopes = ((ScopeKind.ALL, ""), (ScopeKind.ACCOUNT, "demo"), (ScopeKind.CLIENT, client))
        return any(self.switches.get((int(kind), name), 0) for kind, name in scopes)

    # --- the trade server ---------------------------------------------------------------------------------------------

    def reached(self, executing: tuple[str, str, dict[str, Any]] | None) -> None:
        """See an order reach the terminal."""
        if executing is None:
            self.violation("an order_send of nobody reaches the terminal")
            return
        order_id, where, _ = executing
        self.attempts[order_id] += 1
        self.world.note("order reaches", order_id, where)
        if self.attempts[order_id] > 1:
            self.violation(f"{order_id} reaches the terminal a second time, by {where}")
        if order_id in self.stale:
            self.violation(f"{order_id} reaches the terminal by {where}, a broker's that was followed by another")
        if order_id in self.never:
            self.violation(f"{order_id} reaches the terminal by {where}, after {self.never[order_id]}")

    def executed(self, order_id: str, where: str, fields: dict[str, Any], result: Any, deals: int) -> None:
        """See what the trade server does of an order."""
        self.truth[order_id] = result
        self.world.note(f"server {result.retcode}", order_id, f"order {result.order}", f"{deals} deals")
        if result.retcode in EXECUTED and result.order:
            self.tickets[result.order] = order_id

    def was_done(self, order_id: str) -> bool:
        """Tell whether the trade server executed an order."""
        result = self.truth.get(order_id)
        return result is not None and result.retcode in EXECUTED

    def looked(self, book: Any) -> None:
        """Look at the account."""
        limit = self.plan.limits.get("max_open_volume")
        if limit is None:
            return
        if self.plan.netting:
            if self.plan.hand_trades:
                return
            total = 0.0
            for symbol in sorted({item.symbol for item in (*book.positions.values(), *book.orders.values())}):
                net = sum(-one.volume if one.type else one.volume for one in book.positions_of.get(symbol, {}).values())
                orders = list(book.orders_of.get(symbol, {}).values())
                buys = sum(one.volume_current for one in orders if not one.type & 1)
                sells = sum(one.volume_current for one in orders if one.type & 1)
                total += max(abs(net + buys), abs(net - sells))
        else:
            ours = [item for item in book.positions.values() if item.identifier in self.tickets]
            total = sum(item.volume for item in ours)
            total += sum(item.volume_current for item in book.orders.values() if item.ticket in self.tickets)
        if total > limit + 1e-9:
            positions = [(one.ticket, one.symbol, one.type, one.volume) for one in book.positions.values()]
            orders = [(one.ticket, one.symbol, one.type, one.volume_current) for one in book.orders.values()]
            self.violation(f"exposure of {total:g} lots, {limit:g} are allowed: positions {positions}, orders {orders}")

    # --- the end ------------------------------------------------------------------------------------------------------

    def power_cut(self) -> None:
        """Know that what wasn't on the platter is gone."""
        self.was_cut = True

    def started(self) -> None:
        """See that a broker has recovered."""

    def start_refused(self, why: str, full: bool) -> None:
        """See that a broker didn't start."""
        if not full:
            self.violation(f"the broker can't start: {why}")

    def journal_refused(self, why: str, full: bool) -> None:
        """See that a broker ended because of its journal."""
        if not full:
            self.violation(f"the broker has ended: {why}")

    def finish(self, deals: list[Any], now_msc: int) -> None:
        """Judge what is left when nothing has gone wrong for long enough; the last second's deals may not be read."""
        for order in self.orders.values():
            if order.state in (OrderState.ACCEPTED, OrderState.SENT):
                self.violation(f"{order.order_id} is still {order.state.name}")
            elif order.state == OrderState.UNKNOWN and not self._may_stay_unknown(order):
                self.violation(
                    f"{order.order_id} is still UNKNOWN: {order.fields}, truth {self.truth.get(order.order_id)}"
                )
        for order_id, result in self.truth.items():
            if self.was_done(order_id) and self.never.get(order_id, "NOT_FOUND") != "NOT_FOUND":  # that was judged
                self.violation(f"{order_id} is {self.never[order_id]}, and was executed: {result}")
        first = self.unwatched_deals
        for index, deal in enumerate(deals):
            if deal.time_msc > now_msc - 1_500 or deal.type > 1:
                continue
            if first is not None and index >= first and deal.ticket not in self.deals_told:
                self.violation(f"deal {deal.ticket} was never told")

    def _may_stay_unknown(self, order: OrderView) -> bool:
        """Tell whether nothing in the terminal's ledger can tell of an order: comments are overwritten, or somebody who
        trades by hand does the same, and no magic number parts the two."""
        rewritten = "comment_overwritten" in self.plan.terminal_rates
        is_exit = order.fields.get("position", 0) != 0
        by_hand = self.plan.hand_trades > 0 and (self.plan.netting or is_exit or order.fields.get("volume") == 0.01)
        has_name = order.fields.get("magic", 0) not in (0, 7)  # 7: everybody's
        if order.fields["action"] not in NAMED:
            return False
        return ((rewritten or by_hand) and not has_name) or (rewritten and self.plan.clock_jumps > 0)
