"""hello, bye, ping, fencing, silence: who may ask."""

import pytest

from gateway.core.session import SessionTable
from gateway.wire import codec
from gateway.wire.errors import Code, Status

SECOND = 1_000_000_000


def test_hello_tells_what_a_client_must_know(plane):
    result = plane.answer("hello", "other", {}, token=0, identity=b"other").result
    assert next(iter(result)) == "session"
    assert result.pop("session") >> 63 == 1
    assert result == {
        "generation": 7,
        "heartbeat_ms": 1_000,
        "session_timeout_ms": 30_000,
        "accounts": ["demo"],
        "account": "demo",
        "tick_endpoint": "tcp://ticks:1",
        "feeds": {"demo": "demo-feed"},
        "version": "1.2.3",
    }


def test_tokens_are_the_same_for_the_same_inputs_and_differ_from_each_other(make_plane):
    first, second = make_plane(), make_plane()
    tokens = [first.hello(name) for name in "abc"]
    assert tokens == [second.hello(name) for name in "abc"]
    assert len(set(tokens)) == 3


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ((), "expected a client id"),
        (("a", {}, 1), "expected a client id"),
        ((5,), "args[0]"),
        (("",), "1 to 64 bytes"),
        (("x" * 65,), "1 to 64 bytes"),
        (("é" * 33,), "1 to 64 bytes"),
        (("a", []), "args[1]: expected a map"),
        (("a", {"colour": 1}), "unknown option 'colour'"),
        (("a", {"account": "nope"}), "expected one of demo"),
        (("a", {"account": 5}), "expected one of demo"),
    ],
)
def test_a_hello_is_checked_before_anything_changes(plane, args, text):
    reply = plane.answer("hello", *args, token=0)
    assert (reply.status, reply.result[0]) == (Status.PROTOCOL, Code.BAD_ARGUMENTS)
    assert text in reply.result[1]
    assert plane.stats()["sessions"]["live"] == 1


def test_hello_takes_no_keywords_and_no_session(plane):
    assert plane.answer("hello", "a", token=0, kwargs={"x": 1}).result[0] == Code.BAD_ARGUMENTS
    assert "session 0" in plane.answer("hello", "a", {}).result[1]


def test_options_may_be_left_out(plane):
    assert plane.answer("hello", "a", token=0).status == Status.OK


def test_an_empty_account_is_the_sessions_default(make_plane, proof):
    from gateway.core.engine import AccountRules

    plane = make_plane(accounts=(AccountRules("one"), AccountRules("two")))
    plane.ready("w1", account="one")
    plane.ready("w2", account="two", proof=proof | {"login": 5002})
    first, second = plane.hello("a"), plane.hello("b", account="two")
    plane.ask("positions_get", token=first)
    plane.ask("positions_get", token=second)
    assert len(plane.calls(b"w1")) == len(plane.calls(b"w2")) == 1


def test_without_accounts_hello_names_none(make_plane):
    plane = make_plane(accounts=())
    plane.hello()
    reply = plane.answer("positions_get")
    assert reply.result[0] == Code.UNKNOWN_ACCOUNT
    assert "none" in reply.result[1]


def test_ping_needs_no_session(plane):
    assert plane.answer("ping", token=0, identity=b"stranger").result == {"generation": 7}
    assert plane.answer("ping").result == {"generation": 7}


@pytest.mark.parametrize("name", ["ping", "bye", "accounts", "stats"])
def test_arguments_to_what_takes_none_are_refused(plane, name):
    assert plane.answer(name, 1).result[0] == Code.BAD_ARGUMENTS


@pytest.mark.parametrize("name", ["bye", "accounts", "stats", "positions_get", "order_send"])
def test_all_else_needs_a_session(plane, name):
    reply = plane.answer(name, token=0)
    assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.SESSION_FENCED)
    assert "hello" in reply.result[1]


@pytest.mark.parametrize("name", ["ping", "hello", "positions_get"])
def test_a_dead_token_is_refused_even_where_none_is_needed(plane, name):
    assert plane.answer(name, "x", token=2**63 + 5).result[0] == Code.SESSION_FENCED


def test_a_token_is_refused_from_another_connection(plane):
    reply = plane.answer("positions_get", identity=b"thief")
    assert reply.result[0] == Code.SESSION_FENCED
    plane.ask("positions_get")
    assert plane.call()


