"""Every error, sorted by blame and by whether the request may have happened.

A trader's first question after a failure is "did it happen?". The class answers it: `Refused` never reached a
terminal, `TerminalRefused` was answered with no, `OutcomeUnknown` was sent and may have happened.
"""

from enum import IntEnum
from typing import Any, ClassVar

__all__ = (
    "Busy",
    "Code",
    "ConfigError",
    "DuplicateMismatch",
    "Expired",
    "ForgottenId",
    "GatewayError",
    "Halted",
    "JournalError",
    "LocalProtocolError",
    "LookAlike",
    "NoReply",
    "NotExecuted",
    "NotTradable",
    "OutcomeUnknown",
    "PermissionRefused",
    "ProtocolError",
    "Refused",
    "RemoteProtocolError",
    "RequestError",
    "RiskRefused",
    "SessionFenced",
    "Status",
    "TerminalRefused",
    "Unavailable",
    "error_for",
)


class Status(IntEnum):
    """Third field of a reply: what became of the request."""

    OK = 0
    PROTOCOL = 1  # not understood, never reached a terminal
    REFUSED = 2  # understood, never reached a terminal
    TERMINAL = 3  # the terminal said no, or didn't answer a read
    UNKNOWN = 4  # an order left and its answer is missing: it may have happened
    INTERNAL = 5  # the gateway's own fault, never reached a terminal


class Code(IntEnum):
    """First field of an error's result. The hundreds follow `Status`."""

    MALFORMED = 100
    UNSUPPORTED_VERSION = 101
    TOO_LARGE = 102
    UNKNOWN_CALL = 103
    BAD_ARGUMENTS = 104

    REFUSED = 200
    SESSION_FENCED = 201
    UNKNOWN_ACCOUNT = 202
    NOT_TRADABLE = 203
    BUSY = 204
    EXPIRED = 205
    PERMISSION = 206
    UNAVAILABLE = 207
    HALTED = 208
    RISK = 209
    DUPLICATE_MISMATCH = 210
    FORGOTTEN_ID = 211
    NOT_EXECUTED = 212
    LOOK_ALIKE = 213

    CALL_FAILED = 300
    RETCODE = 301
    NO_REPLY = 302

    OUTCOME_UNKNOWN = 400
    IN_FLIGHT = 401

    INTERNAL = 500
    CONFIG = 501
    JOURNAL = 502


class GatewayError(Exception):
    """Root of every error of the gateway: `code`, `message`, and `detail` (a plain mapping, often empty)."""

    default_code: ClassVar[Code] = Code.INTERNAL

    def __init__(self, message: str, *, code: int | None = None, detail: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code: int = int(self.default_code if code is None else code)
        self.detail: dict[str, Any] = detail or {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.code, self.detail)


def _rebuild(cls: type[GatewayError], message: str, code: int, detail: dict[str, Any]) -> GatewayError:
    return cls(message, code=code, detail=detail)


class ProtocolError(GatewayError):
    """The conversation is broken."""

    default_code = Code.MALFORMED


class LocalProtocolError(ProtocolError):
    """Our side or our caller broke it: the message was never sent."""

    default_code = Code.BAD_ARGUMENTS


class RemoteProtocolError(ProtocolError):
    """The peer broke it: what it sent can't be understood."""


class RequestError(GatewayError):
    """One request failed; the conversation goes on."""


class Refused(RequestError):
    """Never reached the terminal: nothing happened, nothing will."""

    default_code = Code.REFUSED


class RiskRefused(Refused):
    """A pre-trade limit stands against it."""

    default_code = Code.RISK


class PermissionRefused(Refused):
    """This client may not do this."""

    default_code = Code.PERMISSION


class Halted(Refused):
    """The kill switch is on."""

    default_code = Code.HALTED


class NotTradable(Refused):
    """The account isn't proven, or its terminal doesn't trade; the message says why."""

    default_code = Code.NOT_TRADABLE


class Busy(Refused):
    """A bounded queue is full; ask again later."""

    default_code = Code.BUSY


class Expired(Refused):
    """Its time to live passed before it could leave."""

    default_code = Code.EXPIRED


class DuplicateMismatch(Refused):
    """The client order id was used before, with other content."""

    default_code = Code.DUPLICATE_MISMATCH


class ForgottenId(Refused):
    """The client order id is older than what is remembered: it may have been used, so it isn't used again."""

    default_code = Code.FORGOTTEN_ID


class LookAlike(Refused):
    """An order of this client that would do the same is in doubt: sent again now, it could happen twice."""

    default_code = Code.LOOK_ALIKE


class NotExecuted(Refused):
    """It left and its answer was lost; the terminal's ledger has shown for long enough that it wasn't executed."""

    default_code = Code.NOT_EXECUTED


class SessionFenced(Refused):
    """The session token is dead: fenced by a newer hello, timed out, or of an earlier broker."""

    default_code = Code.SESSION_FENCED


class Unavailable(Refused):
    """Nobody there to take it: no gateway, or no worker for this account and lane."""

    default_code = Code.UNAVAILABLE


class TerminalRefused(RequestError):
    """The terminal said no. `retcode` is its trade return code (0 if none), `last_error` the package's error pair."""

    default_code = Code.CALL_FAILED

    @property
    def retcode(self) -> int:
        """Trade server return code, 0 when the call failed before the trade server."""
        return int(self.detail.get("retcode", 0))

    @property
    def last_error(self) -> tuple[int, str]:
        """The package's (code, text); (1, 'Success') when the call itself went well."""
        code, text = self.detail.get("last_error", (1, "Success"))
        return int(code), str(text)


class NoReply(RequestError):
    """A read got no answer in time: nothing was changed by it, ask again."""

    default_code = Code.NO_REPLY


class OutcomeUnknown(RequestError):
    """An order left and no answer came: it may have happened. Query first, never resend blindly."""

    default_code = Code.OUTCOME_UNKNOWN


class ConfigError(GatewayError):
    """The configuration can't be used; the message names the key and the fix."""

    default_code = Code.CONFIG


class JournalError(Refused):
    """The disk can't be trusted: what can't be recorded never leaves, and without a journal no broker starts."""

    default_code = Code.JOURNAL


_BY_CODE: dict[int, type[GatewayError]] = {
    cls.default_code: cls
    for cls in (
        Refused,
        SessionFenced,
        NotTradable,
        Busy,
        Expired,
        PermissionRefused,
        Unavailable,
        Halted,
        RiskRefused,
        DuplicateMismatch,
        ForgottenId,
        NotExecuted,
        LookAlike,
        TerminalRefused,
        NoReply,
        OutcomeUnknown,
        ConfigError,
        JournalError,
    )
}
_BY_CODE |= {Code.UNKNOWN_ACCOUNT: Refused, Code.RETCODE: TerminalRefused, Code.IN_FLIGHT: OutcomeUnknown}
_BY_STATUS: dict[int, type[GatewayError]] = {
    Status.PROTOCOL: LocalProtocolError,  # a reply blames the request: it was the caller's
    Status.REFUSED: Refused,
    Status.TERMINAL: TerminalRefused,
    Status.UNKNOWN: OutcomeUnknown,
}


def error_for(status: int, code: int, message: str, detail: dict[str, Any] | None = None) -> GatewayError:
    """Return the error that a reply's status and result stand for; unknown codes fall back on their status."""
    cls = _BY_CODE.get(code) or _BY_STATUS.get(status, GatewayError)
    return cls(message, code=code, detail=detail)
