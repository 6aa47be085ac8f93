"""Every return code of the trade server: the request that is answered with it, or why no request is."""

import pytest

from gateway.terminal.simulated.trading.retcodes import COMMENTS
from gateway.terminal.simulated.trading.rules import MAX_AWAITING
from gateway.wire import constants as mt5

QUOTES = {"EURUSD": [(0, 1.1, 1.1001), (1000, 1.101, 1.1011)]}
DEAL = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "type_filling": 1}
PENDING = {"action": 5, "symbol": "EURUSD", "volume": 0.1, "type": 2, "type_filling": 2, "price": 1.09}
INSTANT = {"trade_exemode": "instant"}


def moved_price(market):
    market.move_to(1000)
    return DEAL | {"price": 1.1001, "deviation": 99}


def asynchronous(market):
    return DEAL


def closing_under_way(market):
    market.buy()
    market.move_to(100)
    ticket = market.positions()[0].ticket
    market.sell(position=ticket)
    return ticket


def second_closing(market):
    return DEAL | {"type": 1, "position": closing_under_way(market)}


def stops_while_closing(market):
    return {"action": 6, "position": closing_under_way(market), "sl": 1.05}


def removal_while_executing(market):
    return {"action": 8, "order": market.buy().order}


def too_many(market):
    for _ in range(MAX_AWAITING):
        market.buy(volume=0.01)
    return DEAL


def switched_off(market):
    market.terminal.desk.permission.autotrading = False
    return DEAL


def disconnected(market):
    market.terminal.desk.permission.connected = False
    return DEAL


def without_prices(market):
    market.call("symbol_select", "EURUSD", False)
    return DEAL


def unchanged(market):
    return {"action": 6, "position": market.buy(sl=1.05).order, "sl": 1.05}


def frozen(market):
    return {"action": 8, "order": market.pend(2, 1.0999).order}


def one_order_too_many(market):
    market.pend(2, 1.09)
    return PENDING


def open_and_pending(market):
    market.buy(volume=0.3)
    market.pend(2, 1.09, volume=0.2)
    return DEAL | {"volume": 0.2}


def one_position_too_many(market):
    market.buy()
    return DEAL


def closed_twice(market):
    ticket = market.buy().order
    market.sell(position=ticket)
    return DEAL | {"type": 1, "position": ticket}


def too_much_closed(market):
    return DEAL | {"type": 1, "volume": 0.2, "position": market.buy().order}


def younger_first(market):
    market.buy()
    return DEAL | {"type": 1, "position": market.buy().order}


