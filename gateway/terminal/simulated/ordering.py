"""The calls that trade, or ask what a trade would do: whom they reach, and what a fault makes of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from gateway.terminal.simulated.failures import CallFailed, Reply, invalid
from gateway.terminal.simulated.faults import Verdict
from gateway.terminal.simulated.market.symbols import Market
from gateway.terminal.simulated.trading.desk import Desk
from gateway.terminal.simulated.trading.retcodes import COMMENTS
from gateway.terminal.simulated.watch import watched
from gateway.wire import constants as mt5
from gateway.wire.structs import OrderCheckResult, OrderSendResult, TradeRequest

__all__ = ("Ordering", "hostile", "refused")

_API_DISABLED: Final = (
    mt5.RES_E_AUTO_TRADING_DISABLED,
    "Auto-Trading using Python API disabled in Terminal",
)
_EXECUTED: Final = (mt5.TRADE_RETCODE_PLACED, mt5.TRADE_RETCODE_DONE, mt5.TRADE_RETCODE_DONE_PARTIAL)


class Ordering:
    """Orders and questions about them, to the desk of the account that is shown.

    `investor`: logged in with the password that only looks. `api_disabled`: the terminal's option against orders
    through its Python API.
    """

    def __init__(self, market: Market, desk: Callable[[], Desk]) -> None:
        self._market = market
        self._desk = desk
        self.investor = self.api_disabled = False
        self.calls: dict[str, Callable[..., Any]] = {
            "order_check": self._check,
            "order_send": self._send,
            "order_calc_margin": self._calc_margin,
            "order_calc_profit": self._calc_profit,
        }

    def send_by_hand(self, request: TradeRequest) -> OrderSendResult:
        """Trade as somebody at the terminal does, whatever is switched off for programs."""
        return self._desk().send(request, mt5.ORDER_REASON_CLIENT, may_trade=not self.investor)

    def _send(self, *fields: Any) -> OrderSendResult:
        if self.api_disabled:
            raise CallFailed(*_API_DISABLED)
        return self._desk().send(TradeRequest(fields), may_trade=not self.investor)

    def _check(self, *fields: Any) -> OrderCheckResult:
        return self._desk().check(TradeRequest(fields))

    def _calc_margin(self, action: int, name: str, volume: float, price: float) -> float:
        return _sensible(self._desk().valuation.order_margin(watched(self._market, name), action, volume, price))

    def _calc_profit(self, action: int, name: str, volume: float, opened: float, closed: float) -> float:
        symbol = watched(self._market, name)
        return _sensible(self._desk().valuation.order_profit(symbol, action, volume, opened, closed))


@contextmanager
def hostile(desk: Desk, verdict: Verdict) -> Iterator[None]:
    """Let a desk treat the order that comes now as a verdict says."""
    usual = desk.interference, desk.rewrite_comment
    if verdict.retcode and not verdict.trades:
        desk.interference = lambda request: verdict.retcode
    if verdict.comment is not None:
        desk.rewrite_comment = lambda comment: verdict.comment or ""
    try:
        yield
    finally:
        desk.interference, desk.rewrite_comment = usual


def refused(reply: Reply, retcode: int) -> Reply:
    """Return the answer to an order that was executed as if it had not been; any other answer as it is."""
    code, text, result = reply
    if result is None or result.retcode not in _EXECUTED:
        return reply
    return code, text, OrderSendResult((retcode, 0, 0, *[0.0] * 4, COMMENTS[retcode], 0, 0, result.request))


def _sensible(amount: float | None) -> float:
    if amount is None:
        raise invalid()
    return amount
