"""Queues, credits, priorities, bounds and deadlines."""

import pytest

from gateway.wire.errors import Code, Status

SECOND = 1_000_000_000
MILLISECOND = 1_000_000


def test_a_worker_never_holds_more_than_its_credit(make_plane):
    plane = make_plane()
    plane.ready(credit=3)
    plane.hello()
    for _ in range(6):
        plane.ask("positions_get")
    first = plane.calls()
    assert len(first) == 3
    assert plane.depth("watch") == 3
    plane.give_back(first[1], [])
    assert len(plane.calls()) == 1
    assert plane.worker_stats()["used"] == 3


def test_granted_credit_is_capped(make_plane):
    plane = make_plane(max_credit=2)
    plane.ready(credit=60_000)
    assert plane.worker_stats()["credit"] == 2


def test_requests_of_a_lane_leave_in_order(make_plane):
    plane = make_plane()
    plane.ready(credit=1)
    plane.hello()
    for symbol in "ABCD":
        plane.ask("symbol_info", symbol)
    seen = []
    for _ in range(4):
        call = plane.call()
        seen += call.args
        plane.give_back(call, [])
    assert seen == ["A", "B", "C", "D"]


def test_a_lane_never_waits_for_another(make_plane):
    plane = make_plane()
    plane.ready("w1", lanes=("query",))
    plane.ready("w2", lanes=("watch",))
    plane.hello()
    plane.ask("symbol_info", "A")
    plane.ask("symbol_info", "B")
    plane.ask("positions_get")
    assert len(plane.calls(b"w1")) == len(plane.calls(b"w2")) == 1


def test_an_orders_lane_goes_first_at_a_worker_that_serves_several(plane, orders):
    plane.ask("symbol_info", "A")
    held = plane.call()
    plane.ask("symbol_info", "B")
    plane.ask("order_send", orders["entry"])
    plane.give_back(held, [])
    assert plane.call().name == "order_send"


def test_exits_go_before_entries_each_in_order(plane, orders):
    plane.ask("symbol_info", "A")
    held = plane.call()
    for order in ("entry", "exit", "entry", "cancel"):
        plane.ask("order_send", orders[order] | {"magic": plane.last_request_id})
    seen = []
    for _ in range(4):
        plane.give_back(held, [])
        held = plane.call()
        seen.append(held.args[0])
    assert [order.get("position", order["action"]) for order in seen] == [77, 8, 1, 1]
    assert [order["magic"] for order in seen] == sorted(o["magic"] for o in seen[:2]) + sorted(
        o["magic"] for o in seen[2:]
    )


def test_the_least_recently_used_worker_is_next(make_plane):
    plane = make_plane()
    for name in ("w1", "w2", "w3"):
        plane.ready(name, lanes=("query",), credit=2)
    plane.hello()
    seen = []
    for number in range(6):
        plane.ask("symbol_info", str(number))
        plane.flush()
        seen += [name for name in ("w1", "w2", "w3") if plane.calls(name.encode())]
    assert seen == ["w1", "w2", "w3"] * 2


def test_a_full_queue_is_busy(make_plane):
    plane = make_plane(max_queued=2)
    plane.ready()
    plane.hello()
    for _ in range(3):
        plane.ask("symbol_info", "A")
    reply = plane.answer("symbol_info", "A")
    assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.BUSY)
    lane = next(lane for lane in plane.stats()["lanes"] if lane["lane"] == "query")
    assert (lane["depth"], lane["peak"]) == (2, 2)
    assert plane.stats()["refusals"] == {"busy": 1}


def test_one_session_cannot_fill_the_queue(make_plane):
    plane = make_plane(max_queued_per_session=2)
    plane.ready()
    first, second = plane.hello("a", b"a"), plane.hello("b", b"b")
    for _ in range(3):
        plane.ask("symbol_info", "A", token=first, identity=b"a")
    assert plane.answer("symbol_info", "A", token=first, identity=b"a").result[0] == Code.BUSY
    plane.ask("symbol_info", "A", token=second, identity=b"b")
    assert plane.silent(b"b")


def test_a_sessions_queue_is_freed_by_what_leaves_it(make_plane):
    plane = make_plane(max_queued_per_session=1)
    plane.ready()
    plane.hello()
    plane.ask("symbol_info", "A")
    plane.ask("symbol_info", "B", ttl_ms=100)
    assert plane.answer("symbol_info", "C").result[0] == Code.BUSY
    plane.pass_time(SECOND // 5)
    plane.replies()
    plane.ask("symbol_info", "C")
    assert plane.silent()


def test_what_waits_past_its_deadline_never_leaves(plane, orders):
    plane.ask("symbol_info", "A", ttl_ms=60_000)
    held = plane.call()
    request_id = plane.ask("order_send", orders["entry"], ttl_ms=500)
    plane.pass_time(499 * MILLISECOND)
    assert plane.silent()
    plane.pass_time(10 * MILLISECOND)
    reply = plane.reply(request_id)
    assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.EXPIRED)
    assert "never left" in reply.result[1]
    plane.give_back(held, [])
    assert plane.calls() == []


