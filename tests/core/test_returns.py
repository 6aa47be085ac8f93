"""Answers in time, late, twice, unreadable, or from another life."""

import pytest

from gateway.wire import codec
from gateway.wire.errors import Code, Status

SECOND = 1_000_000_000
ORDER_ID = "00000009RM0000000000000000"


def unknown_order(plane, order):
    request_id = plane.ask("order_send", order, ttl_ms=1_000)
    call = plane.call()
    plane.pass_time(2 * SECOND)
    assert plane.reply(request_id).status == Status.UNKNOWN
    return request_id, call


def test_a_late_answer_to_an_unknown_order_is_a_notice(plane, orders):
    request_id, call = unknown_order(plane, orders["entry"])
    plane.give_back(call, [10009, 5, 6])
    (notice,) = plane.replies()
    assert (notice.request_id, notice.status) == (0, "answered")
    assert notice.result.pop("client_order_id")
    assert notice.result == {"request_id": request_id, "status": 0, "result": [10009, 5, 6]}
    counters = plane.counters()
    assert (counters["orders_unknown"], counters["late_answers"]) == (1, 1)
    assert plane.stats()["unknown"] == 0


def test_a_late_answer_to_an_ended_session_is_counted(plane, orders):
    _, call = unknown_order(plane, orders["entry"])
    plane.answer("bye")
    plane.give_back(call, [10009])
    assert plane.silent()
    assert plane.counters()["late_answers"] == 1


def test_a_late_answer_to_a_read_is_counted_and_dropped(plane):
    request_id = plane.ask("positions_get", ttl_ms=1_000)
    call = plane.call()
    plane.pass_time(2 * SECOND)
    plane.reply(request_id)
    plane.give_back(call, [])
    assert plane.silent()
    assert plane.counters()["late_returns"] == 1


def test_a_dead_workers_answer_that_was_under_way_still_counts(plane, orders):
    request_id = plane.ask("order_send", orders["entry"])
    call = plane.call()
    plane.goodbye("w1")
    assert plane.reply(request_id).status == Status.UNKNOWN
    plane.ready("w1", epoch=2, identity=b"again")
    plane.give_back(call, [10009])
    assert plane.replies()[0].status == "answered"
    plane.ask("positions_get")
    assert plane.call(b"again")


def test_a_dead_workers_unknown_order_is_let_go_when_no_answer_can_come(plane, orders):
    plane.ask("order_send", orders["entry"])
    plane.call()
    plane.goodbye("w1")
    plane.pass_time(62 * SECOND)
    assert (plane.stats()["in_flight"], plane.counters()["orders_unresolved"]) == (0, 1)
    assert plane.stats()["unknown"] == 1  # remembered, and never forgotten


def test_the_answer_of_a_worker_given_up_for_dead_is_evidence(plane, orders):
    plane.ask("order_send", orders["entry"] | {"client_order_id": ORDER_ID})
    call = plane.call()
    plane.goodbye("w1")
    plane.pass_time(62 * SECOND)
    plane.hello("me")
    plane.replies()
    plane.give_back(call, [10009])
    (notice,) = plane.replies()
    assert notice.result == {"client_order_id": ORDER_ID, "status": 0, "result": [10009]}
    assert plane.stats()["unknown"] == 0
    plane.give_back(call, [10009])
    assert plane.silent()


def test_a_workers_own_unknown_is_passed_on(plane, orders):
    request_id = plane.ask("order_send", orders["entry"])
    plane.give_back(plane.call(), [400, "IPC timeout", None], status=4)
    assert plane.reply(request_id).status == Status.UNKNOWN
    assert plane.counters()["orders_unknown"] == 1
    assert plane.worker_stats()["used"] == 0


def test_an_answer_counts_once(plane):
    request_id = plane.ask("positions_get")
    call = plane.call()
    plane.give_back(call, [])
    plane.give_back(call, [])
    assert plane.reply(request_id).status == Status.OK
    assert plane.silent()
    assert plane.counters()["stray_frames"] == 1
    assert plane.worker_stats()["used"] == 0


def test_an_answer_of_another_generation_is_evidence_not_a_reply(plane):
    plane.ask("positions_get")
    call = plane.call()
    plane.give_back(call, [], generation=6)
    assert plane.silent()
    assert plane.counters()["stray_frames"] == 1
    assert plane.worker_stats()["used"] == 1


