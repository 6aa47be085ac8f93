"""Minutes of a market: what each was like, in whole numbers, before it is shown as a bar or as ticks.

Prices are counted in the symbol's tick size, so that every price is a multiple of it and no two ways to a price differ
in their last bit. Where minutes come from (made up, or recorded) is a `Minutes`.
"""

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from gateway.terminal.simulated.market.specification import Specification
from gateway.terminal.simulated.market.ticks import Records
from gateway.wire.structs import RATES_DTYPE

__all__ = ("DAY_S", "MINUTE_S", "MinuteTable", "Minutes", "RecordedMinutes", "Scale")

DAY_S: Final = 86_400
MINUTE_S: Final = 60
_PRICES: Final = ("open", "high", "low", "close")

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scale:
    """How whole numbers of tick sizes are shown: `tick_points` points each, `points_per_unit` points to a unit."""

    tick_points: int
    points_per_unit: int

    @classmethod
    def of(cls, specification: Specification) -> "Scale":
        """Return a symbol's scale."""
        factor = specification.points_per_unit
        return cls(max(round(specification.tick_size * factor), 1), factor)

    def prices(self, units: Any) -> Any:
        """Return prices, each the nearest number to its decimal text."""
        return units * self.tick_points / self.points_per_unit


@dataclass(frozen=True, slots=True)
class MinuteTable:
    """Minutes in order, a column each: prices and spreads in tick sizes, `count` ticks, `volume` lots dealt.

    `spread` is the smallest of the minute's ticks and stands at its lowest bid, `top` is the widest and stands at its
    highest: the lowest and highest ask of the minute follow from them. Where anything is dealt, it is at those, too.
    """

    time_s: Integers
    open: Integers
    high: Integers
    low: Integers
    close: Integers
    count: Integers
    spread: Integers
    top: Integers
    volume: Integers

    def __len__(self) -> int:
        return len(self.time_s)

    def chosen(self, rows: Any) -> "MinuteTable":
        """Return some of the minutes: a slice shares them, a mask copies."""
        return MinuteTable(*(getattr(self, name)[rows] for name in self.__slots__))

    def bars(self, scale: Scale) -> Records:
        """Return the minutes as M1 bars (RATES_DTYPE); O(n)."""
        bars = np.zeros(len(self), RATES_DTYPE)
        bars["time"] = self.time_s
        for name in _PRICES:
            bars[name] = scale.prices(getattr(self, name))
        bars["tick_volume"] = self.count
        bars["spread"] = self.spread * scale.tick_points
        bars["real_volume"] = self.volume
        return bars


class Minutes(Protocol):
    """A symbol's minutes: the same whenever they are asked for.

    `deals`: ticks show the exchange's deals beside its quotes. `last_day` None is without end.
    """

    scale: Scale
    key: int
    deals: bool
    first_day: int
    last_day: int | None

    def table(self, first_day: int, days: int) -> MinuteTable:
        """Return the minutes of days (since 1970, of the server's clock) that there are quotes in; O(days)."""


class RecordedMinutes:
    """The minutes of an MT5 bar export (RATES_DTYPE, M1, ascending). `key`: which ticks are made from them."""

    def __init__(self, bars: Records, scale: Scale, key: int) -> None:
        self.scale = scale
        self.key = key
        self.deals = bool(bars["real_volume"].any())
        self.first_day = int(bars["time"][0]) // DAY_S if len(bars) else 0
        self.last_day: int | None = int(bars["time"][-1]) // DAY_S if len(bars) else 0
        self._table = _recorded(bars, scale)

    def table(self, first_day: int, days: int) -> MinuteTable:
        """Return the recorded minutes of some days."""
        edges = np.searchsorted(self._table.time_s, (first_day * DAY_S, (first_day + days) * DAY_S))
        return self._table.chosen(slice(int(edges[0]), int(edges[1])))

    @property
    def end_s(self) -> int:
        """When the last minute is over."""
        return int(self._table.time_s[-1]) + MINUTE_S if len(self._table) else 0


def _recorded(bars: Records, scale: Scale) -> MinuteTable:
    """Count a recording in tick sizes; a minute has at least as many ticks as its prices need."""
    units = scale.points_per_unit / scale.tick_points
    opened, high, low, close = (np.rint(bars[name] * units).astype(np.int64) for name in _PRICES)
    above, below = high > np.maximum(opened, close), low < np.minimum(opened, close)
    needed = 1 + above + below + ((close != opened) | above | below).astype(np.int64)
    count = np.maximum(bars["tick_volume"].astype(np.int64), needed)
    spread = np.rint(bars["spread"] / scale.tick_points).astype(np.int64)
    return MinuteTable(
        time_s=bars["time"].astype(np.int64),
        open=opened,
        high=high,
        low=low,
        close=close,
        count=count,
        spread=spread,
        top=spread + np.where(count > 1, np.maximum(spread // 2, 1), 0),
        volume=bars["real_volume"].astype(np.int64),
    )
