"""Whether one order may go, by the limits that hold for it and by what is known of its account.

Nothing here changes anything: what is counted is `gateway.core.risk`'s to count. Rules: exits and cancels are judged by
the state and their own rate alone; account data older than its maximum age refuses the entries that need it. The checks
stand in a fixed order, and the first that stands against an order is told.
"""

from typing import Any, Final

from gateway.core.exposure import Group
from gateway.core.intents import CANCEL, ENTRY, EXIT, MODIFY, STOPS, Intent, intent_of, lots
from gateway.core.limits import Codec, QuoteSource
from gateway.core.limitset import Counted, LimitTable, Plan, RiskRules
from gateway.core.riskcase import AccountRisk, Case, Refusal, refusal, told
from gateway.core.throttle import DayCounts, Throttle
from gateway.wire import constants as mt5
from gateway.wire.risklimits import TradingState

__all__ = ("PERMITTED", "Checks")

PERMITTED: Final[dict[TradingState, frozenset[int]]] = {
    TradingState.ACTIVE: frozenset((ENTRY, EXIT, STOPS, MODIFY, CANCEL)),
    TradingState.REDUCING: frozenset((EXIT, STOPS, CANCEL)),
    TradingState.HALTED: frozenset((CANCEL,)),  # and EXIT where `halted_permits_exits`
}
"""What each state lets pass."""

MAX_TAILS: Final = 8_192
"""Encoded arguments kept for asking the quote board; then all go."""

_ENTRY, _EXIT, _STOPS, _MODIFY, _CANCEL = ENTRY, EXIT, STOPS, MODIFY, CANCEL
_REDUCING = int(TradingState.REDUCING)
_PENDING = mt5.TRADE_ACTION_PENDING
_BUY = mt5.POSITION_TYPE_BUY
_MINUTE_NS = 60_000_000_000
_WEEK_MINUTES = 10_080
_EPOCH_MINUTES = 3 * 1_440  # 1970 began on a Thursday
_NS_PER_MS = 1_000_000
_KINDS = ("an entry", "an exit", "a change of stops", "a change of a pending order", "a cancel")
_MAX_NAMED = 8


