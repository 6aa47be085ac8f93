"""A disk that is really full: entries are refused, exits and the kill switch pass, nothing is lost, and it ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clients import new_order_id
from gateway import journal
from gateway.core.records import Kind, read_settled
from gateway.core.states import OrderState
from gateway.wire.errors import GatewayError, Halted, NotTradable, PermissionRefused, Refused

LARGE = {"comment": "x" * 30_000}
"""Accepted, recorded, and refused by the terminal: it fills the journal's own room."""


def is_refused(client: Any, order: dict[str, Any], reason: str) -> bool:
    """Send one order; tell whether it was refused for this reason."""
    try:
        client.order_send(order)
    except NotTradable as error:
        return reason in error.message
    except GatewayError:
        return False
    return False


def limit(client: Any) -> int:
    price = client.symbol_info_tick("EURUSD").bid
    return int(client.buy("EURUSD", 0.01, limit=round(price * 0.9, 5)).order)


def kinds(folder: Path) -> set[int]:
    return {record[3] for _, records, _, problem in journal.read(folder / "journal") for record in records}


@pytest.mark.parametrize("durability", ["process", "disk"])
def test_a_full_disk_takes_exits_and_no_entries_over_restarts_until_it_has_room(
    small_disk: Any, make_plane: Callable[..., Any], market: dict[str, Any], until: Callable[..., None], durability: str
) -> None:
    plane = make_plane(small_disk.path, durability)
    plane.start()
    order_id = new_order_id()
    with plane.client("strategy") as client:
        first = client.order_send(market | {"client_order_id": order_id})
        client.buy("EURUSD", 0.01)
        client.buy("EURUSD", 0.01)
        pending = [limit(client), limit(client)]
        small_disk.fill()
        until(lambda: is_refused(client, market | LARGE, "disk is full"), "entries to be refused")

        client.cancel(pending[0])
        client.close(first.order)
        with pytest.raises(NotTradable, match="disk is full: entries are refused, exits are not"):
            client.buy("EURUSD", 0.01)
        assert client.stats()["journal"]["exits_refused"] == ""
        open_before = client.positions_total()

    plane.kill()
    small_disk.fill()
    plane.start()
    with plane.client("strategy") as client:
        assert client.order_status(order_id)["result"].order == first.order
        assert client.order_send(market | {"client_order_id": order_id}).order == first.order
        with pytest.raises(NotTradable, match="disk is full"):
            client.buy("EURUSD", 0.01)
        client.close(client.positions_get()[0])
        assert client.positions_total() == open_before - 1
        client.kill("all", flatten=True, reason="full", who="ann")
        until(lambda: client.switches()["goals"][-1]["state"] == "reached", "everything to be closed")
        assert (client.positions_total(), client.orders_total()) == (0, 0)

    plane.stop()
    small_disk.fill()
    plane.start()
    with plane.client("strategy") as client:
        assert [switch["why"] for switch in client.switches()["switches"]] == ["full"]
        with pytest.raises(Halted):
            client.buy("EURUSD", 0.01)
        client.resume("all", reason="on with it")
        with pytest.raises(NotTradable, match="disk is full"):
            client.buy("EURUSD", 0.01)
        small_disk.give_room()
        until(lambda: not client.stats()["journal"]["entries_refused"], "entries to be taken again")
        client.buy("EURUSD", 0.01)
    plane.stop()
    assert {Kind.SWITCH, Kind.GOAL, Kind.SETTLED} <= kinds(small_disk.path)
    states = fates(small_disk.path)
    assert set(states.values()) <= {OrderState.ANSWERED, OrderState.REFUSED}


def fates(state_dir: Path) -> dict[int, int]:
    """Return every accepted order's state, as the journal has it."""
    found: dict[int, int] = {}
    for _, records, _, _ in journal.read(state_dir / "journal"):
        for sequence, _, _, kind, body in records:
            if kind == Kind.ACCEPTED:
                found[sequence] = OrderState.ACCEPTED
            elif kind == Kind.SETTLED:
                number, state, _, _ = read_settled(body)
                found[number] = state
    return found


def test_exits_that_use_the_reserve_up_are_refused_and_go_on_when_an_operator_says_so(
    small_disk: Any, make_plane: Callable[..., Any], market: dict[str, Any], until: Callable[..., None]
) -> None:
    plane = make_plane(small_disk.path)
    plane.start()
    with plane.client("strategy") as client, plane.client("operator") as operator:
        tickets = [client.buy("EURUSD", 0.01).order for _ in range(3)]
        small_disk.fill()
        exits = market | LARGE | {"type": 1, "position": tickets[0]}
        until(lambda: is_refused(client, exits, "reserve for exits is used up"), "exits to be refused")

        with pytest.raises(NotTradable, match="reserve for exits is used up: exits are refused, too"):
            client.close(tickets[0])
        told = client.kill("client", reason="recorded all the same")
        assert told["switch"]["by"] == "strategy"
        with pytest.raises(PermissionRefused, match=r"risk\.operators"):
            client.allow_exits(why="please")
        allowed = operator.allow_exits(why="the disk is being cleared", who="ann")
        assert allowed["exits_allowed_by"] == "ann (operator)"
        client.close(tickets[0])
        client.close(tickets[1])

    plane.kill()
    small_disk.fill()
    plane.start()
    with plane.client("strategy") as client, plane.client("operator") as operator:
        assert [switch["why"] for switch in client.switches()["switches"]] == ["recorded all the same"]
        with pytest.raises(NotTradable):
            client.close(tickets[2])
        small_disk.give_room()
        until(lambda: not client.stats()["journal"]["exits_refused"], "exits to be taken again")
        client.close(tickets[2])
        with pytest.raises(Refused, match="nothing to allow"):
            operator.allow_exits(why="too late")
        client.resume("client", reason="room")
    plane.stop()
