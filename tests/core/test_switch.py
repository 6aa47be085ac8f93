"""Kill switches: what is thrown refuses entries from that moment on, over restarts, until it is lifted."""

from typing import Any

import pytest

from gateway.core.accounts import AccountRules
from gateway.core.orderlog import OrderLog
from gateway.core.records import Kind, encode, scan
from gateway.core.states import IllegalMove
from gateway.core.switch import MAX_SWITCHES, SWITCH_MOVES, ScopeKind, Switchboard, SwitchState
from gateway.wire import codec
from gateway.wire.errors import Code, JournalError, Status

SECOND = 1_000_000_000
DONE = [10009, 5, 6]
ENTRY = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0}
EXIT = ENTRY | {"type": 1, "position": 77}
CANCEL = {"action": 8, "order": 99}
TWO = (AccountRules("demo"), AccountRules("other", login=6))


@pytest.fixture
def disk(make_disk: Any) -> Any:
    return make_disk()


def kill(plane: Any, scope: str, name: str = "", **options: Any) -> Any:
    reply = plane.answer("kill", {"scope": scope, "name": name} | options)
    assert reply.status == 0, reply
    return reply.result


def resume(plane: Any, scope: str, name: str = "", **options: Any) -> Any:
    return plane.answer("resume", {"scope": scope, "name": name, "reason": "all is well"} | options)


def switches(plane: Any) -> list[dict[str, Any]]:
    return plane.answer("switches").result["switches"]


# --- what is refused ---


@pytest.mark.parametrize(("scope", "name"), [("client", "me"), ("account", "demo"), ("all", "")])
def test_a_thrown_switch_refuses_entries_and_says_who_and_why(plane, scope, name):
    kill(plane, scope, name, reason="runaway", who="ann")

    reply = plane.answer("order_send", ENTRY)

    assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.HALTED)
    assert "halted by ann (me): runaway" in reply.result[1]
    assert reply.result[2] | {"scope": scope, "name": name, "by": "ann (me)", "why": "runaway"} == reply.result[2]
    assert plane.calls() == []


@pytest.mark.parametrize("order", [EXIT, CANCEL])
def test_exits_go_through_a_thrown_switch(plane, order):
    kill(plane, "all")
    plane.ask("order_send", order)
    assert plane.call().args == [order] or plane.stats()["in_flight"] == 1


def test_an_empty_name_is_the_callers_own(plane):
    assert kill(plane, "client")["switch"]["name"] == "me"
    assert kill(plane, "account")["switch"]["name"] == "demo"


def test_others_enter_as_before(make_plane):
    plane = make_plane(accounts=TWO)
    plane.ready()
    plane.ready("w2", account="other", proof={**_proof(), "login": 6})
    plane.hello()
    other = plane.hello("other", identity=b"other")
    kill(plane, "client", "me")
    kill(plane, "account", "other")

    plane.ask("order_send", ENTRY, token=other, identity=b"other")

    assert len(plane.calls()) == 1
    refused = plane.answer("order_send", ENTRY, token=other, identity=b"other", account="other")
    assert refused.result[0] == Code.HALTED


def _proof() -> dict[str, Any]:
    return {"login": 5001, "server": "Broker-Demo", "path": "C:\\MT5", "trade_mode": 0, "margin_mode": 2}


def test_what_comes_behind_a_kill_in_the_same_burst_is_refused(plane):
    frames = [
        codec.encode_request(plane.token, 50, "order_send", "", 0, [ENTRY]),
        codec.encode_request(plane.token, 51, "kill", "", 0, [{"scope": "all"}]),
        codec.encode_request(plane.token, 52, "order_send", "", 0, [ENTRY]),
    ]
    plane.from_client(*frames)

    statuses = {reply.request_id: reply for reply in plane.replies()}

    assert statuses[51].result["refused"] == 1  # given to a worker, and not left yet
    assert [statuses[number].result[0] for number in (50, 52)] == [Code.HALTED, Code.HALTED]
    assert plane.calls() == []


def test_what_waits_is_refused_at_once_and_what_is_out_runs_on(plane):
    out = plane.ask("order_send", ENTRY)
    call = plane.call()
    waiting = [plane.ask("order_send", ENTRY) for _ in range(3)]
    exit_ = plane.ask("order_send", EXIT)
    plane.flush()

    assert kill(plane, "account", "demo")["refused"] == 3

    assert [plane.reply(number).result[0] for number in waiting] == [Code.HALTED] * 3
    plane.give_back(call, DONE)
    assert plane.reply(out).result == DONE
    plane.give_back(plane.call(), DONE)
    assert plane.reply(exit_).result == DONE
    assert plane.depth("trade") == 0


