"""Percentiles, paired ratios and intervals: the arithmetic that every published number goes through."""

from itertools import pairwise
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats import curve, estimate, paired_ratios, percentile

latencies = st.lists(st.integers(0, 2**40), min_size=1, max_size=200)


def array(values):
    return np.array(values, dtype=np.uint64)


class TestPercentile:
    @pytest.mark.parametrize(
        ("percent", "expected"), [(0.1, 1), (50.0, 500), (99.0, 990), (99.9, 999), (99.95, 1000), (100.0, 1000)]
    )
    def test_is_the_nearest_rank(self, percent, expected):
        assert percentile(array(range(1, 1001)), percent) == expected

    def test_of_one_value_is_that_value(self):
        assert percentile(array([7]), 99.9) == 7

    @given(latencies, st.floats(0.001, 100.0))
    def test_was_observed(self, values, percent):
        assert percentile(array(values), percent) in values

    @given(latencies)
    def test_hundred_is_the_maximum(self, values):
        assert percentile(array(values), 100.0) == max(values)

    def test_of_nothing_is_refused(self):
        with pytest.raises(ValueError, match="at least one value"):
            percentile(array([]), 50.0)

    @pytest.mark.parametrize("percent", [0.0, -1.0, 100.1])
    def test_outside_its_range_is_refused(self, percent):
        with pytest.raises(ValueError, match="percentage"):
            percentile(array([1]), percent)


class TestCurve:
    def test_begins_at_the_minimum_and_ends_where_the_sample_ends(self):
        pairs = curve(array(range(1, 1001)))
        assert pairs[0] == (0.0, 1)
        assert pairs[-1] == (pytest.approx(99.9), 999)

    @given(latencies)
    def test_never_falls(self, values):
        pairs = curve(array(values))
        assert all(earlier <= later for earlier, later in pairwise(pairs))


class TestPairedRatios:
    def test_each_block_is_compared_with_its_own_partner(self):
        assert paired_ratios([2.0, 30.0], [1.0, 10.0]) == [2.0, 3.0]

    def test_a_slow_phase_of_the_machine_leaves_the_ratio_alone(self):
        floor = [100.0, 100.0, 900.0, 100.0, 100.0, 100.0, 100.0]
        ours = [110.0, 110.0, 990.0, 110.0, 110.0, 110.0, 110.0]
        assert estimate(paired_ratios(ours, floor)).median == pytest.approx(1.1)

    def test_unequal_numbers_of_blocks_are_refused(self):
        with pytest.raises(ValueError, match="as many blocks"):
            paired_ratios([1.0], [1.0, 2.0])


class TestEstimate:
    def test_is_the_median_whatever_the_order(self):
        assert estimate([3.0, 1.0, 2.0]).median == 2.0
        assert estimate([4.0, 1.0, 2.0, 3.0]).median == 2.5

    @pytest.mark.parametrize("count", range(1, 6))
    def test_below_six_values_the_interval_is_the_whole_range(self, count):
        found = estimate([float(value) for value in range(count)])
        assert (found.low, found.high) == (0.0, count - 1.0)

    @pytest.mark.parametrize(("count", "rank"), [(6, 1), (9, 2), (12, 3), (24, 7), (36, 12)])
    def test_interval_has_the_ranks_of_the_sign_test(self, count, rank):
        found = estimate([float(value) for value in range(1, count + 1)])
        assert (found.low, found.high) == (rank, count + 1 - rank)

    @pytest.mark.parametrize("count", [6, 9, 12, 24, 36, 101])
    def test_interval_holds_the_median_with_95_percent_and_is_the_narrowest_that_does(self, count):
        rank = int(estimate([float(value) for value in range(1, count + 1)]).low)

        def coverage(k):
            return 1 - 2 * sum(comb(count, i) for i in range(k)) / 2**count

        assert coverage(rank) >= 0.95 > coverage(rank + 1)

    def test_noise_is_the_farther_end_from_one(self):
        assert estimate([0.9, 1.0, 1.02]).noise == pytest.approx(0.1)

    def test_of_nothing_is_refused(self):
        with pytest.raises(ValueError, match="at least one value"):
            estimate([])
