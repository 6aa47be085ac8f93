"""The trade server: judges a request, executes it, and answers as the package does."""

from collections.abc import Callable
from typing import Final

from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.trading.account import Account, Figures
from gateway.terminal.simulated.trading.books import Book, Order, lots
from gateway.terminal.simulated.trading.execution import Execution, Fill
from gateway.terminal.simulated.trading.rules import ACCEPTED, Rules, entry_price, expires_at, price_of
from gateway.wire import constants as mt5
from gateway.wire.structs import OrderCheckResult, OrderSendResult, TradeRequest

__all__ = ("COMMENTS", "TradeServer")

EXECUTED: Final = "Request executed"

COMMENTS: Final[dict[int, str]] = {
    ACCEPTED: "Done",
    mt5.TRADE_RETCODE_DONE: EXECUTED,
    mt5.TRADE_RETCODE_INVALID: "Invalid request",
    mt5.TRADE_RETCODE_INVALID_VOLUME: "Invalid volume",
    mt5.TRADE_RETCODE_INVALID_PRICE: "Invalid price",
    mt5.TRADE_RETCODE_INVALID_STOPS: "Invalid stops",
    mt5.TRADE_RETCODE_TRADE_DISABLED: "Trade disabled",
    mt5.TRADE_RETCODE_NO_MONEY: "No money",
    mt5.TRADE_RETCODE_PRICE_OFF: "No prices",
    mt5.TRADE_RETCODE_INVALID_EXPIRATION: "Invalid expiration",
    mt5.TRADE_RETCODE_NO_CHANGES: "No changes",
    mt5.TRADE_RETCODE_INVALID_FILL: "Unsupported filling mode",
    mt5.TRADE_RETCODE_LIMIT_ORDERS: "Limit of orders reached",
    mt5.TRADE_RETCODE_INVALID_ORDER: "Invalid order",
    mt5.TRADE_RETCODE_POSITION_CLOSED: "Position doesn't exist",
    mt5.TRADE_RETCODE_INVALID_CLOSE_VOLUME: "Invalid close volume",
    mt5.TRADE_RETCODE_LONG_ONLY: "Long only",
    mt5.TRADE_RETCODE_SHORT_ONLY: "Short only",
    mt5.TRADE_RETCODE_CLOSE_ONLY: "Close only",
}
"""What a result's comment says, by return code."""

_MAX_U32: Final = 2**32 - 1
_FIGURES_SHOWN: Final = (ACCEPTED, mt5.TRADE_RETCODE_NO_MONEY)


