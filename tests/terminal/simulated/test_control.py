"""Somebody at the terminal: what he can do, and what he is told when he can't."""

import socket

import pytest

from gateway.terminal.simulated.commands import _SHAPES, MAX_AMOUNT, is_command
from gateway.terminal.simulated.control import Control, ControlError, NoTerminal
from gateway.terminal.simulated.settings import Settings
from gateway.wire import constants as mt5
from gateway.wire.structs import OrderSendResult, TradeRequest

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this host has no Unix sockets")


@pytest.fixture
def control(fast, serving):
    with serving(fast), Control(fast.address, timeout_s=20) as opened:
        yield opened


# --- through the socket ---


def test_trades_by_hand_are_in_the_clients_name(fast, control, connect):
    connection = connect(fast.address)
    bought = control.buy("EURUSD", 0.2, comment="by hand")
    control.sell("XAUUSD", 1)
    closed = control.close_position(bought.order, 0.05)
    euro, gold = connection.call("positions_get", (), {})

    assert isinstance(bought, OrderSendResult)
    assert isinstance(bought.request, TradeRequest)
    assert closed.retcode == mt5.TRADE_RETCODE_DONE
    assert (euro.symbol, euro.type, euro.volume, euro.comment) == ("EURUSD", mt5.POSITION_TYPE_BUY, 0.15, "by hand")
    assert (gold.symbol, gold.type) == ("XAUUSD", mt5.POSITION_TYPE_SELL)
    assert {euro.reason, gold.reason} == {mt5.POSITION_REASON_CLIENT}
    control.close_position(euro.ticket)
    assert len(connection.call("positions_get", (), {})) == 1


def test_money_goes_in_and_out(fast, control, connect):
    assert control.deposit(500) == 100_500.0
    assert control.withdraw(100_500) == 0.0
    deals = connect(fast.address).call("history_deals_get", (0, 2**31 - 1), {})

    assert [(deal.profit, deal.comment) for deal in deals[1:]] == [(500.0, "Deposit"), (-100_500.0, "Withdrawal")]
    assert {deal.type for deal in deals} == {mt5.DEAL_TYPE_BALANCE}
    with pytest.raises(ControlError, match=r"expected at most the free margin of 0\.00, got 1\.0"):
        control.withdraw(1)


def test_switches_show_in_the_terminal(fast, control, connect):
    connection = connect(fast.address)
    control.autotrading(False)
    assert connection.call("terminal_info", (), {}).trade_allowed is False
    control.autotrading(True)
    assert connection.call("terminal_info", (), {}).trade_allowed is True
    control.api(False)
    assert connection.call("terminal_info", (), {}).tradeapi_disabled is True
    control.account(777)
    assert connection.call("account_info", (), {}).login == 777
    status = control.status()

    assert (status["login"], status["logins"], status["api"]) == (777, (fast.login, 777), False)


def test_reset_begins_anew(fast, control, connect):
    connection = connect(fast.address)
    control.buy("EURUSD", 0.1)
    control.deposit(5)
    control.autotrading(False)
    control.fault("disconnected", ms=0)
    control.reset()
    status = control.status()

    assert (status["balance"], status["positions"], status["deals"]) == (100_000.0, 0, 1)
    assert (status["autotrading"], status["faults"]) == (True, ())
    assert connection.call("positions_total", (), {}) == 0
    assert len(connection.call("history_deals_get", (0, 2**31 - 1), {})) == 1


def test_faults_can_be_listed_and_cleared(control):
    control.fault("slow", ms=5, count=2, call="order_send")
    control.fault("ticks_lag", ms=0)

    assert [(row["fault"], row["state"]) for row in control.faults()] == [
        ("ticks_lag", "in force"),
        ("slow", "scripted"),
    ]
    control.clear("slow")
    assert [row["fault"] for row in control.faults()] == ["ticks_lag"]
    control.clear()
    assert control.faults() == []


def test_refused_command_leaves_the_connection_open(control):
    with pytest.raises(ControlError, match="fault: expected one of"):
        control.fault("nonsense")
    with pytest.raises(ControlError, match="call: expected one of the package's functions, got 'order_sned'"):
        control.fault("slow", call="order_sned")
    assert control.status()["running"]


def test_command_of_another_form_closes_the_connection(control):
    with pytest.raises(NoTerminal, match=r"no answer to sim\.clear"):
        control.clear(5)  # type: ignore[arg-type]


