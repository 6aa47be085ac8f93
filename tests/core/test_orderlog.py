"""Orders by their client's ids, over one broker's life and the next one's: executed once, and never forgotten."""

from types import SimpleNamespace

import pytest

from gateway.core.dedupe import Retention, new_order
from gateway.core.inflight import new_request
from gateway.core.orderlog import OrderLog
from gateway.core.records import scan
from gateway.core.states import ORDER_MOVES, IllegalMove, OrderState
from gateway.wire import codec
from gateway.wire.errors import Code, Status

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
DONE = [10009, 5, 6]
SECOND = 1_000_000_000
MILLISECOND = 1_000_000


def ulid(born_ms: int, number: int = 0) -> str:
    value = born_ms << 80 | number
    return "".join(DIGITS[value >> shift & 31] for shift in range(125, -1, -5))


class Disk:
    """What the broker's shell does with records: kept, and read by the next broker."""

    def __init__(self, make_plane) -> None:
        self.data = b""
        self.make_plane = make_plane

    def start(self, generation: int, now_ns: int = 10 * SECOND, **options):
        plane = self.make_plane(generation=generation, **options)
        records, end, problem = scan(self.data, 1)
        assert (end, problem) == (len(self.data), "")
        plane.engine.recover(records)
        plane.now_ns = now_ns
        plane.engine.start(bytes(16), now_ns, now_ns)
        plane.on_records = self.write
        plane.flush()
        plane.ready()
        plane.hello()
        return plane

    def write(self, data: bytes) -> None:
        self.data += data

    def last(self) -> int:
        return scan(self.data, 1)[0][-1][0]


@pytest.fixture
def disk(make_plane) -> Disk:
    return Disk(make_plane)


@pytest.fixture
def plane(disk):
    return disk.start(1)


def new_id(plane, number: int = 0, ahead_ms: int = 1) -> str:
    return ulid(plane.now_ns // MILLISECOND + ahead_ms, number)


def send(plane, order_id: str | None, **fields):
    request = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0} | fields
    return plane.ask("order_send", request | ({"client_order_id": order_id} if order_id else {}))


def status(plane, order_id: str):
    return plane.answer("order_status", order_id).result


def greet_again(plane) -> None:
    """Open the same client's session anew: the old one has died of silence."""
    plane.token = 0
    plane.hello()


# --- one life ---


def test_a_repeated_id_gets_the_stored_answer_and_leaves_no_more(plane):
    order_id = new_id(plane)
    first = send(plane, order_id)
    plane.give_back(plane.call(), DONE)
    assert plane.reply(first).result == DONE

    reply = plane.reply(send(plane, order_id))

    assert (reply.status, reply.result, reply.stamps.sent) == (0, DONE, 0)
    assert plane.calls() == []
    assert plane.counters()["orders_repeated"] == 1


def test_a_repeated_id_in_flight_is_said_to_be_so(plane):
    order_id = new_id(plane)
    send(plane, order_id)
    plane.call()

    reply = plane.reply(send(plane, order_id))

    assert (reply.status, reply.result[0]) == (Status.UNKNOWN, Code.IN_FLIGHT)
    assert plane.calls() == []


@pytest.mark.parametrize("change", [{"volume": 0.2}, {"comment": "x"}])
def test_an_id_with_other_content_is_refused(plane, change):
    order_id = new_id(plane)
    send(plane, order_id)
    plane.call()

    reply = plane.reply(send(plane, order_id, **change))

    assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.DUPLICATE_MISMATCH)


def test_ids_are_each_clients_own(plane):
    order_id = new_id(plane)
    send(plane, order_id)
    plane.give_back(plane.call(), DONE)
    other = plane.hello("other", identity=b"other")
    request = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "client_order_id": order_id}

    plane.ask("order_send", request, token=other, identity=b"other")

    assert len(plane.calls()) == 1


@pytest.mark.parametrize("order_id", ["", "x", 7, None, "01HF7YAT00ABCDEFGHJKMNPQRS!"])
def test_what_is_no_id_is_refused(plane, order_id):
    request = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "client_order_id": order_id}
    reply = plane.reply(plane.ask("order_send", request)) if order_id is not None else None
    assert reply is None or (reply.status, reply.result[0]) == (Status.PROTOCOL, Code.BAD_ARGUMENTS)


