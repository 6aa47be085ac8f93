"""The symbols of a simulated terminal, their quotes, and the time that moves them. It knows nothing of trades."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from heapq import heappop, heappush, heapreplace
from typing import Any, Final, Protocol

import numpy as np

from gateway.terminal.simulated.market.clock import LiveTime
from gateway.terminal.simulated.market.rates import Bars
from gateway.terminal.simulated.market.specification import Specification
from gateway.terminal.simulated.market.ticks import MAX_TICKS, Records, TickStore
from gateway.wire.constants import TIMEFRAME_M1
from gateway.wire.structs import Tick

__all__ = ("CROWD", "WAKE_NS", "Charted", "DayRange", "Market", "Source", "Symbol", "TickHistory")

CROWD: Final = 32
"""From how many running symbols on wake-ups are joined."""
WAKE_NS: Final = 1_000_000
"""How far apart joined wake-ups are at least: a tick comes up to this much late, with all others due by then."""

_DAY: Final = 86_400


class Source(Protocol):
    """Where a symbol's ticks come from, driven by the monotonic clock."""

    def start(self, now_ns: int) -> Records:
        """Start the time line, once; return the ticks that lie before it."""

    def take(self, now_ns: int) -> Records:
        """Return the next ticks due by now, perhaps none, a bounded number."""

    def next_due_ns(self) -> int | None:
        """Return when the next tick is due, None for never (or not yet started)."""

    def now_msc(self, now_ns: int) -> int:
        """Return the source's own time, never past its next tick; 0 if only ticks tell it."""


class TickHistory(Protocol):
    """The ticks of a symbol up to now."""

    def extend(self, ticks: Records) -> None:
        """Append ticks."""

    def forward(self, from_msc: int, count: int, flags: int) -> bytes:
        """Return up to `count` ticks from a time on, packed, of COPY_TICKS_* `flags`."""

    def between(self, from_msc: int, to_msc: int, flags: int) -> bytes:
        """Return the ticks between two times, both included, packed; raises TooManyTicks."""


class Charted(Protocol):
    """The bars of a symbol up to now."""

    def series(self, timeframe: int) -> Records:
        """Return all bars of a timeframe."""

    def copy_from_pos(self, timeframe: int, position: int, count: int) -> Records:
        """Return up to `count` bars ending `position` bars before the newest."""

    def copy_from(self, timeframe: int, date_s: int, count: int) -> Records:
        """Return up to `count` bars ending with the one that opens at or before `date_s`."""

    def copy_range(self, timeframe: int, from_s: int, to_s: int) -> Records:
        """Return the bars that open between two times, both included."""


class MadeBars(Charted, Protocol):
    """Bars that are made again when they are asked for, and with them the day's range."""

    def update_day(self, day: "DayRange") -> None:
        """Bring a day's range up to the latest tick."""


class Moment:
    """The monotonic time that a market has been moved to; its symbols look at it."""

    __slots__ = ("now_ns",)

    def __init__(self) -> None:
        self.now_ns = 0


@dataclass(slots=True)
class DayRange:
    """Opening, highest and lowest prices of the day of the latest tick.

    `minutes`, `ticks`: what of it has been taken in, where that isn't every tick there was. `close_before`: the last
    price before it, once it was asked for (see `Symbol.close_before`), and `close_of` the day it was asked for.
    """

    day: int = -1
    bid_open: float = 0.0
    bid_high: float = 0.0
    bid_low: float = 0.0
    ask_high: float = 0.0
    ask_low: float = 0.0
    last_high: float = 0.0
    last_low: float = 0.0
    volume_high: float = 0.0
    volume_low: float = 0.0
    minutes: int = 0
    ticks: int = 0
    close_before: float = 0.0
    close_of: int = -1

    def restart(self, day: int, minutes: int) -> None:
        """Begin anew, with the first `minutes` of a day to be filled in; without any the first tick begins it."""
        self.day = day if minutes else -1
        self.minutes, self.ticks = minutes, 0
        self.last_high = self.last_low = 0.0

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
            self.volume_high = self.volume_low = 0.0
        self.bid_high, self.bid_low = _widen(ticks["bid"], self.bid_high, self.bid_low)
        self.ask_high, self.ask_low = _widen(ticks["ask"], self.ask_high, self.ask_low)
        self.last_high, self.last_low = _widen(ticks["last"], self.last_high, self.last_low)
        self.volume_high, self.volume_low = _widen(ticks["volume_real"], self.volume_high, self.volume_low)