def test_only_what_is_in_scope_is_taken_out_of_the_queue(plane):
    other = plane.hello("other", identity=b"other")
    plane.ask("order_send", ENTRY)
    call = plane.call()
    mine = plane.ask("order_send", ENTRY)
    plane.ask("order_send", ENTRY, token=other, identity=b"other")

    kill(plane, "client", "me")

    assert plane.reply(mine).result[0] == Code.HALTED
    plane.give_back(call, DONE)
    assert len(plane.calls()) == 1


def test_many_that_wait_are_refused_without_delaying_the_first(make_plane):
    plane = make_plane(max_queued=512, max_queued_per_session=512)
    plane.ready()
    plane.hello()
    plane.ask("order_send", ENTRY)
    plane.call()
    waiting = [plane.ask("order_send", ENTRY) for _ in range(300)]
    plane.flush()
    plane.ask("kill", {"scope": "all"})

    first, _ = plane.engine.flush(plane.now_ns)

    assert 2 <= len(first) < 100
    plane.flush()
    assert plane.counters()["replies"] >= len(waiting)
    assert plane.stats()["refusals"]["halted"] == 300


def test_a_session_that_ends_with_halted_orders_leaves_nothing_behind(make_plane):
    plane = make_plane(max_queued=512, max_queued_per_session=512)
    plane.ready()
    plane.hello()
    plane.ask("order_send", ENTRY)
    plane.call()
    for _ in range(200):
        plane.ask("order_send", ENTRY)
    plane.ask("kill", {"scope": "all"})
    plane.ask("bye")
    plane.live(20 * SECOND, "w1")
    assert plane.stats()["refusals"]["halted"] == 200
    assert plane.depth("trade") == 0


def test_freed_credit_goes_to_what_is_not_halted(plane):
    other = plane.hello("other", identity=b"other")
    plane.ask("order_send", ENTRY)
    plane.ask("order_send", ENTRY, token=other, identity=b"other")

    plane.ask("kill", {"scope": "client", "name": "me"})

    assert len(plane.calls()) == 1  # the other's


def test_a_slow_disk_holds_nothing_back(make_plane):
    plane = make_plane(gated=True)
    plane.ready()
    plane.hello()
    held = plane.ask("order_send", ENTRY)
    queued = plane.ask("order_send", ENTRY)
    plane.flush()
    assert plane.calls() == []

    assert kill(plane, "all")["refused"] == 2

    assert plane.reply(queued).result[0] == Code.HALTED
    assert plane.answer("order_send", ENTRY).result[0] == Code.HALTED
    plane.engine.durable(10_000)
    assert plane.reply(held).result[0] == Code.HALTED  # its record said that it was about to leave
    assert plane.calls() == []


# --- lifting ---


def test_a_lifted_switch_lets_entries_go(plane):
    number = kill(plane, "all", reason="a")["switch"]["number"]
    reply = resume(plane, "all", number=number)
    assert (reply.status, reply.result["switch"]["why"], reply.result["remaining"]) == (0, "a", [])
    plane.ask("order_send", ENTRY)
    assert len(plane.calls()) == 1


def test_each_scope_is_lifted_by_itself(plane):
    kill(plane, "client", "me")
    kill(plane, "all")
    assert [left["scope"] for left in resume(plane, "all").result["remaining"]] == ["client"]
    assert plane.answer("order_send", ENTRY).result[0] == Code.HALTED


def test_a_resume_of_another_throw_lifts_nothing(plane):
    first = kill(plane, "all")["switch"]["number"]
    kill(plane, "all", reason="again")
    assert resume(plane, "all", number=first).result[0] == Code.REFUSED
    assert switches(plane)[0]["why"] == "again"


def test_who_is_halted_by_another_cannot_lift_it(plane):
    other = plane.hello("other", identity=b"other")
    plane.answer("kill", {"scope": "client", "name": "me"}, token=other, identity=b"other")
    assert resume(plane, "client", "me").result[0] == Code.PERMISSION
    lifted = plane.answer("resume", {"scope": "client", "name": "me", "reason": "x"}, token=other, identity=b"other")
    assert lifted.status == 0
    kill(plane, "client", "me")
    assert resume(plane, "client", "me").status == 0


