"""Who may trade through a terminal: investors, programs, the Python API, and by hand."""

import pytest

from gateway.terminal.simulated.session import Session
from gateway.wire import constants as mt5

DONE = mt5.TRADE_RETCODE_DONE
DISABLED = (mt5.RES_E_AUTO_TRADING_DISABLED, "Auto-Trading using Python API disabled in Terminal")


@pytest.fixture
def guarded(written):
    return written({"EURUSD": [(0, 1.1, 1.1001)]}, password="master", investor_password="looker")


def log_in(harness, password):
    return harness.terminal.call(Session(), "login", (harness.settings.login, password, ""), 0)[2]


def by_hand(harness):
    return harness.command("sim.trade", "buy", "EURUSD", 0.1, 0.0, 0.0, "").retcode


def test_investor_may_look_and_not_trade(guarded):
    ticket = guarded.buy().order
    assert log_in(guarded, "looker") is True

    assert guarded.call("account_info").trade_allowed is False
    assert [position.ticket for position in guarded.positions()] == [ticket]
    assert guarded.buy().retcode == mt5.TRADE_RETCODE_TRADE_DISABLED
    assert guarded.sell(position=ticket).retcode == mt5.TRADE_RETCODE_TRADE_DISABLED
    assert by_hand(guarded) == mt5.TRADE_RETCODE_TRADE_DISABLED
    assert guarded.call("terminal_info").trade_allowed is True


def test_terminal_is_logged_in_once_the_last_password_holds(guarded):
    log_in(guarded, "looker")
    assert log_in(guarded, "wrong") is False
    assert guarded.call("account_info").trade_allowed is False
    assert log_in(guarded, "") is True  # whatever the terminal has
    assert guarded.call("account_info").trade_allowed is False

    assert log_in(guarded, "master") is True
    assert guarded.call("account_info").trade_allowed is True
    assert guarded.buy().retcode == DONE


def test_investor_is_known_where_any_other_password_is_accepted(written):
    harness = written({"EURUSD": [(0, 1.1, 1.1001)]}, investor_password="looker")
    assert log_in(harness, "anything") is True
    assert harness.buy().retcode == DONE

    assert log_in(harness, "looker") is True
    assert harness.buy().retcode == mt5.TRADE_RETCODE_TRADE_DISABLED


def test_python_api_disabled_answers_no_order(market):
    market.command("sim.api", False)

    assert market.call("terminal_info").tradeapi_disabled is True
    assert market.call("order_send", {"action": 1, "symbol": "EURUSD", "volume": 0.1}) is None
    assert market.error == DISABLED
    assert market.call("order_check", {"action": 1, "symbol": "EURUSD", "volume": 0.1}).retcode == 0
    assert by_hand(market) == DONE
    market.command("sim.api", True)
    assert market.buy().retcode == DONE


def test_algotrading_off_stops_programs_alone(market):
    market.command("sim.autotrading", False)

    assert market.call("terminal_info").trade_allowed is False
    refused = market.buy()
    assert (refused.retcode, refused.request_id) == (mt5.TRADE_RETCODE_CLIENT_DISABLES_AT, 0)
    assert refused.comment == "AutoTrading disabled by client"
    assert by_hand(market) == DONE


@pytest.mark.parametrize(
    ("setting", "retcode", "hand"),
    [
        ("trade_allowed", mt5.TRADE_RETCODE_TRADE_DISABLED, mt5.TRADE_RETCODE_TRADE_DISABLED),
        ("trade_expert", mt5.TRADE_RETCODE_SERVER_DISABLES_AT, DONE),
    ],
)
def test_what_the_server_forbids_shows_in_the_account(written, setting, retcode, hand):
    harness = written({"EURUSD": [(0, 1.1, 1.1001)]}, **{setting: False})

    assert getattr(harness.call("account_info"), setting) is False
    assert harness.buy().retcode == retcode
    assert by_hand(harness) == hand


def test_no_connection_to_the_server_stops_everybody(market):
    market.command("sim.connection", False)

    assert market.call("terminal_info").connected is False
    assert market.buy().retcode == by_hand(market) == mt5.TRADE_RETCODE_CONNECTION
