"""An account over quotes that the test sets by hand: books, valuation and figures, and nothing that moves by itself."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.terminal.simulated.market.catalog import SPECIFICATIONS
from gateway.terminal.simulated.market.specification import Specification
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.trading.account import Account
from gateway.terminal.simulated.trading.books import Book, Order, Position
from gateway.terminal.simulated.trading.valuation import Valuation
from gateway.wire import constants as mt5

MONDAY_MSC = 1_699_833_600_000
"""Midnight before Monday, 13 November 2023."""


@dataclass(eq=False)
class Quoted:
    """What valuation and account see of a symbol."""

    specification: Specification
    bid: float = 0.0
    ask: float = 0.0
    trade_open: bool = True

    @property
    def name(self) -> str:
        return self.specification.name

    @property
    def quoted(self) -> bool:
        return self.bid > 0.0 and self.ask > 0.0


class Floor:
    """`quotes`: (bid, ask) by listed name, the default symbols all without a quote; `changes`: fields by name."""

    def __init__(
        self,
        quotes: dict[str, tuple[float, float]],
        changes: dict[str, dict[str, Any]] | None = None,
        **settings: Any,
    ) -> None:
        changes = changes or {}
        names = dict.fromkeys((*quotes, *changes))
        self.symbols = {
            name: Quoted(replace(SPECIFICATIONS[name], **changes.get(name, {})), *quotes.get(name, ()))
            for name in names
        }
        self.settings = Settings(address="sim:///nowhere", **settings)
        self.market: Any = SimpleNamespace(symbols=self.symbols)
        self.valuation = Valuation(self.market, self.settings)
        self.book = Book(self.valuation.digits)
        self.account = Account(self.settings, self.book, self.market, self.valuation)
        self.book.deposit(self.settings.deposit, MONDAY_MSC)

    def quote(self, name: str, bid: float, ask: float) -> None:
        self.symbols[name].bid, self.symbols[name].ask = bid, ask

    def margin(self, name: str, volume: float, price: float, kind: int = 0, **terms: Any) -> float:
        return self.valuation.money(self.valuation.margin(self.symbols[name], kind, volume, price, **terms))

    def profit(self, name: str, volume: float, opened: float, closed: float, kind: int = 0) -> float:
        return self.valuation.profit(self.symbols[name], kind, volume, opened, closed)

    def open(self, name: str, kind: int, volume: float, price: float, time_msc: int = MONDAY_MSC) -> Position:
        ticket = self.book.next_order()
        position = Position(
            ticket=ticket, identifier=ticket, symbol=name, type=kind, volume=volume, price_open=price,
            sl=0.0, tp=0.0, magic=0, reason=0, comment="", time_msc=time_msc, time_update_msc=time_msc,
        )  # fmt: skip
        self.book.add_position(position)
        return position

    def pend(self, name: str, kind: int, volume: float, price: float, stoplimit: float = 0.0) -> Order:
        order = Order(
            ticket=self.book.next_order(), symbol=name, type=kind, volume=volume, volume_current=volume, price=price,
            sl=0.0, tp=0.0, magic=0, reason=0, comment="", type_time=mt5.ORDER_TIME_GTC,
            type_filling=mt5.ORDER_FILLING_RETURN, expires_s=0, time_setup_msc=MONDAY_MSC, price_stoplimit=stoplimit,
        )  # fmt: skip
        self.book.add_order(order)
        return order


@pytest.fixture(scope="session")
def floor() -> Callable[..., Floor]:
    return Floor
