"""The commands that only look: tables for people, lines of JSON for programs."""

import json
from typing import Any

from gateway.wire import constants as mt5
from gateway.wire.structs import AccountInfo, SymbolInfo, Tick, TradeDeal, TradeOrder, TradePosition

POSITION = {
    "ticket": 5,
    "time": 1_577_916_000,
    "type": mt5.POSITION_TYPE_SELL,
    "symbol": "EURUSD",
    "volume": 0.1 + 0.2,
    "price_open": 1.08,
    "profit": -12.5,
    "comment": "[bold]dip",
}


def test_quote_shows_prices_and_server_time(client: Any, mt5gate: Any) -> None:
    result = mt5gate("quote", "EURUSD", "USDJPY")

    assert result.exit_code == 0
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["symbol", "bid", "ask", "spread", "last", "time"]
    assert rows[0].split() == ["EURUSD", "1.08123", "1.08125", "0.00002", "2020-01-01", "22:00:00.123"]
    assert ("symbol_info_tick", "USDJPY") in client.asked


def test_prices_have_their_symbols_digits(client: Any, mt5gate: Any, make: Any) -> None:
    client.answers |= {"symbol_info_tick": make(Tick, bid=1.1, ask=1.10004, time_msc=1), "symbol_spec": {"digits": 5}}

    assert mt5gate("quote", "EURUSD").stdout.splitlines()[1].split()[1:4] == ["1.10000", "1.10004", "0.00004"]


def test_quote_for_programs_has_a_line_for_each_symbol(client: Any, mt5gate: Any) -> None:
    lines = [json.loads(line) for line in mt5gate("quote", "EURUSD", "USDJPY", "--json").stdout.splitlines()]

    assert [line["symbol"] for line in lines] == ["EURUSD", "USDJPY"]
    assert lines[0]["bid"] == 1.08123
    assert lines[0]["time_msc"] == 1_577_916_000_123


def test_quote_selects_a_symbol_that_has_no_price_yet(client: Any, mt5gate: Any, make: Any) -> None:
    client.answers["symbol_info_tick"] = [make(Tick), make(Tick, bid=1.5, ask=1.6, time_msc=1)]

    assert "1.5" in mt5gate("quote", "EURUSD").stdout
    assert client.asked[1] == ("symbol_select", "EURUSD", True)


def test_unknown_symbol_is_refused_with_the_terminals_reason(client: Any, mt5gate: Any) -> None:
    client.answers |= {"symbol_info_tick": None, "symbol_select": False}

    result = mt5gate("quote", "NOPE")

    assert result.exit_code == 1
    assert "NOPE (see `mt5gate symbols`): Terminal: Not found (-4)" in result.stderr


def test_positions_are_shown_as_they_are(client: Any, mt5gate: Any, make: Any) -> None:
    client.answers["positions_get"] = (make(TradePosition, **POSITION),)

    table = mt5gate("positions").stdout
    (line,) = mt5gate("positions", "--symbol", "EURUSD", "--json").stdout.splitlines()

    row = table.splitlines()[1].split()
    assert row[:6] == ["5", "2020-01-01", "22:00:00", "sell", "EURUSD", "0.30"]
    assert "[bold]dip" in row
    assert json.loads(line)["profit"] == -12.5
    assert client.asked == [("positions_get", {"symbol": None}), ("positions_get", {"symbol": "EURUSD"})]


def test_nothing_is_said_so_to_people_and_is_no_line_to_programs(client: Any, mt5gate: Any) -> None:
    client.answers |= dict.fromkeys(("positions_get", "orders_get", "history_deals_get", "symbols_get"), ())

    assert mt5gate("positions").stdout == "no open positions\n"
    assert mt5gate("orders").stdout == "no pending orders\n"
    assert mt5gate("history").stdout == "no deals in this time\n"
    assert mt5gate("symbols", "NOPE*").stdout == "no such symbols\n"
    assert mt5gate("positions", "--json").stdout == ""


def test_read_that_the_terminal_refuses_gives_its_reason(client: Any, mt5gate: Any) -> None:
    for command in ("positions", "orders", "account", "symbols", "history"):
        result = mt5gate(command)

        assert result.exit_code == 1
        assert result.stderr.startswith(f"mt5gate: {command}: Terminal: Not found (-4)")


def test_pending_orders_are_shown_with_type_and_state(client: Any, mt5gate: Any, make: Any) -> None:
    client.answers["orders_get"] = (
        make(TradeOrder, ticket=6, type=mt5.ORDER_TYPE_BUY_LIMIT, state=mt5.ORDER_STATE_PLACED, symbol="EURUSD"),
    )

    shown = mt5gate("orders").stdout

    assert "buy limit" in shown
    assert "placed" in shown


def test_account_is_shown_in_words(client: Any, mt5gate: Any, make: Any) -> None:
    client.answers["account_info"] = make(
        AccountInfo,
        login=77,
        server="Broker-Demo",
        margin_mode=2,
        leverage=100,
        currency="USD",
        balance=1e5,
        equity=1e5,
    )

    header, row = mt5gate("account").stdout.splitlines()
    (line,) = mt5gate("account", "--json").stdout.splitlines()

    assert header.startswith("account")
    assert row.split()[:6] == ["77", "Broker-Demo", "demo", "hedging", "1:100", "USD"]
    assert "not allowed" in row
    assert json.loads(line)["login"] == 77


def test_symbols_are_asked_for_by_group(client: Any, mt5gate: Any, make: Any) -> None:
    client.answers["symbols_get"] = (make(SymbolInfo, name="EURUSD", digits=5, volume_min=0.01, select=True),)

    assert "EURUSD" in mt5gate("symbols").stdout
    assert "yes" in mt5gate("symbols", "*USD*").stdout
    assert client.asked == [("symbols_get", None), ("symbols_get", "*USD*")]


def test_history_takes_dates_as_the_trade_servers_clock(client: Any, mt5gate: Any, make: Any) -> None:
    client.answers |= {
        "history_deals_get": (make(TradeDeal, ticket=9, type=mt5.DEAL_TYPE_BALANCE, profit=1e5),),
        "history_orders_get": (make(TradeOrder, ticket=8, state=mt5.ORDER_STATE_FILLED),),
    }

    deals = mt5gate("history", "--from", "2020-01-01", "--to", "2020-01-02 10:30", "--symbol", "EURUSD")
    orders = mt5gate("history", "orders", "--from", "2020-01-01T00:00:01", "--to", "2020-01-01T00:00:02", "--json")

    assert "balance" in deals.stdout
    assert json.loads(orders.stdout)["state"] == mt5.ORDER_STATE_FILLED
    assert client.asked == [
        ("history_deals_get", 1_577_836_800, 1_577_961_000, {"group": "EURUSD"}),
        ("history_orders_get", 1_577_836_801, 1_577_836_802, {"group": None}),
    ]


def test_history_is_of_the_last_week_unless_told(client: Any, mt5gate: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("gateway.clock.wall_ns", lambda: 1_577_916_000 * 10**9)
    client.answers["history_deals_get"] = ()

    mt5gate("history")

    _, since, until, _ = client.asked[0]
    assert since == 1_577_916_000 - 7 * 86_400
    assert until >= 1_577_916_000 + 14 * 3_600  # a trade server's clock may be ahead of UTC


def test_history_that_ends_before_it_begins_is_a_usage_error(client: Any, mt5gate: Any) -> None:
    result = mt5gate("history", "--from", "2020-01-02", "--to", "2020-01-01")

    assert result.exit_code == 2
    assert "expected a date before --to" in result.stderr
    assert client.asked == []
