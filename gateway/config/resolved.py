"""A checked configuration with nothing left open, and what each process of this host is told out of it.

It reads no environment and finds no file: see `loading`.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from pydantic import PrivateAttr

from gateway import statedir
from gateway.config import endpoints
from gateway.config.checks import PLACES
from gateway.config.endpoints import ipc_path, tcp_endpoint
from gateway.config.model import Account, Schema, Simulator
from gateway.settings import (
    AccountSettings,
    BrokerSettings,
    FeedSettings,
    PublisherSettings,
    SimulatorSettings,
    WorkerSettings,
)
from gateway.wire.errors import ConfigError

__all__ = ("DEFAULT_TCP_PORT", "Config", "completed")

DEFAULT_TCP_PORT: Final = 5_550
"""First of the five ports used where there are no owner-only sockets; see `checks.PLACES`."""

FIRST_SIMULATED_LOGIN: Final = 50_000_001
"""The number of the first simulated account that is given none; the others follow."""


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
        if endpoints.on_windows():
            return f"sim://127.0.0.1:{(self.tcp_port or DEFAULT_TCP_PORT) + len(PLACES) + index}"
        file = "terminal.sock" if index == 0 else f"terminal-{index + 1}.sock"
        return f"sim://{Path(self.state_dir) / file}"

    def _since(self, account: Account) -> int:
        if account.feed.since is not None:
            return account.feed.since
        return 0 if account.terminal == "simulated" and self._section(account).is_replay else -1

    def _board(self, feed: str) -> str:
        return str(Path(self.state_dir) / f"board-{feed}.shm")


def completed(config: Config) -> Config:
    """Fill in what follows from other keys: absolute paths, the default account, the endpoints."""
    state_dir = str(Path(config.state_dir).expanduser().absolute())
    tcp_port = config.tcp_port
    if tcp_port is None:
        tcp_port = DEFAULT_TCP_PORT if endpoints.on_windows() else 0
    update: dict[str, Any] = {
        "state_dir": state_dir,
        "tcp_port": tcp_port,
        "default_account": config.default_account or next(iter(config.accounts)),
    }
    sections: dict[str, dict[str, tuple[str, ...]]] = {"broker": {}, "publisher": {}}
    for (section, key), (file, offset) in PLACES.items():
        places: tuple[str, ...] = getattr(getattr(config, section), key)
        if not places and not endpoints.on_windows():
            places = (f"ipc://{Path(state_dir) / file}",)
        tcp = (tcp_endpoint(tcp_port + offset),) if tcp_port else ()
        sections[section][key] = places + tuple(endpoint for endpoint in tcp if endpoint not in places)
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


def _prepared(key: str, folder: Path) -> Path:
    try:
        return statedir.prepare(str(folder))
    except ConfigError as error:
        raise ConfigError(f"{key}: {error.message.removeprefix('state_dir: ')}") from None
    except OSError as error:
        raise ConfigError(f"{key}: {folder} can't be created: {error.strerror}; choose a folder of your own") from None
