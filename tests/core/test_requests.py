"""What a request must be, and what is answered when it isn't."""

import pytest

from gateway.core.orderids import made_id
from gateway.wire import codec
from gateway.wire.errors import Code, Status
from gateway.wire.messages import Ready

SECOND = 1_000_000_000


ORDER = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "client_order_id": made_id(9_000, 1, 1)}


def test_a_read_goes_to_a_worker_and_its_answer_comes_back_with_stamps(plane):
    request_id = plane.ask("positions_get", "EURUSD", kwargs={"group": "*"}, ttl_ms=3_000)
    plane.now_ns += 10
    call = plane.call()
    assert (call.generation, call.name, call.args, call.kwargs) == (7, "positions_get", ["EURUSD"], {"group": "*"})
    assert call.ttl_ms == 2_999
    plane.now_ns += 1_000
    plane.give_back(call, [[1, 2]])
    plane.now_ns += 5
    reply = plane.reply(request_id)
    assert (reply.status, reply.result) == (Status.OK, [[1, 2]])
    start = plane.now_ns - 1_015
    assert tuple(reply.stamps) == (start, start + 10, start + 1_010, start + 1_015, 100, 200)


def test_a_workers_error_is_passed_on_and_counted(plane):
    request_id = plane.ask("symbol_info", "NOPE")
    plane.give_back(plane.call(), [300, "Terminal: Not found", {"last_error": [-4, "x"]}], status=3)
    assert plane.reply(request_id).status == Status.TERMINAL
    assert plane.worker_stats()["errors"] == 1


def test_a_worker_may_say_that_it_never_began(plane, orders):
    request_id = plane.ask("order_send", orders["entry"])
    plane.give_back(plane.call(), [205, "expired before it began", None], status=2)
    assert plane.reply(request_id).status == Status.REFUSED


def test_an_unreadable_frame_is_answered_with_request_id_0(plane):
    plane.from_client(b"", b"\xc1", b"\x93\x01\x02", identity=b"noise")
    replies = plane.replies(b"noise")
    assert [(reply.request_id, reply.status, reply.result[0]) for reply in replies] == [(0, 1, Code.MALFORMED)] * 3


def test_an_unreadable_frame_is_answered_with_its_id_where_that_can_be_read(plane):
    plane.from_client(codec.pack([1, plane.token, 77, "ping", "", -1, []]))
    reply = plane.reply(77)
    assert (reply.status, reply.result[0]) == (Status.PROTOCOL, Code.MALFORMED)
    assert "ttl_ms" in reply.result[1]


def test_another_version_is_named(plane):
    plane.from_client(codec.pack([2, 0, 1, "ping", "", 0, []]))
    assert plane.reply(0).result[0] == Code.UNSUPPORTED_VERSION


def test_an_oversized_frame_is_too_large(plane):
    plane.from_client(None)
    reply = plane.reply(0)
    assert (reply.status, reply.result[0]) == (Status.PROTOCOL, Code.TOO_LARGE)


@pytest.mark.parametrize("name", ["initialize", "login", "shutdown", "last_error", "", "__import__"])
def test_a_call_that_isnt_on_the_list_is_named(plane, name):
    reply = plane.answer(name)
    assert (reply.status, reply.result[0]) == (Status.PROTOCOL, Code.UNKNOWN_CALL)
    assert repr(name) in reply.result[1]


def test_an_unknown_account_is_answered_with_the_known_ones(plane):
    reply = plane.answer("positions_get", account="live")
    assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.UNKNOWN_ACCOUNT)
    assert "'live'" in reply.result[1]
    assert "demo" in reply.result[1]


def test_a_request_id_in_flight_is_refused_and_the_first_one_unharmed(plane):
    plane.ask("positions_get", request_id=5)
    call = plane.call()
    plane.ask("orders_get", request_id=5)
    refused = plane.reply(5)
    assert (refused.status, refused.result[0]) == (Status.PROTOCOL, Code.MALFORMED)
    assert "in use" in refused.result[1]
    plane.give_back(call, [])
    assert plane.reply(5).status == Status.OK


