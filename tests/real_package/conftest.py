"""Windows' Python under Wine, with the real MetaTrader5 package and mt5gate's pure wheel, as `.ci/wine` sets it up.

`make test-wine` says in REAL_PACKAGE where that is; without it these tests are skipped. No terminal is installed there.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from clients import Client

INSIDE = Path(__file__).parent / "inside"
REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference"
DEADLINE_SECONDS = 90.0
"""For what takes seconds: a loaded machine starts Windows' Python slowly."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.wine)
            item.add_marker(pytest.mark.timeout(300))


def _wait_until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds:.0f} s for: {what}")
        time.sleep(0.05)


class Running:
    """A process and the lines it has written."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            **options,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            self.lines.extend(iter(self.process.stdout.readline, ""))

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def wait_for(self, words: str, count: int = 1) -> None:
        """Wait until so many lines have these words."""
        self.wait_until(lambda: sum(words in line for line in self.lines) >= count, f"{count} × {words!r}")

    def wait_until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait for what this process brings about; fail, with all it has said, if it ends or doesn't."""

        def holds() -> bool:
            if condition():
                return True
            if self.process.poll() is not None:
                pytest.fail(f"it ended before: {what}")
            return False

        try:
            _wait_until(holds, what)
        except pytest.fail.Exception as failure:
            pytest.fail(f"{failure}; it said:\n{self.text}")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join()


class Wine:
    """Windows' Python: scripts run to their end, programs that stay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = [str(folder / "wine")]
        self.python = str(folder / "python" / "python.exe")
        self.command = str(folder / "python" / "Scripts" / "mt5gate.exe")

    def run(self, script: str, *arguments: str) -> Any:
        """Run a script of `inside` to its end, and return the JSON it printed."""
        done = subprocess.run(
            [*self.prefix, self.python, "-X", "utf8", f"Z:{INSIDE / script}", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def processes(self, *words: str) -> list[psutil.Process]:
        """Every Windows process, but for Windows' own, whose command line has all the words."""
        found = []
        for process in psutil.process_iter():
            try:
                line = " ".join(process.cmdline())
                if process.environ().get("WINEPREFIX") != self.prefix_folder:
                    continue
            except psutil.Error:  # it has gone, or is only waiting to be reaped
                continue
            if ".exe" in line and "windows\\system32" not in line.lower() and all(word in line for word in words):
                found.append(process)
        return found

    @property
    def prefix_folder(self) -> str:
        return str(self.folder / "prefix")

    def close(self) -> None:
        subprocess.run([str(self.folder / "wineserver"), "-k"], check=False)


@pytest.fixture(scope="session")
def wine() -> Iterator[Wine]:
    place = os.environ.get("REAL_PACKAGE")
    if not place:
        pytest.skip("needs Windows' Python under Wine: `make test-wine` sets it up")
    running = Wine(Path(place).resolve())
    yield running
    running.close()


@pytest.fixture(scope="session")
def reference() -> Callable[[str], Path]:
    """Where a file about the package is, beside the project."""

    def find(name: str) -> Path:
        path = REFERENCE / name
        if not path.exists():
            pytest.skip(f"{name} isn't beside the project")
        return path

    return find


class Gateway:
    """A gateway on this host whose only account has its worker in Wine, reached over tcp."""

    COMMAND = (sys.executable, "-P", "-c", "import sys; from gateway.cli import main; sys.exit(main())")

    def __init__(self, state_dir: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.endpoint = f"ipc://{state_dir}/broker.ipc"
        self.workers = f"tcp://127.0.0.1:{port}"
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(("MT5GATE_", "MT5_"))}
        config = state_dir / "mt5gate.yaml"
        config.write_text(
            f"state_dir: {state_dir}\naccounts: {{far: {{terminal: remote}}}}\n"
            f'broker: {{endpoints: ["{self.endpoint}"], worker_endpoints: ["{self.workers}"]}}\n'
        )
        self.running = Running([*self.COMMAND, "run", "--config", str(config)], env=self.environment, cwd=state_dir)
        self.running.wait_for("ready")

    def client(self) -> Client:
        return Client(self.endpoint)

    def mt5gate(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the command as a user in a second shell would."""
        return subprocess.run(
            [*self.COMMAND, *arguments, "--endpoint", self.endpoint],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    def stats(self) -> dict[str, Any]:
        with self.client() as client:
            return client.stats()


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    state_dir = Path(tempfile.mkdtemp(prefix="mt5g", dir="/tmp"))
    made = Gateway(state_dir)
    yield made
    made.running.stop()
    shutil.rmtree(state_dir, ignore_errors=True)


@pytest.fixture
def start(wine: Wine) -> Iterator[Callable[..., Running]]:
    """Start a program in Wine; everything of it is ended afterwards."""
    before = {process.pid for process in wine.processes()}
    started: list[Running] = []

    def run(command: list[str], **options: Any) -> Running:
        started.append(Running(command, **options))
        return started[-1]

    yield run
    for process in wine.processes():
        if process.pid not in before:
            process.kill()
    for running in started:
        running.stop()


@pytest.fixture(scope="module")
def worker_command(wine: Wine, gateway: Gateway) -> Callable[[str], list[str]]:
    """Make the command line that runs `mt5gate worker` in Wine, under a name."""

    def make(name: str) -> list[str]:
        options = ["--gateway", gateway.workers, "--account", "far", "--name", name, "--log-level", "debug"]
        return [*wine.prefix, wine.command, "worker", *options]

    return make


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture(scope="session")
def wait_for_end() -> Callable[..., None]:
    def wait(*processes: psutil.Process) -> None:
        _wait_until(lambda: all(is_gone(process) for process in processes), f"the end of {processes}")

    return wait


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    return _wait_until
