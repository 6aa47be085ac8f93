"""The symbols of a simulated terminal, their quotes, and the time that moves them. It knows nothing of trades."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from gateway.terminal.simulated.market.rates import Bars
from gateway.terminal.simulated.market.specification import Specification
from gateway.terminal.simulated.market.ticks import MAX_TICKS, Records, TickStore
from gateway.wire.structs import Tick

__all__ = ("DayRange", "Market", "Source", "Symbol")

_DAY: Final = 86_400


class Source(Protocol):
    """Where a symbol's ticks come from, driven by the monotonic clock."""

    def start(self, now_ns: int) -> Records:
        """Start the time line, once; return the ticks that lie before it."""

    def take(self, now_ns: int) -> Records:
        """Return the next ticks due by now, perhaps none, a bounded number."""

    def next_due_ns(self) -> int | None:
        """Return when the next tick is due, None for never (or not yet started)."""


@dataclass(slots=True)
class DayRange:
    """Opening, highest and lowest prices of the day of the latest tick."""

    day: int = -1
    bid_open: float = 0.0
    bid_high: float = 0.0
    bid_low: float = 0.0
    ask_high: float = 0.0
    ask_low: float = 0.0
    last_high: float = 0.0
    last_low: float = 0.0

    def update(self, ticks: Records) -> None:
        """Take in ticks in order; O(n)."""
        if not len(ticks):
            return
        day = int(ticks["time"][-1]) // _DAY
        if day != self.day:
            ticks = ticks[ticks["time"] // _DAY == day]
            self.day = day
            self.bid_open = float(ticks["bid"][0])
            self.bid_high = self.ask_high = self.last_high = 0.0
            self.bid_low = self.ask_low = self.last_low = 0.0
        self.bid_high, self.bid_low = _widen(ticks["bid"], self.bid_high, self.bid_low)
        self.ask_high, self.ask_low = _widen(ticks["ask"], self.ask_high, self.ask_low)
        self.last_high, self.last_low = _widen(ticks["last"], self.last_high, self.last_low)


def _widen(prices: Any, high: float, low: float) -> tuple[float, float]:
    lowest = float(np.min(prices))
    return max(high, float(np.max(prices))), min(low, lowest) if low > 0.0 else lowest


class Symbol:
    """One symbol: its specification, its latest tick as plain fields, its history."""

    __slots__ = (
        "_seen",
        "ask",
        "bars",
        "bid",
        "day",
        "flags",
        "last",
        "name",
        "selected",
        "source",
        "specification",
        "ticks",
        "time_msc",
        "volume",
        "volume_real",
    )

    def __init__(
        self,
        specification: Specification,
        source: Source,
        *,
        max_ticks: int = MAX_TICKS,
        history: Callable[[int, float], Records] | None = None,
    ) -> None:
        self.name = specification.name
        self.specification = specification
        self.source = source
        self.selected = False
        self.ticks = TickStore(max_ticks)
        self.bars = Bars(specification.point, history)
        self.day = DayRange()
        self.bid = self.ask = self.last = self.volume_real = 0.0
        self.volume = self.time_msc = self.flags = 0
        self._seen = 0

    @property
    def quoted(self) -> bool:
        """Whether there is a price to trade at on both sides."""
        return self.bid > 0.0 and self.ask > 0.0

    @property
    def tick(self) -> Tick:
        """The latest tick, all zero before the first."""
        return Tick(
            (
                self.time_msc // 1000,
                self.bid,
                self.ask,
                self.last,
                self.volume,
                self.time_msc,
                self.flags,
                self.volume_real,
            )
        )

    def append(self, ticks: Records) -> None:
        """Take in ticks in order: the last one is the quote from now on."""
        if not len(ticks):
            return
        if not self.ticks.has_room(len(ticks)):
            self.refresh()
            self.ticks.make_room()
        self.ticks.extend(ticks)
        _, self.bid, self.ask, self.last, self.volume, self.time_msc, self.flags, self.volume_real = ticks[-1].item()

    def refresh(self) -> None:
        """Bring bars and the day's range up to the latest tick; O(new ticks)."""
        fresh = self.ticks.since(self._seen)
        if len(fresh):
            self._seen = self.ticks.total
            self.bars.update(fresh)
            self.day.update(fresh)


class Market:
    """All symbols by name, in the order they are listed in."""

    def __init__(self, symbols: Iterable[Symbol]) -> None:
        self.symbols: dict[str, Symbol] = {symbol.name: symbol for symbol in symbols}
        self._running: list[Symbol] = []
        self._due_ns: int | None = None

    def get(self, name: str) -> Symbol | None:
        """Return a symbol, None for an unknown one."""
        return self.symbols.get(name)

    def select(self, symbol: Symbol, now_ns: int) -> None:
        """Show a symbol in the market watch; its time line starts when it is selected first."""
        symbol.selected = True
        if symbol not in self._running:
            symbol.append(symbol.source.start(now_ns))
            self._running.append(symbol)
            self._schedule()

    def take(self, now_ns: int) -> list[tuple[Symbol, Records]]:
        """Return the ticks due by now, symbol by symbol, each a bounded slice; the caller appends them."""
        if self._due_ns is None or now_ns < self._due_ns:
            return []
        taken = [(symbol, symbol.source.take(now_ns)) for symbol in self._running]
        self._schedule()
        return [(symbol, ticks) for symbol, ticks in taken if len(ticks)]

    def next_due_ns(self) -> int | None:
        """Return when the next tick of any symbol is due; None for never."""
        return self._due_ns

    def _schedule(self) -> None:
        times = [due for symbol in self._running if (due := symbol.source.next_due_ns()) is not None]
        self._due_ns = min(times, default=None)
