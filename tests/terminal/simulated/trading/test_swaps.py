"""Swaps: what a night costs in every mode, which nights count, and what a terminal that was off catches up on."""

import pytest

from gateway.terminal.simulated.trading.swaps import Swaps
from gateway.wire import constants as mt5

BUY, SELL = mt5.POSITION_TYPE_BUY, mt5.POSITION_TYPE_SELL
DAY = 86_400_000
MONDAY = 1_699_833_600_000
QUOTES = {"EURUSD": (1.1, 1.2), "USDJPY": (150.0, 160.0), "DE40": (18_500.0, 18_501.0), "AAPL": (190.0, 190.1)}


def swaps_of(market, since_msc=0):
    """Return the swaps of a market's account, and the list of what they reopen."""
    reopened = []

    def reopen(symbol, position, price, time_msc):
        reopened.append((position.ticket, price, time_msc))
        market.book.replace_position(position, ticket=market.book.next_order(), price_open=price, time_msc=time_msc)

    return Swaps(market.book, market.market, market.valuation, reopen, since_msc), reopened


@pytest.mark.parametrize(
    ("mode", "kind", "swap"),
    [
        # -7 points x 0.00001 x 100,000 x 2 lots = -14 dollars
        (mt5.SYMBOL_SWAP_MODE_POINTS, BUY, -14.0),
        # +3 points
        (mt5.SYMBOL_SWAP_MODE_POINTS, SELL, 6.0),
        # -7 euros x 2, bought at 1.2; +3 x 2 sold at 1.1
        (mt5.SYMBOL_SWAP_MODE_CURRENCY_SYMBOL, BUY, -16.8),
        (mt5.SYMBOL_SWAP_MODE_CURRENCY_SYMBOL, SELL, 6.6),
        (mt5.SYMBOL_SWAP_MODE_CURRENCY_MARGIN, BUY, -16.8),
        # -7 dollars x 2
        (mt5.SYMBOL_SWAP_MODE_CURRENCY_DEPOSIT, BUY, -14.0),
        # -7 % of 200,000 x the closing price of a year of 360 days: 1.1, and 1.2 for the short
        (mt5.SYMBOL_SWAP_MODE_INTEREST_CURRENT, BUY, -42.78),
        (mt5.SYMBOL_SWAP_MODE_INTEREST_CURRENT, SELL, 20.0),
        # the same of the opening price 1.08
        (mt5.SYMBOL_SWAP_MODE_INTEREST_OPEN, BUY, -42.0),
        (mt5.SYMBOL_SWAP_MODE_DISABLED, BUY, 0.0),
    ],
)
def test_night_by_swap_mode(floor, mode, kind, swap):
    market = floor(QUOTES, {"EURUSD": {"swap_mode": mode, "swap_long": -7.0, "swap_short": 3.0}})
    position = market.open("EURUSD", kind, 2.0, 1.08)
    swaps, _ = swaps_of(market)

    assert swaps.roll(MONDAY + DAY) == (swap != 0.0)
    assert position.swap == swap


def test_swap_is_converted_into_the_deposit_currency(floor):
    market = floor(QUOTES, {"USDJPY": {"swap_long": -20.0}, "EURUSD": {"swap_long": -10.0}}, currency="EUR")
    yen, dollars = market.open("USDJPY", BUY, 1.0, 150.0), market.open("EURUSD", BUY, 1.0, 1.1)
    swaps_of(market)[0].roll(MONDAY + DAY)

    assert dollars.swap == -9.09  # 10 dollars / 1.1
    assert yen.swap == -12.12  # 20 x 0.001 x 100,000 = 2000 yen / 150 / 1.1


def test_points_of_futures_are_worth_their_ticks(floor):
    change = {"swap_mode": mt5.SYMBOL_SWAP_MODE_POINTS, "swap_long": -10.0}
    market = floor({}, {"ES-12.35": change})
    position = market.open("ES-12.35", BUY, 1.0, 5300.0)
    swaps_of(market)[0].roll(MONDAY + DAY)

    assert position.swap == -5.0  # 10 x 0.01 / 0.25 ticks x 12.50


