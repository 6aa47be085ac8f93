"""The trade server: what it accepts, what it refuses and with which code, and what it enters in the books."""

import math

import pytest

from gateway.wire import constants as mt5

BID, ASK = 1.1, 1.1001
NAN, INF = math.nan, math.inf
QUOTES = {"EURUSD": [(0, BID, ASK)]}


def comment_of(result):
    return result.retcode, result.comment


def test_buy_fills_at_the_ask_and_sell_at_the_bid(market):
    bought, sold = market.buy(), market.sell()

    assert (bought.retcode, bought.price, bought.bid, bought.ask) == (10009, ASK, BID, ASK)
    assert (sold.retcode, sold.price) == (10009, BID)
    assert bought.comment == "Request executed"
    assert bought.request_id != sold.request_id


def test_result_carries_the_request(market):
    request = market.buy(volume=0.3, magic=7, comment="mine", deviation=10).request

    assert (request.volume, request.magic, request.comment, request.deviation) == (0.3, 7, "mine", 10)


def test_opening_order_position_and_deals_share_a_ticket(market):
    result = market.buy(magic=2**64 - 1, comment="mine", sl=1.09, tp=1.2)
    (position,) = market.positions()
    (order,) = market.history()
    deal = market.deals()[-1]

    assert position.ticket == position.identifier == result.order == order.ticket == order.position_id
    assert (deal.ticket, deal.order, deal.position_id, deal.entry) == (result.deal, result.order, result.order, 0)
    assert (order.state, order.volume_initial, order.volume_current) == (mt5.ORDER_STATE_FILLED, 0.1, 0.0)
    for entry in (position, order, deal):
        assert (entry.magic, entry.comment, entry.symbol) == (2**64 - 1, "mine", "EURUSD")
        assert entry.reason == mt5.ORDER_REASON_EXPERT
    assert (position.sl, position.tp, position.price_open) == (1.09, 1.2, ASK)


def test_trade_time_is_the_symbols_time_now(market):
    market.move_to(1500)
    market.buy()
    now_msc = market.terminal.market.symbols["EURUSD"].now_msc

    assert market.deals()[-1].time_msc == market.positions()[0].time_msc == now_msc
    assert market.history()[0].time_setup_msc == market.history()[0].time_done_msc == now_msc


def test_account_begins_with_a_balance_deal(market):
    (deal,) = market.deals()

    assert (deal.type, deal.order, deal.symbol, deal.volume, deal.profit) == (2, 0, "", 0.0, 100_000.0)


def test_close_books_profit_and_leaves_nothing(market):
    ticket = market.buy(volume=1.0).order
    market.move_to(1000)
    result = market.sell(volume=1.0, position=ticket, comment="out")
    deal = market.deals()[-1]
    info = market.call("account_info")

    assert (result.retcode, result.price) == (10009, 1.101)
    assert (deal.entry, deal.type, deal.position_id, deal.order) == (1, mt5.DEAL_TYPE_SELL, ticket, result.order)
    assert (deal.profit, deal.comment) == (90.0, "out")
    assert market.positions() == []
    assert (info.balance, info.equity, info.margin, info.margin_level) == (100_090.0, 100_090.0, 0.0, 0.0)


def test_partial_close_leaves_the_rest(market):
    ticket = market.buy(volume=0.3).order
    assert market.sell(volume=0.1, position=ticket).retcode == 10009
    (position,) = market.positions()

    assert (position.ticket, position.volume) == (ticket, 0.2)
    assert market.sell(volume=0.2, position=ticket).retcode == 10009
    assert market.positions() == []


def test_close_needs_no_symbol_and_ignores_stops(market):
    ticket = market.buy().order
    result = market.sell(position=ticket, symbol="", sl=NAN, tp=INF, volume=0.1)

    assert result.retcode == 10009
    assert (market.history()[-1].sl, market.history()[-1].tp) == (0.0, 0.0)


def test_opposite_orders_hedge(market):
    market.buy()
    market.sell()

    assert [position.type for position in market.positions()] == [0, 1]


