"""An order's mark in the terminal's ledger: short, the same for the same id, and off again without a trace."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.tags import COMMENT_ROOM, MAX_COMMENT, TAG_CHARACTERS, fits, tag_of, tagged, untagged

ORDER_ID = "01JCXXW7T5M0V8QK3Z9R2B4N6D"


def units(text: str) -> int:
    """What the terminal counts."""
    return len(text.encode("utf-16-le")) // 2


def test_tag_of_an_id_never_changes() -> None:
    assert tag_of(ORDER_ID) == "~Rkze1AfZ"
    assert tag_of(ORDER_ID + "-label") != tag_of(ORDER_ID)


def test_tags_of_many_ids_differ() -> None:
    assert len({tag_of(f"{ORDER_ID}-{number}") for number in range(10_000)}) == 10_000


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=64))
def test_tag_has_one_form(order_id: str) -> None:
    assert re.fullmatch(r"~[0-9A-Za-z]{8}", tag_of(order_id))
    assert len(tag_of(order_id)) == TAG_CHARACTERS


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=40))
def test_tagged_comment_is_one_that_the_terminal_takes(comment: str) -> None:
    sent = tagged(tag_of(ORDER_ID), comment)
    assert units(sent) <= MAX_COMMENT
    assert fits(sent)
    assert comment.startswith(untagged(sent))
    if units(comment) <= COMMENT_ROOM:
        assert untagged(sent) == comment
    else:
        assert units(sent) >= MAX_COMMENT - 1  # nothing is cut but what doesn't fit, and no character in half


def test_a_comment_that_looks_tagged_survives_its_own_tag() -> None:
    looks_tagged = "~12345678 mine"
    assert untagged(tagged(tag_of(ORDER_ID), looks_tagged)) == looks_tagged


@pytest.mark.parametrize("comment", ["", "~", "~1234567", "~1234567-", "[sl 1.08000]", " ~12345678", "scalp ~12345678"])
def test_comment_without_a_tag_stays(comment: str) -> None:
    assert untagged(comment) == comment


@pytest.mark.parametrize(
    ("comment", "taken"), [("x" * 29, True), ("x" * 30, False), ("😀" * 14, True), ("😀" * 15, False)]
)
def test_comment_is_measured_as_the_terminal_measures_it(comment: str, taken: bool) -> None:
    assert fits(comment) is taken
