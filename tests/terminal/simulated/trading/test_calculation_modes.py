"""Margin and profit by calculation mode and deposit currency, worked out by hand from the documented formulas."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.terminal.simulated.market.specification import CALC_MODES
from gateway.terminal.simulated.trading.valuation import MARGIN_OF_LOT
from gateway.wire import constants as mt5

BUY, SELL = mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_SELL
QUOTES = {"EURUSD": (1.0999, 1.1), "USDJPY": (150.0, 150.01)}


def with_quotes(*names):
    return dict.fromkeys(names, (0.0, 0.0)) | QUOTES


@pytest.mark.parametrize(
    ("name", "volume", "price", "margin"),
    [
        # lots x contract / leverage, the base currency at the order's own price: 1 x 100,000 / 100 x 1.1
        ("EURUSD", 1.0, 1.1, 1100.0),
        # the base currency is the account's: 0.5 x 100,000 / 100
        ("USDJPY", 0.5, 150.0, 500.0),
        # no leverage, but a margin rate: 1 x 100,000 x 0.05
        ("USDPLN", 1.0, 4.0, 5000.0),
        # CFD: 1 x 10 x 39,000 x 0.05 = 19,500 yen, bought at 1 / 150.00
        ("JP225", 1.0, 39_000.0, 130.0),
        # index: 1 x 1 x 18,500 x (0.1 / 0.1) x 0.05 = 925 euros, bought at 1.10
        ("DE40", 1.0, 18_500.0, 1017.5),
        # CFD with leverage: 0.1 x 100 x 2350 / 100
        ("XAUUSD", 0.1, 2350.0, 235.0),
        # the same with a margin rate: 0.1 x 1 x 65,000 / 100 x 10
        ("BTCUSD", 0.1, 65_000.0, 650.0),
        # futures: lots x initial margin, whatever the price
        ("CL-12.35", 2.0, 78.0, 12_000.0),
        ("ES-12.35", 3.0, 5300.0, 36_000.0),
        # stocks: the whole price: 10 x 1 x 190; 10 x 1 x 180 euros at 1.10
        ("AAPL", 10.0, 190.0, 1900.0),
        ("SAP", 10.0, 180.0, 1980.0),
        # bonds: 10 x 1 x 1000 x 98.5 % = 9850 euros at 1.10
        ("BUND-12.35", 10.0, 98.5, 10_835.0),
    ],
)
def test_margin_by_calculation_mode(floor, name, volume, price, margin):
    assert floor(with_quotes(name), leverage=100).margin(name, volume, price) == margin


@pytest.mark.parametrize(
    ("name", "volume", "opened", "closed", "profit"),
    [
        ("EURUSD", 1.0, 1.1, 1.101, 100.0),  # 0.001 x 100,000
        ("USDJPY", 1.0, 150.0, 151.0, 666.62),  # 100,000 yen sold at 1 / 150.01
        ("USDJPY", 1.0, 151.0, 150.0, -666.67),  # 100,000 yen bought at 1 / 150.00
        ("USDPLN", 0.1, 4.0, 4.01, 25.0),  # 100 zlotys at the reference rate 0.25
        ("JP225", 2.0, 39_000.0, 39_150.0, 20.0),  # 150 x 10 x 2 = 3000 yen / 150.01 = 19.9987
        ("DE40", 1.0, 18_500.0, 18_510.0, 11.0),  # 10 euros sold at 1.0999 = 10.999
        ("XAUUSD", 0.1, 2350.0, 2351.0, 10.0),  # 1 x 100 x 0.1
        ("CL-12.35", 2.0, 78.0, 79.0, 2000.0),  # 1 / 0.01 ticks x 10 x 2
        ("ES-12.35", 1.0, 5300.0, 5305.0, 250.0),  # 5 / 0.25 ticks x 12.50
        ("AAPL", 10.0, 190.0, 195.0, 50.0),  # 5 x 10
        ("BUND-12.35", 10.0, 98.5, 99.5, 109.99),  # 1 % x 1000 x 10 = 100 euros sold at 1.0999
    ],
)
def test_profit_by_calculation_mode(floor, name, volume, opened, closed, profit):
    market = floor(with_quotes(name))

    assert market.profit(name, volume, opened, closed) == profit


@pytest.mark.parametrize("mode", [mt5.SYMBOL_CALC_MODE_EXCH_STOCKS_MOEX, mt5.SYMBOL_CALC_MODE_EXCH_STOCKS])
def test_stocks_of_either_exchange_are_paid_in_full(floor, mode):
    market = floor({}, {"AAPL": {"calc_mode": mode}})

    assert (market.margin("AAPL", 2.0, 190.0), market.profit("AAPL", 2.0, 190.0, 191.0)) == (380.0, 2.0)


def test_index_multiplies_by_the_ticks_worth(floor):
    # 1 x 1 x 18,500 x (2.5 / 0.5) x 0.1
    change = {"tick_size": 0.5, "tick_value": 2.5, "margin_rate": 0.1, "currency_margin": "USD"}

    assert floor({}, {"DE40": change}).margin("DE40", 1.0, 18_500.0) == 9250.0


@pytest.mark.parametrize(
    ("name", "margin", "why"),
    [
        ("EURUSD", 22.0, "leverage stays with forex: 2000 / 100 euros, bought at 1.10"),
        ("XAUUSD", 20.0, "and with leveraged contracts: 2000 / 100"),
        ("AAPL", 2000.0, "elsewhere it is the margin"),
        ("USDPLN", 100.0, "times the margin rate: 2000 x 0.05"),
    ],
)
def test_initial_margin_stands_in_for_the_formula(floor, name, margin, why):
    market = floor(with_quotes(name), {name: {"margin_initial": 2000.0}})

    assert market.margin(name, 1.0, 123.0) == margin, why


def test_maintenance_margin_holds_what_the_initial_margin_opened(floor):
    market = floor(with_quotes("CL-12.35", "AAPL"), {"AAPL": {"margin_maintenance": 50.0}})

    assert (market.margin("CL-12.35", 2.0, 78.0), market.margin("CL-12.35", 2.0, 78.0, held=True)) == (12e3, 10_800.0)
    assert (market.margin("AAPL", 2.0, 190.0), market.margin("AAPL", 2.0, 190.0, held=True)) == (380.0, 100.0)


@pytest.mark.parametrize(
    ("currency", "quotes", "margin", "profit"),
    [
        # 1000 euros at the ask, and 100 dollars at the bid
        ("USD", {"EURUSD": (1.0999, 1.1)}, 1100.0, 100.0),
        # the margin currency is the account's: 1000; 100 dollars buy 100 / 1.1 euros
        ("EUR", {"EURUSD": (1.0999, 1.1)}, 1000.0, 90.91),
        # EURJPY is quoted: 1000 x 165.02; 100 x 150.00 at USDJPY; the yen has no cents
        ("JPY", {"EURUSD": (1.0999, 1.1), "USDJPY": (150.0, 150.01), "EURJPY": (165.0, 165.02)}, 165_020.0, 15_000.0),
        # EURJPY isn't: 1000 x 1.1 x 150.01
        ("JPY", {"EURUSD": (1.0999, 1.1), "USDJPY": (150.0, 150.01)}, 165_011.0, 15_000.0),
        # 1000 euros over the dollar: 1000 x 1.1 / 0.8 (USDCHF's bid buys dollars); 100 dollars at its bid
        ("CHF", {"EURUSD": (1.0999, 1.1), "USDCHF": (0.8, 0.8001)}, 880.11, 80.0),
        # nothing is quoted: reference rates 1.1 and 1 / 150; 1000 x 1.1 x 150
        ("JPY", {}, 165_000.0, 15_000.0),
        # eight digits: 1000 x 1.1 dollars and 100 dollars at 1 / 65,000
        ("BTC", {"EURUSD": (1.0999, 1.1)}, 0.01692308, 0.00153846),
    ],
)
def test_deposit_currency(floor, currency, quotes, margin, profit):
    market = floor({"EURUSD": (0.0, 0.0)} | quotes, currency=currency)

    assert market.margin("EURUSD", 1.0, 1.1) == margin
    assert market.profit("EURUSD", 1.0, 1.1, 1.101) == profit


def test_sell_orders_margin_is_converted_at_the_bid(floor):
    market = floor({"DE40": (18_500.0, 18_501.0), "EURUSD": (1.09, 1.1)})

    assert market.margin("DE40", 1.0, 18_500.0, BUY) == 1017.5  # 925 x 1.10
    assert market.margin("DE40", 1.0, 18_500.0, SELL) == 1008.25  # 925 x 1.09


def test_every_simulated_mode_has_its_formula():
    assert MARGIN_OF_LOT.keys() == set(CALC_MODES)


def test_currency_that_nothing_leads_from_is_refused_at_the_start(floor):
    with pytest.raises(ValueError, match=r"^AAPL: no symbol and no reference rate leads from XXX to USD; "):
        floor({}, {"AAPL": {"currency_profit": "XXX"}})


def test_unknown_deposit_currency_is_refused(floor):
    with pytest.raises(ValueError, match="from USD to XXX"):
        floor(QUOTES, currency="XXX")


@pytest.mark.parametrize(
    ("name", "profit", "loss"),
    [
        ("EURUSD", 1.0, 1.0),  # 0.00001 x 100,000
        ("USDJPY", 100 / 150.01, 100 / 150.0),  # 0.001 x 100,000 yen
        ("JP225", 50 / 150.01, 50 / 150.0),  # a tick of 5 x 10 yen
        ("ES-12.35", 12.5, 12.5),
        ("DE40", 0.1 * 1.0999, 0.1 * 1.1),
        ("BUND-12.35", 0.1 * 1.0999, 0.1 * 1.1),  # 0.01 % of 1000 euros
    ],
)
def test_tick_values(floor, name, profit, loss):
    market = floor(with_quotes(name))

    assert market.valuation.tick_values(market.symbols[name]) == pytest.approx((profit, loss), rel=1e-12)


def test_commission_is_by_lot_and_by_value(floor):
    market = floor(QUOTES, {"SAP": {"commission_per_lot": 0.5}, "XAUUSD": {"commission_per_lot": 3.5}})

    assert market.valuation.commission(market.symbols["EURUSD"], 1.0, 1.1) == 0.0
    assert market.valuation.commission(market.symbols["XAUUSD"], 0.5, 2350.0) == -1.75
    # 10 x 0.50, and 0.05 % of 10 x 180 euros bought at 1.10
    assert market.valuation.commission(market.symbols["SAP"], 10.0, 180.0) == -5.99


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_senseless_questions_have_no_answer(floor, bad):
    valuation, symbol = (market := floor(QUOTES)).valuation, market.symbols["EURUSD"]

    assert valuation.order_margin(symbol, BUY, bad, 1.1) is None
    assert valuation.order_margin(symbol, BUY, 1.0, bad) is None
    assert valuation.order_profit(symbol, SELL, 1.0, bad, 1.1) is None
    assert valuation.order_profit(symbol, SELL, 1.0, 1.1, bad) is None
    assert valuation.order_margin(symbol, mt5.ORDER_TYPE_BUY_LIMIT, 1.0, 1.1) is None
    assert valuation.order_margin(symbol, SELL, 1.0, 1.1) == 1100.0
    assert valuation.order_profit(symbol, SELL, 1.0, 1.101, 1.1) == 100.0


def test_conversions_name_the_symbols_to_keep_quoted(floor):
    market = floor(with_quotes("EURJPY", "GBPJPY", "CL-12.35", "GBPUSD"), currency="EUR")

    def needed(name):
        return [symbol.name for symbol in market.valuation.conversions(market.symbols[name])]

    assert needed("GBPJPY") == ["EURJPY", "GBPUSD", "EURUSD"]  # yen directly, pounds over the dollar
    assert needed("EURJPY") == []  # its own quote
    assert needed("CL-12.35") == ["EURUSD"]


prices = st.floats(0.5, 2.0).map(lambda price: round(price, 5))
volumes = st.integers(1, 1000).map(lambda steps: steps / 100)


@settings(deadline=None, max_examples=50)
@given(volume=volumes, opened=prices, closed=prices)
def test_what_buyers_win_sellers_lose(floor, volume, opened, closed):
    market = floor({"EURUSD": (1.1, 1.1)})

    assert market.profit("EURUSD", volume, opened, closed, BUY) == -market.profit(
        "EURUSD", volume, opened, closed, SELL
    )


@settings(deadline=None, max_examples=50)
@given(amount=st.integers(-(10**8), 10**8).map(lambda cents: cents / 100), bid=prices, spread=st.floats(0.0, 0.01))
def test_conversion_there_and_back_never_wins(floor, amount, bid, spread):
    quotes = {"EURUSD": (bid, bid + spread)}
    to_euros, to_dollars = (floor(quotes, currency=currency).valuation for currency in ("EUR", "USD"))

    back = to_dollars.convert(to_euros.convert(amount, "USD"), "EUR")
    assert back <= amount + abs(amount) * 1e-9
    assert back == pytest.approx(amount, rel=3 * spread / bid + 1e-9)


@settings(deadline=None, max_examples=50)
@given(volume=volumes, price=prices, rate=st.floats(50.0, 300.0), leverage=st.integers(1, 1000))
def test_deposit_currency_scales_the_figures(floor, volume, price, rate, leverage):
    quotes = {"AAPL": (190.0, 190.0), "USDJPY": (rate, rate)}
    dollars, yen = (floor(quotes, currency=currency, leverage=leverage) for currency in ("USD", "JPY"))

    assert yen.margin("AAPL", volume, price) == pytest.approx(dollars.margin("AAPL", volume, price) * rate, abs=rate)
    in_yen, in_dollars = (item.profit("AAPL", volume, 190.0, 190.0 + price) for item in (yen, dollars))
    assert in_yen == pytest.approx(in_dollars * rate, abs=rate)
