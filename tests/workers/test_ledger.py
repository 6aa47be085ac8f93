"""The terminal's own ledger through a worker: orders are marked in it, clients never see the marks, the broker does."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.wire.errors import Code, Status
from gateway.wire.messages import WorkerKind
from gateway.wire.structs import OrderSendResult, TradeDeal, TradeOrder, TradePosition, TradeRequest
from gateway.wire.tags import tag_of
from gateway.workers.ledger import END_OF_TIME_S, Mark, marked, unmarked

ORDER_ID = "01JCXXW7T5M0V8QK3Z9R2B4N6D"
TAG = tag_of(ORDER_ID)
ORDER = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0}
LONG = "a comment of twenty-nine char"


@pytest.fixture
def worker(broker: Any, start_worker: Callable[..., Any]) -> Any:
    """A worker that its broker has heard of."""
    worker = start_worker()
    broker.ready()
    return worker


def blank(kind: Any, **fields: Any) -> Any:
    """A structure with the given fields, and nothing in the others."""
    empty = {int: 0, float: 0.0, bool: False, str: ""}
    return kind([fields.get(name, empty.get(of)) for name, of in kind.__annotations__.items()])


def sent(terminal: Any) -> dict[str, Any]:
    """The one request that the terminal got."""
    ((name, (request,), kwargs),) = terminal.calls
    assert (name, kwargs) == ("order_send", {})
    return request


# --- orders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_keywords", [False, True])
@pytest.mark.parametrize("action", [1, 5, 10])
def test_order_is_marked_first_in_its_comment(
    broker: Any, worker: Any, terminal: Any, action: int, by_keywords: bool
) -> None:
    order = ORDER | {"action": action, "comment": LONG, "client_order_id": ORDER_ID}
    call_id = broker.call("order_send", kwargs=order) if by_keywords else broker.call("order_send", order)
    status, result = broker.returned(call_id)
    assert sent(terminal) == ORDER | {"action": action, "comment": TAG + LONG[:20]}
    assert (status, result[10][14]) == (0, LONG)


def test_order_without_a_comment_is_marked(broker: Any, worker: Any, terminal: Any) -> None:
    status, result = broker.returned(broker.call("order_send", ORDER | {"client_order_id": ORDER_ID}))
    assert sent(terminal) == ORDER | {"comment": TAG}
    assert (status, result[7], result[10][14]) == (0, "Request executed", "")


@pytest.mark.parametrize("comment", [LONG + "s", 5, None, ["x"]])
def test_comment_that_the_terminal_refuses_reaches_it_as_it_is(
    broker: Any, worker: Any, terminal: Any, comment: Any
) -> None:
    terminal.answers["order_send"] = terminal.fails(-2, 'Invalid "comment" argument')
    order = ORDER | {"comment": comment}
    status, result = broker.returned(broker.call("order_send", order | {"client_order_id": ORDER_ID}))
    assert sent(terminal) == order
    assert (status, result[0], result[1]) == (3, 300, 'Invalid "comment" argument')


@pytest.mark.parametrize("action", [6, 7, 8, 99, None, "1", []])
def test_what_has_no_comment_of_its_own_only_loses_its_id(broker: Any, worker: Any, terminal: Any, action: Any) -> None:
    order = ORDER | {"action": action, "comment": "mine"}
    assert broker.returned(broker.call("order_send", order | {"client_order_id": ORDER_ID}))[0] == 0
    assert sent(terminal) == order


def test_order_without_an_id_is_not_touched(broker: Any, worker: Any, terminal: Any) -> None:
    order = ORDER | {"comment": "~12345678 as it was"}
    status, result = broker.returned(broker.call("order_send", order))
    assert sent(terminal) == order
    assert (status, result[10][14]) == (0, "~12345678 as it was")


@pytest.mark.parametrize(
    ("answered", "told"),
    [
        ("Request executed", "Request executed"),
        (TAG + LONG[:20], LONG),  # the order's own comment, as it was sent
        (TAG + LONG[:7], LONG[:7]),  # ... or as a trade server cut it
        ("~12345678 another's", "~12345678 another's"),
        ("", ""),
    ],
)
def test_result_gives_the_callers_own_comment_back(
    broker: Any, worker: Any, terminal: Any, answered: str, told: str
) -> None:
    terminal.answers["order_send"] = lambda request: blank(
        OrderSendResult, retcode=10009, comment=answered, request=blank(TradeRequest, **request)
    )
    order = ORDER | {"comment": LONG, "client_order_id": ORDER_ID}
    status, result = broker.returned(broker.call("order_send", order))
    assert (status, result[7]) == (0, told)
    assert result[10] == list(blank(TradeRequest, **ORDER, comment=LONG))


@pytest.mark.parametrize("result", [(), (1, 2), 5, "x", tuple(range(11))])
def test_an_answer_without_a_listed_code_leaves_the_order_in_doubt(
    broker: Any, worker: Any, terminal: Any, result: Any
) -> None:
    terminal.answers["order_send"] = lambda _request: result
    status, error = broker.returned(broker.call("order_send", ORDER | {"client_order_id": ORDER_ID}))
    assert status == Status.UNKNOWN
    assert error[0] == Code.OUTCOME_UNKNOWN
    assert error[2]["returned"] == (list(result) if isinstance(result, tuple) else result)


def test_request_that_is_marked_is_a_copy() -> None:
    request = ORDER | {"client_order_id": ORDER_ID, "comment": "mine"}
    before = dict(request)
    assert marked(request) == (ORDER | {"comment": TAG + "mine"}, Mark("mine", TAG + "mine"))
    assert request == before


# --- reads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("positions_get", TradePosition),
        ("orders_get", TradeOrder),
        ("history_orders_get", TradeOrder),
        ("history_deals_get", TradeDeal),
    ],
)
def test_reads_give_comments_as_they_were_written(
    broker: Any, worker: Any, terminal: Any, name: str, kind: Any
) -> None:
    comments = {TAG + "mine": "mine", "by hand": "by hand", TAG: "", "[sl 1.08]": "[sl 1.08]", "~x": "~x", "": ""}
    terminal.answers[name] = lambda *_: tuple(blank(kind, ticket=7, comment=text) for text in comments)
    told = [list(blank(kind, ticket=7, comment=text)) for text in comments.values()]
    assert broker.returned(broker.call(name, 0, 1)) == (0, told)


def test_rows_without_a_mark_are_handed_on_as_they_are() -> None:
    rows = (blank(TradeDeal, comment="mine"), blank(TradeDeal, comment=TAG))
    assert unmarked("history_deals_get", rows)[0] is rows[0]
    assert unmarked("symbols_get", rows) is rows
    assert unmarked("positions_get", None) is None
    assert unmarked("positions_get", ()) == ()


# --- the ledger -----------------------------------------------------------------------------------------------------


@pytest.fixture
def books(terminal: Any) -> dict[str, Any]:
    """What the terminal holds, by the name of the read; may be changed."""
    books = {
        "positions_get": (blank(TradePosition, ticket=1, time_msc=50, time_update_msc=60, comment=TAG),),
        "orders_get": (blank(TradeOrder, ticket=2, time_setup_msc=70, time_expiration=999_999),),
        "history_orders_get": (blank(TradeOrder, ticket=1, time_setup_msc=40, time_done_msc=90, comment=TAG + "x"),),
        "history_deals_get": (blank(TradeDeal, ticket=3, time_msc=80),) * 2,
    }
    for name in books:
        terminal.answers[name] = lambda *_, name=name: books[name]
    return books


def test_ledger_is_all_that_the_terminal_knows_with_its_marks(
    broker: Any, worker: Any, terminal: Any, books: dict[str, Any]
) -> None:
    status, ledger = broker.returned(broker.call("ledger", 1_000))
    assert status == 0
    assert (ledger["login"], ledger["server"], ledger["connected"]) == (1, "Demo", True)
    assert ledger["account"][0] == 1
    assert len(ledger["account"]) == 28
    assert ledger["positions"] == [list(row) for row in books["positions_get"]]
    assert ledger["orders"] == [list(row) for row in books["orders_get"]]
    assert ledger["history_orders"] == [list(row) for row in books["history_orders_get"]]
    assert ledger["deals"] == [list(row) for row in books["history_deals_get"]]
    assert ledger["server_time_msc"] == 90
    assert len(ledger) == 9


def test_ledger_is_read_in_the_order_in_which_an_order_wanders(
    broker: Any, worker: Any, terminal: Any, books: dict[str, Any]
) -> None:
    broker.returned(broker.call("ledger", 1_000))
    assert terminal.calls == [
        ("orders_get", (), {}),
        ("positions_get", (), {}),
        ("history_orders_get", (1_000, END_OF_TIME_S), {}),
        ("history_deals_get", (1_000, END_OF_TIME_S), {}),
    ]


def test_empty_ledger_has_no_time(broker: Any, worker: Any, books: dict[str, Any]) -> None:
    books.update(dict.fromkeys(books, ()))
    status, ledger = broker.returned(broker.call("ledger", 0))
    assert (status, ledger["deals"], ledger["server_time_msc"]) == (0, [], 0)


@pytest.mark.parametrize("when", ["orders_get", "history_deals_get"])
def test_ledger_of_a_terminal_that_was_offline_meanwhile_says_so(
    broker: Any, worker: Any, terminal: Any, books: dict[str, Any], when: str
) -> None:
    answer = terminal.answers[when]

    def goes_offline(*args: Any) -> Any:
        terminal.terminal["connected"] = False
        return answer(*args)

    terminal.answers[when] = goes_offline
    assert broker.returned(broker.call("ledger", 0))[1]["connected"] is False


@pytest.mark.parametrize("name", ["positions_get", "orders_get", "history_orders_get", "history_deals_get"])
def test_ledger_without_one_of_its_parts_fails_with_that_parts_error(
    broker: Any, worker: Any, terminal: Any, books: dict[str, Any], name: str
) -> None:
    terminal.answers[name] = terminal.fails(-1, "Terminal: Call failed")
    detail = {"last_error": [-1, "Terminal: Call failed"], "returned": None}
    assert broker.returned(broker.call("ledger", 0)) == (3, [300, "Terminal: Call failed", detail])


def test_ledger_with_a_part_that_is_nothing_fails_too(
    broker: Any, worker: Any, terminal: Any, books: dict[str, Any]
) -> None:
    books["orders_get"] = None
    text = "orders_get: neither a result nor an error"
    assert broker.returned(broker.call("ledger", 0)) == (3, [300, text, {"last_error": [-1, text], "returned": None}])


def test_ledger_of_a_lost_terminal_fails_and_the_terminal_is_connected_anew(
    broker: Any, worker: Any, terminal: Any, books: dict[str, Any]
) -> None:
    terminal.answers["positions_get"] = terminal.fails(-10_002, "IPC recv failed")
    assert broker.returned(broker.call("ledger", 0))[1][2]["last_error"] == [-10_002, "IPC recv failed"]
    broker.ready(lambda ready: not ready.tradable)
    broker.ready(lambda ready: ready.tradable)


@pytest.mark.parametrize("changed", [{"login": 2}, {"server": "Real"}])
@pytest.mark.parametrize("when", ["orders_get", "history_deals_get"])
def test_ledger_of_an_account_switched_meanwhile_fails(
    broker: Any, worker: Any, terminal: Any, books: dict[str, Any], when: str, changed: dict[str, Any]
) -> None:
    answer = terminal.answers[when]

    def switch(*args: Any) -> Any:
        terminal.account.update(changed)
        return answer(*args)

    terminal.answers[when] = switch
    status, result = broker.returned(broker.call("ledger", 0))
    assert (status, result[0], result[2]["last_error"][0]) == (3, 300, -1)
    assert result[1].startswith("account: expected 1 on Demo, found ")
    broker.wait_for(WorkerKind.READY, lambda ready: not ready.tradable)


@pytest.mark.parametrize("args", [(), (1, 2), (-1,), (2**31 - 1,), (True,), (1.0,), ("0",), (None,)])
def test_ledger_takes_one_second_to_begin_with(broker: Any, worker: Any, terminal: Any, args: tuple[Any, ...]) -> None:
    status, result = broker.returned(broker.call("ledger", *args))
    assert (status, result[0]) == (1, 104)
    assert terminal.calls == []
