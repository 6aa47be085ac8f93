"""Order events as a strategy reads them: none missed, none twice, whatever the line and the gateway do."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from clients import Client, EventKind, OrderEvent
from clients.events import decode_event
from gateway.wire.errors import RemoteProtocolError, SessionFenced
from gateway.wire.structs import TradeDeal, TradeOrder, TradePosition

PAGE = 3


def row(structure: Any, **fields: Any) -> list[Any]:
    return list(({name: kind() for name, kind in structure.__annotations__.items()} | fields).values())


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {"number": number, "kind": "filled", "account": "demo", "time_msc": 5, "order": None} | fields


class Kept:
    """What a gateway keeps: events from `first` on."""

    def __init__(self, broker: Any) -> None:
        self.broker = broker
        self.events: list[dict[str, Any]] = []
        self.first = 1
        broker.handlers["events"] = self.page

    def page(self, number: int | None = None) -> dict[str, Any]:
        found = [] if number is None else [one for one in self.events if one["number"] >= number][:PAGE]
        if number is not None and number < self.first:
            found = [{"number": self.first - 1, "kind": "gap", "missed": self.first - number}, *found]
        return {"first": self.first, "next": len(self.events) + 1, "events": found}

    def happen(self, count: int = 1) -> None:
        for _ in range(count):
            self.events.append(event(len(self.events) + 1))


@pytest.fixture
def kept(broker: Any) -> Kept:
    return Kept(broker)


@pytest.fixture
def client(broker: Any) -> Iterator[Client]:
    with Client(broker.endpoint, client_id="me") as client:
        yield client


def test_events_come_in_order_and_page_by_page(kept: Kept, client: Client) -> None:
    kept.happen(2 * PAGE + 1)
    events = client.order_events(2)
    assert [next(events).number for _ in range(2 * PAGE)] == list(range(2, 2 * PAGE + 2))
    assert events.next_number == 2 * PAGE + 2


def test_without_a_number_it_begins_at_the_present(kept: Kept, client: Client) -> None:
    kept.happen(4)
    events = client.order_events(timeout=10.0)
    kept.happen()
    assert next(events).number == 5


def test_it_ends_when_nothing_comes_for_the_timeout_and_can_go_on(kept: Kept, client: Client) -> None:
    events = client.order_events(1, timeout=0.01)
    assert list(events) == []
    kept.happen(2)
    assert [event.number for event in events] == [1, 2]


def test_a_notice_wakes_who_waits(broker: Any, kept: Kept, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.events.ASK_AGAIN_NS", 10**12)
    events = client.order_events(1, timeout=60.0)
    found: list[OrderEvent] = []
    thread = threading.Thread(target=lambda: found.append(next(events)))
    thread.start()
    asked = broker.wait_seen("events")
    kept.happen()
    broker.notice(asked[0].identity, "order", kept.events[0])
    thread.join(20.0)
    assert not thread.is_alive()
    assert [event.number for event in found] == [1]
    (notice,) = client.notices()
    assert (notice.kind, notice.payload) == ("order", found[0])


def test_a_notice_that_came_before_the_waiting_is_not_slept_through(
    broker: Any, kept: Kept, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clients.events.ASK_AGAIN_NS", 10**12)
    empty = kept.page(1)

    def late(number: int) -> dict[str, Any]:
        broker.handlers["events"] = kept.page
        kept.happen()
        broker.notice(broker.named("events")[-1].identity, "order", kept.events[0])
        return empty

    events = client.order_events(1, timeout=60.0)
    broker.handlers["events"] = late
    assert next(events).number == 1


def test_a_restarted_broker_is_found_and_nothing_missed(broker: Any, kept: Kept, client: Client) -> None:
    kept.happen()
    events = client.order_events(1, timeout=60.0)
    assert next(events).number == 1
    broker.stop()
    kept.happen(2)
    broker.restart()
    assert [next(events).number for _ in range(2)] == [2, 3]


def test_a_gap_is_an_event_of_its_own(kept: Kept, client: Client) -> None:
    kept.happen(5)
    kept.first = 4
    del kept.events[:3]
    events = client.order_events(2)
    gap, after = next(events), next(events)
    assert (gap.kind, gap.number, gap.missed) == (EventKind.GAP, 3, 2)
    assert after.number == 4


def test_another_client_with_our_id_ends_it(broker: Any, kept: Kept, client: Client) -> None:
    events = client.order_events(1, timeout=20.0)
    with Client(broker.endpoint, client_id="me"), pytest.raises(SessionFenced):
        next(events)


def test_an_observer_says_so_in_every_hello(broker: Any, kept: Kept) -> None:
    with Client(broker.endpoint, client_id="auditor", observe=True) as auditor:
        broker.forget_sessions()
        auditor.ping()
    assert [hello.args for hello in broker.named("hello")] == [["auditor", {"observe": True}]] * 2


def test_rows_come_in_their_types() -> None:
    found = decode_event(
        event(
            7,
            kind="partly_filled",
            client_order_id="id",
            order=row(TradeOrder, ticket=1),
            deal=row(TradeDeal, ticket=2),
            position=row(TradePosition, ticket=3),
            clients=["me"],
        )
    )
    assert (type(found.order), type(found.deal), type(found.position)) == (TradeOrder, TradeDeal, TradePosition)
    assert (found.order.ticket, found.deal.ticket, found.position.ticket) == (1, 2, 3)  # type: ignore[union-attr]
    assert (found.kind, found.client_order_id, found.clients) == (EventKind.PARTLY_FILLED, "id", ("me",))


def test_a_kind_that_isnt_known_comes_as_it_is() -> None:
    assert decode_event(event(7, kind="new")).kind == "new"


@pytest.mark.parametrize(
    "payload",
    [None, 7, [], {}, {"number": 1}, {"kind": "filled"}, event(1, order=[1]), event(1, deal=5), event("x", kind=7)],  # type: ignore[arg-type]
)
def test_a_misshapen_event_is_the_gateways_fault(payload: Any) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_event(payload)
