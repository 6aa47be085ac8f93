"""What people do with orders, in one line each: buy, sell, close, modify, cancel; on top of MT5's calls.

Volumes and prices are made to fit the symbol, its filling mode is resolved, and the trade server's return code becomes
an outcome: a result means that it was done or placed, TerminalRefused that it was not, OutcomeUnknown that nobody can
tell yet. Nothing here is ever sent twice. The raw `order_send` does none of this.
"""

import time
from abc import abstractmethod
from collections.abc import Hashable
from typing import Any, Final

from clients.calls import Calls, Date
from clients.requests import cancel_request, close_request, entry_request, judged, modify_request, protect_request
from clients.rounding import normalised_volume
from gateway.clock import monotonic_ns
from gateway.wire.constants import POSITION_TYPE_SELL
from gateway.wire.errors import (
    LocalProtocolError,
    OutcomeUnknown,
    Refused,
    RequestError,
    TerminalRefused,
    Unavailable,
)
from gateway.wire.structs import OrderSendResult, TradePosition

__all__ = ("Trading",)

MAX_SPECIFICATIONS: Final = 4_096
"""Symbols whose specification is remembered; then all are forgotten."""

PRICE_WAIT_NS: Final = 2_000_000_000
"""A symbol that was just selected has no price at first: how long to wait for one."""

PRICE_PAUSE_S: Final = 0.02

AMBIGUOUS_ERRORS: Final = frozenset({-10_000, -10_002, -10_005})
"""`last_error` codes behind which an order may have left: the pipe to the terminal broke after it was written."""