def test_a_frame_that_comes_twice_while_its_request_is_in_flight_is_answered_once(plane):
    """A refusal would be taken for the answer: of an order, that it never happened."""
    plane.ask("order_send", ORDER, request_id=5)
    call = plane.call()
    plane.ask("order_send", ORDER, request_id=5)
    assert plane.silent()
    assert plane.calls() == []

    plane.give_back(call, [10009])

    assert plane.reply(5).result == [10009]


def test_a_request_id_may_be_used_again_after_its_reply(plane):
    for _ in range(2):
        plane.ask("positions_get", request_id=5)
        plane.give_back(plane.call(), [])
        assert plane.reply(5).status == Status.OK


def test_two_sessions_may_use_the_same_request_id(make_plane):
    plane = make_plane()
    plane.ready(credit=2)
    first, second = plane.hello("a", b"a"), plane.hello("b", b"b")
    plane.ask("positions_get", token=first, identity=b"a", request_id=5)
    plane.ask("positions_get", token=second, identity=b"b", request_id=5)
    one, two = plane.calls()
    plane.give_back(two, ["second"])
    plane.give_back(one, ["first"])
    assert plane.reply(5, b"a").result == ["first"]
    assert plane.reply(5, b"b").result == ["second"]


def test_no_worker_for_a_lane_is_unavailable(make_plane):
    plane = make_plane()
    plane.hello()
    reply = plane.answer("positions_get")
    assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.UNAVAILABLE)
    plane.ready(lanes=("query",))
    assert "watch lane" in plane.answer("positions_get").result[1]
    plane.ask("symbol_info", "EURUSD")
    assert plane.call()


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ([], None, "got nothing"),
        ([5], None, "args[0]: expected a map, got int"),
        ([{}, {}], None, "expected one argument, got 2"),
        ([{}], {"action": 1}, "got both"),
    ],
)
def test_an_order_of_another_shape_is_refused_with_the_position(plane, args, kwargs, text):
    reply = plane.answer("order_send", *args, kwargs=kwargs)
    assert (reply.status, reply.result[0]) == (Status.PROTOCOL, Code.BAD_ARGUMENTS)
    assert text in reply.result[1]


def test_an_order_may_be_given_as_keywords(plane, orders):
    plane.ask("order_send", kwargs=orders["entry"])
    fields = plane.call().kwargs
    assert fields.pop("client_order_id")
    assert fields == orders["entry"]


def test_stats_and_accounts_answer_with_plain_values(plane):
    plane.ask("positions_get")
    plane.give_back(plane.call(), [])
    plane.replies()
    stats = plane.answer("stats").result
    assert stats["generation"] == 7
    assert stats["workers"][0]["name"] == "w1"
    assert stats["stages"]["total"]["count"] == 1
    (account,) = plane.answer("accounts").result
    assert account["tradable"]
    assert account["lanes"] == {"trade": 1, "watch": 1, "query": 1}


def test_refusals_are_counted_by_code(plane):
    plane.answer("nonsense")
    plane.answer("positions_get", account="live")
    plane.from_client(None)
    assert plane.stats()["refusals"] == {"too_large": 1, "unknown_call": 1, "unknown_account": 1}


def test_stages_measure_where_the_time_goes(plane):
    plane.ask("positions_get")
    plane.now_ns += 1_000
    call = plane.call()
    plane.now_ns += 5_000
    plane.give_back(call, [])
    plane.now_ns += 20
    plane.flush()
    largest = {name: stage["max_ns"] for name, stage in plane.stats()["stages"].items()}
    assert largest == {"queue": 1_000, "transport": 4_700, "worker_wait": 100, "terminal": 200, "total": 6_020}


