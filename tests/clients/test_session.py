"""The session's rules, without a socket: the test plays the broker and the clock."""

from typing import Any

import pytest

from clients.exchange import (
    HELLO_AGAIN_NS,
    MAX_IN_FLIGHT,
    MAX_NOTICES,
    MAX_UNKNOWN,
    MOVES,
    Exchange,
    IllegalMove,
    Phase,
    State,
)
from clients.session import Session
from gateway.wire import codec
from gateway.wire.errors import (
    Busy,
    Code,
    Expired,
    GatewayError,
    LocalProtocolError,
    NoReply,
    OutcomeUnknown,
    RemoteProtocolError,
    SessionFenced,
    TerminalRefused,
    Unavailable,
)

SECOND = 1_000_000_000
TOKEN = 2**63 + 1
ORDER = ("order_send", ({"action": 1},))
READ = ("symbol_info_tick", ("EURUSD",))


def exchange(call: tuple[str, tuple[Any, ...]] = READ, deadline_ns: int = 5 * SECOND) -> Exchange:
    return Exchange(call[0], "", call[1], None, deadline_ns)


def ask(
    session: Session, call: tuple[str, tuple[Any, ...]] = READ, now_ns: int = 0, ttl_ns: int = 5 * SECOND
) -> Exchange:
    asked = exchange(call, now_ns + ttl_ns)
    session.request(asked, now_ns)
    return asked


def answer(session: Session, request_id: int, status: int | str, result: Any, now_ns: int = 0) -> None:
    session.receive(codec.encode_reply(request_id, status, codec.pack(result), None), now_ns)


def say_hello(session: Session, token: int = TOKEN, now_ns: int = 0) -> None:
    frame = session.next_frame(now_ns)
    assert frame is not None
    request = codec.decode_request(frame)
    assert (request.name, request.session) == ("hello", 0)
    answer(session, request.request_id, 0, {"session": token, "generation": 1})


def sent(session: Session, now_ns: int = 0) -> list[Any]:
    requests = []
    while (frame := session.next_frame(now_ns)) is not None:
        requests.append(codec.decode_request(frame))
    return requests


@pytest.fixture
def session() -> Session:
    return Session("me", codec, options={"account": "demo"}, place="ipc:///x")


@pytest.fixture
def opened(session: Session) -> Session:
    session.connected()
    first = ask(session)
    say_hello(session)
    request = sent(session)[0]
    answer(session, request.request_id, 0, None)
    assert first.state is State.DONE
    assert session.phase is Phase.OPEN
    return session


def test_nothing_is_sent_before_the_connection_stands(session: Session) -> None:
    ask(session)
    assert session.next_frame(0) is None


def test_a_connection_without_a_request_says_nothing(session: Session) -> None:
    session.connected()
    assert session.next_frame(0) is None


def test_hello_comes_first_and_names_client_and_options(session: Session) -> None:
    ask(session)
    session.connected()
    frame = session.next_frame(0)
    assert frame is not None
    request = codec.decode_request(frame)
    args, _ = codec.decode_arguments(request.tail, request.has_kwargs)
    assert (request.name, args) == ("hello", ["me", {"account": "demo"}])
    assert session.next_frame(0) is None  # requests wait for the token


def test_requests_carry_the_token_and_leave_in_order(session: Session) -> None:
    session.connected()
    asked = [ask(session), ask(session, ORDER), ask(session)]
    say_hello(session)
    requests = sent(session)
    assert [request.session for request in requests] == [TOKEN] * 3
    assert [request.request_id for request in requests] == [one.request_id for one in asked]


def test_the_welcome_is_kept(session: Session) -> None:
    session.connected()
    ask(session)
    say_hello(session)
    assert session.welcome == {"session": TOKEN, "generation": 1}


def test_an_answer_finds_its_request_whatever_the_order(opened: Session) -> None:
    first, second = ask(opened), ask(opened, ORDER)
    requests = sent(opened)
    answer(opened, requests[1].request_id, 0, "two")
    answer(opened, requests[0].request_id, 0, "one")
    assert (first.value, second.value) == ("one", "two")


