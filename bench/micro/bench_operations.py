"""The operations of `bench.micro` under pytest-benchmark, for its histograms, comparisons and saved runs.

    python -m pytest bench/micro/bench_operations.py --benchmark-group-by=group --benchmark-columns=median,iqr

Collected only when named: the suite asserts no times. `python -m bench --only micro` gives the same numbers the way
all benches are measured: in alternating blocks, and without the hundred or so nanoseconds that calling through
pytest-benchmark adds to each.
"""

from typing import Any

import pytest

from bench.micro.operations import Hand, cache_operations, codec_operations, tick_operations


def hands() -> list[Any]:
    """Return every hand of every operation, with its group."""
    return [
        pytest.param(operation.name, hand, id=f"{operation.name}: {hand.name}")
        for operation in (*codec_operations(), *cache_operations(), *tick_operations())
        for hand in operation.hands
    ]


@pytest.mark.parametrize(("group", "hand"), hands())
def test_operation(benchmark: Any, group: str, hand: Hand) -> None:
    """Time one hand, and check that it does something."""
    benchmark.group = group
    assert benchmark(hand.function()) is not None or "put" in hand.statement
