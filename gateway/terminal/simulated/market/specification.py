"""What is fixed about a symbol: eight symbols as data, and the rule that makes up any other.

Values are those of a usual retail account. Nothing here moves with the market: `start_price`, `volatility` and
`ticks_per_second` only shape synthetic prices.
"""

from dataclasses import dataclass, replace
from typing import Final

from gateway.terminal.simulated.market.sessions import FOREX, Sessions
from gateway.wire.constants import (
    SYMBOL_CALC_MODE_CFDLEVERAGE,
    SYMBOL_CALC_MODE_FOREX,
    SYMBOL_ORDERS_GTC,
    SYMBOL_SWAP_MODE_INTEREST_CURRENT,
    SYMBOL_SWAP_MODE_POINTS,
    SYMBOL_TRADE_EXECUTION_MARKET,
    SYMBOL_TRADE_MODE_FULL,
)
from gateway.wire.filling import SYMBOL_FILLING_FOK, SYMBOL_FILLING_IOC

__all__ = ("REFERENCE_RATES", "SPECIFICATIONS", "Specification", "derive", "specification_for")

ORDER_MODE_ALL: Final = 1 | 2 | 4 | 8 | 16 | 32 | 64
"""Market, limit, stop, stop limit, stop loss, take profit, close by. Source: MQL5 documentation, SYMBOL_ORDER_MODE."""
EXPIRATION_MODE_ALL: Final = 1 | 2 | 4 | 8
"""GTC, day, specified, specified day. Source: MQL5 documentation, SYMBOL_EXPIRATION_MODE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """One symbol as its broker set it up. Volumes are lots, levels are points, volatility is per year.

    `tick_size` 0 means one point, `volume_limit` 0 no limit on the open and pending volume of one direction. Source:
    MQL5 documentation, "Symbol properties". What MT5 doesn't show:

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
    volume_min: float = 0.01
    volume_max: float = 100.0
    volume_step: float = 0.01
    volume_limit: float = 0.0
    calc_mode: int = SYMBOL_CALC_MODE_FOREX
    filling_mode: int = SYMBOL_FILLING_FOK | SYMBOL_FILLING_IOC
    order_mode: int = ORDER_MODE_ALL
    expiration_mode: int = EXPIRATION_MODE_ALL
    gtc_mode: int = SYMBOL_ORDERS_GTC
    trade_exemode: int = SYMBOL_TRADE_EXECUTION_MARKET
    trade_mode: int = SYMBOL_TRADE_MODE_FULL
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
    swap_mode: int = SYMBOL_SWAP_MODE_POINTS
    swap_long: float = 0.0
    swap_short: float = 0.0
    swap_rollover3days: int = 3
    book_depth: int = 5
    liquidity_lots: float = 0.0
    slippage_points: int = 0
    start_price: float = 1.0
    spread_points: int = 10
    spread_fixed: bool = False
    volatility: float = 0.1
    ticks_per_second: float = 2.0

    def __post_init__(self) -> None:
        if self.tick_size == 0.0:
            object.__setattr__(self, "tick_size", self.point)

    @property
    def point(self) -> float:
        """Smallest difference between two prices."""
        return round(10.0**-self.digits, self.digits)

    @property
    def points_per_unit(self) -> int:
        """How many points make one unit of price."""
        return int(10**self.digits)


def _forex(name: str, description: str, digits: int, price: float, group: str = "Majors") -> Specification:
    return Specification(
        name=name,
        description=description,
        path=f"Forex\\{group}\\{name}",
        currency_base=name[:3],
        currency_profit=name[3:6],
        currency_margin=name[:3],
        digits=digits,
        contract_size=100_000.0,
        margin_hedged=100_000.0,
        start_price=price,
    )


def _contract(name: str, description: str, folder: str, base: str, digits: int, size: float) -> Specification:
    return Specification(
        name=name,
        description=description,
        path=f"{folder}\\{name}",
        currency_base=base,
        currency_profit="USD",
        currency_margin="USD",
        digits=digits,
        contract_size=size,
        calc_mode=SYMBOL_CALC_MODE_CFDLEVERAGE,
    )


