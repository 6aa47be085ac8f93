"""The terminal's own ledger: how an order is marked in it, how the mark is taken off again, and how all of it is read.

A mark is the order's tag (see `gateway.wire.tags`), first in its comment. It must never know what it is searched for.
Rules: the terminal judges every comment that it would judge without us; what a client reads is the comment as it was
written; only `read_ledger` shows the marks, to the broker alone.
"""

from typing import Any, Final, NamedTuple

from gateway.wire.constants import (
    RES_E_FAIL,
    RES_S_OK,
    TRADE_ACTION_CLOSE_BY,
    TRADE_ACTION_DEAL,
    TRADE_ACTION_PENDING,
)
from gateway.wire.structs import OrderSendResult, TradeDeal, TradeOrder, TradePosition, TradeRequest
from gateway.wire.tags import TAG_CHARACTERS, fits, tag_of, tagged, untagged
from gateway.workers.attachment import Attachment

__all__ = ("END_OF_TIME_S", "LedgerUnreadable", "Mark", "marked", "read_ledger", "unmarked")

END_OF_TIME_S: Final = 2**31 - 1
"""The last second that the package takes: history is read beyond what the trade server's clock can show."""

ORDER_ID: Final = "client_order_id"

_MARKED_ACTIONS: Final = (TRADE_ACTION_DEAL, TRADE_ACTION_PENDING, TRADE_ACTION_CLOSE_BY)
"""What makes an entry with a comment of its own; the others change or remove one."""


def _index(kind: type[Any], *names: str) -> tuple[int, ...]:
    return tuple(kind.__match_args__.index(name) for name in names)


_ROWS: Final = {
    "positions_get": TradePosition,
    "orders_get": TradeOrder,
    "history_orders_get": TradeOrder,
    "history_deals_get": TradeDeal,
}
_COMMENTS: Final = {name: (kind.n_fields, *_index(kind, "comment")) for name, kind in _ROWS.items()}
_TIMES: Final = {
    "positions": _index(TradePosition, "time_msc", "time_update_msc"),
    "orders": _index(TradeOrder, "time_setup_msc"),
    "history_orders": _index(TradeOrder, "time_setup_msc", "time_done_msc"),
    "deals": _index(TradeDeal, "time_msc"),
}
_RESULT_COMMENT, _RESULT_REQUEST = _index(OrderSendResult, "comment", "request")
(_REQUEST_COMMENT,) = _index(TradeRequest, "comment")


class LedgerUnreadable(Exception):
    """The ledger couldn't be read, or isn't the account's; `error` is the error pair that says so."""

    def __init__(self, error: tuple[int, str]) -> None:
        super().__init__(error[1])
        self.error = error


class Mark(NamedTuple):
    """What was done to an order's comment."""

    comment: str  # the caller's own, in full
    sent: str  # as the terminal got it

    def taken_off(self, result: Any) -> Any:
        """Return an `OrderSendResult` with the caller's own comment in it; anything else as it is."""
        if not isinstance(result, tuple) or len(result) != OrderSendResult.n_fields:
            return result
        fields = list(result)
        if fields[_RESULT_COMMENT] == self.sent:  # some trade servers answer with the order's own comment
            fields[_RESULT_COMMENT] = self.comment
        elif isinstance(fields[_RESULT_COMMENT], str):
            fields[_RESULT_COMMENT] = fields[_RESULT_COMMENT].removeprefix(self.sent[:TAG_CHARACTERS])
        request = fields[_RESULT_REQUEST]
        if isinstance(request, tuple) and len(request) == TradeRequest.n_fields:
            fields[_RESULT_REQUEST] = [*request[:_REQUEST_COMMENT], self.comment, *request[_REQUEST_COMMENT + 1 :]]
        return fields


def marked(request: dict[str, Any]) -> tuple[dict[str, Any], Mark | None]:
    """Return a request as the terminal is to get it, and what was done to its comment; None: nothing.

    The order's id is ours and leaves the request. A comment that the terminal would refuse stays as it is.
    """
    if ORDER_ID not in request:
        return request, None
    fields = {name: value for name, value in request.items() if name != ORDER_ID}
    order_id, comment = request[ORDER_ID], fields.get("comment", "")
    if fields.get("action") not in _MARKED_ACTIONS or not isinstance(order_id, str):
        return fields, None
    if not isinstance(comment, str) or not fits(comment):
        return fields, None
    mark = Mark(comment, tagged(tag_of(order_id), comment))
    fields["comment"] = mark.sent
    return fields, mark


def unmarked(name: str, value: Any) -> Any:
    """Return what a read called `name` gave, with the comments as they were written; rebuilds marked rows alone."""
    known = _COMMENTS.get(name)
    if known is None or not value:
        return value
    width, index = known
    if len(value[0]) != width:
        return value
    return [
        [*row[:index], untagged(row[index]), *row[index + 1 :]] if row[index].startswith("~") else row for row in value
    ]


def read_ledger(attachment: Attachment, since_s: int) -> dict[str, Any]:
    """Read all that the terminal knows of its account's orders, history from `since_s` (server time) on; marks stay.

    Blocks for eight calls; raises LedgerUnreadable, and what the terminal raises. The parts are no atomic snapshot.
    They are read in the order in which an order wanders through them, so that one that moves meanwhile may be seen
    twice, but never missed.
    """
    account = _own_account(attachment)
    connected = _part(attachment, "terminal_info").connected
    ledger = {
        "orders": _part(attachment, "orders_get"),
        "positions": _part(attachment, "positions_get"),
        "history_orders": _part(attachment, "history_orders_get", since_s, END_OF_TIME_S),
        "deals": _part(attachment, "history_deals_get", since_s, END_OF_TIME_S),
    }
    still_connected = _part(attachment, "terminal_info").connected
    _own_account(attachment)
    times = (row[index] for name, rows in ledger.items() for row in rows for index in _TIMES[name])
    return {
        "login": account.login,
        "server": account.server,
        "connected": bool(connected and still_connected),
        "account": account,
        **ledger,
        "server_time_msc": max(times, default=0),
    }


def _own_account(attachment: Attachment) -> Any:
    """Return the account's state, if it is the proven one's."""
    account = _part(attachment, "account_info")
    proof = attachment.proof
    if proof is None or (account.login, account.server) != (proof.login, proof.server):
        expected = "a proven one" if proof is None else f"{proof.login} on {proof.server}"
        raise LedgerUnreadable((RES_E_FAIL, f"account: expected {expected}, found {account.login} on {account.server}"))
    return account


def _part(attachment: Attachment, name: str, *args: int) -> Any:
    value = attachment.call(name, args)
    if value is None:
        error = attachment.last_error()
        raise LedgerUnreadable(
            error if error[0] != RES_S_OK else (RES_E_FAIL, f"{name}: neither a result nor an error")
        )
    return value
