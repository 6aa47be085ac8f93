"""Trade requests as they are built, the filling mode they name, and return codes judged."""

import datetime
from typing import Any

import pytest

from clients.requests import (
    cancel_request,
    close_request,
    entry_request,
    judged,
    modify_request,
    protect_request,
)
from gateway.wire.constants import (
    ORDER_FILLING_FOK,
    ORDER_FILLING_IOC,
    ORDER_FILLING_RETURN,
    SYMBOL_TRADE_EXECUTION_EXCHANGE,
    SYMBOL_TRADE_EXECUTION_INSTANT,
    SYMBOL_TRADE_EXECUTION_MARKET,
    SYMBOL_TRADE_EXECUTION_REQUEST,
)
from gateway.wire.errors import LocalProtocolError, OutcomeUnknown, TerminalRefused
from gateway.wire.retcodes import DONE, NAMES, REFUSED, is_ambiguous
from gateway.wire.structs import OrderSendResult, TradeOrder, TradePosition, TradeRequest

SPEC = {
    "name": "EURUSD",
    "digits": 5,
    "trade_tick_size": 1e-05,
    "volume_min": 0.01,
    "volume_max": 50.0,
    "volume_step": 0.01,
    "trade_exemode": SYMBOL_TRADE_EXECUTION_MARKET,
    "filling_mode": 1,
}


def made(kind: Any, **fields: Any) -> Any:
    empty = {int: 0, float: 0.0, str: "", bool: False}
    return kind(fields.get(name, empty.get(annotation)) for name, annotation in kind.__annotations__.items())


POSITION = made(TradePosition, ticket=7, symbol="EURUSD", type=0, volume=0.5, magic=42, sl=1.0, tp=1.2)
ORDER = made(
    TradeOrder,
    ticket=9,
    symbol="EURUSD",
    type=2,
    price_open=1.1,
    price_stoplimit=0.0,
    sl=1.0,
    tp=1.2,
    type_time=2,
    time_expiration=99,
    magic=42,
)


def test_a_market_order_is_a_deal_with_everything_named() -> None:
    request = entry_request(SPEC, True, 0.123, price=1.100004, sl=1.09, tp=1.2, deviation=5, comment="x", magic=3)
    assert request == {
        "action": 1,
        "symbol": "EURUSD",
        "volume": 0.12,
        "type": 0,
        "price": 1.1,
        "sl": 1.09,
        "tp": 1.2,
        "deviation": 5,
        "type_filling": ORDER_FILLING_FOK,
        "type_time": 0,
        "comment": "x",
        "magic": 3,
    }


def test_every_field_has_the_type_the_package_demands() -> None:
    for request in (
        entry_request(SPEC, False, 1, price=1, sl=1),
        entry_request(SPEC, True, 1, limit=1, expiration=12.5),
        entry_request(SPEC, True, 1, limit=1, stop=2),
        close_request(SPEC, POSITION, 1),
        protect_request(SPEC, POSITION, 1, None),
        modify_request(SPEC, ORDER, price=1),
        cancel_request(5),
    ):
        for name, value in request.items():
            assert type(value) is TradeRequest.__annotations__[name], name


@pytest.mark.parametrize(
    ("buying", "prices", "kind", "price", "stoplimit"),
    [
        (True, {"limit": 1.05}, 2, 1.05, None),
        (False, {"limit": 1.15}, 3, 1.15, None),
        (True, {"stop": 1.15}, 4, 1.15, None),
        (False, {"stop": 1.05}, 5, 1.05, None),
        (True, {"stop": 1.15, "limit": 1.1}, 6, 1.15, 1.1),
        (False, {"stop": 1.05, "limit": 1.1}, 7, 1.05, 1.1),
    ],
)
def test_limit_and_stop_make_pending_orders(
    buying: bool, prices: dict[str, float], kind: int, price: float, stoplimit: float | None
) -> None:
    request = entry_request(SPEC, buying, 0.1, **prices)  # type: ignore[arg-type]
    assert (request["action"], request["type"], request["price"], request.get("stoplimit")) == (
        5,
        kind,
        price,
        stoplimit,
    )
    assert request["type_filling"] == ORDER_FILLING_RETURN
    assert "deviation" not in request


def test_expiration_is_for_pending_orders_and_becomes_seconds() -> None:
    when = datetime.datetime(2030, 1, 1, 0, 0, 0, 5, tzinfo=datetime.UTC)
    request = entry_request(SPEC, True, 0.1, limit=1.0, expiration=when)
    assert (request["type_time"], request["expiration"]) == (2, 1_893_456_000)
    assert entry_request(SPEC, True, 0.1, limit=1.0)["type_time"] == 0
    with pytest.raises(LocalProtocolError, match="expiration"):
        entry_request(SPEC, True, 0.1, price=1.0, expiration=when)


@pytest.mark.parametrize(
    ("mode", "mask", "filling"),
    [
        (SYMBOL_TRADE_EXECUTION_MARKET, 0, ORDER_FILLING_FOK),
        (SYMBOL_TRADE_EXECUTION_MARKET, 1, ORDER_FILLING_FOK),
        (SYMBOL_TRADE_EXECUTION_MARKET, 2, ORDER_FILLING_IOC),
        (SYMBOL_TRADE_EXECUTION_MARKET, 3, ORDER_FILLING_FOK),
        (SYMBOL_TRADE_EXECUTION_MARKET, 6, ORDER_FILLING_IOC),
        (SYMBOL_TRADE_EXECUTION_INSTANT, 2, ORDER_FILLING_FOK),
        (SYMBOL_TRADE_EXECUTION_REQUEST, 2, ORDER_FILLING_FOK),
        (SYMBOL_TRADE_EXECUTION_EXCHANGE, 1, ORDER_FILLING_RETURN),
        (SYMBOL_TRADE_EXECUTION_EXCHANGE, 2, ORDER_FILLING_RETURN),
    ],
)
def test_the_filling_mode_is_what_the_symbol_allows(mode: int, mask: int, filling: int) -> None:
    spec = SPEC | {"trade_exemode": mode, "filling_mode": mask}
    assert entry_request(spec, True, 0.1, price=1.1)["type_filling"] == filling
    assert close_request(spec, POSITION, 1.1)["type_filling"] == filling
    assert entry_request(spec, True, 0.1, limit=1.1)["type_filling"] == ORDER_FILLING_RETURN


