"""A symbol's settings as people write them, turned into the values of a specification.

A field is named as in `Specification` or as in the package's SymbolInfo; an enumeration is written as a word, a bit
mask as a list of words, sessions as a word or as spans by day. Whatever isn't understood is refused with the symbol,
the field, what was expected and what was found.
"""

import calendar
import re
from collections.abc import Mapping
from dataclasses import fields as fields_of
from dataclasses import replace
from typing import Any, Final

from gateway.terminal.simulated.market.sessions import DAY, FOREX, INDEX, ROUND_THE_CLOCK, Sessions
from gateway.terminal.simulated.market.specification import Specification
from gateway.wire import constants as mt5
from gateway.wire.filling import SYMBOL_FILLING_BOC, SYMBOL_FILLING_FOK, SYMBOL_FILLING_IOC

__all__ = ("overridden",)

ALIASES: Final[dict[str, str]] = {
    "filling": "filling_mode",
    "trade_calc_mode": "calc_mode",
    "trade_stops_level": "stops_level",
    "trade_freeze_level": "freeze_level",
    "trade_contract_size": "contract_size",
    "trade_tick_size": "tick_size",
    "trade_tick_value": "tick_value",
    "trade_face_value": "face_value",
    "trade_liquidity_rate": "liquidity_rate",
    "execution": "trade_exemode",
    "order_gtc_mode": "gtc_mode",
    "ticks_bookdepth": "book_depth",
    "start_time": "start_time_s",
    "expiration_time": "expiration_time_s",
    "commission": "commission_per_lot",
    "spread": "spread_points",
}
"""Other names of fields: the package's own, and what people call them."""

_DAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


def _words(prefix: str) -> dict[str, int]:
    """Return the package's constants of a group by what stands behind their common prefix, in small letters."""
    return {name.removeprefix(prefix).lower(): value for name, value in vars(mt5).items() if name.startswith(prefix)}


WORDS: Final[dict[str, dict[str, int]]] = {
    "calc_mode": _words("SYMBOL_CALC_MODE_"),
    "trade_exemode": _words("SYMBOL_TRADE_EXECUTION_"),
    "trade_mode": _words("SYMBOL_TRADE_MODE_"),
    "gtc_mode": _words("SYMBOL_ORDERS_"),
    "swap_mode": _words("SYMBOL_SWAP_MODE_"),
    "swap_rollover3days": {day: number for number, day in enumerate(_DAYS)},
}
"""Fields with one value out of a group."""

MASKS: Final[dict[str, dict[str, int]]] = {
    "filling_mode": {"fok": SYMBOL_FILLING_FOK, "ioc": SYMBOL_FILLING_IOC, "boc": SYMBOL_FILLING_BOC},
    "order_mode": {
        "market": 1,
        "limit": 2,
        "stop": 4,
        "stop_limit": 8,
        "sl": 16,
        "tp": 32,
        "close_by": 64,
    },
    "expiration_mode": {"gtc": 1, "day": 2, "specified": 4, "specified_day": 8},
}
"""Fields with any of a group's values; an empty list is none."""

SESSIONS: Final[dict[str, Sessions]] = {"forex": FOREX, "index": INDEX, "always": ROUND_THE_CLOCK}

_SPAN: Final = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})", re.ASCII)
_DATE: Final = re.compile(r"(\d{4})[-.](\d{2})[-.](\d{2})(?:[ T](\d{2}):(\d{2}))?", re.ASCII)
_TIMES: Final = ("start_time_s", "expiration_time_s")
_TYPES: Final[dict[str, Any]] = {field.name: field.type for field in fields_of(Specification)}


