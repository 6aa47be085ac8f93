"""A broker and what is around it, all real: a simulated terminal, a worker, clients; its journal where it is told.

Terminal and worker are processes; the broker is one, too, or a thread where a test stands between it and its disk.
"""

import dataclasses
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clients import Client
from gateway import config
from gateway.broker import Broker
from gateway.process import Child, State
from gateway.settings import BrokerSettings
from gateway.terminal.simulated.control import Control
from gateway.wire import constants as mt5
from gateway.wire.errors import GatewayError

DEADLINE_S = 60.0


def wait_until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited {DEADLINE_S:.0f} s for: {what}")
        time.sleep(0.01)


class Terminal:
    """A simulated terminal in a process of its own, for all tests of a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        overrides = {
            "state_dir": str(folder),
            "simulator": {"seed": 7, "state": False},
            "accounts": {"demo": {"workers": {"trade": 0, "watch": 0, "query": 0, "all": 1}}},
        }
        self.config = config.load(overrides=overrides, environ={})
        (settings,) = self.config.simulator_settings()
        self.address = settings.address
        self._child = Child("simulator", settings)
        wait_until(lambda: self._child.beat.state == State.READY, "the simulated terminal")

    def end(self) -> None:
        self._child.end()


class Plane:
    """One gateway's order plane at that terminal; `state_dir` may be anywhere, sockets lie in a folder of its own."""

    def __init__(self, terminal: Terminal, state_dir: Path, durability: str, in_thread: bool = False) -> None:
        self.state_dir = state_dir
        self._folder = Path(tempfile.mkdtemp(prefix="mt5g", dir="/tmp"))
        self.endpoint = f"ipc://{self._folder}/broker.ipc"
        self.settings: BrokerSettings = dataclasses.replace(
            terminal.config.broker_settings(),
            state_dir=str(state_dir),
            endpoints=(self.endpoint,),
            worker_endpoints=(f"ipc://{self._folder}/workers.ipc",),
            durability=durability,
            boards={},
            session_timeout_ms=60_000,
        )
        (settings,) = terminal.config.worker_settings()
        self._worker_settings = dataclasses.replace(settings, gateway=self.settings.worker_endpoints[0])
        self._in_thread = in_thread
        self._broker: Child | None = None
        self._thread: threading.Thread | None = None
        self.inside: Broker | None = None
        self._worker: Child | None = None

    def start(self) -> None:
        """Start a broker, and a worker if there is none; return when orders would be taken, or refused for a reason."""
        if self._in_thread:
            self.inside = Broker(self.settings, logging.getLogger("test"))
            self._thread = threading.Thread(target=self.inside.serve)
            self._thread.start()
        else:
            self._broker = Child("broker", self.settings)
        if self._worker is None:
            self._worker = Child("worker", self._worker_settings)
        with self.client() as client:
            wait_until(lambda: _is_tradable(client), "the worker to be proven")

    def kill(self) -> None:
        """End the broker as `kill -9` does."""
        assert self._broker is not None
        self._broker.end()
        self._broker = None

    def stop(self) -> None:
        """End the broker in order."""
        if self._broker is not None:
            self._broker.request_stop()
            child = self._broker
            wait_until(lambda: child.poll() is not None, "the broker to end")
            self.kill()
        if self.inside is not None:
            self.inside.stop()
            assert self._thread is not None
            self._thread.join(DEADLINE_S)
            assert not self._thread.is_alive()
            self.inside = None

    def client(self, client_id: str = "") -> Client:
        return Client(self.endpoint, client_id=client_id or None)

    def end(self) -> None:
        if self._worker is not None:
            self._worker.end()
        if self._broker is not None:
            self.kill()
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _is_tradable(client: Client) -> bool:
    try:
        return bool(client.accounts()[0]["tradable"])
    except GatewayError:
        return False


@pytest.fixture(scope="module")
def shared_terminal() -> Iterator[Terminal]:
    folder = Path(tempfile.mkdtemp(prefix="mt5g", dir="/tmp"))
    terminal = Terminal(folder)
    yield terminal
    terminal.end()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def terminal(shared_terminal: Terminal) -> Terminal:
    """The file's terminal with nothing in its books."""
    with Control(shared_terminal.address) as control:
        control.reset()
    return shared_terminal


@pytest.fixture
def make_plane(terminal: Terminal) -> Iterator[Callable[..., Plane]]:
    made: list[Plane] = []

    def make(state_dir: Path, durability: str = "process", in_thread: bool = False) -> Plane:
        made.append(Plane(terminal, state_dir, durability, in_thread))
        return made[-1]

    yield make
    for plane in made:
        plane.end()


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="mt5g", dir="/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def until() -> Callable[[Callable[[], object], str], None]:
    return wait_until


@pytest.fixture
def market() -> dict[str, Any]:
    """A market order that the simulated terminal takes."""
    return {
        "action": mt5.TRADE_ACTION_DEAL,
        "symbol": "EURUSD",
        "volume": 0.01,
        "type": mt5.ORDER_TYPE_BUY,
        "type_filling": mt5.ORDER_FILLING_FOK,
        "deviation": 1_000,
    }


class SmallDisk:
    """A file system of a few megabytes, which can be filled and given room again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """Leave not one block free."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (65_536, 4_096):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    pass

    def give_room(self) -> None:
        self._filler.unlink()


@pytest.fixture
def small_disk() -> Iterator[SmallDisk]:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux may mount a small file system to fill")
    path = Path(tempfile.mkdtemp(prefix="mt5g", dir="/tmp"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        path.rmdir()
        pytest.skip(f"a tmpfs can't be mounted here: {done.stderr.strip()}")
    yield SmallDisk(path)
    subprocess.run(["umount", "-l", str(path)], check=True)
    path.rmdir()
