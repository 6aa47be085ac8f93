"""The cancels and closes that the gateway sends on its own account, one at a time for each pending order and position.

It knows what one ticket needs, and nothing of why. Rules: an order of ours that is under way or UNKNOWN is waited for,
and a new one has a new id. After "done" the terminal's lists must show a change before the same ticket is touched again
(they lag behind the answers, and on a netting account a second close would open a position). What is refused is tried
again later, and later each time.
"""

from typing import Any, Final

from gateway.core.accounts import Account
from gateway.core.dedupe import Order
from gateway.core.dispatch import Dispatcher
from gateway.core.evidence import Ledger
from gateway.core.inflight import CallPlan, InFlight, new_request
from gateway.core.limits import Codec
from gateway.core.orderids import made_id
from gateway.core.orderlog import OrderLog
from gateway.core.orders import trade_request
from gateway.core.states import OrderState
from gateway.wire import constants as mt5
from gateway.wire.calls import Lane
from gateway.wire.errors import Status
from gateway.wire.filling import filling_for
from gateway.wire.retcodes import DONE
from gateway.wire.structs import TradeOrder, TradePosition

__all__ = ("OWN_CLIENT", "Closer", "part_of")

OWN_CLIENT: Final = "!gateway"
"""The client id of the gateway's own orders; no hello may use a name that begins like this."""

MAX_UNDER_WAY: Final = 16
"""Orders of ours per account that are under way at a time: what is withdrawn is withdrawn soon."""

LAG_NS: Final = 10_000_000_000
"""So long a terminal's list that still shows what was answered "done" is taken to lag; on a netting account, for the
account's settle time."""

FIRST_RETRY_NS: Final = 250_000_000
LAST_RETRY_NS: Final = 60_000_000_000
"""How long after a refusal it is tried again: doubled each time, from the first to the last."""

CLOCK_SLACK_NS: Final = 100_000_000
"""Orders are settled at times of the wall clock, which may be set."""

SPEC_RETRY_NS: Final = 10_000_000_000

DEVIATION_POINTS: Final = 100
"""How far a price may have moved where the broker asks that; a requote is tried again at the new price."""

COMMENT: Final = "flatten"

_GONE: Final = (mt5.TRADE_RETCODE_POSITION_CLOSED, mt5.TRADE_RETCODE_INVALID_ORDER)
_OF_THE_SYMBOL: Final = (mt5.TRADE_RETCODE_MARKET_CLOSED, mt5.TRADE_RETCODE_TRADE_DISABLED)
"""Retcodes that the symbol's other tickets would get, too: one is tried for all."""
_FILLINGS: Final = (mt5.ORDER_FILLING_FOK, mt5.ORDER_FILLING_IOC, mt5.ORDER_FILLING_RETURN)
_RESULT_COMMENT: Final = 7
_NS_PER_MS: Final = 1_000_000


class _Pause:
    """Until when something isn't tried again, and why."""

    __slots__ = ("delay_ns", "due_ns", "why")

    def __init__(self) -> None:
        self.delay_ns = FIRST_RETRY_NS
        self.due_ns = 0
        self.why = ""

    def longer(self, now_ns: int, why: str) -> None:
        """Wait, twice as long as the last time."""
        self.due_ns = now_ns + self.delay_ns
        self.delay_ns = min(self.delay_ns * 2, LAST_RETRY_NS)
        self.why = why


class _Target:
    """One pending order or position, and what was done about it."""

    __slots__ = ("believed_ns", "filling", "order", "pause", "sent_for", "settled_ns", "shown", "symbol")

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.order: Order | None = None  # ours, under way or UNKNOWN
        self.pause = _Pause()
        self.filling = 0  # how many filling modes were refused
        self.shown: tuple[Any, ...] = ()  # as the last reading has it
        self.sent_for: tuple[
            Any, ...
        ] = ()  # as it was when an order that was done, or may be, was sent for it; (): none
        self.believed_ns = 0  # when a list that still shows it so is believed
        self.settled_ns = 0  # when our last order for it was settled: older readings don't count


