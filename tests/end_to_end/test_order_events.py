"""What the terminal shows of orders reaches their client, once and in order, whatever ends meanwhile."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from clients import EventKind, OrderEvent
from gateway.terminal.simulated.control import Control
from gateway.wire import constants as mt5
from gateway.wire.errors import GatewayError, Refused

PATIENCE_S = 60.0


def take(events: Iterator[OrderEvent], *kinds: EventKind) -> list[OrderEvent]:
    """Return the next events, which must be of these kinds."""
    found = [next(events) for _ in kinds]
    assert [event.kind for event in found] == list(kinds), found
    return found


def test_an_orders_way_is_told_from_its_fill_to_its_stop(observed_gateway: Any) -> None:
    with observed_gateway.client(client_id="stopped") as client:
        events = client.order_events(timeout=PATIENCE_S)
        result = client.buy("EURUSD", 0.1, comment="mine")
        order_id = client.last_order_id
        filled, opened = take(events, EventKind.FILLED, EventKind.OPENED)
        near(client, result.order)
        after = [next(events)]
        if after[0].kind is EventKind.STOPS_MODIFIED:  # unless the stop was hit before anybody looked
            after.append(next(events))
        ended = after[-1]

    assert (filled.number, filled.account, filled.client_order_id) == (1, "demo", order_id)
    assert (filled.deal.ticket, filled.deal.order) == (result.deal, result.order)
    assert (filled.order.state, filled.order.comment, filled.deal.comment) == (mt5.ORDER_STATE_FILLED, "mine", "mine")
    assert (opened.position.ticket, opened.position.comment) == (result.order, "mine")
    assert all(event.position.sl < event.position.tp for event in after[:-1])
    assert ended.kind in (EventKind.STOP_LOSS, EventKind.TAKE_PROFIT)
    assert [event.number for event in after] == list(range(3, 3 + len(after)))
    assert (ended.deal.position_id, ended.client_order_id) == (result.order, order_id)
    assert ended.position is None


def test_a_pending_orders_way_is_told(observed_gateway: Any) -> None:
    with observed_gateway.client(client_id="patient") as client:
        events = client.order_events(timeout=PATIENCE_S)
        tick = client.symbol_info_tick("EURUSD")
        result = client.buy("EURUSD", 0.1, limit=round(tick.bid * 0.99, 5))
        (placed,) = take(events, EventKind.PLACED)
        client.modify(result.order, price=round(tick.bid * 0.98, 5))
        (moved,) = take(events, EventKind.ORDER_MODIFIED)
        client.cancel(result.order)
        (canceled,) = take(events, EventKind.CANCELED)
    assert [event.order.ticket for event in (placed, moved, canceled)] == [result.order] * 3
    assert moved.order.price_open < placed.order.price_open
    assert canceled.order.state == mt5.ORDER_STATE_CANCELED


def test_what_happens_while_client_and_broker_are_away_is_told(
    observed_gateway: Any, wait_until: Callable[..., None]
) -> None:
    with observed_gateway.client(client_id="absent") as client:
        events = client.order_events(timeout=PATIENCE_S)
        result = client.buy("EURUSD", 0.1)
        take(events, EventKind.FILLED, EventKind.OPENED)
        following = events.next_number
    observed_gateway.role("broker").kill()
    with Control(f"sim://{observed_gateway.state_dir}/terminal.sock") as hand:
        hand.close_position(result.order)
        hand.buy("EURUSD", 0.3)

    with observed_gateway.client(client_id="absent") as again:
        wait_until(lambda: is_there(again), "the gateway to come back")
        events = again.order_events(following, timeout=PATIENCE_S)
        (closed,) = take(events, EventKind.CLOSED)
        assert (closed.number, closed.deal.position_id, closed.deal.reason) == (
            following,
            result.order,
            mt5.DEAL_REASON_CLIENT,
        )
        replayed = list(again.order_events(1, timeout=1.0))
    assert [event.number for event in replayed] == [1, 2, 3]
    assert replayed[2] == closed


def test_observers_are_told_of_everything_and_others_arent(observed_gateway: Any) -> None:
    curious = observed_gateway.client(client_id="watched", observe=True)
    with pytest.raises(Refused, match="observers"):
        curious.connect()
    curious.disconnect()
    with (
        observed_gateway.client(client_id="watched") as client,
        observed_gateway.client(client_id="auditor", observe=True) as auditor,
        Control(f"sim://{observed_gateway.state_dir}/terminal.sock") as hand,
    ):
        events = auditor.order_events(timeout=PATIENCE_S)
        first = events.next_number
        client.buy("EURUSD", 0.1)
        mine = take(events, EventKind.FILLED, EventKind.OPENED)
        hand.buy("USDJPY", 0.2)
        by_hand = take(events, EventKind.FILLED, EventKind.OPENED)
        assert client.order_events(timeout=0.5).next_number == 3
    assert [event.clients for event in (*mine, *by_hand)] == [("watched",), ("watched",), (), ()]
    assert [event.number for event in (*mine, *by_hand)] == list(range(first, first + 4))
    printed = observed_gateway.command("events", "--as", "auditor", "--from", str(first), "-n", "4", "--json").stdout
    assert [json.loads(line)["number"] for line in printed.splitlines()] == list(range(first, first + 4))
    assert by_hand[0].deal.symbol == "USDJPY"


def near(client: Any, ticket: int) -> None:
    """Set stops as near to the price as the market's moves allow."""
    symbol = client.symbol_info("EURUSD")
    distance = (symbol.trade_stops_level + 2) * symbol.point
    client.modify(ticket, sl=round(symbol.bid - distance, 5), tp=round(symbol.bid + distance, 5))


def is_there(client: Any) -> bool:
    try:
        return client.account_info() is not None
    except GatewayError:
        return False
