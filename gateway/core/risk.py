"""What risk knows and counts: accounts as their terminals show them, orders under way, limits and their changes.

It must never know sockets or files. Each order is judged before it is accepted (`checks`), counted when it is, and held
as a claim on the account until the terminal shows it. Rules: the tightest limit counts; a change of limits, and what
losses are measured against, are in the journal before anything follows from them.
"""

from typing import Any

from gateway.core.accounts import Account
from gateway.core.checks import Checks
from gateway.core.dedupe import Order
from gateway.core.equity import CHANGED, URGENT, DayClock, EquityWatch
from gateway.core.evidence import Ledger
from gateway.core.exposure import Book
from gateway.core.intents import CANCEL, ENTRY, EXIT, Intent, intent_of
from gateway.core.limits import Codec, QuoteSource
from gateway.core.limitset import LimitTable, Plan, RiskRules, Scope
from gateway.core.orderlog import OrderLog
from gateway.core.orders import trade_request
from gateway.core.records import Kind, Record
from gateway.core.riskcase import AccountRisk, Refusal
from gateway.core.states import OrderState
from gateway.wire import constants as mt5
from gateway.wire.errors import Status
from gateway.wire.retcodes import REFUSED

__all__ = ("Risk",)

RECORD_EVERY_NS = 10_000_000_000
"""How often a peak or a loss that grows on is journaled."""

_ENTRY, _EXIT, _CANCEL = ENTRY, EXIT, CANCEL
_OK = int(Status.OK)
_UNKNOWN = int(OrderState.UNKNOWN)
_ANSWERED = int(OrderState.ANSWERED)
_HEDGING = mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING


