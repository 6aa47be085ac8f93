"""Whatever dies while an order is under way: it happens once or never, and its client learns which."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clients import new_order_id
from gateway.terminal.simulated.control import Control
from gateway.wire import constants as mt5
from gateway.wire.errors import GatewayError, OutcomeUnknown, Refused, Unavailable

ROUNDS = 8
"""Orders with a kill in their middle."""


def order(order_id: str, magic: int = 0) -> dict[str, Any]:
    return {
        "action": mt5.TRADE_ACTION_DEAL,
        "symbol": "EURUSD",
        "volume": 0.01,
        "type": mt5.ORDER_TYPE_BUY,
        "type_filling": mt5.ORDER_FILLING_FOK,
        "deviation": 1_000,
        "magic": magic,
        "client_order_id": order_id,
    }


def held_up(gateway: Any, client: Any, order_id: str) -> threading.Thread:
    """Send an order to a terminal that is stopped, from another thread."""
    gateway.role("simulator").suspend()

    def send() -> None:
        with pytest.raises(GatewayError):
            client.order_send(order(order_id))

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def test_an_order_in_flight_while_the_broker_dies_is_found_by_a_restarted_strategy(
    own_gateway: Any, wait_until: Callable[..., None]
) -> None:
    order_id = new_order_id()
    with own_gateway.client(client_id="strategy", order_timeout=20.0) as client, own_gateway.client() as onlooker:
        client.symbol_info("EURUSD")
        thread = held_up(own_gateway, client, order_id)
        wait_until(lambda: onlooker.stats()["in_flight"], "the order to be in flight")
        own_gateway.role("broker").kill()
        thread.join(30.0)
        assert not thread.is_alive()
    own_gateway.role("simulator").resume()

    with own_gateway.client(client_id="strategy") as again:
        wait_until(lambda: is_there(again), "the gateway to come back")
        result = again.order_outcome(order_id, timeout=30.0)
        assert result.retcode == mt5.TRADE_RETCODE_DONE
        assert again.order_send(order(order_id)).order == result.order
        (told,) = again.client_orders()
        assert (told["client_order_id"], told["state"], told["result"].order) == (order_id, "answered", result.order)
        assert [position.ticket for position in again.positions_get()] == [result.order]


def test_the_example_is_killed_with_an_order_under_way_and_told_what_became_of_it(
    own_gateway: Any, wait_until: Callable[..., None], tmp_path: Path
) -> None:
    script = Path(__file__).parents[2] / "examples" / "restartable.py"
    names = {"MT5GATE_ENDPOINT": own_gateway.endpoint, "NOTE": str(tmp_path / "note")}

    def start() -> "subprocess.Popen[str]":
        command = [sys.executable, str(script)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | names, cwd=tmp_path)

    with own_gateway.client() as onlooker, Control(f"sim://{own_gateway.state_dir}/terminal.sock") as terminal:
        assert onlooker.symbol_info("EURUSD")
        terminal.fault("slow", call="order_send", ms=3_000)
        first = start()
        wait_until(lambda: onlooker.positions_total() == 1, "the order to be executed, its answer still under way")
        first.kill()
        assert first.communicate()[0] == ""
        second = start()
        told, _ = second.communicate(timeout=60.0)
        assert second.returncode == 0
        assert ": done, position" in told
        assert "holding 0.10 lots of EURUSD" in told
        assert onlooker.positions_total() == 1


def is_there(client: Any) -> bool:
    try:
        return client.account_info() is not None
    except GatewayError:
        return False


def test_an_id_that_never_arrived_is_said_never_to_have_happened(gateway: Any) -> None:
    with gateway.client(client_id="strategy") as client, pytest.raises(Unavailable, match="never reached"):
        client.order_outcome(new_order_id())


def test_an_order_sent_twice_happens_once(gateway: Any) -> None:
    order_id = new_order_id("twice")
    with gateway.client(client_id="strategy") as client:
        results = [client.order_send(order(order_id)) for _ in range(3)]
        assert len({result.order for result in results}) == 1
        assert len(client.positions_get()) == 1


def test_every_order_happens_once_or_never_while_parts_are_killed(
    own_gateway: Any, wait_until: Callable[..., None]
) -> None:
    draw = random.Random(5)
    fates: dict[int, str] = {}
    for number in range(1, ROUNDS + 1):
        order_id = new_order_id()
        victim = own_gateway.role(draw.choice(["broker", "broker", "worker-child"]))
        with own_gateway.client(client_id="strategy", order_timeout=10.0) as client:
            wait_until(lambda: is_there(client), "the gateway to be there")
            timer = threading.Timer(draw.random() * 0.004, os.kill, (victim.pid, signal.SIGKILL))
            timer.start()
            try:
                fates[number] = "done" if client.order_send(order(order_id, number)).deal else "refused"
            except GatewayError:
                fates[number] = fate_of(own_gateway, order_id, wait_until)
            timer.join()
    with own_gateway.client() as client:
        wait_until(lambda: is_there(client), "the gateway to be there")
        counts = Counter(position.magic for position in client.positions_get())
    assert all(counts[number] == 1 for number, fate in fates.items() if fate == "done"), (fates, counts)
    assert all(counts[number] == 0 for number, fate in fates.items() if fate in ("refused", "none")), (fates, counts)
    assert all(counts[number] <= 1 for number in fates), (fates, counts)


def fate_of(gateway: Any, order_id: str, wait_until: Callable[..., None]) -> str:
    """Ask as a restarted strategy does; what dies with a worker's process stays unknown until it is looked up."""
    with gateway.client(client_id="strategy") as client:
        wait_until(lambda: is_there(client), "the gateway to come back")
        try:
            return "done" if client.order_outcome(order_id, timeout=2.0).deal else "refused"
        except Unavailable:
            return "none"
        except OutcomeUnknown:
            return "unknown"
        except Refused:
            return "refused"
