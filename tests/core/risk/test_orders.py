"""Each limit of one order by itself refuses what it is for, says so, and lets exits pass; prices."""

import pytest

from gateway.wire.structs import TradePosition


class Quotes:
    """A board with one quote for every symbol; None: it is stale."""

    def __init__(self, bid=1.1, ask=1.1002):
        self.tick = (bid, ask)

    def prices(self, account, tail, now_ns):
        return self.tick


def row(structure, **fields):
    return list(({name: kind() for name, kind in structure.__annotations__.items()} | fields).values())


def position(ticket, volume=1.0, *, sell=False, symbol="EURUSD", **fields):
    return row(TradePosition, ticket=ticket, identifier=ticket, type=int(sell), volume=volume, symbol=symbol, **fields)


def test_without_limits_nothing_is_judged_or_asked_for(floor):
    desk = floor(reading=False)
    desk.goes(1_000.0, symbol="ANY", sl=-5.0)
    assert not desk.plane.calls(b"query")


def test_a_limit_names_itself_what_was_expected_and_found(floor):
    answer = floor(limits={"max_volume": 1.0}).send(1.5)
    assert answer[1] == "max_volume (account demo): expected at most 1 lots, got 1.5"
    assert answer[2] == {
        "limit": "max_volume",
        "scope": "account demo",
        "expected": "at most 1 lots",
        "found": "1.5",
    }


def test_the_volume_at_the_limit_goes(floor):
    floor(limits={"max_volume": 1.0}).goes(1.0)


@pytest.mark.parametrize(
    ("rules", "who"),
    [
        ({"accounts": {"demo": {"max_volume": 0.5}}}, "account demo"),
        ({"clients": {"me": {"max_volume": 0.5}}}, "client me"),
        ({"clients": {"*": {"max_volume": 0.5}}}, "client me"),
        ({"symbols": {"EURUSD": {"max_volume": 0.5}}}, "symbol EURUSD"),
        ({"symbols": {"*": {"max_volume": 0.5}}}, "symbol EURUSD"),
    ],
)
def test_the_tightest_of_all_limits_counts_and_is_named(floor, rules, who):
    desk = floor(limits={"max_volume": 1.0}, **rules)
    assert desk.send(0.6)[2]["scope"] == who
    desk.goes(0.5)


@pytest.mark.parametrize("symbol", ["EURUSD", "EURUSD.r", "EURUSD#", "EURUSD-ecn", "EURUSDm"])
def test_a_symbol_counts_under_its_canonical_name(floor, symbol):
    desk = floor(symbol_suffixes=("m",), symbols={"EURUSD.x": {"max_volume": 0.5}}, limits={"max_volume": 9.0})
    assert desk.refused(0.6, symbol=symbol) == "max_volume"
    desk.goes(0.6, symbol="GBPUSD")


def test_only_allowed_symbols_are_traded(floor):
    desk = floor(limits={"allowed_symbols": ["EURUSD", "USDJPY"]}, clients={"me": {"allowed_symbols": ["EURUSD"]}})
    desk.goes(symbol="EURUSD.r")
    assert desk.refused(symbol="USDJPY") == "allowed_symbols"
    desk.goes(symbol="USDJPY", position=7, type=1)


@pytest.mark.parametrize("hours", [["tue 00:00-24:00"], ["mon 12:01-24:00"], ["sat-sun 00:00-24:00"], []])
def test_entries_are_refused_outside_trading_hours(floor, hours):
    desk = floor(limits={"trading_hours": hours})
    assert desk.refused() == "trading_hours"
    desk.goes(position=7, type=1)


@pytest.mark.parametrize(
    "hours", [["mon 12:00-12:01"], ["fri-mon 00:00-24:00"], ["mon-fri 07:00-21:00", "sun 01:00-02:00"]]
)
def test_entries_go_in_trading_hours(floor, hours):
    floor(limits={"trading_hours": hours}).goes()


@pytest.mark.parametrize(
    "fields",
    [
        {"volume": float("nan")},
        {"volume": "1"},
        {"volume": -1.0},
        {"type": 99},
        {"symbol": 5},
        {"symbol": ""},
        {"price": float("inf")},
    ],
)
def test_what_cannot_be_understood_is_refused_where_anything_is_limited(floor, fields):
    assert floor(limits={"max_volume": 1.0}).refused(**fields) == "request"


def test_a_mandatory_stop_loss_stands_on_the_losing_side_and_stays(floor):
    desk = floor(limits={"require_stop_loss": True})
    assert desk.refused() == "require_stop_loss"
    assert desk.refused(action=5, type=2, price=1.0, sl=1.1) == "require_stop_loss"
    desk.goes(action=5, type=2, price=1.0, sl=0.9)
    desk.goes(sl=1.0)
    assert desk.refused(action=6, position=5, sl=0.0) == "require_stop_loss"
    assert desk.refused(action=7, order=5, price=1.0) == "require_stop_loss"
    desk.goes(action=6, position=5, sl=0.9)
    desk.goes(position=7, type=1)


@pytest.mark.parametrize(
    ("fields", "goes"),
    [
        ({"price": 1.1002}, True),
        ({"price": 1.1112}, True),
        ({"price": 1.1113}, False),
        ({"price": 1.08}, False),
        ({}, True),
        ({"action": 5, "type": 2, "price": 1.095}, True),
        ({"action": 5, "type": 2, "price": 0.11}, False),
        ({"action": 5, "type": 3, "price": 11.0}, False),
        ({"action": 7, "order": 9, "price": 11.0}, False),
        ({"action": 7, "order": 9, "price": 1.1}, True),
        ({"position": 7, "price": 5.0, "type": 1}, True),
    ],
)
def test_prices_are_held_near_the_live_quote(floor, fields, goes):
    desk = floor(limits={"price_collar_percent": 1.0}, quotes=Quotes())
    if goes:
        desk.goes(**fields)
    else:
        assert desk.refused(**fields) == "price_collar_percent"


def test_without_a_live_quote_the_collar_refuses_entries_alone(floor):
    quotes = Quotes()
    desk = floor(limits={"price_collar_percent": 1.0}, quotes=quotes)
    quotes.tick = None
    assert desk.refused(symbol="GBPUSD") == "price_collar_percent"
    desk.goes(symbol="GBPUSD", position=7, type=1)


def test_the_terminals_own_quote_does_where_no_board_has_one(floor):
    desk = floor(limits={"price_collar_percent": 1.0})
    assert desk.refused() == "price_collar_percent"
    desk.serve()
    desk.goes(price=1.1)
    assert desk.refused(price=1.5) == "price_collar_percent"


@pytest.mark.parametrize("limit", [{"max_trade_risk": 100.0}, {"max_trade_risk_percent": 1.0}])
def test_the_loss_at_the_stop_is_bounded(floor, limit):
    desk = floor(limits=limit, quotes=Quotes())
    assert desk.refused(0.1, sl=1.0) == "account_data"
    desk.serve()
    assert desk.refused(0.1) == "max_trade_risk"
    assert desk.refused(0.1, sl=1.09) in limit
    assert desk.refused(0.1, sl=1.09, price=1.0901) in limit  # a market order's own price binds nobody
    desk.goes(0.1, sl=1.0903)
    desk.goes(0.1, type=1, sl=1.1099)
    desk.show(positions=[position(7, 0.1, price_open=1.1)])
    assert desk.refused(action=6, position=7, sl=1.08) in limit
    desk.goes(action=6, position=7, sl=1.0905)
