"""The commands that stop trading and let it go on: kill, resume, flatten, switches, allow-exits.

They ask the gateway and hold no policy. A scope is always said: nothing here stops, closes or resumes by default.
"""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli import common, tables
from gateway.cli.chronicle import printable, utc
from gateway.cli.common import EndpointOption, JsonOption, TimeoutOption, say, user
from gateway.clock import monotonic_ns
from gateway.wire.errors import LocalProtocolError, OutcomeUnknown, Refused

if TYPE_CHECKING:
    from clients import Client

__all__ = ("add_commands",)

LOOK_PAUSE_S: Final = 0.1
"""How often --wait looks how far the gateway is."""

AccountScope = Annotated[
    str, typer.Option("--account", "-a", metavar="NAME", help="This account, whoever trades it.", show_default=False)
]
ClientScope = Annotated[
    str, typer.Option("--client", metavar="ID", help="This client, on all accounts.", show_default=False)
]
AllScope = Annotated[bool, typer.Option("--all", help="Everything.")]
ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why: told to who is refused, and kept in the journal.")
]
WaitOption = Annotated[
    float,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        min=0.0,
        help="Wait until nothing is left, at most so long; else exit with status 4. Left out: don't wait.",
        show_default=False,
    ),
]


def kill(
    account: AccountScope = "",
    client: ClientScope = "",
    everything: AllScope = False,
    flatten: Annotated[bool, typer.Option("--flatten", help="Close the positions, too.")] = False,
    reason: ReasonOption = "",
    wait: WaitOption = 0.0,
    endpoint: EndpointOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Stop trading: refuse every entry from now on, and cancel pending orders.

    \b
    It holds until `mt5gate resume`, over restarts of everything. Exits and
    cancels still go. Orders that wait in the gateway are refused; one that is
    at a terminal already may still happen, and what it leaves is cleared, too.

    \b
    Examples:
      mt5gate kill --all --reason "runaway quotes"
      mt5gate kill --client scalper
      mt5gate kill --account demo --flatten --wait 30
    """
    scope, name = _scope(account, client, everything)
    with common.connected(endpoint, "", timeout) as gateway:
        told = gateway.kill(scope, name, flatten=flatten, reason=reason, who=user())
        goal = _waited(gateway, told["goal"], wait)
    if as_json:
        say(tables.json_line(told | {"goal": goal}))
        return
    waiting = f"; {told['refused']} waiting orders refused" if told["refused"] else ""
    say(f"{_named(told['switch'])}: halted{waiting}")
    say(_goal_lines([goal]))


def resume(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it may go on; kept in the journal.")],
    account: AccountScope = "",
    client: ClientScope = "",
    everything: AllScope = False,
    endpoint: EndpointOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Let entries go again, and give up what the gateway still cancels and closes.

    \b
    It lifts the switch of just the scope that is named: --all doesn't lift one
    of an account. Only what is thrown when the command starts is lifted, not
    what somebody throws meanwhile.

    \b
    Examples:
      mt5gate resume --all --reason "quotes are back"
      mt5gate resume --client scalper --reason "fixed and restarted"
    """
    scope, name = _scope(account, client, everything)
    with common.connected(endpoint, "", timeout) as gateway:
        found = gateway.switches()
        thrown = [switch for switch in found["switches"] if _is_of(switch, scope, name)]
        pursued = [goal for goal in found["goals"] if _is_of(goal, scope, name) and goal["state"] == "pursued"]
        if not thrown and not pursued:
            raise Refused(f"{name or scope}: nothing is halted or pursued there: see `mt5gate switches`")
        number = thrown[0]["number"] if thrown else 0
        told = gateway.resume(scope, name, reason=reason, who=user(), number=number)
    if as_json:
        say(tables.json_line(told))
        return
    say(f"{_named((thrown or pursued)[0])}: entries go again" if thrown else "given up")
    for switch in told["remaining"]:
        say(f"still halted: {_named(switch)}, by {printable(switch['by'])}")


def flatten(
    account: AccountScope = "",
    client: ClientScope = "",
    everything: AllScope = False,
    reason: ReasonOption = "",
    wait: WaitOption = 0.0,
    endpoint: EndpointOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Cancel all pending orders and close all positions; entries still go.

    \b
    The gateway goes on with it by itself, over closed markets and restarts,
    until nothing is left or `mt5gate resume` ends it. To stop entries before,
    use `mt5gate kill --flatten`.

    \b
    Examples:
      mt5gate flatten --account demo
      mt5gate flatten --client scalper --wait 30
    """
    scope, name = _scope(account, client, everything)
    with common.connected(endpoint, "", timeout) as gateway:
        told = gateway.flatten(scope, name, reason=reason, who=user())
        goal = _waited(gateway, told["goal"], wait)
    say(tables.json_line({"goal": goal}) if as_json else _goal_lines([goal]))


def switches(endpoint: EndpointOption = "", as_json: JsonOption = False, timeout: TimeoutOption = None) -> None:
    """Show who is halted since when, by whom and why, and what is being cleared.

    \b
    Examples:
      mt5gate switches
      mt5gate switches --json
    """
    with common.connected(endpoint, "", timeout) as gateway:
        found = gateway.switches()
    if as_json:
        say(tables.json_line(found))
        return
    say(
        tables.table(
            "halted state since_(UTC) by why",
            (
                (
                    _named(switch),
                    switch["state"],
                    utc(switch["since_ns"]),
                    *map(printable, (switch["by"], switch["why"])),
                )
                for switch in found["switches"]
            ),
            empty="nobody is halted",
        )
    )
    if found["goals"]:
        say("\n" + _goal_lines(found["goals"]))
    if found["armed"]:
        say(f"\ncancel-on-disconnect: {', '.join(map(printable, found['armed']))}")


def allow_exits(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the gateway's log.")],
    client_id: Annotated[
        str, typer.Option("--as", metavar="ID", help="The client that does it; risk.operators names who may.")
    ] = "operator",
    endpoint: EndpointOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Let cancels and closes go although the journal can't record them.

    \b
    For a disk that is broken, or so full that the reserve for exits is used up,
    while positions must be closed: `mt5gate stats` says so. Entries stay
    refused. It ends with the gateway's restart. What goes so can't be asked
    after later, and nothing protects it from being executed twice: look at
    positions and orders before you repeat anything.

    \b
    Example:
      mt5gate allow-exits --reason "the disk is dead, getting out"
    """
    with common.connected(endpoint, "", timeout, client_id=client_id) as gateway:
        told = gateway.allow_exits(why=reason, who=user())
    say(tables.json_line(told) if as_json else f"exits go, unrecorded: {printable(told['lost'] or 'the disk is full')}")


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the whole."""
    for command in (kill, resume, flatten, switches, allow_exits):
        app.command()(command)


def _scope(account: str, client: str, everything: bool) -> tuple[str, str]:
    given = [("account", account)] * bool(account) + [("client", client)] * bool(client) + [("all", "")] * everything
    if len(given) != 1:
        raise LocalProtocolError("say for whom: expected one of --account NAME, --client ID and --all")
    return given[0]


def _is_of(found: dict[str, Any], scope: str, name: str) -> bool:
    return bool(found["scope"] == scope and found["name"] == name)


def _named(found: dict[str, Any]) -> str:
    return "all trading" if found["scope"] == "all" else printable(f"{found['scope']} {found['name']}")


def _waited(gateway: "Client", goal: dict[str, Any], wait_s: float) -> dict[str, Any]:
    """Return a goal as it is when it is reached; raises OutcomeUnknown where that takes too long."""
    until_ns = monotonic_ns() + round(wait_s * 1e9)
    while wait_s and goal["state"] == "pursued":
        if monotonic_ns() >= until_ns:
            errors = [view["error"] for view in goal["accounts"].values() if view["error"]]
            why = f" ({errors[0]})" if errors else ""
            raise OutcomeUnknown(f"not everything is cleared after {wait_s:g} s{why}; the gateway goes on with it")
        time.sleep(LOOK_PAUSE_S)
        goal = next(one for one in gateway.switches()["goals"] if one["number"] == goal["number"])
    return goal


def _goal_lines(goals: Iterable[dict[str, Any]]) -> str:
    return tables.table(
        "cleared_for wanted state account >orders >positions >in_doubt problem",
        (
            (
                _named(goal),
                goal["wanted"],
                goal["state"],
                account,
                *("not read" if view[name] < 0 else view[name] for name in ("orders", "positions")),
                view["in_doubt"],
                printable(view["error"]),
            )
            for goal in goals
            for account, view in (goal["accounts"] or {"": _UNREAD}).items()
        ),
    )


_UNREAD: Final = {"orders": -1, "positions": -1, "in_doubt": 0, "error": ""}
