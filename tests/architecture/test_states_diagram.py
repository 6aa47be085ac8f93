"""The diagram of a request's states in docs/ARCHITECTURE.md is the one that the transition table draws."""

import sys
from pathlib import Path

from gateway.core.states import MOVES

DOCUMENT = Path(__file__).parents[2] / "docs" / "ARCHITECTURE.md"
BEGIN, END = "<!-- states:begin -->\n", "<!-- states:end -->"


def diagram() -> str:
    """Return the table as a Mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> RECEIVED"]
    for state, targets in MOVES.items():
        lines += [f"    {state.name} --> {target.name}" for target in sorted(targets)]
        if not targets:
            lines.append(f"    {state.name} --> [*]")
    return "\n".join([*lines, "```", ""])


def test_diagram_in_the_document_is_drawn_from_the_table() -> None:
    text = DOCUMENT.read_text("utf-8")
    shown = text[text.index(BEGIN) + len(BEGIN) : text.index(END)]
    assert shown == diagram(), f"run: python {Path(__file__).name} to draw it anew"


if __name__ == "__main__":
    before, _, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    DOCUMENT.write_text(before + BEGIN + diagram() + END + rest.partition(END)[2], "utf-8")
    sys.exit(0)