def test_an_id_born_before_the_journal_is_refused(plane):
    reply = plane.reply(send(plane, ulid(9_999)))
    assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.FORGOTTEN_ID)
    assert status(plane, ulid(9_999))["state"] == "forgotten"


def test_an_id_born_in_the_future_is_refused(plane):
    reply = plane.reply(send(plane, new_id(plane, ahead_ms=70_000)))
    assert reply.result[0] == Code.FORGOTTEN_ID
    assert "future" in reply.result[1]


def test_an_id_pushed_out_by_others_is_never_executed_again(disk):
    plane = disk.start(1, retention=Retention(max_orders=2))
    ids = [new_id(plane, number, ahead_ms=1 + number) for number in range(4)]
    for order_id in ids:
        send(plane, order_id)
        plane.give_back(plane.call(), DONE)

    reply = plane.reply(send(plane, ids[0]))

    assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.FORGOTTEN_ID)
    assert plane.calls() == []
    assert status(plane, ids[3])["state"] == "answered"


def test_an_id_that_has_grown_too_old_is_never_executed_again(disk):
    plane = disk.start(1, retention=Retention(max_age_ms=60_000))
    order_id = new_id(plane)
    send(plane, order_id)
    plane.give_back(plane.call(), DONE)
    plane.live(70 * SECOND, "w1")
    greet_again(plane)

    assert plane.reply(send(plane, order_id)).result[0] == Code.FORGOTTEN_ID
    assert plane.stats()["remembered"] == 0


def test_what_is_unknown_is_never_forgotten(disk):
    plane = disk.start(1, retention=Retention(max_orders=1, max_age_ms=60_000))
    doubtful = new_id(plane)
    send(plane, doubtful)
    plane.call()
    plane.goodbye("w1")
    plane.ready(epoch=2)
    for number in range(3):
        send(plane, new_id(plane, number, ahead_ms=2 + number), volume=0.2)
        plane.give_back(plane.call(), DONE)
    plane.live(100 * SECOND, "w1")
    greet_again(plane)

    assert status(plane, doubtful)["state"] == "unknown"
    assert plane.reply(send(plane, doubtful)).status == Status.UNKNOWN


def test_a_refusal_before_acceptance_leaves_the_id_free(plane):
    plane.goodbye("w1")
    order_id = new_id(plane)
    assert plane.reply(send(plane, order_id)).status == Status.REFUSED
    assert status(plane, order_id)["state"] == "none"
    plane.ready(epoch=2)

    send(plane, order_id)

    assert len(plane.calls()) == 1


def test_an_order_that_never_left_its_queue_is_settled(plane):
    send(plane, new_id(plane))
    plane.call()
    waiting = new_id(plane, 1)
    send(plane, waiting)
    plane.live(20 * SECOND, "w1")

    told = status(plane, waiting)

    assert (told["state"], told["result"][0]) == ("refused", Code.EXPIRED)


def test_orders_without_an_id_get_one(plane):
    first, second = send(plane, None), send(plane, None)
    plane.give_back(plane.call(), DONE)
    plane.give_back(plane.call(), DONE)
    assert plane.reply(first).status == plane.reply(second).status == 0
    assert plane.stats()["remembered"] == 2


def test_a_clients_orders_are_listed_as_they_were_accepted(plane):
    ids = [new_id(plane, number) for number in range(3)]
    for order_id in ids:
        send(plane, order_id)
        plane.pass_time(SECOND)
    plane.give_back(plane.call(), DONE)

    told = plane.answer("client_orders").result

    assert [order["client_order_id"] for order in told] == ids
    assert [order["state"] for order in told] == ["answered", "sent", "accepted"]
    assert [order["result"] for order in told] == [DONE, None, None]
    since = plane.answer("client_orders", told[1]["accepted_ns"]).result
    assert [order["client_order_id"] for order in since] == ids[1:]
    assert plane.answer("client_orders", "x").status == Status.PROTOCOL


def test_entries_are_refused_in_doubt_and_exits_go(plane):
    plane.engine.refuse_entries("the disk is full")
    assert plane.reply(send(plane, new_id(plane))).result[0] == Code.NOT_TRADABLE
    send(plane, new_id(plane, 1), position=7)
    assert len(plane.calls()) == 1


