"""Orders in doubt: found in the ledger at once, given up only after all that must hold before, never sent again."""

import pytest

from gateway.core.records import scan
from gateway.wire import codec
from gateway.wire import constants as mt5
from gateway.wire.errors import Code, Status
from gateway.wire.structs import AccountInfo, TradeDeal, TradeOrder, TradePosition
from gateway.wire.tags import tag_of, tagged

SECOND = 1_000_000_000
SETTLE = 60 * SECOND
ORDER_ID = "00000009RM0000000000000000"
ENTRY = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "magic": 7, "client_order_id": ORDER_ID}
TAG = tag_of(ORDER_ID)
DONE = [10009, 5, 6]


def row(structure, **fields):
    values = {name: kind() for name, kind in structure.__annotations__.items()}
    return list((values | fields).values())


def order_row(ticket=500, **fields):
    fields = {
        "comment": tagged(TAG, "mine"),
        "symbol": "EURUSD",
        "volume_initial": 0.1,
        "magic": 7,
        "state": 4,
    } | fields
    return row(TradeOrder, ticket=ticket, **fields)


def deal_row(ticket=900, order=500, **fields):
    return row(TradeDeal, ticket=ticket, order=order, **({"volume": 0.1, "price": 1.2, "symbol": "EURUSD"} | fields))


def ledger(**parts):
    empty = {"login": 5001, "server": "Broker-Demo", "connected": True, "account": row(AccountInfo)}
    return empty | {"positions": [], "orders": [], "history_orders": [], "deals": [], "server_time_msc": 0} | parts


FILLED = {"history_orders": [order_row()], "deals": [deal_row()]}


