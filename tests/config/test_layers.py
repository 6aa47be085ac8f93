"""Which layer wins, and where each is found."""

import logging
import os
from pathlib import Path

import pytest

from gateway.config import Config, default_endpoint, default_tick_endpoint, gateway_endpoint, load
from gateway.wire.errors import ConfigError


def test_without_any_file_one_simulated_demo_account_is_the_default(folder: Path) -> None:
    config = load(environ={"XDG_RUNTIME_DIR": str(folder), "XDG_CONFIG_HOME": str(folder)})

    assert list(config.accounts) == ["demo"]
    assert config.accounts["demo"].terminal == "simulated"
    assert config.accounts["demo"].mode == "demo"
    assert config.default_account == "demo"
    assert config.source == ""


def test_each_layer_wins_over_the_one_before(loaded) -> None:
    text = "broker: {heartbeat_ms: 200, max_sessions: 3, spin_us: 4}"
    environ = {"MT5GATE_BROKER__MAX_SESSIONS": "33", "MT5GATE_BROKER__SPIN_US": "44"}

    config = loaded(text, environ, broker={"spin_us": 444})

    assert config.broker.session_timeout_ms == 30_000
    assert config.broker.heartbeat_ms == 200
    assert config.broker.max_sessions == 33
    assert config.broker.spin_us == 444


def test_override_of_none_leaves_the_key_as_it_is(loaded) -> None:
    assert loaded("log: {level: debug}", log={"level": None}).log.level == "debug"


def test_lists_are_replaced_not_merged(loaded) -> None:
    config = loaded(
        "broker: {endpoints: ['tcp://127.0.0.1:7001', 'tcp://127.0.0.1:7002']}",
        broker={"endpoints": ["tcp://127.0.0.1:7003"]},
    )

    assert config.broker.endpoints == ("tcp://127.0.0.1:7003",)


def test_file_in_the_working_folder_goes_before_the_users_own(folder: Path) -> None:
    users = folder / "home" / "mt5gate" / "mt5gate.yaml"
    users.parent.mkdir(parents=True)
    users.write_text("log: {level: error}")
    environ = {"XDG_CONFIG_HOME": str(folder / "home"), "XDG_RUNTIME_DIR": str(folder)}

    assert load(environ=environ).log.level == "error"
    assert load(environ=environ).source == str(users)

    (folder / "mt5gate.yaml").write_text("log: {level: debug}")

    assert load(environ=environ).log.level == "debug"


def test_named_file_goes_before_every_found_one_and_must_exist(folder: Path) -> None:
    (folder / "mt5gate.yaml").write_text("log: {level: debug}")
    (folder / "other.yaml").write_text("log: {level: error}")

    assert load(folder / "other.yaml", environ={}).log.level == "error"
    with pytest.raises(ConfigError, match=r"absent.yaml: can't be read: .*; name another file with --config"):
        load(folder / "absent.yaml", environ={})


def test_environment_sets_lists_flags_and_accounts_whatever_their_case(loaded) -> None:
    config = loaded(
        "accounts: {Live-1: {terminal: remote}}",
        {
            "MT5GATE_BROKER__ENDPOINTS": "tcp://127.0.0.1:7001, tcp://127.0.0.1:7002",
            "MT5GATE_ACCOUNTS__LIVE_1__PORTABLE": "true",
            "MT5GATE_ACCOUNTS__LIVE_1__WORKERS__QUERY": "7",
            "MT5GATE_ACCOUNTS__EXTRA__MODE": "demo",
            "MT5GATE_SIMULATOR__SPEED": "max",
        },
    )

    assert config.broker.endpoints == ("tcp://127.0.0.1:7001", "tcp://127.0.0.1:7002")
    assert config.accounts["Live-1"].portable is True
    assert config.accounts["Live-1"].workers.query == 7
    assert list(config.accounts) == ["Live-1", "extra"]
    assert config.simulator.speed == float("inf")


def test_empty_variable_counts_as_unset(loaded) -> None:
    config = loaded("", {"MT5GATE_LOG__LEVEL": "", "MT5_LOGIN": "", "MT5_PASSWORD": ""})

    assert config.log.level == "info"
    assert config.accounts["demo"].login == 0


def test_addresses_for_clients_in_the_environment_set_no_key(loaded) -> None:
    assert loaded("", {"MT5GATE_ENDPOINT": "tcp://a:1", "MT5GATE_TICK_ENDPOINT": "tcp://a:2"}) == loaded("")


def test_mt5_variables_are_for_the_default_account(loaded) -> None:
    text = "accounts: {one: {terminal: metatrader5}, two: {terminal: metatrader5, login: 2}}"
    environ = {"MT5_LOGIN": "77", "MT5_PASSWORD": "0123", "MT5_SERVER": "Broker-Demo"}

    first = loaded(text, environ)
    chosen = loaded("default_account: two\n" + text, environ)

    assert (first.accounts["one"].login, first.accounts["one"].server) == (77, "Broker-Demo")
    assert first.accounts["one"].password.get_secret_value() == "0123"
    assert first.accounts["two"].login == 2
    assert (chosen.accounts["one"].login, chosen.accounts["two"].login) == (0, 77)


