"""The calls' answers: None versus empty, last errors, and who sees what."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.terminal.simulated.frames import encode
from gateway.terminal.simulated.session import Session
from gateway.wire import constants as mt5
from gateway.wire.arguments import _SHAPES, CALLS
from gateway.wire.structs import AccountInfo, SymbolInfo, TerminalInfo

NOT_FOUND = (-4, "Terminal: Not found")
FAILED = (-1, "Terminal: Call failed")
INVALID = (-2, "Terminal: Invalid params")
SUCCESS = (1, "Success")


@pytest.mark.parametrize(
    ("name", "arguments", "result", "error"),
    [
        ("symbol_info", ("NOPE",), None, NOT_FOUND),
        ("symbol_info", ("eurusd",), None, NOT_FOUND),
        ("symbol_info_tick", ("NOPE",), None, NOT_FOUND),
        ("copy_ticks_from", ("NOPE", 0, 1, -1), None, NOT_FOUND),
        ("copy_ticks_range", ("NOPE", 0, 1, -1), None, NOT_FOUND),
        ("copy_ticks_from", ("EURUSD", 0, 0, -1), None, INVALID),
        ("copy_ticks_from", ("EURUSD", 0, 1, 0), None, INVALID),
        ("copy_ticks_range", ("EURUSD", 1, 0, -1), None, INVALID),
        ("copy_ticks_from", ("EURUSD", 2**31 - 1, 1, -1), b"", SUCCESS),
        ("copy_ticks_from", ("EURUSD", -(2**31), 1, 2), b"", SUCCESS),
        ("copy_rates_from_pos", ("NOPE", 1, 0, 1), None, FAILED),
        ("copy_rates_from_pos", ("EURUSD", 1, 1000, 1), None, FAILED),
        ("copy_rates_from_pos", ("EURUSD", 7, 0, 1), None, INVALID),
        ("copy_rates_from_pos", ("EURUSD", 1, 0, 100_000), None, INVALID),
        ("copy_rates_from_pos", ("EURUSD", 1, -1, 1), None, INVALID),
        ("copy_rates_from", ("EURUSD", 1, 0, 1), None, FAILED),
        ("copy_rates_range", ("EURUSD", 1, 0, 60), b"", SUCCESS),
        ("copy_rates_range", ("EURUSD", 1, 0, 60 * 100_002), None, INVALID),
        ("copy_rates_range", ("EURUSD", 1, 60, 0), None, INVALID),
        ("symbol_select", ("NOPE", True), False, FAILED),
        ("market_book_add", ("NOPE",), False, SUCCESS),
        ("market_book_release", ("EURUSD",), False, SUCCESS),
        ("market_book_get", ("EURUSD",), None, FAILED),
        ("order_calc_margin", (0, "NOPE", 1.0, 1.0), None, NOT_FOUND),
        ("history_deals_total", (1, 0), 0, SUCCESS),
    ],
)
def test_failure_is_the_terminals(market, name, arguments, result, error):
    assert market.call(name, *arguments) == result
    assert market.error == error


@pytest.mark.parametrize("name", ["positions_get", "orders_get"])
@pytest.mark.parametrize("question", [{}, {"ticket": 1}, {"symbol": "NOPE"}, {"group": "NOPE"}])
def test_nothing_open_is_empty(market, name, question):
    assert list(market.call(name, **question)) == []
    assert market.error == SUCCESS


@pytest.mark.parametrize("name", ["history_orders_get", "history_deals_get"])
@pytest.mark.parametrize("question", [{"ticket": 1}, {"position": 1}])
def test_unknown_history_is_empty(market, name, question):
    assert list(market.call(name, **question)) == []
    assert market.error == SUCCESS


def test_every_call_answers(market):
    own = {"initialize", "shutdown", "last_error"}  # the connection's
    answered = set(market.terminal._calls) | set(market.terminal._session_calls) | {"login", "symbol_select"}

    assert answered | own == set(CALLS)


def test_structures_are_whole(market):
    assert isinstance(market.call("account_info"), AccountInfo)
    assert isinstance(market.call("terminal_info"), TerminalInfo)
    info = market.call("symbol_info", "EURUSD")
    assert isinstance(info, SymbolInfo)
    for value, kind in zip(info, SymbolInfo.__annotations__.values(), strict=True):
        assert type(value) is kind


def test_symbol_info_follows_the_quote_and_the_day(market):
    market.move_to(3000)
    info = market.call("symbol_info", "EURUSD")

    assert (info.bid, info.ask, info.spread, info.time) == (1.1, 1.1001, 10, 1_700_000_003)
    assert (info.bidhigh, info.bidlow, info.askhigh, info.asklow) == (1.101, 1.099, 1.1011, 1.0991)
    assert (info.digits, info.point, info.filling_mode) == (5, 1e-05, 3)


def test_day_begins_anew_at_midnight(written):
    midnight = (1_700_006_400 - 1_700_000_000) * 1000
    harness = written({"EURUSD": [(0, 1.2, 1.3), (midnight - 1, 1.0, 1.1), (midnight, 1.1, 1.2)]})
    harness.move_to(midnight)
    info = harness.call("symbol_info", "EURUSD")

    assert (info.bidhigh, info.bidlow) == (1.1, 1.1)


def test_symbols_get_filters_by_group(market):
    assert [info.name for info in market.call("symbols_get")] == ["EURUSD", "XAUUSD", "USDJPY"]
    assert [info.name for info in market.call("symbols_get", "*JPY, EUR*")] == ["EURUSD", "USDJPY"]


def test_unselected_symbol_shows_but_doesnt_quote(market):
    assert market.call("symbol_select", "USDJPY", False)
    assert market.call("symbol_info", "USDJPY").select is False
    assert market.call("symbol_info_tick", "USDJPY") is None
    assert market.call("copy_rates_from_pos", "USDJPY", 1, 0, 1) is None
    assert market.buy(symbol="USDJPY").retcode == mt5.TRADE_RETCODE_PRICE_OFF


def test_symbol_in_use_stays_selected(market):
    ticket = market.buy().order

    assert market.call("symbol_select", "EURUSD", False) is False
    market.sell(position=ticket)
    assert market.call("symbol_select", "EURUSD", False) is True


def test_positions_are_found_by_ticket_symbol_and_group(market):
    euro, gold = market.buy().order, market.buy(symbol="XAUUSD").order

    def tickets(**question):
        return [position.ticket for position in market.call("positions_get", **question)]

    assert tickets() == [euro, gold]
    assert tickets(ticket=gold) == [gold]
    assert tickets(symbol="EURUSD") == [euro]
    assert tickets(group="*USD, !EUR*") == [gold]
    assert market.call("positions_total") == 2


def test_orders_are_found_by_ticket_symbol_and_group(market):
    euro, gold = market.pend(2, 1.0).order, market.pend(2, 2000.0, symbol="XAUUSD").order

    def tickets(**question):
        return [order.ticket for order in market.call("orders_get", **question)]

    assert tickets() == [euro, gold]
    assert tickets(ticket=gold) == [gold]
    assert tickets(symbol="EURUSD") == [euro]
    assert tickets(group="XAU*") == [gold]
    assert market.call("orders_total") == 2


def test_history_is_found_by_time_ticket_position_and_group(market):
    opened = market.buy().order
    closed = market.sell(position=opened).order
    other = market.buy(symbol="XAUUSD").order
    now = market.call("symbol_info_tick", "EURUSD").time

    def orders(name, *dates, **question):
        return [getattr(item, "order", item.ticket) for item in market.call(name, *dates, **question)]

    assert orders("history_orders_get", now, now) == [opened, closed, other]
    assert orders("history_orders_get", now + 1, now + 9) == []
    assert orders("history_orders_get", 0, now, group="XAU*") == [other]
    assert orders("history_orders_get", ticket=closed) == [closed]
    assert orders("history_orders_get", position=opened) == [opened, closed]
    assert orders("history_deals_get", ticket=closed) == [closed]
    assert orders("history_deals_get", position=opened) == [opened, closed]
    assert orders("history_deals_get", 0, now, group="EUR*") == [opened, closed]
    assert market.call("history_orders_total", 0, now) == 3
    assert market.call("history_deals_total", 0, now) == 4


def test_depth_stands_around_the_quote_and_belongs_to_its_session(market):
    assert market.call("market_book_add", "EURUSD") is True
    book = market.call("market_book_get", "EURUSD")
    asks = [entry.price for entry in book if entry.type == mt5.BOOK_TYPE_SELL]
    bids = [entry.price for entry in book if entry.type == mt5.BOOK_TYPE_BUY]

    assert (min(asks), max(bids)) == (1.1001, 1.1)
    assert asks + bids == sorted(asks + bids, reverse=True)
    assert all(entry.volume_dbl > 0.0 for entry in book)

    stranger = Session(authorised=True)
    assert market.terminal.call(stranger, "market_book_get", ("EURUSD",), 0)[2] is None
    assert market.call("market_book_release", "EURUSD") is True
    assert market.call("market_book_get", "EURUSD") is None


@pytest.mark.parametrize(
    ("login", "password", "server", "admitted"),
    [
        (0, "", "", True),
        (50_000_001, "secret", "MT5Gate-Demo", True),
        (50_000_002, "", "", False),
        (0, "wrong", "", False),
        (0, "", "Other-Server", False),
    ],
)
def test_login_must_match_what_it_names(written, login, password, server, admitted):
    harness = written({"EURUSD": [(0, 1.1, 1.2)]}, password="secret")
    session = Session()
    code, _, result = harness.terminal.call(session, "initialize", (login, password, server), 0)

    assert (result, code) == ((True, 1) if admitted else (False, -6))
    assert session.authorised is admitted


def test_terminal_without_a_password_accepts_any(market):
    assert market.terminal.call(Session(), "login", (50_000_001, "any", ""), 0)[2] is True


def test_session_that_hasnt_logged_in_has_no_connection(market):
    assert market.terminal.call(Session(), "account_info", (), 0) == (-10004, "No IPC connection", None)


def test_failed_login_ends_the_session(market):
    session = Session(authorised=True)
    market.terminal.call(session, "login", (1, "", ""), 0)

    assert market.terminal.call(session, "positions_total", (), 0)[0] == -10004


_VALUES = {
    bool: st.booleans(),
    int: st.one_of(
        st.integers(0, 10), st.integers(-(2**63), 2**64 - 1), st.sampled_from([10_000_001, 16385, 1_700_000_000])
    ),
    float: st.one_of(st.floats(), st.sampled_from([0.1, 1.0, 1.09, 1.1, 1.2, 1e300])),
    str: st.one_of(st.sampled_from(["EURUSD", "XAUUSD", "", "*"]), st.text(max_size=29)),
    type(None): st.none(),
}


@st.composite
def calls(draw):
    name = draw(st.sampled_from(sorted(_SHAPES)))
    if draw(st.booleans()):
        name = "order_send"
    return name, tuple(draw(st.one_of(*(_VALUES[kind] for kind in kinds))) for kinds in _SHAPES[name])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(calls(), min_size=1, max_size=5))
def test_no_conforming_call_raises_and_every_answer_travels(market, asked):
    for name, arguments in asked:
        encode((1, *market.terminal.call(Session(authorised=True), name, arguments, market.now_ns)))
