"""What a trade request must satisfy, and the return code that says what it doesn't, action by action.

Only judges: nothing is changed here. What doesn't depend on the books stands in `levels`, `volumes`, `fillings` and
`lifetimes`. Source: MQL5 documentation, "Trade request structure" (which fields an action needs), "Return codes of the
trade server", "Symbol properties". Decided here, as servers are seen to do:

- Outside its sessions a symbol takes no request at all, not even to modify or remove an order.
- With trade disabled for the symbol nothing is possible, closing included; the narrower modes stop entries only, and
  with netting an order that merely reduces the position is no entry.
- A symbol that allows no market, limit, stop, stop-limit, stop loss, take profit or close-by orders answers 10035.
- Within the freeze level a position can be neither changed nor closed, an order neither changed nor removed.
- FIFO: a position can be closed while no older one of its symbol is open. Stops close by price alone.
- An asynchronous order under way can't be changed or removed (10023); the stops of a position that it closes are
  locked (10028); a position that is wholly about to be closed can't be closed again (10039).
"""

from collections.abc import Callable
from typing import Final

from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.trading.account import Account
from gateway.terminal.simulated.trading.books import Book
from gateway.terminal.simulated.trading.entries import Order, Position
from gateway.terminal.simulated.trading.fillings import check_market_filling, check_pending_filling
from gateway.terminal.simulated.trading.levels import (
    BUY_ORDERS,
    PENDING,
    STOP_LIMITS,
    check_pending,
    check_price,
    check_stops,
    crosses,
    entry_price,
    is_frozen_order,
    is_frozen_position,
    plain,
    price_of,
)
from gateway.terminal.simulated.trading.lifetimes import check_lifetime, expires_at
from gateway.terminal.simulated.trading.retcodes import ACCEPTED
from gateway.terminal.simulated.trading.volumes import check_closing, check_limit, check_volume, closing_orders
from gateway.wire import constants as mt5
from gateway.wire.structs import TradeRequest

__all__ = ("MAX_AWAITING", "Rules", "margin_terms")

MAX_AWAITING: Final = 1_000
"""How many market orders of an account may be under way: asynchronous ones, and remainders that wait for a fill."""

_BUY_SELL: Final = (mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_SELL)
_DEALER: Final = (mt5.SYMBOL_TRADE_EXECUTION_REQUEST, mt5.SYMBOL_TRADE_EXECUTION_INSTANT)
_MODE_OF_TYPE: Final = {
    mt5.ORDER_TYPE_BUY: 1,
    mt5.ORDER_TYPE_SELL: 1,
    mt5.ORDER_TYPE_BUY_LIMIT: 2,
    mt5.ORDER_TYPE_SELL_LIMIT: 2,
    mt5.ORDER_TYPE_BUY_STOP: 4,
    mt5.ORDER_TYPE_SELL_STOP: 4,
    mt5.ORDER_TYPE_BUY_STOP_LIMIT: 8,
    mt5.ORDER_TYPE_SELL_STOP_LIMIT: 8,
}
_MODE_SL: Final = 16
_MODE_TP: Final = 32
_MODE_CLOSE_BY: Final = 64


