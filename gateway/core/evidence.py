"""What the terminal's own ledger says of an order that has no answer: it happened, it was refused, or nothing is seen.

Rules, by action: a deal and a pending order are found by their tag, else by magic, symbol, volume and time where one
untagged order alone fits; a change of stops or of a pending order by the values being there; a removal by the order's
final state; a close-by by both positions' deals. Seeing nothing proves nothing by itself: see `reconcile`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.wire import constants as mt5
from gateway.wire.structs import AccountInfo, TradeDeal, TradeOrder, TradePosition, TradeRequest
from gateway.wire.tags import tag_of, untagged

__all__ = ("Ledger", "Verdict", "judge", "may_be_there", "read_ledger", "resolved_result")

RECONCILED = "reconciled"
"""A result's comment: the terminal never gave this answer, its ledger did."""

_OFFSET_STEP_S = 900
"""Servers' clocks differ from UTC by multiples of a quarter of an hour."""
_TIME_TOLERANCE_S = 15
_CLOCK_TOLERANCE_S = 120
"""The same, where it would be wrong to say no: clocks are set, too."""
_RELATIVE_TOLERANCE = 1e-9
_BY_THE_SERVER = (mt5.ORDER_REASON_SL, mt5.ORDER_REASON_TP, mt5.ORDER_REASON_SO)
_DEAD_STATES = (mt5.ORDER_STATE_CANCELED, mt5.ORDER_STATE_REJECTED, mt5.ORDER_STATE_EXPIRED)


@dataclass(frozen=True, slots=True)
class Ledger:
    """One reading of everything that an account's terminal shows, comments as it holds them."""

    login: int
    server: str
    connected: bool
    server_time_msc: int  # the newest time in any of it
    account: AccountInfo
    positions: dict[int, TradePosition]
    orders: dict[int, TradeOrder]
    history: dict[int, TradeOrder]
    deals: list[TradeDeal]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an order: the retcode that its answer would have had, and the answer."""

    retcode: int
    result: list[Any]


def read_ledger(value: Any) -> Ledger:
    """Return a worker's `ledger`; raises KeyError, TypeError or ValueError for another shape."""
    return Ledger(
        login=int(value["login"]),
        server=str(value["server"]),
        connected=bool(value["connected"]),
        server_time_msc=int(value["server_time_msc"]),
        account=AccountInfo(value["account"]),
        positions={row[0]: TradePosition(row) for row in value["positions"]},
        orders={row[0]: TradeOrder(row) for row in value["orders"]},
        history={row[0]: TradeOrder(row) for row in value["history_orders"]},
        deals=[TradeDeal(row) for row in value["deals"]],
    )


def judge(
    request: dict[str, Any],
    order_id: str,
    accepted_s: float,
    ledger: Ledger,
    is_known: Callable[[TradeOrder], bool] = lambda order: False,
    is_alone: Callable[[], bool] = lambda: True,
) -> Verdict | None:
    """Return what became of an order accepted at `accepted_s` (seconds of our wall clock), None if nothing shows it.

    `is_known` tells of an order in the ledger that it is known whose it is, `is_alone` that no other order without an
    answer is like this one: else only its tag tells them apart.
    """
    action = request.get("action")
    if action == mt5.TRADE_ACTION_SLTP:
        return _stops(request, ledger)
    if action == mt5.TRADE_ACTION_MODIFY:
        return _modified(request, ledger)
    if action == mt5.TRADE_ACTION_REMOVE:
        return _removed(request, ledger)
    if action == mt5.TRADE_ACTION_CLOSE_BY:
        return _closed_by(request, tag_of(order_id), ledger, is_known)
    if action in (mt5.TRADE_ACTION_DEAL, mt5.TRADE_ACTION_PENDING):
        return _entered(request, tag_of(order_id), accepted_s, ledger, is_known, is_alone)
    return None


def resolved_result(request: dict[str, Any], ticket: int, comment: str) -> list[Any]:
    """Return the answer to an order of which somebody says that the terminal has executed it under a ticket."""
    volume = request.get("volume", 0.0)
    return _verdict(request, mt5.TRADE_RETCODE_DONE, order=ticket, volume=volume, comment=comment).result