def test_sessions_in_scope_are_told(plane):
    other = plane.hello("other", identity=b"other")
    plane.replies()
    plane.answer("kill", {"scope": "client", "name": "me"}, token=other, identity=b"other")
    assert [notice.status for notice in plane.replies()] == ["halted"]
    plane.answer("resume", {"scope": "client", "name": "me", "reason": "x"}, token=other, identity=b"other")
    assert [notice.status for notice in plane.replies()] == ["resumed"]
    assert plane.replies(b"other") == []


def test_a_new_session_is_told_what_stands(plane):
    kill(plane, "all", reason="r")
    plane.hello("late", identity=b"late")
    (notice,) = plane.replies(b"late")
    assert (notice.status, notice.result["why"]) == ("halted", "r")


@pytest.mark.parametrize(
    ("name", "args", "text"),
    [
        ("kill", [], "expected one map"),
        ("kill", ["all"], "expected one map"),
        ("kill", [{}], "scope: expected one of client, account, all"),
        ("kill", [{"scope": "world"}], "scope: expected one of"),
        ("kill", [{"scope": "all", "name": "demo"}], "expected none"),
        ("kill", [{"scope": "account", "name": "nope"}], "expected one of demo, got 'nope'"),
        ("kill", [{"scope": "all", "flatten": 1}], "flatten: expected a bool, got int"),
        ("kill", [{"scope": "all", "reason": "x" * 257}], "reason: expected at most 256 bytes"),
        ("kill", [{"scope": "client", "name": "x" * 65}], "name: expected at most 64 bytes"),
        ("kill", [{"scope": "all", "colour": 1}], "unknown option 'colour'"),
        ("resume", [{"scope": "all"}], "expected why trading may go on"),
        ("flatten", [{"scope": "all", "number": 1}], "unknown option 'number'"),
        ("switches", [1], "takes no arguments"),
    ],
)
def test_bad_arguments_are_explained_and_change_nothing(plane, name, args, text):
    reply = plane.answer(name, *args)
    assert (reply.status, reply.result[0]) == (Status.PROTOCOL, Code.BAD_ARGUMENTS)
    assert text in reply.result[1]
    assert switches(plane) == []


def test_switches_of_clients_are_bounded_and_those_of_accounts_are_not(plane):
    for number in range(MAX_SWITCHES):
        kill(plane, "client", f"c{number}")
    assert plane.answer("kill", {"scope": "client", "name": "one more"}).result[0] == Code.BUSY
    kill(plane, "client", "c1")
    kill(plane, "account", "demo")
    assert plane.answer("hello", "late", {"cancel_on_disconnect": True}, token=0, identity=b"late").status != 0


@pytest.mark.parametrize("state", list(SwitchState))
def test_a_switch_moves_only_along_its_table(state):
    for target in SwitchState:
        board = Switchboard(OrderLog(1, codec, None, False))
        scope = (int(ScopeKind.CLIENT), "x")
        if state != SwitchState.ACTIVE:
            board.throw(scope, "by", "why", state)
        before = dict(board.thrown)

        def move(board=board, scope=scope, target=target):
            if target == SwitchState.ACTIVE:
                board.lift(scope, "by", "why")
            else:
                board.throw(scope, "by", "why", target)

        if target in SWITCH_MOVES[state]:
            move()
            assert (scope in board.thrown) == (target != SwitchState.ACTIVE)
        else:
            with pytest.raises(IllegalMove):
                move()
            assert board.thrown == before


# --- the next life ---


def test_a_switch_outlives_the_broker(disk):
    plane = disk.start()
    told = kill(plane, "account", "demo", reason="r")["switch"]
    for _ in range(3):
        plane = disk.restart(plane)
        assert switches(plane) == [told]
        assert plane.answer("order_send", ENTRY).result[0] == Code.HALTED
    resume(plane, "account", "demo")
    plane = disk.restart(plane)
    assert switches(plane) == []


def test_a_new_segment_begins_with_what_stands(disk):
    plane = disk.start()
    kill(plane, "client", "me", reason="r")
    plane.hello("armed", identity=b"armed", cancel_on_disconnect=True)
    plane.flush()
    plane.engine.begin_segment()
    segment, last = plane.engine.take_records()
    first = scan(segment, _first_sequence(segment))[0]
    assert first[-1][0] == last

    later = disk.make_plane(generation=2)
    later.engine.recover(first)
    later.engine.start(bytes(16), plane.now_ns, plane.now_ns)
    later.ready()
    later.hello()

    assert [halt["why"] for halt in switches(later)] == ["r"]
    assert later.stats()["armed"] == ["armed"]


