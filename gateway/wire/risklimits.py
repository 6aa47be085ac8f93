"""The pre-trade limits: their names, what values they take, and which of two values is the tighter one.

They travel by these names in `limits` and `set_limits`, stand so in the configuration and in the journal. A limit that
isn't set is None: off. Trading hours are texts such as "mon-fri 07:00-21:00", in UTC.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

__all__ = (
    "LIMITS",
    "Limit",
    "Spans",
    "TradingState",
    "clock_minutes",
    "common_spans",
    "is_looser",
    "parsed_hours",
    "problem_with",
    "tighter",
)

Spans = tuple[tuple[int, int], ...]
"""Minutes of the week (0: Monday, 00:00 UTC), each from the first up to but not including the second, ascending."""


class TradingState(IntEnum):
    """What an account, a client or a symbol may do; the greater is the tighter."""

    ACTIVE = 0
    REDUCING = 1  # only what reduces exposure
    HALTED = 2  # only cancels, and closes where that is configured


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: what kind of value it takes, and between which bounds."""

    name: str
    kind: str  # number, count, flag, texts, hours, state
    meaning: str
    least: float = 0.0
    most: float = 1e12
    greater_is_tighter: bool = False


LIMITS: Final[Mapping[str, Limit]] = {
    limit.name: limit
    for limit in (
        Limit("state", "state", "active, reducing (only what reduces exposure) or halted (only cancels)"),
        Limit("trading_hours", "hours", "when entries are taken, in UTC"),
        Limit("allowed_symbols", "texts", "the only symbols that may be traded"),
        Limit("max_volume", "number", "lots of one order", most=1e9),
        Limit("max_open_volume", "number", "lots open, pending and under way, this order included", most=1e9),
        Limit("max_positions", "count", "positions, pending orders and entries under way, this one included", most=1e6),
        Limit("max_order_notional", "number", "one order's value in the account's currency"),
        Limit("max_notional", "number", "value of all that is open, pending and under way, in the account's currency"),
        Limit("price_collar_percent", "number", "how far a price may be from the live quote", most=1e4),
        Limit("require_stop_loss", "flag", "entries need a stop loss"),
        Limit("max_trade_risk", "number", "loss at the stop loss, in the account's currency"),
        Limit("max_trade_risk_percent", "number", "the same, of the equity", most=100.0),
        Limit("max_daily_loss", "number", "equity lost since the day's beginning, in the account's currency"),
        Limit("max_daily_loss_percent", "number", "the same, of the equity at the day's beginning", most=100.0),
        Limit("max_drawdown", "number", "equity lost since its highest, in the account's currency"),
        Limit("max_drawdown_percent", "number", "the same, of that highest", most=100.0),
        Limit("min_margin_level_percent", "number", "margin level after the trade", most=1e6, greater_is_tighter=True),
        Limit("max_alike", "count", "entries that are alike within alike_window_ms", least=1, most=1_000),
        Limit("max_entries", "count", "entries and changes within rate_window_ms", most=10_000),
        Limit("max_exits", "count", "closes and cancels within rate_window_ms", least=1, most=10_000),
        Limit("max_daily_requests", "count", "orders of all kinds in a day", most=10_000_000),
    )
}
"""In the order in which they are told; that in which they are judged is `gateway.core.risk`'s."""

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES: Final = 1_440
_HOURS: Final = re.compile(r"([a-z]{3})(?:-([a-z]{3}))? (\d\d:\d\d)-(\d\d:\d\d)")
_MAX_TEXTS: Final = 1_024
_MAX_TEXT: Final = 64


def problem_with(name: str, value: Any) -> str:
    """Say what is wrong with a limit's value ("": nothing); None turns a limit off."""
    limit = LIMITS.get(name)
    if limit is None:
        return f"{name}: there is no such limit; known: {', '.join(LIMITS)}"
    if value is None:
        return ""
    if limit.kind in ("number", "count"):
        expected = "a number" if limit.kind == "number" else "a whole number"
        types = (int, float) if limit.kind == "number" else (int,)
        if type(value) not in types or not limit.least <= value <= limit.most:
            return f"{name}: expected {expected} from {limit.least:g} to {limit.most:g}, got {value!r:.80}"
        return ""
    if limit.kind == "flag":
        return "" if type(value) is bool else f"{name}: expected true or false, got {value!r:.80}"
    if limit.kind == "state":
        names = [state.name.lower() for state in TradingState]
        return "" if value in names else f"{name}: expected {', '.join(names)}, got {value!r:.80}"
    if not isinstance(value, list | tuple) or len(value) > _MAX_TEXTS:
        return f"{name}: expected a list of at most {_MAX_TEXTS} texts, got {value!r:.80}"
    for text in value:
        if type(text) is not str or not 0 < len(text) <= _MAX_TEXT:
            return f"{name}: expected texts of 1 to {_MAX_TEXT} characters, got {text!r:.80}"
    if limit.kind == "hours":
        try:
            parsed_hours(value)
        except ValueError as error:
            return f"{name}: {error}"
    return ""


