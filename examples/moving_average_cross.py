"""A small strategy on a tick stream: long while the fast average of the mid price is above the slow one, else short.

    python examples/moving_average_cross.py EURUSD --ticks 5000

Averages are over ticks. A position is turned at every crossing: the old one is closed, then the other side is opened.
What became of every order is kept in the report, so that it can be recomputed from the ticks and compared with what the
terminal says. An order whose outcome is unknown is looked up in the positions before anything else is sent.
"""

import argparse
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from clients import Client, StreamTick
from clients.ticks import TickStream
from gateway.wire.constants import POSITION_TYPE_BUY
from gateway.wire.errors import OutcomeUnknown, Refused, TerminalRefused
from gateway.wire.structs import OrderSendResult

MAGIC = 20_251


class Average:
    """The mean of the last `length` values, kept by difference; None until there are so many."""

    def __init__(self, length: int) -> None:
        self._values: deque[float] = deque(maxlen=length)
        self._sum = 0.0

    def add(self, value: float) -> float | None:
        """Take a value, return the mean."""
        if len(self._values) == self._values.maxlen:
            self._sum -= self._values[0]
        self._values.append(value)
        self._sum += value
        return self._sum / len(self._values) if len(self._values) == self._values.maxlen else None


class Crossing:
    """Tells from ticks which side to be on: 1 long, -1 short, 0 not known yet. Pure, so that it can be run again."""

    def __init__(self, fast: int, slow: int) -> None:
        self._fast = Average(fast)
        self._slow = Average(slow)
        self.side = 0

    def add(self, bid: float, ask: float) -> int:
        """Take a tick's prices, return the side."""
        mid = (bid + ask) / 2
        fast, slow = self._fast.add(mid), self._slow.add(mid)
        if fast is not None and slow is not None and fast != slow:
            self.side = 1 if fast > slow else -1
        return self.side


@dataclass
class Trade:
    """One order and its answer: the tick it was decided on, and what the trade server made of it."""

    symbol: str
    opened: bool  # a position was opened, else closed
    side: int
    tick_seq: int
    result: OrderSendResult


@dataclass
class Report:
    """What a run did. `missed` ticks never reached the strategy; `refusals` are the messages of what was refused."""

    ticks: int = 0
    missed: int = 0
    trades: list[Trade] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)


class Strategy:
    """One symbol's averages and position."""

    def __init__(
        self,
        mt5: Client,
        symbol: str,
        report: Report,
        volume: float,
        fast: int,
        slow: int,
        on_trade: Callable[["Trade"], None],
    ) -> None:
        self._on_trade = on_trade
        self._mt5 = mt5
        self._symbol = symbol
        self._report = report
        self._volume = volume
        self._crossing = Crossing(fast, slow)
        self._ticket = 0
        self._side = 0

    def on_tick(self, tick: StreamTick) -> None:
        """Decide, and trade if the averages have crossed."""
        side = self._crossing.add(tick.bid, tick.ask)
        if side == self._side:
            return
        try:
            self._turn(side, tick.seq)
        except (Refused, TerminalRefused) as error:
            self._report.refusals.append(error.message)
        except OutcomeUnknown as error:
            self._report.refusals.append(error.message)
            self._look()

    def finish(self, seq: int) -> None:
        """Close what is open."""
        if self._ticket:
            self._close(seq)

    def _turn(self, side: int, seq: int) -> None:
        if self._ticket:
            self._close(seq)
        enter = self._mt5.buy if side > 0 else self._mt5.sell
        result = enter(self._symbol, self._volume, magic=MAGIC, comment="crossing")
        self._ticket, self._side = result.order, side
        self._record(Trade(self._symbol, True, side, seq, result))

    def _close(self, seq: int) -> None:
        result = self._mt5.close(self._ticket)
        side, self._ticket, self._side = self._side, 0, 0
        self._record(Trade(self._symbol, False, -side, seq, result))

    def _record(self, trade: Trade) -> None:
        self._report.trades.append(trade)
        self._on_trade(trade)

    def _look(self) -> None:
        """Learn from the terminal what we have, after an order whose outcome nobody could tell."""
        ours = [p for p in self._mt5.positions_get(symbol=self._symbol) or () if p.magic == MAGIC]
        self._ticket = ours[0].ticket if ours else 0
        self._side = 0 if not ours else 1 if ours[0].type == POSITION_TYPE_BUY else -1


def run(
    endpoint: str | None = None,
    tick_endpoint: str | None = None,
    symbols: Iterable[str] = ("EURUSD",),
    stop_after_ticks: int = 0,
    *,
    feed: str = "demo",
    account: str = "",
    volume: float = 0.1,
    fast: int = 20,
    slow: int = 100,
    timeout: float | None = None,
    on_trade: Callable[["Trade"], None] = lambda _trade: None,
) -> Report:
    """Trade until so many ticks have come or Ctrl-C, close everything and report; `on_trade` hears each trade.

    With 0 ticks it goes on until `timeout` seconds pass without one, which raises NoReply.
    """
    symbols = tuple(symbols)
    report = Report()
    with (
        Client(endpoint, account=account) as mt5,
        TickStream(tick_endpoint, symbols, feed=feed, timeout=timeout) as stream,
    ):
        strategies = {symbol: Strategy(mt5, symbol, report, volume, fast, slow, on_trade) for symbol in symbols}
        last_seq = dict.fromkeys(symbols, 0)
        with contextlib.suppress(KeyboardInterrupt):
            for tick in stream:
                strategies[tick.symbol].on_tick(tick)
                last_seq[tick.symbol] = tick.seq
                report.ticks += 1
                if report.ticks == stop_after_ticks:
                    break
        for symbol, strategy in strategies.items():
            strategy.finish(last_seq[symbol])
        report.missed = stream.statistics().missed
    return report


def show(trade: Trade) -> None:
    """Print one trade."""
    what = ("buy" if trade.side > 0 else "sell") + (" to open" if trade.opened else " to close")
    print(f"{trade.symbol} #{trade.tick_seq}: {what} {trade.result.volume} at {trade.result.price}")


def main() -> None:
    """Trade what the command line asks for."""
    parser = argparse.ArgumentParser(description="Trade the crossing of two moving averages.")
    parser.add_argument("symbols", nargs="*", default=["EURUSD"], metavar="SYMBOL")
    parser.add_argument("--ticks", type=int, default=1_000, help="stop after so many ticks")
    parser.add_argument("--volume", type=float, default=0.1, help="lots")
    parser.add_argument("--fast", type=int, default=20, help="ticks in the fast average")
    parser.add_argument("--slow", type=int, default=100, help="ticks in the slow average")
    options = parser.parse_args()
    report = run(
        symbols=options.symbols,
        stop_after_ticks=options.ticks,
        volume=options.volume,
        fast=options.fast,
        slow=options.slow,
        on_trade=show,
    )
    print(f"{report.ticks} ticks, {report.missed} missed, {len(report.refusals)} orders refused")


if __name__ == "__main__":
    main()
