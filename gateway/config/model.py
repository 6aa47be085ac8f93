"""The shape of the configuration: every key, its type, its bounds and its default. Nothing here reads anything.

`gateway.config` fills it from files, environment and command line. Keys that aren't here are refused. A bound that has
no reason of its own only keeps out what can't be meant.
"""

import math
import re
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    model_validator,
)

from gateway.config.endpoints import validated_bind
from gateway.wire.risklimits import clock_minutes, problem_with

__all__ = (
    "Account",
    "Broker",
    "Feed",
    "Log",
    "Publisher",
    "Risk",
    "RiskLimits",
    "Schema",
    "Simulator",
    "Workers",
)

MAX_ACCOUNT_NAME: Final = 48
"""Bytes; an account's name is part of its workers' names, and those have at most 64 on the wire."""

MAX_SYMBOL: Final = 29
"""Characters; the MetaTrader5 package takes no more."""

MAX_CLIENT_ID: Final = 64
"""Bytes of a client id on the wire."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _many(value: Any) -> Any:
    """Let one text stand for a list, its items parted by commas: as it comes from the environment."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value) or len(value) > MAX_ACCOUNT_NAME:
        raise ValueError(
            f"expected a name of letters, digits, '.', '_' and '-', at most {MAX_ACCOUNT_NAME} long, got {value!r};"
            " it becomes part of file names and topics: rename it"
        )
    return value


def _symbol(value: str) -> str:
    if not 0 < len(value) <= MAX_SYMBOL or "\0" in value:
        raise ValueError(
            f"expected a symbol of 1 to {MAX_SYMBOL} characters, got {value!r}; use the broker's own spelling"
        )
    return value


def _client_id(value: str) -> str:
    if not 0 < len(value.encode()) <= MAX_CLIENT_ID:
        raise ValueError(f"expected a client id of 1 to {MAX_CLIENT_ID} bytes, got {value!r}; use its own")
    return value


def _speed(value: Any) -> Any:
    return math.inf if value == "max" else value


def _checked_speed(value: float) -> float:
    if not value > 0.0:
        raise ValueError(f"expected a number above 0, or max, got {value!r}; 1 is real time")
    return value


def _minutes(value: Any) -> Any:
    """Let a number of minutes be written as one."""
    return str(value) if type(value) is int else value


def _plain(value: Any) -> Any:
    """Return what a message to a process can carry: YAML makes more of a file than that."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, bool | int | float | str):
        raise ValueError("expected numbers, texts, and lists of them; put quotes around texts")
    return value


def _chance(value: float) -> float:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"expected a chance from 0 to 1, got {value!r}; 0.01 is one call in a hundred")
    return value


def _shown_speed(value: float) -> float | str:
    return "max" if math.isinf(value) else value


Name = Annotated[str, AfterValidator(_name)]
Bind = Annotated[str, AfterValidator(validated_bind)]
Binds = Annotated[tuple[Bind, ...], BeforeValidator(_many)]
Clients = Annotated[tuple[Annotated[str, AfterValidator(_client_id)], ...], BeforeValidator(_many)]
Symbols = Annotated[tuple[Annotated[str, AfterValidator(_symbol)], ...], BeforeValidator(_many)]
Files = Annotated[tuple[str, ...], BeforeValidator(_many)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_many)]
Speed = Annotated[float, BeforeValidator(_speed), AfterValidator(_checked_speed), PlainSerializer(_shown_speed)]

Chance = Annotated[float, AfterValidator(_chance)]
Terms = Annotated[dict[str, Any], AfterValidator(_plain)]
"""Of a symbol; the simulated terminal knows them."""


class Section(BaseModel):
    """Common to all: nothing unknown, nothing changed later, and no value in pydantic's own errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Log(Section):
    """What the processes say on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Broker(Section):
    """The order plane. Empty endpoints become the default ones, in the state folder."""

    endpoints: Binds = ()
    worker_endpoints: Binds = ()
    heartbeat_ms: int = Field(default=1_000, ge=10, le=60_000)
    worker_timeout_ms: int = Field(default=4_000, ge=20, le=600_000)
    session_timeout_ms: int = Field(default=30_000, ge=100, le=86_400_000)
    max_sessions: int = Field(default=1_024, ge=1, le=65_536)
    max_queued: int = Field(default=8_192, ge=1, le=1_000_000)
    max_queued_per_session: int = Field(default=1_024, ge=1, le=1_000_000)
    quote_max_age_ms: int = Field(default=1_000, ge=0, le=60_000)
    spin_us: int = Field(default=0, ge=0, le=1_000_000)
    durability: Literal["process", "disk"] = "process"
    remembered_orders: int = Field(default=65_536, ge=1_024, le=1_000_000)
    remembered_ms: int = Field(default=86_400_000, ge=60_000, le=604_800_000)
    observers: Clients = ()

    @model_validator(mode="after")
    def _patience(self) -> Self:
        for key in ("worker_timeout_ms", "session_timeout_ms"):
            if getattr(self, key) < 2 * self.heartbeat_ms:
                raise ValueError(
                    f"{key}: expected at least two heartbeats ({2 * self.heartbeat_ms} ms), got {getattr(self, key)};"
                    f" raise {key} or lower heartbeat_ms"
                )
        return self


class Publisher(Section):
    """The tick plane. Empty endpoints become the default ones, in the state folder."""

    endpoints: Binds = ()
    feed_endpoints: Binds = ()
    send_hwm: int = Field(default=100_000, ge=1, le=10_000_000)


class Workers(Section):
    """How many connections an account has for each purpose; `all` are connections that serve every lane."""

    trade: int = Field(default=1, ge=0, le=8)
    watch: int = Field(default=1, ge=0, le=1)  # the depth of market is opened per connection: one connection watches
    query: int = Field(default=2, ge=0, le=32)
    all: int = Field(default=0, ge=0, le=8)


class Feed(Section):
    """The account's ticks. `since` None: from now on, or from the first tick of a replay."""

    enabled: bool = True
    name: Name | None = None
    symbols: Symbols = ()
    since: int | None = Field(default=None, ge=-1)
    poll_us: int = Field(default=1_000, ge=0, le=10_000_000)

    def source_of(self, account: str) -> str:
        """Return the name of the feed that the account's ticks come from: its own, another's, or "" for none."""
        return self.name or (account if self.enabled else "")


