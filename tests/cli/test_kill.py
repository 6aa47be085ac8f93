"""The commands that stop trading: whom they name, what they ask, what they show, how they end."""

import json
from typing import Any

import pytest

from gateway.cli import kill
from gateway.wire.errors import PermissionRefused

SWITCH = {
    "scope": "account",
    "name": "demo",
    "state": "halted",
    "by": "ann (x)",
    "why": "runaway",
    "number": 7,
    "since_ns": 1_700_000_000_000_000_000,
}
VIEW = {"orders": 2, "positions": 1, "in_doubt": 0, "reached": False, "error": "EURUSD: 10018 Market closed"}


def goal(state: str = "pursued", **fields: Any) -> dict[str, Any]:
    told = {
        "scope": "account",
        "name": "demo",
        "wanted": "flatten",
        "state": state,
        "by": "ann",
        "why": "",
        "number": 8,
    }
    return told | {"since_ns": 1, "accounts": {"demo": VIEW}} | fields


@pytest.fixture(autouse=True)
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill, "user", lambda: "ann")
    monkeypatch.setattr(kill, "LOOK_PAUSE_S", 0.0)


def test_exits_are_allowed_by_an_operator_who_says_why(client: Any, mt5gate: Any) -> None:
    client.answers["allow_exits"] = {"lost": "the disk is dying", "exits_allowed_by": "ann (operator)"}

    result = mt5gate("allow-exits", "--reason", "getting out")

    assert client.asked == [("allow_exits", {"why": "getting out", "who": "ann"})]
    assert result.stdout == "exits go, unrecorded: the disk is dying\n"
    assert mt5gate("allow-exits").exit_code == 2


@pytest.fixture
def halted(client: Any) -> Any:
    client.answers["kill"] = {"switch": SWITCH, "goal": goal(accounts={}), "refused": 3}
    client.answers["flatten"] = {"goal": goal(accounts={})}
    client.answers["resume"] = {"switch": SWITCH, "goal": None, "remaining": [SWITCH | {"scope": "all", "name": ""}]}
    client.answers["switches"] = {"switches": [SWITCH], "goals": [goal()], "armed": ["scalper"]}
    return client


@pytest.mark.parametrize(
    ("options", "scope"),
    [(("--account", "demo"), ("account", "demo")), (("--client", "c"), ("client", "c")), (("--all",), ("all", ""))],
)
def test_kill_names_its_scope_and_who_and_why(halted: Any, mt5gate: Any, options: Any, scope: Any) -> None:
    result = mt5gate("kill", *options, "--flatten", "--reason", "runaway")

    assert halted.asked == [("kill", *scope, {"flatten": True, "reason": "runaway", "who": "ann"})]
    assert result.exit_code == 0
    assert "account demo: halted; 3 waiting orders refused" in result.stdout
    assert halted.shut


@pytest.mark.parametrize("command", ["kill", "flatten", "resume"])
@pytest.mark.parametrize("options", [(), ("--all", "--client", "c"), ("--account", "a", "--client", "c")])
def test_without_just_one_scope_nothing_is_asked(halted: Any, mt5gate: Any, command: str, options: Any) -> None:
    given = ("--reason", "x") if command == "resume" else ()

    result = mt5gate(command, *options, *given)

    assert result.exit_code == 2
    assert "say for whom" in result.stderr
    assert halted.asked == []


def test_resume_needs_a_reason(halted: Any, mt5gate: Any) -> None:
    assert mt5gate("resume", "--all").exit_code == 2


def test_resume_lifts_only_what_it_has_seen(halted: Any, mt5gate: Any) -> None:
    result = mt5gate("resume", "--account", "demo", "--reason", "fixed")

    assert halted.asked == [
        ("switches",),
        ("resume", "account", "demo", {"reason": "fixed", "who": "ann", "number": 7}),
    ]
    assert "account demo: entries go again" in result.stdout
    assert "still halted: all trading, by ann (x)" in result.stdout


def test_resume_of_what_is_not_halted_is_said(halted: Any, mt5gate: Any) -> None:
    result = mt5gate("resume", "--client", "c", "--reason", "x")
    assert (result.exit_code, halted.asked) == (1, [("switches",)])


def test_a_refusal_ends_with_its_status(halted: Any, mt5gate: Any) -> None:
    halted.answers["resume"] = PermissionRefused("who is halted can't lift it")
    result = mt5gate("resume", "--account", "demo", "--reason", "x")
    assert result.exit_code == 1
    assert "can't lift it" in result.stderr


def test_wait_ends_when_nothing_is_left(halted: Any, mt5gate: Any) -> None:
    told = [{"goals": [goal()]}, {"goals": [goal(), goal("reached", number=9)]}, {"goals": [goal("reached")]}]
    halted.answers["switches"] = told
    result = mt5gate("flatten", "--account", "demo", "--wait", "60")
    assert result.exit_code == 0
    assert "reached" in result.stdout
    assert told == []


def test_what_isn_t_cleared_in_time_ends_with_status_four(halted: Any, mt5gate: Any) -> None:
    halted.answers["flatten"] = {"goal": goal()}
    result = mt5gate("flatten", "--account", "demo", "--wait", "0.000001")
    assert result.exit_code == 4
    assert "10018 Market closed" in result.stderr


def test_switches_are_shown_with_what_is_being_cleared(halted: Any, mt5gate: Any) -> None:
    shown = mt5gate("switches").stdout
    assert "2023-11-14 22:13:20" in shown
    for word in ("account demo", "runaway", "ann (x)", "10018 Market closed", "cancel-on-disconnect: scalper"):
        assert word in shown


def test_nobody_halted_is_said(client: Any, mt5gate: Any) -> None:
    client.answers["switches"] = {"switches": [], "goals": [], "armed": []}
    assert "nobody is halted" in mt5gate("switches").stdout


@pytest.mark.parametrize("command", [("kill", "--all"), ("flatten", "--all"), ("switches",)])
def test_json_is_one_object(halted: Any, mt5gate: Any, command: Any) -> None:
    assert isinstance(json.loads(mt5gate(*command, "--json").stdout), dict)


def test_a_name_that_moves_the_cursor_is_escaped(halted: Any, mt5gate: Any) -> None:
    evil = SWITCH | {"scope": "client", "name": "\x1b[2J", "why": "\x1b[2J"}
    halted.answers["switches"] = {"switches": [evil], "goals": [], "armed": ["\x1b[2J"]}
    assert "\x1b" not in mt5gate("switches").stdout


def test_who_is_a_name() -> None:
    assert isinstance(kill.user(), str)
