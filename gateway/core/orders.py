"""What an `order_send` asks for, as far as the gateway must know before it lets it pass.

Rules: only the request's shape is judged here; its fields' strict types are the terminal's to check. Whatever isn't
certainly an exit is treated as an entry.
"""

from typing import Any

from gateway.wire.constants import TRADE_ACTION_CLOSE_BY, TRADE_ACTION_DEAL, TRADE_ACTION_REMOVE

__all__ = ("is_exit", "look_alike", "trade_request")

_CLOSING = (TRADE_ACTION_REMOVE, TRADE_ACTION_CLOSE_BY)
_DEAL = TRADE_ACTION_DEAL
_WHAT_IT_DOES = ("action", "symbol", "type", "volume", "position")


def trade_request(args: list[Any], kwargs: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """Return the order's fields, given as one map or as keywords; or None and what was expected where."""
    if not args:
        if not kwargs:
            return None, "order_send: expected one map of fields, or fields as keywords, got nothing"
        return kwargs, ""
    if kwargs:
        return None, "order_send: expected one map of fields or fields as keywords, got both"
    if len(args) > 1:
        return None, f"order_send: expected one argument, got {len(args)}"
    if type(args[0]) is not dict:
        return None, f"order_send: args[0]: expected a map, got {type(args[0]).__name__}"
    return args[0], ""


def is_exit(request: dict[str, Any]) -> bool:
    """Tell whether an order can only reduce exposure: cancels a pending order or closes a named position."""
    action = request.get("action")
    if type(action) is not int:
        return False
    if action in _CLOSING:
        return True
    position = request.get("position")
    return action == _DEAL and type(position) is int and position != 0


def look_alike(request: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether two orders would do the same: what a caller sends again who takes silence for a no."""
    for name in _WHAT_IT_DOES:  # noqa: SIM110 - compiled: no generator
        if request.get(name) != other.get(name):
            return False
    return True
