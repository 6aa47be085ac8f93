"""What crosses the wire in the tests: values that no two fields of a structure share, made on both sides alike."""

from typing import Any

import numpy as np

from gateway.wire.structs import RATES_DTYPE, TICK_DTYPE, Struct, TradeRequest

TEXTS = ("EURUSD", "Überweisung", "日経225", "", "0.1 € ≥ ½", "a" * 64)


def fields(kind: type[Struct], number: int = 0) -> list[Any]:
    """Return a structure's fields by their declared types; a nested request is a list of its own."""
    made: list[Any] = []
    for index, (name, type_) in enumerate(kind.__annotations__.items()):
        place = index + number
        if name == "request":
            made.append(fields(TradeRequest, number + 1))
        elif type_ is bool:
            made.append(place % 2 == 0)
        elif type_ is int:
            made.append((0, 1, -1, 2**31, 2**63 - 1, 2**64 - 1)[place % 6] if place % 7 else place + 1_700_000_000)
        elif type_ is float:
            made.append(
                (0.1, -0.0, 1e-300, float("inf"), 1.7976931348623157e308)[place % 5] if place % 3 else place / 7
            )
        else:
            made.append(TEXTS[place % len(TEXTS)])
    return made


def records(dtype: np.dtype[Any], count: int) -> "np.ndarray":
    """Return records whose bytes are all different from their neighbours'."""
    raw = np.random.default_rng(count).integers(0, 256, count * dtype.itemsize, np.uint8)
    return raw.view(dtype)


RECORDS = {"copy_ticks_from": TICK_DTYPE, "copy_rates_from_pos": RATES_DTYPE}
COUNTS = (0, 1, 1_000)
