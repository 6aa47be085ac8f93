"""Ticks to measure with: a seeded random walk in MT5's own record layout, the same in every run."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gateway.wire.structs import TICK_DTYPE

__all__ = ("BATCH", "FEED", "SYMBOL", "sample_ticks")

FEED: Final = "demo"
SYMBOL: Final = "EURUSD"
BATCH: Final = 1_000

_FIRST_MSC: Final = 1_717_400_000_000
_POINT: Final = 0.00001
_BID_AND_ASK: Final = 6  # TICK_FLAG_BID | TICK_FLAG_ASK


def sample_ticks(count: int = BATCH) -> npt.NDArray[Any]:
    """Return `count` ticks, shape (count,), dtype TICK_DTYPE: rising times, a spread of one to three points."""
    random = np.random.default_rng(1)
    ticks = np.zeros(count, dtype=TICK_DTYPE)
    ticks["time_msc"] = _FIRST_MSC + np.cumsum(random.integers(1, 400, count))
    ticks["time"] = ticks["time_msc"] // 1_000
    ticks["bid"] = np.round(1.08642 + _POINT * np.cumsum(random.integers(-2, 3, count)), 5)
    ticks["ask"] = np.round(ticks["bid"] + _POINT * random.integers(1, 4, count), 5)
    ticks["flags"] = _BID_AND_ASK
    return ticks
