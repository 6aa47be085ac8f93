"""What each account's terminal shows, read again and again: the source of order events, of what risk knows, and of the
evidence for orders in doubt.

One reading is under way for an account at a time. Each listener is told of every sound one, in order, and of every one
that failed. Rules: a reading counts only if the terminal is connected and shows the account that was proven; one that
shows nothing at all, not even money, of an account that has had some is of a terminal that isn't synchronised yet.
"""

from typing import Any, Protocol

from gateway.core.accounts import Account
from gateway.core.dispatch import Dispatcher
from gateway.core.evidence import Ledger, read_ledger
from gateway.core.inflight import CallPlan, InFlight, new_request
from gateway.core.limits import Codec
from gateway.core.orderlog import OrderLog
from gateway.core.outbox import Outbox
from gateway.core.states import OrderState
from gateway.wire.calls import INTERNAL_CALLS, Lane
from gateway.wire.errors import Status

__all__ = ("Listener", "Watcher")

OVERLAP_S = 120
"""How far each reading's history reaches back behind the newest time seen: what a history may lag."""
FIRST_WINDOW_S = 86_400
"""How far the first one does: the server's clock may be far from ours."""

_OK = int(Status.OK)
_NS_PER_S = 1_000_000_000


class Listener(Protocol):
    """Who is told what an account's terminal shows."""

    def since_s(self, account: Account) -> int | None:
        """Return from which second of the server's time on the history is needed; None: what is recent will do."""

    def seen(self, account: Account, ledger: Ledger, asked_ns: int, now_ns: int) -> None:
        """Take a sound reading that was asked for at `asked_ns`."""

    def blind(self, account: Account, now_ns: int) -> None:
        """Take note that a reading failed, or showed a terminal that isn't sound."""


class _Watch:
    """One account being watched."""

    __slots__ = ("account", "asked", "due_ns", "had_money", "newest_s")

    def __init__(self, account: Account) -> None:
        self.account = account
        self.asked = False
        self.due_ns = 0
        self.had_money = False
        self.newest_s = 0


class Watcher:
    """Reads the ledgers of all accounts."""

    def __init__(
        self,
        every_ns: int,
        codec: Codec,
        accounts: dict[str, Account],
        dispatcher: Dispatcher,
        outbox: Outbox,
        log: OrderLog,
    ) -> None:
        """`every_ns`: how often; 0 never."""
        self.listeners: list[Listener] = []
        self.readings = 0
        self.failures = 0
        self._every_ns = every_ns
        self._codec = codec
        self._dispatcher = dispatcher
        self._outbox = outbox
        self._log = log
        self._plan = CallPlan(INTERNAL_CALLS["ledger"], -1)
        self._watches = {account.name: _Watch(account) for account in accounts.values()}

    def look(self, now_ns: int) -> int:
        """Ask for what is due; return when to look again. O(accounts)."""
        due_ns = now_ns + (self._every_ns or 3_600 * _NS_PER_S)
        if self._every_ns:
            for watch in self._watches.values():
                if watch.asked:
                    continue
                if now_ns >= watch.due_ns:
                    self._ask(watch, now_ns)
                elif watch.due_ns < due_ns:
                    due_ns = watch.due_ns
        return due_ns

    def answered(self, request: InFlight, status: int, result: bytes) -> None:
        """Take the end of one reading, whatever it is."""
        now_ns = self._log.now_ns
        watch = self._watches[request.account.name]
        watch.asked = False
        watch.due_ns = now_ns + self._every_ns
        ledger = self._read(watch, status, result)
        if ledger is None:
            self.failures += 1
            for listener in self.listeners:
                listener.blind(watch.account, now_ns)
            return
        self.readings += 1
        watch.newest_s = max(watch.newest_s, ledger.server_time_msc // 1_000)
        for listener in self.listeners:
            listener.seen(watch.account, ledger, request.sent_ns, now_ns)

    def _ask(self, watch: _Watch, now_ns: int) -> None:
        since_s = (now_ns + self._log.wall_offset_ns) // _NS_PER_S - FIRST_WINDOW_S
        if watch.newest_s:
            since_s = watch.newest_s - OVERLAP_S
        for listener in self.listeners:
            wanted_s = listener.since_s(watch.account)
            if wanted_s is not None and wanted_s < since_s:
                since_s = wanted_s
        request = new_request(b"", 0, now_ns)
        request.plan = self._plan
        request.account = watch.account
        request.tail = self._codec.pack([max(since_s, 0)])
        request.deadline_ns = now_ns + self._plan.ttl_ns
        request.asker = self
        watch.asked = True
        self._dispatcher.submit_own(request, watch.account.lanes[int(Lane.WATCH)])

    def _read(self, watch: _Watch, status: int, result: bytes) -> Ledger | None:
        """Return what a sound terminal of this account shows, else None."""
        if status != _OK:
            return None
        try:
            value: Any = self._codec.unpack(result)
            ledger = read_ledger(value)
        except (KeyError, TypeError, ValueError, IndexError):
            self._outbox.counters.malformed_from_workers += 1
            return None
        account = watch.account
        proven = ledger.connected and ledger.login == account.login and ledger.server == account.server
        return ledger if proven and self._is_synchronised(watch, ledger) else None

    def _is_synchronised(self, watch: _Watch, ledger: Ledger) -> bool:
        """Tell whether a terminal has heard of its account since it was started, or has switched to it. O(orders
        remembered) where it shows nothing."""
        if ledger.account.balance or ledger.account.equity:
            watch.had_money = True
            return True
        if ledger.positions or ledger.orders or ledger.history or ledger.deals:
            return True
        return not watch.had_money and not self._has_traded(watch.account.name)

    def _has_traded(self, account_name: str) -> bool:
        return any(
            order.account_name == account_name and order.state == OrderState.ANSWERED and order.status == _OK
            for orders in self._log.table.by_client.values()
            for order in orders.values()
        )
