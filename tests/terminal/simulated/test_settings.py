"""Settings are checked where they are made."""

import math
from typing import Any

import pytest

from gateway.terminal.simulated.settings import Settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"speed": 0.0},
        {"speed": -1.0},
        {"speed": math.nan},
        {"seed": -1},
        {"generated_symbols": 10_001},
        {"deposit": -1.0},
        {"deposit": math.inf},
        {"deposit": math.nan},
        {"currency": "usd"},
        {"currency": "US"},
        {"leverage": 0},
        {"margin_mode": "gross"},
        {"hours": "never"},
        {"suffix": ",r"},
        {"suffix": ".much.too.long"},
        {"margin_call_level": -1.0},
        {"margin_call_level": math.nan},
        {"stop_out_level": 51.0},
        {"limit_orders": -1},
        {"limit_positions": -1},
        {"execution_delay_ms": 60_001},
        {"login": 0},
        {"investor_password": "same", "password": "same"},
        {"state_file": "account.sqlite", "tick_files": ("ticks.csv",)},
        {"state_file": "account.sqlite", "bar_files": ("bars.csv",)},
    ],
    ids=str,
)
def test_senseless_value_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: "):
        Settings(address="sim:///x", **wrong)


def test_bounds_themselves_are_allowed() -> None:
    Settings(
        address="sim:///x", deposit=0.0, leverage=10_000, margin_call_level=0.0, stop_out_level=0.0, limit_orders=0
    )


def test_endless_speed_is_one() -> None:
    assert Settings(address="sim:///x", speed=math.inf).speed == math.inf


def test_passwords_arent_shown() -> None:
    shown = repr(Settings(address="sim:///x", password="secret", investor_password="other secret"))

    assert "secret" not in shown
