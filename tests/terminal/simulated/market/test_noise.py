"""Noise: a function of key and number, the same everywhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.terminal.simulated.market.noise import BELL_SCALE, bells, hashes, key_of, mixed, uniforms

NUMBERS = np.arange(100_000)


def test_splitmix64_gives_its_published_numbers():
    """Source: Sebastiano Vigna, splitmix64.c, seed 1234567."""
    assert hashes(1234567, np.arange(3)).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**50))
def test_one_number_and_many_give_the_same(key, number):
    assert int(hashes(key, np.array([number]))[0]) == mixed(key, number)


def test_keys_tell_their_parts_apart():
    assert len({key_of("a", 1), key_of("a", 2), key_of("b", 1), key_of("a", "1/2")}) == 4


def test_bells_have_the_scale_they_say():
    drawn = bells(hashes(key_of("bells"), NUMBERS))

    assert abs(drawn.mean()) < 0.02 * BELL_SCALE
    assert drawn.std() == pytest.approx(BELL_SCALE, rel=0.02)


def test_uniforms_fill_their_range():
    drawn = uniforms(hashes(key_of("uniforms"), NUMBERS))

    assert 0.0 <= drawn.min() < 0.001
    assert 0.999 < drawn.max() < 1.0
    assert drawn.mean() == pytest.approx(0.5, abs=0.01)
