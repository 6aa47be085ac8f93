"""When a fault strikes, and what follows: as data, without a terminal.

Run as a program, it draws the table of docs/SIMULATOR.md anew.
"""

import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.terminal.simulated.fault_kinds import FAULTS, FaultError
from gateway.terminal.simulated.faults import CLEAR, HELD, MAX_SCRIPTED, Faults, Verdict, symbol_of
from gateway.wire import constants as mt5
from gateway.wire.arguments import CALLS, prepare

MS = 1_000_000
DOCUMENT = Path(__file__).parents[3] / "docs" / "SIMULATOR.md"
BEGIN, END = "<!-- faults:begin -->\n", "<!-- faults:end -->"


def verdicts(faults: Faults, *calls: str, symbol: str = "EURUSD", now_ns: int = 0) -> list[Verdict]:
    return [faults.judge(call, symbol, now_ns) for call in calls]


def test_without_faults_nothing_goes_wrong():
    faults = Faults()

    assert faults.quiet
    assert all(verdict is CLEAR for verdict in verdicts(faults, *CALLS))


@pytest.mark.parametrize(
    ("name", "takes", "verdict"),
    [
        ("ipc_lost_before", {}, Verdict(executes=False, closes=True)),
        ("ipc_lost_after", {}, Verdict(closes=True)),
        ("slow", {"ms": 30}, Verdict(delay_ms=30)),
        ("hung", {}, Verdict(executes=False, delay_ms=HELD)),
        ("hung", {"executed": True}, Verdict(delay_ms=HELD)),
        ("requote", {}, Verdict(retcode=mt5.TRADE_RETCODE_REQUOTE)),
        ("reject", {}, Verdict(retcode=mt5.TRADE_RETCODE_REJECT)),
        ("trade_error", {}, Verdict(retcode=mt5.TRADE_RETCODE_ERROR)),
        ("timeout", {}, Verdict(retcode=mt5.TRADE_RETCODE_TIMEOUT)),
        ("timeout", {"executed": True}, Verdict(retcode=mt5.TRADE_RETCODE_TIMEOUT, trades=True)),
        ("market_closed", {}, Verdict(retcode=mt5.TRADE_RETCODE_MARKET_CLOSED)),
        ("price_changed", {}, Verdict(retcode=mt5.TRADE_RETCODE_PRICE_CHANGED)),
        ("price_off", {}, Verdict(retcode=mt5.TRADE_RETCODE_PRICE_OFF)),
        ("too_many_requests", {}, Verdict(retcode=mt5.TRADE_RETCODE_TOO_MANY_REQUESTS)),
        ("no_connection", {}, Verdict(retcode=mt5.TRADE_RETCODE_CONNECTION)),
        ("comment_overwritten", {"text": "x"}, Verdict(comment="x")),
    ],
)
def test_scripted_fault_says_what_becomes_of_an_order(name, takes, verdict):
    faults = Faults()
    faults.inject(name, 0, parameters=takes)

    assert verdicts(faults, "order_send", "order_send") == [verdict, CLEAR]


def test_fault_meets_only_what_it_can():
    faults = Faults()
    faults.inject("requote", 0)
    faults.inject("ticks_reordered", 0)
    faults.inject("first_call_empty", 0, parameters={"calls": 3})

    reads = verdicts(faults, "positions_get", "copy_ticks_range", "copy_ticks_range", "symbol_select", "order_send")

    assert reads[0] is reads[2] is CLEAR
    assert reads[1].order_seed is not None
    assert (reads[3].empty_calls, reads[4].retcode) == (3, mt5.TRADE_RETCODE_REQUOTE)


def test_fault_waits_for_its_call_its_symbol_and_those_it_lets_pass():
    faults = Faults()
    faults.inject("slow", 0, call="symbol_info", symbol="XAUUSD", skip=1)

    assert verdicts(faults, "symbol_info", "positions_get") == [CLEAR, CLEAR]
    assert verdicts(faults, "symbol_info", "symbol_info", "symbol_info", symbol="XAUUSD") == [
        CLEAR,
        Verdict(delay_ms=1_000),
        CLEAR,
    ]


def test_count_says_how_many_calls_it_meets_and_zero_is_until_cleared():
    faults = Faults()
    faults.inject("reject", 0, count=2)
    faults.inject("slow", 0, count=0)

    met = verdicts(faults, *["order_send"] * 5)

    assert [verdict.retcode for verdict in met] == [mt5.TRADE_RETCODE_REJECT] * 2 + [0] * 3
    assert {verdict.delay_ms for verdict in met} == {1_000}
    faults.clear("slow")
    assert faults.quiet