def test_a_second_answer_to_the_same_request_is_counted_and_ignored(opened: Session) -> None:
    asked = ask(opened)
    (request,) = sent(opened)
    answer(opened, request.request_id, 0, 1)
    answer(opened, request.request_id, 0, 2)
    assert (asked.value, opened.late) == (1, 1)


def test_the_broker_is_given_less_time_than_the_caller_waits(opened: Session) -> None:
    ask(opened, ttl_ns=5 * SECOND)
    ask(opened, ttl_ns=SECOND // 10)
    ask(opened, ttl_ns=100_000 * SECOND)
    assert [request.ttl_ms for request in sent(opened)] == [4_750, 90, 86_400_000]


@pytest.mark.parametrize(
    ("status", "result", "error"),
    [
        (1, [104, "bad", None], LocalProtocolError),
        (2, [205, "too late", None], Expired),
        (2, [207, "no worker", {}], Unavailable),
        (
            3,
            [300, "Terminal: Not found", {"last_error": [-4, "Terminal: Not found"], "returned": None}],
            TerminalRefused,
        ),
        (3, [302, "no answer", None], NoReply),
        (4, [400, "no answer", None], OutcomeUnknown),
        (5, [500, "our fault", None], GatewayError),
        (2, "nonsense", RemoteProtocolError),
        (2, [1, 2], RemoteProtocolError),
        (2, ["a", "b", None], RemoteProtocolError),
        (99, [1, "from the future", None], GatewayError),
    ],
)
def test_a_refusal_becomes_its_error(opened: Session, status: int, result: Any, error: type[Exception]) -> None:
    asked = ask(opened)
    (request,) = sent(opened)
    answer(opened, request.request_id, status, result)
    assert type(asked.error) is error


@pytest.mark.parametrize(
    ("status", "result"),
    [(4, [300, "x", None]), (3, [302, "x", None]), (2, "nonsense"), (2, [1, 2]), (99, [205, "x", None]), (99, None)],
)
def test_an_orders_error_that_doesnt_plainly_say_never_is_unknown(opened: Session, status: int, result: Any) -> None:
    order = ask(opened, ORDER)
    (request,) = sent(opened)
    answer(opened, request.request_id, status, result)
    assert type(order.error) is OutcomeUnknown


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(1, 104, LocalProtocolError), (2, 205, Expired), (3, 300, TerminalRefused), (5, 500, GatewayError)],
)
def test_an_orders_error_that_says_never_stays(opened: Session, status: int, code: int, error: type[Exception]) -> None:
    order = ask(opened, ORDER)
    (request,) = sent(opened)
    answer(opened, request.request_id, status, [code, "no", None])
    assert type(order.error) is error


def test_what_cant_be_understood_is_counted_and_told(opened: Session) -> None:
    opened.receive(b"\xc1", 0)
    opened.receive(b"", 0)
    assert opened.malformed == 2
    assert [notice.kind for notice in opened.take_notices()] == ["malformed", "malformed"]


def test_an_error_without_a_request_id_is_told(opened: Session) -> None:
    answer(opened, 0, 1, [100, "broken", None])
    assert opened.take_notices()[0] == ("error", {"status": 1, "result": [100, "broken", None]})


# --- lost connections -----------------------------------------------------------------------------------------------


def test_a_lost_connection_makes_an_order_in_flight_unknown(opened: Session) -> None:
    order = ask(opened, ORDER)
    sent(opened)
    opened.lost()
    assert isinstance(order.error, OutcomeUnknown)
    assert order.error.detail == {"request_id": order.request_id}


def test_a_lost_connection_leaves_a_waiting_order_to_be_sent(opened: Session) -> None:
    order = ask(opened, ORDER)
    opened.lost()
    opened.connected()
    say_hello(opened, TOKEN + 1)
    (request,) = sent(opened)
    assert (request.name, request.session) == ("order_send", TOKEN + 1)
    assert order.state is State.SENT


