"""The real terminal: the MetaTrader5 package behind `port.Terminal`. The only file that imports it.

The package exists for Windows alone and keeps one connection a process, so it is imported when a terminal is made,
not before. It never releases the GIL: nothing else may live in the process that uses this.
"""

from typing import Any, Final

from gateway.terminal.port import Login
from gateway.wire.arguments import CALLS

__all__ = ("MetaTrader5Terminal",)

FUNCTIONS: Final = frozenset(CALLS)
"""The package's 32 functions: nothing else of it can be called by name."""

DROP_IN: Final = "clients.metatrader5"
"""What calls itself MetaTrader5 where the distribution for hosts without a terminal is installed."""


class MetaTrader5Terminal:
    """The process's one connection to an installed terminal; raises ImportError where there is no package."""

    def __init__(self) -> None:
        import MetaTrader5

        if MetaTrader5.__name__ == DROP_IN:
            raise ImportError("the MetaTrader5 installed here is mt5gate's drop-in, which leads to a gateway again")
        self._package: Any = MetaTrader5

    def initialize(self, login: Login) -> bool:
        """Connect and log in; see `port.Terminal`. What is empty isn't passed: to the package, None is an error."""
        args = (login.address,) if login.address else ()
        kwargs: dict[str, Any] = {"timeout": login.timeout_ms}
        if login.login:
            kwargs["login"] = login.login
        if login.password:
            kwargs["password"] = login.password
        if login.server:
            kwargs["server"] = login.server
        if login.portable:
            kwargs["portable"] = True
        return self._package.initialize(*args, **kwargs) is True

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call one of the package's functions; raises AttributeError for any other name, see `port.Terminal`."""
        if name not in FUNCTIONS:
            raise AttributeError(f"module 'MetaTrader5' has no function {name!r}")
        function = getattr(self._package, name)
        try:
            # An empty dict of keywords isn't no keywords to the package: `order_send(*args, **{})` would fail.
            return function(*args, **kwargs) if kwargs else function(*args)
        except SystemError as error:
            # The package returned None with an exception pending: that exception is what went wrong.
            if error.__cause__ is not None:
                raise error.__cause__ from None
            raise

    def last_error(self) -> tuple[int, str]:
        """Return code and text of the last call."""
        code, text = self._package.last_error()
        return int(code), str(text)

    def shutdown(self) -> None:
        """Close the connection; the terminal itself stays."""
        self._package.shutdown()
