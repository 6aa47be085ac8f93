"""A trading script's calls, timed in a process of its own: through the drop-in module, or through mt5linux's client.

    python -m bench.script mt5gate ENDPOINT
    python -m bench.script mt5linux PORT

What is timed is the same code on both sides, as a script would write it: the call, and where the operation's name says
so the reading of what it returned. mt5linux hands out references, whose fields are asked for one by one.

Commands, answered like the C programs answer theirs: `OPERATION COUNT PATH` times the operation and writes one uint64
of nanoseconds for each into PATH. Each answer is checked outside the clock.
"""

import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.bridge import HOST

__all__ = ("BARS", "FED_SYMBOL", "OPERATIONS", "OTHER_SYMBOL", "POSITIONS", "Script")

FED_SYMBOL: Final = "EURUSD"
"""A feed reads it: its quote stands on the board."""

OTHER_SYMBOL: Final = "GBPUSD"
"""No feed reads it: its quotes are asked of the terminal."""

BARS: Final = 10_000
POSITIONS: Final = 3
"""Open while positions are read."""

DEVIATION_POINTS: Final = 100_000
CONNECT_S: Final = 20.0


class Wrong(Exception):
    """An answer isn't what the operation is about."""


class Script:
    """The operations, on anything that has the package's functions and constants."""

    def __init__(self, mt5: Any) -> None:
        self._mt5 = mt5
        if not mt5.symbol_select(FED_SYMBOL, True) or not mt5.symbol_select(OTHER_SYMBOL, True):
            raise Wrong(f"{FED_SYMBOL}, {OTHER_SYMBOL}: can't be selected")
        specification = mt5.symbol_info(FED_SYMBOL)
        self._volume = specification.volume_min
        self._filling = mt5.ORDER_FILLING_FOK if specification.filling_mode & 1 else mt5.ORDER_FILLING_IOC
        self._ticket = 0

    def run(self, operation: str, count: int) -> list[int]:
        """Return what each of `count` turns took, in ns. Raises Wrong for an answer that isn't what it should be."""
        if operation == "positions":
            self._hold(POSITIONS)
        prepare, timed, check = OPERATIONS[operation]
        clock = time.perf_counter_ns
        taken = []
        for _ in range(count):
            argument = prepare(self)
            began = clock()
            answer = timed(self, argument)
            taken.append(clock() - began)
            check(self, answer)
        self._hold(0)
        return taken

    # What is asked.

    def nothing(self) -> None:
        """Most operations need no argument."""

    def next_order(self) -> dict[str, Any]:
        """Return a market order: it opens a position, or closes the one that is open."""
        tick = self._mt5.symbol_info_tick(FED_SYMBOL)
        if self._ticket:
            return self._order(self._mt5.ORDER_TYPE_SELL, tick.bid) | {"position": self._ticket}
        return self._order(self._mt5.ORDER_TYPE_BUY, tick.ask)

    # What is timed.

    def tick(self, _: None) -> Any:
        """The last quote."""
        return self._mt5.symbol_info_tick(FED_SYMBOL)

    def tick_fields(self, _: None) -> Any:
        """The last quote, and its two prices."""
        tick = self._mt5.symbol_info_tick(FED_SYMBOL)
        return tick.bid, tick.ask

    def tick_asked(self, _: None) -> Any:
        """The last quote of a symbol that no feed reads."""
        return self._mt5.symbol_info_tick(OTHER_SYMBOL)

    def order(self, request: dict[str, Any]) -> Any:
        """A market order."""
        return self._mt5.order_send(request)

    def order_fields(self, request: dict[str, Any]) -> Any:
        """A market order, and what every script reads of its result."""
        result = self._mt5.order_send(request)
        return result.retcode, result.order

    def bars(self, _: None) -> Any:
        """A history of one-minute bars."""
        return self._mt5.copy_rates_from_pos(FED_SYMBOL, self._mt5.TIMEFRAME_M1, 0, BARS)

    def positions(self, _: None) -> Any:
        """All positions, and of each its ticket and profit."""
        return [(position.ticket, position.profit) for position in self._mt5.positions_get(symbol=FED_SYMBOL)]

    def account(self, _: None) -> Any:
        """The account, its balance and equity."""
        account = self._mt5.account_info()
        return account.balance, account.equity

    # What it has to be.

    def is_tick(self, tick: Any) -> None:
        """A quote has a bid and an ask."""
        self.are_prices((tick.bid, tick.ask))

    def are_prices(self, prices: tuple[float, float]) -> None:
        """The bid isn't above the ask."""
        if not 0 < prices[0] <= prices[1]:
            raise Wrong(f"expected bid and ask, got {prices}")

    def is_done(self, result: Any) -> None:
        """The order was executed."""
        self.are_done((result.retcode, result.order))

    def are_done(self, fields: tuple[int, int]) -> None:
        """The order was executed; a position that it opened has its ticket."""
        retcode, order = fields
        if retcode != self._mt5.TRADE_RETCODE_DONE:
            raise Wrong(f"order_send: expected retcode {self._mt5.TRADE_RETCODE_DONE}, got {retcode}")
        self._ticket = 0 if self._ticket else int(order)

    def are_bars(self, bars: Any) -> None:
        """All bars came."""
        if len(bars) != BARS or bars.dtype.itemsize != 60:
            raise Wrong(f"expected {BARS} bars of 60 bytes, got {len(bars)} of {bars.dtype}")

    def are_positions(self, positions: list[tuple[int, float]]) -> None:
        """As many as are open."""
        if len(positions) != POSITIONS:
            raise Wrong(f"expected {POSITIONS} positions, got {positions}")

    def is_account(self, money: tuple[float, float]) -> None:
        """It has money."""
        if min(money) <= 0:
            raise Wrong(f"expected balance and equity, got {money}")

    def _order(self, kind: int, price: float) -> dict[str, Any]:
        return {
            "action": self._mt5.TRADE_ACTION_DEAL,
            "symbol": FED_SYMBOL,
            "volume": self._volume,
            "type": kind,
            "price": price,
            "deviation": DEVIATION_POINTS,
            "magic": 20_240_601,
            "comment": "bench",
            "type_time": self._mt5.ORDER_TIME_GTC,
            "type_filling": self._filling,
        }

    def _hold(self, count: int) -> None:
        """Close every position, then open `count`."""
        for position in self._mt5.positions_get(symbol=FED_SYMBOL):
            self._ticket = position.ticket
            self.is_done(self._mt5.order_send(self.next_order()))
        for _ in range(count):
            self._ticket = 0
            self.is_done(self._mt5.order_send(self.next_order()))
        self._ticket = 0