def overridden(symbol: Specification, settings: Mapping[str, Any], name: str) -> Specification:
    """Return the specification with the settings' values in place; raises ValueError for one that makes no sense."""
    values: dict[str, Any] = {}
    for key, value in settings.items():
        field = ALIASES.get(key, key)
        if field == "name" or field not in _TYPES:
            raise ValueError(f"symbols: {name}: expected a symbol's field, got {key!r}")
        try:
            values[field] = _value(field, value)
        except ValueError as error:
            raise ValueError(f"symbols: {name}: {key}: {error}") from None
    # What follows from other fields follows from their new values, unless it was set apart.
    if symbol.tick_size == symbol.point and "digits" in values:
        values.setdefault("tick_size", 0.0)
    if values.keys() & {"digits", "tick_size", "contract_size", "calc_mode"}:
        values.setdefault("tick_value", 0.0)
    if "contract_size" in values and not symbol.margin_initial:
        # A hedged lot keeps its share of a lot's margin.
        values.setdefault("margin_hedged", symbol.margin_hedged * values["contract_size"] / symbol.contract_size)
    try:
        return replace(symbol, **values)
    except ValueError as error:
        raise ValueError(f"symbols: {name}: {error}") from None


def _value(field: str, value: Any) -> Any:
    if field in WORDS:
        return _word(WORDS[field], value)
    if field in MASKS:
        return _mask(MASKS[field], value)
    if field == "sessions":
        return _sessions(value)
    if field in _TIMES and isinstance(value, str):
        return _time(value)
    return _plain(_TYPES[field], value)


def _plain(kind: Any, value: Any) -> Any:
    """Return a value of the field's own type: an integer will do for a float, nothing else for anything else."""
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"expected {_NOUNS[kind]}, got {value!r}")
    return value


_NOUNS: Final[dict[Any, str]] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _word(words: Mapping[str, int], value: Any) -> int:
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    if type(value) is int and value in words.values():
        return value
    raise ValueError(f"expected one of {', '.join(words)}, got {value!r}")


def _mask(words: Mapping[str, int], value: Any) -> int:
    if type(value) is int and 0 <= value <= sum(words.values()):
        return value
    chosen = [value] if isinstance(value, str) else value
    if not isinstance(chosen, list | tuple):
        raise ValueError(f"expected a list of {', '.join(words)}, got {value!r}")
    mask = 0
    for word in chosen:
        mask |= _word(words, word)
    return mask


def _sessions(value: Any) -> Sessions:
    """Read sessions: a word, or a mapping of days to their spans ("09:00-17:30"); a day not named is closed."""
    if isinstance(value, Sessions):
        return value
    if isinstance(value, str) and value.lower() in SESSIONS:
        return SESSIONS[value.lower()]
    if not isinstance(value, Mapping):
        raise ValueError(f"expected one of {', '.join(SESSIONS)}, or spans by day, got {value!r}")
    days: dict[str, tuple[tuple[int, int], ...]] = {}
    for day, spans in value.items():
        if not (isinstance(day, str) and day.lower() in _DAYS):
            raise ValueError(f"expected days from {', '.join(_DAYS)}, got {day!r}")
        listed = [spans] if isinstance(spans, str) else spans
        if not isinstance(listed, list | tuple):
            raise ValueError(f"{day}: expected a list of spans like 09:00-17:30, got {spans!r}")
        days[day.lower()] = tuple(_span(day, span) for span in listed)
    try:
        return Sessions(tuple(days.get(day, ()) for day in _DAYS))
    except ValueError as error:
        raise ValueError(str(error).removeprefix("sessions: ")) from None


def _span(day: str, text: Any) -> tuple[int, int]:
    found = _SPAN.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{day}: expected a span like 09:00-17:30, got {text!r}")
    hour, minute, end_hour, end_minute = map(int, found.groups())
    start, end = hour * 3600 + minute * 60, end_hour * 3600 + end_minute * 60
    if minute > 59 or end_minute > 59 or not start < end <= DAY:
        raise ValueError(f"{day}: expected a span within a day, got {text!r}")
    return start, end


def _time(text: str) -> int:
    """Read a date, or a date and a time of day, of the server's clock."""
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(f"expected a date like 2035-12-21 or 2035-12-21 20:00, got {text!r}")
    year, month, day, hour, minute = (int(part or 0) for part in found.groups())
    if not (year >= 1970 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        raise ValueError(f"expected a day of the calendar since 1970, got {text!r}")
    if hour > 23 or minute > 59:
        raise ValueError(f"expected a time of day, got {text!r}")
    return calendar.timegm((year, month, day, hour, minute, 0))
