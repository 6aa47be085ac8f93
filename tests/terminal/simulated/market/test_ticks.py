"""Tick storage: order, search, and its bound."""

import numpy as np
import pytest

from gateway.terminal.simulated.market.ticks import TickStore
from gateway.wire.structs import TICK_DTYPE


def ticks_of(*times_msc, flags=6):
    ticks = np.zeros(len(times_msc), TICK_DTYPE)
    ticks["time_msc"], ticks["flags"] = times_msc, flags
    return ticks


def times(packed):
    return np.frombuffer(packed, TICK_DTYPE)["time_msc"].tolist()


@pytest.fixture
def store():
    made = TickStore()
    made.extend(ticks_of(1000, 1000, 1500))
    made.extend(ticks_of(2000, flags=8))
    made.extend(ticks_of(3000, 3001))
    return made


def test_forward_starts_with_the_first_tick_of_its_time(store):
    assert times(store.forward(1000, 2, -1)) == [1000, 1000]
    assert times(store.forward(1001, 2, -1)) == [1500, 2000]
    assert times(store.forward(9999, 2, -1)) == []


def test_between_includes_both_ends(store):
    assert times(store.between(1000, 3000, -1)) == [1000, 1000, 1500, 2000, 3000]


def test_flags_choose_info_or_trade_ticks(store):
    assert times(store.forward(0, 4, 1)) == [1000, 1000, 1500, 3000]
    assert times(store.forward(0, 4, 2)) == [2000]
    assert times(store.between(0, 9999, 3)) == [1000, 1000, 1500, 2000, 3000, 3001]


def test_growth_keeps_every_tick():
    store = TickStore()
    for start in range(0, 5000, 37):
        store.extend(ticks_of(*range(start, start + 37)))

    assert times(store.forward(0, 10**6, -1)) == list(range(len(store)))


def test_full_store_forgets_its_older_half_and_counts_it():
    store = TickStore(limit=10)
    store.extend(ticks_of(*range(10)))
    assert not store.has_room(1)

    store.make_room()
    store.extend(ticks_of(10, 11))

    assert times(store.forward(0, 99, -1)) == [5, 6, 7, 8, 9, 10, 11]
    assert (store.discarded, store.total) == (5, 12)
    assert store.since(9)["time_msc"].tolist() == [9, 10, 11]
