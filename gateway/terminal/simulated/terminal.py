"""A simulated terminal: the package's calls by name, over books, market and trade server. Pure: time comes in.

Arguments arrive in the canonical form of `arguments.prepare`; results leave as plain values, structures (tuples) and,
for ticks and bars, packed bytes. One terminal has one account; all its sessions share it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from gateway.terminal.simulated.market.export import Export
from gateway.terminal.simulated.market.rates import TIMEFRAMES, period_seconds
from gateway.terminal.simulated.market.replay import ReplaySource
from gateway.terminal.simulated.market.specification import SPECIFICATIONS, specification_for
from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.market.synthetic import HISTORY_MS, SyntheticSource, minute_history
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.symbol_info import BOOK_DEPTH, describe
from gateway.terminal.simulated.trading.account import Account
from gateway.terminal.simulated.trading.books import Book, Order, Position
from gateway.terminal.simulated.trading.execution import Execution, describe_order
from gateway.terminal.simulated.trading.rules import Rules
from gateway.terminal.simulated.trading.trade import TradeServer
from gateway.terminal.simulated.trading.triggers import Triggers
from gateway.terminal.simulated.trading.valuation import Valuation
from gateway.wire import constants as mt5
from gateway.wire.groups import matches
from gateway.wire.structs import BookInfo, SymbolInfo, TerminalInfo, Tick, TradePosition, TradeRequest

__all__ = ("SUCCESS", "Reply", "Session", "SimulatedTerminal")

BUILD: Final = 5000
BUILD_DATE: Final = "01 Jan 2025"
MAX_BARS: Final = 100_000
"""The terminal's "max bars in chart": requests that could exceed it are refused."""
SUCCESS: Final = "Success"

Reply = tuple[int, str, Any]
"""A call's last error, code and text, and its result."""

_NO_CONNECTION: Final = (mt5.RES_E_INTERNAL_FAIL_CONNECT, "No IPC connection", None)
_COPY_FLAGS: Final = mt5.COPY_TICKS_INFO | mt5.COPY_TICKS_TRADE
_BUY_SELL: Final = (mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_SELL)


@dataclass(slots=True)
class Session:
    """What belongs to one connection: whether it has logged in, and whose depth of market it has opened."""

    authorised: bool = False
    books: set[str] = field(default_factory=set)


class _CallFailed(Exception):
    """The terminal says no: the call's last error and what it returns."""

    def __init__(self, code: int, text: str, returns: bool | None = None) -> None:
        super().__init__(code, text)
        self.reply: Reply = (code, text, returns)


def _failed(returns: bool | None = None) -> _CallFailed:
    return _CallFailed(mt5.RES_E_FAIL, "Terminal: Call failed", returns)


def _not_found() -> _CallFailed:
    return _CallFailed(mt5.RES_E_NOT_FOUND, "Terminal: Not found")


def _invalid() -> _CallFailed:
    return _CallFailed(mt5.RES_E_INVALID_PARAMS, "Terminal: Invalid params")


