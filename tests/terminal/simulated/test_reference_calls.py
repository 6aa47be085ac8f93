"""Every call that was tried on the real package without a terminal, tried on a connection without one.

The file of calls lies beside the project, where it lies at all. Where the real package raises SystemError, an exception
of its C code was left pending: here that one is raised. What isn't a call of a function is the drop-in module's affair.
"""

import datetime
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gateway.terminal.simulated.connection import SimulatedConnection
from gateway.wire import constants, structs
from gateway.wire.arguments import CALLS

FILE = Path(__file__).parents[4] / "shared" / "reference" / "metatrader5_calls.json"
FUNCTION = re.compile(rf"\bmt5\.({'|'.join(CALLS)})\b")
RECORDED = json.loads(FILE.read_text("utf-8"))["calls"] if FILE.exists() else []
ASKED = [item for item in RECORDED if FUNCTION.search(item["call"])]


def package(connection: SimulatedConnection) -> SimpleNamespace:
    """The package's names over a connection."""

    def function(name: str) -> Any:
        return lambda *args, **kwargs: connection.call(name, args, kwargs)

    names: dict[str, Any] = {name: getattr(constants, name) for name in dir(constants) if name.isupper()}
    names |= {name: value for name, value in vars(structs).items() if isinstance(value, type)}
    return SimpleNamespace(**(names | {name: function(name) for name in CALLS}))


@pytest.mark.skipif(not FILE.exists(), reason="the reference isn't beside the project")
def test_unconnected_calls_answer_as_the_package_does() -> None:
    assert len(ASKED) > 400
    for item in ASKED:
        connection = SimulatedConnection()
        returned, raised = _outcome(connection, item["call"])

        assert (returned, raised) == (item.get("returns"), _raised(item)), item["call"]
        if item["last_error"] is not None:
            assert list(connection.last_error()) == item["last_error"], item["call"]


def _outcome(connection: SimulatedConnection, call: str) -> tuple[str | None, str]:
    names = {"mt5": package(connection), "np": np, "dt": datetime, "D": datetime.datetime, "U": datetime.UTC}
    try:
        return repr(eval(call, names)), ""
    except Exception as error:
        return None, type(error).__name__


def _raised(item: dict[str, Any]) -> str:
    if item.get("raises") == "SystemError":
        return str(item["cause"]).partition(":")[0]
    return item.get("raises", "")
