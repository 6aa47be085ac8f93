"""The parser for tick files as a MetaTrader 5 terminal exports them; its fields are those of bar files, too.

Tab-separated, one header line, times of the server's clock with milliseconds. An empty BID, ASK or LAST means
"unchanged since the line before" (0 before the first), an empty VOLUME none. Times never go backwards.
"""

import calendar
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from gateway.terminal.simulated.market.ticks import Records
from gateway.wire.structs import TICK_DTYPE

__all__ = ("Export", "ExportError", "day_s", "digits_of", "milliseconds", "parse", "price", "read", "symbol_of")

HEADER: Final = ("<DATE>", "<TIME>", "<BID>", "<ASK>", "<LAST>", "<VOLUME>", "<FLAGS>")
_DATE: Final = re.compile(r"(\d{4})\.(\d{2})\.(\d{2})", re.ASCII)
_TIME: Final = re.compile(r"(\d{2}):(\d{2}):(\d{2})(?:\.(\d{3}))?", re.ASCII)
_MAX_U32: Final = 2**32 - 1


class ExportError(ValueError):
    """A tick file can't be read; the message names the file, the line, what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class Export:
    """One file's ticks (TICK_DTYPE, ascending) and the most digits any of its prices shows."""

    symbol: str
    ticks: Records
    digits: int

    @property
    def first_msc(self) -> int | None:
        """The time of the first tick."""
        return int(self.ticks["time_msc"][0]) if len(self.ticks) else None


def symbol_of(path: str | Path) -> str:
    """Return the symbol a file is named for: what stands before the first underscore, or before the suffix."""
    symbol = Path(path).name.split(".")[0].split("_")[0]
    if not symbol:
        raise ExportError(f"{path}: expected a name like EURUSD_ticks.csv")
    return symbol


def read(path: str | Path) -> Export:
    """Read one file whole; raises ExportError for a bad line, OSError for a file that can't be opened."""
    with open(path, encoding="utf-8-sig", newline=None) as lines:
        try:
            return parse(lines, str(path), symbol_of(path))
        except UnicodeDecodeError as error:
            raise ExportError(f"{path}: expected UTF-8 text: {error}") from error


def parse(lines: Iterable[str], source: str, symbol: str) -> Export:
    """Parse the lines of an export, header first; `source` is what errors call it. O(n), about 3 us a line."""
    rows: list[tuple[int, float, float, float, int, int, int, float]] = []
    bid = ask = last = 0.0
    digits = 0
    latest_msc = -1
    day_text, midnight_s = "", 0
    number = 0
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip("\r\n")
        fields = line.split("\t")
        if number == 1:
            if tuple(fields) != HEADER:
                raise ExportError(f"{source}:1: expected the header {' '.join(HEADER)}, got {line!r}")
            continue
        if not line:
            continue
        try:
            date, time, bid_text, ask_text, last_text, volume_text, flags_text = fields
        except ValueError:
            raise ExportError(
                f"{source}:{number}: expected {len(HEADER)} tab-separated fields, got {len(fields)}"
            ) from None
        try:
            if date != day_text:
                day_text, midnight_s = date, day_s(date)
            time_msc = midnight_s * 1000 + milliseconds(time)
            if bid_text:
                bid, digits = price("BID", bid_text), max(digits, digits_of(bid_text))
            if ask_text:
                ask, digits = price("ASK", ask_text), max(digits, digits_of(ask_text))
            if last_text:
                last, digits = price("LAST", last_text), max(digits, digits_of(last_text))
            volume = price("VOLUME", volume_text) if volume_text else 0.0
            flags = _flags(flags_text)
        except ValueError as error:
            raise ExportError(f"{source}:{number}: {error}") from None
        if time_msc < latest_msc:
            raise ExportError(f"{source}:{number}: expected times to ascend, got {date} {time} after a later one")
        latest_msc = time_msc
        rows.append((time_msc // 1000, bid, ask, last, int(volume), time_msc, flags, volume))
    if number == 0:
        raise ExportError(f"{source}:1: expected the header {' '.join(HEADER)}, got an empty file")
    return Export(symbol, np.array(rows, dtype=TICK_DTYPE), digits)


def day_s(text: str) -> int:
    """Return the midnight of a DATE in seconds; raises ValueError."""
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(f"DATE: expected YYYY.MM.DD, got {text!r}")
    year, month, day = map(int, found.groups())
    if not (year >= 1970 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        raise ValueError(f"DATE: expected a day of the calendar since 1970, got {text!r}")
    return calendar.timegm((year, month, day, 0, 0, 0))


def milliseconds(text: str) -> int:
    """Return a TIME in milliseconds since midnight; raises ValueError."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"TIME: expected HH:MM:SS.mmm, got {text!r}")
    hour, minute, second = int(found[1]), int(found[2]), int(found[3])
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"TIME: expected a time of day, got {text!r}")
    return ((hour * 60 + minute) * 60 + second) * 1000 + int(found[4] or 0)


def price(name: str, text: str) -> float:
    """Return a number of at least 0; raises ValueError."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not (value >= 0.0 and math.isfinite(value)):
        raise ValueError(f"{name}: expected a number of at least 0, got {text!r}")
    return value


def digits_of(text: str) -> int:
    """Return how many decimals a number is written with."""
    return len(text) - text.find(".") - 1 if "." in text else 0


def _flags(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _MAX_U32):
        raise ValueError(f"FLAGS: expected a number of tick flags, got {text!r}")
    return int(text)
