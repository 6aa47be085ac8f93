"""The drop-in module before any connection is made: names, types, argument rules and last errors are the package's."""

import ast
import copy
import datetime as dt
import json
import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import metatrader5 as mt5
from clients.dropin.module import MODULE
from gateway.terminal.metatrader5 import DROP_IN

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference"
UNTOUCHED = (0, "untouched")
NO_CONNECTION = [-10004, "No IPC connection"]
NOT_FOUND = [-10003, "IPC initialize failed, MetaTrader 5 x64 not found"]
INCOMPATIBLE = [-5, "Terminal: Incompatible versions, please install the latest version of Terminal and Python module"]
INVALID = [-2, "Invalid arguments"]
SUCCESS = [1, "Success"]
TYPES = {
    *("AccountInfo", "TerminalInfo", "SymbolInfo", "Tick", "BookInfo", "TradePosition", "TradeOrder", "TradeDeal"),
    *("TradeRequest", "OrderSendResult", "OrderCheckResult"),
}


def returns(call: str, value: str, last_error: list[Any] | None) -> dict[str, Any]:
    return {"call": call, "returns": value, "last_error": last_error}


def raises(call: str, kind: str, last_error: list[Any] | None, message: str | None = None) -> dict[str, Any]:
    return {"call": call, "raises": kind, "last_error": last_error} | ({"message": message} if message else {})


TELLING = (
    returns("mt5.initialize('')", "False", NOT_FOUND),
    returns("mt5.initialize(path=None)", "False", [-2, 'Invalid "path" argument']),
    returns("mt5.initialize('a','b')", "False", [-2, "Invalid number of arguments"]),
    returns("mt5.initialize(login='5')", "False", [-2, 'Invalid "login" argument']),
    raises("mt5.initialize(login=2**64)", "OverflowError", [-2, 'Invalid "login" argument']),
    returns("mt5.login(5,'p','s')", "False", NO_CONNECTION),
    returns("mt5.login()", "False", [-2, 'Invalid "login" argument']),
    raises("mt5.login(-1)", "OverflowError", [-2, "Invalid 1st unnamed argument"]),
    returns("mt5.shutdown()", "True", SUCCESS),
    returns("mt5.version()", "(0, 0, '')", NO_CONNECTION),
    raises("mt5.version(1)", "TypeError", None),
    returns("mt5.last_error()", "(0, 'untouched')", None),
    returns("mt5.terminal_info()", "None", NO_CONNECTION),
    returns("mt5.symbol_info_tick('A'*29)", "None", NO_CONNECTION),
    returns("mt5.symbol_info_tick('A'*30)", "None", INVALID),
    raises("mt5.symbol_info_tick(symbol='EURUSD')", "TypeError", None),
    returns("mt5.symbol_select(None)", "False", INVALID),
    returns("mt5.symbols_get(1)", "False", [-2, "Invalid 1st unnamed argument"]),
    returns("mt5.symbols_get()", "None", INCOMPATIBLE),
    returns("mt5.market_book_add('EURUSD')", "False", SUCCESS),
    returns("mt5.market_book_add(1)", "None", INVALID),
    returns("mt5.positions_get('EURUSD')", "None", [-2, "Unnamed arguments not allowed"]),
    returns("mt5.positions_get(ticket=1,symbol=5)", "None", NO_CONNECTION),
    raises("mt5.orders_get(ticket=-1)", "OverflowError", [-2, 'Invalid "ticket" argument']),
    returns("mt5.history_deals_get()", "None", INVALID),
    raises("mt5.history_deals_total(0,2**33)", "OverflowError", NO_CONNECTION),
    raises("mt5.copy_rates_from_pos('EURUSD',1,0,1.5)", "TypeError", INVALID),
    returns("mt5.copy_ticks_from('EURUSD',np.datetime64('2024-01-01'),1,-1)", "None", INVALID),
    returns("mt5.copy_ticks_from('EURUSD',D(2024,1,1),np.int64(1),-1)", "None", NO_CONNECTION),
    returns("mt5.order_send({'volume':1})", "None", [-2, 'Invalid "volume" argument']),
    returns("mt5.order_send({'comment':'x'*30})", "None", [-2, 'Invalid "comment" argument']),
    raises("mt5.order_send({'magic':-1})", "OverflowError", [-2, 'Invalid "magic" argument']),
    returns("mt5.order_send({},x=1)", "None", [-2, "Unnamed arguments not allowed"]),
    returns("mt5.order_check(action=1,symbol='EURUSD')", "None", NO_CONNECTION),
    raises("mt5.order_calc_margin(0,'EURUSD','1',1.0)", "TypeError", INVALID),
    raises("mt5.Buy('EURUSD',0.1)", "AttributeError", NO_CONNECTION, "'NoneType' object has no attribute 'ask'"),
    returns("mt5.Sell('EURUSD',0.1,1.1)", "None", NO_CONNECTION),
    raises("mt5.Close('EURUSD')", "TypeError", NO_CONNECTION, "'NoneType' object is not iterable"),
    raises("mt5.Tick(1,2)", "TypeError", None, "constructor requires a sequence"),
    raises("mt5.Tick()", "TypeError", None, "structseq() missing required argument 'sequence' (pos 1)"),
    raises("mt5.Tick(time=1)", "TypeError", None),
    raises("setattr(mt5.Tick(range(8)),'bid',1)", "AttributeError", None, "readonly attribute"),
    returns("mt5.BookInfo(range(4))", "BookInfo(type=0, price=1, volume=2, volume_dbl=3)", None),
    returns("mt5.BookInfo(range(4))==(0,1,2,3)", "True", None),
)
"""One call for each rule that scripts meet: result or error, and the last error after it (None: left as it was)."""


