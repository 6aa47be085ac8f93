"""What has changed between what an account's clients were told and what its terminal shows now.

It must never know clients or records. Rules: a deal is told once, by its ticket, however often and however late the
readings show it; so is an order's end. What was told is a fold over the changes: the same changes taken in again make
the same book, which is how a restarted broker knows. What comes and goes between two readings is told by its deals and
its end alone. Readings are no atomic snapshot: what has moved on in the history counts, not what still stands open.
"""

from dataclasses import dataclass, field

from gateway.core.evidence import Ledger
from gateway.wire import constants as mt5
from gateway.wire.events import EventKind
from gateway.wire.structs import TradeDeal, TradeOrder, TradePosition

__all__ = ("Book", "Change", "Seen", "changes")

SEEN_MS = 86_400_000
"""Tickets of deals and ended orders are remembered for so long (of the server's time): longer than a history lags."""
MAX_SEEN = 65_536
"""So many of them at most. Who trades more in a day can be told of late deals for a shorter time."""
OWED_MS = 3_600_000
"""How long the history is read back for a deal that must be there: a position changed, or an order was filled."""
GONE_NS = 600_000_000_000
"""After so long an order that is shown nowhere any more is told to be gone."""

_VOLUME_EPSILON = 1e-9
_ENDS = {
    mt5.ORDER_STATE_CANCELED: EventKind.CANCELED,
    mt5.ORDER_STATE_EXPIRED: EventKind.EXPIRED,
    mt5.ORDER_STATE_REJECTED: EventKind.REJECTED,
}
_EXITS = {
    mt5.DEAL_REASON_SL: EventKind.STOP_LOSS,
    mt5.DEAL_REASON_TP: EventKind.TAKE_PROFIT,
    mt5.DEAL_REASON_SO: EventKind.STOP_OUT,
}
_OUT = (mt5.DEAL_ENTRY_OUT, mt5.DEAL_ENTRY_OUT_BY)
_RANKS = {kind: rank for rank, kind in enumerate(EventKind)} | {
    EventKind.CANCELED: 90,
    EventKind.EXPIRED: 91,
    EventKind.REJECTED: 92,
    EventKind.GONE: 93,
}
"""Of what has the same time: an order is placed, filled, opens a position, and what is left of it is cancelled."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed; the rows are the terminal's, tags in their comments."""

    kind: EventKind
    time_msc: int
    order: TradeOrder | None = None
    deal: TradeDeal | None = None
    position: TradePosition | None = None

    @property
    def place(self) -> tuple[int, int, int]:
        """What changes of one reading are sorted by."""
        row = self.deal or self.order or self.position
        return self.time_msc, _RANKS[self.kind], row[0] if row else 0


