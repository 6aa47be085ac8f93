"""Which limits hold for whom: what was configured, what was changed since, and what both come to for one order.

Limits stand for an account, for a client and for a symbol by its canonical name, or for each of these ("*"). The
tightest counts. Rules: a change at run time may be no looser than the bounds, or than the configuration
where these say nothing; it is complete or it isn't made. What holds for an order is put together once, and kept.
"""

from dataclasses import dataclass, field
from typing import Any

from gateway.core.intents import VOLUME_UNITS
from gateway.wire.risklimits import LIMITS, Spans, TradingState, is_looser, parsed_hours, problem_with, tighter

__all__ = ("ANY", "LimitTable", "Plan", "RiskRules", "Scope", "scope_text")

ANY = "*"
"""Each account, client or symbol that there is."""

MAX_PLANS = 8_192
MAX_CHANGED_SCOPES = 4_096
MAX_NAME = 64
MAX_CANONICAL_NAMES = 8_192

Scope = tuple[str, str]
"""("account", name), ("client", id) or ("symbol", canonical name); the name may be ANY."""

SCOPES = ("account", "client", "symbol")
_NEEDS_READING = frozenset(
    (
        "max_open_volume",
        "max_positions",
        "max_notional",
        "max_trade_risk_percent",
        "max_daily_loss",
        "max_daily_loss_percent",
        "max_drawdown",
        "max_drawdown_percent",
        "min_margin_level_percent",
    )
)
_NEEDS_VALUE = frozenset(
    (
        "max_order_notional",
        "max_notional",
        "max_trade_risk",
        "max_trade_risk_percent",
        "min_margin_level_percent",
    )
)
_COUNTED = (
    "max_open_volume",
    "max_positions",
    "max_notional",
    "max_entries",
    "max_exits",
    "max_daily_requests",
)
_NOT_OF_SYMBOLS = "max_daily_requests: counts for accounts and clients, not for symbols"
_WATCHES_EQUITY = frozenset(("max_daily_loss", "max_daily_loss_percent", "max_drawdown", "max_drawdown_percent"))


@dataclass(frozen=True, slots=True)
class RiskRules:
    """What is configured. The limits are mappings by the names of `gateway.wire.risklimits`."""

    limits: dict[str, Any] = field(default_factory=dict)  # of every account, each for itself
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    clients: dict[str, dict[str, Any]] = field(default_factory=dict)
    symbols: dict[str, dict[str, Any]] = field(default_factory=dict)
    bounds: dict[str, Any] = field(default_factory=dict)
    operators: tuple[str, ...] = ("operator",)  # the clients that may change limits
    max_age_ms: int = 2_000
    quote_max_age_ms: int = 5_000
    alike_window_ms: int = 1_000
    rate_window_ms: int = 1_000
    exit_reserve_percent: int = 20  # of max_daily_requests: entries must leave so many
    reset_minutes: int = 0  # since midnight: when a day begins
    reset_on_server: bool = False  # by the server's clock
    halted_permits_exits: bool = False
    symbol_separators: str = ".#-_"
    symbol_suffixes: tuple[str, ...] = ()


class Plan:
    """What holds for one client's orders in one symbol of one account: the tightest of every limit.

    What is counted for an account, a client or a symbol apart stands in `counted`, as (scope, limits) pairs.
    """

    __slots__ = (
        "account_name",
        "allowed_symbols",
        "canonical",
        "client_id",
        "collar_percent",
        "counted",
        "max_alike",
        "max_daily_loss",
        "max_daily_loss_percent",
        "max_drawdown",
        "max_drawdown_percent",
        "max_order_notional",
        "max_trade_risk",
        "max_trade_risk_percent",
        "max_volume",
        "min_margin_level",
        "needs_reading",
        "needs_value",
        "origins",
        "require_stop_loss",
        "spans",
        "state",
        "watches_losses",
    )

    def __init__(self, account_name: str, client_id: str, canonical: str, layers: list[tuple[Scope, dict[str, Any]]]):
        self.account_name = account_name
        self.client_id = client_id
        self.canonical = canonical
        values: dict[str, Any] = {}
        self.origins: dict[str, str] = {}  # whose limit is the tightest
        for scope, limits in layers:
            for name, value in limits.items():
                held = tighter(name, values.get(name), value)
                if held != values.get(name):
                    self.origins[name] = scope_text(scope)
                values[name] = held
        self.state = int(TradingState[values.get("state", "active").upper()])
        hours = values.get("trading_hours")
        self.spans: Spans | None = None if hours is None else parsed_hours(hours)
        symbols = values.get("allowed_symbols")
        self.allowed_symbols: frozenset[str] | None = None if symbols is None else frozenset(symbols)
        max_volume = values.get("max_volume")
        self.max_volume = -1 if max_volume is None else round(max_volume * VOLUME_UNITS)
        self.max_order_notional: float = _number(values, "max_order_notional")
        self.collar_percent: float = _number(values, "price_collar_percent")
        self.require_stop_loss: bool = values.get("require_stop_loss", False)
        self.max_trade_risk: float = _number(values, "max_trade_risk")
        self.max_trade_risk_percent: float = _number(values, "max_trade_risk_percent")
        self.max_daily_loss: float = _number(values, "max_daily_loss")
        self.max_daily_loss_percent: float = _number(values, "max_daily_loss_percent")
        self.max_drawdown: float = _number(values, "max_drawdown")
        self.max_drawdown_percent: float = _number(values, "max_drawdown_percent")
        self.min_margin_level: float = _number(values, "min_margin_level_percent")
        self.max_alike: int = values.get("max_alike", -1)
        self.needs_reading = not _NEEDS_READING.isdisjoint(values)
        self.watches_losses = not _WATCHES_EQUITY.isdisjoint(values)
        self.needs_value = not _NEEDS_VALUE.isdisjoint(values)
        counted = [
            Counted(scope, account_name, limits) for scope, limits in layers if any(name in limits for name in _COUNTED)
        ]
        self.counted: list[Counted] = counted


