"""run, worker, feed: the settings they start with; config and version: what they print. No secret is ever shown."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from gateway import pool
from gateway.cli import serve
from gateway.config import Config
from gateway.settings import FeedSettings, WorkerSettings
from gateway.workers import feed, worker

SECRET = "hunter2-secret"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What would have been run."""
    started: list[Any] = []

    def run(settings: Any) -> int:
        started.append(settings)
        return 7

    for shell in (pool, worker, feed):
        monkeypatch.setattr(shell, "run", run)
    return started


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without a configuration, and a home without one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")
    return tmp_path


def test_run_starts_the_supervisor_and_ends_with_its_status(mt5gate: Any, started: list[Any]) -> None:
    result = mt5gate("run")

    assert result.exit_code == 7
    (config,) = started
    assert isinstance(config, Config)
    assert list(config.accounts) == ["demo"]


def test_run_takes_the_command_line_over_everything(mt5gate: Any, started: list[Any], folder: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text("")
    (folder / "live.yaml").write_text("log: {level: error}\nbroker: {max_sessions: 5}\nsimulator: {seed: 1}")

    mt5gate(
        *("run", "--config", "live.yaml", "--ticks", "a.csv", "--ticks", "b.csv", "--speed", "max", "--seed", "9"),
        *("--margin-mode", "netting"),
        *("--state-dir", "/tmp/mt5gtest", "--tcp", "7000", "--log-level", "debug"),
    )

    (config,) = started
    assert config.simulator.ticks == (str(folder / "a.csv"), str(folder / "b.csv"))
    assert (config.simulator.speed, config.simulator.seed) == (float("inf"), 9)
    assert config.simulator.margin_mode == "netting"
    assert (config.state_dir, config.log.level, config.broker.max_sessions) == ("/tmp/mt5gtest", "debug", 5)
    assert config.broker.endpoints == ("ipc:///tmp/mt5gtest/broker.ipc", "tcp://127.0.0.1:7000")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--speed", "fast"], "simulator.speed (command line): expected a number, got 'fast'"),
        (["--tcp", "70000"], "tcp_port (command line): expected a whole number from 0 to 65531, got 70000"),
        (["--ticks", "absent.csv"], "simulator.ticks[0] (command line): expected a file of ticks"),
        (["--config", "absent.yaml"], "absent.yaml: can't be read"),
    ],
)
def test_run_with_what_cannot_be_used_is_a_usage_error(
    mt5gate: Any, started: list[Any], arguments: list[str], complaint: str
) -> None:
    result = mt5gate("run", *arguments)

    assert result.exit_code == 2
    assert f"mt5gate: {complaint}" in result.stderr
    assert started == []


def test_replay_needs_a_simulated_terminal(mt5gate: Any, started: list[Any], folder: Path) -> None:
    (folder / "a.csv").write_text("")
    (folder / "mt5gate.yaml").write_text("accounts: {live: {terminal: remote}}")

    result = mt5gate("run", "--ticks", "a.csv")

    assert result.exit_code == 2
    assert "expected an account with a simulated terminal" in result.stderr
    assert started == []


def test_worker_is_told_everything_on_the_command_line_but_its_password(mt5gate: Any, started: list[Any]) -> None:
    result = mt5gate(
        *("worker", "--gateway", "tcp://127.0.0.1:5551", "--account", "live", "--lanes", "query,trade"),
        *("--path", "C:/MT5/terminal64.exe", "--login", "77", "--server", "Broker-Live", "--mode", "real"),
        *("--name", "w1", "--portable", "--hung-after-ms", "5000", "--log-level", "debug"),
        env={"MT5_PASSWORD": SECRET, "MT5_LOGIN": "1", "MT5_SERVER": "Other"},
    )

    assert result.exit_code == 7
    assert SECRET not in result.output
    assert started == [
        WorkerSettings(
            name="w1",
            account="live",
            gateway="tcp://127.0.0.1:5551",
            lanes=("trade", "query"),
            terminal="metatrader5",
            address="C:/MT5/terminal64.exe",
            login=77,
            password=SECRET,
            server="Broker-Live",
            portable=True,
            mode="real",
            hung_after_ms=5_000,
            log_level="debug",
        )
    ]


def test_worker_is_named_after_account_host_and_lanes(mt5gate: Any, started: list[Any], monkeypatch: Any) -> None:
    monkeypatch.setattr("platform.node", lambda: "win1")

    mt5gate("worker", "-g", "tcp://127.0.0.1:5551", "--lanes", "query", env={"MT5_LOGIN": "5", "MT5_SERVER": "S"})

    (settings,) = started
    assert settings.name == "demo-win1-query"
    assert (settings.login, settings.server, settings.password) == (5, "S", "")


def test_password_is_asked_for_where_somebody_can_answer(mt5gate: Any, started: list[Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(serve, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True)))

    result = mt5gate("worker", "-g", "tcp://127.0.0.1:5551", "--login", "5", input=f"{SECRET}\n")

    assert started[0].password == SECRET
    assert "Password of account 5" in result.output
    assert SECRET not in result.output


