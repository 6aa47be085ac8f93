"""What it costs to hold a position overnight: charged at the server's midnight, in every swap mode.

The night belongs to the day that ends with it: Monday's to Friday's nights are charged once, the one after
`swap_rollover3days` three times for the weekend to come, Saturday's and Sunday's not, unless one of them is that day.
Source: MQL5 documentation, SYMBOL_SWAP_ROLLOVER3DAYS and ENUM_SYMBOL_SWAP_MODE.

A terminal that was off over midnights charges each of them when it is back, in their order, for the positions that
were open then, at the prices it finds.
"""

from collections.abc import Callable
from typing import Final

from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.trading.books import Book, Position
from gateway.terminal.simulated.trading.valuation import Valuation, worth_of_unit
from gateway.wire import constants as mt5

__all__ = ("Swaps",)

Reopen = Callable[[Symbol, Position, float, int], object]

_DAY_MSC: Final = 86_400_000
_FIRST_SUNDAY: Final = 3
"""The epoch's days are counted from a Thursday: day 3 was the first Sunday."""
_WEEKEND: Final = (mt5.DAY_OF_WEEK_SUNDAY, mt5.DAY_OF_WEEK_SATURDAY)
_DAYS_OF_YEAR: Final = 360
"""A year of interest, as banks count it. Source: MQL5 documentation, SYMBOL_SWAP_MODE_INTEREST_CURRENT."""
_REOPENING: Final = (mt5.SYMBOL_SWAP_MODE_REOPEN_CURRENT, mt5.SYMBOL_SWAP_MODE_REOPEN_BID)
_MONEY_OF: Final = {
    mt5.SYMBOL_SWAP_MODE_CURRENCY_SYMBOL: "currency_base",
    mt5.SYMBOL_SWAP_MODE_CURRENCY_MARGIN: "currency_margin",
}


class Swaps:
    """Charges positions at each midnight. `reopen` closes a position and opens it again at a price and a time.

    `since_msc`: the server's time up to which everything was charged, of an account that was restored; 0 for a new
    one, whose positions have been charged for nothing.
    """

    def __init__(self, book: Book, market: Market, valuation: Valuation, reopen: Reopen, since_msc: int = 0) -> None:
        self._book = book
        self._market = market
        self._valuation = valuation
        self._reopen = reopen
        self._rolled = since_msc // _DAY_MSC

    def resume(self, since_msc: int) -> None:
        """Take over an account that was charged up to a time; it is never charged for a midnight twice."""
        self._rolled = max(self._rolled, since_msc // _DAY_MSC)

    def roll(self, now_msc: int) -> int:
        """Charge all midnights since the last time, by now; return how many charges there were.

        O(1) before the next midnight, else O(nights with positions x positions).
        """
        today = now_msc // _DAY_MSC
        if today <= self._rolled:
            return 0
        first = self._rolled
        self._rolled = today
        if not self._book.positions:
            return 0
        oldest = min(position.time_msc for position in self._book.positions.values()) // _DAY_MSC
        return sum(self._charge_night(day) for day in range(max(first, oldest), today))

    def next_due_msc(self) -> int | None:
        """Return the next midnight to charge at, None without a position."""
        if not self._book.positions:
            return None
        if self._rolled:
            return (self._rolled + 1) * _DAY_MSC
        return (min(position.time_msc for position in self._book.positions.values()) // _DAY_MSC + 1) * _DAY_MSC

    def _charge_night(self, day: int) -> int:
        """Charge the night that ends a day, to all positions opened before its midnight, by ticket."""
        weekday = (day - _FIRST_SUNDAY) % 7
        midnight_msc = (day + 1) * _DAY_MSC
        charged = 0
        for position in list(self._book.positions.values()):
            symbol = self._market.symbols[position.symbol]
            nights = _nights(weekday, symbol.specification.swap_rollover3days)
            if nights and position.time_msc < midnight_msc:
                charged += self._charge(symbol, position, nights, midnight_msc)
        return charged

    def _charge(self, symbol: Symbol, position: Position, nights: int, midnight_msc: int) -> bool:
        specification = symbol.specification
        buy = position.type == mt5.POSITION_TYPE_BUY
        swap = (specification.swap_long if buy else specification.swap_short) * nights
        if specification.swap_mode == mt5.SYMBOL_SWAP_MODE_DISABLED or swap == 0.0:
            return False
        if specification.swap_mode in _REOPENING:
            return self._charge_by_reopening(symbol, position, swap, midnight_msc)
        amount = self._valuation.money(self._amount(symbol, position, swap))
        if amount != 0.0:
            self._book.charge_swap(position, amount)
        return amount != 0.0

    def _amount(self, symbol: Symbol, position: Position, swap: float) -> float:
        """Return a swap's worth in the account's currency: above zero it is paid to the trader."""
        specification = symbol.specification
        mode, volume = specification.swap_mode, position.volume
        if mode == mt5.SYMBOL_SWAP_MODE_CURRENCY_DEPOSIT:
            return swap * volume
        if mode in _MONEY_OF:
            return self._valuation.convert(swap * volume, getattr(specification, _MONEY_OF[mode]))
        if mode == mt5.SYMBOL_SWAP_MODE_POINTS:
            each = specification.point
        elif mode == mt5.SYMBOL_SWAP_MODE_INTEREST_OPEN:
            each = position.price_open / 100.0 / _DAYS_OF_YEAR
        else:
            each = _closing_price(symbol, position) / 100.0 / _DAYS_OF_YEAR
        return self._valuation.convert(
            swap * volume * each * worth_of_unit(specification), specification.currency_profit
        )

    def _charge_by_reopening(self, symbol: Symbol, position: Position, swap: float, midnight_msc: int) -> bool:
        """Close a position and open it again, so many points worse (or, with a swap above zero, better).

        The documentation leaves the sign to the reader ("+/- the specified number of points"); here a swap below zero
        costs, as in every other mode. Without a price nothing can be closed: the night goes by uncharged.
        """
        if not symbol.quoted:
            return False
        specification = symbol.specification
        buy = position.type == mt5.POSITION_TYPE_BUY
        current = specification.swap_mode == mt5.SYMBOL_SWAP_MODE_REOPEN_CURRENT
        price = _closing_price(symbol, position) if current else symbol.bid
        distance = swap * specification.point
        price = round(price - distance if buy else price + distance, specification.digits)
        self._reopen(symbol, position, price, midnight_msc)
        return True


def _nights(weekday: int, triple_day: int) -> int:
    if weekday == triple_day:
        return 3
    return 0 if weekday in _WEEKEND else 1


def _closing_price(symbol: Symbol, position: Position) -> float:
    if not symbol.quoted:
        return position.price_open
    return symbol.bid if position.type == mt5.POSITION_TYPE_BUY else symbol.ask
