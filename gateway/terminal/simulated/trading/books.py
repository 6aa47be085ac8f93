"""The account's books: open positions, active orders, finished orders, deals, and the balance they add up to.

One law: balance = sum of all deals' profit + commission + swap + fee; nothing else moves it. Orders and deals are
numbered apart; a position has the number of the order that opened it. The ledger is the account's memory: it grows.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Generic, TypeVar

from gateway.terminal.simulated.trading.valuation import money
from gateway.wire.constants import DEAL_TYPE_BALANCE, POSITION_TYPE_BUY
from gateway.wire.structs import TradeDeal, TradeOrder

__all__ = ("Book", "Exposure", "Ledger", "Order", "Position", "lots")

Record = TypeVar("Record", TradeOrder, TradeDeal)

FIRST_ORDER: Final = 10_000_001
FIRST_DEAL: Final = 20_000_001
_VOLUME_DIGITS: Final = 8


def lots(volume: float) -> float:
    """Round a volume so that sums of steps stay multiples of the step."""
    return round(volume, _VOLUME_DIGITS) + 0.0


@dataclass(slots=True, kw_only=True)
class Position:
    """One open position of a hedging account; `ticket` is also its identifier and its opening order's ticket."""

    ticket: int
    symbol: str
    type: int
    volume: float
    price_open: float
    sl: float
    tp: float
    magic: int
    reason: int
    comment: str
    time_msc: int
    time_update_msc: int
    swap: float = 0.0


@dataclass(slots=True, kw_only=True)
class Order:
    """One active pending order; `expires_s` is 0 for good till cancelled."""

    ticket: int
    symbol: str
    type: int
    volume: float
    price: float
    sl: float
    tp: float
    magic: int
    reason: int
    comment: str
    type_time: int
    type_filling: int
    expires_s: int
    time_setup_msc: int


@dataclass(slots=True)
class Exposure:
    """A symbol's open volume and its worth at the opening prices (lots times price), side by side."""

    buy_volume: float = 0.0
    buy_value: float = 0.0
    sell_volume: float = 0.0
    sell_value: float = 0.0

    def add(self, kind: int, volume: float, price: float) -> None:
        """Add (or with a negative volume take away) a position's part."""
        if kind == POSITION_TYPE_BUY:
            self.buy_volume = lots(self.buy_volume + volume)
            self.buy_value += volume * price
        else:
            self.sell_volume = lots(self.sell_volume + volume)
            self.sell_value += volume * price


class Ledger(Generic[Record]):
    """Records in the order of their times, in seconds; those of the same time as they came.

    Symbols replayed side by side have clocks of their own, so that a record isn't always the newest.
    """

    __slots__ = ("_records", "_times_s")

    def __init__(self) -> None:
        self._times_s: list[int] = []
        self._records: list[Record] = []

    def __len__(self) -> int:
        return len(self._records)

    def enter(self, time_s: int, record: Record) -> None:
        """Add a record; O(1) for the newest."""
        place = bisect_right(self._times_s, time_s)
        self._times_s.insert(place, time_s)
        self._records.insert(place, record)

    def count_between(self, from_s: int, to_s: int) -> int:
        """Count the records with `from_s` <= time <= `to_s`; O(log n)."""
        return max(bisect_right(self._times_s, to_s) - bisect_left(self._times_s, from_s), 0)

    def between(self, from_s: int, to_s: int) -> list[Record]:
        """Return the records with `from_s` <= time <= `to_s`."""
        return self._records[bisect_left(self._times_s, from_s) : bisect_right(self._times_s, to_s)]