def test_close_by_ends_the_smaller_position(market):
    long, short = market.buy(volume=0.3).order, market.sell(volume=0.1).order
    result = market.send(action=10, position=long, position_by=short)
    (position,) = market.positions()
    out, by = market.deals()[-2:]
    order = market.history()[-1]

    assert (result.retcode, result.volume) == (10009, 0.1)
    assert (position.ticket, position.volume) == (long, 0.2)
    assert (out.entry, by.entry, out.position_id, by.position_id) == (3, 3, long, short)
    assert out.profit + by.profit == -1.0
    assert (order.type, order.position_id, order.position_by_id) == (mt5.ORDER_TYPE_CLOSE_BY, long, short)


@pytest.mark.parametrize(
    ("request_fields", "code"),
    [
        ({"action": 0}, mt5.TRADE_RETCODE_INVALID),
        ({"action": 2**32 - 1}, mt5.TRADE_RETCODE_INVALID),
        ({"symbol": "NOPE"}, mt5.TRADE_RETCODE_INVALID),
        ({"symbol": ""}, mt5.TRADE_RETCODE_INVALID),
        ({"type": mt5.ORDER_TYPE_BUY_LIMIT}, mt5.TRADE_RETCODE_INVALID_ORDER),
        ({"type": 99}, mt5.TRADE_RETCODE_INVALID_ORDER),
        ({"volume": 0.0}, mt5.TRADE_RETCODE_INVALID_VOLUME),
        ({"volume": -0.1}, mt5.TRADE_RETCODE_INVALID_VOLUME),
        ({"volume": 0.005}, mt5.TRADE_RETCODE_INVALID_VOLUME),
        ({"volume": 0.015}, mt5.TRADE_RETCODE_INVALID_VOLUME),
        ({"volume": 100.01}, mt5.TRADE_RETCODE_INVALID_VOLUME),
        ({"volume": NAN}, mt5.TRADE_RETCODE_INVALID_VOLUME),
        ({"volume": INF}, mt5.TRADE_RETCODE_INVALID_VOLUME),
        ({"price": NAN}, mt5.TRADE_RETCODE_INVALID_PRICE),
        ({"price": -1.0}, mt5.TRADE_RETCODE_INVALID_PRICE),
        ({"price": 1e308}, mt5.TRADE_RETCODE_INVALID_PRICE),
        ({"action": 5, "type": 4, "price": 1e308}, mt5.TRADE_RETCODE_INVALID_PRICE),
        ({"tp": 1e308}, mt5.TRADE_RETCODE_INVALID_STOPS),
        ({"sl": BID}, mt5.TRADE_RETCODE_INVALID_STOPS),
        ({"sl": NAN}, mt5.TRADE_RETCODE_INVALID_STOPS),
        ({"tp": BID}, mt5.TRADE_RETCODE_INVALID_STOPS),
        ({"tp": -1.0}, mt5.TRADE_RETCODE_INVALID_STOPS),
        ({"type": 1, "sl": ASK}, mt5.TRADE_RETCODE_INVALID_STOPS),
        ({"type": 1, "tp": ASK}, mt5.TRADE_RETCODE_INVALID_STOPS),
        ({"symbol": "XAUUSD", "sl": 2349.91}, mt5.TRADE_RETCODE_INVALID_STOPS),
        ({"type_filling": mt5.ORDER_FILLING_RETURN}, mt5.TRADE_RETCODE_INVALID_FILL),
        ({"type_filling": mt5.ORDER_FILLING_BOC}, mt5.TRADE_RETCODE_INVALID_FILL),
        ({"type_filling": 99}, mt5.TRADE_RETCODE_INVALID_FILL),
        ({"symbol": "XAUUSD", "type_filling": mt5.ORDER_FILLING_FOK}, mt5.TRADE_RETCODE_INVALID_FILL),
        ({"volume": 91.0}, mt5.TRADE_RETCODE_NO_MONEY),
        ({"position": 1, "type": 1}, mt5.TRADE_RETCODE_POSITION_CLOSED),
        ({"action": 5, "symbol": "NOPE"}, mt5.TRADE_RETCODE_INVALID),
        ({"action": 5, "type": mt5.ORDER_TYPE_BUY}, mt5.TRADE_RETCODE_INVALID_ORDER),
        ({"action": 5, "type": mt5.ORDER_TYPE_CLOSE_BY, "price": 1.0}, mt5.TRADE_RETCODE_INVALID_ORDER),
        ({"action": 6, "position": 1}, mt5.TRADE_RETCODE_POSITION_CLOSED),
        ({"action": 7, "order": 1, "price": 1.0}, mt5.TRADE_RETCODE_INVALID_ORDER),
        ({"action": 8, "order": 1}, mt5.TRADE_RETCODE_INVALID_ORDER),
        ({"action": 10, "position": 1, "position_by": 2}, mt5.TRADE_RETCODE_POSITION_CLOSED),
    ],
)
def test_refusal_has_its_code_and_changes_nothing(market, request_fields, code):
    result = market.send(**({"type": 0, "volume": 0.1} | request_fields))

    assert result.retcode == code
    assert tuple(result)[1:7] == (0, 0, 0.0, 0.0, 0.0, 0.0)
    assert result.comment
    assert result.request_id == 0
    assert (market.positions(), market.orders(), len(market.deals())) == ([], [], 1)


