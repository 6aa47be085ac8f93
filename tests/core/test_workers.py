"""A worker's life: READY, signs of life, silence, GOODBYE, and what becomes of its calls."""

import pytest

from gateway.wire import codec
from gateway.wire.errors import Code, Status
from gateway.wire.messages import Ready, WorkerKind

SECOND = 1_000_000_000
MILLISECOND = 1_000_000


def kinds(plane, identity=b"w1"):
    plane.flush()
    return [kind for kind, _ in plane.worker_inbox.pop(identity, [])]


def test_welcome_comes_before_the_first_call(make_plane):
    plane = make_plane()
    plane.ready("w1")
    plane.hello()
    plane.ask("symbol_info", "A")
    plane.ask("symbol_info", "B")
    plane.flush()
    plane.goodbye("w1")
    kind, _ = plane.ready("w1", epoch=2)
    assert kind == WorkerKind.WELCOME
    assert WorkerKind.CALL in kinds(plane)


def test_heartbeats_go_out_to_every_live_worker(plane):
    plane.ready("w2")
    plane.flush()
    plane.worker_inbox.clear()
    plane.live(3 * SECOND, "w1", "w2")
    assert kinds(plane) == kinds(plane, b"w2") == [WorkerKind.HEARTBEAT] * 3


def test_a_silent_idle_worker_is_lost_and_back_with_any_sign(plane, orders):
    plane.pass_time(6 * SECOND)
    assert plane.worker_stats()["condition"] == "lost"
    assert plane.answer("positions_get").result[0] == Code.UNAVAILABLE
    refused = plane.answer("order_send", orders["exit"])
    assert refused.result[0] == Code.NOT_TRADABLE
    assert "lost" in refused.result[1]
    plane.from_worker(codec.encode_heartbeat("w1", 1))
    plane.ask("positions_get")
    assert plane.call()
    assert plane.counters()["workers_lost"] == 1


def test_a_lost_worker_gets_no_heartbeats(plane):
    plane.pass_time(6 * SECOND)
    kinds(plane)
    plane.pass_time(3 * SECOND)
    assert kinds(plane) == []


def test_silence_while_a_call_runs_proves_nothing(plane):
    plane.ask("copy_rates_from", "EURUSD", ttl_ms=60_000)
    call = plane.call()
    for _ in range(20):
        plane.ask("ping")
        plane.pass_time(SECOND)
    assert plane.worker_stats()["condition"] == "live"
    plane.give_back(call, b"")
    assert any(reply.result == b"" for reply in plane.replies())


@pytest.mark.parametrize("sign", ["heartbeat", "ready"])
def test_a_worker_on_a_new_connection_keeps_its_calls(plane, sign):
    request_id = plane.ask("positions_get")
    call = plane.call()
    if sign == "ready":
        plane.ready("w1", identity=b"new")
    else:
        plane.from_worker(codec.encode_heartbeat("w1", 1), b"new")
    assert plane.worker_stats()["used"] == 1
    plane.give_back(call, [1], identity=b"new")
    assert plane.reply(request_id).result == [1]
    plane.ask("positions_get")
    assert plane.call(b"new")


def test_what_was_under_way_on_the_old_connection_still_counts(plane):
    request_id = plane.ask("positions_get")
    call = plane.call()
    plane.ready("w1", identity=b"new")
    plane.give_back(call, [1], identity=b"w1")
    assert plane.reply(request_id).result == [1]


def test_a_return_on_an_unknown_connection_is_its_workers(plane):
    request_id = plane.ask("positions_get")
    plane.give_back(plane.call(), [1], identity=b"reconnected")
    assert plane.reply(request_id).result == [1]


def test_a_return_from_another_worker_is_ignored(plane):
    plane.ready("w2", lanes=("query",))
    request_id = plane.ask("positions_get")
    call = plane.call()
    plane.give_back(call, ["forged"], identity=b"w2")
    assert plane.silent()
    assert plane.counters()["stray_frames"] == 1
    plane.give_back(call, ["true"])
    assert plane.reply(request_id).result == ["true"]


