"""Ways from one currency to another."""

import pytest

from gateway.terminal.simulated.trading.currencies import Conversion, currency_digits, money

QUOTES = {"EURUSD": (1.1, 1.2), "USDJPY": (150.0, 160.0), "EURJPY": (0.0, 0.0)}


def ways(floor, currency, *currencies):
    market = floor(QUOTES)
    conversion = Conversion(market.market, currency)
    for each in currencies:
        conversion.learn(each)
    return market, conversion


@pytest.mark.parametrize(
    ("source", "target", "bid", "ask"),
    [
        ("USD", "USD", 1.0, 1.0),
        ("EUR", "USD", 1.1, 1.2),
        ("USD", "EUR", 1 / 1.2, 1 / 1.1),
        ("EUR", "JPY", 1.1 * 150.0, 1.2 * 160.0),
        ("JPY", "EUR", 1 / 160.0 / 1.2, 1 / 150.0 / 1.1),
        ("GBP", "JPY", 1.27 * 150.0, 1.27 * 160.0),  # the pound's step at its reference rate
        ("GBP", "CHF", 1.27 / 1.12, 1.27 / 1.12),
    ],
)
def test_rate_is_the_worse_side_of_every_step(floor, source, target, bid, ask):
    _, conversion = ways(floor, target, source)

    assert conversion.rate(source, ask=False) == pytest.approx(bid)
    assert conversion.rate(source, ask=True) == pytest.approx(ask)


def test_pair_goes_before_the_way_over_the_dollar_once_it_is_quoted(floor):
    market, conversion = ways(floor, "JPY", "EUR")
    market.quote("EURJPY", 170.0, 171.0)

    assert (conversion.rate("EUR", ask=False), conversion.rate("EUR", ask=True)) == (170.0, 171.0)


def test_gain_is_sold_and_loss_is_bought(floor):
    _, conversion = ways(floor, "USD", "EUR")

    assert (conversion.convert(10.0, "EUR"), conversion.convert(-10.0, "EUR")) == (11.0, -12.0)


def test_pair_without_a_reference_rate_stands_at_its_starting_price(floor):
    market = floor({}, {"EURUSD": {"currency_base": "XXX", "currency_margin": "XXX", "start_price": 4.0}})
    conversion = Conversion(market.market, "USD")
    conversion.learn("XXX")

    assert conversion.rate("XXX", ask=True) == 4.0


def test_price_of_an_index_is_no_rate(floor):
    market = floor({"US500": (5300.0, 5301.0)}, {"US500": {"calc_mode": 3, "currency_base": "EUR"}})
    conversion = Conversion(market.market, "USD")
    conversion.learn("EUR")

    assert conversion.rate("EUR", ask=True) == pytest.approx(1.1)


@pytest.mark.parametrize(
    ("currency", "amount", "rounded"),
    [("USD", 1.006, 1.01), ("JPY", 1.5001, 2.0), ("BTC", 0.123456789, 0.12345679), ("KWD", 1.0004, 1.0)],
)
def test_money_has_its_currencys_digits(currency, amount, rounded):
    assert money(amount, currency_digits(currency)) == rounded


def test_money_has_no_negative_zero():
    assert str(money(-0.001)) == "0.0"
