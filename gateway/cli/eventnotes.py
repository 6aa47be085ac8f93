"""What the order journal's records of order events tell, in a human's words. Pure."""

from collections.abc import Callable
from typing import Any, Final

from gateway.core.records import Kind
from gateway.wire import codec

__all__ = ("EVENT_NOTES",)

Note = tuple[str, str, dict[str, Any]]
"""What it is, for people, and for programs."""


def _event(fields: Any) -> Note:
    number, _, told, body = fields
    account, kind, time_msc, *rows = codec.unpack(body)
    tickets = {name: row[0] for name, row in zip(("order", "deal", "position"), rows, strict=True) if row}
    recipients = [{"client": client, "number": own, "client_order_id": order_id} for client, own, order_id, _ in told]
    about = ", ".join(f"{name} {ticket}" for name, ticket in tickets.items())
    whom = ", ".join(f"{client} ({own})" for client, own, _, _ in told) or "nobody"
    detail = {"number": number, "kind": kind, "account": account, "time_msc": time_msc, "told": recipients}
    return "event", f"{account}: {str(kind).replace('_', ' ')}, {about}; told {whom}", detail | tickets


def _shown(fields: Any) -> Note:
    account, (login, server, *_), _, orders, positions, *_ = fields
    detail = {"account": account, "login": login, "server": server, "orders": len(orders), "positions": len(positions)}
    return "shown", f"{account}: {login} on {server}: {len(orders)} orders, {len(positions)} positions", detail


def _numbered(fields: Any) -> Note:
    _, last, numbers = fields
    detail = {"last": last, "clients": dict(numbers)}
    return "numbered", f"{last} order events so far, of {len(numbers)} clients and nobody", detail


EVENT_NOTES: Final[dict[int, Callable[[Any], Note]]] = {
    int(Kind.EVENT): _event,
    int(Kind.SHOWN): _shown,
    int(Kind.NUMBERED): _numbered,
}
