"""`mt5gate exec`: a script runs as under `python`, except that it finds the drop-in module by the package's name."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

import clients
from clients import metatrader5 as mt5

COMMAND = [sys.executable, "-P", "-c", "import sys; from gateway.cli import main; sys.exit(main())"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith(("MT5GATE_", "MT5_"))}


@pytest.fixture
def run(tmp_path: Path, environment: dict[str, str]) -> Run:
    def run(*command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, cwd=tmp_path)

    return run


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """Write a script beside a module `beside`, and return its path."""

    def write(code: str, name: str = "bot.py") -> str:
        folder = tmp_path / "bots"
        folder.mkdir(exist_ok=True)
        (folder / "beside.py").write_text("VALUE = 5\n")
        (folder / name).write_text(code)
        return str(folder / name)

    return write


def test_script_finds_the_drop_in_by_the_packages_name(run: Run, script: Any) -> None:
    bot = script("""
import importlib.metadata, sys
import MetaTrader5, MetaTrader5 as mt5
from MetaTrader5 import *
from clients import metatrader5
assert MetaTrader5 is mt5 is metatrader5 is sys.modules["MetaTrader5"]
assert (TIMEFRAME_H4, mt5.__version__, importlib.metadata.version("MetaTrader5")) == (16388, "5.0.6231", "5.0.6231")
assert initialize("ipc:///nowhere") is False and last_error()[0] == RES_E_INTERNAL_FAIL_INIT
""")

    done = run(*COMMAND, "exec", bot)

    assert done.returncode == 0, done.stderr


def test_script_runs_as_under_python(run: Run, script: Any) -> None:
    bot = script("""
import beside, json, sys
is_main = sys.modules["__main__"].__dict__ is globals()
print(json.dumps([sys.argv, sys.path[0], __name__, __file__, beside.VALUE, is_main]))
print("to stderr", file=sys.stderr)
""")
    arguments = ["--endpoint", "mine", "-m", "--help", "--", "x y"]

    under_python = run(sys.executable, bot, *arguments)
    done = run(*COMMAND, "exec", bot, *arguments)

    assert (done.stdout, done.stderr, done.returncode) == (under_python.stdout, "to stderr\n", 0)
    assert json.loads(done.stdout)[0] == [bot, *arguments]


def test_module_runs_as_under_python(run: Run, script: Any, environment: dict[str, str]) -> None:
    folder = Path(script("import sys; print(sys.argv[1:], __name__, __spec__.name)", "grid.py")).parent
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), environment.get("PYTHONPATH", ""))))

    done = run(*COMMAND, "exec", "-m", "grid", "-m", "--account", "x")

    assert done.stdout == "['-m', '--account', 'x'] __main__ grid\n"


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.exit(5)",
        "import sys; sys.exit('a message')",
        "raise ValueError('boom')",
        "def f(): return 1 / 0\nf()",
        "x = = 1",
        "import nothing_of_that_name",
        "raise KeyboardInterrupt",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    ],
)
def test_script_ends_as_under_python(run: Run, script: Any, code: str) -> None:
    bot = script(code)

    under_python = run(sys.executable, bot)
    done = run(*COMMAND, "exec", bot)

    assert (done.returncode, done.stderr) == (under_python.returncode, under_python.stderr)
    assert done.returncode != 0


def test_script_that_is_not_there(run: Run) -> None:
    done = run(*COMMAND, "exec", "nowhere.py")

    assert done.returncode == 2
    assert "nowhere.py" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="there, a process can't become another")
def test_script_takes_the_commands_place(script: Any, environment: dict[str, str]) -> None:
    bot = script("import os, time; print(os.getpid(), flush=True); time.sleep(60)")

    with subprocess.Popen([*COMMAND, "exec", bot], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_endpoint_and_account_reach_the_script_and_its_processes(run: Run, script: Any) -> None:
    bot = script("""
import multiprocessing, subprocess, sys
import MetaTrader5 as mt5
from gateway import config

def told(_=None):
    mt5.initialize()
    return config.gateway_endpoint(), config.named_account(), mt5.last_error()[0]

if __name__ == "__main__":
    print(told())
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(told))
    sys.stdout.flush()
    subprocess.run([sys.executable, "-c", "import MetaTrader5; print(MetaTrader5.__version__)"], check=True)
""")

    done = run(*COMMAND, "exec", "-e", "ipc:///nowhere/b.ipc", "--account", "live", bot)

    told = "('ipc:///nowhere/b.ipc', 'live', -10003)"
    assert done.stdout.splitlines() == [told, told, "5.0.6231"], done.stderr


def test_without_options_the_environment_decides(run: Run, script: Any, environment: dict[str, str]) -> None:
    bot = script("from gateway import config; print(config.gateway_endpoint(), config.named_account())")
    environment |= {"MT5GATE_ENDPOINT": "ipc:///somewhere", "MT5GATE_ACCOUNT": "mine"}

    assert run(*COMMAND, "exec", bot).stdout == "ipc:///somewhere mine\n"
    assert run(*COMMAND, "exec", "-a", "other", bot).stdout == "ipc:///somewhere other\n"


def test_what_exec_offers_is_the_distribution() -> None:
    folder = Path(clients.__file__).parent / "distribution"
    offered = [Distribution.at(path) for path in folder.glob("*.dist-info")]

    assert [(found.name, found.version) for found in offered] == [("MetaTrader5", mt5.__version__)]
    pyproject = Path(__file__).parents[2] / "clients" / "distribution" / "pyproject.toml"
    assert f'version = "{mt5.__version__}"' in pyproject.read_text("utf-8")
