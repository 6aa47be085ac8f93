"""The group filter."""

import pytest

from gateway.wire.groups import matches


@pytest.mark.parametrize(
    ("group", "name", "expected"),
    [
        ("*", "EURUSD", True),
        ("EURUSD", "EURUSD", True),
        ("EUR", "EURUSD", False),
        ("EUR*", "EURUSD", True),
        ("*USD*", "EURUSD", True),
        ("*usd*", "EURUSD", False),
        ("", "EURUSD", False),
        ("GBP*, EUR*", "EURUSD", True),
        ("!*EUR*", "EURUSD", False),
        ("!*EUR*", "GBPUSD", False),
        ("*, !EUR", "EURUSD", True),
        ("*, !*EUR*", "EURUSD", False),
        ("*, !*EUR*", "GBPUSD", True),
        ("E.RUSD", "EURUSD", False),
        ("*.*", "EURUSD", False),
        ("*.*", "EURUSD.m", True),
    ],
)
def test_group_accepts_and_rejects_whole_names(group, name, expected):
    assert matches(group, name) is expected
