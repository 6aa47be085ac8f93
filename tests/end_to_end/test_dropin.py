"""A script written for the MetaTrader5 package, unchanged, against a whole gateway: by each of the three ways in."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import clients
from clients import metatrader5 as mt5
from gateway.wire.structs import RATES_DTYPE, TICK_DTYPE

SCRIPT = """
import datetime
import pickle
import sys

import MetaTrader5 as mt5

symbol, volume = sys.argv[1], float(sys.argv[2])
if not mt5.initialize():
    print("initialize() failed, error code =", mt5.last_error())
    quit()
account = mt5.account_info()._asdict()
print("account", account["login"], mt5.terminal_info().connected, mt5.version()[0])
if not mt5.symbol_select(symbol, True):
    quit()
info, tick = mt5.symbol_info(symbol), mt5.symbol_info_tick(symbol)
request = {
    "action": mt5.TRADE_ACTION_DEAL,
    "symbol": symbol,
    "volume": volume,
    "type": mt5.ORDER_TYPE_BUY,
    "price": tick.ask,
    "sl": round(tick.ask - 500 * info.point, info.digits),
    "tp": round(tick.ask + 500 * info.point, info.digits),
    "deviation": 100,
    "magic": 234000,
    "comment": "python script open",
    "type_time": mt5.ORDER_TIME_GTC,
    "type_filling": mt5.ORDER_FILLING_FOK,
}
check = mt5.order_check(request)
result = mt5.order_send(request)
print("sent", check.retcode, result.retcode, pickle.loads(pickle.dumps(result)) == result)
position = mt5.positions_get(ticket=result.order)[0]
print("position", position.volume, position.magic, position.sl == result.request.sl, mt5.positions_total())
rates = mt5.copy_rates_from_pos(symbol, mt5.TIMEFRAME_M1, 0, 3)
print("bars", len(rates), rates.flags.writeable, rates["time"][1] - rates["time"][0])
print("closed", mt5.Close(symbol, ticket=position.ticket), mt5.positions_get(ticket=position.ticket))
deals = mt5.history_deals_get(position=position.ticket)
print("deals", [deal.entry for deal in deals], deals[0].magic)
print("unknown", mt5.symbol_info_tick("NOPE"), mt5.last_error())
mt5.shutdown()
print("after", mt5.terminal_info(), mt5.last_error())
"""

PRINTED = """\
account {login} True 500
sent 0 10009 True
position 0.2 234000 True 1
bars 3 False 60
closed True ()
deals [0, 1] 234000
unknown None (-4, 'Terminal: Not found')
after None (-10004, 'No IPC connection')
"""


@pytest.fixture
def python(gateway: Any) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run Python in an environment that knows the gateway, with other folders on its path."""

    def run(*arguments: str, path: str = "") -> "subprocess.CompletedProcess[str]":
        found = os.pathsep.join(filter(None, (path, os.environ.get("PYTHONPATH", ""))))
        environment = os.environ | {"MT5GATE_ENDPOINT": gateway.endpoint, "PYTHONPATH": found}
        return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, timeout=60)

    return run


@pytest.fixture
def expected(gateway: Any) -> str:
    with gateway.client() as client:
        return PRINTED.format(login=client.account_info().login)


@pytest.fixture
def script(tmp_path: Path) -> str:
    (tmp_path / "script.py").write_text(SCRIPT)
    return str(tmp_path / "script.py")


def test_script_under_exec(gateway: Any, script: str, expected: str) -> None:
    done = gateway.command("exec", "--account", "demo", script, "EURUSD", "0.2")

    assert done.stdout == expected, done.stderr


def test_script_that_imports_the_module(python: Any, tmp_path: Path, expected: str) -> None:
    changed = SCRIPT.replace("import MetaTrader5 as mt5", "from clients import metatrader5 as mt5")
    (tmp_path / "changed.py").write_text(changed)

    done = python(str(tmp_path / "changed.py"), "EURUSD", "0.2")

    assert done.stdout == expected, done.stderr


def test_script_with_the_distribution_on_the_path(python: Any, script: str, expected: str) -> None:
    """What installing the distribution does; that its wheel holds it, is checked where wheels are built."""
    done = python(script, "EURUSD", "0.2", path=str(Path(clients.__file__).parent / "distribution"))

    assert done.stdout == expected, done.stderr


