"""The ticks of a minute, made from its bar: they fold into that bar, to the last point.

The first tick opens, the last one closes, one stands at the high with the minute's widest spread, one at the low with
its smallest. In between the bid walks, and the spread walks a step a tick, so that every tick changes something; its
flags say what. On an exchange some ticks are deals, too. The same minute has the same ticks whenever it is asked for.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from gateway.terminal.simulated.market.minutes import MinuteTable, Scale
from gateway.terminal.simulated.market.noise import bells, hashes, mixed
from gateway.terminal.simulated.market.ticks import Records
from gateway.wire.constants import (
    TICK_FLAG_ASK,
    TICK_FLAG_BID,
    TICK_FLAG_BUY,
    TICK_FLAG_LAST,
    TICK_FLAG_SELL,
    TICK_FLAG_VOLUME,
)
from gateway.wire.structs import TICK_DTYPE

__all__ = ("ticks_of_minute",)

_MINUTE_MS: Final = 60_000
_MS_BITS: Final = np.uint64(32)
_BURST: Final = np.uint64(round(0.05 * 2**16))
"""How many ticks come in the same millisecond as the one before."""
_HOLD_BID: Final = np.uint64(round(0.2 * 2**16))
"""How many ticks leave the bid where it was."""
_HOLD_ASK: Final = np.uint64(round(0.9 * 2**16))
"""How many of the others leave the ask, where they can."""
_LOW_16: Final = np.uint64(0xFFFF)
_16, _32, _48 = np.uint64(16), np.uint64(32), np.uint64(48)
_TIME, _STEP, _CHOICE, _DRAWS = range(4)
_DEAL_EVERY: Final = 3
_BOUGHT: Final = np.uint32(TICK_FLAG_LAST | TICK_FLAG_VOLUME | TICK_FLAG_BUY)
_SOLD: Final = np.uint32(TICK_FLAG_LAST | TICK_FLAG_VOLUME | TICK_FLAG_SELL)
_NUDGES: Final = (1, -1, 2, -2, 3, -3)

Integers = npt.NDArray[np.int64]


def ticks_of_minute(minutes: MinuteTable, row: int, scale: Scale, key: int) -> Records:
    """Return the ticks (TICK_DTYPE) of one row; O(ticks), some 100 us for 240."""
    start_s, opened, high, low, close, count, spread, top, volume = (
        int(getattr(minutes, name)[row]) for name in MinuteTable.__slots__
    )
    bits = hashes(mixed(key, start_s), np.arange(_DRAWS * count)).reshape(_DRAWS, count)
    bid, fixed = _bids(bits, (opened, high, low, close), hold=top > spread)
    ask = _asks(bits[_CHOICE], bid, high, low, spread, top) if top > spread else bid + spread
    flags = _flags(bid, ask)
    still = np.flatnonzero(flags == 0)
    if len(still):
        if top > spread:
            _stir(still, ask, bid, bid + spread, bid + top, _pinned(bid, high, low))
        else:
            _stir(still, bid, bid, np.full(count, low), np.full(count, high), fixed)
            ask = bid + spread
        flags = _flags(bid, ask)
        flags[flags == 0] = TICK_FLAG_BID | TICK_FLAG_ASK
    ticks = np.zeros(count, TICK_DTYPE)
    times_msc = start_s * 1000 + _offsets_ms(bits[_TIME])
    ticks["time"] = start_s + (times_msc - start_s * 1000) // 1000
    ticks["bid"] = scale.prices(bid)
    ticks["ask"] = scale.prices(ask)
    ticks["time_msc"] = times_msc
    ticks["flags"] = flags
    if volume:
        _deal(ticks, bits[_CHOICE], _lowest_highest(bid, high, low), float(scale.prices(high)), volume)
    return ticks


def _offsets_ms(bits: npt.NDArray[np.uint64]) -> Integers:
    """Return ascending milliseconds of the minute, some of them twice."""
    offsets = ((bits >> _MS_BITS) * np.uint64(_MINUTE_MS)) >> _MS_BITS
    offsets.sort()
    again = (bits[1:] & _LOW_16) < _BURST
    return np.concatenate((offsets[:1], np.where(again, offsets[:-1], offsets[1:]))).astype(np.int64)


def _bids(bits: npt.NDArray[np.uint64], bar: tuple[int, int, int, int], *, hold: bool) -> tuple[Integers, set[int]]:
    """Return the bids, and the ticks at which they are where the bar wants them."""
    opened, high, low, close = bar
    count = bits.shape[1]
    last = count - 1
    if count == 1:
        return np.array([opened]), {0}
    walk = np.cumsum(bells(bits[_STEP]))
    walk -= walk[0]
    progress = np.arange(count) / last
    bridge = walk - progress * walk[-1]
    extent = float(bridge.max() - bridge.min()) or 1.0
    path = opened + (close - opened) * progress + bridge * ((high - low) / extent)
    bid = np.minimum(np.maximum(np.rint(path), low), high).astype(np.int64)
    fixed = {0, last}
    for extreme, outside, where in ((high, max(opened, close), np.argmax), (low, min(opened, close), np.argmin)):
        if extreme != outside:
            at = 1 + int(where(path[1:last]))
            if at in fixed:
                at = at + 1 if at + 1 < last else at - 1
            bid[at] = extreme
            fixed.add(at)
    if hold:
        moves = (bits[_CHOICE] & _LOW_16) >= _HOLD_BID
        moves[list(fixed)] = True
        bid[0], bid[last] = opened, close
        bid = bid[np.maximum.accumulate(np.where(moves, np.arange(count), 0))]
    bid[0], bid[last] = opened, close
    return bid, fixed


def _pinned(bid: Integers, high: int, low: int) -> set[int]:
    """Return at which tick the spread is the smallest and at which the widest: two, where there are two ticks."""
    lowest, highest = _lowest_highest(bid, high, low)
    return {lowest, highest}


def _lowest_highest(bid: Integers, high: int, low: int) -> tuple[int, int]:
    lowest, highest = int(np.argmax(bid == low)), int(np.argmax(bid == high))
    return lowest, highest if highest != lowest else (lowest + 1) % len(bid)


def _asks(bits: npt.NDArray[np.uint64], bid: Integers, high: int, low: int, spread: int, top: int) -> Integers:
    """Return asks above the bids by a spread that walks between the smallest and the widest."""
    width = top - spread
    steps = ((bits >> _48) & np.uint64(1)).astype(np.int64) * 2 - 1
    walk = np.cumsum(steps) % (2 * width)
    ask = bid + spread + np.abs(walk - width)
    lowest, highest = _lowest_highest(bid, high, low)
    ask[lowest], ask[highest] = low + spread, high + top
    # A tick may leave the ask where it was if its bid moves and the next one's does: then neither repeats another.
    moved = bid[1:] != bid[:-1]
    held = moved[:-1] & moved[1:] & (((bits[1:-1] >> _16) & _LOW_16) < _HOLD_ASK)
    held[1::2] = False
    at = np.flatnonzero(held) + 1
    before, over = ask[at - 1], ask[at - 1] - bid[at]
    fits = (over >= spread) & (over <= top) & (at != lowest) & (at != highest)
    ask[at[fits]] = before[fits]
    return ask


def _deal(ticks: Records, bits: npt.NDArray[np.uint64], extremes: tuple[int, int], high: float, volume: int) -> None:
    """Let every third tick deal, and those at the lowest and highest bid: together so many lots; in place."""
    dealing = np.zeros(len(ticks), np.bool_)
    dealing[::_DEAL_EVERY] = True
    dealing[list(extremes)] = True
    at = np.flatnonzero(dealing)[:volume]
    lots, rest = divmod(volume, len(at))
    bought = ((bits[at] >> _32) & np.uint64(1) == 1) & (ticks["ask"][at] <= high)
    bought[at == extremes[0]] = False
    ticks["volume"][at] = lots + (np.arange(len(at)) < rest)
    ticks["volume_real"] = ticks["volume"]
    ticks["flags"][at] |= np.where(bought, _BOUGHT, _SOLD)
    since = np.zeros(len(ticks), np.int64)
    since[at] = np.arange(len(at))
    ticks["last"] = np.where(bought, ticks["ask"][at], ticks["bid"][at])[np.maximum.accumulate(since)]


def _flags(bid: Integers, ask: Integers) -> npt.NDArray[np.uint32]:
    """Say what each tick changes; the first one states both sides."""
    flags = np.empty(len(bid), np.uint32)
    flags[0] = TICK_FLAG_BID | TICK_FLAG_ASK
    flags[1:] = (bid[1:] != bid[:-1]) * TICK_FLAG_BID + (ask[1:] != ask[:-1]) * TICK_FLAG_ASK
    return flags


def _stir(
    still: Integers, moving: Integers, bid: Integers, lowest: Integers, highest: Integers, fixed: set[int]
) -> None:
    """Move one side of the ticks that change nothing, a point or a few, where that leaves all others a change."""
    last = len(bid) - 1
    alone = moving is bid
    for at in still.tolist():
        if at in fixed or moving[at] != moving[at - 1]:
            continue
        for nudge in _NUDGES:
            value = moving[at] + nudge
            repeated = at < last and moving[at + 1] == value and (alone or bid[at + 1] == bid[at])
            if lowest[at] <= value <= highest[at] and not repeated:
                moving[at] = value
                break
