"""What the gateway's orders are measured with when everything is on: every limit there is, set so that none refuses."""

import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench import frames
from bench.runner import Unavailable
from gateway.accel import BoardWriter
from gateway.wire.structs import TICK_DTYPE

__all__ = ("ALL_LIMITS", "everything_on", "refusing")

ALL_LIMITS: Final[dict[str, Any]] = {
    "trading_hours": ["mon-sun 00:00-24:00"],
    "allowed_symbols": ["EURUSD", "GBPUSD", "USDJPY"],
    "max_volume": 5.0,
    "max_open_volume": 1e8,
    "max_positions": 1_000_000,
    "max_order_notional": 1e9,
    "max_notional": 1e12,
    "price_collar_percent": 5.0,
    "require_stop_loss": True,
    "max_trade_risk": 1e6,
    "max_trade_risk_percent": 50.0,
    "max_daily_loss": 1e6,
    "max_daily_loss_percent": 90.0,
    "max_drawdown": 1e6,
    "max_drawdown_percent": 90.0,
    "min_margin_level_percent": 1.0,
    "max_alike": 1_000,
    "max_entries": 10_000,
    "max_exits": 10_000,
    "max_daily_requests": 10_000_000,
}
"""Of every account; each client has its own rate and open volume, each symbol its own open volume, beside them."""

_WINDOW_MS: Final = 2
"""As long as the counted windows last: orders of a benchmark are all alike, and come by the ten thousands a second."""

_boards: list[Any] = []
"""A board ends with its writer: they are kept for as long as the bench runs."""

_QUOTE_MAX_AGE_MS: Final = 3_600_000
"""The quote is written once."""

_COUNTED: Final = {"max_open_volume": 1e8, "max_entries": 10_000}


def everything_on(folder: Path, **limits: Any) -> dict[str, Any]:
    """Return the fields of BrokerSettings that set all limits, `limits` in the place of some, and a live quote.

    Raises Unavailable where there is no quote board, which the price collar asks.
    """
    if BoardWriter is None:
        raise Unavailable("the price collar's quote board isn't compiled here")
    board = folder / "board"
    writer = BoardWriter(board)
    tick = np.zeros(1, TICK_DTYPE)
    tick["bid"], tick["ask"] = 1.08641, 1.08642
    writer.write("EURUSD", tick.tobytes(), 1, 1)
    writer.set_alive(time.monotonic_ns())
    _boards.append(writer)
    risk = {
        "limits": ALL_LIMITS | limits,
        "clients": {"*": _COUNTED},
        "symbols": {"*": {"max_open_volume": 1e8}},
        "alike_window_ms": _WINDOW_MS,
        "rate_window_ms": _WINDOW_MS,
    }
    return {"risk": risk, "boards": {frames.ACCOUNT: str(board)}, "quote_max_age_ms": _QUOTE_MAX_AGE_MS}


def refusing(folder: Path) -> dict[str, Any]:
    """Return likewise, but the largest volume is below that of the benchmark's order."""
    return everything_on(folder, max_volume=0.05)
