"""What each round does to whom, out of a seed.

The plan is the same for the same seed; what real processes make of it isn't, for their timing is their own.
"""

import random
from dataclasses import dataclass
from typing import Final

from tests.crashes.injection.crash_points import POINTS, Do, Point, When
from tests.crashes.stack import WORKERS

__all__ = ("Armed", "Plan", "Strike", "each_once", "planned")

TRADE: Final = WORKERS[0]
RANDOM_VICTIMS: Final = {
    "broker": 30,
    f"worker-child {TRADE}": 16,
    f"worker {TRADE}": 10,
    "simulator": 20,
    "worker-child demo-watch-1": 8,
    "worker demo-watch-1": 4,
    "worker-child demo-query-1": 3,
    "worker demo-query-2": 2,
    "strategy 0": 6,
    "strategy 1": 6,
    "strategy 2": 6,
    "publisher": 3,
    "feed demo": 2,
    "feed-child demo": 3,
    "supervisor": 4,
}
"""Who is struck at random instants, and how often."""

PARTNERS: Final = ("broker", "simulator", f"worker-child {TRADE}", f"worker {TRADE}")
"""Who dies together with the one that passes a point."""

TO_START_IT: Final = {"broker": "broker", "simulator": "simulator", "supervisor": f"worker {TRADE}"}
"""Whom to kill for a process of a role to come to its points at the start."""


EACH_WITHIN_S: Final = 30.0
"""How long a round waits for all of its points: longer than any machine needs."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A kill, or a freeze, at an instant of the round."""

    at_s: float
    victim: str
    frozen_s: float = 0.0  # 0: killed at once
    then_killed: bool = False  # after the freeze, instead of going on


@dataclass(frozen=True, slots=True)
class Armed:
    """A point that a process is to come to."""

    name: str
    count: int
    do: Do
    partner: str = ""
    frozen_s: float = 0.0
    then_killed: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """One round."""

    number: int
    trading_s: float  # before anything happens
    armed: tuple[Armed, ...] = ()
    strikes: tuple[Strike, ...] = ()
    patience_s: float = 0.0  # how long the armed points are waited for; 0: as they need by themselves


def planned(seed: int, number: int, points: tuple[Point, ...] = POINTS) -> Plan:
    """Return the plan of a round. Every point has its turn within as many rounds as there are points."""
    draw = random.Random(f"{seed} {number}")
    order = list(points)
    random.Random(f"{seed} {number // len(points)}").shuffle(order)
    point = order[number % len(points)]
    armed: list[Armed] = []
    strikes: list[Strike] = []
    if draw.random() < 0.7:
        armed.append(_armed(draw, point))
        if When.CHILD_DIES in point.when and When.TRADING not in point.when and point.role == "worker":
            strikes.append(Strike(draw.uniform(0.0, 0.2), f"worker-child {TRADE}"))
        elif When.TRADING not in point.when:
            strikes.append(Strike(draw.uniform(0.0, 0.2), TO_START_IT[point.role]))
        if draw.random() < 0.3:
            strikes.append(_strike(draw))
    else:
        strikes += [_strike(draw) for _ in range(draw.choice([1, 1, 2, 2, 3, 4]))]
    return Plan(number, draw.uniform(0.15, 0.5), tuple(armed), tuple(sorted(strikes, key=lambda one: one.at_s)))


def each_once(rounds: int) -> list[Plan]:
    """Return rounds in which a process is killed at every point there is, several points to a round."""
    heaps: list[list[Point]] = [[] for _ in range(rounds)]
    for role in dict.fromkeys(point.role for point in POINTS):
        for number, point in enumerate(point for point in POINTS if point.role == role):
            heaps[(rounds - 1 if role == "supervisor" else number) % rounds].append(point)
    plans = []
    for number, heap in enumerate(heaps):
        armed = tuple(Armed(point.name, 1, Do.KILL, seed=17 * number) for point in heap)
        plans.append(Plan(number, 0.05, armed, (), EACH_WITHIN_S))
    return plans


def _armed(draw: random.Random, point: Point) -> Armed:
    is_rare = point.is_rare or When.TRADING not in point.when
    count = 1 if is_rare else draw.randint(1, 12)
    kind = draw.random()
    if kind < 0.65 or point.role in ("supervisor", "strategy"):
        return Armed(point.name, count, Do.KILL, seed=draw.getrandbits(32))
    if kind < 0.85:
        partner = draw.choice([one for one in PARTNERS if one.split()[0] != point.role])
        do = draw.choice([Do.KILL_OTHER | Do.KILL, Do.KILL_OTHER])
        if point.name == "journal.torn-write":
            do = Do.KILL_OTHER | Do.KILL
        return Armed(point.name, count, do, partner, seed=draw.getrandbits(32))
    do = Do.STOP if point.name != "journal.torn-write" else Do.KILL
    return Armed(point.name, count, do, "", _freeze_s(draw), draw.random() < 0.5, draw.getrandbits(32))


def _strike(draw: random.Random) -> Strike:
    victim = draw.choices(list(RANDOM_VICTIMS), list(RANDOM_VICTIMS.values()))[0]
    at_s = draw.uniform(0.0, 0.6)
    if draw.random() < 0.7:
        return Strike(at_s, victim)
    return Strike(at_s, victim, _freeze_s(draw), draw.random() < 0.4)


def _freeze_s(draw: random.Random) -> float:
    """Return how long: mostly shorter than anybody's patience, now and then beyond it."""
    return draw.uniform(3.5, 6.5) if draw.random() < 0.06 else draw.uniform(0.05, 0.9)
