"""The commands that trade: order buy, sell, close, modify, cancel; and order resolve, which only says what happened.

Each sends one order at most, as `clients.Client` does; nothing here decides more than that.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import common, tables
from gateway.cli.chronicle import printable
from gateway.cli.common import AccountOption, EndpointOption, JsonOption, TimeoutOption, say, show, user

if TYPE_CHECKING:
    from clients import Client
    from gateway.wire.structs import OrderSendResult

__all__ = ("add_commands", "order_app")

order_app = typer.Typer(
    help="""Buy, sell, close, modify, cancel; see what became of orders.

    \b
    Examples:
      mt5gate order buy EURUSD 0.1 --sl 1.0500
      mt5gate order close 394540683
      mt5gate order list --client scalper
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)

SymbolArgument = Annotated[str, typer.Argument(metavar="SYMBOL", help="The symbol, in the broker's own spelling.")]
VolumeArgument = Annotated[float, typer.Argument(metavar="VOLUME", help="Lots; rounded down to the symbol's step.")]
StopLossOption = Annotated[float | None, typer.Option("--sl", metavar="PRICE", help="Stop loss.")]
TakeProfitOption = Annotated[float | None, typer.Option("--tp", metavar="PRICE", help="Take profit.")]
LimitOption = Annotated[float | None, typer.Option("--limit", metavar="PRICE", help="Rest at this price or better.")]
StopOption = Annotated[
    float | None,
    typer.Option("--stop", metavar="PRICE", help="Wait until the price is here; with --limit: then rest at that."),
]
DeviationOption = Annotated[
    int, typer.Option("--deviation", metavar="POINTS", min=0, help="How far the price of a market order may move.")
]
CommentOption = Annotated[
    str,
    typer.Option(
        "--comment", metavar="TEXT", help="At most 29 characters, of which the terminal gets 20: a tag stands before."
    ),
]
MagicOption = Annotated[
    int, typer.Option("--magic", metavar="NUMBER", min=0, help="A number to know your orders by.", show_default=False)
]


