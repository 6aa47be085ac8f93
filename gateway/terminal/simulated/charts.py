"""The calls that copy ticks and bars: what they refuse and what they return, as the package does.

Bars and ticks leave as packed 60-byte records. A symbol must be in the market watch. What is wrong with tick history
at the moment is told as a `Distortion`.
"""

from typing import Final

import numpy as np

from gateway.terminal.simulated.distortion import MARGIN, PLAIN, Distortion
from gateway.terminal.simulated.failures import failed, invalid, not_found
from gateway.terminal.simulated.market.rates import TIMEFRAMES, period_seconds
from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.market.ticks import TooManyTicks
from gateway.wire.constants import COPY_TICKS_INFO, COPY_TICKS_TRADE
from gateway.wire.structs import RECORD_BYTES, TICK_DTYPE

__all__ = ("MAX_BARS", "Charts")

MAX_BARS: Final = 100_000
"""The terminal's "max bars in chart": nothing behind it is shown, and a request for as many is refused."""

_KINDS: Final = COPY_TICKS_INFO | COPY_TICKS_TRADE


class Charts:
    """Ticks and bars of a market. `distortion` is what is wrong with tick history now."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self.distortion: Distortion = PLAIN

    def copy_ticks_from(self, name: str, from_s: int, count: int, flags: int) -> bytes:
        """Return up to `count` ticks from a second on, of COPY_TICKS_* `flags`; none is no failure."""
        symbol = self._watched(name)
        if count <= 0 or not flags & _KINDS:
            raise invalid()
        from_msc, distortion = from_s * 1000, self.distortion
        if distortion is PLAIN:
            return symbol.ticks.forward(from_msc, count, flags)
        asked = count
        while True:
            asked += MARGIN
            data = symbol.ticks.forward(from_msc, asked, flags)
            shown = distortion.shown(np.frombuffer(data, TICK_DTYPE), symbol.now_msc)
            if len(shown) >= count or len(data) < asked * RECORD_BYTES:
                return shown[:count].tobytes()
            asked *= 2

    def copy_ticks_range(self, name: str, from_s: int, to_s: int, flags: int) -> bytes:
        """Return the ticks between two seconds, both included; none is no failure, too many to copy is."""
        symbol = self._watched(name)
        if to_s < from_s or not flags & _KINDS:
            raise invalid()
        try:
            data = symbol.ticks.between(from_s * 1000, to_s * 1000, flags)
        except TooManyTicks:
            raise invalid() from None
        if self.distortion is PLAIN:
            return data
        return self.distortion.shown(np.frombuffer(data, TICK_DTYPE), symbol.now_msc).tobytes()

    def copy_rates_from(self, name: str, timeframe: int, date_s: int, count: int) -> bytes:
        """Return up to `count` bars that end at a date; none is a failure."""
        symbol = self._charted(name, timeframe, count)
        return _some(symbol.bars.copy_from(timeframe, date_s, count).tobytes())

    def copy_rates_from_pos(self, name: str, timeframe: int, position: int, count: int) -> bytes:
        """Return up to `count` bars that end `position` before the newest; none is a failure."""
        symbol = self._charted(name, timeframe, count)
        if position < 0:
            raise invalid()
        if position >= MAX_BARS:
            raise failed()
        return _some(symbol.bars.copy_from_pos(timeframe, position, min(count, MAX_BARS - position)).tobytes())

    def copy_rates_range(self, name: str, timeframe: int, from_s: int, to_s: int) -> bytes:
        """Return the bars that open between two dates, both included; none is no failure.

        Refused is what could be more than the terminal shows, whether it is or not: the calendar counts.
        """
        symbol = self._charted(name, timeframe, 1)
        if to_s < from_s or (to_s - from_s) // period_seconds(timeframe) > MAX_BARS:
            raise invalid()
        return symbol.bars.copy_range(timeframe, from_s, to_s).tobytes()

    def _watched(self, name: str) -> Symbol:
        symbol = self._market.get(name)
        if symbol is None or not symbol.selected:
            raise not_found()
        return symbol

    def _charted(self, name: str, timeframe: int, count: int) -> Symbol:
        symbol = self._market.get(name)
        if symbol is None or not symbol.selected:
            raise failed()
        if timeframe not in TIMEFRAMES or not 0 < count < MAX_BARS:
            raise invalid()
        symbol.refresh()
        return symbol


def _some(bars: bytes) -> bytes:
    if not bars:
        raise failed()
    return bars
