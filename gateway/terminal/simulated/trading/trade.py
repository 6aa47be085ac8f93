"""The trade server: carries out an accepted request, and answers as the package does."""

from collections.abc import Callable
from typing import Final

from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.trading.account import Account, Figures
from gateway.terminal.simulated.trading.books import Book
from gateway.terminal.simulated.trading.dealing import Dealing, deviates
from gateway.terminal.simulated.trading.entries import Order, lots
from gateway.terminal.simulated.trading.execution import Execution, Fill
from gateway.terminal.simulated.trading.levels import STOP_LIMITS, crosses, entry_price, price_of
from gateway.terminal.simulated.trading.lifetimes import expires_at
from gateway.terminal.simulated.trading.retcodes import ACCEPTED, COMMENTS
from gateway.terminal.simulated.trading.rules import Rules, margin_terms
from gateway.wire import constants as mt5
from gateway.wire.structs import OrderCheckResult, OrderSendResult, TradeRequest

__all__ = ("TradeServer",)

_FIGURES_SHOWN: Final = (ACCEPTED, mt5.TRADE_RETCODE_NO_MONEY)
_WITH_PRICES: Final = (mt5.TRADE_RETCODE_REQUOTE, mt5.TRADE_RETCODE_PRICE_CHANGED, mt5.TRADE_RETCODE_PRICE_OFF)
_ENTRIES: Final = (mt5.TRADE_ACTION_DEAL, mt5.TRADE_ACTION_PENDING)
_ANY_DEVIATION: Final = 2**31 - 1
"""Points that no price moves by. A request can tell more, up to 64 bits without a sign, which no book has to keep."""


