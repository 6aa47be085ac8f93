"""Volumes and prices as a symbol allows them, in exact decimal arithmetic: 0.1 + 0.2 lots are 0.3 lots.

It knows a symbol's specification and nothing of orders. Volumes are lots, prices in the symbol's quote currency.
"""

import math
from collections.abc import Mapping
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from typing import Any, Final

from gateway.wire.errors import LocalProtocolError

__all__ = ("normalised_price", "normalised_volume")

_VOLUME_DIGITS: Final = 8
"""MT5 keeps a volume in units of 10⁻⁸ lots: what is nearer than that is noise of binary fractions."""

_CONTEXT: Final = Context(prec=60)

MAX_VALUE: Final = 1e15
"""Nothing is traded at such a price or volume; beyond it a float has no cents."""


def normalised_volume(volume: float, spec: Mapping[str, Any]) -> float:
    """Return the volume in lots, rounded down to the symbol's `volume_step`.

    It is never more than what was asked (to MT5's own resolution of 10⁻⁸ lots), and a whole number of steps. Raises
    LocalProtocolError if that is outside `volume_min` to `volume_max`; a maximum of 0 is none.
    """
    asked = _decimal(volume, "volume")
    step = _decimal(spec["volume_step"], "volume_step")
    low, high = _decimal(spec["volume_min"], "volume_min"), _decimal(spec["volume_max"], "volume_max")
    asked = asked.quantize(Decimal(1).scaleb(-_VOLUME_DIGITS), ROUND_HALF_EVEN, _CONTEXT)
    rounded = _multiple(asked, step, ROUND_FLOOR) if step > 0 else asked
    if rounded <= 0 or rounded < low or (high > 0 and rounded > high):
        limits = (
            f"from {low.normalize():f} to {high.normalize():f} lots"
            if high > 0
            else f"at least {low.normalize():f} lots"
        )
        steps = f" in steps of {step.normalize():f}" if step > 0 else ""
        raise LocalProtocolError(f"volume: expected {limits}{steps}, got {volume!r}")
    return float(rounded)


def normalised_price(price: float, spec: Mapping[str, Any], name: str = "price") -> float:
    """Return the price rounded to the nearest multiple of the symbol's `trade_tick_size`, or to its `digits` if it has
    none; a half goes up. Raises LocalProtocolError, with the `name`, for what isn't a positive number."""
    asked = _decimal(price, name)
    if asked <= 0:
        raise LocalProtocolError(f"{name}: expected a positive price, got {price!r}")
    tick = _decimal(spec["trade_tick_size"], "trade_tick_size")
    if tick <= 0:
        tick = Decimal(1).scaleb(-int(spec["digits"]))
    rounded = _multiple(asked, tick, ROUND_HALF_UP)
    if rounded <= 0:
        raise LocalProtocolError(f"{name}: expected at least {tick.normalize():f}, got {price!r}")
    return float(rounded)


def _multiple(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return _CONTEXT.multiply(_CONTEXT.divide(value, step).to_integral_value(rounding, _CONTEXT), step)


def _decimal(value: Any, name: str) -> Decimal:
    """Return the shortest decimal that reads as this float: 0.1 is one tenth."""
    number = float(value) if isinstance(value, (int, float)) else math.nan
    if not (math.isfinite(number) and abs(number) < MAX_VALUE):
        raise LocalProtocolError(f"{name}: expected a number, got {value!r}")
    return Decimal(repr(number))
