"""Between MT5's values and the wire's: arguments as the package takes them, results as the package gives them.

It is told a call's name and knows from it what travels. It never knows a socket, a session or an account.
Source of the rules: MetaTrader5 5.0.6231, which takes dates as int, float or datetime and truncates them to seconds,
takes any `__index__` where C wants an int, and gives read-only arrays of 60-byte records.
"""

import datetime
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.wire.errors import LocalProtocolError, RemoteProtocolError
from gateway.wire.structs import (
    RATES_DTYPE,
    RECORD_BYTES,
    TICK_DTYPE,
    AccountInfo,
    BookInfo,
    OrderCheckResult,
    OrderSendResult,
    Struct,
    SymbolInfo,
    TerminalInfo,
    Tick,
    TradeDeal,
    TradeOrder,
    TradePosition,
    TradeRequest,
)

__all__ = ("DECODERS", "Records", "decode_result", "encode_arguments")

Records = NDArray[np.void]
"""A one-dimensional, read-only structured array: TICK_DTYPE or RATES_DTYPE."""


# --- arguments ------------------------------------------------------------------------------------------------------


def encode_arguments(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> tuple[tuple[Any, ...], dict[str, Any] | None]:
    """Return the arguments of call `name` as they travel, copied: what the caller changes afterwards changes nothing.

    datetime and float dates become whole seconds (a naive datetime is taken in this machine's zone, as the package
    does), NumPy's numbers plain ones where the package takes them, a TradeRequest a mapping. Raises LocalProtocolError
    for what can't travel; what travels but isn't allowed is the terminal's to refuse. O(size).
    """
    slots = _SLOTS.get(name, ())
    encoded = tuple(
        slots[index](value) if index < len(slots) else _plain(value, f"{name}, argument {index + 1}")
        for index, value in enumerate(args)
    )
    if not kwargs:
        return encoded, None
    return encoded, {key: _plain(value, f"{name}, {key}") for key, value in kwargs.items()}


_AS_IS: Final = frozenset({str, int, float, bool, bytes, type(None)})


def _plain(value: Any, place: str) -> Any:
    if type(value) in _AS_IS:
        return value
    if isinstance(value, TradeRequest):
        return value._asdict()
    if isinstance(value, dict):
        return {key: _plain(item, f"{place}, {key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, place) for item in value]
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str(value)
    raise LocalProtocolError(
        f"{place}: expected an int, a float or a str, got {type(value).__qualname__} {value!r:.40}"
    )


def _any(value: Any) -> Any:
    return _plain(value, "argument")


def _date(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return int(value.timestamp())
    if isinstance(value, float):
        try:
            return int(value)
        except (ValueError, OverflowError) as error:
            raise LocalProtocolError(f"date: expected seconds since 1970, got {value!r}") from error
    return _plain(value, "date")


def _integer(value: Any) -> Any:
    if type(value) is not int and not isinstance(value, float) and hasattr(value, "__index__"):
        return value.__index__()
    return _plain(value, "argument")


def _number(value: Any) -> Any:
    if type(value) in _AS_IS:
        return value
    if hasattr(value, "__float__") or hasattr(value, "__index__"):
        return float(value)
    return _plain(value, "argument")


_DATES: Final = (_date, _date, _any)
_SLOTS: Final[dict[str, tuple[Callable[[Any], Any], ...]]] = {
    "copy_ticks_from": (_any, _date, _integer, _integer),
    "copy_ticks_range": (_any, _date, _date, _integer),
    "copy_rates_from": (_any, _integer, _date, _integer),
    "copy_rates_from_pos": (_any, _integer, _integer, _integer),
    "copy_rates_range": (_any, _integer, _date, _date),
    "history_orders_total": _DATES,
    "history_orders_get": _DATES,
    "history_deals_total": _DATES,
    "history_deals_get": _DATES,
    "order_calc_margin": (_any, _any, _number, _number),
    "order_calc_profit": (_any, _any, _number, _number, _number),
    "symbol_select": (_any, bool),
}
"""By call, what becomes of each positional argument; all others are taken as they are."""


# --- results --------------------------------------------------------------------------------------------------------


def decode_result(name: str, value: Any) -> Any:
    """Return a successful call's result in MT5's type; None stays None. Raises RemoteProtocolError for another shape.

    Arrays share the received message's memory and are read-only. O(fields); arrays O(1).
    """
    return DECODERS[name](value)


def _unchanged(value: Any) -> Any:
    return value


def _struct(kind: type[Struct]) -> Callable[[Any], Any]:
    size = kind.n_fields
    make = tuple.__new__

    def decode(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is not list or len(value) != size:
            raise RemoteProtocolError(f"{kind.__name__}: expected an array of {size} fields, got {_shape(value)}")
        return make(kind, value)

    return decode


def _structs(kind: type[Struct]) -> Callable[[Any], Any]:
    one = _struct(kind)

    def decode(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is not list:
            raise RemoteProtocolError(f"{kind.__name__}: expected an array of arrays, got {_shape(value)}")
        return tuple([one(item) for item in value])

    return decode


def _with_request(kind: type[Struct]) -> Callable[[Any], Any]:
    outer = _struct(kind)
    inner = _struct(TradeRequest)

    def decode(value: Any) -> Any:
        if type(value) is list and len(value) == kind.n_fields:
            value = [*value[:-1], inner(value[-1])]
        return outer(value)

    return decode


def _records(dtype: np.dtype[Any]) -> Callable[[Any], Records | None]:
    empty = np.empty(0, dtype)
    empty.flags.writeable = False

    def decode(value: Any) -> Records | None:
        if value is None:
            return None
        if type(value) is not bytes or len(value) % RECORD_BYTES:
            raise RemoteProtocolError(f"records: expected a multiple of {RECORD_BYTES} bytes, got {_shape(value)}")
        return np.frombuffer(value, dtype) if value else empty

    return decode


def _fate(value: Any) -> Any:
    """Decode the answer within what `order_status` tells."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise RemoteProtocolError(f"order_status: expected a map, got {_shape(value)}")
    if value.get("state") == "answered" and value.get("status") == 0:
        return {**value, "result": DECODERS["order_send"](value.get("result"))}
    return value


def _fates(value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, list):
        raise RemoteProtocolError(f"client_orders: expected an array, got {_shape(value)}")
    return [_fate(item) for item in value]


def _version(value: Any) -> Any:
    return tuple(value) if type(value) is list else value


def _shape(value: Any) -> str:
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, (list, bytes, str, dict)) else repr(value)


DECODERS: Final[dict[str, Callable[[Any], Any]]] = {
    "order_send": _with_request(OrderSendResult),
    "order_check": _with_request(OrderCheckResult),
    "account_info": _struct(AccountInfo),
    "terminal_info": _struct(TerminalInfo),
    "symbol_info": _struct(SymbolInfo),
    "symbol_info_tick": _struct(Tick),
    "positions_get": _structs(TradePosition),
    "orders_get": _structs(TradeOrder),
    "history_orders_get": _structs(TradeOrder),
    "history_deals_get": _structs(TradeDeal),
    "symbols_get": _structs(SymbolInfo),
    "market_book_get": _structs(BookInfo),
    "copy_ticks_from": _records(TICK_DTYPE),
    "copy_ticks_range": _records(TICK_DTYPE),
    "copy_rates_from": _records(RATES_DTYPE),
    "copy_rates_from_pos": _records(RATES_DTYPE),
    "copy_rates_range": _records(RATES_DTYPE),
    "version": _version,
    "positions_total": _unchanged,
    "orders_total": _unchanged,
    "symbols_total": _unchanged,
    "history_orders_total": _unchanged,
    "history_deals_total": _unchanged,
    "order_calc_margin": _unchanged,
    "order_calc_profit": _unchanged,
    "symbol_select": _unchanged,
    "market_book_add": _unchanged,
    "market_book_release": _unchanged,
    "symbol_spec": _unchanged,
    "hello": _unchanged,
    "bye": _unchanged,
    "ping": _unchanged,
    "accounts": _unchanged,
    "order_status": _fate,
    "client_orders": _fates,
    "events": _unchanged,
    "stats": _unchanged,
    "kill": _unchanged,
    "resume": _unchanged,
    "flatten": _unchanged,
    "switches": _unchanged,
    "resolve_order": _unchanged,
    "allow_exits": _unchanged,
    "limits": _unchanged,
    "set_limits": _unchanged,
}
"""By call, how its result becomes MT5's type: every name of `gateway.wire.calls.CALLS`."""
