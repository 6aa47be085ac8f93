"""What each process is told."""

import dataclasses
import json
from pathlib import Path

import pytest

from gateway.config import credentials
from gateway.config.model import Simulator
from gateway.settings import AccountSettings
from gateway.terminal.simulated.settings import Settings
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

    assert (one.account, two.account) == ("one", "two")
    assert one.address != two.address
    assert (one.terminal["login"], one.terminal["password"]) == (50_000_001, "")
    assert (two.terminal["login"], two.terminal["password"], two.terminal["server"]) == (5, "pw", "S")
    addresses = {worker.account: worker.address for worker in config.worker_settings()}
    assert addresses == {"one": one.address, "two": two.address}


def test_no_simulated_account_needs_no_simulator(loaded) -> None:
    assert loaded("accounts: {live: {terminal: remote}}").simulator_settings() == ()


SIMULATOR = """
    simulator:
      ticks: [a.csv]
      bars: [b.csv]
      speed: max
      seed: 9
      hours: market
      timezone: 120
      suffix: .r
      symbols: {EURUSD: {swap_long: -3.5, sessions: [mon, tue], expiration_time: 2030-01-31}}
      generated_symbols: 3
      deposit: 5.5
      currency: EUR
      leverage: 30
      margin_mode: netting
      fifo_close: true
      margin_call_level: 80
      stop_out_level: 40
      limit_orders: 7
      limit_positions: 6
      trade_allowed: false
      trade_expert: false
      execution_delay_ms: 8
      faults: {requote: 0.25}
      investor_password: look
      state: false
"""


def test_simulated_terminal_is_told_every_key_of_its_section(loaded, folder: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text("")

    (simulator,) = loaded(SIMULATOR).simulator_settings()
    told = Settings(address=simulator.address, **simulator.terminal)

    assert told == Settings(
        address=simulator.address,
        tick_files=(str(folder / "a.csv"),),
        bar_files=(str(folder / "b.csv"),),
        speed=float("inf"),
        seed=9,
        hours="market",
        timezone="120",
        suffix=".r",
        symbols={"EURUSD": {"swap_long": -3.5, "sessions": ["mon", "tue"], "expiration_time": "2030-01-31"}},
        generated_symbols=3,
        deposit=5.5,
        currency="EUR",
        leverage=30,
        margin_mode="netting",
        fifo_close=True,
        margin_call_level=80.0,
        stop_out_level=40.0,
        limit_orders=7,
        limit_positions=6,
        trade_allowed=False,
        trade_expert=False,
        execution_delay_ms=8,
        faults={"requote": 0.25},
        investor_password="look",
    )
    in_the_text = {line.partition(":")[0].strip() for line in SIMULATOR.splitlines()} - {"", "simulator"}
    assert in_the_text == set(Simulator.model_fields), "a key is missing above"


def test_configuration_has_a_key_for_everything_a_simulated_terminal_can_be_told(loaded) -> None:
    (simulator,) = loaded("accounts: {one: {server: S}}").simulator_settings()

    for_nobody_to_choose = {"company", "name"}
    assert {field.name for field in dataclasses.fields(Settings)} == {
        "address",
        *simulator.terminal,
        *for_nobody_to_choose,
    }


def test_defaults_are_what_a_simulated_terminal_has_by_itself(loaded) -> None:
    (simulator,) = loaded().simulator_settings()
    by_itself = Settings(address=simulator.address)

    differing = {name for name, value in simulator.terminal.items() if getattr(by_itself, name) != value}
    assert differing == {"seed", "state_file"}


def test_account_has_its_own_keys_before_the_shared_ones(loaded) -> None:
    config = loaded(
        """
        simulator: {seed: 5, currency: EUR, symbols: {EURUSD: {swap_long: 1}}}
        accounts:
          one:
          two: {simulator: {seed: 6, symbols: {GBPUSD: {swap_long: 2}}}}
        """,
        {"MT5GATE_ACCOUNTS__TWO__SIMULATOR__LEVERAGE": "50"},
    )

    one, two = (simulator.terminal for simulator in config.simulator_settings())

    keys = ("seed", "currency", "leverage", "symbols")
    assert [one[key] for key in keys] == [5, "EUR", 100, {"EURUSD": {"swap_long": 1}}]
    assert [two[key] for key in keys] == [6, "EUR", 50, {"GBPUSD": {"swap_long": 2}}]
    assert config.accounts["one"].simulator is None
    assert config.accounts["two"].simulator.currency == "EUR"  # what is shown is the outcome


def test_account_of_its_own_may_be_a_replay(loaded, folder: Path) -> None:
    (folder / "a.csv").write_text("")
    config = loaded("accounts: {one: , two: {simulator: {ticks: a.csv, speed: max}}}")

    one, two = (simulator.terminal for simulator in config.simulator_settings())

    assert (one["tick_files"], two["tick_files"]) == ((), (str(folder / "a.csv"),))
    assert [feed.since for feed in config.feed_settings()] == [-1, 0]


@pytest.mark.parametrize(
    ("section", "is_kept"),
    [("", True), ("state: true", True), ("state: false", False), ("ticks: a.csv", False), ("bars: a.csv", False)],
)
def test_account_is_kept_on_disk_unless_it_is_a_replay(loaded, folder: Path, section: str, is_kept: bool) -> None:
    (folder / "a.csv").write_text("")
    config = loaded(f"accounts: {{my-demo: {{simulator: {{{section}}}}}}}" if section else "accounts: {my-demo: }")

    (simulator,) = config.simulator_settings()

    assert simulator.terminal["state_file"] == (f"{config.state_dir}/account-my-demo.sqlite" if is_kept else "")


def test_symbols_and_faults_can_be_told_in_variables(loaded) -> None:
    config = loaded(
        "",
        {
            "MT5GATE_SIMULATOR__SYMBOLS__EURUSD__SWAP_LONG": "-3.5",
            "MT5GATE_SIMULATOR__SYMBOLS__XAUUSD": "{filling: [fok, ioc]}",
            "MT5GATE_SIMULATOR__FAULTS__REQUOTE": "0.5",
            "MT5GATE_SIMULATOR__TIMEZONE": "120",
        },
    )

    (simulator,) = config.simulator_settings()

    assert simulator.terminal["symbols"] == {"EURUSD": {"swap_long": -3.5}, "XAUUSD": {"filling": ["fok", "ioc"]}}
    assert simulator.terminal["faults"] == {"requote": 0.5}
    assert simulator.terminal["timezone"] == "120"


def test_simulated_terminals_passwords_arent_shown(loaded) -> None:
    config = loaded("accounts: {one: {password: hunter2, simulator: {investor_password: hunter3}}}")

    shown = repr(config.simulator_settings()) + repr(config) + str(config.model_dump(mode="json"))

    assert "hunter" not in shown
    assert config.simulator_settings()[0].terminal["investor_password"] == "hunter3"


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
