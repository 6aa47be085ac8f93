"""Made-up prices: a seeded random walk of ticks, and the M1 bars that lead up to it.

A latent mid price and a latent spread walk on; a tick shows one side of the quote or both, and only where rounding to
points changed it. The same seed gives the same ticks at the same distances, however often they are asked for.
"""

import math
import random
import zlib
from typing import Final

import numpy as np

from gateway.terminal.simulated.market.specification import Specification
from gateway.terminal.simulated.market.ticks import Records
from gateway.wire.constants import TICK_FLAG_ASK, TICK_FLAG_BID
from gateway.wire.structs import RATES_DTYPE, TICK_DTYPE

__all__ = ("HISTORY_BARS", "HISTORY_MS", "MAX_SPEED", "SyntheticSource", "minute_history")

HISTORY_MS: Final = 300_000
"""How much tick history a fresh terminal has, at least."""
HISTORY_BARS: Final = 60 * 1440
"""How many M1 bars lie before the first tick: sixty days."""
MAX_SPEED: Final = 1000.0
"""Synthetic prices have no end that "as fast as it goes" could reach; infinity means this."""
SLICE_TICKS: Final = 256
"""How many ticks one `take` makes at most; the rest stays due."""

_NS_PER_MS: Final = 1_000_000
_MS_PER_YEAR: Final = 365 * 86_400_000
_MINUTES_PER_YEAR: Final = 365 * 1440
_BURST_SHARE: Final = 0.05
"""How many ticks come in the same millisecond as the one before."""
_ONE_SIDE_SHARE: Final = 0.4
"""How many ticks show only the bid; as many show only the ask."""
_SPREAD_PULL: Final = 0.05
_SPREAD_NOISE: Final = 0.08


class SyntheticSource:
    """One symbol's endless ticks. `start_ms` is the server's time at `start`; history reaches back from there."""

    def __init__(self, specification: Specification, seed: int, start_ms: int, speed: float) -> None:
        self._random = random.Random(f"{seed}/{specification.name}")
        self._digits_factor = specification.points_per_unit
        self._start_ms = start_ms
        self._speed = min(speed, MAX_SPEED)
        self._pace = 1.0
        self._mean_ms = 1000.0 / specification.ticks_per_second
        self._mid = specification.start_price * self._digits_factor
        self._usual_spread = float(specification.spread_points)
        self._spread = self._usual_spread
        self._step = specification.volatility * math.sqrt(self._mean_ms / _MS_PER_YEAR)
        self._bid = self._ask = 0
        self._next_ms = float((start_ms - HISTORY_MS) // 60_000 * 60_000)
        self._origin_ns: int | None = None

    def start(self, now_ns: int) -> Records:
        """Tie the server's time to the monotonic clock, once; return the tick history up to it."""
        if self._origin_ns is not None:
            return np.empty(0, TICK_DTYPE)
        self._origin_ns = now_ns
        history = self._until(float(self._start_ms), None)
        self._pace = self._speed
        return history

    def take(self, now_ns: int) -> Records:
        """Make the ticks due by now, a slice at most."""
        if self._origin_ns is None:
            return np.empty(0, TICK_DTYPE)
        return self._until(self._start_ms + (now_ns - self._origin_ns) / _NS_PER_MS, SLICE_TICKS)

    def next_due_ns(self) -> int | None:
        """Return when the next tick is due; None before the start."""
        if self._origin_ns is None:
            return None
        return self._origin_ns + math.ceil((self._next_ms - self._start_ms) * _NS_PER_MS)

    def _until(self, stop_ms: float, limit: int | None) -> Records:
        rows: list[tuple[int, float, float, float, int, int, int, float]] = []
        while self._next_ms <= stop_ms and (limit is None or len(rows) < limit):
            flags = self._move()
            if flags:
                time_msc = int(self._next_ms)
                bid, ask = self._bid / self._digits_factor, self._ask / self._digits_factor
                rows.append((time_msc // 1000, bid, ask, 0.0, 0, time_msc, flags, 0.0))
            if self._random.random() >= _BURST_SHARE:
                self._next_ms += self._random.expovariate(1.0) * self._mean_ms / self._pace
        return np.array(rows, dtype=TICK_DTYPE)

    def _move(self) -> int:
        """Walk one step; return the flags of what changed, 0 if nothing that shows."""
        draw = self._random
        self._mid *= math.exp(draw.gauss(0.0, self._step))
        pull = _SPREAD_PULL * (self._usual_spread - self._spread)
        noise = _SPREAD_NOISE * self._usual_spread * draw.gauss(0.0, 1.0)
        self._spread = min(max(self._spread + pull + noise, 1.0), 4.0 * self._usual_spread)
        bid = max(round(self._mid - self._spread / 2.0), 1)
        ask = max(round(self._mid + self._spread / 2.0), bid + 1)
        side = draw.random()
        if side < _ONE_SIDE_SHARE and bid < self._ask:
            ask = self._ask
        elif side < 2.0 * _ONE_SIDE_SHARE and 0 < self._bid < ask:
            bid = self._bid
        flags = (TICK_FLAG_BID if bid != self._bid else 0) | (TICK_FLAG_ASK if ask != self._ask else 0)
        self._bid, self._ask = bid, ask
        return flags


def minute_history(specification: Specification, seed: int, end_s: int, end_price: float) -> Records:
    """Return HISTORY_BARS M1 bars (RATES_DTYPE) before the minute `end_s`, the last one closing at `end_price`."""
    draw = np.random.default_rng([seed & 0xFFFF_FFFF, zlib.crc32(specification.name.encode())])
    factor = specification.points_per_unit
    sigma = specification.volatility / math.sqrt(_MINUTES_PER_YEAR)
    steps = draw.normal(0.0, sigma, HISTORY_BARS)
    back = np.append(np.cumsum(steps[::-1])[::-1], 0.0)
    levels = np.maximum(np.rint(end_price * factor * np.exp(-back)), 2.0)
    opens, closes = levels[:-1], levels[1:]
    reach = np.abs(draw.normal(0.0, sigma / 2.0, (2, HISTORY_BARS))) * closes
    bars = np.zeros(HISTORY_BARS, RATES_DTYPE)
    bars["time"] = end_s - 60 * np.arange(HISTORY_BARS, 0, -1)
    bars["open"] = opens / factor
    bars["high"] = np.rint(np.maximum(opens, closes) + reach[0]) / factor
    bars["low"] = np.maximum(np.rint(np.minimum(opens, closes) - reach[1]), 1.0) / factor
    bars["close"] = closes / factor
    bars["tick_volume"] = draw.poisson(60.0 * specification.ticks_per_second, HISTORY_BARS) + 1
    bars["spread"] = specification.spread_points + draw.integers(0, specification.spread_points // 4 + 1, HISTORY_BARS)
    return bars