@pytest.mark.parametrize(
    ("triple", "nights"),
    [
        (mt5.DAY_OF_WEEK_WEDNESDAY, [1, 1, 3, 1, 1, 0, 0]),
        (mt5.DAY_OF_WEEK_FRIDAY, [1, 1, 1, 1, 3, 0, 0]),
        (mt5.DAY_OF_WEEK_SUNDAY, [1, 1, 1, 1, 1, 0, 3]),
    ],
)
def test_week_has_one_triple_night_and_a_free_weekend(floor, triple, nights):
    market = floor(QUOTES, {"EURUSD": {"swap_long": -1.0, "swap_rollover3days": triple}})
    position = market.open("EURUSD", BUY, 1.0, 1.1)
    swaps, _ = swaps_of(market)
    charged, before = [], 0.0
    for day in range(1, 8):
        swaps.roll(MONDAY + day * DAY)
        charged.append(round(before - position.swap))
        before = position.swap

    assert charged == nights


def test_midnight_is_charged_once_and_not_before(floor):
    market = floor(QUOTES, {"EURUSD": {"swap_long": -1.0}})
    position = market.open("EURUSD", BUY, 1.0, 1.1, MONDAY + 1000)
    swaps, _ = swaps_of(market)

    assert swaps.next_due_msc() == MONDAY + DAY
    assert [swaps.roll(MONDAY + DAY + offset) for offset in (-1, 0, 1, DAY - 1)] == [0, 1, 0, 0]
    assert position.swap == -1.0
    assert swaps.next_due_msc() == MONDAY + 2 * DAY


def test_position_opened_at_midnight_waits_for_the_next(floor):
    market = floor(QUOTES, {"EURUSD": {"swap_long": -1.0}})
    swaps, _ = swaps_of(market, since_msc=MONDAY)
    market.open("EURUSD", BUY, 1.0, 1.1, MONDAY + DAY)

    assert (swaps.roll(MONDAY + DAY), swaps.roll(MONDAY + 2 * DAY)) == (0, 1)


def test_no_position_no_swap(floor):
    market = floor(QUOTES)
    swaps, _ = swaps_of(market)
    assert (swaps.next_due_msc(), swaps.roll(MONDAY + 3 * DAY)) == (None, 0)
    position = market.open("EURUSD", BUY, 1.0, 1.1, MONDAY + 3 * DAY + 1)
    market.book.reduce_position(position, 1.0, MONDAY + 3 * DAY + 2)

    assert (swaps.next_due_msc(), swaps.roll(MONDAY + 4 * DAY)) == (None, 0)


def test_missed_midnights_are_charged_when_the_terminal_is_back(floor):
    market = floor(QUOTES, {"EURUSD": {"swap_long": -1.0}})
    early = market.open("EURUSD", BUY, 1.0, 1.1, MONDAY - 5 * DAY)
    late = market.open("EURUSD", BUY, 1.0, 1.1, MONDAY + 2 * DAY + 1)
    swaps, _ = swaps_of(market)
    swaps.resume(MONDAY + 1000)

    assert swaps.next_due_msc() == MONDAY + DAY
    assert swaps.roll(MONDAY + 4 * DAY + 1000) == 6
    assert early.swap == -6.0  # Monday, Tuesday, Wednesday three times, Thursday
    assert late.swap == -4.0  # Wednesday and Thursday


def test_clock_that_jumps_back_charges_nothing_twice(floor):
    market = floor(QUOTES, {"EURUSD": {"swap_long": -1.0}})
    position = market.open("EURUSD", BUY, 1.0, 1.1)
    swaps, _ = swaps_of(market)
    swaps.roll(MONDAY + DAY)
    swaps.resume(MONDAY)

    assert [swaps.roll(MONDAY + DAY - 1), swaps.roll(MONDAY + DAY)] == [0, 0]
    assert position.swap == -1.0