def test_goodbye_makes_sent_orders_unknown_begun_or_not(make_plane, orders):
    plane = make_plane()
    plane.ready(credit=2)
    plane.hello()
    ids = [plane.ask("order_send", orders["entry"]) for _ in range(2)]
    begun, _ = plane.calls()
    plane.begin(begun)
    plane.goodbye()
    replies = [plane.reply(request_id) for request_id in ids]
    assert [reply.status for reply in replies] == [Status.UNKNOWN] * 2
    assert [reply.result[2]["begun"] for reply in replies] == [True, False]
    plane.ready(epoch=2)
    assert plane.calls() == []


def test_a_read_is_repeated_once_when_its_worker_dies(plane):
    request_id = plane.ask("symbol_info", "A", ttl_ms=60_000)
    first = plane.call()
    plane.goodbye("w1")
    plane.ready("w1", epoch=2)
    second = plane.call()
    assert second.args == first.args
    assert second.call_id != first.call_id
    plane.goodbye("w1", epoch=2)
    reply = plane.reply(request_id)
    assert (reply.status, reply.result[0]) == (Status.TERMINAL, Code.NO_REPLY)
    assert "worker lost" in reply.result[1]
    assert plane.counters()["reads_repeated"] == 1


def test_a_repeated_read_goes_before_those_that_wait(plane):
    plane.ask("symbol_info", "A")
    plane.ask("symbol_info", "B")
    plane.flush()
    plane.goodbye("w1")
    plane.ready("w1", epoch=2)
    assert plane.call().args == ["A"]


def test_a_repeated_read_that_finds_no_worker_gets_no_reply(plane):
    request_id = plane.ask("symbol_info", "A", ttl_ms=1_000)
    plane.flush()
    plane.goodbye("w1")
    plane.pass_time(2 * SECOND)
    assert plane.reply(request_id).result[0] == Code.NO_REPLY


def test_a_read_whose_session_has_ended_is_not_repeated(plane):
    plane.ask("symbol_info", "A")
    plane.flush()
    plane.answer("bye")
    plane.goodbye("w1")
    plane.ready("w1", epoch=2)
    assert plane.calls() == []


def test_a_higher_epoch_proves_the_older_one_dead(plane, orders):
    plane.ask("symbol_info", "A")
    call = plane.call()
    plane.ready("w1", epoch=5, identity=b"again")
    assert plane.call(b"again").args == ["A"]
    assert plane.worker_stats()["epochs_seen"] == 2
    plane.give_back(call, ["late"], identity=b"w1")
    assert plane.silent()


@pytest.mark.parametrize("epoch", [4, 5])
def test_an_epoch_that_is_over_is_rejected(plane, epoch):
    plane.ready("w1", epoch=5, identity=b"again")
    plane.goodbye("w1", epoch=5)
    kind, frame = plane.ready("w1", epoch=epoch, identity=b"ghost")
    assert kind == WorkerKind.REJECT
    assert codec.decode_reject(frame)[0] == Code.SESSION_FENCED


def test_a_lower_epoch_is_taken_once_the_higher_is_not_about(plane):
    """As after a host's clock was set back: the worker must not stay locked out."""
    plane.ready("w1", epoch=5, identity=b"again")
    plane.pass_time(6 * SECOND)
    kind, _ = plane.ready("w1", epoch=3, identity=b"anew")
    assert kind == WorkerKind.WELCOME
    plane.ask("positions_get")
    assert plane.call(b"anew")


def test_a_late_goodbye_of_an_older_epoch_changes_nothing(plane):
    plane.ready("w1", epoch=5)
    plane.goodbye("w1", epoch=4)
    plane.goodbye("nobody", epoch=9)
    plane.ask("positions_get")
    assert plane.call()


def test_queued_orders_are_refused_when_the_last_trading_worker_goes(plane, orders):
    plane.ask("symbol_info", "A")
    plane.flush()
    entry, leave = plane.ask("order_send", orders["entry"]), plane.ask("order_send", orders["exit"])
    plane.goodbye("w1", reason="maintenance")
    for request_id in (entry, leave):
        reply = plane.reply(request_id)
        assert reply.status == Status.REFUSED
        assert "never left" in reply.result[1]


def test_queued_reads_wait_for_a_worker_to_return(plane):
    plane.ask("symbol_info", "A")
    plane.ask("symbol_info", "B")
    plane.flush()
    plane.goodbye("w1")
    assert plane.silent()
    plane.ready("w1", epoch=2, credit=2)
    assert [call.args for call in plane.calls()] == [["A"], ["B"]]


