"""Margin and profit, worked out by hand."""

import pytest


def test_forex_quoted_in_dollars(market):
    assert market.call("order_calc_margin", 0, "EURUSD", 1.0, 1.1) == 1100.0
    assert market.call("order_calc_profit", 0, "EURUSD", 1.0, 1.1, 1.101) == 100.0
    assert market.call("order_calc_profit", 1, "EURUSD", 1.0, 1.1, 1.101) == -100.0


def test_forex_with_the_dollar_as_base_converts_profit_at_the_worse_side(market):
    assert market.call("order_calc_margin", 0, "USDJPY", 1.0, 150.0) == 1000.0
    assert market.call("order_calc_profit", 0, "USDJPY", 1.0, 150.0, 151.0) == round(100_000 / 150.01, 2)
    assert market.call("order_calc_profit", 1, "USDJPY", 1.0, 150.0, 151.0) == -round(100_000 / 150.0, 2)


def test_contract_takes_leverage_and_contract_size(market):
    assert market.call("order_calc_margin", 0, "XAUUSD", 0.1, 2350.0) == 235.0
    assert market.call("order_calc_profit", 0, "XAUUSD", 0.1, 2350.0, 2351.0) == 10.0


def test_margin_rate_raises_the_margin(written):
    harness = written({"US500": [(0, 5300.0, 5300.5)]})

    assert harness.call("order_calc_margin", 0, "US500", 1.0, 5300.0) == 265.0


def test_cross_is_converted_over_the_quoted_pair(written):
    harness = written({"EURGBP": [(0, 0.85, 0.8501)], "GBPUSD": [(0, 1.27, 1.28)], "EURUSD": [(0, 1.1, 1.2)]})

    assert harness.call("order_calc_profit", 0, "EURGBP", 1.0, 0.85, 0.86) == 1270.0
    assert harness.call("order_calc_profit", 0, "EURGBP", 1.0, 0.86, 0.85) == -1280.0
    assert harness.call("order_calc_margin", 0, "EURGBP", 1.0, 0.85) == 1200.0


def test_unquoted_currency_is_converted_at_the_reference_rate(written):
    harness = written({"EURGBP": [(0, 0.85, 0.8501)]})

    assert harness.call("order_calc_profit", 0, "EURGBP", 1.0, 0.85, 0.86) == 1270.0


@pytest.mark.parametrize(
    "arguments",
    [(2, "EURUSD", 1.0, 1.1), (0, "EURUSD", 0.0, 1.1), (0, "EURUSD", 1.0, 0.0), (0, "EURUSD", float("nan"), 1.0)],
)
def test_senseless_margin_question_is_refused(market, arguments):
    assert market.call("order_calc_margin", *arguments) is None
    assert market.error == (-2, "Terminal: Invalid params")


def test_hedged_volume_is_charged_once(market):
    market.buy(volume=1.0)
    alone = market.call("account_info").margin
    market.sell(volume=1.0)

    assert alone == 1100.1
    assert market.call("account_info").margin == pytest.approx(1100.05)


def test_account_moves_with_the_price(market):
    market.buy(volume=1.0)
    assert market.call("account_info").profit == -10.0
    market.move_to(1000)
    info = market.call("account_info")

    assert (info.profit, info.equity, info.balance) == (90.0, 100_090.0, 100_000.0)
    assert info.margin_free == info.equity - info.margin
    assert info.margin_level == pytest.approx(info.equity / info.margin * 100)


def test_tick_values_are_in_dollars(market):
    assert market.call("symbol_info", "EURUSD").trade_tick_value == pytest.approx(1.0)
    yen = market.call("symbol_info", "USDJPY")
    assert yen.trade_tick_value_profit == pytest.approx(100 / 150.01)
    assert yen.trade_tick_value_loss == pytest.approx(100 / 150.0)