def test_what_is_overdue_when_a_worker_is_free_never_leaves(plane, orders):
    plane.ask("symbol_info", "A", ttl_ms=60_000)
    held = plane.call()
    request_id = plane.ask("order_send", orders["entry"], ttl_ms=500)
    plane.now_ns += SECOND  # nobody has called tick
    plane.give_back(held, [])
    assert plane.calls() == []
    assert plane.reply(request_id).result[0] == Code.EXPIRED


def test_what_is_overdue_at_the_flush_never_leaves(plane, orders):
    request_id = plane.ask("order_send", orders["entry"], ttl_ms=500)
    plane.now_ns += SECOND
    assert plane.calls() == []
    assert plane.reply(request_id).result[0] == Code.EXPIRED
    assert plane.worker_stats()["used"] == 0


def test_what_is_overdue_before_the_flush_never_leaves(plane, orders):
    request_id = plane.ask("order_send", orders["entry"], ttl_ms=500)
    plane.ask("order_send", orders["entry"], ttl_ms=5_000)
    plane.now_ns += SECOND
    plane.engine.tick(plane.now_ns)
    assert len(plane.calls()) == 1
    assert plane.reply(request_id).result[0] == Code.EXPIRED


def test_two_overdue_requests_of_one_credit_both_expire(plane, orders):
    ids = [plane.ask("order_send", orders["entry"], ttl_ms=500) for _ in range(2)]
    plane.now_ns += SECOND
    plane.engine.tick(plane.now_ns)
    assert plane.calls() == []
    assert [plane.reply(request_id).result[0] for request_id in ids] == [Code.EXPIRED] * 2


def test_ttl_0_is_the_calls_default(plane, orders):
    request_id = plane.ask("order_send", orders["entry"])
    assert plane.call().ttl_ms == 15_000
    plane.live(15 * SECOND - 1)
    assert plane.inbox[b"client"] == []
    plane.pass_time(10 * MILLISECOND)
    assert plane.reply(request_id).status == Status.UNKNOWN


def test_an_order_without_answer_is_unknown_once(plane, orders):
    request_id = plane.ask("order_send", orders["entry"], ttl_ms=1_000)
    call = plane.call()
    plane.begin(call)
    plane.pass_time(2 * SECOND)
    reply = plane.reply(request_id)
    assert (reply.status, reply.result[0]) == (Status.UNKNOWN, Code.OUTCOME_UNKNOWN)
    assert reply.result[2] == {"worker": "w1", "call_id": call.call_id, "begun": True}
    plane.live(20 * SECOND)
    assert plane.inbox[b"client"] == []
    assert plane.stats()["unknown"] == 1


def test_a_read_without_answer_is_no_reply(plane):
    request_id = plane.ask("positions_get", ttl_ms=1_000)
    plane.flush()
    plane.pass_time(2 * SECOND)
    reply = plane.reply(request_id)
    assert (reply.status, reply.result[0]) == (Status.TERMINAL, Code.NO_REPLY)
    assert plane.stats()["abandoned"] == 1


@pytest.mark.parametrize("name", ["order_send", "positions_get"])
def test_what_was_given_up_keeps_its_workers_credit_until_it_returns(plane, orders, name):
    args = [orders["entry"]] if name == "order_send" else []
    plane.ask(name, *args, ttl_ms=1_000)
    call = plane.call()
    plane.pass_time(2 * SECOND)
    plane.replies()
    plane.ask("positions_get")
    assert plane.calls() == []
    plane.give_back(call, [])
    assert plane.call().name == "positions_get"


def test_a_deadline_of_a_day_is_kept(plane):
    plane.ask("symbol_info", "A", ttl_ms=86_400_000)
    assert plane.call().ttl_ms == 86_400_000
    plane.pass_time(86_399 * SECOND)
    assert plane.stats()["in_flight"] == 1
    plane.pass_time(2 * SECOND)
    assert plane.stats()["abandoned"] == 1


def test_less_than_a_millisecond_left_is_told_as_one(plane):
    plane.ask("positions_get", ttl_ms=1)
    plane.now_ns += MILLISECOND // 2
    assert plane.call().ttl_ms == 1


def test_entries_wait_while_only_a_terminal_that_doesnt_trade_is_free(make_plane, orders):
    plane = make_plane()
    plane.ready("on", lanes=("trade",))
    plane.ready("off", lanes=("trade",), tradable=False)
    plane.hello()
    plane.ask("order_send", orders["entry"])
    held = plane.call(b"on")
    plane.ask("order_send", orders["exit"])
    leaving = plane.call(b"off")
    plane.ask("order_send", orders["entry"])
    plane.give_back(leaving, [], identity=b"off")
    assert plane.calls(b"off") == []
    plane.give_back(held, [], identity=b"on")
    assert plane.call(b"on")


def test_an_answered_request_leaves_no_deadline_behind(make_plane):
    plane = make_plane(heartbeat_ns=10 * SECOND)
    plane.ready(credit=2)
    plane.hello()
    for ttl_ms in (8_000, 100):
        plane.ask("positions_get", ttl_ms=ttl_ms)
    for call in plane.calls():
        plane.give_back(call, [])
    plane.pass_time(SECOND)
    assert plane.engine.next_deadline_ns() > plane.now_ns + 8 * SECOND
