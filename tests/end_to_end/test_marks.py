"""Orders in the terminal's own ledger: marked there, not for clients; and the journal's commands beside the gateway."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from clients import new_order_id
from gateway.terminal.port import Login
from gateway.terminal.simulated.connection import SimulatedConnection
from gateway.wire.tags import tag_of


@pytest.fixture
def terminal(gateway: Any) -> Iterator[SimulatedConnection]:
    """A connection past the gateway, as the terminal's own window shows it."""
    connection = SimulatedConnection()
    assert connection.initialize(Login(address=f"sim://{gateway.state_dir}/terminal.sock"))
    yield connection
    connection.shutdown()


def test_order_is_marked_for_the_terminal_and_not_for_its_client(gateway: Any, terminal: SimulatedConnection) -> None:
    order_id = new_order_id()
    with gateway.client() as client:
        result = client.buy("EURUSD", 0.1, comment="breakout", client_order_id=order_id)
        (position,) = client.positions_get(ticket=result.order)
        (order,) = client.history_orders_get(ticket=result.order)
        (deal,) = client.history_deals_get(position=result.order)
        assert {result.request.comment, position.comment, order.comment, deal.comment} == {"breakout"}
        pending = client.sell("EURUSD", 0.1, limit=2.0, comment="x" * 29)
        (resting,) = client.orders_get(ticket=pending.order)
        assert (pending.request.comment, resting.comment) == ("x" * 29, "x" * 20)
        client.cancel(pending.order)

    (shown,) = terminal.call("positions_get", (), {"ticket": result.order})
    assert shown.comment == f"{tag_of(order_id)}breakout"


def test_commands_read_the_journal_beside_its_broker(gateway: Any) -> None:
    order_id = new_order_id()
    with gateway.client(client_id="scalper") as client:
        result = client.buy("EURUSD", 0.1, comment="seen", client_order_id=order_id)

        place = ("--state-dir", str(gateway.state_dir), "--json")
        status = json.loads(gateway.command("order", "status", order_id, *place).stdout)
        listed = gateway.command("order", "list", "--client", "scalper", *place).stdout.splitlines()
        events = gateway.command("journal", "show", "--order", order_id, *place).stdout.splitlines()
        checked = gateway.command("journal", "verify", *place).stdout.splitlines()

        assert client.positions_get(ticket=result.order) != ()  # nobody spoke in its name
    assert (status["state"], status["result"]["order"]) == ("answered", result.order)
    assert [json.loads(line)["client_order_id"] for line in listed] == [order_id]
    assert [json.loads(line)["what"] for line in events] == ["accepted", "sent", "answered"]
    assert {json.loads(line)["finding"] for line in checked} == {"sound"}
