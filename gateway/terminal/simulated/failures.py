"""How a call of the simulated terminal says no: the last error's code and text, and what the call returns."""

from typing import Any

from gateway.wire import constants as mt5

__all__ = ("SUCCESS", "CallFailed", "Reply", "failed", "invalid", "not_found")

Reply = tuple[int, str, Any]
"""A call's last error, code and text, and its result."""

SUCCESS = "Success"


class CallFailed(Exception):
    """The terminal says no."""

    def __init__(self, code: int, text: str, returns: bool | None = None) -> None:
        super().__init__(code, text)
        self.reply: Reply = (code, text, returns)


def failed(returns: bool | None = None) -> CallFailed:
    """Return the failure without a stated reason."""
    return CallFailed(mt5.RES_E_FAIL, "Terminal: Call failed", returns)


def not_found() -> CallFailed:
    """Return the failure of a symbol that isn't there, or isn't in the market watch."""
    return CallFailed(mt5.RES_E_NOT_FOUND, "Terminal: Not found")


def invalid() -> CallFailed:
    """Return the failure of arguments that the terminal, not the package, refuses."""
    return CallFailed(mt5.RES_E_INVALID_PARAMS, "Terminal: Invalid params")
