"""What a market offers, by execution mode; what orders of each filling policy make of it."""

import pytest

from gateway.terminal.simulated.market.depth import depth
from gateway.wire import constants as mt5

BID, ASK = 1.1, 1.1001
QUOTES = {"EURUSD": [(0, BID, ASK), (1000, BID, ASK), (2000, 1.101, 1.1011), (3000, 1.0989, 1.099)]}
EXCHANGE = {"trade_exemode": "exchange", "filling_mode": ["fok", "ioc", "boc"], "volume_max": 10_000.0}
FOK, IOC, RETURN, BOC = range(4)


def offers(market):
    """What is offered, the best first."""
    levels = depth(market.terminal.market.symbols["EURUSD"])
    return sorted((level.price, level.lots) for level in levels if level.type == mt5.BOOK_TYPE_SELL)


@pytest.fixture
def thin(written):
    return written(QUOTES, symbols={"EURUSD": {"liquidity_lots": 0.25}})


@pytest.fixture
def exchange(written):
    return written(QUOTES, symbols={"EURUSD": EXCHANGE}, margin_mode="exchange", deposit=1e9)


# --- market execution ---


def test_market_execution_ignores_the_requests_price(written):
    market = written(QUOTES)

    assert market.buy(price=0.5, deviation=0).price == ASK


def test_slip_is_within_its_width_and_the_same_for_the_same_seed(written):
    symbols = {"EURUSD": {"slippage_points": 5}}
    runs = [[market.buy(volume=0.01).price for _ in range(30)] for market in
            (written(QUOTES, symbols=symbols, seed=seed) for seed in (3, 3, 4))]  # fmt: skip

    assert runs[0] == runs[1] != runs[2]
    slips = {round((price - ASK) * 100_000) for price in runs[0]}
    assert slips <= set(range(-5, 6))
    assert min(slips) < 0 < max(slips)


def test_limit_order_slips_to_its_traders_side_alone(written):
    market = written(QUOTES, symbols={"EURUSD": {"slippage_points": 50}})
    for _ in range(20):
        market.pend(mt5.ORDER_TYPE_SELL_LIMIT, 1.101)
    market.move_to(2000)

    prices = [position.price_open for position in market.positions()]
    assert len(prices) == 20
    assert min(prices) >= 1.101
    assert max(prices) > 1.101


def test_immediate_or_cancel_fills_what_there_is(thin):
    result = thin.buy(volume=0.4, type_filling=IOC)
    (order,) = thin.history()

    assert (result.retcode, result.volume, result.price) == (mt5.TRADE_RETCODE_DONE_PARTIAL, 0.25, ASK)
    assert (order.state, order.volume_initial, order.volume_current) == (mt5.ORDER_STATE_CANCELED, 0.4, 0.15)
    assert [position.volume for position in thin.positions()] == [0.25]


def test_fill_or_kill_leaves_no_trace_when_there_isnt_enough(thin):
    result = thin.buy(volume=0.4, type_filling=FOK)

    assert (result.retcode, result.order, thin.history(), thin.positions()) == (mt5.TRADE_RETCODE_REJECT, 0, [], [])
    assert thin.buy(volume=0.25, type_filling=FOK).retcode == 10009


def test_what_one_took_is_gone_until_the_next_tick(thin):
    thin.buy(volume=0.2)
    partly = thin.buy(volume=0.2)
    nothing = thin.buy(volume=0.2)
    other_side = thin.sell(volume=0.2)
    thin.move_to(1000)  # the same quote again
    again = thin.buy(volume=0.2)

    assert (partly.retcode, partly.volume) == (mt5.TRADE_RETCODE_DONE_PARTIAL, 0.05)
    assert [result.retcode for result in (nothing, other_side, again)] == [10006, 10009, 10009]


def test_partly_closed_position_keeps_the_rest(thin):
    ticket = thin.buy(volume=0.2).order
    thin.move_to(1000)
    thin.buy(volume=0.25)
    thin.move_to(2000)
    thin.sell(volume=0.15)  # leaves 0.1 on this side of the market
    result = thin.sell(volume=0.2, position=ticket)

    assert (result.retcode, result.volume) == (mt5.TRADE_RETCODE_DONE_PARTIAL, 0.1)
    assert [item.volume for item in thin.positions() if item.ticket == ticket] == [0.1]