def _checked_by(name: str) -> AfterValidator:
    def check(value: Any) -> Any:
        problem = problem_with(name, value)
        if problem:
            raise ValueError(problem.removeprefix(f"{name}: "))
        return value

    return AfterValidator(check)


def _time_of_day(value: str) -> str:
    clock_minutes(value)
    return value


class RiskLimits(Section):
    """Pre-trade limits of whatever it stands for. None: off."""

    state: Literal["active", "reducing", "halted"] | None = None
    trading_hours: Annotated[Texts, _checked_by("trading_hours")] | None = None
    allowed_symbols: Annotated[Texts, _checked_by("allowed_symbols")] | None = None
    max_volume: float | None = Field(default=None, ge=0.0, le=1e9)
    max_open_volume: float | None = Field(default=None, ge=0.0, le=1e9)
    max_positions: int | None = Field(default=None, ge=0, le=1_000_000)
    max_order_notional: float | None = Field(default=None, ge=0.0, le=1e12)
    max_notional: float | None = Field(default=None, ge=0.0, le=1e12)
    price_collar_percent: float | None = Field(default=None, ge=0.0, le=10_000.0)
    require_stop_loss: bool | None = None
    max_trade_risk: float | None = Field(default=None, ge=0.0, le=1e12)
    max_trade_risk_percent: float | None = Field(default=None, ge=0.0, le=100.0)
    max_daily_loss: float | None = Field(default=None, ge=0.0, le=1e12)
    max_daily_loss_percent: float | None = Field(default=None, ge=0.0, le=100.0)
    max_drawdown: float | None = Field(default=None, ge=0.0, le=1e12)
    max_drawdown_percent: float | None = Field(default=None, ge=0.0, le=100.0)
    min_margin_level_percent: float | None = Field(default=None, ge=0.0, le=1e6)
    max_alike: int | None = Field(default=None, ge=1, le=1_000)
    max_entries: int | None = Field(default=None, ge=0, le=10_000)
    max_exits: int | None = Field(default=None, ge=1, le=10_000)
    max_daily_requests: int | None = Field(default=None, ge=0, le=10_000_000)

    @model_validator(mode="after")
    def _exits_go_before(self) -> Self:
        if self.max_exits is not None and self.max_entries is not None and self.max_exits < self.max_entries:
            raise ValueError(
                f"max_exits: expected at least max_entries ({self.max_entries}), got {self.max_exits};"
                " exits must not starve where entries go: raise it, or leave it out"
            )
        return self


class Risk(Section):
    """Pre-trade checks. Limits stand for every account, and beside that for one account, client or symbol; the tightest
    counts."""

    limits: RiskLimits = RiskLimits()
    accounts: dict[Name, RiskLimits] | None = None
    clients: dict[str, RiskLimits] | None = None
    symbols: dict[str, RiskLimits] | None = None
    bounds: RiskLimits | None = None
    operators: Texts = ("operator",)
    max_age_ms: int = Field(default=2_000, ge=10, le=600_000)
    quote_max_age_ms: int = Field(default=5_000, ge=10, le=600_000)
    alike_window_ms: int = Field(default=1_000, ge=1, le=3_600_000)
    rate_window_ms: int = Field(default=1_000, ge=1, le=3_600_000)
    exit_reserve_percent: int = Field(default=20, ge=0, le=100)
    reset_time: Annotated[str, AfterValidator(_time_of_day)] = "00:00"
    reset_clock: Literal["utc", "server"] = "utc"
    halted_permits_exits: bool = False
    symbol_separators: str = ".#-_"
    symbol_suffixes: Texts = ()

    def rules(self) -> dict[str, Any]:
        """Return what `gateway.core.limitset.RiskRules` takes."""
        rules = self.model_dump(exclude={"reset_time", "reset_clock"}, exclude_none=True)
        reset = {"reset_minutes": clock_minutes(self.reset_time), "reset_on_server": self.reset_clock == "server"}
        return rules | reset