def test_reads_are_asked_again_in_order_under_new_ids(opened: Session) -> None:
    first, second, third = ask(opened), ask(opened), ask(opened)
    old = [request.request_id for request in sent(opened)]
    answer(opened, old[1], 0, "answered")
    opened.lost()
    opened.connected()
    say_hello(opened, TOKEN + 1)
    again = sent(opened)
    assert [request.request_id for request in again] == [first.request_id, third.request_id]
    assert not set(old) & {request.request_id for request in again}
    assert second.value == "answered"


def test_an_answer_of_the_former_connection_answers_nothing(opened: Session) -> None:
    asked = ask(opened)
    (old,) = sent(opened)
    opened.lost()
    answer(opened, old.request_id, 0, "old")
    assert asked.state is State.WAITING
    assert opened.late == 1


def test_an_answer_that_came_before_the_loss_counts(opened: Session) -> None:
    order = ask(opened, ORDER)
    (request,) = sent(opened)
    answer(opened, request.request_id, 0, "done")
    opened.lost()
    assert (order.error, order.value) == (None, "done")


def test_a_lost_connection_while_greeting_greets_again(session: Session) -> None:
    session.connected()
    ask(session)
    hello = session.next_frame(0)
    assert hello is not None
    session.lost()
    session.connected()
    say_hello(session)
    answer(session, codec.decode_request(hello).request_id, 0, {"session": 5})  # the first one's answer, late
    assert session.token == TOKEN


# --- deadlines ------------------------------------------------------------------------------------------------------


def test_what_never_left_is_unavailable_and_says_where(session: Session) -> None:
    asked = ask(session, ORDER)
    session.give_up(asked)
    assert isinstance(asked.error, Unavailable)
    assert "no gateway at ipc:///x: is it running?" in asked.error.message


def test_a_gateway_that_doesnt_answer_hello_is_called_so(session: Session) -> None:
    session.connected()
    asked = ask(session)
    session.next_frame(0)
    session.give_up(asked)
    assert isinstance(asked.error, Unavailable)
    assert "doesn't answer hello" in asked.error.message


def test_a_read_without_an_answer_is_no_reply(opened: Session) -> None:
    asked = ask(opened)
    sent(opened)
    opened.give_up(asked)
    assert isinstance(asked.error, NoReply)
    assert opened.in_flight == 0


def test_an_order_without_an_answer_is_unknown_and_its_late_answer_is_told(opened: Session) -> None:
    order = ask(opened, ORDER)
    (request,) = sent(opened)
    opened.give_up(order)
    assert isinstance(order.error, OutcomeUnknown)
    answer(opened, request.request_id, 0, [10_009])
    answer(opened, request.request_id, 0, [10_009])
    (notice,) = opened.take_notices()
    assert notice == ("answered", {"request_id": request.request_id, "status": 0, "result": [10_009]})
    assert opened.late == 1


def test_an_order_that_the_broker_calls_unknown_tells_its_request_id(opened: Session) -> None:
    order = ask(opened, ORDER)
    (request,) = sent(opened)
    answer(opened, request.request_id, 4, [400, "no answer", {"worker": "w"}])
    assert order.error is not None
    assert order.error.detail == {"worker": "w", "request_id": request.request_id}


def test_what_expired_before_it_could_leave_is_never_sent(session: Session) -> None:
    session.connected()
    order = ask(session, ORDER, ttl_ns=SECOND)
    say_hello(session)
    assert sent(session, 2 * SECOND) == []
    assert isinstance(order.error, Unavailable)


def test_hello_without_an_answer_is_said_again(session: Session) -> None:
    session.connected()
    asked = ask(session, ttl_ns=60 * SECOND)
    first = session.next_frame(0)
    assert session.next_frame(HELLO_AGAIN_NS - 1) is None
    second = session.next_frame(HELLO_AGAIN_NS)
    assert first is not None
    assert second is not None
    answer(session, codec.decode_request(first).request_id, 0, {"session": 7})
    assert session.phase is Phase.GREETING  # only the last one's token lives
    answer(session, codec.decode_request(second).request_id, 0, {"session": 8})
    assert [request.session for request in sent(session)] == [8]
    assert asked.state is State.SENT


