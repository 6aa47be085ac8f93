"""`mt5gate worker` beside the real package: it joins over tcp, says what its terminal lacks, and leaves nothing."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.wire.errors import NotTradable, Unavailable

REASON = "IPC initialize failed, MetaTrader 5 x64 not found (-10003)"
CHILD = "worker-child"
TERMINAL = "terminal-of-the-test"
FIRST_STEP_MS, LAST_STEP_MS = 100, 1_000
ORDER = {"action": 1, "symbol": "EURUSD", "volume": 0.01, "type": 0, "price": 1.1}


def worker_of(gateway: Any, name: str) -> dict[str, Any]:
    return next((worker for worker in gateway.stats()["workers"] if worker["name"] == name), {})


def has_joined(gateway: Any, name: str) -> bool:
    return REASON in worker_of(gateway, name).get("reason", "")


@pytest.fixture(scope="module")
def joined(gateway: Any, wine: Any, worker_command: Callable[[str], list[str]]) -> Iterator[Any]:
    """A worker in Wine that has joined, for the tests which leave it alone."""
    running = type(gateway.running)(worker_command("steady"))
    running.wait_until(lambda: has_joined(gateway, "steady"), "the worker to report its terminal")
    yield running
    for process in wine.processes("--name steady"):
        process.kill()
    running.stop()


def test_it_says_what_its_terminal_said(joined: Any) -> None:
    joined.wait_for(f"terminal: {REASON}")
    joined.wait_for("welcomed by tcp://127.0.0.1:")


def test_it_tries_again_later_each_time(joined: Any) -> None:
    joined.wait_for("the next attempt to connect starts in", 7)
    delays_ms = [int(found) for found in re.findall(r"the next attempt to connect starts in (\d+) ms", joined.text)]
    for number, delay_ms in enumerate(delays_ms):
        step_ms = min(FIRST_STEP_MS * 2**number, LAST_STEP_MS)
        assert step_ms // 2 <= delay_ms <= step_ms


def test_stats_show_it_down_with_the_reason(joined: Any, gateway: Any) -> None:
    shown = gateway.mt5gate("stats")
    assert shown.returncode == 0
    (account,) = (line for line in shown.stdout.splitlines() if line.startswith("far ") and REASON in line)
    assert account.split()[1:4] == ["demo", "no", "no"]
    (worker,) = (line for line in shown.stdout.splitlines() if line.startswith("steady"))
    assert " down " in worker
    assert REASON in worker


def test_client_is_told_why_an_order_is_refused(joined: Any, gateway: Any) -> None:
    with gateway.client() as client, pytest.raises(NotTradable, match=re.escape(REASON)):
        client.order_send(ORDER)
    with gateway.client() as client, pytest.raises(Unavailable, match=re.escape(REASON)):
        client.positions_get()


def test_refused_order_is_settled(joined: Any, gateway: Any) -> None:
    done = gateway.mt5gate("order", "buy", "EURUSD", "0.01")
    assert done.returncode == 3
    assert REASON in done.stderr
    assert "it did not happen" in done.stderr
    stats = gateway.stats()
    assert (stats["in_flight"], stats["unknown"]) == (0, 0)


# --- what ends it -------------------------------------------------------------------------------------------------


class Pair:
    """A worker's two processes."""

    def __init__(self, running: Any, gateway: Any, wine: Any, name: str) -> None:
        self.name, self._wine = name, wine
        before = {process.pid for process in wine.processes(CHILD)}
        self.running = running
        running.wait_until(lambda: has_joined(gateway, name), "the worker to join")
        (self.watchdog,) = wine.processes("python.exe", f"--name {name}")
        (self.child,) = (process for process in wine.processes(CHILD) if process.pid not in before)

    def terminate_watchdog(self) -> None:
        """End it as Windows' task manager does, by TerminateProcess."""
        number = re.search(r"--parent (\d+)", " ".join(self.child.cmdline()))
        assert number is not None
        command = [*self._wine.prefix, self._wine.python, "-c", f"import os; os.kill({number[1]}, 9)"]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)


@pytest.fixture
def pair(
    start: Callable[..., Any], worker_command: Callable[[str], list[str]], gateway: Any, wine: Any, request: Any
) -> Pair:
    name = request.node.name.removeprefix("test_")
    return Pair(start(worker_command(name)), gateway, wine, name)


def test_lost_child_is_replaced(pair: Pair, gateway: Any, wait_until: Callable[..., None]) -> None:
    pair.child.kill()
    wait_until(lambda: worker_of(gateway, pair.name).get("epochs_seen") == 2, "the next child to join")
    wait_until(lambda: has_joined(gateway, pair.name), "its report")
    assert pair.watchdog.is_running()


def test_terminated_watchdog_leaves_nothing(pair: Pair, wait_for_end: Callable[..., None]) -> None:
    pair.terminate_watchdog()
    wait_for_end(pair.watchdog, pair.child)


def test_interrupt_in_its_console_drains(
    start: Callable[..., Any],
    worker_command: Callable[[str], list[str]],
    wine: Any,
    gateway: Any,
    wait_for_end: Callable[..., None],
) -> None:
    command = [part.replace("/", "\\") if part == wine.command else part for part in worker_command("console")[1:]]
    script = f"Z:{Path(__file__).parent / 'inside' / 'interrupt.py'}"
    running = start([*wine.prefix, wine.python, script, "welcomed by", *command])
    running.wait_for("ended with 0")
    assert "drained" in running.text
    found = worker_of(gateway, "console")
    assert (found["condition"], found["reason"]) == ("dead", "drained")
    wait_for_end(*wine.processes("--name console"))


# --- a terminal that never answers --------------------------------------------------------------------------------

LONG_S, SHORT_S = "3600", "10.001"


class Hanging:
    """A worker whose first call has started a terminal and hangs, with the interpreter locked."""

    def __init__(self, start: Callable[..., Any], wine: Any, gateway: Any, limit_s: str) -> None:
        before = {process.pid for process in wine.processes()}

        def new(words: str) -> list[Any]:
            return [process for process in wine.processes(words) if process.pid not in before]

        script = f"Z:{Path(__file__).parent / 'inside' / 'hanging.py'}"
        self.running = start([*wine.prefix, wine.python, script, gateway.workers, limit_s])
        self.running.wait_until(lambda: new(TERMINAL), "the call that hangs")
        (self.terminal,) = new(TERMINAL)
        (self.child,) = new(CHILD)
        (self.watchdog,) = new("hanging.py")


@pytest.fixture
def hang(start: Callable[..., Any], wine: Any, gateway: Any) -> Callable[[str], Hanging]:
    return lambda limit_s: Hanging(start, wine, gateway, limit_s)


def test_child_in_a_hung_call_ends_with_its_watchdog_and_the_terminal_stays(
    hang: Callable[[str], Hanging], wait_for_end: Callable[..., None]
) -> None:
    hanging = hang(LONG_S)
    hanging.watchdog.kill()
    wait_for_end(hanging.watchdog, hanging.child)
    assert hanging.terminal.is_running()


def test_child_in_a_hung_call_is_ended_and_replaced(
    hang: Callable[[str], Hanging], wait_for_end: Callable[..., None]
) -> None:
    hanging = hang(SHORT_S)
    hanging.running.wait_for("is killed: a terminal call didn't return in time")
    wait_for_end(hanging.child)
    hanging.running.wait_for("started, epoch", 2)