def test_an_answer_to_a_call_that_never_left_is_ignored(plane):
    plane.ask("positions_get")
    plane.from_worker(codec.encode_return(7, 1, 0, 0, 0, codec.pack("guessed")))
    plane.from_worker(codec.encode_begun(7, 1))
    assert plane.silent()
    assert plane.counters()["stray_frames"] == 2


def test_begun_is_remembered_for_orders_only_and_once(plane, orders):
    plane.ask("positions_get")
    call = plane.call()
    plane.begin(call)
    plane.give_back(call, [])
    request_id = plane.ask("order_send", orders["entry"])
    call = plane.call()
    plane.begin(call)
    plane.begin(call)
    plane.give_back(call, [10009])
    assert plane.reply(request_id).status == Status.OK
    plane.begin(call)
    assert plane.counters()["stray_frames"] == 1


def test_begun_after_unknown_changes_nothing(plane, orders):
    _, call = unknown_order(plane, orders["entry"])
    plane.begin(call)
    plane.give_back(call, [10009])
    assert plane.replies()[0].status == "answered"


@pytest.mark.parametrize("kind", ["oversized", "broken"])
def test_an_unreadable_answer_of_the_only_call_ends_it(plane, orders, kind):
    for name, args, status in (
        ("positions_get", [], Status.TERMINAL),
        ("order_send", [orders["entry"]], Status.UNKNOWN),
    ):
        request_id = plane.ask(name, *args)
        call = plane.call()
        whole = codec.encode_return(7, call.call_id, 0, 1, 2, codec.pack(["x" * 50]))
        plane.from_worker(None if kind == "oversized" else whole[:-10])
        reply = plane.reply(request_id)
        assert reply.status == status
        assert "can't be read" in reply.result[1]
    assert plane.worker_stats()["used"] == 0
    assert plane.counters()["malformed_from_workers"] == 2


def test_an_unreadable_answer_among_several_is_only_counted(make_plane):
    plane = make_plane()
    plane.ready(credit=2)
    plane.hello()
    plane.ask("positions_get")
    plane.ask("positions_get")
    plane.flush()
    plane.from_worker(None)
    assert plane.silent()
    assert plane.worker_stats()["used"] == 2


def test_an_unreadable_frame_before_the_call_has_left_harms_nothing(plane):
    plane.ask("positions_get")
    plane.from_worker(None)
    plane.from_worker(None, b"stranger")
    assert plane.call()


def test_an_undeliverable_call_goes_to_another_worker(make_plane, orders):
    plane = make_plane()
    plane.ready("w1")
    plane.ready("w2")
    plane.hello()
    plane.ask("order_send", orders["entry"], request_id=50)
    plane.flush()
    assert plane.to_workers[0][0] == b"w1"
    plane.engine.undeliverable_workers(plane.now_ns, [0])
    call = plane.call(b"w2")
    assert call.name == "order_send"
    plane.give_back(call, [10009], identity=b"w2")
    assert plane.reply(50).status == Status.OK


@pytest.mark.parametrize("name", ["order_send", "positions_get"])
def test_an_undeliverable_call_without_another_worker_is_unavailable(plane, orders, name):
    request_id = plane.ask(name, *([orders["entry"]] if name == "order_send" else []))
    plane.flush()
    plane.engine.undeliverable_workers(plane.now_ns, [0])
    reply = plane.reply(request_id)
    assert reply.status == Status.REFUSED
    assert reply.result[0] in (Code.UNAVAILABLE, Code.NOT_TRADABLE)
    assert "never left" in reply.result[1]
    assert plane.counters()["undeliverable_to_workers"] == 1


def test_undeliverable_calls_keep_their_order(make_plane):
    plane = make_plane()
    plane.ready("w1", credit=3)
    plane.hello()
    for symbol in "ABC":
        plane.ask("symbol_info", symbol)
    plane.ready("w2", lanes=("query",), credit=1)
    plane.ask("symbol_info", "D")
    plane.flush()
    failed = [index for index, (identity, _) in enumerate(plane.to_workers) if identity == b"w1"]
    plane.worker_inbox.clear()
    plane.engine.undeliverable_workers(plane.now_ns, failed)
    plane.ready("w3", lanes=("query",), credit=3)
    seen = [call.args[0] for call in plane.calls(b"w3")]
    assert seen == sorted(seen)