def test_stop_loss_goes_on_closing_at_the_next_ticks(written):
    market = written(
        {"EURUSD": [(0, BID, ASK), (1, BID, ASK), (1000, 1.09, 1.0901), (2000, 1.08, 1.0801)]},
        symbols={"EURUSD": {"liquidity_lots": 0.25}},
        margin_mode="netting",
    )
    market.buy(volume=0.25)
    market.move_to(1)
    market.buy(volume=0.15, sl=1.095)
    market.move_to(1000)
    assert [position.volume for position in market.positions()] == [0.15]
    market.move_to(2000)

    assert market.positions() == []
    assert [(deal.volume, deal.price, deal.comment) for deal in market.deals()[-2:]] == [
        (0.25, 1.09, "[sl 1.09500]"),
        (0.15, 1.08, "[sl 1.09500]"),
    ]


def test_pending_order_fills_in_parts_into_one_position(written):
    market = written(
        {"EURUSD": [(0, BID, ASK), (1000, 1.0989, 1.099), (2000, 1.0988, 1.0989), (3000, 1.0995, 1.0996)]},
        symbols={"EURUSD": {"liquidity_lots": 0.25}},
    )
    ticket = market.pend(mt5.ORDER_TYPE_BUY_LIMIT, 1.099, volume=0.6, type_filling=RETURN).order
    market.move_to(1000)
    (order,) = market.orders()
    assert (order.state, order.volume_initial, order.volume_current) == (mt5.ORDER_STATE_PARTIAL, 0.6, 0.35)
    assert order.position_id == ticket
    market.move_to(3000)  # 1.0996 is too dear
    (position,) = market.positions()

    assert (position.ticket, position.volume) == (ticket, 0.5)
    assert position.price_open == pytest.approx((1.099 + 1.0989) / 2)
    assert [order.volume_current for order in market.orders()] == [0.1]
    assert [(deal.order, deal.entry) for deal in market.deals()[1:]] == [(ticket, 0), (ticket, 0)]


def test_triggered_stop_order_fills_on_at_any_price(written):
    market = written(
        {"EURUSD": [(0, BID, ASK), (1000, 1.1019, 1.102), (2000, 1.0988, 1.0989)]},
        symbols={"EURUSD": {"liquidity_lots": 0.25}},
    )
    market.pend(mt5.ORDER_TYPE_BUY_STOP, 1.102, volume=0.5, type_filling=RETURN)
    market.move_to(2000)

    assert [(deal.price, deal.volume) for deal in market.deals()[1:]] == [(1.102, 0.25), (1.0989, 0.25)]
    assert market.orders() == []


@pytest.mark.parametrize(("filling", "held"), [(IOC, [0.25]), (FOK, [])])
def test_pending_order_that_may_not_rest_is_cancelled(thin, filling, held):
    thin.pend(mt5.ORDER_TYPE_BUY_LIMIT, 1.099, volume=0.6, type_filling=filling)
    thin.move_to(3000)

    assert [position.volume for position in thin.positions()] == held
    assert [order.state for order in thin.history()] == [mt5.ORDER_STATE_CANCELED]
    assert thin.orders() == []


# --- instant and request execution ---


@pytest.mark.parametrize("mode", ["instant", "request"])
def test_price_within_the_deviation_is_executed_at_the_new_price(written, mode):
    market = written(QUOTES, symbols={"EURUSD": {"trade_exemode": mode, "slippage_points": 9}})
    market.move_to(2000)

    assert market.buy(price=ASK, deviation=99).retcode == mt5.TRADE_RETCODE_REQUOTE
    result = market.buy(price=ASK, deviation=100)
    assert (result.retcode, result.price) == (10009, 1.1011)


def test_requote_names_the_prices_of_now_for_a_close_too(written):
    market = written(QUOTES, symbols={"EURUSD": {"trade_exemode": "instant"}})
    ticket = market.buy(price=ASK).order
    market.move_to(2000)
    result = market.sell(symbol="", price=BID, deviation=10, position=ticket)

    assert (result.retcode, result.order, result.bid, result.ask) == (10004, 0, 1.101, 1.1011)
    assert market.sell(price=result.bid, deviation=10, position=ticket).retcode == 10009


def test_instant_execution_needs_a_price(written):
    market = written(QUOTES, symbols={"EURUSD": {"trade_exemode": "instant"}})

    assert market.buy().retcode == mt5.TRADE_RETCODE_INVALID_PRICE


@pytest.mark.parametrize(("filling", "code"), [(FOK, 10009), (IOC, 10009), (RETURN, 10009), (BOC, 10030)])
def test_instant_execution_fills_or_kills_whatever_is_named(written, filling, code):
    symbol = {"trade_exemode": "instant", "filling_mode": [], "liquidity_lots": 1.0}
    market = written(QUOTES, symbols={"EURUSD": symbol})

    assert market.buy(price=ASK, type_filling=filling).retcode == code
    assert market.buy(price=ASK, volume=1.5).retcode == mt5.TRADE_RETCODE_REJECT


