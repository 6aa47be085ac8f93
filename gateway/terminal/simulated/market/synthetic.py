"""Made-up minutes: one symbol's market as a function of seed and time alone, without beginning or end.

The logarithm of the price is pulled back to `start_price` over some seventy days, so that it stays near it for years;
within a day it walks randomly from that day's level to the next one's. Outside the sessions it walks slowly, which is
seen as a gap when they open. Nothing is remembered: a day asked for twice, by whatever terminal, is the same.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from gateway.terminal.simulated.market.clock import ServerClock
from gateway.terminal.simulated.market.minutes import DAY_S, MINUTE_S, MinuteTable, Scale
from gateway.terminal.simulated.market.noise import BELL_SCALE, bells, hashes, key_of, mixed, uniforms
from gateway.terminal.simulated.market.sessions import Sessions
from gateway.terminal.simulated.market.specification import Specification
from gateway.wire.constants import SYMBOL_TRADE_EXECUTION_EXCHANGE

__all__ = ("MAX_SPEED", "GeneratedMinutes")

MAX_SPEED: Final = 1000.0
"""Made-up prices have no end that "as fast as it goes" could reach; infinity means this."""
BATCH_DAYS: Final = 8
"""How many days are made at once: enough to make NumPy's own cost small, few enough for the processor's cache."""

_MINUTES: Final = DAY_S // MINUTE_S
_WEEKDAYS: Final = 7
_FIRST_SUNDAY: Final = 3
_MAX_WEEKS: Final = 64
"""How many different sessions are kept worked out: 170 kB each."""
_WEEKS_PER_YEAR: Final = 365.0 / 7.0
_CLOSED_SHARE: Final = 0.1
"""How fast variance grows while a symbol is closed, beside an open minute: a weekend weighs like five hours."""

_RECALL: Final = 0.986
"""What is left of a day's shock a day later."""
_RECALL_DAYS: Final = 512
"""How many days a shock is felt: after them less than a thousandth is left, and it is dropped."""
_WEIGHT_ONE: Final = 2**20
_WEIGHTS: Final = np.array([round(_WEIGHT_ONE * _RECALL**age) for age in range(_RECALL_DAYS)], np.int64)
_STEP_ONE: Final = 2**10

