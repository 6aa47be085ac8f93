"""What a price's move is worth in the account's currency: asked of the terminal, symbol by symbol, and again and again.

`symbol_info` tells it: trade_tick_value per trade_tick_size, in the account's currency (MQL5 documentation, Symbol
Properties). It moves with the exchange rate, so it counts for VALUE_MAX_AGE_NS only. Rules: what isn't known isn't
guessed; one request is under way for an account at a time.
"""

from typing import Any

from gateway.core.accounts import Account
from gateway.core.dispatch import Dispatcher
from gateway.core.inflight import CallPlan, InFlight, new_request
from gateway.core.limits import Codec
from gateway.wire.calls import CALLS, Lane
from gateway.wire.errors import Status
from gateway.wire.structs import SymbolInfo

__all__ = ("SymbolValue", "Valuation")

VALUE_MAX_AGE_NS = 60_000_000_000
REFRESH_NS = 10_000_000_000
"""What is in use is asked for again when it is so old."""
RETRY_NS = 1_000_000_000
IN_USE_NS = 600_000_000_000
"""A symbol that nobody has asked about for so long isn't kept up to date."""
MAX_SYMBOLS = 1_024
"""Of one account; what was used longest ago goes first."""

_VALUE_MAX_AGE_NS = VALUE_MAX_AGE_NS
_OK = int(Status.OK)
_FIELDS = {name: SymbolInfo.__match_args__.index(name) for name in SymbolInfo.__match_args__}
_NAMES = ("bid", "ask", "last", "trade_tick_value", "trade_tick_value_loss", "trade_tick_size", "margin_initial")


class SymbolValue:
    """One symbol, as it was last told."""

    __slots__ = ("ask", "asked_ns", "bid", "known_ns", "margin_initial", "per_price", "symbol", "tried_ns", "used_ns")

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.known_ns = 0  # when it was asked for, of the last answer; 0: there was none
        self.asked_ns = 0
        self.tried_ns = -RETRY_NS
        self.used_ns = 0
        self.per_price = 0.0  # what a move of the price by 1.0 is worth, for one lot
        self.bid = 0.0
        self.ask = 0.0
        self.margin_initial = 0.0  # of one lot; 0: it follows from the leverage

    def notional(self, lots: float, price: float) -> float:
        """Return what a volume is worth at a price, or at the market's if that is higher."""
        return lots * max(price, self.ask, self.bid) * self.per_price

    def margin(self, lots: float, price: float, leverage: float) -> float:
        """Return about how much margin a deal needs: the symbol's initial margin, else its value by the leverage."""
        if self.margin_initial > 0.0:
            return lots * self.margin_initial
        return self.notional(lots, price) / max(leverage, 1.0)


class Valuation:
    """What is known of one account's symbols."""

    __slots__ = ("_account", "_codec", "_dispatcher", "_plan", "_under_way", "_values")

    def __init__(self, account: Account, codec: Codec, dispatcher: Dispatcher) -> None:
        self._account = account
        self._codec = codec
        self._dispatcher = dispatcher
        self._plan = CallPlan(CALLS["symbol_info"], -1)
        self._values: dict[str, SymbolValue] = {}
        self._under_way: SymbolValue | None = None

    def value(self, symbol: str, now_ns: int) -> SymbolValue | None:
        """Return what is known of a symbol, if it is fresh enough; it is kept up to date from now on."""
        value = self._values.get(symbol)
        if value is None:
            value = self._new(symbol)
        value.used_ns = now_ns
        return value if value.known_ns and now_ns - value.known_ns <= _VALUE_MAX_AGE_NS else None

    def _new(self, symbol: str) -> SymbolValue:
        if len(self._values) >= MAX_SYMBOLS:
            del self._values[min(self._values.values(), key=lambda known: known.used_ns).symbol]
        value = self._values[symbol] = SymbolValue(symbol)
        return value

    def look(self, now_ns: int) -> None:
        """Ask for what is missing or ages, if nothing is under way and somebody can answer. O(symbols)."""
        queue = self._account.lanes[int(Lane.QUERY)]
        if self._under_way is not None or not queue.workers:
            return
        oldest: SymbolValue | None = None
        for value in self._values.values():
            if now_ns - value.used_ns > IN_USE_NS or now_ns - value.tried_ns < RETRY_NS:
                continue
            if value.known_ns and now_ns - value.known_ns < REFRESH_NS:
                continue
            if oldest is None or value.known_ns < oldest.known_ns:
                oldest = value
        if oldest is None:
            return
        request = new_request(b"", 0, now_ns)
        request.plan = self._plan
        request.account = self._account
        request.tail = self._codec.pack([oldest.symbol])
        request.deadline_ns = now_ns + self._plan.ttl_ns
        request.asker = self
        oldest.tried_ns = oldest.asked_ns = now_ns
        self._under_way = oldest
        self._dispatcher.submit_own(request, queue)

    def answered(self, request: InFlight, status: int, result: bytes) -> None:
        """Take what the terminal says of a symbol; anything odd is no answer."""
        value, self._under_way = self._under_way, None
        if value is None or status != _OK:
            return
        try:
            fields: Any = self._codec.unpack(result)
            found = {name: float(fields[_FIELDS[name]]) for name in _NAMES}
        except (TypeError, ValueError, IndexError, KeyError):
            return
        tick_value = max(found["trade_tick_value"], found["trade_tick_value_loss"])
        if not found["trade_tick_size"] > 0.0 or not tick_value > 0.0:
            return
        value.per_price = tick_value / found["trade_tick_size"]
        value.bid = found["bid"] or found["last"]
        value.ask = found["ask"] or found["last"]
        value.margin_initial = found["margin_initial"]
        value.known_ns = value.asked_ns
