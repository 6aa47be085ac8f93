"""The checker finds what is wrong: each fault of the code, within a few seeds."""

import pytest

from gateway.core import engine
from tests.simulation.mutations import MUTATIONS, mutated
from tests.simulation.simulation import run

SEEDS = 40
"""How many are tried at most; most faults show within five."""

pytestmark = pytest.mark.skipif(not engine.__file__.endswith(".py"), reason="what is compiled can't be changed")


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_fault_is_found(name: str) -> None:
    given = MUTATIONS[name].given
    with mutated(name):
        found = any(run(seed, given=given).violations for seed in range(1, SEEDS + 1))
    assert found, f"{MUTATIONS[name].what}: not found in {SEEDS} seeds"


def test_a_mutation_leaves_nothing_behind() -> None:
    before = {name: mutation.owner.__dict__[mutation.name] for name, mutation in MUTATIONS.items()}
    for name in MUTATIONS:
        with mutated(name):
            assert MUTATIONS[name].owner.__dict__[MUTATIONS[name].name] is not before[name]
    assert {name: mutation.owner.__dict__[mutation.name] for name, mutation in MUTATIONS.items()} == before