@order_app.command("buy")
def order_buy(
    symbol: SymbolArgument,
    volume: VolumeArgument,
    stop_loss: StopLossOption = None,
    take_profit: TakeProfitOption = None,
    limit: LimitOption = None,
    stop: StopOption = None,
    deviation: DeviationOption = 20,
    comment: CommentOption = "",
    magic: MagicOption = 0,
    endpoint: EndpointOption = "",
    account: AccountOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Buy at the market, or pending with --limit, --stop or both.

    \b
    The order is sent at most once. Exit status 1: it didn't happen. 4: it may
    have happened; look at positions and orders before you send it again.

    \b
    Examples:
      mt5gate order buy EURUSD 0.1
      mt5gate order buy EURUSD 0.1 --sl 1.0500 --tp 1.1500
      mt5gate order buy EURUSD 0.1 --limit 1.0700 --comment dip
      mt5gate order buy EURUSD 0.1 --stop 1.1300
    """
    with common.connected(endpoint, account, timeout) as client:
        with common.order_under_way():
            result = client.buy(
                symbol,
                volume,
                limit=limit,
                stop=stop,
                sl=stop_loss,
                tp=take_profit,
                deviation=deviation,
                comment=comment,
                magic=magic,
            )
        _show_result(client, result, as_json)


@order_app.command("sell")
def order_sell(
    symbol: SymbolArgument,
    volume: VolumeArgument,
    stop_loss: StopLossOption = None,
    take_profit: TakeProfitOption = None,
    limit: LimitOption = None,
    stop: StopOption = None,
    deviation: DeviationOption = 20,
    comment: CommentOption = "",
    magic: MagicOption = 0,
    endpoint: EndpointOption = "",
    account: AccountOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Sell at the market, or pending with --limit, --stop or both.

    \b
    The order is sent at most once. Exit status 1: it didn't happen. 4: it may
    have happened; look at positions and orders before you send it again.

    \b
    Examples:
      mt5gate order sell EURUSD 0.1
      mt5gate order sell EURUSD 0.1 --sl 1.1500 --tp 1.0500 --magic 7
      mt5gate order sell EURUSD 0.1 --stop 1.0700
    """
    with common.connected(endpoint, account, timeout) as client:
        with common.order_under_way():
            result = client.sell(
                symbol,
                volume,
                limit=limit,
                stop=stop,
                sl=stop_loss,
                tp=take_profit,
                deviation=deviation,
                comment=comment,
                magic=magic,
            )
        _show_result(client, result, as_json)


@order_app.command("close")
def order_close(
    ticket: Annotated[int, typer.Argument(metavar="TICKET", help="The position's ticket: see `mt5gate positions`.")],
    volume: Annotated[
        float | None, typer.Option("--volume", metavar="LOTS", help="A part of it; left out: all.")
    ] = None,
    deviation: DeviationOption = 20,
    comment: CommentOption = "",
    endpoint: EndpointOption = "",
    account: AccountOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Close a position at the market, whole or in part.

    \b
    Examples:
      mt5gate order close 394540683
      mt5gate order close 394540683 --volume 0.05
    """
    with common.connected(endpoint, account, timeout) as client:
        with common.order_under_way():
            result = client.close(ticket, volume, deviation=deviation, comment=comment)
        _show_result(client, result, as_json)


@order_app.command("modify")
def order_modify(
    ticket: Annotated[int, typer.Argument(metavar="TICKET", help="A position's or a pending order's ticket.")],
    stop_loss: Annotated[float | None, typer.Option("--sl", metavar="PRICE", help="Stop loss; 0 removes it.")] = None,
    take_profit: Annotated[
        float | None, typer.Option("--tp", metavar="PRICE", help="Take profit; 0 removes it.")
    ] = None,
    price: Annotated[float | None, typer.Option("--price", metavar="PRICE", help="A pending order's price.")] = None,
    endpoint: EndpointOption = "",
    account: AccountOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Move the stop loss and take profit of a position, or a pending order. What isn't given stays.

    \b
    Examples:
      mt5gate order modify 394540683 --sl 1.0800 --tp 1.0950
      mt5gate order modify 394540683 --tp 0
      mt5gate order modify 394540684 --price 1.0775
    """
    if stop_loss is None and take_profit is None and price is None:
        raise typer.BadParameter("expected something to change: --sl, --tp or --price")
    with common.connected(endpoint, account, timeout) as client:
        with common.order_under_way():
            result = client.modify(ticket, sl=stop_loss, tp=take_profit, price=price)
        _show_result(client, result, as_json)


@order_app.command("cancel")
def order_cancel(
    ticket: Annotated[int, typer.Argument(metavar="TICKET", help="The pending order's ticket: see `mt5gate orders`.")],
    endpoint: EndpointOption = "",
    account: AccountOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Remove a pending order.

    \b
    Example:
      mt5gate order cancel 394540684
    """
    with common.connected(endpoint, account, timeout) as client:
        with common.order_under_way():
            result = client.cancel(ticket)
        _show_result(client, result, as_json)


@order_app.command("resolve")
def order_resolve(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="The client whose order it is.")],
    order_id: Annotated[str, typer.Argument(metavar="ORDER_ID", help="The client order id.")],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="How you know; kept in the journal.")],
    executed: Annotated[
        int, typer.Option("--executed", metavar="TICKET", min=0, help="It was, as this order.", show_default=False)
    ] = 0,
    not_executed: Annotated[bool, typer.Option("--not-executed", help="It wasn't, and never will be.")] = False,
    endpoint: EndpointOption = "",
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Say what became of an order that stays UNKNOWN, when you know it and the gateway can't.

    \b
    For an order whose worker never came back and of which the terminal's
    ledger shows nothing. Look at the terminal, or ask the broker, first: its
    client is told what you say, and trades on. Evidence that comes later is
    believed all the same, and counted as an alarm (`reopened` in the stats).

    \b
    Examples:
      mt5gate order resolve scalper 01JCXXW7T5M0V8QK3Z9R2B4N6D --executed 394540683 --why "seen in the terminal"
      mt5gate order resolve scalper 01JCXXW7T5M0V8QK3Z9R2B4N6D --not-executed --why "the broker's desk says so"
    """
    if bool(executed) == not_executed:
        raise typer.BadParameter("expected one of --executed TICKET and --not-executed")
    with common.connected(endpoint, "", timeout) as gateway:
        told = gateway.resolve_order(client, order_id, executed or None, why=why, who=user())
    say(tables.json_line(told) if as_json else f"{printable(client)} {order_id}: {told['state'].replace('_', ' ')}")


def _show_result(client: "Client", result: "OrderSendResult", as_json: bool) -> None:
    timing = client.last_timing
    request = result.request
    show(
        as_json,
        [result._asdict() | {"timing_ns": timing}],
        lambda: (
            tables.table(
                "result >order >deal type symbol >volume >price >sl >tp comment",
                [
                    (
                        tables.retcode_name(result.retcode),
                        result.order or request.order or request.position,
                        result.deal or None,
                        tables.request_name(request),
                        request.symbol,
                        result.volume or request.volume or None,
                        result.price or request.price or None,
                        request.sl or None,
                        request.tp or None,
                        result.comment,
                    )
                ],
            )
            + tables.timing_line(timing)
        ),
    )


def add_commands(app: typer.Typer) -> None:
    """Add what this file has to the command."""
    app.add_typer(order_app, name="order")
