"""The order of blocks, the comparison of contenders, and the verdict on a target."""

from collections import Counter
from itertools import count

import numpy as np
import pytest

from bench.runner import Block, Contender, Finding, Measurement, Result, Target, interleave, turn
from bench.stats import Estimate


def contender(name, log):
    def measure():
        log.append(name)
        return Block(rate=float(len(log)))

    return Contender(name, measure)


def measurement(name, p50s):
    return Measurement(name, [Block(np.array([value], dtype=np.uint64)) for value in p50s])


class TestInterleave:
    def test_every_contender_is_measured_once_a_round(self):
        log = []
        measured = interleave([contender(name, log) for name in "abc"], 6, warm_up=0)
        assert [len(each.blocks) for each in measured] == [6, 6, 6]
        assert all(sorted(log[start : start + 3]) == ["a", "b", "c"] for start in range(0, 18, 3))

    def test_every_contender_stands_equally_often_in_every_place(self):
        contenders = [Contender(name, lambda: Block()) for name in "abc"]
        places = Counter(
            (place, each.name) for number in range(6) for place, each in enumerate(turn(contenders, number))
        )
        assert set(places.values()) == {2}

    def test_followers_alternate(self):
        contenders = [Contender(name, lambda: Block()) for name in "abc"]
        followers = Counter(
            (first.name, second.name)
            for number in range(6)
            for first, second in zip(turn(contenders, number), turn(contenders, number)[1:], strict=False)
        )
        assert set(followers.values()) == {2}

    def test_warm_up_is_measured_and_thrown_away(self):
        log = []
        (measured,) = interleave([contender("a", log)], 2, warm_up=3)
        assert log == ["a"] * 5
        assert measured.values("rate") == [4.0, 5.0]

    def test_names_must_be_distinct(self):
        with pytest.raises(ValueError, match="distinct"):
            interleave([contender("a", []), contender("a", [])], 1)


class TestBlock:
    def test_gives_percentiles_of_its_latencies(self):
        block = Block(np.arange(1, 101, dtype=np.uint64))
        assert (block.value("p50"), block.value("p99"), block.value("max")) == (50.0, 99.0, 100.0)

    def test_refuses_what_it_did_not_measure(self):
        with pytest.raises(ValueError, match="rate"):
            Block().value("rate")


class TestCompare:
    def test_ratio_is_the_median_of_paired_blocks_and_the_floor_against_itself_stands_beside_it(self):
        result = Result(
            "x", "", [measurement("C", [100, 200, 400]), measurement("C again", [100, 200, 440]),
                      measurement("ours", [110, 300, 600])]
        )  # fmt: skip
        finding = result.compare("p50", "ours", "C", "C again")
        assert finding.value.median == 1.5
        assert finding.same is not None
        assert (finding.same.median, finding.same.high) == (1.0, pytest.approx(1.1))
        assert result.findings == [finding]

    def test_an_unknown_contender_is_refused(self):
        with pytest.raises(ValueError, match="named C"):
            Result("x", "", []).compare("p50", "ours", "C", None)

    def test_a_stated_rate_is_the_median_of_its_blocks(self):
        numbers = count(1)
        measured = interleave([Contender("ours", lambda: Block(rate=float(next(numbers))))], 3, warm_up=0)
        assert Result("x", "", measured).state("rate", "ours").value.median == 2.0


class TestVerdict:
    @pytest.mark.parametrize(
        ("median", "bound", "target", "noise", "verdict"),
        [
            (1.00, "<=", 1.15, 0.02, "met"),
            (1.30, "<=", 1.15, 0.02, "missed"),
            (1.14, "<=", 1.15, 0.02, "met, within noise"),
            (1.16, "<=", 1.15, 0.02, "missed, within noise"),
            (0.60, ">=", 0.50, 0.02, "met"),
            (0.40, ">=", 0.50, 0.02, "missed"),
        ],
    )
    def test_a_target_closer_than_the_noise_is_said_so(self, median, bound, target, noise, verdict):
        same = Estimate(1.0, 1.0 - noise, 1.0, 9)
        finding = Finding("", Estimate(median, median, median, 9), "x", same, Target(bound, target))
        assert finding.verdict == verdict

    def test_without_a_target_there_is_none(self):
        assert Finding("", Estimate(1.0, 1.0, 1.0, 1), "x").verdict == ""
