"""The worker's child: what it says of its terminal, and what it does with a call."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gateway.clock import monotonic_ns
from gateway.process import State
from gateway.wire import codec
from gateway.wire.calls import STATIC_SYMBOL_FIELDS
from gateway.wire.messages import WorkerKind
from gateway.wire.structs import TICK_DTYPE, SymbolInfo, Tick

ORDER = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0}
TICK = Tick((1, 1.1, 1.2, 0.0, 0, 1000, 6, 0.0))


@pytest.fixture
def worker(broker: Any, start_worker: Callable[..., Any]) -> Any:
    """A worker that its broker has heard of."""
    worker = start_worker()
    broker.ready()
    return worker


# --- what it says of itself -----------------------------------------------------------------------------------------


def test_ready_proves_the_account(broker: Any, start_worker: Callable[..., Any], until: Any) -> None:
    worker = start_worker()
    ready = broker.ready()
    assert (ready.worker, ready.epoch, ready.account, ready.credit) == ("demo-all-1", 77, "demo", 4)
    assert ready.lanes == ("trade", "watch", "query")
    assert (ready.proof["login"], ready.proof["server"], ready.proof["path"]) == (1, "Demo", "/terminals/one")
    assert (ready.tradable, ready.reason) == (True, "")
    until(lambda: worker.beat.state == State.READY, "the worker's beat to say so")


def test_password_goes_to_the_terminal_and_nowhere_else(
    broker: Any, start_worker: Callable[..., Any], terminal: Any
) -> None:
    start_worker(login=1, password="secret", server="Demo")
    assert "secret" not in str(broker.ready())
    assert terminal.logins[0].password == "secret"


def test_idle_worker_sends_heartbeats(broker: Any, worker: Any) -> None:
    assert broker.wait_for(WorkerKind.HEARTBEAT) == ("demo-all-1", 77, 0)


def test_what_changes_in_the_terminal_is_told_with_the_same_epoch(broker: Any, worker: Any, terminal: Any) -> None:
    terminal.terminal["trade_allowed"] = False
    ready = broker.ready(lambda ready: not ready.tradable)
    assert "AlgoTrading" in ready.reason
    assert ready.epoch == 77
    terminal.terminal["trade_allowed"] = True
    assert broker.ready(lambda ready: ready.tradable).reason == ""


def test_account_switched_by_hand_is_noticed_and_forgiven(broker: Any, worker: Any, terminal: Any) -> None:
    terminal.account["login"] = 2
    ready = broker.ready(lambda ready: not ready.tradable)
    assert ready.reason == "account: expected 1 on Demo, found 2 on Demo"
    assert ready.proof == {}
    assert broker.returned(broker.call("positions_total")) == (2, [207, ready.reason, None])
    terminal.account["login"] = 1
    assert broker.ready(lambda ready: ready.tradable).proof["login"] == 1


def test_terminal_that_is_not_there_is_told_and_tried_again(
    broker: Any, start_worker: Callable[..., Any], terminal: Any
) -> None:
    terminal.admits = False
    start_worker()
    ready = broker.ready()
    assert (ready.tradable, ready.reason) == (False, "terminal: IPC initialize failed (-10003)")
    status, result = broker.returned(broker.call("positions_total"))
    assert (status, result[0]) == (2, 207)
    terminal.admits = True
    assert broker.ready(lambda ready: ready.tradable)


def test_lost_terminal_is_told_and_connected_anew(broker: Any, worker: Any, terminal: Any) -> None:
    terminal.answers["positions_total"] = terminal.fails(-10002, "IPC recv failed")
    assert broker.returned(broker.call("positions_total")) == (
        3,
        [300, "IPC recv failed", {"last_error": [-10002, "IPC recv failed"], "returned": None}],
    )
    broker.ready(lambda ready: not ready.tradable)
    broker.ready(lambda ready: ready.tradable)
    assert len(terminal.logins) == 2


# --- reads ----------------------------------------------------------------------------------------------------------


def answers(terminal: Any, name: str, value: Any) -> None:
    terminal.answers[name] = lambda *_args, **_kwargs: value


def test_structures_travel_as_arrays(broker: Any, worker: Any, terminal: Any) -> None:
    answers(terminal, "symbol_info_tick", TICK)
    assert broker.returned(broker.call("symbol_info_tick", "EURUSD")) == (0, list(TICK))
    answers(terminal, "positions_get", (TICK, TICK))
    assert broker.returned(broker.call("positions_get", kwargs={"symbol": "EURUSD"})) == (0, [list(TICK)] * 2)
    assert terminal.calls[-1] == ("positions_get", (), {"symbol": "EURUSD"})


def test_record_arrays_travel_as_one_binary(broker: Any, worker: Any, terminal: Any) -> None:
    records = np.array([tuple(TICK)] * 3, TICK_DTYPE)
    answers(terminal, "copy_ticks_from", records)
    assert broker.returned(broker.call("copy_ticks_from", "EURUSD", 0, 3, -1)) == (0, records.tobytes())
    answers(terminal, "copy_ticks_from", records[:0])
    assert broker.returned(broker.call("copy_ticks_from", "EURUSD", 0, 3, -1)) == (0, b"")


def test_symbol_spec_is_what_does_not_move(broker: Any, worker: Any, terminal: Any) -> None:
    info = SymbolInfo(range(SymbolInfo.n_fields))
    answers(terminal, "symbol_info", info)
    status, spec = broker.returned(broker.call("symbol_spec", "EURUSD"))
    assert status == 0
    assert spec == {name: getattr(info, name) for name in STATIC_SYMBOL_FIELDS}
    assert broker.returned(broker.call("symbol_spec", 5))[1][0] == 104


def test_failure_in_the_packages_way_keeps_its_error_pair(broker: Any, worker: Any, terminal: Any) -> None:
    terminal.answers["symbol_select"] = terminal.fails(-1, "Terminal: Call failed", False)
    assert broker.returned(broker.call("symbol_select", "NOPE", True)) == (
        3,
        [300, "Terminal: Call failed", {"last_error": [-1, "Terminal: Call failed"], "returned": False}],
    )


def test_nothing_without_an_error_is_no_failure(broker: Any, worker: Any, terminal: Any) -> None:
    answers(terminal, "market_book_get", None)
    answers(terminal, "market_book_add", False)
    assert broker.returned(broker.call("market_book_get", "EURUSD")) == (0, None)
    assert broker.returned(broker.call("market_book_add", "EURUSD")) == (0, False)


def test_arguments_that_the_package_raises_on_are_the_callers_fault(broker: Any, worker: Any, terminal: Any) -> None:
    def raises(*_args: Any) -> None:
        raise TypeError("an integer is required")

    terminal.answers["copy_rates_from_pos"] = raises
    assert broker.returned(broker.call("copy_rates_from_pos", "EURUSD", 1, 0.5, 1)) == (
        1,
        [104, "copy_rates_from_pos: an integer is required", None],
    )


def test_accident_in_a_read_is_reported_and_survived(broker: Any, worker: Any, terminal: Any) -> None:
    def raises() -> None:
        raise RuntimeError("boom")

    terminal.answers["orders_total"] = raises
    message = "orders_total: RuntimeError: boom"
    detail = {"last_error": [-1, message], "returned": None}
    assert broker.returned(broker.call("orders_total")) == (3, [300, message, detail])
    answers(terminal, "orders_total", object())
    assert broker.returned(broker.call("orders_total"))[0] == 3
    answers(terminal, "orders_total", 5)
    assert broker.returned(broker.call("orders_total")) == (0, 5)


def test_name_outside_the_allow_list_never_reaches_the_terminal(broker: Any, worker: Any, terminal: Any) -> None:
    for name in ("shutdown", "login", "hello", "eval"):
        status, result = broker.returned(broker.call(name))
        assert (status, result[0]) == (1, 103)
    assert terminal.calls == []


def test_malformed_call_gives_its_credit_back(broker: Any, worker: Any) -> None:
    broker.send(codec.pack([1, int(WorkerKind.CALL), broker.generation, 9, "orders_total", 1, "no array"]))
    status, result = broker.returned(9)
    assert (status, result[0]) == (1, 100)
    broker.send(b"\xc1")
    broker.send(codec.pack([1, 99]))
    assert broker.returned(broker.call("hello"))[0] == 1


def test_return_says_how_long_it_waited_and_took(broker: Any, worker: Any, terminal: Any) -> None:
    answers(terminal, "orders_total", 5)
    broker.call("orders_total")
    back = broker.wait_for(WorkerKind.RETURN)
    assert back.wait_ns > 0
    assert back.call_ns > 0


# --- orders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_keywords", [False, True])
def test_order_is_begun_then_returned(broker: Any, worker: Any, terminal: Any, by_keywords: bool) -> None:
    call_id = broker.call("order_send", kwargs=ORDER) if by_keywords else broker.call("order_send", ORDER)
    status, result = broker.returned(call_id)
    assert (status, result[0], result[2]) == (0, 10009, 7)
    assert result[10][3] == "EURUSD"
    kinds = [kind for kind, _ in broker.heard if kind != WorkerKind.HEARTBEAT]
    assert kinds == [WorkerKind.BEGUN, WorkerKind.RETURN]
    assert terminal.calls == [("order_send", (ORDER,), {})]


@pytest.mark.parametrize("args", [(), (5,), ([ORDER],), (ORDER, ORDER)])
def test_order_that_is_no_request_is_not_begun(broker: Any, worker: Any, terminal: Any, args: tuple[Any, ...]) -> None:
    call_id = broker.call("order_send", *args)
    status, result = broker.returned(call_id)
    assert (status, result[0]) == (1, 104)
    assert not broker.has_begun(call_id)
    assert terminal.calls == []


def test_order_on_an_account_switched_just_before_is_refused(broker: Any, worker: Any, terminal: Any) -> None:
    terminal.account["server"] = "Real"
    call_id = broker.call("order_send", ORDER)
    status, result = broker.returned(call_id)
    assert status == 2
    assert "expected 1 on Demo, found 1 on Real" in result[1]
    assert not broker.has_begun(call_id)
    assert terminal.calls == []


def test_order_on_an_account_switched_meanwhile_is_unknown(broker: Any, worker: Any, terminal: Any) -> None:
    send = terminal.answers["order_send"]

    def switch(request: dict[str, Any]) -> Any:
        terminal.account["login"] = 2
        return send(request)

    terminal.answers["order_send"] = switch
    call_id = broker.call("order_send", ORDER)
    status, result = broker.returned(call_id)
    assert (status, result[0]) == (4, 400)
    assert "expected 1 on Demo, found 2 on Demo" in result[1]
    assert broker.has_begun(call_id)


def test_answered_order_stays_answered_when_the_terminal_dies_next(broker: Any, worker: Any, terminal: Any) -> None:
    send = terminal.answers["order_send"]

    def die(request: dict[str, Any]) -> Any:
        terminal.connected = False
        return send(request)

    terminal.answers["order_send"] = die
    status, result = broker.returned(broker.call("order_send", ORDER))
    assert (status, result[0]) == (0, 10009)


@pytest.mark.parametrize("code", [-10000, -10001, -10002, -10005, -1, -3, 1, -77])
def test_order_without_an_answer_is_unknown(broker: Any, worker: Any, terminal: Any, code: int) -> None:
    terminal.answers["order_send"] = terminal.fails(code, "no answer")
    status, result = broker.returned(broker.call("order_send", ORDER))
    assert (status, result[0], result[2]["last_error"]) == (4, 400, [code, "no answer"])


@pytest.mark.parametrize("code", [-2, -4, -6, -7, -8, -10004])
def test_order_that_the_terminal_did_not_take_is_refused(broker: Any, worker: Any, terminal: Any, code: int) -> None:
    terminal.answers["order_send"] = terminal.fails(code, "not taken")
    status, result = broker.returned(broker.call("order_send", ORDER))
    assert (status, result[0], result[2]["last_error"]) == (3, 300, [code, "not taken"])


def test_accident_in_an_order_is_unknown(broker: Any, worker: Any, terminal: Any) -> None:
    def raises(_request: Any) -> None:
        raise TypeError("boom")

    terminal.answers["order_send"] = raises
    assert broker.returned(broker.call("order_send", ORDER)) == (4, [400, "order_send: TypeError: boom", None])


def test_account_of_another_kind_than_declared_takes_no_order(
    broker: Any, start_worker: Callable[..., Any], terminal: Any
) -> None:
    terminal.account["trade_mode"] = 2
    start_worker()
    ready = broker.ready()
    assert (ready.tradable, ready.reason) == (False, "account mode: declared demo, the terminal says real")
    assert ready.proof["trade_mode"] == 2
    status, result = broker.returned(broker.call("order_send", ORDER))
    assert (status, result[0]) == (2, 203)
    answers(terminal, "orders_total", 3)
    assert broker.returned(broker.call("orders_total")) == (0, 3)


# --- generations, deadlines, endings --------------------------------------------------------------------------------


def test_call_of_an_earlier_broker_is_refused(broker: Any, worker: Any, terminal: Any) -> None:
    answers(terminal, "orders_total", 3)
    assert broker.returned(broker.call("orders_total", generation=9)) == (0, 3)
    status, result = broker.returned(broker.call("order_send", ORDER, generation=8))
    assert (status, result[0]) == (2, 200)
    assert len(terminal.calls) == 1


def test_call_that_waited_too_long_is_refused(broker: Any, worker: Any, terminal: Any) -> None:
    busy = threading.Event()

    def slow() -> int:
        assert busy.wait(60)
        begun_ns = monotonic_ns()
        while monotonic_ns() - begun_ns < 2_000_000:
            pass
        return 3

    terminal.answers["orders_total"] = slow
    first = broker.call("orders_total")
    second = broker.call("order_send", ORDER, ttl_ms=1)
    third = broker.call("positions_total", ttl_ms=0)
    busy.set()
    assert broker.returned(first) == (0, 3)
    for call_id in (second, third):
        assert broker.returned(call_id) == (2, [205, "expired before it began", None])
    assert not broker.has_begun(second)


def test_silent_broker_gets_a_new_line_and_ready_again(broker: Any, worker: Any) -> None:
    broker.wait_for(WorkerKind.HEARTBEAT)
    broker.answers = False
    before = list(broker.identities)
    assert broker.ready().epoch == 77
    assert len(broker.identities) > len(before)
    broker.answers = True
    broker.ready()
    broker.wait_for(WorkerKind.HEARTBEAT)


def test_restarted_broker_is_told_by_the_same_epoch(
    start_broker: Callable[[], Any], start_worker: Callable[..., Any], terminal: Any
) -> None:
    first = start_broker()
    start_worker()
    first.ready()
    first.wait_for(WorkerKind.HEARTBEAT)
    first.close()
    second = start_broker()
    second.generation = 6
    assert second.ready().epoch == 77
    answers(terminal, "orders_total", 3)
    second.listen()
    assert second.returned(second.call("orders_total")) == (0, 3)


LOST = "copy_ticks_from: its answer was lost on the way"


def test_results_lost_with_a_line_are_returned_again(broker: Any, worker: Any, terminal: Any) -> None:
    answers(terminal, "orders_total", 3)
    answers(terminal, "copy_ticks_from", np.zeros(5_000, TICK_DTYPE))
    small, large = broker.call("orders_total"), broker.call("copy_ticks_from", "EURUSD", 0, 5_000, -1)
    order = broker.call("order_send", ORDER)
    for call_id in (small, large, order):
        assert broker.returned(call_id)[0] == 0
    broker.answers = False  # as if nothing of it had arrived: the line is given up
    broker.ready()
    broker.answers = True
    assert broker.returned(small) == (0, 3)
    assert broker.returned(order)[0] == 0
    assert broker.returned(large) == (3, [300, LOST, {"last_error": [-1, LOST], "returned": None}])
    assert [name for name, _, _ in terminal.calls] == ["orders_total", "copy_ticks_from", "order_send"]


def test_broker_of_an_earlier_generation_is_not_served(
    start_broker: Callable[[], Any], start_worker: Callable[..., Any], until: Any
) -> None:
    first = start_broker()
    worker = start_worker()
    first.ready()
    until(lambda: worker.beat.state == State.READY, "the welcome")
    first.close()
    second = start_broker()
    second.generation = 4
    second.ready()
    until(lambda: (second.listen(), worker.beat.state == State.WAITING)[1], "the worker to turn away")


def test_rejected_worker_asks_again(broker: Any, start_worker: Callable[..., Any], until: Any) -> None:
    broker.welcomes = False
    worker = start_worker()
    for _ in range(2):
        broker.ready()
        broker.send(codec.encode_reject(202, "unknown account"))
    broker.welcomes = True
    broker.ready()
    until(lambda: worker.beat.state == State.READY, "the welcome")


def test_draining_worker_returns_what_it_holds_and_says_goodbye(
    broker: Any, worker: Any, terminal: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.workers.worker.DRAIN_NS", 1_000_000_000)  # the second call may still be on its way
    busy, entered = threading.Event(), threading.Event()

    def slow() -> int:
        entered.set()
        assert busy.wait(60)
        return 3

    terminal.answers["orders_total"] = slow
    first = broker.call("orders_total")
    until(entered.is_set, "the call to begin")
    second = broker.call("order_send", ORDER)
    worker.stop.request()
    busy.set()
    assert broker.returned(first) == (0, 3)
    status, result = broker.returned(second)
    assert (status, result[0]) == (2, 207)
    assert broker.goodbye() == ("demo-all-1", 77, "drained")
    assert not broker.has_begun(second)
    worker.end()
    assert not terminal.connected


def test_request_through_the_beat_drains_too(broker: Any, worker: Any) -> None:
    worker.beat.request_stop()
    assert broker.goodbye().reason == "drained"
