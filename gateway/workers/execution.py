"""How a worker executes one call: what the terminal is asked, and what is said of its answer. No socket, no queue.

Laws: an order reaches the terminal only after its BEGUN was handed over, and only on the proven account; from BEGUN on,
whatever isn't a clear answer is UNKNOWN; whatever goes wrong before is a refusal, and never reaches the terminal.
"""

import logging
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from gateway.clock import monotonic_ns
from gateway.wire import codec
from gateway.wire.calls import CALLS, INTERNAL_CALLS, STATIC_SYMBOL_FIELDS, Kind
from gateway.wire.constants import (
    RES_E_AUTH_FAILED,
    RES_E_AUTO_TRADING_DISABLED,
    RES_E_FAIL,
    RES_E_INTERNAL_FAIL_CONNECT,
    RES_E_INTERNAL_FAIL_INIT,
    RES_E_INVALID_PARAMS,
    RES_E_INVALID_VERSION,
    RES_E_NOT_FOUND,
    RES_E_UNSUPPORTED,
    RES_S_OK,
)
from gateway.wire.errors import Code, LocalProtocolError, Status
from gateway.wire.messages import MAX_RESULT_BYTES, CallMessage
from gateway.wire.retcodes import NAMES, is_ambiguous
from gateway.wire.structs import RECORD_BYTES
from gateway.workers.attachment import Attachment, is_lost
from gateway.workers.ledger import END_OF_TIME_S, LedgerUnreadable, marked, read_ledger, unmarked

__all__ = ("Executor", "Outcome", "refusal")

NEVER_SENT: Final = frozenset(
    (
        RES_E_INVALID_PARAMS,
        RES_E_NOT_FOUND,
        RES_E_INVALID_VERSION,
        RES_E_AUTH_FAILED,
        RES_E_UNSUPPORTED,
        RES_E_AUTO_TRADING_DISABLED,
        RES_E_INTERNAL_FAIL_INIT,
        RES_E_INTERNAL_FAIL_CONNECT,
    )
)
"""Last errors of an order_send without a result that say "no". Any other (a broken pipe, a timeout, a call that failed
for no stated reason, one we don't know) leaves open whether the trade server got it."""


class Outcome(NamedTuple):
    """What RETURN carries. `call_ns` is the time inside the terminal's call itself."""

    status: Status
    result: bytes
    call_ns: int = 0


