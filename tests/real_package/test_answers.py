"""What the calls file says is what the real package answers, directly and through the worker's adapter."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CALLS = 766


@pytest.fixture(scope="module")
def recorded(reference: Callable[[str], Path]) -> dict[str, Any]:
    file: dict[str, Any] = json.loads(reference("metatrader5_calls.json").read_text("utf-8"))
    assert len(file["calls"]) == CALLS
    return file


@pytest.fixture(scope="module")
def answers(wine: Any, recorded: dict[str, Any], reference: Callable[[str], Path]) -> Any:
    return wine.run("answers.py", f"Z:{reference('metatrader5_calls.json')}")


def test_it_is_the_package_that_was_recorded(answers: Any, recorded: dict[str, Any]) -> None:
    assert recorded["about"]["package"].startswith(answers["package"])
    assert recorded["about"]["python"].startswith(answers["python"])


def test_package_answers_every_call_as_recorded(answers: Any, recorded: dict[str, Any]) -> None:
    """Without any allowance: values, error texts, exceptions with their causes, and the error pair left behind."""
    assert answers["direct"] == recorded["calls"]


def through_the_adapter(answer: dict[str, Any]) -> dict[str, Any]:
    """What the adapter makes of the package's answer: it raises the cause of a SystemError itself."""
    if answer.get("raises") == "SystemError" and "cause" in answer:
        return {"call": answer["call"], "raises": answer["cause"], "last_error": answer["last_error"]}
    return answer


def test_adapter_gives_the_packages_answers(answers: Any) -> None:
    for direct, adapted in zip(answers["direct"], answers["adapter"], strict=True):
        expected = through_the_adapter(direct)
        assert {key: adapted.get(key) for key in expected} == expected
        assert adapted.keys() - expected.keys() <= {"message"}


def test_adapter_keeps_empty_keywords_from_the_package(answers: Any) -> None:
    """The package refuses order_send(*args, **{}); an order that travels with empty keywords must reach it."""
    assert answers["empty_keywords"] == {
        "direct": [-2, "Unnamed arguments not allowed"],
        "adapter": [-10004, "No IPC connection"],
    }
