"""The commands that act on a simulated terminal as somebody sitting before it would: faults, trades by hand, switches.

They talk to the terminal itself, past the gateway: what the gateway makes of it is what one wants to see.
"""

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway import config
from gateway.cli import tables
from gateway.cli.common import AccountOption, ConfigOption, JsonOption, show
from gateway.terminal.simulated.fault_kinds import FAULTS
from gateway.wire import constants as mt5
from gateway.wire.errors import NoReply, OutcomeUnknown, TerminalRefused, Unavailable

if TYPE_CHECKING:
    from gateway.terminal.simulated.control import Control
    from gateway.wire.structs import OrderSendResult

__all__ = ("add_commands",)

_DONE: Final = (mt5.TRADE_RETCODE_DONE, mt5.TRADE_RETCODE_PLACED, mt5.TRADE_RETCODE_DONE_PARTIAL)

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


AddressOption = Annotated[
    str,
    typer.Option(
        "--address",
        metavar="ADDRESS",
        help="The terminal's address, sim://…. Left out: the configuration's.",
        show_default=False,
    ),
]
SwitchArgument = Annotated[Switch, typer.Argument(metavar="on|off", help="What to set it to.", case_sensitive=False)]
SymbolArgument = Annotated[str, typer.Argument(metavar="SYMBOL", help="The symbol, as the terminal spells it.")]
VolumeArgument = Annotated[float, typer.Argument(metavar="VOLUME", help="Lots.")]
StopLossOption = Annotated[float, typer.Option("--sl", metavar="PRICE", help="Stop loss.", show_default=False)]
TakeProfitOption = Annotated[float, typer.Option("--tp", metavar="PRICE", help="Take profit.", show_default=False)]
CommentOption = Annotated[str, typer.Option("--comment", metavar="TEXT", help="What the ledger says of it.")]
AmountArgument = Annotated[float, typer.Argument(metavar="AMOUNT", help="Money, in the account's currency.")]


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
    with _controlled(address, account, file) as control:
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
    with _controlled(address, account, file, reads=True) as control:
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
    with _controlled(address, account, file) as control:
        control.clear(name)


