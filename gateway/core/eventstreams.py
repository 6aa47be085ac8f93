"""Order events, numbered for each client and once more for all, and kept for who asks again.

It must never know how a change is found, nor the journal's form: an event comes in with its body encoded, and goes out
as the map that travels (see `gateway.wire.events`). Rules: a client's numbers have no hole, through restarts too; what
isn't kept any more is told as a GAP, never left out in silence.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

from gateway.core.limits import Codec
from gateway.wire.events import EventKind

__all__ = ("PAGE", "EventRetention", "EventStreams", "Kept", "Stream", "Told")

PAGE = 256
"""Events in one answer to `events`: about 150 kB."""

MAX_STREAMS = 8_192
"""Clients whose numbering is remembered; beyond it, one of whom no event is kept any more begins at 1 again."""

_FORGET_AT_ONCE = 1_000

Told = tuple[str, int, str, bool]
"""Client, number among its events, client order id ("": not known), whether the order is its own."""


@dataclass(frozen=True, slots=True)
class EventRetention:
    """How many events are kept to be asked for again, and for how long; some 500 bytes each."""

    max_events: int = 32_768  # of all clients, and those of nobody: what observers can ask for
    max_per_client: int = 4_096
    max_age_ms: int = 86_400_000


@dataclass(frozen=True, slots=True)
class Kept:
    """One event. `sequence` is its journal record's."""

    sequence: int
    wall_ns: int
    body: bytes  # packed: account, kind, time_msc, order, deal, position
    number: int  # among all
    told: tuple[Told, ...]


class Stream:
    """The events of one client, or of all."""

    __slots__ = ("client_id", "kept", "last", "shown")

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id  # "" for all
        self.last = 0  # number given out last
        self.shown = 0  # ... and told: behind `last` while its record isn't durable
        self.kept: deque[tuple[int, Kept]] = deque()

    def first(self) -> int:
        """Return the number of the oldest event that is kept, the next one's if none is."""
        return self.kept[0][0] if self.kept else self.shown + 1


class EventStreams:
    """All events that are kept."""

    def __init__(self, codec: Codec, retention: EventRetention) -> None:
        self.all = Stream("")
        self.by_client: dict[str, Stream] = {}
        self.dropped = 0
        self._codec = codec
        self._retention = retention

    def of(self, client_id: str) -> Stream:
        """Return a client's stream; it begins with number 1."""
        stream = self.by_client.get(client_id)
        if stream is None:
            stream = self.by_client[client_id] = Stream(client_id)
            if len(self.by_client) > MAX_STREAMS:
                self._forget_silent(client_id)
        return stream

    def find(self, client_id: str) -> Stream:
        """Return a client's stream, an empty one that isn't kept if it has none."""
        return self.by_client.get(client_id) or Stream(client_id)

    def show(self, event: Kept) -> None:
        """Keep an event whose numbers are given out; from now on it can be asked for."""
        self._show_in(self.all, event.number, event)
        for client_id, number, _, _ in event.told:
            stream = self.of(client_id)
            self._show_in(stream, number, event)
            if len(stream.kept) > self._retention.max_per_client:
                stream.kept.popleft()
        if len(self.all.kept) > self._retention.max_events:
            self._drop_oldest()

    def forget_old(self, wall_ns: int) -> None:
        """Let go of what is older than the retention, a bounded number at once."""
        oldest_ns = wall_ns - self._retention.max_age_ms * 1_000_000
        for _ in range(_FORGET_AT_ONCE):
            if not self.all.kept or self.all.kept[0][1].wall_ns >= oldest_ns:
                return
            self._drop_oldest()

    def oldest_sequence(self) -> int:
        """Return the journal record that no kept event is below, 0 if none is kept."""
        return self.all.kept[0][1].sequence if self.all.kept else 0

    def payloads(self, stream: Stream, number: int, count: int) -> list[dict[str, Any]]:
        """Return up to `count` events from a number on, in order; first a GAP if some of them aren't kept any more."""
        first = stream.first()
        found: list[dict[str, Any]] = []
        if number > stream.shown + 1:
            if not stream.kept:
                return [_gap(stream.shown, None)]
            found.append(_gap(first - 1, None))  # the numbering began anew: nothing of it is known to who asks
            number = first
        elif number < first:
            found.append(_gap(first - 1, first - number))
            number = first
        start = number - first
        for index in range(start, min(start + count, len(stream.kept))):
            own_number, event = stream.kept[index]
            found.append(self.payload(event, own_number, stream.client_id))
        return found

    def payload(self, event: Kept, number: int, client_id: str) -> dict[str, Any]:
        """Return one event as it travels to a client, or to observers ("")."""
        account, kind, time_msc, order, deal, position = self._codec.unpack(event.body)
        made: dict[str, Any] = {
            "number": number,
            "kind": kind,
            "account": account,
            "time_msc": time_msc,
            "order": order,
            "deal": deal,
            "position": position,
        }
        ids = [order_id for told, _, order_id, _ in event.told if order_id and client_id in ("", told)]
        if ids:
            made["client_order_id"] = ids[0]
        if not client_id:
            made["clients"] = [told for told, _, _, _ in event.told]
        return made

    def _show_in(self, stream: Stream, number: int, event: Kept) -> None:
        if number > stream.last:
            stream.last = number
        stream.shown = max(stream.shown, number)
        stream.kept.append((number, event))

    def _drop_oldest(self) -> None:
        _, event = self.all.kept.popleft()
        self.dropped += 1
        for client_id, number, _, _ in event.told:
            stream = self.by_client.get(client_id)
            if stream is not None and stream.kept and stream.kept[0][0] == number:
                stream.kept.popleft()

    def _forget_silent(self, but: str) -> None:
        for client_id, stream in self.by_client.items():
            if not stream.kept and stream.last == stream.shown and client_id != but:
                del self.by_client[client_id]
                return


def _gap(number: int, missed: int | None) -> dict[str, Any]:
    return {"number": number, "kind": EventKind.GAP.value, "missed": missed}