class Checks:
    """Judges orders."""

    __slots__ = (
        "_codec",
        "_max_age_ms",
        "_permitted",
        "_quote_max_age_ns",
        "_quotes",
        "_rules",
        "_tails",
        "alike",
        "days",
        "rates",
        "table",
    )

    def __init__(self, rules: RiskRules, table: LimitTable, codec: Codec, quotes: QuoteSource | None) -> None:
        self.table = table
        self.rates = Throttle(rules.rate_window_ms * _NS_PER_MS)
        self.alike = Throttle(rules.alike_window_ms * _NS_PER_MS)
        self.days = DayCounts()
        self._rules = rules
        self._max_age_ms = rules.max_age_ms
        self._quote_max_age_ns = rules.quote_max_age_ms * _NS_PER_MS
        self._codec = codec
        self._quotes = quotes
        self._tails: dict[str, bytes] = {}
        halted = PERMITTED[TradingState.HALTED] | frozenset((EXIT,) if rules.halted_permits_exits else ())
        self._permitted = (PERMITTED[TradingState.ACTIVE], PERMITTED[TradingState.REDUCING], halted)

    def judge(
        self, fields: dict[str, Any], risk: AccountRisk, client_id: str, now_ns: int, wall_ns: int
    ) -> tuple[Intent | None, Refusal | None]:
        """Return what an order would do, and what stands against it, if anything does."""
        intent, problem = intent_of(fields)
        if intent is None:
            return None, Refusal(f"request: {problem}", {"limit": "request", "found": problem})
        if not intent.symbol:
            intent.symbol = _symbol_of(intent, risk)
        if intent.symbol:
            intent.canonical = self.table.canonical(intent.symbol)
        intent.effect = intent.kind
        if intent.kind == _ENTRY or intent.kind == _EXIT:
            intent.effect = _EXIT if risk.book.reduces(intent) else _ENTRY
        plan: Plan = self.table.plan(risk.account.name, client_id, intent.canonical)
        intent.plan = plan
        case = Case(intent, plan, risk, now_ns, wall_ns)
        if plan.state and intent.effect not in self._permitted[plan.state]:
            return intent, _by_state(case)
        if intent.effect == _EXIT or intent.effect == _CANCEL:
            return intent, self._exit_rates(case)
        case.is_entry = intent.effect == _ENTRY
        return intent, self._first_against(case)

    def _first_against(self, case: Case) -> Refusal | None:
        """Ask every check in its turn; return what the first one says that stands against the order."""
        return (
            self._trading_hours(case)
            or self._allowed_symbols(case)
            or self._max_volume(case)
            or self._require_stop_loss(case)
            or self._account_data(case)
            or self._exposure(case)  # of each scope: max_open_volume, max_positions, max_notional
            or self._max_order_notional(case)
            or self._price_collar(case)
            or self._max_trade_risk(case)
            or self._losses(case)  # max_daily_loss, max_drawdown
            or self._min_margin_level(case)
            or self._max_alike(case)
            or self._rates(case)  # of each scope: max_entries, max_daily_requests
        )

    def _exit_rates(self, case: Case) -> Refusal | None:
        for counted in case.plan.counted:
            limit = counted.max_exits
            if limit >= 0 and self.rates.is_full(counted.exits_key, limit, case.now_ns):
                return told("max_exits", counted.text, f"at most {limit} in {self._rules.rate_window_ms} ms", "more")
        return None

    # --- the order by itself ------------------------------------------------------------------------------------------

    def _trading_hours(self, case: Case) -> Refusal | None:
        spans = case.plan.spans
        if spans is None or not case.is_entry:
            return None
        minute = (case.wall_ns // _MINUTE_NS + _EPOCH_MINUTES) % _WEEK_MINUTES
        for start, end in spans:
            if start <= minute < end:
                return None
        return refusal(case, "trading_hours", "an entry within the hours (UTC)", "one outside them")

    def _allowed_symbols(self, case: Case) -> Refusal | None:
        allowed = case.plan.allowed_symbols
        if allowed is None or not case.is_entry or case.intent.canonical in allowed:
            return None
        return refusal(case, "allowed_symbols", f"one of {_some(allowed)}", case.intent.symbol)

    def _max_volume(self, case: Case) -> Refusal | None:
        limit = case.plan.max_volume
        if limit < 0 or case.intent.volume <= limit:
            return None
        return refusal(case, "max_volume", f"at most {lots(limit):g} lots", f"{lots(case.intent.volume):g}")

    def _require_stop_loss(self, case: Case) -> Refusal | None:
        if not case.plan.require_stop_loss:
            return None
        intent = case.intent
        if not intent.stop_loss:
            return refusal(case, "require_stop_loss", "a stop loss (sl)", "none")
        if case.is_entry and intent.price and (intent.price - intent.stop_loss) * intent.direction <= 0.0:
            found = f"sl {intent.stop_loss:g} and price {intent.price:g}"
            return refusal(case, "require_stop_loss", "a stop loss on the losing side of the price", found)
        return None

    # --- what is known ------------------------------------------------------------------------------------------------

    def _account_data(self, case: Case) -> Refusal | None:
        """Hold what the later checks need; entries don't go without it."""
        plan, risk, symbol = case.plan, case.risk, case.intent.symbol
        if plan.needs_reading and case.is_entry:
            if risk.book.reading is None:
                return self._unread(case, "none yet")
            age_ms = (case.now_ns - risk.book.asked_ns) // _NS_PER_MS
            if age_ms > self._max_age_ms:
                return self._unread(case, f"some that is {age_ms} ms old")
        if plan.needs_value and symbol:
            case.value = risk.values.value(symbol, case.now_ns)
            if case.value is None and case.is_entry:
                return _unvalued(case, symbol)
        return None

    def _unread(self, case: Case, found: str) -> Refusal:
        expected = f"account data of the last {self._rules.max_age_ms} ms"
        return told("account_data", case.plan.account_name, expected, found)

    def _quote(self, case: Case) -> None:
        """Put the live bid and ask into the case, 0.0 for none: the board's, else the terminal's if it was asked
        lately."""
        symbol, risk = case.intent.symbol, case.risk
        if not symbol or case.bid:
            return
        if self._quotes is not None:
            tail = self._tails.get(symbol)
            if tail is None:
                if len(self._tails) >= MAX_TAILS:
                    self._tails.clear()
                tail = self._tails[symbol] = self._codec.pack([symbol])
            prices = self._quotes.prices(risk.account.name, tail, case.now_ns)
            if prices is not None:
                case.bid, case.ask = prices
                return
        value = risk.values.value(symbol, case.now_ns)
        if value is not None and case.now_ns - value.known_ns <= self._quote_max_age_ns:
            case.bid = value.bid
            case.ask = value.ask

    # --- what would be at stake ---------------------------------------------------------------------------------------

    def _exposure(self, case: Case) -> Refusal | None:
        """Judge what would be open at its worst. An order that raises nothing isn't refused for what is.

        One that raises, on netting, the lesser side of its symbol is held against the limit with that side's volume in
        the place of the greater's: what is truly open never passes the limit, whatever of the greater counts twice.
        """
        if not case.is_entry or not case.plan.counted:
            return None
        intent, book = case.intent, case.risk.book
        after = book.volume_after(intent)
        added = after - book.worst(intent.symbol)  # below 0: the side that it raises isn't the worse one
        more = book.added_count(intent)
        for counted in case.plan.counted:
            if counted.is_client:
                group = book.client(case.plan.client_id)
            else:
                group = book.canonical(intent.canonical) if counted.is_symbol else book.total
            if counted.max_open_volume >= 0 and after and group.volume + added > counted.max_open_volume:
                expected = f"at most {lots(counted.max_open_volume):g} lots open, pending and under way"
                found = f"{lots(group.volume):g} and {lots(added):g} more"
                if added <= 0:
                    found = f"{lots(group.volume + added):g} on the order's side of zero"
                return told("max_open_volume", counted.text, expected, found)
            if counted.max_positions >= 0 and more and group.count + more > counted.max_positions:
                expected = f"at most {counted.max_positions} positions, pending orders and entries under way"
                return told("max_positions", counted.text, expected, f"{group.count} and {more} more")
            if counted.max_notional >= 0.0 and after:
                found_here = self._max_notional(case, counted, after)
                if found_here is not None:
                    return found_here
        return None

    def _max_notional(self, case: Case, counted: Counted, after: int) -> Refusal | None:
        """Judge what all of it is worth; a client's limit is held against the whole account. O(symbols)."""
        intent, book, value = case.intent, case.risk.book, case.value
        group: Group = book.canonical(intent.canonical) if counted.is_symbol else book.total
        own = min(intent.volume, after)
        notional = value.notional(lots(own), intent.price) if value is not None else 0.0
        for tally in group.tallies:
            volume = after - own if tally.symbol == intent.symbol else tally.worst
            if volume:
                other = case.risk.values.value(tally.symbol, case.now_ns)
                if other is None:
                    return _unvalued(case, tally.symbol)
                notional += other.notional(lots(volume), 0.0)
        if notional <= counted.max_notional:
            return None
        expected = f"at most {counted.max_notional:.2f} open, pending and under way"
        return told("max_notional", counted.text, expected, f"{notional:.2f} with this order")

    def _max_order_notional(self, case: Case) -> Refusal | None:
        limit, value = case.plan.max_order_notional, case.value
        if limit < 0.0 or value is None or not case.is_entry:
            return None
        return _above(case, "max_order_notional", limit, value.notional(lots(case.intent.volume), case.intent.price))

    # --- prices -------------------------------------------------------------------------------------------------------

    def _price_collar(self, case: Case) -> Refusal | None:
        limit, intent = case.plan.collar_percent, case.intent
        if limit < 0.0 or intent.effect == _STOPS:
            return None
        self._quote(case)
        bid, ask = case.bid, case.ask
        if not bid or not ask:
            case.risk.values.look(case.now_ns)  # to have one the next time
            return refusal(case, "price_collar_percent", f"a live quote of {intent.symbol or 'its symbol'}", "none")
        if not intent.price and case.is_entry:
            return None  # at the market
        near = ask if intent.direction > 0 else bid if intent.direction < 0 else (bid + ask) / 2.0
        off_percent = abs(intent.price - near) / near * 100.0
        if off_percent <= limit:
            return None
        found = f"{intent.price:g} ({off_percent:.3g} % off)"
        return refusal(case, "price_collar_percent", f"a price within {limit:g} % of {near:g}", found)

    def _max_trade_risk(self, case: Case) -> Refusal | None:
        """Judge what would be lost at the stop loss."""
        plan, intent, book, value = case.plan, case.intent, case.risk.book, case.value
        if (plan.max_trade_risk < 0.0 and plan.max_trade_risk_percent < 0.0) or intent.effect == _MODIFY:
            return None
        volume, direction = lots(intent.volume), intent.direction
        if intent.effect == _STOPS:
            position = book.positions.get(intent.ticket)
            if position is None or value is None:
                return None  # it opens nothing, and can't be weighed
            volume = position.volume
            direction = 1 if position.type == _BUY else -1
            price = market = position.price_open
        elif intent.action == _PENDING:
            price = market = intent.price
        else:  # at the market's price, whatever price it names
            self._quote(case)
            bid, ask = case.bid, case.ask
            if not bid and value is not None:
                bid, ask = value.bid, value.ask
            price = intent.price or ask
            market = ask if direction > 0 else bid
        if not intent.stop_loss:
            return refusal(case, "max_trade_risk", "a stop loss (sl), to bound the loss", "none")
        distance = max((price - intent.stop_loss) * direction, (market - intent.stop_loss) * direction)
        loss = distance * volume * (value.per_price if value is not None else 0.0)
        if plan.max_trade_risk >= 0.0 and loss > plan.max_trade_risk:
            return _above(case, "max_trade_risk", plan.max_trade_risk, loss)
        if plan.max_trade_risk_percent >= 0.0 and book.reading is not None:
            allowed = book.reading.account.equity * plan.max_trade_risk_percent / 100.0
            return _above(case, "max_trade_risk_percent", allowed, loss)
        return None

    # --- the account's money ------------------------------------------------------------------------------------------

    def _losses(self, case: Case) -> Refusal | None:
        plan, equity = case.plan, case.risk.equity
        if not plan.watches_losses or not case.is_entry:
            return None
        lost = max(equity.day_loss, equity.worst_day_loss)
        fallen = max(equity.drawdown, equity.worst_drawdown)
        day_percent, peak_percent = equity.baseline / 100.0, equity.peak / 100.0
        day, peak = "the day began", "the highest equity"
        return (
            _lost(case, "max_daily_loss", plan.max_daily_loss, 1.0, lost, day)
            or _lost(case, "max_daily_loss_percent", plan.max_daily_loss_percent, day_percent, lost, day)
            or _lost(case, "max_drawdown", plan.max_drawdown, 1.0, fallen, peak)
            or _lost(case, "max_drawdown_percent", plan.max_drawdown_percent, peak_percent, fallen, peak)
        )

    def _min_margin_level(self, case: Case) -> Refusal | None:
        """Judge the margin level after the trade, an estimate: without hedging's and netting's relief. O(symbols)."""
        limit, value, book = case.plan.min_margin_level, case.value, case.risk.book
        if limit < 0.0 or value is None or book.reading is None or not case.is_entry:
            return None
        account = book.reading.account
        leverage = account.leverage
        margin = account.margin + value.margin(lots(case.intent.volume), case.intent.price, leverage)
        for tally in book.total.tallies:
            if tally.claimed:
                other = case.risk.values.value(tally.symbol, case.now_ns)
                if other is None:
                    return _unvalued(case, tally.symbol)
                margin += other.margin(lots(tally.claimed), 0.0, leverage)
        level_percent = account.equity / margin * 100.0 if margin > 0.0 else float("inf")
        if level_percent >= limit:
            return None
        found = f"about {level_percent:.1f} %"
        return refusal(case, "min_margin_level_percent", f"at least {limit:g} % after the trade", found)

    # --- how often ----------------------------------------------------------------------------------------------------

    def _max_alike(self, case: Case) -> Refusal | None:
        limit, intent = case.plan.max_alike, case.intent
        if limit < 0 or not case.is_entry:
            return None
        intent.likeness = _likeness(intent, case.plan)
        if not self.alike.is_full(intent.likeness, limit, case.now_ns):
            return None
        return refusal(case, "max_alike", f"at most {limit} entries alike in {self._rules.alike_window_ms} ms", "more")

    def _rates(self, case: Case) -> Refusal | None:
        for counted in case.plan.counted:
            limit = counted.max_entries
            if limit >= 0 and self.rates.is_full(counted.entries_key, limit, case.now_ns):
                return told("max_entries", counted.text, f"at most {limit} in {self._rules.rate_window_ms} ms", "more")
            limit = counted.max_daily_requests
            if limit >= 0:
                reserved = limit * self._rules.exit_reserve_percent // 100
                count = self.days.count(counted.days_key, case.risk.equity.clock.of(case.wall_ns))
                if count >= limit - reserved:
                    expected = f"at most {limit} orders a day, {reserved} of them kept for exits"
                    return told("max_daily_requests", counted.text, expected, f"{count} before it")
        return None


def _likeness(intent: Intent, plan: Plan) -> tuple[Any, ...]:
    """Return what makes entries alike."""
    return plan.client_id, plan.account_name, intent.canonical, intent.direction, intent.volume, intent.action


def _by_state(case: Case) -> Refusal:
    kind = _KINDS[case.intent.effect]
    if case.plan.state == _REDUCING and case.intent.effect == _ENTRY:
        kind += " or what may become one, with all that rests and is under way counted in"
    return refusal(case, "state", f"what {TradingState(case.plan.state).name} permits", kind)


def _symbol_of(intent: Intent, risk: AccountRisk) -> str:
    """Return the symbol of what an order changes, "" if it isn't known."""
    book = risk.book
    found = book.positions.get(intent.ticket)
    if intent.kind == _MODIFY:
        found = book.reading.orders.get(intent.ticket) if book.reading is not None else None
    return found.symbol if found is not None else ""


def _unvalued(case: Case, symbol: str) -> Refusal:
    """Refuse for want of a symbol's value, and see to it that it is known soon."""
    case.risk.values.look(case.now_ns)
    expected = f"the value of {symbol} in the account's currency"
    return told("account_data", case.plan.account_name, expected, "none yet; the terminal is asked: try again")


def _lost(case: Case, name: str, limit: float, unit: float, found: float, since: str) -> Refusal | None:
    """Judge a loss by a limit in units of money."""
    if limit < 0.0 or found < limit * unit:
        return None
    return refusal(case, name, f"less than {limit * unit:.2f} lost since {since}", f"{found:.2f}")


def _above(case: Case, name: str, limit: float, found: float) -> Refusal | None:
    return None if found <= limit else refusal(case, name, f"at most {limit:.2f}", f"{found:.2f}")


def _some(names: frozenset[str]) -> str:
    shown = sorted(names)[:_MAX_NAMED]
    return ", ".join([*shown, "…"] if len(names) > len(shown) else shown) or "none"