class Seen:
    """Tickets that were told, by time; what is older than the horizon counts as told."""

    __slots__ = ("horizon_msc", "times")

    def __init__(self) -> None:
        self.times: dict[int, int] = {}
        self.horizon_msc = 0

    def lacks(self, ticket: int, time_msc: int) -> bool:
        """Tell whether a ticket is still to be told."""
        return ticket not in self.times and time_msc >= self.horizon_msc

    def forget(self, before_msc: int) -> None:
        """Move the horizon, if much can be forgotten for it. O(n log n) if so."""
        if len(self.times) > MAX_SEEN:
            before_msc = max(before_msc, sorted(self.times.values())[len(self.times) - MAX_SEEN // 2])
        elif before_msc - self.horizon_msc < SEEN_MS // 24:
            return
        self.horizon_msc = max(self.horizon_msc, before_msc)
        self.times = {ticket: time for ticket, time in self.times.items() if time >= self.horizon_msc}


@dataclass(slots=True)
class Book:
    """What was told of one account, and so needn't be again."""

    login: int = 0
    server: str = ""
    is_complete: bool = False  # it has been read as a whole: what it doesn't hold is new
    newest_msc: int = 0
    orders: dict[int, TradeOrder] = field(default_factory=dict)
    positions: dict[int, TradePosition] = field(default_factory=dict)
    deals: Seen = field(default_factory=Seen)
    ends: Seen = field(default_factory=Seen)
    missing: dict[int, int] = field(default_factory=dict)  # orders shown nowhere, since when (monotonic ns)
    owed: dict[int, int] = field(default_factory=dict)  # positions by id: since when (server's ms) a deal must be there

    def take(self, change: Change) -> None:
        """Note that a change is told."""
        kind, order, deal, position = change.kind, change.order, change.deal, change.position
        self.newest_msc = max(self.newest_msc, change.time_msc)
        if deal is not None:
            self.deals.times[deal.ticket] = deal.time_msc
            self.owed.pop(deal.position_id, None)
            self._hold(deal, position)
            if order is not None and order.ticket in self.orders:
                if order.state == mt5.ORDER_STATE_FILLED:
                    del self.orders[order.ticket]
                else:
                    self.orders[order.ticket] = order
        elif order is not None:
            if kind in (EventKind.PLACED, EventKind.ORDER_MODIFIED):
                self.orders[order.ticket] = order
            else:
                self.orders.pop(order.ticket, None)
                self.ends.times[order.ticket] = _end_msc(order)
        elif position is not None:
            self.positions[position.ticket] = position

    def _hold(self, deal: TradeDeal, position: TradePosition | None) -> None:
        """Note what a deal left of a position."""
        if position is None:
            if deal.entry in _OUT:
                gone = [ticket for ticket, known in self.positions.items() if known.identifier == deal.position_id]
                for ticket in gone:
                    del self.positions[ticket]
        elif position.ticket in self.positions:  # else it is still to be told that it was opened
            self.positions[position.ticket] = position

    def settle(self, ledger: Ledger, now_ns: int) -> None:
        """Take over what a reading shows and nobody is told, when all of its changes are taken."""
        self._note_owed(ledger)
        shown = {ticket: order for ticket, order in ledger.orders.items() if ticket not in ledger.history}
        kept = {}
        for ticket, order in self.orders.items():
            if ticket in shown:
                kept[ticket] = shown[ticket]
            elif ticket not in ledger.history:
                kept[ticket] = order
        self.missing = {ticket: self.missing.get(ticket, now_ns) for ticket in kept if ticket not in shown}
        self.orders = kept
        unexplained = {ticket: one for ticket, one in self.positions.items() if one.identifier in self.owed}
        self.positions = unexplained | ledger.positions  # a terminal that isn't synchronised shows none
        self.newest_msc = max(self.newest_msc, ledger.server_time_msc)
        self.forget()
        self.is_complete = True

    def forget(self) -> None:
        """Let go of tickets that no history shows as new any more."""
        self.deals.forget(self.newest_msc - SEEN_MS)
        self.ends.forget(self.newest_msc - SEEN_MS)
        oldest_msc = self.newest_msc - OWED_MS
        self.owed = {position: since for position, since in self.owed.items() if since >= oldest_msc}

    def since_msc(self, ledger: Ledger | None) -> int | None:
        """Return from when on the next reading's history is needed; None: what is recent will do."""
        times = [self.orders[ticket].time_setup_msc for ticket in self.missing] + list(self.owed.values())
        if ledger is not None:
            dealt = {deal.order for deal in ledger.deals}
            oldest_msc = self.newest_msc - OWED_MS
            times += [
                order.time_setup_msc
                for order in ledger.history.values()
                if order.state == mt5.ORDER_STATE_FILLED and order.ticket not in dealt and _end_msc(order) >= oldest_msc
            ]
        return min(times, default=None)

    def _note_owed(self, ledger: Ledger) -> None:
        """Note which positions changed without a deal that says why: the history lags, and is waited for."""
        if not self.is_complete:
            return
        dealt = {deal.position_id for deal in ledger.deals}
        known = {position.identifier: position.volume for position in self.positions.values()}
        shown = {position.identifier: position.volume for position in ledger.positions.values()}
        for identifier in known.keys() | shown.keys():
            changed = abs(known.get(identifier, -1.0) - shown.get(identifier, -1.0)) > _VOLUME_EPSILON
            if changed and identifier not in dealt:
                self.owed.setdefault(identifier, self.newest_msc)


def changes(book: Book, ledger: Ledger, now_ns: int) -> list[Change]:
    """Return what a reading shows that the book doesn't hold, in the order in which it happened. O(ledger)."""
    if not book.deals.horizon_msc and ledger.server_time_msc:
        book.deals.horizon_msc = book.ends.horizon_msc = max(ledger.server_time_msc - SEEN_MS, 0)
    found = _of_deals(book, ledger) + _of_orders(book, ledger, now_ns) + _of_positions(book, ledger)
    found.sort(key=lambda change: change.place)
    return found


def _of_deals(book: Book, ledger: Ledger) -> list[Change]:
    positions = {position.identifier: position for position in ledger.positions.values()}
    new = {deal.ticket: deal for deal in ledger.deals if book.deals.lacks(deal.ticket, deal.time_msc)}
    last = {deal.order: deal.ticket for deal in sorted(new.values(), key=lambda deal: (deal.time_msc, deal.ticket))}
    found = []
    for deal in new.values():
        order = ledger.history.get(deal.order) or ledger.orders.get(deal.order)
        is_whole = order is None or (order.state == mt5.ORDER_STATE_FILLED and last[deal.order] == deal.ticket)
        position = positions.get(deal.position_id)
        found.append(Change(_kind_of(deal, is_whole), deal.time_msc, order, deal, position))
    return found


def _kind_of(deal: TradeDeal, is_whole: bool) -> EventKind:
    if deal.type not in (mt5.DEAL_TYPE_BUY, mt5.DEAL_TYPE_SELL):
        return EventKind.BALANCE
    if deal.entry in _OUT:
        return _EXITS.get(deal.reason, EventKind.CLOSED)
    return EventKind.FILLED if is_whole else EventKind.PARTLY_FILLED


def _of_orders(book: Book, ledger: Ledger, now_ns: int) -> list[Change]:
    found = []
    for ticket, order in ledger.orders.items():
        if ticket in ledger.history:
            continue
        known = book.orders.get(ticket)
        if known is None:
            if _rests(order):
                found.append(Change(EventKind.PLACED, order.time_setup_msc, order))
        elif _terms(order) != _terms(known):
            found.append(Change(EventKind.ORDER_MODIFIED, ledger.server_time_msc, order))
    for ticket, order in ledger.history.items():
        kind = _ENDS.get(order.state)
        if kind is not None and (ticket in book.orders or book.ends.lacks(ticket, _end_msc(order))):
            found.append(Change(kind, _end_msc(order), order))
    for ticket, since_ns in book.missing.items():
        if ticket not in ledger.orders and ticket not in ledger.history and now_ns - since_ns >= GONE_NS:
            found.append(Change(EventKind.GONE, ledger.server_time_msc, book.orders[ticket]))
    return found


def _rests(order: TradeOrder) -> bool:
    """Tell an order that waits for its price from a market order on its way."""
    return order.state == mt5.ORDER_STATE_PARTIAL or mt5.ORDER_TYPE_BUY_LIMIT <= order.type < mt5.ORDER_TYPE_CLOSE_BY


def _terms(order: TradeOrder) -> tuple[float, ...]:
    return order.type, order.price_open, order.sl, order.tp, order.price_stoplimit, order.time_expiration


def _end_msc(order: TradeOrder) -> int:
    return order.time_done_msc or order.time_setup_msc


def _of_positions(book: Book, ledger: Ledger) -> list[Change]:
    found = []
    for ticket, position in ledger.positions.items():
        known = book.positions.get(ticket)
        if known is None:
            found.append(Change(EventKind.OPENED, position.time_msc, position=position))
        elif (position.sl, position.tp) != (known.sl, known.tp):
            time_msc = max(position.time_update_msc, known.time_update_msc)
            found.append(Change(EventKind.STOPS_MODIFIED, time_msc, position=position))
    return found
