"""mt5linux's server over a simulated terminal: what a script on Linux uses without a gateway, on the same terminal.

    python -m bench.bridge TERMINAL_ADDRESS PORT

mt5linux serves whatever module is named MetaTrader5. Here it is a `SimulatedConnection`, which is what the gateway's
workers call, too: both sides of a ratio ask the same terminal process in the same way. The server itself is mt5linux's
own command, started as it documents (`python -m mt5linux`), with its defaults.
"""

import runpy
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from gateway.terminal.port import Login
from gateway.terminal.simulated.connection import SimulatedConnection
from gateway.wire.calls import CALLS, Kind

__all__ = ("HOST", "stand_in")

HOST: Final = "127.0.0.1"


def stand_in(address: str) -> ModuleType:
    """Return a module with the package's functions, connected to the simulated terminal at `address`.

    Raises ConnectionError when there is no terminal.
    """
    connection = SimulatedConnection()
    if not connection.initialize(Login(address)):
        code, text = connection.last_error()
        raise ConnectionError(f"{address}: {text} ({code})")
    module = ModuleType("MetaTrader5")
    for name in (call.name for call in CALLS.values() if call.kind is not Kind.GATEWAY):
        setattr(module, name, _function(connection, name))
    module.last_error = connection.last_error  # type: ignore[attr-defined]
    module.initialize = lambda *args, **kwargs: True  # type: ignore[attr-defined]
    module.shutdown = lambda: True  # type: ignore[attr-defined]
    return module


def _function(connection: SimulatedConnection, name: str) -> Callable[..., Any]:
    call = connection.call

    def function(*args: Any, **kwargs: Any) -> Any:
        return call(name, args, kwargs)

    return function


def main() -> None:
    """Serve until SIGTERM."""
    address, port = sys.argv[1:]
    sys.modules["MetaTrader5"] = stand_in(address)
    sys.argv = ["mt5linux", "--host", HOST, "--port", port, "--quiet"]
    print("ready", flush=True)
    runpy.run_module("mt5linux", run_name="__main__")


if __name__ == "__main__":
    main()
