"""What a terminal shows while something is wrong with it, and after."""

import numpy as np
import pytest

from gateway.terminal.simulated.faults import HELD
from gateway.terminal.simulated.session import PROMPT, Delivery, Session
from gateway.wire import constants as mt5
from gateway.wire.arguments import prepare
from gateway.wire.structs import TICK_DTYPE

DONE = mt5.TRADE_RETCODE_DONE
REFUSALS = {
    "requote": mt5.TRADE_RETCODE_REQUOTE,
    "reject": mt5.TRADE_RETCODE_REJECT,
    "trade_error": mt5.TRADE_RETCODE_ERROR,
    "timeout": mt5.TRADE_RETCODE_TIMEOUT,
    "market_closed": mt5.TRADE_RETCODE_MARKET_CLOSED,
    "price_changed": mt5.TRADE_RETCODE_PRICE_CHANGED,
    "price_off": mt5.TRADE_RETCODE_PRICE_OFF,
    "too_many_requests": mt5.TRADE_RETCODE_TOO_MANY_REQUESTS,
    "no_connection": mt5.TRADE_RETCODE_CONNECTION,
}


def order(market):
    request = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "type_filling": 1}
    return "order_send", prepare("order_send", (request,), {})


def delivery(market, name, *args):
    return market.terminal.answer(market.session, name, prepare(name, args, {}), market.now_ns)[1]


# --- one call ---


@pytest.mark.parametrize(
    ("fault", "takes", "how", "positions"),
    [
        ("ipc_lost_before", {}, Delivery(closes=True), 0),
        ("ipc_lost_after", {}, Delivery(closes=True), 1),
        ("slow", {"ms": 250}, Delivery(delay_ms=250), 1),
        ("hung", {}, Delivery(delay_ms=HELD), 0),
        ("hung", {"executed": True}, Delivery(delay_ms=HELD), 1),
    ],
)
def test_order_may_happen_whatever_becomes_of_its_answer(market, fault, takes, how, positions):
    market.fault(fault, call="order_send", **takes)
    name, arguments = order(market)

    assert market.terminal.answer(market.session, name, arguments, 0)[1] == how
    assert market.call("positions_total") == positions
    assert market.terminal.answer(market.session, name, arguments, 0)[1] is PROMPT


@pytest.mark.parametrize(("fault", "retcode"), REFUSALS.items())
def test_order_is_refused_and_nothing_happens(market, fault, retcode):
    market.fault(fault)

    assert market.buy().retcode == retcode
    assert market.error == (1, "Success")
    assert (market.call("positions_total"), len(market.deals())) == (0, 1)
    assert market.buy().retcode == DONE


@pytest.mark.parametrize("fault", ["timeout", "trade_error", "no_connection"])
def test_order_may_be_executed_though_refused(market, fault):
    market.fault(fault, executed=True)
    result = market.buy()

    assert (result.retcode, result.order, result.deal) == (REFUSALS[fault], 0, 0)
    assert market.call("positions_total") == 1


def test_senseless_order_keeps_its_own_retcode(market):
    market.fault("requote", count=0)

    assert market.buy(0.0).retcode == mt5.TRADE_RETCODE_INVALID_VOLUME


def test_broker_keeps_another_comment(market):
    market.fault("comment_overwritten", text="to Gate")

    result = market.buy(comment="mine")

    assert result.request.comment == "mine"
    assert [item.comment for item in (*market.positions(), *market.history())] == ["to Gate"] * 2
    market.buy(comment="mine")
    assert market.positions()[1].comment == "mine"


def test_symbol_selected_now_is_empty_at_first(market):
    market.fault("first_call_empty", calls=3)
    market.call("symbol_select", "EURUSD", True)

    assert market.call("symbol_info_tick", "EURUSD").time == 0
    assert market.call("symbol_info_tick", "XAUUSD").time > 0
    assert market.call("copy_ticks_from", "EURUSD", 0, 10, -1) == b""
    assert market.error == (1, "Success")
    assert market.call("copy_rates_from_pos", "EURUSD", 1, 0, 1) is None
    assert market.error == (-1, "Terminal: Call failed")
    assert market.call("symbol_info_tick", "EURUSD").time > 0


def test_ticks_of_one_millisecond_change_places_between_readings(written):
    harness = written({"EURUSD": [(0, 1.0 + index * 1e-5, 1.1) for index in range(50)]})
    usual = harness.call("copy_ticks_from", "EURUSD", 0, 50, -1)
    harness.fault("ticks_reordered", count=2)
    readings = [harness.call("copy_ticks_from", "EURUSD", 0, 50, -1) for _ in range(3)]
    records = [np.frombuffer(reading, TICK_DTYPE) for reading in readings]

    assert readings[0] != readings[1]
    assert readings[2] == usual
    assert sorted(records[0]["bid"]) == sorted(records[1]["bid"]) == sorted(records[2]["bid"])