@pytest.mark.parametrize("comment", ["x" * 30, "ü" * 30, "😀" * 15])
def test_a_comment_that_doesnt_fit_is_refused(comment: str) -> None:
    with pytest.raises(LocalProtocolError, match="comment: expected at most 29 characters"):
        entry_request(SPEC, True, 0.1, price=1.1, comment=comment)
    assert entry_request(SPEC, True, 0.1, price=1.1, comment="ü" * 29)["comment"] == "ü" * 29


def test_closing_is_the_opposite_deal_of_that_position() -> None:
    request = close_request(SPEC, POSITION, 1.1)
    assert (request["type"], request["position"], request["volume"], request["magic"]) == (1, 7, 0.5, 42)
    short = made(TradePosition, ticket=8, symbol="EURUSD", type=1, volume=0.5)
    assert close_request(SPEC, short, 1.1, magic=1, comment="bye")["type"] == 0


def test_a_whole_position_closes_even_where_it_doesnt_fit_the_steps() -> None:
    odd = made(TradePosition, ticket=8, symbol="EURUSD", volume=0.005)
    assert close_request(SPEC, odd, 1.1)["volume"] == 0.005
    assert close_request(SPEC, odd, 1.1, 0.005)["volume"] == 0.005


def test_a_part_is_rounded_down_and_never_more_than_the_position() -> None:
    assert close_request(SPEC, POSITION, 1.1, 0.255)["volume"] == 0.25
    with pytest.raises(LocalProtocolError, match=r"at most the 0\.5 lots"):
        close_request(SPEC, POSITION, 1.1, 0.51)


def test_a_position_above_the_maximum_must_be_closed_in_parts() -> None:
    big = made(TradePosition, ticket=8, symbol="EURUSD", volume=50.01)
    with pytest.raises(LocalProtocolError, match="in parts"):
        close_request(SPEC, big, 1.1)
    assert close_request(SPEC, big, 1.1, 50.0)["volume"] == 50.0


@pytest.mark.parametrize(
    ("sl", "tp", "expected"),
    [(None, None, (1.0, 1.2)), (1.051, None, (1.051, 1.2)), (None, 0, (1.0, 0.0)), (0.0, 1.300001, (0.0, 1.3))],
)
def test_protection_keeps_what_isnt_given_and_removes_on_zero(
    sl: float | None, tp: float | None, expected: tuple[float, float]
) -> None:
    request = protect_request(SPEC, POSITION, sl, tp)
    assert (request["action"], request["position"]) == (6, 7)
    assert (request["sl"], request["tp"]) == expected


def test_modifying_an_order_keeps_what_isnt_given() -> None:
    kept = modify_request(SPEC, ORDER, sl=1.05)
    assert (kept["action"], kept["order"], kept["price"], kept["sl"], kept["tp"]) == (7, 9, 1.1, 1.05, 1.2)
    assert (kept["type_time"], kept["expiration"]) == (2, 99)
    freed = modify_request(SPEC, ORDER, price=1.09, expiration=0)
    assert (freed["price"], freed["type_time"], freed["expiration"]) == (1.09, 0, 0)


def result(retcode: int) -> OrderSendResult:
    return made(OrderSendResult, retcode=retcode, order=5, comment="why", request=made(TradeRequest, symbol="EURUSD"))


def test_every_return_code_is_of_one_class() -> None:
    assert set(DONE) == {10_008, 10_009, 10_010}
    listed = {10_004, 10_006, 10_007, *range(10_013, 10_031), *range(10_032, 10_037), *range(10_038, 10_046)}
    assert set(REFUSED) == listed
    assert not DONE & REFUSED
    assert [code for code in range(10_000, 10_100) if is_ambiguous(code) and code in NAMES] == [10_011, 10_012, 10_031]
    assert all(is_ambiguous(code) for code in (0, 10_005, 10_037, 99_999, None, "10009"))


@pytest.mark.parametrize("retcode", sorted(DONE))
def test_done_and_placed_are_returned(retcode: int) -> None:
    assert judged(result(retcode)).retcode == retcode


@pytest.mark.parametrize("retcode", sorted(REFUSED))
def test_a_refusal_says_its_code_its_name_and_why(retcode: int) -> None:
    with pytest.raises(TerminalRefused, match=f"EURUSD: {retcode} [A-Z_]+: why") as caught:
        judged(result(retcode))
    assert caught.value.retcode == retcode
    assert caught.value.last_error == (1, "Success")


@pytest.mark.parametrize("retcode", [10_011, 10_012, 10_031, 0, 10_005, 10_037, 10_046, 99_999])
def test_what_isnt_listed_or_doesnt_say_is_unknown(retcode: int) -> None:
    with pytest.raises(OutcomeUnknown, match=str(retcode)) as caught:
        judged(result(retcode))
    assert caught.value.detail["retcode"] == retcode


def test_no_result_is_unknown() -> None:
    with pytest.raises(OutcomeUnknown):
        judged(None)
