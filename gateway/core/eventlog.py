"""Tells each client what its account's terminal shows of its orders; a `watch.Listener`.

The changes are `events`'s affair, whose they are is decided here, their numbers are `eventstreams`'s. Rules: an event
is recorded before it is told, and what was told is found again from the records alone: nothing is told twice, and what
happened while no broker ran is told. The first sight of an account is what later changes are measured against: of it
only what our own orders did is told.

Whose it is: an order is its sender's. A deal is its order's sender's; on a hedging account an exit is told to the
position's owner, too. On a netting account nobody owns the position: what isn't done by a client's order (its stops, a
stop-out, a trade by hand that reduces it) is told to each client that has traded into the position and not out of it.
"""

from collections import deque
from typing import Any

from gateway.core.accounts import Account
from gateway.core.attribution import Attribution
from gateway.core.eventbook import AccountBook, packed_row
from gateway.core.events import Change, changes
from gateway.core.eventstreams import PAGE, EventRetention, EventStreams, Kept, Stream, Told
from gateway.core.evidence import Ledger
from gateway.core.limits import Codec
from gateway.core.orderlog import OrderLog
from gateway.core.outbox import Outbox
from gateway.core.records import Kind, Record
from gateway.core.session import Session, SessionTable
from gateway.wire import constants as mt5

__all__ = ("EventLog", "EventRetention")

MAX_REPLAY = 4_096
"""Events sent unasked in answer to `events_from`; a client asks for what is beyond, by their numbers."""

CHECKPOINT_EVENTS = 10_000
"""After so many events all that is known is recorded again: so many at most are taken in anew by a restarted broker."""

_EVENT = int(Kind.EVENT)
_SHOWN = int(Kind.SHOWN)
_NUMBERED = int(Kind.NUMBERED)
_BY_THE_SERVER = (mt5.DEAL_REASON_SL, mt5.DEAL_REASON_TP, mt5.DEAL_REASON_SO)


