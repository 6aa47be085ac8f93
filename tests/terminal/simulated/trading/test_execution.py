"""What deals enter in the books, beyond what requests show."""

import pytest

from gateway.wire import constants as mt5

QUOTES = {"EURUSD": [(0, 1.1, 1.1001), (1000, 1.101, 1.1011)]}


def test_reopening_changes_the_ticket_and_keeps_the_identifier(written):
    market = written(QUOTES)
    opened = market.buy(volume=0.2, sl=1.05, tp=1.2, magic=7, comment="mine").order
    market.move_to(1000)
    desk = market.terminal.desk
    book, symbol = desk.book, market.terminal.market.symbols["EURUSD"]
    book.charge_swap(book.positions[opened], -1.5)
    again = desk.execution.reopen(symbol, book.positions[opened], 1.1015, 1_700_000_001_500)
    (position,) = market.positions()
    out, back = market.deals()[-2:]

    assert position.ticket == again.ticket != opened
    assert (position.identifier, position.price_open, position.volume, position.swap) == (opened, 1.1015, 0.2, 0.0)
    assert (position.sl, position.tp, position.magic, position.comment) == (1.05, 1.2, 7, "mine")
    assert (out.entry, out.price, out.profit, out.swap, out.position_id) == (1, 1.101, 18.0, -1.5, opened)
    assert (back.entry, back.price, back.order, back.position_id) == (0, 1.1015, position.ticket, opened)
    assert {out.reason, back.reason} == {mt5.DEAL_REASON_ROLLOVER}
    assert [order.state for order in market.history()] == [mt5.ORDER_STATE_FILLED] * 3
    assert len(market.call("history_deals_get", position=opened)) == 3
    assert market.sell(position=opened).retcode == mt5.TRADE_RETCODE_POSITION_CLOSED
    assert market.sell(volume=0.2, position=position.ticket).retcode == 10009


def test_reopened_position_can_be_closed_asynchronously(written):
    market = written(QUOTES, execution_delay_ms=50)
    market.buy()
    market.terminal.advance(60_000_000)
    desk = market.terminal.desk
    (position,) = desk.book.positions.values()
    again = desk.execution.reopen(market.terminal.market.symbols["EURUSD"], position, 1.1, 1_700_000_000_100)
    market.sell(position=again.ticket)
    market.terminal.advance(200_000_000)

    assert market.positions() == []


@pytest.mark.parametrize("mode", ["hedging", "netting"])
def test_commission_is_taken_at_every_deal_and_swap_at_the_exit(written, mode):
    market = written(QUOTES, margin_mode=mode, symbols={"EURUSD": {"commission_per_lot": 3.0}})
    market.buy(volume=0.4)
    book = market.terminal.desk.book
    (position,) = book.positions.values()
    book.charge_swap(position, -2.0)
    market.sell(volume=0.1, position=position.ticket)
    after_a_quarter = position.swap
    market.sell(volume=0.3, position=position.ticket)

    assert [deal.commission for deal in market.deals()[1:]] == [-1.2, -0.3, -0.9]
    assert [deal.swap for deal in market.deals()[1:]] == [0.0, -0.5, -1.5]
    assert after_a_quarter == -1.5


def test_close_by_costs_no_commission_and_leaves_the_rest(written):
    market = written(QUOTES, symbols={"EURUSD": {"commission_per_lot": 3.0}})
    long, short = market.buy(volume=0.3).order, market.sell(volume=0.1).order
    result = market.send(action=10, position=short, position_by=long, comment="both")
    out, by = market.deals()[-2:]
    (position,) = market.positions()

    assert (result.retcode, result.volume, result.price) == (10009, 0.1, 1.1001)
    assert (position.ticket, position.identifier, position.volume) == (long, long, 0.2)
    assert (out.commission, by.commission, by.profit) == (0.0, 0.0, 0.0)
    assert (out.position_id, by.position_id, out.order, by.order) == (short, long, result.order, result.order)


def test_removed_order_keeps_what_it_had_filled(written):
    quotes = {"EURUSD": [(0, 1.1, 1.1001), (1000, 1.0989, 1.099)]}
    market = written(quotes, symbols={"EURUSD": {"liquidity_lots": 0.25}})
    ticket = market.pend(mt5.ORDER_TYPE_BUY_LIMIT, 1.099, volume=0.6).order
    market.move_to(1000)
    market.send(action=8, order=ticket)
    (order,) = market.history()

    assert (order.state, order.volume_current, order.position_id) == (mt5.ORDER_STATE_CANCELED, 0.35, ticket)
    assert market.positions()[0].volume == 0.25