# --- tokens ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [READ, ORDER])
def test_a_dead_token_is_renewed_and_the_request_asked_once_more(opened: Session, call: Any) -> None:
    asked = ask(opened, call)
    (request,) = sent(opened)
    answer(opened, request.request_id, 2, [Code.SESSION_FENCED, "timed out", None])
    say_hello(opened, TOKEN + 1)
    (again,) = sent(opened)
    assert (again.session, again.name) == (TOKEN + 1, call[0])
    assert again.request_id != request.request_id
    answer(opened, again.request_id, 2, [Code.SESSION_FENCED, "again", None])
    assert isinstance(asked.error, SessionFenced)


def test_many_requests_with_a_dead_token_need_one_hello(opened: Session) -> None:
    asked = [ask(opened) for _ in range(5)]
    for request in sent(opened):
        answer(opened, request.request_id, 2, [Code.SESSION_FENCED, "timed out", None])
    hellos = opened.hellos
    say_hello(opened, TOKEN + 1)
    assert len(sent(opened)) == 5
    assert opened.hellos == hellos + 1
    assert all(one.state is State.SENT for one in asked)


def test_a_dead_token_past_the_deadline_is_told(opened: Session) -> None:
    asked = ask(opened, ORDER, ttl_ns=SECOND)
    (request,) = sent(opened)
    answer(opened, request.request_id, 2, [Code.SESSION_FENCED, "timed out", None], now_ns=SECOND)
    assert isinstance(asked.error, SessionFenced)
    assert sent(opened) == []


def test_a_takeover_ends_everything_and_is_never_answered_with_a_hello(opened: Session) -> None:
    order, read, waiting = ask(opened, ORDER), ask(opened), exchange()
    sent(opened)
    opened.request(waiting, 0)
    answer(opened, 0, "fenced", {"session": TOKEN})
    assert isinstance(order.error, OutcomeUnknown)
    assert isinstance(read.error, SessionFenced)
    assert isinstance(waiting.error, SessionFenced)
    assert opened.next_frame(0) is None
    with pytest.raises(SessionFenced, match="'me'"):
        opened.request(exchange(), 0)
    opened.lost()
    opened.connected()
    assert opened.phase is Phase.FENCED


def test_a_takeover_of_a_former_token_means_nothing(opened: Session) -> None:
    answer(opened, 0, "fenced", {"session": TOKEN + 5})
    answer(opened, 0, "fenced", None)
    assert opened.phase is Phase.OPEN
    assert [notice.kind for notice in opened.take_notices()] == ["fenced", "fenced"]


def test_reset_takes_the_id_back(opened: Session) -> None:
    answer(opened, 0, "fenced", {"session": TOKEN})
    opened.reset()
    asked = ask(opened)
    say_hello(opened, TOKEN + 1)
    sent(opened)
    assert asked.state is State.SENT


@pytest.mark.parametrize(
    ("status", "result", "error"),
    [
        (2, [Code.BUSY, "too many sessions", None], Busy),
        (1, [Code.UNSUPPORTED_VERSION, "version 2", None], LocalProtocolError),
        (0, {"generation": 1}, RemoteProtocolError),
        (0, None, RemoteProtocolError),
    ],
)
def test_a_refused_hello_fails_who_waits_and_the_next_request_tries_again(
    session: Session, status: int, result: Any, error: type[Exception]
) -> None:
    session.connected()
    asked = [ask(session), ask(session, ORDER)]
    frame = session.next_frame(0)
    assert frame is not None
    answer(session, codec.decode_request(frame).request_id, status, result)
    assert [type(one.error) for one in asked] == [error, error]
    assert asked[0].error is not asked[1].error
    assert session.next_frame(0) is None
    ask(session)
    say_hello(session)


