"""The commands that act on a simulated terminal as somebody sitting before it would: faults, switches, what it shows.
Trades by hand are in `simulatortrades`.

They talk to the terminal itself, past the gateway: what the gateway makes of it is what one wants to see.
"""

from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from gateway.cli import tables
from gateway.cli.common import AccountOption, ConfigOption, JsonOption, show
from gateway.cli.simulatorcontrol import AddressOption, controlled
from gateway.cli.simulatortrades import TRADES
from gateway.terminal.simulated.fault_kinds import FAULTS

__all__ = ("add_commands",)

simulator_app = typer.Typer(
    help="""Sit before a simulated terminal: script its faults, trade by hand, throw its switches.

    \b
    Examples:
      mt5gate simulator status
      mt5gate simulator fault ipc_lost_after --call order_send
      mt5gate simulator buy EURUSD 0.1
      mt5gate simulator autotrading off
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


class Switch(StrEnum):
    """What a switch can be set to."""

    ON = "on"
    OFF = "off"


SwitchArgument = Annotated[Switch, typer.Argument(metavar="on|off", help="What to set it to.", case_sensitive=False)]


def _known_faults() -> str:
    """Return every fault, what it does and what it takes, as the help shows it."""
    lines = []
    for name, fault in FAULTS.items():
        takes = " ".join(f"{key}={_shown(value)}" for key, value in fault.parameters.items())
        lines.append(f"  {name:<20} {fault.summary}{f' [{takes}]' if takes else ''}")
    return "\n".join(lines)


def _shown(value: bool | int | float | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


FAULT_HELP: Final = f"""Script a fault of the terminal.

\b
It meets the next calls that it can meet, or those named with --call and
--symbol. A fault with `ms` lasts so many milliseconds, 0 until it is cleared;
without --call, --symbol and --skip it begins at once.

\b
Examples:
  mt5gate simulator fault requote --count 3
  mt5gate simulator fault slow ms=2500 --call order_send --symbol EURUSD
  mt5gate simulator fault terminal_gone ms=5000 unsynchronised_ms=2000
  mt5gate simulator fault account_switched ms=0 --call order_send

\b
Faults, and what they take with its default:
{_known_faults()}
"""


@simulator_app.command("fault", help=FAULT_HELP)
def fault(
    name: Annotated[str, typer.Argument(metavar="FAULT", help="Its name.")],
    parameters: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="What it takes; see below.")
    ] = None,
    count: Annotated[
        int, typer.Option("--count", metavar="NUMBER", min=0, help="How many calls it meets; 0: until cleared.")
    ] = 1,
    skip: Annotated[
        int, typer.Option("--skip", metavar="NUMBER", min=0, help="How many calls it lets pass first.")
    ] = 0,
    call: Annotated[str, typer.Option("--call", metavar="NAME", help="Only this call, as order_send.")] = "",
    symbol: Annotated[str, typer.Option("--symbol", metavar="SYMBOL", help="Only calls about this symbol.")] = "",
    address: AddressOption = "",
    account: AccountOption = "",
    file: ConfigOption = None,
) -> None:
    """Script a fault."""
    values = _parameters(name, parameters or [])
    with controlled(address, account, file) as control:
        control.fault(name, count=count, skip=skip, call=call, symbol=symbol, **values)


@simulator_app.command("faults")
def faults(
    address: AddressOption = "", account: AccountOption = "", file: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List the faults that are in force, scripted, or left to chance by the configuration.

    \b
    Example:
      mt5gate simulator faults
    """
    with controlled(address, account, file, reads=True) as control:
        rows = control.faults()
    show(as_json, rows, lambda: _faults_table(rows))


@simulator_app.command("clear")
def clear(
    name: Annotated[str, typer.Argument(metavar="FAULT", help="Its name; left out: all.", show_default=False)] = "",
    address: AddressOption = "",
    account: AccountOption = "",
    file: ConfigOption = None,
) -> None:
    """Forget scripted faults, and end those in force. What the configuration leaves to chance goes on.

    \b
    Examples:
      mt5gate simulator clear
      mt5gate simulator clear disconnected
    """
    with controlled(address, account, file) as control:
        control.clear(name)


for _name, _command in TRADES.items():
    simulator_app.command(_name)(_command)


def _switch(name: str, text: str) -> None:
    """Add the command that sets one of the terminal's switches."""

    def throw(
        switch: SwitchArgument, address: AddressOption = "", account: AccountOption = "", file: ConfigOption = None
    ) -> None:
        with controlled(address, account, file) as control:
            getattr(control, name)(switch is Switch.ON)

    throw.__doc__ = text
    simulator_app.command(name)(throw)


_switch(
    "autotrading",
    """Press the AlgoTrading button: off, programs' orders are refused with 10027.

    \b
    Example:
      mt5gate simulator autotrading off
    """,
)
_switch(
    "api",
    """Permit or forbid trading through the Python API, in the terminal's options: off, order_send gives None and -8.

    \b
    Example:
      mt5gate simulator api off
    """,
)
_switch(
    "connection",
    """Take the terminal off its trade server, or let it back. Meanwhile its market stands still.

    \b
    Examples:
      mt5gate simulator connection off
      mt5gate simulator connection on
    """,
)


@simulator_app.command("account")
def switch_account(
    login: Annotated[int, typer.Argument(metavar="LOGIN", min=1, help="An account number; a new one is opened.")],
    address: AddressOption = "",
    account: AccountOption = "",
    file: ConfigOption = None,
) -> None:
    """Log the terminal in to another account, as by hand.

    \b
    Example:
      mt5gate simulator account 50000099
    """
    with controlled(address, account, file) as control:
        control.account(login)


@simulator_app.command("reset")
def reset(address: AddressOption = "", account: AccountOption = "", file: ConfigOption = None) -> None:
    """Begin anew: the deposit and nothing else in the books, no faults, every switch as at the start.

    \b
    Example:
      mt5gate simulator reset
    """
    with controlled(address, account, file) as control:
        control.reset()


@simulator_app.command("status")
def status(
    address: AddressOption = "", account: AccountOption = "", file: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show what the terminal shows, its switches and its faults.

    \b
    Examples:
      mt5gate simulator status
      mt5gate simulator status --json | jq .balance
    """
    with controlled(address, account, file, reads=True) as control:
        found = control.status()
    show(as_json, [found], lambda: _status_table(found))


def _parameters(name: str, given: list[str]) -> dict[str, bool | int | float | str]:
    """Read KEY=VALUE as the fault takes them; what it doesn't take, it refuses itself."""
    if name not in FAULTS:
        raise typer.BadParameter(f"FAULT: expected one of {', '.join(FAULTS)}, got {name!r}")
    values: dict[str, bool | int | float | str] = {}
    for item in given:
        key, separator, text = item.partition("=")
        if not separator:
            raise typer.BadParameter(f"expected KEY=VALUE, got {item!r}")
        kind = type(FAULTS[name].parameters.get(key, ""))
        try:
            values[key] = _BOOLEANS[text.lower()] if kind is bool else kind(text)
        except (KeyError, ValueError):
            raise typer.BadParameter(f"{key}: expected {_EXPECTED[kind]}, got {text!r}") from None
    return values


_BOOLEANS: Final = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
_EXPECTED: Final = {bool: "true or false", int: "a whole number", float: "a number"}


def _faults_table(rows: list[dict[str, Any]]) -> str:
    return tables.table(
        "fault state >left >skip call symbol takes",
        [
            (
                row["fault"],
                row["state"] if "rate" not in row else f"{row['state']}, {tables.number(row['rate'] * 100.0)} %",
                _left(row),
                row.get("skip") or None,
                row.get("call", ""),
                row.get("symbol", ""),
                " ".join(f"{key}={_shown(value)}" for key, value in row.get("parameters", {}).items()),
            )
            for row in rows
        ],
    )


def _left(row: dict[str, Any]) -> str:
    """Return how much is left of a fault: calls or time."""
    if row["state"] == "at random":
        return ""
    if row["state"] == "scripted":
        return "until cleared" if row["left"] is None else f"{row['left']} calls"
    return "until cleared" if row["left_ms"] is None else f"{row['left_ms']} ms"


def _status_table(found: dict[str, Any]) -> str:
    switches = ("running", "connected", "autotrading", "api")
    lines = [
        f"account      {found['login']} on {found['server']}{' (investor)' if found['investor'] else ''}",
        f"server time  {tables.server_time_msc(found['server_time_msc'])}",
        f"balance      {tables.amount(found['balance'])}",
        f"books        {found['positions']} positions, {found['orders']} orders, {found['deals']} deals",
        *(f"{name:<12} {'yes' if found[name] else 'no'}" for name in switches),
    ]
    return "\n".join(lines) + "\n\n" + _faults_table(found["faults"])


def add_commands(app: typer.Typer) -> None:
    """Add what this file has to the command."""
    app.add_typer(simulator_app, name="simulator")
