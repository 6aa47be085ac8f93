"""The allow-list: every call a client may name, the lane it takes, and what may be done with it.

A name that isn't here never reaches a terminal. Names are MT5's own, save those marked GATEWAY, which the broker
answers itself, and `symbol_spec`, which the worker derives from `symbol_info`. What the broker asks workers on its own
account, and no client may name, is in INTERNAL_CALLS.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

__all__ = ("CALLS", "INTERNAL_CALLS", "STATIC_SYMBOL_FIELDS", "Call", "Kind", "Lane")


class Lane(IntEnum):
    """Purpose of a connection: a long history query must never stand before an order."""

    TRADE = 0
    WATCH = 1
    QUERY = 2


class Kind(Enum):
    """What a call may change, and therefore how it may be treated when its answer is missing."""

    READ = "read"  # may be repeated
    ORDER = "order"  # at most once; a missing answer is UNKNOWN
    GATEWAY = "gateway"  # answered by the broker


@dataclass(frozen=True, slots=True)
class Call:
    """One allowed call. `ttl_ms` is its default lifetime, `cache_ms` how long its answer may be kept (0: never)."""

    name: str
    kind: Kind
    lane: Lane = Lane.QUERY
    ttl_ms: int = 5_000
    cache_ms: int = 0


_QUICK_MS: Final = 5_000
_ORDER_MS: Final = 15_000
_BULK_MS: Final = 60_000

CALLS: Final[dict[str, Call]] = {
    call.name: call
    for call in (
        Call("order_send", Kind.ORDER, Lane.TRADE, _ORDER_MS),
        Call("account_info", Kind.READ, Lane.WATCH),
        Call("positions_total", Kind.READ, Lane.WATCH),
        Call("positions_get", Kind.READ, Lane.WATCH),
        Call("orders_total", Kind.READ, Lane.WATCH),
        Call("orders_get", Kind.READ, Lane.WATCH),
        # The depth of market is opened per connection: the watch lane is one connection.
        Call("market_book_add", Kind.READ, Lane.WATCH),
        Call("market_book_get", Kind.READ, Lane.WATCH),
        Call("market_book_release", Kind.READ, Lane.WATCH),
        Call("version", Kind.READ, Lane.QUERY, _QUICK_MS, cache_ms=1_000),
        Call("terminal_info", Kind.READ, Lane.QUERY, _QUICK_MS, cache_ms=1_000),
        Call("symbols_total", Kind.READ),
        Call("symbols_get", Kind.READ, Lane.QUERY, _BULK_MS),
        Call("symbol_info", Kind.READ),
        Call("symbol_spec", Kind.READ, Lane.QUERY, _QUICK_MS, cache_ms=300_000),
        Call("symbol_info_tick", Kind.READ),
        Call("symbol_select", Kind.READ),
        Call("copy_rates_from", Kind.READ, Lane.QUERY, _BULK_MS),
        Call("copy_rates_from_pos", Kind.READ, Lane.QUERY, _BULK_MS),
        Call("copy_rates_range", Kind.READ, Lane.QUERY, _BULK_MS),
        Call("copy_ticks_from", Kind.READ, Lane.QUERY, _BULK_MS),
        Call("copy_ticks_range", Kind.READ, Lane.QUERY, _BULK_MS),
        Call("order_calc_margin", Kind.READ),
        Call("order_calc_profit", Kind.READ),
        Call("order_check", Kind.READ),
        Call("history_orders_total", Kind.READ, Lane.QUERY, _BULK_MS),
        Call("history_orders_get", Kind.READ, Lane.QUERY, _BULK_MS),
        Call("history_deals_total", Kind.READ, Lane.QUERY, _BULK_MS),
        Call("history_deals_get", Kind.READ, Lane.QUERY, _BULK_MS),
        Call("hello", Kind.GATEWAY),
        Call("bye", Kind.GATEWAY),
        Call("ping", Kind.GATEWAY),
        Call("accounts", Kind.GATEWAY),
        Call("order_status", Kind.GATEWAY),
        Call("client_orders", Kind.GATEWAY),
        Call("events", Kind.GATEWAY),
        Call("limits", Kind.GATEWAY),
        Call("set_limits", Kind.GATEWAY),
        Call("stats", Kind.GATEWAY),
        Call("kill", Kind.GATEWAY),
        Call("resume", Kind.GATEWAY),
        Call("flatten", Kind.GATEWAY),
        Call("switches", Kind.GATEWAY),
        Call("resolve_order", Kind.GATEWAY),
        Call("allow_exits", Kind.GATEWAY),
    )
}
"""Every call by name. Of the package's 32 functions, `initialize`, `shutdown`, `login` and `last_error` are the
client's own affair: no client of the gateway can connect, disconnect or switch a terminal."""

INTERNAL_CALLS: Final[dict[str, Call]] = {call.name: call for call in (Call("ledger", Kind.READ, Lane.WATCH, 10_000),)}
"""What the broker asks of workers on its own account; no client may name these. `ledger` reads all that the terminal
knows of its account's orders, with the tags that clients don't see."""

STATIC_SYMBOL_FIELDS: Final = (
    "name",
    "description",
    "path",
    "currency_base",
    "currency_profit",
    "currency_margin",
    "digits",
    "point",
    "trade_calc_mode",
    "trade_mode",
    "trade_exemode",
    "trade_stops_level",
    "trade_freeze_level",
    "trade_tick_size",
    "trade_contract_size",
    "volume_min",
    "volume_max",
    "volume_step",
    "volume_limit",
    "filling_mode",
    "order_mode",
    "expiration_mode",
    "order_gtc_mode",
    "swap_mode",
    "swap_long",
    "swap_short",
    "swap_rollover3days",
    "margin_initial",
    "margin_maintenance",
    "margin_hedged",
    "ticks_bookdepth",
    "start_time",
    "expiration_time",
)
"""The fields of SymbolInfo that make up `symbol_spec`: what a broker sets, nothing that moves with the market."""
