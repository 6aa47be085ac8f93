"""The command exec: a script written for the MetaTrader5 package, run unchanged against a gateway.

It becomes `python script.py …`, in an environment where `import MetaTrader5` finds the drop-in module: arguments, exit
status, signals, tracebacks and child processes are Python's own.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway import config
from gateway.cli.common import AccountOption, EndpointOption
from gateway.wire.errors import ConfigError

__all__ = ("add_commands",)


def exec_script(
    script: Annotated[str, typer.Argument(metavar="SCRIPT", help="The script's file; with -m: a module's name.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="ARGUMENTS", help="The script's own, all of them.")
    ] = None,
    as_module: Annotated[bool, typer.Option("-m", help="Run a module, as `python -m` does.")] = False,
    endpoint: EndpointOption = "",
    account: AccountOption = "",
) -> None:
    """Run a script written for the MetaTrader5 package, unchanged.

    \b
    It runs as under `python`, with its own arguments, exit status and
    traceback; `import MetaTrader5` finds the gateway's module, in processes
    that the script starts with this Python too. --endpoint and --account hold
    where initialize() isn't told an address; a login that the script gives
    must be the account's. Options of this command stand before the script.

    \b
    Examples:
      mt5gate exec bot.py --symbol EURUSD
      mt5gate exec --endpoint tcp://127.0.0.1:5550 --account live bot.py
      mt5gate exec -m mybots.grid
    """
    import clients

    folder = Path(clients.__file__).parent / "distribution"
    if not (folder / "MetaTrader5" / "__init__.py").is_file():
        raise ConfigError(f"{folder}: expected the MetaTrader5 module there; install mt5gate anew")
    command = [sys.executable, *(["-m"] if as_module else []), script, *(arguments or [])]
    environment = config.scripts_environment(folder, endpoint, account)
    sys.stdout.flush()
    if os.name == "nt":  # there, a process can't become another
        raise typer.Exit(subprocess.call(command, env=environment))
    os.execve(sys.executable, command, environment)


def add_commands(app: typer.Typer) -> None:
    """Add what this file has to the command."""
    app.command("exec", context_settings={"allow_interspersed_args": False})(exec_script)
