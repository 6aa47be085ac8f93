"""How the command shows things: tables for people, one JSON object per line for machines. It knows no gateway.

Nothing wraps and nothing is drawn: columns stand apart by spaces, so that `grep`, `awk` and `sort` still work. Every
time of the terminal is the trade server's wall clock and is shown as it is.
"""

import io
import json
import math
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.wire import constants as mt5
from gateway.wire.structs import Struct, TradeRequest

__all__ = (
    "DEAL_ENTRIES",
    "DEAL_TYPES",
    "ORDER_STATES",
    "ORDER_TYPES",
    "POSITION_TYPES",
    "amount",
    "duration",
    "json_line",
    "number",
    "price",
    "prices",
    "request_name",
    "retcode_name",
    "server_time",
    "server_time_msc",
    "table",
    "timing_line",
)

_PIPE_WIDTH: Final = 4_096
"""Columns where nobody looks at a terminal: enough for any line."""


def _names(prefix: str) -> dict[int, str]:
    return {
        value: name.removeprefix(prefix).lower().replace("_", " ")
        for name, value in vars(mt5).items()
        if name.startswith(prefix)
    }


ORDER_TYPES: Final = _names("ORDER_TYPE_")
ORDER_STATES: Final = _names("ORDER_STATE_")
POSITION_TYPES: Final = _names("POSITION_TYPE_")
DEAL_TYPES: Final = _names("DEAL_TYPE_") | {
    mt5.DEAL_DIVIDEND: "dividend",
    mt5.DEAL_DIVIDEND_FRANKED: "dividend franked",
    mt5.DEAL_TAX: "tax",
}
DEAL_ENTRIES: Final = _names("DEAL_ENTRY_")
_RETCODES: Final = _names("TRADE_RETCODE_")
_ACTIONS: Final = _names("TRADE_ACTION_")


def retcode_name(retcode: int) -> str:
    """Return a trade server's return code with its name: `10009 done`."""
    return f"{retcode} {_RETCODES.get(retcode, 'unknown code')}"


def request_name(request: TradeRequest) -> str:
    """Return what a trade request asks for: `buy`, `sell limit`, `close by`, `modify`, …"""
    if request.action in (mt5.TRADE_ACTION_DEAL, mt5.TRADE_ACTION_PENDING):
        return ORDER_TYPES.get(request.type, str(request.type))
    return _ACTIONS.get(request.action, str(request.action))


def table(columns: str, rows: Iterable[Sequence[Any]], *, title: str = "", empty: str = "none") -> str:
    """Return rows under a header.

    `columns` are names parted by spaces: `_` stands for a space within one, `>` before one for cells to the right.
    """
    shown = Table(box=None, title=title or None, title_justify="left", title_style="bold", pad_edge=False)
    for column in columns.split():
        is_number = column.startswith(">")
        shown.add_column(
            column.removeprefix(">").replace("_", " "),
            justify="right" if is_number else "left",
            no_wrap=True,
            header_style="dim",
        )
    count = 0
    for row in rows:
        shown.add_row(*(escape(cell if isinstance(cell, str) else number(cell)) for cell in row))
        count += 1
    if not count:
        return f"{title}: {empty}\n" if title else f"{empty}\n"
    is_terminal = sys.stdout.isatty()
    text = io.StringIO()
    width = shutil.get_terminal_size().columns if is_terminal else _PIPE_WIDTH
    Console(file=text, force_terminal=is_terminal, width=width, highlight=False).print(shown)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def number(value: Any) -> str:
    """Return a number without noise of binary fractions and without exponent, and nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10f}".rstrip("0").rstrip(".") if math.isfinite(value) else str(value)
    return str(value)


def price(value: float, digits: int | None) -> str:
    """Return a price with its symbol's digits, or as `number` does where they aren't known; nothing for 0."""
    if not value:
        return ""
    return number(value) if digits is None else f"{value:.{digits}f}"


def prices(*values: float) -> tuple[str, ...]:
    """Return one symbol's prices with as many digits as the longest of them has; nothing for 0."""
    digits = max((len(number(value).partition(".")[2]) for value in values), default=0)
    return tuple(price(value, digits) for value in values)


def amount(value: float) -> str:
    """Return money or a volume, with two decimals at least."""
    return max(f"{value:.2f}", number(value), key=len)


def server_time(seconds: int) -> str:
    """Return a terminal's time, in seconds; nothing for 0."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}" if seconds else ""


def server_time_msc(milliseconds: int) -> str:
    """Return a terminal's time, in milliseconds."""
    seconds, rest = divmod(milliseconds, 1_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest:03d}"


def duration(nanoseconds: float) -> str:
    """Return a duration in the unit that suits it: `123 µs`, `4.57 ms`, `1.20 s`, `26:03:59`."""
    if nanoseconds < 10_000:
        return f"{nanoseconds / 1e3:.1f} µs"
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1e3:.0f} µs"
    if nanoseconds < 1_000_000_000:
        return f"{nanoseconds / 1e6:.2f} ms"
    if nanoseconds < 100_000_000_000:
        return f"{nanoseconds / 1e9:.2f} s"
    minutes, seconds = divmod(int(nanoseconds // 1_000_000_000), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def timing_line(timing: Mapping[str, int]) -> str:
    """Return where a request's time went: `took 1.20 ms: transport 110 µs, …`."""
    stages = ", ".join(f"{name.replace('_', ' ')} {duration(ns)}" for name, ns in timing.items() if name != "total")
    total = duration(timing.get("total", 0))
    return f"took {total}: {stages}" if stages else f"took {total}"


def json_line(value: Any) -> str:
    """Return one line of JSON; structures as objects, what JSON has no number for as null."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return {name: _plain(field) for name, field in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(name): _plain(field) for name, field in value.items()}
    if isinstance(value, np.void):
        return {name: _plain(value[name]) for name in value.dtype.names or ()}
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):
        return value.hex()
    return value