def test_order_within_a_millisecond_may_also_move_what_ends_a_page(written):
    harness = written({"EURUSD": [(0, 1.0 + index * 1e-5, 1.1) for index in range(50)]})
    harness.fault("ticks_reordered", count=2)
    pages = [np.frombuffer(harness.call("copy_ticks_from", "EURUSD", 0, 10, -1), TICK_DTYPE) for _ in range(2)]

    assert [len(page) for page in pages] == [10, 10]
    assert set(pages[0]["bid"]) != set(pages[1]["bid"])


def test_somebody_trades_by_hand_and_closes_it_again(market):
    market.fault("trade_by_hand", count=2, call="positions_get")

    (position,) = market.positions()
    assert (position.symbol, position.volume, position.reason) == ("EURUSD", 0.01, mt5.POSITION_REASON_CLIENT)
    assert market.positions() == []


def test_somebody_trades_what_he_is_told_to(market):
    market.fault("trade_by_hand", side="sell", traded="XAUUSD", volume=0.5)

    (position,) = market.positions()
    assert (position.symbol, position.type, position.volume) == ("XAUUSD", mt5.POSITION_TYPE_SELL, 0.5)


# --- for a time ---


def quotes(count):
    return [(index * 100, 1.0 + index * 1e-4, 1.1 + index * 1e-4) for index in range(count)]


def test_history_lags_behind_the_last_tick(written):
    harness = written({"EURUSD": quotes(21)})
    harness.fault("ticks_lag", lag_ms=500, ms=0)
    harness.move_to(1_000)

    def shown():
        return np.frombuffer(harness.call("copy_ticks_range", "EURUSD", 0, 2**31 - 1, -1), TICK_DTYPE)

    assert harness.call("symbol_info_tick", "EURUSD").time_msc - shown()["time_msc"][-1] == 500
    harness.terminal.faults.clear()
    assert len(shown()) == 11


def test_history_is_rewritten_behind_what_was_read(written):
    harness = written({"EURUSD": quotes(201)})
    harness.fault("ticks_late", share=0.5, lag_ms=3_000, ms=0)

    def shown():
        return np.frombuffer(harness.call("copy_ticks_from", "EURUSD", 0, 1_000, -1), TICK_DTYPE)["time_msc"].tolist()

    harness.move_to(5_000)
    first = shown()
    harness.move_to(8_000)
    second = shown()
    inserted = [msc for msc in second if msc not in first and msc < first[-1]]

    assert inserted
    assert second == sorted(second)
    harness.move_to(20_000)
    harness.terminal.faults.clear()
    assert len(shown()) == 201


@pytest.mark.parametrize("count", [1, 7, 25])
def test_page_is_full_though_some_of_its_ticks_are_missing(written, count):
    harness = written({"EURUSD": quotes(101)})
    harness.move_to(10_000)
    harness.fault("ticks_late", share=0.5, lag_ms=60_000, ms=0)
    everything = harness.call("copy_ticks_from", "EURUSD", 0, 1_000, -1)

    assert harness.call("copy_ticks_from", "EURUSD", 0, count, -1) == everything[: 60 * count]


def test_deals_and_orders_enter_the_history_late(market):
    opened = market.buy().order
    market.fault("deals_late", lag_ms=200, ms=0)
    closed = market.sell(position=opened).order

    def seen():
        now = 2**31 - 1
        return (
            [deal.order for deal in market.deals()],
            [item.ticket for item in market.history()],
            market.call("history_deals_total", 0, now),
            market.call("history_orders_total", 0, now),
            [deal.order for deal in market.call("history_deals_get", position=opened)],
            [item.ticket for item in market.call("history_orders_get", ticket=closed)],
        )

    assert market.call("positions_total") == 0
    assert seen() == ([0, opened], [opened], 2, 1, [opened], [])
    market.move_to(199)
    assert seen()[2] == 2
    market.move_to(200)
    assert seen() == ([0, opened, closed], [opened, closed], 3, 2, [opened, closed], [closed])


def test_history_that_lagged_is_whole_when_the_fault_ends(market):
    market.fault("deals_late", lag_ms=10_000, ms=100)
    market.buy()
    assert len(market.deals()) == 1

    market.move_to(100)

    assert len(market.deals()) == 2


