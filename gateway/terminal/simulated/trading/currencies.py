"""What one currency is worth in the account's: over the market's symbols where they are quoted.

The way from a currency to the account's is the pair of the two, either way round; without one that is quoted it leads
over the US dollar; a step that no symbol quotes takes the reference rate. Symbols are known by their currencies, never
by their names, so that a suffix changes nothing.
"""

from collections.abc import Iterable
from typing import Final

from gateway.terminal.simulated.market.catalog import REFERENCE_RATES
from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.wire import constants as mt5

__all__ = ("Conversion", "currency_digits", "money")

VIA: Final = "USD"
"""The currency that every other one is quoted against."""

_DIGITS: Final[dict[str, int]] = {
    **dict.fromkeys(("JPY", "KRW", "VND", "CLP", "ISK", "PYG", "UGX"), 0),
    **dict.fromkeys(("KWD", "BHD", "OMR", "JOD", "TND"), 3),
    **dict.fromkeys(("BTC", "ETH"), 8),
}
"""Currencies whose smallest unit isn't a hundredth. Source: ISO 4217, and the usual eight digits of crypto."""
_PAIRS: Final = (
    mt5.SYMBOL_CALC_MODE_FOREX,
    mt5.SYMBOL_CALC_MODE_FOREX_NO_LEVERAGE,
    mt5.SYMBOL_CALC_MODE_CFD,
    mt5.SYMBOL_CALC_MODE_CFDLEVERAGE,
)
"""Modes whose price is that of one unit of the base currency."""


def currency_digits(currency: str) -> int:
    """Return how many digits amounts of a currency have."""
    return _DIGITS.get(currency, 2)


def money(amount: float, digits: int = 2) -> float:
    """Round to a currency's digits, without a negative zero."""
    return round(amount, digits) + 0.0


class _Step:
    """From one currency to another: symbols that quote it, either way round, and what to take before one does."""

    __slots__ = ("_direct", "_inverse", "_reference")

    def __init__(self, market: Iterable[Symbol], source: str, target: str) -> None:
        pairs = [item for item in market if item.specification.calc_mode in _PAIRS]
        self._direct = [item for item in pairs if _currencies(item) == (source, target)]
        self._inverse = [item for item in pairs if _currencies(item) == (target, source)]
        self._reference = 0.0
        if source in REFERENCE_RATES and target in REFERENCE_RATES:
            self._reference = REFERENCE_RATES[source] / REFERENCE_RATES[target]
        elif self._direct:
            self._reference = self._direct[0].specification.start_price
        elif self._inverse:
            self._reference = 1.0 / self._inverse[0].specification.start_price

    @property
    def symbols(self) -> list[Symbol]:
        return self._direct + self._inverse

    @property
    def known(self) -> bool:
        return self._reference > 0.0

    def quoted(self, ask: bool) -> float:
        """Return the market's rate, 0 if nobody quotes one."""
        for symbol in self._direct:
            if symbol.quoted:
                return symbol.ask if ask else symbol.bid
        for symbol in self._inverse:
            if symbol.quoted:
                return 1.0 / (symbol.bid if ask else symbol.ask)
        return 0.0

    def rate(self, ask: bool) -> float:
        return self.quoted(ask) or self._reference


def _currencies(symbol: Symbol) -> tuple[str, str]:
    return symbol.specification.currency_base, symbol.specification.currency_profit


class Conversion:
    """Converts amounts into the account's currency at the market's present rates."""

    def __init__(self, market: Market, currency: str) -> None:
        self.currency = currency
        self._symbols = list(market.symbols.values())
        self._ways: dict[str, list[_Step]] = {}

    def learn(self, currency: str) -> None:
        """Find the way from a currency; raises ValueError if there is none. O(symbols), once a currency."""
        if currency == self.currency or currency in self._ways:
            return
        way = [_Step(self._symbols, currency, self.currency)]
        if VIA not in (currency, self.currency):
            over = [_Step(self._symbols, currency, VIA), _Step(self._symbols, VIA, self.currency)]
            way += over if all(step.known for step in over) else []
        if len(way) == 1 and not way[0].known:
            raise ValueError(
                f"no symbol and no reference rate leads from {currency} to {self.currency}; list a symbol that does, or"
                " take another currency"
            )
        self._ways[currency] = way

    def rate(self, currency: str, ask: bool) -> float:
        """Return what one unit is worth when it is bought (`ask`) or sold; raises KeyError for an unlearnt currency."""
        if currency == self.currency:
            return 1.0
        way = self._ways[currency]
        direct = way[0].quoted(ask)
        if direct > 0.0 or len(way) == 1:
            return direct or way[0].rate(ask)
        return way[1].rate(ask) * way[2].rate(ask)

    def convert(self, amount: float, currency: str) -> float:
        """Convert what was won or lost: a profit is sold at the bid, a loss is bought at the ask."""
        if currency == self.currency:
            return amount
        return amount * self.rate(currency, amount < 0.0)

    def symbols(self, currency: str) -> list[Symbol]:
        """Return the symbols whose quotes are needed to convert a currency: the pair, else those over the dollar."""
        way = self._ways.get(currency, [])
        if way and way[0].symbols:
            return way[0].symbols[:1]
        return [step.symbols[0] for step in way[1:] if step.symbols]
