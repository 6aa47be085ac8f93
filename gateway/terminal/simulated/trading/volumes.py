"""Volumes that a request may name.

Source: MQL5 documentation, "Symbol properties" (SYMBOL_VOLUME_MIN, _MAX, _STEP, _LIMIT).
"""

import math
from typing import Final

from gateway.terminal.simulated.market.specification import Specification
from gateway.terminal.simulated.trading.books import Book
from gateway.terminal.simulated.trading.entries import Order, Position, lots
from gateway.terminal.simulated.trading.levels import BUY_ORDERS
from gateway.wire import constants as mt5

__all__ = ("check_closing", "check_limit", "check_volume", "closing_orders")

_STEP_TOLERANCE: Final = 1e-6
"""Of a step: how far a float may be from a multiple of it."""


def check_volume(specification: Specification, volume: float) -> int:
    """Return 0, or INVALID_VOLUME for anything but a multiple of the step between the smallest and the largest."""
    if not math.isfinite(volume):
        return mt5.TRADE_RETCODE_INVALID_VOLUME
    steps = volume / specification.volume_step
    tolerance = _STEP_TOLERANCE * specification.volume_step
    fits = specification.volume_min - tolerance <= volume <= specification.volume_max + tolerance
    return 0 if fits and abs(steps - round(steps)) <= _STEP_TOLERANCE else mt5.TRADE_RETCODE_INVALID_VOLUME


def check_closing(specification: Specification, position: Position, volume: float, begun: float) -> int:
    """Return 0, or what stands against closing so much of a position, `begun` of which is about to be closed already.

    All that is left may always be closed, even where it is less than the smallest volume. Source: MQL5 documentation,
    "Return codes of the trade server" (TRADE_RETCODE_INVALID_CLOSE_VOLUME, _CLOSE_ORDER_EXIST).
    """
    if volume != position.volume:
        code = check_volume(specification, volume)
        if code:
            return code
    tolerance = _STEP_TOLERANCE * specification.volume_step
    if volume > position.volume + tolerance:
        return mt5.TRADE_RETCODE_INVALID_CLOSE_VOLUME
    return mt5.TRADE_RETCODE_CLOSE_ORDER_EXIST if begun and volume + begun > position.volume + tolerance else 0


def closing_orders(book: Book, position: Position) -> list[Order]:
    """Return the orders under way that name a position to close it."""
    return [
        order
        for order in book.orders_of.get(position.symbol, {}).values()
        if position.identifier in (order.position_id, order.position_by_id) and order.position_id != order.ticket
    ]


def check_limit(
    specification: Specification, book: Book, buy: bool, volume: float, *, pending: bool, netting: bool
) -> int:
    """Return 0, or LIMIT_VOLUME if open and pending volume of one direction would exceed the symbol's limit.

    With netting a market order first takes off the opposite position; a pending one counts in full, as it may come
    after that is gone.
    """
    limit = specification.volume_limit
    if not limit:
        return 0
    total = volume
    exposure = book.exposures.get(specification.name)
    if exposure is not None:
        same, opposite = exposure.buy_volume, exposure.sell_volume
        if not buy:
            same, opposite = opposite, same
        total += same
        if netting and not pending:
            total -= opposite
    for order in book.orders_of.get(specification.name, {}).values():
        if (order.type in BUY_ORDERS) == buy and (netting or not _closes(order)):
            total += order.volume_current
    exceeds = lots(total) > limit + _STEP_TOLERANCE * specification.volume_step
    return mt5.TRADE_RETCODE_LIMIT_VOLUME if exceeds else 0


def _closes(order: Order) -> bool:
    """Say whether an active order closes a position, rather than opening one."""
    return order.position_id not in (0, order.ticket)