# --- exchange execution ---


def test_exchange_fills_level_by_level(exchange):
    levels = offers(exchange)
    volume = round(levels[0][1] + levels[1][1] / 2, 2)
    result = exchange.buy(volume=volume)
    deals = exchange.deals()[1:]

    assert (result.retcode, result.deal, result.volume) == (10009, deals[-1].ticket, volume)
    assert [deal.price for deal in deals] == [levels[0][0], levels[1][0]]
    assert result.price == pytest.approx(sum(deal.price * deal.volume for deal in deals) / volume)
    assert len(exchange.positions()) == 1


def test_remainder_of_a_market_order_rests_on_an_exchange(exchange):
    total = round(sum(lots for _, lots in offers(exchange)), 2)
    result = exchange.buy(volume=total + 1.0, type_filling=RETURN)
    (order,) = exchange.orders()

    assert (result.retcode, result.volume) == (mt5.TRADE_RETCODE_DONE_PARTIAL, total)
    assert (order.type, order.state, order.volume_current) == (0, mt5.ORDER_STATE_PARTIAL, 1.0)
    nothing_left = exchange.buy(type_filling=RETURN)
    assert (nothing_left.retcode, nothing_left.deal) == (mt5.TRADE_RETCODE_PLACED, 0)
    exchange.move_to(1000)
    assert exchange.orders() == []
    assert exchange.positions()[0].volume == pytest.approx(total + 1.1)


def test_remainder_of_a_market_order_can_be_removed_but_not_changed(exchange):
    total = round(sum(lots for _, lots in offers(exchange)), 2)
    ticket = exchange.buy(volume=total + 1.0, type_filling=RETURN).order

    assert exchange.send(action=7, order=ticket, price=1.2).retcode == mt5.TRADE_RETCODE_INVALID_ORDER
    assert exchange.send(action=8, order=ticket).retcode == 10009
    assert exchange.history()[-1].volume_current == 1.0


def test_limit_order_that_crosses_is_filled_at_once_up_to_its_price(exchange):
    levels = offers(exchange)
    result = exchange.pend(mt5.ORDER_TYPE_BUY_LIMIT, levels[1][0], volume=100.0)
    within = round(levels[0][1] + levels[1][1], 2)
    (order,) = exchange.orders()

    assert (result.retcode, result.order, result.volume) == (10009, order.ticket, within)
    assert (order.state, order.volume_current) == (mt5.ORDER_STATE_PARTIAL, round(100.0 - within, 2))
    assert {deal.price for deal in exchange.deals()[1:]} == {levels[0][0], levels[1][0]}


@pytest.mark.parametrize(
    ("filling", "price", "code"),
    [(BOC, ASK, 10006), (BOC, 1.09, 10009), (FOK, ASK, 10006), (IOC, ASK, 10010), (RETURN, 1.09, 10009)],
)
def test_policy_of_a_limit_order_on_an_exchange(exchange, filling, price, code):
    result = exchange.pend(mt5.ORDER_TYPE_BUY_LIMIT, price, volume=100.0, type_filling=filling)

    assert result.retcode == code
    assert len(exchange.orders()) == (code == 10009)


def test_crossing_limit_order_needs_money(written):
    market = written(QUOTES, symbols={"EURUSD": EXCHANGE}, margin_mode="netting", deposit=10.0)
    request = {"action": 5, "symbol": "EURUSD", "type": mt5.ORDER_TYPE_BUY_LIMIT, "volume": 1.0, "price": ASK}

    assert market.call("order_check", request).retcode == mt5.TRADE_RETCODE_NO_MONEY
    assert market.send(**request).retcode == mt5.TRADE_RETCODE_NO_MONEY


def test_price_between_two_ticks_of_an_exchange_is_refused(written):
    market = written(QUOTES, symbols={"EURUSD": EXCHANGE | {"tick_size": 0.00005}})

    assert market.pend(mt5.ORDER_TYPE_BUY_LIMIT, 1.09001).retcode == mt5.TRADE_RETCODE_INVALID_PRICE
    assert market.pend(mt5.ORDER_TYPE_BUY_LIMIT, 1.09005).retcode == 10009
    assert market.pend(mt5.ORDER_TYPE_BUY_LIMIT, 1.09, sl=1.08001).retcode == mt5.TRADE_RETCODE_INVALID_STOPS
