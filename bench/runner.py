"""Runs contenders in alternating blocks and says what came of it: the one place where the method lives.

Knows nothing of sockets or processes: a contender is a function that measures one block.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bench.stats import PERCENTILES, Estimate, Nanoseconds, curve, estimate, paired_ratios, percentile

__all__ = ("Block", "Contender", "Finding", "Measurement", "Result", "Target", "Unavailable", "interleave")

Metric = Literal["p50", "p99", "p99.9", "max", "rate", "cost_ns"]


class Unavailable(Exception):
    """This bench can't run here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Block:
    """What one block measured: latencies (ns), or a rate (1/s), or both, or a cost per operation (ns)."""

    latencies_ns: Nanoseconds | None = None
    rate: float | None = None
    cost_ns: float | None = None

    def value(self, metric: Metric) -> float:
        """Return this block's value of one metric; raises ValueError for one it didn't measure."""
        measured = {"rate": self.rate, "cost_ns": self.cost_ns}.get(metric)
        if measured is None and self.latencies_ns is not None and metric in dict(PERCENTILES):
            measured = percentile(self.latencies_ns, dict(PERCENTILES)[metric])
        if measured is None:
            raise ValueError(f"block: expected {metric} to be measured, it wasn't")
        return float(measured)


@dataclass(frozen=True, slots=True)
class Contender:
    """A name and a function that measures one block each time it is called."""

    name: str
    measure: Callable[[], Block]


@dataclass(frozen=True, slots=True)
class Target:
    """What was promised: at most, or at least, this much."""

    bound: Literal["<=", ">="]
    value: float

    def is_met_by(self, value: float) -> bool:
        """Say whether a value keeps the promise."""
        return value <= self.value if self.bound == "<=" else value >= self.value


@dataclass(frozen=True, slots=True)
class Finding:
    """One number with its interval, what A against A showed beside it, and how it stands to its target.

    `unit` is "x" for a ratio, else "ns" or "1/s".
    """

    label: str
    value: Estimate
    unit: Literal["x", "ns", "1/s"]
    same: Estimate | None = None
    target: Target | None = None

    @property
    def verdict(self) -> str:
        """Return "met" or "missed", with "within noise" when A against A strays as far as the target is away."""
        if self.target is None:
            return ""
        word = "met" if self.target.is_met_by(self.value.median) else "missed"
        distance = abs(self.value.median / self.target.value - 1.0)
        return f"{word}, within noise" if self.same is not None and distance <= self.same.noise else word


@dataclass(slots=True)
class Measurement:
    """One contender's blocks."""

    name: str
    blocks: list[Block] = field(default_factory=list)

    def values(self, metric: Metric) -> list[float]:
        """Return one metric of every block, in order of rounds."""
        return [block.value(metric) for block in self.blocks]

    def latencies(self) -> Nanoseconds | None:
        """Return the latencies of all blocks together, or None where none were taken."""
        parts = [block.latencies_ns for block in self.blocks if block.latencies_ns is not None]
        return np.concatenate(parts) if parts else None

    def has(self, metric: Literal["rate", "cost_ns"]) -> bool:
        """Say whether the blocks carry a rate, or a cost."""
        return bool(self.blocks) and getattr(self.blocks[0], metric) is not None


@dataclass(slots=True)
class Result:
    """What one bench found: contenders, findings, and remarks a reader needs to judge them."""

    name: str
    title: str
    measurements: list[Measurement]
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def compare(
        self,
        metric: Metric,
        ours: str,
        floor: str,
        same: str | None,
        target: Target | None = None,
        label: str = "",
    ) -> "Finding":
        """Add the paired ratio ours/floor of one metric, and same/floor beside it where there is a second floor."""
        floor_values = self._values(floor, metric)
        ratio = estimate(paired_ratios(self._values(ours, metric), floor_values))
        equal = estimate(paired_ratios(self._values(same, metric), floor_values)) if same is not None else None
        finding = Finding(label or f"{metric}: {ours} / {floor}", ratio, "x", equal, target)
        self.findings.append(finding)
        return finding

    def state(self, metric: Metric, ours: str, target: Target | None = None, label: str = "") -> "Finding":
        """Add an absolute number: the median of one contender's blocks."""
        unit: Literal["ns", "1/s"] = "1/s" if metric == "rate" else "ns"
        finding = Finding(label or f"{metric}: {ours}", estimate(self._values(ours, metric)), unit, None, target)
        self.findings.append(finding)
        return finding

    def _values(self, name: str, metric: Metric) -> list[float]:
        for measurement in self.measurements:
            if measurement.name == name:
                return measurement.values(metric)
        raise ValueError(f"{self.name}: expected a contender named {name}, found none")

    def curves(self) -> dict[str, list[tuple[float, int]]]:
        """Return the percentile curve of every contender that has latencies."""
        found = {measurement.name: measurement.latencies() for measurement in self.measurements}
        return {name: curve(latencies) for name, latencies in found.items() if latencies is not None}


def interleave(contenders: Sequence[Contender], rounds: int, *, warm_up: int = 1) -> list[Measurement]:
    """Measure one block of each contender per round; the order turns each round, and its direction each full turn.

    So each contender stands equally often in each place, and follows each other one about equally often: drift and the
    caches its predecessor left behind fall on all alike. `warm_up` rounds are measured and thrown away.
    """
    measurements = {contender.name: Measurement(contender.name) for contender in contenders}
    if len(measurements) != len(contenders):
        raise ValueError("contenders: expected distinct names")
    for number in range(-warm_up, rounds):
        for contender in turn(contenders, number):
            block = contender.measure()
            if number >= 0:
                measurements[contender.name].blocks.append(block)
    return list(measurements.values())


def turn(contenders: Sequence[Contender], number: int) -> list[Contender]:
    """Return the order of round `number`."""
    count = len(contenders)
    order = [contenders[(number + place) % count] for place in range(count)]
    return order[::-1] if number // count % 2 else order