def recorded() -> list[dict[str, Any]]:
    file = REFERENCE / "metatrader5_calls.json"
    if not file.is_file():
        return []
    calls: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))["calls"]
    # Our structures can be pickled, so that their module isn't builtins.
    return [call for call in calls if not call["call"].endswith((".__module__", ".__mro__"))]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No gateway where the module would look for one."""
    monkeypatch.setenv("MT5GATE_ENDPOINT", "ipc:///nowhere/mt5gate.ipc")
    monkeypatch.delenv("MT5GATE_ACCOUNT", raising=False)
    mt5.shutdown()
    yield
    mt5.shutdown()


def outcome(call: str) -> dict[str, Any]:
    """What a call gives, and the last error after it; None if it left that alone."""
    MODULE._here.error = UNTOUCHED
    names = {"mt5": mt5, "np": np, "dt": dt, "D": dt.datetime, "U": dt.UTC}
    try:
        found = {"returns": repr(eval(call, names))}
    except Exception as error:
        found = {"raises": type(error).__name__, "message": str(error)}
    last_error = mt5.last_error()
    return found | {"last_error": None if last_error == UNTOUCHED else list(last_error)}


@pytest.mark.parametrize("call", TELLING, ids=lambda call: call["call"])
def test_telling_call_answers_as_the_package(call: dict[str, Any]) -> None:
    found = outcome(call["call"])

    assert {key: found.get(key) for key in call if key != "call"} == {k: v for k, v in call.items() if k != "call"}


def test_every_recorded_call_answers_as_the_package() -> None:
    calls = recorded()
    if not calls:
        pytest.skip("the package's recorded calls aren't here")
    for call in calls:
        expected = {key: call[key] for key in ("returns", "raises", "message", "last_error") if key in call}
        if "cause" in call:  # the C function left this pending, and Python made a SystemError of it
            expected = {"raises": call["cause"], "last_error": call["last_error"]}
        found = outcome(call["call"])
        assert {key: found.get(key) for key in expected} == expected, call["call"]


def test_module_has_every_name_of_the_package() -> None:
    file = REFERENCE / "metatrader5_names.json"
    if not file.is_file():
        pytest.skip("the package's recorded names aren't here")
    names = json.loads(file.read_text("utf-8"))

    functions = {*names["function_docs"], *(name for name in names["python_helpers"] if name[0] != "_")}
    assert set(mt5.__all__) == {*names["constants"], *names["structs"], *functions}
    assert {name: getattr(mt5, name) for name in names["constants"]} == names["constants"]
    assert callable(mt5._RawOrder)


def test_surface_is_whole() -> None:
    functions = [name for name in mt5.__all__ if name.islower()]
    assert len(functions) == 32
    assert all(getattr(mt5, name).__name__ == name for name in (*functions, "Buy", "Sell", "Close"))
    assert {name for name in mt5.__all__ if isinstance(getattr(mt5, name), type)} == TYPES
    assert mt5.__name__ == DROP_IN  # by which a worker knows that it has found no terminal's package
    assert (mt5.__version__, mt5.__author__) == ("5.0.6231", "MetaQuotes Ltd.")
    assert (mt5.TIMEFRAME_H4, mt5.COPY_TICKS_ALL, mt5.RES_S_OK) == (16388, -1, 1)
    assert len(set(mt5.__all__)) == len(mt5.__all__)


def test_star_import_gives_what_scripts_use_and_nothing_else() -> None:
    names: dict[str, Any] = {}
    exec("from clients.metatrader5 import *", names)

    assert set(names) - {"__builtins__"} == set(mt5.__all__)


def test_types_are_declared_for_every_name() -> None:
    stub = ast.parse(Path(mt5.__file__).with_suffix(".pyi").read_text("utf-8"))
    declared = {node.name for node in stub.body if isinstance(node, ast.FunctionDef)}
    declared |= {node.names[0].name for node in stub.body if isinstance(node, ast.ImportFrom) and node.module}

    assert declared >= {name for name in mt5.__all__ if not name.isupper()}
    assert not {name for name in declared if name[0].islower()} - set(mt5.__all__) - {"datetime"}


@pytest.mark.parametrize("name", sorted(TYPES))
def test_structure_survives_pickle_and_copy(name: str) -> None:
    kind = getattr(mt5, name)
    whole = kind(range(kind.n_fields))

    for made in (pickle.loads(pickle.dumps(whole)), copy.copy(whole), copy.deepcopy(whole)):
        assert type(made) is kind
        assert made == whole
    assert list(whole._asdict()) == list(kind.__match_args__)


def test_structure_crosses_to_another_process() -> None:
    tick = mt5.Tick((1, 1.1, 1.2, 0.0, 0, 1000, 6, 0.0))

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(repr, (tick,)) == repr(tick)


def test_thread_without_a_call_of_its_own_sees_the_latest_error() -> None:
    code = """if True:
        import threading
        from clients import metatrader5 as mt5
        mt5.symbol_info_tick(1)
        seen = []
        def look():
            seen.append(mt5.last_error())
            mt5.positions_total()
            seen.append(mt5.last_error())
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        print(seen, mt5.last_error())
    """
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == (
        "[(-2, 'Invalid arguments'), (-10004, 'No IPC connection')] (-2, 'Invalid arguments')"
    )


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("ftp://127.0.0.1:5550", "expected an address as in tcp://127.0.0.1:5550, got 'ftp://127.0.0.1:5550'"),
        ("tcp://nonsense", "endpoint: expected something like tcp://127.0.0.1:5550, got 'tcp://nonsense'"),
        ("ipc:///nowhere/else.ipc", "MetaTrader 5 x64 not found"),
        (r"C:\Program Files\MetaTrader 5\terminal64.exe", "MetaTrader 5 x64 not found"),
    ],
)
def test_initialize_without_a_gateway_says_why(path: str, detail: str) -> None:
    assert mt5.initialize(path) is False

    code, text = mt5.last_error()
    assert code == mt5.RES_E_INTERNAL_FAIL_INIT
    assert text.startswith(f"IPC initialize failed, {detail}")


def test_initialize_with_a_configuration_that_is_wrong_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mt5gate.yaml").write_text("nonsense: 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MT5GATE_ENDPOINT")

    assert mt5.initialize() is False
    assert mt5.last_error()[0] == mt5.RES_E_INTERNAL_FAIL_INIT
    assert "nonsense" in mt5.last_error()[1]
