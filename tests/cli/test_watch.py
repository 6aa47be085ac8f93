"""ticks and stats: streams end cleanly, whoever ends them; statistics are whole."""

import json
from typing import Any

import pytest

from clients.ticks import Gap
from gateway.wire.errors import NoReply, Unavailable

STATS = {
    "generation": 3,
    "version": "0.1.0",
    "uptime_ns": 5_000_000_000,
    "sessions": {"live": 2, "peak": 4},
    "in_flight": 1,
    "unknown": 0,
    "counters": {"replies": 17, "late_answers": 0},
    "refusals": {"busy": 2},
    "cache": {"size": 5, "hits": 9, "misses": 1, "hit_rate": 0.9},
    "stages": {
        "queue": {"count": 10, "mean_ns": 1, "p50_ns": 12_000, "p99_ns": 45_000, "p999_ns": 1, "max_ns": 2_000_000},
        "terminal": {"count": 0},
    },
    "accounts": [{"name": "demo", "mode": "demo", "login": 7, "proven": True, "tradable": False, "reason": "offline"}],
    "workers": [
        {
            "name": "demo-trade-1",
            "lanes": ["trade"],
            "condition": "live",
            "credit": 1,
            "used": 0,
            "calls": 12,
            "errors": 1,
            "utilisation": 0.25,
            "epochs_seen": 3,
        }
    ],
    "lanes": [{"account": "demo", "lane": "trade", "workers": 1, "depth": 6, "peak": 8}],
}


def test_ticks_stop_after_a_count(client: Any, mt5gate: Any, tick_batch: Any) -> None:
    client.stream.batches = [tick_batch("EURUSD", 1, 2), tick_batch("EURUSD", 3, 5)]

    result = mt5gate("ticks", "EURUSD", "--count", "3")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[-3:] for line in lines] == [["1", "bid", "ask"], ["2", "bid", "ask"], ["3", "bid", "ask"]]
    assert lines[0].split()[:5] == ["2020-01-01", "22:00:00.001", "EURUSD", "1.08123", "1.08125"]
    assert client.stream.closed
    assert client.shut


def test_ticks_for_programs_are_objects(client: Any, mt5gate: Any, tick_batch: Any) -> None:
    client.stream.batches = [tick_batch("EURUSD", 7, 2)]

    lines = [json.loads(line) for line in mt5gate("ticks", "EURUSD", "-n", "2", "--json").stdout.splitlines()]

    assert [line["seq"] for line in lines] == [7, 8]
    assert (lines[0]["symbol"], lines[0]["bid"], lines[0]["time_msc"]) == ("EURUSD", 1.08123, 1_577_916_000_007)


def test_batches_have_a_line_each(client: Any, mt5gate: Any, tick_batch: Any) -> None:
    client.stream.batches = [tick_batch("EURUSD", 1, 2), tick_batch("USDJPY", 1, 5), tick_batch("EURUSD", 3, 1)]

    shown = mt5gate("ticks", "--batch", "--count", "2").stdout.splitlines()
    client.stream.batches = [tick_batch("EURUSD", 1, 2)]
    (line,) = mt5gate("ticks", "--batch", "--count", "1", "--json").stdout.splitlines()

    assert [text.split("  ")[-1] for text in shown] == ["batch of 2", "batch of 5"]
    assert json.loads(line)["first_seq"] == 1
    assert [tick["bid"] for tick in json.loads(line)["ticks"]] == [1.08123, 1.08123]


def test_interrupt_ends_the_stream_cleanly(client: Any, mt5gate: Any, tick_batch: Any) -> None:
    client.stream.batches = [tick_batch("EURUSD", 1, 1)]

    result = mt5gate("ticks", "EURUSD")

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr == ""
    assert client.stream.closed


def test_reader_that_has_enough_ends_the_stream_cleanly(client: Any, mt5gate: Any) -> None:
    client.stream.end = BrokenPipeError()

    result = mt5gate("ticks", "EURUSD")

    assert result.exit_code == 0
    assert result.stderr == ""


