"""What a symbol can't be."""

from dataclasses import replace

import pytest

from gateway.terminal.simulated.market.catalog import SPECIFICATIONS
from gateway.wire import constants as mt5

EURUSD, DE40 = SPECIFICATIONS["EURUSD"], SPECIFICATIONS["DE40"]


@pytest.mark.parametrize("field", ["contract_size", "volume_min", "volume_step", "start_price", "ticks_per_second"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_divided_by_is_above_zero(field, value):
    with pytest.raises(ValueError, match=f"{field}: expected a number above 0"):
        replace(EURUSD, **{field: value})


@pytest.mark.parametrize("field", ["margin_rate", "margin_hedged", "commission_per_lot", "spread_points", "volatility"])
def test_amounts_arent_negative(field):
    with pytest.raises(ValueError, match=f"{field}: expected a number of at least 0"):
        replace(EURUSD, **{field: -1})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"swap_rollover3days": 7}, "swap_rollover3days: expected a day from 0"),
        ({"swap_long": float("inf")}, "swap_long, swap_short: expected numbers"),
        ({"digits": -1}, "digits: expected 0 to 8"),
        ({"calc_mode": mt5.SYMBOL_CALC_MODE_EXCH_OPTIONS}, "calc_mode: expected one that is simulated"),
        ({"calc_mode": mt5.SYMBOL_CALC_MODE_SERV_COLLATERAL}, "calc_mode: expected one that is simulated"),
        ({"calc_mode": mt5.SYMBOL_CALC_MODE_FUTURES}, "margin_initial: expected a number above 0 for futures"),
        ({"calc_mode": mt5.SYMBOL_CALC_MODE_EXCH_BONDS}, "face_value: expected a number above 0 for bonds"),
    ],
)
def test_impossible_value_is_refused(fields, reason):
    with pytest.raises(ValueError, match=reason):
        replace(EURUSD, **fields)


def test_tick_follows_from_point_and_contract():
    assert (EURUSD.tick_size, EURUSD.tick_value, EURUSD.points_per_unit) == (0.00001, 1.0, 100_000)


def test_indexs_formula_counts_the_contract_once():
    assert DE40.calc_mode == mt5.SYMBOL_CALC_MODE_CFDINDEX
    assert replace(DE40, contract_size=25.0, tick_value=0.0).tick_value == DE40.tick_size