class Closer:
    """Cancels and closes on all accounts; an `inflight.Asker`."""

    _account: Account  # these two of the reading that was taken up last
    _ledger: Ledger

    def __init__(
        self,
        generation: int,
        codec: Codec,
        dispatcher: Dispatcher,
        log: OrderLog,
        order_plan: CallPlan,
        spec_plan: CallPlan,
    ) -> None:
        self.nets = False  # whether the account of this reading is netting
        self.sent = 0
        self.refused = 0
        self._generation = generation
        self._codec = codec
        self._dispatcher = dispatcher
        self._log = log
        self._order_plan = order_plan
        self._spec_plan = spec_plan
        self._targets: dict[str, dict[int, _Target]] = {}  # by account and ticket
        self._symbols: dict[tuple[str, str], _Pause] = {}  # by account and symbol: those that can't be traded now
        self._specs: dict[tuple[str, str], tuple[int, dict[str, Any] | None]] = {}  # until when; None: asked for
        self._lag_ns: dict[str, int] = {}  # by account: how far its lists may lag behind its answers
        self._under_way = 0
        self._busy_symbols: frozenset[str] = frozenset()
        self._asked_ns = self._now_ns = 0

    def start(self) -> None:
        """Find the orders of ours that an earlier broker has sent; what it knew beyond them, time makes good."""
        now_ns = self._log.now_ns
        for order in self._log.table.by_client.get(OWN_CLIENT, {}).values():
            request, _ = trade_request(*self._codec.decode_arguments(order.tail, order.has_kwargs))
            if request is None:
                continue
            ticket = request.get("position") or request.get("order") or 0
            target = self._target(order.account_name, ticket, request.get("symbol", ""))
            if order.is_settled():
                age_ns = now_ns + self._log.wall_offset_ns - order.settled_wall_ns
                target.pause.due_ns = max(target.pause.due_ns, now_ns + LAG_NS - age_ns)
            else:
                target.order = order

    def forget(self) -> None:
        """Let go of what is known of symbols: nothing is wanted of them now."""
        self._symbols.clear()
        self._specs.clear()

    def begin(self, account: Account, ledger: Ledger, asked_ns: int, now_ns: int) -> None:
        """Take a reading up; `cancel` and `close` are about it until the next. O(targets)."""
        self._account = account
        self._ledger = ledger
        self._asked_ns = asked_ns
        self._now_ns = now_ns
        self.nets = ledger.account.margin_mode != mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING
        self._lag_ns[account.name] = account.rules.settle_ns if self.nets else LAG_NS
        targets = self._targets.setdefault(account.name, {})
        for ticket, target in list(targets.items()):
            self._settle(target, account.name)
            is_listed = ticket in ledger.positions or ticket in ledger.orders
            if target.order is None and not is_listed and asked_ns > target.settled_ns:
                del targets[ticket]
        self._under_way = sum(1 for target in targets.values() if target.order is not None)
        self._busy_symbols = frozenset()
        if self.nets:
            self._busy_symbols = self.symbols_under_way(account.name, asked_ns, OWN_CLIENT)

    def cancel(self, order: TradeOrder) -> str:
        """Send what cancels a pending order, unless that must wait; return why it must, "" if it needn't."""
        target = self._target(self._account.name, order.ticket, order.symbol)
        target.shown = (order.volume_current, order.state, order.price_open)
        problem = self._obstacle(target)
        if problem is not None:
            return problem
        self._send(target, {"action": mt5.TRADE_ACTION_REMOVE, "order": order.ticket})
        return target.pause.why

    def close(self, positions: list[TradePosition]) -> list[str]:
        """Send what closes these positions, oldest first, unless that must wait; return why it must, where it must."""
        problems = []
        first: dict[str, int] = {}
        for position in self._ledger.positions.values() if self._ledger.account.fifo_close else ():
            oldest = self._ledger.positions.get(first.get(position.symbol, 0))
            if oldest is None or (position.time_msc, position.ticket) < (oldest.time_msc, oldest.ticket):
                first[position.symbol] = position.ticket
        for position in positions:
            if first.get(position.symbol, position.ticket) == position.ticket:
                problems.append(self._close(position))
            elif all(other.ticket != first[position.symbol] for other in positions):
                problems.append(
                    f"{position.symbol}: position {first[position.symbol]} is older, and not in scope (FIFO)"
                )
        return problems

    def answered(self, request: InFlight, status: int, result: bytes) -> None:
        """Take the end of an order or of a question, whatever it is."""
        account_name: str = request.account.name
        if request.order is None:
            self._specified(account_name, request, status, result)
            return
        for target in self._targets.get(account_name, {}).values():
            if target.order is request.order:
                self._settle(target, account_name)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _target(self, account_name: str, ticket: int, symbol: str) -> _Target:
        targets = self._targets.setdefault(account_name, {})
        target = targets.get(ticket)
        if target is None:
            target = targets[ticket] = _Target(symbol)
        return target

    def _close(self, position: TradePosition) -> str:
        target = self._target(self._account.name, position.ticket, position.symbol)
        target.shown = (position.volume, position.time_update_msc)
        problem = self._obstacle(target)
        if problem is None and position.symbol in self._busy_symbols:
            problem = f"{position.symbol}: another order for it is under way; netting, so it is waited for"
        if problem is not None:
            return problem
        spec = self._spec(position.symbol)
        if spec is None:
            return target.pause.why
        filling = filling_for(
            mt5.TRADE_ACTION_DEAL, int(spec.get("trade_exemode", 2)), int(spec.get("filling_mode", 1))
        )
        others = [mode for mode in _FILLINGS if mode != filling]
        self._send(
            target,
            {
                "action": mt5.TRADE_ACTION_DEAL,
                "symbol": position.symbol,
                "volume": part_of(position.volume, spec),
                "type": mt5.ORDER_TYPE_SELL if position.type == mt5.POSITION_TYPE_BUY else mt5.ORDER_TYPE_BUY,
                "position": position.ticket,
                "price": position.price_current,
                "deviation": DEVIATION_POINTS,
                "magic": position.magic,
                "type_time": mt5.ORDER_TIME_GTC,
                "type_filling": [filling, *others][target.filling % len(_FILLINGS)],
                "comment": COMMENT,
            },
        )
        return target.pause.why

    def _obstacle(self, target: _Target) -> str | None:
        """Return why nothing can be sent for a target now ("": it is under way), None if something can."""
        if target.order is not None:
            if target.order.state == OrderState.UNKNOWN:
                return f"order {target.order.order_id} is UNKNOWN, and waited for"
            return target.pause.why
        if self._log.barred:
            return self._log.barred
        if self._asked_ns <= target.settled_ns:
            return target.pause.why
        if target.sent_for == target.shown and self._asked_ns < target.believed_ns:
            return f"{target.symbol}: answered, and the terminal doesn't show it yet"
        closed = self._symbols.get((self._account.name, target.symbol))
        for pause in (target.pause, closed):
            if pause is not None and self._now_ns < pause.due_ns:
                return pause.why
        refusal = self._account.order_refusal(True)
        if refusal is not None:
            return refusal[1]
        return "" if self._under_way >= MAX_UNDER_WAY else None

    def _send(self, target: _Target, fields: dict[str, Any]) -> None:
        log = self._log
        request = new_request(b"", 0, self._now_ns)
        request.plan = self._order_plan
        request.account = self._account
        request.asker = self
        request.is_exit = True
        request.birth_ms = (self._now_ns + log.wall_offset_ns) // _NS_PER_MS
        request.order_id = made_id(request.birth_ms, self._generation, log.sequence)
        request.tail = self._codec.pack([fields | {"client_order_id": request.order_id}])
        request.deadline_ns = self._now_ns + self._order_plan.ttl_ns
        log.accept(request, OWN_CLIENT)
        target.order = request.order
        target.sent_for = target.shown
        closed = self._symbols.get((self._account.name, target.symbol))
        if closed is not None:
            closed.due_ns = self._now_ns + closed.delay_ns  # this one is tried for all
        self.sent += 1
        self._under_way += 1
        self._dispatcher.submit_own(request, self._account.lanes[int(Lane.TRADE)])

    def _settle(self, target: _Target, account_name: str) -> None:
        """Draw the conclusions from what became of our order for a target, once that is known."""
        order = target.order
        if order is None or not order.is_settled():
            return
        now_ns = self._log.now_ns
        target.order = None
        target.settled_ns = now_ns
        retcode, text = self._answer(order)
        if retcode in DONE or retcode in _GONE:
            target.believed_ns = now_ns + self._lag_ns.get(account_name, LAG_NS)
            target.pause = _Pause()
            self._symbols.pop((account_name, target.symbol), None)
            return
        target.sent_for = ()
        if order.state == OrderState.NOT_FOUND:
            return
        self.refused += 1
        why = f"{target.symbol}: {text}"
        if retcode == mt5.TRADE_RETCODE_INVALID_FILL:
            target.filling += 1
        if retcode in _OF_THE_SYMBOL:
            self._symbols.setdefault((account_name, target.symbol), _Pause()).longer(now_ns, why)
        else:
            target.pause.longer(now_ns, why)

    def _answer(self, order: Order) -> tuple[int, str]:
        """Return an order's retcode (0: none) and what it was answered, in words."""
        fields = self._codec.unpack(order.result)
        if type(fields) is not list or len(fields) < 2:
            return 0, "its answer can't be understood"
        if order.status != Status.OK:
            return 0, str(fields[1])
        comment = fields[_RESULT_COMMENT] if len(fields) > _RESULT_COMMENT else ""
        return (fields[0] if type(fields[0]) is int else 0), f"{fields[0]} {comment}"

    def _spec(self, symbol: str) -> dict[str, Any] | None:
        """Return a symbol's specification, {} if nobody tells it, None while it is being asked for."""
        key = (self._account.name, symbol)
        until_ns, spec = self._specs.get(key, (0, {}))
        if spec is None or self._now_ns < until_ns:
            return spec
        self._specs[key] = (0, None)
        request = new_request(b"", 0, self._now_ns)
        request.plan = self._spec_plan
        request.account = self._account
        request.asker = self
        request.tail = self._codec.pack([symbol])
        request.deadline_ns = self._now_ns + self._spec_plan.ttl_ns
        self._dispatcher.submit_own(request, self._account.lanes[int(Lane.QUERY)])
        return self._specs[key][1]

    def _specified(self, account_name: str, request: InFlight, status: int, result: bytes) -> None:
        symbol: str = self._codec.unpack(request.tail)[0]
        spec = self._codec.unpack(result) if status == Status.OK else None
        now_ns = self._log.now_ns
        if type(spec) is dict:
            self._specs[account_name, symbol] = (now_ns + self._spec_plan.cache_ns, spec)
        else:
            self._specs[account_name, symbol] = (now_ns + SPEC_RETRY_NS, {})  # closed without: whole, and by FOK first

    def symbols_under_way(self, account_name: str, asked_ns: int, but_of: str) -> frozenset[str]:
        """Return the symbols for which a deal is under way, UNKNOWN, or newer than what a reading shows that was asked
        for at `asked_ns`; those of one client don't count. O(such orders of all accounts)."""
        table = self._log.table
        newer = table.settled_since(asked_ns + self._log.wall_offset_ns - CLOCK_SLACK_NS)
        found = set()
        for order in (*table.unsettled.values(), *newer):
            if order.account_name == account_name and order.client_id != but_of:
                request, _ = trade_request(*self._codec.decode_arguments(order.tail, order.has_kwargs))
                if request is not None and request.get("action") == mt5.TRADE_ACTION_DEAL:
                    found.add(str(request.get("symbol", "")))
        return frozenset(found)


def part_of(volume: float, spec: dict[str, Any]) -> float:
    """Return how much of a position one order may close: all of it, or what a symbol's `volume_max` allows, so that
    what is left isn't less than `volume_min`. Lots."""
    most, least = float(spec.get("volume_max", 0.0)), float(spec.get("volume_min", 0.0))
    if most <= 0.0 or volume <= most + 1e-9:
        return volume
    rest = round(volume - most, 8)
    return most if rest >= least - 1e-9 else round(volume - least, 8)
