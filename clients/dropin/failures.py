"""The gateway's errors in the package's words: what a call returns then, and what its last error is.

The tables are told, with their reasons, in the docstring of `clients.metatrader5`. Law: nothing that may have happened
is ever told as refused, and nothing that was refused as done.
"""

from typing import Any, Final

from clients.results import decode_result
from gateway.wire import constants as mt5
from gateway.wire.answers import FALSE_ON_FAILURE, SUCCESS, TEXTS, UNCONNECTED
from gateway.wire.errors import (
    Busy,
    Code,
    DuplicateMismatch,
    Expired,
    GatewayError,
    Halted,
    JournalError,
    LocalProtocolError,
    LookAlike,
    NoReply,
    NotTradable,
    OutcomeUnknown,
    PermissionRefused,
    Refused,
    RemoteProtocolError,
    RiskRefused,
    SessionFenced,
    TerminalRefused,
    Unavailable,
)
from gateway.wire.structs import OrderSendResult, TradeRequest

__all__ = ("failed_order", "failed_read", "value_of_failure")

LastError = tuple[int, str]

RETCODES: Final[dict[type[GatewayError], int]] = {
    NotTradable: mt5.TRADE_RETCODE_CLIENT_DISABLES_AT,
    Halted: mt5.TRADE_RETCODE_CLIENT_DISABLES_AT,
    PermissionRefused: mt5.TRADE_RETCODE_TRADE_DISABLED,
    Busy: mt5.TRADE_RETCODE_TOO_MANY_REQUESTS,
    Expired: mt5.TRADE_RETCODE_TOO_MANY_REQUESTS,
    RiskRefused: mt5.TRADE_RETCODE_REJECT,
    LookAlike: mt5.TRADE_RETCODE_REJECT,
    DuplicateMismatch: mt5.TRADE_RETCODE_REJECT,
    JournalError: mt5.TRADE_RETCODE_REJECT,
}
"""Refusals of an order that never left, as a script knows them from a trade server."""

_CODES: Final[tuple[tuple[type[GatewayError], int], ...]] = (
    (Unavailable, mt5.RES_E_INTERNAL_FAIL_CONNECT),
    (SessionFenced, mt5.RES_E_INTERNAL_FAIL_CONNECT),
    (Busy, mt5.RES_E_INTERNAL_FAIL_SEND),
    (Expired, mt5.RES_E_INTERNAL_FAIL_TIMEOUT),
    (NoReply, mt5.RES_E_INTERNAL_FAIL_TIMEOUT),
    (OutcomeUnknown, mt5.RES_E_INTERNAL_FAIL_TIMEOUT),
    (RemoteProtocolError, mt5.RES_E_INTERNAL_FAIL_RECEIVE),
    (LocalProtocolError, mt5.RES_E_INVALID_PARAMS),
    (Refused, mt5.RES_E_FAIL),
)
"""The first that fits an error gives its last error; what fits none is the gateway's own fault."""

_IN_DOUBT: Final = frozenset(
    (mt5.RES_E_INTERNAL_FAIL, mt5.RES_E_INTERNAL_FAIL_RECEIVE, mt5.RES_E_INTERNAL_FAIL_TIMEOUT)
)
"""Last errors by which the package itself says that an order may have happened."""


def value_of_failure(name: str) -> Any:
    """Return what the package's call returns when it fails."""
    if name == "version":
        return 0, 0, ""
    return False if name in FALSE_ON_FAILURE else None


def failed_read(name: str, error: GatewayError) -> tuple[Any, LastError]:
    """Return result and last error of a call that changes nothing at the trade server."""
    if isinstance(error, TerminalRefused):
        returned = error.detail.get("returned")
        return value_of_failure(name) if returned is None else returned, _told(error)
    if UNCONNECTED.get(name) == SUCCESS:  # the package's own way there: False, and no reason
        return False, SUCCESS
    return value_of_failure(name), _pair(error)


def failed_order(error: GatewayError, request: tuple[Any, ...]) -> tuple[OrderSendResult | None, LastError]:
    """Return result and last error of an order that has no answer, or none that says what happened; `request` is all
    its fields, in order."""
    if isinstance(error, OutcomeUnknown):
        returned = error.detail.get("returned")
        if isinstance(returned, list) and len(returned) == OrderSendResult.n_fields:
            return decode_result("order_send", returned), SUCCESS
        told = _told(error)
        return None, told if told[0] in _IN_DOUBT else _with_text(mt5.RES_E_INTERNAL_FAIL_TIMEOUT)
    if isinstance(error, TerminalRefused):
        return None, _told(error)
    retcode = RETCODES.get(type(error))
    if retcode is None:
        return None, _pair(error)
    nothing = (retcode, 0, 0, 0.0, 0.0, 0.0, 0.0, error.message, 0, 0, TradeRequest(request))
    return OrderSendResult(nothing), SUCCESS


def _told(error: GatewayError) -> LastError:
    pair = error.detail.get("last_error")
    return (int(pair[0]), str(pair[1])) if pair else _with_text(mt5.RES_E_FAIL)


def _pair(error: GatewayError) -> LastError:
    if error.code == Code.UNKNOWN_ACCOUNT:
        return _with_text(mt5.RES_E_AUTH_FAILED)
    return _with_text(next((code for kind, code in _CODES if isinstance(error, kind)), mt5.RES_E_INTERNAL_FAIL))


def _with_text(code: int) -> LastError:
    return code, TEXTS[code]
