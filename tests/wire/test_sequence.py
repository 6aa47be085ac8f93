"""The sequence rules: every tick is in order, missed or repeated, and the sums agree."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.sequence import Arrival, SequenceTracker


def test_the_first_batch_sets_the_start() -> None:
    tracker = SequenceTracker()
    assert tracker.observe(7, 41, 2) == Arrival()
    assert tracker.observe(7, 43, 1) == Arrival()


def test_a_hole_is_a_gap_of_its_size() -> None:
    tracker = SequenceTracker()
    tracker.observe(7, 1, 10)
    assert tracker.observe(7, 16, 1) == Arrival(missed=5)


def test_an_overlap_repeats() -> None:
    tracker = SequenceTracker()
    tracker.observe(7, 1, 10)
    assert tracker.observe(7, 9, 4) == Arrival(repeated=2)
    assert tracker.observe(7, 1, 3) == Arrival(repeated=3)
    assert tracker.observe(7, 13, 1) == Arrival()


def test_a_new_epoch_starts_anew_and_counts_what_came_before_us() -> None:
    tracker = SequenceTracker()
    tracker.observe(7, 1, 10)
    assert tracker.observe(8, 4, 1) == Arrival(missed=3, new_epoch=True)


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 8)), min_size=1, max_size=40))
def test_new_ticks_are_numbered_once(batches: list[tuple[int, int]]) -> None:
    tracker = SequenceTracker()
    seen: list[int] = []
    missed = 0
    for first, count in batches:
        arrival = tracker.observe(1, first, count)
        seen += range(first + arrival.repeated, first + count)
        missed += arrival.missed
    assert seen == sorted(set(seen))
    assert len(seen) + missed == seen[-1] - seen[0] + 1
