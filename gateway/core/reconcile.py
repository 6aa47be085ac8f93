"""What becomes of UNKNOWN orders: the account's ledger is read until it shows them, or has shown for long that they are
not there.

Rules: evidence that an order happened counts at once. That it didn't is concluded only when no worker can still hold
it, the terminal is connected and its account proven, MIN_READS readings in a row agree, and it has been quiet for the
account's settle time. Evidence that comes later reopens it, and is counted as an alarm. Nothing here ever sends an
order.
"""

from typing import Any

from gateway.core.accounts import Account
from gateway.core.dedupe import Order
from gateway.core.dispatch import Dispatcher
from gateway.core.evidence import Ledger, judge, read_ledger
from gateway.core.inflight import CallPlan, InFlight, new_request
from gateway.core.limits import Codec
from gateway.core.orderlog import OrderLog
from gateway.core.orders import trade_request
from gateway.core.outbox import Outbox
from gateway.core.session import SessionTable
from gateway.core.states import OrderState
from gateway.wire.calls import INTERNAL_CALLS, Lane
from gateway.wire.errors import Code, Status

__all__ = ("Reconciler",)

MIN_READS = 3
"""Readings in a row that must agree before an order is taken not to have happened."""
PROBATION = 3
"""For so many settle times an order that wasn't found is still looked for."""
_WINDOW_S = 86_400
"""How much further back than the order the history is read: the server's clock may be far from ours."""

_UNKNOWN = int(OrderState.UNKNOWN)
_NOT_FOUND = int(OrderState.NOT_FOUND)
_OK = int(Status.OK)
_REFUSED = int(Status.REFUSED)
_NS_PER_S = 1_000_000_000


class _Inquiry:
    """One account being looked at. `steady_ns`: since when its readings have agreed that the terminal is sound."""

    __slots__ = ("account", "asked", "due_ns", "reads", "steady_ns")

    def __init__(self, account: Account, now_ns: int) -> None:
        self.account = account
        self.asked = False
        self.due_ns = now_ns
        self.reads = 0
        self.steady_ns = 0


class Reconciler:
    """Looks after the orders in doubt of all accounts."""

    def __init__(
        self,
        every_ns: int,
        codec: Codec,
        accounts: dict[str, Account],
        dispatcher: Dispatcher,
        outbox: Outbox,
        sessions: SessionTable,
        log: OrderLog,
    ) -> None:
        self._every_ns = every_ns
        self._codec = codec
        self._accounts = accounts
        self._dispatcher = dispatcher
        self._outbox = outbox
        self._sessions = sessions
        self._log = log
        self._plan = CallPlan(INTERNAL_CALLS["ledger"], -1)
        self._inquiries: dict[str, _Inquiry] = {}

    def look(self, now_ns: int) -> int:
        """Ask for what is due; return when to look again. O(orders in doubt)."""
        if not self._log.unknown:
            self._inquiries.clear()
        for name in {order.account_name for order in self._log.unknown.values()}:
            account = self._accounts.get(name)
            if account is None:
                continue  # no longer declared: it stays in doubt until it is again
            inquiry = self._inquiries.get(name)
            if inquiry is None:
                inquiry = self._inquiries[name] = _Inquiry(account, now_ns)
            if not inquiry.asked and now_ns >= inquiry.due_ns:
                self._ask(inquiry, now_ns)
        return now_ns + self._every_ns

    def answered(self, request: InFlight, status: int, result: bytes) -> None:
        """Take the end of one reading, whatever it is."""
        now_ns = self._log.now_ns
        inquiry = self._inquiries.get(request.account.name)
        if inquiry is None:
            return
        inquiry.asked = False
        inquiry.due_ns = now_ns + self._every_ns
        ledger = self._read(request.account, status, result)
        if ledger is None:
            inquiry.reads = 0
            return
        inquiry.reads += 1
        if inquiry.reads == 1:
            inquiry.steady_ns = request.sent_ns
        for order in list(self._log.unknown.values()):
            if order.account_name == request.account.name and order.doubted_ns <= request.sent_ns:
                self._judge(order, ledger, inquiry, request.sent_ns)

    def _ask(self, inquiry: _Inquiry, now_ns: int) -> None:
        mine = [order for order in self._log.unknown.values() if order.account_name == inquiry.account.name]
        since_s = min(order.accepted_wall_ns for order in mine) // _NS_PER_S - _WINDOW_S
        request = new_request(b"", 0, now_ns)
        request.plan = self._plan
        request.account = inquiry.account
        request.tail = self._codec.pack([max(since_s, 0)])
        request.deadline_ns = now_ns + self._plan.ttl_ns
        request.asker = self
        inquiry.asked = True
        self._dispatcher.submit_own(request, inquiry.account.lanes[int(Lane.WATCH)])

    def _read(self, account: Account, status: int, result: bytes) -> Ledger | None:
        """Return what a sound terminal of this account shows, else None."""
        if status != _OK:
            return None
        try:
            ledger = read_ledger(self._codec.unpack(result))
        except (KeyError, TypeError, ValueError, IndexError):
            self._outbox.counters.malformed_from_workers += 1
            return None
        proven = ledger.connected and ledger.login == account.login and ledger.server == account.server
        return ledger if proven else None

    def _judge(self, order: Order, ledger: Ledger, inquiry: _Inquiry, read_ns: int) -> None:
        args, kwargs = self._codec.decode_arguments(order.tail, order.has_kwargs)
        fields, _ = trade_request(args, kwargs)
        if fields is None:
            return
        verdict = judge(fields, order.order_id, order.accepted_wall_ns / _NS_PER_S, ledger)
        if verdict is not None:
            self._outbox.counters.orders_reconciled += 1
            self._settle(order, int(OrderState.ANSWERED), _OK, self._codec.pack(verdict.result))
            return
        settle_ns = inquiry.account.rules.settle_ns
        if order.state == _NOT_FOUND:
            if read_ns - inquiry.steady_ns >= PROBATION * settle_ns:
                del self._log.unknown[order.number]
            return
        if not order.released_ns or inquiry.reads < MIN_READS:
            return
        quiet_since_ns = max(order.released_ns, inquiry.steady_ns)
        if read_ns - quiet_since_ns >= settle_ns:
            self._outbox.counters.orders_not_found += 1
            text = (
                f"order {order.order_id} left, and in {settle_ns // _NS_PER_S} s the terminal has shown no trace of it"
            )
            result = self._codec.encode_error(int(Code.NOT_EXECUTED), text, {"worker": order.worker_name})
            self._settle(order, _NOT_FOUND, _REFUSED, result)

    def _settle(self, order: Order, state: int, status: int, result: bytes) -> None:
        self._log.resolve(order, state, status, result)
        session = self._sessions.by_client.get(order.client_id)
        if session is not None:
            told: dict[str, Any] = {
                "client_order_id": order.order_id,
                "status": status,
                "result": self._codec.unpack(result),
            }
            self._outbox.notice(session, "answered", told)
