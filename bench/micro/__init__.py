"""Operations within one process: the codec, the reply cache, ticks; blocks of each hand in turn, like all benches.

The same operations run under pytest-benchmark: `python -m pytest bench/micro/bench_operations.py`.
"""

from collections.abc import Callable, Sequence
from functools import partial

from bench.context import Context, Entry
from bench.micro.operations import Hand, Operation, cache_operations, codec_operations, tick_operations
from bench.runner import Block, Contender, Result, interleave

__all__ = ("ENTRIES",)

CALIBRATION_S = 0.001


def measure(context: Context, name: str, title: str, operations: Callable[[], Sequence[Operation]]) -> Result:
    """Time every hand of a group of operations; a second timing loop of ours is what this machine calls equal."""
    block_s, rounds = context.pick((0.004, 15), (0.02, 36))
    result = Result(name, title, [])
    for operation in operations():
        names = {hand.name: f"{operation.name}: {hand.name}" for hand in operation.hands}
        ours = operation.hands[0]
        again = f"{names[ours.name]} again"
        contenders = [_contender(names[hand.name], hand, block_s) for hand in operation.hands]
        contenders.insert(1, _contender(again, ours, block_s))
        result.measurements += interleave(contenders, rounds)
        if operation.against:
            label = f"{operation.name}: {operation.against} / {ours.name}"
            result.compare("cost_ns", names[operation.against], names[ours.name], again, operation.faster, label)
        if operation.cost_ns is not None:
            result.state("cost_ns", names[ours.name], operation.cost_ns, f"{operation.name}: ns")
    result.notes.append("One call from Python, arguments ready-made; a ratio says how many times faster ours is.")
    return result


def _contender(name: str, hand: Hand, block_s: float) -> Contender:
    """Return blocks of about `block_s` of one timing loop; how many turns that takes is found out here, once."""
    timer, turns = hand.timer(), 1
    while (taken := timer.timeit(turns)) < CALIBRATION_S:
        turns *= 2
    count = max(1, round(turns * block_s / taken))
    return Contender(name, lambda: Block(cost_ns=timer.timeit(count) / count * 1e9))


ENTRIES = tuple(
    Entry(name, title, partial(measure, name=name, title=title, operations=operations))
    for name, title, operations in (
        ("micro-codec", "Requests and replies, encoded and decoded: against msgpack and msgspec", codec_operations),
        ("micro-cache", "The reply cache: a hit, a put", cache_operations),
        ("micro-ticks", "Ticks, encoded and decoded: against msgpack", tick_operations),
    )
)