class Counted:
    """The limits of one scope that count what others of that scope do, too; -1: off."""

    __slots__ = (
        "days_key",
        "entries_key",
        "exits_key",
        "is_client",
        "is_symbol",
        "max_daily_requests",
        "max_entries",
        "max_exits",
        "max_notional",
        "max_open_volume",
        "max_positions",
        "text",
    )

    def __init__(self, scope: Scope, account_name: str, limits: dict[str, Any]) -> None:
        self.is_client = scope[0] == "client"
        self.is_symbol = scope[0] == "symbol"
        self.text = scope_text(scope)
        # Under which it is counted: texts, for a text keeps its hash, and these are looked up with every order.
        self.days_key = "\0".join((scope[0], account_name, scope[1]))
        self.entries_key = f"entries\0{self.days_key}"
        self.exits_key = f"exits\0{self.days_key}"
        volume = limits.get("max_open_volume")
        self.max_open_volume = -1 if volume is None else round(volume * VOLUME_UNITS)
        self.max_positions: int = limits.get("max_positions", -1)
        self.max_notional: float = _number(limits, "max_notional")
        self.max_entries: int = limits.get("max_entries", -1)
        self.max_exits: int = limits.get("max_exits", -1)
        self.max_daily_requests: int = limits.get("max_daily_requests", -1)