class Risk:
    """Judges orders; a `watch.Listener`, and told by the order log of what is accepted and settled."""

    __slots__ = (
        "_checks",
        "_codec",
        "_log",
        "_watches_equity",
        "accounts",
        "active",
        "reasons",
        "rules",
        "table",
    )

    def __init__(
        self,
        rules: RiskRules,
        codec: Codec,
        accounts: dict[str, Account],
        values: dict[str, Any],
        quotes: QuoteSource | None,
        log: OrderLog,
    ) -> None:
        """`values`: by account. Raises ValueError for rules that can't be."""
        self.rules = rules
        self.table = LimitTable(rules)
        self.reasons: dict[Scope, tuple[str, str, int]] = {}  # who changed it, why, when (wall clock, ns)
        self._codec = codec
        self._log = log
        self._checks = Checks(rules, self.table, codec, quotes)
        self.accounts = {
            account.name: AccountRisk(
                account,
                Book(self.table, True),
                EquityWatch(DayClock(rules.reset_minutes, rules.reset_on_server)),
                values[account.name],
            )
            for account in accounts.values()
        }
        self.active = not self.table.is_empty()
        self._watches_equity = self.table.watches_equity()
        log.guard = self if self.active else None

    # --- orders -------------------------------------------------------------------------------------------------------

    def judge(
        self, fields: dict[str, Any], account_name: str, client_id: str, now_ns: int
    ) -> tuple[Intent | None, Refusal | None]:
        """Return what an order would do, and what stands against it, if anything does. O(scopes), and O(symbols) where
        `max_notional` or `min_margin_level_percent` is set."""
        wall_ns = now_ns + self._log.wall_offset_ns
        return self._checks.judge(fields, self.accounts[account_name], client_id, now_ns, wall_ns)

    def accepted(self, order: Order, intent: Intent | None, now_ns: int) -> None:
        """Count an order that was judged and taken in; one of the gateway's own wasn't judged."""
        if intent is None:
            self._reclaim(order)
            return
        risk = self.accounts[order.account_name]
        checks = self._checks
        plan: Plan = intent.plan
        is_exit = intent.effect == _EXIT or intent.effect == _CANCEL
        risk.book.claim(order.number, order.client_id, intent, intent.effect == _EXIT)
        if plan.max_alike > 0 and intent.effect == _ENTRY:
            checks.alike.take(intent.likeness, plan.max_alike, now_ns)
        for counted in plan.counted:
            limit = counted.max_exits if is_exit else counted.max_entries
            if limit > 0:
                checks.rates.take(counted.exits_key if is_exit else counted.entries_key, limit, now_ns)
            if counted.max_daily_requests >= 0:
                checks.days.take(counted.days_key, risk.equity.clock.of(now_ns + self._log.wall_offset_ns))

    def settled(self, order: Order, state: int, status: int, result: bytes, now_ns: int) -> None:
        """Take note of what became of an order: what didn't happen counts no more, what did counts until it is seen."""
        risk = self.accounts.get(order.account_name)
        if state == _UNKNOWN or risk is None or order.number not in risk.book.claims:
            return
        if state != _ANSWERED or status != _OK:
            risk.book.drop(order.number)
            return
        retcode, ticket = self._codec.trade_outcome(result)
        if retcode in REFUSED:
            risk.book.drop(order.number)
        else:
            risk.book.settled(order.number, ticket, now_ns)

    # --- readings -----------------------------------------------------------------------------------------------------

    def since_s(self, account: Account) -> int | None:
        """The recent history will do."""
        return None

    def blind(self, account: Account, now_ns: int) -> None:
        """What was known ages."""

    def seen(self, account: Account, ledger: Ledger, asked_ns: int, now_ns: int) -> None:
        """Take what an account's terminal shows."""
        if not self.active:
            return
        risk = self.accounts[account.name]
        risk.book.seen(ledger, asked_ns)
        if self._watches_equity:
            change = risk.equity.seen(ledger, now_ns + self._log.wall_offset_ns)
            risk.is_unrecorded = risk.is_unrecorded or change == CHANGED
            if change == URGENT or (risk.is_unrecorded and now_ns - risk.recorded_ns >= RECORD_EVERY_NS):
                self._record_equity(risk, now_ns)
        for symbol in (*risk.book.tallies, *self.table.named_symbols()):
            risk.values.value(symbol, now_ns)
        risk.values.look(now_ns)

    # --- changes ------------------------------------------------------------------------------------------------------

    def change(self, scope: Scope, limits: dict[str, Any], who: str, why: str, now_ns: int) -> None:
        """Change limits that have no problem, and record it."""
        self._apply(scope, limits, who, why, now_ns + self._log.wall_offset_ns)
        self._record_limits(scope, limits)

    def rebase(self, name: str, who: str, why: str) -> None:
        """Measure an account's losses anew, from its next reading on."""
        self.accounts[name].equity.rebase()
        body = {"account": name, "who": who, "why": why, **self.accounts[name].equity.told()}
        self._log.note(int(Kind.EQUITY), self._codec.pack(body))

    def _apply(self, scope: Scope, limits: dict[str, Any], who: str, why: str, wall_ns: int) -> None:
        was_active, watched = self.active, self._watches_equity
        if limits:
            self.table.change(scope, limits)
            self.reasons[scope] = (who, why, wall_ns)
        self.active = not self.table.is_empty()
        self._watches_equity = self.table.watches_equity()
        self._log.guard = self if self.active else None
        if self.active and not was_active:
            self._begin()
        if self._watches_equity and not watched:
            for risk in self.accounts.values():
                risk.equity.rebase()

    def _begin(self) -> None:
        """Know nothing but what is under way: until the next readings nothing that needs them is permitted."""
        for risk in self.accounts.values():
            risk.book = Book(self.table, risk.account.proof.get("margin_mode", 0) != _HEDGING)
        for order in self._log.table.unsettled.values():
            self._reclaim(order)

    def _reclaim(self, order: Order) -> None:
        risk = self.accounts.get(order.account_name)
        args, kwargs = self._codec.decode_arguments(order.tail, order.has_kwargs)
        fields, _ = trade_request(args, kwargs)
        intent = intent_of(fields)[0] if fields is not None else None
        if risk is not None and intent is not None:
            risk.book.claim(order.number, order.client_id, intent, intent.kind == _EXIT)

    # --- the journal --------------------------------------------------------------------------------------------------

    def recover(self, records: list[Record]) -> None:
        """Take back what was changed and measured. What the configuration doesn't allow any more is left out."""
        for _, wall_ns, _, kind, body in records:
            if kind == Kind.LIMITS:
                told = self._codec.unpack(body)
                scope: Scope = (told["scope"][0], told["scope"][1])
                limits: dict[str, Any] = told["limits"]
                allowed = {name: limits[name] for name in limits if not self.table.problem(scope, {name: limits[name]})}
                self._apply(scope, allowed, told["who"], told["why"], told.get("when", wall_ns))
            elif kind == Kind.EQUITY:
                told = self._codec.unpack(body)
                if told["account"] in self.accounts:
                    self.accounts[told["account"]].equity.recovered(told)

    def start(self, now_ns: int, wall_ns: int) -> None:
        """Begin, after the order log did: count what is under way, and today's orders. O(orders remembered)."""
        self.begin_segment()
        if not self.active:
            return
        self._begin()
        for orders in self._log.table.by_client.values():
            for order in orders.values():
                risk = self.accounts.get(order.account_name)
                if risk is not None and risk.equity.clock.of(order.accepted_wall_ns) == risk.equity.clock.of(wall_ns):
                    plan = self.table.plan(order.account_name, order.client_id, "")
                    for counted in plan.counted:
                        if counted.max_daily_requests >= 0:
                            self._checks.days.take(counted.days_key, risk.equity.clock.of(wall_ns))

    def begin_segment(self) -> None:
        """Record what must outlive the journal's older segments."""
        for scope, limits in self.table.changed.items():
            self._record_limits(scope, limits)
        for risk in self.accounts.values():
            if self._watches_equity and risk.equity.last_flow >= 0:
                self._record_equity(risk, self._log.now_ns)

    def _record_limits(self, scope: Scope, limits: dict[str, Any]) -> None:
        who, why, when = self.reasons[scope]
        body = {"scope": list(scope), "limits": limits, "who": who, "why": why, "when": when}
        self._log.note(int(Kind.LIMITS), self._codec.pack(body))

    def _record_equity(self, risk: AccountRisk, now_ns: int) -> None:
        risk.recorded_ns = now_ns
        risk.is_unrecorded = False
        self._log.note(int(Kind.EQUITY), self._codec.pack({"account": risk.account.name, **risk.equity.told()}))
