"""What a seed makes of a simulation: which faults it has, how often, and how everything is set.

Each seed leaves most kinds of faults out and has the others in earnest: a run with a little of everything reaches less.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.simulation.world import MS, SECOND

__all__ = ("Plan", "plan_of")


@dataclass(slots=True)
class Plan:
    """Everything that is drawn once."""

    gated: bool = False  # durability: disk
    netting: bool = False
    adversarial: bool = False
    power_cuts: bool = False
    clients: int = 2
    trade_workers: int = 1
    one_worker: bool = False  # it serves all lanes
    credit: int = 1
    duration_ns: int = 8 * SECOND
    act_every_ns: int = 150 * MS
    watch_ns: int = 250 * MS
    settle_ns: int = 2_500 * MS
    heartbeat_ns: int = 250 * MS
    session_timeout_ns: int = 2_500 * MS
    late_answer_ns: int = 4 * SECOND
    max_queued: int = 64
    remembered: int = 4_096
    remembered_ms: int = 3_600_000
    segment_bytes: int = 1 << 20
    short_writes: float = 0.0
    pinned_login: int = 50_000_001
    pinned_server: str = "MT5Gate-Demo"
    limits: dict[str, Any] = field(default_factory=dict)
    terminal_rates: dict[str, float] = field(default_factory=dict)
    terminal_troubles: tuple[str, ...] = (
        *("slow",) * 3,
        *("deals_late",) * 2,
        "unsynchronised",
        "terminal_gone",
        "disconnected",
        "autotrading_off",
    )
    # How often each of these happens, per second; 0: never.
    broker_kills: float = 0.0
    broker_crashes: float = 0.0
    broker_stops: float = 0.0
    power: float = 0.0
    full_disks: float = 0.0
    worker_kills: float = 0.0
    parent_kills: float = 0.0
    worker_stops: float = 0.0
    line_breaks: float = 0.0
    full_lines: float = 0.0
    client_crashes: float = 0.0
    client_breaks: float = 0.0
    client_silences: float = 0.0
    twins: float = 0.0
    terminal_faults: float = 0.0
    clock_jumps: float = 0.0
    hand_trades: float = 0.0
    kills: float = 0.0
    races: float = 0.0
    cancel_on_disconnect: bool = False
    without_magic: float = 0.2


def plan_of(chance: Random) -> Plan:
    """Draw a plan."""
    plan = Plan()

    def some(share: float, low: float, high: float) -> float:
        return chance.uniform(low, high) if chance.random() < share else 0.0

    plan.gated = chance.random() < 0.35
    plan.netting = chance.random() < 0.3
    plan.adversarial = chance.random() < 0.3
    plan.power = some(0.25, 0.1, 0.5)
    plan.power_cuts = plan.power > 0
    plan.clients = chance.choice((1, 2, 2, 3))
    plan.trade_workers = chance.choice((1, 1, 2))
    plan.one_worker = chance.random() < 0.3
    plan.credit = chance.choice((1, 1, 1, 3))
    plan.duration_ns = chance.randrange(4 * SECOND, 9 * SECOND)
    plan.act_every_ns = chance.choice((40, 80, 120, 200)) * MS
    plan.watch_ns = chance.choice((200, 250, 400)) * MS
    plan.max_queued = chance.choice((64, 64, 3))
    plan.remembered = 6 if chance.random() < 0.08 else 4_096
    plan.remembered_ms = 3_000 if chance.random() < 0.08 else 3_600_000
    plan.segment_bytes = chance.choice((1 << 20, 1_500, 6_000))
    plan.short_writes = chance.choice((0.0, 0.0, 0.3))
    if chance.random() < 0.4:
        plan.limits = {"max_open_volume": chance.choice((0.05, 0.1, 0.3))}
    plan.terminal_rates = _rates(chance)
    plan.broker_kills = some(0.4, 0.1, 0.6)
    plan.broker_crashes = some(0.5, 0.1, 0.8)
    plan.broker_stops = some(0.15, 0.1, 0.3)
    plan.full_disks = some(0.15, 0.1, 0.4)
    plan.worker_kills = some(0.5, 0.1, 1.0)
    plan.parent_kills = some(0.2, 0.1, 0.5)
    plan.worker_stops = some(0.2, 0.1, 0.4)
    plan.line_breaks = some(0.3, 0.1, 0.6)
    plan.full_lines = some(0.2, 0.1, 0.5)
    plan.client_crashes = some(0.3, 0.1, 0.5)
    plan.client_breaks = some(0.4, 0.1, 0.6)
    plan.client_silences = some(0.2, 0.1, 0.3)
    plan.terminal_faults = some(0.4, 0.1, 0.5)
    plan.clock_jumps = some(0.2, 0.1, 0.4)
    plan.hand_trades = some(0.3, 0.2, 1.0)
    plan.kills = some(0.35, 0.1, 0.4)
    plan.cancel_on_disconnect = chance.random() < 0.3
    plan.without_magic = chance.choice((0.0, 0.3, 1.0))
    plan.twins = some(0.15, 0.2, 0.6)
    plan.races = some(0.2, 0.1, 0.4)
    return plan


def _rates(chance: Random) -> dict[str, float]:
    """Draw the chances of the terminal's own faults."""
    rates = {}
    for name, most in (
        ("requote", 0.1),
        ("reject", 0.1),
        ("ipc_lost_before", 0.01),
        ("ipc_lost_after", 0.02),
        ("slow", 0.005),
        ("hung", 0.002),
        ("comment_overwritten", 0.3),
        ("price_changed", 0.05),
        ("trade_error", 0.05),
        ("timeout", 0.05),
        ("no_connection", 0.05),
    ):
        if chance.random() < 0.3:
            rates[name] = chance.uniform(0.2, 1.0) * most
    return rates
