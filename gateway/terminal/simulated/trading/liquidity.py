"""What can be filled now, and at which prices.

| execution        | price                                                     | lots                                |
| request, instant | the quote                                                 | `liquidity_lots` a tick, or all     |
| market           | the quote, slipped by up to `slippage_points` either way  | `liquidity_lots` a tick, or all     |
| exchange         | the depth of market, level by level                       | each level's                        |
What one order has taken is gone for the next, until the next tick. The slip is drawn from the seed and the order's
ticket, so that nothing of it needs to be remembered. How a real server fills isn't documented; this is what traders see
of it.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from gateway.terminal.simulated.market.depth import side
from gateway.terminal.simulated.market.symbols import Symbol
from gateway.terminal.simulated.trading.entries import lots
from gateway.terminal.simulated.trading.levels import entry_price, points_of
from gateway.wire import constants as mt5

__all__ = ("Liquidity", "Portion")

Portion = tuple[float, float]
"""A price, and the lots that are filled at it."""

_Moment = tuple[int, float, float]
"""What tells a quote from the one before: its time, bid and ask."""
_Taken = dict[tuple[bool, float], float]
"""Lots by side (buy or not) and price; price 0 where a side has one price only."""

_ALL: Final = float("inf")
_STEP_TOLERANCE: Final = 1e-6
_EXCHANGE: Final = mt5.SYMBOL_TRADE_EXECUTION_EXCHANGE


class Liquidity:
    """Offers portions of a fill, and remembers what was taken of the present tick."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._taken: dict[str, tuple[_Moment, _Taken]] = {}

    def renew(self, name: str) -> None:
        """Forget what was taken: a new tick has come."""
        if self._taken:
            self._taken.pop(name, None)

    def take(
        self,
        symbol: Symbol,
        buy: bool,
        volume: float,
        *,
        ticket: int,
        limit: float | None = None,
        all_or_nothing: bool = False,
    ) -> list[Portion]:
        """Take up to `volume` lots off the market, best price first, none beyond the price `limit`.

        Returns the portions, none if there is nothing, or not enough for `all_or_nothing`. O(depth).
        """
        portions = _gather(self._levels(symbol, buy, ticket, limit), volume, symbol.specification.volume_step)
        if all_or_nothing and (not portions or lots(sum(part for _, part in portions)) < volume):
            return []
        if portions and (symbol.specification.liquidity_lots or _has_levels(symbol)):
            self._note(symbol, buy, portions)
        return portions

    def _levels(self, symbol: Symbol, buy: bool, ticket: int, limit: float | None) -> Iterator[Portion]:
        """Yield what is on offer: prices, best first, and what is left at each."""
        taken = self._taken_now(symbol)
        worst = None if limit is None else points_of(symbol, limit)
        for price, size in self._offered(symbol, buy, ticket, limit):
            if worst is not None:
                points = points_of(symbol, price)
                if points > worst if buy else points < worst:
                    return
            left = lots(size - taken.get(_key(symbol, buy, price), 0.0)) if taken else size
            if left > 0.0:
                yield price, left

    def _offered(self, symbol: Symbol, buy: bool, ticket: int, limit: float | None) -> Iterable[Portion]:
        if not _has_levels(symbol):
            return ((self._slipped(symbol, buy, ticket, limit), symbol.specification.liquidity_lots or _ALL),)
        kind = mt5.BOOK_TYPE_SELL if buy else mt5.BOOK_TYPE_BUY
        return ((level.price, level.lots) for level in side(symbol, kind))

    def _slipped(self, symbol: Symbol, buy: bool, ticket: int, limit: float | None) -> float:
        price = entry_price(symbol, buy)
        specification = symbol.specification
        width = specification.slippage_points
        if not width or specification.trade_exemode != mt5.SYMBOL_TRADE_EXECUTION_MARKET:
            return price
        slip = zlib.crc32(f"{self._seed}/{ticket}".encode()) % (2 * width + 1) - width
        moved = max(points_of(symbol, price) + slip, 1) / specification.points_per_unit
        if limit is not None:  # a limit order slips to its trader's side alone
            moved = min(moved, limit) if buy else max(moved, limit)
        return round(moved, specification.digits)

    def _taken_now(self, symbol: Symbol) -> _Taken:
        entry = self._taken.get(symbol.name)
        return entry[1] if entry is not None and entry[0] == _moment(symbol) else {}

    def _note(self, symbol: Symbol, buy: bool, portions: list[Portion]) -> None:
        taken = dict(self._taken_now(symbol))
        for price, size in portions:
            key = _key(symbol, buy, price)
            taken[key] = lots(taken.get(key, 0.0) + size)
        self._taken[symbol.name] = _moment(symbol), taken


def _key(symbol: Symbol, buy: bool, price: float) -> tuple[bool, float]:
    return buy, price if _has_levels(symbol) else 0.0


def _has_levels(symbol: Symbol) -> bool:
    """Say whether a symbol is filled level by level: an exchange's, unless it shows no depth."""
    specification = symbol.specification
    return specification.trade_exemode == _EXCHANGE and specification.book_depth > 0


def _moment(symbol: Symbol) -> _Moment:
    return symbol.time_msc, symbol.bid, symbol.ask


def _gather(levels: Iterable[Portion], volume: float, step: float) -> list[Portion]:
    """Return all of a volume, or else whole steps, from level to level until the volume is reached or they end."""
    portions: list[Portion] = []
    left = volume
    for price, size in levels:
        part = left if size >= left else lots(int(size / step + _STEP_TOLERANCE) * step)
        if part > 0.0:
            portions.append((price, part))
            left = lots(left - part)
        if left <= 0.0:
            break
    return portions
