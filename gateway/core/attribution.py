"""Whose an order in a terminal's ledger is: the client that sent it through this gateway, if one did.

Found by its tag, else by the ticket that the stored answer names. Rules: nothing of it costs an accepted order
anything: the index is brought up to date when a ledger shows something new. A tag that two clients' orders share
(they chose the same id) decides nothing.
"""

from gateway.core.dedupe import Order, OrderTable
from gateway.core.limits import Codec
from gateway.core.orders import trade_request
from gateway.wire import constants as mt5
from gateway.wire.errors import Status
from gateway.wire.tags import TAG_CHARACTERS, tag_of, untagged

__all__ = ("Attribution",)

_MADE_BY = (mt5.TRADE_ACTION_DEAL, mt5.TRADE_ACTION_PENDING, mt5.TRADE_ACTION_CLOSE_BY)
"""Actions whose answer names an order of their own; the others' name the one they change."""

_SLACK = 4_096
"""Forgotten orders that the index may still hold before it is swept."""


class Attribution:
    """The remembered orders by tag and by ticket."""

    def __init__(self, codec: Codec, table: OrderTable) -> None:
        self._codec = codec
        self._table = table
        self._indexed = 0  # the newest order's number
        self._by_tag: dict[tuple[str, str], Order | None] = {}  # by account and tag
        self._unread: dict[int, Order] = {}  # whose answer was not looked into yet, by number
        self._by_ticket: dict[tuple[str, int], Order] = {}

    def owner(self, account_name: str, ticket: int, *comments: str) -> Order | None:
        """Return the remembered order behind a ticket; `comments` are what its rows carry. O(1) and what is new."""
        self._update()
        for comment in comments:
            if untagged(comment) != comment:
                order = self._by_tag.get((account_name, comment[:TAG_CHARACTERS]))
                if order is not None:
                    return order
        if not ticket:
            return None
        found = self._by_ticket.get((account_name, ticket))
        if found is None:
            self._read_answers()
            found = self._by_ticket.get((account_name, ticket))
        return found

    def _update(self) -> None:
        """Index what was accepted since the last time. Each client's orders stand in the order of their numbers."""
        new: list[Order] = []
        for orders in self._table.by_client.values():
            for order in reversed(orders.values()):
                if order.number <= self._indexed:
                    break
                new.append(order)
        for order in new:
            key = order.account_name, tag_of(order.order_id)
            self._by_tag[key] = None if key in self._by_tag else order
            self._unread[order.number] = order
            self._indexed = max(self._indexed, order.number)
        if len(self._by_tag) > 2 * len(self._table) + _SLACK:
            self._sweep()

    def _read_answers(self) -> None:
        for number, order in list(self._unread.items()):
            if not order.is_settled():
                continue
            del self._unread[number]
            ticket = self._ticket_of(order)
            if ticket:
                self._by_ticket[(order.account_name, ticket)] = order

    def _ticket_of(self, order: Order) -> int:
        if order.status != Status.OK:
            return 0
        result = self._codec.unpack(order.result)
        if type(result) is not list or len(result) < 3 or type(result[2]) is not int:
            return 0
        fields, _ = trade_request(*self._codec.decode_arguments(order.tail, order.has_kwargs))
        return result[2] if fields is not None and fields.get("action") in _MADE_BY else 0

    def _sweep(self) -> None:
        """Let go of what the table has forgotten."""
        self._by_tag = {key: order for key, order in self._by_tag.items() if self._is_known(order)}
        self._by_ticket = {key: order for key, order in self._by_ticket.items() if self._is_known(order)}
        self._unread = {number: order for number, order in self._unread.items() if self._is_known(order)}

    def _is_known(self, order: Order | None) -> bool:
        return order is not None and self._table.find(order.client_id, order.order_id) is order
