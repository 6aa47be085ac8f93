"""Symbols and their quotes."""

import numpy as np

from gateway.terminal.simulated.market.replay import ReplaySource
from gateway.terminal.simulated.market.specification import SPECIFICATIONS
from gateway.terminal.simulated.market.symbols import DayRange, Symbol
from gateway.wire import constants as mt5
from gateway.wire.structs import TICK_DTYPE


def ticks_of(*rows):
    return np.array([(time, bid, bid + 0.1, 0.0, 0, time * 1000, 6, 0.0) for time, bid in rows], TICK_DTYPE)


def test_bars_and_day_remember_ticks_that_the_store_forgot():
    symbol = Symbol(SPECIFICATIONS["EURUSD"], ReplaySource(ticks_of(), 1.0), max_ticks=4)
    for time in range(0, 600, 60):
        symbol.append(ticks_of((time, 1.0 + time / 600)))
    symbol.refresh()

    assert symbol.ticks.discarded > 0
    assert symbol.bars.series(mt5.TIMEFRAME_M1)["time"].tolist() == list(range(0, 600, 60))
    assert (symbol.day.bid_low, symbol.day.bid_high) == (1.0, 1.9)


def test_quote_is_the_latest_tick():
    symbol = Symbol(SPECIFICATIONS["EURUSD"], ReplaySource(ticks_of(), 1.0))
    assert tuple(symbol.tick) == (0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0)
    assert not symbol.quoted

    symbol.append(ticks_of((1, 1.0), (2, 1.1)))
    symbol.append(ticks_of())

    assert tuple(symbol.tick) == ticks_of((2, 1.1))[0].item()
    assert symbol.quoted


def test_day_range_of_no_ticks_is_empty():
    day = DayRange()
    day.update(ticks_of())

    assert (day.day, day.bid_high) == (-1, 0.0)
