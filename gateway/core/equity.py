"""What an account has lost: since the beginning of its day, and since its highest equity; deposits don't count.

The day begins at a time of day in UTC or on the server's clock. Its baseline is the equity of the first sound reading
of the day. A deposit, a withdrawal, a credit or a bonus moves baseline and peak along with it.
Rules: a loss that lasted for STEADY_READINGS readings stays one until the day is over, though equity recovers; a peak
counts when it lasted as long: a deposit may show in the equity some readings before its deal does. What is here is
journaled by `told`, and taken back by `recovered`.
"""

from collections import deque
from typing import Any

from gateway.core.evidence import Ledger
from gateway.wire import constants as mt5

__all__ = ("CHANGED", "UNCHANGED", "URGENT", "DayClock", "EquityWatch")

STEADY_READINGS = 4

UNCHANGED = 0
CHANGED = 1
URGENT = 2

_FLOWS = (mt5.DEAL_TYPE_BALANCE, mt5.DEAL_TYPE_CREDIT, mt5.DEAL_TYPE_BONUS)
_DAY_S = 86_400
_OFFSET_STEP_S = 900
"""Servers' clocks differ from UTC by multiples of a quarter of an hour."""
_NS_PER_S = 1_000_000_000


class DayClock:
    """When an account's days begin. Days never go back, whatever a clock does."""

    __slots__ = ("_newest_msc", "_on_server", "_reset_s", "day", "offset_s")

    def __init__(self, reset_minutes: int, on_server: bool) -> None:
        """`reset_minutes` since midnight; `on_server`: of the server's clock, taken for UTC until it is measured."""
        self.day = -1
        self.offset_s = 0
        self._reset_s = reset_minutes * 60
        self._on_server = on_server
        self._newest_msc = 0

    def measure(self, server_msc: int, wall_ns: int) -> None:
        """Take the newest time that a reading shows; where it has advanced, it is about now on the server's clock."""
        if self._on_server and server_msc > self._newest_msc > 0:
            ahead_s = server_msc // 1_000 - wall_ns // _NS_PER_S
            self.offset_s = round(ahead_s / _OFFSET_STEP_S) * _OFFSET_STEP_S
        self._newest_msc = max(self._newest_msc, server_msc)

    def of(self, wall_ns: int) -> int:
        """Return the number of the day at a time of our wall clock."""
        return (wall_ns // _NS_PER_S + self.offset_s - self._reset_s) // _DAY_S

    def advance(self, wall_ns: int) -> bool:
        """Tell whether another day has begun."""
        day = self.of(wall_ns)
        if day <= self.day:
            return False
        self.day = day
        return True


class EquityWatch:
    """One account's losses."""

    __slots__ = (
        "_flows",
        "_is_day_open",
        "_recent",
        "baseline",
        "clock",
        "day_loss",
        "drawdown",
        "equity",
        "last_flow",
        "peak",
        "worst_day_loss",
        "worst_drawdown",
    )

    def __init__(self, clock: DayClock) -> None:
        self.clock = clock
        self.equity = 0.0
        self.baseline = 0.0
        self.peak = 0.0
        self.last_flow = -1  # the newest deposit's or withdrawal's ticket; -1: nothing has been measured yet
        self.day_loss = 0.0  # now
        self.drawdown = 0.0
        self.worst_day_loss = 0.0  # of this day
        self.worst_drawdown = 0.0
        self._is_day_open = True
        self._flows: set[int] = set()
        self._recent: deque[float] = deque(maxlen=STEADY_READINGS)

    def rebase(self) -> None:
        """Measure anew from the next reading on."""
        self.last_flow = -1
        self.worst_day_loss = self.worst_drawdown = 0.0

    def seen(self, ledger: Ledger, wall_ns: int) -> int:
        """Take a reading; say whether what is journaled is UNCHANGED, CHANGED, or so much that it is URGENT."""
        self.clock.measure(ledger.server_time_msc, wall_ns)
        flows = {deal.ticket: deal.profit for deal in ledger.deals if deal.type in _FLOWS}
        if self.clock.advance(wall_ns):
            self._is_day_open = False
        equity = float(ledger.account.equity)
        if self.last_flow < 0:
            self.equity = self.baseline = self.peak = equity
            self.day_loss = self.drawdown = 0.0
            self._flows = set(flows)
            self.last_flow = max(flows, default=0)
            self._recent.clear()
            self._is_day_open = True
            return URGENT
        new = {
            ticket: profit for ticket, profit in flows.items() if ticket > self.last_flow and ticket not in self._flows
        }
        if new:
            return self._moved(sum(new.values()), set(flows), max(new))
        self.equity = equity
        self._recent.append(equity)
        is_new_day = not self._is_day_open
        if is_new_day:
            self._is_day_open = True
            self.baseline = equity
            self.worst_day_loss = 0.0
            self.worst_drawdown = 0.0
            self._recent.clear()
        self.day_loss = max(self.baseline - equity, 0.0)
        self.drawdown = max(self.peak - equity, 0.0)
        return URGENT if is_new_day else self._steady()

    def _moved(self, amount: float, flows: set[int], newest: int) -> int:
        """Move along with a deposit or withdrawal; this reading's equity may be older than its deal."""
        self._flows = flows
        self.last_flow = newest
        self.baseline += amount
        self.peak += amount
        self._recent.clear()
        return URGENT

    def _steady(self) -> int:
        """Take what has lasted; say whether anything was worse or higher than before."""
        if len(self._recent) < STEADY_READINGS:
            return UNCHANGED
        highest, lowest = max(self._recent), min(self._recent)
        has_changed = UNCHANGED
        if lowest > self.peak:
            self.peak = lowest
            has_changed = CHANGED
        day_loss, drawdown = self.baseline - highest, self.peak - highest
        if day_loss > self.worst_day_loss:
            self.worst_day_loss = day_loss
            has_changed = CHANGED
        if drawdown > self.worst_drawdown:
            self.worst_drawdown = drawdown
            has_changed = CHANGED
        return has_changed

    # --- the journal --------------------------------------------------------------------------------------------------

    def told(self) -> dict[str, Any]:
        """Return what must outlive this process."""
        return {
            "day": self.clock.day,
            "offset_s": self.clock.offset_s,
            "baseline": self.baseline,
            "peak": self.peak,
            "last_flow": self.last_flow,
            "worst_day_loss": self.worst_day_loss,
            "worst_drawdown": self.worst_drawdown,
        }

    def recovered(self, told: dict[str, Any]) -> None:
        """Take back what was journaled."""
        self.clock.day = int(told["day"])
        self.clock.offset_s = int(told["offset_s"])
        self.baseline = float(told["baseline"])
        self.peak = float(told["peak"])
        self.last_flow = int(told["last_flow"])
        self.worst_day_loss = float(told["worst_day_loss"])
        self.worst_drawdown = float(told["worst_drawdown"])
        self.equity = self.baseline
