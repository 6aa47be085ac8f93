"""Runs in Windows' Python: makes every call of a file on the real package, directly and through our adapter.

Prints JSON: for each call what it returned or raised, and the error pair it left; null if it left the pair untouched.
"""

import datetime
import json
import sys
from pathlib import Path
from typing import Any

import MetaTrader5
import numpy

from gateway.terminal.metatrader5 import FUNCTIONS, MetaTrader5Terminal


class Adapter:
    """The package as a worker sees it: its functions are called by name, all else is its own."""

    def __init__(self) -> None:
        self._terminal = MetaTrader5Terminal()

    def __getattr__(self, name: str) -> Any:
        if name not in FUNCTIONS:
            return getattr(MetaTrader5, name)
        return lambda *args, **kwargs: self._terminal.call(name, args, kwargs)


def outcome(call: str, module: Any) -> dict[str, Any]:
    """Evaluate a call; its last error is left for the caller."""
    names = {"mt5": module, "np": numpy, "dt": datetime, "D": datetime.datetime, "U": datetime.timezone.utc}  # noqa: UP017
    try:
        return {"returns": repr(eval(call, names))}
    except Exception as error:
        found = {"raises": type(error).__name__, "message": str(error)}
        return found if error.__cause__ is None else found | {"cause": type(error.__cause__).__name__}


def observe(call: str, module: Any) -> dict[str, Any]:
    """Make a call twice, after two calls that leave different error pairs: what differs then, it didn't set."""
    MetaTrader5.terminal_info()
    before = MetaTrader5.last_error()
    found = outcome(call, module)
    after = MetaTrader5.last_error()
    MetaTrader5.symbol_info()
    other = MetaTrader5.last_error()
    assert other != before
    again = outcome(call, module)
    assert again == found, (call, found, again)
    is_untouched = after == before and MetaTrader5.last_error() == other
    return {"call": call, **found, "last_error": None if is_untouched else list(after)}


def with_empty_keywords(send: Any) -> list[Any]:
    """Call order_send as any wrapper does that passes everything on; return the error pair."""
    arguments, keywords = ({"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "price": 1.1},), {}
    send(*arguments, **keywords)
    return list(MetaTrader5.last_error())


def main() -> None:
    calls = [entry["call"] for entry in json.loads(Path(sys.argv[1]).read_text("utf-8"))["calls"]]
    adapter = Adapter()
    print(
        json.dumps(
            {
                "package": f"MetaTrader5 {MetaTrader5.__version__}",
                "python": sys.version.split()[0],
                "empty_keywords": {
                    "direct": with_empty_keywords(MetaTrader5.order_send),
                    "adapter": with_empty_keywords(adapter.order_send),
                },
                "direct": [observe(call, MetaTrader5) for call in calls],
                "adapter": [observe(call, adapter) for call in calls],
            }
        )
    )


main()