class SimulatedTerminal:
    """One terminal with one account.

    `exports`: recorded ticks; each symbol's replay starts when it is first selected. Without any, the market is
    synthetic: all listed symbols, all selected. `start_ms` is the server's time now, `now_ns` the monotonic clock.
    """

    def __init__(self, settings: Settings, exports: Sequence[Export], start_ms: int, now_ns: int) -> None:
        self._settings = settings
        self._market = Market(_replayed(settings, exports) if exports else _synthetic(settings, start_ms))
        self._book = Book()
        self._valuation = Valuation(self._market, settings.leverage)
        self._account = Account(settings, self._book, self._market, self._valuation)
        execution = Execution(self._book, self._valuation)
        rules = Rules(self._book, self._market, self._account)
        self._trade = TradeServer(self._book, self._market, self._account, rules, execution)
        self._triggers = Triggers(self._book, self._market, self._account, execution)
        begins = [int(export.ticks["time_msc"][0]) for export in exports if len(export.ticks)]
        self._book.deposit(settings.deposit, min(begins, default=start_ms - HISTORY_MS))
        if not exports:
            for symbol in self._market.symbols.values():
                self._market.select(symbol, now_ns)
        self._calls: dict[str, Callable[..., Any]] = {
            "version": self._version,
            "terminal_info": self._terminal_info,
            "account_info": self._account.info,
            "copy_ticks_from": self._copy_ticks_from,
            "copy_ticks_range": self._copy_ticks_range,
            "copy_rates_from": self._copy_rates_from,
            "copy_rates_from_pos": self._copy_rates_from_pos,
            "copy_rates_range": self._copy_rates_range,
            "positions_total": lambda: len(self._book.positions),
            "positions_get": self._positions_get,
            "orders_total": lambda: len(self._book.orders),
            "orders_get": self._orders_get,
            "history_orders_total": self._book.history.count_between,
            "history_orders_get": self._history_orders_get,
            "history_deals_total": self._book.deals.count_between,
            "history_deals_get": self._history_deals_get,
            "order_check": lambda *fields: self._trade.check(TradeRequest(fields)),
            "order_send": lambda *fields: self._trade.send(TradeRequest(fields)),
            "order_calc_margin": self._order_calc_margin,
            "order_calc_profit": self._order_calc_profit,
            "symbol_info": self._symbol_info,
            "symbol_info_tick": self._symbol_info_tick,
            "symbols_total": lambda: len(self._market.symbols),
            "symbols_get": self._symbols_get,
        }
        self._session_calls: dict[str, Callable[..., Any]] = {
            "market_book_add": self._market_book_add,
            "market_book_release": self._market_book_release,
            "market_book_get": self._market_book_get,
        }

    @property
    def balance(self) -> float:
        """The account's balance."""
        return self._book.balance

    def call(self, session: Session, name: str, arguments: Sequence[Any], now_ns: int) -> Reply:
        """Execute one call; `arguments` conform to it (see `arguments.conforms`). Raises KeyError for no call."""
        if name in ("initialize", "login"):
            return self._log_in(session, *arguments)
        if not session.authorised:
            return _NO_CONNECTION
        try:
            if name in self._calls:
                result = self._calls[name](*arguments)
            elif name == "symbol_select":
                result = self._symbol_select(now_ns, *arguments)
            else:
                result = self._session_calls[name](session, *arguments)
        except _CallFailed as failure:
            return failure.reply
        return mt5.RES_S_OK, SUCCESS, result

    def advance(self, now_ns: int) -> None:
        """Let the market move up to now, a slice of ticks a symbol at most, with all that follows for orders."""
        for symbol, ticks in self._market.take(now_ns):
            self._triggers.feed(symbol, ticks)

    def next_due_ns(self) -> int | None:
        """Return when there is something to `advance` to; None for never."""
        return self._market.next_due_ns()

    # --- session ---

    def _log_in(self, session: Session, login: int, password: str, server: str) -> Reply:
        """Admit a connection: what it doesn't name is left to the terminal, which knows its own account."""
        known = self._settings
        session.authorised = (
            login in (0, known.login)
            and server in ("", known.server)
            and (not known.password or password in ("", known.password))
        )
        if session.authorised:
            return mt5.RES_S_OK, SUCCESS, True
        return mt5.RES_E_AUTH_FAILED, "Terminal: Authorization failed", False

    def _version(self) -> tuple[int, int, str]:
        return 500, BUILD, BUILD_DATE

    def _terminal_info(self) -> TerminalInfo:
        settings = self._settings
        values: dict[str, Any] = {field: kind() for field, kind in TerminalInfo.__annotations__.items()}
        values |= {
            "connected": True,
            "trade_allowed": True,
            "build": BUILD,
            "maxbars": MAX_BARS,
            "ping_last": 1000,
            "company": settings.company,
            "name": "Simulated Terminal",
            "language": "English",
            "path": settings.address,
            "data_path": settings.address,
            "commondata_path": settings.address,
        }
        return TerminalInfo(values.values())

    # --- symbols ---

    def _known(self, name: str) -> Symbol:
        symbol = self._market.get(name)
        if symbol is None:
            raise _not_found()
        return symbol

    def _watched(self, name: str) -> Symbol:
        symbol = self._known(name)
        if not symbol.selected:
            raise _not_found()
        return symbol

    def _symbol_info(self, name: str) -> SymbolInfo:
        return describe(self._known(name), self._valuation)

    def _symbol_info_tick(self, name: str) -> Tick:
        return self._watched(name).tick

    def _symbols_get(self, group: str | None) -> list[SymbolInfo]:
        symbols = self._market.symbols.values()
        return [describe(item, self._valuation) for item in symbols if group is None or matches(group, item.name)]

    def _symbol_select(self, now_ns: int, name: str, enable: bool) -> bool:
        symbol = self._market.get(name)
        if symbol is None or (not enable and self._book.holds(name)):
            raise _failed(False)
        if enable:
            self._market.select(symbol, now_ns)
        else:
            symbol.selected = False
        return True

    def _market_book_add(self, session: Session, name: str) -> bool:
        symbol = self._market.get(name)
        if symbol is None or not symbol.selected:
            return False
        session.books.add(name)
        return True

    def _market_book_release(self, session: Session, name: str) -> bool:
        if name not in session.books:
            return False
        session.books.remove(name)
        return True

    def _market_book_get(self, session: Session, name: str) -> list[BookInfo]:
        symbol = self._market.get(name)
        if symbol is None or name not in session.books:
            raise _failed()
        return _depth(symbol) if symbol.quoted else []

    # --- ticks and bars ---

    def _copy_ticks_from(self, name: str, from_s: int, count: int, flags: int) -> bytes:
        symbol = self._watched(name)
        if count <= 0 or not flags & _COPY_FLAGS:
            raise _invalid()
        return symbol.ticks.forward(from_s * 1000, count, flags)

    def _copy_ticks_range(self, name: str, from_s: int, to_s: int, flags: int) -> bytes:
        symbol = self._watched(name)
        if to_s < from_s or not flags & _COPY_FLAGS:
            raise _invalid()
        return symbol.ticks.between(from_s * 1000, to_s * 1000, flags)

    def _copy_rates_from(self, name: str, timeframe: int, date_s: int, count: int) -> bytes:
        symbol = self._charted(name, timeframe, count)
        bars = symbol.bars.copy_from(timeframe, date_s, count)
        return _some(bars.tobytes())

    def _copy_rates_from_pos(self, name: str, timeframe: int, position: int, count: int) -> bytes:
        symbol = self._charted(name, timeframe, count)
        if position < 0:
            raise _invalid()
        bars = symbol.bars.copy_from_pos(timeframe, position, count)
        return _some(bars.tobytes())

    def _copy_rates_range(self, name: str, timeframe: int, from_s: int, to_s: int) -> bytes:
        symbol = self._charted(name, timeframe, 1)
        if to_s < from_s or (to_s - from_s) // period_seconds(timeframe) > MAX_BARS:
            raise _invalid()
        return symbol.bars.copy_range(timeframe, from_s, to_s).tobytes()

    def _charted(self, name: str, timeframe: int, count: int) -> Symbol:
        symbol = self._market.get(name)
        if symbol is None or not symbol.selected:
            raise _failed()
        if timeframe not in TIMEFRAMES or not 0 < count < MAX_BARS:
            raise _invalid()
        symbol.refresh()
        return symbol

    # --- trading ---

    def _order_calc_margin(self, action: int, name: str, volume: float, price: float) -> float:
        symbol = self._watched(name)
        if action not in _BUY_SELL or not (volume > 0.0 and price > 0.0):
            raise _invalid()
        return round(self._valuation.margin(symbol, volume, price), 2)

    def _order_calc_profit(self, action: int, name: str, volume: float, opened: float, closed: float) -> float:
        symbol = self._watched(name)
        if action not in _BUY_SELL or not (volume > 0.0 and opened > 0.0 and closed > 0.0):
            raise _invalid()
        return self._valuation.profit(symbol, action, volume, opened, closed)

    def _positions_get(self, ticket: int | None, name: str | None, group: str | None) -> list[TradePosition]:
        book = self._book
        chosen: Iterable[Position]
        if ticket is not None:
            chosen = [book.positions[ticket]] if ticket in book.positions else []
        elif name is not None:
            chosen = book.positions_of.get(name, {}).values()
        else:
            chosen = (item for item in book.positions.values() if group is None or matches(group, item.symbol))
        return [self._position(item) for item in chosen]

    def _orders_get(self, ticket: int | None, name: str | None, group: str | None) -> list[Any]:
        book = self._book
        chosen: Iterable[Order]
        if ticket is not None:
            chosen = [book.orders[ticket]] if ticket in book.orders else []
        elif name is not None:
            chosen = book.orders_of.get(name, {}).values()
        else:
            chosen = (item for item in book.orders.values() if group is None or matches(group, item.symbol))
        return [describe_order(self._market.symbols[item.symbol], item) for item in chosen]

    def _history_orders_get(
        self, from_s: int | None, to_s: int | None, group: str | None, ticket: int | None, position: int | None
    ) -> list[Any]:
        """Finished orders by the time they were done, by their ticket, or by their position."""
        book = self._book
        if from_s is not None and to_s is not None:
            found = book.history.between(from_s, to_s)
            return found if group is None else [item for item in found if matches(group, item.symbol)]
        if ticket is not None:
            return [book.history_of[ticket]] if ticket in book.history_of else []
        return book.history_of_position.get(position or 0, [])

    def _history_deals_get(
        self, from_s: int | None, to_s: int | None, group: str | None, ticket: int | None, position: int | None
    ) -> list[Any]:
        """Deals by time, by the ticket of their order, or by their position."""
        book = self._book
        if from_s is not None and to_s is not None:
            found = book.deals.between(from_s, to_s)
            return found if group is None else [item for item in found if matches(group, item.symbol)]
        if ticket is not None:
            return book.deals_of_order.get(ticket, [])
        return book.deals_of_position.get(position or 0, [])

    def _position(self, position: Position) -> TradePosition:
        symbol = self._market.symbols[position.symbol]
        return TradePosition(
            (
                position.ticket,
                position.time_msc // 1000,
                position.time_msc,
                position.time_update_msc // 1000,
                position.time_update_msc,
                position.type,
                position.magic,
                position.ticket,
                position.reason,
                position.volume,
                position.price_open,
                position.sl,
                position.tp,
                symbol.bid if position.type == mt5.POSITION_TYPE_BUY else symbol.ask,
                position.swap,
                self._account.position_profit(position),
                position.symbol,
                position.comment,
                "",
            )
        )


