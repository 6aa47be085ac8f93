"""Every test that docs/GUARANTEES.md names exists, and once: a promise whose test is gone is no promise."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
_DEFINED = re.compile(r"^ *def (test_\w+)\(", re.MULTILINE)
_NAMED = re.compile(r"`(test_\w+)`")


def test_every_promise_names_tests_that_exist() -> None:
    defined = Counter(
        name for path in (ROOT / "tests").rglob("test_*.py") for name in _DEFINED.findall(path.read_text("utf-8"))
    )
    text = (ROOT / "docs" / "GUARANTEES.md").read_text("utf-8")
    named = set(_NAMED.findall(text))
    assert {name: defined[name] for name in named if defined[name] != 1} == {}


def test_every_promise_names_a_test() -> None:
    text = (ROOT / "docs" / "GUARANTEES.md").read_text("utf-8").partition("## What is not promised")[0]
    rows = [line for line in text.splitlines() if line.startswith("|") and not line.startswith(("|---", "| promise"))]
    assert rows
    assert [row for row in rows if not _NAMED.search(row)] == []