@pytest.mark.parametrize(
    ("mode", "kind", "prices"),
    [
        # -4 points of 0.1 from the closing price, 12 on Wednesday, against the long; +1 for the short
        (mt5.SYMBOL_SWAP_MODE_REOPEN_CURRENT, BUY, [18_500.4, 18_501.2]),
        (mt5.SYMBOL_SWAP_MODE_REOPEN_CURRENT, SELL, [18_501.1, 18_501.3]),
        (mt5.SYMBOL_SWAP_MODE_REOPEN_BID, BUY, [18_500.4, 18_501.2]),
        (mt5.SYMBOL_SWAP_MODE_REOPEN_BID, SELL, [18_500.1, 18_500.3]),
    ],
)
def test_reopening_moves_the_opening_price(floor, mode, kind, prices):
    terms = {"swap_mode": mode, "swap_long": -4.0, "swap_short": 1.0, "swap_rollover3days": 3}
    market = floor(QUOTES, {"DE40": terms})
    position = market.open("DE40", kind, 1.0, 18_400.0, MONDAY + DAY + 1)
    swaps, reopened = swaps_of(market)
    swaps.roll(MONDAY + 3 * DAY)

    assert [(price, time_msc) for _, price, time_msc in reopened] == [
        (prices[0], MONDAY + 2 * DAY),
        (prices[1], MONDAY + 3 * DAY),
    ]
    assert reopened[0][0] == position.ticket != reopened[1][0]
    assert [held.swap for held in market.book.positions.values()] == [0.0]


def test_without_a_price_interest_takes_the_opening_price_and_nothing_is_reopened(floor):
    reopens = {"swap_mode": mt5.SYMBOL_SWAP_MODE_REOPEN_BID, "swap_long": -4.0}
    interest = {"swap_mode": mt5.SYMBOL_SWAP_MODE_INTEREST_CURRENT, "swap_long": -7.2}
    market = floor({}, {"DE40": reopens, "AAPL": interest})
    position = market.open("AAPL", BUY, 100.0, 190.0)
    market.open("DE40", BUY, 1.0, 18_500.0)
    swaps, reopened = swaps_of(market)

    assert swaps.roll(MONDAY + DAY) == 1
    assert (position.swap, reopened) == (-3.8, [])  # 19,000 x 7.2 % / 360


def test_swap_moves_the_equity_and_not_the_balance(floor):
    market = floor({"EURUSD": (1.1, 1.1)}, {"EURUSD": {"swap_long": -7.0}})
    market.open("EURUSD", BUY, 1.0, 1.1)
    swaps_of(market)[0].roll(MONDAY + DAY)
    figures = market.account.figures()

    assert (figures.balance, figures.equity, figures.profit) == (100_000.0, 99_993.0, -7.0)


def test_night_is_charged_by_the_terminal_and_paid_when_the_position_is_closed(written):
    day = DAY - 80_000_000  # START_MS is a Tuesday, 22:13:20
    harness = written({"EURUSD": [(0, 1.1, 1.1001), (day, 1.1, 1.1001)]})
    ticket = harness.buy(volume=1.0).order
    harness.move_to(day)
    (position,) = harness.positions()
    assert (position.swap, harness.call("account_info").profit) == (-7.2, -17.2)
    harness.sell(volume=1.0, position=ticket)

    assert harness.deals()[-1].swap == -7.2
    assert harness.call("account_info").balance == 100_000.0 - 10.0 - 7.2


def test_reopening_keeps_the_identifier_and_the_balance_law(written):
    day = DAY - 80_000_000
    terms = {"swap_mode": "reopen_current", "swap_long": -50}
    harness = written({"EURUSD": [(0, 1.1, 1.1001), (day, 1.102, 1.1021)]}, symbols={"EURUSD": terms})
    ticket = harness.buy(volume=1.0).order
    harness.move_to(day)
    (position,), deals = harness.positions(), harness.deals()

    assert (position.identifier, position.ticket != ticket) == (ticket, True)
    assert position.price_open == pytest.approx(deals[-2].price + 0.0005)  # closed and reopened 50 points worse
    assert [deal.reason for deal in deals[-2:]] == [mt5.DEAL_REASON_ROLLOVER] * 2
    assert harness.call("account_info").balance == pytest.approx(sum(deal.profit for deal in deals))
