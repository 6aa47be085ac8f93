"""What an order would do, read once from its fields: the part of a request that pre-trade checks are about.

It must never know the account's state. Rules: fields that can't be understood are said to be so, never guessed;
volumes are whole numbers of VOLUME_UNITS a lot, so that sums have no rounding.
"""

from typing import Any

from gateway.wire import constants as mt5

__all__ = ("CANCEL", "ENTRY", "EXIT", "MODIFY", "STOPS", "VOLUME_UNITS", "Intent", "intent_of", "lots", "units")

ENTRY = 0  # may add exposure: a deal or a pending order; what isn't known to be anything else
EXIT = 1  # a deal or close-by that names a position
STOPS = 2  # changes a position's stops
MODIFY = 3  # changes a pending order
CANCEL = 4  # removes a pending order

VOLUME_UNITS = 100_000_000
MAX_LOTS = 1e9

_ENTRY, _EXIT, _STOPS, _MODIFY_KIND = ENTRY, EXIT, STOPS, MODIFY
_VOLUME_UNITS = VOLUME_UNITS
_MAX_LOTS = MAX_LOTS
_MAX_TICKET = 2**63 - 1
_MAX_TYPE = mt5.ORDER_TYPE_SELL_STOP_LIMIT
_DEAL = mt5.TRADE_ACTION_DEAL
_SLTP = mt5.TRADE_ACTION_SLTP
_MODIFY = mt5.TRADE_ACTION_MODIFY
_REMOVE = mt5.TRADE_ACTION_REMOVE
_CLOSE_BY = mt5.TRADE_ACTION_CLOSE_BY
_PENDING = mt5.TRADE_ACTION_PENDING


class Intent:
    """One order's effect."""

    __slots__ = (
        "action",
        "canonical",
        "direction",
        "effect",
        "kind",
        "likeness",
        "plan",
        "price",
        "stop_loss",
        "symbol",
        "ticket",
        "volume",
    )

    kind: int  # as its fields have it
    effect: int  # the same, as the account stands: an exit that may open something is an entry
    plan: Any  # the limits that it was judged by
    likeness: Any  # what makes it alike to others, where a limit is about that
    action: int
    symbol: str
    canonical: str  # set by who knows the rules for names
    direction: int  # 1 buys, -1 sells; 0: neither
    volume: int  # in VOLUME_UNITS
    price: float
    stop_loss: float
    ticket: int  # of the position, or of the order that is changed


def intent_of(fields: dict[str, Any]) -> tuple[Intent | None, str]:
    """Return what an order would do, or None and which field can't be understood."""
    action = fields.get("action")
    if type(action) is not int:
        return None, f"action: expected a whole number, got {action!r:.80}"
    symbol = fields.get("symbol", "")
    if type(symbol) is not str:
        return None, f"symbol: expected a text, got {symbol!r:.80}"
    intent = Intent.__new__(Intent)
    intent.action = action
    intent.symbol = symbol
    intent.canonical = ""
    intent.direction = 0
    intent.volume = 0
    intent.price = 0.0
    intent.stop_loss = 0.0
    intent.ticket = 0
    intent.kind = intent.effect = _ENTRY
    intent.plan = None
    intent.likeness = None
    if action == _REMOVE:
        intent.kind = CANCEL
        return intent, ""
    ticket = fields.get("order" if action == _MODIFY else "position", 0)
    if type(ticket) is not int or not 0 <= ticket <= _MAX_TICKET:
        return None, f"position or order: expected a ticket, got {ticket!r:.80}"
    intent.ticket = ticket
    price = fields.get("price", 0.0)
    stop_loss = fields.get("sl", 0.0)
    if not _is_number(price) or not 0.0 <= price < 1e15:
        return None, f"price: expected a number of at least 0, got {price!r:.80}"
    if not _is_number(stop_loss) or not 0.0 <= stop_loss < 1e15:
        return None, f"sl: expected a number of at least 0, got {stop_loss!r:.80}"
    intent.price = price
    intent.stop_loss = stop_loss
    if action == _CLOSE_BY:
        intent.kind = _EXIT
        return intent, ""
    if action in (_SLTP, _MODIFY):
        intent.kind = _STOPS if action == _SLTP else _MODIFY_KIND
        return intent, ""
    volume = fields.get("volume", 0.0)
    if not _is_number(volume) or not 0.0 <= volume <= _MAX_LOTS:
        return None, f"volume: expected 0 to {MAX_LOTS:g} lots, got {volume!r:.80}"
    order_type = fields.get("type", 0)
    if type(order_type) is not int or not 0 <= order_type <= _MAX_TYPE:
        return None, f"type: expected an order type from 0 to {mt5.ORDER_TYPE_SELL_STOP_LIMIT}, got {order_type!r:.80}"
    if not symbol:
        return None, "symbol: expected one, got none"
    intent.volume = units(volume)
    intent.direction = -1 if order_type & 1 else 1  # buys are even, sells odd: MQL5 documentation, ENUM_ORDER_TYPE
    if action == _DEAL and ticket:
        intent.kind = _EXIT
    return intent, ""


def lots(volume: int) -> float:
    """Return a volume in lots."""
    return volume / _VOLUME_UNITS


def units(volume_lots: float) -> int:
    """Return a volume of at most MAX_LOTS in VOLUME_UNITS, to the nearest."""
    return int(volume_lots * _VOLUME_UNITS + 0.5)


def _is_number(value: Any) -> bool:
    return type(value) is float or type(value) is int
