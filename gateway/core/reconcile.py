"""What becomes of UNKNOWN orders: the account's ledger shows them, or has shown for long that they are not there.

Rules: evidence that an order happened counts at once. That it didn't is concluded only when no worker can still hold
it, the terminal is connected and its account proven, MIN_READS readings in a row agree, it has been quiet for the
account's settle time and the longest time between two readings, and no order that is nobody's could be it with its
comment overwritten: then it stays UNKNOWN. Evidence that comes later reopens it, and is counted as an alarm; but a
change, a removal or a close-by that wasn't found shows no name: what is done later may be another order's doing, and
reopens nothing. Nothing here ever sends an order.
"""

from collections.abc import Callable
from typing import Any

from gateway.core.accounts import Account
from gateway.core.dedupe import Order
from gateway.core.evidence import Ledger, judge, may_be_there
from gateway.core.limits import Codec
from gateway.core.orderlog import OrderLog
from gateway.core.orders import look_alike, trade_request
from gateway.core.outbox import Outbox
from gateway.core.session import SessionTable
from gateway.core.states import OrderState
from gateway.wire.constants import TRADE_ACTION_DEAL, TRADE_ACTION_PENDING
from gateway.wire.errors import Code, Status
from gateway.wire.structs import TradeOrder

__all__ = ("Reconciler",)

MIN_READS = 3
"""Readings in a row that must agree before an order is taken not to have happened."""
PROBATION = 3
"""For so many settle times an order that wasn't found is still looked for."""
WINDOW_S = 86_400
"""How much further back than the order the history is read: the server's clock may be far from ours."""

_NAMED = (TRADE_ACTION_DEAL, TRADE_ACTION_PENDING)
"""Actions that the ledger shows by an order of their own."""
_NOT_FOUND = int(OrderState.NOT_FOUND)
_OK = int(Status.OK)
_REFUSED = int(Status.REFUSED)
_NS_PER_S = 1_000_000_000


class _Steadiness:
    """Since when an account's readings have agreed that its terminal is sound, how many they are, and the longest time
    between two of them while an order has been in doubt."""

    __slots__ = ("asked_ns", "gap_ns", "reads", "since_ns")

    def __init__(self, asked_ns: int) -> None:
        self.reads = 0
        self.since_ns = asked_ns
        self.asked_ns = asked_ns
        self.gap_ns = 0

    def count(self, asked_ns: int, now_ns: int) -> None:
        """Take note of a reading that was asked for and has come."""
        self.reads += 1
        self.gap_ns = max(self.gap_ns, now_ns - self.asked_ns)
        self.asked_ns = asked_ns


class Reconciler:
    """Looks after the orders in doubt of all accounts; a `watch.Listener`."""

    def __init__(
        self,
        codec: Codec,
        outbox: Outbox,
        sessions: SessionTable,
        log: OrderLog,
        owner_of: Callable[[str, int, str], str] = lambda account_name, ticket, comment: "",
    ) -> None:
        """`owner_of` tells whose an account's ticket with some comment is; "": nobody's, as far as is known."""
        self._owner_of = owner_of
        self._codec = codec
        self._outbox = outbox
        self._sessions = sessions
        self._log = log
        self._steady: dict[str, _Steadiness] = {}

    def since_s(self, account: Account) -> int | None:
        """Return from when on the history may hold an order in doubt."""
        accepted = [
            order.accepted_wall_ns for order in self._log.unknown.values() if order.account_name == account.name
        ]
        return min(accepted) // _NS_PER_S - WINDOW_S if accepted else None

    def blind(self, account: Account, now_ns: int) -> None:
        """The quiet time begins anew."""
        self._steady.pop(account.name, None)

    def seen(self, account: Account, ledger: Ledger, asked_ns: int, now_ns: int) -> None:
        """Judge the account's orders in doubt by what its terminal shows."""
        steady = self._steady.get(account.name)
        if steady is None:
            steady = self._steady[account.name] = _Steadiness(asked_ns)
        steady.count(asked_ns, now_ns)
        doubted = [order for order in self._log.unknown.values() if order.account_name == account.name]
        for order in doubted:
            self._judge(order, account, ledger, steady, asked_ns)
        if not doubted:
            steady.gap_ns = 0

    def _is_alone(self, order: Order, fields: dict[str, Any]) -> bool:
        """Tell whether no other order of the account that has no answer would do the same under the same magic number.
        O(orders without an answer)."""
        for other in self._log.table.unsettled.values():
            if other is not order and other.account_name == order.account_name:
                args, kwargs = self._codec.decode_arguments(other.tail, other.has_kwargs)
                others, _ = trade_request(args, kwargs)
                same = others is not None and look_alike(fields, others)
                if same and others is not None and others.get("magic", 0) == fields.get("magic", 0):
                    return False
        return True

    def settle(self, order: Order, state: int, status: int, result: bytes) -> None:
        """Note the fate of an order in doubt, and tell its client."""
        self._log.resolve(order, state, status, result)
        session = self._sessions.by_client.get(order.client_id)
        if session is not None:
            told: dict[str, Any] = {
                "client_order_id": order.order_id,
                "status": status,
                "result": self._codec.unpack(result),
            }
            self._outbox.notice(session, "answered", told)

    def _judge(self, order: Order, account: Account, ledger: Ledger, steady: _Steadiness, asked_ns: int) -> None:
        args, kwargs = self._codec.decode_arguments(order.tail, order.has_kwargs)
        fields, _ = trade_request(args, kwargs)
        if fields is None:
            return
        accepted_s = order.accepted_wall_ns / _NS_PER_S

        def is_known(shown: TradeOrder) -> bool:
            return self._owner_of(account.name, shown.ticket, shown.comment) != ""

        # What is there by its own name is there. Anything else could have been there before the order was in doubt.
        is_named = fields.get("action") in _NAMED
        is_after = order.doubted_ns <= asked_ns
        verdict = None
        if is_named or (is_after and order.state != _NOT_FOUND):

            def is_alone() -> bool:
                return self._is_alone(order, fields)

            verdict = judge(fields, order.order_id, accepted_s, ledger, is_known, is_alone)
        if verdict is not None:
            self._outbox.counters.orders_reconciled += 1
            self.settle(order, int(OrderState.ANSWERED), _OK, self._codec.pack(verdict.result))
            return
        if not is_after:
            return
        settle_ns = account.rules.settle_ns
        if order.state == _NOT_FOUND:
            if asked_ns - steady.since_ns >= PROBATION * settle_ns:
                del self._log.unknown[order.number]
            return
        quiet_since_ns = max(order.released_ns, order.doubted_ns, steady.since_ns)
        # Between two readings an order may have come and gone; it is in the history a settle time behind that.
        quiet_ns = asked_ns - quiet_since_ns - steady.gap_ns
        if order.released_ns and steady.reads >= MIN_READS and quiet_ns >= settle_ns:
            if may_be_there(fields, accepted_s, ledger, is_known):
                return
            self._outbox.counters.orders_not_found += 1
            text = (
                f"order {order.order_id} left, and in {settle_ns / _NS_PER_S:g} s the terminal has shown no trace of it"
            )
            result = self._codec.encode_error(int(Code.NOT_EXECUTED), text, {"worker": order.worker_name})
            self.settle(order, _NOT_FOUND, _REFUSED, result)
