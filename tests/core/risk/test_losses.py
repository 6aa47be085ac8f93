"""Losses, rates and the day's requests: what they refuse, until when, and that restarts forget nothing."""

import pytest

from gateway.wire import constants as mt5
from gateway.wire.structs import TradeDeal

SECOND = 1_000_000_000
MILLISECOND = 1_000_000


def row(structure, **fields):
    return list(({name: kind() for name, kind in structure.__annotations__.items()} | fields).values())


def deal(ticket, **fields):
    return row(TradeDeal, ticket=ticket, **fields)


def test_a_days_loss_refuses_entries_until_the_day_is_over(floor):
    desk = floor(limits={"max_daily_loss": 500.0}, reset_minutes=12 * 60 + 1)
    desk.account["equity"] = 9_501.0
    desk.pass_time(2 * SECOND)
    desk.fill(desk.goes(), 50)
    desk.account["equity"] = 9_500.0
    desk.read()
    assert desk.refused() == "max_daily_loss"
    desk.pass_time(2 * SECOND)
    desk.account["equity"] = 10_000.0
    desk.pass_time(2 * SECOND)
    assert desk.refused() == "max_daily_loss"
    desk.fill(desk.goes(position=7, type=1), 51)
    desk.pass_time(60 * SECOND)
    desk.goes()


def test_a_drawdown_is_measured_from_the_highest_equity_held(floor):
    desk = floor(limits={"max_drawdown_percent": 10.0})
    desk.account["equity"] = 12_000.0
    desk.pass_time(2 * SECOND)
    desk.account["equity"] = 10_801.0
    desk.read()
    desk.goes()
    desk.account["equity"] = 10_800.0
    desk.read()
    assert desk.refused() == "max_drawdown_percent"


@pytest.mark.parametrize("amount", [5_000.0, -5_000.0])
@pytest.mark.parametrize("first", ["equity", "deal"])
def test_deposits_and_withdrawals_are_neither_gain_nor_loss(floor, amount, first):
    desk = floor(limits={"max_daily_loss": 500.0, "max_drawdown": 500.0})
    steps = [
        lambda: desk.account.update(equity=10_000.0 + amount),
        lambda: desk.parts.update(deals=[deal(3, type=mt5.DEAL_TYPE_BALANCE, profit=amount)]),
    ]
    for step in steps if first == "equity" else reversed(steps):
        step()
        desk.read()
    desk.pass_time(3 * SECOND)
    desk.goes()


def test_losses_survive_a_restart(floor):
    desk = floor(limits={"max_daily_loss": 500.0})
    desk.pass_time(SECOND)
    desk.account["equity"] = 9_400.0
    desk.pass_time(12 * SECOND)
    assert desk.refused() == "max_daily_loss"
    desk.account["equity"] = 9_900.0

    desk.start(desk.plane.now_ns + SECOND).read()
    desk.read()

    assert desk.refused() == "max_daily_loss"


def test_entries_are_bounded_in_a_sliding_window_and_exits_have_their_own(floor):
    desk = floor(limits={"max_entries": 2, "max_exits": 3})
    desk.goes()
    desk.plane.pass_time(600 * MILLISECOND)
    desk.goes()
    assert desk.refused() == "max_entries"
    for _ in range(3):
        desk.goes(position=7, type=1)
    assert desk.refused(action=8, order=5) == "max_exits"
    desk.plane.pass_time(400 * MILLISECOND)
    desk.goes()
    assert desk.refused() == "max_entries"
    desk.plane.pass_time(600 * MILLISECOND)
    desk.goes()


def test_rates_are_each_clients_own_and_the_accounts_in_all(floor):
    desk = floor(limits={"max_entries": 3}, clients={"*": {"max_entries": 2}})
    other = desk.plane.hello("other", identity=b"other")
    desk.goes()
    desk.goes()
    assert desk.send()[2]["scope"] == "client me"
    request = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0}
    desk.plane.ask("order_send", request, token=other, identity=b"other")
    assert len(desk.plane.calls(b"trade")) == 1
    reply = desk.plane.answer("order_send", request, token=other, identity=b"other")
    assert reply.result[2]["scope"] == "account demo"


def test_bursts_of_alike_entries_are_stopped(floor):
    desk = floor(limits={"max_alike": 2})
    desk.goes()
    desk.goes()
    assert desk.refused() == "max_alike"
    desk.goes(0.2)
    desk.goes(type=1)
    desk.plane.pass_time(SECOND)
    desk.goes()


def test_the_days_requests_keep_a_reserve_for_exits(floor):
    desk = floor(limits={"max_daily_requests": 10})
    for _ in range(8):
        desk.goes()
    assert desk.refused() == "max_daily_requests"
    for _ in range(5):
        desk.goes(position=7, type=1)


def test_the_days_requests_are_counted_over_a_restart(floor):
    desk = floor(limits={"max_daily_requests": 5})
    for number in range(4):
        desk.fill(desk.goes(), 50 + number)
    desk.start(desk.plane.now_ns + SECOND)
    assert desk.refused() == "max_daily_requests"


def test_a_refused_order_uses_up_no_rate(floor):
    desk = floor(limits={"max_entries": 1, "max_volume": 1.0})
    desk.refused(2.0)
    desk.goes()
