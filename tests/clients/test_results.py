"""Arguments and results: every call of the table travels and comes back in MT5's own type."""

import datetime
from typing import Any

import numpy as np
import pytest

from clients.results import DECODERS, decode_result, encode_arguments
from gateway.wire import codec, structs
from gateway.wire.calls import CALLS
from gateway.wire.errors import LocalProtocolError, RemoteProtocolError

UTC = datetime.UTC


def values(kind: type[structs.Struct]) -> list[Any]:
    """Return one encoded structure with a different value of the right type in each field."""
    made: list[Any] = []
    for index, (name, annotation) in enumerate(kind.__annotations__.items()):
        if annotation is structs.TradeRequest:
            made.append(values(structs.TradeRequest))
        else:
            made.append({int: index, float: index + 0.5, str: name, bool: index % 2 == 0}[annotation])
    return made


STRUCTS = {
    "order_send": structs.OrderSendResult,
    "order_check": structs.OrderCheckResult,
    "account_info": structs.AccountInfo,
    "terminal_info": structs.TerminalInfo,
    "symbol_info": structs.SymbolInfo,
    "symbol_info_tick": structs.Tick,
}
TUPLES = {
    "positions_get": structs.TradePosition,
    "orders_get": structs.TradeOrder,
    "history_orders_get": structs.TradeOrder,
    "history_deals_get": structs.TradeDeal,
    "symbols_get": structs.SymbolInfo,
    "market_book_get": structs.BookInfo,
}
ARRAYS = {
    "copy_ticks_from": structs.TICK_DTYPE,
    "copy_ticks_range": structs.TICK_DTYPE,
    "copy_rates_from": structs.RATES_DTYPE,
    "copy_rates_from_pos": structs.RATES_DTYPE,
    "copy_rates_range": structs.RATES_DTYPE,
}
PLAIN = {
    "positions_total": 3,
    "orders_total": 0,
    "symbols_total": 12,
    "history_orders_total": 4,
    "history_deals_total": 5,
    "order_calc_margin": 12.5,
    "order_calc_profit": -3.25,
    "symbol_select": True,
    "market_book_add": True,
    "market_book_release": True,
    "symbol_spec": {"name": "EURUSD", "digits": 5},
    "hello": {"session": 1},
    "bye": True,
    "ping": {"generation": 1},
    "accounts": [{"name": "demo"}],
    "stats": {"a": 1},
    "kill": {"switch": {}, "goal": {}, "refused": 0},
    "resume": {"switch": None, "goal": None, "remaining": []},
    "flatten": {"goal": {}},
    "switches": {"switches": [], "goals": [], "armed": []},
    "resolve_order": {"state": "answered", "status": 0},
    "allow_exits": {"lost": "", "exits_allowed_by": "ann"},
    "limits": {"active": False, "limits": [], "bounds": {}, "operators": [], "accounts": []},
    "set_limits": {"scope": {"account": "*"}, "limits": {}},
    "order_status": {"state": "none"},
    "client_orders": [{"state": "sent", "status": 0, "result": None}],
    "events": {"first": 1, "next": 1, "events": []},
}


def travelled(name: str, value: Any) -> Any:
    return decode_result(name, codec.unpack(codec.pack(value)))


def test_every_call_has_a_decoder_and_a_test() -> None:
    assert set(DECODERS) == set(CALLS) == {*STRUCTS, *TUPLES, *ARRAYS, *PLAIN, "version"}


@pytest.mark.parametrize("name", STRUCTS)
def test_a_structure_comes_back_in_its_type(name: str) -> None:
    made = values(STRUCTS[name])
    result = travelled(name, made)
    assert type(result) is STRUCTS[name]
    assert list(result)[:-1] == made[:-1]
    if name in ("order_send", "order_check"):
        assert type(result.request) is structs.TradeRequest
        assert list(result.request) == made[-1]
    else:
        assert result[-1] == made[-1]


@pytest.mark.parametrize("name", TUPLES)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_list_comes_back_as_a_tuple_of_structures(name: str, count: int) -> None:
    result = travelled(name, [values(TUPLES[name])] * count)
    assert type(result) is tuple
    assert [type(item) for item in result] == [TUPLES[name]] * count


@pytest.mark.parametrize("name", ARRAYS)
def test_records_come_back_as_a_read_only_array(name: str) -> None:
    made = np.zeros(3, ARRAYS[name])
    made["time"] = [1, 2, 3]
    result = travelled(name, made.tobytes())
    assert result.dtype == ARRAYS[name]
    assert result.tolist() == made.tolist()
    with pytest.raises(ValueError, match="read-only"):
        result["time"] = 0


@pytest.mark.parametrize("name", ARRAYS)
def test_no_records_are_an_empty_array_of_the_same_type(name: str) -> None:
    result = travelled(name, b"")
    assert (result.shape, result.dtype, result.flags.writeable) == ((0,), ARRAYS[name], False)