def test_a_call_that_waits_for_the_flush_goes_elsewhere_when_its_worker_dies(make_plane, orders):
    plane = make_plane()
    plane.ready("w1")
    plane.ready("w2")
    plane.hello()
    plane.ask("order_send", orders["entry"])
    plane.goodbye("w1")
    assert plane.calls(b"w1") == []
    assert plane.call(b"w2").name == "order_send"


def test_the_table_of_workers_is_bounded_and_the_dead_go_first(make_plane):
    plane = make_plane(max_workers=2)
    plane.ready("w1")
    plane.ready("w2")
    kind, frame = plane.ready("w3")
    assert kind == WorkerKind.REJECT
    assert codec.decode_reject(frame)[0] == Code.BUSY
    plane.goodbye("w1")
    assert plane.ready("w3")[0] == WorkerKind.WELCOME
    plane.live(6 * SECOND, "w3")  # w2 is silent
    assert plane.ready("w4")[0] == WorkerKind.WELCOME
    assert sorted(worker["name"] for worker in plane.stats()["workers"]) == ["w3", "w4"]


def test_one_connection_is_one_worker(plane):
    kind, frame = plane.ready("w2", identity=b"w1")
    assert kind == WorkerKind.REJECT
    assert "w1" in codec.decode_reject(frame)[1]


def test_a_lane_that_doesnt_exist_is_rejected(plane):
    kind, frame = plane.ready("w2", lanes=("query", "feed"))
    assert kind == WorkerKind.REJECT
    assert "'feed'" in codec.decode_reject(frame)[1]


def test_a_worker_may_change_its_lanes_and_credit(plane):
    plane.ready("w1", lanes=("query", "query"), credit=2)
    plane.ask("symbol_info", "A")
    plane.ask("symbol_info", "B")
    assert len(plane.calls()) == 2
    assert plane.answer("positions_get").result[0] == Code.UNAVAILABLE
    assert plane.worker_stats()["lanes"] == ["query"]


def test_a_worker_may_move_to_another_account(make_plane, proof, orders):
    from gateway.core.engine import AccountRules

    plane = make_plane(accounts=(AccountRules("one"), AccountRules("two")))
    plane.ready(account="one")
    plane.hello()
    request_id = plane.ask("order_send", orders["entry"])
    plane.flush()
    plane.ready(account="two", proof=proof | {"login": 2})
    assert plane.reply(request_id).status == Status.UNKNOWN
    assert plane.answer("positions_get", account="one").result[0] == Code.UNAVAILABLE


def test_the_unknown_is_never_evicted_by_newcomers(make_plane, orders):
    plane = make_plane(max_workers=1)
    plane.ready("w1")
    plane.hello()
    request_id = plane.ask("order_send", orders["entry"], ttl_ms=1_000)
    call = plane.call()
    plane.pass_time(2 * SECOND)
    assert plane.reply(request_id).status == Status.UNKNOWN
    plane.pass_time(2 * SECOND)
    plane.engine.undeliverable_workers(plane.now_ns, list(range(len(plane.to_workers))))
    assert plane.worker_stats()["condition"] == "lost"
    assert plane.ready("w2")[0] == WorkerKind.REJECT
    plane.give_back(call, [10009])
    assert plane.replies()[0].status == "answered"


def test_malformed_frames_of_a_stranger_are_answered_and_of_a_worker_counted(plane):
    plane.from_worker(b"\x93\x02\x01\x00", b"stranger")
    plane.flush()
    kind, frame = plane.worker_inbox[b"stranger"][0]
    assert kind == WorkerKind.REJECT
    assert codec.decode_reject(frame)[0] == Code.UNSUPPORTED_VERSION
    plane.from_worker(b"junk")
    plane.from_worker(codec.encode_welcome(7, 1_000))
    assert kinds(plane) == []
    assert plane.counters()["malformed_from_workers"] == 3
    plane.ask("positions_get")
    assert plane.call()


