"""What a volume is worth: margin and profit by a symbol's calculation mode, in the account's currency.

Source of the formulas: MetaTrader 5 documentation, "Calculation of margin" and "Calculation of profit".
"""

from typing import Final

from gateway.terminal.simulated.market.specification import REFERENCE_RATES
from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.wire.constants import (
    POSITION_TYPE_BUY,
    SYMBOL_CALC_MODE_CFD,
    SYMBOL_CALC_MODE_CFDLEVERAGE,
    SYMBOL_CALC_MODE_FOREX,
    SYMBOL_CALC_MODE_FOREX_NO_LEVERAGE,
)

__all__ = ("ACCOUNT_CURRENCY", "CURRENCY_DIGITS", "Valuation", "money")

ACCOUNT_CURRENCY: Final = "USD"
CURRENCY_DIGITS: Final = 2

_LEVERAGED: Final = (SYMBOL_CALC_MODE_FOREX, SYMBOL_CALC_MODE_CFDLEVERAGE)
_FOREX: Final = (SYMBOL_CALC_MODE_FOREX, SYMBOL_CALC_MODE_FOREX_NO_LEVERAGE)
_BY_PRICE: Final = (SYMBOL_CALC_MODE_CFD, SYMBOL_CALC_MODE_CFDLEVERAGE)


def money(amount: float) -> float:
    """Round to the account currency's digits."""
    return round(amount, CURRENCY_DIGITS) + 0.0  # no negative zero


class Valuation:
    """Values volumes at the market's current conversion rates; raises ValueError for an unknown calculation mode."""

    def __init__(self, market: Market, leverage: int) -> None:
        self._leverage = leverage
        self._direct: dict[str, Symbol] = {}
        self._inverse: dict[str, Symbol] = {}
        for symbol in market.symbols.values():
            specification = symbol.specification
            if specification.calc_mode not in _FOREX + _BY_PRICE:
                raise ValueError(f"{symbol.name}: calculation mode {specification.calc_mode} isn't simulated")
            if specification.calc_mode not in _FOREX:
                continue
            if specification.currency_profit == ACCOUNT_CURRENCY:
                self._direct.setdefault(specification.currency_base, symbol)
            elif specification.currency_base == ACCOUNT_CURRENCY:
                self._inverse.setdefault(specification.currency_profit, symbol)

    def profit(self, symbol: Symbol, kind: int, volume: float, price_open: float, price_close: float) -> float:
        """Return what `volume` lots won or lost between two prices; `kind` is POSITION_TYPE_BUY or _SELL."""
        points = price_close - price_open if kind == POSITION_TYPE_BUY else price_open - price_close
        specification = symbol.specification
        amount = points * volume * specification.contract_size
        return money(self._convert(amount, specification.currency_profit))

    def margin(self, symbol: Symbol, volume: float, price: float) -> float:
        """Return the margin of `volume` lots opened at `price`, not rounded."""
        specification = symbol.specification
        amount = volume * specification.contract_size * specification.margin_rate
        if specification.calc_mode in _LEVERAGED:
            amount /= self._leverage
        if specification.calc_mode in _BY_PRICE:
            return -self._convert(-amount * price, specification.currency_profit)
        if specification.currency_profit == ACCOUNT_CURRENCY:
            return amount * price
        return -self._convert(-amount, specification.currency_margin)

    def tick_values(self, symbol: Symbol) -> tuple[float, float]:
        """Return what one point of one lot is worth, when it is a profit and when it is a loss."""
        specification = symbol.specification
        amount = specification.point * specification.contract_size
        currency = specification.currency_profit
        return self._convert(amount, currency), -self._convert(-amount, currency)

    def _convert(self, amount: float, currency: str) -> float:
        """Convert to the account's currency: a profit is sold at the bid, a loss is bought at the ask."""
        if currency == ACCOUNT_CURRENCY:
            return amount
        symbol = self._direct.get(currency)
        if symbol is not None and symbol.quoted:
            return amount * (symbol.bid if amount > 0.0 else symbol.ask)
        symbol = self._inverse.get(currency)
        if symbol is not None and symbol.quoted:
            return amount / (symbol.ask if amount > 0.0 else symbol.bid)
        return amount * REFERENCE_RATES[currency]
