"""What one reading shows that nobody was told of: each change once, by what it is, in the order it happened."""

import pytest

from gateway.core.events import GONE_NS, OWED_MS, SEEN_MS, Book, Change, changes
from gateway.core.evidence import read_ledger
from gateway.wire import constants as mt5
from gateway.wire.events import EventKind
from gateway.wire.structs import AccountInfo, TradeDeal, TradeOrder, TradePosition

NOW_MSC = 1_600_000_000_000
HOUR_MS = 3_600_000


def row(structure, **fields):
    values = {name: kind() for name, kind in structure.__annotations__.items()}
    return list((values | fields).values())


def order(ticket=500, at=NOW_MSC, **fields):
    fields = {"time_setup_msc": at, "time_setup": at // 1_000, "type": 2, "state": 1, "volume_initial": 0.1} | fields
    return row(TradeOrder, ticket=ticket, **fields)


def ended(ticket=500, at=NOW_MSC, **fields):
    return order(ticket, **({"time_done_msc": at, "state": mt5.ORDER_STATE_FILLED} | fields))


def deal(ticket=900, at=NOW_MSC, **fields):
    return row(TradeDeal, ticket=ticket, time_msc=at, **({"order": 500, "volume": 0.1, "position_id": 500} | fields))


def position(ticket=500, at=NOW_MSC, **fields):
    return row(TradePosition, ticket=ticket, **({"identifier": ticket, "time_msc": at, "volume": 0.1} | fields))


def ledger(**parts):
    empty = {"login": 5001, "server": "Demo", "connected": True, "account": row(AccountInfo)}
    return read_ledger(
        empty | {"positions": [], "orders": [], "history_orders": [], "deals": [], "server_time_msc": NOW_MSC} | parts
    )


@pytest.fixture
def book():
    """An account with nothing in it, known."""
    book = Book(5001, "Demo")
    book.settle(ledger(), 0)
    return book


def read(book, now_ns=0, **parts):
    """Take a reading in; return what it told, as (kind, ticket)."""
    shown = ledger(**parts)
    found = changes(book, shown, now_ns)
    for change in found:
        book.take(change)
    book.settle(shown, now_ns)
    return [(change.kind, (change.deal or change.order or change.position).ticket) for change in found]


CASES = {
    "a resting order": ({"orders": [order()]}, [("placed", 500)]),
    "a market order on its way": ({"orders": [order(type=0)]}, []),
    "the rest of a market order": ({"orders": [order(type=0, state=mt5.ORDER_STATE_PARTIAL)]}, [("placed", 500)]),
    "a filled market order": (
        {"history_orders": [ended()], "deals": [deal()], "positions": [position()]},
        [("filled", 900), ("opened", 500)],
    ),
    "a deal whose order isn't shown": ({"deals": [deal()]}, [("filled", 900)]),
    "two deals of one order": (
        {"history_orders": [ended()], "deals": [deal(901, NOW_MSC + 1), deal()]},
        [("partly_filled", 900), ("filled", 901)],
    ),
    "a part of a resting order": (
        {"orders": [order(state=mt5.ORDER_STATE_PARTIAL)], "deals": [deal()]},
        [("placed", 500), ("partly_filled", 900)],
    ),
    "a part, and the rest cancelled": (
        {"history_orders": [ended(state=mt5.ORDER_STATE_CANCELED)], "deals": [deal()]},
        [("partly_filled", 900), ("canceled", 500)],
    ),
    "an order that came and expired": ({"history_orders": [ended(state=6)]}, [("expired", 500)]),
    "a rejected one": ({"history_orders": [ended(state=5)]}, [("rejected", 500)]),
    "an exit by an expert": ({"deals": [deal(entry=1, reason=3)]}, [("closed", 900)]),
    "a stop loss": ({"deals": [deal(entry=1, reason=4)]}, [("stop_loss", 900)]),
    "a take profit": ({"deals": [deal(entry=1, reason=5)]}, [("take_profit", 900)]),
    "a stop-out": ({"deals": [deal(entry=1, reason=6)]}, [("stop_out", 900)]),
    "a close-by": ({"deals": [deal(entry=3), deal(901, entry=3)]}, [("closed", 900), ("closed", 901)]),
    "a reversal": ({"deals": [deal(entry=2)]}, [("filled", 900)]),
    "a deposit": ({"deals": [deal(type=mt5.DEAL_TYPE_BALANCE, order=0)]}, [("balance", 900)]),
    "an order that moved on while the ledger was read": (
        {"orders": [order()], "history_orders": [ended()], "deals": [deal()]},
        [("filled", 900)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_change_is_told_by_what_it_is_and_only_once(book, case):
    parts, told = CASES[case]
    assert read(book, **parts) == told
    assert read(book, **parts) == []
    assert read(book) == []
    assert read(book, **parts) in ([], [("opened", 500)], [("placed", 500)])  # what is open may be open again


@pytest.mark.parametrize("field", ["price_open", "sl", "tp", "price_stoplimit", "time_expiration"])
def test_an_orders_new_terms_are_told(book, field):
    read(book, orders=[order()])
    assert read(book, orders=[order(**{field: 7})]) == [(EventKind.ORDER_MODIFIED, 500)]
    assert read(book, orders=[order(**{field: 7})]) == []


@pytest.mark.parametrize("field", ["sl", "tp"])
def test_a_positions_new_stops_are_told(book, field):
    read(book, positions=[position()])
    assert read(book, positions=[position(price_current=2.0)]) == []
    assert read(book, positions=[position(**{field: 1.5})]) == [(EventKind.STOPS_MODIFIED, 500)]


def test_an_order_that_vanished_before_its_history_shows_is_waited_for(book):
    read(book, orders=[order(at=NOW_MSC - 2 * HOUR_MS)])
    assert read(book) == []
    assert book.since_msc(ledger()) == NOW_MSC - 2 * HOUR_MS
    assert read(book, history_orders=[ended(state=2)]) == [(EventKind.CANCELED, 500)]
    assert book.since_msc(ledger()) is None


def test_an_order_that_is_shown_nowhere_is_told_to_be_gone_once(book):
    read(book, orders=[order()])
    assert read(book, now_ns=1) == []
    assert read(book, now_ns=GONE_NS) == []
    assert read(book, now_ns=GONE_NS + 1) == [(EventKind.GONE, 500)]
    assert read(book, now_ns=3 * GONE_NS) == []


def test_a_position_that_vanishes_and_comes_back_is_not_opened_again(book):
    """A terminal that isn't synchronised yet shows none."""
    read(book, positions=[position()], deals=[deal()])
    assert read(book) == []
    assert read(book, positions=[position()]) == []


def test_the_history_is_read_back_for_a_deal_that_must_be_there(book):
    read(book, positions=[position()], deals=[deal()])
    read(book, server_time_msc=NOW_MSC + 600_000)
    assert book.since_msc(None) == NOW_MSC
    assert read(book, deals=[deal(901, NOW_MSC + 5, entry=1)]) == [(EventKind.CLOSED, 901)]
    assert book.since_msc(None) is None


def test_a_deal_that_never_comes_is_not_waited_for_for_ever(book):
    read(book, positions=[position()], deals=[deal()])
    read(book)
    read(book, server_time_msc=NOW_MSC + OWED_MS + 1)
    assert book.since_msc(None) is None


def test_a_filled_orders_missing_deal_is_waited_for(book):
    shown = ledger(history_orders=[ended()])
    assert book.since_msc(shown) == NOW_MSC
    assert book.since_msc(ledger(history_orders=[ended()], deals=[deal()])) is None


def test_what_is_older_than_the_horizon_was_told(book):
    assert read(book, deals=[deal(1, NOW_MSC - SEEN_MS - 1)]) == []
    read(book, deals=[deal(2)], server_time_msc=NOW_MSC)
    read(book, server_time_msc=NOW_MSC + 2 * SEEN_MS)
    assert book.deals.times == {}
    assert read(book, deals=[deal(2)], server_time_msc=NOW_MSC + 2 * SEEN_MS) == []


def test_the_tickets_that_are_remembered_are_bounded(book, monkeypatch):
    monkeypatch.setattr("gateway.core.events.MAX_SEEN", 10)
    for number in range(40):
        told = read(book, deals=[deal(number, NOW_MSC + number)])
        assert told == [(EventKind.FILLED, number)]
        assert read(book, deals=[deal(number, NOW_MSC + number)]) == []
    assert len(book.deals.times) <= 10
    assert read(book, deals=[deal(number, NOW_MSC + number) for number in range(40)]) == []


def test_the_same_changes_make_the_same_book(book):
    told = [
        Change(EventKind.PLACED, NOW_MSC, TradeOrder(order())),
        Change(EventKind.FILLED, NOW_MSC, TradeOrder(ended()), TradeDeal(deal())),
        Change(EventKind.OPENED, NOW_MSC, position=TradePosition(position())),
        Change(EventKind.STOPS_MODIFIED, NOW_MSC, position=TradePosition(position(sl=1.0))),
    ]
    for change in told:
        book.take(change)
    assert (book.orders, list(book.deals.times), book.positions[500].sl) == ({}, [900], 1.0)
    book.take(Change(EventKind.CLOSED, NOW_MSC, None, TradeDeal(deal(901, entry=1))))
    assert book.positions == {}