_STEP, _OPEN, _HIGH, _LOW, _COUNT, _SPREAD, _TOP, _DRAWS = range(8)
_OPEN_NOISE: Final = 0.08
"""How far from the last close a minute opens, beside a minute's own movement."""
_LOTS: Final = np.uint64(7)
"""How many lots beside the first are dealt on an exchange, a tick, at most: the bits that no other draw looks at."""
_NARROW, _WIDE = 0.3, 0.7
"""By how much a floating spread narrows and widens within a minute, at most, beside the usual one."""

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class GeneratedMinutes:
    """One symbol's made-up minutes.

    Quotes exist within the symbol's sessions and life; from `always_from_s` on (server time), around the clock.
    `speed` multiplies how many ticks a minute has, nothing else.
    """

    def __init__(
        self,
        specification: Specification,
        seed: int,
        *,
        first_day: int,
        speed: float = 1.0,
        clock: ServerClock | None = None,
        always_from_s: int | None = None,
    ) -> None:
        self.scale = Scale.of(specification)
        self.key = key_of("market", seed, specification.name)
        self.deals = specification.trade_exemode == SYMBOL_TRADE_EXECUTION_EXCHANGE
        self.first_day = first_day
        self.last_day: int | None = None
        self._clock = clock or ServerClock()
        self._always_from_s = always_from_s
        self._life_s = (specification.start_time_s, specification.expiration_time_s or None)
        self._week = week = _week(specification.sessions)
        open_minutes = max(int(np.count_nonzero(week.open)), 1)
        self._sigma = specification.volatility / (open_minutes * _WEEKS_PER_YEAR) ** 0.5
        self._start_units = specification.start_price * self.scale.points_per_unit / self.scale.tick_points
        self._mean_count = 60.0 * specification.ticks_per_second * min(speed, MAX_SPEED)
        self._least_count = 1.0 if self._mean_count >= 1.0 else 0.0
        self._usual_spread = max(round(specification.spread_points / self.scale.tick_points), 1)
        self._spread_fixed = specification.spread_fixed

    def table(self, first_day: int, days: int) -> MinuteTable:
        """Return the minutes of days with quotes; some 250 us a day."""
        if days > BATCH_DAYS:
            starts = range(first_day, first_day + days, BATCH_DAYS)
            parts = [self.table(start, min(BATCH_DAYS, first_day + days - start)) for start in starts]
            return MinuteTable(*(np.concatenate([getattr(p, name) for p in parts]) for name in MinuteTable.__slots__))
        every = self._every_minute(first_day, days)
        return every.chosen(self._quoted(every))

    def _every_minute(self, first_day: int, days: int) -> MinuteTable:
        times = MINUTE_S * np.arange(first_day * _MINUTES, (first_day + days) * _MINUTES, dtype=np.int64)
        weekdays = np.arange(first_day - _FIRST_SUNDAY, first_day - _FIRST_SUNDAY + days) % _WEEKDAYS
        draws = hashes(self.key, times // MINUTE_S + np.arange(_DRAWS)[:, None] * (1 << 40)).reshape(_DRAWS, days, -1)
        levels = self._levels(first_day, weekdays, bells(draws[_STEP]))
        unit_sigma = levels[:, :-1] * (self._sigma / BELL_SCALE) * (self._week.steps[weekdays] / _STEP_ONE)
        opened = np.maximum(np.rint(levels[:, :-1] + bells(draws[_OPEN]) * (_OPEN_NOISE * unit_sigma)), 1.0)
        close = np.maximum(np.rint(levels[:, 1:]), 1.0)
        high, low = _extremes(opened, close, unit_sigma, draws)
        many = np.rint(self._mean_count + bells(draws[_COUNT]) * (self._mean_count**0.5 / BELL_SCALE))
        count: Integers = np.maximum(many, self._least_count).astype(np.int64)
        prices = tuple(column.astype(np.int64) for column in (opened, high, low, close))
        _limit_to_ticks(prices, count, spread_fixed=self._spread_fixed)
        volume = count * (1 + (draws[_TOP] & _LOTS).astype(np.int64)) if self.deals else np.zeros_like(count)
        columns: tuple[Integers, ...] = (*prices, count, *self._spreads(draws, count), volume)
        return MinuteTable(times, *(column.reshape(-1) for column in columns))

    def _levels(self, first_day: int, weekdays: Integers, steps: Integers) -> Floats:
        """Return the price at each minute's edge in tick sizes, shape (days, minutes of a day + 1)."""
        walk = np.zeros((len(weekdays), _MINUTES + 1), np.int64)
        np.cumsum(steps * self._week.steps[weekdays], axis=1, out=walk[:, 1:])
        progress = self._week.progress[weekdays]
        edges = self._day_levels(first_day, len(weekdays) + 1)
        unit = self._sigma / (BELL_SCALE * _STEP_ONE)
        bridge = (walk - progress * walk[:, -1:]) * unit
        drift = edges[:-1, None] + progress * (edges[1:] - edges[:-1])[:, None]
        height = bridge + drift
        # exp, as far as it matters: it is above 0, and the same on every machine.
        levels: Floats = self._start_units * (1.0 + height + 0.5 * height * height)
        return levels

    def _day_levels(self, first_day: int, days: int) -> Floats:
        """Return the logarithm of the price beside `start_price` at midnights; whole numbers until the last step."""
        numbers = np.arange(first_day - _RECALL_DAYS + 1, first_day + days)
        shocks = bells(hashes(mixed(self.key, -1), numbers))
        shocks = shocks * self._week.day_steps[(numbers - 1 - _FIRST_SUNDAY) % _WEEKDAYS]
        felt = np.convolve(shocks, _WEIGHTS, "valid")
        levels: Floats = felt * (self._sigma / (BELL_SCALE * _STEP_ONE * _WEIGHT_ONE))
        return levels

    def _spreads(self, draws: npt.NDArray[np.uint64], count: Integers) -> tuple[Integers, Integers]:
        usual = self._usual_spread
        if self._spread_fixed:
            return np.full(count.shape, usual), np.full(count.shape, usual)
        narrow = np.rint(usual * (1.0 - _NARROW * uniforms(draws[_SPREAD])))
        spread = np.maximum(narrow, 1.0).astype(np.int64)
        widen = 1 + np.rint(usual * (_NARROW + (_WIDE - _NARROW) * uniforms(draws[_TOP]))).astype(np.int64)
        return spread, spread + np.where(count > 1, widen, 0)

    def _quoted(self, every: MinuteTable) -> npt.NDArray[np.bool_]:
        """Say which minutes have quotes."""
        times = every.time_s
        first_day = int(times[0]) // DAY_S
        weekdays = (times // DAY_S - _FIRST_SUNDAY) % _WEEKDAYS
        quoted = self._week.open[weekdays, times // MINUTE_S % _MINUTES]
        if self._always_from_s is not None:
            quoted = quoted | (times >= self._always_from_s)
        quoted = quoted & (every.count > 0) & (times >= max(self._life_s[0], self.first_day * DAY_S))
        if self._life_s[1] is not None:
            quoted &= times + MINUTE_S <= self._life_s[1]
        for start_s, end_s in self._clock.skipped(first_day * DAY_S, int(times[-1]) + MINUTE_S):
            quoted &= (times < start_s) | (times >= end_s)
        return quoted


@dataclass(frozen=True, slots=True)
class _Week:
    """How fast a week runs, for each weekday, Sunday first; symbols of the same sessions share it.

    `open`: which minutes are open the whole time. `steps`, `day_steps`: the movement of a minute and of a day, in
    1/_STEP_ONE of an open minute's. `progress`: how much of a day's variance lies before each minute's edge.
    """

    open: npt.NDArray[np.bool_]
    steps: Integers
    day_steps: Integers
    progress: Floats


@lru_cache(maxsize=_MAX_WEEKS)
def _week(sessions: Sessions) -> _Week:
    opened = np.zeros((_WEEKDAYS, _MINUTES), np.bool_)
    for day, spans in enumerate(sessions.days):
        for start_s, end_s in spans:
            opened[day, -(-start_s // MINUTE_S) : end_s // MINUTE_S] = True
    variance = np.where(opened, 1.0, _CLOSED_SHARE)
    progress = np.concatenate((np.zeros((_WEEKDAYS, 1)), np.cumsum(variance, axis=1)), axis=1)
    day_variance = progress[:, -1:]
    return _Week(
        open=opened,
        steps=np.rint(_STEP_ONE * np.sqrt(variance)).astype(np.int64),
        day_steps=np.rint(_STEP_ONE * np.sqrt(day_variance[:, 0])).astype(np.int64),
        progress=progress / day_variance,
    )


def _extremes(
    opened: Floats, close: Floats, unit_sigma: Floats, draws: npt.NDArray[np.uint64]
) -> tuple[Floats, Floats]:
    """Return how high and how low a random walk from open to close goes: its extreme's law, nearly."""
    squared = np.square(close - opened)
    total = opened + close
    reach_up = np.sqrt(squared + 2.0 * np.square(bells(draws[_HIGH]) * unit_sigma))
    reach_down = np.sqrt(squared + 2.0 * np.square(bells(draws[_LOW]) * unit_sigma))
    high = np.maximum(np.rint((total + reach_up) / 2.0), np.maximum(opened, close))
    low = np.minimum(np.rint((total - reach_down) / 2.0), np.minimum(opened, close))
    return high, np.maximum(low, 1.0)


def _limit_to_ticks(prices: tuple[Integers, ...], count: Integers, *, spread_fixed: bool) -> None:
    """Let minutes of few ticks show no more prices than they have ticks; in place."""
    opened, high, low, close = prices
    if spread_fixed:
        # Every tick changes something, and with a fixed spread that is the bid.
        count[high == low] = np.minimum(count[high == low], 1)
    few = count < 4
    if not few.any():
        return
    single = count == 1
    close[single] = opened[single]
    low[few] = np.minimum(opened, close)[few]
    high[count < 3] = np.maximum(opened, close)[count < 3]
