"""Trades by hand at a simulated terminal, and money paid in and out: the account's owner, past every program."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli import tables
from gateway.cli.common import AccountOption, ConfigOption, JsonOption, show
from gateway.cli.simulatorcontrol import AddressOption, controlled
from gateway.wire import constants as mt5
from gateway.wire.errors import TerminalRefused

if TYPE_CHECKING:
    from gateway.wire.structs import OrderSendResult

__all__ = ("TRADES",)

_DONE: Final = (mt5.TRADE_RETCODE_DONE, mt5.TRADE_RETCODE_PLACED, mt5.TRADE_RETCODE_DONE_PARTIAL)

SymbolArgument = Annotated[str, typer.Argument(metavar="SYMBOL", help="The symbol, as the terminal spells it.")]
VolumeArgument = Annotated[float, typer.Argument(metavar="VOLUME", help="Lots.")]
StopLossOption = Annotated[float, typer.Option("--sl", metavar="PRICE", help="Stop loss.", show_default=False)]
TakeProfitOption = Annotated[float, typer.Option("--tp", metavar="PRICE", help="Take profit.", show_default=False)]
CommentOption = Annotated[str, typer.Option("--comment", metavar="TEXT", help="What the ledger says of it.")]
AmountArgument = Annotated[float, typer.Argument(metavar="AMOUNT", help="Money, in the account's currency.")]


def _market_order(side: str, text: str) -> Callable[..., None]:
    """Return the command that buys, or sells, by hand."""

    def trade(
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
        with controlled(address, account, file) as control:
            send = control.buy if side == "buy" else control.sell
            _show_result(send(symbol, volume, sl=stop_loss, tp=take_profit, comment=comment), as_json)

    trade.__doc__ = text
    return trade


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
    with controlled(address, account, file) as control:
        _show_result(control.close_position(ticket, volume), as_json)


def _payment(paid_in: bool, text: str) -> Callable[..., None]:
    """Return the command that pays in, or out."""

    def pay(
        amount: AmountArgument,
        comment: CommentOption = "",
        address: AddressOption = "",
        account: AccountOption = "",
        file: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        with controlled(address, account, file) as control:
            balance = (control.deposit if paid_in else control.withdraw)(amount, comment)
        show(as_json, [{"balance": balance}], lambda: f"balance {tables.amount(balance)}\n")

    pay.__doc__ = text
    return pay


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


_BUY: Final = """Buy by hand, at the market.

    \b
    Examples:
      mt5gate simulator buy EURUSD 0.1
      mt5gate simulator buy EURUSD 0.1 --sl 1.0500
    """
_SELL: Final = """Sell by hand, at the market.

    \b
    Example:
      mt5gate simulator sell EURUSD 0.1
    """
_DEPOSIT: Final = """Pay in, and print the balance.

    \b
    Example:
      mt5gate simulator deposit 5000
    """
_WITHDRAW: Final = """Pay out what is free, and print the balance.

    \b
    Example:
      mt5gate simulator withdraw 250.50
    """

TRADES: Final[dict[str, Callable[..., None]]] = {
    "buy": _market_order("buy", _BUY),
    "sell": _market_order("sell", _SELL),
    "close": close,
    "deposit": _payment(True, _DEPOSIT),
    "withdraw": _payment(False, _WITHDRAW),
}
"""The commands by name."""
