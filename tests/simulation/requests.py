"""The orders that simulated strategies send: fields alone, without names."""

from random import Random
from typing import Any

from gateway.wire import constants as mt5
from tests.simulation.terminals import SYMBOLS, TerminalHost

__all__ = ("change", "entry")


def entry(chance: Random, terminal: TerminalHost, *, pending: bool = False) -> dict[str, Any]:
    """Return an order that enters the market, or would."""
    symbol = chance.choice(SYMBOLS)
    ticked = terminal.terminal.market.symbols[symbol]
    buys = chance.random() < 0.5
    price = ticked.ask if buys else ticked.bid
    fields: dict[str, Any] = {"symbol": symbol, "volume": chance.choice((0.01, 0.02, 0.05)), "type_filling": 1}
    if not pending and chance.random() < 0.7:
        fields |= {"action": mt5.TRADE_ACTION_DEAL, "type": int(not buys), "price": price, "deviation": 1_000}
    else:
        far = chance.choice((0.9995, 0.998, 0.99))
        limit = round(price * far if buys else price / far, ticked.specification.digits)
        fields |= {"action": mt5.TRADE_ACTION_PENDING, "type": 2 if buys else 3, "price": limit, "type_filling": 2}
    if chance.random() < 0.2:
        away = chance.choice((0.9995, 0.99))
        fields["sl"] = round(fields["price"] * away if buys else fields["price"] / away, ticked.specification.digits)
    return fields


def change(chance: Random, terminal: TerminalHost) -> dict[str, Any] | None:
    """Return an order that changes or ends something, if there is anything."""
    book = terminal.book
    positions, orders = list(book.positions.values()), list(book.orders.values())
    if orders and (not positions or chance.random() < 0.4):
        order = chance.choice(orders)
        if chance.random() < 0.6:
            return {"action": mt5.TRADE_ACTION_REMOVE, "order": order.ticket}
        digits = terminal.terminal.market.symbols[order.symbol].specification.digits
        price = round(order.price * chance.choice((0.999, 1.001)), digits)
        return {"action": mt5.TRADE_ACTION_MODIFY, "order": order.ticket, "price": price}
    if not positions:
        return None
    position = chance.choice(positions)
    ticked = terminal.terminal.market.symbols[position.symbol]
    draw = chance.random()
    others = [one for one in positions if one.symbol == position.symbol and one.type != position.type]
    if draw < 0.15 and others:
        return {
            "action": mt5.TRADE_ACTION_CLOSE_BY,
            "position": position.ticket,
            "position_by": others[0].ticket,
            "symbol": position.symbol,
        }
    if draw < 0.35:
        far = chance.choice((0.98, 0.985, 0.99))
        level = position.price_open * far if position.type == 0 else position.price_open / far
        fields = {"action": mt5.TRADE_ACTION_SLTP, "symbol": position.symbol, "position": position.ticket}
        return fields | {"sl": round(level, ticked.specification.digits)}
    volume = position.volume if chance.random() < 0.7 else 0.01
    return {
        "action": mt5.TRADE_ACTION_DEAL,
        "symbol": position.symbol,
        "volume": volume,
        "type": int(position.type == 0),
        "price": ticked.bid if position.type == 0 else ticked.ask,
        "position": position.ticket,
        "deviation": 1_000,
        "type_filling": 1,
    }