def test_no_symbol_means_all_that_are_listened_to(client: Any, mt5gate: Any) -> None:
    mt5gate("ticks")
    mt5gate("ticks", "EURUSD", "USDJPY")

    streams = [asked for asked in client.asked if asked[0] == "tick_stream"]
    assert streams == [("tick_stream", "*"), ("tick_stream", "EURUSD", "USDJPY")]


def test_unknown_symbol_is_refused_before_the_waiting(client: Any, mt5gate: Any) -> None:
    client.answers["symbol_info"] = None

    result = mt5gate("ticks", "NOPE")

    assert result.exit_code == 1
    assert "NOPE: no such symbol; see `mt5gate symbols`" in result.stderr


def test_ticks_need_no_worker_of_the_order_plane(client: Any, mt5gate: Any, tick_batch: Any) -> None:
    client.answers["symbol_info"] = Unavailable("no worker serves the query lane")
    client.stream.batches = [tick_batch("EURUSD", 1, 1)]

    assert mt5gate("ticks", "EURUSD", "--count", "1").exit_code == 0


def test_missed_ticks_are_told_on_standard_error(client: Any, mt5gate: Any) -> None:
    mt5gate("ticks", "EURUSD")
    on_gap = client.stream_options["on_gap"]

    class Telling:
        def recv_batch(self, timeout: float | None) -> Any:
            on_gap(Gap("EURUSD", "demo", 5, 1, 6, 1, new_epoch=False))
            on_gap(Gap("EURUSD", "demo", 0, 6, 1, 2, new_epoch=True))
            raise KeyboardInterrupt

        __enter__ = __exit__ = lambda self, *_: self

    client.stream = Telling()
    stderr = mt5gate("ticks", "EURUSD").stderr

    assert stderr.splitlines() == [
        "mt5gate: EURUSD: 5 ticks were missed",
        "mt5gate: EURUSD: the publisher was restarted",
    ]


def test_silent_market_is_waited_for_and_an_absent_publisher_is_not(client: Any, mt5gate: Any) -> None:
    client.stream.end = NoReply("no tick of EURUSD within 3.0 s")
    silent = mt5gate("ticks", "EURUSD")
    assert client.stream.timeouts[-1] is None
    assert silent.exit_code == 3

    client.stream.connected = False
    absent = mt5gate("ticks", "EURUSD")
    assert absent.exit_code == 3
    assert "no publisher at ipc:///nowhere" in absent.stderr


@pytest.mark.parametrize(
    ("arguments", "environ", "tick_endpoint", "expected"),
    [
        ([], {}, "ipc:///nowhere/ticks.ipc", {}),
        (["--endpoint", "ipc:///b"], {}, "ipc:///nowhere/ticks.ipc", {}),
        (["--endpoint", "tcp://127.0.0.1:5550"], {}, "tcp://127.0.0.1:9", {}),
        (["--endpoint", "tcp://127.0.0.1:5550"], {}, "ipc:///", {}),  # it is of this host
        (["--endpoint", "tcp://127.0.0.1:5550"], {}, "ipc:///nowhere/t", {"endpoint": "tcp://127.0.0.1:5552"}),
        ([], {"MT5GATE_TICK_ENDPOINT": "tcp://127.0.0.1:8"}, "ipc:///x", {"endpoint": "tcp://127.0.0.1:8"}),
        (
            ["--tick-endpoint", "tcp://127.0.0.1:7"],
            {"MT5GATE_TICK_ENDPOINT": "tcp://127.0.0.1:8"},
            "ipc:///x",
            {"endpoint": "tcp://127.0.0.1:7"},
        ),
    ],
)
def test_ticks_are_where_the_user_says_then_where_the_gateway_says(
    client: Any,
    mt5gate: Any,
    arguments: list[str],
    environ: dict[str, str],
    tick_endpoint: str,
    expected: dict[str, str],
) -> None:
    client.welcome = {"tick_endpoint": tick_endpoint}

    mt5gate("ticks", "EURUSD", *arguments, env=environ)

    assert {name: value for name, value in client.stream_options.items() if name == "endpoint"} == expected


