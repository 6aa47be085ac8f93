"""Markets as settings ask for them, and a terminal upon one."""

import calendar
import math
from pathlib import Path

import numpy as np
import pytest

from gateway.terminal.simulated.market import stream
from gateway.terminal.simulated.market.building import build_market, read_exports
from gateway.terminal.simulated.market.rates import TIMEFRAMES
from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.terminal import Session, SimulatedTerminal
from gateway.wire import constants as mt5
from gateway.wire.structs import RATES_DTYPE, TICK_DTYPE

START_MS = 1_700_000_030_500
SECOND = 1_000_000_000
HOUR = 3600 * SECOND
TICKS = "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\n"
BARS = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
BAR = "2020.01.01\t{}:00\t1.12120\t1.12172\t1.12100\t1.12150\t37\t55\t8\n"


def settings_of(**options) -> Settings:
    return Settings(address="sim:///nowhere", **({"seed": 1} | options))


def market_of(start_ms: int = START_MS, **options) -> Market:
    return build_market(settings_of(**options), (), start_ms, 0)


def selected(market: Market, name: str, now_ns: int = 0) -> Symbol:
    symbol = market.symbols[name]
    market.select(symbol, now_ns)
    return symbol


def run(market: Market, now_ns: int) -> None:
    while (due_ns := market.next_due_ns()) is not None and due_ns <= now_ns:
        for symbol, ticks in market.take(now_ns):
            symbol.append(ticks)
    market.move(now_ns)


def utc_ms(*moment: int) -> int:
    return calendar.timegm((*moment, *(0,) * (6 - len(moment)))) * 1000


SATURDAY = utc_ms(2023, 11, 18, 12)


def test_terminals_of_different_starts_agree_on_the_past():
    early, late = market_of(), market_of(START_MS + 7_200_000)
    one, other = selected(early, "EURUSD"), selected(late, "EURUSD")
    run(early, 2 * HOUR)

    now_s = START_MS // 1000 + 7200
    for timeframe in TIMEFRAMES:
        bars = one.bars.copy_from(timeframe, now_s, 14)
        assert bars.tobytes() == other.bars.copy_from(timeframe, now_s, 14).tobytes()
        assert len(bars) == 14
    assert tuple(one.tick) == tuple(other.tick)


def test_symbol_selected_later_is_at_the_servers_time():
    market = market_of()
    first = selected(market, "EURUSD")
    run(market, 90 * SECOND)
    second = selected(market, "GBPUSD", 90 * SECOND)

    assert first.now_msc == second.now_msc == market.now_msc == START_MS + 90_000
    assert 0 <= START_MS + 90_000 - second.time_msc < 10_000


def test_market_hours_close_a_symbol_at_the_weekend():
    market = market_of(SATURDAY, hours="market")
    pair, crypto = selected(market, "EURUSD"), selected(market, "BTCUSD")
    run(market, HOUR)

    assert (pair.trade_open, crypto.trade_open) == (False, True)
    assert pair.time_msc < utc_ms(2023, 11, 18) <= SATURDAY + 3_590_000 < crypto.time_msc
    monday_ms = utc_ms(2023, 11, 20)
    assert (pair.open_at(monday_ms - 1), pair.open_at(monday_ms)) == (False, True)
    run(market, 37 * HOUR)
    assert pair.trade_open
    assert pair.time_msc > utc_ms(2023, 11, 20)


def test_market_that_is_always_open_quotes_at_the_weekend_from_its_start_on():
    market = market_of(SATURDAY, hours="always")
    pair = selected(market, "EURUSD")
    assert 0 <= SATURDAY - pair.time_msc < 10_000
    run(market, 90 * SECOND)

    assert pair.trade_open
    assert pair.time_msc > SATURDAY + 80_000
    minutes = pair.bars.copy_from_pos(mt5.TIMEFRAME_M1, 0, 8)["time"] - SATURDAY // 1000
    assert minutes.tolist() == [-43_260, -300, -240, -180, -120, -60, 0, 60]


def test_timezone_moves_the_servers_clock():
    market = market_of(timezone="Europe/Athens")
    symbol = selected(market, "BTCUSD")

    assert market.now_msc == market.begin_msc == START_MS + 7_200_000
    assert 0 <= market.now_msc - symbol.time_msc < 10_000


def test_suffix_and_generated_symbols_are_listed():
    market = market_of(suffix=".r", generated_symbols=3)

    assert {"EURUSD.r", "SYM0001.r", "SYM0003.r"} <= market.symbols.keys()
    run_symbol = selected(market, "SYM0001.r")
    assert run_symbol.quoted