REACHED = {
    "REQUOTE": ("Requote", {}, INSTANT, moved_price),
    "REJECT": ("Request rejected", {}, {"liquidity_lots": 0.05}, lambda market: DEAL | {"type_filling": 0}),
    "PLACED": ("Request placed", {"execution_delay_ms": 50}, {}, asynchronous),
    "DONE": ("Request executed", {}, {}, lambda market: DEAL),
    "DONE_PARTIAL": ("Request executed partially", {}, {"liquidity_lots": 0.05}, lambda market: DEAL),
    "INVALID": ("Invalid request", {}, {}, lambda market: DEAL | {"symbol": "NOPE"}),
    "INVALID_VOLUME": ("Invalid volume", {}, {}, lambda market: DEAL | {"volume": 0.015}),
    "INVALID_PRICE": ("Invalid price", {}, {}, lambda market: PENDING | {"price": 1.2}),
    "INVALID_STOPS": ("Invalid stops", {}, {}, lambda market: DEAL | {"sl": 1.2}),
    "TRADE_DISABLED": ("Trade disabled", {"trade_allowed": False}, {}, lambda market: DEAL),
    "MARKET_CLOSED": ("Market closed", {"hours": "market"}, {"sessions": {}}, lambda market: DEAL),
    "NO_MONEY": ("No money", {"deposit": 100.0}, {}, lambda market: DEAL | {"volume": 1.0}),
    "PRICE_OFF": ("No prices", {}, {}, without_prices),
    "INVALID_EXPIRATION": ("Invalid expiration", {}, {}, lambda market: PENDING | {"type_time": 2, "expiration": 1}),
    "ORDER_CHANGED": ("Order changed", {"execution_delay_ms": 50}, {}, removal_while_executing),
    "TOO_MANY_REQUESTS": ("Too many requests", {"execution_delay_ms": 50}, {}, too_many),
    "NO_CHANGES": ("No changes", {}, {}, unchanged),
    "SERVER_DISABLES_AT": ("AutoTrading disabled by server", {"trade_expert": False}, {}, lambda market: DEAL),
    "CLIENT_DISABLES_AT": ("AutoTrading disabled by client", {}, {}, switched_off),
    "LOCKED": ("Request locked", {"execution_delay_ms": 50}, {}, stops_while_closing),
    "FROZEN": ("Order or position frozen", {}, {"freeze_level": 20}, frozen),
    "INVALID_FILL": ("Unsupported filling mode", {}, {}, lambda market: DEAL | {"type_filling": 2}),
    "CONNECTION": ("No connection", {}, {}, disconnected),
    "LIMIT_ORDERS": ("Limit of orders reached", {"limit_orders": 1}, {}, one_order_too_many),
    "LIMIT_VOLUME": ("Limit of volume reached", {}, {"volume_limit": 0.6}, open_and_pending),
    "INVALID_ORDER": ("Invalid order", {}, {"order_mode": ["limit"]}, lambda market: DEAL),
    "POSITION_CLOSED": ("Position doesn't exist", {}, {}, closed_twice),
    "INVALID_CLOSE_VOLUME": ("Invalid close volume", {}, {}, too_much_closed),
    "CLOSE_ORDER_EXIST": ("Order to close already exists", {"execution_delay_ms": 50}, {}, second_closing),
    "LIMIT_POSITIONS": ("Limit of positions reached", {"limit_positions": 1}, {}, one_position_too_many),
    "LONG_ONLY": ("Long only", {}, {"trade_mode": "longonly"}, lambda market: DEAL | {"type": 1}),
    "SHORT_ONLY": ("Short only", {}, {"trade_mode": "shortonly"}, lambda market: DEAL),
    "CLOSE_ONLY": ("Close only", {}, {"trade_mode": "closeonly"}, lambda market: DEAL),
    "FIFO_CLOSE": ("Close by FIFO only", {"fifo_close": True}, {}, younger_first),
}
"""By name: the comment, the terminal's settings, the symbol's, and what sets the scene and returns the request."""

FORCED_ONLY = {
    "CANCEL": "a dealer's dialogue was closed by the trader: nobody sits at an API",
    "ERROR": "the trade server failed: this one doesn't by itself",
    "TIMEOUT": "the trade server didn't answer in time: this one always does",
    "PRICE_CHANGED": "a dealer's quote has gone by: requests here are answered with a requote at once",
    "ONLY_REAL": "an operation that demo accounts don't have: there is none among the six actions",
    "REJECT_CANCEL": "the answer to a dealer's activation of a pending order: no request of a trader's is one",
}
"""Codes that no request reaches here by itself, and why; `Desk.interference` can force each."""


def retcodes():
    names = [name for name in vars(mt5) if name.startswith("TRADE_RETCODE_")]
    return {name.removeprefix("TRADE_RETCODE_"): getattr(mt5, name) for name in names}


@pytest.mark.parametrize("name", REACHED)
def test_request_is_answered_with_its_return_code(written, name):
    comment, settings, symbol, scene = REACHED[name]
    market = written(QUOTES, symbols={"EURUSD": symbol}, **settings)

    result = market.send(**scene(market))

    assert (result.retcode, result.comment) == (retcodes()[name], comment)


@pytest.mark.parametrize("name", FORCED_ONLY)
def test_interference_forces_what_no_request_reaches(written, name):
    market = written(QUOTES)
    market.terminal.desk.interference = lambda request: retcodes()[name]

    result = market.send(**DEAL)

    assert (result.retcode, result.comment) == (retcodes()[name], COMMENTS[retcodes()[name]])
    assert (market.positions(), result.request_id, tuple(result)[1:5]) == ([], 0, (0, 0, 0.0, 0.0))


def test_every_return_code_is_reached_or_explained():
    assert sorted([*REACHED, *FORCED_ONLY]) == sorted(retcodes())
    assert set(range(10_004, 10_046)) - set(retcodes().values()) == {10_005, 10_037}  # MT5 has none of these


def test_every_return_code_has_a_comment_of_its_own():
    texts = [COMMENTS[code] for code in (0, *retcodes().values())]

    assert len(set(texts)) == len(texts) == len(COMMENTS)
