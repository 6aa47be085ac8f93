"""The client's sessions and its pipelining, against a broker of the test's own."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from clients import Client
from gateway.wire.errors import Busy, GatewayError, NoReply, OutcomeUnknown, SessionFenced, Unavailable

TICK = [1_700_000_000, 1.1, 1.2, 0.0, 0, 1_700_000_000_123, 6, 0.0]
RESULT = [10_009, 1, 2, 0.1, 1.2, 1.1, 1.2, "done", 3, 0, [0] * 17]


@pytest.fixture
def client(broker: Any) -> Iterator[Client]:
    broker.handlers |= {"symbol_info_tick": lambda symbol: TICK, "order_send": lambda request: RESULT}
    client = Client(broker.endpoint, client_id="me")
    yield client
    client.disconnect()


# --- sessions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["symbol_info_tick", "order_send"])
def test_a_session_that_died_of_silence_is_renewed_unseen(broker: Any, client: Client, name: str) -> None:
    client.ping()
    broker.forget_sessions()
    assert client.call(name, {"action": 1}) is not None
    assert len(broker.named("hello")) == 2
    assert len(broker.named(name)) == 2  # refused once, executed once


def test_another_client_with_our_id_fences_us_for_good(broker: Any, client: Client) -> None:
    client.ping()
    with Client(broker.endpoint, client_id="me") as other:
        for _ in range(2):
            with pytest.raises(SessionFenced):
                client.symbol_info_tick("EURUSD")
        assert [notice.kind for notice in client.notices()] == ["fenced"]
        assert other.ping() > 0
        assert len(broker.named("hello")) == 2
        client.connect()  # takes it back
        assert client.ping() > 0
        with pytest.raises(SessionFenced):
            other.ping()
    assert client.symbol_info_tick("EURUSD") is not None


def test_notices_are_taken_in_without_a_call(broker: Any, client: Client) -> None:
    client.ping()
    assert client.notices() == []
    broker.notice(broker.named("ping")[0].identity, "shutdown", {"generation": 1})
    notices: list[Any] = []
    while not notices:
        notices = client.notices()
    assert notices == [("shutdown", {"generation": 1})]


# --- pipelining -----------------------------------------------------------------------------------------------------


def test_a_thousand_requests_in_flight_get_their_own_answers(broker: Any, client: Client) -> None:
    broker.handlers["symbol_spec"] = lambda symbol: {"name": symbol}
    pendings = [client.submit("symbol_spec", f"S{number}") for number in range(1_000)]
    assert [spec["name"] for spec in client.gather(pendings)] == [f"S{number}" for number in range(1_000)]
    assert all(pending.done() for pending in pendings)


def test_answers_may_come_in_any_order(broker: Any, client: Client, silence: Any) -> None:
    broker.handlers["symbol_spec"] = lambda symbol: silence
    pendings = [client.submit("symbol_spec", f"S{number}") for number in range(10)]
    for seen in reversed(broker.wait_seen("symbol_spec", 10)):
        broker.reply(seen, 0, {"name": seen.args[0]})
    assert [pending.result()["name"] for pending in pendings] == [f"S{number}" for number in range(10)]


def test_a_pending_says_whether_it_is_done_and_may_be_asked_twice(broker: Any, client: Client, silence: Any) -> None:
    broker.handlers["symbols_total"] = lambda: silence
    pending = client.submit("symbols_total")
    assert not pending.done()
    with pytest.raises(TimeoutError, match="still under way"):
        pending.result(timeout=0.01)
    (seen,) = broker.wait_seen("symbols_total")
    broker.reply(seen, 0, 7, (1, 2, 3, 4, 0, 0))
    assert pending.result() == pending.result(timeout=0) == 7
    assert pending.stamps == (1, 2, 3, 4, 0, 0)
    assert pending.timing()["queue"] == 1


def test_one_lost_answer_costs_itself_alone(broker: Any, client: Client, silence: Any) -> None:
    broker.handlers["symbol_spec"] = lambda symbol: silence if symbol == "lost" else {"name": symbol}
    lost = client.submit("symbol_spec", "lost", timeout=0.1)
    others = [client.submit("symbol_spec", name) for name in "abc"]
    assert [spec["name"] for spec in client.gather(others)] == ["a", "b", "c"]
    with pytest.raises(NoReply):
        lost.result()


def test_gather_waits_for_all_before_it_raises(broker: Any, client: Client, answer: Any) -> None:
    broker.handlers["symbol_spec"] = lambda symbol: (
        answer(2, [204, "full", None]) if symbol == "b" else {"name": symbol}
    )
    pendings = [client.submit("symbol_spec", name) for name in "abc"]
    with pytest.raises(Busy):
        client.gather(pendings)
    assert all(pending.done() for pending in pendings)


def test_a_request_is_what_it_was_when_it_was_submitted(broker: Any, client: Client) -> None:
    client.ping()
    broker.forget_sessions()  # so that it must be sent twice
    request = {"action": 1, "comment": "first"}
    pending = client.submit("order_send", request)
    request["comment"] = "changed"
    pending.result()
    assert [seen.args[0]["comment"] for seen in broker.named("order_send")] == ["first", "first"]


def test_disconnecting_ends_what_other_threads_wait_for(broker: Any, client: Client, silence: Any) -> None:
    broker.handlers |= {"order_send": lambda request: silence, "symbols_total": lambda: silence}
    client.ping()
    outcomes: dict[str, Any] = {}

    def ask(name: str, *args: Any) -> None:
        try:
            client.call(name, *args)
        except GatewayError as error:
            outcomes[name] = type(error)

    threads = [threading.Thread(target=ask, args=call) for call in (("order_send", {}), ("symbols_total",))]
    for thread in threads:
        thread.start()
    broker.wait_seen("order_send")
    broker.wait_seen("symbols_total")
    client.disconnect()
    for thread in threads:
        thread.join(20)
    assert outcomes == {"order_send": OutcomeUnknown, "symbols_total": Unavailable}
    client.disconnect()
