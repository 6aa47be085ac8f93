"""One symbol as the package's SymbolInfo: its specification, with the living fields laid over it."""

from functools import lru_cache
from typing import Any, Final

from gateway.terminal.simulated.market.specification import Specification
from gateway.terminal.simulated.market.symbols import Symbol
from gateway.terminal.simulated.trading.valuation import Valuation
from gateway.wire.constants import SYMBOL_CHART_MODE_BID, SYMBOL_ORDERS_GTC
from gateway.wire.structs import SymbolInfo

__all__ = ("BOOK_DEPTH", "describe")

BOOK_DEPTH: Final = 5
"""How many prices the depth of market shows on each side."""
EXPIRATION_MODES: Final = 15
"""Good till cancelled, day, specified, specified day. Source: MQL5 documentation, SYMBOL_EXPIRATION_MODE."""
ORDER_MODES: Final = 1 | 2 | 4 | 16 | 32 | 64
"""Market, limit, stop, stop loss, take profit, close by; no stop limit. Source: MQL5, SYMBOL_ORDER_MODE."""

_ZERO: Final[dict[type, Any]] = {bool: False, int: 0, float: 0.0, str: ""}
_BLANK: Final = {field: _ZERO[kind] for field, kind in SymbolInfo.__annotations__.items()}


def describe(symbol: Symbol, valuation: Valuation) -> SymbolInfo:
    """Return the symbol as it stands now; brings its day's range up to date."""
    symbol.refresh()
    specification, day = symbol.specification, symbol.day
    profit, loss = valuation.tick_values(symbol)
    living = {
        "select": symbol.selected,
        "visible": symbol.selected,
        "volume": symbol.volume,
        "time": symbol.time_msc // 1000,
        "spread": round((symbol.ask - symbol.bid) * specification.points_per_unit) if symbol.quoted else 0,
        "bid": symbol.bid,
        "bidhigh": day.bid_high,
        "bidlow": day.bid_low,
        "ask": symbol.ask,
        "askhigh": day.ask_high,
        "asklow": day.ask_low,
        "last": symbol.last,
        "lasthigh": day.last_high,
        "lastlow": day.last_low,
        "volume_real": symbol.volume_real,
        "trade_tick_value": profit,
        "trade_tick_value_profit": profit,
        "trade_tick_value_loss": loss,
        "price_change": round((symbol.bid / day.bid_open - 1.0) * 100.0, 4) if day.bid_open > 0.0 else 0.0,
    }
    return SymbolInfo((_static(specification) | living).values())


@lru_cache(maxsize=1024)
def _static(specification: Specification) -> dict[str, Any]:
    return _BLANK | {
        "chart_mode": SYMBOL_CHART_MODE_BID,
        "digits": specification.digits,
        "spread_float": True,
        "ticks_bookdepth": BOOK_DEPTH,
        "trade_calc_mode": specification.calc_mode,
        "trade_mode": specification.trade_mode,
        "trade_stops_level": specification.stops_level,
        "trade_exemode": specification.trade_exemode,
        "swap_mode": specification.swap_mode,
        "swap_rollover3days": specification.swap_rollover3days,
        "expiration_mode": EXPIRATION_MODES,
        "filling_mode": specification.filling_mode,
        "order_mode": ORDER_MODES,
        "order_gtc_mode": SYMBOL_ORDERS_GTC,
        "point": specification.point,
        "trade_tick_size": specification.point,
        "trade_contract_size": specification.contract_size,
        "volume_min": specification.volume_min,
        "volume_max": specification.volume_max,
        "volume_step": specification.volume_step,
        "swap_long": specification.swap_long,
        "swap_short": specification.swap_short,
        "margin_hedged": specification.margin_hedged,
        "currency_base": specification.currency_base,
        "currency_profit": specification.currency_profit,
        "currency_margin": specification.currency_margin,
        "description": specification.description,
        "name": specification.name,
        "path": specification.path,
    }