def test_no_terminal_is_said_clearly(tmp_path):
    with pytest.raises(NoTerminal, match="no simulated terminal at sim:///"):
        Control("sim:///tmp/mt5g-nowhere.sock")
    with pytest.raises(ValueError, match="address: expected"):
        Control("tcp://127.0.0.1:1")


def test_terminal_that_doesnt_answer_is_given_up(socket_dir):
    path = f"{socket_dir}/deaf.sock"
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(path)
        deaf.listen()
        control = Control(f"sim://{path}", timeout_s=0.05)

        with pytest.raises(NoTerminal, match=r"no answer to sim\.status"):
            control.status()


# --- judged without one ---


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("sim.trade", ("long", "EURUSD", 0.1, 0.0, 0.0, ""), "side: expected buy or sell, got 'long'"),
        (
            "sim.trade",
            ("buy", "NOPE", 0.1, 0.0, 0.0, ""),
            "symbol: expected one that is in the market watch, got 'NOPE'",
        ),
        (
            "sim.trade",
            ("buy", "EURUSD", float("nan"), 0.0, 0.0, ""),
            "volume: expected a number of at least 0, got nan",
        ),
        ("sim.trade", ("buy", "EURUSD", 0.1, -1.0, 0.0, ""), "sl: expected a number of at least 0, got -1.0"),
        ("sim.trade", ("buy", "EURUSD", 0.1, 0.0, 0.0, "x" * 32), "comment: expected at most 31 characters, got 32"),
        ("sim.deposit", (1.0, "x" * 32), "comment: expected at most 31 characters, got 32"),
        ("sim.close", (1, 0.0), "ticket: expected an open position's, got 1"),
        ("sim.deposit", (0.0, ""), "amount: expected money other than 0"),
        ("sim.deposit", (2 * MAX_AMOUNT, ""), "amount: expected money other than 0"),
        ("sim.deposit", (float("inf"), ""), "amount: expected money other than 0"),
        ("sim.account", (0,), "account: expected a positive account number, got 0"),
        ("sim.account", (2**63,), "account: expected a positive account number"),
        ("sim.clear", ("nonsense",), "fault: expected one of"),
        ("sim.fault", ("slow", 1, 0, "", "", {"ms": "x"}), "slow: ms: expected a whole number, got 'x'"),
    ],
)
def test_command_that_cant_be_done_says_why_and_changes_nothing(market, name, arguments, says):
    before = market.command("sim.status")

    assert market.command(name, *arguments) is None
    assert market.error[0] == -2
    assert says in market.error[1]
    assert market.command("sim.status") == before


def test_clearing_ends_what_is_left_of_a_fault(market):
    for name in ("", "first_call_empty"):
        market.fault("first_call_empty", calls=5)
        market.call("symbol_select", "EURUSD", True)
        assert market.call("symbol_info_tick", "EURUSD").time == 0
        market.command("sim.clear", name)
        assert market.call("symbol_info_tick", "EURUSD").time > 0


def test_accounts_of_one_terminal_are_bounded(market):
    for login in range(1, 64):
        market.command("sim.account", login)
    market.command("sim.account", 99)

    assert "64 are known already" in market.error[1]
    market.command("sim.account", 5)
    assert market.call("account_info").login == 5
    market.fault("account_switched", login=99)
    assert market.call("account_info").login == 5


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("sim.nonsense", ()),
        ("sim.status", (1,)),
        ("sim.status", []),
        ("sim.clear", (None,)),
        ("sim.autotrading", (1,)),
        ("sim.account", (True,)),
        ("sim.deposit", (1, "")),
        ("positions_total", ()),
    ],
)
def test_command_of_another_form_is_none(name, arguments):
    assert not is_command(name, arguments)


def test_every_command_has_its_method(market):
    assert set(market.terminal._commands._by_name) == set(_SHAPES)


def test_reset_also_clears_what_is_on_disk(socket_dir, serving):
    settings = Settings(address=f"sim://{socket_dir}/t.sock", state_file=f"{socket_dir}/account.sqlite")
    with serving(settings), Control(settings.address) as control:
        control.buy("EURUSD", 0.1)
        control.account(7)
        control.reset()
        control.deposit(1)
    with serving(settings), Control(settings.address) as control:
        status = control.status()

    assert (status["balance"], status["positions"], status["deals"], status["logins"]) == (
        100_001.0,
        0,
        2,
        (settings.login,),
    )
