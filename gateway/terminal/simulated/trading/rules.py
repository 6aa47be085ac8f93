"""What a trade request must satisfy, and the return code that says what it doesn't.

Only judges: nothing is changed here. Prices are compared in whole points, so that a float's last bit decides nothing;
what a request names between two points is rounded to the symbol's digits, as the server would.
"""

import math
from collections.abc import Callable
from typing import Final

from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.trading.account import LIMIT_ORDERS, Account
from gateway.terminal.simulated.trading.books import Book
from gateway.wire import constants as mt5
from gateway.wire.filling import SYMBOL_FILLING_BOC, SYMBOL_FILLING_FOK, SYMBOL_FILLING_IOC
from gateway.wire.structs import TradeRequest

__all__ = ("ACCEPTED", "BUY_ORDERS", "Rules", "entry_price", "expires_at", "price_of")

ACCEPTED: Final = 0
"""The code of a request that nothing stands against, as in `order_check`."""

BUY_ORDERS: Final = (mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_BUY_LIMIT, mt5.ORDER_TYPE_BUY_STOP)
_PENDING: Final = (
    mt5.ORDER_TYPE_BUY_LIMIT,
    mt5.ORDER_TYPE_SELL_LIMIT,
    mt5.ORDER_TYPE_BUY_STOP,
    mt5.ORDER_TYPE_SELL_STOP,
)
_LIMITS: Final = (mt5.ORDER_TYPE_BUY_LIMIT, mt5.ORDER_TYPE_SELL_LIMIT)
_BELOW_MARKET: Final = (mt5.ORDER_TYPE_BUY_LIMIT, mt5.ORDER_TYPE_SELL_STOP)
_MASK_OF_FILLING: Final = {
    mt5.ORDER_FILLING_FOK: SYMBOL_FILLING_FOK,
    mt5.ORDER_FILLING_IOC: SYMBOL_FILLING_IOC,
    mt5.ORDER_FILLING_BOC: SYMBOL_FILLING_BOC,
}
_DAY: Final = 86_400
_STEP_TOLERANCE: Final = 1e-6
_MAX_PRICE: Final = 1e12
"""Above any price of anything, and its points can still be counted exactly."""
_LAST_TIME_S: Final = 32_535_215_999
"""The last second that MetaTrader 5 can name, at the end of the year 3000."""


def entry_price(symbol: Symbol, buy: bool) -> float:
    """Return the price that a buy or a sell trades at now."""
    return symbol.ask if buy else symbol.bid


def price_of(symbol: Symbol, price: float) -> float:
    """Round a price to the symbol's digits."""
    return round(price, symbol.specification.digits)


