"""The benches against the gateway's real broker and publisher, in miniature: everything runs, nothing is timed."""

import os
import shutil

import pytest

from bench import broadcast, durability, floors, killswitch, orders, pipeline, recovery, roundtrip
from bench.context import Context
from bench.runner import Unavailable

pytestmark = pytest.mark.skipif(
    os.name != "posix" or shutil.which(os.environ.get("CC", "cc")) is None, reason="needs a C compiler"
)

# What each bench picks: (requests or frames of a block, rounds), and for the steady rates those too.
SMALL = {
    "floor": [(20, 2)],
    "order": [(20, 2)],
    "cached": [(20, 2)],
    "pipelined": [(600, 2)],
    "steady": [(0.02, 2), (1_000,)],
    "limits": [(20, 2)],
    "orders-pipelined": [(600, 2)],
    "residence": [(0.02, 2)],
    "refusal": [(20, 2)],
    "disk": [(0.05, 2)],
    "disk-shared": [(600, 2)],
    "kill": [2],
    "kill-slow-disk": [2],
    "recovery": [(600, 2)],
    "broadcast-single": [(2_000, 2)],
    "broadcast-batch": [(5, 2)],
}


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    return floors.build(tmp_path_factory.mktemp("bin"))


@pytest.mark.parametrize(
    "entry",
    [
        *roundtrip.ENTRIES,
        *pipeline.ENTRIES,
        *orders.ENTRIES,
        *durability.ENTRIES,
        *killswitch.ENTRIES,
        *recovery.ENTRIES,
        *broadcast.ENTRIES,
    ],
    ids=lambda entry: entry.name,
)
def test_bench_measures_every_contender_in_every_round(entry, programs, tmp_path, monkeypatch):
    picks = iter(SMALL[entry.name.removesuffix("-ipc").removesuffix("-tcp")])
    monkeypatch.setattr(Context, "pick", lambda self, quick, full: next(picks))
    try:
        result = entry.run(Context(True, tmp_path, programs))
    except Unavailable as reason:
        pytest.skip(str(reason))
    assert result.name == entry.name
    assert all(len(measurement.blocks) == 2 for measurement in result.measurements)
    assert result.findings
