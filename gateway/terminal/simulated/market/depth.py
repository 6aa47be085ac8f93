"""The depth of market around a quote: what could be bought and sold at which price. A function of the latest tick.

Levels lie a tick size apart and grow away from the best one. The same tick shows the same depth, whoever asks, however
often. Source of the form: MQL5 documentation, MarketBookGet and MqlBookInfo.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from gateway.terminal.simulated.market.noise import key_of, mixed
from gateway.terminal.simulated.market.symbols import Symbol
from gateway.wire.constants import BOOK_TYPE_BUY, BOOK_TYPE_SELL

__all__ = ("Level", "depth", "side")

_USUAL_STEPS: Final = 500
"""How many volume steps the best level holds on average, where the specification doesn't say."""
_GROWTH: Final = 0.6
"""How much more each level holds than the one before it."""
_SWING: Final = (0.5, 1.5)
"""How far a level's volume strays from its average."""
_UNIT: Final = 2.0**-64


class Level(NamedTuple):
    """One level: BOOK_TYPE_SELL is what is offered, BOOK_TYPE_BUY what is bid for; the volume in lots."""

    type: int
    price: float
    lots: float


def depth(symbol: Symbol) -> list[Level]:
    """Return `book_depth` levels a side (none without a quote), highest price first: offers, then bids.

    The best level of each side has `liquidity_lots`, if they are given. O(levels).
    """
    return [*reversed(list(side(symbol, BOOK_TYPE_SELL))), *side(symbol, BOOK_TYPE_BUY)]


def side(symbol: Symbol, kind: int) -> Iterator[Level]:
    """Yield one side's levels, the best first; each is made when it is asked for."""
    if not symbol.quoted:
        return
    key = key_of(symbol.name, symbol.time_msc, symbol.bid, symbol.ask)
    best, step, odd = (symbol.ask, 1, 0) if kind == BOOK_TYPE_SELL else (symbol.bid, -1, 1)
    for level in range(symbol.specification.book_depth):
        price = _price(symbol, best, step * level)
        if price <= 0.0:
            return
        yield Level(kind, price, _lots(symbol, mixed(key, 2 * level + odd), level))


def _price(symbol: Symbol, best: float, level: int) -> float:
    specification = symbol.specification
    return round(best + level * specification.tick_size, specification.digits)


def _lots(symbol: Symbol, bits: int, level: int) -> float:
    """Return whole volume steps, one at least."""
    specification = symbol.specification
    if level == 0 and specification.liquidity_lots > 0.0:
        return specification.liquidity_lots
    step = specification.volume_step
    average = (specification.liquidity_lots or _USUAL_STEPS * step) * (1.0 + _GROWTH * level)
    swing = _SWING[0] + (_SWING[1] - _SWING[0]) * bits * _UNIT
    return round(max(round(average * swing / step), 1) * step, 8)
