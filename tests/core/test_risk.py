"""Pre-trade checks through the engine: each limit refuses what it is for, says so, and lets exits pass."""

import pytest

from gateway.core.limitset import RiskRules
from gateway.core.records import scan
from gateway.wire import codec
from gateway.wire import constants as mt5
from gateway.wire.errors import Code, Status
from gateway.wire.structs import AccountInfo, SymbolInfo, TradeDeal, TradeOrder, TradePosition

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
HEDGING, NETTING = mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING, mt5.ACCOUNT_MARGIN_MODE_RETAIL_NETTING
MONDAY_NOON = (4 * 86_400 + 12 * 3_600) * SECOND  # 1970-01-05


def row(structure, **fields):
    return list(({name: kind() for name, kind in structure.__annotations__.items()} | fields).values())


def position(ticket, volume=1.0, *, sell=False, symbol="EURUSD", **fields):
    return row(TradePosition, ticket=ticket, identifier=ticket, type=int(sell), volume=volume, symbol=symbol, **fields)


def pending(ticket, volume=1.0, *, kind=mt5.ORDER_TYPE_BUY_LIMIT, symbol="EURUSD", **fields):
    return row(TradeOrder, ticket=ticket, type=kind, volume_current=volume, symbol=symbol, **fields)


def deal(ticket, **fields):
    return row(TradeDeal, ticket=ticket, **fields)


class Quotes:
    """A board with one quote for every symbol; None: it is stale."""

    def __init__(self, bid=1.1, ask=1.1002):
        self.tick = [0, bid, ask, 0.0, 0, 0, 6, 0.0]

    def encoded_tick(self, account, tail, now_ns):
        return codec.pack(self.tick) if self.tick else None


