"""Several threads share one client: each gets its own answers and its own `last_error`, and none waits for ever."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from clients import Client
from gateway.wire.errors import NoReply, OutcomeUnknown


@pytest.fixture
def client(broker: Any) -> Iterator[Client]:
    broker.handlers["symbol_spec"] = lambda symbol: {"name": symbol}
    client = Client(broker.endpoint)
    yield client
    client.disconnect()


def in_threads(count: int, work: Any) -> None:
    """Run `work(number)` in threads, and raise what one of them raised."""
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def test_every_thread_gets_its_own_answers(client: Client) -> None:
    def work(number: int) -> None:
        for index in range(200):
            assert client.symbol_spec(f"{number}-{index}") == {"name": f"{number}-{index}"}

    in_threads(8, work)


def test_threads_connect_together_with_one_hello(broker: Any, client: Client) -> None:
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        barrier.wait(20)
        assert client.symbol_spec(str(number)) == {"name": str(number)}

    in_threads(8, work)
    assert len(broker.named("hello")) == 1


def test_threads_may_pipeline_at_the_same_time(client: Client) -> None:
    def work(number: int) -> None:
        pendings = [client.submit("symbol_spec", f"{number}-{index}") for index in range(300)]
        assert [spec["name"] for spec in client.gather(pendings)] == [f"{number}-{index}" for index in range(300)]

    in_threads(4, work)


def test_last_error_and_stamps_are_the_threads_own(broker: Any, client: Client, answer: Any) -> None:
    detail = {"last_error": [-4, "Terminal: Not found"], "returned": None}
    broker.handlers["symbol_info"] = lambda symbol: answer(3, [300, "no", detail], (1, 2, 3, 4, 5, 6))
    assert client.symbol_info("NOPE") is None

    def work(number: int) -> None:
        assert client.last_error() == (1, "Success")
        assert client.last_stamps is None
        client.symbol_spec("x")

    in_threads(2, work)
    assert client.last_error() == (-4, "Terminal: Not found")
    assert client.last_stamps is not None


def test_a_waiting_thread_doesnt_hold_up_the_others(broker: Any, client: Client, silence: Any) -> None:
    broker.handlers["symbols_total"] = lambda: silence
    slow = threading.Thread(target=lambda: results.append(client.symbols_total()))
    results: list[Any] = []
    slow.start()
    (seen,) = broker.wait_seen("symbols_total")
    for index in range(100):  # each of them takes in answers beside the leader
        assert client.symbol_spec(str(index)) == {"name": str(index)}
    broker.reply(seen, 0, 9)
    slow.join(20)
    assert results == [9]


def test_any_thread_may_wait_for_any_pending(client: Client, broker: Any, silence: Any) -> None:
    broker.handlers["symbols_total"] = lambda: silence
    pending = client.submit("symbols_total")
    (seen,) = broker.wait_seen("symbols_total")
    timer = threading.Timer(0.02, lambda: broker.reply(seen, 0, 4))
    timer.start()
    in_threads(5, lambda number: [None for _ in range(3) if pending.result() != 4] and pytest.fail("another answer"))
    timer.join()


def test_a_broken_connection_reaches_every_thread(broker: Any, client: Client, silence: Any) -> None:
    broker.handlers["order_send"] = lambda request: silence
    breaker = threading.Thread(target=lambda: (broker.wait_seen("order_send", 6), broker.restart()))
    breaker.start()
    unknown: list[int] = []

    def work(number: int) -> None:
        with pytest.raises(OutcomeUnknown):
            client.order_send({"magic": number})
        unknown.append(number)
        assert client.symbol_spec(str(number)) == {"name": str(number)}

    in_threads(6, work)
    breaker.join(20)
    assert sorted(unknown) == list(range(6))
    assert len(broker.named("order_send")) == 6


def test_deadlines_hold_for_followers_too(broker: Any, client: Client, silence: Any) -> None:
    broker.handlers["symbols_total"] = lambda: silence

    def work(number: int) -> None:
        with pytest.raises(NoReply):
            client.call("symbols_total", timeout=0.05 * (number + 1))

    in_threads(4, work)


@pytest.mark.skipif(os.name == "nt", reason="signals reach a wait at once on POSIX only")
def test_ctrl_c_ends_a_call_and_leaves_the_client_usable(broker: Any, client: Client, silence: Any) -> None:
    broker.handlers["symbols_total"] = lambda: silence
    client.ping()

    interrupted = threading.Event()

    def interrupt() -> None:
        broker.wait_seen("symbols_total")
        main = threading.main_thread().ident
        assert main is not None
        while True:
            signal.pthread_kill(main, signal.SIGINT)
            if interrupted.wait(1):
                return

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            client.symbols_total()
    finally:
        interrupted.set()
        thread.join(20)
    assert client.symbol_spec("x") == {"name": "x"}
