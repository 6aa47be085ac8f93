"""What each process is told when it starts: plain, frozen, and able to travel as JSON.

`gateway.config` makes these out of files, environment and command line; the shells take them. A process is handed its
settings on standard input, so that no secret stands in an argument list or an environment.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = (
    "AccountSettings",
    "BrokerSettings",
    "FeedSettings",
    "PublisherSettings",
    "Settings",
    "SimulatorSettings",
    "WorkerSettings",
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Common to all: how they travel."""

    def to_json(self) -> str:
        """Encode, secrets included: for a child's standard input, nothing else."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Decode what `to_json` made; raises TypeError for a field it doesn't know."""
        return cls(**{name: _frozen(value) for name, value in json.loads(text).items()})


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return {name: _frozen(item) for name, item in value.items()}
    return value


@dataclass(frozen=True, slots=True)
class AccountSettings(Settings):
    """What the operator declared of an account. 0 and "" mean: take what the first worker proves, and hold to it."""

    name: str = "demo"
    mode: str = "demo"  # demo, contest or real
    allow_real: bool = False
    login: int = 0
    server: str = ""
    settle_ms: int = 60_000  # how long the terminal must show nothing of an order in doubt before it wasn't executed


@dataclass(frozen=True, slots=True)
class BrokerSettings(Settings):
    """The order plane's process."""

    state_dir: str
    endpoints: tuple[str, ...]
    worker_endpoints: tuple[str, ...]
    tick_endpoint: str = ""  # told to clients in hello
    accounts: tuple[dict[str, Any], ...] = field(default_factory=tuple)  # AccountSettings as mappings
    boards: dict[str, str] = field(default_factory=dict)  # account name -> file of its feed's quote board
    feeds: dict[str, str] = field(default_factory=dict)  # account name -> its feed's name, told to clients in hello
    heartbeat_ms: int = 1_000
    worker_timeout_ms: int = 4_000
    session_timeout_ms: int = 30_000
    max_sessions: int = 1_024
    max_queued: int = 8_192  # per account and lane
    max_queued_per_session: int = 1_024
    quote_max_age_ms: int = 1_000
    spin_us: int = 0
    durability: str = "process"  # process: survives the death of every process; disk: a power cut too
    remembered_orders: int = 65_536
    remembered_ms: int = 86_400_000
    risk: dict[str, Any] = field(default_factory=dict)  # `core.limitset.RiskRules` as a mapping
    observers: tuple[str, ...] = ()  # clients that may be told of everybody's order events
    beat_file: str = ""  # set by whoever starts and watches the process
    log_level: str = "info"


@dataclass(frozen=True, slots=True)
class PublisherSettings(Settings):
    """The tick plane's process."""

    state_dir: str
    endpoints: tuple[str, ...]
    feed_endpoints: tuple[str, ...]
    boards: dict[str, str] = field(default_factory=dict)  # feed name -> file of its quote board
    send_hwm: int = 100_000  # frames kept for a subscriber that doesn't read, before its own ticks are dropped
    beat_file: str = ""  # set by whoever starts and watches the process
    log_level: str = "info"


@dataclass(frozen=True, slots=True)
class WorkerSettings(Settings):
    """One connection to a terminal: its watchdog and the child that executes calls."""

    name: str
    account: str
    gateway: str  # the broker's endpoint for workers
    lanes: tuple[str, ...] = ("trade", "watch", "query")
    credit: int = 1
    terminal: str = "simulated"  # simulated or metatrader5
    address: str = ""  # the terminal's executable, or the simulated terminal's socket
    login: int = 0
    password: str = field(default="", repr=False)
    server: str = ""
    portable: bool = False
    mode: str = "demo"
    connect_timeout_ms: int = 60_000
    hung_after_ms: int = 30_000  # a call that takes longer is ended by killing the child
    beat_file: str = ""  # set by whoever starts and watches the process
    log_level: str = "info"


@dataclass(frozen=True, slots=True)
class FeedSettings(Settings):
    """One connection to a terminal that reads ticks."""

    name: str  # the feed's name on the wire; by default its account's
    account: str
    publisher: str  # the publisher's endpoint for feeds
    symbols: tuple[str, ...] = ()  # always read, subscribed or not
    since: int = -1  # seconds since 1970 in server time from which history is read first; -1: from now on
    poll_us: int = 1_000  # pause between two rounds over the symbols when nothing new was found
    terminal: str = "simulated"
    address: str = ""
    login: int = 0
    password: str = field(default="", repr=False)
    server: str = ""
    portable: bool = False
    connect_timeout_ms: int = 60_000
    hung_after_ms: int = 30_000
    beat_file: str = ""  # set by whoever starts and watches the process
    log_level: str = "info"


@dataclass(frozen=True, slots=True)
class SimulatorSettings(Settings):
    """The simulated terminal's process. What the terminal is told is its own affair, and is checked there."""

    address: str
    account: str = ""  # as the gateway names it
    terminal: dict[str, Any] = field(default_factory=dict, repr=False)  # terminal.simulated.settings, passwords too
    beat_file: str = ""  # set by whoever starts and watches the process
    log_level: str = "info"
