"""The laws hold for some seeds; `make simulate` runs as many as wanted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation import __main__ as command
from tests.simulation.simulation import run

SEEDS = 60
PER_TEST = 10


@pytest.mark.parametrize("first", range(1, SEEDS + 1, PER_TEST))
def test_the_laws_hold_whatever_goes_wrong(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        outcome = run(seed)
        assert not outcome.violations, f"python -m tests.simulation --seed {seed} --trace: {outcome.violations[0]}"
        assert outcome.tally["order reaches"] or outcome.tally["told Unavailable"], f"seed {seed} has come to nothing"


def test_a_seed_gives_the_same_trace_to_the_byte_in_every_process() -> None:
    traces = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        shown = subprocess.run(
            [sys.executable, "-P", str(Path(command.__file__)), "--seed", "11", "--trace"],
            capture_output=True,
            env=environment,
            timeout=100,
            check=False,
        )
        assert shown.returncode == 0, shown.stdout[-2_000:] + shown.stderr
        traces.append(shown.stdout)

    assert traces[0] == traces[1]
    assert traces[0].count(b"\n") > 100


def test_other_seeds_go_other_ways() -> None:
    assert run(11, traced=True).lines != run(12, traced=True).lines