def tighter(name: str, left: Any, right: Any) -> Any:
    """Return what holds where both values of a limit do; either may be None."""
    if left is None or right is None:
        return right if left is None else left
    limit = LIMITS[name]
    if limit.kind == "flag":
        return left or right
    if limit.kind == "state":
        return max(left, right, key=lambda state: TradingState[state.upper()])
    if limit.kind == "texts":
        return [text for text in left if text in right]
    if limit.kind == "hours":
        return _told(common_spans(parsed_hours(left), parsed_hours(right)))
    return max(left, right) if limit.greater_is_tighter else min(left, right)


def is_looser(name: str, value: Any, bound: Any) -> bool:
    """Tell whether a limit's value permits anything that the bound doesn't."""
    if bound is None or (name == "state" and bound == "active") or (name == "require_stop_loss" and not bound):
        return False
    if value is None:
        return True
    kind = LIMITS[name].kind
    if kind == "texts":
        return not set(value) <= set(bound)
    if kind == "hours":
        spans = parsed_hours(value)
        return common_spans(spans, parsed_hours(bound)) != spans
    return bool(tighter(name, value, bound) != value)


def clock_minutes(text: str) -> int:
    """Return a time of day as minutes since midnight; 24:00 is the day's end. Raises ValueError."""
    if not re.fullmatch(r"\d\d:\d\d", text):
        raise ValueError(f"expected a time of day such as 21:30, got {text!r:.80}")
    hours, minutes = int(text[:2]), int(text[3:])
    if minutes > 59 or hours * 60 + minutes > _DAY_MINUTES:
        raise ValueError(f"expected a time of day from 00:00 to 24:00, got {text!r}")
    return hours * 60 + minutes


def parsed_hours(texts: Iterable[str]) -> Spans:
    """Return when "mon-fri 07:00-21:00" and others together are; raises ValueError.

    A span ends on the day it begins: what passes midnight is two texts.
    """
    spans: list[tuple[int, int]] = []
    for text in texts:
        found = _HOURS.fullmatch(text.lower())
        days = (found[1], found[2] or found[1]) if found else ("", "")
        if found is None or days[0] not in _DAYS or days[1] not in _DAYS:
            raise ValueError(f"expected hours such as 'mon-fri 07:00-21:00', got {text!r:.80}")
        first, last = _DAYS.index(days[0]), _DAYS.index(days[1])
        start, end = clock_minutes(found[3]), clock_minutes(found[4])
        if start >= end:
            raise ValueError(f"expected hours that end after they begin, got {text!r}; part them at midnight")
        for day in range(first, last + 1 if last >= first else last + 8):
            begin = day % 7 * _DAY_MINUTES
            spans.append((begin + start, begin + end))
    return _merged(spans)


def common_spans(left: Spans, right: Spans) -> Spans:
    """Return what is in both."""
    both = [
        (max(first[0], second[0]), min(first[1], second[1]))
        for first in left
        for second in right
        if max(first[0], second[0]) < min(first[1], second[1])
    ]
    return _merged(both)


def _merged(spans: list[tuple[int, int]]) -> Spans:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def _told(spans: Spans) -> list[str]:
    """Return spans as texts, day by day."""
    texts = []
    for start, end in spans:
        for day in range(start // _DAY_MINUTES, math.ceil(end / _DAY_MINUTES)):
            begin = day * _DAY_MINUTES
            first, last = max(start - begin, 0), min(end - begin, _DAY_MINUTES)
            texts.append(f"{_DAYS[day]} {first // 60:02}:{first % 60:02}-{last // 60:02}:{last % 60:02}")
    return texts
