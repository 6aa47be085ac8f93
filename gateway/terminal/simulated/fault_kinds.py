"""Which faults a simulated terminal can have: by name, what each does, which calls it meets, and what it takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from gateway.wire import constants as mt5

__all__ = ("FAULTS", "MAX_COMMENT", "MAX_NUMBER", "Fault", "FaultError", "Parameters", "Value", "known", "settled")

MAX_NUMBER: Final = 2**53
"""What any number in an injection may be at most: milliseconds, counts, account numbers."""

MAX_LAG_MS: Final = 3_600_000
"""How late anything may be: all that is newer is looked through at every reading."""
MAX_COMMENT: Final = 31
"""What a trade server keeps of a comment, in characters."""

_READS_TICKS: Final = ("copy_ticks_from", "copy_ticks_range")
_SENDS: Final = ("order_send",)

Value = bool | int | float | str
Parameters = Mapping[str, Value]


class FaultError(ValueError):
    """An injection that can't be meant; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. `calls`: what it can meet, all calls if empty. `parameters`: by name, their defaults.

    `lasting`: it doesn't end with the call that it met but stays in force for `ms` milliseconds, 0 until it is cleared.
    `retcode`: what an order is refused with.
    """

    summary: str
    calls: tuple[str, ...] = ()
    lasting: bool = False
    retcode: int = 0
    parameters: Parameters = field(default_factory=lambda: MappingProxyType({}))


def _refusal(summary: str, retcode: int, **parameters: Value) -> Fault:
    return Fault(summary, _SENDS, retcode=retcode, parameters=MappingProxyType(parameters))


def _lasting(summary: str, **parameters: Value) -> Fault:
    return Fault(summary, lasting=True, parameters=MappingProxyType(parameters))


FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        "ipc_lost_before": Fault("the connection breaks before the call is executed"),
        "ipc_lost_after": Fault("the call is executed, then the connection breaks instead of an answer"),
        "slow": Fault("executed at once, answered `ms` later", parameters={"ms": 1_000}),
        "hung": Fault("never answered; `executed` or not", parameters={"executed": False}),
        "requote": _refusal("the price has moved: 10004", mt5.TRADE_RETCODE_REQUOTE),
        "reject": _refusal("the dealer refuses: 10006", mt5.TRADE_RETCODE_REJECT),
        "trade_error": _refusal(
            "the server fails at it: 10011; perhaps `executed`", mt5.TRADE_RETCODE_ERROR, executed=False
        ),
        "timeout": _refusal(
            "the server doesn't answer: 10012; perhaps `executed`", mt5.TRADE_RETCODE_TIMEOUT, executed=False
        ),
        "market_closed": _refusal("the market is closed: 10018", mt5.TRADE_RETCODE_MARKET_CLOSED),
        "price_changed": _refusal("the price has changed: 10020", mt5.TRADE_RETCODE_PRICE_CHANGED),
        "price_off": _refusal("no quotes: 10021", mt5.TRADE_RETCODE_PRICE_OFF),
        "too_many_requests": _refusal("too many requests: 10024", mt5.TRADE_RETCODE_TOO_MANY_REQUESTS),
        "no_connection": _refusal(
            "no way to the trade server: 10031; perhaps `executed`", mt5.TRADE_RETCODE_CONNECTION, executed=False
        ),
        "comment_overwritten": Fault("the broker keeps `text` as the comment", _SENDS, parameters={"text": "broker"}),
        "first_call_empty": Fault(
            "the selected symbol has no tick and no bar for the next `calls` calls",
            ("symbol_select",),
            parameters={"calls": 1},
        ),
        "ticks_reordered": Fault("ticks of one millisecond come in another order", _READS_TICKS),
        "trade_by_hand": Fault(
            "somebody trades a symbol by hand before the call: buy or sell (`side`), or open and close in turns",
            parameters={"traded": "", "side": "", "volume": 0.0},
        ),
        "ticks_lag": _lasting("tick history ends `lag_ms` ago", ms=5_000, lag_ms=500),
        "ticks_late": _lasting(
            "some ticks (`share`) enter the history `lag_ms` later than those behind them",
            ms=5_000,
            lag_ms=500,
            share=0.1,
        ),
        "deals_late": _lasting("deals and finished orders enter the history `lag_ms` late", ms=5_000, lag_ms=500),
        "unsynchronised": _lasting("no positions, no orders, no history, an account of zeros", ms=1_000),
        "terminal_gone": _lasting(
            "the terminal isn't there; back, it is unsynchronised for `unsynchronised_ms`",
            ms=1_000,
            unsynchronised_ms=0,
        ),
        "disconnected": _lasting("the terminal has lost its trade server", ms=1_000),
        "autotrading_off": _lasting("AlgoTrading is switched off in the terminal", ms=1_000),
        "account_switched": _lasting("another account is shown; no `login`: the next number", ms=1_000, login=0),
    }
)
"""Every fault by its name. What has a rate comes with its parameters' defaults."""


def known(name: str) -> Fault:
    """Return the fault of a name; raises FaultError if there is none."""
    fault = FAULTS.get(name)
    if fault is None:
        raise FaultError(f"fault: expected one of {', '.join(FAULTS)}, got {name!r}")
    return fault


def settled(name: str, given: Parameters) -> Parameters:
    """Return a fault's parameters, what isn't given by its default; raises FaultError."""
    fault = known(name)
    unknown = set(given) - set(fault.parameters)
    if unknown:
        takes = f"takes {', '.join(fault.parameters)}" if fault.parameters else "takes no parameters"
        raise FaultError(f"{name}: {takes}, got {', '.join(sorted(map(str, unknown)))}")
    settled = dict(fault.parameters)
    for key, value in given.items():
        settled[key] = _checked(f"{name}: {key}", value, fault.parameters[key])
    if settled.get("side") not in (None, "", "buy", "sell"):
        raise FaultError(f"{name}: side: expected buy or sell, got {settled['side']!r}")
    if settled.get("lag_ms", 0) > MAX_LAG_MS:  # type: ignore[operator]
        raise FaultError(f"{name}: lag_ms: expected at most {MAX_LAG_MS}, got {settled['lag_ms']}")
    if len(str(settled.get("text", ""))) > MAX_COMMENT:
        raise FaultError(f"{name}: text: expected at most {MAX_COMMENT} characters, got {settled['text']!r}")
    if not 0.0 <= settled.get("share", 0.0) <= 1.0:  # type: ignore[operator]
        raise FaultError(f"{name}: share: expected 0 to 1, got {settled['share']!r}")
    return MappingProxyType(settled)


def _checked(what: str, value: Value, default: Value) -> Value:
    """Return a value of its default's kind; raises FaultError."""
    kind = type(default)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise FaultError(f"{what}: expected {_KINDS[kind]}, got {value!r}")
    if kind in (int, float) and not 0 <= value <= MAX_NUMBER:  # type: ignore[operator]
        raise FaultError(f"{what}: expected 0 to {MAX_NUMBER}, got {value!r}")
    return value


_KINDS: Final[dict[type, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
}
