"""The compiled reply cache: its rules, and the same answers as the plain one under any sequence of calls."""

import gc
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.replycache import ReplyCache as PlainCache

fast = pytest.importorskip("fastpath.cache", reason="nothing is compiled here")

COUNTERS = ("hits", "misses", "evictions", "expirations")

keys = st.sampled_from([b"", b"a", b"ab", b"abc", b"b", b"demo\0symbol_spec\0EURUSD", b"demo\0symbol_spec\0USDJPY"])
calls = st.one_of(
    st.tuples(st.just("get"), keys, st.integers(0, 20)),
    st.tuples(st.just("put"), keys, st.binary(max_size=3), st.integers(0, 20), st.integers(-1, 20)),
    st.tuples(st.just("invalidate"), keys),
    st.tuples(st.just("clear")),
)


@given(st.integers(1, 6), st.lists(calls, max_size=60))
def test_answers_as_the_plain_cache(capacity: int, sequence: list[tuple[Any, ...]]) -> None:
    compiled, plain = fast.ReplyCache(capacity), PlainCache(capacity)
    for name, *arguments in sequence:
        assert getattr(compiled, name)(*arguments) == getattr(plain, name)(*arguments)
        assert len(compiled) == len(plain)
        assert [getattr(compiled, counter) for counter in COUNTERS] == [getattr(plain, counter) for counter in COUNTERS]


def test_an_entry_ends_with_its_time() -> None:
    cache = fast.ReplyCache()
    cache.put(b"k", b"v", 100, 10)
    assert cache.get(b"k", 109) == b"v"
    assert cache.get(b"k", 110) is None
    assert (len(cache), cache.hits, cache.misses, cache.expirations) == (0, 1, 1, 1)


def test_a_time_to_live_beyond_the_clocks_range_is_no_overflow() -> None:
    cache = fast.ReplyCache()
    cache.put(b"k", b"v", 2**62, 2**63 - 1)
    assert cache.get(b"k", 2**63 - 2) == b"v"


def test_the_oldest_insertion_gives_way() -> None:
    cache = fast.ReplyCache(capacity=2)
    cache.put(b"a", b"1", 0, 10)
    cache.put(b"b", b"2", 0, 10)
    cache.put(b"a", b"3", 0, 10)  # the newest again
    cache.put(b"c", b"4", 0, 10)
    assert [cache.get(key, 1) for key in (b"a", b"b", b"c")] == [b"3", None, b"4"]
    assert cache.evictions == 1


def test_invalidation_takes_what_starts_with_the_prefix() -> None:
    cache = fast.ReplyCache()
    for key in (b"demo/a", b"demo/b", b"demo", b"live/a"):
        cache.put(key, key, 0, 10)
    assert cache.invalidate(b"demo/") == 2
    assert [cache.get(key, 1) for key in (b"demo/a", b"demo", b"live/a")] == [None, b"demo", b"live/a"]
    assert cache.invalidate(b"") == 2
    assert len(cache) == 0


def test_many_entries_in_few_buckets_are_kept_apart() -> None:
    cache = fast.ReplyCache(capacity=1_000)
    for number in range(5_000):
        cache.put(b"key-%d" % number, b"%d" % number, 0, 10)
    assert len(cache) == 1_000
    assert all(cache.get(b"key-%d" % number, 1) == b"%d" % number for number in range(4_000, 5_000))
    assert all(cache.get(b"key-%d" % number, 1) is None for number in range(4_000))


def test_nothing_is_kept_alive_by_an_entry_that_is_gone() -> None:
    value = bytes(bytearray(b"some value"))
    before = sys.getrefcount(value)
    cache = fast.ReplyCache(capacity=2)
    cache.put(b"a", value, 0, 10)
    assert sys.getrefcount(value) == before + 1
    cache.put(b"a", b"other", 0, 10)
    cache.put(b"b", value, 0, 10)
    cache.get(b"b", 99)
    cache.put(b"c", value, 0, 10)
    del cache
    gc.collect()
    assert sys.getrefcount(value) == before


@pytest.mark.parametrize("capacity", [0, -1, 2**24 + 1])
def test_a_capacity_out_of_range_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="capacity: expected"):
        fast.ReplyCache(capacity)


def test_other_than_bytes_are_the_callers_mistake() -> None:
    cache = fast.ReplyCache()
    with pytest.raises(TypeError):
        cache.get("text", 1)
    with pytest.raises(TypeError):
        cache.put(b"k", None, 1, 1)
