"""Synthetic prices: seeded, plausible, and the same however they are asked for."""

import numpy as np
import pytest

from gateway.terminal.simulated.market.specification import SPECIFICATIONS
from gateway.terminal.simulated.market.synthetic import HISTORY_BARS, HISTORY_MS, SyntheticSource, minute_history
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.terminal import Session, SimulatedTerminal
from gateway.wire import constants as mt5
from gateway.wire.structs import RATES_DTYPE, TICK_DTYPE

START_MS = 1_700_000_030_500
SECOND = 1_000_000_000
EURUSD = SPECIFICATIONS["EURUSD"]


def run(source: SyntheticSource, *nows_ns: int):
    parts = [source.start(0)]
    for now_ns in nows_ns:
        while source.next_due_ns() <= now_ns:
            parts.append(source.take(now_ns))
    return np.concatenate(parts)


def source(name="EURUSD", seed=1, speed=1.0):
    return SyntheticSource(SPECIFICATIONS[name], seed, START_MS, speed)


def test_same_seed_gives_the_same_ticks():
    assert run(source(), 60 * SECOND).tobytes() == run(source(), 60 * SECOND).tobytes()


def test_another_seed_gives_others():
    assert run(source(), 60 * SECOND).tobytes() != run(source(seed=2), 60 * SECOND).tobytes()


def test_how_often_is_asked_doesnt_matter():
    assert run(source(), *range(0, 60 * SECOND + 1, SECOND // 7), 60 * SECOND).tobytes() == (
        run(source(), 60 * SECOND).tobytes()
    )


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_ticks_are_plausible(name):
    specification = SPECIFICATIONS[name]
    ticks = run(source(name), 600 * SECOND)
    bid, ask, time_msc = ticks["bid"], ticks["ask"], ticks["time_msc"]
    spread = np.rint((ask - bid) * 10**specification.digits)

    assert ticks["time"].tolist() == (time_msc // 1000).tolist()
    assert (np.diff(time_msc) >= 0).all()
    assert (np.diff(time_msc) == 0).any()
    assert time_msc[0] <= START_MS - HISTORY_MS
    assert time_msc[-1] <= START_MS + 600_000
    assert (spread >= 1).all()
    assert len(np.unique(spread)) > 3
    assert 0.6 < np.median(spread) / specification.spread_points < 1.6
    assert 0.2 < len(ticks) / (900 * specification.ticks_per_second) <= 1.2
    assert abs(bid[-1] / bid[0] - 1) < 0.05
    np.testing.assert_array_equal(bid, np.round(bid, specification.digits))


def test_flags_say_which_side_changed():
    ticks = run(source(), 600 * SECOND)
    bid_changed, ask_changed = np.diff(ticks["bid"]) != 0, np.diff(ticks["ask"]) != 0

    assert set(ticks["flags"].tolist()) == {2, 4, 6}
    assert ((ticks["flags"][1:] & 2 != 0) == bid_changed).all()
    assert ((ticks["flags"][1:] & 4 != 0) == ask_changed).all()


def test_speed_multiplies_the_rate_but_not_the_clock():
    slow, quick = run(source(), 60 * SECOND), run(source(speed=10.0), 60 * SECOND)
    slow, quick = (ticks[ticks["time_msc"] > START_MS] for ticks in (slow, quick))

    assert 5 < len(quick) / len(slow) < 20
    assert quick["time_msc"][-1] <= START_MS + 60_000


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_history_leads_up_to_the_first_tick(name):
    specification = SPECIFICATIONS[name]
    bars = minute_history(specification, 1, 1_700_000_040, specification.start_price)

    assert bars.dtype == RATES_DTYPE
    assert len(bars) == HISTORY_BARS
    assert bars["time"][-1] == 1_700_000_040 - 60
    assert (np.diff(bars["time"]) == 60).all()
    assert bars["close"][-1] == specification.start_price
    np.testing.assert_array_equal(bars["open"][1:], bars["close"][:-1])
    assert (bars["high"] >= np.maximum(bars["open"], bars["close"])).all()
    assert (bars["low"] <= np.minimum(bars["open"], bars["close"])).all()
    assert (bars["low"] > 0).all()


def fresh(seed=1):
    terminal = SimulatedTerminal(Settings(address="sim:///nowhere", seed=seed), (), START_MS, 0)

    def call(name, *arguments):
        return terminal.call(Session(authorised=True), name, arguments, 0)[2]

    return terminal, call


def test_fresh_terminal_has_bars_of_all_timeframes_and_ticks():
    _, call = fresh()

    for name, value in vars(mt5).items():
        if name.startswith("TIMEFRAME_"):
            bars = np.frombuffer(call("copy_rates_from_pos", "EURUSD", value, 0, 3), RATES_DTYPE)
            assert 2 <= len(bars) <= 3, name
            assert bars["close"][-1] == call("symbol_info_tick", "EURUSD").bid
    ticks = np.frombuffer(call("copy_ticks_from", "EURUSD", 0, 10_000, -1), TICK_DTYPE)
    assert len(ticks) > 300
    assert len(np.frombuffer(call("copy_rates_from_pos", "EURUSD", 1, 0, 5_000), RATES_DTYPE)) == 5_000


def test_all_symbols_are_selected():
    _, call = fresh()

    assert [(info.name, info.select) for info in call("symbols_get", None)] == [(name, True) for name in SPECIFICATIONS]


def test_same_seed_and_times_give_the_same_terminal():
    answers = []
    for _ in range(2):
        terminal, call = fresh()
        for now_ns in (SECOND, 3 * SECOND, 60 * SECOND):
            while terminal.next_due_ns() <= now_ns:
                terminal.advance(now_ns)
            request = (1, 0, 0, "EURUSD", 0.5, 0.0, 0.0, 0.0, 0.0, 0, 0, 1, 0, 0, "", 0, 0)
            call("order_send", *request)
        answers.append([call("account_info"), call("positions_get", None, None, None), call("symbols_get", None)])

    assert answers[0] == answers[1]


def test_times_are_the_servers_clock():
    terminal, call = fresh()
    while terminal.next_due_ns() <= 30 * SECOND:
        terminal.advance(30 * SECOND)

    assert 0 <= START_MS + 30_000 - call("symbol_info_tick", "EURUSD").time_msc < 10_000