class LimitTable:
    """All limits in force."""

    __slots__ = ("_bounds", "_canonical", "_configured", "_plans", "_separators", "_suffixes", "changed")

    def __init__(self, rules: RiskRules) -> None:
        self._separators = rules.symbol_separators
        self._suffixes = rules.symbol_suffixes
        self._canonical: dict[str, str] = {}
        self._configured: dict[Scope, dict[str, Any]] = {("account", ANY): self._held("limits", rules.limits)}
        for kind, section in (("account", rules.accounts), ("client", rules.clients), ("symbol", rules.symbols)):
            for name, limits in section.items():
                scope = (kind, self._scope_name(kind, name))
                held = self._held(f"{kind} {name}", limits)
                if kind == "symbol" and "max_daily_requests" in held:
                    raise ValueError(f"symbol {name}: {_NOT_OF_SYMBOLS}")
                self._configured[scope] = _tightest(self._configured.get(scope, {}), held)
        self._bounds = self._held("bounds", rules.bounds)
        for scope, limits in self._configured.items():
            for name, value in limits.items():
                if is_looser(name, value, self._bounds.get(name)):
                    raise ValueError(f"{scope_text(scope)}: {name}: {value!r} is looser than its bound")
        self.changed: dict[Scope, dict[str, Any]] = {}  # what was changed since; None: off
        self._plans: dict[tuple[str, str, str], Plan] = {}

    def canonical(self, symbol: str) -> str:
        """Return the name under which a symbol counts: without what stands behind a separator, or a known suffix."""
        name = self._canonical.get(symbol)
        if name is None:
            if len(self._canonical) >= MAX_CANONICAL_NAMES:
                self._canonical.clear()
            name = self._canonical[symbol] = _canonical(symbol, self._separators, self._suffixes)
        return name

    def plan(self, account_name: str, client_id: str, canonical: str) -> Plan:
        """Return what holds for a client's orders in a symbol."""
        key = (account_name, client_id, canonical)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._put_together(key)
        return plan

    def _put_together(self, key: tuple[str, str, str]) -> Plan:
        if len(self._plans) >= MAX_PLANS:
            self._plans.clear()
        named = [(kind, name) for kind, name in zip(SCOPES, key, strict=True) if name]
        layers = [(scope, limits) for scope in named if (limits := self._of(*scope))]
        plan = self._plans[key] = Plan(*key, layers)
        return plan

    def is_empty(self) -> bool:
        """Tell whether nothing is limited."""
        return not any(self.held(scope) for scope in {**self._configured, **self.changed})

    def watches_equity(self) -> bool:
        """Tell whether any limit is about what was lost."""
        return any(not _WATCHES_EQUITY.isdisjoint(self.held(scope)) for scope in {**self._configured, **self.changed})

    def named_symbols(self) -> list[str]:
        """Return the symbols that have limits of their own, by their canonical names."""
        return [name for kind, name in {**self._configured, **self.changed} if kind == "symbol" and name != ANY]

    def held(self, scope: Scope) -> dict[str, Any]:
        """Return the limits of a scope as they are now."""
        changed = {**self._configured.get(scope, {}), **self.changed.get(scope, {})}
        return {name: value for name, value in changed.items() if value is not None}

    def describe(self) -> list[dict[str, Any]]:
        """Return every scope with its limits: as configured, as changed since, and the bound of each change."""
        return [
            {
                "scope": {scope[0]: scope[1]},
                "limits": self.held(scope),
                "configured": self._configured.get(scope, {}),
                "changed": self.changed.get(scope, {}),
            }
            for scope in {**self._configured, **self.changed}
        ]

    def bounds(self) -> dict[str, Any]:
        """Return the bounds of changes at run time."""
        return self._bounds

    # --- changes ------------------------------------------------------------------------------------------------------

    def scope(self, told: Any) -> tuple[Scope | None, str]:
        """Return the scope that {"account": name}, {"client": id}, {"symbol": name} or {} means, or what is wrong."""
        if type(told) is not dict or len(told) > 1:
            return None, f"scope: expected one of account, client and symbol, got {told!r:.80}"
        for kind, name in told.items():
            if kind not in SCOPES or type(name) is not str or not 0 < len(name) <= MAX_NAME:
                return None, f"scope: expected account, client or symbol by name, got {told!r:.80}"
            return (kind, self._scope_name(kind, name)), ""
        return ("account", ANY), ""

    def problem(self, scope: Scope, limits: Any) -> str:
        """Say why limits can't be changed so ("": they can)."""
        if type(limits) is not dict or not limits:
            return f"limits: expected a map of limits, got {limits!r:.80}"
        configured = self._configured.get(scope, {})
        for name, value in limits.items():
            problem = problem_with(name, value) if type(name) is str else f"limits: expected names, got {name!r:.80}"
            if problem:
                return problem
            if scope[0] == "symbol" and name == "max_daily_requests":
                return _NOT_OF_SYMBOLS
            bound = self._bounds.get(name, configured.get(name))
            if is_looser(name, self._canonical_value(name, value), bound):
                return f"{name}: expected nothing looser than {bound!r}, as configured, got {value!r}"
        held = {**self.held(scope), **limits}
        if held.get("max_exits") is not None and held["max_exits"] < (held.get("max_entries") or 0):
            return f"max_exits: expected at least max_entries ({held['max_entries']}), got {held['max_exits']}"
        if scope not in self.changed and len(self.changed) >= MAX_CHANGED_SCOPES:
            return f"{MAX_CHANGED_SCOPES} scopes have been changed, and no more are allowed"
        return ""

    def change(self, scope: Scope, limits: dict[str, Any]) -> None:
        """Change some limits of a scope; what has no problem."""
        changed = {**self.changed.get(scope, {})}
        for name, value in limits.items():
            changed[name] = self._canonical_value(name, value)
        self.changed[scope] = changed
        self._plans.clear()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _of(self, kind: str, name: str) -> dict[str, Any]:
        """Return the limits of what has this name: its own, and those of each."""
        return _tightest(self.held((kind, ANY)), self.held((kind, name)))

    def _scope_name(self, kind: str, name: str) -> str:
        return self.canonical(name) if kind == "symbol" and name != ANY else name

    def _held(self, where: str, limits: dict[str, Any]) -> dict[str, Any]:
        """Return checked limits, without those that are off; raises ValueError."""
        held: dict[str, Any] = {}
        for name, value in limits.items():
            problem = problem_with(name, value)
            if problem:
                raise ValueError(f"{where}: {problem}")
            if value is not None:
                held[name] = self._canonical_value(name, value)
        return held

    def _canonical_value(self, name: str, value: Any) -> Any:
        if value is None or LIMITS[name].kind not in ("texts", "hours"):
            return value
        return [self.canonical(text) for text in value] if name == "allowed_symbols" else list(value)


def scope_text(scope: Scope) -> str:
    """Return a scope as messages name it."""
    kind, name = scope
    return f"each {kind}" if name == ANY else f"{kind} {name}"


def _tightest(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    return {name: tighter(name, left.get(name), right.get(name)) for name in {**left, **right}}


def _number(limits: dict[str, Any], name: str) -> float:
    value = limits.get(name)
    return -1.0 if value is None else float(value)


def _canonical(symbol: str, separators: str, suffixes: tuple[str, ...]) -> str:
    """Cut a symbol at its first separator that doesn't begin it, then take one known suffix off; never all of it."""
    for index, character in enumerate(symbol):
        if index and character in separators:
            symbol = symbol[:index]
            break
    for suffix in suffixes:
        if suffix and len(symbol) > len(suffix) and symbol.endswith(suffix):
            return symbol[: -len(suffix)]
    return symbol
