"""`mt5gate simulator`: somebody before the terminal, on the command line."""

import json
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import common
from gateway.terminal.simulated.control import Control
from gateway.terminal.simulated.fault_kinds import FAULTS
from gateway.terminal.simulated.server import serve
from gateway.terminal.simulated.settings import Settings

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this host has no Unix sockets")


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mt5g", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def address(place: Path) -> Iterator[str]:
    """A terminal that runs."""
    settings = Settings(address=f"sim://{place}/terminal.sock", faults={"slow": 0.0})
    ready, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=serve, args=(settings,), kwargs={"ready": ready.set, "should_stop": stop.is_set})
    thread.start()
    try:
        assert ready.wait(20)
        yield settings.address
    finally:
        stop.set()
        thread.join(20)


@pytest.fixture
def simulator(mt5gate: Any, address: str) -> Any:
    def run(*arguments: str) -> Any:
        return mt5gate("simulator", *arguments, "--address", address)

    return run


def test_fault_is_scripted_and_listed(simulator: Any) -> None:
    assert simulator("fault", "slow", "ms=250", "--call", "order_send", "--count", "2", "--skip", "1").exit_code == 0
    assert simulator("fault", "disconnected", "ms=0").exit_code == 0
    assert simulator("fault", "hung", "executed=yes", "--symbol", "EURUSD").exit_code == 0

    rows = [json.loads(line) for line in simulator("faults", "--json").stdout.splitlines()]
    assert [(row["fault"], row["state"]) for row in rows] == [
        ("disconnected", "in force"),
        ("slow", "scripted"),
        ("hung", "scripted"),
        ("slow", "at random"),
    ]
    assert (rows[1]["left"], rows[1]["skip"], rows[1]["parameters"]) == (2, 1, {"ms": 250})
    assert rows[2]["parameters"] == {"executed": True}
    shown = simulator("faults").stdout
    assert "until cleared" in shown
    assert "2 calls" in shown
    assert "at random, 0 %" in shown

    simulator("clear", "slow")
    assert simulator("faults").stdout.count("slow") == 1
    simulator("clear")
    assert len(simulator("faults", "--json").stdout.splitlines()) == 1


def test_trading_by_hand(simulator: Any) -> None:
    bought = json.loads(simulator("buy", "EURUSD", "0.2", "--comment", "mine", "--json").stdout)
    assert (bought["retcode"], bought["volume"]) == (10009, 0.2)
    assert "10009 done" in simulator("sell", "XAUUSD", "0.1").stdout
    assert "10009 done" in simulator("close", str(bought["order"]), "--volume", "0.1").stdout

    assert json.loads(simulator("status", "--json").stdout)["positions"] == 2


def test_refused_trade_is_a_refusal(simulator: Any) -> None:
    refused = simulator("buy", "EURUSD", "0.001")

    assert refused.exit_code == common.EXIT_REFUSED
    assert "10014 invalid volume" in refused.stderr


def test_money(simulator: Any) -> None:
    assert simulator("deposit", "500.5").stdout == "balance 100500.50\n"
    assert json.loads(simulator("withdraw", "0.5", "--json").stdout) == {"balance": 100_500.0}
    assert simulator("withdraw", "1000000").exit_code == common.EXIT_USAGE


def test_switches(simulator: Any, address: str) -> None:
    for name in ("autotrading", "api", "connection"):
        assert simulator(name, "off").exit_code == 0
    assert simulator("account", "77").exit_code == 0
    with Control(address) as control:
        status = control.status()
    assert (status["autotrading"], status["api"], status["connected"], status["login"]) == (False, False, False, 77)
    shown = simulator("status").stdout
    assert "account      77 on MT5Gate-Demo" in shown
    assert "autotrading  no" in shown

    assert simulator("reset").exit_code == 0
    assert "autotrading  yes" in simulator("status").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("fault", "nonsense"), "expected one of ipc_lost_before"),
        (("fault", "slow", "ms"), "expected KEY=VALUE, got 'ms'"),
        (("fault", "slow", "ms=soon"), "ms: expected a whole number, got 'soon'"),
        (("fault", "slow", "s=1"), "slow: takes ms, got s"),
        (("fault", "hung", "executed=perhaps"), "executed: expected true or false"),
        (("fault", "slow", "--call", "order_sned"), "expected one of the package's functions"),
        (("close", "1"), "expected an open position's, got 1"),
        (("autotrading", "maybe"), "'maybe'"),
    ],
)
def test_what_cant_be_meant_is_usage(simulator: Any, arguments: tuple[str, ...], says: str) -> None:
    result = simulator(*arguments)

    assert result.exit_code == common.EXIT_USAGE
    assert says in " ".join(result.stderr.replace("│", " ").split())


def test_no_terminal_is_nobody_there(mt5gate: Any, place: Path) -> None:
    result = mt5gate("simulator", "status", "--address", f"sim://{place}/nobody.sock")

    assert result.exit_code == common.EXIT_NO_GATEWAY
    assert "no simulated terminal at" in result.stderr
    assert "it did not happen" in result.stderr
    assert mt5gate("simulator", "status", "--address", "tcp://host:1").exit_code == common.EXIT_USAGE


def test_terminal_that_ends_meanwhile_may_have_done_it(mt5gate: Any, place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{place}/ends.sock")
        listener.listen()
        for command, status in ((("status",), common.EXIT_NO_GATEWAY), (("buy", "EURUSD", "1"), common.EXIT_UNKNOWN)):
            thread = threading.Thread(target=lambda: listener.accept()[0].close())
            thread.start()
            result = mt5gate("simulator", *command, "--address", f"sim://{place}/ends.sock")
            thread.join(20)

            assert result.exit_code == status
            assert "no answer to sim." in result.stderr


def test_terminal_is_found_by_the_configuration(
    mt5gate: Any, place: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    (place / "mt5gate.yaml").write_text(
        f"state_dir: {place}\n"
        "default_account: demo\n"
        "accounts:\n"
        "  live: {terminal: remote, mode: demo}\n"
        "  demo: {terminal: simulated}\n"
    )

    assert "running      yes" in mt5gate("simulator", "status").stdout
    assert "running      yes" in mt5gate("simulator", "status", "--account", "demo").stdout
    unknown = mt5gate("simulator", "status", "--account", "live")
    assert unknown.exit_code == common.EXIT_USAGE
    assert "expected one of demo, got 'live'" in " ".join(unknown.stderr.replace("│", " ").split())
    (place / "mt5gate.yaml").write_text("accounts: {live: {terminal: remote}}\n")
    assert mt5gate("simulator", "status").exit_code == common.EXIT_USAGE


def test_help_tells_every_fault(mt5gate: Any) -> None:
    shown = mt5gate("simulator", "fault", "--help").stdout

    for name, fault in FAULTS.items():
        assert name in shown
        assert all(f"{key}=" in shown for key in fault.parameters)
