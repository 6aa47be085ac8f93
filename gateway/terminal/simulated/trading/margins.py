"""How much of the account's money positions and orders block, by the account's margin mode.

Retail accounts, hedging or netting: each symbol's positions, and what its pending orders block at the symbol's rate
for them. Exchange accounts: every order blocks its whole margin, and of each symbol's two sides only the worse counts.
Source: MetaTrader 5 documentation, "Margin calculation" for retail hedging, retail netting and exchange accounts.
"""

from typing import Final

from gateway.terminal.simulated.market.specification import Specification
from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.trading.books import Book, Exposure, Order
from gateway.terminal.simulated.trading.valuation import Valuation
from gateway.wire import constants as mt5

__all__ = ("Margins",)

_BUYS: Final = (
    mt5.ORDER_TYPE_BUY,
    mt5.ORDER_TYPE_BUY_LIMIT,
    mt5.ORDER_TYPE_BUY_STOP,
    mt5.ORDER_TYPE_BUY_STOP_LIMIT,
)
_MARKET: Final = (mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_SELL)
_STOP_LIMITS: Final = (mt5.ORDER_TYPE_BUY_STOP_LIMIT, mt5.ORDER_TYPE_SELL_STOP_LIMIT)
_NOTHING: Final = Exposure()

Sides = tuple[float, float]
"""What buy orders and what sell orders block."""


