"""The commands that serve: run the gateway, or one worker or feed of it on another host; config and version."""

import platform
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
import yaml

from gateway import config
from gateway.cli import tables
from gateway.cli.common import ConfigOption, JsonOption, say
from gateway.settings import FeedSettings, WorkerSettings
from gateway.wire.errors import ConfigError

__all__ = ("add_commands",)

LANES: Final = ("trade", "watch", "query")
MAX_NAME_BYTES: Final = 64

_ADDRESS: Final = re.compile(r"tcp://.+:[0-9]{1,5}|ipc:///.+")

config_app = typer.Typer(
    help="""Check or show the configuration.

    \b
    Examples:
      mt5gate config check
      mt5gate config show --config live.yaml
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


class Level(StrEnum):
    """What is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Terminal(StrEnum):
    """What a worker calls."""

    METATRADER5 = "metatrader5"
    SIMULATED = "simulated"


class MarginMode(StrEnum):
    """How a simulated account holds positions."""

    HEDGING = "hedging"
    NETTING = "netting"
    EXCHANGE = "exchange"


class Mode(StrEnum):
    """What an account is declared to be."""

    DEMO = "demo"
    CONTEST = "contest"
    REAL = "real"


AccountName = Annotated[
    str, typer.Option("--account", "-a", metavar="NAME", help="The account, as the gateway names it.")
]
TerminalOption = Annotated[Terminal, typer.Option("--terminal", help="The kind of terminal.", case_sensitive=False)]
PathOption = Annotated[
    str, typer.Option("--path", metavar="FILE", help="The terminal's executable, or a simulated terminal's address.")
]
LoginOption = Annotated[
    int | None,
    typer.Option("--login", metavar="NUMBER", min=1, help="Left out: MT5_LOGIN, then the terminal's own account."),
]
ServerOption = Annotated[str, typer.Option("--server", metavar="NAME", help="The trade server. Left out: MT5_SERVER.")]
PortableOption = Annotated[bool, typer.Option("--portable", help="Start the terminal in portable mode.")]
HungOption = Annotated[
    int, typer.Option("--hung-after-ms", metavar="MS", min=100, help="A call that takes longer is ended by force.")
]
LevelOption = Annotated[Level, typer.Option("--log-level", help="What to log.", case_sensitive=False)]


def run(
    file: ConfigOption = None,
    ticks: Annotated[
        list[Path] | None,
        typer.Option("--ticks", metavar="FILE", help="An MT5 tick export to replay; may be repeated."),
    ] = None,
    speed: Annotated[
        str | None, typer.Option("--speed", metavar="1|N|max", help="Of the replay: N times as recorded.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="NUMBER", help="Of the synthetic market.")] = None,
    margin_mode: Annotated[
        MarginMode | None,
        typer.Option("--margin-mode", help="Of simulated accounts. Left out: hedging.", case_sensitive=False),
    ] = None,
    state_dir: Annotated[
        str | None, typer.Option("--state-dir", metavar="FOLDER", help="Where sockets and locks are.")
    ] = None,
    tcp: Annotated[
        int | None,
        typer.Option("--tcp", metavar="PORT", help="Listen at 127.0.0.1, too: at this port and the next three."),
    ] = None,
    level: Annotated[Level | None, typer.Option("--log-level", help="What to log.", case_sensitive=False)] = None,
) -> None:
    """Run the gateway: broker, publisher, workers, feeds, simulated terminals.

    \b
    Without a configuration it is one demo account on a simulated terminal.
    Stop it with Ctrl-C or SIGTERM. Exit status 78: it can't run as told, and
    starting it again won't help.

    \b
    Examples:
      mt5gate run
      mt5gate run --ticks EURUSD_ticks.csv --ticks USDJPY_ticks.csv --speed 10
      mt5gate run --config live.yaml --tcp 5550
    """
    overrides = {
        "state_dir": state_dir,
        "tcp_port": tcp,
        "log": {"level": level.value if level else None},
        "simulator": {
            "ticks": [str(path) for path in ticks] if ticks else None,
            "speed": speed,
            "seed": seed,
            "margin_mode": margin_mode.value if margin_mode else None,
        },
    }
    loaded = config.load(file, overrides=overrides)
    if ticks and not loaded.simulator_settings():
        raise typer.BadParameter("--ticks: expected an account with a simulated terminal, the configuration has none")
    from gateway import pool

    raise typer.Exit(pool.run(loaded))


def worker(
    gateway: Annotated[
        str, typer.Option("--gateway", "-g", metavar="ADDRESS", help="The gateway's address for workers.")
    ],
    account: AccountName = "demo",
    lanes: Annotated[
        str, typer.Option("--lanes", metavar="LANES", help="What it is for, of trade, watch and query.")
    ] = ",".join(LANES),
    terminal: TerminalOption = Terminal.METATRADER5,
    path: PathOption = "",
    login: LoginOption = None,
    server: ServerOption = "",
    mode: Annotated[Mode, typer.Option("--mode", help="What the account is.", case_sensitive=False)] = Mode.DEMO,
    portable: PortableOption = False,
    name: Annotated[
        str,
        typer.Option(
            "--name", metavar="NAME", help="Its name; no two may share one. Left out: account, host and lanes."
        ),
    ] = "",
    hung_after_ms: HungOption = 30_000,
    level: LevelOption = Level.INFO,
) -> None:
    """Run one worker, on the host where the terminal is.

    \b
    It needs neither a configuration nor a compiler, and reconnects by itself.
    The gateway must know the account, with `terminal: remote`. The password
    comes from MT5_PASSWORD or is asked for; it is never an argument.

    \b
    Examples:
      ssh -N -L 5551:127.0.0.1:5551 GATEWAY &
      mt5gate worker --gateway tcp://127.0.0.1:5551 --account live --mode real \\
          --login 12345678 --server Broker-Live
      mt5gate worker --gateway tcp://127.0.0.1:5551 --account live --lanes query
    """
    wanted = _lanes(lanes)
    number, password, trade_server = _credentials(terminal, login, server)
    settings = WorkerSettings(
        name=_name(name or f"{account}-{platform.node() or 'host'}-{'-'.join(wanted)}"),
        account=account,
        gateway=_address(gateway, "--gateway"),
        lanes=wanted,
        terminal=terminal.value,
        address=path,
        login=number,
        password=password,
        server=trade_server,
        portable=portable,
        mode=mode.value,
        hung_after_ms=hung_after_ms,
        log_level=level.value,
    )
    from gateway.workers import worker as shell

    raise typer.Exit(shell.run(settings))


def feed(
    publisher: Annotated[
        str, typer.Option("--publisher", "-p", metavar="ADDRESS", help="The gateway's address for feeds.")
    ],
    account: AccountName = "demo",
    symbols: Annotated[
        str, typer.Option("--symbols", metavar="SYMBOLS", help="Read these whether anybody listens or not: A,B,C.")
    ] = "",
    terminal: TerminalOption = Terminal.METATRADER5,
    path: PathOption = "",
    login: LoginOption = None,
    server: ServerOption = "",
    portable: PortableOption = False,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="The feed's name on the wire. Left out: the account's.")
    ] = "",
    hung_after_ms: HungOption = 30_000,
    level: LevelOption = Level.INFO,
) -> None:
    """Run one feed, on the host where the terminal is.

    \b
    Like `mt5gate worker`, for the ticks of a `terminal: remote` account.

    \b
    Examples:
      ssh -N -L 5553:127.0.0.1:5553 GATEWAY &
      mt5gate feed --publisher tcp://127.0.0.1:5553 --account live
    """
    number, password, trade_server = _credentials(terminal, login, server)
    settings = FeedSettings(
        name=_name(name or account),
        account=account,
        publisher=_address(publisher, "--publisher"),
        symbols=tuple(symbol.strip() for symbol in symbols.split(",") if symbol.strip()),
        terminal=terminal.value,
        address=path,
        login=number,
        password=password,
        server=trade_server,
        portable=portable,
        hung_after_ms=hung_after_ms,
        log_level=level.value,
    )
    from gateway.workers import feed as shell

    raise typer.Exit(shell.run(settings))


def _lanes(text: str) -> tuple[str, ...]:
    asked = {part.strip() for part in text.split(",")}
    if not asked <= set(LANES):
        raise typer.BadParameter(f"--lanes: expected some of {', '.join(LANES)}, with commas between, got {text!r}")
    return tuple(lane for lane in LANES if lane in asked)


def _name(text: str) -> str:
    if len(text.encode()) > MAX_NAME_BYTES:
        raise typer.BadParameter(f"--name: expected at most {MAX_NAME_BYTES} bytes, got {text!r}; give a shorter one")
    return text


def _address(text: str, option: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise typer.BadParameter(f"{option}: expected tcp://HOST:PORT or ipc:///PATH, got {text!r}")
    return text


def _credentials(terminal: Terminal, login: int | None, server: str) -> tuple[int, str, str]:
    """Return login, password and server; the password is asked for if a login is given and somebody is there to ask."""
    known_login, password, known_server = config.credentials()
    number = login or known_login
    if terminal is Terminal.METATRADER5 and number and not password and sys.stdin.isatty():
        password = typer.prompt(
            f"Password of account {number} (empty: the terminal knows it)", default="", hide_input=True
        )
    return number, password, server or known_server


@config_app.command("check")
def config_check(file: ConfigOption = None) -> None:
    """Check the configuration, all layers together, and start nothing.

    \b
    Every problem is one line: the key, where it stands, what was found, and
    the fix. Exit status 2 if there is one.

    \b
    Examples:
      mt5gate config check
      mt5gate config check --config live.yaml
    """
    loaded = config.load(file)
    _check_simulators(loaded)
    say(f"{loaded.source or 'the default configuration'} is fine")
    rows = []
    for name, account in loaded.accounts.items():
        counts = ((lane, getattr(account.workers, lane)) for lane in (*LANES, "all"))
        workers = " ".join(f"{count} {lane}" for lane, count in counts if count)
        if account.terminal == "remote":
            workers = "from another host"
        rows.append((name, account.mode, account.terminal, str(account.login or ""), workers))
    say(tables.table("account mode terminal login workers", rows))


def _check_simulators(loaded: config.Config) -> None:
    """Ask the simulated terminals themselves: symbols, faults and zones are known to them alone."""
    told = loaded.simulator_settings()
    if not told:
        return
    from gateway import simulator

    problems = []
    for settings in told:
        try:
            simulator.check(settings)
        except ValueError as error:
            problems.append(f"simulator of account {settings.account}: {error}")
    if problems:
        raise ConfigError("\n".join(problems), detail={"problems": problems})


@config_app.command("show")
def config_show(file: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print what all layers together come to, passwords left out.

    \b
    Examples:
      mt5gate config show
      MT5GATE_TCP_PORT=5550 mt5gate config show --json | jq .broker.endpoints
    """
    loaded = config.load(file)
    shown = loaded.model_dump(mode="json")
    if as_json:
        say(tables.json_line(shown))
    else:
        say(f"# {loaded.source or 'no file: defaults, environment'}\n")
        say(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True))


def version(as_json: JsonOption = False) -> None:
    """Print the versions of the gateway and of what it stands on.

    \b
    Examples:
      mt5gate version
      mt5gate version --json
    """
    import zmq

    from gateway import __version__
    from gateway.accel import COMPILED
    from gateway.wire.messages import VERSION

    found = {
        "mt5gate": __version__,
        "protocol": VERSION,
        "compiled": COMPILED,
        "python": platform.python_version(),
        "pyzmq": zmq.__version__,
        "libzmq": zmq.zmq_version(),
        "platform": platform.platform(),
    }
    if as_json:
        say(tables.json_line(found))
    else:
        say("\n".join(f"{name:<9} {tables.number(value)}" for name, value in found.items()))


def add_commands(app: typer.Typer) -> None:
    """Add what this file has to the command."""
    app.command("run")(run)
    app.command("worker")(worker)
    app.command("feed")(feed)
    app.add_typer(config_app, name="config")
    app.command("version")(version)
