"""A worker on another host: joined over tcp, without the supervisor, with its own watchdog."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.wire.errors import GatewayError, NotTradable, Unavailable

CONFIG = """
accounts:
  demo:
    terminal: simulated
    workers: {{trade: 0, watch: 0, query: 0, all: 1}}
  far:
    terminal: remote
broker:
  endpoints: ["ipc://{state_dir}/broker.ipc"]
  worker_endpoints: ["ipc://{state_dir}/workers.ipc", "tcp://127.0.0.1:{port}"]
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Joined:
    """A gateway with an account whose worker comes from elsewhere, and that worker."""

    def __init__(self, start_gateway: Callable[..., Any], state_dir: Path) -> None:
        port = free_port()
        config = state_dir / "mt5gate.yaml"
        config.write_text(CONFIG.format(state_dir=state_dir, port=port))
        self.gateway = start_gateway("--config", str(config))
        (terminal,) = state_dir.glob("*.sock")
        command = [sys.executable, "-P", "-c", "import sys; from gateway.cli import main; sys.exit(main())"]
        options = ["--account", "far", "--terminal", "simulated", "--path", f"sim://{terminal}", "--name", "far-1"]
        self.worker = subprocess.Popen(
            [*command, "worker", "--gateway", f"tcp://127.0.0.1:{port}", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def child(self) -> psutil.Process | None:
        children = psutil.Process(self.worker.pid).children()
        return children[0] if children else None

    def trades(self) -> bool:
        try:
            with self.gateway.client(account="far", timeout=2.0, order_timeout=2.0) as client:
                return client.buy("EURUSD", 0.01).order > 0
        except GatewayError:
            return False


@pytest.fixture
def joined(start_gateway: Callable[..., Any], state_dir: Path) -> Iterator[Joined]:
    running = Joined(start_gateway, state_dir)
    yield running
    running.worker.kill()
    running.worker.wait()


def test_order_reaches_the_far_terminal(joined: Joined, wait_until: Callable[..., None]) -> None:
    wait_until(joined.trades, "a trade through the far worker")


def test_account_nobody_proved_is_refused(start_gateway: Callable[..., Any], state_dir: Path) -> None:
    config = state_dir / "mt5gate.yaml"
    config.write_text(CONFIG.format(state_dir=state_dir, port=free_port()))
    gateway = start_gateway("--config", str(config))
    with gateway.client(account="far") as client, pytest.raises((NotTradable, Unavailable)):
        client.order_send({"action": 1, "symbol": "EURUSD", "volume": 0.01, "type": 0, "price": 1.0})


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_its_own_watchdog_replaces_a_lost_child(
    joined: Joined, wait_until: Callable[..., None], how: signal.Signals
) -> None:
    wait_until(joined.trades, "a trade through the far worker")
    child = joined.child()
    assert child is not None
    os.kill(child.pid, how)
    wait_until(lambda: not child.is_running(), "the end of the child")
    wait_until(joined.trades, "a trade through the new child")


def test_killed_worker_takes_its_child_along(joined: Joined, wait_until: Callable[..., None]) -> None:
    wait_until(joined.trades, "a trade through the far worker")
    child = joined.child()
    assert child is not None
    joined.worker.kill()
    joined.worker.wait()
    wait_until(lambda: not child.is_running(), "the end of the child")


def test_worker_outlives_the_gateway_and_joins_the_next(joined: Joined, wait_until: Callable[..., None]) -> None:
    wait_until(joined.trades, "a trade through the far worker")
    joined.gateway.stop()
    assert joined.worker.poll() is None
    joined.gateway.start()
    wait_until(joined.trades, "a trade with the restarted gateway")


def test_worker_asked_to_end_drains(joined: Joined, wait_until: Callable[..., None]) -> None:
    wait_until(joined.trades, "a trade through the far worker")
    joined.worker.terminate()
    assert joined.worker.wait(30) == 0