def _widen(prices: Any, high: float, low: float) -> tuple[float, float]:
    lowest = float(np.min(prices))
    return max(high, float(np.max(prices))), min(low, lowest) if low > 0.0 else lowest


class Symbol:
    """One symbol: its specification, its latest tick as plain fields, its history.

    Ticks are kept as they come, unless `made` says where they can be made again: ticks, and bars.
    `always_open` is True if its sessions don't count.
    """

    __slots__ = (
        "_awaited",
        "_recorded",
        "_seen",
        "always_open",
        "ask",
        "bars",
        "bid",
        "day",
        "flags",
        "last",
        "made",
        "moment",
        "name",
        "selected",
        "source",
        "specification",
        "ticks",
        "time_msc",
        "visible",
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
        made: tuple[TickHistory, MadeBars] | None = None,
        always_open: bool = True,
    ) -> None:
        self.name = specification.name
        self.specification = specification
        self.source = source
        self.selected = self.visible = False
        self.always_open = always_open
        self.made: MadeBars | None = None
        self.ticks: TickHistory
        self.bars: Charted
        if made is None:
            self._recorded = (TickStore(max_ticks), Bars(specification.point, history))
            self.ticks, self.bars = self._recorded
        else:
            self.ticks, self.made = made
            self.bars = self.made
        self.day = DayRange()
        self.moment = Moment()
        self.bid = self.ask = self.last = self.volume_real = 0.0
        self.volume = self.time_msc = self.flags = 0
        self._seen = self._awaited = 0

    @property
    def quoted(self) -> bool:
        """Whether there is a price to trade at on both sides."""
        return self.bid > 0.0 and self.ask > 0.0

    @property
    def now_msc(self) -> int:
        """The server's time at this symbol: it goes on without ticks, and waits for those that are due."""
        if self._awaited:
            return self.time_msc
        return max(self.time_msc, self.source.now_msc(self.moment.now_ns))

    @property
    def trade_open(self) -> bool:
        """Whether it can be traded now, by its sessions and its life; quotes may be older."""
        return self.open_at(self.now_msc)

    def open_at(self, time_msc: int) -> bool:
        """Say whether it can be traded at a time, by its sessions and its life."""
        time_s = time_msc // 1000
        specification = self.specification
        if time_s < specification.start_time_s or 0 < specification.expiration_time_s <= time_s:
            return False
        return self.always_open or specification.sessions.is_open(time_s)

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

    def expect(self, count: int) -> None:
        """Note that ticks have been taken that will be appended: until then no time passes."""
        self._awaited += count

    def append(self, ticks: Records) -> None:
        """Take in ticks in order: the last one is the quote from now on."""
        if not len(ticks):
            return
        if self.made is None:
            self._make_room(len(ticks))
        self.ticks.extend(ticks)
        self._awaited = max(self._awaited - len(ticks), 0)
        _, self.bid, self.ask, self.last, self.volume, self.time_msc, self.flags, self.volume_real = ticks[-1].item()

    def refresh(self) -> None:
        """Bring bars and the day's range up to the latest tick; O(new ticks)."""
        if self.made is not None:
            self.made.update_day(self.day)
            return
        store, bars = self._recorded
        fresh = store.since(self._seen)
        if len(fresh):
            self._seen = store.total
            bars.update(fresh)
            self.day.update(fresh)

    def close_before(self) -> float:
        """Return the last price before the day of the latest tick, 0 if there is none; looked up once a day."""
        day = self.day
        if day.close_of != day.day:
            bars = self.bars.copy_from(TIMEFRAME_M1, day.day * _DAY - 1, 1)
            day.close_before = float(bars["close"][-1]) if len(bars) else 0.0
            day.close_of = day.day
        return day.close_before

    def _make_room(self, count: int) -> None:
        store, _ = self._recorded
        if not store.has_room(count):
            self.refresh()
            store.make_room()