class Desk:
    """A plane with one order in doubt, whose worker is dead and has a successor."""

    def __init__(self, make_plane, request=ENTRY, released=True):
        self.plane = plane = make_plane(watch_ns=SECOND // 2)
        plane.ready("w1", lanes=("trade",))
        plane.ready("watch", lanes=("watch",))
        plane.hello()
        self.request_id = plane.ask("order_send", request, ttl_ms=100)
        self.call = plane.call(b"w1")
        plane.pass_time(SECOND)
        assert plane.reply(self.request_id).status == Status.UNKNOWN
        if released:
            plane.goodbye("w1")
        self.reads = 0

    def read(self, value=None, *, status=0, after=SECOND):
        """Let time pass, and the terminal show this."""
        self.plane.from_client(codec.encode_request(self.plane.token, 10_000 + self.reads, "ping", "", 0, ()))
        self.plane.pass_time(after)
        self.plane.from_worker(codec.encode_heartbeat("watch", 1), b"watch")
        for call in self.plane.all_calls(b"watch"):
            assert call.name == "ledger"
            self.reads += 1
            self.plane.give_back(call, value if value is not None else ledger(), status=status, identity=b"watch")
        self.plane.flush()

    def state(self):
        return self.plane.answer("order_status", ORDER_ID).result

    def show_nothing_for(self, duration, *, value=None):
        for _ in range(duration // SECOND):
            self.read(value if value is not None else ledger())


@pytest.fixture
def desk(make_plane):
    return Desk(make_plane)


def test_an_order_in_the_ledger_is_answered_and_told(desk):
    desk.plane.replies()
    desk.read(ledger(**FILLED))

    told = [reply for reply in desk.plane.replies() if reply.status == "answered"]

    assert told[0].result["client_order_id"] == ORDER_ID
    assert told[0].result["result"][:5] == [mt5.TRADE_RETCODE_DONE, 900, 500, 0.1, 1.2]
    assert desk.state()["state"] == "answered"
    assert desk.plane.counters()["orders_reconciled"] == 1
    assert desk.plane.reply(desk.plane.ask("order_send", ENTRY)).result[1] == 900
    assert desk.plane.calls() == []


def test_evidence_counts_while_a_worker_may_still_hold_the_order(make_plane):
    desk = Desk(make_plane, released=False)
    desk.read(ledger(**FILLED))
    assert desk.state()["state"] == "answered"


def test_nothing_seen_for_the_settle_time_is_not_executed(desk):
    desk.show_nothing_for(SETTLE - 5 * SECOND)
    assert desk.state()["state"] == "unknown"
    desk.show_nothing_for(10 * SECOND)

    told = desk.state()

    assert (told["state"], told["status"], told["result"][0]) == ("not_found", Status.REFUSED, Code.NOT_EXECUTED)
    assert desk.plane.calls() == []


def test_nothing_is_concluded_while_a_worker_may_still_hold_the_order(make_plane):
    desk = Desk(make_plane, released=False)
    desk.show_nothing_for(3 * SETTLE)
    assert desk.state()["state"] == "unknown"


@pytest.mark.parametrize(
    "spoilt",
    [
        {"value": ledger(connected=False)},
        {"value": ledger(login=6)},
        {"value": ledger(server="Other")},
        {"value": [300, "no", None], "status": 3},
        {"value": {"login": 5001}},
        {"value": 7},
    ],
)
def test_a_doubtful_reading_begins_the_quiet_time_anew(desk, spoilt):
    for _ in range(3):
        desk.show_nothing_for(SETTLE - 10 * SECOND)
        desk.read(**spoilt)
    assert desk.state()["state"] == "unknown"
    desk.show_nothing_for(SETTLE + 5 * SECOND)
    assert desk.state()["state"] == "not_found"


def test_few_readings_conclude_nothing(desk):
    desk.read(after=2 * SETTLE)
    desk.plane.token = 0
    desk.plane.hello()
    assert desk.state()["state"] == "unknown"


def test_a_terminal_that_is_away_keeps_the_order_in_doubt(desk):
    desk.plane.goodbye("watch")
    desk.plane.pass_time(2 * SECOND)
    desk.plane.live(20 * SECOND)
    assert desk.plane.answer("order_status", ORDER_ID).result["state"] == "unknown"


def test_later_evidence_reopens_what_was_not_found(desk):
    desk.show_nothing_for(SETTLE + 5 * SECOND)
    assert desk.state()["state"] == "not_found"
    desk.read(ledger(**FILLED))
    assert desk.state()["state"] == "answered"
    assert desk.plane.stats()["reopened"] == 1


@pytest.mark.parametrize("case", ["stops that are there", "a modified order", "a removed order", "closed by"])
def test_what_another_order_did_later_reopens_no_change_that_was_not_found(make_plane, case):
    """Who is told that a cancel wasn't executed sends another one, and that one's end isn't the first one's."""
    request, parts, _ = CASES[case]
    desk = Desk(make_plane, request)
    position = row(TradePosition, ticket=3, sl=1.0)
    order = row(TradeOrder, ticket=4, state=1, price_open=1.4)
    desk.show_nothing_for(SETTLE + 5 * SECOND, value=ledger(positions=[position], orders=[order]))
    assert desk.state()["state"] == "not_found"
    desk.read(ledger(**parts))
    assert desk.state()["state"] == "not_found"
    assert desk.plane.stats()["reopened"] == 0


def test_a_late_return_reopens_what_was_not_found(desk):
    desk.show_nothing_for(SETTLE + 5 * SECOND)
    desk.plane.give_back(desk.call, DONE)
    assert desk.state()["result"] == DONE
    assert desk.plane.stats()["reopened"] == 1


def test_a_recovered_order_waits_for_its_worker_to_report(make_plane):
    """The worker of an earlier broker's order may still hold it: until its first heartbeat to this one."""
    first = make_plane(generation=1)
    first.ready("w1")
    first.hello()
    records = []
    first.on_records = records.append
    first.ask("order_send", ENTRY)
    first.flush()
    second = make_plane(generation=2, watch_ns=SECOND // 2)
    second.engine.recover(scan(b"".join(records), 1)[0])
    second.now_ns = first.now_ns + SECOND
    second.engine.start(bytes(16), second.now_ns, second.now_ns)
    second.ready("watch", lanes=("watch",))
    second.hello()
    desk = Desk.__new__(Desk)
    desk.plane, desk.reads = second, 0
    desk.show_nothing_for(2 * SETTLE)
    assert desk.state()["state"] == "unknown"
    second.ready("w1", lanes=("trade",))
    second.from_worker(codec.encode_heartbeat("w1", 1), b"w1")
    desk.show_nothing_for(SETTLE + 5 * SECOND)
    assert desk.state()["state"] == "not_found"


# --- by action ---

CASES = {
    "a filled market order": (ENTRY, FILLED, 10009),
    "a deal with the tag alone": (ENTRY, {"deals": [deal_row(comment=tagged(TAG, ""))]}, 10009),
    "a partly filled one": (
        ENTRY,
        {"history_orders": [order_row()], "deals": [deal_row(volume=0.04), deal_row(901, volume=0.03)]},
        10010,
    ),
    "a rejected one": (ENTRY, {"history_orders": [order_row(state=5)]}, 10006),
    "a market order still at work": (ENTRY, {"orders": [order_row(state=0)]}, None),
    "filled, its deal not shown yet": (ENTRY, {"history_orders": [order_row()]}, None),
    "another's tag": (ENTRY, {"history_orders": [order_row(comment="~AAAAAAAA")], "deals": [deal_row()]}, None),
    "its comment overwritten": (
        ENTRY,
        {"history_orders": [order_row(comment="[so]", time_setup=10)], "deals": [deal_row()]},
        10009,
    ),
    "overwritten, on a server hours ahead": (
        ENTRY,
        {"history_orders": [order_row(comment="", time_setup=10 + 3 * 3600)], "deals": [deal_row()]},
        10009,
    ),
    "overwritten, and two alike": (
        ENTRY,
        {"history_orders": [order_row(comment="", time_setup=10), order_row(501, comment="", time_setup=11)]},
        None,
    ),
    "overwritten, of another time": (
        ENTRY,
        {"history_orders": [order_row(comment="", time_setup=400)], "deals": [deal_row()]},
        None,
    ),
    "overwritten, without a magic number": (
        ENTRY | {"magic": 0},
        {"history_orders": [order_row(comment="", magic=0, time_setup=10)], "deals": [deal_row()]},
        None,
    ),
    "a resting pending order": (
        ENTRY | {"action": 5, "type": 2},
        {"orders": [order_row(type=2, state=1)]},
        10009,
    ),
    "a pending order that has expired since": (
        ENTRY | {"action": 5, "type": 2},
        {"history_orders": [order_row(type=2, state=6)]},
        10009,
    ),
    "stops that are there": (
        {"action": 6, "position": 3, "sl": 1.1, "tp": 1.3, "client_order_id": ORDER_ID},
        {"positions": [row(TradePosition, ticket=3, sl=1.1, tp=1.3)]},
        10009,
    ),
    "stops that aren't": (
        {"action": 6, "position": 3, "sl": 1.1, "tp": 1.3, "client_order_id": ORDER_ID},
        {"positions": [row(TradePosition, ticket=3, sl=1.1, tp=1.2)]},
        None,
    ),
    "stops of a netting account": (
        {"action": 6, "symbol": "EURUSD", "sl": 1.1, "client_order_id": ORDER_ID},
        {"positions": [row(TradePosition, ticket=3, symbol="EURUSD", sl=1.1)]},
        10009,
    ),
    "stops of a position that is closed": (
        {"action": 6, "position": 3, "sl": 1.1, "client_order_id": ORDER_ID},
        {},
        10036,
    ),
    "a modified order": (
        {"action": 7, "order": 4, "price": 1.5, "sl": 1.4, "client_order_id": ORDER_ID},
        {"orders": [row(TradeOrder, ticket=4, price_open=1.5, sl=1.4)]},
        10009,
    ),
    "an order that isn't modified": (
        {"action": 7, "order": 4, "price": 1.5, "client_order_id": ORDER_ID},
        {"orders": [row(TradeOrder, ticket=4, price_open=1.6)]},
        None,
    ),
    "an order that ended instead": (
        {"action": 7, "order": 4, "price": 1.5, "client_order_id": ORDER_ID},
        {"history_orders": [row(TradeOrder, ticket=4, state=4)]},
        10035,
    ),
    "a removed order": (
        {"action": 8, "order": 4, "client_order_id": ORDER_ID},
        {"history_orders": [row(TradeOrder, ticket=4, state=2)]},
        10009,
    ),
    "an order that was filled instead": (
        {"action": 8, "order": 4, "client_order_id": ORDER_ID},
        {"history_orders": [row(TradeOrder, ticket=4, state=4)]},
        10035,
    ),
    "an order that is still there": (
        {"action": 8, "order": 4, "client_order_id": ORDER_ID},
        {"orders": [row(TradeOrder, ticket=4, state=1)]},
        None,
    ),
    "closed by": (
        {"action": 10, "position": 3, "position_by": 4, "client_order_id": ORDER_ID},
        {"deals": [deal_row(position_id=3, entry=3), deal_row(901, position_id=4, entry=3)]},
        10009,
    ),
    "half of a close-by": (
        {"action": 10, "position": 3, "position_by": 4, "client_order_id": ORDER_ID},
        {"deals": [deal_row(position_id=3, entry=3)]},
        None,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_action_has_its_own_evidence(make_plane, case):
    request, parts, retcode = CASES[case]
    desk = Desk(make_plane, request)
    desk.read(ledger(**parts))
    told = desk.state()
    if retcode is None:
        assert told["state"] == "unknown"
    else:
        assert (told["state"], told["result"][0]) == ("answered", retcode)


ANONYMOUS = {"time_setup": 0, "comment": "overwritten", "magic": 0}


@pytest.fixture
def nameless(make_plane):
    """An order in doubt that has no magic number."""
    return Desk(make_plane, ENTRY | {"magic": 0})


def test_an_order_that_could_be_it_keeps_it_unknown(nameless):
    setup_s = nameless.plane.now_ns // SECOND
    shown = ledger(history_orders=[order_row(**ANONYMOUS | {"time_setup": setup_s})])
    nameless.show_nothing_for(SETTLE + 10 * SECOND, value=shown)
    assert nameless.state()["state"] == "unknown"


@pytest.mark.parametrize(
    "other",
    [{"symbol": "GBPUSD"}, {"volume_initial": 0.2}, {"magic": 9}, {"reason": mt5.ORDER_REASON_SL}, {"type": 1}],
    ids=lambda other: next(iter(other)),
)
def test_an_order_that_cannot_be_it_does_not(nameless, other):
    setup_s = nameless.plane.now_ns // SECOND
    shown = ledger(history_orders=[order_row(**ANONYMOUS | {"time_setup": setup_s} | other)])
    nameless.show_nothing_for(SETTLE + 10 * SECOND, value=shown)
    assert nameless.state()["state"] == "not_found"


def test_a_close_by_is_not_found_in_another_orders_deals(make_plane):
    request = {"action": 10, "position": 1, "position_by": 2, "client_order_id": ORDER_ID}
    desk = Desk(make_plane, request)
    deals = [deal_row(ticket, entry=mt5.DEAL_ENTRY_OUT_BY, position_id=ticket - 900) for ticket in (901, 902)]
    others = order_row(comment=tagged(tag_of("another"), ""), type=mt5.ORDER_TYPE_CLOSE_BY)

    desk.read(ledger(history_orders=[others], deals=deals))
    assert desk.state()["state"] == "unknown"

    desk.read(ledger(history_orders=[order_row(type=mt5.ORDER_TYPE_CLOSE_BY)], deals=deals))
    assert desk.state()["state"] == "answered"


def test_a_terminal_that_shows_nothing_of_an_account_that_had_money_is_not_believed(desk):
    desk.read(ledger(account=row(AccountInfo, balance=100.0)))
    desk.show_nothing_for(SETTLE + 10 * SECOND)
    assert desk.state()["state"] == "unknown"

    desk.show_nothing_for(SETTLE + 10 * SECOND, value=ledger(account=row(AccountInfo, balance=100.0)))
    assert desk.state()["state"] == "not_found"


def test_of_two_orders_alike_none_is_found_by_its_looks(make_plane):
    """Another client's order of the same magic number is in doubt, too."""
    desk = Desk(make_plane)
    plane = desk.plane
    plane.ready("w2", lanes=("trade",))
    token = plane.hello("other", identity=b"other")
    plane.ask("order_send", ENTRY, token=token, identity=b"other", ttl_ms=100)
    plane.call(b"w2")
    plane.pass_time(SECOND)
    plane.goodbye("w2")
    setup_s = plane.now_ns // SECOND
    desk.read(ledger(history_orders=[order_row(comment="overwritten", time_setup=setup_s)], deals=[deal_row()]))
    assert desk.state()["state"] == "unknown"
