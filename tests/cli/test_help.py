"""Help teaches: every command says what it does and shows how, and the exit statuses are part of it."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from gateway import cli
from gateway.cli import common


def commands(command: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, below in getattr(command, "commands", {}).items():
        yield (*above, name)
        yield from commands(below, (*above, name))


ALL = sorted(commands(typer.main.get_command(cli.app)))


def test_every_command_is_there() -> None:
    assert {" ".join(path) for path in ALL} == {
        *("run", "worker", "feed", "ticks", "quote", "positions", "orders", "account", "symbols", "history", "stats"),
        *("exec", "events", "order", "order buy", "order sell", "order close", "order modify", "order cancel"),
        "order resolve",
        *("order list", "order status", "journal", "journal show", "journal verify"),
        *("kill", "resume", "flatten", "switches", "allow-exits", "limits", "limits show", "limits set"),
        *("config", "config check", "config show", "version", "simulator"),
        *(f"simulator {name}" for name in ("fault", "faults", "clear", "buy", "sell", "close", "deposit", "withdraw")),
        *(f"simulator {name}" for name in ("autotrading", "api", "connection", "account", "reset", "status")),
    }


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_has_examples_that_are_of_this_command(mt5gate: Any, path: tuple[str, ...]) -> None:
    result = mt5gate(*path, "--help")

    assert result.exit_code == 0
    _, _, examples = result.stdout.partition("Example")
    assert f"mt5gate {' '.join(path)}" in examples


SILENT = {
    *(("run",), ("worker",), ("feed",), ("exec",), ("order",), ("journal",), ("simulator",), ("limits",)),
    *(("config",), ("config", "check")),
    *(("simulator", name) for name in ("fault", "clear", "autotrading", "api", "connection", "account", "reset")),
}
"""Groups, and commands whose answer is a log, an exit status or somebody else's."""


@pytest.mark.parametrize("path", [path for path in ALL if path not in SILENT], ids=" ".join)
def test_what_is_printed_can_be_had_as_json(mt5gate: Any, path: tuple[str, ...]) -> None:
    assert "--json" in mt5gate(*path, "--help").stdout


def test_help_tells_the_exit_statuses(mt5gate: Any) -> None:
    shown = mt5gate("--help").stdout

    for status in (
        "0  done",
        "1  refused",
        "2  usage",
        "3  nobody there",
        "4  an order left and its outcome is unknown",
    ):
        assert f"\n    {status}" in shown


def test_no_command_shows_the_help(mt5gate: Any) -> None:
    assert "Usage: " in mt5gate().output


@pytest.mark.parametrize(("ended", "status"), [(SystemExit(3), 3), (SystemExit(None), 0), (SystemExit("text"), 1)])
def test_main_returns_the_exit_status(monkeypatch: pytest.MonkeyPatch, ended: SystemExit, status: int) -> None:
    def app(**_: Any) -> None:
        raise ended

    monkeypatch.setattr(cli, "app", app)

    assert cli.main() == status


def test_interrupt_of_a_read_ends_without_a_word(client: Any, mt5gate: Any) -> None:
    client.answers["positions_get"] = KeyboardInterrupt()

    result = mt5gate("positions")

    assert result.exit_code == common.EXIT_INTERRUPTED
    assert result.output == ""