def test_password_is_no_option(mt5gate: Any, started: list[Any]) -> None:
    for command in (["worker", "-g", "tcp://127.0.0.1:1"], ["feed", "-p", "tcp://127.0.0.1:1"], ["run"]):
        assert mt5gate(*command, "--password", SECRET).exit_code == 2
        assert "password" not in mt5gate(command[0], "--help").stdout.partition("Options:")[2].lower()
    assert started == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["worker"], "--gateway"),
        (["worker", "-g", "127.0.0.1:5551"], "expected tcp://HOST:PORT or ipc:///PATH, got '127.0.0.1:5551'"),
        (["worker", "-g", "tcp://127.0.0.1:1", "--lanes", "trade,history"], "expected some of trade, watch, query"),
        (["worker", "-g", "tcp://127.0.0.1:1", "--name", "x" * 65], "expected at most 64 bytes"),
        (["feed", "-p", "tcp://127.0.0.1"], "expected tcp://HOST:PORT"),
    ],
)
def test_wrong_usage_of_a_worker_says_what_was_expected(
    mt5gate: Any, started: list[Any], arguments: list[str], complaint: str
) -> None:
    result = mt5gate(*arguments)

    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.split())
    assert started == []


def test_feed_joins_from_another_host(mt5gate: Any, started: list[Any]) -> None:
    mt5gate("feed", "-p", "tcp://127.0.0.1:5553", "--account", "live", "--symbols", "EURUSD, USDJPY")

    assert started == [
        FeedSettings(
            name="live",
            account="live",
            publisher="tcp://127.0.0.1:5553",
            symbols=("EURUSD", "USDJPY"),
            terminal="metatrader5",
        )
    ]


def test_config_check_says_fine_or_every_problem(mt5gate: Any, folder: Path) -> None:
    assert "the default configuration is fine" in mt5gate("config", "check").stdout

    (folder / "mt5gate.yaml").write_text("accounts: {live: {terminal: remote, login: 5}}")
    fine = mt5gate("config", "check")
    assert fine.exit_code == 0
    assert ["live", "demo", "remote", "5", "from", "another", "host"] in [
        line.split() for line in fine.stdout.splitlines()
    ]

    (folder / "odd.yaml").write_text(
        "simulator: {symbols: {EURUSD: {swap_lng: 1}}}\naccounts: {one: , two: {simulator: {faults: {requot: 0.5}}}}"
    )
    odd = mt5gate("config", "check", "--config", "odd.yaml")
    assert odd.exit_code == 2
    one, two = odd.stderr.splitlines()
    assert re.search(r"simulator of account one: symbols: EURUSD: .*'swap_lng'", one)
    assert re.search(r"simulator of account two: .*'requot'", two)

    (folder / "foreign.yaml").write_text("simulator: {currency: KWD}")
    foreign = mt5gate("config", "check", "--config", "foreign.yaml")
    assert foreign.exit_code == 2
    assert "simulator of account demo: EURUSD: no symbol and no reference rate leads from USD to KWD" in foreign.stderr

    (folder / "bad.yaml").write_text("brokr: 1\nlog: {level: loud}")
    bad = mt5gate("config", "check", "--config", "bad.yaml")
    assert bad.exit_code == 2
    assert len(bad.stderr.splitlines()) == 2
    assert "brokr (bad.yaml:1): unknown key; did you mean broker?" in bad.stderr


def test_config_show_hides_passwords_and_can_be_read_back(mt5gate: Any, folder: Path) -> None:
    file = folder / "mt5gate.yaml"
    file.write_text(f"tcp_port: 7000\nsimulator: {{speed: max}}\naccounts: {{demo: {{login: 5, password: {SECRET}}}}}")
    file.chmod(0o600)

    shown = mt5gate("config", "show", env={"MT5_PASSWORD": ""}).stdout
    as_json = json.loads(mt5gate("config", "show", "--json").stdout)

    assert SECRET not in shown + json.dumps(as_json)
    assert "********" in shown
    assert yaml.safe_load(shown) == as_json
    assert as_json["broker"]["endpoints"][-1] == "tcp://127.0.0.1:7000"
    assert as_json["simulator"]["speed"] == "max"
    (folder / "again.yaml").write_text(shown)
    (folder / "again.yaml").chmod(0o600)
    assert mt5gate("config", "check", "--config", "again.yaml").exit_code == 0


def test_version_names_everything_it_stands_on(mt5gate: Any) -> None:
    shown = json.loads(mt5gate("version", "--json").stdout)

    assert list(shown) == ["mt5gate", "protocol", "compiled", "python", "pyzmq", "libzmq", "platform"]
    assert "mt5gate" in mt5gate("version").stdout


def test_reader_that_is_gone_is_no_traceback() -> None:
    """As in `mt5gate config show | head -0`, with real pipes and the interpreter's own flush at exit."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [
                sys.executable,
                "-P",
                "-c",
                "import sys; from gateway.cli import main; sys.exit(main())",
                "config",
                "show",
            ],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    finally:
        os.close(writer)

    assert (done.returncode, done.stderr) == (0, "")