class Floor:
    """A plane with limits, and a terminal whose account is as it is told to be."""

    def __init__(self, make_plane, *, margin_mode=HEDGING, quotes=None, reading=True, **rules):
        self.margin_mode = margin_mode
        self.account = {"balance": 10_000.0, "equity": 10_000.0, "leverage": 100, "margin": 0.0}
        self.parts = {"positions": [], "orders": [], "history_orders": [], "deals": []}
        self.symbols = {
            "EURUSD": {
                "bid": 1.1,
                "ask": 1.1002,
                "trade_tick_value": 1.0,
                "trade_tick_value_loss": 1.0,
                "trade_tick_size": 0.00001,
            }
        }
        self.make_plane, self.rules, self.quotes = make_plane, RiskRules(**rules), quotes
        self.data = b""
        self.generation = 0
        self.start(10 * SECOND)
        if reading:
            self.read()
            self.read()

    def start(self, now_ns):
        """Let a broker start on the journal as it is."""
        self.generation += 1
        self.plane = plane = self.make_plane(
            generation=self.generation, watch_ns=SECOND // 4, quotes=self.quotes, risk=self.rules
        )
        plane.engine.recover(scan(self.data, 1)[0])
        plane.now_ns = now_ns
        plane.engine.start(bytes(16), now_ns, MONDAY_NOON + now_ns)
        plane.on_records = self.write
        plane.flush()
        for lane in ("trade", "watch", "query"):
            plane.ready(lane, lanes=(lane,), credit=64)
        plane.hello()
        return self

    def write(self, data):
        self.data += data

    def read(self, after=SECOND // 4):
        """Let time pass, and the terminal answer what it is asked."""
        self.plane.pass_time(after)
        self.serve()

    def serve(self):
        for name in (b"watch", b"query"):
            self.plane.from_worker(codec.encode_heartbeat(name.decode(), 1), name)
            for call in self.plane.all_calls(name):
                self.plane.give_back(call, *self.shown(call), identity=name)
        self.plane.from_worker(codec.encode_heartbeat("trade", 1), b"trade")
        self.plane.flush()

    def shown(self, call):
        if call.name == "symbol_info":
            found = self.symbols.get(call.args[0])
            return (None if found is None else row(SymbolInfo, name=call.args[0], **found),)
        account = row(AccountInfo, margin_mode=self.margin_mode, **self.account)
        proven = {"login": 5001, "server": "Broker-Demo", "connected": True, "account": account}
        return (proven | {"server_time_msc": 0} | self.parts,)

    def show(self, **parts):
        self.parts |= parts
        self.read()

    def pass_time(self, duration_ns):
        """Let time pass in which the terminal is read as always."""
        end_ns = self.plane.now_ns + duration_ns
        while self.plane.now_ns < end_ns:
            self.plane.answer("ping")
            self.read(min(SECOND // 4, end_ns - self.plane.now_ns))

    def send(self, volume=0.1, **fields):
        """Send an entry at the market; return its call, or the refusal's [code, message, detail]."""
        request = {"action": 1, "symbol": "EURUSD", "volume": volume, "type": 0} | fields
        self.last_request = self.plane.ask("order_send", request)
        calls = self.plane.calls(b"trade")
        if calls:
            return calls[0]
        reply = self.plane.reply(self.last_request)
        assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.RISK), reply
        return reply.result

    def refused(self, volume=0.1, **fields):
        """Send what must be refused; return the limit's name."""
        answer = self.send(volume, **fields)
        assert type(answer) is list, answer
        assert answer[1].startswith(answer[2]["limit"])
        return answer[2]["limit"]

    def goes(self, volume=0.1, **fields):
        """Send what must leave; return its call."""
        answer = self.send(volume, **fields)
        assert type(answer) is not list, answer
        return answer

    def fill(self, call, ticket, retcode=mt5.TRADE_RETCODE_DONE):
        """Let the terminal answer an order."""
        self.plane.give_back(call, [retcode, ticket, ticket, 0.0, 0.0, 0.0, 0.0, "", 0, 0, []], identity=b"trade")
        self.plane.flush()

    def set_limits(self, scope, limits, why="a test", client="operator", rebase=False):
        token = self.plane.hello(client, identity=b"desk")
        args = (scope, limits, why, {"rebase": True, "who": "ann"}) if rebase else (scope, limits, why)
        return self.plane.answer("set_limits", *args, token=token, identity=b"desk")


@pytest.fixture
def floor(make_plane):
    def make(**rules):
        return Floor(make_plane, **rules)

    return make


# --- one order by itself ---


def test_without_limits_nothing_is_judged_or_asked_for(floor):
    desk = floor(reading=False)
    desk.goes(1_000.0, symbol="ANY", sl=-5.0)
    assert not desk.plane.calls(b"query")


def test_a_limit_names_itself_what_was_expected_and_found(floor):
    answer = floor(limits={"max_volume": 1.0}).send(1.5)
    assert answer[1] == "max_volume (account demo): expected at most 1 lots, got 1.5"
    assert answer[2] == {
        "limit": "max_volume",
        "scope": "account demo",
        "expected": "at most 1 lots",
        "found": "1.5",
    }


def test_the_volume_at_the_limit_goes(floor):
    floor(limits={"max_volume": 1.0}).goes(1.0)


@pytest.mark.parametrize(
    ("rules", "who"),
    [
        ({"accounts": {"demo": {"max_volume": 0.5}}}, "account demo"),
        ({"clients": {"me": {"max_volume": 0.5}}}, "client me"),
        ({"clients": {"*": {"max_volume": 0.5}}}, "client me"),
        ({"symbols": {"EURUSD": {"max_volume": 0.5}}}, "symbol EURUSD"),
        ({"symbols": {"*": {"max_volume": 0.5}}}, "symbol EURUSD"),
    ],
)
def test_the_tightest_of_all_limits_counts_and_is_named(floor, rules, who):
    desk = floor(limits={"max_volume": 1.0}, **rules)
    assert desk.send(0.6)[2]["scope"] == who
    desk.goes(0.5)


@pytest.mark.parametrize("symbol", ["EURUSD", "EURUSD.r", "EURUSD#", "EURUSD-ecn", "EURUSDm"])
def test_a_symbol_counts_under_its_canonical_name(floor, symbol):
    desk = floor(symbol_suffixes=("m",), symbols={"EURUSD.x": {"max_volume": 0.5}}, limits={"max_volume": 9.0})
    assert desk.refused(0.6, symbol=symbol) == "max_volume"
    desk.goes(0.6, symbol="GBPUSD")


def test_only_allowed_symbols_are_traded(floor):
    desk = floor(limits={"allowed_symbols": ["EURUSD", "USDJPY"]}, clients={"me": {"allowed_symbols": ["EURUSD"]}})
    desk.goes(symbol="EURUSD.r")
    assert desk.refused(symbol="USDJPY") == "allowed_symbols"
    desk.goes(symbol="USDJPY", position=7, type=1)


@pytest.mark.parametrize("hours", [["tue 00:00-24:00"], ["mon 12:01-24:00"], ["sat-sun 00:00-24:00"], []])
def test_entries_are_refused_outside_trading_hours(floor, hours):
    desk = floor(limits={"trading_hours": hours})
    assert desk.refused() == "trading_hours"
    desk.goes(position=7, type=1)


@pytest.mark.parametrize(
    "hours", [["mon 12:00-12:01"], ["fri-mon 00:00-24:00"], ["mon-fri 07:00-21:00", "sun 01:00-02:00"]]
)
def test_entries_go_in_trading_hours(floor, hours):
    floor(limits={"trading_hours": hours}).goes()


@pytest.mark.parametrize(
    "fields",
    [
        {"volume": float("nan")},
        {"volume": "1"},
        {"volume": -1.0},
        {"type": 99},
        {"symbol": 5},
        {"symbol": ""},
        {"price": float("inf")},
    ],
)
def test_what_cannot_be_understood_is_refused_where_anything_is_limited(floor, fields):
    assert floor(limits={"max_volume": 1.0}).refused(**fields) == "request"


def test_a_mandatory_stop_loss_stands_on_the_losing_side_and_stays(floor):
    desk = floor(limits={"require_stop_loss": True})
    assert desk.refused() == "require_stop_loss"
    assert desk.refused(action=5, type=2, price=1.0, sl=1.1) == "require_stop_loss"
    desk.goes(action=5, type=2, price=1.0, sl=0.9)
    desk.goes(sl=1.0)
    assert desk.refused(action=6, position=5, sl=0.0) == "require_stop_loss"
    assert desk.refused(action=7, order=5, price=1.0) == "require_stop_loss"
    desk.goes(action=6, position=5, sl=0.9)
    desk.goes(position=7, type=1)


# --- prices ---


@pytest.mark.parametrize(
    ("fields", "goes"),
    [
        ({"price": 1.1002}, True),
        ({"price": 1.1112}, True),
        ({"price": 1.1113}, False),
        ({"price": 1.08}, False),
        ({}, True),
        ({"action": 5, "type": 2, "price": 1.095}, True),
        ({"action": 5, "type": 2, "price": 0.11}, False),
        ({"action": 5, "type": 3, "price": 11.0}, False),
        ({"action": 7, "order": 9, "price": 11.0}, False),
        ({"action": 7, "order": 9, "price": 1.1}, True),
        ({"position": 7, "price": 5.0, "type": 1}, True),
    ],
)
def test_prices_are_held_near_the_live_quote(floor, fields, goes):
    desk = floor(limits={"price_collar_percent": 1.0}, quotes=Quotes())
    if goes:
        desk.goes(**fields)
    else:
        assert desk.refused(**fields) == "price_collar_percent"


def test_without_a_live_quote_the_collar_refuses_entries_alone(floor):
    quotes = Quotes()
    desk = floor(limits={"price_collar_percent": 1.0}, quotes=quotes)
    quotes.tick = None
    assert desk.refused(symbol="GBPUSD") == "price_collar_percent"
    desk.goes(symbol="GBPUSD", position=7, type=1)


def test_the_terminals_own_quote_does_where_no_board_has_one(floor):
    desk = floor(limits={"price_collar_percent": 1.0})
    assert desk.refused() == "price_collar_percent"
    desk.serve()
    desk.goes(price=1.1)
    assert desk.refused(price=1.5) == "price_collar_percent"


@pytest.mark.parametrize("limit", [{"max_trade_risk": 100.0}, {"max_trade_risk_percent": 1.0}])
def test_the_loss_at_the_stop_is_bounded(floor, limit):
    desk = floor(limits=limit, quotes=Quotes())
    assert desk.refused(0.1, sl=1.0) == "account_data"
    desk.serve()
    assert desk.refused(0.1) == "max_trade_risk"
    assert desk.refused(0.1, sl=1.09) in limit
    assert desk.refused(0.1, sl=1.09, price=1.0901) in limit  # a market order's own price binds nobody
    desk.goes(0.1, sl=1.0903)
    desk.goes(0.1, type=1, sl=1.1099)
    desk.show(positions=[position(7, 0.1, price_open=1.1)])
    assert desk.refused(action=6, position=7, sl=1.08) in limit
    desk.goes(action=6, position=7, sl=1.0905)


# --- what is at stake ---


def test_open_pending_and_under_way_count_together(floor):
    desk = floor(limits={"max_open_volume": 3.0})
    desk.show(positions=[position(1, 0.5), position(2, 0.5, sell=True)], orders=[pending(3, 1.0)])
    desk.goes(0.6)
    assert desk.refused(0.5) == "max_open_volume"
    desk.goes(0.4)
    assert desk.refused(0.01) == "max_open_volume"
    desk.goes(position=1, type=1, volume=0.5)


def test_positions_pending_orders_and_entries_under_way_are_counted(floor):
    desk = floor(limits={"max_positions": 3})
    desk.show(positions=[position(1)], orders=[pending(2)])
    desk.goes()
    assert desk.refused() == "max_positions"


def test_a_refused_order_counts_no_more(floor):
    desk = floor(limits={"max_open_volume": 1.0})
    desk.fill(desk.goes(1.0), 0, retcode=mt5.TRADE_RETCODE_NO_MONEY)
    desk.goes(1.0)


def test_a_filled_order_counts_until_it_is_shown_and_then_as_what_is_shown(floor):
    desk = floor(limits={"max_open_volume": 1.0})
    desk.fill(desk.goes(1.0), 50)
    for _ in range(3):
        desk.read()  # the terminal lags
        assert desk.refused(0.1) == "max_open_volume"
    desk.show(positions=[position(50)], history_orders=[row(TradeOrder, ticket=50)])
    assert desk.refused(0.1) == "max_open_volume"
    desk.show(positions=[])
    desk.goes(1.0)


def test_an_answer_that_the_ledger_never_shows_counts_for_a_while(floor):
    desk = floor(limits={"max_open_volume": 1.0})
    desk.fill(desk.goes(1.0), 0)
    desk.pass_time(9 * SECOND)
    assert desk.refused(0.1) == "max_open_volume"
    desk.pass_time(2 * SECOND)
    desk.goes(0.1)


def test_a_reading_asked_for_before_the_answer_shows_nothing(floor):
    desk = floor(limits={"max_open_volume": 1.0})
    desk.plane.pass_time(SECOND // 4)
    (asked,) = desk.plane.all_calls(b"watch")
    desk.plane.pass_time(MILLISECOND)
    desk.fill(desk.goes(1.0), 50)
    desk.parts |= {"history_orders": [row(TradeOrder, ticket=50)]}
    desk.plane.give_back(asked, *desk.shown(asked), identity=b"watch")
    assert desk.refused(0.1) == "max_open_volume"


def test_an_order_in_doubt_counts(floor):
    desk = floor(limits={"max_open_volume": 1.0})
    desk.goes(1.0)
    desk.plane.goodbye("trade")
    desk.plane.ready("trade", lanes=("trade",), epoch=2, credit=64)
    desk.plane.replies()
    desk.read()
    assert desk.refused(0.1) == "max_open_volume"


def test_a_clients_share_is_its_own_orders_on_hedging_accounts(floor):
    desk = floor(clients={"me": {"max_open_volume": 1.0}})
    desk.show(positions=[position(1, 50.0)])
    desk.fill(desk.goes(0.6), 50)
    desk.show(positions=[position(1, 50.0), position(50, 0.6)], history_orders=[row(TradeOrder, ticket=50)])
    assert desk.refused(0.5) == "max_open_volume"
    desk.goes(0.4)


def test_a_clients_limit_counts_the_whole_account_on_netting_ones(floor):
    desk = floor(clients={"me": {"max_open_volume": 1.0}}, margin_mode=NETTING)
    desk.show(positions=[position(1, 0.8)])
    assert desk.refused(0.3) == "max_open_volume"


def test_a_symbols_limit_counts_that_symbol_alone(floor):
    desk = floor(symbols={"EURUSD": {"max_open_volume": 1.0, "max_positions": 9}})
    desk.show(positions=[position(1, 0.5, symbol="EURUSD.r"), position(2, 9.0, symbol="GBPUSD")])
    assert desk.refused(0.6) == "max_open_volume"
    desk.goes(0.5)


def test_netting_counts_the_worst_that_can_come_of_what_rests(floor):
    desk = floor(limits={"max_open_volume": 2.0}, margin_mode=NETTING)
    desk.show(positions=[position(1, 1.0)], orders=[pending(2, 3.0, kind=mt5.ORDER_TYPE_SELL_LIMIT)])
    desk.goes(1.0)  # 2 long, or 1 - 3 = 2 short
    assert desk.refused(0.1) == "max_open_volume"
    assert desk.refused(0.1, type=1) == "max_open_volume"


def test_on_netting_nothing_hides_in_what_the_other_side_counts_twice(floor):
    """Found by test_risk_machine: a reading shows an order before its answer, and both count."""
    desk = floor(limits={"max_open_volume": 0.7}, margin_mode=NETTING)
    buy = desk.goes(0.7, action=5, type=mt5.ORDER_TYPE_BUY_LIMIT, price=1.0)
    desk.show(orders=[pending(7, 0.7)])  # 1.4 at worst, until the answer comes
    desk.goes(0.6, type=1)
    assert desk.refused(0.2, type=1) == "max_open_volume"
    assert "0.8 on the order's side of zero" in desk.send(0.2, type=1)[1]
    desk.fill(buy, 7, mt5.TRADE_RETCODE_PLACED)
    desk.goes(0.1, type=1)
    assert desk.refused(0.1, type=1) == "max_open_volume"


def test_on_netting_an_order_that_raises_the_lesser_side_is_held_to_the_limit_and_not_to_the_greater(floor):
    desk = floor(limits={"max_open_volume": 1.0}, margin_mode=NETTING)
    desk.show(positions=[position(1, 1.0)], orders=[pending(2, 2.0)])  # 3 at worst: somebody else's
    desk.goes(0.5, type=1)  # closes
    assert desk.refused(1.6, type=1) == "max_open_volume"
    desk.goes(1.5, type=1)  # 1 short at worst
    assert desk.refused(0.1) == "max_open_volume"


def test_on_netting_notional_is_of_the_side_that_an_order_raises(floor):
    desk = floor(limits={"max_notional": 120_000.0}, margin_mode=NETTING)
    desk.send()
    desk.serve()
    desk.goes(1.0, action=5, type=mt5.ORDER_TYPE_BUY_LIMIT, price=1.0)
    desk.show(orders=[pending(7, 1.0)])
    desk.goes(1.0, type=1)  # 110,020
    assert desk.refused(0.1, type=1, price=2.0) == "max_notional"
    assert desk.refused(0.1) == "max_notional"


def test_notional_is_in_the_accounts_currency(floor):
    desk = floor(limits={"max_order_notional": 120_000.0, "max_notional": 200_000.0})
    assert desk.refused(1.0) == "account_data"
    desk.serve()
    assert desk.refused(1.1) == "max_order_notional"
    desk.goes(1.0)  # 110,020
    assert desk.refused(1.0) == "max_notional"
    desk.goes(0.8)


def test_notional_needs_the_value_of_all_that_is_open(floor):
    desk = floor(limits={"max_notional": 1e9})
    desk.show(positions=[position(1, symbol="XAUUSD")])
    desk.read()
    assert desk.refused() == "account_data"
    desk.symbols["XAUUSD"] = desk.symbols["EURUSD"] | {"bid": 2_000.0, "ask": 2_001.0}
    desk.pass_time(2 * SECOND)
    desk.goes()


def test_the_margin_level_after_the_trade_is_estimated(floor):
    desk = floor(limits={"min_margin_level_percent": 500.0})
    desk.account |= {"margin": 1_000.0}
    desk.read()
    desk.send()
    desk.serve()
    assert desk.refused(1.0) == "min_margin_level_percent"  # 10,000 / (1,000 + 1,100.2)
    desk.goes(0.5)
    assert desk.refused(0.5) == "min_margin_level_percent"


# --- account data ---


def test_entries_wait_for_the_first_reading_and_exits_do_not(floor):
    desk = floor(limits={"max_open_volume": 1.0}, reading=False)
    assert desk.refused() == "account_data"
    desk.goes(position=7, type=1)
    desk.read()
    desk.goes()


def test_old_account_data_refuses_entries_and_permits_exits(floor):
    desk = floor(limits={"max_daily_loss": 1_000.0}, max_age_ms=1_000)
    for _ in range(5):
        desk.plane.pass_time(SECOND // 2)
        for name in ("trade", "watch"):
            desk.plane.from_worker(codec.encode_heartbeat(name, 1), name.encode())
    assert desk.refused() == "account_data"
    desk.goes(position=7, type=1)


# --- losses ---


def test_a_days_loss_refuses_entries_until_the_day_is_over(floor):
    desk = floor(limits={"max_daily_loss": 500.0}, reset_minutes=12 * 60 + 1)
    desk.account["equity"] = 9_501.0
    desk.pass_time(2 * SECOND)
    desk.fill(desk.goes(), 50)
    desk.account["equity"] = 9_500.0
    desk.read()
    assert desk.refused() == "max_daily_loss"
    desk.pass_time(2 * SECOND)
    desk.account["equity"] = 10_000.0
    desk.pass_time(2 * SECOND)
    assert desk.refused() == "max_daily_loss"
    desk.fill(desk.goes(position=7, type=1), 51)
    desk.pass_time(60 * SECOND)
    desk.goes()


def test_a_drawdown_is_measured_from_the_highest_equity_held(floor):
    desk = floor(limits={"max_drawdown_percent": 10.0})
    desk.account["equity"] = 12_000.0
    desk.pass_time(2 * SECOND)
    desk.account["equity"] = 10_801.0
    desk.read()
    desk.goes()
    desk.account["equity"] = 10_800.0
    desk.read()
    assert desk.refused() == "max_drawdown_percent"


@pytest.mark.parametrize("amount", [5_000.0, -5_000.0])
@pytest.mark.parametrize("first", ["equity", "deal"])
def test_deposits_and_withdrawals_are_neither_gain_nor_loss(floor, amount, first):
    desk = floor(limits={"max_daily_loss": 500.0, "max_drawdown": 500.0})
    steps = [
        lambda: desk.account.update(equity=10_000.0 + amount),
        lambda: desk.parts.update(deals=[deal(3, type=mt5.DEAL_TYPE_BALANCE, profit=amount)]),
    ]
    for step in steps if first == "equity" else reversed(steps):
        step()
        desk.read()
    desk.pass_time(3 * SECOND)
    desk.goes()


def test_losses_survive_a_restart(floor):
    desk = floor(limits={"max_daily_loss": 500.0})
    desk.pass_time(SECOND)
    desk.account["equity"] = 9_400.0
    desk.pass_time(12 * SECOND)
    assert desk.refused() == "max_daily_loss"
    desk.account["equity"] = 9_900.0

    desk.start(desk.plane.now_ns + SECOND).read()
    desk.read()

    assert desk.refused() == "max_daily_loss"


# --- rates ---


def test_entries_are_bounded_in_a_sliding_window_and_exits_have_their_own(floor):
    desk = floor(limits={"max_entries": 2, "max_exits": 3})
    desk.goes()
    desk.plane.pass_time(600 * MILLISECOND)
    desk.goes()
    assert desk.refused() == "max_entries"
    for _ in range(3):
        desk.goes(position=7, type=1)
    assert desk.refused(action=8, order=5) == "max_exits"
    desk.plane.pass_time(400 * MILLISECOND)
    desk.goes()
    assert desk.refused() == "max_entries"
    desk.plane.pass_time(600 * MILLISECOND)
    desk.goes()


def test_rates_are_each_clients_own_and_the_accounts_in_all(floor):
    desk = floor(limits={"max_entries": 3}, clients={"*": {"max_entries": 2}})
    other = desk.plane.hello("other", identity=b"other")
    desk.goes()
    desk.goes()
    assert desk.send()[2]["scope"] == "client me"
    request = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0}
    desk.plane.ask("order_send", request, token=other, identity=b"other")
    assert len(desk.plane.calls(b"trade")) == 1
    reply = desk.plane.answer("order_send", request, token=other, identity=b"other")
    assert reply.result[2]["scope"] == "account demo"


def test_bursts_of_alike_entries_are_stopped(floor):
    desk = floor(limits={"max_alike": 2})
    desk.goes()
    desk.goes()
    assert desk.refused() == "max_alike"
    desk.goes(0.2)
    desk.goes(type=1)
    desk.plane.pass_time(SECOND)
    desk.goes()


def test_the_days_requests_keep_a_reserve_for_exits(floor):
    desk = floor(limits={"max_daily_requests": 10})
    for _ in range(8):
        desk.goes()
    assert desk.refused() == "max_daily_requests"
    for _ in range(5):
        desk.goes(position=7, type=1)


def test_the_days_requests_are_counted_over_a_restart(floor):
    desk = floor(limits={"max_daily_requests": 5})
    for number in range(4):
        desk.fill(desk.goes(), 50 + number)
    desk.start(desk.plane.now_ns + SECOND)
    assert desk.refused() == "max_daily_requests"


def test_a_refused_order_uses_up_no_rate(floor):
    desk = floor(limits={"max_entries": 1, "max_volume": 1.0})
    desk.refused(2.0)
    desk.goes()


# --- states ---


def test_halted_permits_nothing_but_cancels(floor):
    desk = floor(limits={"state": "halted"})
    for fields in ({}, {"position": 7, "type": 1}, {"action": 6, "position": 7, "sl": 1.0}, {"action": 7, "order": 5}):
        assert desk.refused(**fields) == "state"
    desk.goes(action=8, order=5)


def test_halted_permits_exits_where_that_is_configured(floor):
    desk = floor(limits={"state": "halted"}, halted_permits_exits=True)
    assert desk.refused() == "state"
    desk.goes(position=7, type=1)


def test_reducing_on_hedging_needs_the_positions_ticket_side_and_volume(floor):
    desk = floor(limits={"state": "reducing"})
    desk.show(positions=[position(7, 1.0)])
    assert desk.refused(0.1, type=1) == "state"
    assert desk.refused(0.1, position=7) == "state"
    assert desk.refused(1.1, position=7, type=1) == "state"
    desk.goes(0.6, position=7, type=1)
    assert desk.refused(0.5, position=7, type=1) == "state"
    desk.goes(0.4, position=7, type=1)
    desk.goes(action=10, position=7, position_by=8)
    desk.goes(action=6, position=7, sl=1.0)
    assert desk.refused(action=5, type=3, price=1.2) == "state"
    assert desk.refused(action=7, order=5, price=1.0) == "state"


def test_reducing_on_netting_must_not_pass_through_zero(floor):
    desk = floor(limits={"state": "reducing"}, margin_mode=NETTING)
    desk.show(positions=[position(7, 1.0, sell=True)])
    assert desk.refused(0.1, type=1) == "state"
    assert desk.refused(1.1) == "state"
    assert desk.refused(1.1, position=7) == "state"
    desk.goes(0.6)
    assert desk.refused(0.5) == "state"
    desk.goes(0.4, position=7)
    assert desk.refused(0.1, symbol="GBPUSD", position=8) == "state"


def test_reducing_on_netting_counts_what_rests(floor):
    desk = floor(limits={"state": "reducing"}, margin_mode=NETTING)
    desk.show(positions=[position(7, 1.0)], orders=[pending(8, 0.5, kind=mt5.ORDER_TYPE_SELL_LIMIT)])
    assert desk.refused(0.6, type=1) == "state"
    desk.goes(0.5, type=1)


def test_an_exit_on_netting_that_opens_the_other_side_is_judged_as_an_entry(floor):
    desk = floor(limits={"max_open_volume": 1.0}, margin_mode=NETTING)
    desk.show(positions=[position(7, 1.0)])
    desk.goes(2.0, position=7, type=1)  # 1 short at its worst
    assert desk.refused(0.1, type=1) == "max_open_volume"


# --- changes at run time ---


def test_limits_are_told_with_what_they_are_held_against(floor):
    desk = floor(limits={"max_open_volume": 3.0}, bounds={"max_open_volume": 5.0})
    desk.show(positions=[position(1, 0.5)])
    desk.goes(0.25)

    told = desk.plane.answer("limits").result

    assert told["active"] is True
    assert told["limits"] == [
        {
            "scope": {"account": "*"},
            "limits": {"max_open_volume": 3.0},
            "configured": {"max_open_volume": 3.0},
            "changed": {},
        }
    ]
    assert told["bounds"] == {"max_open_volume": 5.0}
    (account,) = told["accounts"]
    assert (account["open_volume"], account["positions"], account["under_way"]) == (0.75, 2, 1)
    assert account["symbols"] == {"EURUSD": 0.75}


def test_only_operators_change_limits(floor):
    desk = floor()
    reply = desk.set_limits({}, {"max_volume": 1.0}, client="me-too")
    assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.PERMISSION)
    desk.goes(5.0)


def test_a_change_holds_at_once_and_over_restarts_and_segments(floor):
    desk = floor()
    reply = desk.set_limits({"symbol": "EURUSD.r"}, {"max_volume": 1.0}, why="NFP")
    assert reply.result == {"scope": {"symbol": "EURUSD"}, "limits": {"max_volume": 1.0}}
    assert desk.refused(2.0) == "max_volume"
    desk.start(desk.plane.now_ns + SECOND)
    assert desk.refused(2.0) == "max_volume"
    desk.plane.flush()
    desk.plane.engine.begin_segment()
    segment, _ = desk.plane.engine.take_records()
    later = desk.make_plane(generation=9, risk=desk.rules)
    later.engine.recover(scan(segment, int.from_bytes(segment[8:16], "little"))[0])
    (entry,) = [one for one in _told(later) if one["scope"] == {"symbol": "EURUSD"}]
    assert (entry["limits"], entry["changed_by"], entry["changed_because"]) == ({"max_volume": 1.0}, "operator", "NFP")


def _told(plane):
    plane.engine.start(bytes(16), plane.now_ns, plane.now_ns)
    plane.hello()
    return plane.answer("limits").result["limits"]


def test_a_change_is_within_the_bounds_or_is_not_made(floor):
    desk = floor(limits={"max_volume": 1.0, "max_positions": 5}, bounds={"max_volume": 2.0})
    assert desk.set_limits({}, {"max_volume": 2.0, "max_positions": 6}).result[0] == Code.RISK
    assert desk.refused(1.5) == "max_volume"
    assert desk.set_limits({}, {"max_volume": 2.0, "max_positions": 4}).status == 0
    desk.goes(1.5)
    assert desk.set_limits({}, {"max_volume": 2.1}).result[0] == Code.RISK
    assert desk.set_limits({}, {"max_volume": None}).result[0] == Code.RISK
    assert desk.set_limits({"account": "demo"}, {"max_volume": 2.5}).result[0] == Code.RISK


def test_a_limit_that_was_set_at_run_time_can_be_lifted(floor):
    desk = floor()
    desk.set_limits({}, {"state": "halted"})
    assert desk.refused() == "state"
    desk.set_limits({}, {"state": None})
    desk.goes()


def test_what_was_under_way_when_the_first_limit_came_counts(floor):
    desk = floor()
    desk.goes(1.0)
    desk.set_limits({}, {"max_open_volume": 1.5})
    assert desk.refused(0.1) == "account_data"
    desk.read()
    assert desk.refused(1.0) == "max_open_volume"
    desk.goes(0.5)


@pytest.mark.parametrize(
    "args",
    [
        (),
        ({}, {"max_volume": 1.0}),
        ({}, {"max_volume": 1.0}, ""),
        ({}, {}, "x"),
        ({"account": "none"}, {"max_volume": 1.0}, "x"),
        ({"moon": "x"}, {"max_volume": 1.0}, "x"),
        ({}, [1], "x"),
        ({"client": "x"}, {}, "x", {"rebase": True}),
        ({"account": "demo"}, {}, "x", {"rebase": 1}),
        ({"account": "demo"}, {"max_volume": 1.0}, "x", {"who": 5}),
        ({"account": "demo"}, {"max_volume": 1.0}, "x", {"by": "me"}),
        ({"account": "demo"}, {"max_volume": 1.0}, "x", {}, 5),
    ],
)
def test_a_change_that_is_not_formed_as_it_should_be_is_refused(floor, args):
    desk = floor()
    token = desk.plane.hello("operator", identity=b"desk")
    reply = desk.plane.answer("set_limits", *args, token=token, identity=b"desk")
    assert (reply.status, reply.result[0]) == (Status.PROTOCOL, Code.BAD_ARGUMENTS)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_volum": 1.0},
        {"max_volume": "1"},
        {"max_volume": -1.0},
        {"max_volume": float("nan")},
        {"state": "off"},
        {"trading_hours": ["mon 9-10"]},
        {"max_entries": 5, "max_exits": 4},
        {"require_stop_loss": 1},
    ],
)
def test_a_limit_that_cannot_be_is_refused(floor, limits):
    assert floor().set_limits({}, limits).result[0] == Code.RISK


def test_losses_are_measured_anew_when_an_operator_says_so(floor):
    desk = floor(limits={"max_drawdown": 500.0})
    desk.account["equity"] = 9_000.0
    desk.pass_time(2 * SECOND)
    assert desk.refused() == "max_drawdown"
    assert desk.set_limits({"account": "demo"}, {}, rebase=True).status == 0
    desk.read()
    desk.goes()


@pytest.mark.parametrize(
    "rules",
    [
        {"limits": {"max_volume": 2.0}, "bounds": {"max_volume": 1.0}},
        {"limits": {"max_volum": 2.0}},
        {"symbols": {"EURUSD": {"max_daily_requests": 5}}},
    ],
)
def test_rules_that_cannot_be_are_refused_at_the_start(make_plane, rules):
    with pytest.raises(ValueError, match="max_"):
        make_plane(risk=RiskRules(**rules))
