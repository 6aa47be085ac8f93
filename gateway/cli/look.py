"""The commands that look and change nothing: quote, positions, orders, account, symbols, history."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway import clock
from gateway.cli import common, tables
from gateway.cli.common import AccountOption, EndpointOption, JsonOption, TimeoutOption, answered, show

if TYPE_CHECKING:
    from clients import Client
    from gateway.wire.structs import Tick

__all__ = ("add_commands",)

_DATES: Final = ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"]
_ALL_TIME_AHEAD: Final = timedelta(days=1)
"""A trade server's clock may be ahead of ours."""


class Kind(StrEnum):
    """What of the account's history."""

    DEALS = "deals"
    ORDERS = "orders"


def quote(
    symbols: Annotated[list[str], typer.Argument(metavar="SYMBOL", help="Symbols, in the broker's own spelling.")],
    endpoint: EndpointOption = "",
    account: AccountOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Show the last prices of symbols.

    \b
    Times are the trade server's own clock. A symbol that isn't selected in the
    terminal is selected first.

    \b
    Examples:
      mt5gate quote EURUSD
      mt5gate quote EURUSD USDJPY --json
    """
    with common.connected(endpoint, account, timeout) as client:
        ticks = [(symbol, _last_tick(client, symbol)) for symbol in symbols]
        digits = {} if as_json else {symbol: (client.symbol_spec(symbol) or {}).get("digits") for symbol in symbols}
    show(
        as_json,
        ({"symbol": symbol} | tick._asdict() for symbol, tick in ticks),
        lambda: tables.table(
            "symbol >bid >ask >spread >last time",
            (
                (
                    symbol,
                    *(
                        tables.price(value, digits[symbol])
                        for value in (tick.bid, tick.ask, tick.ask - tick.bid, tick.last)
                    ),
                    tables.server_time_msc(tick.time_msc),
                )
                for symbol, tick in ticks
            ),
        ),
    )


def _last_tick(client: "Client", symbol: str) -> "Tick":
    tick = client.symbol_info_tick(symbol)
    if tick is None or not tick.time_msc:
        answered(client, client.symbol_select(symbol, True), f"{symbol} (see `mt5gate symbols`)")
        tick = client.symbol_info_tick(symbol)
    return answered(client, tick, symbol)


def positions(
    symbol: Annotated[str, typer.Option("--symbol", "-s", metavar="SYMBOL", help="Only of this symbol.")] = "",
    endpoint: EndpointOption = "",
    account: AccountOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Show the open positions.

    \b
    Examples:
      mt5gate positions
      mt5gate positions --symbol EURUSD --json
    """
    with common.connected(endpoint, account, timeout) as client:
        found = answered(client, client.positions_get(symbol=symbol or None), "positions")
    show(
        as_json,
        found,
        lambda: tables.table(
            ">ticket opened type symbol >volume >price >sl >tp >now >swap >profit >magic comment",
            (
                (
                    position.ticket,
                    tables.server_time(position.time),
                    tables.POSITION_TYPES.get(position.type, str(position.type)),
                    position.symbol,
                    tables.amount(position.volume),
                    *tables.prices(position.price_open, position.sl, position.tp, position.price_current),
                    tables.amount(position.swap),
                    tables.amount(position.profit),
                    position.magic or None,
                    position.comment,
                )
                for position in found
            ),
            empty="no open positions",
        ),
    )


def orders(
    symbol: Annotated[str, typer.Option("--symbol", "-s", metavar="SYMBOL", help="Only of this symbol.")] = "",
    endpoint: EndpointOption = "",
    account: AccountOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Show the pending orders.

    \b
    Examples:
      mt5gate orders
      mt5gate orders --symbol EURUSD --json
    """
    with common.connected(endpoint, account, timeout) as client:
        found = answered(client, client.orders_get(symbol=symbol or None), "orders")
    show(as_json, found, lambda: _orders_table(found, "no pending orders"))


def _orders_table(found: Iterable[Any], empty: str) -> str:
    return tables.table(
        ">ticket placed done type state symbol >volume >left >price >sl >tp >magic comment",
        (
            (
                order.ticket,
                tables.server_time(order.time_setup),
                tables.server_time(order.time_done),
                tables.ORDER_TYPES.get(order.type, str(order.type)),
                tables.ORDER_STATES.get(order.state, str(order.state)),
                order.symbol,
                tables.amount(order.volume_initial),
                tables.amount(order.volume_current),
                *tables.prices(order.price_open, order.sl, order.tp),
                order.magic or None,
                order.comment,
            )
            for order in found
        ),
        empty=empty,
    )


def account_info(
    endpoint: EndpointOption = "",
    account: AccountOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Show the account: balance, equity, margin.

    \b
    Examples:
      mt5gate account
      mt5gate account --account live --json
    """
    with common.connected(endpoint, account, timeout) as client:
        info = answered(client, client.account_info(), "account")
    kind = ("demo", "contest", "real")[info.trade_mode] if 0 <= info.trade_mode < 3 else str(info.trade_mode)
    margin = {0: "netting", 1: "exchange", 2: "hedging"}.get(info.margin_mode, str(info.margin_mode))
    show(
        as_json,
        [info],
        lambda: tables.table(
            "account server kind margin_mode >leverage currency >balance >equity >profit >margin >free >level trading",
            [
                (
                    str(info.login),
                    info.server,
                    kind,
                    margin,
                    f"1:{info.leverage}",
                    info.currency,
                    tables.amount(info.balance),
                    tables.amount(info.equity),
                    tables.amount(info.profit),
                    tables.amount(info.margin),
                    tables.amount(info.margin_free),
                    f"{info.margin_level:.1f} %" if info.margin_level else "",
                    "allowed" if info.trade_allowed and info.trade_expert else "not allowed",
                )
            ],
        ),
    )


def symbols(
    group: Annotated[str, typer.Argument(metavar="GROUP", help='A filter such as "*USD*" or "*,!*JPY*".')] = "",
    endpoint: EndpointOption = "",
    account: AccountOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Show the symbols that the terminal knows.

    \b
    Examples:
      mt5gate symbols
      mt5gate symbols "*USD*"
      mt5gate symbols "*,!*JPY*" --json
    """
    with common.connected(endpoint, account, timeout) as client:
        found = answered(client, client.symbols_get(group or None), "symbols")
    show(
        as_json,
        found,
        lambda: tables.table(
            "symbol description >digits >spread >contract >min_lots >max_lots >step selected",
            (
                (
                    symbol.name,
                    symbol.description,
                    symbol.digits,
                    symbol.spread,
                    symbol.trade_contract_size,
                    symbol.volume_min,
                    symbol.volume_max,
                    symbol.volume_step,
                    symbol.select,
                )
                for symbol in found
            ),
            empty="no such symbols",
        ),
    )


def history(
    kind: Annotated[Kind, typer.Argument(help="What to show.", case_sensitive=False)] = Kind.DEALS,
    since: Annotated[
        datetime | None, typer.Option("--from", metavar="DATE", formats=_DATES, help="Left out: a week ago.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", metavar="DATE", formats=_DATES, help="Left out: now.")
    ] = None,
    symbol: Annotated[str, typer.Option("--symbol", "-s", metavar="SYMBOL", help="Only of this symbol.")] = "",
    endpoint: EndpointOption = "",
    account: AccountOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Show the account's deals, or the orders that ended.

    \b
    Dates are the trade server's own clock: 2026-11-20, "2026-11-20 13:30".

    \b
    Examples:
      mt5gate history
      mt5gate history orders --from 2026-11-01 --to 2026-11-20
      mt5gate history deals --symbol EURUSD --json
    """
    now = datetime.fromtimestamp(clock.wall_ns() // 1_000_000_000, UTC)
    date_from = _server_seconds(since) if since else int((now - timedelta(days=7)).timestamp())
    date_to = _server_seconds(until) if until else int((now + _ALL_TIME_AHEAD).timestamp())
    if date_from > date_to:
        raise typer.BadParameter("--from: expected a date before --to")
    with common.connected(endpoint, account, timeout) as client:
        read = client.history_deals_get if kind is Kind.DEALS else client.history_orders_get
        found: tuple[Any, ...] = answered(client, read(date_from, date_to, group=symbol or None), "history")
    if kind is Kind.ORDERS:
        show(as_json, found, lambda: _orders_table(found, "no orders in this time"))
        return
    show(
        as_json,
        found,
        lambda: tables.table(
            ">deal time type entry symbol >volume >price >commission >swap >fee >profit >order >position comment",
            (
                (
                    deal.ticket,
                    tables.server_time(deal.time),
                    tables.DEAL_TYPES.get(deal.type, str(deal.type)),
                    tables.DEAL_ENTRIES.get(deal.entry, str(deal.entry)) if deal.symbol else "",
                    deal.symbol,
                    tables.amount(deal.volume) if deal.volume else None,
                    deal.price or None,
                    tables.amount(deal.commission) if deal.commission else None,
                    tables.amount(deal.swap) if deal.swap else None,
                    tables.amount(deal.fee) if deal.fee else None,
                    tables.amount(deal.profit),
                    deal.order or None,
                    deal.position_id or None,
                    deal.comment,
                )
                for deal in found
            ),
            empty="no deals in this time",
        ),
    )


def _server_seconds(when: datetime) -> int:
    """The trade server's clock, taken as if it were UTC: that is how MT5 encodes it."""
    return int(when.replace(tzinfo=UTC).timestamp())


def add_commands(app: typer.Typer) -> None:
    """Add what this file has to the command."""
    app.command("quote")(quote)
    app.command("positions")(positions)
    app.command("orders")(orders)
    app.command("account")(account_info)
    app.command("symbols")(symbols)
    app.command("history")(history)
