"""What an operator says of an order in doubt holds, is recorded, and gives way to evidence; exits without a journal."""

import pytest

from gateway.core.limitset import RiskRules
from gateway.core.records import Kind, scan
from gateway.wire import codec
from gateway.wire.errors import Code, Status

DONE = [10009, 5, 6]
SECOND = 1_000_000_000
ORDER_ID = "0000000A1Z0000000000000001"  # born a moment after the plane's clock begins
FULL = "no room"


class Desk:
    """A strategy, an operator, and the strategy's order that its worker has taken to its grave."""

    def __init__(self, make_plane) -> None:
        self.records: list = []
        self.plane = plane = make_plane(risk=RiskRules(operators=("operator",)))
        plane.on_records = lambda data: self.records.append(data)
        plane.engine.start(bytes(16), plane.now_ns, plane.now_ns)
        plane.ready()
        plane.hello("strategy")
        self.operator = plane.hello("operator", identity=b"operator")

    def send(self, order_id: str = ORDER_ID, **fields):
        request = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "client_order_id": order_id}
        return self.plane.ask("order_send", request | fields)

    def doubt(self):
        self.send()
        call = self.plane.call()
        self.plane.goodbye()
        assert self.state() == "unknown"
        self.plane.replies()
        return call

    def state(self) -> str:
        return self.plane.answer("order_status", ORDER_ID).result["state"]

    def say(self, name="resolve_order", **options):
        return self.plane.answer(name, options, token=self.operator, identity=b"operator")

    def resolve(self, **said):
        return self.say(client="strategy", client_order_id=ORDER_ID, reason="looked", who="ann", **said)

    def kinds(self) -> list[int]:
        return [record[3] for record in scan(b"".join(self.records), 1)[0]]


@pytest.fixture
def desk(make_plane) -> Desk:
    return Desk(make_plane)


def test_an_order_that_was_executed_is_answered_with_its_ticket(desk):
    desk.doubt()

    reply = desk.resolve(executed=True, ticket=77)

    assert (reply.status, reply.result["state"]) == (0, "answered")
    told = desk.plane.answer("order_status", ORDER_ID).result
    assert (told["status"], told["result"][0], told["result"][2]) == (0, 10009, 77)
    assert told["result"][7] == "resolved by ann (operator)"
    (notice,) = [reply for reply in desk.plane.replies() if reply.status == "answered"]
    assert (notice.result["client_order_id"], notice.result["result"][2]) == (ORDER_ID, 77)
    assert desk.kinds()[-2:] == [Kind.RESOLVED, Kind.SETTLED]
    (record,) = [record for record in scan(b"".join(desk.records), 1)[0] if record[3] == Kind.RESOLVED]
    assert codec.unpack(record[4])[1:] == [True, 77, "ann (operator)", "looked"]
    assert desk.plane.engine.take_remarks() == [
        f"order {ORDER_ID} of client strategy is resolved: executed as 77, says ann (operator): looked"
    ]


def test_an_order_that_was_not_executed_lets_its_look_alikes_go(desk):
    desk.doubt()
    desk.plane.ready("w2")
    again = ORDER_ID[:-1] + "2"
    assert desk.plane.reply(desk.send(again)).result[0] == Code.LOOK_ALIKE

    assert desk.resolve(executed=False).result["state"] == "not_found"

    told = desk.plane.answer("order_status", ORDER_ID).result
    assert (told["status"], told["result"][0]) == (Status.REFUSED, Code.NOT_EXECUTED)
    assert "says ann (operator): looked" in told["result"][1]
    desk.send(again)
    assert desk.plane.call(b"w2").name == "order_send"


def test_evidence_that_comes_later_reopens_it_with_an_alarm(desk):
    call = desk.doubt()
    desk.resolve(executed=False)

    desk.plane.give_back(call, DONE)

    assert desk.state() == "answered"
    assert desk.plane.stats()["reopened"] == 1


def test_what_a_worker_that_is_there_holds_isnt_called_not_executed(desk):
    desk.send()
    desk.plane.call()
    desk.plane.live(20 * SECOND, "w1")
    assert desk.state() == "unknown"

    reply = desk.resolve(executed=False)

    assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.REFUSED)
    assert "may still be executed: worker w1 is there" in reply.result[1]
    assert desk.resolve(executed=True, ticket=77).status == 0


def test_a_client_doesnt_decide_about_an_order_of_its_own(desk):
    desk.doubt()
    said = {"client": "strategy", "client_order_id": ORDER_ID, "executed": False, "reason": "I want to trade"}
    reply = desk.plane.answer("resolve_order", said)
    assert reply.result[0] == Code.PERMISSION
    assert desk.state() == "unknown"