@pytest.fixture
def connected(gateway: Any) -> Iterator[Any]:
    assert mt5.initialize(gateway.endpoint), mt5.last_error()
    yield mt5
    mt5.shutdown()


def test_login_and_server_of_the_account_are_accepted(gateway: Any, connected: Any) -> None:
    account = connected.account_info()

    assert connected.login(account.login, server=account.server)
    assert connected.initialize(gateway.endpoint, login=account.login, server=account.server, password="any")
    assert connected.initialize(gateway.endpoint, login=account.login + 1) is False
    assert connected.last_error() == (-6, "Terminal: Authorization failed")


ACCOUNTS = """
accounts:
  first: {login: 111, server: First-Server}
  second: {login: 222, server: Second-Server}
"""


def test_login_chooses_among_accounts(start_gateway: Any, state_dir: Path) -> None:
    (state_dir / "mt5gate.yaml").write_text(ACCOUNTS)
    endpoint = start_gateway("--seed", "7").endpoint

    def accounts() -> tuple[int, int | None]:
        info = mt5.account_info()
        assert info is not None, mt5.last_error()
        return info.login, mt5.positions_total()

    try:
        assert mt5.initialize(endpoint, login=222, password="any", server="Second-Server")
        assert mt5.symbol_select("EURUSD")
        result = mt5.Buy("EURUSD", 0.1)
        assert result is not None
        assert result.retcode == mt5.TRADE_RETCODE_DONE
        assert accounts() == (222, 1)
        assert mt5.login(111)
        assert accounts() == (111, 0)
        assert mt5.login(222, server="First-Server") is False
        assert accounts() == (111, 0)
    finally:
        mt5.shutdown()


CALLS: list[tuple[str, tuple[Any, ...], type]] = [
    ("version", (), tuple),
    ("terminal_info", (), mt5.TerminalInfo),
    ("account_info", (), mt5.AccountInfo),
    ("symbols_total", (), int),
    ("symbols_get", (), tuple),
    ("symbol_info", ("EURUSD",), mt5.SymbolInfo),
    ("symbol_info_tick", ("EURUSD",), mt5.Tick),
    ("symbol_select", ("EURUSD",), bool),
    ("market_book_add", ("EURUSD",), bool),
    ("market_book_release", ("EURUSD",), bool),
    ("order_calc_margin", (0, "EURUSD", 1, 1.1), float),
    ("order_calc_profit", (0, "EURUSD", 1, 1.1, 1.2), float),
    ("positions_total", (), int),
    ("positions_get", (), tuple),
    ("orders_total", (), int),
    ("orders_get", (), tuple),
    ("history_orders_total", (0, 2_000_000_000), int),
    ("history_orders_get", (0, 2_000_000_000), tuple),
    ("history_deals_total", (0, 2_000_000_000), int),
    ("history_deals_get", (0, 2_000_000_000), tuple),
]


@pytest.mark.parametrize(("name", "args", "kind"), CALLS, ids=[name for name, *_ in CALLS])
def test_every_call_answers(connected: Any, name: str, args: tuple[Any, ...], kind: type) -> None:
    found = getattr(connected, name)(*args)

    assert type(found) is kind
    assert connected.last_error() == (1, "Success")


def test_arrays_have_the_packages_layout(connected: Any) -> None:
    ticks = connected.copy_ticks_from("EURUSD", 0, 10, connected.COPY_TICKS_ALL)
    bars = connected.copy_rates_from_pos("EURUSD", connected.TIMEFRAME_H1, 0, 10)

    assert (ticks.dtype, bars.dtype) == (TICK_DTYPE, RATES_DTYPE)
    assert not ticks.flags.writeable
    assert not bars.flags.writeable


def test_threads_call_at_the_same_time(connected: Any) -> None:
    good: list[bool] = []

    def ask(symbol: str, code: int) -> None:
        for _ in range(25):
            connected.symbol_info_tick(symbol)
            good.append(connected.last_error()[0] == code)

    threads = [threading.Thread(target=ask, args=case) for case in (("EURUSD", 1), ("NOPE", -4)) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert good == [True] * 150


def test_gateway_that_goes_and_comes_back(own_gateway: Any, wait_until: Any) -> None:
    assert mt5.initialize(own_gateway.endpoint)
    try:
        own_gateway.role("broker").kill()
        wait_until(lambda: mt5.terminal_info() is not None and mt5.positions_get() == (), "answers again")
        assert mt5.last_error() == (1, "Success")
    finally:
        mt5.shutdown()
