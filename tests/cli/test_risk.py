"""The commands about limits: what they ask, what they show, what they refuse before they ask."""

import json
from typing import Any

import pytest

from gateway.cli import risk
from gateway.wire.errors import PermissionRefused, RiskRefused

TOLD = {
    "active": True,
    "limits": [
        {
            "scope": {"account": "*"},
            "limits": {"max_volume": 1.0, "allowed_symbols": ["EURUSD"], "require_stop_loss": True},
            "configured": {"max_volume": 2.0},
            "changed": {"max_volume": 1.0},
            "changed_by": "ann (operator)",
            "changed_because": "NFP",
            "changed_ns": 1_700_000_000_000_000_000,
        },
    ],
    "bounds": {},
    "operators": ["operator"],
    "accounts": [
        {
            "account": "demo",
            "age_ms": 120,
            "netting": False,
            "open_volume": 0.75,
            "positions": 2,
            "under_way": 1,
            "symbols": {"EURUSD": 0.75},
            "clients": {},
            "equity": 10_000.0,
            "day_loss": 0.0,
            "worst_day_loss": 12.5,
            "drawdown": 0.0,
            "worst_drawdown": 12.5,
            "baseline": 10_000.0,
            "peak": 10_000.0,
        }
    ],
}


@pytest.fixture(autouse=True)
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(risk, "user", lambda: "ann")


def test_limits_are_shown_with_who_changed_them(client: Any, mt5gate: Any) -> None:
    client.answers["limits"] = TOLD

    shown = mt5gate("limits", "show").stdout

    assert "each account  max_volume" in shown
    assert "ann (operator), 2023-11-14 22:13:20.000: NFP" in shown
    assert "120 ms" in shown
    assert json.loads(mt5gate("limits", "show", "--json").stdout) == TOLD


def test_an_account_that_nothing_is_held_against_is_not_shown_as_if_it_were_measured(client: Any, mt5gate: Any) -> None:
    client.answers["limits"] = TOLD | {"active": False, "limits": []}

    shown = mt5gate("limits", "show").stdout

    assert "nothing is limited" in shown
    assert "nothing is measured" in shown
    assert "120 ms" not in shown


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("max_volume=0.5", {"max_volume": 0.5}),
        ("max_positions=5", {"max_positions": 5}),
        ("max_volume=off", {"max_volume": None}),
        ("state=reducing", {"state": "reducing"}),
        ("require_stop_loss=true", {"require_stop_loss": True}),
        ("allowed_symbols=EURUSD, USDJPY", {"allowed_symbols": ["EURUSD", "USDJPY"]}),
        ("trading_hours=mon-fri 07:00-21:00", {"trading_hours": ["mon-fri 07:00-21:00"]}),
    ],
)
def test_a_change_is_asked_for_as_what_it_is(client: Any, mt5gate: Any, given: str, asked: Any) -> None:
    client.answers["set_limits"] = {"scope": {"account": "demo"}, "limits": {}}

    result = mt5gate("limits", "set", given, "--account", "demo", "--reason", "NFP")

    assert result.exit_code == 0, result.output
    options = {"why": "NFP", "who": "ann", "rebase": False, "account": "demo"}
    assert client.asked == [("set_limits", asked, options)]
    assert client.opened == [("", "", None, {"client_id": "operator"})]


@pytest.mark.parametrize(
    "args",
    [
        ("max_volume=0.5",),
        ("max_volume=x", "--reason", "r"),
        ("max_volum=1", "--reason", "r"),
        ("max_volume", "--reason", "r"),
        ("state=off-ish", "--reason", "r"),
        ("--reason", "r"),
        ("max_volume=1", "--account", "a", "--symbol", "s", "--reason", "r"),
    ],
)
def test_what_cannot_be_meant_is_not_sent(client: Any, mt5gate: Any, args: Any) -> None:
    result = mt5gate("limits", "set", *args)

    assert result.exit_code == 2
    assert client.asked == []


@pytest.mark.parametrize("error", [PermissionRefused("not you"), RiskRefused("too loose")])
def test_a_refused_change_ends_with_its_reason(client: Any, mt5gate: Any, error: Exception) -> None:
    client.answers["set_limits"] = error

    result = mt5gate("limits", "set", "max_volume=5", "--reason", "r")

    assert result.exit_code == 1
    assert str(error) in result.output
