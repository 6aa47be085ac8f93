"""The arithmetic: percentiles that were observed, medians of paired blocks, intervals without assumptions.

Pure: no clock, no file, no random number. Nothing here knows what was measured.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

__all__ = ("PERCENTILES", "Estimate", "curve", "estimate", "paired_ratios", "percentile")

Nanoseconds = npt.NDArray[np.uint64]

PERCENTILES = (("p50", 50.0), ("p99", 99.0), ("p99.9", 99.9), ("max", 100.0))
"""What every latency table shows, in this order."""

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median over blocks, and the interval that holds the true median with at least 95 % confidence."""

    median: float
    low: float
    high: float
    blocks: int

    @property
    def noise(self) -> float:
        """Return the farthest that the interval of a ratio reaches from 1: for A against A, what counts as equal."""
        return max(abs(self.low - 1.0), abs(self.high - 1.0))


def percentile(values: Nanoseconds, percent: float) -> int:
    """Return the nearest-rank percentile: a value that was observed, never one interpolated between two.

    `percent` in (0, 100]; raises ValueError for no values. O(n).
    """
    if len(values) == 0:
        raise ValueError("percentile: expected at least one value, got none")
    if not 0.0 < percent <= 100.0:
        raise ValueError(f"percentile: expected a percentage above 0 and up to 100, got {percent}")
    # The tolerance keeps 99.9 % of 1000 at rank 999: 0.999 * 1000 is a little more than 999 in binary.
    rank = max(1, math.ceil(len(values) * percent / 100.0 - 1e-9))
    return int(np.partition(values, rank - 1)[rank - 1])


def curve(values: Nanoseconds, points: int = 200) -> list[tuple[float, int]]:
    """Return (percentage, value) pairs for a percentile plot, evenly spaced in the number of nines; O(n log n).

    Ends with the maximum at the last percentage that `len(values)` observations can speak of.
    """
    ordered = np.sort(values)
    nines = np.linspace(0.0, math.log10(max(len(ordered), 2)), points)
    pairs = []
    for exponent in nines:
        fraction = 1.0 - 10.0**-exponent
        rank = max(1, math.ceil(len(ordered) * fraction - 1e-9))
        pairs.append((100.0 * fraction, int(ordered[rank - 1])))
    return pairs


def paired_ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Return each block's ratio to its partner of the same round."""
    if len(numerators) != len(denominators):
        raise ValueError(f"pairs: expected as many blocks on both sides, got {len(numerators)} and {len(denominators)}")
    return [a / b for a, b in zip(numerators, denominators, strict=True)]


def estimate(values: Sequence[float]) -> Estimate:
    """Return the median and its interval from order statistics.

    The interval needs no assumption on the distribution: the true median lies between the k-th smallest and the k-th
    largest of n independent values with probability 1 - 2 P(Binomial(n, 1/2) < k). Below six values no pair of ranks
    reaches 95 %, and the whole range is given.
    """
    if not values:
        raise ValueError("estimate: expected at least one value, got none")
    ordered = sorted(values)
    rank = _interval_rank(len(ordered))
    return Estimate(median(ordered), ordered[rank - 1], ordered[-rank], len(ordered))


def _interval_rank(count: int) -> int:
    """Return the largest k whose interval still has the confidence wanted, or 1."""
    rank, tail = 1, 0.0
    for k in range(1, count // 2 + 1):
        tail += math.comb(count, k - 1) / 2.0**count
        if 1.0 - 2.0 * tail < CONFIDENCE:
            break
        rank = k
    return rank
