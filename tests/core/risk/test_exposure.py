"""What is at stake on an account, at its worst: open, pending, under way and in doubt; old data refuses entries."""

from gateway.wire import codec
from gateway.wire import constants as mt5
from gateway.wire.structs import TradeOrder, TradePosition

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
NETTING = mt5.ACCOUNT_MARGIN_MODE_RETAIL_NETTING


def row(structure, **fields):
    return list(({name: kind() for name, kind in structure.__annotations__.items()} | fields).values())


def position(ticket, volume=1.0, *, sell=False, symbol="EURUSD", **fields):
    return row(TradePosition, ticket=ticket, identifier=ticket, type=int(sell), volume=volume, symbol=symbol, **fields)


def pending(ticket, volume=1.0, *, kind=mt5.ORDER_TYPE_BUY_LIMIT, symbol="EURUSD", **fields):
    return row(TradeOrder, ticket=ticket, type=kind, volume_current=volume, symbol=symbol, **fields)


def test_open_pending_and_under_way_count_together(floor):
    desk = floor(limits={"max_open_volume": 3.0})
    desk.show(positions=[position(1, 0.5), position(2, 0.5, sell=True)], orders=[pending(3, 1.0)])
    desk.goes(0.6)
    assert desk.refused(0.5) == "max_open_volume"
    desk.goes(0.4)
    assert desk.refused(0.01) == "max_open_volume"
    desk.goes(position=1, type=1, volume=0.5)


def test_positions_pending_orders_and_entries_under_way_are_counted(floor):
    desk = floor(limits={"max_positions": 3})
    desk.show(positions=[position(1)], orders=[pending(2)])
    desk.goes()
    assert desk.refused() == "max_positions"


def test_a_refused_order_counts_no_more(floor):
    desk = floor(limits={"max_open_volume": 1.0})
    desk.fill(desk.goes(1.0), 0, retcode=mt5.TRADE_RETCODE_NO_MONEY)
    desk.goes(1.0)


def test_a_filled_order_counts_until_it_is_shown_and_then_as_what_is_shown(floor):
    desk = floor(limits={"max_open_volume": 1.0})
    desk.fill(desk.goes(1.0), 50)
    for _ in range(3):
        desk.read()  # the terminal lags
        assert desk.refused(0.1) == "max_open_volume"
    desk.show(positions=[position(50)], history_orders=[row(TradeOrder, ticket=50)])
    assert desk.refused(0.1) == "max_open_volume"
    desk.show(positions=[])
    desk.goes(1.0)


def test_an_answer_that_the_ledger_never_shows_counts_for_a_while(floor):
    desk = floor(limits={"max_open_volume": 1.0})
    desk.fill(desk.goes(1.0), 0)
    desk.pass_time(9 * SECOND)
    assert desk.refused(0.1) == "max_open_volume"
    desk.pass_time(2 * SECOND)
    desk.goes(0.1)


