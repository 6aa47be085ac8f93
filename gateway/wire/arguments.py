"""What the package does with a call's arguments before the terminal hears of them: one table, a row a call.

`prepare` is the worker's side: it takes any Python arguments and returns plain ones in a fixed order, or fails as the
package fails. `conforms` is the terminal's side: it checks that what arrived is in that form. Where the package's C
code leaves a TypeError or OverflowError pending, it is raised here, with the text of the last error as its note; only
a date that doesn't fit has none, since the package asks on with a wrong one.

Source: the Windows wheel 5.0.6231; its `long` has 32 bits.
"""

import operator
from collections.abc import Callable
from datetime import datetime
from types import NoneType
from typing import Any, Final, NoReturn

from gateway.wire.structs import TradeRequest

__all__ = ("CALLS", "BadArguments", "conforms", "prepare")

MAX_NAME_UNITS: Final = 29
"""Symbols and comments: UTF-16 units."""
MAX_GROUP: Final = 1997
MAX_CREDENTIAL: Final = 254

_INVALID: Final = "Invalid arguments"

Arguments = tuple[Any, ...]
Keywords = dict[str, Any]


class BadArguments(Exception):
    """A call that the package answers itself: with `returns`, and with (-2, `text`) as the last error."""

    def __init__(self, text: str = _INVALID, returns: bool | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.returns = returns


def prepare(name: str, args: Arguments, kwargs: Keywords) -> Arguments:
    """Return a call's arguments in canonical form.

    Raises BadArguments where the package answers without asking the terminal, TypeError and OverflowError where it
    raises, AttributeError for a name it doesn't have.
    """
    call = CALLS.get(name)
    if call is None:
        raise AttributeError(f"module 'MetaTrader5' has no attribute {name!r}")
    return call(name, args, kwargs)


def conforms(name: str, arguments: Any) -> bool:
    """Say whether `arguments` are in the canonical form of the call `name`."""
    shape = _SHAPES.get(name)
    if shape is None or type(arguments) is not tuple or len(arguments) != len(shape):
        return False
    return all(type(value) in kinds for value, kinds in zip(arguments, shape, strict=True))


# --- one argument ---------------------------------------------------------------------------------------------------


def _name(value: Any) -> str:
    if not isinstance(value, str) or len(value.encode("utf-16-le", "surrogatepass")) // 2 > MAX_NAME_UNITS:
        raise BadArguments
    return _clean(value)


def _clean(value: str) -> str:
    """Refuse lone surrogates, which no UTF-8 can carry."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadArguments from None
    return str(value)


def _pending(error: TypeError | OverflowError, text: str = _INVALID) -> TypeError | OverflowError:
    """Return an error that the package leaves pending, with its last error's text."""
    error.add_note(text)
    return error


def _int32(value: Any) -> int:
    try:
        number = int(operator.index(value))
    except TypeError as error:
        raise _pending(error) from None
    if not -(2**31) <= number < 2**31:
        side = "greater than maximum" if number > 0 else "less than minimum"
        raise _pending(OverflowError(f"signed integer is {side}"))
    return number


def _action(value: Any) -> int:
    if not isinstance(value, int):
        raise _pending(TypeError(f"argument 1 must be int, not {type(value).__name__}"))
    return value % 2**32


def _double(value: Any) -> float:
    if isinstance(value, (str, bytes, bytearray)) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        raise _pending(TypeError(f"must be real number, not {type(value).__name__}"))
    return float(value)


def _date(value: Any) -> int:
    if isinstance(value, int):
        if not -(2**31) <= value < 2**31:
            raise OverflowError("Python int too large to convert to C long")
        return int(value)
    try:
        if isinstance(value, datetime):
            seconds = int(value.timestamp())
        elif isinstance(value, float):
            seconds = int(value)
        else:
            raise BadArguments
    except (ValueError, OverflowError, OSError):
        raise BadArguments from None
    return (seconds + 2**31) % 2**32 - 2**31


def _boolean(value: Any) -> bool:
    return bool(value)


def _unsigned(value: Any, bits: int, text: str, returns: bool | None = None) -> int:
    if not isinstance(value, int):
        raise BadArguments(text, returns)
    if value < 0:
        raise _pending(OverflowError("can't convert negative int to unsigned"), text)
    if value >= 2**bits:
        raise _pending(OverflowError("int too large to convert"), text)
    return int(value)


def _ticket(name: str, value: Any) -> int:
    return _unsigned(value, 64, f'Invalid "{name}" argument')


def _group(value: Any, returns: bool | None = None) -> str:
    if not isinstance(value, str) or len(value) > MAX_GROUP:
        raise BadArguments('Invalid "group" argument', returns)
    return _clean(value)


# --- one call -------------------------------------------------------------------------------------------------------

_Call = Callable[[str, Arguments, Keywords], Arguments]


def _nothing(name: str, args: Arguments, kwargs: Keywords) -> Arguments:
    if kwargs:
        raise TypeError(f"MetaTrader5._core.{name}() takes no keyword arguments")
    if args:
        raise TypeError(f"MetaTrader5._core.{name}() takes no arguments ({len(args)} given)")
    return ()


def _positional(*kinds: Callable[[Any], Any]) -> _Call:
    def call(name: str, args: Arguments, kwargs: Keywords) -> Arguments:
        if kwargs:
            raise TypeError(f"{name}() takes no keyword arguments")
        if len(args) != len(kinds):
            raise BadArguments
        return tuple(kind(value) for kind, value in zip(kinds, args, strict=True))

    return call


def _symbol_select(name: str, args: Arguments, kwargs: Keywords) -> Arguments:
    if kwargs:
        raise TypeError(f"{name}() takes no keyword arguments")
    try:
        if not 1 <= len(args) <= 2:
            raise BadArguments
        return _name(args[0]), bool(args[1]) if len(args) == 2 else True
    except BadArguments as error:
        raise BadArguments(error.text, False) from None


def _symbols_get(name: str, args: Arguments, kwargs: Keywords) -> Arguments:
    if len(args) > 1:
        raise BadArguments("Invalid number of arguments", False)
    if args:
        if not isinstance(args[0], str) or len(args[0]) > MAX_GROUP:
            raise BadArguments("Invalid 1st unnamed argument", False)
        return (_clean(args[0]),)
    return (_group(kwargs["group"], False),) if "group" in kwargs else (None,)


def _open_get(name: str, args: Arguments, kwargs: Keywords) -> Arguments:
    """positions_get, orders_get: the first of ticket, symbol and group that is there wins."""
    if args:
        raise BadArguments("Unnamed arguments not allowed")
    if "ticket" in kwargs:
        return _ticket("ticket", kwargs["ticket"]), None, None
    if "symbol" in kwargs:
        try:
            return None, _name(kwargs["symbol"]), None
        except BadArguments:
            raise BadArguments('Invalid "symbol" argument') from None
    return None, None, _group(kwargs["group"]) if "group" in kwargs else None


def _history_get(name: str, args: Arguments, kwargs: Keywords) -> Arguments:
    """history_orders_get, history_deals_get: two dates and perhaps a group, or a ticket, or a position."""
    if len(args) == 2:
        first, last = _date(args[0]), _date(args[1])
        return first, last, _group(kwargs["group"]) if "group" in kwargs else None, None, None
    if args:
        raise BadArguments
    if "ticket" in kwargs:
        return None, None, None, _ticket("ticket", kwargs["ticket"]), None
    if "position" in kwargs:
        return None, None, None, None, _ticket("position", kwargs["position"])
    raise BadArguments


_REQUEST_FIELDS: Final = tuple(TradeRequest.__annotations__.items())
_FIELD_BITS: Final = {
    "action": 32,
    "type": 32,
    "type_filling": 32,
    "type_time": 32,
    "magic": 64,
    "order": 64,
    "deviation": 64,
    "position": 64,
    "position_by": 64,
}


def _request(name: str, args: Arguments, kwargs: Keywords) -> Arguments:
    """order_send, order_check: one mapping, or every field as a keyword; missing fields are 0 or empty."""
    if args and kwargs:
        raise BadArguments("Unnamed arguments not allowed")
    if not kwargs and len(args) != 1:
        raise BadArguments("Invalid number of arguments")
    request = kwargs or args[0]
    if not isinstance(request, dict):
        raise BadArguments
    return tuple(_field(field, kind, request[field]) if field in request else kind() for field, kind in _REQUEST_FIELDS)


def _field(field: str, kind: type, value: Any) -> Any:
    if kind is float:
        if not isinstance(value, float):
            _refuse(field)
        return float(value)
    if kind is str:
        try:
            return _name(value)
        except BadArguments:
            _refuse(field)
    bits = _FIELD_BITS.get(field)
    if bits is not None:
        return _unsigned(value, bits, f'Invalid "{field}" argument')
    if not isinstance(value, int):
        _refuse(field)
    if not -(2**63) <= value < 2**63:
        raise _pending(OverflowError("int too big to convert"), f'Invalid "{field}" argument')
    return int(value)


def _refuse(field: str) -> NoReturn:
    raise BadArguments(f'Invalid "{field}" argument')


def _credential(value: Any, text: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_CREDENTIAL:
        raise BadArguments(text, False)
    return _clean(value)


def _timeout(kwargs: Keywords) -> int:
    value = kwargs.get("timeout", 60_000)
    return _unsigned(value, 32, 'Invalid "timeout" argument', False)


def _initialize(name: str, args: Arguments, kwargs: Keywords) -> Arguments:
    """Return (path or None, login, password, server, timeout_ms, portable)."""
    if len(args) > 1:
        raise BadArguments("Invalid number of arguments", False)
    if args and not isinstance(args[0], str):
        raise BadArguments("Invalid 1st unnamed argument", False)
    login = _unsigned(kwargs.get("login", 0), 64, 'Invalid "login" argument', False)
    server = _credential(kwargs.get("server", ""), 'Invalid "server" argument')
    password = _credential(kwargs.get("password", ""), 'Invalid "password" argument')
    timeout_ms = _timeout(kwargs)
    path = args[0] if args else kwargs.get("path", "")
    if not isinstance(path, str):
        raise BadArguments('Invalid "path" argument', False)
    named = bool(args) or "path" in kwargs
    return _clean(path) if named else None, login, password, server, timeout_ms, bool(kwargs.get("portable"))


def _login(name: str, args: Arguments, kwargs: Keywords) -> Arguments:
    """Return (login, password, server, timeout_ms)."""
    if len(args) > 3:
        raise BadArguments("Invalid number of arguments", False)
    login = _unsigned(args[0], 64, "Invalid 1st unnamed argument", False) if args else 0
    password = _credential(args[1], "Invalid 2nd unnamed argument") if len(args) > 1 else ""
    server = _credential(args[2], "Invalid 3rd unnamed argument") if len(args) > 2 else ""
    login = _unsigned(kwargs.get("login", login), 64, 'Invalid "login" argument', False)
    server = _credential(kwargs.get("server", server), 'Invalid "server" argument')
    password = _credential(kwargs.get("password", password), 'Invalid "password" argument')
    timeout_ms = _timeout(kwargs)
    if login == 0:
        raise BadArguments('Invalid "login" argument', False)
    return login, password, server, timeout_ms


CALLS: Final[dict[str, _Call]] = {
    "initialize": _initialize,
    "shutdown": _nothing,
    "login": _login,
    "version": _nothing,
    "last_error": _nothing,
    "terminal_info": _nothing,
    "account_info": _nothing,
    "copy_ticks_from": _positional(_name, _date, _int32, _int32),
    "copy_ticks_range": _positional(_name, _date, _date, _int32),
    "copy_rates_from": _positional(_name, _int32, _date, _int32),
    "copy_rates_from_pos": _positional(_name, _int32, _int32, _int32),
    "copy_rates_range": _positional(_name, _int32, _date, _date),
    "positions_total": _nothing,
    "positions_get": _open_get,
    "orders_total": _nothing,
    "orders_get": _open_get,
    "history_orders_total": _positional(_date, _date),
    "history_orders_get": _history_get,
    "history_deals_total": _positional(_date, _date),
    "history_deals_get": _history_get,
    "order_check": _request,
    "order_send": _request,
    "order_calc_margin": _positional(_action, _name, _double, _double),
    "order_calc_profit": _positional(_action, _name, _double, _double, _double),
    "symbol_info": _positional(_name),
    "symbol_info_tick": _positional(_name),
    "symbol_select": _symbol_select,
    "symbols_total": _nothing,
    "symbols_get": _symbols_get,
    "market_book_add": _positional(_name),
    "market_book_release": _positional(_name),
    "market_book_get": _positional(_name),
}
"""The package's 32 functions."""

_STR: Final = (str,)
_INT: Final = (int,)
_FLOAT: Final = (float,)
_MAYBE_STR: Final = (str, NoneType)
_MAYBE_INT: Final = (int, NoneType)
_OPEN_GET: Final = (_MAYBE_INT, _MAYBE_STR, _MAYBE_STR)
_HISTORY_GET: Final = (_MAYBE_INT, _MAYBE_INT, _MAYBE_STR, _MAYBE_INT, _MAYBE_INT)
_REQUEST: Final = tuple((kind,) for _, kind in _REQUEST_FIELDS)

_SHAPES: Final[dict[str, tuple[tuple[type, ...], ...]]] = {
    "initialize": (_INT, _STR, _STR),
    "login": (_INT, _STR, _STR),
    "version": (),
    "terminal_info": (),
    "account_info": (),
    "copy_ticks_from": (_STR, _INT, _INT, _INT),
    "copy_ticks_range": (_STR, _INT, _INT, _INT),
    "copy_rates_from": (_STR, _INT, _INT, _INT),
    "copy_rates_from_pos": (_STR, _INT, _INT, _INT),
    "copy_rates_range": (_STR, _INT, _INT, _INT),
    "positions_total": (),
    "positions_get": _OPEN_GET,
    "orders_total": (),
    "orders_get": _OPEN_GET,
    "history_orders_total": (_INT, _INT),
    "history_orders_get": _HISTORY_GET,
    "history_deals_total": (_INT, _INT),
    "history_deals_get": _HISTORY_GET,
    "order_check": _REQUEST,
    "order_send": _REQUEST,
    "order_calc_margin": (_INT, _STR, _FLOAT, _FLOAT),
    "order_calc_profit": (_INT, _STR, _FLOAT, _FLOAT, _FLOAT),
    "symbol_info": (_STR,),
    "symbol_info_tick": (_STR,),
    "symbol_select": (_STR, (bool,)),
    "symbols_total": (),
    "symbols_get": (_MAYBE_STR,),
    "market_book_add": (_STR,),
    "market_book_release": (_STR,),
    "market_book_get": (_STR,),
}
"""What reaches the terminal: `initialize` and `login` without what the connection keeps to itself."""