@simulator_app.command("buy")
def buy(
    symbol: SymbolArgument,
    volume: VolumeArgument,
    stop_loss: StopLossOption = 0.0,
    take_profit: TakeProfitOption = 0.0,
    comment: CommentOption = "",
    address: AddressOption = "",
    account: AccountOption = "",
    file: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Buy by hand, at the market.

    \b
    Examples:
      mt5gate simulator buy EURUSD 0.1
      mt5gate simulator buy EURUSD 0.1 --sl 1.0500
    """
    with _controlled(address, account, file) as control:
        _show_result(control.buy(symbol, volume, sl=stop_loss, tp=take_profit, comment=comment), as_json)


@simulator_app.command("sell")
def sell(
    symbol: SymbolArgument,
    volume: VolumeArgument,
    stop_loss: StopLossOption = 0.0,
    take_profit: TakeProfitOption = 0.0,
    comment: CommentOption = "",
    address: AddressOption = "",
    account: AccountOption = "",
    file: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sell by hand, at the market.

    \b
    Example:
      mt5gate simulator sell EURUSD 0.1
    """
    with _controlled(address, account, file) as control:
        _show_result(control.sell(symbol, volume, sl=stop_loss, tp=take_profit, comment=comment), as_json)


@simulator_app.command("close")
def close(
    ticket: Annotated[int, typer.Argument(metavar="TICKET", help="The position's: see `mt5gate positions`.")],
    volume: Annotated[
        float,
        typer.Option("--volume", metavar="LOTS", min=0.0, help="A part of it; left out: all.", show_default=False),
    ] = 0.0,
    address: AddressOption = "",
    account: AccountOption = "",
    file: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close a position by hand, whole or in part.

    \b
    Example:
      mt5gate simulator close 10000001
    """
    with _controlled(address, account, file) as control:
        _show_result(control.close_position(ticket, volume), as_json)


@simulator_app.command("deposit")
def deposit(
    amount: AmountArgument,
    comment: CommentOption = "",
    address: AddressOption = "",
    account: AccountOption = "",
    file: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pay in, and print the balance.

    \b
    Example:
      mt5gate simulator deposit 5000
    """
    with _controlled(address, account, file) as control:
        _show_balance(control.deposit(amount, comment), as_json)


@simulator_app.command("withdraw")
def withdraw(
    amount: AmountArgument,
    comment: CommentOption = "",
    address: AddressOption = "",
    account: AccountOption = "",
    file: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pay out what is free, and print the balance.

    \b
    Example:
      mt5gate simulator withdraw 250.50
    """
    with _controlled(address, account, file) as control:
        _show_balance(control.withdraw(amount, comment), as_json)


@simulator_app.command("autotrading")
def autotrading(
    switch: SwitchArgument, address: AddressOption = "", account: AccountOption = "", file: ConfigOption = None
) -> None:
    """Press the AlgoTrading button: off, programs' orders are refused with 10027.

    \b
    Example:
      mt5gate simulator autotrading off
    """
    with _controlled(address, account, file) as control:
        control.autotrading(switch is Switch.ON)


@simulator_app.command("api")
def api(
    switch: SwitchArgument, address: AddressOption = "", account: AccountOption = "", file: ConfigOption = None
) -> None:
    """Permit or forbid trading through the Python API, in the terminal's options: off, order_send gives None and -8.

    \b
    Example:
      mt5gate simulator api off
    """
    with _controlled(address, account, file) as control:
        control.api(switch is Switch.ON)


@simulator_app.command("connection")
def connection(
    switch: SwitchArgument, address: AddressOption = "", account: AccountOption = "", file: ConfigOption = None
) -> None:
    """Take the terminal off its trade server, or let it back. Meanwhile its market stands still.

    \b
    Examples:
      mt5gate simulator connection off
      mt5gate simulator connection on
    """
    with _controlled(address, account, file) as control:
        control.connection(switch is Switch.ON)


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
    with _controlled(address, account, file) as control:
        control.account(login)


@simulator_app.command("reset")
def reset(address: AddressOption = "", account: AccountOption = "", file: ConfigOption = None) -> None:
    """Begin anew: the deposit and nothing else in the books, no faults, every switch as at the start.

    \b
    Example:
      mt5gate simulator reset
    """
    with _controlled(address, account, file) as control:
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
    with _controlled(address, account, file, reads=True) as control:
        found = control.status()
    show(as_json, [found], lambda: _status_table(found))


@contextlib.contextmanager
def _controlled(address: str, account: str, file: Any, *, reads: bool = False) -> Iterator["Control"]:
    """Hand out a terminal's control; what goes wrong becomes one of the command's own errors.

    `reads`: nothing will be changed.
    """
    from gateway.terminal.simulated.control import Control, ControlError, NoTerminal

    place = address or _configured(account, file)
    try:
        control = Control(place)
    except NoTerminal as error:
        raise Unavailable(f"{error}; is it running? (`mt5gate run` starts it)") from None
    except ValueError as error:
        raise typer.BadParameter(f"--address: {error}") from None
    with control:
        try:
            yield control
        except ControlError as error:
            raise typer.BadParameter(str(error)) from None
        except NoTerminal as error:
            raise (NoReply(str(error)) if reads else OutcomeUnknown(str(error))) from None


def _configured(account: str, file: Any) -> str:
    """Return the address that the configuration gives an account's terminal; left out, the default account's."""
    loaded = config.load(file)
    places = {settings.account: settings.address for settings in loaded.simulator_settings()}
    if not places:
        raise typer.BadParameter("expected an account with a simulated terminal, the configuration has none")
    wanted = account or (loaded.default_account if loaded.default_account in places else next(iter(places)))
    if wanted not in places:
        raise typer.BadParameter(f"--account: expected one of {', '.join(places)}, got {wanted!r}")
    return places[wanted]


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


def _show_result(result: "OrderSendResult", as_json: bool) -> None:
    if result.retcode not in _DONE:
        refusal = f"{tables.retcode_name(result.retcode)}: {result.comment}"
        raise TerminalRefused(refusal, detail={"retcode": result.retcode})
    request = result.request
    show(
        as_json,
        [result._asdict()],
        lambda: tables.table(
            "result >order >deal type symbol >volume >price comment",
            [
                (
                    tables.retcode_name(result.retcode),
                    result.order,
                    result.deal or None,
                    tables.request_name(request),
                    request.symbol,
                    result.volume,
                    result.price,
                    result.comment,
                )
            ],
        ),
    )


def _show_balance(balance: float, as_json: bool) -> None:
    show(as_json, [{"balance": balance}], lambda: f"balance {tables.amount(balance)}\n")


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
