"""A kill in a crowd: it goes first, the first refusals leave at once, and nothing leaves that waited, come what may."""

import pytest

from gateway.wire import codec
from gateway.wire.errors import Code

ENTRY = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0}
DONE = [10009, 5, 6]


@pytest.fixture
def crowd(make_plane):
    """A plane whose one worker is busy, and behind it 100 entries."""
    plane = make_plane(max_queued=512, max_queued_per_session=512)
    plane.ready()
    plane.hello()
    plane.ask("order_send", ENTRY)
    plane.out = plane.call()
    plane.waiting = [plane.ask("order_send", ENTRY) for _ in range(100)]
    plane.flush()
    return plane


def request(plane, request_id, name, *args):
    return b"client", codec.encode_request(plane.token, request_id, name, "", 0, args)


def test_a_kill_is_taken_out_of_a_burst_and_the_rest_keeps_its_order(plane):
    entries = [request(plane, number, "order_send", ENTRY) for number in (50, 51, 52)]
    kill = request(plane, 60, "kill", {"scope": "all"})
    burst = [entries[0], (b"other", None), entries[1], kill, (b"x", b""), entries[2]]

    assert plane.engine.take_urgent(burst) == [kill]
    assert burst == [entries[0], (b"other", None), entries[1], (b"x", b""), entries[2]]


@pytest.mark.parametrize("order", [("resume", "kill"), ("kill", "resume")])
def test_what_was_said_last_counts(plane, order):
    burst = [request(plane, 50 + n, name, {"scope": "all", "reason": "r"}) for n, name in enumerate(order)]
    before = list(burst)
    assert plane.engine.take_urgent(burst) == []
    assert burst == before


def test_the_first_refusals_leave_with_the_kills_answer_and_the_others_later(crowd):
    kill = crowd.ask("kill", {"scope": "all"})
    crowd.engine.take_records()

    first, _ = crowd.engine.flush(crowd.now_ns)

    told = [codec.decode_reply(frame) for _, frame in first]
    assert told[0].result[0] == Code.HALTED
    answer = next(reply for reply in told if reply.request_id == kill)
    assert answer.result["refused"] == len(crowd.waiting)
    assert sum(reply.status == 2 for reply in told) < len(crowd.waiting)
    assert crowd.engine.has_output()
    crowd.flush()
    assert crowd.stats()["refusals"]["halted"] == len(crowd.waiting)
    assert crowd.depth("trade") == 0


def test_a_freed_worker_takes_nothing_that_a_kill_has_left_in_the_queue(crowd):
    crowd.ask("kill", {"scope": "all"})
    crowd.give_back(crowd.out, DONE)  # before anything is flushed
    assert crowd.calls() == []
    assert crowd.stats()["refusals"]["halted"] == len(crowd.waiting)


def test_what_waited_at_a_kill_stays_refused_though_it_is_lifted_at_once(crowd):
    crowd.ask("kill", {"scope": "all"})
    crowd.ask("resume", {"scope": "all", "reason": "a mistake"})
    crowd.give_back(crowd.out, DONE)
    assert crowd.calls() == []
    assert crowd.stats()["refusals"]["halted"] == len(crowd.waiting)
    again = crowd.ask("order_send", ENTRY)
    crowd.give_back(crowd.call(), DONE)
    assert crowd.reply(again).status == 0


def test_an_entry_that_comes_back_unsent_after_a_kill_is_refused(plane):
    plane.ready("w2")
    sent = plane.ask("order_send", ENTRY)
    plane.engine.take_records()
    _, to_workers = plane.engine.flush(plane.now_ns)
    assert len(to_workers) == 1
    plane.ask("kill", {"scope": "all"})  # too late for it: its frame is on the way
    plane.engine.undeliverable_workers(plane.now_ns, [0])  # and yet it wasn't: it is put back
    assert plane.calls(b"w1") + plane.calls(b"w2") == []
    assert plane.reply(sent).result[0] == Code.HALTED
