"""The diagrams in the docs are the ones that the transition tables draw; `python` this file draws them anew."""

import sys
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest

from gateway.core.goals import GOAL_MOVES
from gateway.core.states import MOVES, ORDER_MOVES
from gateway.core.switch import SWITCH_MOVES

DOCS = Path(__file__).parents[2] / "docs"
DRAWN: dict[str, tuple[Path, Mapping[Any, frozenset[Any]]]] = {
    "states": (DOCS / "ARCHITECTURE.md", MOVES),
    "order-states": (DOCS / "GUARANTEES.md", ORDER_MOVES),
    "switch-states": (DOCS / "GUARANTEES.md", SWITCH_MOVES),
    "goal-states": (DOCS / "GUARANTEES.md", GOAL_MOVES),
}
"""By the name between the marks: which document, and which table."""


def marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"


def diagram(moves: Mapping[IntEnum, frozenset[IntEnum]]) -> str:
    """Return a table as a Mermaid state diagram; its first state is the beginning."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {next(iter(moves)).name}"]
    for state, targets in moves.items():
        lines += [f"    {state.name} --> {target.name}" for target in sorted(targets)]
        if not targets:
            lines.append(f"    {state.name} --> [*]")
    return "\n".join([*lines, "```", ""])


@pytest.mark.parametrize("name", DRAWN)
def test_diagram_in_the_document_is_drawn_from_the_table(name: str) -> None:
    document, moves = DRAWN[name]
    begin, end = marks(name)
    text = document.read_text("utf-8")
    shown = text[text.index(begin) + len(begin) : text.index(end)]
    assert shown == diagram(moves), f"run: python {Path(__file__).name} to draw it anew"


if __name__ == "__main__":
    for name, (document, moves) in DRAWN.items():
        begin, end = marks(name)
        before, _, rest = document.read_text("utf-8").partition(begin)
        document.write_text(before + begin + diagram(moves) + end + rest.partition(end)[2], "utf-8")
    sys.exit(0)
