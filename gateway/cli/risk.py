"""The commands about pre-trade limits: limits show, limits set.

They ask the gateway and hold no policy: what a limit means, and who may change it, is the gateway's affair.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Final

import typer

from gateway.cli import common, tables
from gateway.cli.chronicle import printable, utc
from gateway.cli.common import EndpointOption, JsonOption, TimeoutOption, say, user
from gateway.wire.risklimits import LIMITS, problem_with

__all__ = ("add_commands",)

OFF: Final = "off"

limits_app = typer.Typer(
    help="""Show and change the pre-trade limits.

    \b
    Examples:
      mt5gate limits show
      mt5gate limits set max_volume=0.5 --account demo --reason "new strategy"
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


@limits_app.command("show")
def limits_show(endpoint: EndpointOption = "", as_json: JsonOption = False, timeout: TimeoutOption = None) -> None:
    """Show the limits in force, and what each account is held against.

    \b
    Volumes are lots: open, pending and under way, at their worst. Losses are in
    the account's currency. What isn't shown isn't limited.

    \b
    Examples:
      mt5gate limits show
      mt5gate limits show --json
    """
    with common.connected(endpoint, "", timeout) as gateway:
        told = gateway.limits()
    if as_json:
        say(tables.json_line(told))
        return
    say(_limits_table(told["limits"]))
    if told["active"]:
        say("")
        say(_accounts_table(told["accounts"]))
    else:
        say("so nothing is measured against limits; see `mt5gate account` and `mt5gate positions`")


@limits_app.command("set")
def limits_set(
    limits: Annotated[
        list[str],
        typer.Argument(metavar="NAME=VALUE", help="What to change; NAME=off lifts a limit.", show_default=False),
    ] = [],  # noqa: B006  # typer reads it and never changes it
    account: Annotated[
        str, typer.Option("--account", "-a", metavar="NAME", help="For this account.", show_default=False)
    ] = "",
    client: Annotated[
        str, typer.Option("--client", metavar="ID", help="For this client; *: each.", show_default=False)
    ] = "",
    symbol: Annotated[
        str, typer.Option("--symbol", "-s", metavar="SYMBOL", help="For this symbol; *: each.", show_default=False)
    ] = "",
    rebase: Annotated[bool, typer.Option("--rebase", help="Measure losses anew from now on.")] = False,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the journal.")] = "",
    client_id: Annotated[
        str, typer.Option("--as", metavar="ID", help="The client that does it; risk.operators names who may.")
    ] = "operator",
    endpoint: EndpointOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Change limits of an account, a client or a symbol; without one of these, of every account.

    \b
    It holds from the next order on, and over restarts. Nothing goes beyond what
    the configuration allows. Lists are parted by commas.
    The names are those of `risk.limits` in the configuration:
    state, trading_hours, allowed_symbols, max_volume, max_open_volume,
    max_positions, max_order_notional, max_notional, price_collar_percent,
    require_stop_loss, max_trade_risk, max_daily_loss, max_drawdown, …

    \b
    Examples:
      mt5gate limits set state=reducing --reason "before the news"
      mt5gate limits set max_volume=0.5 max_positions=5 --account demo --reason "new strategy"
      mt5gate limits set allowed_symbols=EURUSD,USDJPY --client scalper --reason tests
      mt5gate limits set max_volume=off --symbol XAUUSD --reason "spread is back"
      mt5gate limits set --rebase --account demo --reason "new month"
    """
    named = {kind: name for kind, name in (("account", account), ("client", client), ("symbol", symbol)) if name}
    if len(named) > 1:
        raise typer.BadParameter(f"expected one of --account, --client and --symbol, got {', '.join(named)}")
    if not reason.strip():
        raise typer.BadParameter("--reason: expected why, got nothing")
    values = dict(map(_parsed, limits))
    if not values and not rebase:
        raise typer.BadParameter(f"expected NAME=VALUE; names: {', '.join(LIMITS)}")
    with common.connected(endpoint, "", timeout, client_id=client_id) as gateway:
        told = gateway.set_limits(values, why=reason, who=user(), rebase=rebase, **named)
    say(tables.json_line(told) if as_json else _limits_table([told]))


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the command."""
    app.add_typer(limits_app, name="limits")


def _parsed(text: str) -> tuple[str, Any]:
    """Return a limit and its value; raises BadParameter."""
    name, equals, given = text.partition("=")
    limit = LIMITS.get(name)
    if not equals or limit is None:
        raise typer.BadParameter(f"expected NAME=VALUE, got {text!r}; names: {', '.join(LIMITS)}")
    if given == OFF:
        return name, None
    value: Any = given
    try:
        if limit.kind == "number":
            value = float(given)
        elif limit.kind == "count":
            value = int(given)
        elif limit.kind == "flag":
            value = {"true": True, "false": False}.get(given, given)
        elif limit.kind in ("texts", "hours"):
            value = [item.strip() for item in given.split(",") if item.strip()]
    except ValueError:
        pass  # said below, as what it is
    problem = problem_with(name, value)
    if problem:
        raise typer.BadParameter(problem)
    return name, value


def _limits_table(entries: Iterable[dict[str, Any]]) -> str:
    rows = []
    for entry in entries:
        ((kind, name),) = entry["scope"].items()
        scope = f"each {kind}" if name == "*" else f"{kind} {printable(name)}"
        changed = entry.get("changed", {})
        for limit, value in entry["limits"].items():
            by = ""
            if limit in changed:
                when = utc(entry.get("changed_ns", 0))
                by = printable(f"{entry.get('changed_by', '')}, {when}: {entry.get('changed_because', '')}")
            rows.append((scope, limit, _shown(value), LIMITS[limit].meaning if limit in LIMITS else "", by))
    return tables.table("scope limit >value meaning changed_by", rows, empty="nothing is limited")


def _accounts_table(accounts: Iterable[dict[str, Any]]) -> str:
    return tables.table(
        "account >age >lots >positions >under_way >equity >day_loss >worst >drawdown >worst",
        (
            (
                account["account"],
                "not read" if account["age_ms"] is None else f"{account['age_ms']} ms",
                tables.amount(account["open_volume"]),
                account["positions"],
                account["under_way"],
                *(
                    f"{account[name]:.2f}"
                    for name in ("equity", "day_loss", "worst_day_loss", "drawdown", "worst_drawdown")
                ),
            )
            for account in accounts
        ),
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ", ".join(map(printable, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