def test_expired_symbol_is_neither_quoted_nor_open():
    expires = START_MS // 60_000 * 60 + 120
    market = market_of(
        symbols={"EURUSD": {"expiration_time": str(np.datetime64(expires // 60, "m")).replace("T", " ")}}
    )
    symbol = selected(market, "EURUSD")
    assert symbol.trade_open
    run(market, 200 * SECOND)

    assert not symbol.trade_open
    assert symbol.time_msc < expires * 1000


# --- recordings ---


@pytest.fixture
def bar_file(tmp_path: Path) -> str:
    path = tmp_path / "EURUSD_M1.csv"
    path.write_text(BARS + "".join(map(BAR.format, ("21:58", "21:59", "22:00", "22:01"))))
    return str(path)


@pytest.fixture
def tick_file(tmp_path: Path) -> str:
    path = tmp_path / "EURUSD_ticks.csv"
    path.write_text(TICKS + "2020.01.01\t22:00:30.065\t1.12120\t1.12172\t\t\t6\n")
    return str(path)


def recorded(**options) -> Market:
    settings = settings_of(**options)
    return build_market(settings, read_exports(settings), START_MS, 0)


def test_bar_file_alone_is_replayed_as_ticks_that_fold_into_it(bar_file):
    market = recorded(bar_files=(bar_file,), speed=math.inf)
    symbol = selected(market, "EURUSD")
    run(market, 0)

    bars = symbol.bars.series(mt5.TIMEFRAME_M1)
    assert bars.tobytes() == read_exports(settings_of(bar_files=(bar_file,)))[0].bars.tobytes()
    ticks = np.frombuffer(symbol.ticks.between(0, 2**50, -1), TICK_DTYPE)
    assert len(ticks) == 4 * 37
    assert tuple(symbol.tick) == ticks[-1].item()
    assert symbol.now_msc == market.now_msc == symbol.time_msc
    assert market.next_due_ns() is None


def test_bar_files_clock_starts_with_its_first_tick_when_it_is_selected(bar_file):
    market = recorded(bar_files=(bar_file,), speed=2.0)
    assert market.now_msc == market.begin_msc == utc_ms(2020, 1, 1, 21, 58)
    symbol = selected(market, "EURUSD", 7 * SECOND)
    assert market.next_due_ns() == 7 * SECOND
    run(market, 7 * SECOND)
    first_msc = symbol.time_msc
    run(market, 17 * SECOND)

    assert symbol.now_msc == first_msc + 20_000


def test_bar_file_comes_before_the_ticks_of_a_tick_file(bar_file, tick_file):
    market = recorded(bar_files=(bar_file,), tick_files=(tick_file,), speed=math.inf)
    symbol = selected(market, "EURUSD")
    run(market, 0)
    symbol.refresh()

    bars = symbol.bars.series(mt5.TIMEFRAME_M1)
    assert (bars["time"] // 60 % 1440).tolist() == [1318, 1319, 1320]
    assert bars["tick_volume"].tolist() == [37, 37, 1]


def test_two_files_of_one_kind_for_a_symbol_are_refused(bar_file):
    with pytest.raises(ValueError, match="bar_files: expected one file a symbol, got two for EURUSD"):
        recorded(bar_files=(bar_file, bar_file))


def test_recording_takes_the_suffix(bar_file):
    assert list(recorded(bar_files=(bar_file,), suffix=".r").symbols) == ["EURUSD.r"]


def test_recording_without_a_line_is_a_symbol_without_a_tick(tmp_path: Path):
    bars, ticks = tmp_path / "EURUSD_M1.csv", tmp_path / "GBPUSD.csv"
    bars.write_text(BARS)
    ticks.write_text(TICKS)
    market = recorded(bar_files=(str(bars),), tick_files=(str(ticks),))
    for name in ("EURUSD", "GBPUSD"):
        assert not selected(market, name).quoted

    assert (market.next_due_ns(), market.begin_msc) == (None, START_MS)


# --- a terminal upon a market ---


def fresh(**options):
    terminal = SimulatedTerminal(settings_of(**options), (), START_MS, 0)

    def call(name, *arguments):
        return terminal.call(Session(authorised=True), name, arguments, 0)[2]

    return terminal, call


def advance(terminal: SimulatedTerminal, now_ns: int) -> None:
    while terminal.next_due_ns() <= now_ns:
        terminal.advance(now_ns)


def test_fresh_terminal_has_bars_of_all_timeframes_and_ticks():
    _, call = fresh()

    for timeframe in TIMEFRAMES:
        bars = np.frombuffer(call("copy_rates_from_pos", "EURUSD", timeframe, 0, 24), RATES_DTYPE)
        assert len(bars) == 24
        assert bars["close"][-1] == call("symbol_info_tick", "EURUSD").bid
    ticks = np.frombuffer(call("copy_ticks_from", "EURUSD", START_MS // 1000 - 300, 10_000, -1), TICK_DTYPE)
    assert len(ticks) > 300


def test_same_seed_and_times_give_the_same_terminal():
    answers = []
    for _ in range(2):
        terminal, call = fresh()
        for now_ns in (SECOND, 3 * SECOND, 60 * SECOND):
            advance(terminal, now_ns)
            call("order_send", 1, 0, 0, "EURUSD", 0.5, 0.0, 0.0, 0.0, 0.0, 0, 0, 1, 0, 0, "", 0, 0)
        answers.append([call("account_info"), call("positions_get", None, None, None), call("symbols_get", None)])

    assert answers[0] == answers[1]


def test_times_are_the_servers_clock():
    terminal, call = fresh(timezone="120")
    advance(terminal, 30 * SECOND)

    assert 0 <= START_MS + 7_230_000 - call("symbol_info_tick", "EURUSD").time_msc < 10_000


def test_range_of_more_ticks_than_are_copied_at_once_is_refused(monkeypatch):
    monkeypatch.setattr(stream, "MAX_COPIED_TICKS", 2000)
    _, call = fresh()

    assert call("copy_ticks_range", "EURUSD", 1_600_000_000, START_MS // 1000, -1) is None
    assert len(np.frombuffer(call("copy_ticks_from", "EURUSD", 1_600_000_000, 1000, -1), TICK_DTYPE)) == 1000
