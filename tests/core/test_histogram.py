"""The latency histogram."""

import math

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.histogram import Histogram

DURATIONS = st.one_of(st.integers(0, 100), st.integers(0, 10**7), st.integers(0, 2**44))


def filled(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


def test_an_empty_one_has_zeros() -> None:
    assert Histogram().summary() == dict.fromkeys(("count", "mean_ns", "p50_ns", "p99_ns", "p999_ns", "max_ns"), 0)


@given(st.lists(DURATIONS, min_size=1, max_size=200), st.sampled_from([0.0, 0.5, 0.99, 0.999, 1.0]))
def test_percentile_is_at_most_one_bucket_above_the_true_one(values: list[int], fraction: float) -> None:
    exact = sorted(values)[max(1, math.ceil(fraction * len(values))) - 1]
    assert exact <= filled(values).percentile(fraction) <= exact + exact // 32 + 1


@given(st.lists(DURATIONS, max_size=50))
def test_count_mean_and_max_are_exact(values: list[int]) -> None:
    summary = filled(values).summary()
    assert summary["count"] == len(values)
    assert summary["max_ns"] == max(values, default=0)
    assert summary["mean_ns"] == (sum(values) // len(values) if values else 0)


def test_small_values_are_counted_one_by_one() -> None:
    for value in range(64):
        assert filled([value, 10**6]).percentile(0.5) == value


def test_every_power_of_two_has_its_place() -> None:
    for bit in range(45):
        for value in (2**bit - 1, 2**bit, 2**bit + 1):
            found = filled([value, 2**46]).percentile(0.5)
            assert value <= found <= value + value // 32 + 1


def test_negative_durations_count_as_zero() -> None:
    assert filled([-5]).summary()["max_ns"] == 0
    assert filled([-5]).count == 1


def test_a_value_beyond_the_last_bucket_is_kept_as_the_maximum() -> None:
    histogram = filled([1, 2**60])
    assert histogram.max_ns == 2**60
    assert histogram.percentile(1.0) <= 2**60


def test_no_fraction_goes_beyond_the_maximum() -> None:
    assert filled([3, 70]).percentile(2.0) == 70
