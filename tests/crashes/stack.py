"""A whole gateway and its strategies as real processes in a folder of their own, to be killed, frozen and brought back.

The gateway is the very command that users run; all that is added is a folder on its PYTHONPATH (see `injection`), and
short waits before a process is started again, since here everything dies every few seconds.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from clients import Client
from gateway.terminal.port import Login
from gateway.terminal.simulated.connection import SimulatedConnection
from gateway.wire.errors import GatewayError
from tests.crashes.injection.crash_points import Board

__all__ = ("SETTLE_MS", "Broken", "Stack", "waited")

HERE: Final = Path(__file__).parent
COMMAND: Final = (sys.executable, "-P", "-c", "import sys; from gateway.cli import main; sys.exit(main())")
WORKERS: Final = ("demo-trade-1", "demo-watch-1", "demo-query-1", "demo-query-2")
MEMBERS: Final = (
    "simulator",
    "broker",
    "publisher",
    *(f"{role} {name}" for name in WORKERS for role in ("worker", "worker-child")),
    "feed demo",
    "feed-child demo",
)
"""Every process of the default pool, beside its supervisor."""

SETTLE_MS: Final = 300
"""How long the terminal must show nothing of an order before it counts as not executed. Short, for the simulated
terminal shows what it does at once; a real one's ledger may lag, and has a minute."""

SEGMENT_BYTES: Final = 100_000
"""Of the journal: small, so that segments are begun and dropped in every run."""

BACK_WITHIN_S: Final = 60.0
"""After so long a service that isn't there has failed to come back."""

ACCOUNT: Final = 50_000_001


class Broken(Exception):
    """What must hold doesn't, so plainly that going on makes no sense."""


