"""What the gateway asks of a terminal: the one interface in front of the real package and the simulated one.

It must never know which of the two answers, nor anything of sockets towards the gateway. An implementation is used by
one thread, executes one call at a time, and blocks until the terminal has answered.
"""

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Login:
    """Which terminal and account a connection is for; empty or 0 means "whatever the terminal has".

    `address` is an installed terminal's executable (real package) or a socket's address (simulated terminal).
    """

    address: str = ""
    login: int = 0
    password: str = ""
    server: str = ""
    timeout_ms: int = 60_000
    portable: bool = False

    def __repr__(self) -> str:
        return f"Login(address={self.address!r}, login={self.login}, server={self.server!r})"


class Terminal(Protocol):
    """One connection to one MT5 terminal, with the MetaTrader5 package's semantics."""

    def initialize(self, login: Login) -> bool:
        """Connect and log in; False says why in `last_error()`. An open connection is closed first."""

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call one of the package's functions by name, as `MetaTrader5.<name>(*args, **kwargs)` would.

        Returns what the package returns: a structure of `gateway.wire.structs` (or the package's own), a tuple of
        them, a NumPy array of 60-byte records, an int, float, bool or None. Raises TypeError for arguments that the
        package itself raises on. `last_error()` afterwards tells of this call.
        """

    def last_error(self) -> tuple[int, str]:
        """Return code and text of the last call: (1, 'Success') or the package's own error pair."""

    def shutdown(self) -> None:
        """Close the connection; the terminal itself stays."""
