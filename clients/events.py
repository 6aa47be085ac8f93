"""Order events: what happened to this client's orders and positions, one after the other, none left out in silence.

    for event in mt5.order_events(from_number=last_seen + 1):
        print(event.number, event.kind, event.deal)

The gateway reads what the terminal shows every quarter of a second: an event comes that much later than it happened.
Events are asked for by number; the gateway's notices say when to ask. So a connection that breaks, a broker that is
restarted and a reader that is slow miss nothing, as long as the gateway keeps it; what it doesn't is told as a gap.
"""

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clients.results import decode_result
from gateway.clock import monotonic_ns
from gateway.wire.errors import NoReply, RemoteProtocolError, Unavailable
from gateway.wire.events import EventKind
from gateway.wire.structs import TradeDeal, TradeOrder, TradePosition

if TYPE_CHECKING:
    from clients.client import Client

__all__ = ("OrderEvent", "OrderEvents", "decode_event")

ASK_AGAIN_NS: Final = 1_000_000_000
"""Asked at least so often, told or not: it keeps the session alive, and finds a broker that was restarted."""

MIN_CALL_S: Final = 1.0
MAX_CALL_S: Final = 5.0
"""How long one asking may take, however much of the caller's time is left."""

RETRY_S: Final = 0.05
"""Pause after a gateway said that it isn't there for us."""


_KINDS: Final = frozenset(kind.value for kind in EventKind)


class OrderEvent(NamedTuple):
    """One event; the fields are those of `gateway.wire.events`.

    A `kind` of EventKind.GAP says that the events up to and including `number` aren't kept any more: `missed` of them,
    None if that can't be said. Ask the terminal where things stand. Times are the trade server's own clock.
    """

    number: int
    kind: EventKind | str  # a str is a kind that this version doesn't know
    account: str = ""
    time_msc: int = 0
    client_order_id: str | None = None
    order: TradeOrder | None = None
    deal: TradeDeal | None = None
    position: TradePosition | None = None
    clients: tuple[str, ...] = ()
    missed: int | None = None


class OrderEvents:
    """An endless iterator over order events; what `Client.order_events` returns. For one thread."""

    def __init__(self, client: "Client", from_number: int | None, timeout: float | None) -> None:
        """Ask where the events stand; raises what any call does. `timeout`: seconds without an event that end it."""
        self._client = client
        self._timeout = timeout
        self._found: deque[OrderEvent] = deque()
        self.next_number: int = from_number or client.call("events")["next"]
        """The number behind the last event handed out: where to go on, for who keeps it."""
        self._wanted = self.next_number

    def __iter__(self) -> "OrderEvents":
        return self

    def __next__(self) -> OrderEvent:
        """Wait for the next event. Ends (StopIteration) when there was none for `timeout` seconds.

        While there is no gateway, it waits for one. Raises SessionFenced when another client took our id.
        """
        until_ns = None if self._timeout is None else monotonic_ns() + round(self._timeout * 1e9)
        while not self._found:
            told = self._client.notices_told
            answered = self._ask(until_ns)
            now_ns = monotonic_ns()
            if self._found:
                break
            if until_ns is not None and now_ns >= until_ns:
                raise StopIteration
            if answered:
                ask_ns = now_ns + ASK_AGAIN_NS
                self._client.wait_for_notice(told, ask_ns if until_ns is None else min(ask_ns, until_ns))
        event = self._found.popleft()
        self.next_number = event.number + 1
        return event

    def _ask(self, until_ns: int | None) -> bool:
        """Ask for a page of events; tell whether the gateway was there to answer."""
        left_s = MAX_CALL_S if until_ns is None else (until_ns - monotonic_ns()) / 1e9
        try:
            answer = self._client.call("events", self._wanted, timeout=min(max(left_s, MIN_CALL_S), MAX_CALL_S))
        except (Unavailable, NoReply):
            time.sleep(RETRY_S)
            return False
        for payload in answer["events"]:
            event = decode_event(payload)
            self._found.append(event)
            self._wanted = event.number + 1
        return True


def decode_event(payload: Any) -> OrderEvent:
    """Return an event as it came in a notice or a page, its rows in MT5's types; raises RemoteProtocolError."""
    try:
        kind = payload["kind"]
        return OrderEvent(
            number=int(payload["number"]),
            kind=EventKind(kind) if kind in _KINDS else str(kind),
            account=payload.get("account", ""),
            time_msc=int(payload.get("time_msc", 0)),
            client_order_id=payload.get("client_order_id"),
            order=_row("orders_get", payload.get("order")),
            deal=_row("history_deals_get", payload.get("deal")),
            position=_row("positions_get", payload.get("position")),
            clients=tuple(payload.get("clients", ())),
            missed=payload.get("missed"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RemoteProtocolError(f"event: expected a map with number, kind and rows, got {payload!r:.200}") from error


def _row(call: str, row: Any) -> Any:
    return None if row is None else decode_result(call, [row])[0]
