"""Client order ids: only what carries its birth is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.orderids import birth_ms, made_id

ULID = "01HF7YAT00ABCDEFGHJKMNPQRS"


def test_a_ulid_tells_when_it_was_born():
    assert birth_ms("01ARZ3NDEKTSV4RRFFQ69G5FAV") == 1_469_922_850_259  # the specification's own example


@pytest.mark.parametrize("label", ["-a", "-grid.7:EURUSD_1", "-" + "x" * 37])
def test_a_label_may_follow(label):
    assert birth_ms(ULID + label) == birth_ms(ULID)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        ULID[:-1],
        ULID + "x",
        ULID + "-" + "x" * 38,
        ULID + "-ä",
        ULID + "- ",
        ULID.lower(),
        "I" + ULID[1:],
        "+" + ULID[1:],
        ULID[:5] + "_" + ULID[6:],
        ULID[:-1] + "\x00",
        "8" + ULID[1:],
        "ａ" * 26,
    ],
)
def test_anything_else_is_no_id(text):
    assert birth_ms(text) == -1


@given(st.text(max_size=70))
def test_no_text_raises(text):
    assert birth_ms(text) >= -1


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**48 - 1))
def test_an_id_that_we_make_is_one(born_ms, generation, sequence):
    assert birth_ms(made_id(born_ms, generation, sequence)) == born_ms