def test_mt5_variables_go_behind_what_names_the_key_itself(loaded) -> None:
    environ = {"MT5_LOGIN": "1", "MT5GATE_ACCOUNTS__DEMO__LOGIN": "2"}

    assert loaded("accounts: {demo: {login: 3}}", {"MT5_LOGIN": "1"}).accounts["demo"].login == 1
    assert loaded("", environ).accounts["demo"].login == 2
    assert loaded("", environ, accounts={"demo": {"login": 4}}).accounts["demo"].login == 4


def test_key_with_nothing_behind_it_counts_as_not_given(loaded) -> None:
    config = loaded("broker:\n  heartbeat_ms:\nlog:\naccounts:\n  one:\n  2:\n    mode:\n")

    assert config.broker.heartbeat_ms == 1_000
    assert list(config.accounts) == ["one", "2"]


def test_paths_in_the_file_are_relative_to_it_and_others_to_the_working_folder(folder: Path) -> None:
    there = folder / "etc"
    there.mkdir()
    (there / "gate.yaml").write_text(
        "state_dir: run\nsimulator: {ticks: [a.csv]}\naccounts: {one: {simulator: {bars: a.csv}}}"
    )
    for file in (there / "a.csv", folder / "b.csv"):
        file.write_text("")

    config = load(there / "gate.yaml", environ={})
    overridden = load(there / "gate.yaml", environ={}, overrides={"simulator": {"ticks": ["b.csv"]}})

    assert config.state_dir == str(there / "run")
    assert config.simulator.ticks == (str(there / "a.csv"),)
    assert config.accounts["one"].simulator.bars == (str(there / "a.csv"),)
    assert overridden.simulator.ticks == (str(folder / "b.csv"),)


def test_state_dir_is_in_the_runtime_folder_where_there_is_one(folder: Path) -> None:
    absent = str(folder / "absent")

    assert load(environ={"XDG_RUNTIME_DIR": str(folder)}).state_dir == str(folder / "mt5gate")
    assert load(environ={"XDG_RUNTIME_DIR": absent}).state_dir == f"/tmp/mt5gate-{os.getuid()}"
    assert load(environ={}).state_dir == f"/tmp/mt5gate-{os.getuid()}"


def test_clients_find_the_gateway_where_it_listens_by_default(folder: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(folder)}
    config = load(environ=environ)
    elsewhere = {"MT5GATE_STATE_DIR": str(folder / "state")}

    assert default_endpoint(environ) == config.broker.endpoints[0] == f"ipc://{folder}/mt5gate/broker.ipc"
    assert default_tick_endpoint(environ) == config.publisher.endpoints[0] == f"ipc://{folder}/mt5gate/ticks.ipc"
    assert default_endpoint(elsewhere) == load(environ=elsewhere).broker.endpoints[0]
    assert default_endpoint({**environ, "MT5GATE_ENDPOINT": "tcp://127.0.0.1:1"}) == "tcp://127.0.0.1:1"
    assert default_tick_endpoint({**environ, "MT5GATE_TICK_ENDPOINT": "tcp://127.0.0.1:2"}) == "tcp://127.0.0.1:2"


def test_command_finds_the_gateway_where_its_configuration_says(folder: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(folder), "XDG_CONFIG_HOME": str(folder)}
    assert gateway_endpoint(environ) == default_endpoint(environ)

    (folder / "mt5gate.yaml").write_text("state_dir: here")

    assert gateway_endpoint(environ) == f"ipc://{folder}/here/broker.ipc"
    assert gateway_endpoint({**environ, "MT5GATE_ENDPOINT": "tcp://127.0.0.1:1"}) == "tcp://127.0.0.1:1"


def test_client_refuses_a_default_place_of_another_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_242)

    with pytest.raises(
        ConfigError, match="belongs to another user, who would get your orders; give your gateway's end"
    ):
        default_endpoint({"MT5GATE_STATE_DIR": str(folder)})


def test_windows_listens_on_loopback_ports(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.config.endpoints.on_windows", lambda: True)

    config = load(environ={"LOCALAPPDATA": str(folder)})

    assert config.broker.endpoints == ("tcp://127.0.0.1:5550",)
    assert config.broker.worker_endpoints == ("tcp://127.0.0.1:5551",)
    assert config.publisher.endpoints == ("tcp://127.0.0.1:5552",)
    assert config.publisher.feed_endpoints == ("tcp://127.0.0.1:5553",)
    assert config.simulator_settings()[0].address == "sim://127.0.0.1:5554"
    assert config.state_dir == str(folder / "mt5gate")
    assert default_endpoint({}) == "tcp://127.0.0.1:5550"
    assert default_tick_endpoint({}) == "tcp://127.0.0.1:5552"


def test_configuration_is_frozen(loaded) -> None:
    config: Config = loaded()

    with pytest.raises(ValueError, match="frozen"):
        config.state_dir = "/elsewhere"  # type: ignore[misc]


def test_password_in_a_file_that_all_can_read_is_warned_of(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = folder / "mt5gate.yaml"
    file.write_text("accounts:\n  demo:\n    password: hunter2\n")

    file.chmod(0o600)
    load(file, environ={})
    assert not caplog.records

    file.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        load(file, environ={})
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"{file}:3 holds a password" in caplog.text
    assert f"chmod 600 {file}" in caplog.text
    assert "hunter2" not in caplog.text


def test_file_without_password_may_be_read_by_all(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = folder / "mt5gate.yaml"
    file.write_text("accounts:\n  demo:\n    login: 5\n")
    file.chmod(0o644)

    load(file, environ={"MT5_PASSWORD": "hunter2"})

    assert not caplog.records