# --- the socket's refusals ------------------------------------------------------------------------------------------


def test_what_the_socket_didnt_take_waits_in_its_place(opened: Session) -> None:
    first, second = ask(opened, ORDER), ask(opened)
    assert opened.next_frame(0) is not None
    opened.unsent()
    assert first.state is State.WAITING
    assert [request.name for request in sent(opened)] == ["order_send", "symbol_info_tick"]
    assert second.state is State.SENT


def test_an_unsent_order_survives_a_lost_connection(opened: Session) -> None:
    order = ask(opened, ORDER)
    opened.next_frame(0)
    opened.unsent()
    opened.lost()
    assert order.state is State.WAITING


def test_an_unsent_hello_is_said_again(session: Session) -> None:
    session.connected()
    ask(session)
    assert session.next_frame(0) is not None
    session.unsent()
    say_hello(session)


# --- bounds and ends ------------------------------------------------------------------------------------------------


def test_too_many_requests_are_refused_until_some_end_or_expire(opened: Session) -> None:
    asked = [ask(opened, ttl_ns=SECOND) for _ in range(MAX_IN_FLIGHT)]
    sent(opened)
    with pytest.raises(Busy):
        ask(opened)
    ask(opened, now_ns=2 * SECOND)
    assert all(isinstance(one.error, NoReply) for one in asked)


def test_notices_are_bounded_and_the_lost_ones_counted(opened: Session) -> None:
    for number in range(MAX_NOTICES + 3):
        answer(opened, 0, "shutdown", {"n": number})
    notices = opened.take_notices()
    assert (len(notices), opened.dropped_notices) == (MAX_NOTICES, 3)
    assert notices[0].payload == {"n": 3}
    assert opened.take_notices() == []


def test_unknown_orders_are_remembered_up_to_a_bound(opened: Session) -> None:
    orders = [ask(opened, ORDER) for _ in range(MAX_UNKNOWN + 1)]
    sent(opened)
    for order in orders:
        opened.give_up(order)
    for order in orders[:2]:
        answer(opened, order.request_id, 0, [10_009])
    assert [notice.payload["request_id"] for notice in opened.take_notices()] == [orders[1].request_id]
    assert opened.late == 1


def test_an_unknown_call_never_leaves() -> None:
    with pytest.raises(LocalProtocolError, match="no such call"):
        Exchange("os_system", "", (), None, 0)


def test_what_cant_travel_is_never_taken(opened: Session) -> None:
    with pytest.raises(LocalProtocolError):
        opened.request(exchange(("symbol_info", (object(),))), 0)
    with pytest.raises(LocalProtocolError, match="at most 65520 bytes"):
        opened.request(exchange(("symbol_info", ("x" * 70_000,))), 0)
    assert opened.waiting == 0
    assert opened.next_frame(0) is None


def test_closing_ends_everything(opened: Session) -> None:
    order, read = ask(opened, ORDER), ask(opened)
    sent(opened)
    waiting = exchange(ORDER)
    opened.request(waiting, 0)
    farewell = opened.farewell()
    assert farewell is not None
    assert codec.decode_request(farewell).name == "bye"
    opened.close()
    assert isinstance(order.error, OutcomeUnknown)
    assert isinstance(read.error, Unavailable)
    assert isinstance(waiting.error, Unavailable)
    with pytest.raises(Unavailable, match="closed"):
        opened.request(exchange(), 0)
    assert opened.farewell() is None


def test_an_illegal_move_raises_and_changes_nothing(opened: Session) -> None:
    opened.close()
    with pytest.raises(IllegalMove):
        opened.close()
    assert opened.phase is Phase.CLOSED


def test_every_phase_but_the_last_leads_somewhere() -> None:
    assert {phase for phase, _ in MOVES} == set(Phase) - {Phase.CLOSED}
    assert set(MOVES.values()) == set(Phase)