def expires_at(type_time: int, expiration_s: int, now_s: int) -> int:
    """Return when an order of this lifetime ends, in seconds of the server's clock; 0 is never."""
    if type_time == mt5.ORDER_TIME_DAY:
        return (now_s // _DAY + 1) * _DAY
    if type_time == mt5.ORDER_TIME_SPECIFIED:
        return expiration_s
    if type_time == mt5.ORDER_TIME_SPECIFIED_DAY:
        return (expiration_s // _DAY + 1) * _DAY
    return 0


class Rules:
    """Judges requests against the books, the market and the account."""

    def __init__(self, book: Book, market: Market, account: Account) -> None:
        self._book = book
        self._market = market
        self._account = account
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

    def _deal(self, request: TradeRequest) -> int:
        if request.position:
            return self._close(request)
        symbol = self._market.get(request.symbol)
        if symbol is None:
            return mt5.TRADE_RETCODE_INVALID
        if request.type not in (mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_SELL):
            return mt5.TRADE_RETCODE_INVALID_ORDER
        buy = request.type == mt5.ORDER_TYPE_BUY
        return (
            _permission(symbol, buy)
            or _volume(symbol, request.volume)
            or _price(request.price)
            or _market_filling(symbol, request.type_filling)
            or _quoted(symbol)
            or _levels(symbol, buy, entry_price(symbol, not buy), request.sl, request.tp)
            or self._money(symbol, request.type, request.volume, entry_price(symbol, buy))
        )

    def _close(self, request: TradeRequest) -> int:
        position = self._book.positions.get(request.position)
        if position is None:
            return mt5.TRADE_RETCODE_POSITION_CLOSED
        if request.symbol not in ("", position.symbol):
            return mt5.TRADE_RETCODE_INVALID
        if request.type not in (mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_SELL):
            return mt5.TRADE_RETCODE_INVALID_ORDER
        if request.type == position.type:
            return mt5.TRADE_RETCODE_INVALID
        symbol = self._market.symbols[position.symbol]
        code = _volume(symbol, request.volume)
        if code == ACCEPTED and request.volume > position.volume + _STEP_TOLERANCE * symbol.specification.volume_step:
            code = mt5.TRADE_RETCODE_INVALID_CLOSE_VOLUME
        return code or _price(request.price) or _market_filling(symbol, request.type_filling)

    def _pending(self, request: TradeRequest) -> int:
        symbol = self._market.get(request.symbol)
        if symbol is None:
            return mt5.TRADE_RETCODE_INVALID
        if request.type not in _PENDING:
            return mt5.TRADE_RETCODE_INVALID_ORDER
        buy = request.type in BUY_ORDERS
        code = (
            _permission(symbol, buy)
            or _volume(symbol, request.volume)
            or _price(request.price)
            or _pending_filling(symbol, request.type, request.type_filling)
            or _quoted(symbol)
            or _distance(symbol, request.type, request.price)
            or _levels(symbol, buy, request.price, request.sl, request.tp)
            or _lifetime(request, symbol.time_msc // 1000)
        )
        if code == ACCEPTED and len(self._book.orders) >= LIMIT_ORDERS:
            return mt5.TRADE_RETCODE_LIMIT_ORDERS
        return code

    def _modify(self, request: TradeRequest) -> int:
        order = self._book.orders.get(request.order)
        if order is None:
            return mt5.TRADE_RETCODE_INVALID_ORDER
        symbol = self._market.symbols[order.symbol]
        now_s = symbol.time_msc // 1000
        code = (
            _price(request.price)
            or _levels(symbol, order.type in BUY_ORDERS, request.price, request.sl, request.tp)
            or _lifetime(request, now_s)
        )
        if code:
            return code
        price = price_of(symbol, request.price)
        wanted = (price, price_of(symbol, request.sl), price_of(symbol, request.tp))
        lifetime = (request.type_time, expires_at(request.type_time, request.expiration, now_s))
        if (*wanted, *lifetime) == (order.price, order.sl, order.tp, order.type_time, order.expires_s):
            return mt5.TRADE_RETCODE_NO_CHANGES
        return ACCEPTED if price == order.price else _distance(symbol, order.type, price)

    def _remove(self, request: TradeRequest) -> int:
        return ACCEPTED if request.order in self._book.orders else mt5.TRADE_RETCODE_INVALID_ORDER

    def _stops(self, request: TradeRequest) -> int:
        position = self._book.positions.get(request.position)
        if position is None:
            return mt5.TRADE_RETCODE_POSITION_CLOSED
        if request.symbol not in ("", position.symbol):
            return mt5.TRADE_RETCODE_INVALID
        symbol = self._market.symbols[position.symbol]
        buy = position.type == mt5.POSITION_TYPE_BUY
        if not _plain(request.sl) or not _plain(request.tp):
            return mt5.TRADE_RETCODE_INVALID_STOPS
        sl, tp = price_of(symbol, request.sl), price_of(symbol, request.tp)
        if (sl, tp) == (position.sl, position.tp):
            return mt5.TRADE_RETCODE_NO_CHANGES
        # What stays as it is was right when it was set.
        changed_sl = sl if sl != position.sl else 0.0
        changed_tp = tp if tp != position.tp else 0.0
        return _levels(symbol, buy, entry_price(symbol, not buy), changed_sl, changed_tp)

    def _close_by(self, request: TradeRequest) -> int:
        position = self._book.positions.get(request.position)
        other = self._book.positions.get(request.position_by)
        if position is None or other is None:
            return mt5.TRADE_RETCODE_POSITION_CLOSED
        if position.symbol != other.symbol or position.type == other.type:
            return mt5.TRADE_RETCODE_INVALID
        return ACCEPTED

    def _money(self, symbol: Symbol, kind: int, volume: float, price: float) -> int:
        after = self._account.figures_after(symbol, kind, volume, price)
        before = self._account.margin()
        covered = after.margin_free >= 0.0 or after.margin <= before
        return ACCEPTED if covered else mt5.TRADE_RETCODE_NO_MONEY


def _permission(symbol: Symbol, buy: bool) -> int:
    mode = symbol.specification.trade_mode
    if mode == mt5.SYMBOL_TRADE_MODE_FULL:
        return ACCEPTED
    if mode == mt5.SYMBOL_TRADE_MODE_CLOSEONLY:
        return mt5.TRADE_RETCODE_CLOSE_ONLY
    if mode == mt5.SYMBOL_TRADE_MODE_LONGONLY:
        return ACCEPTED if buy else mt5.TRADE_RETCODE_LONG_ONLY
    if mode == mt5.SYMBOL_TRADE_MODE_SHORTONLY:
        return mt5.TRADE_RETCODE_SHORT_ONLY if buy else ACCEPTED
    return mt5.TRADE_RETCODE_TRADE_DISABLED


def _volume(symbol: Symbol, volume: float) -> int:
    specification = symbol.specification
    if not math.isfinite(volume):
        return mt5.TRADE_RETCODE_INVALID_VOLUME
    steps = volume / specification.volume_step
    tolerance = _STEP_TOLERANCE * specification.volume_step
    fits = specification.volume_min - tolerance <= volume <= specification.volume_max + tolerance
    return ACCEPTED if fits and abs(steps - round(steps)) <= _STEP_TOLERANCE else mt5.TRADE_RETCODE_INVALID_VOLUME


def _plain(price: float) -> bool:
    return 0.0 <= price <= _MAX_PRICE  # false for a NaN


def _price(price: float) -> int:
    return ACCEPTED if _plain(price) else mt5.TRADE_RETCODE_INVALID_PRICE


def _quoted(symbol: Symbol) -> int:
    return ACCEPTED if symbol.selected and symbol.quoted else mt5.TRADE_RETCODE_PRICE_OFF


def _market_filling(symbol: Symbol, filling: int) -> int:
    # Market execution knows no RETURN. Source: MQL5 documentation, "Order properties".
    allowed = symbol.specification.filling_mode & _MASK_OF_FILLING.get(filling, 0)
    return ACCEPTED if allowed and filling != mt5.ORDER_FILLING_BOC else mt5.TRADE_RETCODE_INVALID_FILL


def _pending_filling(symbol: Symbol, kind: int, filling: int) -> int:
    if filling == mt5.ORDER_FILLING_RETURN:
        return ACCEPTED
    if filling == mt5.ORDER_FILLING_BOC and kind not in _LIMITS:
        return mt5.TRADE_RETCODE_INVALID_FILL
    allowed = symbol.specification.filling_mode & _MASK_OF_FILLING.get(filling, 0)
    return ACCEPTED if allowed else mt5.TRADE_RETCODE_INVALID_FILL


def _points(symbol: Symbol, price: float) -> int:
    return round(price * symbol.specification.points_per_unit)


def _distance(symbol: Symbol, kind: int, price: float) -> int:
    """A pending order stands on its side of the market, the stops level away and at least one point."""
    level = max(symbol.specification.stops_level, 1)
    wanted = _points(symbol, price)
    market = _points(symbol, entry_price(symbol, kind in BUY_ORDERS))
    away = market - wanted if kind in _BELOW_MARKET else wanted - market
    return ACCEPTED if wanted > 0 and away >= level else mt5.TRADE_RETCODE_INVALID_PRICE


def _levels(symbol: Symbol, buy: bool, reference: float, sl: float, tp: float) -> int:
    """Stops stand on their sides of the reference price, the stops level away and at least one point; 0 is none."""
    if not _plain(sl) or not _plain(tp):
        return mt5.TRADE_RETCODE_INVALID_STOPS
    level = max(symbol.specification.stops_level, 1)
    side = 1 if buy else -1
    start = _points(symbol, reference)
    if sl > 0.0 and side * (start - _points(symbol, sl)) < level:
        return mt5.TRADE_RETCODE_INVALID_STOPS
    if tp > 0.0 and side * (_points(symbol, tp) - start) < level:
        return mt5.TRADE_RETCODE_INVALID_STOPS
    return ACCEPTED


def _lifetime(request: TradeRequest, now_s: int) -> int:
    if request.type_time in (mt5.ORDER_TIME_GTC, mt5.ORDER_TIME_DAY):
        return ACCEPTED
    if request.type_time not in (mt5.ORDER_TIME_SPECIFIED, mt5.ORDER_TIME_SPECIFIED_DAY):
        return mt5.TRADE_RETCODE_INVALID_EXPIRATION
    end_s = expires_at(request.type_time, request.expiration, now_s)
    return ACCEPTED if now_s < end_s <= _LAST_TIME_S else mt5.TRADE_RETCODE_INVALID_EXPIRATION
