"""A reply's status and code lead to the error that says whether it may have happened; errors survive pickling."""

import pickle

import pytest

from gateway.wire import errors
from gateway.wire.errors import Code, Status, error_for


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (Status.PROTOCOL, Code.MALFORMED, errors.LocalProtocolError),
        (Status.PROTOCOL, Code.UNKNOWN_CALL, errors.LocalProtocolError),
        (Status.REFUSED, Code.SESSION_FENCED, errors.SessionFenced),
        (Status.REFUSED, Code.UNKNOWN_ACCOUNT, errors.Refused),
        (Status.REFUSED, Code.NOT_TRADABLE, errors.NotTradable),
        (Status.REFUSED, Code.BUSY, errors.Busy),
        (Status.REFUSED, Code.EXPIRED, errors.Expired),
        (Status.REFUSED, Code.UNAVAILABLE, errors.Unavailable),
        (Status.TERMINAL, Code.CALL_FAILED, errors.TerminalRefused),
        (Status.TERMINAL, Code.NO_REPLY, errors.NoReply),
        (Status.UNKNOWN, Code.OUTCOME_UNKNOWN, errors.OutcomeUnknown),
        (Status.REFUSED, 299, errors.Refused),
        (Status.UNKNOWN, 499, errors.OutcomeUnknown),
        (99, 999, errors.GatewayError),
    ],
)
def test_status_and_code_name_the_error(status: int, code: int, expected: type) -> None:
    error = error_for(status, code, "why", {"a": 1})
    assert type(error) is expected
    assert (error.code, error.message, error.detail) == (code, "why", {"a": 1})


def test_refused_means_it_never_left() -> None:
    for cls in (errors.Busy, errors.Expired, errors.SessionFenced, errors.NotTradable, errors.Unavailable):
        assert issubclass(cls, errors.Refused)
    for cls in (errors.OutcomeUnknown, errors.TerminalRefused, errors.NoReply):
        assert not issubclass(cls, errors.Refused)


def test_terminal_refusal_tells_retcode_and_last_error() -> None:
    error = errors.TerminalRefused("no", detail={"retcode": 10019, "last_error": [-4, "Terminal: Not found"]})
    assert (error.retcode, error.last_error) == (10019, (-4, "Terminal: Not found"))
    assert errors.TerminalRefused("no").last_error == (1, "Success")


def test_errors_can_be_pickled() -> None:
    copy = pickle.loads(pickle.dumps(errors.Busy("full", detail={"queue": "trade"})))
    assert type(copy) is errors.Busy
    assert (copy.code, copy.message, copy.detail) == (Code.BUSY, "full", {"queue": "trade"})
