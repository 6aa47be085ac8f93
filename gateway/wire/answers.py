"""What the package answers by itself when no terminal does: values, error codes and their texts.

Source: the Windows wheel 5.0.6231. Nothing here knows what is connected to what.
"""

from typing import Final

from gateway.wire import constants as mt5

__all__ = ("FALSE_ON_FAILURE", "SUCCESS", "TEXTS", "UNCONNECTED", "unconnected")

SUCCESS: Final = (mt5.RES_S_OK, "Success")

TEXTS: Final = {
    mt5.RES_S_OK: "Success",
    mt5.RES_E_FAIL: "Terminal: Call failed",
    mt5.RES_E_INVALID_PARAMS: "Invalid arguments",
    mt5.RES_E_AUTH_FAILED: "Terminal: Authorization failed",
    mt5.RES_E_INTERNAL_FAIL: "IPC call failed",
    mt5.RES_E_INTERNAL_FAIL_SEND: "IPC send failed",
    mt5.RES_E_INTERNAL_FAIL_RECEIVE: "IPC recv failed",
    mt5.RES_E_INTERNAL_FAIL_CONNECT: "No IPC connection",
    mt5.RES_E_INTERNAL_FAIL_TIMEOUT: "IPC timeout",
}
"""By code, the text of `last_error()`; -10003 has a text for each reason."""

FALSE_ON_FAILURE: Final = frozenset(("initialize", "login", "symbol_select", "market_book_add", "market_book_release"))
"""Calls that answer False where the others answer None."""

UNCONNECTED: Final = {
    "market_book_add": SUCCESS,
    "market_book_release": SUCCESS,
    "symbols_get": (
        mt5.RES_E_INVALID_VERSION,
        "Terminal: Incompatible versions, please install the latest version of Terminal and Python module",
    ),
}
"""What the last error is without a connection, where it isn't -10004."""


def unconnected(name: str) -> tuple[int, str]:
    """Return the last error of a call that finds no connection."""
    code = mt5.RES_E_INTERNAL_FAIL_CONNECT
    return UNCONNECTED.get(name, (code, TEXTS[code]))
