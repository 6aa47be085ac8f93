"""One account's book of what was told, with whose orders and positions they are, and its form in the journal.

Rules: it is a fold over the account's changes (see `events`), and the record of it gives the same book again. Whose an
order is stays known as long as it rests, though the table of orders has forgotten it.
"""

from typing import Any, Self

from gateway.core.events import Book, Change
from gateway.core.evidence import Ledger
from gateway.wire import constants as mt5
from gateway.wire.events import EventKind
from gateway.wire.structs import Struct, TradeDeal, TradeOrder, TradePosition
from gateway.wire.tags import untagged

__all__ = ("AccountBook", "packed_row")

OVERLAP_S = 120
"""A restarted broker reads the history from so long before the newest thing that was told."""
MAX_CLOSED = 4_096
"""Ended orders and closed positions whose owners stay known: their deals may be shown late."""

_EPSILON = 1e-9
_COMMENTS: dict[type[Struct], int] = {
    kind: kind.__match_args__.index("comment") for kind in (TradeOrder, TradeDeal, TradePosition)
}
_EXITS = (mt5.DEAL_ENTRY_OUT, mt5.DEAL_ENTRY_OUT_BY, mt5.DEAL_ENTRY_INOUT)

Owner = tuple[str, str]
"""A client, and its id for the order that made it one."""


