"""Whom an event is told to, by which number, and for how long it can be asked for."""

import pytest

from gateway.core.dedupe import Retention
from gateway.core.eventlog import EventRetention
from gateway.core.records import Kind, scan
from gateway.wire import constants as mt5
from gateway.wire.errors import Code, Status
from gateway.wire.structs import AccountInfo, TradeDeal, TradeOrder, TradePosition
from gateway.wire.tags import tag_of, tagged

SECOND = 1_000_000_000
NOW_MSC = 1_600_000_000_000
DAY_NS = 86_400 * SECOND
WALL_NS = NOW_MSC * 1_000_000 + 30 * DAY_NS
ENTRY = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0}
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
FILLED, OPENED = "filled", "opened"


def row(structure, **fields):
    values = {name: kind() for name, kind in structure.__annotations__.items()}
    return list((values | fields).values())


def order(ticket, comment="", at=NOW_MSC, **fields):
    fields = {"time_setup_msc": at, "time_done_msc": at, "state": mt5.ORDER_STATE_FILLED, "comment": comment} | fields
    return row(TradeOrder, ticket=ticket, **fields)


def resting(ticket, comment="", **fields):
    return order(ticket, comment, **({"state": mt5.ORDER_STATE_PLACED, "type": 2, "time_done_msc": 0} | fields))


def deal(ticket, order=0, position=0, at=NOW_MSC, **fields):
    fields = {"volume": 0.1, "symbol": "EURUSD", "order": order, "position_id": position or order} | fields
    return row(TradeDeal, ticket=ticket, time_msc=at, **fields)


def position(ticket, **fields):
    fields = {"identifier": ticket, "volume": 0.1, "symbol": "EURUSD", "time_msc": NOW_MSC} | fields
    return row(TradePosition, ticket=ticket, **fields)


