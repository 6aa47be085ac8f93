"""What a client makes of a broker that dies, comes back, or was never there."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from clients import Client
from gateway.wire.errors import NoReply, OutcomeUnknown, Unavailable


@pytest.fixture
def client(broker: Any) -> Iterator[Client]:
    broker.handlers |= {"symbol_spec": lambda symbol: {"name": symbol}, "order_send": lambda request: None}
    client = Client(broker.endpoint, client_id="me", timeout=20.0, order_timeout=20.0)
    yield client
    client.disconnect()


def meanwhile(work: Any) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_restarted_broker_is_found_again_with_its_new_generation(broker: Any, client: Client) -> None:
    assert client.symbol_spec("a") == {"name": "a"}
    assert client.welcome["generation"] == 1
    broker.restart()
    assert client.symbol_spec("b") == {"name": "b"}
    assert client.welcome["generation"] == 2


@pytest.mark.parametrize("rounds", [3])
def test_an_order_after_an_idle_restart_is_sent_once_and_answered(broker: Any, client: Client, rounds: int) -> None:
    client.ping()
    for _ in range(rounds):
        broker.restart()
        assert client.order_send({"action": 1}) is None
    assert len(broker.named("order_send")) == rounds


def test_an_order_in_flight_when_the_broker_dies_is_unknown_at_once(broker: Any, client: Client, silence: Any) -> None:
    broker.handlers["order_send"] = lambda request: silence
    killer = meanwhile(lambda: (broker.wait_seen("order_send"), broker.stop()))
    with pytest.raises(OutcomeUnknown, match="connection to the gateway broke"):
        client.order_send({"action": 1})  # long before its 20 s are over
    killer.join(20)
    broker.start()
    assert client.symbol_spec("a") == {"name": "a"}
    assert len(broker.named("order_send")) == 1


def test_a_read_in_flight_when_the_broker_dies_is_asked_again(broker: Any, client: Client, silence: Any) -> None:
    broker.handlers["symbols_total"] = lambda: silence

    def restart() -> None:
        broker.wait_seen("symbols_total")
        broker.handlers["symbols_total"] = lambda: 5
        broker.restart()

    killer = meanwhile(restart)
    assert client.symbols_total() == 5
    killer.join(20)
    assert len(broker.named("symbols_total")) == 2


def test_pipelined_requests_over_a_restart_end_as_their_kind_demands(broker: Any, client: Client, silence: Any) -> None:
    broker.handlers["order_send"] = lambda request: silence
    broker.handlers["symbol_spec"] = lambda symbol: silence
    orders = [client.submit("order_send", {"magic": number}) for number in range(20)]
    reads = [client.submit("symbol_spec", str(number)) for number in range(20)]
    broker.wait_seen("symbol_spec", 20)
    broker.handlers["symbol_spec"] = lambda symbol: {"name": symbol}
    broker.restart()
    assert client.gather(reads) == [{"name": str(number)} for number in range(20)]
    for order in orders:
        with pytest.raises(OutcomeUnknown):
            order.result()
    assert len(broker.named("order_send")) == 20


def test_a_broker_that_stays_away_makes_reads_unavailable(broker: Any, client: Client) -> None:
    client.ping()
    broker.stop()
    with pytest.raises(Unavailable, match=r"is it running\?"):
        client.call("symbol_spec", "a", timeout=0.1)
    with pytest.raises(Unavailable):
        client.call("order_send", {"action": 1}, timeout=0.1)
    with pytest.raises(Unavailable):
        client.submit("symbol_spec", "a", timeout=0.1)
    assert broker.named("order_send") == []


def test_a_client_may_start_before_its_gateway(broker: Any, client: Client) -> None:
    broker.stop()
    starter = meanwhile(broker.start)
    assert client.symbol_spec("a") == {"name": "a"}
    starter.join(20)


def test_a_silent_broker_costs_each_call_its_own_timeout_and_no_more(broker: Any, client: Client, silence: Any) -> None:
    broker.handlers["symbols_total"] = lambda: silence
    client.connect()
    with pytest.raises(NoReply):
        client.call("symbols_total", timeout=0.02)
    assert client.connected
    assert len(broker.named("hello")) == 1


def test_a_connection_over_tcp_is_mended_too(broker: Any) -> None:
    broker.stop()
    broker.handlers["symbol_spec"] = lambda symbol: {"name": symbol}
    with zmq.Context() as context, context.socket(zmq.REP) as probe:
        port = probe.bind_to_random_port("tcp://127.0.0.1")
    broker.endpoint = f"tcp://127.0.0.1:{port}"
    broker.start()
    with Client(broker.endpoint, timeout=20.0) as client:
        assert client.symbol_spec("a") == {"name": "a"}
        broker.restart()
        assert client.symbol_spec("b") == {"name": "b"}


def test_a_broker_that_doesnt_read_holds_submit_back_and_loses_nothing(
    broker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clients.sockets.SEND_HWM", 2)
    broker.stop()
    broker.receive_hwm = 2
    broker.start()
    names = [str(number) + "x" * 50_000 for number in range(40)]
    broker.handlers["symbol_spec"] = lambda symbol: {"name": symbol}
    with Client(broker.endpoint, timeout=20.0) as client:
        broker.paused = True
        pendings = [client.submit("symbol_spec", names[0], timeout=0.2)]
        while pendings[-1].error is None:
            pendings.append(client.submit("symbol_spec", names[0], timeout=0.2))
        with pytest.raises(Unavailable, match="doesn't read fast enough"):
            pendings[-1].result()
        broker.paused = False
        later = [client.submit("symbol_spec", name) for name in names]
        assert [spec["name"] for spec in client.gather(later)] == names
