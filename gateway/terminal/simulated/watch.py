"""The calls around the market watch: symbols, their quotes, and the depth of market. As the package answers them."""

from gateway.terminal.simulated.failures import failed, not_found
from gateway.terminal.simulated.market.depth import Level, depth
from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.symbol_info import describe
from gateway.terminal.simulated.trading.valuation import Valuation
from gateway.wire.groups import matches
from gateway.wire.structs import BookInfo, SymbolInfo, Tick

__all__ = ("NO_TICK", "Watch", "watched")

NO_TICK = Tick((0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0))
"""What a symbol shows before its first tick."""


def watched(market: Market, name: str) -> Symbol:
    """Return a symbol of the market watch; raises CallFailed for any other."""
    symbol = market.get(name)
    if symbol is None or not symbol.selected:
        raise not_found()
    return symbol


class Watch:
    """Symbols of a market, and who has opened their depth."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def total(self) -> int:
        """Return how many symbols there are, watched or not."""
        return len(self._market.symbols)

    def info(self, name: str, valuation: Valuation) -> SymbolInfo:
        """Return a symbol, watched or not."""
        symbol = self._market.get(name)
        if symbol is None:
            raise not_found()
        return describe(symbol, valuation)

    def infos(self, group: str | None, valuation: Valuation) -> list[SymbolInfo]:
        """Return all symbols that pass a group filter."""
        symbols = self._market.symbols.values()
        return [describe(item, valuation) for item in symbols if group is None or matches(group, item.name)]

    def tick(self, name: str) -> Tick:
        """Return a watched symbol's latest tick."""
        return watched(self._market, name).tick

    def select(self, name: str, enable: bool, held: bool, now_ns: int) -> bool:
        """Show a symbol, or take it out of the watch, which one that is `held` (in use) refuses."""
        symbol = self._market.get(name)
        if symbol is None or (held and not enable):
            raise failed(False)
        if enable:
            self._market.select(symbol, now_ns)
        else:
            symbol.selected = False
        return True

    def add_book(self, books: set[str], name: str) -> bool:
        """Open a symbol's depth for a connection; False, and no error, if it isn't watched."""
        symbol = self._market.get(name)
        if symbol is None or not symbol.selected:
            return False
        books.add(name)
        return True

    def release_book(self, books: set[str], name: str) -> bool:
        """Close a symbol's depth; False, and no error, if it wasn't open."""
        if name not in books:
            return False
        books.remove(name)
        return True

    def book(self, books: set[str], name: str) -> list[BookInfo]:
        """Return a symbol's depth, highest price first; it must have been opened, and there must be one."""
        symbol = self._market.get(name)
        if symbol is None or name not in books or not symbol.specification.book_depth:
            raise failed()
        return [_entry(level) for level in depth(symbol)]


def _entry(level: Level) -> BookInfo:
    return BookInfo((level.type, level.price, int(level.lots), level.lots))