def test_a_workers_durations_may_be_any_u64(plane):
    request_id = plane.ask("positions_get")
    call = plane.call()
    plane.from_worker(codec.encode_return(7, call.call_id, 0, 2**64 - 1, 2**64 - 1, codec.pack(None)))
    stamps = plane.reply(request_id).stamps
    assert stamps.worker_wait == stamps.worker_call == 10**15


def test_ids_and_identities_of_any_size_come_back_as_they_were(plane):
    plane.token = 0
    plane.hello("big", b"\x00" * 255)
    request_id = plane.ask("positions_get", identity=b"\x00" * 255, request_id=2**64 - 1)
    plane.give_back(plane.call(), [])
    assert plane.reply(request_id, b"\x00" * 255).status == Status.OK


def test_shutdown_settles_everything_and_tells_every_session(make_plane, orders):
    plane = make_plane()
    plane.ready("w1", lanes=("trade",), credit=1)
    plane.ready("w2", lanes=("query",), credit=1)
    plane.hello()
    ids = [
        plane.ask("order_send", orders["entry"]),
        plane.ask("order_send", orders["entry"]),
        plane.ask("symbol_info", "A"),
        plane.ask("symbol_info", "B"),
    ]
    plane.flush()
    ids.append(plane.ask("order_send", orders["exit"]))
    plane.engine.shutdown(plane.now_ns)
    codes = {r.request_id: r.result[0] for r in plane.replies() if r.request_id}
    assert [codes[i] for i in ids] == [400, 207, 302, 207, 207]
    assert plane.answer("symbol_info", "C").result[0] == Code.UNAVAILABLE
    assert plane.answer("hello", "x", token=0).result[0] == Code.UNAVAILABLE


def test_shutdown_is_a_notice(plane):
    plane.engine.shutdown(plane.now_ns)
    (notice,) = plane.replies()
    assert (notice.request_id, notice.status, notice.result) == (0, "shutdown", {"generation": 7})
    assert plane.engine.next_deadline_ns() > plane.now_ns + 10**15


def test_an_order_that_waits_for_the_flush_at_shutdown_never_left(plane, orders):
    request_id = plane.ask("order_send", orders["entry"])
    plane.engine.shutdown(plane.now_ns)
    assert plane.reply(request_id).result[0] == Code.UNAVAILABLE
    assert plane.calls() == []


def test_the_deadline_is_now_while_something_waits_for_the_flush(plane):
    plane.flush()
    assert plane.engine.next_deadline_ns() > plane.now_ns
    plane.ask("ping")
    assert plane.engine.next_deadline_ns() == 0
    plane.flush()
    plane.ask("positions_get")
    assert plane.engine.next_deadline_ns() == 0


def test_the_deadline_is_that_of_the_earliest_request(plane):
    plane.ask("positions_get", ttl_ms=100)
    plane.flush()
    due_ns = plane.engine.next_deadline_ns()
    assert plane.now_ns + SECOND // 10 < due_ns < plane.now_ns + SECOND // 8


def test_undeliverable_replies_are_counted(plane):
    plane.ask("ping")
    plane.flush()
    plane.engine.undeliverable_clients(plane.now_ns, [0])
    assert plane.counters()["undeliverable_to_clients"] == 1


def test_a_repeated_read_that_waits_at_shutdown_gets_no_reply(plane):
    request_id = plane.ask("symbol_info", "A")
    plane.flush()
    plane.goodbye()
    plane.engine.shutdown(plane.now_ns)
    assert plane.reply(request_id).result[0] == Code.NO_REPLY


def test_no_worker_is_taken_after_shutdown(plane):
    plane.engine.shutdown(plane.now_ns)
    ready = Ready("w9", 1, "demo", ("query",), 1, {}, False, "")
    plane.from_worker(codec.encode_ready(ready), b"w9")
    plane.flush()
    assert b"w9" not in plane.worker_inbox