class Trading(Calls):
    """Orders by intent. Each of these may take several round trips, each within the client's timeouts; only one of them
    sends an order. All raise LocalProtocolError before anything is sent, Refused if it never reached the terminal,
    TerminalRefused if it was refused, OutcomeUnknown if it may have happened."""

    def __init__(self) -> None:
        self._specifications: dict[str, dict[str, Any]] = {}
        self._specifications_of: Hashable = None
        self._selected: set[str] = set()

    @abstractmethod
    def _ask(self, name: str, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        """Make one call; what the terminal refuses raises TerminalRefused."""

    @abstractmethod
    def _life(self) -> Hashable:
        """Return what changes with the session and the account."""

    def buy(
        self,
        symbol: str,
        volume: float,
        *,
        price: float | None = None,
        limit: float | None = None,
        stop: float | None = None,
        sl: float | None = None,
        tp: float | None = None,
        deviation: int = 20,
        comment: str = "",
        magic: int = 0,
        expiration: Date | None = None,
        client_order_id: str | None = None,
    ) -> OrderSendResult:
        """Buy `volume` lots (rounded down to the symbol's step) at the market, or pending at `limit` or `stop`.

        `price` is what a market order asks for (the current ask by default), `deviation` how many points it may move.
        With both `limit` and `stop`, a limit order is placed when the price reaches `stop`. `expiration` ends a pending
        order, on the trade server's clock. `client_order_id` (see `new_order_id`) is the name under which
        `order_outcome` tells its fate, whatever happens to either side; one is made up by default.
        """
        return self._enter(
            True, symbol, volume, price, limit, stop, sl, tp, deviation, comment, magic, expiration, client_order_id
        )

    def sell(
        self,
        symbol: str,
        volume: float,
        *,
        price: float | None = None,
        limit: float | None = None,
        stop: float | None = None,
        sl: float | None = None,
        tp: float | None = None,
        deviation: int = 20,
        comment: str = "",
        magic: int = 0,
        expiration: Date | None = None,
        client_order_id: str | None = None,
    ) -> OrderSendResult:
        """Sell, as `buy`; a market order asks for the current bid."""
        return self._enter(
            False, symbol, volume, price, limit, stop, sl, tp, deviation, comment, magic, expiration, client_order_id
        )

    def close(
        self,
        position: TradePosition | int,
        volume: float | None = None,
        *,
        price: float | None = None,
        deviation: int = 20,
        comment: str = "",
        magic: int | None = None,
    ) -> OrderSendResult:
        """Close a position (or the one with this ticket) at the market, whole or by `volume` lots (rounded down).

        The deal carries the position's own magic unless another is given. Raises Refused if there is no such position.
        """
        found = position if isinstance(position, TradePosition) else self._position(position)
        if found is None:
            raise Refused(f"position {position}: not open")
        spec = self._specification(found.symbol)
        if price is None:
            price = self._market(found.symbol, found.type == POSITION_TYPE_SELL)
        return self._send(close_request(spec, found, price, volume, deviation=deviation, comment=comment, magic=magic))

    def close_all(
        self, symbol: str | None = None, *, magic: int | None = None, deviation: int = 20, comment: str = ""
    ) -> list[OrderSendResult]:
        """Close every position, of one symbol or magic if given, oldest first; a large one in parts.

        Goes on after a failure. Then raises the gravest error (OutcomeUnknown before others), with the others as notes,
        and `closed` and `failed` tickets in its detail.
        """
        kwargs = {} if symbol is None else {"symbol": symbol}
        positions = [p for p in self._ask("positions_get", (), kwargs) if magic is None or p.magic == magic]
        results: list[OrderSendResult] = []
        errors: dict[int, RequestError | LocalProtocolError] = {}
        for position in sorted(positions, key=lambda p: (p.time_msc, p.ticket)):
            try:
                for volume in self._parts(position):
                    results.append(self.close(position, volume, deviation=deviation, comment=comment))
            except (RequestError, LocalProtocolError) as error:
                errors[position.ticket] = error
        if errors:
            gravest = max(errors.values(), key=lambda error: isinstance(error, OutcomeUnknown))
            for ticket, failed in errors.items():
                gravest.add_note(f"position {ticket}: {type(failed).__name__}: {failed}")
            gravest.detail["closed"] = [p.ticket for p in positions if p.ticket not in errors]
            gravest.detail["failed"] = list(errors)
            raise gravest
        return results

    def modify(
        self,
        ticket: int,
        *,
        sl: float | None = None,
        tp: float | None = None,
        price: float | None = None,
        stoplimit: float | None = None,
        expiration: Date | None = None,
    ) -> OrderSendResult:
        """Set a position's stop loss and take profit, or change a pending order; what isn't given stays, 0 removes.

        Raises Refused if there is neither.
        """
        if sl is None and tp is None and price is None and stoplimit is None and expiration is None:
            raise LocalProtocolError("modify: expected something to change: sl, tp, price, stoplimit or expiration")
        if price is None and stoplimit is None and expiration is None:
            position = self._position(ticket)
            if position is not None:
                return self._send(protect_request(self._specification(position.symbol), position, sl, tp))
        orders = self._ask("orders_get", (), {"ticket": ticket})
        if not orders:
            if self._position(ticket) is not None:
                raise Refused(f"ticket {ticket}: an open position, which has no price to move: only sl and tp")
            raise Refused(f"ticket {ticket}: no open position and no pending order")
        spec = self._specification(orders[0].symbol)
        return self._send(
            modify_request(spec, orders[0], price=price, stoplimit=stoplimit, sl=sl, tp=tp, expiration=expiration)
        )

    def cancel(self, ticket: int) -> OrderSendResult:
        """Remove a pending order."""
        return self._send(cancel_request(ticket))

    # --- parts ------------------------------------------------------------------------------------------------------

    def _enter(
        self,
        buying: bool,
        symbol: str,
        volume: float,
        price: float | None,
        limit: float | None,
        stop: float | None,
        sl: float | None,
        tp: float | None,
        deviation: int,
        comment: str,
        magic: int,
        expiration: Date | None,
        client_order_id: str | None,
    ) -> OrderSendResult:
        pending = limit is not None or stop is not None
        if pending and price is not None:
            raise LocalProtocolError("price: expected without limit and stop: it is for orders at the market")
        spec = self._specification(symbol)
        if pending:
            self._select(symbol)  # a market order learns from its price whether the symbol is selected
        elif price is None:
            price = self._market(symbol, buying)
        request = entry_request(
            spec,
            buying,
            volume,
            price=price or 0.0,
            limit=limit,
            stop=stop,
            sl=sl,
            tp=tp,
            deviation=deviation,
            comment=comment,
            magic=magic,
            expiration=expiration,
        )
        if client_order_id is not None:
            request["client_order_id"] = client_order_id
        return self._send(request)

    def _send(self, request: dict[str, Any]) -> OrderSendResult:
        try:
            result = self._ask("order_send", (request,))
        except TerminalRefused as error:
            if error.last_error[0] in AMBIGUOUS_ERRORS:
                raise OutcomeUnknown(
                    f"order_send: {error.message}: it may have happened; look at positions and orders first",
                    detail=error.detail,
                ) from error
            raise
        return judged(result)

    def _specification(self, symbol: str) -> dict[str, Any]:
        """Return the symbol's specification, remembered for this session; an unknown symbol is selected first."""
        life = self._life()
        if life != self._specifications_of or len(self._specifications) >= MAX_SPECIFICATIONS:
            self._specifications, self._specifications_of, self._selected = {}, life, set()
        spec = self._specifications.get(symbol)
        if spec is None:
            try:
                spec = self._ask("symbol_spec", (symbol,))
            except TerminalRefused:
                self._select(symbol)
                spec = self._ask("symbol_spec", (symbol,))
            self._specifications[symbol] = spec
        return spec

    def _select(self, symbol: str) -> None:
        """Have the symbol in MarketWatch, asked once a session: nothing else can be traded."""
        if symbol not in self._selected:
            try:
                self._ask("symbol_select", (symbol, True))
            except TerminalRefused as error:
                raise TerminalRefused(
                    f"{symbol}: the terminal has no such symbol, or can't select it ({error.message})",
                    code=error.code,
                    detail=error.detail,
                ) from error
            self._selected.add(symbol)

    def _market(self, symbol: str, buying: bool) -> float:
        """Return the price to buy or sell at; a symbol without one is selected, and its first price waited for."""
        until_ns = monotonic_ns() + PRICE_WAIT_NS
        selected = False
        while True:
            try:
                tick = self._ask("symbol_info_tick", (symbol,))
            except TerminalRefused:
                if selected:
                    raise
                tick = None
            price: float = 0.0 if tick is None else (tick.ask if buying else tick.bid)
            if price > 0.0:
                return price
            if not selected:
                self._ask("symbol_select", (symbol, True))
                selected = True
            elif monotonic_ns() >= until_ns:
                raise Unavailable(
                    f"{symbol}: expected a price to {'buy' if buying else 'sell'} at, the terminal has none"
                )
            else:
                time.sleep(PRICE_PAUSE_S)

    def _position(self, ticket: int) -> TradePosition | None:
        positions = self._ask("positions_get", (), {"ticket": ticket})
        return positions[0] if positions else None

    def _parts(self, position: TradePosition) -> list[float]:
        """Return the volumes in which a position is closed: whole if the symbol allows it in one order."""
        spec = self._specification(position.symbol)
        left, most = position.volume, spec["volume_max"]
        parts = []
        while 0 < most < left:
            parts.append(normalised_volume(most, spec))
            left = round(left - parts[-1], 8)
        return [*parts, left]
