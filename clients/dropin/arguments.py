"""From the package's canonical arguments (`gateway.wire.arguments`) to the form in which a call travels. Pure."""

from typing import Any, Final

from gateway.wire.structs import TradeRequest

__all__ = ("ORDERS", "travelling")

Travelling = tuple[tuple[Any, ...], dict[str, Any] | None]

ORDERS: Final = frozenset(("order_send", "order_check"))
_FIELDS: Final = TradeRequest.__match_args__
_FILTERS: Final = {
    "symbols_get": (0, ("group",)),
    "positions_get": (0, ("ticket", "symbol", "group")),
    "orders_get": (0, ("ticket", "symbol", "group")),
    "history_orders_get": (2, ("group", "ticket", "position")),
    "history_deals_get": (2, ("group", "ticket", "position")),
}
"""By call, how many canonical arguments stand before its filters, and the filters' names in canonical order."""


def travelling(name: str, canonical: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Travelling:
    """Return positional and named arguments for the wire; `args` and `kwargs` are what the caller gave.

    Of a trade request only the fields that were given travel, each as it was checked. O(arguments).
    """
    if name in ORDERS:
        given = kwargs or args[0]
        return ({field: value for field, value in zip(_FIELDS, canonical, strict=True) if field in given},), None
    form = _FILTERS.get(name)
    if form is None:
        return canonical, None
    dates, names = form
    filters = {key: value for key, value in zip(names, canonical[dates:], strict=True) if value is not None}
    return (canonical[:dates] if dates and canonical[0] is not None else ()), filters or None
