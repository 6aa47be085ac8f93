"""The blocking client against a broker of the test's own: calls, errors, sessions, pipelining."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import clients
from clients import Client
from gateway.core.orderids import birth_ms
from gateway.wire import structs
from gateway.wire.calls import CALLS
from gateway.wire.errors import (
    Busy,
    ConfigError,
    Expired,
    GatewayError,
    LocalProtocolError,
    NoReply,
    NotExecuted,
    NotTradable,
    OutcomeUnknown,
    Refused,
    RemoteProtocolError,
    TerminalRefused,
    Unavailable,
)

TICK = [1_700_000_000, 1.1, 1.2, 0.0, 0, 1_700_000_000_123, 6, 0.0]
RESULT = [10_009, 1, 2, 0.1, 1.2, 1.1, 1.2, "done", 3, 0, [0] * 17]


@pytest.fixture
def client(broker: Any) -> Iterator[Client]:
    broker.handlers |= {"symbol_info_tick": lambda symbol: TICK, "order_send": lambda *args, **kwargs: RESULT}
    client = Client(broker.endpoint, client_id="me")
    yield client
    client.disconnect()


# --- calls ----------------------------------------------------------------------------------------------------------


def test_it_connects_on_first_use(broker: Any, client: Client) -> None:
    assert not client.connected
    assert client.symbol_info_tick("EURUSD") == structs.Tick(TICK)
    assert client.connected
    assert [seen.name for seen in broker.seen] == ["hello", "symbol_info_tick"]
    assert client.last_error() == (1, "Success")


def test_with_connects_and_says_bye(broker: Any) -> None:
    with Client(broker.endpoint, client_id="me", account="second") as client:
        assert client.connected
        assert client.welcome["generation"] == 1
    broker.wait_seen("bye")
    assert broker.seen[0].args == ["me", {"account": "second"}]
    assert broker.sessions == {}


ORDER_ID = "01HF7YAT00ABCDEFGHJKMNPQRS"
ORDER = {"action": 1, "client_order_id": ORDER_ID}
SCOPE = {"scope": "all", "name": "", "who": ""}
CALLS_WITH_ARGUMENTS: dict[str, tuple[tuple[Any, ...], dict[str, Any], list[Any], dict[str, Any]]] = {
    # arguments given, and as they travel
    "version": ((), {}, [], {}),
    "terminal_info": ((), {}, [], {}),
    "account_info": ((), {}, [], {}),
    "symbols_total": ((), {}, [], {}),
    "symbols_get": (("*USD*",), {}, [], {"group": "*USD*"}),
    "symbol_info": (("EURUSD",), {}, ["EURUSD"], {}),
    "symbol_info_tick": (("EURUSD",), {}, ["EURUSD"], {}),
    "symbol_spec": (("EURUSD",), {}, ["EURUSD"], {}),
    "symbol_select": (("EURUSD",), {}, ["EURUSD", True], {}),
    "market_book_add": (("EURUSD",), {}, ["EURUSD"], {}),
    "market_book_get": (("EURUSD",), {}, ["EURUSD"], {}),
    "market_book_release": (("EURUSD",), {}, ["EURUSD"], {}),
    "copy_rates_from": (("EURUSD", np.int64(1), 5.5, 2), {}, ["EURUSD", 1, 5, 2], {}),
    "copy_rates_from_pos": (("EURUSD", 1, 0, 2), {}, ["EURUSD", 1, 0, 2], {}),
    "copy_rates_range": (("EURUSD", 1, 5.5, 6), {}, ["EURUSD", 1, 5, 6], {}),
    "copy_ticks_from": (("EURUSD", 5.5, 10, -1), {}, ["EURUSD", 5, 10, -1], {}),
    "copy_ticks_range": (("EURUSD", 5, 6, -1), {}, ["EURUSD", 5, 6, -1], {}),
    "order_send": ((ORDER,), {}, [ORDER], {}),
    "order_check": ((), {"action": 1, "volume": 0.1}, [], {"action": 1, "volume": 0.1}),
    "order_calc_margin": ((0, "EURUSD", 1, 1.1), {}, [0, "EURUSD", 1, 1.1], {}),
    "order_calc_profit": ((0, "EURUSD", 1.0, 1.1, 1.2), {}, [0, "EURUSD", 1.0, 1.1, 1.2], {}),
    "positions_total": ((), {}, [], {}),
    "positions_get": ((), {"ticket": 5}, [], {"ticket": 5}),
    "orders_total": ((), {}, [], {}),
    "orders_get": ((), {"symbol": "EURUSD"}, [], {"symbol": "EURUSD"}),
    "history_orders_total": ((1, 2), {}, [1, 2], {}),
    "history_orders_get": ((1, 2), {"group": "*"}, [1, 2], {"group": "*"}),
    "history_deals_total": ((1, 2), {}, [1, 2], {}),
    "history_deals_get": ((), {"position": 5}, [], {"position": 5}),
    "accounts": ((), {}, [], {}),
    "order_status": ((ORDER_ID,), {}, [ORDER_ID], {}),
    "client_orders": ((7,), {}, [7], {}),
    "events": ((7,), {}, [7], {}),
    "stats": ((), {}, [], {}),
    "kill": (("all",), {"flatten": True}, [SCOPE | {"flatten": True, "reason": ""}], {}),
    "resume": (("all",), {"reason": "x", "number": 5}, [SCOPE | {"reason": "x", "number": 5}], {}),
    "flatten": (("all",), {}, [SCOPE | {"reason": ""}], {}),
    "switches": ((), {}, [], {}),
    "resolve_order": (
        ("scalper", "01JCXXW7T5M0V8QK3Z9R2B4N6D", 7),
        {"why": "seen in the terminal"},
        [
            {
                "client": "scalper",
                "client_order_id": "01JCXXW7T5M0V8QK3Z9R2B4N6D",
                "reason": "seen in the terminal",
                "who": "",
                "executed": True,
                "ticket": 7,
            }
        ],
        {},
    ),
    "allow_exits": ((), {"why": "the disk is dead"}, [{"reason": "the disk is dead", "who": ""}], {}),
    "limits": ((), {}, [], {}),
    "set_limits": (
        ({"max_volume": 1.0},),
        {"why": "x", "symbol": "EURUSD"},
        [{"symbol": "EURUSD"}, {"max_volume": 1.0}, "x", {"who": "", "rebase": False}],
        {},
    ),
}


def test_every_call_of_the_table_is_a_method() -> None:
    assert set(CALLS_WITH_ARGUMENTS) == set(CALLS) - {"hello", "bye", "ping"}
    for name in (*CALLS_WITH_ARGUMENTS, "initialize", "shutdown", "login", "last_error", "ping"):
        assert callable(getattr(Client, name))


@pytest.mark.parametrize("name", CALLS_WITH_ARGUMENTS)
def test_a_call_travels_under_its_name_and_returns_none_when_refused(
    broker: Any, client: Client, answer: Any, name: str
) -> None:
    detail = {"last_error": [-4, "Terminal: Not found"], "returned": None}
    broker.handlers[name] = lambda *args, **kwargs: answer(3, [300, "Terminal: Not found", detail])
    args, kwargs, sent_args, sent_kwargs = CALLS_WITH_ARGUMENTS[name]
    returned = getattr(client, name)(*args, **kwargs)
    assert returned == ((0, 0, "") if name == "version" else None)
    assert client.last_error() == (-4, "Terminal: Not found")
    seen = broker.named(name)[0]
    assert (seen.args, seen.kwargs, seen.request.account) == (sent_args, sent_kwargs, "")


def test_false_comes_back_as_false(broker: Any, client: Client, answer: Any) -> None:
    detail = {"last_error": [1, "Success"], "returned": False}
    broker.handlers["market_book_add"] = lambda symbol: answer(3, [300, "Success", detail])
    assert client.market_book_add("EURUSD") is False
    assert client.last_error() == (1, "Success")


def test_a_success_clears_last_error(broker: Any, client: Client, answer: Any) -> None:
    broker.handlers["symbols_total"] = lambda: answer(3, [300, "x", {"last_error": [-1, "x"], "returned": None}])
    assert client.symbols_total() is None
    client.symbol_info_tick("EURUSD")
    assert client.last_error() == (1, "Success")


@pytest.mark.parametrize(
    ("status", "code", "error", "pair"),
    [
        (1, 104, LocalProtocolError, -2),
        (2, 200, Refused, -1),
        (2, 203, NotTradable, -1),
        (2, 204, Busy, -1),
        (2, 207, Unavailable, -10_004),
        (4, 400, OutcomeUnknown, -10_005),
        (5, 500, GatewayError, -1),
    ],
)
def test_what_isnt_the_terminals_refusal_raises(
    broker: Any, client: Client, answer: Any, status: int, code: int, error: type[GatewayError], pair: int
) -> None:
    broker.handlers["order_send"] = lambda request: answer(status, [code, "because", {"why": 1}])
    with pytest.raises(error, match="because") as caught:
        client.order_send({"action": 1})
    assert type(caught.value) is error
    assert (caught.value.code, caught.value.detail["why"]) == (code, 1)
    assert client.last_error()[0] == pair


def test_a_misshapen_result_is_the_gateways_fault(broker: Any, client: Client) -> None:
    broker.handlers["account_info"] = lambda: [1, 2, 3]
    with pytest.raises(RemoteProtocolError, match="AccountInfo"):
        client.account_info()


def test_an_orders_result_that_cant_be_read_is_unknown(broker: Any, client: Client) -> None:
    broker.handlers["order_send"] = lambda request: [1, 2, 3]
    with pytest.raises(OutcomeUnknown, match="OrderSendResult") as caught:
        client.order_send({"action": 1})
    assert "request_id" in caught.value.detail


def test_an_unknown_call_never_leaves(broker: Any, client: Client) -> None:
    for name in ("os_system", "hello", "bye"):
        with pytest.raises(LocalProtocolError):
            client.call(name)
    with pytest.raises(LocalProtocolError):
        client.symbol_info(object())  # type: ignore[arg-type]
    assert client.last_error()[0] == -2
    assert broker.seen == []


def test_call_takes_any_name_and_a_timeout(broker: Any, client: Client) -> None:
    assert client.call("symbol_info_tick", "EURUSD", timeout=2.0) == structs.Tick(TICK)
    assert broker.named("symbol_info_tick")[0].request.ttl_ms in range(1_500, 1_801)


def test_the_time_to_live_follows_the_kind_of_call(broker: Any) -> None:
    with Client(broker.endpoint, timeout=2.0, order_timeout=4.0, bulk_timeout=8.0) as client:
        for name in ("symbol_info_tick", "order_send", "copy_ticks_range"):
            broker.handlers[name] = lambda *args: None
        client.symbol_info_tick("EURUSD")
        client.order_send({})
        client.copy_ticks_range("EURUSD", 0, 1, -1)
    ttl = {seen.name: seen.request.ttl_ms for seen in broker.seen}
    assert 1_000 < ttl["symbol_info_tick"] <= 1_800 < ttl["order_send"] <= 3_750 < ttl["copy_ticks_range"] <= 7_750


def test_the_account_travels_with_every_request(broker: Any, client: Client) -> None:
    client.account = "second"
    client.symbol_info_tick("EURUSD")
    assert broker.named("symbol_info_tick")[0].request.account == "second"


def test_the_stamps_say_where_the_time_went(broker: Any, client: Client, answer: Any) -> None:
    broker.handlers["symbols_total"] = lambda: answer(0, 5, (100, 110, 150, 160, 3, 17))
    assert client.symbols_total() == 5
    assert client.last_stamps is not None
    assert client.last_stamps.worker_call == 17
    timing = client.last_timing
    assert timing == {
        "total": timing["total"],
        "transport": timing["total"] - 60,
        "queue": 10,
        "link": 20,
        "worker_wait": 3,
        "terminal": 17,
        "reply": 10,
    }
    broker.handlers["symbols_total"] = lambda: answer(0, 5, (100, 0, 0, 160, 0, 0))
    client.symbols_total()
    assert client.last_timing == {
        "total": client.last_timing["total"],
        "transport": client.last_timing["total"] - 60,
        "broker": 60,
    }
    broker.handlers["symbols_total"] = lambda: answer(0, 5, None)
    client.symbols_total()
    assert (client.last_stamps, list(client.last_timing)) == (None, ["total"])


def test_ping_is_a_round_trip(client: Client) -> None:
    assert client.ping() > 0


# --- the package's own four -----------------------------------------------------------------------------------------


def test_initialize_connects_and_shutdown_ends(broker: Any, client: Client) -> None:
    assert client.initialize() is True
    assert client.connected
    assert client.shutdown() is True
    with pytest.raises(Unavailable, match="closed"):
        client.symbol_info_tick("EURUSD")
    assert client.initialize(r"C:\terminal64.exe", password="secret", portable=True) is True
    assert client.symbol_info_tick("EURUSD") is not None


def test_initialize_without_a_gateway_is_false_with_the_reason(folder: str) -> None:
    client = Client(f"ipc://{folder}/nobody.ipc")
    assert client.initialize(timeout=50) is False
    code, text = client.last_error()
    assert (code, "no gateway at" in text, "is it running?" in text) == (-10_003, True, True)
    client.shutdown()


def test_login_chooses_among_the_gateways_accounts(broker: Any, client: Client) -> None:
    def account_info() -> list[Any]:
        account = broker.seen[-1].request.account
        info = [0] * structs.AccountInfo.n_fields
        info[0], info[25] = {"demo": 11, "second": 22}[account], "Server-A"
        return info

    broker.handlers["account_info"] = account_info
    assert client.login(22) is True
    assert (client.account, client.last_error()) == ("second", (1, "Success"))
    assert client.login("demo") is True
    assert client.account == "demo"
    assert client.login(22, server="Server-B") is False
    assert client.last_error()[0] == -6
    assert client.account == "demo"
    assert client.initialize(login=22, server="Server-A") is True
    assert client.account == "second"


def test_login_without_a_gateway_is_false(folder: str) -> None:
    client = Client(f"ipc://{folder}/nobody.ipc")
    assert client.login(1, timeout=50) is False
    client.shutdown()


# --- no answer ------------------------------------------------------------------------------------------------------


def test_without_a_gateway_a_call_is_unavailable_and_names_the_endpoint(folder: str) -> None:
    client = Client(f"ipc://{folder}/nobody.ipc", timeout=0.05, order_timeout=0.05)
    for call in (client.account_info, lambda: client.order_send({}), client.connect):
        with pytest.raises(Unavailable, match=re.escape(f"no gateway at ipc://{folder}/nobody.ipc: is it running?")):
            call()
    assert client.last_error() == (-10_004, "No IPC connection")
    client.disconnect()


def test_an_endpoint_that_cant_be_is_a_config_error() -> None:
    client = Client("nonsense")
    with pytest.raises(ConfigError, match="nonsense"):
        client.account_info()


def test_a_read_without_an_answer_is_no_reply(broker: Any, client: Client, silence: Any) -> None:
    broker.handlers["symbols_total"] = lambda: silence
    with pytest.raises(NoReply):
        client.call("symbols_total", timeout=0.05)
    assert client.symbol_info_tick("EURUSD") is not None


def test_an_order_without_an_answer_is_unknown_and_never_sent_again(broker: Any, client: Client, silence: Any) -> None:
    broker.handlers["order_send"] = lambda request: silence
    with pytest.raises(OutcomeUnknown) as caught:
        client.call("order_send", {"action": 1}, timeout=0.05)
    (seen,) = broker.named("order_send")
    broker.reply(seen, 0, RESULT)
    notices: list[Any] = []
    while not notices:
        client.ping()
        notices = client.notices()
    assert notices[0].kind == "answered"
    assert notices[0].payload["request_id"] == caught.value.detail["request_id"]
    assert notices[0].payload["result"].retcode == 10_009
    assert len(broker.named("order_send")) == 1


def test_a_hello_that_is_refused_raises_why(broker: Any, client: Client, answer: Any) -> None:
    broker.hello = answer(2, [204, "1024 sessions are open", None])
    with pytest.raises(Busy, match="1024 sessions"):
        client.symbol_info_tick("EURUSD")
    broker.hello = None
    assert client.symbol_info_tick("EURUSD") is not None


# --- orders by intent -----------------------------------------------------------------------------------------------


def test_buying_through_the_wire(broker: Any, client: Client) -> None:
    spec = {
        "name": "EURUSD",
        "digits": 5,
        "trade_tick_size": 1e-05,
        "volume_min": 0.01,
        "volume_max": 50.0,
        "volume_step": 0.01,
        "trade_exemode": 2,
        "filling_mode": 2,
    }
    broker.handlers["symbol_spec"] = lambda symbol: spec
    assert client.buy("EURUSD", 0.129, comment="x").order == 2
    request = broker.named("order_send")[0].args[0]
    assert (request["volume"], request["price"], request["type_filling"]) == (0.12, 1.2, 1)


# --- the module -----------------------------------------------------------------------------------------------------


def test_what_the_package_exports_can_be_imported() -> None:
    assert set(clients.__all__) <= set(dir(clients))
    for name in clients.__all__:
        assert getattr(clients, name).__name__.removeprefix("gateway.wire.") == name
    with pytest.raises(AttributeError):
        _ = clients.nonsense  # type: ignore[attr-defined]


def test_client_ids_are_unique_by_default_and_bounded() -> None:
    assert Client("ipc:///x").client_id != Client("ipc:///x").client_id
    with pytest.raises(LocalProtocolError, match="client_id"):
        Client("ipc:///x", client_id="x" * 65)


# --- orders by their ids --------------------------------------------------------------------------------------------


def test_an_order_gets_an_id_before_it_is_sent(broker: Any, client: Client) -> None:
    given = {"action": 1}
    client.order_send(given)
    client.order_send(**given)
    first, second = (request.args[0] if request.args else request.kwargs for request in broker.named("order_send"))
    assert birth_ms(first["client_order_id"]) > 0
    assert first["client_order_id"] < second["client_order_id"] == client.last_order_id
    assert given == {"action": 1}


def test_an_unknown_outcome_names_the_order(broker: Any, client: Client, silence: Any) -> None:
    broker.handlers["order_send"] = lambda request: silence
    with pytest.raises(OutcomeUnknown) as caught:
        client.call("order_send", ORDER, timeout=0.05)
    assert caught.value.detail["client_order_id"] == ORDER_ID


FATES: list[tuple[dict[str, Any], Any]] = [
    ({"state": "answered", "status": 0, "result": RESULT}, None),
    ({"state": "answered", "status": 3, "result": [300, "no", None]}, TerminalRefused),
    ({"state": "refused", "status": 2, "result": [205, "expired", None]}, Expired),
    ({"state": "not_found", "status": 2, "result": [212, "no trace", None]}, NotExecuted),
    ({"state": "none"}, Unavailable),
    ({"state": "forgotten"}, OutcomeUnknown),
]


@pytest.mark.parametrize(("told", "error"), FATES, ids=lambda value: str(value)[:30])
def test_an_orders_outcome_is_what_its_answer_would_have_been(
    broker: Any, client: Client, told: dict[str, Any], error: Any
) -> None:
    broker.handlers["order_status"] = lambda order_id: {"client_order_id": order_id, **told}
    if error is None:
        assert client.order_outcome(ORDER_ID).retcode == RESULT[0]
    else:
        with pytest.raises(error):
            client.order_outcome(ORDER_ID)


def test_an_order_in_doubt_is_asked_after_until_its_fate_is_known(broker: Any, client: Client) -> None:
    states = iter(["sent", "unknown", "unknown"])

    def status(order_id: str) -> dict[str, Any]:
        state = next(states, "answered")
        return {"state": state, "status": 0, "result": RESULT if state == "answered" else None}

    broker.handlers["order_status"] = status
    assert client.order_outcome(ORDER_ID).retcode == RESULT[0]
    assert len(broker.named("order_status")) == 4


def test_an_order_that_stays_unknown_is_said_to_be_so(broker: Any, client: Client) -> None:
    broker.handlers["order_status"] = lambda order_id: {"state": "unknown", "status": 4, "result": [400, "?", None]}
    with pytest.raises(OutcomeUnknown) as caught:
        client.order_outcome(ORDER_ID, timeout=0.01)
    assert caught.value.detail == {"client_order_id": ORDER_ID, "state": "unknown"}


def test_a_question_that_is_refused_says_nothing_of_the_order(broker: Any, client: Client) -> None:
    """SessionFenced is a Refused: raised of the question, it would be read as "the order never left"."""
    client.connect()
    with Client(broker.endpoint, client_id="me"), pytest.raises(OutcomeUnknown) as caught:
        client.order_outcome(ORDER_ID)
    assert caught.value.detail["client_order_id"] == ORDER_ID


def test_a_gateway_that_cant_be_asked_says_nothing_of_an_order(
    broker: Any, client: Client, monkeypatch: pytest.MonkeyPatch, silence: Any
) -> None:
    monkeypatch.setattr("clients.client.ASK_WITHIN_S", 0.02)
    broker.handlers["order_status"] = lambda order_id: silence
    with pytest.raises(OutcomeUnknown):
        client.order_outcome(ORDER_ID, timeout=0.1)
    nowhere = Client("ipc:///tmp/no-gateway-is-here", client_id="me")
    with pytest.raises(OutcomeUnknown):
        nowhere.order_outcome(ORDER_ID, timeout=0.1)
    nowhere.disconnect()