def test_a_newer_hello_fences_the_older_session_and_tells_it(plane):
    old = plane.token
    new = plane.hello("me", identity=b"again")
    (notice,) = plane.replies()
    assert (notice.request_id, notice.status, notice.result) == (0, "fenced", {"session": old})
    assert plane.answer("accounts", token=old).result[0] == Code.SESSION_FENCED
    assert plane.answer("accounts", token=new, identity=b"again").status == Status.OK
    assert plane.counters()["sessions_fenced"] == 1


def test_one_connection_may_hold_several_clients(plane):
    other = plane.hello("other")
    assert plane.answer("accounts", token=plane.token).status == Status.OK
    assert plane.answer("accounts", token=other).status == Status.OK


def test_bye_ends_the_session(plane):
    assert plane.answer("bye").status == Status.OK
    assert plane.answer("accounts").result[0] == Code.SESSION_FENCED
    assert plane.counters()["sessions_ended"] == 1


def test_a_silent_session_ends(plane):
    plane.now_ns += 30 * SECOND + 1
    assert plane.answer("accounts").result[0] == Code.SESSION_FENCED
    assert plane.counters()["sessions_expired"] == 1


def test_a_silent_session_ends_without_being_asked(plane):
    plane.pass_time(32 * SECOND)
    assert plane.stats()["sessions"]["live"] == 0


def test_a_session_that_waits_for_an_answer_is_not_silent(plane):
    plane.ready()
    plane.ask("history_deals_get", 0, 1, request_id=900, ttl_ms=120_000)
    call = plane.call()
    plane.live(100 * SECOND, "w1")
    plane.give_back(call, [])
    assert plane.reply(900).status == Status.OK
    plane.pass_time(20 * SECOND)
    assert plane.answer("accounts").status == Status.OK
    plane.pass_time(32 * SECOND)
    assert plane.stats()["sessions"]["live"] == 0


@pytest.mark.parametrize("name", ["ping", "nonsense", "accounts"])
def test_any_frame_keeps_a_session_alive(plane, name):
    for _ in range(10):
        plane.pass_time(20 * SECOND)
        plane.ask(name)
    assert plane.answer("accounts").status == Status.OK


def test_a_frame_from_another_connection_keeps_nothing_alive(plane):
    plane.now_ns += 29 * SECOND
    plane.ask("ping", identity=b"thief")
    plane.now_ns += 2 * SECOND
    assert plane.answer("accounts").result[0] == Code.SESSION_FENCED


def test_sessions_are_bounded_and_the_expired_go_first(make_plane):
    plane = make_plane(max_sessions=2)
    plane.hello("a")
    plane.hello("b")
    reply = plane.answer("hello", "c", {}, token=0)
    assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.BUSY)
    plane.hello("b")  # takes its own place
    plane.now_ns += 31 * SECOND
    plane.hello("c")
    assert plane.stats()["sessions"] == {"live": 1, "peak": 2}


def test_a_queued_order_of_a_fenced_session_is_never_executed(plane, orders):
    plane.ask("order_send", orders["entry"])
    first = plane.call()
    plane.ask("order_send", orders["entry"])
    plane.hello("me")
    plane.give_back(first, [10009])
    assert plane.calls() == []
    assert plane.counters()["requests_dropped"] == 1
    assert plane.depth("trade") == 0


def test_an_order_that_waits_for_the_flush_is_dropped_with_its_session(plane, orders):
    old = plane.token
    plane.from_client(
        codec.encode_request(old, 11, "order_send", "", 0, [orders["entry"]]),
        codec.encode_request(old, 12, "order_send", "", 0, [orders["entry"]]),
        codec.encode_request(0, 13, "hello", "", 0, ["me", {}]),
    )
    assert plane.calls() == []
    assert plane.worker_stats()["used"] == 0
    assert plane.counters()["requests_dropped"] == 2
    new = plane.inbox[b"client"][-1].result["session"]
    plane.ask("order_send", orders["entry"], token=new)
    assert plane.call()


def test_a_reply_to_an_ended_session_is_dropped_and_counted(plane):
    plane.ask("positions_get")
    call = plane.call()
    plane.answer("bye")
    plane.give_back(call, [])
    assert plane.silent()
    assert plane.counters()["replies_dropped"] == 1
    assert plane.worker_stats()["used"] == 0


def test_a_token_in_use_is_not_given_again():
    table, twin = SessionTable(5), SessionTable(5)
    first, second = (table.open(name, b"a", None, 0) for name in "ab")
    assert twin.open("a", b"a", None, 0).token == first.token
    twin.by_token[second.token] = first
    assert twin.open("b", b"b", None, 0).token not in (first.token, second.token)