Operation = tuple[Callable[[Script], Any], Callable[[Script, Any], Any], Callable[[Script, Any], None]]

OPERATIONS: Final[dict[str, Operation]] = {
    "tick": (Script.nothing, Script.tick, Script.is_tick),
    "tick-fields": (Script.nothing, Script.tick_fields, Script.are_prices),
    "tick-asked": (Script.nothing, Script.tick_asked, Script.is_tick),
    "order": (Script.next_order, Script.order, Script.is_done),
    "order-fields": (Script.next_order, Script.order_fields, Script.are_done),
    "bars": (Script.nothing, Script.bars, Script.are_bars),
    "positions": (Script.nothing, Script.positions, Script.are_positions),
    "account": (Script.nothing, Script.account, Script.is_account),
}
"""By name: what to ask, what is timed, what the answer has to be."""


def connected(side: str, place: str) -> Any:
    """Return the package, or what stands in for it."""
    if side == "mt5gate":
        from clients import metatrader5

        if not metatrader5.initialize(place):
            raise SystemExit(f"initialize: {metatrader5.last_error()}")
        return metatrader5
    from mt5linux import MetaTrader5

    deadline = time.monotonic() + CONNECT_S
    while True:
        try:
            return MetaTrader5(HOST, int(place))
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def main() -> None:
    """Serve commands until the end of input."""
    script = Script(connected(*sys.argv[1:]))
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    for line in sys.stdin:
        operation, count, path = line.split()
        try:
            np.array(script.run(operation, int(count)), dtype=np.uint64).tofile(Path(path))
            answer = {"error": ""}
        except Exception as error:  # whatever it is, the bench has to say it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
