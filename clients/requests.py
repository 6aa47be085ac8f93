"""Trade requests built whole, and the trade server's return codes judged. Pure: values in, mappings and outcomes out.

Every request names its filling mode, so that retcode 10030 (unsupported filling) needs a broker that misstates its own
symbol. Prices are rounded to the tick, volumes down to the step (`clients.rounding`).
"""

import datetime
from collections.abc import Mapping
from typing import Any, Final

from clients.calls import Date
from clients.rounding import normalised_price, normalised_volume
from gateway.wire.constants import (
    ORDER_TIME_GTC,
    ORDER_TIME_SPECIFIED,
    ORDER_TYPE_BUY,
    ORDER_TYPE_BUY_LIMIT,
    ORDER_TYPE_BUY_STOP,
    ORDER_TYPE_BUY_STOP_LIMIT,
    ORDER_TYPE_SELL,
    ORDER_TYPE_SELL_LIMIT,
    ORDER_TYPE_SELL_STOP,
    ORDER_TYPE_SELL_STOP_LIMIT,
    POSITION_TYPE_BUY,
    TRADE_ACTION_DEAL,
    TRADE_ACTION_MODIFY,
    TRADE_ACTION_PENDING,
    TRADE_ACTION_REMOVE,
    TRADE_ACTION_SLTP,
)
from gateway.wire.errors import Code, LocalProtocolError, OutcomeUnknown, TerminalRefused
from gateway.wire.filling import filling_for
from gateway.wire.retcodes import DONE, NAMES, REFUSED
from gateway.wire.structs import OrderSendResult, TradeOrder, TradePosition

__all__ = (
    "cancel_request",
    "close_request",
    "entry_request",
    "judged",
    "modify_request",
    "protect_request",
)

MAX_COMMENT_UNITS: Final = 29
"""UTF-16 units of a comment; the package refuses a longer one."""

_PENDING_TYPES: Final = {
    # buying, limit given, stop given
    (True, True, False): ORDER_TYPE_BUY_LIMIT,
    (True, False, True): ORDER_TYPE_BUY_STOP,
    (True, True, True): ORDER_TYPE_BUY_STOP_LIMIT,
    (False, True, False): ORDER_TYPE_SELL_LIMIT,
    (False, False, True): ORDER_TYPE_SELL_STOP,
    (False, True, True): ORDER_TYPE_SELL_STOP_LIMIT,
}


def entry_request(
    spec: Mapping[str, Any],
    buying: bool,
    volume: float,
    *,
    price: float = 0.0,
    limit: float | None = None,
    stop: float | None = None,
    sl: float | None = None,
    tp: float | None = None,
    deviation: int = 20,
    comment: str = "",
    magic: int = 0,
    expiration: Date | None = None,
) -> dict[str, Any]:
    """Return the request that buys or sells `volume` lots: at the market for `price`, or pending at `limit`, `stop`, or
    both (a limit order placed when the stop is reached). `deviation` is in points, `expiration` for pending orders.

    Raises LocalProtocolError for what can't be made to fit the symbol.
    """
    kind = _PENDING_TYPES.get((buying, limit is not None, stop is not None))
    if kind is None and expiration is not None:
        raise LocalProtocolError("expiration: expected with limit or stop only; an order at the market doesn't wait")
    action = TRADE_ACTION_DEAL if kind is None else TRADE_ACTION_PENDING
    request = {
        "action": action,
        "symbol": str(spec["name"]),
        "volume": normalised_volume(volume, spec),
        "type": kind if kind is not None else (ORDER_TYPE_BUY if buying else ORDER_TYPE_SELL),
        "sl": _level(sl, spec, "sl"),
        "tp": _level(tp, spec, "tp"),
        "type_filling": filling_for(action, int(spec["trade_exemode"]), int(spec["filling_mode"])),
        **_tags(comment, magic),
    }
    if kind is None:
        return request | {"price": normalised_price(price, spec), "deviation": deviation, "type_time": ORDER_TIME_GTC}
    if limit is not None and stop is not None:
        request |= {"price": normalised_price(stop, spec, "stop"), "stoplimit": normalised_price(limit, spec, "limit")}
    elif limit is not None:
        request["price"] = normalised_price(limit, spec, "limit")
    elif stop is not None:
        request["price"] = normalised_price(stop, spec, "stop")
    return request | _lifetime(expiration)


