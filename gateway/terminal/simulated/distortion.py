"""Tick history as a terminal shows it while faults are in force: late, reordered, with holes filled later. Pure.

Which ticks are late is decided by the ticks themselves and a salt: every reading finds the same holes, and every tick
has entered the history after its lag. Nothing is lost, nothing is made up.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from gateway.terminal.simulated.market.ticks import Records

__all__ = ("MARGIN", "PLAIN", "Distortion")

MARGIN: Final = 256
"""How many ticks behind a page are looked at, too: an order within a millisecond may also move what ends the page."""

_MIX: Final = (np.uint64(0x9E37_79B9_7F4A_7C15), np.uint64(0xBF58_476D_1CE4_E5B9), np.uint64(0x94D0_49BB_1331_11EB))
_SHIFT: Final = np.uint64(31)
_TO_FRACTION: Final = np.uint64(11)


@dataclass(frozen=True, slots=True)
class Distortion:
    """What is wrong with tick history.

    `lag_ms`: it ends so long ago. `late_share`: of the ticks, are missing for `late_ms` and then stand in their place.
    `order_seed`: shuffles ticks that share a millisecond, None doesn't. `salt`: chooses which ticks are late.
    """

    lag_ms: int = 0
    late_ms: int = 0
    late_share: float = 0.0
    order_seed: int | None = None
    salt: int = 0

    def shown(self, ticks: Records, now_msc: int) -> Records:
        """Return what a reading at `now_msc` (the symbol's time) shows of ticks in order; O(n)."""
        times = ticks["time_msc"]
        visible = np.ones(len(ticks), np.bool_)
        if self.lag_ms:
            visible &= times <= now_msc - self.lag_ms
        if self.late_share:
            visible &= (times <= now_msc - self.late_ms) | (_fractions(ticks, self.salt) >= self.late_share)
        ticks = ticks[visible]
        if self.order_seed is None:
            return ticks
        noise = np.random.default_rng(self.order_seed).random(len(ticks))
        return ticks[np.lexsort((noise, ticks["time_msc"]))]


PLAIN: Final = Distortion()
"""Nothing is wrong."""


def _fractions(ticks: Records, salt: int) -> npt.NDArray[np.float64]:
    """Return a number from 0 up to 1 for each tick, always the same one. Source: splitmix64's finaliser."""
    mixed = np.ascontiguousarray(ticks["time_msc"]).view(np.uint64) * _MIX[0]
    mixed ^= np.ascontiguousarray(ticks["bid"]).view(np.uint64) * _MIX[1]
    mixed ^= np.ascontiguousarray(ticks["ask"]).view(np.uint64) * _MIX[2]
    mixed ^= np.uint64(salt & 0xFFFF_FFFF_FFFF_FFFF)
    for factor in _MIX[1:]:
        mixed ^= mixed >> _SHIFT
        mixed *= factor
    mixed ^= mixed >> _SHIFT
    return (mixed >> _TO_FRACTION).astype(np.float64) / 2.0**53