def test_faults_of_one_call_add_up_and_the_same_one_comes_again_later():
    faults = Faults()
    faults.inject("slow", 0, parameters={"ms": 7})
    faults.inject("ipc_lost_after", 0)
    faults.inject("slow", 0, parameters={"ms": 8})

    assert verdicts(faults, "account_info", "account_info") == [Verdict(closes=True, delay_ms=7), Verdict(delay_ms=8)]


def test_logging_in_is_met_only_by_name():
    faults = Faults(rates={"ipc_lost_before": 1.0})
    faults.inject("slow", 0)
    assert verdicts(faults, "initialize", "login") == [CLEAR, CLEAR]

    faults.inject("ipc_lost_before", 0, call="initialize")
    assert verdicts(faults, "initialize")[0].closes


def test_lasting_fault_begins_at_once_and_ends_by_itself():
    faults = Faults()
    faults.inject("disconnected", 5 * MS, parameters={"ms": 10})

    assert faults.in_force("disconnected") == {"ms": 10}
    assert faults.due_ns == 15 * MS
    faults.expire(15 * MS - 1)
    assert faults.in_force("disconnected")
    faults.expire(15 * MS)
    assert faults.in_force("disconnected") is None
    assert faults.due_ns is None


def test_lasting_fault_with_a_call_begins_with_it():
    faults = Faults()
    faults.inject("account_switched", 0, call="order_send", parameters={"ms": 0})
    assert faults.in_force("account_switched") is None

    verdicts(faults, "order_send", now_ns=7)

    assert faults.in_force("account_switched") == {"ms": 0, "login": 0}
    assert faults.due_ns is None
    faults.clear()
    assert faults.in_force("account_switched") is None


def test_terminal_that_comes_back_may_be_unsynchronised():
    faults = Faults()
    faults.inject("terminal_gone", 0, parameters={"ms": 10, "unsynchronised_ms": 20})
    faults.expire(10 * MS)

    assert faults.in_force("terminal_gone") is None
    assert faults.in_force("unsynchronised")
    faults.expire(30 * MS)
    assert faults.in_force("unsynchronised") is None


def test_every_change_of_what_is_in_force_is_counted():
    faults = Faults()
    seen = {faults.changes}
    faults.inject("unsynchronised", 0)
    seen.add(faults.changes)
    faults.expire(1_000 * MS)
    seen.add(faults.changes)

    assert len(seen) == 3


def test_status_tells_of_everything():
    faults = Faults(rates={"slow": 0.25})
    faults.inject("disconnected", 0, parameters={"ms": 100})
    faults.inject("requote", 0, count=3, skip=1, symbol="EURUSD")

    assert faults.status(40 * MS) == [
        {"fault": "disconnected", "state": "in force", "left_ms": 60, "parameters": {"ms": 100}},
        {
            "fault": "requote",
            "state": "scripted",
            "call": "",
            "symbol": "EURUSD",
            "skip": 1,
            "left": 3,
            "parameters": {},
        },
        {"fault": "slow", "state": "at random", "rate": 0.25},
    ]


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("nonsense", {}, "expected one of ipc_lost_before, "),
        ("slow", {"count": -1}, "count: expected 0 to"),
        ("slow", {"skip": 2**60}, "skip: expected 0 to"),
        ("requote", {"call": "symbol_info"}, "meets order_send only"),
        ("requote", {"parameters": {"ms": 1}}, "requote: takes no parameters, got ms"),
        ("slow", {"parameters": {"seconds": 1, b"x": 1}}, "slow: takes ms, got"),
        ("slow", {"parameters": {"ms": 1.5}}, "slow: ms: expected a whole number, got 1.5"),
        ("slow", {"parameters": {"ms": -1}}, "slow: ms: expected 0 to"),
        ("hung", {"parameters": {"executed": 1}}, "executed: expected true or false"),
        ("ticks_late", {"parameters": {"share": 1.5}}, "share: expected 0 to 1, got 1.5"),
        ("ticks_late", {"parameters": {"share": float("nan")}}, "share: expected 0 to"),
        ("trade_by_hand", {"parameters": {"side": "up"}}, "side: expected buy or sell, got 'up'"),
        ("comment_overwritten", {"parameters": {"text": 5}}, "text: expected text, got 5"),
        ("comment_overwritten", {"parameters": {"text": "x" * 32}}, "text: expected at most 31 characters"),
        ("ticks_lag", {"parameters": {"lag_ms": 3_600_001}}, "lag_ms: expected at most 3600000, got 3600001"),
    ],
)
def test_injection_that_makes_no_sense_is_refused_and_changes_nothing(name, options, says):
    faults = Faults()

    with pytest.raises(FaultError, match=says):
        faults.inject(name, 0, **options)
    assert faults.status(0) == []


