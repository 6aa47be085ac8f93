"""What ticks and time do to the books: orders trigger, execute late or end, stops close positions, a stop-out follows.

A symbol without positions and orders costs one look into a dict. For the others `bounds` says which tick of a slice is
the first to set something off: only there anything is looked at one by one. What a tick does happens at the tick's
time and quote; what time does happens at its own time, before the ticks of that time, at the last quote before them:
how ticks are sliced changes nothing.

While a symbol's market is closed its quotes trigger nothing; what falls due by time is done all the same.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.market.ticks import Records
from gateway.terminal.simulated.trading.account import Account
from gateway.terminal.simulated.trading.books import Book
from gateway.terminal.simulated.trading.bounds import Bounds, activated, order_due_msc, position_due_msc, triggered
from gateway.terminal.simulated.trading.dealing import Dealing, deviates
from gateway.terminal.simulated.trading.entries import Order, Position, lots
from gateway.terminal.simulated.trading.execution import Execution
from gateway.terminal.simulated.trading.levels import BUY_ORDERS, STOP_LIMITS, entry_price
from gateway.terminal.simulated.trading.liquidation import Liquidation
from gateway.terminal.simulated.trading.liquidity import Liquidity
from gateway.terminal.simulated.trading.rules import Rules
from gateway.wire import constants as mt5

__all__ = ("Triggers",)

_LIMIT_OF: Final = {
    mt5.ORDER_TYPE_BUY_STOP_LIMIT: mt5.ORDER_TYPE_BUY_LIMIT,
    mt5.ORDER_TYPE_SELL_STOP_LIMIT: mt5.ORDER_TYPE_SELL_LIMIT,
}


class Triggers:
    """Feeds ticks to symbols and does what they and the time set off, in order."""

    def __init__(
        self,
        book: Book,
        market: Market,
        account: Account,
        rules: Rules,
        execution: Execution,
        dealing: Dealing,
        liquidity: Liquidity,
    ) -> None:
        self._book = book
        self._market = market
        self._account = account
        self._rules = rules
        self._execution = execution
        self._dealing = dealing
        self._liquidity = liquidity
        self._liquidation = Liquidation(book, market, account)
        self._bounds: dict[str, Bounds] = {}
        self._timed: list[tuple[Symbol, float]] = []
        self._dues_at = -1

    def feed(self, symbol: Symbol, ticks: Records) -> None:
        """Append ticks to a symbol; every execution sees the quote of the tick that caused it."""
        name = symbol.name
        self._liquidity.renew(name)
        if not self._book.holds(name):
            symbol.append(ticks)
            return
        while len(ticks):
            bounds = self._measured(symbol)
            early = bounds.before_due(ticks)
            if early == 0:
                self._elapse(symbol, int(bounds.due_msc))
                continue
            end = bounds.first_beyond(ticks[:early])
            if end:
                self._append_quiet(symbol, ticks[:end])
            if end < early:
                symbol.append(ticks[end : end + 1])
                self.react(symbol)
            ticks = ticks[end + (end < early) :]

    def await_tick(self, symbol: Symbol, time_msc: int) -> None:
        """Do what falls due for a symbol before a tick of this time, which somebody else will append."""
        if not self._book.holds(symbol.name):
            return
        while (due := self._measured(symbol).due_msc) <= time_msc:
            self._elapse(symbol, int(due))

    def react(self, symbol: Symbol) -> None:
        """Do what the symbol's latest tick sets off, which somebody else has appended."""
        self._liquidity.renew(symbol.name)
        if not self._book.holds(symbol.name):
            return
        if symbol.open_at(symbol.time_msc):
            self._fire(symbol, symbol.time_msc)
        self.stop_out(symbol.time_msc)

    def elapse(self) -> bool:
        """Do what fell due by now, each symbol by its own clock; say whether there was anything.

        O(symbols with something that falls due).
        """
        acted = False
        for symbol, due_msc in self._dues():
            if due_msc > symbol.now_msc:
                continue
            while (due := self._measured(symbol).due_msc) <= symbol.now_msc:
                self._elapse(symbol, int(due))
                acted = True
        return acted

    def next_due_msc(self) -> int | None:
        """Return when something falls due by time alone, None for never; in the account's time.

        A symbol with a clock of its own (a recording's) may lie behind: then it is due so much later.
        """
        ahead = [max(int(due_msc) - symbol.now_msc, 0) for symbol, due_msc in self._dues()]
        return self._market.now_msc + min(ahead) if ahead else None

    def stop_out(self, now_msc: int) -> None:
        """Close what must go for the account's margin level."""
        while self._account.must_stop_out():
            victim = self._liquidation.victim()
            if victim is None:
                return
            symbol, comment = self._market.symbols[victim.symbol], self._liquidation.comment()
            if isinstance(victim, Order):
                self._execution.finish(symbol, victim, mt5.ORDER_STATE_CANCELED, now_msc, comment)
            elif not self._dealing.close(symbol, victim, mt5.DEAL_REASON_SO, comment, now_msc):
                return  # nobody takes it now: the next tick tries again

    # --- ticks ---

    def _append_quiet(self, symbol: Symbol, ticks: Records) -> None:
        """Append ticks that trigger nothing; one by one where the account comes near its stop-out level."""
        if not self._endangered(symbol, ticks):
            symbol.append(ticks)
            return
        for index in range(len(ticks)):
            symbol.append(ticks[index : index + 1])
            self._liquidity.renew(symbol.name)
            self.stop_out(symbol.time_msc)

    def _endangered(self, symbol: Symbol, ticks: Records) -> bool:
        """Say whether the account would be stopped out at the worst prices of a slice, all at once."""
        with _quoted_at(symbol, float(ticks["bid"].min()), float(ticks["ask"].max())):
            return self._account.must_stop_out()

    def _fire(self, symbol: Symbol, now_msc: int) -> None:
        """Do all that the current tick sets off; what opens now is looked at from the next tick on."""
        positions = list(self._book.positions_of[symbol.name].values())
        for order in list(self._book.orders_of[symbol.name].values()):
            if order.ticket not in self._book.orders or order.executes_msc:
                continue
            if activated(order) or triggered(order, symbol.bid, symbol.ask):
                self._activate(symbol, order, now_msc)
        for position in positions:
            if position.ticket in self._book.positions:
                self._stop(symbol, position, now_msc)

    def _activate(self, symbol: Symbol, order: Order, now_msc: int) -> None:
        if order.type not in STOP_LIMITS:
            self._execute(symbol, order, now_msc)
            return
        # A limit order with RETURN follows: MQL5 documentation, "Order properties". Its ticket stays.
        self._book.change_order(
            order,
            type=_LIMIT_OF[order.type],
            price=order.price_stoplimit,
            price_stoplimit=0.0,
            type_filling=mt5.ORDER_FILLING_RETURN,
        )

    def _stop(self, symbol: Symbol, position: Position, now_msc: int) -> None:
        digits = symbol.specification.digits
        if position.type == mt5.POSITION_TYPE_BUY:
            lost = 0.0 < symbol.bid <= position.sl
            won = 0.0 < position.tp <= symbol.bid
        else:
            lost = 0.0 < position.sl <= symbol.ask
            won = 0.0 < symbol.ask <= position.tp
        if lost:
            comment = f"[sl {position.sl:.{digits}f}]"
            self._dealing.close(symbol, position, mt5.DEAL_REASON_SL, comment, now_msc)
        elif won:
            comment = f"[tp {position.tp:.{digits}f}]"
            self._dealing.close(symbol, position, mt5.DEAL_REASON_TP, comment, now_msc, position.tp)

    # --- time ---

    def _elapse(self, symbol: Symbol, due_msc: int) -> None:
        """Do what falls due for a symbol by a time."""
        for order in list(self._book.orders_of[symbol.name].values()):
            if order_due_msc(symbol, order) > due_msc:
                continue
            if order.executes_msc:
                self._execute_late(symbol, order, due_msc)
            else:
                self._execution.finish(symbol, order, mt5.ORDER_STATE_EXPIRED, due_msc)
        for position in self._book.positions_of[symbol.name].values():
            if position_due_msc(symbol, position) <= due_msc:
                self._book.move_stops(position, 0.0, 0.0, due_msc)

    def _execute_late(self, symbol: Symbol, order: Order, now_msc: int) -> None:
        """Execute an asynchronous order at the price of now; reject it if that can't be done any more."""
        buy = order.type in BUY_ORDERS
        open_now = symbol.open_at(now_msc) and symbol.quoted
        if not open_now or deviates(symbol, buy, order.price, order.deviation_points):
            self._execution.finish(symbol, order, mt5.ORDER_STATE_REJECTED, now_msc)
            return
        self._book.change_order(order, executes_msc=0, price=entry_price(symbol, buy))
        self._execute(symbol, order, now_msc)

    def _execute(self, symbol: Symbol, order: Order, now_msc: int) -> None:
        """Fill an order of the book as far as the market and the account's money allow."""
        buy = order.type in BUY_ORDERS
        self._book.drop_order(order)  # what it blocked is free for it
        if order.position_id and order.position_id != order.ticket and not self._rules.netting:
            position = self._book.position_by(symbol.name, order.position_id)
            if position is None:
                self._execution.finish(symbol, order, mt5.ORDER_STATE_REJECTED, now_msc)
                return
            gone = max(lots(order.volume_current - position.volume), 0.0)  # closed by something else meanwhile
            order.volume, order.volume_current = lots(order.volume - gone), lots(order.volume_current - gone)
        else:
            kind = mt5.ORDER_TYPE_BUY if buy else mt5.ORDER_TYPE_SELL
            if not self._rules.affords(symbol, kind, order.volume_current, entry_price(symbol, buy)):
                self._execution.finish(symbol, order, mt5.ORDER_STATE_REJECTED, now_msc)
                return
        if self._dealing.deal(symbol, order, now_msc) is None:
            self._execution.finish(symbol, order, mt5.ORDER_STATE_CANCELED, now_msc)

    # --- bounds ---

    def _dues(self) -> list[tuple[Symbol, float]]:
        """Return the symbols with something that falls due by time, by name; O(1) while the books don't change."""
        book = self._book
        if self._dues_at != book.changes:
            names = sorted(set(book.exposures) | {order.symbol for order in book.orders.values()})
            symbols = [self._market.symbols[name] for name in names]
            timed = [(symbol, self._measured(symbol).due_msc) for symbol in symbols]
            self._timed = [(symbol, due_msc) for symbol, due_msc in timed if due_msc < math.inf]
            self._dues_at = book.changes
        return self._timed

    def _measured(self, symbol: Symbol) -> Bounds:
        bounds = self._bounds.get(symbol.name)
        if bounds is None or bounds.changes != self._book.changes:
            bounds = self._bounds[symbol.name] = Bounds(self._book.changes)
            for position in self._book.positions_of[symbol.name].values():
                bounds.watch_position(symbol, position)
            for order in self._book.orders_of[symbol.name].values():
                bounds.watch_order(symbol, order)
        return bounds


@contextmanager
def _quoted_at(symbol: Symbol, bid: float, ask: float) -> Iterator[None]:
    """Let a symbol stand at another quote for a moment."""
    kept = symbol.bid, symbol.ask
    symbol.bid, symbol.ask = bid, ask
    try:
        yield
    finally:
        symbol.bid, symbol.ask = kept
