"""The configuration: found, layered and checked; the environment's only reader.

Later layers win: defaults, one YAML file, the environment (MT5GATE_…, and MT5_LOGIN, MT5_PASSWORD, MT5_SERVER for the
default account), the command line. Laws: an unknown key is an error; a secret is never shown; nothing is ever bound
where another host or another user could reach it. docs/CONFIGURATION.md tells every key.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr, ValidationError

from gateway.config import endpoints
from gateway.config.checks import PLACES, contradictions
from gateway.config.endpoints import tcp_endpoint
from gateway.config.layers import Tree, environment_layer, file_layer, merge, readable_by_others
from gateway.config.problems import KeyPath, Origins, problem_lines
from gateway.config.resolved import DEFAULT_TCP_PORT, Config, completed
from gateway.wire.errors import ConfigError

__all__ = (
    "FILE_NAME",
    "Credentials",
    "credentials",
    "default_endpoint",
    "default_tick_endpoint",
    "gateway_endpoint",
    "load",
)

FILE_NAME: Final = "mt5gate.yaml"

_log = logging.getLogger("mt5gate.config")


class Credentials(tuple[int, str, str]):
    """Login, password and server; its repr shows no password."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Credentials(login={self[0]}, server={self[2]!r})"


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
    config = completed(checked)
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


def _found_file(environ: Mapping[str, str]) -> Path | None:
    home = environ.get("APPDATA" if endpoints.on_windows() else "XDG_CONFIG_HOME")
    folder = Path(home) if home else Path("~/.config").expanduser()
    candidates = (Path(FILE_NAME), folder / "mt5gate" / FILE_NAME)
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _default_state_dir(environ: Mapping[str, str]) -> str:
    if endpoints.on_windows():
        local = environ.get("LOCALAPPDATA")
        return str((Path(local) if local else Path("~/AppData/Local").expanduser()) / "mt5gate")
    runtime = environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        return str(Path(runtime) / "mt5gate")
    return f"/tmp/mt5gate-{os.getuid()}"


def _default_place(environ: Mapping[str, str], place: tuple[str, str]) -> str:
    file, offset = PLACES[place]
    if endpoints.on_windows():
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
