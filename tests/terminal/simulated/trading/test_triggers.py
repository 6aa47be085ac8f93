"""What ticks set off: pending orders, stops, expiration, stop-out."""

import pytest

from gateway.wire import constants as mt5

HIGH, LOW = 1.101, 1.099


@pytest.mark.parametrize(
    ("kind", "price", "at_ms", "filled_at", "position_type"),
    [
        (mt5.ORDER_TYPE_BUY_STOP, 1.1005, 1000, 1.1011, 0),
        (mt5.ORDER_TYPE_SELL_LIMIT, 1.1005, 1000, 1.101, 1),
        (mt5.ORDER_TYPE_BUY_LIMIT, 1.0995, 2000, 1.0991, 0),
        (mt5.ORDER_TYPE_SELL_STOP, 1.0995, 2000, 1.099, 1),
    ],
)
def test_pending_order_fills_at_the_tick_that_reaches_it(market, kind, price, at_ms, filled_at, position_type):
    ticket = market.pend(kind, price, comment="rest", magic=3, sl=0.0, tp=0.0).order
    market.move_to(at_ms - 1)
    assert market.positions() == []
    market.move_to(at_ms)
    (position,) = market.positions()
    (order,) = market.history()

    assert market.orders() == []
    assert (position.ticket, position.type, position.price_open) == (ticket, position_type, filled_at)
    assert (position.comment, position.magic) == ("rest", 3)
    assert (order.ticket, order.type, order.state, order.price_open) == (ticket, kind, mt5.ORDER_STATE_FILLED, price)
    assert order.time_done_msc - order.time_setup_msc == at_ms


@pytest.mark.parametrize(
    ("side", "stops", "reason", "comment", "at_ms", "price"),
    [
        ("buy", {"sl": 1.0995}, mt5.DEAL_REASON_SL, "[sl 1.09950]", 2000, 1.099),
        ("buy", {"tp": 1.1005}, mt5.DEAL_REASON_TP, "[tp 1.10050]", 1000, 1.101),
        ("sell", {"sl": 1.1005}, mt5.DEAL_REASON_SL, "[sl 1.10050]", 1000, 1.1011),
        ("sell", {"tp": 1.0995}, mt5.DEAL_REASON_TP, "[tp 1.09950]", 2000, 1.0991),
    ],
)
def test_stop_closes_the_position_at_the_tick(market, side, stops, reason, comment, at_ms, price):
    ticket = getattr(market, side)(magic=9, **stops).order
    market.move_to(at_ms - 1)
    assert len(market.positions()) == 1
    market.move_to(at_ms)
    deal, order = market.deals()[-1], market.history()[-1]

    assert market.positions() == []
    assert (deal.reason, deal.comment, deal.price, deal.magic) == (reason, comment, price, 9)
    assert (deal.entry, deal.position_id, deal.order) == (1, ticket, order.ticket)
    assert (order.reason, order.comment, order.position_id) == (reason, comment, ticket)


def test_several_ticks_in_one_slice_are_taken_in_order(market):
    market.buy(tp=1.1005)
    market.sell(tp=1.0995)
    market.move_to(3000)

    assert [deal.comment for deal in market.deals()[-2:]] == ["[tp 1.10050]", "[tp 1.09950]"]
    assert [deal.price for deal in market.deals()[-2:]] == [1.101, 1.0991]


def test_order_expires_at_its_time(market):
    ticket = market.pend(2, 1.05, type_time=2, expiration=1_700_000_002).order
    market.move_to(1999)
    assert len(market.orders()) == 1
    market.move_to(2000)

    assert [(order.ticket, order.state) for order in market.history()] == [(ticket, mt5.ORDER_STATE_EXPIRED)]
    assert market.orders() == []


def test_triggered_order_without_money_is_rejected(market):
    market.buy(volume=60.0)
    ticket = market.pend(2, 1.0995, volume=60.0).order
    market.move_to(2000)

    assert [(order.ticket, order.state) for order in market.history()][-1] == (ticket, mt5.ORDER_STATE_REJECTED)
    assert len(market.positions()) == 1


def test_stop_out_closes_the_worst_position(written):
    harness = written({"EURUSD": [(0, 1.1, 1.1001), (1000, 1.0, 1.0001)]}, deposit=1_650.0)
    worse, better = harness.buy(volume=0.15).order, harness.buy(volume=0.01).order
    harness.move_to(1000)
    deal = harness.deals()[-1]

    assert [position.ticket for position in harness.positions()] == [better]
    assert (deal.position_id, deal.reason) == (worse, mt5.DEAL_REASON_SO)
    assert deal.comment.startswith("[so ")


def test_position_opened_by_a_tick_isnt_stopped_by_the_same_one(market):
    market.pend(mt5.ORDER_TYPE_BUY_LIMIT, 1.0995, sl=1.0993)
    market.move_to(2000)  # the bid is below the stop already
    assert len(market.positions()) == 1
    market.move_to(3000)

    assert len(market.positions()) == 1
