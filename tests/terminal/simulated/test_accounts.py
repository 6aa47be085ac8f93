"""Several accounts on one market: each goes on at its server, whether the terminal shows it or not."""

import pytest

from gateway.terminal.simulated.session import Session
from gateway.wire import constants as mt5


@pytest.fixture
def two(written):
    """EURUSD rises past 1.1009 at 1000 ms and falls below 1.0995 at 2000; two accounts have been seen."""
    harness = written({"EURUSD": [(0, 1.1, 1.1001), (1000, 1.101, 1.1011), (2000, 1.099, 1.0991), (3000, 1.1, 1.1001)]})
    harness.command("sim.account", 2)
    harness.command("sim.account", harness.settings.login)
    return harness


def deals(harness, login):
    harness.command("sim.account", login)
    return [(deal.comment, deal.time_msc % 100_000) for deal in harness.deals() if deal.comment]


def test_account_that_isnt_shown_goes_on(two):
    own = two.settings.login
    two.buy(tp=1.1009)
    two.command("sim.account", 2)
    two.buy(sl=1.0995)
    two.move_to(3_000)

    assert two.call("positions_total") == 0
    assert deals(two, 2) == [("[sl 1.09950]", 2_000)]
    assert deals(two, own) == [("[tp 1.10090]", 1_000)]
    assert two.call("symbol_info_tick", "EURUSD").bid == 1.1


def test_every_tick_enters_the_history_once(two):
    two.buy()
    two.command("sim.account", 2)
    two.buy()
    two.move_to(3_000)

    assert len(two.call("copy_ticks_from", "EURUSD", 0, 100, -1)) == 4 * 60


def test_pending_order_of_an_account_that_isnt_shown_expires_before_it_is_triggered(two):
    now_s = two.call("symbol_info_tick", "EURUSD").time
    ticket = two.pend(2, 1.0995, type_time=mt5.ORDER_TIME_SPECIFIED, expiration=now_s + 1).order
    two.command("sim.account", 2)
    two.move_to(3_000)
    two.command("sim.account", two.settings.login)

    assert (two.orders(), two.positions()) == ([], [])
    assert [(item.ticket, item.state) for item in two.history()] == [(ticket, mt5.ORDER_STATE_EXPIRED)]


def test_symbol_that_another_account_holds_stays_selected(two):
    two.buy()
    two.command("sim.account", 2)

    assert two.call("symbol_select", "EURUSD", False) is False


def test_changes_are_told_by_account(two):
    assert [login for login, _, _ in two.terminal.take_changes()] == [two.settings.login, 2]
    two.buy()

    ((login, changes, now_msc),) = two.terminal.take_changes()
    assert (login, len(changes.positions), now_msc) == (two.settings.login, 1, two.terminal.market.now_msc)
    assert list(two.terminal.take_changes()) == []


def test_reset_tells_which_accounts_began_anew(two):
    two.buy()
    assert two.terminal.take_forgotten() == []
    two.command("sim.reset")

    assert two.terminal.take_forgotten() == [two.settings.login, 2]
    assert two.terminal.take_forgotten() == []
    assert [login for login, _, _ in two.terminal.take_changes()] == [two.settings.login]
    assert two.call("positions_total") == 0


def test_login_shows_an_account_that_is_known_to_all_connections(two):
    stranger = Session()

    assert two.terminal.call(stranger, "initialize", (2, "", ""), 0)[2] is True
    assert two.call("account_info").login == 2
    assert two.terminal.call(stranger, "login", (3, "", ""), 0)[0] == mt5.RES_E_AUTH_FAILED
    assert two.call("account_info").login == 2


def test_login_ends_a_switch_by_hand(two):
    two.fault("account_switched", login=2, ms=0)
    assert two.call("account_info").login == 2

    assert two.terminal.call(Session(), "login", (two.settings.login, "", ""), 0)[2] is True
    assert two.call("account_info").login == two.settings.login
