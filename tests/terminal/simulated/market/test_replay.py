"""Replay: recorded ticks come back exactly, on each symbol's own time line."""

import math
from pathlib import Path

import numpy as np
import pytest

from gateway.terminal.simulated.market.export import read
from gateway.terminal.simulated.market.replay import SLICE_TICKS, ReplaySource
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.terminal import Session, SimulatedTerminal
from gateway.wire.structs import TICK_DTYPE

RECORDED = Path(__file__).parents[4].parent / "shared" / "data"
MS = 1_000_000

GENERATED = """<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>
2020.01.01\t22:00:00.065\t1.12120\t1.12172\t\t\t6
2020.01.01\t22:00:00.065\t\t1.12192\t\t\t4
2020.01.01\t22:00:01.498\t1.12117\t1.12161\t\t\t6
2020.01.02\t00:00:00.000\t1.12116\t\t\t\t2
"""


def source_of(*times_ms: int, speed: float = 1.0) -> ReplaySource:
    ticks = np.zeros(len(times_ms), TICK_DTYPE)
    ticks["time_msc"] = times_ms
    return ReplaySource(ticks, speed)


def released(source: ReplaySource, now_ns: int) -> list[int]:
    return source.take(now_ns)["time_msc"].tolist()


@pytest.fixture(params=["generated", "EURUSD_ticks.csv", "USDJPY_ticks.csv"])
def tick_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "generated":
        path = tmp_path / "EURUSD_ticks.csv"
        path.write_text(GENERATED)
        return path
    path = RECORDED / request.param
    if not path.exists():
        pytest.skip("no recorded ticks here")
    return path


def test_nothing_comes_before_the_start():
    source = source_of(5000)

    assert released(source, 10**18) == []
    assert source.next_due_ns() is None


def test_gaps_of_the_file_are_kept_at_real_time():
    source = source_of(5000, 5010, 5030)
    source.start(7 * MS)

    assert source.next_due_ns() == 7 * MS
    assert released(source, 7 * MS) == [5000]
    assert source.next_due_ns() == 17 * MS
    assert released(source, 17 * MS - 1) == []
    assert released(source, 17 * MS) == [5010]
    assert released(source, 100 * MS) == [5030]
    assert source.next_due_ns() is None


def test_gaps_are_divided_by_the_speed():
    source = source_of(0, 1000, speed=10.0)
    source.start(0)
    released(source, 0)

    assert source.next_due_ns() == 100 * MS


def test_infinite_speed_comes_in_slices():
    source = source_of(*range(SLICE_TICKS + 5), speed=math.inf)
    source.start(0)

    assert len(source.take(0)) == SLICE_TICKS
    assert source.next_due_ns() == 0
    assert len(source.take(0)) == 5
    assert source.next_due_ns() is None


def test_second_start_changes_nothing():
    source = source_of(0, 1000)
    source.start(0)
    source.start(500 * MS)
    released(source, 0)

    assert source.next_due_ns() == 1000 * MS


def test_replayed_ticks_are_the_files_ticks(tick_file: Path):
    export = read(tick_file)
    settings = Settings(address="sim:///nowhere", tick_files=(str(tick_file),), speed=math.inf)
    terminal = SimulatedTerminal(settings, [export], 0, 0)
    session = Session(authorised=True)
    assert terminal.call(session, "symbol_select", (export.symbol, True), 0) == (1, "Success", True)

    while terminal.next_due_ns() is not None:
        terminal.advance(0)

    _, _, packed = terminal.call(session, "copy_ticks_from", (export.symbol, 0, 2**31 - 1, -1), 0)
    assert packed == export.ticks.tobytes()
    _, _, tick = terminal.call(session, "symbol_info_tick", (export.symbol,), 0)
    assert tuple(tick) == export.ticks[-1].item()


def test_recorded_file_is_read_as_it_is_written(tick_file: Path):
    """A second, plain reading of the file agrees with the parser's, line by line."""
    export = read(tick_file)
    bid = ask = "0"
    rows = tick_file.read_text().splitlines()[1:]

    assert len(rows) == len(export.ticks)
    for row, tick in zip(rows, export.ticks.tolist(), strict=True):
        _, time, row_bid, row_ask, _, _, flags = row.split("\t")
        bid, ask = row_bid or bid, row_ask or ask
        assert tick[1:3] == (float(bid), float(ask))
        assert tick[5] % 1000 == int(time[-3:])
        assert tick[0] == tick[5] // 1000
        assert tick[6] == int(flags)


def test_only_replayed_symbols_exist_and_none_is_selected(written):
    harness = written({"EURUSD": [(0, 1.1, 1.2)]}, select=False)

    assert harness.call("symbols_total") == 1
    assert harness.call("symbol_info", "EURUSD").select is False
    assert harness.call("symbol_info", "GBPUSD") is None


def test_replay_starts_when_the_symbol_is_first_selected(written):
    harness = written({"EURUSD": [(0, 1.1, 1.2), (1000, 1.3, 1.4)]}, select=False)
    harness.move_to(5000)
    assert harness.call("symbol_select", "EURUSD", True)
    assert tuple(harness.call("symbol_info_tick", "EURUSD"))[:3] == (0, 0.0, 0.0)

    harness.move_to(5000)
    assert harness.call("symbol_info_tick", "EURUSD").bid == 1.1
    harness.move_to(5999)
    assert harness.call("symbol_info_tick", "EURUSD").bid == 1.1
    harness.move_to(6000)
    assert harness.call("symbol_info_tick", "EURUSD").bid == 1.3


def test_last_tick_stays_after_the_end(market):
    market.move_to(10_000_000)

    assert market.call("symbol_info_tick", "EURUSD").bid == 1.1


def test_two_files_of_a_symbol_are_refused(tmp_path: Path):
    path = tmp_path / "EURUSD_1.csv"
    path.write_text(GENERATED)
    export = read(path)

    with pytest.raises(ValueError, match="EURUSD"):
        SimulatedTerminal(Settings(address="sim:///nowhere"), [export, export], 0, 0)


def test_unlisted_symbol_gets_a_derived_specification(written):
    harness = written({"EURSEK": [(0, 11.5, 11.6)], "ACME": [(0, 10.0, 10.1)]})

    pair, share = harness.call("symbol_info", "EURSEK"), harness.call("symbol_info", "ACME")
    assert (pair.currency_base, pair.currency_profit, pair.digits) == ("EUR", "SEK", 5)
    assert (share.currency_profit, share.trade_contract_size) == ("USD", 1.0)
    assert harness.buy(symbol="EURSEK").retcode == 10009
    assert harness.buy(symbol="ACME").retcode == 10009