class TradeServer:
    """Answers `order_send` and `order_check`; one request at a time, each done when it is answered."""

    def __init__(self, book: Book, market: Market, account: Account, rules: Rules, execution: Execution) -> None:
        self._book = book
        self._market = market
        self._account = account
        self._rules = rules
        self._execution = execution
        self._request_id = 0
        self._by_action: dict[int, Callable[[TradeRequest], OrderSendResult]] = {
            mt5.TRADE_ACTION_DEAL: self._deal,
            mt5.TRADE_ACTION_PENDING: self._pending,
            mt5.TRADE_ACTION_SLTP: self._stops,
            mt5.TRADE_ACTION_MODIFY: self._modify,
            mt5.TRADE_ACTION_REMOVE: self._remove,
            mt5.TRADE_ACTION_CLOSE_BY: self._close_by,
        }

    def send(self, request: TradeRequest) -> OrderSendResult:
        """Execute a request, or refuse it with everything but retcode and comment zero."""
        code = self._rules.judge(request)
        if code != ACCEPTED:
            return OrderSendResult((code, 0, 0, 0.0, 0.0, 0.0, 0.0, COMMENTS[code], 0, 0, request))
        self._request_id = self._request_id % _MAX_U32 + 1
        return self._by_action[request.action](request)

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
        if request.action != mt5.TRADE_ACTION_DEAL or request.position:
            return self._account.figures()
        symbol = self._market.symbols[request.symbol]
        price = entry_price(symbol, request.type == mt5.ORDER_TYPE_BUY)
        return self._account.figures_after(symbol, request.type, request.volume, price)

    def _deal(self, request: TradeRequest) -> OrderSendResult:
        position = self._book.positions.get(request.position)
        symbol = self._market.symbols[position.symbol if position else request.symbol]
        if position:
            fill = self._execution.close(symbol, position, self._exit_terms(symbol, request))
        else:
            fill = self._execution.open(symbol, self._terms(symbol, request))
        return self._filled(symbol, fill, request)

    def _close_by(self, request: TradeRequest) -> OrderSendResult:
        position = self._book.positions[request.position]
        other = self._book.positions[request.position_by]
        symbol = self._market.symbols[position.symbol]
        terms = self._exit_terms(symbol, request)
        terms.type = mt5.ORDER_TYPE_CLOSE_BY
        return self._filled(symbol, self._execution.close_by(symbol, position, other, terms), request)

    def _pending(self, request: TradeRequest) -> OrderSendResult:
        symbol = self._market.symbols[request.symbol]
        order = self._terms(symbol, request)
        order.expires_s = expires_at(request.type_time, request.expiration, symbol.time_msc // 1000)
        self._book.add_order(order)
        return self._placed(symbol, order, request)

    def _modify(self, request: TradeRequest) -> OrderSendResult:
        order = self._book.orders[request.order]
        symbol = self._market.symbols[order.symbol]
        self._book.move_order(
            order,
            price=price_of(symbol, request.price),
            sl=price_of(symbol, request.sl),
            tp=price_of(symbol, request.tp),
            type_time=request.type_time,
            expires_s=expires_at(request.type_time, request.expiration, symbol.time_msc // 1000),
        )
        return self._placed(symbol, order, request)

    def _remove(self, request: TradeRequest) -> OrderSendResult:
        order = self._book.orders[request.order]
        symbol = self._market.symbols[order.symbol]
        self._execution.finish(symbol, order, mt5.ORDER_STATE_CANCELED)
        return self._placed(symbol, order, request)

    def _stops(self, request: TradeRequest) -> OrderSendResult:
        position = self._book.positions[request.position]
        symbol = self._market.symbols[position.symbol]
        self._book.move_stops(position, price_of(symbol, request.sl), price_of(symbol, request.tp), symbol.time_msc)
        return OrderSendResult(
            (mt5.TRADE_RETCODE_DONE, 0, 0, 0.0, 0.0, 0.0, 0.0, EXECUTED, self._request_id, 0, request)
        )

    def _terms(self, symbol: Symbol, request: TradeRequest) -> Order:
        return Order(
            ticket=self._book.next_order(),
            symbol=symbol.name,
            type=request.type,
            volume=lots(request.volume),
            price=price_of(symbol, request.price),
            sl=price_of(symbol, request.sl),
            tp=price_of(symbol, request.tp),
            magic=request.magic,
            reason=mt5.ORDER_REASON_EXPERT,
            comment=request.comment,
            type_time=request.type_time,
            type_filling=request.type_filling,
            expires_s=0,
            time_setup_msc=symbol.time_msc,
        )

    def _exit_terms(self, symbol: Symbol, request: TradeRequest) -> Order:
        terms = self._terms(symbol, request)
        terms.sl = terms.tp = 0.0  # the rules don't look at an exit's stops, and nothing follows from them
        return terms

    def _filled(self, symbol: Symbol, fill: Fill, request: TradeRequest) -> OrderSendResult:
        return OrderSendResult(
            (
                mt5.TRADE_RETCODE_DONE,
                fill.deal,
                fill.order,
                fill.volume,
                fill.price,
                symbol.bid,
                symbol.ask,
                EXECUTED,
                self._request_id,
                0,
                request,
            )
        )

    def _placed(self, symbol: Symbol, order: Order, request: TradeRequest) -> OrderSendResult:
        return OrderSendResult(
            (
                mt5.TRADE_RETCODE_DONE,
                0,
                order.ticket,
                order.volume,
                0.0,
                symbol.bid,
                symbol.ask,
                EXECUTED,
                self._request_id,
                0,
                request,
            )
        )
