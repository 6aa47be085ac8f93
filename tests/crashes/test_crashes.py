"""Real processes, killed at every point there is: no order twice, none lost, no answer wrong. More: `make soak`."""

import sys
import time
from pathlib import Path

import pytest

import gateway
from tests.crashes.campaign import report, run
from tests.crashes.injection.crash_mutations import MUTATIONS
from tests.crashes.injection.crash_points import POINTS
from tests.crashes.plans import each_once, planned
from tests.crashes.stack import Stack
from tests.crashes.tally import Tally

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the harness reads Linux' processes")

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT if Path(gateway.__file__).is_relative_to(ROOT / "gateway") else None
"""The gateway under test is the one that this process has imported: the source tree, or the installed package."""


@pytest.mark.timeout(240)
def test_a_kill_at_every_point_breaks_no_promise() -> None:
    tally = Tally()
    run(each_once(3), lambda number: Stack(7 + number, root=SOURCE, segment_bytes=30_000), tally)
    assert tally.violations == []
    assert set(tally.fired) == {point.name for point in POINTS}
    assert tally.told["done"] > 0


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("durability", ["process", "disk"])
def test_rounds_break_no_promise(durability: str) -> None:
    tally = Tally()
    plans = (planned(time.time_ns(), number) for number in range(100))
    run(plans, lambda number: Stack(number, durability=durability, root=SOURCE), tally)
    assert tally.violations == [], report(tally)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_every_mutation_is_caught(mutation: str) -> None:
    """The check itself can fail. Mutations are made of the source tree: compiled classes can't be changed."""
    tally = Tally()
    stacks: list[Stack] = []

    def new_stack(number: int) -> Stack:
        stacks.append(Stack(number, mutation=mutation, root=ROOT))
        return stacks[-1]

    run((planned(11, number) for number in range(120)), new_stack, tally)
    for stack in stacks:
        stack.remove()
    assert tally.violations
