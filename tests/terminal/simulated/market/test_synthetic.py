"""Made-up minutes: a function of seed and time, plausible, and the same however they are asked for."""

from dataclasses import replace

import numpy as np
import pytest

from gateway.terminal.simulated.market.catalog import SPECIFICATIONS
from gateway.terminal.simulated.market.clock import ServerClock
from gateway.terminal.simulated.market.minute_ticks import ticks_of_minute
from gateway.terminal.simulated.market.minutes import MinuteTable
from gateway.terminal.simulated.market.rates import minute_bars
from gateway.terminal.simulated.market.sessions import FOREX
from gateway.terminal.simulated.market.synthetic import GeneratedMinutes

DAY = 86_400
MONDAY = 19_674
"""13 November 2023."""
EURUSD, BTCUSD, US500 = (SPECIFICATIONS[name] for name in ("EURUSD", "BTCUSD", "US500"))


def made(specification=EURUSD, seed=1, **options) -> GeneratedMinutes:
    return GeneratedMinutes(specification, seed, **({"first_day": 0} | options))


def columns(table: MinuteTable) -> list[list[int]]:
    return [getattr(table, name).tolist() for name in MinuteTable.__slots__]


def test_day_is_the_same_alone_and_among_others():
    source = made()
    whole = source.table(MONDAY - 40, 50)
    alone = [source.table(day, 1) for day in range(MONDAY - 40, MONDAY + 10)]

    joined = MinuteTable(*(np.concatenate([getattr(t, name) for t in alone]) for name in MinuteTable.__slots__))
    assert columns(whole) == columns(joined)


def test_seed_and_name_make_the_market():
    first, again, seeded, named = (
        columns(made(specification, seed).table(MONDAY, 1))
        for specification, seed in ((EURUSD, 1), (EURUSD, 1), (EURUSD, 2), (replace(EURUSD, name="EURUSD.r"), 1))
    )

    assert first == again
    assert first[1:] != seeded[1:]
    assert first[1:] != named[1:]


@pytest.mark.parametrize("name", ["EURUSD", "USDJPY", "XAUUSD", "US500", "BTCUSD"])
def test_minutes_are_plausible(name):
    specification = SPECIFICATIONS[name]
    table = made(specification).table(MONDAY, 5)
    steps = np.log(table.close / table.open)
    minutes_a_year = len(made(specification).table(MONDAY, 7)) * 365 / 7

    assert (table.high >= np.maximum(table.open, table.close)).all()
    assert (table.low <= np.minimum(table.open, table.close)).all()
    assert (table.low > 0).all()
    assert np.std(steps) * minutes_a_year**0.5 == pytest.approx(specification.volatility, rel=0.15)
    assert np.mean(table.count) == pytest.approx(60 * specification.ticks_per_second, rel=0.02)
    assert 0.6 < np.median(table.spread) / specification.spread_points < 1.1
    assert (table.top > table.spread).all()
    np.testing.assert_allclose(table.open[1:], table.close[:-1], rtol=0.02)


@pytest.mark.parametrize("name", ["EURUSD", "BTCUSD"])
def test_price_stays_near_its_start_for_years(name):
    specification = SPECIFICATIONS[name]
    source = made(specification)
    levels = [source.scale.prices(source.table(day, 1).open[0]) for day in range(MONDAY - 3500, MONDAY, 28)]
    away = np.abs(np.log(np.array(levels) / specification.start_price))

    assert away.max() < 1.5 * specification.volatility
    assert away.max() > 0.1 * specification.volatility


def test_weekend_is_a_gap_in_time_and_in_price():
    source = made()
    gaps = []
    for week in range(12):
        before, after = source.table(MONDAY + 7 * week - 3, 1), source.table(MONDAY + 7 * week, 1)
        assert len(source.table(MONDAY + 7 * week - 2, 2)) == 0
        assert after.time_s[0] - before.time_s[-1] == 2 * DAY + 60
        gaps.append(abs(int(after.open[0]) - int(before.close[-1])))

    assert np.median(gaps) > 3 * np.median(np.abs(np.diff(source.table(MONDAY, 1).close)))


