"""Settings are checked where they are made."""

import math

import pytest

from gateway.terminal.simulated.settings import Settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"speed": 0.0},
        {"speed": -1.0},
        {"speed": math.nan},
        {"deposit": -1.0},
        {"deposit": math.inf},
        {"leverage": 0},
        {"login": 0},
    ],
)
def test_senseless_value_is_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(address="sim:///x", **wrong)


def test_password_isnt_shown():
    assert "secret" not in repr(Settings(address="sim:///x", password="secret"))