class World:
    """Brokers on one journal, each after the other, and what a terminal shows them."""

    def __init__(self, make_plane, margin_mode=mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING, **options):
        self.make_plane, self.options = make_plane, options
        self.margin_mode = margin_mode
        self.data = b""
        self.first = 1
        self.generation = 0
        self.proof = None
        self.now_ns = 10 * SECOND
        self.sent = 0
        self.start()

    def start(self):
        self.generation += 1
        options = {"watch_ns": SECOND // 2, "session_timeout_ns": 2**60, "observers": ("auditor",)} | self.options
        self.plane = plane = self.make_plane(generation=self.generation, **options)
        plane.now_ns = self.now_ns
        records, end, problem = scan(self.data, self.first)
        assert (end, problem) == (len(self.data), "")
        plane.engine.recover(records)
        plane.engine.start(bytes(16), self.now_ns, WALL_NS + self.now_ns)
        plane.on_records = self.write
        plane.flush()
        plane.ready(proof=self.proof)
        self.tokens = {}
        self.asked = []

    def write(self, data):
        self.data += data

    def join(self, client, **options):
        self.tokens[client] = self.plane.hello(client, identity=client.encode(), **options)

    def read(self, **parts):
        """Let the broker read what the terminal shows."""
        self.now_ns += SECOND
        self.plane.now_ns = self.now_ns
        self.plane.engine.tick(self.now_ns)
        (call,) = [call for call in self.plane.all_calls() if call.name == "ledger"]
        self.asked.append(call.args[0])
        shown = {"positions": [], "orders": [], "history_orders": [], "deals": [], "server_time_msc": NOW_MSC} | parts
        account = {"login": 5001, "server": "Broker-Demo", "connected": True}
        account |= {name: value for name, value in (self.proof or {}).items() if name in account}
        margin_mode = {"account": row(AccountInfo, margin_mode=self.margin_mode)}
        self.plane.give_back(call, account | margin_mode | shown)
        self.plane.flush()

    def notices(self, client):
        """Return the order events that a client was sent since it was last asked."""
        return [one.result for one in self.plane.replies(client.encode()) if one.status == "order"]

    def events(self, client, number):
        return self.plane.answer("events", number, token=self.tokens[client], identity=client.encode()).result

    def send(self, client, ticket, request=ENTRY, answered=True):
        """Let a client send an order; return its id and the comment that the terminal shows."""
        self.sent += 1
        born = (WALL_NS + self.now_ns) // 1_000_000 + self.sent
        order_id = "".join(DIGITS[born << 80 >> shift & 31] for shift in range(125, -1, -5))
        request_id = self.plane.ask(
            "order_send",
            request | {"client_order_id": order_id},
            token=self.tokens[client],
            identity=client.encode(),
            ttl_ms=10**6,
        )
        (call,) = self.plane.calls()
        self.plane.give_back(call, [10009, 0, ticket] if answered else [400, "lost", None], status=0 if answered else 4)
        self.plane.reply(request_id, client.encode())
        return order_id, tagged(tag_of(order_id), "mine")


@pytest.fixture
def world(make_plane):
    """A hedging account whose empty ledger was read, and two clients."""
    world = World(make_plane)
    world.join("me")
    world.join("other")
    world.read()
    return world


@pytest.fixture
def netting(make_plane):
    world = World(make_plane, mt5.ACCOUNT_MARGIN_MODE_RETAIL_NETTING)
    world.join("me")
    world.join("other")
    world.read()
    return world


def fill(world, client, ticket, **fields):
    """Let a client's order open a position (or trade into one), and the broker see it."""
    order_id, comment = world.send(client, ticket)
    world.read(history_orders=[order(ticket, comment)], deals=[deal(ticket + 1_000, ticket, **fields)])
    return order_id


# --- whom ---


def test_an_event_is_told_to_the_orders_client_as_it_would_read_it(world):
    order_id, comment = world.send("me", 500)
    world.read(history_orders=[order(500, comment)], deals=[deal(900, 500, comment=comment)], positions=[position(500)])

    filled, opened = world.notices("me")

    assert (filled["number"], filled["kind"], filled["account"]) == (1, FILLED, "demo")
    assert (filled["client_order_id"], filled["time_msc"]) == (order_id, NOW_MSC)
    assert (TradeDeal(filled["deal"]).ticket, TradeDeal(filled["deal"]).comment) == (900, "mine")
    assert (TradeOrder(filled["order"]).comment, TradePosition(filled["position"]).ticket) == ("mine", 500)
    assert "clients" not in filled
    assert (opened["number"], opened["kind"], opened["client_order_id"]) == (2, OPENED, order_id)
    assert (opened["order"], opened["deal"]) == (None, None)
    assert world.notices("other") == []


@pytest.mark.parametrize("answered", [True, False])
def test_a_tag_alone_or_a_ticket_alone_tells_whose_an_order_is(world, answered):
    _, comment = world.send("me", 500, answered=answered)
    shown = "broker's own" if answered else comment
    world.read(history_orders=[order(500, shown)], deals=[deal(900, 500)])
    assert [event["kind"] for event in world.notices("me")] == [FILLED]


def test_another_orders_ticket_tells_nothing(world):
    world.send("me", 500)
    world.read(history_orders=[order(501)], deals=[deal(900, 501)])
    assert world.notices("me") == []


def test_an_answer_that_names_the_changed_order_doesnt_make_it_the_changers(world):
    _, comment = world.send("me", 500, {"action": 5, "symbol": "EURUSD", "volume": 0.1, "type": 2, "price": 1.0})
    world.send("other", 500, {"action": 8, "order": 500})
    world.read(history_orders=[order(500, comment, state=mt5.ORDER_STATE_CANCELED)])
    assert [event["kind"] for event in world.notices("me")] == ["canceled"]
    assert world.notices("other") == []


def test_an_id_that_two_clients_chose_is_told_apart_by_the_answer(world):
    first, comment = world.send("me", 500)
    world.sent -= 1
    second, _ = world.send("other", 600)
    assert first == second
    world.read(history_orders=[order(600, comment)], deals=[deal(900, 600)])
    assert [event["kind"] for event in world.notices("other")] == [FILLED]
    assert world.notices("me") == []


@pytest.mark.parametrize(
    ("reason", "kind"), [(0, "closed"), (3, "closed"), (4, "stop_loss"), (5, "take_profit"), (6, "stop_out")]
)
def test_what_ends_a_position_is_told_to_who_opened_it(world, reason, kind):
    order_id = fill(world, "me", 500)
    world.notices("me")
    world.read(history_orders=[order(700, reason=reason)], deals=[deal(901, 700, 500, entry=1, reason=reason)])
    (event,) = world.notices("me")
    assert (event["kind"], event["client_order_id"], event["number"]) == (kind, order_id, 2)


def test_a_stop_that_carries_the_opening_comment_is_still_of_the_position(world):
    order_id, comment = world.send("me", 500)
    world.read(history_orders=[order(500, comment)], deals=[deal(900, 500)])
    world.notices("me")
    world.read(deals=[deal(901, 700, 500, entry=1, reason=4, comment=comment)])
    assert [event["client_order_id"] for event in world.notices("me")] == [order_id]


def test_who_closes_anothers_position_and_who_had_it_are_both_told(world):
    opening_id = fill(world, "me", 500)
    closing_id, comment = world.send("other", 600, ENTRY | {"type": 1, "position": 500})
    world.notices("me")
    world.read(history_orders=[order(600, comment)], deals=[deal(901, 600, 500, entry=1, type=1)])
    assert [(event["kind"], event["client_order_id"]) for event in world.notices("me")] == [("closed", opening_id)]
    assert [(event["kind"], event["client_order_id"]) for event in world.notices("other")] == [("closed", closing_id)]


def test_new_stops_are_told_to_who_has_the_position(world):
    fill(world, "me", 500)
    world.read(positions=[position(500)])
    world.notices("me")
    world.read(positions=[position(500, sl=1.0)])
    assert [event["kind"] for event in world.notices("me")] == ["stops_modified"]


def test_on_a_netting_account_each_deal_is_its_orders_and_a_stop_is_everybodys_who_has_a_share(netting):
    fill(netting, "me", 500, position=500)
    fill(netting, "other", 600, position=500)
    _, comment = netting.send("me", 700)
    netting.read(history_orders=[order(700, comment)], deals=[deal(950, 700, 500, entry=1, type=1)])
    assert [event["kind"] for event in netting.notices("me")] == [FILLED, "closed"]  # it is out
    assert [event["kind"] for event in netting.notices("other")] == [FILLED]

    netting.read(deals=[deal(960, 800, 500, entry=1, type=1, reason=4)])

    assert netting.notices("me") == []
    assert [event["kind"] for event in netting.notices("other")] == ["stop_loss"]


def test_nobodys_trades_are_told_to_observers_alone(world):
    world.join("auditor", observe=True)
    fill(world, "me", 500)
    world.read(deals=[deal(902, 700), deal(903, 0, type=2)], history_orders=[order(700)])
    assert [(event["kind"], event["clients"], event["number"]) for event in world.notices("auditor")] == [
        (FILLED, ["me"], 1),
        (FILLED, [], 2),
        ("balance", [], 3),
    ]
    assert len(world.notices("me")) == 1


def test_who_isnt_permitted_may_not_observe(world):
    reply = world.plane.answer("hello", "me", {"observe": True}, token=0, identity=b"third")
    assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.PERMISSION)
    assert world.events("me", 1)["next"] == 1  # and its older session lives