class Market:
    """All symbols by name, in the order they are listed in.

    `server`: the server's clock, if there is one for all. `begin_msc`: the server's time at the beginning.
    """

    def __init__(self, symbols: Iterable[Symbol], server: LiveTime | None = None, begin_msc: int = 0) -> None:
        self.begin_msc = begin_msc
        self.symbols: dict[str, Symbol] = {symbol.name: symbol for symbol in symbols}
        self._server = server
        self._moment = Moment()
        self._order = {name: index for index, name in enumerate(self.symbols)}
        self._running: dict[str, Symbol] = {}
        self._due: list[tuple[int, int, Symbol]] = []
        self._woken_ns: int | None = None
        for symbol in self.symbols.values():
            symbol.moment = self._moment

    def get(self, name: str) -> Symbol | None:
        """Return a symbol, None for an unknown one."""
        return self.symbols.get(name)

    @property
    def now_msc(self) -> int:
        """The account's time: the server's clock, or where each recording has its own, the latest of them."""
        if self._server is not None:
            return self._server.now_ms(self._moment.now_ns)
        return max((symbol.now_msc for symbol in self._running.values()), default=self.begin_msc)

    def move(self, now_ns: int) -> None:
        """Let time pass, without ticks; never backwards."""
        self._moment.now_ns = max(self._moment.now_ns, now_ns)

    def select(self, symbol: Symbol, now_ns: int, *, visible: bool = True) -> bool:
        """Show a symbol in the market watch, and say whether this is the first time: then its time line starts.

        What is only needed for its quotes is selected without being `visible`. Source: MQL5 documentation,
        SYMBOL_VISIBLE.
        """
        self.move(now_ns)
        symbol.visible = visible or (symbol.selected and symbol.visible)
        symbol.selected = True
        if symbol.name in self._running:
            return False
        symbol.append(symbol.source.start(now_ns))
        self._running[symbol.name] = symbol
        due_ns = symbol.source.next_due_ns()
        if due_ns is not None:
            heappush(self._due, (due_ns, self._order[symbol.name], symbol))
        return True

    def take(self, now_ns: int) -> list[tuple[Symbol, Records]]:
        """Return the ticks due by now, symbol by symbol, each a bounded slice; the caller appends them.

        O(symbols with a tick due), whatever the number of symbols.
        """
        self.move(now_ns)
        self._woken_ns = now_ns
        due = self._due
        taken: list[tuple[Symbol, Records]] = []
        again: list[tuple[int, int, Symbol]] = []
        while due and due[0][0] <= now_ns:
            _, order, symbol = due[0]
            ticks = symbol.source.take(now_ns)
            if len(ticks):
                symbol.expect(len(ticks))
                taken.append((symbol, ticks))
            due_ns = symbol.source.next_due_ns()
            if due_ns is None:
                heappop(due)
            elif due_ns > now_ns:
                heapreplace(due, (due_ns, order, symbol))
            else:
                heappop(due)
                again.append((due_ns, order, symbol))
        for entry in again:
            heappush(due, entry)
        return taken

    def next_due_ns(self) -> int | None:
        """Return when to `take` next; None for never. With CROWD symbols, not WAKE_NS after the last time."""
        if not self._due:
            return None
        due_ns = self._due[0][0]
        if len(self._due) < CROWD or self._woken_ns is None or due_ns <= self._woken_ns:
            return due_ns
        return max(due_ns, self._woken_ns + WAKE_NS)