def _some(bars: bytes) -> bytes:
    if not bars:
        raise _failed()
    return bars


def _depth(symbol: Symbol) -> list[BookInfo]:
    """Return a depth of market around the quote, highest price first, growing away from it."""
    specification = symbol.specification
    levels = range(BOOK_DEPTH)

    def entry(kind: int, price: float, level: int) -> BookInfo:
        volume = specification.volume_min * 100.0 * (level + 1)
        return BookInfo((kind, round(price, specification.digits), int(volume), round(volume, 8)))

    asks = [entry(mt5.BOOK_TYPE_SELL, symbol.ask + level * specification.point, level) for level in reversed(levels)]
    bids = [entry(mt5.BOOK_TYPE_BUY, symbol.bid - level * specification.point, level) for level in levels]
    return asks + bids


def _replayed(settings: Settings, exports: Sequence[Export]) -> list[Symbol]:
    symbols: dict[str, Symbol] = {}
    for export in exports:
        if export.symbol in symbols:
            raise ValueError(f"tick_files: expected one file a symbol, got two for {export.symbol}")
        specification = specification_for(export.symbol, export.digits)
        source = ReplaySource(export.ticks, settings.speed)
        symbols[export.symbol] = Symbol(specification, source, max_ticks=len(export.ticks))
    return list(symbols.values())


def _synthetic(settings: Settings, start_ms: int) -> list[Symbol]:
    return [
        Symbol(
            specification,
            SyntheticSource(specification, settings.seed, start_ms, settings.speed),
            history=partial(minute_history, specification, settings.seed),
        )
        for specification in SPECIFICATIONS.values()
    ]
