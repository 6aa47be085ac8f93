"""What really happened: the simulated terminal's own books, read beside the gateway, and its log of what arrived.

Every order of a strategy has a magic number of its own, which the gateway passes on and never looks at. So the books
are read by that, and not by the tags on which the gateway itself relies.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from gateway.terminal.port import Login
from gateway.terminal.simulated.connection import SimulatedConnection
from gateway.wire import constants as mt5
from gateway.wire.structs import TradeDeal, TradeOrder, TradePosition

__all__ = ("Arrivals", "Books", "read_books")

_END_S = 2**31 - 1


@dataclass
class Books:
    """All that the terminal holds of its account. Orders and deals that the trade server made itself aren't ours."""

    positions: dict[int, TradePosition] = field(default_factory=dict)
    resting: dict[int, TradeOrder] = field(default_factory=dict)
    ended: dict[int, TradeOrder] = field(default_factory=dict)
    orders: dict[int, list[TradeOrder]] = field(default_factory=lambda: defaultdict(list))  # by magic number
    deals: dict[int, list[TradeDeal]] = field(default_factory=lambda: defaultdict(list))  # by magic number
    trades: dict[int, TradeDeal] = field(default_factory=dict)  # every deal that is a trade, by ticket


@dataclass
class Arrivals:
    """What came to the terminal's door, by magic number: how often, and with what retcodes it was answered.

    An order that arrived and isn't in the books wasn't executed: the terminal died before it had written that down.
    """

    path: Path
    times: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    retcodes: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    offset: int = 0

    def read(self) -> None:
        """Take in what has come since the last time."""
        if not self.path.exists():
            return
        with self.path.open() as file:
            file.seek(self.offset)
            for line in file:
                what, magic, number, *_ = line.split()
                if what == "arrived":
                    self.times[int(magic)] += 1
                else:
                    self.retcodes[int(magic)].append(int(number))
            self.offset = file.tell()


def read_books(address: str, login: int) -> Books:
    """Ask the terminal itself; raises OSError where it doesn't answer."""
    connection = SimulatedConnection()
    try:
        if not connection.initialize(Login(address, login, timeout_ms=5_000)):
            raise OSError(f"the terminal doesn't answer: {connection.last_error()}")
        found = {
            name: connection.call(name, arguments, {})
            for name, arguments in (
                ("orders_get", ()),
                ("positions_get", ()),
                ("history_orders_get", (0, _END_S)),
                ("history_deals_get", (0, _END_S)),
            )
        }
    finally:
        connection.shutdown()
    if None in found.values():
        raise OSError("the terminal doesn't answer")
    books = Books()
    books.positions = {row.ticket: row for row in found["positions_get"]}
    books.resting = {row.ticket: row for row in found["orders_get"]}
    books.ended = {row.ticket: row for row in found["history_orders_get"]}
    for order in (books.resting | books.ended).values():
        if order.reason == mt5.ORDER_REASON_EXPERT:
            books.orders[order.magic].append(order)
    for deal in found["history_deals_get"]:
        if deal.type in (mt5.DEAL_TYPE_BUY, mt5.DEAL_TYPE_SELL):
            books.trades[deal.ticket] = deal
            if deal.reason == mt5.DEAL_REASON_EXPERT:
                books.deals[deal.magic].append(deal)
    return books
