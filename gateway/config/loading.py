"""The configuration: found, layered, checked, and made into what each process is told; the environment's only reader.

Later layers win: defaults, one YAML file, the environment (MT5GATE_…, and MT5_LOGIN, MT5_PASSWORD, MT5_SERVER for the
default account), the command line. Laws: an unknown key is an error; a secret is never shown; nothing is ever bound
where another host or another user could reach it. docs/CONFIGURATION.md tells every key.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from pydantic import PrivateAttr, SecretStr, ValidationError

from gateway import statedir
from gateway.config.checks import PLACES, contradictions
from gateway.config.endpoints import ipc_path, tcp_endpoint
from gateway.config.layers import Tree, environment_layer, file_layer, merge, readable_by_others
from gateway.config.model import Account, Schema, Simulator
from gateway.config.problems import KeyPath, Origins, problem_lines
from gateway.settings import (
    AccountSettings,
    BrokerSettings,
    FeedSettings,
    PublisherSettings,
    SimulatorSettings,
    WorkerSettings,
)
from gateway.wire.errors import ConfigError

__all__ = (
    "FILE_NAME",
    "Config",
    "Credentials",
    "credentials",
    "default_endpoint",
    "default_tick_endpoint",
    "gateway_endpoint",
    "load",
)

FILE_NAME: Final = "mt5gate.yaml"

DEFAULT_TCP_PORT: Final = 5_550
"""First of the five ports used where there are no owner-only sockets; see `checks.PLACES`."""

FIRST_SIMULATED_LOGIN: Final = 50_000_001
"""The number of the first simulated account that is given none; the others follow."""

_log = logging.getLogger("mt5gate.config")


class Credentials(tuple[int, str, str]):
    """Login, password and server; its repr shows no password."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Credentials(login={self[0]}, server={self[2]!r})"


