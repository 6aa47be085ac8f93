"""Accounts that hold one position a symbol: what deals make of it."""

import pytest

from gateway.wire import constants as mt5

BID, ASK = 1.1, 1.1001
QUOTES = {"EURUSD": [(0, BID, ASK), (1000, 1.101, 1.1011)], "XAUUSD": [(0, 2350.0, 2350.2)]}


@pytest.fixture(params=["netting", "exchange"])
def netting(written, request):
    return written(QUOTES, margin_mode=request.param)


def test_further_deal_enlarges_the_position_at_the_average_price(netting):
    first = netting.buy(volume=0.1, magic=7, comment="first")
    netting.move_to(1000)
    second = netting.buy(volume=0.3, magic=8)
    (position,) = netting.positions()

    assert (position.ticket, position.identifier, position.volume) == (first.order, first.order, 0.4)
    assert position.price_open == pytest.approx((0.1 * ASK + 0.3 * 1.1011) / 0.4)
    assert (position.magic, position.comment) == (7, "first")
    assert [(deal.entry, deal.position_id) for deal in netting.deals()[1:]] == [(0, first.order), (0, first.order)]
    assert netting.history()[-1].position_id == first.order != second.order


def test_opposite_deal_takes_off_and_closes(netting):
    ticket = netting.buy(volume=0.3, sl=1.05).order
    netting.sell(volume=0.1, sl=1.2)
    (position,) = netting.positions()

    assert (position.ticket, position.volume, position.sl) == (ticket, 0.2, 1.05)  # a part leaves the stops alone
    netting.sell(volume=0.2)
    assert netting.positions() == []
    assert [deal.entry for deal in netting.deals()[2:]] == [1, 1]


def test_reversal_keeps_the_identifier_and_takes_the_orders_ticket(netting):
    opened = netting.buy(volume=0.1, sl=1.05, magic=1).order
    netting.move_to(1000)
    result = netting.sell(volume=0.4, tp=1.05, magic=2, comment="turn")
    (position,) = netting.positions()
    deal = netting.deals()[-1]

    assert (position.ticket, position.identifier, position.type) == (result.order, opened, 1)
    assert (position.volume, position.price_open, position.sl, position.tp) == (0.3, 1.101, 0.0, 1.05)
    assert (position.magic, position.comment, position.time_msc) == (2, "turn", deal.time_msc)
    assert (deal.entry, deal.volume, deal.position_id, deal.profit) == (2, 0.4, opened, 9.0)
    assert len(netting.deals()) == 3  # one deal, not two
    assert netting.send(action=6, position=opened, sl=1.2).retcode == mt5.TRADE_RETCODE_POSITION_CLOSED


def test_enlarging_order_replaces_the_stops_and_none_deletes_them(netting):
    netting.buy(sl=1.05, tp=1.2)
    netting.buy(sl=1.06)
    (position,) = netting.positions()
    assert (position.sl, position.tp) == (1.06, 0.0)
    netting.buy()

    assert (netting.positions()[0].sl, netting.positions()[0].tp) == (0.0, 0.0)


def test_stops_are_set_by_symbol_alone(netting):
    netting.buy()
    result = netting.send(action=6, symbol="EURUSD", sl=1.05)

    assert (result.retcode, netting.positions()[0].sl) == (10009, 1.05)
    assert netting.send(action=6, symbol="XAUUSD", sl=1.0).retcode == mt5.TRADE_RETCODE_POSITION_CLOSED
    assert netting.send(action=6, symbol="NOPE", sl=1.0).retcode == mt5.TRADE_RETCODE_INVALID


def test_position_is_closed_by_its_ticket_too(netting):
    ticket = netting.buy(volume=0.2).order

    assert netting.sell(volume=0.3, position=ticket).retcode == mt5.TRADE_RETCODE_INVALID_CLOSE_VOLUME
    assert netting.sell(volume=0.2, position=ticket).retcode == 10009
    assert netting.positions() == []


def test_positions_cant_be_closed_by_each_other(netting):
    one, other = netting.buy().order, netting.buy(symbol="XAUUSD").order

    assert netting.send(action=10, position=one, position_by=other).retcode == mt5.TRADE_RETCODE_INVALID


def test_triggered_order_takes_off_too(netting):
    ticket = netting.buy(volume=0.3).order
    netting.pend(mt5.ORDER_TYPE_SELL_LIMIT, 1.1005, volume=0.2)
    netting.move_to(1000)
    (position,) = netting.positions()

    assert (position.ticket, position.volume) == (ticket, 0.1)
    assert netting.history()[-1].position_id == ticket


@pytest.mark.parametrize(("mode", "code"), [("closeonly", 10044), ("longonly", 10042)])
def test_order_that_merely_reduces_is_no_entry(written, mode, code):
    market = written(QUOTES, margin_mode="netting")
    market.buy(volume=0.2)
    symbol = market.terminal.market.symbols["EURUSD"]
    other = written(QUOTES, symbols={"EURUSD": {"trade_mode": mode}}).terminal.market.symbols["EURUSD"]
    symbol.specification = other.specification

    assert market.sell(volume=0.3).retcode == code
    assert market.pend(mt5.ORDER_TYPE_SELL_LIMIT, 1.2, volume=0.2).retcode == 10009
    assert market.sell(volume=0.2).retcode == 10009


def test_volume_limit_counts_what_an_opposite_deal_leaves(written):
    market = written(QUOTES, margin_mode="netting", symbols={"EURUSD": {"volume_limit": 0.5}})
    market.buy(volume=0.5)

    assert market.buy(volume=0.1).retcode == mt5.TRADE_RETCODE_LIMIT_VOLUME
    assert market.pend(mt5.ORDER_TYPE_SELL_LIMIT, 1.2, volume=0.6).retcode == mt5.TRADE_RETCODE_LIMIT_VOLUME
    assert market.pend(mt5.ORDER_TYPE_SELL_LIMIT, 1.2, volume=0.1).retcode == 10009
    assert market.sell(volume=0.9).retcode == 10009  # 0.4 the other way, with the 0.1 that is pending


def test_limit_of_positions_counts_symbols(written):
    market = written(QUOTES, margin_mode="netting", limit_positions=1)
    market.buy()

    assert market.buy().retcode == 10009
    assert market.buy(symbol="XAUUSD").retcode == mt5.TRADE_RETCODE_LIMIT_POSITIONS


def test_check_shows_what_a_reversal_would_need(netting):
    netting.buy(volume=1.0)
    request = {"action": 1, "symbol": "EURUSD", "volume": 2.0, "type": 1, "type_filling": 1}
    margin = netting.call("account_info").margin

    assert netting.call("order_check", request).margin == pytest.approx(margin, rel=0.01)


def test_frozen_position_can_be_enlarged_but_not_reduced(written):
    market = written(QUOTES, margin_mode="netting", symbols={"EURUSD": {"freeze_level": 20}})
    market.buy(volume=0.2, sl=BID - 0.0001)

    assert market.sell(volume=0.1).retcode == mt5.TRADE_RETCODE_FROZEN
    assert market.buy(volume=0.1).retcode == 10009