def test_orders_that_had_left_are_unknown_when_their_worker_cant_be_reached(make_plane, orders):
    plane = make_plane()
    plane.ready("w1", credit=2)
    plane.hello()
    sent = plane.ask("order_send", orders["entry"])
    call = plane.call()
    unsent = plane.ask("order_send", orders["entry"])
    plane.flush()
    plane.engine.undeliverable_workers(plane.now_ns, [0])
    assert plane.reply(sent).status == Status.UNKNOWN
    assert plane.reply(unsent).status == Status.REFUSED
    plane.ready("w1", credit=2, identity=b"back")
    assert plane.worker_stats()["used"] == 1
    plane.give_back(call, [10009], identity=b"back")
    assert plane.replies()[0].status == "answered"


def test_a_read_is_repeated_elsewhere_while_its_worker_may_still_return_it(make_plane):
    plane = make_plane()
    plane.ready("w1", credit=2)
    plane.hello()
    request_id = plane.ask("symbol_info", "A")
    first = plane.call()
    plane.ask("symbol_info", "B")
    plane.flush()
    plane.engine.undeliverable_workers(plane.now_ns, [0])
    plane.ready("w2", lanes=("query",), credit=4)
    again = plane.calls(b"w2")[0]
    assert again.args == ["A"]
    plane.give_back(first, ["from the lost one"])
    assert plane.counters()["late_returns"] == 1
    plane.give_back(again, ["from the other"], identity=b"w2")
    assert plane.reply(request_id).result == ["from the other"]
    assert plane.worker_stats("w1")["stuck"] == 0


def test_an_undeliverable_heartbeat_loses_an_idle_worker_only(make_plane):
    plane = make_plane()
    plane.ready("w1")
    plane.ready("w2")
    plane.hello()
    plane.ask("positions_get")
    plane.flush()
    plane.pass_time(SECOND)
    plane.engine.undeliverable_workers(plane.now_ns, list(range(len(plane.to_workers))))
    conditions = [plane.worker_stats(name)["condition"] for name in ("w1", "w2")]
    assert conditions == ["live", "lost"]


def test_indexes_that_arent_of_the_last_flush_are_ignored(plane):
    plane.flush()
    plane.engine.undeliverable_workers(plane.now_ns, [0, 5, -1])
    assert plane.worker_stats()["condition"] == "live"


def test_frames_reported_undeliverable_twice_count_once(plane, orders):
    request_id = plane.ask("order_send", orders["entry"])
    plane.flush()
    for _ in range(2):
        plane.engine.undeliverable_workers(plane.now_ns, [0])
    assert plane.reply(request_id).status == Status.REFUSED


def test_an_undeliverable_order_of_a_session_that_has_ended_is_dropped(make_plane, orders):
    plane = make_plane()
    plane.ready("w1")
    plane.ready("w2")
    plane.hello()
    plane.ask("order_send", orders["entry"])
    plane.flush()
    plane.ask("bye")
    plane.engine.undeliverable_workers(plane.now_ns, [0])
    assert plane.calls(b"w2") == []
    assert plane.counters()["requests_dropped"] == 1


@pytest.mark.parametrize("name", ["order_send", "positions_get"])
def test_what_a_lost_worker_still_holds_keeps_its_place(plane, orders, name):
    plane.ask(name, *([orders["entry"]] if name == "order_send" else []), ttl_ms=1_000)
    call = plane.call()
    plane.pass_time(2 * SECOND)
    plane.replies()
    plane.pass_time(SECOND)
    plane.engine.undeliverable_workers(plane.now_ns, list(range(len(plane.to_workers))))
    assert (plane.worker_stats()["condition"], plane.worker_stats()["used"]) == ("lost", 1)
    plane.give_back(call, [])
    assert (plane.worker_stats()["condition"], plane.worker_stats()["used"]) == ("live", 0)


def test_a_read_that_has_lost_two_workers_is_given_up(make_plane):
    plane = make_plane()
    plane.hello()
    for number, name in enumerate((b"w1", b"w2")):
        plane.ready(name.decode(), lanes=("query",), credit=2)
        if number == 0:
            request_id = plane.ask("symbol_info", "A", ttl_ms=60_000)
            plane.flush()
        assert plane.calls(name)[0].args == ["A"]
        plane.ask("symbol_info", "B", ttl_ms=60_000)
        plane.flush()
        plane.engine.undeliverable_workers(plane.now_ns, list(range(len(plane.to_workers))))
    assert plane.reply(request_id).result[0] == Code.NO_REPLY
    assert [plane.worker_stats(name)["used"] for name in ("w1", "w2")] == [1, 1]