def refusal(code: Code, message: str) -> Outcome:
    """Return the outcome of what never reached the terminal; `code`'s hundreds are its status."""
    return Outcome(Status(code // 100), codec.encode_error(code, message))


class Executor:
    """Executes calls on an attachment, one at a time."""

    def __init__(self, attachment: Attachment, logger: logging.Logger) -> None:
        self._attachment = attachment
        self._log = logger

    def execute(self, call: CallMessage, deadline_ns: int, begun: Callable[[], bool]) -> Outcome:
        """Execute one call; blocks for as long as the terminal takes, raises nothing.

        `deadline_ns`: what hasn't begun by then is refused. `begun` is called just before an order goes out, and
        says whether BEGUN could be handed over.
        """
        known = CALLS.get(call.name) or INTERNAL_CALLS.get(call.name)
        if known is None or known.kind is Kind.GATEWAY:
            return refusal(Code.UNKNOWN_CALL, f"{call.name}: not a call that a terminal takes")
        if monotonic_ns() > deadline_ns:
            return refusal(Code.EXPIRED, "expired before it began")
        if not self._attachment.usable:
            return refusal(Code.UNAVAILABLE, self._attachment.fault)
        if known.kind is Kind.ORDER:
            return self._order(call, deadline_ns, begun)
        return self._read(call)

    # Reads.

    def _read(self, call: CallMessage) -> Outcome:
        misfit = _misfit(call)
        if misfit:
            return refusal(Code.BAD_ARGUMENTS, misfit)
        started_ns = monotonic_ns()
        try:
            value = self._value(call)
        except LedgerUnreadable as error:
            self._attachment.doubt()
            return _read_failed(error.error, None, monotonic_ns() - started_ns)
        except (TypeError, OverflowError) as error:
            return refusal(Code.BAD_ARGUMENTS, f"{call.name}: {error}")
        except Exception as error:
            return self._failed(call, error, monotonic_ns() - started_ns)
        call_ns = monotonic_ns() - started_ns
        error_pair = self._last_error(value)
        if error_pair is not None:
            return _read_failed(error_pair, value, call_ns)
        try:
            return Outcome(Status.OK, encode_value(value), call_ns)
        except LocalProtocolError as error:
            return self._failed(call, error, call_ns)

    def _value(self, call: CallMessage) -> Any:
        """Ask the terminal, and derive what it doesn't offer itself."""
        if call.name == "ledger":
            return read_ledger(self._attachment, call.args[0])
        if call.name != "symbol_spec":
            return unmarked(call.name, self._attachment.call(call.name, tuple(call.args), call.kwargs))
        info = self._attachment.call("symbol_info", tuple(call.args))
        return None if info is None else {name: getattr(info, name) for name in STATIC_SYMBOL_FIELDS}

    def _failed(self, call: CallMessage, error: Exception, call_ns: int) -> Outcome:
        self._log.error("%s failed: %s: %s", call.name, type(error).__name__, error)
        self._attachment.doubt()
        return Outcome(Status.TERMINAL, failure(f"{call.name}: {type(error).__name__}: {error}"), call_ns)

    def _last_error(self, value: Any) -> tuple[int, str] | None:
        """Return the error pair if the value means failure: None or False, and the terminal says why."""
        if value is not None and value is not False:
            return None
        error_pair = self._attachment.last_error()
        if error_pair[0] == RES_S_OK:
            return None
        if is_lost(error_pair):
            self._attachment.doubt()
        return error_pair

    # Orders.

    def _order(self, call: CallMessage, deadline_ns: int, begun: Callable[[], bool]) -> Outcome:
        request = call.kwargs or (call.args[0] if len(call.args) == 1 else None)
        if not isinstance(request, dict) or (call.kwargs and call.args):
            return refusal(Code.BAD_ARGUMENTS, "order_send: expected one request, a map of its fields")
        request, mark = marked(request)
        if self._attachment.order_fault:
            return refusal(Code.NOT_TRADABLE, self._attachment.order_fault)
        try:
            fault = self._attachment.account_switched()
        except Exception as error:
            fault = str(error) or type(error).__name__
        if fault:
            self._attachment.doubt()
            return refusal(Code.NOT_TRADABLE, f"not sent: {fault}")
        if monotonic_ns() > deadline_ns:
            return refusal(Code.EXPIRED, "expired before it began")
        if not begun():
            return refusal(Code.UNAVAILABLE, "not sent: the worker has lost the gateway")
        started_ns = monotonic_ns()
        try:
            result = self._attachment.call("order_send", (request,))
            call_ns = monotonic_ns() - started_ns
            if result is None or result is False:
                return self._unanswered(result, call_ns)
            value = result if mark is None else mark.taken_off(result)
            encoded = encode_value(value)
        except Exception as error:
            self._log.exception("order_send failed")
            self._attachment.doubt()
            return _unknown(f"order_send: {type(error).__name__}: {error}", monotonic_ns() - started_ns)
        try:
            fault = self._attachment.account_switched()
        except Exception as error:  # no difference was seen, and the trade server's answer is in our hands
            self._log.warning("order_send was answered, but afterwards: %s", error)
            self._attachment.doubt()
            fault = ""
        if fault:
            self._attachment.doubt()
            return _unknown(f"sent, but afterwards: {fault}", call_ns)
        retcode = value[0] if isinstance(value, (tuple, list)) and value else None
        if is_ambiguous(retcode):
            text = f"order_send: {retcode} {NAMES.get(retcode, 'is not a listed return code')}: it may have happened"
            return _unknown(text, call_ns, {"retcode": retcode, "returned": value})
        return Outcome(Status.OK, encoded, call_ns)

    def _unanswered(self, result: Any, call_ns: int) -> Outcome:
        code, text = self._attachment.last_error()
        if is_lost((code, text)):
            self._attachment.doubt()
        detail = {"last_error": [code, text], "returned": result}
        if code in NEVER_SENT:
            return Outcome(Status.TERMINAL, codec.encode_error(Code.CALL_FAILED, text, detail), call_ns)
        return _unknown(f"order_send: {text} ({code})", call_ns, detail)


def _misfit(call: CallMessage) -> str:
    """Say what is wrong with the arguments of a call that isn't the terminal's own; "" if nothing is."""
    only = call.args[0] if len(call.args) == 1 and not call.kwargs else None
    if call.name == "symbol_spec" and not isinstance(only, str):
        return "symbol_spec: expected one argument, the symbol's name"
    if call.name == "ledger" and not (type(only) is int and 0 <= only < END_OF_TIME_S):
        return f"ledger: expected one argument, a second from 0 to {END_OF_TIME_S - 1}"
    return ""


def _read_failed(error_pair: tuple[int, str], returned: Any, call_ns: int) -> Outcome:
    detail = {"last_error": list(error_pair), "returned": returned}
    return Outcome(Status.TERMINAL, codec.encode_error(Code.CALL_FAILED, error_pair[1], detail), call_ns)


def failure(message: str) -> bytes:
    """Return the result of a read that failed in a way that isn't the package's own: as its general failure."""
    return codec.encode_error(Code.CALL_FAILED, message, {"last_error": [RES_E_FAIL, message], "returned": None})


def _unknown(message: str, call_ns: int, detail: dict[str, Any] | None = None) -> Outcome:
    return Outcome(Status.UNKNOWN, codec.encode_error(Code.OUTCOME_UNKNOWN, message, detail), call_ns)


def encode_value(value: Any) -> bytes:
    """Encode what a terminal returned: structures as arrays, record arrays as one binary. Raises LocalProtocolError."""
    if isinstance(value, np.ndarray):
        if value.dtype.itemsize != RECORD_BYTES:
            raise LocalProtocolError(f"records: expected {RECORD_BYTES} bytes each, got {value.dtype.itemsize}")
        value = value.tobytes()
    encoded = codec.pack(value)
    if len(encoded) > MAX_RESULT_BYTES:
        raise LocalProtocolError(
            f"result: {len(encoded)} bytes, more than the {MAX_RESULT_BYTES} that a reply carries: ask for less"
        )
    return encoded