class AccountBook:
    """What was told of an account, and to whom its next changes are told."""

    def __init__(self, login: int, server: str) -> None:
        self.told = Book(login, server)
        self.is_netting = False
        self.owners: dict[int, Owner] = {}  # by order ticket
        self.shares: dict[int, dict[str, tuple[float, str]]] = {}  # by position id and client: lots (short: negative)
        self._since_s: int | None = None

    def is_of(self, ledger: Ledger) -> bool:
        """Tell whether a ledger shows this book's account; a book of events alone is any's. O(deals shown).

        A server gives a ticket once. A deal that we know, at another time, is of an account that was begun anew: a
        simulated one on replayed prices, or after a reset.
        """
        told = self.told
        if not told.login:
            return True
        if (told.login, told.server) != (ledger.login, ledger.server):
            return False
        times = told.deals.times
        return all(times.get(deal.ticket, deal.time_msc) == deal.time_msc for deal in ledger.deals)

    def since_s(self) -> int | None:
        """Return from when on (s, server's time) the next reading's history is needed; None: what is recent will do."""
        return self._since_s

    # --- whose it is --------------------------------------------------------------------------------------------------

    def recipients(self, change: Change, owner: Owner | None) -> dict[str, str]:
        """Return who is told of a change, each with the id of the order that makes it its affair."""
        if change.kind is EventKind.BALANCE:
            return {}
        found = dict([owner] if owner is not None else ())
        identifier = 0
        if change.deal is not None:
            if change.deal.entry in _EXITS and (owner is None or not self.is_netting):
                identifier = change.deal.position_id
        elif change.position is not None:
            identifier = change.position.identifier
        elif change.order is not None and owner is None:
            identifier = change.order.position_id
        for client_id, (_, order_id) in self.shares.get(identifier, {}).items():
            found.setdefault(client_id, order_id)
        return found

    def take(self, change: Change, owner: Owner | None) -> None:
        """Note that a change is told, or needn't be."""
        self.told.take(change)
        order, deal = change.order, change.deal
        if owner is None:
            return
        if deal is not None:
            self.owners[deal.order] = owner
            self._share(deal, owner)
        elif order is not None:
            self.owners[order.ticket] = owner

    def settle(self, ledger: Ledger, now_ns: int) -> None:
        """Take over the rest of a reading, and see from when on the next one's history is needed."""
        self.told.login, self.told.server = ledger.login, ledger.server
        self.told.settle(ledger, now_ns)
        since_msc = self.told.since_msc(ledger)
        self._since_s = None if since_msc is None else since_msc // 1_000
        if len(self.owners) > len(self.told.orders) + 2 * MAX_CLOSED:
            self.owners = _youngest(self.owners, set(self.told.orders))
        if len(self.shares) > len(self.told.positions) + 2 * MAX_CLOSED:
            self.shares = _youngest(self.shares, {one.identifier for one in self.told.positions.values()})

    def _share(self, deal: TradeDeal, owner: Owner) -> None:
        """Count a deal of a client's order into its share of the position."""
        if deal.type not in (mt5.DEAL_TYPE_BUY, mt5.DEAL_TYPE_SELL):
            return
        client_id, order_id = owner
        shares = self.shares.setdefault(deal.position_id, {})
        if not self.is_netting and deal.entry in _EXITS and client_id not in shares:
            return  # it closed another's position
        lots, opening_id = shares.get(client_id, (0.0, order_id))
        lots += deal.volume if deal.type == mt5.DEAL_TYPE_BUY else -deal.volume
        if abs(lots) < _EPSILON:
            shares.pop(client_id, None)
        else:
            shares[client_id] = (lots, opening_id)
        if not shares:
            del self.shares[deal.position_id]

    # --- the journal --------------------------------------------------------------------------------------------------

    def retake(self, event: list[Any], told: tuple[tuple[str, int, str, bool], ...]) -> None:
        """Take in a change that was recorded."""
        kind, time_msc, order, deal, position = event
        change = Change(
            EventKind(kind),
            time_msc,
            None if order is None else TradeOrder(order),
            None if deal is None else TradeDeal(deal),
            None if position is None else TradePosition(position),
        )
        owners = [(client_id, order_id) for client_id, _, order_id, is_owner in told if is_owner]
        self.take(change, owners[0] if owners else None)
        self._look_back()

    def packed(self, account_name: str) -> list[Any]:
        """Return the book as it is recorded."""
        told = self.told
        return [
            account_name,
            [told.login, told.server, told.newest_msc, self.is_netting],
            [[seen.horizon_msc, [*seen.times.items()]] for seen in (told.deals, told.ends)],
            [packed_row(order) for order in told.orders.values()],
            [packed_row(position) for position in told.positions.values()],
            [*told.owed.items()],
            [[ticket, *owner] for ticket, owner in self.owners.items()],
            [
                [identifier, [[client_id, *share] for client_id, share in shares.items()]]
                for identifier, shares in self.shares.items()
            ],
        ]

    @classmethod
    def unpacked(cls, value: list[Any]) -> tuple[str, Self]:
        """Return account and book of what `packed` made."""
        name, (login, server, newest_msc, is_netting), seen, orders, positions, owed, owners, shares = value
        book = cls(login, server)
        told = book.told
        told.is_complete = True
        told.newest_msc = newest_msc
        book.is_netting = is_netting
        for tickets, (horizon_msc, times) in zip((told.deals, told.ends), seen, strict=True):
            tickets.horizon_msc = horizon_msc
            tickets.times = dict(times)
        told.orders = {row[0]: TradeOrder(row) for row in orders}
        told.positions = {row[0]: TradePosition(row) for row in positions}
        told.owed = dict(owed)
        book.owners = {ticket: (client_id, order_id) for ticket, client_id, order_id in owners}
        book.shares = {
            identifier: {client_id: (lots, order_id) for client_id, lots, order_id in held}
            for identifier, held in shares
        }
        book._look_back()
        return name, book

    def _look_back(self) -> None:
        """What happened since the newest thing told is to be read."""
        newest_s = self.told.newest_msc // 1_000
        owed = [since_msc // 1_000 for since_msc in self.told.owed.values()]
        self._since_s = max(min([newest_s, *owed]) - OVERLAP_S, 0) if newest_s else None


def packed_row(row: Struct | None) -> list[Any] | None:
    """Return a row as it travels: its comment as it was written."""
    if row is None:
        return None
    fields = list(row)
    index = _COMMENTS[type(row)]
    fields[index] = untagged(fields[index])
    return fields


def _youngest(entries: dict[int, Any], open_ones: set[int]) -> dict[int, Any]:
    """Return the entries of what is open, and the latest MAX_CLOSED of the others."""
    closed = [key for key in entries if key not in open_ones]
    dropped = set(closed[:-MAX_CLOSED])
    return {key: entry for key, entry in entries.items() if key not in dropped}