def test_statistics_are_tables_of_everything_that_is_pooled_queued_and_cached(client: Any, mt5gate: Any) -> None:
    client.answers["stats"] = STATS

    result = mt5gate("stats")

    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["0.1.0", "3", "5.00", "s", "2", "4", "1", "0", "5", "90.0", "%"] in lines
    assert ["demo", "demo", "7", "yes", "no", "offline"] in lines
    assert ["demo-trade-1", "trade", "live", "0/1", "12", "1", "25.0", "%", "3", "4.0"] in lines
    assert ["demo", "trade", "1", "6", "8"] in lines
    assert ["queue", "10", "0.0", "µs", "12", "µs", "45", "µs", "0.0", "µs", "2.00", "ms"] in lines
    assert ["replies", "17"] in lines
    assert ["refused", "busy", "2"] in lines


def test_statistics_for_programs_are_the_gateways_own(client: Any, mt5gate: Any) -> None:
    client.answers["stats"] = STATS

    assert json.loads(mt5gate("stats", "--json").stdout) == STATS


def test_statistics_survive_a_gateway_that_tells_less_or_more(client: Any, mt5gate: Any) -> None:
    client.answers["stats"] = {"generation": 1, "news": [1], "workers": [{"name": "w"}]}

    assert mt5gate("stats").exit_code == 0


def test_probe_measures_pings_and_reads_stage_by_stage(client: Any, mt5gate: Any, timing: Any) -> None:
    client.answers["stats"] = STATS

    shown = mt5gate("stats", "--probe", "3").stdout
    probed = json.loads(mt5gate("stats", "--probe", "3", "--json").stdout)["probe"]

    assert client.asked.count(("ping",)) == client.asked.count(("account_info",)) == 6
    assert "3 × ping, one after the other" in shown
    assert ["terminal", "3", *["1.00", "ms"] * 5] in [line.split() for line in shown.splitlines()]
    assert probed["ping"]["terminal"] == {
        name: timing["terminal"] if name != "count" else 3
        for name in ("count", "mean_ns", "p50_ns", "p99_ns", "p999_ns", "max_ns")
    }


@pytest.mark.parametrize(
    ("condition", "proven", "shown"),
    [("live", True, " live "), ("live", False, " down "), ("lost", False, " lost "), ("dead", False, " dead ")],
)
def test_stats_show_a_worker_without_its_terminal_as_down(
    mt5gate: Any, client: Any, condition: str, proven: bool, shown: str
) -> None:
    worker = {"name": "far-1", "condition": condition, "proven": proven, "reason": "terminal: not found (-10003)"}
    client.answers["stats"] = {"workers": [worker]}
    (line,) = (line for line in mt5gate("stats").stdout.splitlines() if line.startswith("far-1"))
    assert shown in line
    assert line.endswith("terminal: not found (-10003)")


@pytest.mark.parametrize(
    ("journal", "line"),
    [
        ({"entries_refused": "the disk is full"}, "JOURNAL: the disk is full; entries are refused; exits go\n"),
        (
            {"entries_refused": "dead", "exits_refused": "dead"},
            "JOURNAL: dead; entries and exits are refused, see `mt5gate allow-exits --help`\n",
        ),
        (
            {"entries_refused": "dead", "exits_allowed_by": "ann"},
            "JOURNAL: dead; entries are refused; exits go unrecorded, says ann\n",
        ),
    ],
)
def test_stats_begin_with_what_stands_against_recording_orders(
    client: Any, mt5gate: Any, journal: dict[str, str], line: str
) -> None:
    client.answers["stats"] = {"journal": journal}
    assert mt5gate("stats").stdout.startswith(line)
