"""How values look."""

import json
import math
from typing import Any

import numpy as np
import pytest

from gateway.cli import common, tables
from gateway.wire.structs import TICK_DTYPE


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.1 + 0.2, "0.3"),
        (7e-05, "0.00007"),
        (100_000.0, "100000"),
        (True, "yes"),
        (None, ""),
        (math.inf, "inf"),
        (0.0, "0"),
    ],
)
def test_numbers_are_without_noise_and_exponent(value: Any, shown: str) -> None:
    assert tables.number(value) == shown


@pytest.mark.parametrize(
    ("nanoseconds", "shown"),
    [
        (1_234, "1.2 µs"),
        (123_456, "123 µs"),
        (4_567_890, "4.57 ms"),
        (1_200_000_000, "1.20 s"),
        (93_839_000_000_000, "26:03:59"),
    ],
)
def test_durations_have_the_unit_that_suits_them(nanoseconds: int, shown: str) -> None:
    assert tables.duration(nanoseconds) == shown


def test_table_has_no_lines_drawn_and_numbers_to_the_right() -> None:
    text = tables.table("name >most_waiting", [("a", 5), ("[red]b", None)], title="queues")

    assert text.splitlines() == ["queues", "name    most waiting", "a                  5", "[red]b"]
    assert tables.table("name", [], title="queues") == "queues: none\n"


def test_json_is_one_line_that_any_parser_takes() -> None:
    tick = np.zeros(1, TICK_DTYPE)[0]

    line = tables.json_line({"a": math.nan, "b": [tick], "c": np.float64(1.5), 4: b"\x01", "µ": True})

    assert "\n" not in line
    shown = json.loads(line)
    assert (shown["a"], shown["c"], shown["4"], shown["µ"]) == (None, 1.5, "01", True)
    assert shown["b"][0]["time_msc"] == 0


@pytest.mark.parametrize(
    ("timeout", "made", "connected"),
    [(None, {}, common.HELLO_S), (2.0, {"timeout": 2.0, "order_timeout": 2.0, "bulk_timeout": 2.0}, 2.0)],
)
def test_client_is_made_with_the_options_given(
    monkeypatch: pytest.MonkeyPatch, timeout: float | None, made: dict[str, float], connected: float
) -> None:
    seen: list[Any] = []

    class Client:
        def __init__(self, endpoint: str, **options: Any) -> None:
            seen.append((endpoint, options))

        def connect(self, timeout: float) -> "Client":
            seen.append(timeout)
            return self

    monkeypatch.setattr("clients.Client", Client, raising=False)
    monkeypatch.setenv("MT5GATE_ENDPOINT", "tcp://127.0.0.1:9")

    assert isinstance(common.open_client("", "live", timeout), Client)
    assert isinstance(common.open_client("tcp://127.0.0.1:1", "", timeout), Client)

    assert seen == [
        ("tcp://127.0.0.1:9", {"account": "live", **made}),
        connected,
        ("tcp://127.0.0.1:1", {"account": "", **made}),
        connected,
    ]
