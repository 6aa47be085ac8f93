"""The listed symbols: what the default market offers, and what settings make of it."""

import re
from dataclasses import replace

import pytest

from gateway.terminal.simulated.market.catalog import (
    REFERENCE_RATES,
    SHOWN,
    SPECIFICATIONS,
    derive,
    listed,
    shown,
    specification_for,
)
from gateway.terminal.simulated.settings import Settings
from gateway.wire import constants as mt5


def settings(**terms):
    return Settings(address="sim:///nowhere", **terms)


def test_default_market_is_listed_and_eight_are_shown():
    symbols = listed(settings())

    assert symbols == SPECIFICATIONS
    assert shown(settings()) == SHOWN == tuple(symbols)[:8]
    assert all(name == item.name and item.path.endswith("\\" + name) for name, item in symbols.items())


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("calc_mode", {0, 1, 2, 3, 4, 5, 32, 33, 37}),
        ("trade_exemode", {0, 1, 2, 3}),
        ("swap_mode", set(range(9))),
        ("gtc_mode", {0, 1, 2}),
        ("trade_mode", {mt5.SYMBOL_TRADE_MODE_FULL, mt5.SYMBOL_TRADE_MODE_DISABLED, mt5.SYMBOL_TRADE_MODE_LONGONLY}),
        ("margin_hedged_use_leg", {False, True}),
        ("spread_fixed", {False, True}),
        ("currency_profit", {"USD", "EUR", "JPY", "GBP", "CHF", "CAD", "PLN", "RUB"}),
    ],
)
def test_every_way_to_set_up_a_symbol_has_one(field, values):
    assert {getattr(symbol, field) for symbol in SPECIFICATIONS.values()} == values


@pytest.mark.parametrize(
    "field",
    [
        "freeze_level",
        "stops_level",
        "volume_limit",
        "commission_per_lot",
        "commission_percent",
        "liquidity_lots",
        "slippage_points",
        "margin_initial",
        "margin_maintenance",
        "margin_rate_pending",
        "expiration_time_s",
        "face_value",
    ],
)
def test_every_feature_has_a_symbol_to_try_it_on(field):
    assert any(getattr(symbol, field) > 0 for symbol in SPECIFICATIONS.values())


def test_every_listed_currency_can_be_converted_unquoted():
    for symbol in SPECIFICATIONS.values():
        assert {symbol.currency_profit, symbol.currency_margin} <= REFERENCE_RATES.keys()


def test_pairs_start_where_their_currencies_meet():
    for symbol in SPECIFICATIONS.values():
        if symbol.path.startswith("Forex"):
            parity = REFERENCE_RATES[symbol.currency_base] / REFERENCE_RATES[symbol.currency_profit]
            assert symbol.start_price == pytest.approx(parity, rel=0.03), symbol.name


def test_settings_change_fields():
    symbols = listed(settings(symbols={"EURUSD": {"stops_level": 30, "trade_exemode": "instant"}}))

    expected = replace(SPECIFICATIONS["EURUSD"], stops_level=30, trade_exemode=mt5.SYMBOL_TRADE_EXECUTION_INSTANT)
    assert symbols == SPECIFICATIONS | {"EURUSD": expected}


def test_pattern_changes_all_it_matches_and_an_exact_name_has_the_last_word():
    changes = {"EURUSD": {"commission": 1.0}, "*USD": {"commission": 3.5}, "*": {"freeze_level": 4}}
    symbols = listed(settings(symbols=changes))

    assert {symbol.freeze_level for symbol in symbols.values()} == {4}
    assert [symbols[name].commission_per_lot for name in ("EURUSD", "GBPUSD", "USDJPY")] == [1.0, 3.5, 0.0]


def test_new_symbol_is_like_another_and_shown():
    terms = settings(symbols={"GER30": {"like": "DE40", "contract_size": 25, "digits": 2}})
    symbol = listed(terms)["GER30"]

    assert (symbol.name, symbol.path, symbol.currency_profit) == ("GER30", "Indices\\GER30", "EUR")
    assert (symbol.contract_size, symbol.digits, symbol.tick_size, symbol.tick_value) == (25.0, 2, 0.01, 0.01)
    assert shown(terms) == (*SHOWN, "GER30")


def test_new_symbol_may_be_like_one_made_before_it():
    symbols = listed(settings(symbols={"A": {"like": "EURUSD", "digits": 4}, "B": {"like": "A"}}))

    assert (symbols["B"].digits, symbols["B"].name) == (4, "B")


def test_suffix_is_part_of_the_name_alone():
    terms = settings(suffix=".r", symbols={"EURUSD": {"digits": 4}, "NEW": {"like": "AAPL"}}, generated_symbols=1)
    symbols = listed(terms)

    assert all(name == item.name and name.endswith(".r") and item.path.endswith(name) for name, item in symbols.items())
    assert (symbols["EURUSD.r"].currency_base, symbols["EURUSD.r"].digits) == ("EUR", 4)
    assert {"NEW.r", "SYM0001.r"} <= symbols.keys()
    assert shown(terms) == (*(f"{name}.r" for name in SHOWN), "NEW.r")