def test_comments_are_the_terminals(market):
    assert comment_of(market.buy(type_filling=2)) == (10030, "Unsupported filling mode")
    assert comment_of(market.buy(price=-1.0)) == (10015, "Invalid price")
    assert comment_of(market.buy(sl=9.0)) == (10016, "Invalid stops")


def test_symbol_without_a_tick_has_no_prices(written):
    harness = written({"EURUSD": [(0, 1.1, 1.1001)]}, select=False)
    unselected = harness.buy()
    harness.call("symbol_select", "EURUSD", True)
    no_tick_yet = harness.buy()
    harness.move_to(0)

    assert comment_of(unselected) == comment_of(no_tick_yet) == (10021, "No prices")
    assert harness.buy().retcode == 10009


def test_filling_follows_the_symbols_mask(market):
    assert market.buy(type_filling=0).retcode == 10009
    assert market.buy(type_filling=1).retcode == 10009
    assert market.buy(symbol="XAUUSD", type_filling=1).retcode == 10009


def test_close_beyond_the_positions_volume_is_refused(market):
    ticket = market.buy(volume=0.1).order

    assert market.sell(volume=0.2, position=ticket).retcode == mt5.TRADE_RETCODE_INVALID_CLOSE_VOLUME


def test_close_in_the_same_direction_or_of_another_symbol_is_refused(market):
    ticket = market.buy().order

    assert market.buy(position=ticket).retcode == mt5.TRADE_RETCODE_INVALID
    assert market.sell(position=ticket, symbol="XAUUSD").retcode == mt5.TRADE_RETCODE_INVALID
    assert market.send(action=10, position=ticket, position_by=ticket).retcode == mt5.TRADE_RETCODE_INVALID


def test_closed_position_is_not_found(market):
    ticket = market.buy().order
    market.sell(position=ticket)

    assert market.sell(position=ticket).retcode == mt5.TRADE_RETCODE_POSITION_CLOSED


@pytest.mark.parametrize(
    ("mode", "buy", "sell"),
    [
        ("disabled", 10017, 10017),
        ("longonly", 10009, 10042),
        ("shortonly", 10043, 10009),
        ("closeonly", 10044, 10044),
    ],
)
def test_trade_mode_limits_entries(written, mode, buy, sell):
    market = written(QUOTES, symbols={"EURUSD": {"trade_mode": mode}})

    assert (market.buy().retcode, market.sell().retcode) == (buy, sell)


def test_hedging_order_needs_no_more_money(market):
    assert market.buy(volume=90.0).retcode == 10009
    assert market.buy(volume=10.0).retcode == mt5.TRADE_RETCODE_NO_MONEY
    assert market.sell(volume=90.0).retcode == 10009