def may_be_there(
    request: dict[str, Any], accepted_s: float, ledger: Ledger, is_known: Callable[[TradeOrder], bool]
) -> bool:
    """Tell whether an order that nothing shows could still be one whose comment was overwritten: one that is nobody's,
    and fits. Then nobody can say that it wasn't executed."""
    if request.get("action") not in (mt5.TRADE_ACTION_DEAL, mt5.TRADE_ACTION_PENDING):
        return False
    return any(not is_known(order) for order in _candidates(request, accepted_s, ledger, _CLOCK_TOLERANCE_S))


def _entered(
    request: dict[str, Any],
    tag: str,
    accepted_s: float,
    ledger: Ledger,
    is_known: Callable[[TradeOrder], bool],
    is_alone: Callable[[], bool],
) -> Verdict | None:
    order = _tagged(tag, ledger)
    if order is None:
        order = _alike(request, accepted_s, ledger, is_known)
        if order is not None and not is_alone():
            return None
    if order is None:
        deals = [deal for deal in ledger.deals if deal.comment.startswith(tag)]
        return _filled(request, deals[0].order, deals) if deals else None
    deals = [deal for deal in ledger.deals if deal.order == order.ticket]
    if deals:
        return _filled(request, order.ticket, deals, order)
    if order.state in _DEAD_STATES and request.get("action") == mt5.TRADE_ACTION_DEAL:
        return _verdict(request, mt5.TRADE_RETCODE_REJECT, order=order.ticket)
    if request.get("action") == mt5.TRADE_ACTION_PENDING:
        return _verdict(request, mt5.TRADE_RETCODE_DONE, order=order.ticket, volume=order.volume_initial)
    return None  # a market order that is still being worked on, or whose deals the history doesn't show yet


def _tagged(tag: str, ledger: Ledger) -> TradeOrder | None:
    """Return the first order with the tag; a later one may have its comment from the position that it closes."""
    found = [order for order in [*ledger.orders.values(), *ledger.history.values()] if order.comment.startswith(tag)]
    return min(found, key=lambda order: order.ticket, default=None)


def _alike(
    request: dict[str, Any], accepted_s: float, ledger: Ledger, is_known: Callable[[TradeOrder], bool]
) -> TradeOrder | None:
    """Return the one order that can only be ours though its comment was overwritten; a magic number must say so."""
    if not request.get("magic", 0):
        return None
    found = [o for o in _candidates(request, accepted_s, ledger, _TIME_TOLERANCE_S) if not is_known(o)]
    return found[0] if len(found) == 1 else None


def _candidates(request: dict[str, Any], accepted_s: float, ledger: Ledger, tolerance_s: float) -> list[TradeOrder]:
    """Return the untagged orders that fit a request, and its time within a tolerance."""
    volume, position = request.get("volume", 0.0), request.get("position", 0)
    hedging = ledger.account.margin_mode == mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING
    return [
        order
        for order in [*ledger.orders.values(), *ledger.history.values()]
        if order.magic == request.get("magic", 0)
        and order.reason not in _BY_THE_SERVER
        and untagged(order.comment) == order.comment
        and order.symbol == request.get("symbol", order.symbol)
        and order.type == request.get("type", 0)
        and _same(order.volume_initial, volume)
        and (order.position_id == position if position else not hedging or order.position_id in (0, order.ticket))
        and _same_time(order.time_setup, accepted_s, tolerance_s)
    ]


def _filled(request: dict[str, Any], ticket: int, deals: list[TradeDeal], order: TradeOrder | None = None) -> Verdict:
    volume = round(sum(deal.volume for deal in deals), 8)
    price = sum(deal.volume * deal.price for deal in deals) / volume if volume else 0.0
    wanted = order.volume_initial if order is not None else request.get("volume", volume)
    partial = volume < wanted - 1e-8
    retcode = mt5.TRADE_RETCODE_DONE_PARTIAL if partial else mt5.TRADE_RETCODE_DONE
    return _verdict(request, retcode, deal=deals[0].ticket, order=ticket, volume=volume, price=price)


