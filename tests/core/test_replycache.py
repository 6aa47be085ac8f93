"""The reference reply cache."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.replycache import ReplyCache


def test_a_value_is_given_until_its_time_is_over() -> None:
    cache = ReplyCache(4)
    cache.put(b"k", b"v", 100, 50)
    assert cache.get(b"k", 149) == b"v"
    assert cache.get(b"k", 150) is None
    assert (cache.hits, cache.misses, cache.expirations, len(cache)) == (1, 1, 1, 0)


def test_an_unknown_key_is_a_miss() -> None:
    cache = ReplyCache(4)
    assert cache.get(b"k", 0) is None
    assert (cache.hits, cache.misses) == (0, 1)


def test_putting_again_replaces_and_renews() -> None:
    cache = ReplyCache(2)
    cache.put(b"a", b"1", 0, 100)
    cache.put(b"b", b"2", 0, 100)
    cache.put(b"a", b"3", 50, 100)
    cache.put(b"c", b"4", 50, 100)
    assert cache.get(b"b", 60) is None
    assert cache.get(b"a", 140) == b"3"
    assert cache.evictions == 1


def test_the_oldest_insertion_goes_when_full_however_often_it_is_read() -> None:
    cache = ReplyCache(2)
    cache.put(b"a", b"1", 0, 100)
    cache.put(b"b", b"2", 0, 100)
    assert cache.get(b"a", 1) == b"1"
    cache.put(b"c", b"3", 1, 100)
    assert cache.get(b"a", 2) is None
    assert len(cache) == 2


def test_nothing_is_kept_for_no_time() -> None:
    cache = ReplyCache(2)
    cache.put(b"a", b"1", 0, 0)
    cache.put(b"a", b"1", 0, -1)
    assert len(cache) == 0


def test_invalidating_forgets_a_prefix_and_says_how_much() -> None:
    cache = ReplyCache(8)
    for key in (b"demo\0spec\0a", b"demo\0spec\0b", b"demo\0version\0", b"demo2\0spec\0a"):
        cache.put(key, b"v", 0, 100)
    assert cache.invalidate(b"demo\0spec\0") == 2
    assert cache.invalidate(b"demo\0") == 1
    assert cache.get(b"demo2\0spec\0a", 1) == b"v"


def test_clearing_keeps_the_counters() -> None:
    cache = ReplyCache(8)
    cache.put(b"a", b"1", 0, 100)
    cache.get(b"a", 0)
    cache.clear()
    assert (len(cache), cache.hits) == (0, 1)


def test_a_capacity_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity"):
        ReplyCache(0)


@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 5)), max_size=60))
def test_the_bound_holds_and_nothing_outlives_its_time(capacity: int, puts: list[tuple[str, int]]) -> None:
    cache = ReplyCache(capacity)
    model: dict[bytes, tuple[int, bytes]] = {}
    for now_ns, (name, ttl_ns) in enumerate(puts):
        key, value = name.encode(), str(now_ns).encode()
        cache.put(key, value, now_ns, ttl_ns)
        model[key] = (now_ns + ttl_ns, value)
        assert len(cache) <= capacity
        assert cache.get(key, now_ns) == value
        for other, (expires_ns, kept) in model.items():
            found = cache.get(other, now_ns)
            assert found is None or (found == kept and now_ns < expires_ns)
