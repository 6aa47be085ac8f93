"""What ticks set off: pending orders, stops, expiration, stop-out."""

import pytest

from gateway.wire import constants as mt5

START_MS = 1_700_000_000_000


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


# --- stop-limit orders ---


@pytest.mark.parametrize(
    ("kind", "price", "stoplimit", "becomes", "limit_ms", "filled_ms", "filled_at"),
    [
        (mt5.ORDER_TYPE_BUY_STOP_LIMIT, 1.1005, 1.0995, mt5.ORDER_TYPE_BUY_LIMIT, 1000, 2000, 1.0991),
        (mt5.ORDER_TYPE_SELL_STOP_LIMIT, 1.0995, 1.0999, mt5.ORDER_TYPE_SELL_LIMIT, 2000, 3000, 1.1),
    ],
)
def test_stop_limit_order_becomes_a_limit_order(
    market, kind, price, stoplimit, becomes, limit_ms, filled_ms, filled_at
):
    ticket = market.pend(kind, price, stoplimit=stoplimit, type_filling=0).order
    market.move_to(limit_ms - 1)
    assert [(order.type, order.price_stoplimit) for order in market.orders()] == [(kind, stoplimit)]
    market.move_to(limit_ms)
    (order,) = market.orders()

    assert (order.ticket, order.type, order.price_open) == (ticket, becomes, stoplimit)
    assert (order.type_filling, order.state, market.positions()) == (2, mt5.ORDER_STATE_PLACED, [])
    market.move_to(filled_ms)
    assert [(position.ticket, position.price_open) for position in market.positions()] == [(ticket, filled_at)]


@pytest.mark.parametrize(("kind", "stoplimit"), [(6, 1.101), (6, 0.0), (6, 1.102), (7, 1.0999), (7, 1.0991)])
def test_limit_of_a_stop_limit_order_stands_behind_its_stop(market, kind, stoplimit):
    price = 1.101 if kind == mt5.ORDER_TYPE_BUY_STOP_LIMIT else 1.0999

    assert market.pend(kind, price, stoplimit=stoplimit).retcode == mt5.TRADE_RETCODE_INVALID_PRICE


def test_stops_of_a_stop_limit_order_are_measured_from_its_limit(market):
    terms = {"stoplimit": 1.1, "sl": 1.0999}

    assert market.pend(6, 1.102, **terms).retcode == 10009
    assert market.pend(6, 1.102, **(terms | {"sl": 1.1001})).retcode == mt5.TRADE_RETCODE_INVALID_STOPS


# --- time ---

DAY = 86_400_000
MIDNIGHT = 6_400_000
"""Milliseconds from the harness's start to the server's next midnight."""


def test_day_order_ends_with_the_servers_day_even_without_a_tick(market):
    market.pend(2, 1.05, type_time=mt5.ORDER_TIME_DAY)
    desk = market.terminal.desk
    assert desk.next_due_msc() == START_MS + MIDNIGHT
    market.terminal.advance((MIDNIGHT - 1) * 1_000_000)
    assert len(market.orders()) == 1
    market.terminal.advance(MIDNIGHT * 1_000_000)

    assert market.orders() == []
    assert [(order.state, order.time_done_msc) for order in market.history()] == [(6, START_MS + MIDNIGHT)]


@pytest.mark.parametrize(("mode", "stops"), [("daily", 0.0), ("daily_no_stops", 1.05), ("gtc", 1.05)])
def test_daily_symbol_ends_orders_and_stops_with_the_day(written, mode, stops):
    quotes = {"EURUSD": [(0, 1.1, 1.1001), (MIDNIGHT + 1, 1.1, 1.1001)]}
    market = written(quotes, symbols={"EURUSD": {"order_gtc_mode": mode, "swap_mode": "disabled"}})
    market.buy(sl=1.05)
    market.pend(2, 1.05)
    market.move_to(MIDNIGHT + 1)

    assert market.positions()[0].sl == stops
    assert len(market.orders()) == (mode == "gtc")