@pytest.mark.parametrize("options", [{"observe": 1}, {"events_from": 0}, {"events_from": "1"}, {"events_from": 2**63}])
def test_misshapen_options_are_refused(world, options):
    reply = world.plane.answer("hello", "new", options, token=0, identity=b"third")
    assert (reply.status, reply.result[0]) == (Status.PROTOCOL, Code.BAD_ARGUMENTS)


@pytest.mark.parametrize("args", [(0,), (-1,), ("1",), (1, 2), (None,), (2**63,)])
def test_a_misshapen_number_is_refused(world, args):
    reply = world.plane.answer("events", *args, token=world.tokens["me"], identity=b"me")
    assert (reply.status, reply.result[0]) == (Status.PROTOCOL, Code.BAD_ARGUMENTS)


# --- the first sight of an account ---


def test_the_first_sight_of_an_account_is_no_flood_of_events(make_plane):
    world = World(make_plane)
    world.join("auditor", observe=True)
    parts = {"orders": [resting(1)], "positions": [position(2)], "deals": [deal(3, 2)], "history_orders": [order(2)]}
    world.read(**parts)
    world.read(**parts)
    assert world.notices("auditor") == []
    world.read(**parts | {"orders": [], "deals": [deal(3, 2), deal(4, 1)]})
    assert [event["kind"] for event in world.notices("auditor")] == [FILLED]


