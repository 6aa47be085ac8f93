"""The kill switch on a whole gateway: thrown under a flood, over the death of its broker, until somebody lifts it."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.wire import constants as mt5
from gateway.wire.errors import GatewayError, Halted, OutcomeUnknown, Unavailable

MARKET = {
    "action": mt5.TRADE_ACTION_DEAL,
    "symbol": "EURUSD",
    "volume": 0.01,
    "type": mt5.ORDER_TYPE_BUY,
    "type_filling": mt5.ORDER_FILLING_FOK,
    "deviation": 1_000,
}


def pending(client: Any) -> int:
    price = client.symbol_info_tick("EURUSD").bid
    result = client.buy("EURUSD", 0.01, limit=round(price * 0.9, 5))
    return int(result.order)


def goal(client: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.switches()["goals"][-1]
    return found


def test_a_kill_under_a_flood_stops_all_of_it_and_leaves_nothing_open(
    own_gateway: Any, wait_until: Callable[..., None]
) -> None:
    done: list[int] = []
    first_refused: list[int] = []
    stop = threading.Event()

    def flood() -> None:
        with own_gateway.client() as client:
            while not stop.is_set():
                batch = [client.submit("order_send", MARKET | {"client_order_id": None}) for _ in range(20)]
                for pending_ in batch:
                    try:
                        result = pending_.result()
                    except Halted:
                        first_refused.append(time.monotonic_ns())
                        stop.set()
                    except GatewayError:
                        pass
                    else:
                        done.append(result.order)

    with own_gateway.client() as client:
        client.symbol_info("EURUSD")
        ticket = pending(client)
        threads = [threading.Thread(target=flood) for _ in range(2)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(done) > 20, "the flood to flow")

        told = client.kill("all", flatten=True, reason="flood")
        for thread in threads:
            thread.join(30.0)

        assert told["switch"]["why"] == "flood"
        with pytest.raises(Halted, match="flood"):
            client.buy("EURUSD", 0.01)
        wait_until(lambda: goal(client)["state"] == "reached", "everything to be closed")
        assert client.positions_get() == ()
        assert client.orders_get() == ()
        deals = client.history_deals_get(0, 2**31 - 1)
        entries = {deal.order for deal in deals if deal.entry == mt5.DEAL_ENTRY_IN and deal.symbol}
        assert set(done) <= entries
        assert ticket not in {deal.order for deal in deals}


def test_a_kill_holds_over_the_brokers_death_and_its_goal_is_pursued_on(
    own_gateway: Any, wait_until: Callable[..., None]
) -> None:
    with own_gateway.client() as client:
        for _ in range(3):
            client.buy("EURUSD", 0.01)
        pending(client)
        simulator = own_gateway.role("simulator")
        simulator.suspend()
        client.kill("account", flatten=True, reason="before the crash", who="ann")
        own_gateway.role("broker").kill()
        simulator.resume()
    with own_gateway.client() as client:
        wait_until(lambda: _answers(client), "the broker's successor")
        assert [switch["why"] for switch in client.switches()["switches"]] == ["before the crash"]
        wait_until(lambda: goal(client)["state"] == "reached", "everything to be closed")
        assert (client.positions_total(), client.orders_total()) == (0, 0)
        with pytest.raises(Halted):
            client.buy("EURUSD", 0.01)

    assert "halted" in own_gateway.command("switches").stdout
    shown = own_gateway.command("resume", "--account", "demo", "--reason", "looked into").stdout
    assert "entries go again" in shown
    own_gateway.command("order", "buy", "EURUSD", "0.01")


def _answers(client: Any) -> bool:
    try:
        client.ping()
    except (Unavailable, OutcomeUnknown, GatewayError):
        return False
    return True


def test_the_command_stops_one_client_and_lets_the_others_trade(gateway: Any) -> None:
    with gateway.client(client_id="scalper") as scalper, gateway.client(client_id="other") as other:
        mine, others = pending(scalper), pending(other)

        shown = gateway.command("kill", "--client", "scalper", "--reason", "too fast", "--wait", "30").stdout

        assert "client scalper: halted" in shown
        assert "reached" in shown
        assert [order.ticket for order in other.orders_get()] == [others] != [mine]
        with pytest.raises(Halted, match="too fast"):
            scalper.buy("EURUSD", 0.01)
        other.buy("EURUSD", 0.01)
        assert [notice.kind for notice in scalper.notices() if notice.kind != "order"] == ["halted"]
    gateway.command("resume", "--client", "scalper", "--reason", "slower now")


def test_a_strategy_that_dies_has_its_pending_orders_cancelled(
    start_gateway: Callable[..., Any], wait_until: Callable[..., None], state_dir: Any
) -> None:
    (state_dir / "mt5gate.yaml").write_text("broker:\n  session_timeout_ms: 3000\n", "utf-8")
    gateway = start_gateway("--seed", "7", "--config", str(state_dir / "mt5gate.yaml"))
    dying = gateway.client(client_id="dying", cancel_on_disconnect=True)
    ticket = pending(dying)
    with gateway.client() as onlooker:
        assert [order.ticket for order in onlooker.orders_get()] == [ticket]
        wait_until(lambda: onlooker.orders_get() == (), "the dead strategy's order to be cancelled")
        assert [switch["state"] for switch in onlooker.switches()["switches"]] == ["disconnected"]

    with gateway.client(client_id="dying", cancel_on_disconnect=True) as again:
        with pytest.raises(Halted):
            again.buy("EURUSD", 0.01)
        again.resume("client", reason="restarted")
        again.buy("EURUSD", 0.01)
    dying.disconnect()
