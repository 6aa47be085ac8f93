"""Who goes first in a stop-out, and what is written beside it."""

import pytest

from gateway.terminal.simulated.trading.liquidation import Liquidation
from gateway.wire import constants as mt5

BUY, SELL = mt5.POSITION_TYPE_BUY, mt5.POSITION_TYPE_SELL
QUOTES = {"EURUSD": (1.1, 1.1001), "USDPLN": (4.0, 4.002), "AAPL": (190.0, 190.02)}


def liquidation(market):
    return Liquidation(market.book, market.market, market.account)


def sweep(market):
    """Take out one victim after the other; return them in that order."""
    taken = []
    while (victim := liquidation(market).victim()) is not None:
        taken.append(victim)
        if victim.ticket in market.book.orders:
            market.book.drop_order(victim)
        else:
            market.book.reduce_position(victim, victim.volume, 0)
    return taken


def test_orders_that_block_margin_go_first_the_largest_first_then_the_largest_loss(floor):
    market = floor(QUOTES)
    free = market.pend("EURUSD", mt5.ORDER_TYPE_BUY_LIMIT, 9.0, 1.0)
    small = market.pend("USDPLN", mt5.ORDER_TYPE_BUY_LIMIT, 1.0, 3.9)
    large = market.pend("USDPLN", mt5.ORDER_TYPE_SELL_LIMIT, 2.0, 4.1)
    winner = market.open("EURUSD", BUY, 1.0, 1.09)
    loser = market.open("EURUSD", BUY, 0.1, 1.2)  # -0.1 x 100,000 x 0.1 = -1000
    little = market.open("EURUSD", SELL, 1.0, 1.0951)  # -500

    assert sweep(market) == [large, small, loser, little, winner]
    assert list(market.book.orders.values()) == [free]


def test_swap_counts_into_a_positions_loss(floor):
    market = floor(QUOTES)
    market.open("EURUSD", BUY, 1.0, 1.101)  # -100
    charged = market.open("EURUSD", BUY, 1.0, 1.1005)  # -50 - 60
    market.book.charge_swap(charged, -60.0)

    assert liquidation(market).victim() is charged


def test_oldest_of_equal_losses_goes_first(floor):
    market = floor(QUOTES)
    first, second = (market.open("EURUSD", BUY, 1.0, 1.101) for _ in range(2))

    assert sweep(market) == [first, second]


def test_what_cant_be_traded_is_passed_over(floor):
    market = floor(QUOTES | {"GBPUSD": (0.0, 0.0)})
    market.open("GBPUSD", BUY, 1.0, 1.3)
    market.open("AAPL", BUY, 10.0, 900.0)
    market.symbols["AAPL"].trade_open = False
    assert liquidation(market).victim() is None
    open_market = market.open("EURUSD", BUY, 1.0, 1.1)

    assert liquidation(market).victim() is open_market


def test_close_orders_on_their_way_are_no_victims(floor):
    market = floor(QUOTES, margin_mode="exchange")
    market.pend("AAPL", mt5.ORDER_TYPE_BUY, 10.0, 190.0)

    assert liquidation(market).victim() is None


@pytest.mark.parametrize(
    ("deposit", "volume", "comment"),
    [
        (530.0, 1.0, "[so 48.18%/530.00/1100.00]"),
        (5_300_000.0, 10_000.0, "[so 48.18%/5300000/11000000]"),
        (53_000_000_000.0, 100_000_000.0, "[so 48.18%]"),
    ],
)
def test_comment_names_level_equity_and_margin_as_far_as_it_holds_them(floor, deposit, volume, comment):
    market = floor({"EURUSD": (1.1, 1.1)}, deposit=deposit)
    market.open("EURUSD", BUY, volume, 1.1)

    assert liquidation(market).comment() == comment