class Rules:
    """Judges requests against the books, the market and the account."""

    def __init__(self, settings: Settings, book: Book, market: Market, account: Account) -> None:
        self._settings = settings
        self._book = book
        self._market = market
        self._account = account
        self.netting = settings.margin_mode != "hedging"
        self._exchange = settings.margin_mode == "exchange"
        self._fifo = settings.fifo_close and not self.netting
        self._by_action: dict[int, Callable[[TradeRequest], int]] = {
            mt5.TRADE_ACTION_DEAL: self._deal,
            mt5.TRADE_ACTION_PENDING: self._pending,
            mt5.TRADE_ACTION_SLTP: self._stops,
            mt5.TRADE_ACTION_MODIFY: self._modify,
            mt5.TRADE_ACTION_REMOVE: self._remove,
            mt5.TRADE_ACTION_CLOSE_BY: self._close_by,
        }

    def judge(self, request: TradeRequest) -> int:
        """Return ACCEPTED or the TRADE_RETCODE_* that refuses the request."""
        judge = self._by_action.get(request.action)
        return judge(request) if judge is not None else mt5.TRADE_RETCODE_INVALID

    def affords(self, symbol: Symbol, kind: int, volume: float, price: float) -> bool:
        """Say whether the account can bear one more order: margin stays free, or isn't made more."""
        after = self._account.figures_after(symbol, kind, volume, price)
        return after.margin_free >= 0.0 or after.margin <= self._account.margin()

    def only_position(self, name: str) -> Position | None:
        """Return a symbol's position on an account that holds one a symbol; None on a hedging account."""
        held = self._book.positions_of.get(name) if self.netting else None
        return next(iter(held.values())) if held else None

    # --- deals ---

    def _deal(self, request: TradeRequest) -> int:
        position: Position | None = None
        if request.position:
            position = self._book.positions.get(request.position)
            if position is None:
                return mt5.TRADE_RETCODE_POSITION_CLOSED
            if request.symbol not in ("", position.symbol):
                return mt5.TRADE_RETCODE_INVALID
        symbol = self._market.get(request.symbol if position is None else position.symbol)
        if symbol is None:
            return mt5.TRADE_RETCODE_INVALID
        if request.type not in _BUY_SELL:
            return mt5.TRADE_RETCODE_INVALID_ORDER
        code = _tradable(symbol, request.type) or self._busy()
        if code:
            return code
        if position is None:
            return self._enter(symbol, request)
        if request.type == position.type:
            return self._enter(symbol, request) if self.netting else mt5.TRADE_RETCODE_INVALID
        return self._close(symbol, position, request)

    def _enter(self, symbol: Symbol, request: TradeRequest) -> int:
        specification, kind = symbol.specification, request.type
        buy = kind == mt5.ORDER_TYPE_BUY
        held = self.only_position(symbol.name)
        opposite = held is not None and held.type != kind
        if held is not None and opposite and is_frozen_position(symbol, held):
            return mt5.TRADE_RETCODE_FROZEN
        reduces = held is not None and opposite and request.volume <= held.volume
        code = (
            (not reduces and _permission(symbol, buy))
            or check_volume(specification, request.volume)
            or _deal_price(symbol, request.price)
            or check_market_filling(specification, request.type_filling)
            or _quoted(symbol)
        )
        if code or reduces:
            return int(code)
        price = entry_price(symbol, buy)
        return (
            _levels(symbol, buy, entry_price(symbol, not buy), request)
            or check_limit(specification, self._book, buy, request.volume, pending=False, netting=self.netting)
            or (0 if held is not None else self._position_limit(symbol.name))
            or (0 if self.affords(symbol, kind, request.volume, price) else mt5.TRADE_RETCODE_NO_MONEY)
        )

    def _close(self, symbol: Symbol, position: Position, request: TradeRequest) -> int:
        return (
            check_closing(symbol.specification, position, request.volume, self._closing_volume(position))
            or _deal_price(symbol, request.price)
            or check_market_filling(symbol.specification, request.type_filling)
            or self._fifo_order(position)
            or (mt5.TRADE_RETCODE_FROZEN if is_frozen_position(symbol, position) else 0)
            or _quoted(symbol)
        )

    def _close_by(self, request: TradeRequest) -> int:
        position = self._book.positions.get(request.position)
        other = self._book.positions.get(request.position_by)
        if position is None or other is None:
            return mt5.TRADE_RETCODE_POSITION_CLOSED
        if self.netting or position.symbol != other.symbol or position.type == other.type:
            return mt5.TRADE_RETCODE_INVALID
        symbol = self._market.symbols[position.symbol]
        code = _open_for_trade(symbol)
        if code:
            return code
        if not symbol.specification.order_mode & _MODE_CLOSE_BY:
            return mt5.TRADE_RETCODE_INVALID_ORDER
        if self._book.orders and (closing_orders(self._book, position) or closing_orders(self._book, other)):
            return mt5.TRADE_RETCODE_CLOSE_ORDER_EXIST
        if is_frozen_position(symbol, position) or is_frozen_position(symbol, other):
            return mt5.TRADE_RETCODE_FROZEN
        return self._fifo_order(min(position, other, key=_age))

    # --- pending orders ---

    def _pending(self, request: TradeRequest) -> int:
        symbol = self._market.get(request.symbol)
        if symbol is None:
            return mt5.TRADE_RETCODE_INVALID
        kind, specification = request.type, symbol.specification
        if kind not in PENDING:
            return mt5.TRADE_RETCODE_INVALID_ORDER
        buy = kind in BUY_ORDERS
        held = self.only_position(symbol.name)
        reduces = held is not None and (held.type == mt5.POSITION_TYPE_BUY) != buy and request.volume <= held.volume
        code = (
            _tradable(symbol, kind)
            or (0 if reduces else _permission(symbol, buy))
            or check_volume(specification, request.volume)
            or check_price(symbol, request.price, needed=True)
            or check_pending_filling(specification, kind, request.type_filling)
            or _quoted(symbol)
            or _pending_levels(symbol, kind, request)
            or check_lifetime(specification, request.type_time, request.expiration, symbol.now_msc // 1000)
        )
        if code:
            return code
        if 0 < self._settings.limit_orders <= self._book.pending:
            return mt5.TRADE_RETCODE_LIMIT_ORDERS
        return (
            check_limit(specification, self._book, buy, request.volume, pending=True, netting=self.netting)
            or (0 if held is not None else self._position_limit(symbol.name))
            or self._pending_money(symbol, request)
        )

    def _pending_money(self, symbol: Symbol, request: TradeRequest) -> int:
        """Ask for money where the order blocks margin as it waits (see `margins`), or doesn't wait at all."""
        kind, price = margin_terms(symbol, request)
        if kind in PENDING and not (self._exchange or symbol.specification.margin_rate_pending):
            return ACCEPTED
        affords = self.affords(symbol, kind, request.volume, price)
        return ACCEPTED if affords else mt5.TRADE_RETCODE_NO_MONEY

    def _modify(self, request: TradeRequest) -> int:
        order = self._book.orders.get(request.order)
        code = self._touchable(order)
        if code or order is None:
            return code
        if order.type not in PENDING:  # the rest of a market order, which waits for no price
            return mt5.TRADE_RETCODE_INVALID_ORDER
        symbol = self._market.symbols[order.symbol]
        specification, now_s = symbol.specification, symbol.now_msc // 1000
        code = (
            check_price(symbol, request.price, needed=True)
            or _limit_price(symbol, order.type, request)
            or _levels(symbol, order.type in BUY_ORDERS, _stops_reference(order.type, request), request)
            or check_lifetime(specification, request.type_time, request.expiration, now_s)
        )
        if code:
            return code
        stoplimit = price_of(symbol, request.stoplimit) if order.type in STOP_LIMITS else 0.0
        prices = (price_of(symbol, request.price), stoplimit)
        terms = (price_of(symbol, request.sl), price_of(symbol, request.tp), request.type_time)
        ends = expires_at(request.type_time, request.expiration, now_s)
        moved = prices != (order.price, order.price_stoplimit)
        if not moved and (*terms, ends) == (order.sl, order.tp, order.type_time, order.expires_s):
            return mt5.TRADE_RETCODE_NO_CHANGES
        return check_pending(symbol, order.type, *prices) if moved else ACCEPTED

    def _remove(self, request: TradeRequest) -> int:
        return self._touchable(self._book.orders.get(request.order))

    def _touchable(self, order: Order | None) -> int:
        """Return what stands against changing or removing an active order."""
        if order is None:
            return mt5.TRADE_RETCODE_INVALID_ORDER
        if order.executes_msc:
            return mt5.TRADE_RETCODE_ORDER_CHANGED
        symbol = self._market.symbols[order.symbol]
        frozen = order.type in PENDING and is_frozen_order(symbol, order)
        return _open_for_trade(symbol) or (mt5.TRADE_RETCODE_FROZEN if frozen else 0)

    # --- stops of a position ---

    def _stops(self, request: TradeRequest) -> int:
        position = self._book.positions.get(request.position) if request.position else None
        if position is None and not request.position:
            if not self.netting or self._market.get(request.symbol) is None:
                return mt5.TRADE_RETCODE_INVALID
            position = self.only_position(request.symbol)
        if position is None:
            return mt5.TRADE_RETCODE_POSITION_CLOSED
        if request.symbol not in ("", position.symbol):
            return mt5.TRADE_RETCODE_INVALID
        symbol = self._market.symbols[position.symbol]
        code = _open_for_trade(symbol)
        if code:
            return code
        if not plain(request.sl) or not plain(request.tp):
            return mt5.TRADE_RETCODE_INVALID_STOPS
        sl, tp = price_of(symbol, request.sl), price_of(symbol, request.tp)
        if (sl, tp) == (position.sl, position.tp):
            return mt5.TRADE_RETCODE_NO_CHANGES
        if is_frozen_position(symbol, position):
            return mt5.TRADE_RETCODE_FROZEN
        if self._book.orders and any(order.executes_msc for order in closing_orders(self._book, position)):
            return mt5.TRADE_RETCODE_LOCKED
        # What stays as it is was right when it was set.
        changed_sl = request.sl if sl != position.sl else 0.0
        changed_tp = request.tp if tp != position.tp else 0.0
        buy = position.type == mt5.POSITION_TYPE_BUY
        return _stops_mode(symbol, changed_sl, changed_tp) or check_stops(
            symbol, buy, entry_price(symbol, not buy), changed_sl, changed_tp
        )

    # --- limits of the account ---

    def _closing_volume(self, position: Position) -> float:
        """Return how much of a position orders under way are about to close; with netting no order names one."""
        if self.netting or not self._book.orders:
            return 0.0
        return sum(order.volume_current for order in closing_orders(self._book, position))

    def _busy(self) -> int:
        awaiting = len(self._book.orders) - self._book.pending
        return mt5.TRADE_RETCODE_TOO_MANY_REQUESTS if awaiting >= MAX_AWAITING else 0

    def _position_limit(self, name: str) -> int:
        """Return LIMIT_POSITIONS if one more position would be too many; see MQL5 documentation on that return code."""
        limit = self._settings.limit_positions
        if not limit:
            return ACCEPTED
        if self.netting:
            return 0 if name in self._book.exposures or len(self._book.positions) < limit else _LIMIT_POSITIONS
        return 0 if len(self._book.positions) + self._book.pending < limit else _LIMIT_POSITIONS

    def _fifo_order(self, position: Position) -> int:
        if not self._fifo:
            return ACCEPTED
        held = self._book.positions_of[position.symbol].values()
        oldest = min(held, key=_age)
        return ACCEPTED if oldest is position else mt5.TRADE_RETCODE_FIFO_CLOSE


_LIMIT_POSITIONS: Final = mt5.TRADE_RETCODE_LIMIT_POSITIONS


def _age(position: Position) -> tuple[int, int]:
    return position.time_msc, position.ticket


def _open_for_trade(symbol: Symbol) -> int:
    if symbol.specification.trade_mode == mt5.SYMBOL_TRADE_MODE_DISABLED:
        return mt5.TRADE_RETCODE_TRADE_DISABLED
    return ACCEPTED if symbol.trade_open else mt5.TRADE_RETCODE_MARKET_CLOSED


def _tradable(symbol: Symbol, kind: int) -> int:
    code = _open_for_trade(symbol)
    if code:
        return code
    return 0 if symbol.specification.order_mode & _MODE_OF_TYPE[kind] else mt5.TRADE_RETCODE_INVALID_ORDER


def _permission(symbol: Symbol, buy: bool) -> int:
    mode = symbol.specification.trade_mode
    if mode == mt5.SYMBOL_TRADE_MODE_CLOSEONLY:
        return mt5.TRADE_RETCODE_CLOSE_ONLY
    if mode == mt5.SYMBOL_TRADE_MODE_LONGONLY:
        return ACCEPTED if buy else mt5.TRADE_RETCODE_LONG_ONLY
    if mode == mt5.SYMBOL_TRADE_MODE_SHORTONLY:
        return mt5.TRADE_RETCODE_SHORT_ONLY if buy else ACCEPTED
    return ACCEPTED


def _quoted(symbol: Symbol) -> int:
    return ACCEPTED if symbol.selected and symbol.quoted else mt5.TRADE_RETCODE_PRICE_OFF


def _deal_price(symbol: Symbol, price: float) -> int:
    """Under instant and request execution a deal names its price; elsewhere the price is of no account."""
    if symbol.specification.trade_exemode in _DEALER:
        return check_price(symbol, price, needed=True)
    return ACCEPTED if plain(price) else mt5.TRADE_RETCODE_INVALID_PRICE


def _stops_mode(symbol: Symbol, sl: float, tp: float) -> int:
    mode = symbol.specification.order_mode
    if (sl > 0.0 and not mode & _MODE_SL) or (tp > 0.0 and not mode & _MODE_TP):
        return mt5.TRADE_RETCODE_INVALID_ORDER
    return ACCEPTED


def _levels(symbol: Symbol, buy: bool, reference: float, request: TradeRequest) -> int:
    sl, tp = request.sl, request.tp
    return _stops_mode(symbol, sl, tp) or check_stops(symbol, buy, reference, sl, tp)


def _limit_price(symbol: Symbol, kind: int, request: TradeRequest) -> int:
    return check_price(symbol, request.stoplimit, needed=True) if kind in STOP_LIMITS else ACCEPTED


def _pending_levels(symbol: Symbol, kind: int, request: TradeRequest) -> int:
    return (
        _limit_price(symbol, kind, request)
        or check_pending(symbol, kind, request.price, request.stoplimit)
        or _levels(symbol, kind in BUY_ORDERS, _stops_reference(kind, request), request)
    )


def _stops_reference(kind: int, request: TradeRequest) -> float:
    """Return the price that a pending order's stops are measured from: the one it would open at."""
    return request.stoplimit if kind in STOP_LIMITS else request.price


def margin_terms(symbol: Symbol, request: TradeRequest) -> tuple[int, float]:
    """Return the type and the price that an entry's margin is of: what is filled at once is a market order."""
    kind = request.type
    if kind not in PENDING or crosses(symbol, kind, request.price):
        buy = kind in BUY_ORDERS
        return mt5.ORDER_TYPE_BUY if buy else mt5.ORDER_TYPE_SELL, entry_price(symbol, buy)
    return kind, _stops_reference(kind, request)
