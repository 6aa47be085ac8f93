"""The drop-in module before a broker: accounts chosen, calls as they travel, and failures in the package's words."""

import concurrent.futures
import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from clients import metatrader5 as mt5
from clients.dropin import module
from gateway.wire.errors import Code, Status
from gateway.wire.structs import RATES_DTYPE

SUCCESS = (1, "Success")
TIMEOUT = (-10005, "IPC timeout")
NO_CONNECTION = (-10004, "No IPC connection")
UNAUTHORIZED = (-6, "Terminal: Authorization failed")
TICK = [1, 1.1, 1.2, 0.0, 0, 1000, 6, 0.0]
REQUEST = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "price": 1.1, "magic": 7}
CANONICAL = [1, 7, 0, "EURUSD", 0.1, 1.1, 0.0, 0.0, 0.0, 0, 0, 0, 0, 0, "", 0, 0]


def account(name: str, login: int, server: str = "Broker-Server", proven: bool = True, **fields: Any) -> Any:
    lanes = {"trade": 1, "watch": 1, "query": 2}
    return {"name": name, "login": login, "server": server, "proven": proven, "reason": "", "lanes": lanes} | fields


def order_result(retcode: int, **fields: Any) -> list[Any]:
    request = CANONICAL.copy()
    return [retcode, 22, 11, 0.1, 1.1, 1.0, 1.1, "Request executed", 1, 0, request]


