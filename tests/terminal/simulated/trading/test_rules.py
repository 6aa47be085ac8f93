"""What a request must satisfy, by what the symbol and the account allow."""

import pytest

from gateway.wire import constants as mt5

BID, ASK = 1.1, 1.1001
QUOTES = {"EURUSD": [(0, BID, ASK), (1000, 1.101, 1.1011)], "XAUUSD": [(0, 2350.0, 2350.2)]}


def with_symbol(written, fields, **settings):
    return written(QUOTES, symbols={"EURUSD": fields}, **settings)


@pytest.mark.parametrize(
    ("allowed", "request_fields"),
    [
        (["market"], {"action": 1, "type": 0}),
        (["limit"], {"action": 5, "type": 2, "price": 1.09}),
        (["stop"], {"action": 5, "type": 4, "price": 1.11}),
        (["stop_limit"], {"action": 5, "type": 6, "price": 1.11, "stoplimit": 1.105}),
        (["market", "sl"], {"action": 1, "type": 0, "sl": 1.05}),
        (["market", "tp"], {"action": 1, "type": 0, "tp": 1.2}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_order_types_are_those_of_the_symbol(written, allowed, request_fields):
    request = {"volume": 0.1, "type_filling": 1} | request_fields
    every = ["market", "limit", "stop", "stop_limit", "sl", "tp", "close_by"]
    others = [name for name in every if name != allowed[-1]]

    assert with_symbol(written, {"order_mode": allowed}).send(**request).retcode == 10009
    assert with_symbol(written, {"order_mode": others}).send(**request).retcode == mt5.TRADE_RETCODE_INVALID_ORDER


def test_stops_and_close_by_need_the_symbols_leave_too(written):
    market = with_symbol(written, {"order_mode": ["market"]})
    long, short = market.buy().order, market.sell().order

    assert market.send(action=6, position=long, tp=1.2).retcode == mt5.TRADE_RETCODE_INVALID_ORDER
    assert market.send(action=10, position=long, position_by=short).retcode == mt5.TRADE_RETCODE_INVALID_ORDER


@pytest.mark.parametrize(("type_time", "name"), [(0, "gtc"), (1, "day"), (2, "specified"), (3, "specified_day")])
def test_lifetimes_are_those_of_the_symbol(written, type_time, name):
    request = {"type_time": type_time, "expiration": 1_700_000_060}
    others = [other for other in ("gtc", "day", "specified", "specified_day") if other != name]

    assert with_symbol(written, {"expiration_mode": [name]}).pend(2, 1.09, **request).retcode == 10009
    refused = with_symbol(written, {"expiration_mode": others}).pend(2, 1.09, **request)
    assert refused.retcode == mt5.TRADE_RETCODE_INVALID_EXPIRATION


def test_book_or_cancel_needs_the_symbols_leave_and_a_limit(written):
    market = with_symbol(written, {"filling_mode": ["boc"]})

    assert market.pend(2, 1.09, type_filling=3).retcode == 10009
    assert market.pend(6, 1.11, stoplimit=1.105, type_filling=3).retcode == 10009
    assert market.pend(4, 1.11, type_filling=3).retcode == mt5.TRADE_RETCODE_INVALID_FILL
    assert market.pend(2, 1.09, type_filling=0).retcode == mt5.TRADE_RETCODE_INVALID_FILL
    assert market.buy(type_filling=3).retcode == mt5.TRADE_RETCODE_INVALID_FILL


@pytest.mark.parametrize(
    ("kind", "frozen", "free"),
    [
        (mt5.ORDER_TYPE_BUY_LIMIT, ASK - 0.0002, ASK - 0.00021),
        (mt5.ORDER_TYPE_SELL_LIMIT, BID + 0.0002, BID + 0.00021),
        (mt5.ORDER_TYPE_BUY_STOP, ASK + 0.0002, ASK + 0.00021),
        (mt5.ORDER_TYPE_SELL_STOP, BID - 0.0002, BID - 0.00021),
    ],
)
def test_order_within_the_freeze_level_stays_as_it_is(written, kind, frozen, free):
    market = with_symbol(written, {"freeze_level": 20})
    close, far = market.pend(kind, frozen).order, market.pend(kind, free).order

    for action in ({"action": 7, "price": 1.0}, {"action": 8}):
        assert market.send(order=close, **action).retcode == mt5.TRADE_RETCODE_FROZEN
    assert market.send(action=8, order=far).retcode == 10009


def test_position_within_the_freeze_level_stays_as_it_is(written):
    market = with_symbol(written, {"freeze_level": 20})
    long, short = market.buy(sl=BID - 0.0002).order, market.sell(tp=ASK - 0.00021).order

    assert market.send(action=6, position=long).retcode == mt5.TRADE_RETCODE_FROZEN
    assert market.sell(position=long).retcode == mt5.TRADE_RETCODE_FROZEN
    assert market.send(action=10, position=short, position_by=long).retcode == mt5.TRADE_RETCODE_FROZEN
    assert market.buy(position=short).retcode == 10009


def test_closed_market_takes_no_request_at_all(written):
    fields = {"sessions": {"tuesday": ["00:00-22:14"]}}  # it begins on a Tuesday, 22:13:20
    market = with_symbol(written, fields, hours="market")
    long, short, order = market.buy().order, market.sell().order, market.pend(2, 1.05).order
    market.terminal.advance(60_000_000_000)

    requests = [
        {"type": 0, "volume": 0.1},
        {"type": 1, "volume": 0.1, "position": long},
        {"action": 5, "type": 2, "price": 1.05, "volume": 0.1, "type_filling": 2},
        {"action": 6, "position": long, "sl": 1.0},
        {"action": 7, "order": order, "price": 1.04},
        {"action": 8, "order": order},
        {"action": 10, "position": long, "position_by": short},
    ]
    assert [market.send(**request).retcode for request in requests] == [mt5.TRADE_RETCODE_MARKET_CLOSED] * 7


def test_disabled_symbol_takes_no_request_at_all(written):
    market = with_symbol(written, {})
    ticket, order = market.buy().order, market.pend(2, 1.05).order
    disabled = with_symbol(written, {"trade_mode": "disabled"}).terminal.market.symbols["EURUSD"].specification
    market.terminal.market.symbols["EURUSD"].specification = disabled

    requests = [{"type": 1, "volume": 0.1, "position": ticket}, {"action": 6, "position": ticket, "sl": 1.0}]
    requests += [{"action": 8, "order": order}, {"action": 5, "type": 2, "price": 1.05, "volume": 0.1}]
    assert [market.send(**request).retcode for request in requests] == [mt5.TRADE_RETCODE_TRADE_DISABLED] * 4


def test_fifo_closes_the_oldest_of_the_symbol_first(written):
    market = written(QUOTES, fifo_close=True)
    first, second = market.buy().order, market.sell().order
    elsewhere = market.buy(symbol="XAUUSD").order

    assert market.call("account_info").fifo_close
    assert market.buy(position=second).retcode == mt5.TRADE_RETCODE_FIFO_CLOSE
    assert market.sell(symbol="XAUUSD", position=elsewhere).retcode == 10009
    assert market.sell(position=first, volume=0.05).retcode == 10009
    assert market.send(action=10, position=second, position_by=first).retcode == 10009
    assert market.buy(position=second, volume=0.05).retcode == 10009


def test_fifo_isnt_for_netting(written):
    market = written(QUOTES, fifo_close=True, margin_mode="netting")

    assert not market.call("account_info").fifo_close
    assert (market.buy().retcode, market.sell().retcode) == (10009, 10009)


def test_volume_limit_is_for_one_direction(written):
    market = with_symbol(written, {"volume_limit": 0.5})
    assert market.buy(volume=0.3).retcode == 10009

    assert market.pend(mt5.ORDER_TYPE_BUY_STOP, 1.2, volume=0.3).retcode == mt5.TRADE_RETCODE_LIMIT_VOLUME
    assert market.pend(mt5.ORDER_TYPE_SELL_LIMIT, 1.2, volume=0.5).retcode == 10009
    assert market.sell(volume=0.1).retcode == mt5.TRADE_RETCODE_LIMIT_VOLUME
    assert market.buy(volume=0.2).retcode == 10009


def test_limit_of_positions_counts_pending_orders_when_hedging(written):
    market = written(QUOTES, limit_positions=2)
    ticket = market.buy().order
    market.pend(2, 1.05)

    assert market.sell().retcode == market.pend(2, 1.05).retcode == mt5.TRADE_RETCODE_LIMIT_POSITIONS
    assert market.sell(position=ticket).retcode == 10009


def test_all_that_is_left_may_be_closed(written):
    market = with_symbol(written, {"volume_min": 0.1, "volume_step": 0.1})
    ticket = market.buy(volume=0.1).order
    position = market.terminal.desk.book.positions[ticket]
    market.terminal.desk.book.reduce_position(position, 0.06, position.time_msc)

    assert market.sell(volume=0.03, position=ticket).retcode == mt5.TRADE_RETCODE_INVALID_VOLUME
    assert market.sell(volume=0.04, position=ticket).retcode == 10009


def test_close_orders_under_way_count(written):
    market = written(QUOTES, execution_delay_ms=50)
    market.buy(volume=0.3)
    market.terminal.advance(60_000_000)
    ticket = market.positions()[0].ticket

    assert market.sell(volume=0.2, position=ticket).retcode == 10008
    assert market.sell(volume=0.2, position=ticket).retcode == mt5.TRADE_RETCODE_CLOSE_ORDER_EXIST
    assert market.sell(volume=0.1, position=ticket).retcode == 10008
    assert market.sell(volume=0.4, position=ticket).retcode == mt5.TRADE_RETCODE_INVALID_CLOSE_VOLUME
    market.terminal.advance(120_000_000)
    assert market.positions() == []


def test_close_by_waits_for_close_orders_under_way(written):
    market = written(QUOTES, execution_delay_ms=50)
    market.buy()
    market.sell()
    market.terminal.advance(60_000_000)
    long, short = (position.ticket for position in market.positions())
    market.sell(position=long)

    assert market.send(action=10, position=long, position_by=short).retcode == mt5.TRADE_RETCODE_CLOSE_ORDER_EXIST


def test_stops_of_no_position_named_are_an_invalid_request_when_hedging(written):
    assert written(QUOTES).send(action=6, sl=1.05).retcode == mt5.TRADE_RETCODE_INVALID


def test_pending_order_that_blocks_margin_needs_money(written):
    market = with_symbol(written, {"margin_rate_pending": 1.0}, deposit=1_500.0)

    assert market.pend(2, 1.05, volume=1.0).retcode == 10009
    assert market.pend(2, 1.05, volume=1.0).retcode == mt5.TRADE_RETCODE_NO_MONEY


def test_triggered_order_doesnt_pay_for_what_it_blocked_itself(written):
    market = with_symbol(written, {"margin_rate_pending": 1.0}, deposit=1_500.0)
    market.pend(mt5.ORDER_TYPE_BUY_STOP, 1.101, volume=1.0)
    market.move_to(1000)

    assert len(market.positions()) == 1


def test_stop_limit_order_is_modified_with_its_limit(written):
    market = written(QUOTES)
    ticket = market.pend(6, 1.11, stoplimit=1.105).order

    same = market.send(action=7, order=ticket, price=1.11, stoplimit=1.105)
    moved = market.send(action=7, order=ticket, price=1.11, stoplimit=1.106)
    wrong = market.send(action=7, order=ticket, price=1.11, stoplimit=1.12)
    assert (same.retcode, moved.retcode, wrong.retcode) == (10025, 10009, 10015)
    assert market.orders()[0].price_stoplimit == 1.106


def test_stops_name_the_symbol_of_their_position_or_none(written):
    market = written(QUOTES)
    ticket = market.buy().order

    assert market.send(action=6, symbol="XAUUSD", position=ticket, sl=1.05).retcode == mt5.TRADE_RETCODE_INVALID
    assert market.send(action=6, symbol="", position=ticket, sl=1.05).retcode == 10009


def test_check_of_what_opens_nothing_shows_the_figures_of_now(written):
    market = written(QUOTES)
    ticket = market.buy().order
    request = {"action": 1, "type": 1, "volume": 0.1, "position": ticket, "type_filling": 1}

    result = market.call("order_check", request)
    assert (result.retcode, result.margin) == (0, market.call("account_info").margin)


@pytest.mark.parametrize("stoplimit", [0.0, -1.0, float("nan"), float("inf"), 1e300])
def test_limit_of_a_stop_limit_order_is_a_price_also_when_it_is_changed(written, stoplimit):
    market = with_symbol(written, {})
    order = market.pend(6, 1.11, stoplimit=1.105).order

    for stops in ({}, {"sl": 1.0}):
        changed = market.send(action=7, order=order, price=1.11, stoplimit=stoplimit, **stops)
        assert changed.retcode == mt5.TRADE_RETCODE_INVALID_PRICE
    assert market.orders()[0].price_stoplimit == 1.105


def test_order_that_blocks_margin_as_it_waits_needs_it_free(written):
    request = {"action": 5, "symbol": "EURUSD", "type": 2, "volume": 1.0, "price": 1.09, "type_filling": 2}
    codes = {}
    for mode in ("exchange", "netting"):
        market = written(QUOTES, margin_mode=mode, deposit=1_000.0)
        codes[mode] = (market.call("order_check", request).retcode, market.send(**request).retcode)

    assert codes["exchange"] == (mt5.TRADE_RETCODE_NO_MONEY, mt5.TRADE_RETCODE_NO_MONEY)
    assert codes["netting"] == (0, mt5.TRADE_RETCODE_DONE)


def test_limit_that_isnt_a_stop_limit_orders_is_of_no_account(written):
    market = with_symbol(written, {"margin_rate_pending": 1.0})
    request = {"action": 5, "symbol": "EURUSD", "type": 2, "volume": 0.1, "price": 1.09, "type_filling": 2}

    checked = [market.call("order_check", request | limit) for limit in ({}, {"stoplimit": 900.0})]

    assert checked[0].margin == checked[1].margin > 0.0
