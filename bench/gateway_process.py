"""Starts the gateway for a benchmark, its broker alone or all of it: the one file of the bench that knows how."""

import importlib.util
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import zmq

import bench
import gateway
from bench import frames
from bench.context import Context, Transport
from bench.floors import Failed, child_environment
from bench.runner import Unavailable

__all__ = ("Gateway", "Pool", "kind_of_gateway", "start_gateway", "start_pool")

START_TIMEOUT_S: Final = 15.0
UNBOUNDED: Final = 100_000
"""As deep as the floors' and the rival's queues: a hiccup at a high rate is to be seen as delay on all sides alike."""
STOP_TIMEOUT_S: Final = 10.0
POOL_TIMEOUT_S: Final = 60.0
"""Start and stop of a whole gateway: a dozen processes."""

BROKER_COMMAND: Final = (sys.executable, "-P", "-m", "gateway.app", "broker")
"""Takes BrokerSettings as JSON on standard input."""

POOL_COMMAND: Final = (sys.executable, "-P", "-c", "import sys; from gateway.cli import main; sys.exit(main())", "run")
READY: Final = "\nready;"
SEED: Final = "7"


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running broker."""

    endpoint: str
    worker_endpoint: str


@dataclass(frozen=True, slots=True)
class Pool:
    """A whole gateway: where clients reach it, and where its simulated terminal listens."""

    endpoint: str
    tcp_endpoint: str
    terminal: str


def kind_of_gateway() -> str:
    """Say what is being measured: compiled or its plain twin, out of the installed package or the source tree."""
    try:
        from gateway import accel
    except ImportError:
        return "not here"
    root = Path(bench.__file__).resolve().parent.parent
    origin = "source tree" if Path(gateway.__file__).resolve().parent.parent == root else "installed"
    return f"{'compiled' if accel.COMPILED else 'plain Python'}, {origin}"


@contextmanager
def start_gateway(
    context: Context,
    transport: Transport,
    command: Sequence[str] = BROKER_COMMAND,
    state: Path | None = None,
    **more: Any,
) -> Iterator[Gateway]:
    """Run a broker in a process of its own until the block ends; yields once it answers.

    Its log goes to a file, its state into the scratch folder unless `state` says where. `more` are fields of
    BrokerSettings. Raises Unavailable where there is no broker to start.
    """
    if importlib.util.find_spec("gateway.app") is None:
        raise Unavailable("the gateway's broker isn't part of this installation")
    from gateway.settings import AccountSettings, BrokerSettings

    state = state or context.path("state")
    state.mkdir(mode=0o700, exist_ok=True)
    running = Gateway(context.endpoint(transport), context.endpoint(transport))
    settings = BrokerSettings(
        state_dir=str(state),
        endpoints=(running.endpoint,),
        worker_endpoints=(running.worker_endpoint,),
        accounts=({"name": frames.ACCOUNT, "mode": AccountSettings().mode},),
        session_timeout_ms=3_600_000,  # a client that waits for its block says nothing
        max_queued=UNBOUNDED,
        max_queued_per_session=UNBOUNDED,
        log_level="warning",
        **more,
    )
    log_path = context.path("broker-log")
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=log, stderr=log, env=child_environment()
        )
        try:
            assert process.stdin is not None
            process.stdin.write(settings.to_json().encode() + b"\n")
            process.stdin.close()
            _wait_until_it_answers(process, running.endpoint)
            yield running
        except (Failed, zmq.ZMQError) as error:
            raise Failed(f"{error}\nthe broker's log ends: {log_path.read_text(errors='replace')[-2000:]}") from error
        finally:
            _stop(process)


@contextmanager
def start_pool(*symbols: str) -> Iterator[Pool]:
    """Run a whole gateway on a simulated terminal, whose feed reads `symbols`; yields when all of it is ready.

    Its folder has a short path: a Unix socket's name has at most 107 bytes.
    """
    state = Path(tempfile.mkdtemp(prefix="mt5g", dir=None if sys.platform == "win32" else "/tmp"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        tcp = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    ipc = f"ipc://{state}/broker.ipc"
    settings = {
        "broker": {"endpoints": [ipc, tcp]},
        "accounts": {"demo": {"feed": {"symbols": list(symbols)}}},
        "simulator": {"state": False},
    }
    file, log_path = state / "mt5gate.yaml", state / "log"
    file.write_text(json.dumps(settings))  # JSON is YAML
    environment = {name: value for name, value in child_environment().items() if not name.startswith("MT5")}
    command = [*POOL_COMMAND, "--config", str(file), "--state-dir", str(state), "--seed", SEED]
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=state)
    try:
        deadline = time.monotonic() + POOL_TIMEOUT_S
        while READY not in log_path.read_text(errors="replace"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"the gateway didn't start; its log ends: {log_path.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield Pool(ipc, tcp, f"sim://{state}/terminal.sock")
    finally:
        _stop(process, POOL_TIMEOUT_S)
        shutil.rmtree(state, ignore_errors=True)


def _wait_until_it_answers(process: subprocess.Popen[bytes], endpoint: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    with zmq.Context() as zmq_context, zmq_context.socket(zmq.DEALER) as socket:
        socket.linger, socket.rcvtimeo = 0, 200
        socket.connect(endpoint)
        socket.send(frames.hello_frame("bench-start"))
        while time.monotonic() < deadline:
            try:
                frames.session_of(socket.recv())
                return
            except zmq.Again:
                if process.poll() is not None:
                    raise Failed(f"the broker ended with status {process.returncode}") from None
    raise Failed(f"the broker didn't answer within {START_TIMEOUT_S:g} s")


def _stop(process: subprocess.Popen[bytes], timeout_s: float = STOP_TIMEOUT_S) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
