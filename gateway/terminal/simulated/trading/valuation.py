"""What a volume is worth: margin and profit by a symbol's calculation mode, in the account's currency.

Source of the formulas: MQL5 documentation, ENUM_SYMBOL_CALC_MODE; of fixed margins, maintenance margins and the rates
of conversion: MetaTrader 5 documentation, "Margin calculation".
"""

import math
from collections.abc import Callable
from typing import Final

from gateway.terminal.simulated.market.specification import BONDS, FUTURES, Specification
from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.trading.currencies import Conversion, currency_digits, money
from gateway.wire import constants as mt5

__all__ = ("MARGIN_OF_LOT", "Valuation", "worth_of_unit")

_LEVERAGED: Final = (mt5.SYMBOL_CALC_MODE_FOREX, mt5.SYMBOL_CALC_MODE_CFDLEVERAGE)
_FOREX: Final = (mt5.SYMBOL_CALC_MODE_FOREX, mt5.SYMBOL_CALC_MODE_FOREX_NO_LEVERAGE)
_BUY_SELL: Final = (mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_SELL)


def _by_contract(symbol: Specification, price: float) -> float:
    return symbol.contract_size


def _by_price(symbol: Specification, price: float) -> float:
    return symbol.contract_size * price


def _by_ticks(symbol: Specification, price: float) -> float:
    return symbol.contract_size * price * symbol.tick_value / symbol.tick_size


def _by_face_value(symbol: Specification, price: float) -> float:
    return symbol.contract_size * symbol.face_value * price / 100.0


def _fixed(symbol: Specification, price: float) -> float:
    return symbol.margin_initial


MARGIN_OF_LOT: Final[dict[int, Callable[[Specification, float], float]]] = {
    mt5.SYMBOL_CALC_MODE_FOREX: _by_contract,
    mt5.SYMBOL_CALC_MODE_FOREX_NO_LEVERAGE: _by_contract,
    mt5.SYMBOL_CALC_MODE_FUTURES: _fixed,
    mt5.SYMBOL_CALC_MODE_CFD: _by_price,
    mt5.SYMBOL_CALC_MODE_CFDINDEX: _by_ticks,
    mt5.SYMBOL_CALC_MODE_CFDLEVERAGE: _by_price,
    mt5.SYMBOL_CALC_MODE_EXCH_STOCKS: _by_price,
    mt5.SYMBOL_CALC_MODE_EXCH_STOCKS_MOEX: _by_price,
    mt5.SYMBOL_CALC_MODE_EXCH_FUTURES: _fixed,
    mt5.SYMBOL_CALC_MODE_EXCH_BONDS: _by_face_value,
    mt5.SYMBOL_CALC_MODE_EXCH_BONDS_MOEX: _by_face_value,
}
"""One lot's margin in the margin currency, before leverage and rate."""


