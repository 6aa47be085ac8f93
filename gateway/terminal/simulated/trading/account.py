"""The account's figures: what the books are worth at the current prices."""

from dataclasses import dataclass
from typing import Final

from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.trading.books import Book, Exposure, Position
from gateway.terminal.simulated.trading.valuation import ACCOUNT_CURRENCY, CURRENCY_DIGITS, Valuation, money
from gateway.wire.constants import (
    ACCOUNT_MARGIN_MODE_RETAIL_HEDGING,
    ACCOUNT_STOPOUT_MODE_PERCENT,
    ACCOUNT_TRADE_MODE_DEMO,
    POSITION_TYPE_BUY,
    POSITION_TYPE_SELL,
)
from gateway.wire.structs import AccountInfo

__all__ = ("LIMIT_ORDERS", "Account", "Figures")

LIMIT_ORDERS: Final = 500
"""How many pending orders an account may have."""
MARGIN_CALL_LEVEL: Final = 50.0
STOP_OUT_LEVEL: Final = 30.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What the account stands at; money, and `margin_level` in percent (0 without margin)."""

    balance: float
    profit: float
    equity: float
    margin: float
    margin_free: float
    margin_level: float


class Account:
    """Computes figures on demand: nothing is kept that a tick would have to update."""

    def __init__(self, settings: Settings, book: Book, market: Market, valuation: Valuation) -> None:
        self._settings = settings
        self._book = book
        self._market = market
        self._valuation = valuation

    def position_profit(self, position: Position) -> float:
        """Return a position's floating profit at the current quote."""
        symbol = self._market.symbols[position.symbol]
        close = symbol.bid if position.type == POSITION_TYPE_BUY else symbol.ask
        return self._valuation.profit(symbol, position.type, position.volume, position.price_open, close)

    def figures(self) -> Figures:
        """Return the figures with every position's profit rounded as it is shown; O(positions)."""
        profit = 0.0
        for position in self._book.positions.values():
            profit += self.position_profit(position) + position.swap
        return self._figures(profit, self.margin())

    def figures_after(self, symbol: Symbol, kind: int, volume: float, price: float) -> Figures:
        """Return what the figures would be with one more position; O(symbols with positions).

        The sums per symbol replace the positions one by one: profit may differ from `figures` by rounding.
        """
        return self._figures(self._floating(), self.margin(symbol.name, kind, volume, price))

    def must_stop_out(self) -> bool:
        """Say whether the margin level has fallen to the stop-out level; O(symbols with positions)."""
        figures = self._figures(self._floating(), self.margin())
        return figures.margin > 0.0 and figures.margin_level <= STOP_OUT_LEVEL

    def margin(self, name: str = "", kind: int = 0, volume: float = 0.0, price: float = 0.0) -> float:
        """Return the margin of all positions, and of one more if it is named."""
        total = 0.0
        for held, exposure in self._book.exposures.items():
            if held != name:
                total += self._margin_of(self._market.symbols[held], exposure)
        if name:
            held_now = self._book.exposures.get(name, Exposure())
            then = Exposure(held_now.buy_volume, held_now.buy_value, held_now.sell_volume, held_now.sell_value)
            then.add(kind, volume, price)
            total += self._margin_of(self._market.symbols[name], then)
        return money(total)

    def info(self) -> AccountInfo:
        """Return the package's structure."""
        settings = self._settings
        figures = self.figures()
        return AccountInfo(
            (
                settings.login,
                ACCOUNT_TRADE_MODE_DEMO,
                settings.leverage,
                LIMIT_ORDERS,
                ACCOUNT_STOPOUT_MODE_PERCENT,
                True,
                True,
                ACCOUNT_MARGIN_MODE_RETAIL_HEDGING,
                CURRENCY_DIGITS,
                False,
                figures.balance,
                0.0,
                figures.profit,
                figures.equity,
                figures.margin,
                figures.margin_free,
                figures.margin_level,
                MARGIN_CALL_LEVEL,
                STOP_OUT_LEVEL,
                0.0,
                0.0,
                0.0,
                0.0,
                0.0,
                settings.name,
                settings.server,
                ACCOUNT_CURRENCY,
                settings.company,
            )
        )

    def _figures(self, floating: float, margin: float) -> Figures:
        balance = self._book.balance
        profit = money(floating)
        equity = money(balance + profit)
        level = equity / margin * 100.0 if margin > 0.0 else 0.0
        return Figures(balance, profit, equity, margin, money(equity - margin), level)

    def _floating(self) -> float:
        total = 0.0
        for name, held in self._book.exposures.items():
            symbol = self._market.symbols[name]
            value = self._valuation.profit
            if held.buy_volume:
                average = held.buy_value / held.buy_volume
                total += value(symbol, POSITION_TYPE_BUY, held.buy_volume, average, symbol.bid)
            if held.sell_volume:
                average = held.sell_value / held.sell_volume
                total += value(symbol, POSITION_TYPE_SELL, held.sell_volume, average, symbol.ask)
        return total

    def _margin_of(self, symbol: Symbol, held: Exposure) -> float:
        """Return a symbol's margin: the larger side's surplus in full, the hedged volume at its own rate.

        Source: MetaTrader 5 documentation, "Margin calculation for hedging".
        """
        volume = held.buy_volume + held.sell_volume
        if volume <= 0.0:
            return 0.0
        if held.buy_volume >= held.sell_volume:
            surplus, average = held.buy_volume - held.sell_volume, held.buy_value / held.buy_volume
        else:
            surplus, average = held.sell_volume - held.buy_volume, held.sell_value / held.sell_volume
        total = self._valuation.margin(symbol, surplus, average)
        hedged = min(held.buy_volume, held.sell_volume)
        if hedged > 0.0:
            rate = symbol.specification.margin_hedged / symbol.specification.contract_size
            mean = (held.buy_value + held.sell_value) / volume
            total += rate * self._valuation.margin(symbol, hedged, mean)
        return total