def test_what_our_own_orders_did_before_the_first_sight_is_told(make_plane):
    world = World(make_plane)
    world.join("me")
    _, comment = world.send("me", 500)
    world.read(history_orders=[order(500, comment), order(2)], deals=[deal(900, 500), deal(3, 2)])
    assert [(event["number"], event["deal"][0]) for event in world.notices("me")] == [(1, 900)]


# --- numbers ---


def test_events_are_asked_for_by_number(world):
    assert world.events("me", 1) == {"first": 1, "next": 1, "events": []}
    for ticket in (500, 600, 700):
        fill(world, "me", ticket)
    page = world.events("me", 2)
    assert (page["first"], page["next"]) == (1, 4)
    assert [event["number"] for event in page["events"]] == [2, 3]
    assert page["events"] == world.notices("me")[1:]
    without = world.plane.answer("events", token=world.tokens["me"], identity=b"me").result
    assert without == {"first": 1, "next": 4, "events": []}


def test_a_hello_is_followed_by_what_was_missed(world):
    for ticket in (500, 600, 700):
        fill(world, "me", ticket)
    world.notices("me")
    world.join("me", events_from=2)
    assert [event["number"] for event in world.notices("me")] == [2, 3]


@pytest.mark.parametrize("retention", [EventRetention(max_per_client=2), EventRetention(max_events=2)])
def test_what_isnt_kept_any_more_is_told_as_a_gap(make_plane, retention):
    world = World(make_plane, event_retention=retention)
    world.join("me")
    world.read()
    for ticket in (500, 600, 700, 800):
        fill(world, "me", ticket)

    page = world.events("me", 2)

    assert page["first"] == 3
    assert page["events"][0] == {"number": 2, "kind": "gap", "missed": 1}
    assert [event["number"] for event in page["events"]] == [2, 3, 4]


def test_who_knows_more_than_was_ever_told_learns_that_the_numbering_began_anew(world):
    fill(world, "me", 500)
    page = world.events("me", 57)
    assert page["events"][0] == {"number": 0, "kind": "gap", "missed": None}
    assert [event["number"] for event in page["events"]] == [0, 1]
    assert world.events("other", 57)["events"] == [{"number": 0, "kind": "gap", "missed": None}]


def test_events_are_kept_for_a_time_and_their_numbers_for_ever(world):
    fill(world, "me", 500)
    world.now_ns += 2 * DAY_NS
    world.start()
    world.join("me")
    world.read()
    assert world.events("me", 1)["events"] == [{"number": 1, "kind": "gap", "missed": 1}]
    data, first = segment(world)
    world.data, world.first = data, first
    world.start()
    world.join("me")
    world.read()
    fill(world, "me", 600)
    assert [event["number"] for event in world.notices("me")] == [2]


def segment(world):
    """Begin a segment; return its bytes and its first record's sequence."""
    world.plane.flush()
    first = scan(world.data, world.first)[0][-1][0] + 1
    world.plane.engine.begin_segment()
    data, _ = world.plane.engine.take_records()
    return data, first


def test_a_segment_is_kept_as_long_as_an_event_in_it(world):
    world.read(deals=[deal(900, 500)], history_orders=[order(500)])
    (record,) = [record for record in scan(world.data, 1)[0] if record[3] == Kind.EVENT]
    world.plane.flush()
    assert world.plane.engine.begin_segment() <= record[0]


# --- another broker ---


