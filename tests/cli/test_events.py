"""events: a drop copy that ends cleanly, and says what it missed."""

import json
from typing import Any

from clients import EventKind, OrderEvent
from gateway.wire import constants as mt5
from gateway.wire.errors import PermissionRefused
from gateway.wire.structs import TradeDeal, TradeOrder, TradePosition

AT_MSC = 1_577_916_000_123


def row(structure: Any, **fields: Any) -> Any:
    return structure(({name: kind() for name, kind in structure.__annotations__.items()} | fields).values())


EVENTS = [
    OrderEvent(3, EventKind.GAP, missed=2),
    OrderEvent(4, EventKind.GAP),
    OrderEvent(
        5,
        EventKind.STOP_LOSS,
        "demo",
        AT_MSC,
        deal=row(TradeDeal, ticket=9, order=8, position_id=7, type=1, entry=1, volume=0.1, price=1.08, symbol="EURUSD"),
        clients=("scalper",),
    ),
    OrderEvent(6, "new kind", "demo", AT_MSC),
    OrderEvent(
        7,
        EventKind.PLACED,
        "demo",
        AT_MSC,
        order=row(TradeOrder, ticket=8, type=2, volume_initial=0.1, symbol="EURUSD", price_open=1.07, sl=1.06),
    ),
    OrderEvent(8, EventKind.OPENED, "demo", AT_MSC, position=row(TradePosition, ticket=8, volume=0.1, symbol="EURUSD")),
    OrderEvent(
        9, EventKind.BALANCE, "demo", AT_MSC, deal=row(TradeDeal, ticket=1, type=mt5.DEAL_TYPE_BALANCE, profit=5.0)
    ),
]


def test_each_event_has_a_line(client: Any, mt5gate: Any) -> None:
    client.answers["order_events"] = tuple(EVENTS)

    lines = mt5gate("events").stdout.splitlines()

    assert "gap: 2 events aren't kept any more" in lines[0]
    assert "gap: the numbering began anew" in lines[1]
    assert lines[2].split()[2:6] == ["5", "demo", "scalper", "stop_loss"]
    assert "sell 0.1 EURUSD at 1.08, profit 0, deal 9, order 8, position 7" in lines[2]
    assert lines[3].endswith("new kind")
    assert "buy limit 0.1 EURUSD at 1.07, sl 1.06, order 8" in lines[4]
    assert "buy 0.1 EURUSD at 0, position 8" in lines[5]
    assert lines[6].endswith("balance 5, deal 1")
    assert client.shut


def test_events_for_programs_are_objects(client: Any, mt5gate: Any) -> None:
    client.answers["order_events"] = tuple(EVENTS)
    lines = [json.loads(line) for line in mt5gate("events", "--json", "-n", "3").stdout.splitlines()]
    assert [line["number"] for line in lines] == [3, 4, 5]
    assert (lines[2]["kind"], lines[2]["deal"]["ticket"], lines[2]["clients"]) == ("stop_loss", 9, ["scalper"])


def test_it_goes_by_an_id_of_its_own(client: Any, mt5gate: Any) -> None:
    client.answers["order_events"] = ()
    assert mt5gate("events").exit_code == 0
    mt5gate("events", "--as", "auditor", "--from", "7", "--timeout", "2")
    assert [opened[-1] for opened in client.opened] == [
        {"client_id": "observer", "observe": True},
        {"client_id": "auditor", "observe": True},
    ]
    assert [asked[1:] for asked in client.asked if asked[0] == "order_events"] == [(None, None), (7, 2.0)]


def test_who_may_not_is_told_why(client: Any, mt5gate: Any) -> None:
    client.answers["order_events"] = PermissionRefused("client 'observer' may not observe")
    result = mt5gate("events")
    assert result.exit_code == 1
    assert "may not observe" in result.stderr
