"""An order through the whole chain, by library and by command; what the terminal's books say of it."""

import json
from typing import Any

import pytest

from gateway.wire import constants as mt5
from gateway.wire import structs
from gateway.wire.errors import LocalProtocolError, TerminalRefused


def test_market_order_is_filled_and_found_in_the_books(gateway: Any) -> None:
    with gateway.client() as client:
        result = client.buy("EURUSD", 0.1, magic=7, comment="first")
        assert result.retcode == mt5.TRADE_RETCODE_DONE
        (position,) = client.positions_get(ticket=result.order)
        assert (position.symbol, position.volume, position.magic) == ("EURUSD", 0.1, 7)
        client.close(result.order)
        assert client.positions_get() == ()
        deals = client.history_deals_get(position=result.order)
        assert [deal.entry for deal in deals] == [mt5.DEAL_ENTRY_IN, mt5.DEAL_ENTRY_OUT]


def test_pending_order_rests_is_modified_and_cancelled(gateway: Any) -> None:
    with gateway.client() as client:
        tick = client.symbol_info_tick("EURUSD")
        result = client.buy("EURUSD", 0.1, limit=tick.bid * 0.99)
        (order,) = client.orders_get(ticket=result.order)
        assert order.state == mt5.ORDER_STATE_PLACED
        client.modify(result.order, price=tick.bid * 0.98)
        (moved,) = client.orders_get(ticket=result.order)
        assert moved.price_open < order.price_open
        client.cancel(result.order)
        assert client.orders_get() == ()


def test_refusal_of_the_terminal_is_typed(gateway: Any) -> None:
    with gateway.client() as client:
        with pytest.raises(TerminalRefused) as caught:
            client.buy("EURUSD", 0.1, sl=client.symbol_info_tick("EURUSD").ask * 2)
        assert caught.value.retcode == mt5.TRADE_RETCODE_INVALID_STOPS
        with pytest.raises(LocalProtocolError, match="volume"):
            client.buy("EURUSD", 0.0001)
        assert client.symbol_info("NOPE") is None
        assert client.last_error() == (-4, "Terminal: Not found")


def test_reply_says_where_the_time_went(gateway: Any) -> None:
    with gateway.client() as client:
        client.buy("EURUSD", 0.01)
        stamps = client.last_stamps
        assert 0 < stamps.received <= stamps.sent <= stamps.returned <= stamps.replied
        assert 0 < stamps.worker_call <= stamps.returned - stamps.sent


def test_specification_is_cached_and_the_quote_is_not_asked_twice(gateway: Any, wait_until: Any) -> None:
    with gateway.client() as client:
        client.call("symbol_spec", "EURUSD")
        client.call("symbol_spec", "EURUSD")
        assert client.last_stamps.sent == 0
        assert client.stats()["cache"]["hits"] >= 1


def test_commands_trade_and_show(gateway: Any) -> None:
    with gateway.client() as client:
        price = client.symbol_info_tick("EURUSD").bid
    sl, tp = f"{price * 0.98:.5f}", f"{price * 1.02:.5f}"
    shown = gateway.command("order", "buy", "EURUSD", "0.10", "--sl", sl, "--tp", tp).stdout
    assert "EURUSD" in shown
    assert "terminal" in shown  # the stages of its timing
    (position,) = [json.loads(line) for line in gateway.command("positions", "--json").stdout.splitlines()]
    assert (position["symbol"], position["volume"], position["sl"]) == ("EURUSD", 0.1, float(sl))
    ticks = gateway.command("ticks", "EURUSD", "--count", "3", "--json").stdout.splitlines()
    assert [json.loads(line)["symbol"] for line in ticks] == ["EURUSD"] * 3
    assert "demo-trade-1" in gateway.command("stats").stdout
    refused = gateway.command("order", "buy", "EURUSD", "99999", check=False)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr


def test_every_call_of_the_package_answers_with_its_own_type(gateway: Any) -> None:
    with gateway.client() as client:
        assert client.initialize() is True
        assert client.login(client.account_info().login) is True
        assert client.version()[0] == 500
        assert isinstance(client.account_info(), structs.AccountInfo)
        assert isinstance(client.terminal_info(), structs.TerminalInfo)
        assert client.symbols_total() == len(client.symbols_get())
        assert isinstance(client.symbols_get("*EUR*")[0], structs.SymbolInfo)
        assert isinstance(client.symbol_info("EURUSD"), structs.SymbolInfo)
        assert client.symbol_select("EURUSD", True) is True
        tick = client.symbol_info_tick("EURUSD")
        assert isinstance(tick, structs.Tick)
        assert client.market_book_add("EURUSD") is True
        assert all(isinstance(row, structs.BookInfo) for row in client.market_book_get("EURUSD"))
        assert client.market_book_release("EURUSD") is True

        m1, day = mt5.TIMEFRAME_M1, 86_400
        for rates in (
            client.copy_rates_from("EURUSD", m1, tick.time, 10),
            client.copy_rates_from_pos("EURUSD", m1, 0, 10),
            client.copy_rates_range("EURUSD", m1, tick.time - 600, tick.time),
        ):
            assert rates.dtype == structs.RATES_DTYPE
            assert len(rates)
        for ticks in (
            client.copy_ticks_from("EURUSD", tick.time - 60, 10, mt5.COPY_TICKS_ALL),
            client.copy_ticks_range("EURUSD", tick.time - 60, tick.time + 1, mt5.COPY_TICKS_ALL),
        ):
            assert ticks.dtype == structs.TICK_DTYPE
            assert len(ticks)

        request = {
            "action": mt5.TRADE_ACTION_DEAL,
            "symbol": "EURUSD",
            "volume": 0.1,
            "price": tick.ask,
            "deviation": 500,
        }
        check = client.order_check(request)
        assert isinstance(check, structs.OrderCheckResult)
        assert check.retcode == 0
        assert client.order_calc_margin(mt5.ORDER_TYPE_BUY, "EURUSD", 0.1, 1.1) == pytest.approx(110.0)
        assert client.order_calc_profit(mt5.ORDER_TYPE_BUY, "EURUSD", 0.1, 1.1, 1.2) == pytest.approx(1_000.0)
        sent = client.order_send(request)
        assert isinstance(sent, structs.OrderSendResult)
        assert isinstance(sent.request, structs.TradeRequest)
        pending = client.buy("EURUSD", 0.1, limit=1.0)
        assert (client.positions_total(), client.orders_total()) == (1, 1)
        assert isinstance(client.positions_get(symbol="EURUSD")[0], structs.TradePosition)
        assert isinstance(client.orders_get(ticket=pending.order)[0], structs.TradeOrder)
        client.close(sent.order)

        since, until = tick.time - day, tick.time + day
        orders, deals = client.history_orders_get(since, until), client.history_deals_get(since, until)
        assert client.history_orders_total(since, until) == len(orders)
        assert client.history_deals_total(since, until) == len(deals)
        assert isinstance(orders[-1], structs.TradeOrder)
        assert isinstance(deals[-1], structs.TradeDeal)
        assert client.last_error() == (1, "Success")
        assert client.shutdown() is True