class EventLog:
    """Finds, records, numbers and tells order events."""

    def __init__(
        self,
        codec: Codec,
        outbox: Outbox,
        sessions: SessionTable,
        log: OrderLog,
        observers: tuple[str, ...],
        retention: EventRetention,
    ) -> None:
        """`observers`: the clients that may be told of everybody's."""
        self._codec = codec
        self._outbox = outbox
        self._sessions = sessions
        self._log = log
        self._observers = frozenset(observers)
        self._observing: dict[int, Session] = {}  # by token
        self._retention = retention
        self._streams = EventStreams(codec, retention)
        self._attribution = Attribution(codec, log.table)
        self._books: dict[str, AccountBook] = {}
        self._held: deque[Kept] = deque()  # whose record isn't durable yet
        self._found = _Found()
        self._since_checkpoint = 0  # events

    # --- what the terminal shows --------------------------------------------------------------------------------------

    def since_s(self, account: Account) -> int | None:
        """Return from when on the history may show what is still to be told."""
        book = self._books.get(account.name)
        return None if book is None else book.since_s()

    def blind(self, account: Account, now_ns: int) -> None:
        """Nothing is known anew."""

    def seen(self, account: Account, ledger: Ledger, asked_ns: int, now_ns: int) -> None:
        """Record and tell what has changed; where nothing can be recorded, the next broker tells it."""
        if self._log.lost:
            return
        book = self._books.get(account.name)
        if book is None or not book.is_of(ledger):
            book = self._books[account.name] = AccountBook(ledger.login, ledger.server)
        book.is_netting = ledger.account.margin_mode != mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING
        is_first = not book.told.is_complete
        for change in changes(book.told, ledger, now_ns):
            owner = self._owner(account.name, book, change)
            recipients = book.recipients(change, owner)
            if recipients or not is_first:
                self._tell(account.name, change, owner, recipients)
            book.take(change, owner)
        book.settle(ledger, now_ns)
        if is_first:
            self._log.note(_SHOWN, self._codec.pack(book.packed(account.name)))
        if self._since_checkpoint >= CHECKPOINT_EVENTS:
            self.begin_segment()

    def _owner(self, account_name: str, book: AccountBook, change: Change) -> tuple[str, str] | None:
        """Return the client behind the order of a change, and its id for it."""
        order, deal = change.order, change.deal
        if order is None and deal is None:
            return None
        if _is_by_the_server(change):
            return None  # brokers copy the comment of what opened a position
        ticket = deal.order if deal is not None else order.ticket if order is not None else 0
        known = book.owners.get(ticket)
        if known is not None:
            return known
        comments = [row.comment for row in (order, deal) if row is not None]
        found = self._attribution.owner(account_name, ticket, *comments)
        return None if found is None else (found.client_id, found.order_id)

    def _tell(
        self, account_name: str, change: Change, owner: tuple[str, str] | None, recipients: dict[str, str]
    ) -> None:
        told: list[Told] = []
        for client_id, order_id in recipients.items():
            stream = self._streams.of(client_id)
            stream.last += 1
            told.append((client_id, stream.last, order_id, owner is not None and client_id == owner[0]))
        self._streams.all.last += 1
        number = self._streams.all.last
        body = self._codec.pack(
            [
                account_name,
                change.kind.value,
                change.time_msc,
                packed_row(change.order),
                packed_row(change.deal),
                packed_row(change.position),
            ]
        )
        sequence = self._log.note(_EVENT, self._codec.pack([number, account_name, told, body]))
        self._since_checkpoint += 1
        event = Kept(sequence, self._log.now_ns + self._log.wall_offset_ns, body, number, tuple(told))
        if self._log.gated:
            self._held.append(event)
        else:
            self._show(event)

    # --- who is told --------------------------------------------------------------------------------------------------

    def may_observe(self, client_id: str) -> bool:
        """Tell whether a client may be told of everybody's events."""
        return client_id in self._observers

    def attach(self, session: Session, observes: bool, from_number: int) -> None:
        """Take a new session in, and tell it what is kept from a number on; 0: from now on."""
        if observes:
            self._observing[session.token] = session
        if from_number:
            stream = self._stream_of(session)
            for payload in self._streams.payloads(stream, from_number, MAX_REPLAY):
                self._outbox.notice(session, "order", payload)

    def page(self, session: Session, from_number: int) -> dict[str, Any]:
        """Return what a session asks for by a number; 0: no events, only where they stand."""
        stream = self._stream_of(session)
        found = self._streams.payloads(stream, from_number, PAGE) if from_number else []
        return {"first": stream.first(), "next": stream.shown + 1, "events": found}

    def owner_of(self, account_name: str, ticket: int, comment: str) -> str:
        """Return the client whose order a ticket is, as its row's comment and all that was read tell; "": nobody's."""
        book = self._books.get(account_name)
        known = None if book is None else book.owners.get(ticket)
        if known is not None:
            return known[0]
        found = self._attribution.owner(account_name, ticket, comment)
        return "" if found is None else found.client_id

    def statistics(self) -> dict[str, int]:
        """Return what is counted."""
        stream = self._streams.all
        return {"told": stream.shown, "kept": len(stream.kept), "observers": len(self._observing)}

    def _stream_of(self, session: Session) -> Stream:
        return self._streams.all if session.token in self._observing else self._streams.find(session.client_id)

    def _show(self, event: Kept) -> None:
        self._streams.show(event)
        for client_id, number, _, _ in event.told:
            session = self._sessions.by_client.get(client_id)
            if session is not None and session.token not in self._observing:
                self._outbox.notice(session, "order", self._streams.payload(event, number, client_id))
        for session in list(self._observing.values()):
            if session.ended:
                del self._observing[session.token]
            else:
                self._outbox.notice(session, "order", self._streams.payload(event, event.number, ""))

    # --- the journal --------------------------------------------------------------------------------------------------

    def release(self, durable: int) -> None:
        """Tell those events whose records are durable, up to and including this sequence."""
        while self._held and self._held[0].sequence <= durable:
            self._show(self._held.popleft())

    def forget_old(self, wall_ns: int) -> None:
        """Let go of events that are kept for long enough, and of sessions that have ended."""
        self._streams.forget_old(wall_ns)
        for token in [token for token, session in self._observing.items() if session.ended]:
            del self._observing[token]

    def begin_segment(self) -> None:
        """Record what is known, so that what stands in older segments may go."""
        self._since_checkpoint = 0
        books = [(name, book) for name, book in self._books.items() if book.told.is_complete]
        for name, book in books:
            self._log.note(_SHOWN, self._codec.pack(book.packed(name)))
        streams = self._streams
        if streams.all.last or books:
            numbers = [[client_id, stream.last] for client_id, stream in streams.by_client.items()]
            self._log.note(_NUMBERED, self._codec.pack([len(books), streams.all.last, numbers]))

    def oldest_sequence(self) -> int:
        """Return the record that no event which can be asked for is below; 0 if there is none."""
        if self._held and not self._streams.all.kept:
            return self._held[0].sequence
        return self._streams.oldest_sequence()

    def recover(self, records: list[Record]) -> None:
        """Take in what the journal holds, segment by segment; `start` makes sense of what is still needed of it."""
        found = self._found
        for sequence, wall_ns, _, kind, body in records:
            if kind == _EVENT:
                found.events.append((sequence, wall_ns, body))
            elif kind == _SHOWN:
                found.shown.append((sequence, body))
            elif kind == _NUMBERED:
                found.numbered = body
                books = self._codec.unpack(body)[0]
                del found.shown[: len(found.shown) - books]
                while len(found.events) > self._retention.max_events:
                    found.events.popleft()

    def start(self) -> None:
        """Know again what was told before this broker began. O(events kept)."""
        found, self._found = self._found, _Found()
        if found.numbered:
            self._recover_numbers(*self._codec.unpack(found.numbered))
        known_since: dict[str, int] = {}
        for sequence, body in found.shown:
            name, self._books[name] = AccountBook.unpacked(self._codec.unpack(body))
            known_since[name] = sequence
        for sequence, wall_ns, body in found.events:
            number, account_name, told, packed = self._codec.unpack(body)
            event = Kept(sequence, wall_ns, packed, number, tuple(tuple(one) for one in told))
            self._streams.show(event)
            if sequence > known_since.get(account_name, 0):
                book = self._books.setdefault(account_name, AccountBook(0, ""))
                book.retake(self._codec.unpack(packed)[1:], event.told)

    def _recover_numbers(self, _books: int, last: int, numbers: list[list[Any]]) -> None:
        streams = self._streams
        for stream, number in [(streams.all, last), *((streams.of(name), number) for name, number in numbers)]:
            stream.last = stream.shown = number


class _Found:
    """What was read of the journal and isn't understood yet: a checkpoint's records, and events."""

    __slots__ = ("events", "numbered", "shown")

    def __init__(self) -> None:
        self.events: deque[tuple[int, int, bytes]] = deque()
        self.shown: list[tuple[int, bytes]] = []
        self.numbered = b""


def _is_by_the_server(change: Change) -> bool:
    """Tell whether the trade server acted on its own: a stop, a take profit, a stop-out."""
    row = change.deal if change.deal is not None else change.order
    return row is not None and row.reason in _BY_THE_SERVER