class Config(Schema):
    """A checked configuration with nothing left open; made by `load`. Frozen; its repr shows no secret."""

    _source: str = PrivateAttr("")

    @property
    def source(self) -> str:
        """The file it was read from, "" if none was found."""
        return self._source

    def prepare(self) -> None:
        """Make the state folder, for its owner alone; raises ConfigError if it, or a folder of an ipc socket, is open
        to other users."""
        state_dir = _prepared("state_dir", Path(self.state_dir))
        for (section, key), _ in PLACES.items():
            for index, endpoint in enumerate(getattr(getattr(self, section), key)):
                folder = Path(ipc_path(endpoint)).parent
                if ipc_path(endpoint) and folder != state_dir:
                    _prepared(f"{section}.{key}[{index}]", folder)

    def broker_settings(self) -> BrokerSettings:
        """Return what the order plane's process is told; the default account stands first."""
        names = sorted(self.accounts, key=lambda name: name != self.default_account)
        feeds = {name: feed for name in names if (feed := self._feed_name(name))}
        return BrokerSettings(
            state_dir=self.state_dir,
            endpoints=self.broker.endpoints,
            worker_endpoints=self.broker.worker_endpoints,
            tick_endpoint=self.publisher.endpoints[0],
            accounts=tuple(asdict(self._account_settings(name)) for name in names),
            boards={name: self._board(feed) for name, feed in feeds.items()},
            feeds=feeds,
            heartbeat_ms=self.broker.heartbeat_ms,
            worker_timeout_ms=self.broker.worker_timeout_ms,
            session_timeout_ms=self.broker.session_timeout_ms,
            max_sessions=self.broker.max_sessions,
            max_queued=self.broker.max_queued,
            max_queued_per_session=self.broker.max_queued_per_session,
            quote_max_age_ms=self.broker.quote_max_age_ms,
            spin_us=self.broker.spin_us,
            durability=self.broker.durability,
            remembered_orders=self.broker.remembered_orders,
            remembered_ms=self.broker.remembered_ms,
            risk=self.risk.rules(),
            observers=self.broker.observers,
            log_level=self.log.level,
        )

    def publisher_settings(self) -> PublisherSettings:
        """Return what the tick plane's process is told."""
        feeds = dict.fromkeys(self._feed_name(name) for name in self.accounts)
        return PublisherSettings(
            state_dir=self.state_dir,
            endpoints=self.publisher.endpoints,
            feed_endpoints=self.publisher.feed_endpoints,
            boards={feed: self._board(feed) for feed in feeds if feed},
            send_hwm=self.publisher.send_hwm,
            log_level=self.log.level,
        )

    def worker_settings(self) -> tuple[WorkerSettings, ...]:
        """Return what each worker of this host is told: demo-trade-1, demo-watch-1, demo-query-1, demo-query-2, …"""
        return tuple(
            WorkerSettings(
                name=f"{name}-{purpose}-{number}",
                gateway=self.broker.worker_endpoints[0],
                lanes=("trade", "watch", "query") if purpose == "all" else (purpose,),
                mode=account.mode,
                **self._connection(name),
            )
            for name, account in self.accounts.items()
            if account.terminal != "remote"
            for purpose in ("trade", "watch", "query", "all")
            for number in range(1, getattr(account.workers, purpose) + 1)
        )

    def feed_settings(self) -> tuple[FeedSettings, ...]:
        """Return what each feed of this host is told. A replay is read from its first tick, unless `since` is set."""
        return tuple(
            FeedSettings(
                name=self._feed_name(name),
                publisher=self.publisher.feed_endpoints[0],
                symbols=account.feed.symbols,
                since=self._since(account),
                poll_us=account.feed.poll_us,
                **self._connection(name),
            )
            for name, account in self.accounts.items()
            if account.feed.enabled and account.terminal != "remote"
        )

    def simulator_settings(self) -> tuple[SimulatorSettings, ...]:
        """Return what each simulated terminal's process is told: one for each simulated account, of its own state."""
        return tuple(
            SimulatorSettings(
                address=self._simulator_address(name),
                account=name,
                terminal=self._terminal(name, account, index),
                log_level=self.log.level,
            )
            for index, (name, account) in enumerate(self._simulated())
        )

    def _feed_name(self, account: str) -> str:
        return self.accounts[account].feed.source_of(account)

    def _account_settings(self, name: str) -> AccountSettings:
        account = self.accounts[name]
        return AccountSettings(
            name=name,
            mode=account.mode,
            allow_real=account.allow_real,
            login=account.login,
            server=account.server,
            settle_ms=account.settle_ms or (1_000 if account.terminal == "simulated" else 60_000),
        )

    def _connection(self, name: str) -> dict[str, Any]:
        """Return what a worker's and a feed's settings have in common."""
        account = self.accounts[name]
        simulated = account.terminal == "simulated"
        return {
            "account": name,
            "terminal": account.terminal,
            "address": self._simulator_address(name) if simulated else account.path,
            "login": account.login,
            "password": account.password.get_secret_value(),
            "server": account.server,
            "portable": account.portable,
            "connect_timeout_ms": account.connect_timeout_ms,
            "hung_after_ms": account.hung_after_ms,
            "log_level": self.log.level,
        }

    def _terminal(self, name: str, account: Account, index: int) -> dict[str, Any]:
        """Return what a simulated terminal is told, but for its address."""
        section = self._section(account)
        told = dict(section)
        told["tick_files"], told["bar_files"] = told.pop("ticks"), told.pop("bars")
        is_kept = told.pop("state")
        told["state_file"] = (
            str(Path(self.state_dir) / f"account-{name}.sqlite")
            if is_kept or (is_kept is None and not section.is_replay)
            else ""
        )
        told["investor_password"] = section.investor_password.get_secret_value()
        told["password"] = account.password.get_secret_value()
        told["login"] = account.login or FIRST_SIMULATED_LOGIN + index
        return told | ({"server": account.server} if account.server else {})

    def _section(self, account: Account) -> Simulator:
        return account.simulator or self.simulator

    def _simulated(self) -> list[tuple[str, Account]]:
        return [(name, account) for name, account in self.accounts.items() if account.terminal == "simulated"]

    def _simulator_address(self, name: str) -> str:
        index = [simulated for simulated, _ in self._simulated()].index(name)
        if _on_windows():
            return f"sim://127.0.0.1:{(self.tcp_port or DEFAULT_TCP_PORT) + len(PLACES) + index}"
        file = "terminal.sock" if index == 0 else f"terminal-{index + 1}.sock"
        return f"sim://{Path(self.state_dir) / file}"

    def _since(self, account: Account) -> int:
        if account.feed.since is not None:
            return account.feed.since
        return 0 if account.terminal == "simulated" and self._section(account).is_replay else -1

    def _board(self, feed: str) -> str:
        return str(Path(self.state_dir) / f"board-{feed}.shm")


