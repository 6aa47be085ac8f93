"""What the books are made of: positions, active orders, open volume, and what changed of them."""

from dataclasses import dataclass
from typing import Final

from gateway.wire.constants import ORDER_STATE_PLACED, POSITION_TYPE_BUY
from gateway.wire.structs import TradeDeal, TradeOrder

__all__ = ("Changes", "Exposure", "Order", "Position", "lots")

_SCALE: Final = 10**8
"""Volumes and prices have at most eight digits behind the point."""
_VOLUME_DIGITS: Final = 8


def lots(volume: float) -> float:
    """Round a volume so that sums of steps stay multiples of the step."""
    return round(volume, _VOLUME_DIGITS) + 0.0


@dataclass(slots=True, kw_only=True)
class Position:
    """One open position; `identifier` never changes, `ticket` does when it is reversed or reopened."""

    ticket: int
    identifier: int
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
    """One active order: pending, or a market order that isn't wholly executed yet.

    `volume` is what was asked for, `volume_current` what is left of it. `expires_s` is 0 for good till cancelled.
    `position_id` is the position (its identifier) that the order closes or has begun to open, `position_by_id` the
    opposite one of a close-by. `executes_msc`, above 0, is when an asynchronous order is executed;
    `deviation_points`, from 0 on, how far the price may have moved by then.
    """

    ticket: int
    symbol: str
    type: int
    volume: float
    volume_current: float
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
    price_stoplimit: float = 0.0
    state: int = ORDER_STATE_PLACED
    position_id: int = 0
    position_by_id: int = 0
    executes_msc: int = 0
    deviation_points: int = -1


class Exposure:
    """A symbol's open volume and its worth at the opening prices (lots times price), side by side.

    The sums are kept as whole numbers: they don't depend on the order in which positions came and went, so that a
    restored book has the same margin to the last digit.
    """

    __slots__ = ("_units", "_values", "buy_value", "buy_volume", "sell_value", "sell_volume")

    def __init__(self) -> None:
        self._units = [0, 0]
        self._values = [0, 0]
        self.buy_volume = self.buy_value = self.sell_volume = self.sell_value = 0.0

    def copy(self) -> "Exposure":
        """Return the same sums, to be added to without a trace."""
        other = Exposure()
        other._units, other._values = self._units[:], self._values[:]
        other.buy_volume, other.buy_value = self.buy_volume, self.buy_value
        other.sell_volume, other.sell_value = self.sell_volume, self.sell_value
        return other

    def add(self, kind: int, volume: float, price: float) -> None:
        """Add (or with a negative volume take away) a position's part."""
        units = round(volume * _SCALE)
        side = 0 if kind == POSITION_TYPE_BUY else 1
        self._units[side] += units
        self._values[side] += units * round(price * _SCALE)
        if side == 0:
            self.buy_volume = self._units[0] / _SCALE
            self.buy_value = self._values[0] / (_SCALE * _SCALE)
        else:
            self.sell_volume = self._units[1] / _SCALE
            self.sell_value = self._values[1] / (_SCALE * _SCALE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What changed in a book: positions and orders by ticket (None is gone), what was entered, and where it stands.

    `finished` and `deals` are in the order they were entered, which is the order to restore them in.
    """

    positions: dict[int, Position | None]
    orders: dict[int, Order | None]
    finished: list[TradeOrder]
    deals: list[TradeDeal]
    balance: float
    credit: float
    next_order: int
    next_deal: int
    request_id: int
