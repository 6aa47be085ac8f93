"""Volumes and prices fit the symbol: never more than asked, always a multiple, exact in decimals."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.rounding import normalised_price, normalised_volume
from gateway.wire.errors import LocalProtocolError

FOREX = {"volume_min": 0.01, "volume_max": 100.0, "volume_step": 0.01, "trade_tick_size": 1e-05, "digits": 5}

steps = st.sampled_from([0.00000001, 0.001, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0])
ticks = st.sampled_from([1e-05, 0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 12.5])


@given(volume=st.floats(0.001, 10_000), step=steps)
def test_volume_is_a_multiple_of_the_step_and_never_above_the_asked(volume: float, step: float) -> None:
    spec = FOREX | {"volume_step": step, "volume_min": 0.0, "volume_max": 0.0}
    exact, exact_step = Decimal(repr(volume)), Decimal(repr(step))
    if exact < exact_step:
        with pytest.raises(LocalProtocolError):
            normalised_volume(volume, spec)
        return
    rounded = Decimal(repr(normalised_volume(volume, spec)))
    assert rounded % exact_step == 0
    assert rounded <= exact + Decimal("5e-9")  # MT5's own resolution is 1e-8 lots
    assert exact - rounded < exact_step


@given(count=st.integers(1, 100_000), step=steps)
def test_a_volume_that_fits_stays_as_it_is(count: int, step: float) -> None:
    volume = float(count * Decimal(repr(step)))
    assert normalised_volume(volume, FOREX | {"volume_step": step, "volume_min": step, "volume_max": 0.0}) == volume


@pytest.mark.parametrize(
    ("asked", "given"), [(0.1 + 0.2, 0.3), (0.7 - 0.4, 0.3), (0.015, 0.01), (0.29999, 0.29), (1, 1.0), (100, 100.0)]
)
def test_noise_of_binary_fractions_costs_no_lot(asked: float, given: float) -> None:
    assert normalised_volume(asked, FOREX) == given


@pytest.mark.parametrize("volume", [0.0, -0.1, 0.009, 100.01, float("nan"), float("inf"), "0.1", None, 1e300])
def test_a_volume_that_cant_fit_is_refused_with_the_limits(volume: Any) -> None:
    with pytest.raises(LocalProtocolError, match="volume: expected"):
        normalised_volume(volume, FOREX)


def test_the_refusal_says_what_was_expected_and_found() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        normalised_volume(0.005, FOREX)
    assert caught.value.message == "volume: expected from 0.01 to 100 lots in steps of 0.01, got 0.005"


def test_a_maximum_of_zero_is_none() -> None:
    assert normalised_volume(5_000, FOREX | {"volume_max": 0.0}) == 5_000


@given(price=st.floats(0.001, 1_000_000), tick=ticks)
def test_price_is_the_nearest_multiple_of_the_tick(price: float, tick: float) -> None:
    exact, exact_tick = Decimal(repr(price)), Decimal(repr(tick))
    if exact * 2 < exact_tick:
        with pytest.raises(LocalProtocolError):
            normalised_price(price, FOREX | {"trade_tick_size": tick})
        return
    rounded = Decimal(repr(normalised_price(price, FOREX | {"trade_tick_size": tick})))
    assert rounded % exact_tick == 0
    assert abs(rounded - exact) * 2 <= exact_tick


@given(price=st.floats(0.001, 1_000_000), digits=st.integers(2, 8))
def test_price_without_a_tick_size_has_the_symbols_digits(price: float, digits: int) -> None:
    exact = Decimal(repr(price))
    spec = FOREX | {"trade_tick_size": 0.0, "digits": digits}
    if exact * 2 < Decimal(1).scaleb(-digits):
        return
    rounded = Decimal(repr(normalised_price(price, spec)))
    assert rounded.as_tuple().exponent >= -digits or rounded == rounded.quantize(Decimal(1).scaleb(-digits))
    assert abs(rounded - exact) * 2 <= Decimal(1).scaleb(-digits)


@given(points=st.integers(1, 10_000_000), digits=st.integers(0, 6))
def test_a_price_that_fits_stays_as_it_is(points: int, digits: int) -> None:
    price = float(Decimal(points).scaleb(-digits))
    tick = float(Decimal(1).scaleb(-digits))
    assert normalised_price(price, FOREX | {"trade_tick_size": tick, "digits": digits}) == price


@pytest.mark.parametrize(("asked", "given"), [(1.123455, 1.12346), (1.1234549, 1.12345), (1.1 + 2.2, 3.3)])
def test_a_half_goes_up(asked: float, given: float) -> None:
    assert normalised_price(asked, FOREX) == given


@pytest.mark.parametrize("price", [0, -1.0, float("nan"), None, "1.1", 1e-9])
def test_what_is_no_price_is_refused_by_name(price: Any) -> None:
    with pytest.raises(LocalProtocolError, match="tp: expected"):
        normalised_price(price, FOREX, "tp")