def waited(condition: Callable[[], object], seconds: float = BACK_WITHIN_S, pause_s: float = 0.01) -> bool:
    """Wait until a condition holds; tell whether it came to that."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause_s)
    return True


@dataclass
class Life:
    """One life of a strategy."""

    process: "subprocess.Popen[bytes]"
    number: int
    killed: bool = False


@dataclass
class Stack:
    """One state folder with everything that runs in it."""

    seed: int
    strategies: int = 3
    mutation: str = ""
    durability: str = "process"
    segment_bytes: int = SEGMENT_BYTES
    root: Path | None = None
    """The source tree to run from; None: the installed package."""
    state_dir: Path = field(init=False)
    lives: list[Life] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        shared = Path("/dev/shm")
        self.state_dir = Path(tempfile.mkdtemp(prefix="mt5g", dir=shared if shared.is_dir() else "/tmp"))
        (self.state_dir / "pids").mkdir()
        self.endpoint = f"ipc://{self.state_dir}/broker.ipc"
        self.address = f"sim://{self.state_dir}/terminal.sock"
        self.board = Board(self.state_dir / "board")
        (self.state_dir / "mt5gate.yaml").write_text(
            f"broker: {{observers: [auditor], durability: {self.durability}}}\n"
            f"accounts: {{demo: {{terminal: simulated, settle_ms: {SETTLE_MS},"
            f" simulator: {{seed: {self.seed}, deposit: 10000000}}}}}}\n",
            "utf-8",
        )
        self.log = (self.state_dir / "log").open("ab")
        self.supervisor: subprocess.Popen[bytes] | None = None
        self.seen: set[int] = set()

    # --- starting and ending ----------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        found = {
            key: value for key, value in os.environ.items() if not key.startswith(("MT5GATE_", "MT5_", "CRASHES_"))
        }
        places = [str(HERE / "injection")] + ([str(self.root)] if self.root else [])
        return found | {
            "PYTHONPATH": os.pathsep.join(places),
            "CRASHES_BOARD": str(self.state_dir / "board"),
            "CRASHES_SEGMENT_BYTES": str(self.segment_bytes),
            "CRASHES_MUTATION": self.mutation,
        }

    def start(self) -> None:
        """Start the gateway; it is up when `is_back` says so."""
        self.supervisor = subprocess.Popen(
            [*COMMAND, "run", "--state-dir", str(self.state_dir), "--config", str(self.state_dir / "mt5gate.yaml")],
            stdout=self.log,
            stderr=self.log,
            env=self.environment(),
            cwd=self.state_dir,
        )

    def keep_running(self) -> list[str]:
        """Start again what has died and nobody else starts; return what is wrong with how it died."""
        wrong = []
        if self.supervisor is None or self.supervisor.poll() is not None:
            if self.supervisor is not None and self.supervisor.returncode != -signal.SIGKILL:
                wrong.append(f"the supervisor ended with {self.supervisor.returncode}")
            self.start()
        for index, life in enumerate(self.lives):
            status = life.process.poll()
            if status is not None:
                if status != -signal.SIGKILL:
                    wrong.append(f"strategy {index} ended with {status}; see {self.state_dir / 'log'}")
                self.lives[index] = self.begin_life(index, life.number + 1)
        while len(self.lives) < self.strategies:
            self.lives.append(self.begin_life(len(self.lives), 0))
        return wrong

    def begin_life(self, index: int, number: int) -> Life:
        options = {
            "--endpoint": self.endpoint,
            "--board": self.state_dir / "board",
            "--notes": self.notes(index),
            "--index": index,
            "--life": number,
            "--seed": self.seed,
        }
        words = [str(word) for option in options.items() for word in option]
        process = subprocess.Popen(
            [sys.executable, "-P", str(HERE / "strategy.py"), *words],
            stdout=self.log,
            stderr=self.log,
            env=self.environment(),
            cwd=self.state_dir,
        )
        return Life(process, number)

    def notes(self, index: int) -> Path:
        """Return where a strategy keeps its intents and what it was told."""
        return self.state_dir / f"strategy-{index}.notes"

    def stop(self) -> int | None:
        """End everything, in order where that is possible; return the supervisor's exit status."""
        for life in self.lives:
            life.process.kill()
            life.process.wait()
        status = None
        if self.supervisor is not None:
            self.processes()
            with suppress(ProcessLookupError):
                self.supervisor.send_signal(signal.SIGCONT)
            self.supervisor.terminate()
            try:
                status = self.supervisor.wait(BACK_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.supervisor.kill()
                self.supervisor.wait()
        self.log.close()
        return status

    def left_behind(self) -> list[int]:
        """End what runs on though its supervisor has ended; return what that was."""
        waited(lambda: not any(is_running(pid) for pid in self.seen), 5.0)
        found = [pid for pid in self.seen if is_running(pid)]
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        return found

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.state_dir, ignore_errors=True)

    # --- processes --------------------------------------------------------------------------------------------------

    def processes(self) -> dict[str, int]:
        """Return the gateway's processes that run now by their title, "broker" or "worker-child demo-trade-1"."""
        found: dict[str, int] = {}
        if self.supervisor is not None and self.supervisor.poll() is None:
            found["supervisor"] = self.supervisor.pid
        for note in list((self.state_dir / "pids").iterdir()):
            if note.suffix or not note.name.isdigit():
                continue
            pid = int(note.name)
            if is_running(pid):
                found[note.read_text().strip()] = pid
                self.seen.add(pid)
            else:
                note.unlink(missing_ok=True)
        for index, life in enumerate(self.lives):
            if life.process.poll() is None:
                found[f"strategy {index}"] = life.process.pid
        return found

    def kill(self, title: str) -> int:
        """Kill a process as `kill -9` does; return its id, 0 if there was none."""
        return self._signal(title, signal.SIGKILL)

    def freeze(self, title: str) -> int:
        """Stop a process where it is."""
        return self._signal(title, signal.SIGSTOP)

    def thaw(self, pid: int) -> None:
        """Let a process go on."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def _signal(self, title: str, number: signal.Signals) -> int:
        pid = self.processes().get(title, 0)
        if pid:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return 0
        return pid

    # --- what is there again ----------------------------------------------------------------------------------------

    @contextmanager
    def client(self, name: str, **options: Any) -> Iterator[Client]:
        """Lend a client, which connects when it is first asked for something: there may be no gateway yet."""
        client = Client(self.endpoint, client_id=name, **{"timeout": 2.0, **options})
        try:
            yield client
        finally:
            client.disconnect()

    def terminal_answers(self) -> bool:
        """Tell whether the simulated terminal is there, asked beside the gateway."""
        connection = SimulatedConnection()
        try:
            return connection.initialize(Login(self.address, ACCOUNT, timeout_ms=300))
        finally:
            connection.shutdown()

    def missing(self, client: Client) -> str:
        """Return what isn't back yet, "" for nothing."""
        running = self.processes()
        absent = [title for title in MEMBERS if title not in running]
        if absent:
            return f"no process {', '.join(absent)}"
        try:
            told = client.call("stats", timeout=1.0)
        except GatewayError as error:
            return f"the broker: {error}"
        workers = {worker["name"]: worker for worker in told["workers"]}
        for name in WORKERS:
            worker = workers.get(name)
            if worker is None or worker["condition"] != "live" or not worker["proven"]:
                return f"worker {name}: {worker and worker['condition']}, {worker and worker['reason']}"
        if not workers[WORKERS[0]]["tradable"]:
            return f"trading: {workers[WORKERS[0]]['reason']}"
        return ""


def is_running(pid: int) -> bool:
    """Tell whether a process is there, and no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
