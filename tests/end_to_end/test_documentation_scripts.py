"""The scripts of examples/metatrader5 under `mt5gate exec`, unchanged: what they print is what the gateway knows."""

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.wire import constants as mt5
from gateway.wire.calls import CALLS, Kind

SCRIPTS = Path(__file__).parents[2] / "examples" / "metatrader5"
PRICE = r"(\d\.\d{5})"

Run = Callable[[str], str]


@pytest.fixture
def run(gateway: Any) -> Run:
    def one(name: str) -> str:
        done = gateway.command("exec", str(SCRIPTS / f"{name}.py"))
        assert done.stderr == ""
        return str(done.stdout)

    return one


def numbers(pattern: str, text: str) -> list[float]:
    """Return the groups of the first match, as numbers."""
    match = re.search(pattern, text)
    assert match is not None, f"expected {pattern!r} in:\n{text}"
    return [float(group) for group in match.groups()]


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda script: script.stem)
def test_a_script_knows_nothing_of_the_gateway(script: Path) -> None:
    tree = ast.parse(script.read_text("utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= {"MetaTrader5", "datetime", "time"}


def test_every_script_is_run_here() -> None:
    here = Path(__file__).read_text("utf-8")
    assert [script.stem for script in SCRIPTS.glob("*.py") if f'run("{script.stem}")' not in here] == []


def test_all_functions_of_the_package_are_shown() -> None:
    text = "".join(script.read_text("utf-8") for script in SCRIPTS.glob("*.py"))
    called = {call.name for call in CALLS.values() if call.kind is not Kind.GATEWAY and call.name != "symbol_spec"}
    functions = called | {"initialize", "shutdown", "last_error", "Buy", "Sell", "Close"}
    assert {name for name in functions if not re.search(rf"mt5\.{name}\b", text)} == set()


def test_connect(gateway: Any, run: Run) -> None:
    printed = run("connect")
    with gateway.client() as client:
        account, terminal = client.account_info(), client.terminal_info()
    assert f"build {terminal.build} " in printed
    assert f"{terminal.name} of {terminal.company}, in {terminal.path}\n" in printed
    assert f"account: {account.login} on {account.server}, demo, 1:{account.leverage}\n" in printed
    assert numbers(r"balance ([\d.]+) USD, equity ([\d.]+) USD", printed) == [account.balance, account.equity]
    assert f"margin_free = {account.margin_free}\n" in printed
    assert "no such symbol: (-4, 'Terminal: Not found')" in printed


def test_symbols(gateway: Any, run: Run) -> None:
    printed = run("symbols")
    with gateway.client() as client:
        total, info = client.symbols_total(), client.symbol_info("EURUSD")
        dollars, others = client.symbols_get(group="*USD*"), client.symbols_get(group="*, !*USD*")
    assert f"symbols in all: {total}\n" in printed
    assert f'group "*USD*": {len(dollars)}: {dollars[0].name}' in printed
    assert f'group "*, !*USD*": {len(others)}:' in printed
    assert len(dollars) + len(others) == total
    assert f"EURUSD: {info.description}, in {info.path}\n" in printed
    assert f"from {info.volume_min} to {info.volume_max} lots, in steps of {info.volume_step}\n" in printed
    bid, ask = numbers(rf"bid {PRICE}, ask {PRICE}", printed)
    assert 0 < bid <= ask
    assert bid == pytest.approx(info.bid, rel=0.01)


def test_bars(gateway: Any, run: Run) -> None:
    printed = run("bars")
    with gateway.client() as client:
        hours = client.copy_rates_from_pos("EURUSD", mt5.TIMEFRAME_H1, 1, 99)
    assert "the last 100 hours: 100 bars\n" in printed
    assert "20 days before this hour: 20 bars\n" in printed
    assert re.search(r"six hours in quarters: 2[1-5] bars\n", printed)
    bars = re.findall(rf"^  \d{{4}}-\d\d-\d\d \d\d:\d\d  {PRICE} {PRICE} {PRICE} {PRICE}  (\d+) ticks$", printed, re.M)
    assert len(bars) == 6
    for each in bars:
        opened, high, low, close = map(float, each[:4])
        assert low <= min(opened, close) <= max(opened, close) <= high
    average, lowest, highest = numbers(rf"average close {PRICE}, between {PRICE} and {PRICE}", printed)
    assert lowest < average < highest
    assert average == pytest.approx(hours["close"].mean(), rel=0.001)


def test_ticks(run: Run) -> None:
    printed = run("ticks")
    (counted,) = numbers(r"on: (\d+) ticks", printed)
    (within,) = numbers(r"between [\d:]+ and [\d:]+: (\d+) ticks", printed)
    assert 0 < counted <= 1_000
    assert within > 0
    shown = re.findall(rf"^  (\d{{13}})  {PRICE} / {PRICE}  ((?:bid|ask|last| and )+) changed$", printed, re.M)
    assert len(shown) == min(5, counted)
    assert [time for time, *_ in shown] == sorted(time for time, *_ in shown)
    assert all(float(bid) <= float(ask) for _, bid, ask, _ in shown)
    (spread,) = numbers(r"average spread ([\d.]+),", printed)
    assert 0 <= spread < 0.01


def test_calculate(gateway: Any, run: Run) -> None:
    printed = run("calculate")
    margin, up, down = numbers(r"EURUSD: margin ([\d.]+); 100 points up: a buy \+([\d.]+), a sell -([\d.]+)", printed)
    with gateway.client() as client:
        tick, account = client.symbol_info_tick("EURUSD"), client.account_info()
        again = client.order_calc_margin(mt5.ORDER_TYPE_BUY, "EURUSD", 0.1, tick.ask)
    assert margin == pytest.approx(again, rel=0.01)
    assert up == down == pytest.approx(10.0)  # 0.1 lots of 100,000, 100 points of 0.00001 dollars
    assert "order_check of 0.1 lots: retcode 0, Done\n" in printed
    needed, left = numbers(r"margin would be ([\d.]+), and ([\d.]+) left free", printed)
    assert needed + left == pytest.approx(account.equity, abs=10.0)  # the spread is paid at once
    assert f"order_check of 100 lots: retcode {mt5.TRADE_RETCODE_NO_MONEY}, No money\n" in printed


def test_open_and_close(gateway: Any, run: Run) -> None:
    printed = run("open_and_close")
    (ticket,) = numbers(r"position (\d+):", printed)
    with gateway.client() as client:
        deals = client.history_deals_get(position=int(ticket))
        assert client.positions_get(ticket=int(ticket)) == ()
        assert client.orders_total() == 0
    assert [deal.entry for deal in deals] == [mt5.DEAL_ENTRY_IN, mt5.DEAL_ENTRY_OUT]
    for title in ("buy", "set stops", "clear stops", "close"):
        assert f"{title}: retcode {mt5.TRADE_RETCODE_DONE}, Request executed\n" in printed
    (opened,) = numbers(rf"0\.1 lots at {PRICE}, deal", printed)
    assert opened == deals[0].price
    loss, target = numbers(rf"stop loss {PRICE}, take profit {PRICE}", printed)
    assert loss < opened < target
    assert numbers(rf"closed at {PRICE}", printed) == [deals[1].price]
    assert "still open: 0\n" in printed
    profit = numbers(rf"deal {deals[1].ticket} out: 0\.1 lots at {PRICE}, profit ([-+][\d.]+)", printed)[1]
    assert profit == pytest.approx(deals[1].profit)
    assert profit == pytest.approx((deals[1].price - opened) * 10_000, abs=0.006)


def test_pending(gateway: Any, run: Run) -> None:
    printed = run("pending")
    for title in ("buy limit", "sell limit", "buy stop", "modify"):
        assert f"{title}: retcode {mt5.TRADE_RETCODE_DONE}, " in printed
    assert "orders: 0 before, 3 now, 3 of them EURUSD\n" in printed
    assert "orders left: 0\n" in printed
    orders = re.findall(rf"^  (\d+): type (\d), 0\.1 lots at {PRICE}$", printed, re.M)
    kinds = [mt5.ORDER_TYPE_BUY_LIMIT, mt5.ORDER_TYPE_SELL_LIMIT, mt5.ORDER_TYPE_BUY_STOP]
    assert [int(kind) for _, kind, _ in orders] == kinds
    price, stop, target = numbers(rf"now at {PRICE}, sl {PRICE}, tp {PRICE}", printed)
    assert stop < price < target
    assert price < float(orders[0][2])
    with gateway.client() as client:
        ended = [client.history_orders_get(ticket=int(ticket))[0] for ticket, *_ in orders]
    assert {order.state for order in ended} == {mt5.ORDER_STATE_CANCELED}
    assert ended[0].price_open == price


def test_positions(gateway: Any, run: Run) -> None:
    printed = run("positions")
    assert "positions before: 0\npositions now: 3\n" in printed
    assert printed.count(": True\n") == 3
    assert printed.endswith("positions after: 0\n")
    assert "of EURUSD: 1\n" in printed
    assert 'of the group "*USD*, !USDJPY": 2\n' in printed
    ours, accounts = numbers(r"profit of all ([-+][\d.]+), and the account says ([-+][\d.]+)", printed)
    assert ours == pytest.approx(accounts, abs=20.0)  # a tick may have come between the two
    with gateway.client() as client:
        assert client.positions_total() == 0


def test_history(gateway: Any, run: Run) -> None:
    run("open_and_close")
    printed = run("history")
    with gateway.client() as client:
        deals, balance = client.history_deals_get(0, 2**31 - 1), client.account_info().balance
        orders = client.history_orders_total(0, 2**31 - 1)
    assert f"orders: {orders}\n" in printed
    assert f"deals: {len(deals)}\n" in printed
    assert deals[-1].symbol == "EURUSD"
    assert f"  {deals[-1].ticket} EURUSD: 0.1 lots at {deals[-1].price}," in printed
    total, told = numbers(r"sum of all deals ([\d.]+), balance ([\d.]+)", printed)
    assert total == told == pytest.approx(balance)
    assert f"position {deals[-1].position_id}: 2 orders, 2 deals\n" in printed


def test_depth_of_market(run: Run) -> None:
    printed = run("depth_of_market")
    looks = re.split(r"^look \d: ", printed, flags=re.M)[1:]
    assert len(looks) == 3
    for look in looks:
        sells = [float(price) for price in re.findall(rf"^  sell  {PRICE}", look, re.M)]
        buys = [float(price) for price in re.findall(rf"^  buy   {PRICE}", look, re.M)]
        assert len(sells) + len(buys) == numbers(r"^(\d+) entries", look)[0]
        assert sells == sorted(sells, reverse=True)
        assert buys == sorted(buys, reverse=True)
        assert buys[0] < sells[-1]
    assert printed.endswith("released: True\n")
