"""The parser for M1 bar files as a MetaTrader 5 terminal exports them.

Tab-separated, one header line, times of the server's clock, a bar a line, each opening later than the one before.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from gateway.terminal.simulated.market.export import ExportError, day_s, digits_of, milliseconds, price, symbol_of
from gateway.terminal.simulated.market.ticks import Records
from gateway.wire.structs import RATES_DTYPE

__all__ = ("BarExport", "parse_bars", "read_bars")

HEADER: Final = ("<DATE>", "<TIME>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>", "<TICKVOL>", "<VOL>", "<SPREAD>")
_MAX_SPREAD: Final = 2**31 - 1
_MAX_VOLUME: Final = 2**63 - 1
_MINUTE_S: Final = 60

_Row = tuple[int, float, float, float, float, int, int, int]


@dataclass(frozen=True, slots=True)
class BarExport:
    """One file's M1 bars (RATES_DTYPE, ascending) and the most digits any of its prices shows."""

    symbol: str
    bars: Records
    digits: int

    @property
    def first_msc(self) -> int | None:
        """When the first bar opens."""
        return int(self.bars["time"][0]) * 1000 if len(self.bars) else None


def read_bars(path: str | Path) -> BarExport:
    """Read one file whole; raises ExportError for a bad line, OSError for a file that can't be opened."""
    with open(path, encoding="utf-8-sig", newline=None) as lines:
        try:
            return parse_bars(lines, str(path), symbol_of(path))
        except UnicodeDecodeError as error:
            raise ExportError(f"{path}: expected UTF-8 text: {error}") from error


def parse_bars(lines: Iterable[str], source: str, symbol: str) -> BarExport:
    """Parse the lines of an export, header first; `source` is what errors call it. O(n), about 5 us a line."""
    rows: list[_Row] = []
    digits = 0
    days: dict[str, int] = {}
    number = closest_s = 0
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip("\r\n")
        fields = line.split("\t")
        if number == 1:
            if tuple(fields) != HEADER:
                raise ExportError(f"{source}:1: expected the header {' '.join(HEADER)}, got {line!r}")
            continue
        if not line:
            continue
        if len(fields) != len(HEADER):
            raise ExportError(f"{source}:{number}: expected {len(HEADER)} tab-separated fields, got {len(fields)}")
        try:
            row = _bar(fields, days)
        except ValueError as error:
            raise ExportError(f"{source}:{number}: {error}") from None
        if rows:
            apart_s = row[0] - rows[-1][0]
            if apart_s <= 0:
                raise ExportError(f"{source}:{number}: expected times to ascend, got {fields[0]} {fields[1]} again")
            closest_s = min(closest_s or apart_s, apart_s)
        digits = max(digits, *map(digits_of, fields[2:6]))
        rows.append(row)
    if number == 0:
        raise ExportError(f"{source}:1: expected the header {' '.join(HEADER)}, got an empty file")
    if closest_s > _MINUTE_S:
        raise ExportError(f"{source}: expected M1 bars, got none less than {closest_s} seconds apart")
    return BarExport(symbol, np.array(rows, dtype=RATES_DTYPE), digits)


def _bar(fields: list[str], days: dict[str, int]) -> _Row:
    date, time = fields[:2]
    if date not in days:
        days.clear()
        days[date] = day_s(date)
    time_ms = milliseconds(time)
    if time_ms % (_MINUTE_S * 1000):
        raise ValueError(f"TIME: expected a whole minute, got {time!r}")
    opened, high, low, close = (price(name, text) for name, text in zip(_PRICES, fields[2:6], strict=True))
    if not 0.0 < low <= min(opened, close) <= max(opened, close) <= high:
        raise ValueError(
            f"OPEN, HIGH, LOW, CLOSE: expected prices above 0 between LOW and HIGH, got {' '.join(fields[2:6])}"
        )
    tick_volume = _whole("TICKVOL", fields[6], 1, _MAX_VOLUME)
    real_volume = _whole("VOL", fields[7], 0, _MAX_VOLUME)
    spread = _whole("SPREAD", fields[8], 0, _MAX_SPREAD)
    return days[date] + time_ms // 1000, opened, high, low, close, tick_volume, spread, real_volume


_PRICES: Final = ("OPEN", "HIGH", "LOW", "CLOSE")


def _whole(name: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise ValueError(f"{name}: expected a whole number of at least {least}, got {text!r}")
    return int(text)
