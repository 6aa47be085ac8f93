"""One symbol as the package's SymbolInfo: its specification, with the living fields laid over it.

What an exchange publishes about a session (its deals, orders, turnover, settlement) and what belongs to options alone
is zero: there is no exchange behind a simulated symbol.
"""

from functools import lru_cache
from typing import Any, Final

from gateway.terminal.simulated.market.specification import Specification
from gateway.terminal.simulated.market.symbols import Symbol
from gateway.terminal.simulated.trading.valuation import Valuation
from gateway.wire.constants import SYMBOL_CHART_MODE_BID
from gateway.wire.structs import SymbolInfo

__all__ = ("describe",)

_ZERO: Final[dict[type, Any]] = {bool: False, int: 0, float: 0.0, str: ""}
_BLANK: Final = {field: _ZERO[kind] for field, kind in SymbolInfo.__annotations__.items()}


def describe(symbol: Symbol, valuation: Valuation) -> SymbolInfo:
    """Return the symbol as it stands now; brings its day's range up to date.

    `price_change` is percent since the close of the day before, or since today's first price if there is no such
    close. Source: MQL5 documentation, "Symbol properties".
    """
    symbol.refresh()
    specification, day = symbol.specification, symbol.day
    profit, loss = valuation.tick_values(symbol)
    close = symbol.close_before()
    before = close or day.bid_open
    living = {
        "select": symbol.selected,
        "visible": symbol.selected and symbol.visible,
        "volume": symbol.volume,
        "volumehigh": int(day.volume_high),
        "volumelow": int(day.volume_low),
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
        "volumehigh_real": day.volume_high,
        "volumelow_real": day.volume_low,
        "trade_tick_value": profit,
        "trade_tick_value_profit": profit,
        "trade_tick_value_loss": loss,
        "session_open": day.bid_open,
        "session_close": close,
        "price_change": round((symbol.bid / before - 1.0) * 100.0, 4) if before > 0.0 else 0.0,
    }
    return SymbolInfo((_static(specification) | living).values())


@lru_cache(maxsize=2048)
def _static(specification: Specification) -> dict[str, Any]:
    """What a broker sets; hashing a specification costs more than looking it up by identity would, but is exact."""
    return _BLANK | {
        "chart_mode": SYMBOL_CHART_MODE_BID,
        "digits": specification.digits,
        "spread_float": not specification.spread_fixed,
        "ticks_bookdepth": specification.book_depth,
        "trade_calc_mode": specification.calc_mode,
        "trade_mode": specification.trade_mode,
        "start_time": specification.start_time_s,
        "expiration_time": specification.expiration_time_s,
        "trade_stops_level": specification.stops_level,
        "trade_freeze_level": specification.freeze_level,
        "trade_exemode": specification.trade_exemode,
        "swap_mode": specification.swap_mode,
        "swap_rollover3days": specification.swap_rollover3days,
        "margin_hedged_use_leg": specification.margin_hedged_use_leg,
        "expiration_mode": specification.expiration_mode,
        "filling_mode": specification.filling_mode,
        "order_mode": specification.order_mode,
        "order_gtc_mode": specification.gtc_mode,
        "point": specification.point,
        "trade_tick_size": specification.tick_size,
        "trade_contract_size": specification.contract_size,
        "trade_face_value": specification.face_value,
        "trade_liquidity_rate": specification.liquidity_rate,
        "volume_min": specification.volume_min,
        "volume_max": specification.volume_max,
        "volume_step": specification.volume_step,
        "volume_limit": specification.volume_limit,
        "swap_long": specification.swap_long,
        "swap_short": specification.swap_short,
        "margin_initial": specification.margin_initial,
        "margin_maintenance": specification.margin_maintenance,
        "margin_hedged": specification.margin_hedged,
        "basis": specification.basis,
        "category": specification.category,
        "currency_base": specification.currency_base,
        "currency_profit": specification.currency_profit,
        "currency_margin": specification.currency_margin,
        "description": specification.description,
        "exchange": specification.exchange,
        "isin": specification.isin,
        "name": specification.name,
        "page": specification.page,
        "path": specification.path,
    }