def _first_sequence(segment: bytes) -> int:
    return int.from_bytes(segment[8:16], "little")


@pytest.mark.parametrize("body", [b"\xc1", codec.pack(7), codec.pack([1, "demo"]), codec.pack([1, 2, 3, 4, 5, 6, 7])])
@pytest.mark.parametrize("kind", [Kind.SWITCH, Kind.ARMED, Kind.GOAL])
def test_a_record_that_cannot_be_understood_stops_the_start(make_plane, kind, body):
    record = scan(encode(kind, 1, 0, 0, 1, body), 1)[0]
    with pytest.raises(JournalError, match="record 1"):
        make_plane().engine.recover(record)


# --- cancel-on-disconnect ---


def armed_plane(disk: Any) -> Any:
    plane = disk.start(clients=("me",))
    plane.strategy = plane.hello("strategy", identity=b"s", cancel_on_disconnect=True)
    return plane


def keep_alive(plane: Any, seconds: int) -> None:
    for _ in range(seconds):
        plane.answer("ping")
        plane.live(SECOND, "w1")


def test_a_session_that_falls_silent_halts_its_client_until_it_resumes(disk):
    plane = armed_plane(disk)
    keep_alive(plane, 35)
    assert [halt["state"] for halt in switches(plane)] == ["disconnected"]

    token = plane.hello("strategy", identity=b"s2")

    (notice,) = plane.replies(b"s2")
    assert (notice.status, notice.result["state"]) == ("halted", "disconnected")
    assert plane.answer("order_send", ENTRY, token=token, identity=b"s2").result[0] == Code.HALTED
    lifted = plane.answer("resume", {"scope": "client", "reason": "back"}, token=token, identity=b"s2")
    assert lifted.status == 0
    plane.ask("order_send", ENTRY, token=token, identity=b"s2")
    assert len(plane.calls()) == 1


def test_a_frame_that_comes_too_late_finds_its_client_halted(disk):
    plane = armed_plane(disk)
    plane.now_ns += 31 * SECOND
    plane.from_worker(codec.encode_heartbeat("w1", 1))
    plane.ask("order_send", ENTRY, token=plane.strategy, identity=b"s", request_id=9)
    assert plane.reply(9, b"s").result[0] == Code.SESSION_FENCED
    plane.token = 0
    plane.hello("onlooker", identity=b"client")
    assert [halt["name"] for halt in switches(plane)] == ["strategy"]


def test_a_bye_leaves_everything_as_it_is(disk):
    plane = armed_plane(disk)
    plane.answer("bye", token=plane.strategy, identity=b"s")
    keep_alive(plane, 35)
    assert switches(plane) == []
    assert plane.stats()["armed"] == []


def test_a_newer_hello_is_a_resumption_and_keeps_the_wish(disk):
    plane = armed_plane(disk)
    plane.hello("strategy", identity=b"s2")
    assert switches(plane) == []
    assert plane.stats()["armed"] == ["strategy"]
    plane.hello("strategy", identity=b"s3", cancel_on_disconnect=False)
    assert plane.stats()["armed"] == []
    keep_alive(plane, 35)
    assert switches(plane) == []


def test_whoever_does_not_come_back_after_a_restart_is_lost(disk):
    plane = armed_plane(disk)
    plane.hello("loyal", identity=b"l", cancel_on_disconnect=True)
    plane = disk.restart(plane)
    loyal = plane.hello("loyal", identity=b"l")
    for _ in range(40):
        plane.answer("ping")
        plane.answer("ping", token=loyal, identity=b"l")
        plane.live(SECOND, "w1")
    assert [halt["name"] for halt in switches(plane)] == ["strategy"]
    assert plane.stats()["armed"] == ["loyal"]


def test_a_client_that_is_halted_already_stays_so(disk):
    plane = armed_plane(disk)
    kill(plane, "client", "strategy", reason="r")
    keep_alive(plane, 35)
    assert [(halt["state"], halt["why"]) for halt in switches(plane)] == [("halted", "r")]


@pytest.mark.parametrize(
    ("client_id", "options", "text"),
    [("x", {"cancel_on_disconnect": 1}, "expected true or false"), ("!gateway", {}, "doesn't begin with '!'")],
)
def test_a_hello_that_asks_for_what_cannot_be_is_refused(plane, client_id, options, text):
    reply = plane.answer("hello", client_id, options, token=0, identity=b"x")
    assert text in reply.result[1]