class Simulator(Section):
    """A simulated terminal and its account. Everything but the paths and `state` is named as the terminal names it."""

    ticks: Files = ()
    bars: Files = ()
    speed: Speed = 1.0
    seed: int = Field(default=1, ge=0)
    hours: Literal["always", "market"] = "always"
    timezone: Annotated[str, BeforeValidator(_minutes)] = "0"
    suffix: str = ""
    symbols: dict[str, Terms] = Field(default_factory=dict)
    generated_symbols: int = Field(default=0, ge=0, le=10_000)
    deposit: float = Field(default=100_000.0, ge=0.0, allow_inf_nan=False)
    currency: str = "USD"
    leverage: int = Field(default=100, ge=1, le=10_000)
    margin_mode: Literal["netting", "exchange", "hedging"] = "hedging"
    fifo_close: bool = False
    margin_call_level: float = Field(default=50.0, ge=0.0, le=1_000.0)
    stop_out_level: float = Field(default=30.0, ge=0.0, le=1_000.0)
    limit_orders: int = Field(default=500, ge=0, le=1_000_000)
    limit_positions: int = Field(default=0, ge=0, le=1_000_000)
    trade_allowed: bool = True
    trade_expert: bool = True
    execution_delay_ms: int = Field(default=0, ge=0, le=60_000)
    faults: dict[str, Chance] = Field(default_factory=dict)
    investor_password: SecretStr = SecretStr("")
    state: bool | None = None

    @property
    def is_replay(self) -> bool:
        """Whether the market is recorded, not synthetic."""
        return bool(self.ticks or self.bars)

    def with_own(self, own: "Simulator | None") -> "Simulator":
        """Return these settings with those keys replaced that an account gives for itself."""
        given = own.model_fields_set if own is not None else ()
        return self.model_copy(update={key: getattr(own, key) for key in given})


class Account(Section):
    """One trading account and the terminal it is reached through."""

    mode: Literal["demo", "contest", "real"] = "demo"
    allow_real: bool = False
    terminal: Literal["simulated", "metatrader5", "remote"] = "simulated"
    path: str = ""
    login: int = Field(default=0, ge=0)
    password: SecretStr = SecretStr("")
    server: str = ""
    portable: bool = False
    workers: Workers = Workers()
    feed: Feed = Feed()
    simulator: Simulator | None = None
    connect_timeout_ms: int = Field(default=60_000, ge=100, le=600_000)
    hung_after_ms: int = Field(default=30_000, ge=100, le=3_600_000)
    settle_ms: int | None = Field(default=None, ge=100, le=3_600_000)  # None: 1 s if simulated, else a minute

    @model_validator(mode="after")
    def _meant(self) -> Self:
        if self.mode == "real" and not self.allow_real:
            raise ValueError(
                "mode: real trades real money and needs its consent beside it: set allow_real: true, or mode: demo"
            )
        if self.terminal == "simulated":
            if self.mode != "demo":
                raise ValueError(
                    f"mode: expected demo with a simulated terminal, got {self.mode!r};"
                    " set terminal: metatrader5 or remote, or mode: demo"
                )
            if self.path:
                raise ValueError(
                    f"path: a simulated terminal has no executable, got {self.path!r};"
                    " set terminal: metatrader5, or leave path out"
                )
        elif self.simulator is not None:
            raise ValueError(
                f"simulator: {self.terminal} is no simulated terminal; set terminal: simulated, or leave simulator out"
            )
        if self.terminal == "metatrader5" and self.password.get_secret_value() and not self.login:
            raise ValueError("password: given without a login; set login (or MT5_LOGIN) too, or leave the password out")
        return self


class Schema(Section):
    """The whole file."""

    state_dir: str = ""
    tcp_port: int | None = Field(
        None, ge=0, le=65_531
    )  # None: 5550 on Windows, which has no owner-only sockets, else 0
    default_account: str = ""
    log: Log = Log()
    broker: Broker = Broker()
    publisher: Publisher = Publisher()
    risk: Risk = Risk()
    accounts: dict[Name, Account] = Field(default_factory=lambda: {"demo": Account()}, min_length=1)
    simulator: Simulator = Simulator()