class Valuation:
    """Values volumes at the market's current conversion rates.

    Raises ValueError for a symbol with a currency that can't be converted.
    """

    def __init__(self, market: Market, settings: Settings) -> None:
        self.currency = settings.currency
        self.digits = currency_digits(settings.currency)
        self._leverage = settings.leverage
        self._conversion = Conversion(market, settings.currency)
        for symbol in market.symbols.values():
            self._admit(symbol.specification)

    def money(self, amount: float) -> float:
        """Round to the account currency's digits."""
        return money(amount, self.digits)

    def convert(self, amount: float, currency: str) -> float:
        """Convert an amount won (at the bid) or lost (at the ask) into the account's currency, not rounded."""
        return self._conversion.convert(amount, currency)

    def profit(self, symbol: Symbol, kind: int, volume: float, price_open: float, price_close: float) -> float:
        """Return what `volume` lots won or lost between two prices; `kind` is POSITION_TYPE_BUY or _SELL."""
        move = price_close - price_open if kind == mt5.POSITION_TYPE_BUY else price_open - price_close
        specification = symbol.specification
        return self.money(self.convert(move * volume * worth_of_unit(specification), specification.currency_profit))

    def margin(
        self,
        symbol: Symbol,
        kind: int,
        volume: float,
        price: float,
        *,
        held: bool = False,
        rate: float | None = None,
    ) -> float:
        """Return the margin of `volume` lots bought or sold at `price`, not rounded.

        `held`: of an open position, whose margin is the maintenance margin if the symbol has one, instead of what
        must be free to open it. `rate` stands in for the symbol's `margin_rate`, as for pending orders.
        """
        specification = symbol.specification
        amount = volume * (specification.margin_rate if rate is None else rate)
        if specification.calc_mode in _LEVERAGED:
            amount /= self._leverage
        fixed = specification.margin_initial
        if held and specification.margin_maintenance > 0.0:
            fixed = specification.margin_maintenance
        if fixed > 0.0:
            amount *= fixed
        else:
            amount *= MARGIN_OF_LOT[specification.calc_mode](specification, price)
            if self._converts_itself(specification):
                return amount * price
        return amount * self._conversion.rate(specification.currency_margin, kind == mt5.POSITION_TYPE_BUY)

    def order_margin(self, symbol: Symbol, action: int, volume: float, price: float) -> float | None:
        """Answer `order_calc_margin`; None for a question that makes no sense."""
        if action not in _BUY_SELL or not (_sensible(volume) and _sensible(price)):
            return None
        return self.money(self.margin(symbol, action, volume, price))

    def order_profit(self, symbol: Symbol, action: int, volume: float, opened: float, closed: float) -> float | None:
        """Answer `order_calc_profit`; None for a question that makes no sense."""
        if action not in _BUY_SELL or not (_sensible(volume) and _sensible(opened) and _sensible(closed)):
            return None
        return self.profit(symbol, action, volume, opened, closed)

    def tick_values(self, symbol: Symbol) -> tuple[float, float]:
        """Return what one tick of one lot is worth, when it is a profit and when it is a loss."""
        specification = symbol.specification
        amount = specification.tick_size * worth_of_unit(specification)
        currency = specification.currency_profit
        return self.convert(amount, currency), -self.convert(-amount, currency)

    def worth(self, symbol: Symbol, volume: float, price: float) -> float:
        """Return a volume's whole value at a price, as a purchase would pay it, not rounded."""
        specification = symbol.specification
        return -self.convert(-volume * price * worth_of_unit(specification), specification.currency_profit)

    def commission(self, symbol: Symbol, volume: float, price: float) -> float:
        """Return what a deal costs: zero or below zero, rounded."""
        specification = symbol.specification
        fee = specification.commission_per_lot * volume
        if specification.commission_percent > 0.0:
            fee += specification.commission_percent / 100.0 * self.worth(symbol, volume, price)
        return self.money(-fee)

    def conversions(self, symbol: Symbol) -> list[Symbol]:
        """Return the symbols whose quotes the symbol's margin and profit are converted at, each once.

        A terminal keeps them quoted, though hidden. Source: MQL5 documentation, SYMBOL_VISIBLE.
        """
        specification = symbol.specification
        currencies = specification.currency_profit, specification.currency_margin
        found = [item for currency in currencies for item in self._conversion.symbols(currency)]
        return list(dict.fromkeys(item for item in found if item is not symbol))

    def _admit(self, specification: Specification) -> None:
        currencies = [specification.currency_profit, specification.currency_margin]
        if specification.swap_mode == mt5.SYMBOL_SWAP_MODE_CURRENCY_SYMBOL:
            currencies.append(specification.currency_base)
        for currency in currencies:
            try:
                self._conversion.learn(currency)
            except ValueError as error:
                raise ValueError(f"{specification.name}: {error}") from None

    def _converts_itself(self, specification: Specification) -> bool:
        """Whether the symbol's own price leads from its margin currency to the account's: then its price is taken."""
        return (
            specification.calc_mode in _FOREX
            and specification.currency_profit == self.currency
            and specification.currency_margin == specification.currency_base
        )


def worth_of_unit(specification: Specification) -> float:
    """Return what one lot gains, in the profit currency, when its price rises by 1."""
    if specification.calc_mode in FUTURES:
        return specification.tick_value / specification.tick_size
    if specification.calc_mode in BONDS:
        return specification.contract_size * specification.face_value / 100.0
    return specification.contract_size


def _sensible(value: float) -> bool:
    return value > 0.0 and math.isfinite(value)