# --- pending orders ---


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (mt5.ORDER_TYPE_BUY_LIMIT, ASK - 0.00001, ASK),
        (mt5.ORDER_TYPE_SELL_LIMIT, BID + 0.00001, BID),
        (mt5.ORDER_TYPE_BUY_STOP, ASK + 0.00001, ASK),
        (mt5.ORDER_TYPE_SELL_STOP, BID - 0.00001, BID),
    ],
)
def test_pending_order_stands_on_its_side_of_the_market(market, kind, good, bad):
    assert market.pend(kind, bad).retcode == mt5.TRADE_RETCODE_INVALID_PRICE
    assert market.pend(kind, 0.0).retcode == mt5.TRADE_RETCODE_INVALID_PRICE
    assert market.pend(kind, good).retcode == 10009


def test_pending_order_keeps_the_stops_level(market):
    assert market.pend(2, 2350.11, symbol="XAUUSD").retcode == mt5.TRADE_RETCODE_INVALID_PRICE
    assert market.pend(2, 2350.10, symbol="XAUUSD").retcode == 10009
    assert market.pend(2, 2340.0, symbol="XAUUSD", sl=2339.95).retcode == mt5.TRADE_RETCODE_INVALID_STOPS
    assert market.pend(2, 2340.0, symbol="XAUUSD", sl=2339.90, tp=2340.10).retcode == 10009


def test_placed_order_rests(market):
    result = market.pend(2, 1.095, volume=0.2, magic=5, comment="rest", sl=1.09, tp=1.1)
    (order,) = market.orders()

    assert (result.retcode, result.deal, result.order, result.price) == (10009, 0, order.ticket, 0.0)
    assert (order.state, order.volume_initial, order.volume_current) == (mt5.ORDER_STATE_PLACED, 0.2, 0.2)
    assert (order.price_open, order.sl, order.tp, order.magic, order.comment) == (1.095, 1.09, 1.1, 5, "rest")
    assert (order.time_done, order.position_id, order.price_current) == (0, 0, ASK)
    assert market.history() == []


def test_removed_order_is_in_the_history_as_cancelled(market):
    ticket = market.pend(2, 1.095).order
    result = market.send(action=8, order=ticket)

    assert (result.retcode, result.order) == (10009, ticket)
    assert market.orders() == []
    assert [(order.ticket, order.state) for order in market.history()] == [(ticket, mt5.ORDER_STATE_CANCELED)]
    assert market.send(action=8, order=ticket).retcode == mt5.TRADE_RETCODE_INVALID_ORDER


def test_modified_order_has_its_new_terms(market):
    ticket = market.pend(2, 1.095).order
    result = market.send(action=7, order=ticket, price=1.094, sl=1.09, tp=1.1)
    (order,) = market.orders()

    assert (result.retcode, result.order) == (10009, ticket)
    assert (order.ticket, order.price_open, order.sl, order.tp) == (ticket, 1.094, 1.09, 1.1)


def test_modification_without_a_change_is_refused(market):
    ticket = market.pend(2, 1.095).order

    assert market.send(action=7, order=ticket, price=1.095).retcode == mt5.TRADE_RETCODE_NO_CHANGES


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"price": ASK}, mt5.TRADE_RETCODE_INVALID_PRICE),
        ({"price": 0.0}, mt5.TRADE_RETCODE_INVALID_PRICE),
        ({"price": 1.095, "sl": 1.096}, mt5.TRADE_RETCODE_INVALID_STOPS),
        ({"price": 1.095, "type_time": 2, "expiration": 1}, mt5.TRADE_RETCODE_INVALID_EXPIRATION),
    ],
)
def test_modification_keeps_the_rules(market, terms, code):
    ticket = market.pend(2, 1.095).order

    assert market.send(action=7, order=ticket, **terms).retcode == code


@pytest.mark.parametrize(("filling", "code"), [(0, 10009), (1, 10009), (2, 10009), (3, mt5.TRADE_RETCODE_INVALID_FILL)])
def test_pending_order_may_rest_or_fill_by_the_mask(market, filling, code):
    assert market.pend(2, 1.095, type_filling=filling).retcode == code


