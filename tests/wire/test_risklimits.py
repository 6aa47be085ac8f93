"""The limits' values: what can be one, and which of two is the tighter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.risklimits import LIMITS, common_spans, is_looser, parsed_hours, problem_with, tighter

DAY = 1_440
HOURS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 22), st.integers(0, 59)).map(
        lambda at: f"{('mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun')[at[0]]} {at[1]:02}:{at[2]:02}-24:00"
    ),
    max_size=4,
)
VALUES = {
    "number": st.floats(0.0, 100.0),
    "count": st.integers(1, 1_000),
    "flag": st.booleans(),
    "state": st.sampled_from(("active", "reducing", "halted")),
    "texts": st.lists(st.sampled_from("abc"), max_size=3),
    "hours": HOURS,
}
PAIRS = st.sampled_from(list(LIMITS.values())).flatmap(
    lambda limit: st.tuples(st.just(limit.name), VALUES[limit.kind], VALUES[limit.kind])
)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("mon 07:00-21:00", ((420, 1_260),)),
        ("mon-tue 00:00-24:00", ((0, 2 * DAY),)),
        ("Sun 22:00-24:00", ((6 * DAY + 1_320, 7 * DAY),)),
        ("sun-mon 01:00-02:00", ((60, 120), (6 * DAY + 60, 6 * DAY + 120))),
    ],
)
def test_hours_are_minutes_of_the_week(text, spans):
    assert parsed_hours([text]) == spans


@pytest.mark.parametrize(
    "text", ["", "mon", "mon 7:00-21:00", "mon 21:00-07:00", "mox 01:00-02:00", "mon 01:00-25:00", "mon 01:60-02:00"]
)
def test_hours_that_cannot_be_are_refused(text):
    assert problem_with("trading_hours", [text]).startswith("trading_hours: expected")


@given(PAIRS)
def test_the_tighter_of_two_is_looser_than_neither(pair):
    name, left, right = pair
    held = tighter(name, left, right)
    assert not is_looser(name, held, left)
    assert not is_looser(name, held, right)
    assert problem_with(name, held) == "" or LIMITS[name].kind == "count"


@given(PAIRS)
def test_nothing_is_looser_than_no_limit_and_no_limit_than_any(pair):
    name, value, _ = pair
    assert not is_looser(name, value, None)
    assert tighter(name, value, None) == tighter(name, None, value) == value


@pytest.mark.parametrize(("name", "bound"), [("max_volume", 1.0), ("state", "reducing"), ("require_stop_loss", True)])
def test_lifting_a_limit_is_looser_than_any_bound(name, bound):
    assert is_looser(name, None, bound)


@given(HOURS, HOURS, st.integers(0, 7 * DAY - 1))
def test_common_hours_are_in_both(left, right, minute):
    def has(spans):
        return any(start <= minute < end for start, end in spans)

    first, second = parsed_hours(left), parsed_hours(right)
    assert has(common_spans(first, second)) == (has(first) and has(second))