@dataclass(slots=True)
class Book:
    """All of one account. `changes` counts changes to positions and orders: what was derived from them is stale."""

    balance: float = 0.0
    changes: int = 0
    positions: dict[int, Position] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    exposures: dict[str, Exposure] = field(default_factory=dict)
    positions_of: dict[str, dict[int, Position]] = field(default_factory=lambda: defaultdict(dict))
    orders_of: dict[str, dict[int, Order]] = field(default_factory=lambda: defaultdict(dict))
    history: Ledger[TradeOrder] = field(default_factory=Ledger)
    history_of: dict[int, TradeOrder] = field(default_factory=dict)
    history_of_position: dict[int, list[TradeOrder]] = field(default_factory=lambda: defaultdict(list))
    deals: Ledger[TradeDeal] = field(default_factory=Ledger)
    deals_of_order: dict[int, list[TradeDeal]] = field(default_factory=lambda: defaultdict(list))
    deals_of_position: dict[int, list[TradeDeal]] = field(default_factory=lambda: defaultdict(list))
    _order_tickets: "count[int]" = field(default_factory=lambda: count(FIRST_ORDER))
    _deal_tickets: "count[int]" = field(default_factory=lambda: count(FIRST_DEAL))

    def next_order(self) -> int:
        """Return a fresh order ticket."""
        return next(self._order_tickets)

    def holds(self, symbol: str) -> bool:
        """Say whether a symbol has positions or orders that its ticks could move."""
        return bool(self.positions_of.get(symbol) or self.orders_of.get(symbol))

    def deposit(self, amount: float, time_msc: int) -> None:
        """Book a balance deal."""
        self.record_deal(
            order=0,
            time_msc=time_msc,
            type_=DEAL_TYPE_BALANCE,
            entry=0,
            magic=0,
            position_id=0,
            reason=0,
            volume=0.0,
            price=0.0,
            profit=money(amount),
            symbol="",
            comment="",
        )

    def record_deal(
        self,
        *,
        order: int,
        time_msc: int,
        type_: int,
        entry: int,
        magic: int,
        position_id: int,
        reason: int,
        volume: float,
        price: float,
        profit: float,
        symbol: str,
        comment: str,
        commission: float = 0.0,
        swap: float = 0.0,
    ) -> int:
        """Enter a deal, move the balance by it, and return its ticket; amounts are rounded money."""
        ticket = next(self._deal_tickets)
        deal = TradeDeal(
            (
                ticket,
                order,
                time_msc // 1000,
                time_msc,
                type_,
                entry,
                magic,
                position_id,
                reason,
                volume,
                price,
                commission,
                swap,
                profit,
                0.0,
                symbol,
                comment,
                "",
            )
        )
        self.deals.enter(deal.time, deal)
        self.deals_of_order[order].append(deal)
        self.deals_of_position[position_id].append(deal)
        self.balance = money(self.balance + profit + commission + swap)
        return ticket

    def record_order(self, order: TradeOrder) -> None:
        """Enter a finished order into the history, at the time it was done."""
        self.history.enter(order.time_done, order)
        self.history_of[order.ticket] = order
        self.history_of_position[order.position_id].append(order)

    def add_position(self, position: Position) -> None:
        """Enter an open position."""
        self.changes += 1
        self.positions[position.ticket] = position
        self.positions_of[position.symbol][position.ticket] = position
        exposure = self.exposures.setdefault(position.symbol, Exposure())
        exposure.add(position.type, position.volume, position.price_open)

    def reduce_position(self, position: Position, volume: float, time_msc: int) -> None:
        """Take `volume` lots off a position; it is gone when nothing is left."""
        self.changes += 1
        self.exposures[position.symbol].add(position.type, -volume, position.price_open)
        position.volume = lots(position.volume - volume)
        position.time_update_msc = time_msc
        if position.volume <= 0.0:
            del self.positions[position.ticket]
            del self.positions_of[position.symbol][position.ticket]
            if not self.positions_of[position.symbol]:
                del self.exposures[position.symbol]  # sums of floats don't come back to zero

    def move_stops(self, position: Position, sl: float, tp: float, time_msc: int) -> None:
        """Set a position's stop loss and take profit; 0 is none."""
        self.changes += 1
        position.sl, position.tp = sl, tp
        position.time_update_msc = time_msc

    def add_order(self, order: Order) -> None:
        """Enter an active pending order."""
        self.changes += 1
        self.orders[order.ticket] = order
        self.orders_of[order.symbol][order.ticket] = order

    def move_order(self, order: Order, *, price: float, sl: float, tp: float, type_time: int, expires_s: int) -> None:
        """Change a pending order's terms."""
        self.changes += 1
        order.price, order.sl, order.tp = price, sl, tp
        order.type_time, order.expires_s = type_time, expires_s

    def drop_order(self, order: Order) -> None:
        """Take an active order off the book; its history is the caller's to record."""
        self.changes += 1
        del self.orders[order.ticket]
        del self.orders_of[order.symbol][order.ticket]