def test_index_has_a_break_each_day_and_crypto_has_none():
    index, crypto = made(US500).table(MONDAY, 1), made(BTCUSD).table(MONDAY - 2, 7)

    breaks = np.flatnonzero(np.diff(index.time_s) > 60)
    assert [(int(index.time_s[at]) + 60) % DAY for at in breaks] == [DAY - 4500]
    assert (index.time_s[0] % DAY, (index.time_s[-1] + 60) % DAY) == (3600, 0)
    assert (np.diff(crypto.time_s) == 60).all()
    assert len(crypto) == 7 * 1440


def test_market_that_never_closes_does_so_from_its_start_on_alone():
    start_s = (MONDAY - 1) * DAY + 7200
    usual, always = made(), made(always_from_s=start_s)

    assert columns(usual.table(MONDAY, 2)) == columns(always.table(MONDAY, 2))
    assert always.table(MONDAY - 2, 2).time_s[0] == start_s
    assert len(always.table(MONDAY - 1, 1)) == 1440 - 120


def test_hour_that_the_clock_skips_has_no_minutes():
    day = 19_813  # 31 March 2024
    table = made(BTCUSD, clock=ServerClock("Europe/Athens")).table(day, 1)

    assert len(table) == 23 * 60
    assert not ((table.time_s >= day * DAY + 3 * 3600) & (table.time_s < day * DAY + 4 * 3600)).any()


def test_symbol_is_quoted_in_its_life_alone():
    born, expires = (MONDAY + 1) * DAY + 570, (MONDAY + 3) * DAY + 930
    mortal = replace(EURUSD, start_time_s=born, expiration_time_s=expires)
    times = made(mortal).table(MONDAY, 5).time_s

    assert (times[0], times[-1]) == (born + 30, expires - 90)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"spread_fixed": True},
        {"ticks_per_second": 0.02},
        {"ticks_per_second": 0.02, "spread_fixed": True},
        {"ticks_per_second": 0.05, "spread_points": 1},
        {"tick_size": 0.00025, "tick_value": 0.0},
        {"digits": 2, "tick_size": 0.0, "tick_value": 0.0},
        {"volatility": 0.0},
        {"start_price": 0.00002, "volatility": 2.0},
        {"sessions": FOREX, "digits": 0, "tick_size": 0.0, "start_price": 3.0},
    ],
)
def test_ticks_of_any_symbol_fold_into_its_bars(changes):
    specification = replace(EURUSD, **changes)
    source = made(specification)
    table = source.table(MONDAY, 1)
    table = table.chosen(slice(600, 700) if len(table) > 700 else slice(None))
    ticks = np.concatenate([ticks_of_minute(table, row, source.scale, source.key) for row in range(len(table))])

    assert minute_bars(ticks, specification.point).tobytes() == table.bars(source.scale).tobytes()
    for side in ("bid", "ask"):
        steps = ticks[side] / specification.tick_size
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)
    spreads = np.rint((ticks["ask"] - ticks["bid"]) / specification.tick_size)
    assert (spreads >= 1).all()
    assert (len(np.unique(spreads)) == 1) == specification.spread_fixed


def test_ticks_that_change_nothing_are_rare():
    source = made()
    table = source.table(MONDAY, 1)
    ticks = np.concatenate([ticks_of_minute(table, row, source.scale, source.key) for row in range(200)])
    still = (np.diff(ticks["bid"]) == 0) & (np.diff(ticks["ask"]) == 0)

    assert np.mean(still) < 0.001
    assert {2, 4, 6} == set(ticks["flags"].tolist())


def test_speed_multiplies_ticks_and_nothing_else():
    slow, quick = made().table(MONDAY, 1), made(speed=10.0).table(MONDAY, 1)

    assert np.mean(quick.count) == pytest.approx(10 * np.mean(slow.count), rel=0.02)
    assert (quick.close == slow.close).all()
