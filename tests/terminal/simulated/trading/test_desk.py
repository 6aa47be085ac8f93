"""One account joined: who may trade, what others may interfere with, and what time brings."""

import numpy as np
import pytest

from gateway.terminal.simulated.trading.desk import Desk
from gateway.wire import constants as mt5
from gateway.wire.structs import TICK_DTYPE, TradeRequest

BID, ASK = 1.1, 1.1001
QUOTES = {"EURUSD": [(0, BID, ASK), (1000, 1.101, 1.1011)]}
EXPERT, CLIENT = mt5.ORDER_REASON_EXPERT, mt5.ORDER_REASON_CLIENT
FIELDS = {name: kind() for name, kind in TradeRequest.__annotations__.items()}
BUY = TradeRequest(
    (FIELDS | {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type_filling": 1, "comment": "mine"}).values()
)


@pytest.fixture
def desk(written):
    return written(QUOTES).terminal.desk


@pytest.mark.parametrize(
    ("switch", "by_program", "by_hand"),
    [
        ("connected", mt5.TRADE_RETCODE_CONNECTION, mt5.TRADE_RETCODE_CONNECTION),
        ("autotrading", mt5.TRADE_RETCODE_CLIENT_DISABLES_AT, 10009),
        ("trade_allowed", mt5.TRADE_RETCODE_TRADE_DISABLED, mt5.TRADE_RETCODE_TRADE_DISABLED),
        ("trade_expert", mt5.TRADE_RETCODE_SERVER_DISABLES_AT, 10009),
    ],
)
def test_permission_depends_on_who_trades(desk, switch, by_program, by_hand):
    setattr(desk.permission, switch, False)

    assert (desk.send(BUY, EXPERT).retcode, desk.send(BUY, CLIENT).retcode) == (by_program, by_hand)


def test_investor_may_look_and_check_but_not_trade(desk):
    assert desk.send(BUY, may_trade=False).retcode == mt5.TRADE_RETCODE_TRADE_DISABLED
    assert desk.check(BUY).retcode == 0


def test_reason_says_who_traded(desk):
    desk.send(BUY, CLIENT)
    (position,) = desk.book.positions.values()

    assert position.reason == mt5.POSITION_REASON_CLIENT
    assert [deal.reason for deal in desk.book.deals.between(1, 2**40)][-1] == mt5.DEAL_REASON_CLIENT


def test_interference_comes_after_the_rules_and_before_the_books(desk):
    asked = []
    desk.interference = lambda request: asked.append(request) or mt5.TRADE_RETCODE_REQUOTE
    invalid = desk.send(TradeRequest((*BUY[:4], 0.001, *BUY[5:])))
    valid = desk.send(BUY)

    assert (invalid.retcode, valid.retcode, len(asked)) == (10014, 10004, 1)
    assert (valid.bid, valid.ask) == (BID, ASK)
    assert desk.book.positions == {}


def test_broker_may_store_another_comment(desk):
    desk.rewrite_comment = lambda comment: f"{comment}!"
    result = desk.send(BUY)

    assert desk.book.positions[result.order].comment == "mine!"
    assert result.request.comment == "mine"


def test_deposits_and_withdrawals_are_deals(desk):
    desk.deposit(50.0, "more")
    desk.deposit(-20.0, "less", mt5.DEAL_TYPE_CORRECTION)
    deals = desk.book.deals.between(1, 2**40)

    assert desk.book.balance == 100_030.0
    assert [(deal.type, deal.profit, deal.comment) for deal in deals[-2:]] == [(2, 50.0, "more"), (5, -20.0, "less")]
    assert deals[-1].time_msc == desk.market.now_msc


def test_restored_desk_goes_on_where_the_other_ended(written):
    one = written(QUOTES)
    position, order = one.buy(sl=1.05), one.pend(2, 1.05)
    saved = one.terminal.desk.book.take_changes()
    other = Desk(one.settings, one.terminal.market)
    other.book.restore(saved)
    result = other.send(BUY)

    assert (list(other.book.positions), list(other.book.orders)) == ([position.order, result.order], [order.order])
    assert result.order == order.order + 1
    assert result.request_id == order.request_id + 1
    assert result.deal == position.deal + 1


def test_nothing_is_due_without_positions_and_orders(desk):
    assert desk.next_due_msc() is None


def test_midnight_is_due_while_a_position_is_open(desk):
    desk.send(BUY)

    assert desk.next_due_msc() % 86_400_000 == 0


def test_shared_tick_acts_as_a_fed_one(written):
    fed, shared = written(QUOTES), written(QUOTES)
    for market in (fed, shared):
        market.buy(tp=1.1005)
        market.pend(2, 1.05, type_time=2, expiration=1_700_000_001)
    fed.move_to(1000)
    symbol, desk = shared.terminal.market.symbols["EURUSD"], shared.terminal.desk
    ticks = fed.terminal.market.symbols["EURUSD"].ticks.forward(1_700_000_001_000, 1, mt5.COPY_TICKS_ALL)
    desk.await_tick(symbol, 1_700_000_001_000)
    symbol.append(np.frombuffer(ticks, TICK_DTYPE))
    desk.react(symbol)

    assert shared.deals() == fed.deals()
    assert shared.history() == fed.history()


# --- what the package's own helpers send: no filling, a deviation of ten points ---


@pytest.mark.parametrize("terms", [{}, {"trade_exemode": "instant"}, {"trade_exemode": "exchange"}], ids=str)
@pytest.mark.parametrize("mode", ["hedging", "netting", "exchange"])
def test_helpers_buy_and_close(written, mode, terms):
    market = written(QUOTES, margin_mode=mode, symbols={"EURUSD": terms})
    bought = market.send(type=0, volume=0.1, price=ASK, deviation=10, type_filling=0)
    market.move_to(1000)
    stale = market.send(type=1, volume=0.1, price=BID, deviation=10, position=bought.order, type_filling=0)
    ticket = [position.ticket for position in market.positions()]
    if ticket:
        market.send(type=1, volume=0.1, price=1.101, deviation=10, position=ticket[0], type_filling=0)

    assert bought.retcode == 10009
    assert stale.retcode == (10004 if terms == {"trade_exemode": "instant"} else 10009)
    assert market.positions() == []


def test_what_is_due_at_a_symbol_whose_clock_lies_behind_is_due_so_much_later(written):
    market = written({"EURUSD": [(0, BID, ASK)], "XAUUSD": [(3 * 86_400_000, 2350.0, 2350.2)]})
    market.pend(2, 1.05, type_time=2, expiration=1_700_000_100)
    desk = market.terminal.desk
    behind, ahead = (market.terminal.market.symbols[name].now_msc for name in ("EURUSD", "XAUUSD"))
    due_msc = desk.next_due_msc()
    desk.advance(desk.market.now_msc)

    assert ahead - behind == 3 * 86_400_000
    assert due_msc == ahead + 100_000
    assert len(market.orders()) == 1