def test_only_what_is_in_doubt_is_resolved(desk):
    assert "no order" in desk.resolve(executed=False).result[1]
    desk.send()
    call = desk.plane.call()
    assert "is sent: there is nothing to resolve" in desk.resolve(executed=False).result[1]
    desk.plane.give_back(call, DONE)
    assert "is answered: there is nothing to resolve" in desk.resolve(executed=True, ticket=5).result[1]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"client": "strategy", "client_order_id": ORDER_ID, "executed": False},
        {"client": "strategy", "client_order_id": ORDER_ID, "executed": False, "reason": ""},
        {"client": "strategy", "client_order_id": ORDER_ID, "executed": True, "reason": "x"},
        {"client": "strategy", "client_order_id": ORDER_ID, "executed": False, "ticket": 7, "reason": "x"},
        {"client": "strategy", "client_order_id": ORDER_ID, "executed": True, "ticket": -7, "reason": "x"},
        {"client": "strategy", "client_order_id": ORDER_ID, "executed": 1, "ticket": 7, "reason": "x"},
        {"client": "strategy", "client_order_id": ORDER_ID, "executed": False, "reason": "x" * 300},
        {"client": "strategy", "client_order_id": ORDER_ID, "executed": False, "reason": "x", "more": 1},
    ],
)
def test_what_is_said_badly_changes_nothing(desk, options):
    desk.doubt()
    assert desk.say(**options).result[0] == Code.BAD_ARGUMENTS
    assert desk.state() == "unknown"


# --- exits without a journal ---


def test_no_order_that_hasnt_left_leaves_once_the_journal_is_lost(desk, orders):
    sent = desk.send()
    left = desk.plane.call()
    waiting = desk.send(ORDER_ID[:-1] + "2", volume=0.2)
    desk.plane.engine.lose_journal(desk.plane.now_ns, "the disk is dead")

    assert desk.plane.reply(waiting).result[:2] == [Code.JOURNAL, "the disk is dead: it never left"]
    desk.plane.give_back(left, DONE)
    assert desk.plane.reply(sent).result == DONE
    for order, words in ((orders["entry"], "exits are refused, too"), (orders["exit"], "exits are refused, too")):
        reply = desk.plane.reply(desk.plane.ask("order_send", dict(order)))
        assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.JOURNAL)
        assert words in reply.result[1]
    assert desk.plane.calls() == []
    assert not desk.plane.engine.take_records()[0]


def test_what_waits_for_the_disk_doesnt_leave_when_that_is_lost(make_plane):
    plane = make_plane(gated=True)
    plane.engine.start(bytes(16), plane.now_ns, plane.now_ns)
    plane.ready()
    plane.hello()
    request = plane.ask("order_send", {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0})
    plane.flush()
    plane.engine.lose_journal(plane.now_ns, "the disk is dead")
    assert plane.reply(request).result[0] == Code.JOURNAL
    assert plane.calls() == []
    assert plane.answer("ping").status == 0


def test_exits_go_without_a_journal_when_an_operator_says_so(desk, orders):
    assert "nothing to allow" in desk.say("allow_exits", reason="x").result[1]
    desk.plane.engine.lose_journal(desk.plane.now_ns, "the disk is dead")
    refused = desk.plane.answer("allow_exits", {"reason": "mine"})
    assert refused.result[0] == Code.PERMISSION
    assert desk.say("allow_exits").result[0] == Code.BAD_ARGUMENTS

    allowed = desk.say("allow_exits", reason="get out", who="ann")

    assert allowed.result["exits_allowed_by"] == "ann (operator)"
    assert desk.plane.engine.take_remarks() == ["exits go without a record, says ann (operator): get out"]
    request = desk.plane.ask("order_send", dict(orders["exit"]))
    desk.plane.give_back(desk.plane.call(), DONE)
    assert desk.plane.reply(request).status == 0
    entry = desk.plane.reply(desk.plane.ask("order_send", dict(orders["entry"])))
    assert "entries are refused, exits are not" in entry.result[1]
    assert desk.plane.stats()["journal"]["unrecorded"] == 1


def test_exits_that_there_is_no_room_for_wait_for_room(desk, orders):
    desk.plane.engine.refuse_entries(FULL)
    desk.plane.engine.refuse_exits(FULL)
    reply = desk.plane.reply(desk.plane.ask("order_send", dict(orders["exit"])))
    assert (reply.result[0], reply.result[1]) == (Code.NOT_TRADABLE, f"{FULL}: exits are refused, too")
    desk.plane.engine.refuse_exits("")
    desk.plane.ask("order_send", dict(orders["exit"]))
    assert desk.plane.call().name == "order_send"