def test_unsynchronised_terminal_has_empty_books_and_no_money(market):
    market.buy()
    market.pend(2, 1.0)
    market.fault("unsynchronised", ms=100)
    account = market.call("account_info")

    assert (account.login, account.balance, account.equity, account.margin) == (50_000_001, 0.0, 0.0, 0.0)
    assert (market.positions(), market.orders(), market.deals(), market.history()) == ([], [], [], [])
    assert market.call("positions_total") == market.call("orders_total") == 0
    assert market.error == (1, "Success")
    market.move_to(100)
    assert market.call("account_info").balance == 100_000.0
    assert (len(market.positions()), len(market.orders())) == (1, 1)


def test_terminal_that_has_gone_is_not_there_and_forgets_its_connections(market):
    market.call("market_book_add", "EURUSD")
    market.fault("terminal_gone", ms=100, unsynchronised_ms=50)
    newcomer = Session()

    assert market.call("account_info") is None
    assert market.error == (-10004, "No IPC connection")
    assert market.terminal.call(newcomer, "initialize", (0, "", ""), market.now_ns)[0] == -10003
    market.move_to(100)
    assert market.call("account_info") is None
    assert market.terminal.call(newcomer, "initialize", (0, "", ""), market.now_ns)[2] is True
    market.session = newcomer
    assert market.call("account_info").balance == 0.0
    market.move_to(150)
    assert market.call("account_info").balance == 100_000.0


def test_disconnected_terminal_stands_still_and_takes_no_order(market):
    market.fault("disconnected", ms=0)
    before = market.call("symbol_info_tick", "EURUSD")
    market.move_to(2_000)

    assert market.call("terminal_info").connected is False
    assert market.call("symbol_info_tick", "EURUSD") == before
    assert market.buy().retcode == mt5.TRADE_RETCODE_CONNECTION


def test_what_happened_meanwhile_happened_at_its_time(market):
    """The take profit is reached at 1000 ms, the terminal hears of it at 3000."""
    market.buy(tp=1.1009)
    market.fault("disconnected", ms=3_000)
    market.move_to(2_999)
    assert market.call("positions_total") == 1

    market.move_to(3_000)

    assert market.call("terminal_info").connected is True
    assert market.call("positions_total") == 0
    deal = market.deals()[-1]
    assert (deal.comment, deal.time_msc % 100_000) == ("[tp 1.10090]", 1_000)


def test_terminal_is_connected_only_when_it_has_caught_up(written):
    harness = written({"EURUSD": [(index, 1.0, 1.1) for index in range(1_000)]})
    harness.command("sim.connection", False)
    harness.now_ns = 999_000_000
    harness.terminal.advance(harness.now_ns)
    harness.command("sim.connection", True)

    assert harness.call("terminal_info").connected is False
    assert harness.buy().retcode == mt5.TRADE_RETCODE_CONNECTION
    harness.move_to(999)
    assert harness.call("terminal_info").connected is True
    assert harness.buy().retcode == DONE


def test_autotrading_off_refuses_programs_alone(market):
    market.fault("autotrading_off", ms=100)

    assert market.call("terminal_info").trade_allowed is False
    assert market.buy().retcode == mt5.TRADE_RETCODE_CLIENT_DISABLES_AT
    assert market.command("sim.trade", "buy", "EURUSD", 0.1, 0.0, 0.0, "").retcode == DONE
    market.move_to(100)
    assert market.call("terminal_info").trade_allowed is True
    assert market.buy().retcode == DONE


def test_switched_account_has_books_of_its_own(market):
    market.buy()
    market.fault("account_switched", ms=100)

    account = market.call("account_info")
    assert (account.login, account.balance) == (50_000_002, 100_000.0)
    assert market.positions() == []
    market.move_to(100)
    assert market.call("account_info").login == 50_000_001
    assert len(market.positions()) == 1


def test_account_may_be_switched_between_a_look_at_it_and_the_order(market):
    market.fault("account_switched", call="order_send", ms=0)
    seen = market.call("account_info").login
    market.buy()

    assert seen == 50_000_001
    assert market.call("account_info").login == 50_000_002
    assert market.call("positions_total") == 1
    market.terminal.faults.clear()
    assert market.call("positions_total") == 0


# --- at random ---


def test_settings_leave_faults_to_chance(written):
    harness = written({"EURUSD": [(0, 1.0, 1.1)]}, faults={"requote": 0.5}, seed=3)
    codes = [harness.buy(0.01).retcode for _ in range(40)]

    assert {DONE, mt5.TRADE_RETCODE_REQUOTE} == set(codes)


def test_session_that_isnt_connected_meets_no_fault(market):
    market.fault("slow")
    market.terminal.call(Session(), "account_info", (), 0)

    assert delivery(market, "account_info") == Delivery(delay_ms=1_000)