@pytest.mark.parametrize("state", list(OrderState))
def test_an_order_moves_only_along_its_table(state):
    for target in OrderState:
        order = new_order(1, "me", "id", "demo", 0, False, False, b"", 0)
        order.state = state
        if target in ORDER_MOVES[state]:
            order.move(target)
            assert order.state == target
        else:
            with pytest.raises(IllegalMove):
                order.move(target)
            assert order.state == state


# --- the next life ---


def test_an_answer_outlives_the_broker(disk, plane):
    order_id = new_id(plane)
    send(plane, order_id)
    plane.give_back(plane.call(), DONE)
    plane.flush()

    after = disk.start(2, plane.now_ns + SECOND)

    told = status(after, order_id)
    assert (told["state"], told["status"], told["result"]) == ("answered", 0, DONE)
    assert after.reply(send(after, order_id)).result == DONE
    assert after.calls() == []


def test_what_was_sent_is_unknown_to_the_next_broker(disk, plane):
    order_id = new_id(plane)
    send(plane, order_id)
    plane.call()

    after = disk.start(2, plane.now_ns + SECOND)

    reply = after.reply(send(after, order_id))
    assert (reply.status, reply.result[0]) == (Status.UNKNOWN, Code.OUTCOME_UNKNOWN)
    assert after.calls() == []


def test_what_was_never_sent_is_refused_by_the_next_broker(disk, plane):
    send(plane, new_id(plane))
    waiting = new_id(plane, 1)
    send(plane, waiting)
    plane.flush()

    after = disk.start(2, plane.now_ns + SECOND)

    reply = after.reply(send(after, waiting))
    assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.UNAVAILABLE)
    assert after.calls() == []


def test_a_worker_that_lived_on_hands_its_result_over(disk, plane):
    order_id = new_id(plane)
    send(plane, order_id)
    call = plane.call()

    after = disk.start(2, plane.now_ns + SECOND)
    after.give_back(call, DONE)

    (notice,) = after.replies()
    assert (notice.status, notice.result["client_order_id"], notice.result["result"]) == ("answered", order_id, DONE)
    assert status(after, order_id)["state"] == "answered"
    third = disk.start(3, after.now_ns + SECOND)
    assert third.reply(send(third, order_id)).result == DONE


def test_a_worker_that_never_began_says_so_to_the_next_broker(disk, plane):
    order_id = new_id(plane)
    send(plane, order_id)
    call = plane.call()

    after = disk.start(2, plane.now_ns + SECOND)
    after.give_back(call, [Code.UNAVAILABLE, "the line was lost before it began", None], status=2)

    assert status(after, order_id)["state"] == "refused"


@pytest.mark.parametrize("lost", range(1, 400, 7))
def test_a_lost_tail_of_the_journal_forgets_no_answer_that_left(disk, plane, lost):
    """Power fails: the last bytes are gone. Whatever was durable before them is known."""
    ids = [new_id(plane, number) for number in range(4)]
    for order_id in ids:
        send(plane, order_id)
        plane.give_back(plane.call(), DONE)
        plane.flush()
    disk.data = disk.data[: max(len(disk.data) - lost, 0)]
    _, end, problem = scan(disk.data, 1)
    assert problem in ("", "torn")
    disk.data = disk.data[:end]

    after = disk.start(2, plane.now_ns + SECOND)

    states = [status(after, order_id)["state"] for order_id in ids]
    rank = {"answered": 0, "unknown": 1, "refused": 2, "none": 3, "forgotten": 3}
    assert [rank[state] for state in states] == sorted(rank[state] for state in states)


def test_records_are_written_before_what_follows_from_them(disk, plane):
    order_id = new_id(plane)
    send(plane, order_id)
    plane.call()
    assert order_id.encode() in disk.data


def test_nothing_leaves_before_its_record_is_durable(disk):
    plane = disk.start(1, gated=True)
    order_id = new_id(plane)
    request = send(plane, order_id)
    assert plane.calls() == []
    plane.engine.durable(plane.engine.take_records()[1])
    call = plane.call()
    plane.give_back(call, DONE)
    assert plane.silent()
    plane.engine.durable(plane.engine.take_records()[1])
    assert plane.reply(request).result == DONE