def test_a_strangers_heartbeat_is_counted(plane):
    plane.from_worker(codec.encode_heartbeat("nobody", 1), b"stranger")
    plane.from_worker(codec.encode_heartbeat("w1", 2), b"stranger")
    assert plane.counters()["stray_frames"] == 2
    assert kinds(plane, b"stranger") == []


def test_utilisation_is_time_in_calls_since_it_connected(plane):
    plane.ask("positions_get")
    plane.give_back(plane.call(), [])
    plane.now_ns += 400
    stats = plane.worker_stats()
    assert (stats["calls"], stats["busy_ns"], stats["utilisation"]) == (1, 200, 0.5)


def test_repeated_reads_keep_their_order(make_plane):
    plane = make_plane()
    plane.ready(credit=3)
    plane.hello()
    for symbol in "ABC":
        plane.ask("symbol_info", symbol)
    plane.flush()
    plane.goodbye("w1")
    plane.ready("w1", epoch=2, credit=3)
    assert [call.args[0] for call in plane.calls()] == ["A", "B", "C"]


def test_a_repeated_read_that_never_left_again_has_another_try(make_plane):
    plane = make_plane()
    for name in ("w1", "w2"):
        plane.ready(name, lanes=("query",))
    plane.hello()
    plane.ask("symbol_info", "A")
    plane.flush()
    plane.goodbye("w1")  # given to w2, but not sent
    plane.goodbye("w2")
    plane.ready("w3", lanes=("query",))
    assert plane.calls(b"w2") == []
    assert plane.call(b"w3").args == ["A"]


def test_a_connection_that_a_worker_has_left_twice_is_free(plane):
    for identity in (b"second", b"third"):
        plane.ready("w1", identity=identity)
    assert plane.ready("w2", identity=b"second")[0] == WorkerKind.REJECT
    assert plane.ready("w2", identity=b"w1")[0] == WorkerKind.WELCOME


def test_what_was_lost_with_a_connection_is_settled_by_the_first_beat_on_the_next(make_plane, orders):
    plane = make_plane()
    plane.ready(credit=4)
    plane.hello()
    order, read = plane.ask("order_send", orders["entry"]), plane.ask("symbol_info", "A")
    forgotten, given_up = plane.ask("order_send", orders["entry"], ttl_ms=1), plane.ask("symbol_info", "B", ttl_ms=1)
    plane.flush()
    plane.pass_time(SECOND)
    assert plane.reply(forgotten).status == Status.UNKNOWN
    assert plane.reply(given_up).result[0] == Code.NO_REPLY
    plane.ready(credit=4, identity=b"new")
    plane.from_worker(codec.encode_heartbeat("w1", 1), b"w1")  # the old connection's
    assert plane.worker_stats()["used"] == 4
    plane.from_worker(codec.encode_heartbeat("w1", 1), b"new")
    unknown = plane.reply(order)
    assert unknown.status == Status.UNKNOWN
    assert "reconnected" in unknown.result[1]
    again = plane.call(b"new")
    assert again.args == ["A"]
    assert (plane.worker_stats()["used"], plane.worker_stats()["stuck"]) == (1, 0)
    assert plane.counters()["orders_unresolved"] == 2
    plane.give_back(again, [], identity=b"new")
    assert plane.reply(read).status == Status.OK


def test_what_a_worker_repeats_on_its_next_connection_counts(plane, orders):
    order = plane.ask("order_send", orders["entry"])
    call = plane.call()
    plane.ready(identity=b"new")
    plane.give_back(call, [10009], identity=b"new")
    plane.ask("symbol_info", "A")
    later = plane.call(b"new")
    plane.from_worker(codec.encode_heartbeat("w1", 1), b"new")
    assert plane.reply(order).status == Status.OK
    assert plane.calls(b"new") == []  # the later call is where it was sent
    plane.give_back(later, [], identity=b"new")
    assert plane.worker_stats()["used"] == 0


def test_a_call_that_waited_for_the_flush_leaves_on_the_next_connection(plane, proof):
    plane.ask("symbol_info", "A")
    plane.from_worker(codec.encode_ready(Ready("w1", 1, "demo", ("query",), 1, proof, True, "")), b"new")
    plane.from_worker(codec.encode_heartbeat("w1", 1), b"new")
    assert plane.call(b"new").args == ["A"]
    assert plane.worker_stats()["used"] == 1