def test_a_restarted_broker_tells_nothing_twice_and_what_happened_meanwhile(world):
    _, comment = world.send("me", 500)
    parts = {"history_orders": [order(500, comment)], "deals": [deal(900, 500)]}
    world.read(**parts, positions=[position(500)])
    world.start()
    world.join("me")
    later = NOW_MSC + 5_000_000
    world.read(**parts | {"deals": [deal(900, 500), deal(901, 700, 500, later, entry=1, reason=4)]})
    assert [(event["number"], event["kind"]) for event in world.notices("me")] == [(3, "stop_loss")]
    assert world.asked == [NOW_MSC // 1_000 - 120]


def test_what_is_known_is_recorded_again_after_many_events(world, monkeypatch):
    monkeypatch.setattr("gateway.core.eventlog.CHECKPOINT_EVENTS", 2)
    for ticket in (500, 600, 700, 800, 900):
        fill(world, "me", ticket)
    assert [record[3] for record in scan(world.data, 1)[0]].count(Kind.NUMBERED) == 2
    world.start()
    world.join("me")
    world.read(deals=[deal(ticket + 1_000, ticket) for ticket in (500, 600, 700, 800, 900)])
    fill(world, "me", 950)
    assert [event["number"] for event in world.notices("me")] == [6]
    assert [event["number"] for event in world.events("me", 1)["events"]] == [1, 2, 3, 4, 5, 6]


def test_whose_a_resting_order_is_stays_known_when_the_order_is_forgotten(make_plane):
    world = World(make_plane, retention=Retention(max_orders=1))
    world.join("me")
    world.read()
    request = {"action": 5, "symbol": "EURUSD", "volume": 0.1, "type": 2, "price": 1.0}
    order_id, comment = world.send("me", 500, request)
    world.read(orders=[resting(500, comment)])
    for ticket in (600, 700):
        world.send("me", ticket)
    world.data, world.first = segment(world)
    world.start()
    world.join("me")
    world.read(orders=[resting(500, comment)])
    world.read(history_orders=[order(500, comment)], deals=[deal(900, 500)])
    (event,) = world.notices("me")
    assert (event["number"], event["kind"], event["client_order_id"]) == (2, FILLED, order_id)


def test_an_event_is_told_when_its_record_is_durable(make_plane):
    world = World(make_plane, gated=True)
    world.plane.engine.durable(2**40)
    world.join("auditor", observe=True)
    world.read()
    world.read(deals=[deal(900, 500)])
    assert world.notices("auditor") == []
    assert world.events("auditor", 1) == {"first": 1, "next": 1, "events": []}
    world.plane.engine.durable(2**40)
    assert [event["number"] for event in world.notices("auditor")] == [1]
    assert world.events("auditor", 1)["next"] == 2


def test_another_login_under_the_same_name_is_another_account(world, proof):
    parts = {"deals": [deal(1_500, 500)], "positions": [position(500)]}
    world.read(**parts)
    world.proof = proof | {"login": 6}
    world.start()
    world.join("auditor", observe=True)
    world.read(deals=[deal(1_500, 500), deal(1_501, 501)])
    assert world.notices("auditor") == []  # seen for the first time
    world.read(deals=[deal(1_500, 500), deal(1_501, 501), deal(1_502, 502)])
    assert [event["deal"][0] for event in world.notices("auditor")] == [1_502]


def test_an_account_whose_tickets_begin_anew_is_another_account(world):
    world.join("auditor", observe=True)
    world.read(deals=[deal(1_500, 500)])
    world.read(deals=[deal(1_500, 500), deal(1_501, 501)])
    assert [event["deal"][0] for event in world.notices("auditor")][-1] == 1_501

    world.read(deals=[deal(1_500, 500, at=NOW_MSC - 60_000)])
    assert world.notices("auditor") == []  # seen for the first time
    world.read(deals=[deal(1_500, 500, at=NOW_MSC - 60_000), deal(1_501, 501, at=NOW_MSC - 50_000)])
    assert [event["deal"][0] for event in world.notices("auditor")] == [1_501]