def test_whole_number_will_do_where_a_number_is_wanted():
    faults = Faults()
    faults.inject("ticks_late", 0, parameters={"share": 1})

    assert faults.in_force("ticks_late")["share"] == 1.0


@pytest.mark.parametrize(("name", "rate"), [("nonsense", 0.1), ("slow", 1.1), ("slow", -0.1), ("slow", float("nan"))])
def test_chance_that_makes_no_sense_is_refused(name, rate):
    with pytest.raises(FaultError):
        Faults(rates={name: rate})


def test_waiting_injections_are_bounded():
    faults = Faults()
    for _ in range(MAX_SCRIPTED):
        faults.inject("slow", 0)

    with pytest.raises(FaultError, match="wait already"):
        faults.inject("slow", 0)


def test_chance_of_a_fault_is_about_its_rate_and_the_others_dont_move_it():
    alone = Faults(7, {"requote": 0.2})
    among = Faults(7, {"reject": 0.5, "requote": 0.2, "comment_overwritten": 0.3})
    hit = [verdict.retcode == mt5.TRADE_RETCODE_REQUOTE for verdict in verdicts(alone, *["order_send"] * 5_000)]
    too = [verdict.retcode == mt5.TRADE_RETCODE_REQUOTE for verdict in verdicts(among, *["order_send"] * 5_000)]

    assert 800 < Counter(hit)[True] < 1_200
    assert hit == too  # requote is written behind reject: where both meet a call, the later one holds


@given(
    st.integers(0, 2**32),
    st.dictionaries(st.sampled_from(sorted(FAULTS)), st.sampled_from([0.0, 0.3, 1.0])),
    st.lists(st.tuples(st.sampled_from(sorted(CALLS)), st.integers(0, 10**10)), max_size=30),
)
def test_same_seed_and_calls_give_the_same_verdicts(seed, rates, calls):
    one, two = Faults(seed, rates), Faults(seed, rates)

    for call, now_ns in calls:
        assert one.judge(call, "EURUSD", now_ns) == two.judge(call, "EURUSD", now_ns)
        one.expire(now_ns)
        two.expire(now_ns)
        assert one.status(now_ns) == two.status(now_ns)


@pytest.mark.parametrize(
    ("call", "args", "kwargs", "symbol"),
    [
        ("symbol_info", ("EURUSD",), {}, "EURUSD"),
        ("copy_ticks_from", ("EURUSD", 0, 1, -1), {}, "EURUSD"),
        ("order_send", ({"action": 1, "symbol": "EURUSD"},), {}, "EURUSD"),
        ("order_calc_margin", (0, "EURUSD", 1.0, 1.0), {}, "EURUSD"),
        ("positions_get", (), {"symbol": "EURUSD"}, "EURUSD"),
        ("positions_get", (), {}, ""),
        ("account_info", (), {}, ""),
    ],
)
def test_symbol_of_a_call_is_found_in_its_arguments(call, args, kwargs, symbol):
    assert symbol_of(call, prepare(call, args, kwargs)) == symbol


def table() -> str:
    """Return every fault as a Markdown table."""
    rows = ["| fault | meets | takes | what happens |", "|---|---|---|---|"]
    for name, fault in FAULTS.items():
        meets = " ".join(f"`{call}`" for call in fault.calls) or ("a time" if fault.lasting else "any call")
        takes = " ".join(f"`{key}={str(value).lower()}`" for key, value in fault.parameters.items())
        rows.append(f"| `{name}` | {meets} | {takes} | {fault.summary} |")
    return "\n".join([*rows, ""])


def test_table_in_the_document_is_drawn_from_the_code():
    _, _, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)

    assert rest.partition(END)[0] == table(), f"run: python {Path(__file__).name} to draw it anew"


if __name__ == "__main__":
    before, _, after = DOCUMENT.read_text("utf-8").partition(BEGIN)
    DOCUMENT.write_text(before + BEGIN + table() + END + after.partition(END)[2], "utf-8")
    sys.exit(0)