class TradeServer:
    """Answers requests, one at a time. `execution_delay_ms` makes deals asynchronous: placed now, filled later."""

    def __init__(
        self,
        settings: Settings,
        book: Book,
        market: Market,
        account: Account,
        rules: Rules,
        execution: Execution,
        dealing: Dealing,
    ) -> None:
        self._delay_ms = settings.execution_delay_ms
        self._hedging = settings.margin_mode == "hedging"
        self._book = book
        self._market = market
        self._account = account
        self._rules = rules
        self._execution = execution
        self._dealing = dealing
        self._by_action: dict[int, Callable[[TradeRequest, int, str], OrderSendResult]] = {
            mt5.TRADE_ACTION_DEAL: self._deal,
            mt5.TRADE_ACTION_PENDING: self._pending,
            mt5.TRADE_ACTION_SLTP: self._stops,
            mt5.TRADE_ACTION_MODIFY: self._modify,
            mt5.TRADE_ACTION_REMOVE: self._remove,
            mt5.TRADE_ACTION_CLOSE_BY: self._close_by,
        }

    def execute(self, request: TradeRequest, origin: int, comment: str) -> OrderSendResult:
        """Carry out a request that the rules accepted; orders get `comment` and the ORDER_REASON_* `origin`."""
        return self._by_action[request.action](request, origin, comment)

    def refuse(self, request: TradeRequest, code: int, symbol: Symbol | None = None) -> OrderSendResult:
        """Answer with everything but retcode and comment zero; what is about prices names the current ones."""
        if code in _WITH_PRICES:
            symbol = symbol or self._market.get(request.symbol)
        bid, ask = (symbol.bid, symbol.ask) if symbol is not None and code in _WITH_PRICES else (0.0, 0.0)
        return OrderSendResult((code, 0, 0, 0.0, 0.0, bid, ask, COMMENTS[code], 0, 0, request))

    def check(self, request: TradeRequest) -> OrderCheckResult:
        """Judge a request and show the figures that would follow; nothing is changed. Success is 0, not 10009."""
        code = self._rules.judge(request)
        if code not in _FIGURES_SHOWN:
            return OrderCheckResult((code, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, COMMENTS[code], request))
        after = self._figures_after(request)
        return OrderCheckResult(
            (
                code,
                after.balance,
                after.equity,
                after.profit,
                after.margin,
                after.margin_free,
                after.margin_level,
                COMMENTS[code],
                request,
            )
        )

    def _figures_after(self, request: TradeRequest) -> Figures:
        if request.action not in _ENTRIES or (request.position and self._hedging):
            return self._account.figures()
        position = self._book.positions.get(request.position)
        symbol = self._market.symbols[position.symbol if position is not None else request.symbol]
        kind, price = margin_terms(symbol, request)
        return self._account.figures_after(symbol, kind, request.volume, price)

    # --- the actions ---

    def _deal(self, request: TradeRequest, origin: int, comment: str) -> OrderSendResult:
        position = self._book.positions.get(request.position) if request.position else None
        symbol = self._market.symbols[position.symbol if position is not None else request.symbol]
        if not self._delay_ms and deviates(
            symbol, request.type == mt5.ORDER_TYPE_BUY, request.price, request.deviation
        ):
            return self.refuse(request, mt5.TRADE_RETCODE_REQUOTE, symbol)
        order = self._order(symbol, request, origin, comment)
        if position is not None and self._hedging:
            order.position_id = position.identifier
            order.sl = order.tp = 0.0  # the rules don't look at an exit's stops, and nothing follows from them
        if self._delay_ms:
            order.executes_msc = order.time_setup_msc + self._delay_ms
            order.deviation_points = min(request.deviation, _ANY_DEVIATION)
            self._book.add_order(order)
            return self._answer(mt5.TRADE_RETCODE_PLACED, symbol, request, order)
        order.price = entry_price(symbol, order.type == mt5.ORDER_TYPE_BUY)
        fill = self._dealing.deal(symbol, order, order.time_setup_msc)
        if fill is None:
            return self.refuse(request, mt5.TRADE_RETCODE_REJECT)
        return self._answer(_code_of(order, fill), symbol, request, order, fill)

    def _pending(self, request: TradeRequest, origin: int, comment: str) -> OrderSendResult:
        symbol = self._market.symbols[request.symbol]
        order = self._order(symbol, request, origin, comment)
        order.expires_s = expires_at(request.type_time, request.expiration, symbol.now_msc // 1000)
        if crosses(symbol, order.type, order.price):
            return self._take_at_once(symbol, request, order)
        self._book.add_order(order)
        return self._answer(mt5.TRADE_RETCODE_DONE, symbol, request, order)

    def _take_at_once(self, symbol: Symbol, request: TradeRequest, order: Order) -> OrderSendResult:
        """Fill a limit order that crosses an exchange's market; the rest of it is placed, unless its policy says no."""
        if order.type_filling == mt5.ORDER_FILLING_BOC:
            return self.refuse(request, mt5.TRADE_RETCODE_REJECT)
        fill = self._dealing.deal(symbol, order, symbol.now_msc)
        if fill is None:
            return self.refuse(request, mt5.TRADE_RETCODE_REJECT)
        cancelled = order.state == mt5.ORDER_STATE_CANCELED
        code = mt5.TRADE_RETCODE_DONE_PARTIAL if cancelled else mt5.TRADE_RETCODE_DONE
        return self._answer(code, symbol, request, order, fill if fill.deal else None)

    def _modify(self, request: TradeRequest, origin: int, comment: str) -> OrderSendResult:
        order = self._book.orders[request.order]
        symbol = self._market.symbols[order.symbol]
        self._book.change_order(
            order,
            price=price_of(symbol, request.price),
            price_stoplimit=price_of(symbol, request.stoplimit) if order.type in STOP_LIMITS else 0.0,
            sl=price_of(symbol, request.sl),
            tp=price_of(symbol, request.tp),
            type_time=request.type_time,
            expires_s=expires_at(request.type_time, request.expiration, symbol.now_msc // 1000),
        )
        return self._answer(mt5.TRADE_RETCODE_DONE, symbol, request, order)

    def _remove(self, request: TradeRequest, origin: int, comment: str) -> OrderSendResult:
        order = self._book.orders[request.order]
        symbol = self._market.symbols[order.symbol]
        self._execution.finish(symbol, order, mt5.ORDER_STATE_CANCELED, symbol.now_msc)
        return self._answer(mt5.TRADE_RETCODE_DONE, symbol, request, order)

    def _stops(self, request: TradeRequest, origin: int, comment: str) -> OrderSendResult:
        position = self._book.positions.get(request.position) or self._rules.only_position(request.symbol)
        assert position is not None  # the rules found it
        symbol = self._market.symbols[position.symbol]
        self._book.move_stops(position, price_of(symbol, request.sl), price_of(symbol, request.tp), symbol.now_msc)
        code, request_id = mt5.TRADE_RETCODE_DONE, self._book.next_request()
        return OrderSendResult((code, 0, 0, 0.0, 0.0, 0.0, 0.0, COMMENTS[code], request_id, 0, request))

    def _close_by(self, request: TradeRequest, origin: int, comment: str) -> OrderSendResult:
        position = self._book.positions[request.position]
        other = self._book.positions[request.position_by]
        symbol = self._market.symbols[position.symbol]
        order = self._order(symbol, request, origin, comment)
        order.type, order.sl, order.tp = mt5.ORDER_TYPE_CLOSE_BY, 0.0, 0.0
        fill = self._execution.close_by(symbol, position, other, order, symbol.now_msc)
        return self._answer(mt5.TRADE_RETCODE_DONE, symbol, request, order, fill)

    # --- what they share ---

    def _order(self, symbol: Symbol, request: TradeRequest, origin: int, comment: str) -> Order:
        volume = lots(request.volume)
        return Order(
            ticket=self._book.next_order(),
            symbol=symbol.name,
            type=request.type,
            volume=volume,
            volume_current=volume,
            price=price_of(symbol, request.price),
            price_stoplimit=price_of(symbol, request.stoplimit) if request.type in STOP_LIMITS else 0.0,
            sl=price_of(symbol, request.sl),
            tp=price_of(symbol, request.tp),
            magic=request.magic,
            reason=origin,
            comment=comment,
            type_time=request.type_time,
            type_filling=request.type_filling,
            expires_s=0,
            time_setup_msc=symbol.now_msc,
        )

    def _answer(
        self, code: int, symbol: Symbol, request: TradeRequest, order: Order, fill: Fill | None = None
    ) -> OrderSendResult:
        deal, volume, price = (fill.deal, fill.volume, fill.price) if fill is not None else (0, order.volume, 0.0)
        return OrderSendResult(
            (
                code,
                deal,
                order.ticket,
                volume,
                price,
                symbol.bid,
                symbol.ask,
                COMMENTS[code],
                self._book.next_request(),
                0,
                request,
            )
        )


def _code_of(order: Order, fill: Fill) -> int:
    if order.volume_current <= 0.0:
        return mt5.TRADE_RETCODE_DONE
    return mt5.TRADE_RETCODE_DONE_PARTIAL if fill.deal else mt5.TRADE_RETCODE_PLACED