def load(
    path: str | Path | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Read, layer and check the configuration.

    `path`: the YAML file; None looks for ./mt5gate.yaml, then $XDG_CONFIG_HOME/mt5gate/mt5gate.yaml, and does without.
    `overrides`: nested like the file, the command line's layer; None values are ignored. `environ`: os.environ unless
    given. Raises ConfigError with a line for every problem. Reads files; creates nothing: see `Config.prepare`.
    """
    environ = os.environ if environ is None else environ
    tree = Tree()
    file = _found_file(environ) if path is None else Path(path).expanduser()
    if file is not None:
        file_layer(tree, file)
    environment_layer(tree, environ)
    merge(tree, overrides or {}, "command line")
    _account_from_environment(tree, environ)
    tree.values.setdefault("state_dir", _default_state_dir(environ))
    try:
        checked = Config.model_validate(tree.values)
    except ValidationError as error:
        raise _config_error(problem_lines(error, tree.origins)) from None
    config = _completed(checked)
    simulator_sockets = [settings.address.removeprefix("sim://") for settings in config.simulator_settings()]
    problems = contradictions(config, simulator_sockets, tree.origins)
    if problems:
        raise _config_error(problems)
    config._source = str(file) if file is not None else ""
    if file is not None and readable_by_others(file):
        _warn_of_password(file, config, tree.origins)
    return config


def credentials(environ: Mapping[str, str] | None = None) -> Credentials:
    """Return login, password and server from MT5_LOGIN, MT5_PASSWORD and MT5_SERVER; 0 and "" where unset.

    Raises ConfigError for a login that isn't a number.
    """
    environ = os.environ if environ is None else environ
    login = environ.get("MT5_LOGIN", "")
    if login and not (login.isascii() and login.isdigit()):
        raise ConfigError(f"MT5_LOGIN: expected an account number, got {login!r}; set it to digits alone, or unset it")
    return Credentials((int(login or 0), environ.get("MT5_PASSWORD", ""), environ.get("MT5_SERVER", "")))


def named_endpoint(environ: Mapping[str, str] | None = None) -> str:
    """Return MT5GATE_ENDPOINT, "" if it is unset: the configuration, or the default, says where the gateway is."""
    environ = os.environ if environ is None else environ
    return environ.get("MT5GATE_ENDPOINT", "")


def named_account(environ: Mapping[str, str] | None = None) -> str:
    """Return MT5GATE_ACCOUNT, the account that scripts written for the MetaTrader5 package are meant for; "" if unset:
    the gateway's default."""
    environ = os.environ if environ is None else environ
    return environ.get("MT5GATE_ACCOUNT", "")


def scripts_environment(
    folder: Path, endpoint: str = "", account: str = "", environ: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment in which Python finds packages in `folder` before others, and `named_account` and
    `named_endpoint` find what isn't "" here."""
    made = dict(os.environ if environ is None else environ)
    made["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), made.get("PYTHONPATH", ""))))
    made |= {"MT5GATE_ENDPOINT": endpoint} if endpoint else {}
    made |= {"MT5GATE_ACCOUNT": account} if account else {}
    return made


def gateway_endpoint(environ: Mapping[str, str] | None = None) -> str:
    """Return where the command finds the gateway: MT5GATE_ENDPOINT, else where the configuration it finds says, else
    the default place. Raises ConfigError for a configuration that can't be used."""
    environ = os.environ if environ is None else environ
    if environ.get("MT5GATE_ENDPOINT") or _found_file(environ) is None:
        return default_endpoint(environ)
    return load(environ=environ).broker.endpoints[0]


def default_endpoint(environ: Mapping[str, str] | None = None) -> str:
    """Return where a client finds the gateway: MT5GATE_ENDPOINT, else the default place of this user's own gateway."""
    environ = os.environ if environ is None else environ
    return environ.get("MT5GATE_ENDPOINT") or _default_place(environ, ("broker", "endpoints"))


def default_tick_endpoint(environ: Mapping[str, str] | None = None) -> str:
    """Return where a client finds the ticks: MT5GATE_TICK_ENDPOINT, else the default place."""
    environ = os.environ if environ is None else environ
    return named_tick_endpoint(environ) or _default_place(environ, ("publisher", "endpoints"))


def named_tick_endpoint(environ: Mapping[str, str] | None = None) -> str:
    """Return MT5GATE_TICK_ENDPOINT, "" if it is unset: the gateway itself says where its ticks are."""
    environ = os.environ if environ is None else environ
    return environ.get("MT5GATE_TICK_ENDPOINT", "")


def _on_windows() -> bool:
    return os.name == "nt"


def _prepared(key: str, folder: Path) -> Path:
    try:
        return statedir.prepare(str(folder))
    except ConfigError as error:
        raise ConfigError(f"{key}: {error.message.removeprefix('state_dir: ')}") from None
    except OSError as error:
        raise ConfigError(f"{key}: {folder} can't be created: {error.strerror}; choose a folder of your own") from None


def _found_file(environ: Mapping[str, str]) -> Path | None:
    home = environ.get("APPDATA" if _on_windows() else "XDG_CONFIG_HOME")
    folder = Path(home) if home else Path("~/.config").expanduser()
    candidates = (Path(FILE_NAME), folder / "mt5gate" / FILE_NAME)
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _default_state_dir(environ: Mapping[str, str]) -> str:
    if _on_windows():
        local = environ.get("LOCALAPPDATA")
        return str((Path(local) if local else Path("~/AppData/Local").expanduser()) / "mt5gate")
    runtime = environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        return str(Path(runtime) / "mt5gate")
    return f"/tmp/mt5gate-{os.getuid()}"


def _default_place(environ: Mapping[str, str], place: tuple[str, str]) -> str:
    file, offset = PLACES[place]
    if _on_windows():
        return tcp_endpoint(DEFAULT_TCP_PORT + offset)
    folder = Path(environ.get("MT5GATE_STATE_DIR") or _default_state_dir(environ)).expanduser().absolute()
    try:
        is_ours = folder.stat().st_uid == os.getuid()
    except OSError:
        is_ours = True  # there is none yet
    if not is_ours:
        raise ConfigError(f"{folder}: belongs to another user, who would get your orders; give your gateway's endpoint")
    return f"ipc://{folder / file}"


def _account_from_environment(tree: Tree, environ: Mapping[str, str]) -> None:
    """Lay MT5_LOGIN, MT5_PASSWORD and MT5_SERVER over the default account; MT5GATE_ACCOUNTS__… of it go before them."""
    accounts = tree.values.get("accounts", {})
    if not isinstance(accounts, dict):
        return
    name = tree.values.get("default_account") or next(iter(accounts), "demo")
    if accounts and name not in accounts:
        return
    for key in ("login", "password", "server"):
        variable = f"MT5_{key.upper()}"
        path = ("accounts", str(name), key)
        if environ.get(variable) and not _is_from_above(tree.origins.get(path, "")):
            tree.put(path, environ[variable], variable)


def _is_from_above(origin: str) -> bool:
    return origin == "command line" or origin.startswith("MT5GATE_")


def _completed(config: Config) -> Config:
    """Fill in what follows from other keys: absolute paths, the default account, the endpoints."""
    state_dir = str(Path(config.state_dir).expanduser().absolute())
    tcp_port = config.tcp_port
    if tcp_port is None:
        tcp_port = DEFAULT_TCP_PORT if _on_windows() else 0
    update: dict[str, Any] = {
        "state_dir": state_dir,
        "tcp_port": tcp_port,
        "default_account": config.default_account or next(iter(config.accounts)),
    }
    sections: dict[str, dict[str, tuple[str, ...]]] = {"broker": {}, "publisher": {}}
    for (section, key), (file, offset) in PLACES.items():
        endpoints: tuple[str, ...] = getattr(getattr(config, section), key)
        if not endpoints and not _on_windows():
            endpoints = (f"ipc://{Path(state_dir) / file}",)
        tcp = (tcp_endpoint(tcp_port + offset),) if tcp_port else ()
        sections[section][key] = endpoints + tuple(endpoint for endpoint in tcp if endpoint not in endpoints)
    for section, values in sections.items():
        update[section] = getattr(config, section).model_copy(update=values)
    update["simulator"] = shared = _with_absolute_paths(config.simulator)
    update["accounts"] = {
        name: account.model_copy(update={"simulator": _with_absolute_paths(shared.with_own(account.simulator))})
        if account.simulator is not None
        else account
        for name, account in config.accounts.items()
    }
    return config.model_copy(update=update)


def _with_absolute_paths(section: Simulator) -> Simulator:
    absolute = {
        key: tuple(str(Path(file).expanduser().absolute()) for file in getattr(section, key))
        for key in ("ticks", "bars")
    }
    return section.model_copy(update=absolute)


def _warn_of_password(file: Path, config: Config, origins: Origins) -> None:
    for path, secret in _secrets(config):
        origin = origins.get(path, "")
        if secret.get_secret_value() and origin.startswith(str(file)):
            _log.warning(
                "%s holds a password and every user of this host can read it; run `chmod 600 %s`,"
                " or give the password as MT5_PASSWORD",
                origin,
                file,
            )


def _secrets(config: Config) -> Iterator[tuple[KeyPath, SecretStr]]:
    yield ("simulator", "investor_password"), config.simulator.investor_password
    for name, account in config.accounts.items():
        yield ("accounts", name, "password"), account.password
        if account.simulator is not None:
            yield ("accounts", name, "simulator", "investor_password"), account.simulator.investor_password


def _config_error(problems: list[str]) -> ConfigError:
    return ConfigError("\n".join(problems), detail={"problems": problems})