SPECIFICATIONS: Final[dict[str, Specification]] = {
    item.name: item
    for item in (
        replace(
            _forex("EURUSD", "Euro vs US Dollar", 5, 1.1),
            swap_long=-7.2,
            swap_short=2.9,
            spread_points=8,
            volatility=0.07,
            ticks_per_second=4.0,
        ),
        replace(
            _forex("GBPUSD", "Great Britain Pound vs US Dollar", 5, 1.27),
            swap_long=-4.1,
            swap_short=-1.6,
            spread_points=12,
            volatility=0.08,
            ticks_per_second=3.5,
        ),
        replace(
            _forex("USDJPY", "US Dollar vs Japanese Yen", 3, 150.0),
            swap_long=9.8,
            swap_short=-21.4,
            spread_points=10,
            volatility=0.09,
            ticks_per_second=3.5,
        ),
        replace(
            _forex("AUDUSD", "Australian Dollar vs US Dollar", 5, 0.66),
            swap_long=-3.3,
            swap_short=-0.4,
            spread_points=11,
            volatility=0.1,
            ticks_per_second=2.5,
        ),
        replace(
            _contract("XAUUSD", "Gold vs US Dollar", "Metals", "XAU", 2, 100.0),
            volume_max=50.0,
            filling_mode=SYMBOL_FILLING_IOC,
            stops_level=10,
            margin_hedged=100.0,
            swap_long=-38.5,
            swap_short=19.2,
            start_price=2350.0,
            spread_points=22,
            volatility=0.15,
            ticks_per_second=5.0,
        ),
        replace(
            _contract("US500", "S&P 500 Index", "Indices", "USD", 2, 1.0),
            volume_min=0.1,
            volume_max=250.0,
            volume_step=0.1,
            filling_mode=SYMBOL_FILLING_FOK,
            stops_level=50,
            margin_rate=5.0,
            swap_mode=SYMBOL_SWAP_MODE_INTEREST_CURRENT,
            swap_long=-7.5,
            swap_short=2.1,
            swap_rollover3days=5,
            start_price=5300.0,
            spread_points=50,
            volatility=0.15,
            ticks_per_second=3.0,
        ),
        replace(
            _contract("BTCUSD", "Bitcoin vs US Dollar", "Crypto", "BTC", 2, 1.0),
            volume_max=10.0,
            filling_mode=SYMBOL_FILLING_IOC,
            stops_level=500,
            margin_rate=10.0,
            swap_mode=SYMBOL_SWAP_MODE_INTEREST_CURRENT,
            swap_long=-20.0,
            swap_short=-10.0,
            swap_rollover3days=5,
            start_price=65_000.0,
            spread_points=1500,
            volatility=0.55,
            ticks_per_second=6.0,
        ),
        replace(
            _contract("ETHUSD", "Ethereum vs US Dollar", "Crypto", "ETH", 2, 1.0),
            volume_max=100.0,
            filling_mode=SYMBOL_FILLING_IOC,
            stops_level=50,
            margin_rate=10.0,
            swap_mode=SYMBOL_SWAP_MODE_INTEREST_CURRENT,
            swap_long=-20.0,
            swap_short=-10.0,
            swap_rollover3days=5,
            start_price=3400.0,
            spread_points=150,
            volatility=0.65,
            ticks_per_second=4.0,
        ),
    )
}
"""The symbols of a synthetic market, by name."""

REFERENCE_RATES: Final[dict[str, float]] = {
    "USD": 1.0,
    "EUR": 1.1,
    "GBP": 1.27,
    "AUD": 0.66,
    "NZD": 0.61,
    "CAD": 0.73,
    "CHF": 1.12,
    "JPY": 1.0 / 150.0,
    "SEK": 0.095,
    "NOK": 0.094,
    "DKK": 0.147,
    "SGD": 0.74,
    "HKD": 0.128,
    "CNH": 0.138,
    "PLN": 0.25,
    "CZK": 0.043,
    "HUF": 0.0028,
    "MXN": 0.055,
    "ZAR": 0.054,
    "TRY": 0.031,
}
"""US dollars per unit: what stands in for a conversion whose symbol isn't quoted here."""


def derive(name: str, digits: int) -> Specification:
    """Make up the specification of an unlisted symbol: two known currencies are a pair, anything else a CFD in USD."""
    if len(name) >= 6 and name[:3] in REFERENCE_RATES and name[3:6] in REFERENCE_RATES:
        return _forex(name, f"{name[:3]} vs {name[3:6]}", digits, 1.0, "Others")
    return _contract(name, name, "Others", "USD", digits, 1.0)


def specification_for(name: str, digits: int) -> Specification:
    """Return a replayed symbol's specification: the listed one, with the digits that the data shows, or a derived."""
    listed = SPECIFICATIONS.get(name)
    if listed is None:
        return derive(name, digits)
    return listed if listed.digits == digits else replace(listed, digits=digits)
