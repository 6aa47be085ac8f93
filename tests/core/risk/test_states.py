"""Halted, reducing, active: what may still be done, by the account's margin mode."""

from gateway.wire import constants as mt5
from gateway.wire.structs import TradeOrder, TradePosition

NETTING = mt5.ACCOUNT_MARGIN_MODE_RETAIL_NETTING


def row(structure, **fields):
    return list(({name: kind() for name, kind in structure.__annotations__.items()} | fields).values())


def position(ticket, volume=1.0, *, sell=False, symbol="EURUSD", **fields):
    return row(TradePosition, ticket=ticket, identifier=ticket, type=int(sell), volume=volume, symbol=symbol, **fields)


def pending(ticket, volume=1.0, *, kind=mt5.ORDER_TYPE_BUY_LIMIT, symbol="EURUSD", **fields):
    return row(TradeOrder, ticket=ticket, type=kind, volume_current=volume, symbol=symbol, **fields)


def test_halted_permits_nothing_but_cancels(floor):
    desk = floor(limits={"state": "halted"})
    for fields in ({}, {"position": 7, "type": 1}, {"action": 6, "position": 7, "sl": 1.0}, {"action": 7, "order": 5}):
        assert desk.refused(**fields) == "state"
    desk.goes(action=8, order=5)


def test_halted_permits_exits_where_that_is_configured(floor):
    desk = floor(limits={"state": "halted"}, halted_permits_exits=True)
    assert desk.refused() == "state"
    desk.goes(position=7, type=1)


def test_reducing_on_hedging_needs_the_positions_ticket_side_and_volume(floor):
    desk = floor(limits={"state": "reducing"})
    desk.show(positions=[position(7, 1.0)])
    assert desk.refused(0.1, type=1) == "state"
    assert desk.refused(0.1, position=7) == "state"
    assert desk.refused(1.1, position=7, type=1) == "state"
    desk.goes(0.6, position=7, type=1)
    assert desk.refused(0.5, position=7, type=1) == "state"
    desk.goes(0.4, position=7, type=1)
    desk.goes(action=10, position=7, position_by=8)
    desk.goes(action=6, position=7, sl=1.0)
    assert desk.refused(action=5, type=3, price=1.2) == "state"
    assert desk.refused(action=7, order=5, price=1.0) == "state"


def test_reducing_on_netting_must_not_pass_through_zero(floor):
    desk = floor(limits={"state": "reducing"}, margin_mode=NETTING)
    desk.show(positions=[position(7, 1.0, sell=True)])
    assert desk.refused(0.1, type=1) == "state"
    assert desk.refused(1.1) == "state"
    assert desk.refused(1.1, position=7) == "state"
    desk.goes(0.6)
    assert desk.refused(0.5) == "state"
    desk.goes(0.4, position=7)
    assert desk.refused(0.1, symbol="GBPUSD", position=8) == "state"


def test_reducing_on_netting_counts_what_rests(floor):
    desk = floor(limits={"state": "reducing"}, margin_mode=NETTING)
    desk.show(positions=[position(7, 1.0)], orders=[pending(8, 0.5, kind=mt5.ORDER_TYPE_SELL_LIMIT)])
    assert desk.refused(0.6, type=1) == "state"
    desk.goes(0.5, type=1)


def test_an_exit_on_netting_that_opens_the_other_side_is_judged_as_an_entry(floor):
    desk = floor(limits={"max_open_volume": 1.0}, margin_mode=NETTING)
    desk.show(positions=[position(7, 1.0)])
    desk.goes(2.0, position=7, type=1)  # 1 short at its worst
    assert desk.refused(0.1, type=1) == "max_open_volume"
