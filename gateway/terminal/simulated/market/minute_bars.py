"""One symbol's bars in all 21 timeframes where its minutes can be made again: made for each request, kept for a while.

Bars of a whole day or stretch of days are kept in a cache that all symbols share. Whatever is copied equals the fold of
the ticks that have been released, the unfinished bar included.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from gateway.terminal.simulated.market.kept import Kept
from gateway.terminal.simulated.market.minutes import DAY_S
from gateway.terminal.simulated.market.rates import fold, minute_bars, opening_times
from gateway.terminal.simulated.market.stream import MinuteStream
from gateway.terminal.simulated.market.symbols import DayRange
from gateway.terminal.simulated.market.ticks import Records
from gateway.wire.constants import TIMEFRAME_D1, TIMEFRAME_H1, TIMEFRAME_M1, TIMEFRAME_MN1, TIMEFRAME_W1
from gateway.wire.structs import RATES_DTYPE

__all__ = ("KEPT_BAR_BYTES", "MinuteBars", "weigh_bars")

KEPT_BAR_BYTES: Final = 64 * 1024 * 1024
"""How much finished bars all symbols of a market keep together: ten times 100,000 M1 bars."""
_ENTRY_BYTES: Final = 512
"""What an entry of the cache costs beside its bars."""
_STRETCH_DAYS: Final = 32
"""Bars of hours and days are kept for so many days at once, minutes' a day at a time, months' by the year."""
_STRETCH_WEEKS: Final = 32
_LONG: Final = (TIMEFRAME_W1, TIMEFRAME_MN1)
_HOUR_BITS: Final = TIMEFRAME_H1 & ~1
_LONGEST_S: Final = 31 * DAY_S
"""How long before its first minute a bar opens, at most."""
_FIRST_SUNDAY: Final = 3
_NOTHING: Final = np.empty(0, RATES_DTYPE)


def weigh_bars(bars: Records) -> int:
    """Return what bars weigh in a cache of KEPT_BAR_BYTES."""
    return int(bars.nbytes) + _ENTRY_BYTES


class MinuteBars:
    """The bars of one symbol, as far as its stream has been released."""

    def __init__(self, stream: MinuteStream, point: float, kept: Kept[Records] | None = None) -> None:
        self._stream = stream
        self._point = point
        self._kept: Kept[Records] = Kept(KEPT_BAR_BYTES, weigh_bars) if kept is None else kept

    def series(self, timeframe: int) -> Records:
        """Return all bars of a timeframe there are in order; O(history): some seconds for M1."""
        return self._between(timeframe, 0, self._stream.end.minute_s)

    def copy_from_pos(self, timeframe: int, position: int, count: int) -> Records:
        """Return up to `count` bars ending `position` bars before the newest; ascending."""
        return self._ending(timeframe, self._stream.end.minute_s, position, count)

    def copy_from(self, timeframe: int, date_s: int, count: int) -> Records:
        """Return up to `count` bars ending with the one that opens at or before `date_s`; ascending."""
        return self._ending(timeframe, min(date_s, self._stream.end.minute_s), 0, count)

    def copy_range(self, timeframe: int, from_s: int, to_s: int) -> Records:
        """Return the bars that open from `from_s` to `to_s`, both included; ascending."""
        return self._between(timeframe, from_s, to_s)

    def update_day(self, day: DayRange) -> None:
        """Bring the day's range up to the latest released tick; O(minutes of the day), and that once a minute."""
        stream = self._stream
        end = stream.end
        if not end.count:
            return
        today = end.minute_s // DAY_S
        table = stream.day(today)
        rows = int(np.searchsorted(table.time_s, end.minute_s))
        if day.day != today or day.minutes != rows:
            day.restart(today, rows)
            if rows:
                scale = stream.minutes.scale
                day.bid_open = float(scale.prices(table.open[0]))
                day.bid_high = float(scale.prices(table.high[:rows].max()))
                day.bid_low = float(scale.prices(table.low[:rows].min()))
                day.ask_high = float(scale.prices((table.high[:rows] + table.top[:rows]).max()))
                day.ask_low = float(scale.prices((table.low[:rows] + table.spread[:rows]).min()))
                if stream.minutes.deals:
                    day.last_high, day.last_low = day.bid_high, day.bid_low
        released = stream.released()
        day.update(released[day.ticks :])
        day.ticks = len(released)

    def _ending(self, timeframe: int, date_s: int, position: int, count: int) -> Records:
        """Return `count` bars that end `position` bars before the one that opens at or before `date_s`."""
        if not self._stream.end.count or date_s < self._stream.first_s - _LONGEST_S:
            return _NOTHING
        parts: list[Records] = []
        wanted = position + count
        for bars in self._backwards(timeframe, date_s):
            parts.append(bars[-wanted:])
            wanted -= len(parts[-1])
            if wanted <= 0:
                break
        joined = parts[0] if len(parts) == 1 else np.concatenate(parts[::-1]) if parts else _NOTHING
        stop = max(len(joined) - position, 0)
        return joined[max(stop - count, 0) : stop]

    def _between(self, timeframe: int, from_s: int, to_s: int) -> Records:
        stream = self._stream
        to_s = min(to_s, stream.end.minute_s)
        if not stream.end.count or to_s < max(from_s, stream.first_s - _LONGEST_S):
            return _NOTHING
        parts = []
        for bars in self._backwards(timeframe, to_s):
            parts.append(bars)
            if len(bars) and bars["time"][0] < from_s:
                break
        joined = np.concatenate(parts[::-1]) if parts else _NOTHING
        return joined[int(np.searchsorted(joined["time"], from_s)) :]

    def _backwards(self, timeframe: int, date_s: int) -> Iterator[Records]:
        """Yield a timeframe's bars that open up to a date, block by block from the last one on."""
        block = _block_of(timeframe, date_s // DAY_S)
        bars = self._block(timeframe, block)
        yield bars[: int(np.searchsorted(bars["time"], date_s, "right"))]
        first_block = _block_of(timeframe, self._stream.minutes.first_day)
        for earlier in range(block - 1, first_block - 1, -1):
            yield self._block(timeframe, earlier)

    def _block(self, timeframe: int, block: int) -> Records:
        """Return the released bars of a block of days; kept once they can't change."""
        first_day, end_day = _span(timeframe, block)
        today = self._stream.end.minute_s // DAY_S
        if end_day <= today:
            return self._whole(timeframe, first_day, end_day)
        unfinished = self._unfinished(timeframe, today)
        if first_day == today:
            return unfinished
        finished = self._whole(timeframe, first_day, today)
        return np.concatenate((finished[:-1], _folded(np.concatenate((finished[-1:], unfinished)), timeframe)))

    def _whole(self, timeframe: int, first_day: int, end_day: int) -> Records:
        """Return the bars of finished days."""
        stream = self._stream

        def make() -> Records:
            if timeframe in _LONG:
                return _folded(self._days(first_day, end_day), timeframe)
            days = end_day - first_day
            table = stream.day(first_day) if days == 1 else stream.minutes.table(first_day, days)
            return _folded(table.bars(stream.minutes.scale), timeframe)

        return self._kept.get((stream.minutes.key, timeframe, first_day, end_day), make)

    def _days(self, first_day: int, end_day: int) -> Records:
        """Return the D1 bars of finished days."""
        blocks = range(_block_of(TIMEFRAME_D1, first_day), _block_of(TIMEFRAME_D1, end_day - 1) + 1)
        days = np.concatenate([self._block(TIMEFRAME_D1, block) for block in blocks])
        return days[slice(*np.searchsorted(days["time"], (first_day * DAY_S, end_day * DAY_S)))]

    def _unfinished(self, timeframe: int, today: int) -> Records:
        """Return the bars of the latest day up to the last released tick."""
        stream, end = self._stream, self._stream.end

        def make() -> Records:
            table = stream.day(today)
            rows = int(np.searchsorted(table.time_s, end.minute_s))
            return _folded(table.chosen(slice(0, rows)).bars(stream.minutes.scale), timeframe)

        done = self._kept.get((stream.minutes.key, timeframe, end.minute_s), make)
        minute = minute_bars(self._stream.released(), self._point)
        if timeframe == TIMEFRAME_M1:
            return np.concatenate((done, minute))
        return np.concatenate((done[:-1], _folded(np.concatenate((done[-1:], minute)), timeframe)))


def _folded(bars: Records, timeframe: int) -> Records:
    if timeframe == TIMEFRAME_M1 or not len(bars):
        return bars
    return fold(bars, opening_times(np.ascontiguousarray(bars["time"]), timeframe))


def _block_of(timeframe: int, day: int) -> int:
    """Return the number of the block of days that a day's bars are kept in; no bar is in two blocks."""
    if timeframe == TIMEFRAME_W1:
        return (day - _FIRST_SUNDAY) // (7 * _STRETCH_WEEKS)
    if timeframe == TIMEFRAME_MN1:
        return int(np.datetime64(day, "D").astype("datetime64[Y]").astype(np.int64))
    return day // _STRETCH_DAYS if timeframe & _HOUR_BITS else day


def _span(timeframe: int, block: int) -> tuple[int, int]:
    """Return the first day of a block, and the first one behind it."""
    if timeframe == TIMEFRAME_W1:
        first_day = _FIRST_SUNDAY + block * 7 * _STRETCH_WEEKS
        return first_day, first_day + 7 * _STRETCH_WEEKS
    if timeframe == TIMEFRAME_MN1:
        first, end = (
            int(np.datetime64(year, "Y").astype("datetime64[D]").astype(np.int64)) for year in (block, block + 1)
        )
        return first, end
    days = _STRETCH_DAYS if timeframe & _HOUR_BITS else 1
    return block * days, (block + 1) * days
