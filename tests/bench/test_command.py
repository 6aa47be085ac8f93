"""`python -m bench`: what is chosen, what is written, what is said of a bench that can't run or fails."""

import json
import os

import pytest

from bench import __main__ as command
from bench import floors, roundtrip
from bench.context import Context, Entry
from bench.floors import Failed
from bench.runner import Block, Measurement, Result, Unavailable


def works(context):
    result = Result("works", "Works", [Measurement("ours", [Block(rate=1_000.0)] * 6)])
    result.state("rate", "ours")
    return result


def is_unavailable(context):
    raise Unavailable("nothing here")


def fails(context):
    raise Failed("it broke\nand this is how")


@pytest.fixture(autouse=True)
def without_floors(monkeypatch):
    def unavailable():
        raise Unavailable("no compiler")

    monkeypatch.setattr(floors, "build", unavailable)


@pytest.fixture
def entries(monkeypatch):
    def put(*runs):
        monkeypatch.setattr(command, "ENTRIES", tuple(Entry(run.__name__, "", run) for run in runs))

    return put


def test_list_names_every_bench(capsys):
    assert command.main(["--list"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == [entry.name for entry in command.ENTRIES]
    assert {"order-ipc", "cached-tcp", "pipelined", "broadcast-single", "micro-codec"} <= set(listed)


def test_names_are_distinct():
    names = [entry.name for entry in command.ENTRIES]
    assert len(set(names)) == len(names)


def test_only_takes_a_name_or_a_group(capsys):
    assert command.main(["--list", "--only", "order", "--only", "cached-ipc"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == ["order-ipc", "order-tcp", "cached-ipc"]


def test_an_unknown_name_is_refused():
    with pytest.raises(SystemExit, match="expected one of floor-ipc"):
        command.main(["--only", "no-such"])


def test_json_and_page_are_written(entries, tmp_path, capsys):
    entries(works, is_unavailable)
    assert command.main(["--json", str(tmp_path / "a.json"), "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "a.json").read_text())
    assert [result["name"] for result in found["results"]] == ["works"]
    assert found["skipped"] == {"noise floor": "no compiler", "is_unavailable": "nothing here"}
    assert json.loads((tmp_path / "out" / "bench.json").read_text()) == found
    assert (tmp_path / "out" / "bench.md").read_text() == capsys.readouterr().out


def test_a_failure_shows_in_the_status_and_the_others_still_run(entries, capsys):
    entries(fails, works)
    assert command.main([]) == command.EXIT_FAILED
    shown = capsys.readouterr()
    assert "## Works" in shown.out
    assert "- fails: failed: it broke" in shown.out
    assert "and this is how" in shown.err


def test_nothing_to_run_shows_in_the_status(entries, capsys):
    entries(is_unavailable)
    assert command.main([]) == command.EXIT_NOTHING_RAN


@pytest.mark.skipif(os.name != "posix", reason="the floors need POSIX")
def test_what_needs_the_floors_is_skipped_without_a_compiler(monkeypatch, capsys):
    monkeypatch.setattr(command, "ENTRIES", roundtrip.ENTRIES[:1])
    assert command.main([]) == command.EXIT_NOTHING_RAN
    assert "- floor-ipc: the floors in C couldn't be built here" in capsys.readouterr().out


def test_length_of_a_run_is_chosen_once(tmp_path):
    assert Context(True, tmp_path, {}).pick("short", "long") == "short"
    assert Context(False, tmp_path, {}).pick("short", "long") == "long"