def test_specified_day_that_ends_outside_a_session_ends_with_the_next(written):
    saturday = 4 * DAY - MIDNIGHT  # the harness begins on a Tuesday
    expiration = (START_MS + saturday) // 1000
    market = written({"EURUSD": [(0, 1.1, 1.1001)]}, hours="market")
    market.pend(2, 1.05, type_time=mt5.ORDER_TIME_SPECIFIED_DAY, expiration=expiration)
    shown = market.orders()[0].time_expiration
    due_msc = market.terminal.desk.triggers.next_due_msc()

    assert shown % 86_400 == 0
    assert (due_msc % DAY, (due_msc // DAY - 4) % 7) == (0, 0)  # a Monday's midnight: the epoch's day 4 was one
    assert due_msc >= shown * 1000


def test_asynchronous_order_is_placed_first_and_filled_at_the_price_of_then(written):
    market = written({"EURUSD": [(0, 1.1, 1.1001), (40, 1.2, 1.2001), (60, 1.3, 1.3001)]}, execution_delay_ms=50)
    result = market.buy(volume=0.2, comment="later")
    (order,) = market.orders()

    assert (result.retcode, result.deal, result.order, result.price) == (10008, 0, order.ticket, 0.0)
    assert (order.type, order.state, order.volume_current) == (0, mt5.ORDER_STATE_PLACED, 0.2)
    assert (market.positions(), market.history()) == ([], [])
    market.move_to(60)
    (position,) = market.positions()
    assert (position.ticket, position.price_open, position.comment) == (result.order, 1.2001, "later")
    assert position.time_msc == START_MS + 50
    assert (market.orders(), market.history()[0].state) == ([], mt5.ORDER_STATE_FILLED)


def test_asynchronous_order_is_filled_without_a_tick(written):
    market = written({"EURUSD": [(0, 1.1, 1.1001)]}, execution_delay_ms=50)
    market.buy()
    market.terminal.advance(49_000_000)
    assert market.positions() == []
    market.terminal.advance(50_000_000)

    assert len(market.positions()) == 1


@pytest.mark.parametrize(
    ("symbol", "terms"),
    [
        ({"trade_exemode": "instant"}, {"price": 1.1001, "deviation": 5}),
        ({}, {"volume": 40.0}),
        ({"liquidity_lots": 0.05}, {"type_filling": 0}),
    ],
    ids=["price", "money", "liquidity"],
)
def test_asynchronous_order_that_cant_be_filled_ends_in_the_history(written, symbol, terms):
    quotes = {"EURUSD": [(0, 1.1, 1.1001), (10, 1.2, 1.2001)]}
    market = written(quotes, symbols={"EURUSD": symbol}, execution_delay_ms=50)
    if "volume" in terms:
        market.buy(volume=60.0)
    accepted = market.buy(**({"volume": 0.1} | terms)).retcode
    market.move_to(10)
    market.terminal.advance(60_000_000)
    last = market.history()[-1]

    assert accepted == 10008
    assert last.state in (mt5.ORDER_STATE_REJECTED, mt5.ORDER_STATE_CANCELED)
    assert (market.orders(), last.volume_current) == ([], last.volume_initial)


def test_asynchronous_close_of_a_position_that_is_gone_is_rejected(written):
    market = written({"EURUSD": [(0, 1.1, 1.1001), (60, 1.1, 1.1001), (70, 1.0, 1.0001)]}, execution_delay_ms=50)
    ticket = market.buy(sl=1.05).order
    market.move_to(60)
    market.sell(position=ticket)
    market.move_to(70)
    assert market.positions() == []
    market.terminal.advance(200_000_000)

    assert [order.state for order in market.history()[-2:]] == [mt5.ORDER_STATE_FILLED, mt5.ORDER_STATE_REJECTED]


def test_quotes_of_a_closed_market_trigger_nothing(written):
    quotes = {"EURUSD": [(0, 1.1, 1.1001), (60_000, 1.0, 1.0001), (MIDNIGHT, 1.0, 1.0001)]}
    sessions = {"tuesday": ["00:00-22:14"], "wednesday": ["00:00-24:00"]}  # it begins on a Tuesday, 22:13:20
    market = written(quotes, hours="market", symbols={"EURUSD": {"sessions": sessions}})
    market.buy(sl=1.05)
    market.move_to(60_000)
    closed = market.sell(position=market.positions()[0].ticket).retcode
    held = len(market.positions())
    market.move_to(MIDNIGHT)

    assert (closed, held) == (mt5.TRADE_RETCODE_MARKET_CLOSED, 1)
    assert [deal.comment for deal in market.deals()[-1:]] == ["[sl 1.05000]"]


# --- slices ---


def test_slicing_of_ticks_changes_nothing(written):
    rows = [(index * 10, round(1.1 + 0.0007 * ((index * index + 8) % 17 - 8), 5)) for index in range(200)]
    quotes = {"EURUSD": [(ms, bid, round(bid + 0.0001, 5)) for ms, bid in rows]}

    def trade(step_ms):
        market = written(quotes, deposit=900.0, execution_delay_ms=25, symbols={"EURUSD": {"liquidity_lots": 0.3}})
        market.buy(volume=0.3, sl=1.0951, tp=1.1049)
        market.sell(volume=0.2, sl=1.1041)
        for distance in range(1, 5):
            market.pend(2, round(1.099 - distance * 0.0007, 5), volume=0.2, sl=1.09, tp=1.104)
            market.pend(
                5, round(1.098 - distance * 0.0007, 5), volume=0.1, type_time=2, expiration=START_MS // 1000 + 1
            )
        for ms in range(0, 2001, step_ms):
            market.move_to(ms)
        return [tuple(deal) for deal in market.deals()], [tuple(order) for order in market.history()]

    once, often = trade(2000), trade(1)

    assert len(once[0]) > 10
    assert once == often


def test_stop_out_happens_at_its_tick_though_the_slice_ends_well(written):
    rows = [(0, 1.1, 1.1001), (1000, 1.1, 1.1001), (1001, 1.0, 1.0001), (1002, 1.1, 1.1001)]
    market = written({"EURUSD": rows}, deposit=1_540.0)
    market.buy(volume=0.15)
    market.move_to(1002)

    assert market.positions() == []
    assert (market.deals()[-1].reason, market.deals()[-1].price) == (mt5.DEAL_REASON_SO, 1.0)
    assert market.deals()[-1].time_msc == START_MS + 1001


# --- stop-out ---


def test_stop_out_deletes_orders_that_block_margin_first(written):
    rows = [(0, 1.1, 1.1001), (1000, 1.0, 1.0001)]
    market = written({"EURUSD": rows}, deposit=1_650.0, symbols={"EURUSD": {"margin_rate_pending": 1.0}})
    market.buy(volume=0.15)
    ticket = market.pend(mt5.ORDER_TYPE_BUY_STOP, 1.2, volume=0.3).order
    margin = market.call("account_info").margin
    market.move_to(1000)
    (order,) = [item for item in market.history() if item.ticket == ticket]

    assert margin > 400.0
    assert order.state == mt5.ORDER_STATE_CANCELED
    assert order.comment.startswith("[so ")
    assert len(market.positions()) == 1


def test_stop_out_needs_no_position_where_orders_block_margin(written):
    quotes = {"EURUSD": [(0, 1.1, 1.1001), (1000, 9.0, 9.0001)], "EURJPY": [(0, 160.0, 160.01), (2000, 160.0, 160.01)]}
    market = written(quotes, margin_mode="exchange", deposit=1_000.0)
    market.pend(mt5.ORDER_TYPE_BUY_LIMIT, 150.0, volume=0.8, symbol="EURJPY")
    market.move_to(3000)

    assert market.orders() == []
    assert market.history()[-1].comment.startswith("[so ")


def test_stop_out_goes_on_while_somebody_takes_it(written):
    rows = [(0, 1.1, 1.1001), (1, 1.1, 1.1001), (1000, 1.0, 1.0001), (1001, 1.0, 1.0001)]
    market = written({"EURUSD": rows}, deposit=3_050.0, symbols={"EURUSD": {"liquidity_lots": 0.1}})
    market.buy(volume=0.1)
    market.move_to(1)
    market.buy(volume=0.1)
    market.buy(volume=0.1)  # nobody sells any more at this tick
    market.terminal.desk.deposit(-1_030.0)
    market.move_to(1000)
    first = [deal.volume for deal in market.deals() if deal.reason == mt5.DEAL_REASON_SO]
    market.move_to(1001)
    both = [deal.volume for deal in market.deals() if deal.reason == mt5.DEAL_REASON_SO]

    assert (first, both) == ([0.1], [0.1, 0.1])


def test_stop_out_waits_for_an_open_market(written):
    fields = {"sessions": {"tuesday": ["00:00-22:14"], "wednesday": ["00:00-24:00"]}}
    rows = [(0, 1.1, 1.1001), (60_000, 1.0, 1.0001), (MIDNIGHT, 1.0, 1.0001)]
    market = written({"EURUSD": rows}, hours="market", deposit=1_540.0, symbols={"EURUSD": fields})
    market.buy(volume=0.15)
    market.move_to(60_000)
    held = len(market.positions())
    market.move_to(MIDNIGHT)

    assert (held, market.positions()) == (1, [])


def test_asynchronous_close_is_cut_down_to_what_is_left(written):
    rows = [(0, 1.1, 1.1001), (60, 1.1, 1.1001), (70, 1.1, 1.1001), (80, 1.04, 1.0401), (90, 1.06, 1.0601)]
    market = written({"EURUSD": rows}, execution_delay_ms=25, symbols={"EURUSD": {"liquidity_lots": 0.2}})
    ticket = market.buy(volume=0.2, sl=1.05).order
    market.move_to(60)
    position = market.terminal.desk.book.positions[ticket]
    market.terminal.desk.book.enlarge_position(position, 0.1, 1.1, position.time_msc)
    market.move_to(70)
    market.sell(volume=0.3, position=ticket)
    market.move_to(90)
    market.terminal.advance(100_000_000)

    closing = [order for order in market.history() if order.reason == mt5.ORDER_REASON_EXPERT][-1]
    assert market.positions() == []
    assert (closing.volume_initial, closing.volume_current, closing.state) == (0.1, 0.0, mt5.ORDER_STATE_FILLED)