class Margins:
    """Adds up on demand at a cost of O(symbols with positions + orders that block); amounts aren't rounded."""

    def __init__(self, settings: Settings, book: Book, market: Market, valuation: Valuation) -> None:
        self._book = book
        self._market = market
        self._valuation = valuation
        self._exchange = settings.margin_mode == "exchange"
        self._hedging = settings.margin_mode == "hedging"
        self._seen = -1
        self._blocking: dict[str, list[Order]] = {}

    def total(self, without: str = "") -> float:
        """Return the margin of all positions and orders, but for one symbol's."""
        blocking = self.blocking()
        total = 0.0
        for name, held in self._book.exposures.items():
            if name != without and name not in blocking:
                total += self._held(self._market.symbols[name], held)
        for name in blocking:
            if name != without:
                held, orders = self._of(name)
                total += self._joined(self._market.symbols[name], held, orders)
        return total

    def total_with(self, symbol: Symbol, kind: int, volume: float, price: float) -> float:
        """Return the margin of all, and of one more order of any type; a market order as if it were filled.

        What it opens takes its initial margin here, also where less is asked to hold it.
        """
        return self.total(symbol.name) + self._with(symbol, kind, volume, price)

    def initial(self) -> float:
        """Return what orders block beyond the margin of the positions."""
        total = 0.0
        for name in self.blocking():
            symbol = self._market.symbols[name]
            held, orders = self._of(name)
            total += self._joined(symbol, held, orders) - self._held(symbol, held)
        return total

    def maintenance(self) -> float:
        """Return the margin of positions whose symbol names a maintenance margin."""
        total = 0.0
        for name, held in self._book.exposures.items():
            symbol = self._market.symbols[name]
            if symbol.specification.margin_maintenance > 0.0:
                total += self._held(symbol, held)
        return total

    def freed(self) -> list[tuple[float, Order]]:
        """Return what the deletion of each order would free, orders that block nothing left out; O(orders)."""
        found = []
        for name, orders in self.blocking().items():
            symbol = self._market.symbols[name]
            held, (buys, sells) = self._of(name)
            before = self._joined(symbol, held, (buys, sells))
            for order in orders:
                blocked = self._blocked(symbol, order.type, order.volume_current, price_of(order))
                rest = (buys - blocked, sells) if order.type in _BUYS else (buys, sells - blocked)
                found.append((before - self._joined(symbol, held, rest), order))
        return found

    def blocking(self) -> dict[str, list[Order]]:
        """Return the orders that block margin, by symbol; O(orders) when the books have changed."""
        book = self._book
        if self._seen != book.changes:
            self._seen = book.changes
            self._blocking = {}
            for name, orders in book.orders_of.items():
                specification = self._market.symbols[name].specification
                chosen = [order for order in orders.values() if self._blocks(specification, order)]
                if chosen:
                    self._blocking[name] = chosen
        return self._blocking

    def _blocks(self, specification: Specification, order: Order) -> bool:
        """Whether an order blocks margin.

        With hedging one that names a position closes it and blocks nothing, unless it is the one that is opening it. A
        market order under way is judged again when it is filled: with netting only then is known what it opens.
        """
        if self._exchange:
            return True
        if self._hedging and (order.position_by_id or order.position_id not in (0, order.ticket)):
            return False
        if order.type in _MARKET:
            return self._hedging
        return specification.margin_rate_pending > 0.0

    def _of(self, name: str) -> tuple[Exposure, Sides]:
        """Return a symbol's open volume, and what its orders block."""
        symbol = self._market.symbols[name]
        buys = sells = 0.0
        for order in self.blocking().get(name, ()):
            blocked = self._blocked(symbol, order.type, order.volume_current, price_of(order))
            if order.type in _BUYS:
                buys += blocked
            else:
                sells += blocked
        return self._book.exposures.get(name, _NOTHING), (buys, sells)

    def _with(self, symbol: Symbol, kind: int, volume: float, price: float) -> float:
        held, (buys, sells) = self._of(symbol.name)
        if kind not in _MARKET:
            more = self._blocked(symbol, kind, volume, price)
            orders = (buys + more, sells) if kind in _BUYS else (buys, sells + more)
            return self._joined(symbol, held, orders)
        after, opened = held.copy(), volume
        if self._hedging:
            after.add(kind, volume, price)
        else:
            opened = _net(after, kind, volume, price)
        total = self._joined(symbol, after, (buys, sells))
        if opened > 0.0 and symbol.specification.margin_maintenance > 0.0:
            total += self._valuation.margin(symbol, kind, opened, price) - self._leg(symbol, kind, opened, price)
        return total

    def _joined(self, symbol: Symbol, held: Exposure, orders: Sides) -> float:
        """Return the margin of a symbol's positions and orders together.

        At an exchange orders against the position first close it: only what they open beyond it can be worse.
        """
        positions = self._held(symbol, held)
        buys, sells = orders
        if not self._exchange:
            return positions + buys + sells
        if held.sell_volume:
            return max(positions + sells, buys - positions)
        return max(positions + buys, sells - positions)

    def _held(self, symbol: Symbol, held: Exposure) -> float:
        """Return the margin of a symbol's positions: the larger side's surplus in full, what is hedged at its own rate.

        `margin_hedged` is the contract size of a hedged lot, or its margin if the symbol names an initial margin; it
        is charged once for the two lots, at the mean of all opening prices. Source: MQL5 documentation,
        SYMBOL_MARGIN_HEDGED and SYMBOL_MARGIN_HEDGED_USE_LEG.
        """
        buy, sell = held.buy_volume, held.sell_volume
        long = self._leg(symbol, mt5.POSITION_TYPE_BUY, buy, held.buy_value / buy) if buy else 0.0
        short = self._leg(symbol, mt5.POSITION_TYPE_SELL, sell, held.sell_value / sell) if sell else 0.0
        if not buy or not sell:
            return long + short
        specification = symbol.specification
        if specification.margin_hedged_use_leg:
            return max(long, short)
        surplus = long * (buy - sell) / buy if buy >= sell else short * (sell - buy) / sell
        whole = specification.margin_initial or specification.contract_size
        hedged, mean = min(buy, sell), (held.buy_value + held.sell_value) / (buy + sell)
        both = self._leg(symbol, mt5.POSITION_TYPE_BUY, hedged, mean)
        both += self._leg(symbol, mt5.POSITION_TYPE_SELL, hedged, mean)
        return surplus + specification.margin_hedged / whole * both / 2.0

    def _leg(self, symbol: Symbol, kind: int, volume: float, price: float) -> float:
        return self._valuation.margin(symbol, kind, volume, price, held=True)

    def _blocked(self, symbol: Symbol, kind: int, volume: float, price: float) -> float:
        """Return what an order blocks: at an exchange, and on its way to be filled, as much as a position."""
        specification = symbol.specification
        whole = self._exchange or kind in _MARKET
        rate = specification.margin_rate if whole else specification.margin_rate_pending
        side = mt5.ORDER_TYPE_BUY if kind in _BUYS else mt5.ORDER_TYPE_SELL
        return self._valuation.margin(symbol, side, volume, price, rate=rate) if rate > 0.0 else 0.0


def price_of(order: Order) -> float:
    """Return the price that an order's margin is of: a stop-limit order's is its limit."""
    return order.price_stoplimit if order.type in _STOP_LIMITS and order.price_stoplimit > 0.0 else order.price


def _net(held: Exposure, kind: int, volume: float, price: float) -> float:
    """Fill an order against the one position there is; return how many lots it opens."""
    buy = kind == mt5.POSITION_TYPE_BUY
    other = held.sell_volume if buy else held.buy_volume
    closed = min(volume, other)
    if closed > 0.0:
        value = held.sell_value if buy else held.buy_value
        opposite = mt5.POSITION_TYPE_SELL if buy else mt5.POSITION_TYPE_BUY
        held.add(opposite, -closed, value / other)
    opened = volume - closed
    if opened > 0.0:
        held.add(kind, opened, price)
    return opened