def _stops(request: dict[str, Any], ledger: Ledger) -> Verdict | None:
    ticket = request.get("position", 0)
    if ticket:
        position = ledger.positions.get(ticket)
    else:
        position = next((p for p in ledger.positions.values() if p.symbol == request.get("symbol")), None)
    if position is None:
        return _verdict(request, mt5.TRADE_RETCODE_POSITION_CLOSED)
    if _same(position.sl, request.get("sl", 0.0)) and _same(position.tp, request.get("tp", 0.0)):
        return _verdict(request, mt5.TRADE_RETCODE_DONE)
    return None


def _modified(request: dict[str, Any], ledger: Ledger) -> Verdict | None:
    ticket = request.get("order", 0)
    order = ledger.orders.get(ticket)
    if order is None:
        return _verdict(request, mt5.TRADE_RETCODE_INVALID_ORDER, order=ticket) if ticket in ledger.history else None
    wanted = (request.get("price", 0.0), request.get("sl", 0.0), request.get("tp", 0.0))
    if all(map(_same, (order.price_open, order.sl, order.tp), wanted)):
        return _verdict(request, mt5.TRADE_RETCODE_DONE, order=ticket)
    return None


def _removed(request: dict[str, Any], ledger: Ledger) -> Verdict | None:
    ticket = request.get("order", 0)
    order = ledger.history.get(ticket)
    if order is None:
        return None
    canceled = order.state == mt5.ORDER_STATE_CANCELED
    return _verdict(request, mt5.TRADE_RETCODE_DONE if canceled else mt5.TRADE_RETCODE_INVALID_ORDER, order=ticket)


def _closed_by(
    request: dict[str, Any], tag: str, ledger: Ledger, is_known: Callable[[TradeOrder], bool]
) -> Verdict | None:
    wanted = (request.get("position", 0), request.get("position_by", 0))
    deals = [
        deal
        for deal in ledger.deals
        if deal.entry == mt5.DEAL_ENTRY_OUT_BY
        and deal.position_id in wanted
        and _may_be_of(deal, tag, ledger, is_known)
    ]
    if {deal.position_id for deal in deals} != set(wanted):
        return None
    return _verdict(
        request,
        mt5.TRADE_RETCODE_DONE,
        deal=deals[0].ticket,
        order=deals[0].order,
        volume=deals[0].volume,
        price=deals[0].price,
    )


def _may_be_of(deal: TradeDeal, tag: str, ledger: Ledger, is_known: Callable[[TradeOrder], bool]) -> bool:
    """Tell whether a deal can be one of the order with this tag: it isn't where the deal is known to be another's."""
    order = ledger.history.get(deal.order) or ledger.orders.get(deal.order)
    comments = [deal.comment] if order is None else [deal.comment, order.comment]
    if any(comment.startswith(tag) for comment in comments):
        return True
    if any(untagged(comment) != comment for comment in comments):
        return False
    return order is None or not is_known(order)


def _verdict(
    request: dict[str, Any],
    retcode: int,
    *,
    deal: int = 0,
    order: int = 0,
    volume: float = 0.0,
    price: float = 0.0,
    comment: str = RECONCILED,
) -> Verdict:
    fields = [request.get(name, kind()) for name, kind in TradeRequest.__annotations__.items()]
    return Verdict(retcode, [retcode, deal, order, volume, price, 0.0, 0.0, comment, 0, 0, fields])


def _same(left: float, right: float) -> bool:
    return abs(left - right) <= _RELATIVE_TOLERANCE * max(abs(left), abs(right), 1.0)


def _same_time(server_s: float, wall_s: float, tolerance_s: float) -> bool:
    """Tell whether a time of the server's clock can be one of ours: the offset between them is unknown here."""
    distance = (server_s - wall_s) % _OFFSET_STEP_S
    return min(distance, _OFFSET_STEP_S - distance) <= tolerance_s
