"""The cache: bounded, and the least recently used goes first."""

from gateway.terminal.simulated.market.kept import Kept


def test_value_is_made_once():
    made = []
    kept = Kept[str](2)

    for _ in range(3):
        assert kept.get("a", lambda: made.append(1) or "value") == "value"

    assert made == [1]


def test_least_recently_used_goes_first():
    kept = Kept[str](2)
    for key in ("a", "b", "a", "c"):
        kept.get(key, lambda key=key: key)

    assert kept.get("a", lambda: "again") == "a"
    assert kept.get("b", lambda: "again") == "again"


def test_weight_is_bounded_and_the_newest_stays():
    kept = Kept[list[int]](10, len)
    for size in (4, 4, 4, 20):
        kept.get(object(), lambda size=size: [0] * size)
        assert kept.weight <= max(10, size)

    assert (len(kept), kept.weight) == (1, 20)