def close_request(
    spec: Mapping[str, Any],
    position: TradePosition,
    price: float,
    volume: float | None = None,
    *,
    deviation: int = 20,
    comment: str = "",
    magic: int | None = None,
) -> dict[str, Any]:
    """Return the request that closes a position at the market, whole or by `volume` lots (rounded down to the step).

    Raises LocalProtocolError for more than the position has, or more than the symbol allows in one order.
    """
    lots = position.volume
    if volume is not None and volume > lots:
        raise LocalProtocolError(
            f"volume: expected at most the {lots} lots of position {position.ticket}, got {volume!r}"
        )
    if volume is not None and volume != lots:
        lots = normalised_volume(volume, spec)
    elif 0 < spec["volume_max"] < lots:
        raise LocalProtocolError(
            f"volume: expected at most {spec['volume_max']} lots in one order, and position {position.ticket} has"
            f" {lots}: close it in parts"
        )
    return {
        "action": TRADE_ACTION_DEAL,
        "symbol": position.symbol,
        "volume": lots,
        "type": ORDER_TYPE_SELL if position.type == POSITION_TYPE_BUY else ORDER_TYPE_BUY,
        "position": position.ticket,
        "price": normalised_price(price, spec),
        "deviation": deviation,
        "type_time": ORDER_TIME_GTC,
        "type_filling": filling_for(TRADE_ACTION_DEAL, int(spec["trade_exemode"]), int(spec["filling_mode"])),
        **_tags(comment, position.magic if magic is None else magic),
    }


def protect_request(
    spec: Mapping[str, Any], position: TradePosition, sl: float | None, tp: float | None
) -> dict[str, Any]:
    """Return the request that sets a position's stop loss and take profit: None keeps one, 0 removes it."""
    return {
        "action": TRADE_ACTION_SLTP,
        "position": position.ticket,
        "symbol": position.symbol,
        "sl": position.sl if sl is None else _level(sl, spec, "sl"),
        "tp": position.tp if tp is None else _level(tp, spec, "tp"),
        "magic": position.magic,
    }


def modify_request(
    spec: Mapping[str, Any],
    order: TradeOrder,
    *,
    price: float | None = None,
    stoplimit: float | None = None,
    sl: float | None = None,
    tp: float | None = None,
    expiration: Date | None = None,
) -> dict[str, Any]:
    """Return the request that changes a pending order: None keeps a value, 0 removes `sl`, `tp` or `expiration`."""
    request = {
        "action": TRADE_ACTION_MODIFY,
        "order": order.ticket,
        "symbol": order.symbol,
        "price": order.price_open if price is None else normalised_price(price, spec),
        "sl": order.sl if sl is None else _level(sl, spec, "sl"),
        "tp": order.tp if tp is None else _level(tp, spec, "tp"),
        "stoplimit": order.price_stoplimit if stoplimit is None else normalised_price(stoplimit, spec, "stoplimit"),
        "magic": order.magic,
    }
    if expiration is None:
        return request | {"type_time": order.type_time, "expiration": order.time_expiration}
    return request | _lifetime(expiration)


def cancel_request(ticket: int) -> dict[str, Any]:
    """Return the request that removes a pending order."""
    return {"action": TRADE_ACTION_REMOVE, "order": ticket}


def judged(result: OrderSendResult | None) -> OrderSendResult:
    """Return a result that says "done" or "placed"; raise TerminalRefused if it says "not done", OutcomeUnknown if it
    doesn't say. Both carry `retcode`, `comment` and the result's fields in their detail."""
    if result is None:
        raise OutcomeUnknown("the terminal gave no result: it may have happened; look at positions and orders first")
    if result.retcode in DONE:
        return result
    name = NAMES.get(result.retcode, "not a listed return code")
    symbol = result.request.symbol if result.request else ""
    text = f"{symbol or 'order'}: {result.retcode} {name}: {result.comment or 'no comment'}"
    detail = {"retcode": result.retcode, "comment": result.comment, "result": list(result[:-1])}
    if result.retcode in REFUSED:
        raise TerminalRefused(text, code=Code.RETCODE, detail=detail)
    raise OutcomeUnknown(f"{text}: it may have happened; look at positions and orders first", detail=detail)


def _level(value: float | None, spec: Mapping[str, Any], name: str) -> float:
    return normalised_price(value, spec, name) if value else 0.0


def _lifetime(expiration: Date | None) -> dict[str, int]:
    if not expiration:
        return {"type_time": ORDER_TIME_GTC, "expiration": 0}
    seconds = expiration.timestamp() if isinstance(expiration, datetime.datetime) else expiration
    return {"type_time": ORDER_TIME_SPECIFIED, "expiration": int(seconds)}


def _tags(comment: str, magic: int) -> dict[str, Any]:
    units = len(comment.encode("utf-16-le")) // 2
    if units > MAX_COMMENT_UNITS:
        raise LocalProtocolError(f"comment: expected at most {MAX_COMMENT_UNITS} characters, got {units}")
    return {"comment": comment, "magic": magic}