@pytest.mark.parametrize(
    ("type_time", "expiration", "expires"),
    [
        (mt5.ORDER_TIME_GTC, 0, 0),
        (mt5.ORDER_TIME_DAY, 0, 1_700_006_400),
        (mt5.ORDER_TIME_SPECIFIED, 1_700_000_060, 1_700_000_060),
        (mt5.ORDER_TIME_SPECIFIED_DAY, 1_700_000_060, 1_700_006_400),
    ],
)
def test_lifetime_says_when_an_order_expires(market, type_time, expiration, expires):
    market.pend(2, 1.095, type_time=type_time, expiration=expiration)

    assert market.orders()[0].time_expiration == expires


@pytest.mark.parametrize(
    ("type_time", "expiration"),
    [(4, 0), (2, 0), (2, 1_700_000_000), (2, -1), (2, 2**62), (3, 1_600_000_000)],
)
def test_expiration_in_the_past_or_beyond_time_is_refused(market, type_time, expiration):
    result = market.pend(2, 1.095, type_time=type_time, expiration=expiration)

    assert result.retcode == mt5.TRADE_RETCODE_INVALID_EXPIRATION


def test_pending_orders_are_limited(written):
    market = written(QUOTES, limit_orders=2)
    for _ in range(market.settings.limit_orders):
        market.pend(2, 1.095)

    assert market.pend(2, 1.095).retcode == mt5.TRADE_RETCODE_LIMIT_ORDERS
    assert market.call("account_info").limit_orders == market.settings.limit_orders


# --- stops of positions ---


def test_stops_are_set_and_answered_with_zeros(market):
    ticket = market.buy().order
    result = market.send(action=6, position=ticket, sl=1.09, tp=1.2)
    (position,) = market.positions()

    assert tuple(result)[:8] == (10009, 0, 0, 0.0, 0.0, 0.0, 0.0, "Request executed")
    assert (position.sl, position.tp) == (1.09, 1.2)
    assert market.send(action=6, position=ticket).retcode == 10009
    assert (market.positions()[0].sl, market.positions()[0].tp) == (0.0, 0.0)


def test_same_stops_are_no_change(market):
    ticket = market.buy(sl=1.09).order

    assert market.send(action=6, position=ticket, sl=1.09).retcode == mt5.TRADE_RETCODE_NO_CHANGES


@pytest.mark.parametrize("stops", [{"sl": BID}, {"tp": BID}, {"sl": NAN}, {"tp": INF}, {"sl": -1.0}])
def test_stops_on_the_wrong_side_are_refused(market, stops):
    ticket = market.buy().order

    assert market.send(action=6, position=ticket, **stops).retcode == mt5.TRADE_RETCODE_INVALID_STOPS


def test_prices_between_points_are_rounded(market):
    market.buy(sl=1.0900049, tp=1.1999951)

    assert (market.positions()[0].sl, market.positions()[0].tp) == (1.09, 1.2)


# --- order_check ---


def test_check_is_zero_and_done_and_changes_nothing(market):
    request = {"action": 1, "symbol": "EURUSD", "volume": 1.0, "type": 0, "type_filling": 1}
    result = market.call("order_check", request)

    assert (result.retcode, result.comment) == (0, "Done")
    assert (result.balance, result.equity, result.margin) == (100_000.0, 100_000.0, 1100.1)
    assert result.margin_free == 100_000.0 - 1100.1
    assert market.positions() == []


def test_check_refuses_with_the_sends_code(market):
    request = {"action": 1, "symbol": "EURUSD", "volume": 91.0, "type": 0, "type_filling": 1}

    too_much, wrong = market.call("order_check", request), market.call("order_check", request | {"volume": 0.001})
    assert (too_much.retcode, wrong.retcode) == (10019, 10014)
    assert too_much.margin_free < 0.0
    assert tuple(wrong)[1:7] == (0.0,) * 6