def test_reads_do_not_wait_for_the_disk(disk):
    plane = disk.start(1, gated=True)
    request = plane.ask("positions_get")
    plane.give_back(plane.call(), [])
    assert plane.reply(request).status == 0


def test_an_order_that_expires_while_its_record_is_on_the_way_never_leaves(disk):
    plane = disk.start(1, gated=True)
    send(plane, new_id(plane))
    plane.live(20 * SECOND, "w1")
    plane.engine.durable(plane.engine.take_records()[1])
    assert plane.calls() == []


def test_a_segments_first_record_keeps_the_horizon(disk, make_plane):
    plane = disk.start(1, retention=Retention(max_orders=1))
    ids = [new_id(plane, number, ahead_ms=1 + number) for number in range(3)]
    for order_id in ids:
        send(plane, order_id)
        plane.give_back(plane.call(), DONE)
    plane.flush()
    plane.engine.begin_segment()
    segment, first = plane.engine.take_records()
    later = make_plane(generation=2)
    later.engine.recover(scan(segment, first)[0])
    later.engine.start(bytes(16), plane.now_ns, plane.now_ns)
    later.ready()
    later.hello()

    assert later.reply(send(later, ids[0])).result[0] == Code.FORGOTTEN_ID


# --- look-alikes ---


def in_doubt(plane, **fields):
    plane.ready("w2", epoch=1)
    send(plane, new_id(plane), **fields)
    plane.flush()
    plane.goodbye("w1")
    plane.goodbye("w2")
    plane.ready("w1", epoch=2)


def test_what_would_do_the_same_as_an_order_in_doubt_is_refused(plane):
    in_doubt(plane)
    reply = plane.reply(send(plane, new_id(plane, 1), comment="again", price=1.5))
    assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.LOOK_ALIKE)
    assert plane.calls() == []


@pytest.mark.parametrize("other", [{"volume": 0.2}, {"type": 1}, {"symbol": "USDJPY"}, {"position": 5}])
def test_other_orders_go_while_one_is_in_doubt(plane, other):
    in_doubt(plane)
    send(plane, new_id(plane, 1), **other)
    assert len(plane.calls()) == 1


def test_another_clients_orders_go_while_one_is_in_doubt(plane):
    in_doubt(plane)
    plane.token = 0
    plane.hello("somebody else")
    send(plane, new_id(plane, 1))
    assert len(plane.calls()) == 1


def test_what_was_found_after_all_stays_found_for_the_next_broker():
    log, records = OrderLog(1, codec, Retention(), False), []
    log.start(bytes(16), SECOND, SECOND)
    request = new_request(b"", 1, SECOND)
    request.account, request.order_id, request.tail = SimpleNamespace(name="demo"), ulid(999), codec.pack([{}])
    log.accept(request, "me")
    request.worker, request.call_id = SimpleNamespace(name="w1"), 7
    log.sent(request)
    order = request.order
    for state in (OrderState.UNKNOWN, OrderState.NOT_FOUND):
        log.resolve(order, int(state), int(Status.UNKNOWN), codec.pack([400, "", None]))
    records.append(log.take())
    unsure = restarted(records)
    assert next(iter(unsure.unknown.values())).state == OrderState.NOT_FOUND  # still looked for

    log.resolve(order, int(OrderState.ANSWERED), int(Status.OK), codec.pack(DONE))
    records.append(log.take())

    known = restarted(records)
    assert known.table.find("me", ulid(999)).state == OrderState.ANSWERED
    assert not known.unknown


def restarted(written: list[bytes]) -> OrderLog:
    log = OrderLog(2, codec, Retention(), False)
    log.recover(scan(b"".join(written), 1)[0])
    log.start(bytes(16), 2 * SECOND, 2 * SECOND)
    return log


def test_what_is_told_of_an_order_waits_for_its_record_too(disk):
    plane = disk.start(1, gated=True)
    order_id = new_id(plane)
    first = send(plane, order_id)
    plane.flush()
    plane.engine.durable(disk.last())
    plane.give_back(plane.call(), DONE)
    asked = plane.ask("order_status", order_id)
    again = send(plane, order_id)
    assert plane.silent()

    plane.engine.durable(disk.last())

    assert plane.reply(asked).result["state"] == "answered"
    assert plane.reply(first).result == plane.reply(again).result == DONE
