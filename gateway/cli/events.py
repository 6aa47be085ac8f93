"""`mt5gate events`: everybody's order events as they come, or a client's own: a drop copy in a terminal."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import common, tables
from gateway.cli.common import EndpointOption, JsonOption, say
from gateway.wire.events import EventKind

if TYPE_CHECKING:
    from clients import OrderEvent

__all__ = ("add_commands",)

OBSERVER = "observer"
"""The client id that the command goes by, unless --as says else."""


def events(
    first: Annotated[
        int,
        typer.Option(
            "--from",
            metavar="NUMBER",
            min=0,
            help="Begin with this event; left out: with the next one. 1: all that are kept.",
            show_default=False,
        ),
    ] = 0,
    count: Annotated[
        int, typer.Option("--count", "-n", metavar="N", min=0, help="Stop after N events.", show_default=False)
    ] = 0,
    client_id: Annotated[
        str, typer.Option("--as", metavar="CLIENT", help="The client id to go by; broker.observers must name it.")
    ] = OBSERVER,
    endpoint: EndpointOption = "",
    as_json: JsonOption = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout", metavar="SECONDS", min=0.001, help="Stop when there was none for so long.", show_default=False
        ),
    ] = None,
) -> None:
    """Stream order events until Ctrl-C: everybody's, and trades made by hand.

    \b
    Events come about a quarter of a second after what they tell. They are
    numbered: --from goes on where an earlier stream ended. Times are the
    trade server's own clock. Whoever is to see them must be named in the
    gateway's configuration: broker.observers: [observer]. Don't go by the
    id of a strategy that is connected: one of the two would be cut off.

    \b
    Examples:
      mt5gate events
      mt5gate events --from 1 --timeout 1
      mt5gate events --as auditor --json >> events.jsonl
    """
    try:
        with common.connected(endpoint, "", None, client_id=client_id, observe=True) as client:
            for index, event in enumerate(client.order_events(first or None, timeout), 1):
                say(tables.json_line(event._asdict()) if as_json else _line(event))
                sys.stdout.flush()
                if index == count:
                    return
    except KeyboardInterrupt:
        return


def _line(event: "OrderEvent") -> str:
    if event.kind == EventKind.GAP:
        missed = "the numbering began anew" if event.missed is None else f"{event.missed} events aren't kept any more"
        return f"{'':<23}  {event.number:>8}  gap: {missed}"
    words = [what for what in (_deal(event.deal), _order(event.order), _position(event.position)) if what]
    who = ",".join(event.clients) or "-"
    head = f"{tables.server_time_msc(event.time_msc)}  {event.number:>8}  {event.account:<8}  {who:<16}"
    return f"{head}  {event.kind:<14}  {words[0] if words else ''}".rstrip()


def _deal(deal: Any) -> str:
    if deal is None:
        return ""
    what = tables.DEAL_TYPES.get(deal.type, f"type {deal.type}")
    if not deal.symbol:
        return f"{what} {tables.number(deal.profit)}, deal {deal.ticket}"
    result = f", profit {tables.number(deal.profit)}" if deal.entry else ""
    place = f"deal {deal.ticket}, order {deal.order}, position {deal.position_id}"
    return f"{what} {tables.number(deal.volume)} {deal.symbol} at {tables.number(deal.price)}{result}, {place}"


def _order(order: Any) -> str:
    if order is None:
        return ""
    what = tables.ORDER_TYPES.get(order.type, f"type {order.type}")
    price = f" at {tables.number(order.price_open)}" if order.price_open else ""
    return f"{what} {tables.number(order.volume_initial)} {order.symbol}{price}{_stops(order)}, order {order.ticket}"


def _position(position: Any) -> str:
    if position is None:
        return ""
    what = tables.POSITION_TYPES.get(position.type, f"type {position.type}")
    price = f"{position.symbol} at {tables.number(position.price_open)}"
    return f"{what} {tables.number(position.volume)} {price}{_stops(position)}, position {position.ticket}"


def _stops(row: Any) -> str:
    return "".join(f", {name} {tables.number(value)}" for name, value in (("sl", row.sl), ("tp", row.tp)) if value)


def add_commands(app: typer.Typer) -> None:
    """Add what this file has to the command."""
    app.command("events")(events)