def test_a_reading_asked_for_before_the_answer_shows_nothing(floor):
    desk = floor(limits={"max_open_volume": 1.0})
    desk.plane.pass_time(SECOND // 4)
    (asked,) = desk.plane.all_calls(b"watch")
    desk.plane.pass_time(MILLISECOND)
    desk.fill(desk.goes(1.0), 50)
    desk.parts |= {"history_orders": [row(TradeOrder, ticket=50)]}
    desk.plane.give_back(asked, *desk.shown(asked), identity=b"watch")
    assert desk.refused(0.1) == "max_open_volume"


def test_an_order_in_doubt_counts(floor):
    desk = floor(limits={"max_open_volume": 1.0})
    desk.goes(1.0)
    desk.plane.goodbye("trade")
    desk.plane.ready("trade", lanes=("trade",), epoch=2, credit=64)
    desk.plane.replies()
    desk.read()
    assert desk.refused(0.1) == "max_open_volume"


def test_a_clients_share_is_its_own_orders_on_hedging_accounts(floor):
    desk = floor(clients={"me": {"max_open_volume": 1.0}})
    desk.show(positions=[position(1, 50.0)])
    desk.fill(desk.goes(0.6), 50)
    desk.show(positions=[position(1, 50.0), position(50, 0.6)], history_orders=[row(TradeOrder, ticket=50)])
    assert desk.refused(0.5) == "max_open_volume"
    desk.goes(0.4)


def test_a_clients_limit_counts_the_whole_account_on_netting_ones(floor):
    desk = floor(clients={"me": {"max_open_volume": 1.0}}, margin_mode=NETTING)
    desk.show(positions=[position(1, 0.8)])
    assert desk.refused(0.3) == "max_open_volume"


def test_a_symbols_limit_counts_that_symbol_alone(floor):
    desk = floor(symbols={"EURUSD": {"max_open_volume": 1.0, "max_positions": 9}})
    desk.show(positions=[position(1, 0.5, symbol="EURUSD.r"), position(2, 9.0, symbol="GBPUSD")])
    assert desk.refused(0.6) == "max_open_volume"
    desk.goes(0.5)


def test_netting_counts_the_worst_that_can_come_of_what_rests(floor):
    desk = floor(limits={"max_open_volume": 2.0}, margin_mode=NETTING)
    desk.show(positions=[position(1, 1.0)], orders=[pending(2, 3.0, kind=mt5.ORDER_TYPE_SELL_LIMIT)])
    desk.goes(1.0)  # 2 long, or 1 - 3 = 2 short
    assert desk.refused(0.1) == "max_open_volume"
    assert desk.refused(0.1, type=1) == "max_open_volume"


def test_on_netting_nothing_hides_in_what_the_other_side_counts_twice(floor):
    """Found by test_risk_machine: a reading shows an order before its answer, and both count."""
    desk = floor(limits={"max_open_volume": 0.7}, margin_mode=NETTING)
    buy = desk.goes(0.7, action=5, type=mt5.ORDER_TYPE_BUY_LIMIT, price=1.0)
    desk.show(orders=[pending(7, 0.7)])  # 1.4 at worst, until the answer comes
    desk.goes(0.6, type=1)
    assert desk.refused(0.2, type=1) == "max_open_volume"
    assert "0.8 on the order's side of zero" in desk.send(0.2, type=1)[1]
    desk.fill(buy, 7, mt5.TRADE_RETCODE_PLACED)
    desk.goes(0.1, type=1)
    assert desk.refused(0.1, type=1) == "max_open_volume"


def test_on_netting_an_order_that_raises_the_lesser_side_is_held_to_the_limit_and_not_to_the_greater(floor):
    desk = floor(limits={"max_open_volume": 1.0}, margin_mode=NETTING)
    desk.show(positions=[position(1, 1.0)], orders=[pending(2, 2.0)])  # 3 at worst: somebody else's
    desk.goes(0.5, type=1)  # closes
    assert desk.refused(1.6, type=1) == "max_open_volume"
    desk.goes(1.5, type=1)  # 1 short at worst
    assert desk.refused(0.1) == "max_open_volume"


def test_on_netting_notional_is_of_the_side_that_an_order_raises(floor):
    desk = floor(limits={"max_notional": 120_000.0}, margin_mode=NETTING)
    desk.send()
    desk.serve()
    desk.goes(1.0, action=5, type=mt5.ORDER_TYPE_BUY_LIMIT, price=1.0)
    desk.show(orders=[pending(7, 1.0)])
    desk.goes(1.0, type=1)  # 110,020
    assert desk.refused(0.1, type=1, price=2.0) == "max_notional"
    assert desk.refused(0.1) == "max_notional"


def test_notional_is_in_the_accounts_currency(floor):
    desk = floor(limits={"max_order_notional": 120_000.0, "max_notional": 200_000.0})
    assert desk.refused(1.0) == "account_data"
    desk.serve()
    assert desk.refused(1.1) == "max_order_notional"
    desk.goes(1.0)  # 110,020
    assert desk.refused(1.0) == "max_notional"
    desk.goes(0.8)


def test_notional_needs_the_value_of_all_that_is_open(floor):
    desk = floor(limits={"max_notional": 1e9})
    desk.show(positions=[position(1, symbol="XAUUSD")])
    desk.read()
    assert desk.refused() == "account_data"
    desk.symbols["XAUUSD"] = desk.symbols["EURUSD"] | {"bid": 2_000.0, "ask": 2_001.0}
    desk.pass_time(2 * SECOND)
    desk.goes()


def test_the_margin_level_after_the_trade_is_estimated(floor):
    desk = floor(limits={"min_margin_level_percent": 500.0})
    desk.account |= {"margin": 1_000.0}
    desk.read()
    desk.send()
    desk.serve()
    assert desk.refused(1.0) == "min_margin_level_percent"  # 10,000 / (1,000 + 1,100.2)
    desk.goes(0.5)
    assert desk.refused(0.5) == "min_margin_level_percent"


def test_entries_wait_for_the_first_reading_and_exits_do_not(floor):
    desk = floor(limits={"max_open_volume": 1.0}, reading=False)
    assert desk.refused() == "account_data"
    desk.goes(position=7, type=1)
    desk.read()
    desk.goes()


def test_old_account_data_refuses_entries_and_permits_exits(floor):
    desk = floor(limits={"max_daily_loss": 1_000.0}, max_age_ms=1_000)
    for _ in range(5):
        desk.plane.pass_time(SECOND // 2)
        for name in ("trade", "watch"):
            desk.plane.from_worker(codec.encode_heartbeat(name, 1), name.encode())
    assert desk.refused() == "account_data"
    desk.goes(position=7, type=1)
