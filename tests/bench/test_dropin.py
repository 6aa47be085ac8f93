"""The drop-in module beside mt5linux, in miniature: everything runs over one terminal, nothing is timed."""

import importlib.metadata
import os

import pytest

from bench import bridge, dropin
from bench.context import Context
from bench.runner import Unavailable
from bench.script import OPERATIONS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Unix sockets")


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    return Context(True, tmp_path_factory.mktemp("scratch"), {})


@pytest.fixture(scope="module")
def scripts(context):
    try:
        with dropin.start_scripts(context) as started:
            yield started
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("case", dropin.CASES, ids=lambda case: case.name)
def test_bench_measures_every_contender_in_every_round(case, context, scripts, monkeypatch):
    monkeypatch.setattr(Context, "pick", lambda self, quick, full: 2)
    result = dropin.measure(context, case, scripts)
    assert {"mt5gate", "mt5gate again", "mt5gate, tcp", "mt5linux"} <= {one.name for one in result.measurements}
    assert all(len(one.blocks) == 2 for one in result.measurements)
    assert [len(one.latencies()) for one in result.measurements] == [4] * len(result.measurements)
    targets = [finding.target.value for finding in result.findings if finding.target is not None]
    assert targets == [target.value for target in (case.target, case.read and case.read.target) if target]


def test_every_operation_is_measured():
    measured = {name for case in dropin.CASES for name in (case.operation, case.beside) if name}
    assert measured | {case.read.operation for case in dropin.CASES if case.read} == set(OPERATIONS)


@pytest.mark.parametrize("found", [None, "1.1.1"])
def test_without_a_bridge_that_can_be_started_the_bench_is_unavailable(found, context, monkeypatch):
    monkeypatch.setattr(dropin.importlib.util, "find_spec", lambda name: found)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: found)
    with pytest.raises(Unavailable, match="mt5linux"), dropin.start_scripts(context):
        pass


def test_the_bridge_needs_a_terminal(tmp_path):
    with pytest.raises(ConnectionError, match="IPC initialize failed"):
        bridge.stand_in(f"sim://{tmp_path}/nobody.sock")
