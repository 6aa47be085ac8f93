"""What a terminal proves of itself and its account, and what that permits. Pure: no terminal is called here.

Two questions are kept apart. Is it the account that was asked for (`mismatch`)? If not, nothing read from it is true of
that account. Would it take orders (`obstacle`)? If not, everything else still works.
"""

import ntpath
import posixpath
from dataclasses import dataclass
from typing import Any, Final

from gateway.wire.constants import ACCOUNT_TRADE_MODE_CONTEST, ACCOUNT_TRADE_MODE_DEMO, ACCOUNT_TRADE_MODE_REAL

__all__ = ("Expected", "Proof", "mismatch", "mode_mismatch", "obstacle", "prove")

_MODES: Final = {
    ACCOUNT_TRADE_MODE_DEMO: "demo",
    ACCOUNT_TRADE_MODE_CONTEST: "contest",
    ACCOUNT_TRADE_MODE_REAL: "real",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """Which account and terminal it must be; 0 and "" leave it open. `executable` is the terminal's own file."""

    login: int = 0
    server: str = ""
    path: str = ""
    executable: str = ""
    mode: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was read. Nothing here moves with the market: two proofs differ only if something has changed."""

    login: int
    server: str
    path: str
    trade_mode: int
    margin_mode: int
    currency: str
    company: str
    build: int
    connected: bool
    terminal_trade_allowed: bool
    tradeapi_disabled: bool
    account_trade_allowed: bool
    trade_expert: bool

    def to_wire(self) -> dict[str, Any]:
        """Return READY's `proof` map."""
        return {name: getattr(self, name) for name in self.__slots__}

    def held(self, expected: Expected) -> Expected:
        """Return `expected` with what it left open filled in: from now on it must stay so."""
        return Expected(
            expected.login or self.login,
            expected.server or self.server,
            expected.path or self.path,
            expected.executable,
            expected.mode,
        )


def prove(account: Any, terminal: Any) -> Proof:
    """Make a proof of an AccountInfo and a TerminalInfo."""
    return Proof(
        login=account.login,
        server=account.server,
        path=terminal.path,
        trade_mode=account.trade_mode,
        margin_mode=account.margin_mode,
        currency=account.currency,
        company=account.company,
        build=terminal.build,
        connected=terminal.connected,
        terminal_trade_allowed=terminal.trade_allowed,
        tradeapi_disabled=terminal.tradeapi_disabled,
        account_trade_allowed=account.trade_allowed,
        trade_expert=account.trade_expert,
    )


def mismatch(expected: Expected, login: int, server: str, path: str | None = None) -> str:
    """Return why this isn't the account or the terminal that was asked for, or ""; no path: it isn't compared."""
    if (expected.login and login != expected.login) or (expected.server and server != expected.server):
        wanted = f"{expected.login or 'any login'} on {expected.server or 'any server'}"
        return f"account: expected {wanted}, found {login} on {server}"
    if path is None:
        return ""
    if expected.executable and _normal(path) != _normal(_folder(expected.executable)):
        return f"terminal: expected the one in {_folder(expected.executable)}, found {path}"
    if expected.path and _normal(path) != _normal(expected.path):
        return f"terminal: expected the one in {expected.path}, found {path}"
    return ""


def mode_mismatch(expected: Expected, proof: Proof) -> str:
    """Return why the account isn't of the declared kind, or ""."""
    found = _MODES.get(proof.trade_mode, f"trade_mode {proof.trade_mode}")
    if expected.mode and found != expected.mode:
        return f"account mode: declared {expected.mode}, the terminal says {found}"
    return ""


def obstacle(proof: Proof) -> str:
    """Return why the terminal wouldn't take an order, or ""; the cause nearest to the operator's hand comes first."""
    if not proof.connected:
        return "the terminal is offline: it has no connection to its trade server"
    if not proof.terminal_trade_allowed:
        return "AlgoTrading is switched off in the terminal"
    if proof.tradeapi_disabled:
        return "automated trading through the external Python API is disabled in the terminal's options"
    if not proof.account_trade_allowed:
        return "trading is not allowed on the account: it is logged in with the investor password, or disabled"
    if not proof.trade_expert:
        return "automated trading is disabled for the account by its trade server"
    return ""


def _folder(executable: str) -> str:
    if "\\" in executable or ntpath.splitdrive(executable)[0]:
        return ntpath.dirname(executable)
    return posixpath.dirname(executable)


def _normal(path: str) -> str:
    return path.replace("\\", "/").rstrip("/").casefold()