def test_generated_symbols_are_the_same_however_many_there_are():
    few, many = (listed(settings(generated_symbols=count)) for count in (3, 1000))

    assert len(many) == len(SPECIFICATIONS) + 1000
    assert list(few)[-3:] == ["SYM0001", "SYM0002", "SYM0003"]
    assert all(many[name] == few[name] for name in few)
    assert len({many[f"SYM{number:04d}"].start_price for number in range(1, 101)}) > 90
    assert listed(settings(generated_symbols=1, symbols={"SYM0001": {"digits": 3}}))["SYM0001"].digits == 3


@pytest.mark.parametrize(
    ("symbols", "reason"),
    [
        ({"NOPE": {"digits": 2}}, "symbols: NOPE: expected a listed symbol or the field like, got an unknown name"),
        ({"NEW": {"like": "NOPE"}}, "symbols: NEW: like: expected a listed symbol, got 'NOPE'"),
        ({"EURUSD": {"like": "GBPUSD"}}, "symbols: EURUSD: like: expected a new name, got a listed symbol's"),
        ({"Q*": {"digits": 2}}, "Q*: expected a pattern that some symbol matches, got one that none does"),
        ({"E*": {"like": "EURUSD"}}, "E*: expected a name to make a symbol like another, got a pattern"),
        ({"N" * 30: {"like": "EURUSD"}}, "expected a name of 1 to 29 characters, got 30"),
        ({"": {"like": "EURUSD"}}, "expected a name of 1 to 29 characters, got 0"),
    ],
)
def test_symbol_that_makes_no_sense_is_refused(symbols, reason):
    with pytest.raises(ValueError, match=re.escape(reason) + "$"):
        listed(settings(symbols=symbols))


def test_recorded_symbol_needs_no_listing():
    terms = {"EURNOK": {"digits": 4}, "X*": {"stops_level": 1}}

    assert listed(settings(symbols=terms, tick_files=("a/EURNOK_ticks.csv",), bar_files=("XY.csv",))).keys()
    with pytest.raises(ValueError, match="EURNOK: expected a listed symbol"):
        listed(settings(symbols=terms, tick_files=("a/EURUSD.csv",), bar_files=("XY.csv",)))


def test_name_that_a_suffix_makes_too_long_is_refused():
    with pytest.raises(ValueError, match="got 31"):
        listed(settings(suffix=".r", symbols={"N" * 29: {"like": "EURUSD"}}))


def test_replayed_symbol_is_the_listed_one_with_the_datas_digits():
    symbol = specification_for("EURUSD", 4)

    assert symbol == replace(SPECIFICATIONS["EURUSD"], digits=4, tick_size=0.0001, tick_value=10.0)
    assert specification_for("EURUSD", 5) is SPECIFICATIONS["EURUSD"]
    assert specification_for("ES-12.35", 1).tick_size == 0.25


@pytest.mark.parametrize("name", ["EURUSD", "EURUSD.r"])
def test_replayed_symbol_takes_suffix_and_settings(name):
    terms = settings(suffix=".r", symbols={"EURUSD": {"stops_level": 7}, "EURNOK": {"contract_size": 10}})
    symbol = specification_for(name, 5, terms)

    assert (symbol.name, symbol.stops_level, symbol.currency_base) == ("EURUSD.r", 7, "EUR")
    assert specification_for("EURNOK", 5, terms).contract_size == 10.0
    assert specification_for("GBPUSD", 3, settings(symbols={"GBPUSD": {"digits": 5}})).digits == 5
    assert specification_for("MINE", 2, settings(symbols={"MINE": {"like": "DE40"}})).currency_profit == "EUR"
    assert specification_for("MINE", 2, settings(symbols={"*": {"stops_level": 9}})).stops_level == 9
    assert specification_for("OTHER", 2, terms) == replace(derive("OTHER", 2), name="OTHER.r", path="Others\\OTHER.r")


@pytest.mark.parametrize(
    ("name", "currencies", "mode"),
    [
        ("EURNOK", ("EUR", "NOK", "EUR"), mt5.SYMBOL_CALC_MODE_FOREX),
        ("NOKSEKpro", ("NOK", "SEK", "NOK"), mt5.SYMBOL_CALC_MODE_FOREX),
        ("NVDA", ("USD", "USD", "USD"), mt5.SYMBOL_CALC_MODE_CFDLEVERAGE),
    ],
)
def test_unlisted_symbol_is_a_pair_or_a_contract(name, currencies, mode):
    symbol = derive(name, 3)

    assert (symbol.currency_base, symbol.currency_profit, symbol.currency_margin) == currencies
    assert (symbol.name, symbol.digits, symbol.calc_mode) == (name, 3, mode)
