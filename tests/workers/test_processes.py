"""A worker as it runs: watchdog, child and simulated terminal are processes of their own."""

import contextlib
import dataclasses
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway import process
from gateway.clock import monotonic_ns
from gateway.process import Beat, Child, State, Stop
from gateway.settings import SimulatorSettings, WorkerSettings
from gateway.workers.watchdog import Watchdog

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

HUNG_AFTER_MS = 700


def lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


class Running:
    """Processes of one test."""

    def __init__(self, folder: Path, settings: WorkerSettings, until: Callable[..., None]) -> None:
        address = f"sim://{folder}/terminal.sock"
        self._until = until
        self.simulator = Child("simulator", SimulatorSettings(address=address, log_level="warning"))
        until(lambda: self.simulator.beat.state == State.READY, "the terminal")
        self.settings = dataclasses.replace(
            settings, address=address, hung_after_ms=HUNG_AFTER_MS, connect_timeout_ms=5_000, log_level="critical"
        )
        self.worker = Child("worker", self.settings)

    def child(self) -> psutil.Process:
        """The worker's child, as soon as there is one."""
        found: list[psutil.Process] = []
        self._until(lambda: found.extend(psutil.Process(self.worker.pid).children()) or found, "the worker's child")
        return found[0]

    def end(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(self.simulator.pid).resume()
        self.worker.end()
        self.simulator.end()


@pytest.fixture
def running(folder: Path, settings: WorkerSettings, broker: Any, until: Callable[..., None]) -> Iterator[Running]:
    running = Running(folder, settings, until)
    yield running
    running.end()


def test_calls_reach_the_simulated_terminal(running: Running, broker: Any, until: Any) -> None:
    ready = broker.ready()
    assert ready.tradable, ready.reason
    assert ready.proof["login"] == 50_000_001
    status, tick = broker.returned(broker.call("symbol_info_tick", "EURUSD"))
    assert (status, len(tick)) == (0, 8)
    until(lambda: running.worker.beat.state == State.READY, "the watchdog to be ready")


def test_hung_call_ends_the_child_and_not_the_worker(running: Running, broker: Any, until: Any) -> None:
    first = broker.ready()
    child = running.child()
    psutil.Process(running.simulator.pid).suspend()
    call_id = broker.call("symbol_info_tick", "EURUSD")
    goodbye = broker.goodbye()
    assert (goodbye.epoch, goodbye.reason) == (first.epoch, "a terminal call didn't return in time")
    assert not lives(child)
    assert not any(getattr(message, "call_id", 0) == call_id for _, message in broker.heard)
    psutil.Process(running.simulator.pid).resume()
    second = broker.ready(lambda ready: ready.tradable)
    assert second.epoch > first.epoch
    assert broker.returned(broker.call("symbol_info_tick", "EURUSD"))[0] == 0


def test_killed_child_is_told_at_once_and_replaced(running: Running, broker: Any) -> None:
    first = broker.ready()
    running.child().kill()
    goodbye = broker.goodbye()
    assert (goodbye.epoch, goodbye.reason) == (first.epoch, "ended by SIGKILL")
    assert broker.ready(lambda ready: ready.tradable).epoch > first.epoch


def test_stopped_child_is_killed(settings: WorkerSettings, broker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STALLED_AFTER_NS", 700_000_000)  # in this process: its watchdog is here, too
    stop = Stop()
    quiet = dataclasses.replace(settings, address="sim:///nowhere", log_level="critical")
    watchdog = Watchdog(
        settings.name,
        settings.gateway,
        lambda epoch: Child("worker-child", quiet, epoch=epoch),
        Beat(),
        stop,
        logging.getLogger("test"),
    )
    thread = threading.Thread(target=watchdog.run)
    thread.start()
    first = broker.ready()
    psutil.Process(watchdog._child.pid).suspend()
    goodbye = broker.goodbye()
    second = broker.ready(lambda ready: ready.epoch > first.epoch)
    stop.request()
    thread.join(60.0)
    stop.close()
    assert goodbye.epoch == first.epoch < second.epoch
    assert "stands still" in goodbye.reason or "call" in goodbye.reason


def test_order_that_a_stopped_worker_finds_too_late_is_refused(running: Running, broker: Any, until: Any) -> None:
    broker.ready()
    child = running.child()
    child.suspend()
    call_id = broker.call("order_send", {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0}, ttl_ms=200)
    sent_ns = monotonic_ns()
    until(lambda: monotonic_ns() - sent_ns > 600_000_000, "the order to grow old")
    child.resume()
    assert broker.returned(call_id) == (2, [205, "expired before it began", None])
    assert not broker.has_begun(call_id)


def test_sigterm_drains_and_leaves_nothing(running: Running, broker: Any, until: Any) -> None:
    broker.ready()
    child = running.child()
    psutil.Process(running.worker.pid).send_signal(signal.SIGTERM)
    assert broker.goodbye().reason == "drained"
    until(lambda: running.worker.poll() is not None, "the worker to end")
    assert running.worker.poll() == 0
    assert not lives(child)


def test_interrupt_of_the_shell_is_left_to_the_supervisor(running: Running, broker: Any) -> None:
    broker.ready()
    child = running.child()
    for one in (psutil.Process(running.worker.pid), child):
        one.send_signal(signal.SIGINT)
    assert broker.returned(broker.call("symbol_info_tick", "EURUSD"))[0] == 0
    assert lives(child)


def test_killed_watchdog_takes_its_child_along(running: Running, broker: Any, until: Any) -> None:
    broker.ready()
    child = running.child()
    psutil.Process(running.worker.pid).kill()
    until(lambda: not lives(child), "the child to die with its watchdog")


def test_restarted_broker_finds_the_worker_again(
    running: Running, start_broker: Callable[[], Any], broker: Any
) -> None:
    first = broker.ready()
    broker.close()
    second = start_broker()
    second.generation = 6
    assert second.ready().epoch == first.epoch
    assert second.returned(second.call("symbol_info_tick", "EURUSD"))[0] == 0


def test_child_imports_nothing_heavy(running: Running, broker: Any) -> None:
    """Law 10, on the running process: nothing compiled of ours, nothing of the configuration's and the command's."""
    broker.ready()
    with contextlib.suppress(psutil.AccessDenied):
        files = {mapped.path for mapped in running.child().memory_maps()}
        assert files
        assert not [path for path in files if "fastpath" in path or "pydantic" in path]
