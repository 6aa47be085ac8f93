"""The account's figures: what the books are worth at the current prices.

Nothing is kept that a tick would have to update. A position whose symbol has no quote yet (a restarted terminal's)
counts as neither won nor lost.
"""

from dataclasses import dataclass
from typing import Final

from gateway.terminal.simulated.market.specification import BONDS, STOCKS
from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.trading.books import Book, Order, Position
from gateway.terminal.simulated.trading.margins import Margins, price_of
from gateway.terminal.simulated.trading.valuation import Valuation
from gateway.wire import constants as mt5
from gateway.wire.structs import AccountInfo

__all__ = ("Account", "Figures")

_MARGIN_MODES: Final[dict[str, int]] = {
    "netting": mt5.ACCOUNT_MARGIN_MODE_RETAIL_NETTING,
    "exchange": mt5.ACCOUNT_MARGIN_MODE_EXCHANGE,
    "hedging": mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING,
}
_OWNED: Final = (*STOCKS, *BONDS)
"""What an exchange account owns, or owes, at its market value."""


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
    """Computes figures on demand, at a cost of O(symbols with positions) but where it says otherwise."""

    def __init__(self, settings: Settings, book: Book, market: Market, valuation: Valuation) -> None:
        self._settings = settings
        self._book = book
        self._market = market
        self._valuation = valuation
        self._margins = Margins(settings, book, market, valuation)
        self._exchange = settings.margin_mode == "exchange"

    def position_profit(self, position: Position) -> float:
        """Return a position's floating profit at the current quote, without its swap; 0 before the first quote."""
        symbol = self._market.symbols[position.symbol]
        if not symbol.quoted:
            return 0.0
        close = symbol.bid if position.type == mt5.POSITION_TYPE_BUY else symbol.ask
        return self._valuation.profit(symbol, position.type, position.volume, position.price_open, close)

    def figures(self) -> Figures:
        """Return the figures with every position's profit rounded as it is shown; O(positions)."""
        profit = sum(self.position_profit(position) for position in self._book.positions.values())
        return self._figures(profit + self._book.swap, self._margins.total())

    def figures_after(self, symbol: Symbol, kind: int, volume: float, price: float) -> Figures:
        """Return what the figures would be with one more order of any type, a market order having been filled.

        The sums per symbol replace the positions one by one: profit may differ from `figures` by rounding.
        """
        return self._figures(self._floating(), self._margins.total_with(symbol, kind, volume, price))

    def must_stop_out(self) -> bool:
        """Say whether the margin level has fallen to the stop-out level.

        Positions that hedge each other to no margin at all are stopped out when the equity is below zero. Source:
        MetaTrader 5 documentation, "Stop out".
        """
        if not self._book.positions and not self._margins.blocking():
            return False
        figures = self._figures(self._floating(), self._margins.total())
        if figures.margin > 0.0:
            return figures.margin_level <= self._settings.stop_out_level
        return figures.equity < 0.0

    def margin(self) -> float:
        """Return the margin of all positions and orders."""
        return self._valuation.money(self._margins.total())

    def freed_by_orders(self) -> list[tuple[float, Order]]:
        """Return what the deletion of each order that blocks margin would free; O(orders)."""
        return [(self._valuation.money(margin), order) for margin, order in self._margins.freed()]

    def info(self, *, trade_allowed: bool | None = None, trade_expert: bool | None = None) -> AccountInfo:
        """Return the package's structure; what may be traded is the settings' word where the caller has none.

        `margin_initial` is what orders block, `margin_maintenance` what positions must keep where a symbol names a
        maintenance margin. Source: MQL5 documentation, "Account properties". O(positions).
        """
        settings, round_off = self._settings, self._valuation.money
        figures = self.figures()
        assets, liabilities = self._owned()
        return AccountInfo(
            (
                settings.login,
                mt5.ACCOUNT_TRADE_MODE_DEMO,
                settings.leverage,
                settings.limit_orders,
                mt5.ACCOUNT_STOPOUT_MODE_PERCENT,
                settings.trade_allowed if trade_allowed is None else trade_allowed,
                settings.trade_expert if trade_expert is None else trade_expert,
                _MARGIN_MODES[settings.margin_mode],
                self._valuation.digits,
                settings.fifo_close and settings.margin_mode == "hedging",  # always false elsewhere: MQL5 documentation
                figures.balance,
                self._book.credit,
                figures.profit,
                figures.equity,
                figures.margin,
                figures.margin_free,
                figures.margin_level,
                settings.margin_call_level,
                settings.stop_out_level,
                round_off(self._margins.initial()),
                round_off(self._margins.maintenance()),
                round_off(assets),
                round_off(liabilities),
                round_off(self._commission_blocked()),
                settings.name,
                settings.server,
                settings.currency,
                settings.company,
            )
        )

    def _figures(self, floating: float, margin: float) -> Figures:
        round_off = self._valuation.money
        balance, profit, margin = self._book.balance, round_off(floating), round_off(margin)
        equity = round_off(balance + self._book.credit + profit)
        free = round_off(equity - margin - self._commission_blocked())
        level = equity / margin * 100.0 if margin > 0.0 else 0.0
        return Figures(balance, profit, equity, margin, free, level)

    def _floating(self) -> float:
        total = self._book.swap
        profit = self._valuation.profit
        for name, held in self._book.exposures.items():
            symbol = self._market.symbols[name]
            if not symbol.quoted:
                continue
            if held.buy_volume:
                average = held.buy_value / held.buy_volume
                total += profit(symbol, mt5.POSITION_TYPE_BUY, held.buy_volume, average, symbol.bid)
            if held.sell_volume:
                average = held.sell_value / held.sell_volume
                total += profit(symbol, mt5.POSITION_TYPE_SELL, held.sell_volume, average, symbol.ask)
        return total

    def _commission_blocked(self) -> float:
        """Return what the deals of an exchange account's orders will cost: it is blocked besides their margin."""
        if not self._exchange:
            return 0.0
        cost = 0.0
        for name, orders in self._margins.blocking().items():
            symbol = self._market.symbols[name]
            for order in orders:
                cost -= self._valuation.commission(symbol, order.volume_current, price_of(order))
        return cost

    def _owned(self) -> tuple[float, float]:
        """Return the market value of what an exchange account owns, and of what it owes."""
        assets = liabilities = 0.0
        if self._exchange:
            for name, held in self._book.exposures.items():
                symbol = self._market.symbols[name]
                if symbol.specification.calc_mode in _OWNED and symbol.quoted:
                    assets += self._valuation.worth(symbol, held.buy_volume, symbol.bid)
                    liabilities += self._valuation.worth(symbol, held.sell_volume, symbol.ask)
        return assets, liabilities
