"""The account's figures by margin mode, worked out by hand, and the laws they keep."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire import constants as mt5

BUY, SELL = mt5.POSITION_TYPE_BUY, mt5.POSITION_TYPE_SELL
BUY_LIMIT, SELL_LIMIT = mt5.ORDER_TYPE_BUY_LIMIT, mt5.ORDER_TYPE_SELL_LIMIT
BUY_STOP_LIMIT = mt5.ORDER_TYPE_BUY_STOP_LIMIT
EURUSD = {"EURUSD": (1.1, 1.1001)}


def test_figures_add_up(floor):
    market = floor(EURUSD)
    position = market.open("EURUSD", BUY, 1.0, 1.099)
    market.book.charge_swap(position, -7.2)
    market.book.deposit(500.0, 0, kind=mt5.DEAL_TYPE_CREDIT)
    figures, info = market.account.figures(), market.account.info()

    # 0.001 x 100,000 - 7.20; 100,000 + 500 + 92.80; 100,000 / 100 x 1.099; the rest is free
    assert (figures.balance, figures.profit, figures.equity) == (100_000.0, 92.8, 100_592.8)
    assert (figures.margin, figures.margin_free) == (1099.0, 99_493.8)
    assert figures.margin_level == pytest.approx(100_592.8 / 1099.0 * 100)
    assert (info.balance, info.credit, info.profit, info.equity) == (100_000.0, 500.0, 92.8, 100_592.8)
    assert (info.margin, info.margin_free, info.margin_level) == (1099.0, 99_493.8, figures.margin_level)


def test_position_without_a_quote_counts_neither_way(floor):
    market = floor({"EURUSD": (0.0, 0.0)})
    position = market.open("EURUSD", BUY, 50.0, 1.1)

    assert market.account.position_profit(position) == 0.0
    assert (market.account.figures().profit, market.account.must_stop_out()) == (0.0, False)


@pytest.mark.parametrize(
    ("fields", "margin"),
    [
        # the surplus: 0.5 lot at 1.10; the hedged lot once, at the mean price of (1.5 x 1.1 + 1 x 1.12) / 2.5 = 1.108,
        # the contract 100,000: 550 + 1108
        ({}, 1658.0),
        # at half the contract: 550 + 554
        ({"margin_hedged": 50_000.0}, 1104.0),
        # free of charge
        ({"margin_hedged": 0.0}, 550.0),
        # the larger of the legs alone: 1.5 x 1000 x 1.1 = 1650, 1 x 1000 x 1.12 = 1120
        ({"margin_hedged_use_leg": True}, 1650.0),
        # a fixed margin of 2000 euros a lot, 500 a hedged one, over leverage: (0.5 x 2000 + 500) / 100, bought at
        # 1.1001, half of the hedged lot sold at 1.1: (10 + 2.5) x 1.1001 + 2.5 x 1.1
        ({"margin_initial": 2000.0, "margin_hedged": 500.0}, 16.5),
    ],
)
def test_hedged_margin(floor, fields, margin):
    market = floor(EURUSD, {"EURUSD": fields})
    market.open("EURUSD", BUY, 1.0, 1.1)
    market.open("EURUSD", BUY, 0.5, 1.1)
    market.open("EURUSD", SELL, 1.0, 1.12)

    assert market.account.margin() == margin


def test_netted_order_takes_margin_only_for_what_it_opens(floor):
    market = floor(EURUSD, margin_mode="netting")
    market.open("EURUSD", BUY, 1.0, 1.1)
    after = [market.account.figures_after(market.symbols["EURUSD"], SELL, volume, 1.12) for volume in (0.4, 1.0, 1.5)]

    assert [figures.margin for figures in after] == [660.0, 0.0, 560.0]  # 0.6 at 1.10, nothing, 0.5 at 1.12
    assert market.account.figures_after(market.symbols["EURUSD"], BUY, 1.0, 1.12).margin == 2220.0
    assert market.account.margin() == 1100.0


def test_hedging_order_adds_a_leg(floor):
    market = floor(EURUSD)
    market.open("EURUSD", BUY, 1.0, 1.1)

    assert market.account.figures_after(market.symbols["EURUSD"], SELL, 1.0, 1.1).margin == 1100.0
    assert market.account.figures_after(market.symbols["EURUSD"], BUY, 1.0, 1.1).margin == 2200.0


def test_pending_orders_block_their_rate(floor):
    market = floor({"USDPLN": (4.0, 4.002)} | EURUSD)
    market.pend("EURUSD", BUY_LIMIT, 1.0, 1.09)
    assert (market.account.margin(), market.account.info().margin_initial) == (0.0, 0.0)
    market.open("USDPLN", BUY, 1.0, 4.0)
    market.pend("USDPLN", BUY_LIMIT, 2.0, 3.9)
    info = market.account.info()

    # the position 100,000 x 0.05, the orders 2 x 100,000 x 0.05
    assert (info.margin, info.margin_initial, info.margin_maintenance) == (15_000.0, 10_000.0, 0.0)
    assert market.account.figures_after(market.symbols["USDPLN"], SELL_LIMIT, 1.0, 4.1).margin == 20_000.0
    assert market.account.figures_after(market.symbols["EURUSD"], SELL_LIMIT, 1.0, 1.2).margin == 15_000.0


def test_order_that_closes_blocks_nothing(floor):
    market = floor({"USDPLN": (4.0, 4.002)})
    position = market.open("USDPLN", BUY, 1.0, 4.0)
    order = market.pend("USDPLN", SELL, 1.0, 0.0)
    assert market.account.freed_by_orders() == [(5000.0, order)]
    market.book.change_order(order, position_id=position.identifier)

    assert (market.account.freed_by_orders(), market.account.margin()) == ([], 5000.0)


def test_market_order_under_way_is_judged_with_netting_when_it_is_filled(floor):
    market = floor({"USDPLN": (4.0, 4.002)}, margin_mode="netting")
    market.open("USDPLN", BUY, 1.0, 4.0)
    market.pend("USDPLN", SELL, 1.0, 0.0)
    rest = market.pend("USDPLN", SELL_LIMIT, 1.0, 4.1)
    market.book.change_order(rest, position_id=1)  # partly filled against the position: the rest may still open

    assert market.account.margin() == 10_000.0


def test_exchange_blocks_the_worse_side(floor):
    market = floor({"AAPL": (190.0, 190.02)}, margin_mode="exchange", leverage=1)
    symbol, after = market.symbols["AAPL"], market.account.figures_after
    market.pend("AAPL", BUY_LIMIT, 10.0, 180.0)
    assert market.account.margin() == 1800.0  # 10 x 180
    market.pend("AAPL", SELL_LIMIT, 10.0, 200.0)
    assert market.account.margin() == 2000.0  # the sale of 10 at 200 is the worse of the two
    market.open("AAPL", BUY, 20.0, 190.0)

    # bought 20 x 190 and 10 more at 180 against 10 sold at 200, which only closes
    assert market.account.margin() == 5600.0
    assert market.account.info().margin_initial == 1800.0
    assert [margin for margin, _ in market.account.freed_by_orders()] == [1800.0, 0.0]
    assert after(symbol, SELL_LIMIT, 50.0, 200.0).margin == 8200.0  # 60 x 200 - 20 x 190
    assert after(symbol, SELL, 20.0, 190.0).margin == 2000.0  # flat: what the orders block


def test_exchange_shows_what_is_owned_owed_and_blocked(floor):
    market = floor({"AAPL": (190.0, 190.1), "SAP": (180.0, 180.2), "EURUSD": (1.1, 1.2)}, margin_mode="exchange")
    market.open("AAPL", BUY, 10.0, 185.0)
    market.open("SAP", SELL, 10.0, 181.0)
    before = market.account.figures()
    market.pend("AAPL", BUY_LIMIT, 10.0, 180.0)
    info = market.account.info()

    # 10 x 190; 10 x 180.20 euros at 1.20; the order's commission 0.05 % of 1800, its margin 1800
    assert (info.assets, info.liabilities, info.commission_blocked) == (1900.0, 2162.4, 0.9)
    assert info.margin_free == round(before.margin_free - 1800.0 - 0.9, 2)
    assert info.margin_mode == mt5.ACCOUNT_MARGIN_MODE_EXCHANGE


def test_stop_limit_order_is_valued_at_its_limit(floor):
    market = floor({"AAPL": (190.0, 190.02)}, margin_mode="exchange")
    order = market.pend("AAPL", BUY_STOP_LIMIT, 10.0, 195.0, stoplimit=194.0)

    assert market.account.freed_by_orders() == [(1940.0, order)]


def test_opening_needs_the_initial_margin_and_holding_the_maintenance(floor):
    market = floor({"ES-12.35": (5300.0, 5300.25)}, margin_mode="netting")
    market.open("ES-12.35", BUY, 1.0, 5300.0)
    symbol, info = market.symbols["ES-12.35"], market.account.info()

    assert (info.margin, info.margin_maintenance) == (10_800.0, 10_800.0)
    assert market.account.figures_after(symbol, BUY, 1.0, 5300.0).margin == 22_800.0  # 10,800 held, 12,000 opened
    assert market.account.figures_after(symbol, SELL, 2.0, 5300.0).margin == 12_000.0  # the one it reverses into
    assert market.account.figures_after(symbol, SELL, 1.0, 5300.0).margin == 0.0


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        ("netting", mt5.ACCOUNT_MARGIN_MODE_RETAIL_NETTING),
        ("exchange", mt5.ACCOUNT_MARGIN_MODE_EXCHANGE),
        ("hedging", mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING),
    ],
)
def test_info_shows_the_settings(floor, mode, shown):
    market = floor(
        EURUSD, margin_mode=mode, currency="JPY", deposit=1_000_000.0, leverage=25, fifo_close=True, limit_orders=7,
        margin_call_level=80.0, stop_out_level=40.0, trade_expert=False, name="Ada", server="S", company="C", login=9,
    )  # fmt: skip
    info = market.account.info()

    assert (info.login, info.leverage, info.limit_orders, info.margin_mode) == (9, 25, 7, shown)
    assert (info.currency, info.currency_digits, info.balance) == ("JPY", 0, 1_000_000.0)
    assert (info.margin_so_mode, info.margin_so_call, info.margin_so_so) == (0, 80.0, 40.0)
    assert info.fifo_close is (mode == "hedging")
    assert (info.trade_allowed, info.trade_expert, info.trade_mode) == (True, False, mt5.ACCOUNT_TRADE_MODE_DEMO)
    assert (info.name, info.server, info.company) == ("Ada", "S", "C")
    assert market.account.info(trade_allowed=False, trade_expert=True)[5:7] == (False, True)
    assert all(type(value) is kind for value, kind in zip(info, type(info).__annotations__.values(), strict=True))


@pytest.mark.parametrize(("level", "stops"), [(150.0, True), (149.99, False)])
def test_stop_out_begins_at_its_level(floor, level, stops):
    market = floor(EURUSD, deposit=1650.0, margin_call_level=200.0, stop_out_level=level)
    market.open("EURUSD", BUY, 1.0, 1.1)  # 1100 of 1650: 150 %

    assert market.account.must_stop_out() is stops


def test_positions_that_hedge_to_nothing_stop_out_below_zero(floor):
    market = floor(EURUSD, {"EURUSD": {"margin_hedged": 0.0}}, deposit=100.0)
    market.open("EURUSD", BUY, 1.0, 1.1)
    market.open("EURUSD", SELL, 1.0, 1.0995)
    assert (market.account.margin(), market.account.must_stop_out()) == (0.0, False)  # 100 - 60
    market.quote("EURUSD", 1.1, 1.1006)

    assert market.account.must_stop_out()  # 100 - 110


def test_account_without_positions_is_never_stopped_out(floor):
    assert not floor(EURUSD, deposit=0.0).account.must_stop_out()


sides = st.lists(
    st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 500), st.integers(90_000, 130_000)), min_size=1, max_size=8
)


@settings(deadline=None, max_examples=50)
@given(positions=sides, hedged=st.sampled_from([0.0, 25_000.0, 100_000.0]), leg=st.booleans())
def test_hedged_margin_never_exceeds_the_sum_of_its_positions(floor, positions, hedged, leg):
    market = floor(EURUSD, {"EURUSD": {"margin_hedged": hedged, "margin_hedged_use_leg": leg}})
    alone = 0.0
    for kind, steps, points in positions:
        position = market.open("EURUSD", kind, steps / 100, points / 100_000)
        alone += market.margin("EURUSD", position.volume, position.price_open, kind)

    assert 0.0 <= market.account.margin() <= alone + 0.005 * len(positions) + 0.005


@settings(deadline=None, max_examples=50)
@given(positions=sides)
def test_figures_after_an_order_are_the_figures_after_it(floor, positions):
    market = floor({"EURUSD": (1.1, 1.1)})
    *held, (kind, steps, points) = positions
    for each, volume, price in held:
        market.open("EURUSD", each, volume / 100, price / 100_000)
    volume, price = steps / 100, points / 100_000
    expected = market.account.figures_after(market.symbols["EURUSD"], kind, volume, price)
    market.open("EURUSD", kind, volume, price)

    assert market.account.margin() == pytest.approx(expected.margin, abs=0.011)


@settings(deadline=None, max_examples=50)
@given(positions=sides)
def test_sums_by_symbol_and_by_position_agree(floor, positions):
    market = floor(EURUSD)
    for kind, steps, points in positions:
        market.open("EURUSD", kind, steps / 100, points / 100_000)
    rough = market.account.figures_after(market.symbols["EURUSD"], BUY, 0.0, 1.0)

    assert rough.profit == pytest.approx(market.account.figures().profit, abs=0.01 * len(positions) + 0.01)
