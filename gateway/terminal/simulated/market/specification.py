"""What is fixed about a symbol: one frozen record that its broker would have set up.

Nothing here moves with the market: `start_price`, `volatility` and `ticks_per_second` only shape synthetic prices.
Which symbols there are stands in `catalog`; the values are judged here, so that no impossible symbol ever exists.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

from gateway.terminal.simulated.market.sessions import FOREX, Sessions
from gateway.wire import constants as mt5
from gateway.wire.filling import SYMBOL_FILLING_FOK, SYMBOL_FILLING_IOC

__all__ = ("BONDS", "CALC_MODES", "EXPIRATION_MODE_ALL", "FUTURES", "ORDER_MODE_ALL", "STOCKS", "Specification")

ORDER_MODE_ALL: Final = 1 | 2 | 4 | 8 | 16 | 32 | 64
"""Market, limit, stop, stop limit, stop loss, take profit, close by. Source: MQL5 documentation, SYMBOL_ORDER_MODE."""
EXPIRATION_MODE_ALL: Final = 1 | 2 | 4 | 8
"""GTC, day, specified, specified day. Source: MQL5 documentation, SYMBOL_EXPIRATION_MODE."""
MAX_DIGITS: Final = 8
"""Prices are counted in points as exact integers; more digits than a terminal ever shows would leave no room."""

FUTURES: Final = (mt5.SYMBOL_CALC_MODE_FUTURES, mt5.SYMBOL_CALC_MODE_EXCH_FUTURES)
STOCKS: Final = (mt5.SYMBOL_CALC_MODE_EXCH_STOCKS, mt5.SYMBOL_CALC_MODE_EXCH_STOCKS_MOEX)
BONDS: Final = (mt5.SYMBOL_CALC_MODE_EXCH_BONDS, mt5.SYMBOL_CALC_MODE_EXCH_BONDS_MOEX)
CALC_MODES: Final = (
    mt5.SYMBOL_CALC_MODE_FOREX,
    mt5.SYMBOL_CALC_MODE_FOREX_NO_LEVERAGE,
    mt5.SYMBOL_CALC_MODE_CFD,
    mt5.SYMBOL_CALC_MODE_CFDINDEX,
    mt5.SYMBOL_CALC_MODE_CFDLEVERAGE,
    *FUTURES,
    *STOCKS,
    *BONDS,
)
"""What is simulated. Options would need a model of their prices, and collateral is no instrument to trade."""

_POSITIVE: Final = ("contract_size", "volume_min", "volume_step", "start_price", "ticks_per_second")
_AT_LEAST_ZERO: Final = (
    "tick_size",
    "tick_value",
    "volume_limit",
    "filling_mode",
    "order_mode",
    "expiration_mode",
    "stops_level",
    "freeze_level",
    "start_time_s",
    "expiration_time_s",
    "margin_initial",
    "margin_maintenance",
    "margin_rate",
    "margin_rate_pending",
    "margin_hedged",
    "liquidity_rate",
    "face_value",
    "commission_per_lot",
    "commission_percent",
    "book_depth",
    "liquidity_lots",
    "slippage_points",
    "spread_points",
    "volatility",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """One symbol as its broker set it up; raises ValueError naming a field whose value makes no sense.

    Volumes are lots, levels are points, volatility is per year. `tick_size` 0 means one point, `volume_limit` 0 no
    limit on the open and pending volume of one direction. `tick_value` is what one tick of one lot is worth in the
    profit currency, as the formulas of futures and of index CFDs know it; 0 means what follows from the contract.
    Source: MQL5 documentation, "Symbol properties". What MT5 doesn't show:

    `margin_rate`, `margin_rate_pending`: share of the formula's margin that a position and a pending order block.
    `commission_per_lot` in the account's currency, `commission_percent` of a deal's value, each at every deal.
    `liquidity_lots`: what can be filled at the best price; 0 is without end. `slippage_points`: how far a market
    order's price may move, against or for the trader, before it is filled. The last five shape synthetic prices.
    """

    name: str
    description: str
    path: str
    currency_base: str
    currency_profit: str
    currency_margin: str
    digits: int
    contract_size: float
    tick_size: float = 0.0
    tick_value: float = 0.0
    volume_min: float = 0.01
    volume_max: float = 100.0
    volume_step: float = 0.01
    volume_limit: float = 0.0
    calc_mode: int = mt5.SYMBOL_CALC_MODE_FOREX
    filling_mode: int = SYMBOL_FILLING_FOK | SYMBOL_FILLING_IOC
    order_mode: int = ORDER_MODE_ALL
    expiration_mode: int = EXPIRATION_MODE_ALL
    gtc_mode: int = mt5.SYMBOL_ORDERS_GTC
    trade_exemode: int = mt5.SYMBOL_TRADE_EXECUTION_MARKET
    trade_mode: int = mt5.SYMBOL_TRADE_MODE_FULL
    stops_level: int = 0
    freeze_level: int = 0
    sessions: Sessions = FOREX
    start_time_s: int = 0
    expiration_time_s: int = 0
    margin_initial: float = 0.0
    margin_maintenance: float = 0.0
    margin_rate: float = 1.0
    margin_rate_pending: float = 0.0
    margin_hedged: float = 0.0
    margin_hedged_use_leg: bool = False
    liquidity_rate: float = 0.0
    face_value: float = 0.0
    commission_per_lot: float = 0.0
    commission_percent: float = 0.0
    swap_mode: int = mt5.SYMBOL_SWAP_MODE_POINTS
    swap_long: float = 0.0
    swap_short: float = 0.0
    swap_rollover3days: int = mt5.DAY_OF_WEEK_WEDNESDAY
    basis: str = ""
    category: str = ""
    exchange: str = ""
    isin: str = ""
    page: str = ""
    book_depth: int = 5
    liquidity_lots: float = 0.0
    slippage_points: int = 0
    start_price: float = 1.0
    spread_points: int = 10
    spread_fixed: bool = False
    volatility: float = 0.1
    ticks_per_second: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.digits <= MAX_DIGITS:
            raise ValueError(f"digits: expected 0 to {MAX_DIGITS}, got {self.digits!r}")
        if self.calc_mode not in CALC_MODES:
            raise ValueError(
                f"calc_mode: expected one that is simulated (not options, not collateral), got {self.calc_mode!r}"
            )
        for field in _POSITIVE:
            self._expect(field, "a number above 0", above=True)
        for field in _AT_LEAST_ZERO:
            self._expect(field, "a number of at least 0", above=False)
        if not self.volume_max >= self.volume_min:
            raise ValueError(f"volume_max: expected at least volume_min {self.volume_min}, got {self.volume_max!r}")
        if self.calc_mode in FUTURES and self.margin_initial <= 0.0:
            raise ValueError(f"margin_initial: expected a number above 0 for futures, got {self.margin_initial!r}")
        if self.calc_mode in BONDS and self.face_value <= 0.0:
            raise ValueError(f"face_value: expected a number above 0 for bonds, got {self.face_value!r}")
        if not 0 <= self.swap_rollover3days <= mt5.DAY_OF_WEEK_SATURDAY:
            raise ValueError(f"swap_rollover3days: expected a day from 0 (Sunday), got {self.swap_rollover3days!r}")
        if not (math.isfinite(self.swap_long) and math.isfinite(self.swap_short)):
            raise ValueError(f"swap_long, swap_short: expected numbers, got {self.swap_long!r}, {self.swap_short!r}")
        if self.tick_size == 0.0:
            object.__setattr__(self, "tick_size", self.point)
        if self.tick_value == 0.0:
            # An index's formula multiplies by contract size and by tick value: by default only one of them counts.
            index = self.calc_mode == mt5.SYMBOL_CALC_MODE_CFDINDEX
            object.__setattr__(self, "tick_value", self.tick_size if index else self.tick_size * self.contract_size)

    def _expect(self, field: str, wanted: str, *, above: bool) -> None:
        value: Any = getattr(self, field)
        if not (math.isfinite(value) and (value > 0 if above else value >= 0)):
            raise ValueError(f"{field}: expected {wanted}, got {value!r}")

    @property
    def point(self) -> float:
        """Smallest difference between two prices."""
        return round(10.0**-self.digits, self.digits)

    @property
    def points_per_unit(self) -> int:
        """How many points make one unit of price."""
        return int(10**self.digits)
