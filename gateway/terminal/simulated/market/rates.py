"""One symbol's bars in all 21 timeframes, built from its ticks.

Bars show the bid. M1 bars are built from ticks, every other timeframe from M1 bars; a bar's spread is the smallest
of its ticks', in points. Days start at midnight of the server's clock, weeks on Sunday. Nothing is computed before a
bar is asked for, and then only what is new.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gateway.terminal.simulated.market.ticks import GrowingArray, Records
from gateway.wire import constants
from gateway.wire.constants import TIMEFRAME_M1, TIMEFRAME_MN1, TIMEFRAME_W1
from gateway.wire.structs import RATES_DTYPE

__all__ = ("TIMEFRAMES", "Bars", "fold", "minute_bars", "opening_times", "period_seconds")

TIMEFRAMES: Final[frozenset[int]] = frozenset(
    value for name, value in vars(constants).items() if name.startswith("TIMEFRAME_")
)
"""Every timeframe there is."""

_HOUR_BIT: Final = 0x4000
_FIRST_SUNDAY: Final = 3 * 86_400
_WEEK: Final = 7 * 86_400
_SHORTEST_MONTH: Final = 28 * 86_400

Times = npt.NDArray[np.int64]


def period_seconds(timeframe: int) -> int:
    """Return a timeframe's length in seconds (of MN1: the shortest month's)."""
    if timeframe == TIMEFRAME_MN1:
        return _SHORTEST_MONTH
    if timeframe == TIMEFRAME_W1:
        return _WEEK
    if timeframe & _HOUR_BIT:
        return (timeframe & ~_HOUR_BIT) * 3600
    return timeframe * 60


@dataclass(slots=True)
class _Series:
    """The bars of one timeframe; `start` is the M1 bar at which the last, unfinished one begins."""

    start: int = 0
    bars: GrowingArray = field(default_factory=lambda: GrowingArray(RATES_DTYPE))


class Bars:
    """The bars of one symbol. `history` is called once, with the first bar, for the M1 bars before it."""

    def __init__(self, point: float, history: Callable[[int, float], Records] | None = None) -> None:
        self._point = point
        self._history = history
        self._minutes = GrowingArray(RATES_DTYPE)
        self._series: dict[int, _Series] = {}

    def update(self, ticks: Records) -> None:
        """Take in ticks (TICK_DTYPE, behind all earlier ones); O(n)."""
        ticks = ticks[ticks["bid"] > 0.0]
        if len(ticks):
            _append(self._minutes, minute_bars(ticks, self._point))

    def series(self, timeframe: int) -> Records:
        """Return all bars of a timeframe in order, without a copy; `timeframe` is one of TIMEFRAMES."""
        self._load_history()
        if timeframe == TIMEFRAME_M1:
            return self._minutes.view
        series = self._series.setdefault(timeframe, _Series())
        fresh = self._minutes.view[series.start :]
        if len(fresh):
            keys = opening_times(_column(fresh, "time"), timeframe)
            bars = fold(fresh, keys)
            series.bars.truncate(len(series.bars) - 1)
            series.bars.extend(bars)
            series.start += int(np.searchsorted(keys, keys[-1], "left"))
        return series.bars.view

    def copy_from_pos(self, timeframe: int, position: int, count: int) -> Records:
        """Return up to `count` bars ending `position` bars before the newest; ascending."""
        bars = self.series(timeframe)
        stop = max(len(bars) - position, 0)
        return bars[max(stop - count, 0) : stop]

    def copy_from(self, timeframe: int, date_s: int, count: int) -> Records:
        """Return up to `count` bars ending with the one that opens at or before `date_s`; ascending."""
        bars = self.series(timeframe)
        stop = int(np.searchsorted(_column(bars, "time"), date_s, "right"))
        return bars[max(stop - count, 0) : stop]

    def copy_range(self, timeframe: int, from_s: int, to_s: int) -> Records:
        """Return the bars that open from `from_s` to `to_s`, both included; ascending."""
        bars = self.series(timeframe)
        times = _column(bars, "time")
        return bars[int(np.searchsorted(times, from_s, "left")) : int(np.searchsorted(times, to_s, "right"))]

    def _load_history(self) -> None:
        if self._history is None or not len(self._minutes):
            return
        live = self._minutes.view.copy()
        history = self._history(int(live["time"][0]), float(live["open"][0]))
        self._minutes.truncate(0)
        self._minutes.extend(history)
        self._minutes.extend(live)
        self._history = None


def _column(records: Records, name: str) -> npt.NDArray[Any]:
    return np.ascontiguousarray(records[name])


def opening_times(times: Times, timeframe: int) -> Times:
    """Return when the bars of a timeframe open that hold these times (seconds)."""
    if timeframe == TIMEFRAME_MN1:
        months = times.astype("datetime64[s]").astype("datetime64[M]")
        return months.astype("datetime64[s]").astype(np.int64)
    if timeframe == TIMEFRAME_W1:
        return times - (times - _FIRST_SUNDAY) % _WEEK
    return times - times % period_seconds(timeframe)


def minute_bars(ticks: Records, point: float) -> Records:
    """Return the M1 bars of ticks (TICK_DTYPE, in order); O(n)."""
    bars = np.empty(len(ticks), RATES_DTYPE)
    bid, ask = _column(ticks, "bid"), _column(ticks, "ask")
    for name in ("open", "high", "low", "close"):
        bars[name] = bid
    bars["tick_volume"] = 1
    bars["spread"] = np.where(ask > 0.0, np.rint((ask - bid) / point), 0)
    bars["real_volume"] = ticks["volume"]
    times = _column(ticks, "time")
    return fold(bars, times - times % 60)


def fold(bars: Records, keys: Times) -> Records:
    """Join neighbouring bars of the same key into one that opens at its key."""
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    folded = np.empty(len(starts), RATES_DTYPE)
    folded["time"] = keys[starts]
    folded["open"] = bars["open"][starts]
    folded["high"] = np.maximum.reduceat(_column(bars, "high"), starts)
    folded["low"] = np.minimum.reduceat(_column(bars, "low"), starts)
    folded["close"] = bars["close"][np.append(starts[1:], len(bars)) - 1]
    folded["tick_volume"] = np.add.reduceat(_column(bars, "tick_volume"), starts)
    folded["spread"] = np.minimum.reduceat(_column(bars, "spread"), starts)
    folded["real_volume"] = np.add.reduceat(_column(bars, "real_volume"), starts)
    return folded


def _append(minutes: GrowingArray, fresh: Records) -> None:
    """Append M1 bars; the first may go on with the last one there."""
    if len(minutes) and minutes.view["time"][-1] == fresh["time"][0]:
        joined = np.concatenate((minutes.view[-1:], fresh))
        fresh = fold(joined, _column(joined, "time"))
        minutes.truncate(len(minutes) - 1)
    minutes.extend(fresh)
