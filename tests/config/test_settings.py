"""What each process is told."""

import json
from pathlib import Path

import pytest

from gateway.config import credentials
from gateway.settings import AccountSettings
from gateway.wire.errors import ConfigError

TWO = """
    default_account: live
    tcp_port: 7000
    log: {level: debug}
    broker: {heartbeat_ms: 100, worker_timeout_ms: 200, session_timeout_ms: 300, max_sessions: 4, max_queued: 5,
             max_queued_per_session: 6, quote_max_age_ms: 7, spin_us: 8}
    publisher: {send_hwm: 9}
    accounts:
      demo:
        feed: {name: sim}
      live:
        mode: real
        allow_real: true
        terminal: metatrader5
        path: C:/MT5/terminal64.exe
        login: 77
        password: hunter2
        server: Broker-Live
        portable: true
        workers: {trade: 1, watch: 0, query: 0, all: 1}
        feed: {symbols: [EURUSD, "USDJPY"], since: 5, poll_us: 6}
        connect_timeout_ms: 1000
        hung_after_ms: 2000
      away: {terminal: remote, mode: contest}
      shy: {terminal: remote, feed: {enabled: false}}
      twin: {terminal: remote, feed: {enabled: false, name: live}}
"""


def test_settings_survive_their_journey_as_json(loaded) -> None:
    config = loaded(TWO)
    settings = [config.broker_settings(), config.publisher_settings()]
    settings += [*config.worker_settings(), *config.feed_settings(), *config.simulator_settings()]

    assert [type(one).from_json(one.to_json()) for one in settings] == settings


def test_broker_is_told_the_default_account_first(loaded) -> None:
    config = loaded(TWO)

    broker = config.broker_settings()

    accounts = [AccountSettings(**account) for account in broker.accounts]
    assert [account.name for account in accounts] == ["live", "demo", "away", "shy", "twin"]
    assert accounts[0] == AccountSettings("live", mode="real", allow_real=True, login=77, server="Broker-Live")
    assert "hunter2" not in broker.to_json()


def test_broker_is_told_every_key_of_its_section(loaded) -> None:
    config = loaded(TWO)

    broker = config.broker_settings()

    told = json.loads(broker.to_json())
    for key, value in config.broker.model_dump(mode="json").items():
        assert told[key] == value, key
    assert broker.tick_endpoint == f"ipc://{config.state_dir}/ticks.ipc"
    assert broker.log_level == "debug"


def test_boards_are_found_by_account_in_the_broker_and_by_feed_in_the_publisher(loaded) -> None:
    config = loaded(TWO)
    board = f"{config.state_dir}/board-%s.shm"

    assert config.broker_settings().boards == {
        "live": board % "live",
        "demo": board % "sim",
        "away": board % "away",
        "twin": board % "live",
    }
    assert config.broker_settings().feeds == {"live": "live", "demo": "sim", "away": "away", "twin": "live"}
    assert config.publisher_settings().boards == {name: board % name for name in ("sim", "live", "away")}
    assert config.publisher_settings().send_hwm == 9


def test_workers_are_named_by_account_purpose_and_number(loaded) -> None:
    config = loaded(TWO)

    workers = {worker.name: worker for worker in config.worker_settings()}

    assert list(workers) == [
        "demo-trade-1",
        "demo-watch-1",
        "demo-query-1",
        "demo-query-2",
        "live-trade-1",
        "live-all-1",
    ]
    assert [worker.lanes for worker in workers.values()] == [
        ("trade",),
        ("watch",),
        ("query",),
        ("query",),
        ("trade",),
        ("trade", "watch", "query"),
    ]
    assert {worker.gateway for worker in workers.values()} == {f"ipc://{config.state_dir}/workers.ipc"}


def test_worker_is_told_its_terminal_and_account(loaded) -> None:
    live = loaded(TWO).worker_settings()[-1]

    assert (live.terminal, live.address, live.portable) == ("metatrader5", "C:/MT5/terminal64.exe", True)
    assert (live.account, live.mode, live.login, live.server) == ("live", "real", 77, "Broker-Live")
    assert live.password == "hunter2"
    assert (live.connect_timeout_ms, live.hung_after_ms) == (1_000, 2_000)


def test_simulated_workers_and_feed_meet_at_the_simulators_socket(loaded) -> None:
    config = loaded()

    (simulator,) = config.simulator_settings()

    assert simulator.address == f"sim://{config.state_dir}/terminal.sock"
    assert {worker.address for worker in config.worker_settings()} == {simulator.address}
    assert {feed.address for feed in config.feed_settings()} == {simulator.address}


def test_two_simulated_accounts_have_terminals_of_their_own(loaded) -> None:
    config = loaded("accounts: {one: , two: {login: 5, password: pw, server: S}}")

    one, two = config.simulator_settings()

    assert one.address != two.address
    assert (one.login, one.password, one.server) == (50_000_001, "", "MT5Gate-Demo")
    assert (two.login, two.password, two.server) == (5, "pw", "S")
    addresses = {worker.account: worker.address for worker in config.worker_settings()}
    assert addresses == {"one": one.address, "two": two.address}


def test_no_simulated_account_needs_no_simulator(loaded) -> None:
    assert loaded("accounts: {live: {terminal: remote}}").simulator_settings() == ()


def test_simulator_is_told_every_key_of_its_section(loaded, folder: Path) -> None:
    (folder / "a.csv").write_text("")
    config = loaded("simulator: {ticks: [a.csv], speed: max, seed: 9, deposit: 5.5, leverage: 30}")

    (simulator,) = config.simulator_settings()

    assert simulator.tick_files == (str(folder / "a.csv"),)
    assert (simulator.speed, simulator.seed, simulator.deposit, simulator.leverage) == (float("inf"), 9, 5.5, 30)


def test_feeds_are_of_enabled_accounts_of_this_host(loaded) -> None:
    config = loaded(TWO)

    sim, live = config.feed_settings()

    assert (sim.name, sim.account, sim.symbols, sim.since, sim.poll_us) == ("sim", "demo", (), -1, 1_000)
    assert (live.name, live.account, live.symbols, live.since, live.poll_us) == (
        "live",
        "live",
        ("EURUSD", "USDJPY"),
        5,
        6,
    )
    assert sim.publisher == f"ipc://{config.state_dir}/feeds.ipc"


def test_replay_is_read_from_its_first_tick(loaded, folder: Path) -> None:
    (folder / "a.csv").write_text("")
    text = "simulator: {ticks: a.csv}\n"

    feeds = loaded(text + "accounts: {one: , two: {feed: {since: -1}}, three: {terminal: metatrader5}}").feed_settings()

    assert [(feed.account, feed.since) for feed in feeds] == [("one", 0), ("two", -1), ("three", -1)]
    assert feeds[0].symbols == ()


def test_credentials_come_from_the_environment_and_show_no_password() -> None:
    found = credentials({"MT5_LOGIN": "77", "MT5_PASSWORD": "hunter2", "MT5_SERVER": "S"})

    assert tuple(found) == (77, "hunter2", "S")
    assert "hunter2" not in repr(found)
    assert tuple(credentials({})) == (0, "", "")
    with pytest.raises(ConfigError, match="MT5_LOGIN: expected an account number, got 'x'; set it to digits alone"):
        credentials({"MT5_LOGIN": "x"})
