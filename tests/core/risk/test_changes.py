"""Limits changed at run time: by whom, within which bounds, and how long that holds."""

import pytest

from gateway.core.limitset import RiskRules
from gateway.core.records import scan
from gateway.wire.errors import Code, Status
from gateway.wire.structs import TradePosition

SECOND = 1_000_000_000


def row(structure, **fields):
    return list(({name: kind() for name, kind in structure.__annotations__.items()} | fields).values())


def position(ticket, volume=1.0, *, sell=False, symbol="EURUSD", **fields):
    return row(TradePosition, ticket=ticket, identifier=ticket, type=int(sell), volume=volume, symbol=symbol, **fields)


def test_limits_are_told_with_what_they_are_held_against(floor):
    desk = floor(limits={"max_open_volume": 3.0}, bounds={"max_open_volume": 5.0})
    desk.show(positions=[position(1, 0.5)])
    desk.goes(0.25)

    told = desk.plane.answer("limits").result

    assert told["active"] is True
    assert told["limits"] == [
        {
            "scope": {"account": "*"},
            "limits": {"max_open_volume": 3.0},
            "configured": {"max_open_volume": 3.0},
            "changed": {},
        }
    ]
    assert told["bounds"] == {"max_open_volume": 5.0}
    (account,) = told["accounts"]
    assert (account["open_volume"], account["positions"], account["under_way"]) == (0.75, 2, 1)
    assert account["symbols"] == {"EURUSD": 0.75}


def test_only_operators_change_limits(floor):
    desk = floor()
    reply = desk.set_limits({}, {"max_volume": 1.0}, client="me-too")
    assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.PERMISSION)
    desk.goes(5.0)


def test_a_change_holds_at_once_and_over_restarts_and_segments(floor):
    desk = floor()
    reply = desk.set_limits({"symbol": "EURUSD.r"}, {"max_volume": 1.0}, why="NFP")
    assert reply.result == {"scope": {"symbol": "EURUSD"}, "limits": {"max_volume": 1.0}}
    assert desk.refused(2.0) == "max_volume"
    desk.start(desk.plane.now_ns + SECOND)
    assert desk.refused(2.0) == "max_volume"
    desk.plane.flush()
    desk.plane.engine.begin_segment()
    segment, _ = desk.plane.engine.take_records()
    later = desk.make_plane(generation=9, risk=desk.rules)
    later.engine.recover(scan(segment, int.from_bytes(segment[8:16], "little"))[0])
    (entry,) = [one for one in _told(later) if one["scope"] == {"symbol": "EURUSD"}]
    assert (entry["limits"], entry["changed_by"], entry["changed_because"]) == ({"max_volume": 1.0}, "operator", "NFP")


def _told(plane):
    plane.engine.start(bytes(16), plane.now_ns, plane.now_ns)
    plane.hello()
    return plane.answer("limits").result["limits"]


def test_a_change_is_within_the_bounds_or_is_not_made(floor):
    desk = floor(limits={"max_volume": 1.0, "max_positions": 5}, bounds={"max_volume": 2.0})
    assert desk.set_limits({}, {"max_volume": 2.0, "max_positions": 6}).result[0] == Code.RISK
    assert desk.refused(1.5) == "max_volume"
    assert desk.set_limits({}, {"max_volume": 2.0, "max_positions": 4}).status == 0
    desk.goes(1.5)
    assert desk.set_limits({}, {"max_volume": 2.1}).result[0] == Code.RISK
    assert desk.set_limits({}, {"max_volume": None}).result[0] == Code.RISK
    assert desk.set_limits({"account": "demo"}, {"max_volume": 2.5}).result[0] == Code.RISK


def test_a_limit_that_was_set_at_run_time_can_be_lifted(floor):
    desk = floor()
    desk.set_limits({}, {"state": "halted"})
    assert desk.refused() == "state"
    desk.set_limits({}, {"state": None})
    desk.goes()


def test_what_was_under_way_when_the_first_limit_came_counts(floor):
    desk = floor()
    desk.goes(1.0)
    desk.set_limits({}, {"max_open_volume": 1.5})
    assert desk.refused(0.1) == "account_data"
    desk.read()
    assert desk.refused(1.0) == "max_open_volume"
    desk.goes(0.5)


@pytest.mark.parametrize(
    "args",
    [
        (),
        ({}, {"max_volume": 1.0}),
        ({}, {"max_volume": 1.0}, ""),
        ({}, {}, "x"),
        ({"account": "none"}, {"max_volume": 1.0}, "x"),
        ({"moon": "x"}, {"max_volume": 1.0}, "x"),
        ({}, [1], "x"),
        ({"client": "x"}, {}, "x", {"rebase": True}),
        ({"account": "demo"}, {}, "x", {"rebase": 1}),
        ({"account": "demo"}, {"max_volume": 1.0}, "x", {"who": 5}),
        ({"account": "demo"}, {"max_volume": 1.0}, "x", {"by": "me"}),
        ({"account": "demo"}, {"max_volume": 1.0}, "x", {}, 5),
    ],
)
def test_a_change_that_is_not_formed_as_it_should_be_is_refused(floor, args):
    desk = floor()
    token = desk.plane.hello("operator", identity=b"desk")
    reply = desk.plane.answer("set_limits", *args, token=token, identity=b"desk")
    assert (reply.status, reply.result[0]) == (Status.PROTOCOL, Code.BAD_ARGUMENTS)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_volum": 1.0},
        {"max_volume": "1"},
        {"max_volume": -1.0},
        {"max_volume": float("nan")},
        {"state": "off"},
        {"trading_hours": ["mon 9-10"]},
        {"max_entries": 5, "max_exits": 4},
        {"require_stop_loss": 1},
    ],
)
def test_a_limit_that_cannot_be_is_refused(floor, limits):
    assert floor().set_limits({}, limits).result[0] == Code.RISK


def test_losses_are_measured_anew_when_an_operator_says_so(floor):
    desk = floor(limits={"max_drawdown": 500.0})
    desk.account["equity"] = 9_000.0
    desk.pass_time(2 * SECOND)
    assert desk.refused() == "max_drawdown"
    assert desk.set_limits({"account": "demo"}, {}, rebase=True).status == 0
    desk.read()
    desk.goes()


@pytest.mark.parametrize(
    "rules",
    [
        {"limits": {"max_volume": 2.0}, "bounds": {"max_volume": 1.0}},
        {"limits": {"max_volum": 2.0}},
        {"symbols": {"EURUSD": {"max_daily_requests": 5}}},
    ],
)
def test_rules_that_cannot_be_are_refused_at_the_start(make_plane, rules):
    with pytest.raises(ValueError, match="max_"):
        make_plane(risk=RiskRules(**rules))
