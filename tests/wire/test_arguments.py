"""Argument rules, held against what the real package was seen to answer without a connection."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from gateway.wire.arguments import CALLS, BadArguments, conforms, prepare
from gateway.wire.structs import TradeRequest

INTS = [name for name, kind in TradeRequest.__annotations__.items() if kind is int]
REQUEST = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "price": 1.1}


def refusal(name, *args, **kwargs):
    with pytest.raises(BadArguments) as caught:
        prepare(name, args, kwargs)
    return caught.value.returns, caught.value.text


def test_there_are_32_calls():
    assert len(CALLS) == 32


def test_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError):
        prepare("Buy", (), {})


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "error"),
    [
        ("account_info", (1,), {}, "takes no arguments"),
        ("account_info", (), {"x": 1}, "takes no keyword arguments"),
        ("symbol_info", (), {"symbol": "EURUSD"}, "takes no keyword arguments"),
        ("copy_rates_from", ("EURUSD", 1.0, 0, 1), {}, "integer"),
        ("copy_rates_from", ("EURUSD", 1, 0, "1"), {}, "integer"),
        ("copy_ticks_from", ("EURUSD", 0, None, -1), {}, "integer"),
        ("order_calc_margin", (0, "EURUSD", "1", 1.0), {}, "real number"),
        ("order_calc_margin", (0, "EURUSD", None, 1.0), {}, "real number"),
        ("order_calc_profit", (np.int64(5), "EURUSD", 1.0, 1.0, 1.1), {}, "int"),
    ],
)
def test_wrong_c_type_is_a_type_error(name, args, kwargs, error):
    with pytest.raises(TypeError, match=error):
        prepare(name, args, kwargs)


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("copy_rates_from", ("EURUSD", 1, 2**33, 1), {}),
        ("copy_rates_from_pos", ("EURUSD", 1, 2**31, 1), {}),
        ("positions_get", (), {"ticket": -1}),
        ("orders_get", (), {"ticket": 10**30}),
        ("order_send", (REQUEST | {"type": 2**63},), {}),
        ("order_send", (REQUEST | {"magic": -5},), {}),
        ("order_send", (REQUEST | {"expiration": 2**63},), {}),
        ("login", (-1,), {}),
    ],
)
def test_number_beyond_the_c_type_is_an_overflow_error(name, args, kwargs):
    with pytest.raises(OverflowError):
        prepare(name, args, kwargs)


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "expected"),
    [
        ("copy_rates_from", ("EURUSD", 1), {}, (None, "Invalid arguments")),
        ("copy_rates_from", (1, 1, 0, 1), {}, (None, "Invalid arguments")),
        ("symbol_info", ("A" * 30,), {}, (None, "Invalid arguments")),
        ("symbol_info", ("\U0001f600" * 15,), {}, (None, "Invalid arguments")),
        ("symbol_select", ("A" * 30,), {}, (False, "Invalid arguments")),
        ("symbol_select", (), {}, (False, "Invalid arguments")),
        ("symbols_get", (1,), {}, (False, "Invalid 1st unnamed argument")),
        ("symbols_get", (), {"group": None}, (False, 'Invalid "group" argument')),
        ("market_book_add", (b"EURUSD",), {}, (None, "Invalid arguments")),
        ("positions_get", ("EURUSD",), {}, (None, "Unnamed arguments not allowed")),
        ("positions_get", (), {"symbol": 1}, (None, 'Invalid "symbol" argument')),
        ("positions_get", (), {"symbol": "EURUSD", "ticket": "x"}, (None, 'Invalid "ticket" argument')),
        ("orders_get", (), {"group": "A" * 1998}, (None, 'Invalid "group" argument')),
        ("history_deals_get", (0,), {}, (None, "Invalid arguments")),
        ("history_deals_get", (), {"date_from": 0, "date_to": 1}, (None, "Invalid arguments")),
        ("history_orders_get", (0, 1), {"group": 5}, (None, 'Invalid "group" argument')),
        ("history_orders_get", (), {"position": 1.0}, (None, 'Invalid "position" argument')),
        ("order_send", (), {}, (None, "Invalid number of arguments")),
        ("order_send", (REQUEST, 1), {}, (None, "Invalid number of arguments")),
        ("order_send", ([],), {}, (None, "Invalid arguments")),
        ("order_send", (REQUEST,), {"action": 1}, (None, "Unnamed arguments not allowed")),
        ("initialize", (), {"login": "123"}, (False, 'Invalid "login" argument')),
        ("initialize", (), {"path": None}, (False, 'Invalid "path" argument')),
        ("initialize", (), {"server": 1, "password": 1}, (False, 'Invalid "server" argument')),
        ("initialize", (), {"password": 1, "timeout": "x", "path": 1}, (False, 'Invalid "password" argument')),
        ("login", (), {}, (False, 'Invalid "login" argument')),
        ("login", (1, "p", 3), {}, (False, "Invalid 3rd unnamed argument")),
        ("login", (1.0,), {}, (False, "Invalid 1st unnamed argument")),
    ],
)
def test_refusal_is_the_packages(name, args, kwargs, expected):
    assert refusal(name, *args, **kwargs) == expected


@pytest.mark.parametrize("field", ["volume", "price", "stoplimit", "sl", "tp"])
@pytest.mark.parametrize("value", [1, True, "1", None])
def test_request_wants_floats(field, value):
    assert refusal("order_send", REQUEST | {field: value}) == (None, f'Invalid "{field}" argument')


@pytest.mark.parametrize("field", INTS)
@pytest.mark.parametrize("value", [1.0, "1", None, np.int64(5)])
def test_request_wants_ints(field, value):
    assert refusal("order_send", REQUEST | {field: value}) == (None, f'Invalid "{field}" argument')


@pytest.mark.parametrize("field", ["symbol", "comment"])
@pytest.mark.parametrize("value", [1, None, b"x", "A" * 30])
def test_request_wants_short_text(field, value):
    assert refusal("order_check", REQUEST | {field: value}) == (None, f'Invalid "{field}" argument')


def test_request_is_checked_in_the_fields_order():
    assert refusal("order_send", {"comment": 1, "volume": 1, "magic": "x"})[1] == 'Invalid "magic" argument'


def test_request_fields_default_to_zero_and_unknown_ones_are_ignored():
    assert prepare("order_send", ({"nonsense": object()},), {}) == (
        *(0, 0, 0, ""),
        *(0.0,) * 5,
        *(0,) * 5,
        *("", 0, 0),
    )


def test_request_may_come_as_keywords():
    assert prepare("order_send", (), REQUEST) == prepare("order_send", (REQUEST,), {})


def test_numpy_float_is_a_float_in_a_request():
    values = TradeRequest(prepare("order_send", (REQUEST | {"volume": np.float64(0.5)},), {}))

    assert values.volume == 0.5
    assert type(values.volume) is float


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0),
        (True, 1),
        (1_700_000_000.9, 1_700_000_000),
        (datetime(2024, 1, 1, 12, 0, 0, 999_999, tzinfo=UTC), 1_704_110_400),
    ],
)
def test_date_is_whole_seconds(value, seconds):
    assert prepare("copy_ticks_from", ("EURUSD", value, 1, -1), {})[1] == seconds


def test_naive_date_is_local_time():
    naive = datetime(2024, 1, 1, 12)

    assert prepare("history_deals_total", (naive, 0), {})[0] == int(naive.timestamp())


@pytest.mark.parametrize("value", ["2024", None, date(2024, 1, 1), np.datetime64("2024-01-01"), float("nan")])
def test_what_is_no_date_is_refused(value):
    assert refusal("copy_ticks_from", "EURUSD", value, 1, -1) == (None, "Invalid arguments")


def test_first_of_ticket_symbol_and_group_wins():
    assert prepare("positions_get", (), {"ticket": 1, "symbol": 5, "group": 5}) == (1, None, None)
    assert prepare("positions_get", (), {"symbol": "EURUSD", "group": 5}) == (None, "EURUSD", None)


def test_dates_win_over_ticket_and_position():
    assert prepare("history_deals_get", (0, 1), {"ticket": "x"}) == (0, 1, None, None, None)


def test_login_takes_password_before_server():
    assert prepare("login", (1, "p", "s"), {})[:3] == (1, "p", "s")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("nonsense", ()),
        ("last_error", ()),
        ("symbol_info", ("EURUSD", 1)),
        ("symbol_info", (1,)),
        ("symbol_info", ["EURUSD"]),
        ("symbol_select", ("EURUSD", 1)),
        ("copy_ticks_from", ("EURUSD", 0, 1.0, -1)),
        ("copy_ticks_from", ("EURUSD", 0, True, -1)),
        ("order_send", (1,)),
    ],
)
def test_what_isnt_canonical_doesnt_conform(name, arguments):
    assert not conforms(name, arguments)