@pytest.mark.parametrize("name", PLAIN)
def test_plain_values_come_back_as_they_are(name: str) -> None:
    assert travelled(name, PLAIN[name]) == PLAIN[name]
    assert type(travelled(name, PLAIN[name])) is type(PLAIN[name])


def test_version_comes_back_as_a_tuple() -> None:
    assert travelled("version", [500, 4321, "1 Jan 2025"]) == (500, 4321, "1 Jan 2025")


@pytest.mark.parametrize("name", DECODERS)
def test_none_stays_none(name: str) -> None:
    assert decode_result(name, None) is None


@pytest.mark.parametrize("name", [*STRUCTS, *TUPLES, *ARRAYS])
@pytest.mark.parametrize("value", [1, "text", [1, 2], [[1]], b"12345", {}, True])
def test_another_shape_blames_the_gateway(name: str, value: Any) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_result(name, value)


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        (1_700_000_000, 1_700_000_000),
        (1_700_000_000.9, 1_700_000_000),
        (-1.9, -1),
        (datetime.datetime(2024, 1, 1, tzinfo=UTC), 1_704_067_200),
        (datetime.datetime(2024, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC), 1_704_067_200),
        (np.float64(5.5), 5),
        (True, True),
        (None, None),
        ("2024", "2024"),
    ],
)
def test_dates_become_whole_seconds(date: Any, seconds: Any) -> None:
    assert encode_arguments("copy_ticks_from", ("EURUSD", date, 1, -1), None) == (("EURUSD", seconds, 1, -1), None)
    assert encode_arguments("copy_rates_range", ("EURUSD", 1, date, date), None)[0][2:] == (seconds, seconds)
    assert encode_arguments("history_deals_get", (date, date), {"group": "*"}) == ((seconds, seconds), {"group": "*"})


def test_a_naive_datetime_is_taken_in_this_machines_zone() -> None:
    naive = datetime.datetime(2024, 6, 1, 12, 30)
    assert encode_arguments("history_deals_total", (naive, 0), None)[0][0] == int(naive.astimezone(UTC).timestamp())


@pytest.mark.parametrize("date", [float("nan"), float("inf"), np.datetime64("2024-01-01"), datetime.date(2024, 1, 1)])
def test_what_is_no_date_never_leaves(date: Any) -> None:
    with pytest.raises(LocalProtocolError):
        encode_arguments("history_deals_total", (date, 0), None)


def test_numpy_integers_are_taken_where_the_package_takes_them() -> None:
    args, _ = encode_arguments("copy_rates_from_pos", ("EURUSD", np.int64(5), np.uint8(0), np.int32(1)), None)
    assert [type(value) for value in args] == [str, int, int, int]
    for name, kwargs in (("positions_get", {"ticket": np.int64(5)}), ("order_send", {"magic": np.int64(5)})):
        with pytest.raises(LocalProtocolError, match="int64"):
            encode_arguments(name, (), kwargs)


def test_numbers_become_floats_where_c_wants_a_double() -> None:
    args, _ = encode_arguments("order_calc_margin", (0, "EURUSD", np.float32(0.5), np.int64(2)), None)
    assert args == (0, "EURUSD", 0.5, 2.0)
    assert [type(value) for value in args[2:]] == [float, float]


def test_a_request_travels_plain_and_is_copied() -> None:
    request = {"action": 1, "volume": np.float64(0.1), "symbol": "EURUSD"}
    args, _ = encode_arguments("order_send", (request,), None)
    request["action"] = 5
    assert args == ({"action": 1, "volume": 0.1, "symbol": "EURUSD"},)
    assert type(args[0]["volume"]) is float


def test_a_trade_request_structure_travels_as_a_mapping() -> None:
    request = structs.TradeRequest(values(structs.TradeRequest))
    assert encode_arguments("order_check", (request,), None)[0] == (request._asdict(),)


def test_what_the_package_refuses_is_left_to_it() -> None:
    request = {"volume": 1, "price": "1", "comment": None}
    assert encode_arguments("order_send", (request,), None)[0] == (request,)
    assert encode_arguments("copy_rates_from_pos", (None, 1.5, "0", []), None)[0] == (None, 1.5, "0", [])


def test_symbol_select_takes_any_truth() -> None:
    assert encode_arguments("symbol_select", ("EURUSD", np.bool_(False)), None)[0] == ("EURUSD", False)
    assert encode_arguments("symbol_select", ("EURUSD", "x"), None)[0] == ("EURUSD", True)


@pytest.mark.parametrize("value", [object(), {1, 2}, 1 + 2j, np.array([1])])
def test_what_cant_travel_is_named(value: Any) -> None:
    with pytest.raises(LocalProtocolError, match="symbol_info"):
        encode_arguments("symbol_info", (value,), None)
