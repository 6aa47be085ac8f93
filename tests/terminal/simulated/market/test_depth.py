"""The depth of market: around the quote, the same for the same tick."""

from dataclasses import replace

import numpy as np
import pytest

from gateway.terminal.simulated.market.catalog import SPECIFICATIONS
from gateway.terminal.simulated.market.depth import depth
from gateway.terminal.simulated.market.replay import ReplaySource
from gateway.terminal.simulated.market.symbols import Symbol
from gateway.wire.constants import BOOK_TYPE_BUY, BOOK_TYPE_SELL
from gateway.wire.structs import TICK_DTYPE

EURUSD = SPECIFICATIONS["EURUSD"]


def quoting(time_msc: int = 1000, bid: float = 1.1, ask: float = 1.1002, **changes) -> Symbol:
    symbol = Symbol(replace(EURUSD, **changes), ReplaySource(np.empty(0, TICK_DTYPE), 1.0))
    symbol.append(np.array([(time_msc // 1000, bid, ask, 0.0, 0, time_msc, 6, 0.0)], TICK_DTYPE))
    return symbol


def test_depth_is_ordered_from_the_highest_offer_to_the_lowest_bid():
    levels = depth(quoting(book_depth=3))

    assert [level.type for level in levels] == [BOOK_TYPE_SELL] * 3 + [BOOK_TYPE_BUY] * 3
    assert [level.price for level in levels] == [1.10022, 1.10021, 1.1002, 1.1, 1.09999, 1.09998]


def test_levels_lie_a_tick_size_apart():
    levels = depth(quoting(bid=1.1, ask=1.1025, tick_size=0.0005, tick_value=0.0, book_depth=2))

    assert [level.price for level in levels] == [1.103, 1.1025, 1.1, 1.0995]


def test_best_levels_hold_the_liquidity_and_others_whole_steps():
    levels = depth(quoting(liquidity_lots=12.5, volume_step=0.5, volume_min=0.5))

    assert levels[4].lots == levels[5].lots == 12.5
    assert all(level.lots >= 0.5 and (level.lots / 0.5).is_integer() for level in levels)


@pytest.mark.parametrize("other", [{"time_msc": 1001}, {"bid": 1.09999}, {"ask": 1.1003}])
def test_same_tick_shows_the_same_depth_and_another_one_another(other):
    volumes = [level.lots for level in depth(quoting())]

    assert volumes == [level.lots for level in depth(quoting())]
    assert volumes != [level.lots for level in depth(quoting(**other))]


def test_without_a_quote_there_is_no_depth():
    assert depth(Symbol(EURUSD, ReplaySource(np.empty(0, TICK_DTYPE), 1.0))) == []
    assert depth(quoting(book_depth=0)) == []


def test_no_price_falls_to_zero():
    assert [level.price for level in depth(quoting(bid=2e-05, ask=3e-05))][5:] == [2e-05, 1e-05]
