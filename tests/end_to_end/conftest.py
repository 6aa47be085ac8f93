"""A whole gateway in processes of its own, in a folder of its own; everything it started is gone afterwards."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from clients import Client, TickStream
from gateway.wire.structs import TICK_DTYPE

DEADLINE_SECONDS = 60.0
"""How long any condition is waited for before the test fails: an order above what the slowest machine needs."""

COMMAND = [sys.executable, "-P", "-c", "import sys; from gateway.cli import main; sys.exit(main())"]
DATA = Path(__file__).parents[2].parent / "shared" / "data"


def _wait_until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Return as soon as the condition holds; fail, saying what was waited for, if it doesn't."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds:.0f} s for: {what}")
        time.sleep(0.02)


def environment() -> dict[str, str]:
    """The test's own environment without any of the gateway's settings."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("MT5GATE_", "MT5_"))}


class Gateway:
    """One `mt5gate run`, with its output, endpoints and processes."""

    def __init__(self, state_dir: Path, *options: str) -> None:
        self.state_dir = state_dir
        self.endpoint = f"ipc://{state_dir}/broker.ipc"
        self.tick_endpoint = f"ipc://{state_dir}/ticks.ipc"
        self.options = options
        self.output: list[str] = []
        self.seen: set[psutil.Process] = set()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "run", "--state-dir", str(self.state_dir), *self.options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(),
            cwd=self.state_dir,
        )
        self.output = []
        self._reader = threading.Thread(target=self._read, args=(self.process, self.output), daemon=True)
        self._reader.start()
        _wait_until(self._is_up, f"the gateway to be up; it said:\n{''.join(self.output)}")
        self.processes()

    def _is_up(self) -> bool:
        if self.process.poll() is not None:
            pytest.fail(f"the gateway ended with {self.process.returncode}:\n{''.join(self.output)}")
        return any("ready" in line for line in self.output)

    @staticmethod
    def _read(process: "subprocess.Popen[str]", output: list[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            output.extend(iter(process.stdout.readline, ""))

    def processes(self) -> list[psutil.Process]:
        """The supervisor's descendants that live now."""
        try:
            found = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            found = []
        self.seen.update(found)
        return found

    def role(self, *words: str) -> psutil.Process:
        """The first process whose command line has all the words; waits for it."""
        found: list[psutil.Process] = []

        def look() -> bool:
            for process in self.processes():
                try:
                    if all(word in process.cmdline() for word in words) and process.status() != psutil.STATUS_ZOMBIE:
                        found.append(process)
                except psutil.NoSuchProcess:
                    continue
            return bool(found)

        _wait_until(look, f"a process with {words}")
        return found[0]

    def client(self, **options: object) -> Client:
        return Client(self.endpoint, **options)  # type: ignore[arg-type]

    def ticks(self, *symbols: str, **options: object) -> TickStream:
        return TickStream(self.tick_endpoint, symbols, **options)  # type: ignore[arg-type]

    def command(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run `mt5gate …` against this gateway, as a user in a second shell would."""
        names = {"MT5GATE_ENDPOINT": self.endpoint, "MT5GATE_TICK_ENDPOINT": self.tick_endpoint}
        done = subprocess.run(
            [*COMMAND, *arguments],
            capture_output=True,
            text=True,
            env=environment() | names,
            timeout=DEADLINE_SECONDS,
            cwd=self.state_dir,
        )
        if check:
            assert done.returncode == 0, done.stderr + done.stdout
        return done

    def left_behind(self) -> list[psutil.Process]:
        return [process for process in self.seen if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]

    def stop(self) -> int:
        """End it as a service manager would, and return its exit status."""
        self.processes()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        try:
            status = self.process.wait(DEADLINE_SECONDS)
        finally:
            self.process.kill()
            for process in self.left_behind():
                process.kill()
        self._reader.join()
        return status


@pytest.fixture
def wait_until() -> Callable[..., None]:
    return _wait_until


@pytest.fixture
def read_export() -> Callable[[Path], "np.ndarray"]:
    return _read_export


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A short path: a Unix socket's name has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="mt5g", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def start_gateway(state_dir: Path) -> Iterator[Callable[..., Gateway]]:
    running: list[Gateway] = []

    def start(*options: str) -> Gateway:
        gateway = Gateway(state_dir, *options)
        running.append(gateway)
        gateway.start()
        return gateway

    yield start
    for gateway in running:
        gateway.stop()


@pytest.fixture
def own_gateway(start_gateway: Callable[..., Gateway]) -> Gateway:
    """A gateway on the synthetic market for this test alone, which may break it."""
    return start_gateway("--seed", "7")


@pytest.fixture(scope="module")
def module_gateway() -> Iterator[Gateway]:
    path = Path(tempfile.mkdtemp(prefix="mt5g", dir="/tmp"))
    running = Gateway(path, "--seed", "7")
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def gateway(module_gateway: Gateway) -> Gateway:
    """A gateway on the synthetic market, shared by a file's tests, with no position and no order at the start."""
    with module_gateway.client() as client:
        for position in client.positions_get() or ():
            client.close(position.ticket)
        for order in client.orders_get() or ():
            client.cancel(order.ticket)
    return module_gateway


@pytest.fixture(scope="module")
def observed_gateway() -> Iterator[Gateway]:
    """A gateway on a fast market, which "auditor" may observe; shared by this file's tests."""
    path = Path(tempfile.mkdtemp(prefix="mt5g", dir="/tmp"))
    config = path / "mt5gate.yaml"
    config.write_text("broker: {observers: [auditor]}\n")
    running = Gateway(path, "--seed", "7", "--speed", "50", "--config", str(config))
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(path, ignore_errors=True)


def write_export(path: Path, ticks: "np.ndarray", digits: int) -> None:
    """Write ticks as MT5 exports them: what a tick's flags don't name stays empty."""
    lines = ["<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>"]
    for tick in ticks:
        msc = int(tick["time_msc"])
        when = time.strftime("%Y.%m.%d\t%H:%M:%S", time.gmtime(msc // 1_000))
        bid = f"{tick['bid']:.{digits}f}" if tick["flags"] & 2 else ""
        ask = f"{tick['ask']:.{digits}f}" if tick["flags"] & 4 else ""
        lines.append(f"{when}.{msc % 1_000:03d}\t{bid}\t{ask}\t\t\t{tick['flags']}")
    path.write_text("\n".join(lines) + "\n", "ascii")


def generated_ticks(seed: int, count: int, start_msc: int, price: float, digits: int) -> "np.ndarray":
    """A random walk with everything a real export has: one-sided changes, and several ticks in one millisecond."""
    random = np.random.default_rng(seed)
    ticks = np.zeros(count, TICK_DTYPE)
    ticks["time_msc"] = start_msc + np.cumsum(random.integers(0, 400, count) * (random.random(count) > 0.2))
    ticks["time"] = ticks["time_msc"] // 1_000
    ticks["flags"] = random.choice([2, 4, 6], count)
    ticks["flags"][0] = 6
    point = 10.0**-digits
    bid, ask = price, price + 10 * point
    for tick in ticks:
        if tick["flags"] & 2:
            bid = round(bid + point * int(random.integers(-5, 6)), digits)
        if tick["flags"] & 4:
            ask = round(bid + point * int(random.integers(1, 20)), digits)
        tick["bid"], tick["ask"] = bid, ask
    return ticks


def _read_export(path: Path) -> "np.ndarray":
    """Read an export on our own: an empty BID or ASK means unchanged."""
    rows = []
    bid = ask = 0.0
    for line in path.read_text("ascii").splitlines()[1:]:
        date, clock, bid_text, ask_text, _last, _volume, flags = line.split("\t")
        seconds = int(np.datetime64(date.replace(".", "-") + "T" + clock[:8], "s").astype(int))
        bid = float(bid_text) if bid_text else bid
        ask = float(ask_text) if ask_text else ask
        rows.append((seconds, bid, ask, 0.0, 0, seconds * 1_000 + int(clock[9:]), int(flags), 0.0))
    return np.array(rows, TICK_DTYPE)


@pytest.fixture(params=["recorded", "generated"])
def exports(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Path]:
    """Tick files by symbol: the real ones where they lie beside the project, and generated ones everywhere."""
    if request.param == "recorded":
        files = {symbol: DATA / f"{symbol}_ticks.csv" for symbol in ("EURUSD", "USDJPY")}
        if not all(path.exists() for path in files.values()):
            pytest.skip("the recorded ticks aren't beside the project")
        return files
    files = {}
    for symbol, price, digits in (("EURUSD", 1.1, 5), ("USDJPY", 109.6, 3)):
        files[symbol] = tmp_path / f"{symbol}_ticks.csv"
        write_export(files[symbol], generated_ticks(len(files), 5_000, 1_577_916_000_000, price, digits), digits)
    return files