@pytest.fixture
def dropin(broker: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module, not connected yet, with a broker of two accounts where it looks for one."""
    monkeypatch.setenv("MT5GATE_ENDPOINT", broker.endpoint)
    monkeypatch.delenv("MT5GATE_ACCOUNT", raising=False)
    monkeypatch.setattr(module, "POLL_S", 0.01)
    broker.handlers["accounts"] = lambda: [account("demo", 1), account("second", 2, "Other-Server")]
    broker.handlers["symbol_info_tick"] = lambda symbol: TICK
    mt5.shutdown()
    yield mt5
    mt5.shutdown()


@pytest.fixture
def connected(dropin: Any) -> Any:
    assert dropin.initialize(timeout=20_000)
    return dropin


# --- the connection and its account ---------------------------------------------------------------------------------


def asked_account(broker: Any) -> str:
    mt5.symbol_info_tick("EURUSD")
    return str(broker.named("symbol_info_tick")[-1].request.account)


@pytest.mark.parametrize(
    ("kwargs", "name"),
    [
        ({}, "demo"),
        ({"path": r"C:\MetaTrader 5\terminal64.exe", "portable": True}, "demo"),
        ({"login": 1}, "demo"),
        ({"login": 2}, "second"),
        ({"login": 2, "server": "Other-Server", "password": "anything"}, "second"),
        ({"server": "not looked at without a login"}, "demo"),
    ],
)
def test_initialize_chooses_the_account(broker: Any, dropin: Any, kwargs: Any, name: str) -> None:
    assert dropin.initialize(**kwargs) is True
    assert dropin.last_error() == SUCCESS
    assert asked_account(broker) == name


def test_initialize_takes_an_address(broker: Any, dropin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MT5GATE_ENDPOINT", "ipc:///nowhere")

    assert dropin.initialize(broker.endpoint)
    assert asked_account(broker) == "demo"


@pytest.mark.parametrize("kwargs", [{"login": 3}, {"login": 1, "server": "Other-Server"}])
def test_initialize_without_such_an_account_is_unauthorized(dropin: Any, kwargs: Any) -> None:
    assert dropin.initialize(**kwargs) is False
    assert dropin.last_error() == UNAUTHORIZED
    assert dropin.terminal_info() is None
    assert dropin.last_error() == NO_CONNECTION


def test_account_named_outside_holds(broker: Any, dropin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MT5GATE_ACCOUNT", "second")

    assert dropin.initialize()
    assert asked_account(broker) == "second"
    assert dropin.initialize(login=2)


@pytest.mark.parametrize(("name", "kwargs"), [("second", {"login": 1}), ("nobody", {})])
def test_account_named_outside_is_never_replaced_by_another(
    dropin: Any, monkeypatch: pytest.MonkeyPatch, name: str, kwargs: Any
) -> None:
    monkeypatch.setenv("MT5GATE_ACCOUNT", name)

    assert dropin.initialize(**kwargs) is False
    assert dropin.last_error() == UNAUTHORIZED


@pytest.mark.parametrize("kwargs", [{}, {"login": 1}])
def test_initialize_waits_for_the_terminal(broker: Any, dropin: Any, kwargs: Any) -> None:
    states = [
        [account("demo", 0, "", proven=False)],
        [account("demo", 1, proven=False, reason="terminal: IPC timeout (-10005)")],
    ]
    broker.handlers["accounts"] = lambda: states.pop(0) if states else [account("demo", 1)]

    assert dropin.initialize(timeout=20_000, **kwargs)
    assert len(broker.named("accounts")) == 3


def test_initialize_waits_for_all_of_the_accounts_workers(broker: Any, dropin: Any) -> None:
    states = [account("demo", 1, lanes={"trade": 0, "watch": 1, "query": 0})]
    broker.handlers["accounts"] = lambda: [states.pop(0) if states else account("demo", 1)]

    assert dropin.initialize()
    assert len(broker.named("accounts")) == 2


def test_account_that_nobody_trades_is_there_after_a_while(
    broker: Any, dropin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LANES_NS", 20_000_000)
    broker.handlers["accounts"] = lambda: [account("demo", 1, lanes={"trade": 0, "watch": 1, "query": 2})]

    assert dropin.initialize()
    assert len(broker.named("accounts")) > 1


def test_account_that_nobody_trades_is_there_at_the_time_out(
    broker: Any, dropin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LANES_NS", 60_000_000_000)
    broker.handlers["accounts"] = lambda: [account("demo", 1, lanes={"trade": 0, "watch": 1, "query": 2})]

    assert dropin.initialize(timeout=500)


def test_initialize_gives_up_when_the_terminal_stays_away(
    broker: Any, dropin: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broker.handlers["accounts"] = lambda: [account("demo", 1, proven=False, reason="no worker is connected")]

    with caplog.at_level(logging.WARNING, "mt5gate.metatrader5"):
        assert dropin.initialize(timeout=50) is False
    assert dropin.last_error() == TIMEOUT
    assert "no worker is connected" in caplog.text


def test_initialize_gives_up_when_nobody_answers(broker: Any, dropin: Any) -> None:
    broker.paused = True

    assert dropin.initialize(timeout=50) is False
    assert dropin.last_error() == (-10003, "IPC initialize failed, Pipe server didn't answer in 0 sec")


def test_initialize_closes_what_was_open_before_it_looks_at_anything(broker: Any, connected: Any) -> None:
    assert connected.initialize(path=None) is False
    assert connected.last_error() == (-2, 'Invalid "path" argument')

    assert connected.symbol_info_tick("EURUSD") is None
    assert connected.last_error() == NO_CONNECTION
    broker.wait_seen("bye")


def test_login_chooses_another_account(broker: Any, connected: Any) -> None:
    assert connected.login(2, "any password", "Other-Server") is True
    assert connected.last_error() == SUCCESS
    assert asked_account(broker) == "second"


def test_login_never_leaves_the_account_named_outside(
    broker: Any, connected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MT5GATE_ACCOUNT", "demo")

    assert connected.login(2) is False
    assert connected.last_error() == UNAUTHORIZED
    assert connected.login(1)
    assert asked_account(broker) == "demo"


def test_shutdown_ends_a_login_that_waits(broker: Any, connected: Any) -> None:
    broker.handlers["accounts"] = lambda: [account("demo", 1), account("second", 0, "", proven=False)]

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: (connected.login(2), connected.last_error()))
        broker.wait_seen("accounts", 3)
        connected.shutdown()
        assert waiting.result(20) == (False, NO_CONNECTION)


def test_login_that_fails_changes_nothing(broker: Any, connected: Any) -> None:
    assert connected.login(9) is False
    assert connected.last_error() == UNAUTHORIZED
    assert asked_account(broker) == "demo"


def test_login_without_a_gateway_fails(broker: Any, connected: Any) -> None:
    broker.stop()

    assert connected.login(2, timeout=50) is False
    assert connected.last_error() == NO_CONNECTION


def test_shutdown_ends_the_session_and_may_be_repeated(broker: Any, connected: Any) -> None:
    assert connected.shutdown() is True
    assert connected.shutdown() is True
    assert connected.last_error() == SUCCESS
    broker.wait_seen("bye")
    assert connected.version() == (0, 0, "")


def test_connection_mends_itself(broker: Any, connected: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AWAY_NS", 50_000_000)
    broker.stop()
    assert connected.copy_rates_from_pos("EURUSD", 1, 0, 1) is None  # has a minute, if there is a gateway
    assert connected.last_error() == NO_CONNECTION
    assert connected.order_send(REQUEST) is None
    assert connected.last_error() == NO_CONNECTION

    broker.start()
    monkeypatch.setattr(module, "AWAY_NS", 20_000_000_000)
    assert not broker.named("order_send")
    assert connected.symbol_info_tick("EURUSD") == tuple(TICK)
    assert connected.last_error() == SUCCESS


# --- calls as they travel -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "travelled", "named"),
    [
        ("positions_get", (), {}, [], {}),
        ("positions_get", (), {"symbol": "EURUSD", "ticket": 5}, [], {"ticket": 5}),
        ("orders_get", (), {"group": "*USD*", "nonsense": 1}, [], {"group": "*USD*"}),
        ("symbols_get", ("*",), {}, [], {"group": "*"}),
        ("history_deals_get", (np.float64(1.5), 2), {"group": "*"}, [1, 2], {"group": "*"}),
        ("history_orders_get", (), {"position": 7}, [], {"position": 7}),
    ],
)
def test_arguments_travel_as_the_package_understood_them(
    broker: Any, connected: Any, name: str, args: Any, kwargs: Any, travelled: list[Any], named: Any
) -> None:
    broker.handlers[name] = lambda *_, **__: []

    assert getattr(connected, name)(*args, **kwargs) == ()

    seen = broker.named(name)[-1]
    assert (seen.args, seen.kwargs) == (travelled, named)


def test_order_travels_with_the_fields_that_were_given(broker: Any, connected: Any) -> None:
    broker.handlers["order_send"] = lambda request: order_result(10009)
    given = REQUEST | {"price": np.float64(1.1), "nonsense": object(), "magic": True}

    result = connected.order_send(given)
    assert connected.order_send(**given) == result

    sent = [seen.args[0] for seen in broker.named("order_send")]
    assert len({request.pop("client_order_id") for request in sent}) == 2
    assert sent == [REQUEST | {"magic": 1}] * 2
    assert isinstance(result, connected.OrderSendResult)
    assert isinstance(result.request, connected.TradeRequest)
    assert pickle.loads(pickle.dumps(result)).request.symbol == "EURUSD"


def test_bars_are_read_only_and_not_copied(broker: Any, connected: Any) -> None:
    bars = np.zeros(3, RATES_DTYPE)
    broker.handlers["copy_rates_from_pos"] = lambda *_: bars.tobytes()

    found = connected.copy_rates_from_pos("EURUSD", connected.TIMEFRAME_M1, 0, 3)

    assert found.dtype == RATES_DTYPE
    assert not found.flags.writeable
    assert not found.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        found["time"] = 1


def test_threads_share_the_connection_and_not_the_last_error(broker: Any, connected: Any, answer: Any) -> None:
    meeting = threading.Barrier(8)
    broker.handlers["symbol_info_tick"] = lambda symbol: (
        TICK if symbol == "EURUSD" else answer(3, [300, "x", {"last_error": [-4, symbol], "returned": None}])
    )

    def ask(number: int) -> bool:
        for turn in range(20):
            meeting.wait()
            if (turn + number) % 2:
                good = connected.symbol_info_tick("EURUSD") is not None and connected.last_error() == SUCCESS
            else:
                good = connected.symbol_info_tick(f"X{number}") is None
                good = good and connected.last_error() == (-4, f"X{number}")
            if not good:
                return False
        return True

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))
    assert len(broker.sessions) == 1


# --- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "detail", "last_error"),
    [
        (Status.TERMINAL, Code.CALL_FAILED, {"last_error": [-4, "Terminal: Not found"]}, (-4, "Terminal: Not found")),
        (Status.TERMINAL, Code.NO_REPLY, None, TIMEOUT),
        (Status.REFUSED, Code.UNAVAILABLE, None, NO_CONNECTION),
        (Status.REFUSED, Code.BUSY, None, (-10001, "IPC send failed")),
        (Status.REFUSED, Code.EXPIRED, None, TIMEOUT),
        (Status.REFUSED, Code.UNKNOWN_ACCOUNT, None, UNAUTHORIZED),
        (Status.REFUSED, Code.PERMISSION, None, (-1, "Terminal: Call failed")),
        (Status.PROTOCOL, Code.BAD_ARGUMENTS, None, (-2, "Invalid arguments")),
        (Status.INTERNAL, Code.INTERNAL, None, (-10000, "IPC call failed")),
    ],
    ids=lambda value: value.name if isinstance(value, Code) else "",
)
def test_failed_read_is_told_in_the_packages_words(
    broker: Any, connected: Any, answer: Any, status: int, code: int, detail: Any, last_error: Any
) -> None:
    for name in ("symbol_info_tick", "symbol_select", "version", "market_book_add"):
        broker.handlers[name] = lambda *_: answer(status, [int(code), "a reason", detail])

    assert connected.symbol_info_tick("EURUSD") is None
    assert connected.last_error() == last_error
    assert connected.symbol_select("EURUSD") is False
    assert connected.last_error() == last_error
    assert connected.version() == (0, 0, "")
    assert connected.last_error() == last_error
    assert connected.market_book_add("EURUSD") is False
    told = detail is not None
    assert connected.last_error() == (last_error if told else SUCCESS)  # the package gives no reason there


def test_answer_that_cannot_be_read_is_told(broker: Any, connected: Any) -> None:
    broker.handlers["symbol_info_tick"] = lambda symbol: "nonsense"
    broker.handlers["order_send"] = lambda request: "nonsense"

    assert connected.symbol_info_tick("EURUSD") is None
    assert connected.last_error() == (-10002, "IPC recv failed")
    assert connected.order_send(REQUEST) is None
    assert connected.last_error() == (-10002, "IPC recv failed")


@pytest.mark.parametrize(
    ("code", "retcode"),
    [
        (Code.NOT_TRADABLE, mt5.TRADE_RETCODE_CLIENT_DISABLES_AT),
        (Code.HALTED, mt5.TRADE_RETCODE_CLIENT_DISABLES_AT),
        (Code.PERMISSION, mt5.TRADE_RETCODE_TRADE_DISABLED),
        (Code.BUSY, mt5.TRADE_RETCODE_TOO_MANY_REQUESTS),
        (Code.EXPIRED, mt5.TRADE_RETCODE_TOO_MANY_REQUESTS),
        (Code.RISK, mt5.TRADE_RETCODE_REJECT),
        (Code.DUPLICATE_MISMATCH, mt5.TRADE_RETCODE_REJECT),
        (Code.LOOK_ALIKE, mt5.TRADE_RETCODE_REJECT),
    ],
    ids=lambda value: value.name if isinstance(value, Code) else "",
)
def test_order_that_never_left_has_a_retcode_that_scripts_know(
    broker: Any, connected: Any, answer: Any, code: int, retcode: int
) -> None:
    broker.handlers["order_send"] = lambda request: answer(Status.REFUSED, [int(code), "a reason", None])

    result = connected.order_send(REQUEST)

    assert result == (retcode, 0, 0, 0.0, 0.0, 0.0, 0.0, "a reason", 0, 0, tuple(CANONICAL))
    assert result.request.magic == 7
    assert connected.last_error() == SUCCESS


@pytest.mark.parametrize(
    ("status", "code", "detail", "last_error"),
    [
        (Status.REFUSED, Code.UNAVAILABLE, None, NO_CONNECTION),
        (Status.REFUSED, Code.UNKNOWN_ACCOUNT, None, UNAUTHORIZED),
        (Status.PROTOCOL, Code.BAD_ARGUMENTS, None, (-2, "Invalid arguments")),
        (Status.INTERNAL, Code.INTERNAL, None, (-10000, "IPC call failed")),
        (Status.TERMINAL, Code.CALL_FAILED, {"last_error": [-8, "disabled"], "returned": None}, (-8, "disabled")),
        (Status.UNKNOWN, Code.OUTCOME_UNKNOWN, None, TIMEOUT),
        (Status.UNKNOWN, Code.OUTCOME_UNKNOWN, {"last_error": [-10002, "recv"]}, (-10002, "recv")),
        (Status.UNKNOWN, Code.OUTCOME_UNKNOWN, {"last_error": [-1, "Terminal: Call failed"]}, TIMEOUT),
        (Status.UNKNOWN, Code.OUTCOME_UNKNOWN, {"last_error": [1, "Success"]}, TIMEOUT),
    ],
)
def test_order_without_an_answer_is_none_with_its_reason(
    broker: Any, connected: Any, answer: Any, status: int, code: int, detail: Any, last_error: Any
) -> None:
    broker.handlers["order_send"] = lambda request: answer(status, [int(code), "a reason", detail])

    assert connected.order_send(REQUEST) is None
    assert connected.last_error() == last_error


def test_an_answer_that_says_nothing_is_passed_on_as_it_is(broker: Any, connected: Any, answer: Any) -> None:
    returned = [10012, 0, 0, 0.02, 0.0, 0.0, 0.0, "timeout", 5, 0, list(CANONICAL)]
    detail = {"retcode": 10012, "returned": returned}
    broker.handlers["order_send"] = lambda request: answer(Status.UNKNOWN, [int(Code.OUTCOME_UNKNOWN), "why", detail])

    result = connected.order_send(REQUEST)

    assert (result.retcode, result.comment, result.request.magic) == (10012, "timeout", 7)
    assert connected.last_error() == SUCCESS


@pytest.mark.parametrize("end", ["silence", "broken"])
def test_order_in_flight_that_hears_nothing_may_have_happened(
    broker: Any, connected: Any, silence: Any, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    if end == "silence":
        monkeypatch.setitem(module._LIMITS_NS, "order_send", 50_000_000)
        broker.handlers["order_send"] = lambda request: silence
    else:
        broker.handlers["order_send"] = lambda request: setattr(broker, "_stopping", True) or silence

    assert connected.order_send(REQUEST) is None
    assert connected.last_error() == TIMEOUT
    assert len(broker.named("order_send")) == 1


def test_the_same_reason_is_logged_once(
    broker: Any, connected: Any, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broker.handlers["symbol_info_tick"] = lambda symbol: answer(2, [207, "no worker serves it", None])

    with caplog.at_level(logging.WARNING, "mt5gate.metatrader5"):
        for _ in range(3):
            connected.symbol_info_tick("EURUSD")

    assert caplog.messages == ["symbol_info_tick: no worker serves it"]


# --- the package's helpers ------------------------------------------------------------------------------------------


@pytest.fixture
def market(broker: Any, connected: Any) -> Callable[..., list[Any]]:
    """Have orders answered by these retcodes, one after the other; return the requests as they come."""

    def answers(*retcodes: int) -> list[Any]:
        left, requests = list(retcodes), []

        def order_send(request: Any) -> Any:
            requests.append(request)
            return order_result(left.pop(0))

        broker.handlers["order_send"] = order_send
        return requests

    return answers


def test_buy_tries_again_while_the_price_moves(connected: Any, market: Any) -> None:
    requests = market(10004, 10021, 10009)

    assert connected.Buy("EURUSD", 0.1).retcode == 10009
    assert len({request.pop("client_order_id") for request in requests}) == 3
    assert requests[0] == {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "price": 1.2, "deviation": 10}


def test_sell_gives_up_after_ten_tries(connected: Any, market: Any) -> None:
    requests = market(*[10004] * 20)

    assert connected.Sell("EURUSD", 0.1, comment="x", ticket=5).retcode == 10004
    assert len(requests) == 10
    assert (requests[0]["price"], requests[0]["comment"], requests[0]["position"]) == (1.1, "x", 5)


def test_order_at_a_given_price_is_tried_once(connected: Any, market: Any) -> None:
    requests = market(10004)

    assert connected.Buy("EURUSD", 0.1, 1.15).retcode == 10004
    assert [request["price"] for request in requests] == [1.15]


POSITIONS = [
    [number, 0, 0, 0, 0, kind, 0, number, 0, 0.1, 1.1, 0.0, 0.0, 1.1, 0.0, 0.0, "EURUSD", "", ""]
    for number, kind in ((1, 0), (2, 1))
]


@pytest.mark.parametrize(
    ("positions", "retcodes", "result"),
    [
        ([], [], False),
        (POSITIONS, [10009, 10009], True),
        (POSITIONS, [10004, 10009, 10018], "Partially"),
        (POSITIONS, [10018, 10018], False),
    ],
)
def test_close_tells_how_much_was_closed(
    broker: Any, connected: Any, market: Any, positions: Any, retcodes: list[int], result: Any
) -> None:
    broker.handlers["positions_get"] = lambda **_: positions
    requests = market(*retcodes)

    assert connected.Close("EURUSD") == result
    assert len(requests) == len(retcodes)
    if requests:
        assert [(r["type"], r["price"], r["position"]) for r in (requests[0], requests[-1])] == [
            (1, 1.1, 1),
            (0, 1.2, 2),
        ]


def test_close_of_a_ticket_asks_for_it(broker: Any, connected: Any, market: Any) -> None:
    broker.handlers["positions_get"] = lambda **_: POSITIONS[:1]
    market(10009)

    assert connected.Close("EURUSD", ticket=1) is True
    assert broker.named("positions_get")[-1].kwargs == {"ticket": 1}


def test_close_with_an_order_in_doubt_is_none(broker: Any, connected: Any, answer: Any) -> None:
    broker.handlers["positions_get"] = lambda **_: POSITIONS
    broker.handlers["order_send"] = lambda request: answer(Status.UNKNOWN, [400, "lost", None])

    assert connected.Close("EURUSD") is None
    assert len(broker.named("order_send")) == 1


# --- processes ------------------------------------------------------------------------------------------------------


def run(code: str) -> "subprocess.CompletedProcess[str]":
    # libzmq's threads make newer Pythons warn of fork.
    command = [sys.executable, "-P", "-W", "ignore::DeprecationWarning", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_process_ends_without_shutdown(broker: Any, dropin: Any) -> None:
    done = run("from clients import metatrader5 as mt5; assert mt5.initialize(); mt5.symbol_info_tick('X')")

    assert (done.returncode, done.stderr) == (0, "")
    broker.wait_seen("bye")


@pytest.mark.skipif(not hasattr(module.os, "fork"), reason="no fork here")
def test_forked_process_begins_anew_and_leaves_the_parent_its_connection(broker: Any, dropin: Any) -> None:
    code = """if True:
        import os, sys
        from clients import metatrader5 as mt5
        assert mt5.initialize()
        child = os.fork()
        before = mt5.symbol_info_tick("EURUSD")
        if not child:
            assert before is None and mt5.last_error()[0] == -10004
            assert mt5.initialize() and mt5.symbol_info_tick("EURUSD").bid == 1.1
            sys.exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert mt5.symbol_info_tick("EURUSD").bid == 1.1
    """
    done = run(code)

    assert (done.returncode, done.stderr) == (0, "")
    assert len({seen.args[0] for seen in broker.named("hello")}) == 2


def test_pool_of_processes_initializes_in_each(broker: Any, dropin: Any) -> None:
    code = """if True:
        import multiprocessing
        from clients import metatrader5 as mt5
        def work(symbol):
            return mt5.initialize() and mt5.symbol_info_tick(symbol)
        assert mt5.initialize()
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert all(type(tick) is mt5.Tick for tick in pool.map(work, ["EURUSD"] * 4))
        assert mt5.symbol_info_tick("EURUSD")
    """
    done = run(code)

    assert (done.returncode, done.stderr) == (0, "")
