"""What the gateway pursues by orders of its own: cancelled and flat, whatever the terminal says, and never twice."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.accounts import AccountRules
from gateway.core.closing import FIRST_RETRY_NS, MAX_UNDER_WAY, OWN_CLIENT, part_of
from gateway.core.goals import GOAL_MOVES, Goal, GoalKind, GoalState
from gateway.core.records import scan
from gateway.core.states import IllegalMove
from gateway.wire import codec
from gateway.wire import constants as mt5
from gateway.wire.errors import Code
from gateway.wire.structs import AccountInfo, TradeDeal, TradeOrder, TradePosition
from gateway.wire.tags import tag_of, tagged

SECOND = 1_000_000_000
STEP = SECOND // 4
SPEC = {"volume_max": 5.0, "volume_min": 0.01, "volume_step": 0.01, "trade_exemode": 2, "filling_mode": 2}
ULID = "00000009RM000000000000000"
NETTING, HEDGING = mt5.ACCOUNT_MARGIN_MODE_RETAIL_NETTING, mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING


def row(structure: Any, **fields: Any) -> list[Any]:
    values = {name: kind() for name, kind in structure.__annotations__.items()}
    return list((values | fields).values())


class Terminal:
    """An account behind a worker: it shows what it holds, and does what it is sent, or as it is told to."""

    def __init__(self, margin_mode: int = HEDGING, fifo: bool = False) -> None:
        self.margin_mode = margin_mode
        self.fifo = fifo
        self.positions: dict[int, dict[str, Any]] = {}
        self.orders: dict[int, dict[str, Any]] = {}
        self.deals: list[list[Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.answers: list[int] = []  # retcodes for the next orders, in place of doing them
        self.lag = 0  # readings that still show what was
        self.mute = False  # orders are done, and not answered
        self.spec: Any = SPEC
        self.stale: Any = None
        self.time = 0

    def position(self, ticket: int, volume: float = 1.0, **fields: Any) -> None:
        self.time += 1
        known = {"ticket": ticket, "identifier": ticket, "volume": volume, "symbol": "EURUSD", "price_current": 1.1}
        self.positions[ticket] = known | {"time_msc": self.time, "time_update_msc": self.time} | fields

    def pending(self, ticket: int, **fields: Any) -> None:
        known = {"ticket": ticket, "symbol": "EURUSD", "type": mt5.ORDER_TYPE_BUY_LIMIT, "volume_current": 1.0}
        self.orders[ticket] = known | {"state": 1} | fields

    def ledger(self) -> dict[str, Any]:
        now = {
            "login": 5001,
            "server": "Broker-Demo",
            "connected": True,
            "account": row(AccountInfo, balance=10_000.0, margin_mode=self.margin_mode, fifo_close=self.fifo),
            "positions": [row(TradePosition, **fields) for fields in self.positions.values()],
            "orders": [row(TradeOrder, **fields) for fields in self.orders.values()],
            "history_orders": [],
            "deals": list(self.deals),
            "server_time_msc": 1_000 + self.time,
        }
        if self.lag and self.stale is not None:
            self.lag -= 1
            return self.stale
        self.stale = now
        return now

    def execute(self, request: dict[str, Any]) -> list[Any]:
        self.sent.append(request)
        retcode = self.answers.pop(0) if self.answers else self._do(request)
        return [retcode, 1, 2, request.get("volume", 0.0), 1.1, 0.0, 0.0, "said so", 0, 0, []]

    def _do(self, request: dict[str, Any]) -> int:
        self.time += 1
        if request["action"] == mt5.TRADE_ACTION_REMOVE:
            known = self.orders.pop(request["order"], None)
            return mt5.TRADE_RETCODE_INVALID_ORDER if known is None else mt5.TRADE_RETCODE_DONE
        position = self.positions.get(request["position"])
        if position is None:
            assert self.margin_mode == HEDGING, "a close without a position opens one on a netting account"
            return mt5.TRADE_RETCODE_POSITION_CLOSED
        assert request["type"] != position.get("type", 0)
        assert request["volume"] <= position["volume"] + 1e-9
        if request["volume"] > SPEC["volume_max"]:
            return mt5.TRADE_RETCODE_INVALID_VOLUME
        left = round(position["volume"] - request["volume"], 8)
        position["volume"], position["time_update_msc"] = left, self.time
        if left <= 0:
            del self.positions[request["position"]]
        self.deals.append(row(TradeDeal, ticket=1_000 + self.time, order=self.time, comment=request.get("comment", "")))
        return mt5.TRADE_RETCODE_DONE


class Desk:
    """A plane whose worker holds a Terminal."""

    def __init__(self, make_plane: Any, terminal: Terminal | None = None, **options: Any) -> None:
        self.make_plane, self.options = make_plane, {"watch_ns": STEP} | options
        self.terminal = terminal or Terminal()
        self.data = b""
        self.generation = 0
        self.now_ns = 10 * SECOND
        self.start()

    def start(self) -> None:
        self.generation += 1
        plane = self.plane = self.make_plane(generation=self.generation, **self.options)
        plane.engine.recover(scan(self.data, 1)[0])
        plane.now_ns = self.now_ns
        plane.engine.start(bytes(16), self.now_ns, self.now_ns)
        plane.on_records = self.write
        plane.flush()
        plane.ready(epoch=self.generation, credit=4)
        plane.hello()

    def restart(self) -> None:
        self.plane.flush()
        self.now_ns = self.plane.now_ns + SECOND
        self.start()

    def write(self, data: bytes) -> None:
        self.data += data

    def serve(self, limit: int = 1_000) -> None:
        """Answer what the worker is sent, until it is sent nothing more."""
        for _ in range(limit):
            calls = self.plane.all_calls()
            if not calls:
                return
            for call in calls:
                if call.name == "ledger":
                    self.plane.give_back(call, self.terminal.ledger())
                elif call.name == "symbol_spec":
                    failed = self.terminal.spec is None
                    value = [300, "no such symbol", None] if failed else self.terminal.spec
                    self.plane.give_back(call, value, status=3 if failed else 0)
                else:
                    result = self.terminal.execute(call.args[0])
                    if not self.terminal.mute:
                        self.plane.give_back(call, result)

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds * SECOND / STEP)):
            self.plane.ask("ping")
            self.plane.from_worker(codec.encode_heartbeat("w1", self.generation))
            self.plane.pass_time(STEP)
            self.serve()

    def kill(self, scope: str = "account", name: str = "demo", **options: Any) -> Any:
        reply = self.plane.answer("kill", {"scope": scope, "name": name} | options)
        assert reply.status == 0, reply
        return reply.result

    def enter(self, number: int, ticket: int, *, token: int = 0, **fields: Any) -> str:
        """Let a client's order through; what it leaves behind carries its tag, or is only the ticket of its answer."""
        order_id = f"{ULID}{number}"
        request = {"action": 5, "symbol": "EURUSD", "volume": 1.0, "type": 2, "client_order_id": order_id} | fields
        self.plane.ask("order_send", request, token=token or None, identity=b"other" if token else b"client")
        (call,) = self.plane.calls()
        self.plane.give_back(call, [10009, 0, ticket, 1.0, 1.1, 0.0, 0.0, "", 0, 0, []])
        self.plane.flush()
        return order_id

    def goal(self) -> dict[str, Any]:
        return self.plane.stats()["goals"][-1]

    def is_flat(self) -> bool:
        return not self.terminal.positions and not self.terminal.orders


@pytest.fixture
def desk(make_plane: Any) -> Desk:
    return Desk(make_plane)


def test_a_kill_cancels_the_accounts_pending_orders_and_leaves_its_positions(desk):
    desk.terminal.pending(11)
    desk.terminal.pending(12)
    desk.terminal.position(77)
    desk.kill(reason="r")
    desk.pass_time(3)
    assert (desk.terminal.orders, list(desk.terminal.positions)) == ({}, [77])
    assert desk.goal()["state"] == "reached"
    assert desk.goal()["accounts"]["demo"] == {
        "orders": 0,
        "positions": 0,
        "in_doubt": 0,
        "reached": True,
        "error": "",
    }


def test_a_kill_that_flattens_closes_everything_with_orders_of_its_own(desk):
    desk.terminal.pending(11)
    desk.terminal.position(77, magic=5)
    desk.terminal.position(78, 2.0, type=mt5.POSITION_TYPE_SELL)
    desk.kill(flatten=True)
    desk.pass_time(3)
    assert desk.is_flat()
    assert desk.goal()["state"] == "reached"
    ids = [request["client_order_id"] for request in desk.terminal.sent]
    assert len(set(ids)) == 3
    close = desk.terminal.sent[1]
    assert (close["price"], close["magic"], close["type_filling"]) == (1.1, 5, mt5.ORDER_FILLING_IOC)
    assert desk.plane.stats()["remembered"] == 3


def test_flatten_alone_lets_entries_go(desk):
    desk.terminal.position(77)
    assert desk.plane.answer("flatten", {"scope": "account"}).status == 0
    desk.pass_time(3)
    assert desk.is_flat()
    desk.enter(1, 5)


def test_a_clients_kill_leaves_others_alone(desk):
    desk.plane.hello("other", identity=b"other")
    mine = desk.enter(1, 11)
    desk.enter(2, 12)
    desk.enter(3, 13, token=desk.plane.hello("other", identity=b"other"))
    desk.terminal.pending(11, comment=tagged(tag_of(mine), "x"))
    desk.terminal.pending(12, comment="[overwritten]")
    desk.terminal.pending(13)
    desk.terminal.pending(14)
    desk.kill("client", "me")
    desk.pass_time(3)
    assert sorted(desk.terminal.orders) == [13, 14]


def test_a_clients_positions_are_flattened_on_a_hedging_account(desk):
    order_id = desk.enter(1, 21, action=1, type=0)
    desk.terminal.position(21, comment=tagged(tag_of(order_id), ""))
    desk.terminal.position(22)
    desk.kill("client", "me", flatten=True)
    desk.pass_time(3)
    assert list(desk.terminal.positions) == [22]


def test_a_clients_positions_on_a_netting_account_are_no_ones_own(make_plane):
    desk = Desk(make_plane, Terminal(NETTING))
    order_id = desk.enter(1, 21, action=1, type=0)
    desk.terminal.position(21, comment=tagged(tag_of(order_id), ""))
    desk.kill("client", "me", flatten=True)
    desk.pass_time(3)
    assert list(desk.terminal.positions) == [21]
    assert "netting" in desk.goal()["accounts"]["demo"]["error"]


def test_large_positions_are_closed_in_parts(desk):
    desk.terminal.position(77, 12.0)
    desk.kill(flatten=True)
    desk.pass_time(4)
    assert [request["volume"] for request in desk.terminal.sent] == [5.0, 5.0, 2.0]
    assert desk.goal()["state"] == "reached"


@given(steps=st.integers(1, 100_000), most=st.integers(0, 1_000))
def test_parts_leave_nothing_that_cannot_be_closed(steps, most):
    spec = {"volume_max": most / 100, "volume_min": 0.05}
    left, count = steps / 100 + 0.05, 0
    while left > 1e-9:
        part = part_of(left, spec)
        assert 0 < part <= left + 1e-9
        if most > 10:
            assert 0.05 - 1e-9 <= part <= most / 100 + 1e-9
        left = round(left - part, 8)
        assert left < 1e-9 or left >= 0.05 - 1e-9 or 0 < most <= 10
        count += 1
        if 0 < most <= 10:
            break


@pytest.mark.parametrize("retcode", [10018, 10029, 10004, 10027, 10017])
def test_what_is_refused_is_tried_again_later_and_later(desk, retcode):
    desk.terminal.position(77)
    desk.terminal.answers = [retcode] * 4
    desk.kill(flatten=True)
    desk.pass_time(1)
    assert str(retcode) in desk.goal()["accounts"]["demo"]["error"]
    tried = len(desk.terminal.sent)
    assert 1 <= tried <= 3
    desk.pass_time(16 * FIRST_RETRY_NS / SECOND + 4)
    assert desk.is_flat()
    assert len(desk.terminal.sent) == 5


def test_a_closed_market_is_tried_with_one_order_for_all(desk):
    for ticket in range(70, 76):
        desk.terminal.position(ticket)
    desk.terminal.answers = [10018] * 6
    desk.kill(flatten=True)
    desk.pass_time(1.5)
    first = len(desk.terminal.sent)
    desk.terminal.answers = [10018] * 50
    desk.pass_time(30)
    assert len(desk.terminal.sent) - first <= 6
    desk.terminal.answers = []
    desk.pass_time(70)
    assert desk.is_flat()


def test_an_unsupported_filling_is_followed_by_another(desk):
    desk.terminal.position(77)
    desk.terminal.answers = [10030, 10030]
    desk.kill(flatten=True)
    desk.pass_time(5)
    fillings = [request["type_filling"] for request in desk.terminal.sent]
    assert (sorted(fillings), desk.is_flat()) == ([0, 1, 2], True)


def test_a_specification_that_nobody_tells_holds_nothing_up(desk):
    desk.terminal.spec = None
    desk.terminal.position(77)
    desk.kill(flatten=True)
    desk.pass_time(2)
    assert desk.is_flat()


def test_fifo_accounts_are_closed_oldest_first(make_plane):
    desk = Desk(make_plane, Terminal(fifo=True))
    for ticket in (79, 77, 78):
        desk.terminal.position(ticket)
    desk.terminal.position(5, symbol="USDJPY")
    desk.kill(flatten=True)
    desk.pass_time(5)
    assert [r["position"] for r in desk.terminal.sent if r["symbol"] == "EURUSD"] == [79, 77, 78]
    assert desk.is_flat()


@pytest.mark.parametrize("mode", [NETTING, HEDGING])
@pytest.mark.parametrize("lag", [1, 5])
def test_lists_that_lag_behind_the_answers_bring_no_second_close(make_plane, mode, lag):
    desk = Desk(make_plane, Terminal(mode))
    desk.terminal.position(77)
    desk.pass_time(1)
    desk.terminal.lag = lag + 2
    desk.kill(flatten=True)
    desk.pass_time(6)
    assert len(desk.terminal.sent) == 1
    assert desk.goal()["state"] == "reached"


def test_a_close_that_is_unknown_is_waited_for_and_never_repeated(desk):
    desk.terminal.position(77)
    desk.terminal.answers = [10009]  # said to be done, and not done: nor is it answered
    desk.terminal.mute = True
    desk.kill(flatten=True)
    desk.pass_time(20)
    assert len(desk.terminal.sent) == 1
    assert "UNKNOWN" in desk.goal()["accounts"]["demo"]["error"]
    desk.terminal.mute = False
    desk.plane.goodbye("w1", desk.generation)
    desk.generation += 1
    desk.plane.ready(epoch=desk.generation, credit=4)
    desk.pass_time(50)
    assert len(desk.terminal.sent) == 1
    desk.pass_time(20)  # the settle time is over: it wasn't executed
    assert len(desk.terminal.sent) == 2
    assert desk.is_flat()


def test_an_unknown_close_that_happened_is_found(desk):
    desk.terminal.position(77)
    desk.terminal.mute = True
    desk.kill(flatten=True)
    desk.pass_time(1)
    desk.terminal.deals[-1] = row(
        TradeDeal, ticket=9, order=8, volume=1.0, comment=tagged(tag_of(desk.terminal.sent[0]["client_order_id"]), "")
    )
    desk.pass_time(20)
    assert len(desk.terminal.sent) == 1
    assert desk.goal()["state"] == "reached"


def test_a_goal_outlives_the_broker_and_what_it_sent_is_not_repeated(desk):
    desk.terminal.position(77)
    desk.terminal.position(78)
    desk.terminal.mute = True
    desk.terminal.answers = [10009, 10009]
    desk.kill(flatten=True, reason="r", who="ann")
    desk.pass_time(1)
    desk.restart()
    desk.pass_time(10)
    assert len(desk.terminal.sent) == 2
    goal = desk.goal()
    assert (goal["wanted"], goal["state"], goal["by"], goal["why"]) == ("flatten", "pursued", "ann (me)", "r")
    desk.terminal.mute = False
    desk.pass_time(80)
    assert desk.is_flat()
    assert len(desk.terminal.sent) == 4
    desk.restart()
    assert desk.goal()["state"] == "reached"


def test_an_entry_that_is_confirmed_later_is_cleared_too(desk):
    order_id = f"{ULID}7"
    entry = {"action": 5, "symbol": "EURUSD", "volume": 1.0, "type": 2, "client_order_id": order_id}
    desk.plane.ask("order_send", entry)
    (call,) = desk.plane.calls()
    desk.kill("all", "")
    desk.pass_time(3)
    assert desk.goal()["accounts"]["demo"]["in_doubt"] == 1
    assert desk.goal()["state"] == "pursued"
    desk.terminal.pending(31, comment=tagged(tag_of(order_id), ""))
    desk.plane.give_back(call, [10009, 0, 31, 1.0, 1.1, 0.0, 0.0, "", 0, 0, []])
    desk.pass_time(3)
    assert desk.is_flat()
    assert desk.goal()["state"] == "reached"


def test_a_goal_on_guard_clears_what_gateway_orders_leave_and_nothing_else(desk):
    desk.kill(flatten=True)
    desk.pass_time(3)
    assert desk.goal()["state"] == "reached"
    desk.terminal.position(41, comment="by hand")
    desk.terminal.pending(42, comment=tagged(tag_of(f"{ULID}1"), ""))
    desk.restart()
    desk.pass_time(3)
    assert (list(desk.terminal.positions), desk.terminal.orders) == ([41], {})
    desk.plane.answer("resume", {"scope": "account", "reason": "x"})
    desk.terminal.pending(43, comment=tagged(tag_of(f"{ULID}1"), ""))
    desk.pass_time(3)
    assert list(desk.terminal.orders) == [43]


def test_a_terminal_that_returns_later_is_cleared_then(desk):
    desk.terminal.pending(11)
    desk.plane.goodbye("w1", desk.generation)
    desk.kill()
    for _ in range(20):
        desk.plane.ask("ping")
        desk.plane.pass_time(STEP)
    assert "can't be read" in desk.goal()["accounts"]["demo"]["error"]
    desk.generation += 1
    desk.plane.ready(epoch=desk.generation, credit=4)
    desk.pass_time(3)
    assert desk.is_flat()


def test_a_lost_session_has_its_pending_orders_cancelled(desk):
    token = desk.plane.hello("other", identity=b"other", cancel_on_disconnect=True)
    desk.enter(1, 11, token=token)
    desk.enter(2, 12)
    desk.terminal.pending(11)
    desk.terminal.pending(12)
    desk.terminal.position(77)
    desk.pass_time(35)
    assert (list(desk.terminal.orders), list(desk.terminal.positions)) == ([12], [77])


def test_a_resume_ends_the_pursuit(desk):
    desk.terminal.position(77)
    desk.terminal.answers = [10018] * 100
    desk.kill(flatten=True)
    desk.pass_time(2)
    reply = desk.plane.answer("resume", {"scope": "account", "reason": "x"})
    assert reply.result["goal"]["state"] == "withdrawn"
    sent = len(desk.terminal.sent)
    desk.pass_time(70)
    assert len(desk.terminal.sent) == sent
    desk.restart()
    assert desk.plane.stats()["goals"] == []


def test_a_kill_may_be_widened_and_is_never_narrowed(desk):
    desk.terminal.position(77)
    desk.terminal.answers = [10018] * 100
    desk.kill(reason="first")
    desk.kill(flatten=True, reason="second")
    assert desk.kill()["goal"]["wanted"] == "flatten"
    assert len([goal for goal in desk.plane.stats()["goals"] if goal["state"] == "pursued"]) == 1


def test_few_orders_are_out_at_a_time(desk):
    for ticket in range(100, 100 + 3 * MAX_UNDER_WAY):
        desk.terminal.pending(ticket)
    desk.kill()
    desk.plane.pass_time(STEP)
    for call in desk.plane.all_calls():
        desk.plane.give_back(call, desk.terminal.ledger())
    desk.plane.flush()
    assert desk.plane.stats()["remembered"] == MAX_UNDER_WAY
    desk.pass_time(3)
    assert desk.is_flat()


def test_on_a_netting_account_other_orders_for_the_symbol_are_waited_for(make_plane):
    desk = Desk(make_plane, Terminal(NETTING))
    desk.terminal.position(77)
    desk.plane.ask("order_send", {"action": 1, "symbol": "EURUSD", "volume": 1.0, "type": 1, "position": 77})
    (call,) = desk.plane.calls()
    desk.kill(flatten=True)
    desk.pass_time(2)
    assert desk.terminal.sent == []
    assert "under way" in desk.goal()["accounts"]["demo"]["error"]
    desk.plane.give_back(call, desk.terminal.execute(call.args[0]))
    desk.pass_time(3)
    assert len(desk.terminal.sent) == 1
    assert desk.goal()["state"] == "reached"


def test_on_a_netting_account_an_exit_done_behind_a_reading_brings_no_second_close(make_plane):
    """The reading is asked for, the client's exit is done and answered, and then the reading comes, too old."""
    desk = Desk(make_plane, Terminal(NETTING))
    desk.terminal.position(77)
    desk.kill(flatten=True)
    desk.plane.ask("order_send", EXIT)
    desk.plane.pass_time(STEP)
    calls = {call.name: call for call in desk.plane.all_calls()}
    before = desk.terminal.ledger()
    desk.plane.give_back(calls["order_send"], desk.terminal.execute(calls["order_send"].args[0]))
    desk.plane.give_back(calls["ledger"], before)
    desk.pass_time(3)
    assert len(desk.terminal.sent) == 1
    assert desk.goal()["state"] == "reached"


EXIT = {"action": 1, "symbol": "EURUSD", "volume": 1.0, "type": 1, "position": 77}


@pytest.mark.parametrize("change", [{"volume": 1.1}, {"type": 0}, {"position": 78}, {"volume": None}])
def test_a_halted_client_cannot_enter_by_an_exit_of_a_netting_account(make_plane, change):
    desk = Desk(make_plane, Terminal(NETTING))
    desk.terminal.position(77)
    desk.kill("client", "me")
    desk.pass_time(1)
    reply = desk.plane.answer("order_send", EXIT | change)
    assert reply.result[0] == Code.HALTED
    assert "pass through zero" in reply.result[1]
    desk.plane.ask("order_send", EXIT)
    desk.serve()
    assert desk.is_flat()


def test_a_halted_clients_exits_of_a_netting_account_go_one_by_one(make_plane):
    desk = Desk(make_plane, Terminal(NETTING))
    desk.terminal.position(77)
    desk.kill("client", "me")
    desk.pass_time(1)
    desk.plane.ask("order_send", EXIT)
    (call,) = desk.plane.calls()
    assert desk.plane.answer("order_send", EXIT).result[0] == Code.HALTED  # the first is under way
    desk.plane.give_back(call, desk.terminal.execute(call.args[0] | {"volume": 0.5}))
    assert desk.plane.answer("order_send", EXIT).result[0] == Code.HALTED  # it isn't shown yet
    desk.pass_time(1)
    assert desk.plane.answer("order_send", EXIT).result[0] == Code.HALTED  # half of it is left
    desk.plane.ask("order_send", EXIT | {"volume": 0.5})
    desk.serve()
    assert desk.is_flat()


def test_the_gateways_own_orders_wait_for_a_slow_disk(make_plane):
    desk = Desk(make_plane, gated=True)
    desk.terminal.pending(11)
    desk.kill()
    desk.pass_time(2)
    assert desk.terminal.sent == []
    desk.plane.engine.durable(10_000)
    desk.pass_time(1)
    assert desk.is_flat()


def test_its_own_orders_can_be_told_from_others(desk):
    desk.terminal.pending(11)
    desk.kill()
    desk.pass_time(1)
    log = [record for record in scan(desk.data, 1)[0] if record[3] == 2]
    assert [OWN_CLIENT.encode() in record[4] for record in log] == [True]


def test_several_accounts_are_cleared_one_by_one(make_plane):
    accounts = (AccountRules("demo"), AccountRules("away"))
    desk = Desk(make_plane, accounts=accounts)
    desk.terminal.pending(11)
    desk.kill("all", "")
    desk.pass_time(3)
    assert desk.is_flat()
    told = desk.goal()
    assert told["state"] == "pursued"
    assert (told["accounts"]["demo"]["reached"], told["accounts"]["away"]["reached"]) == (True, False)


@pytest.mark.parametrize("state", list(GoalState))
def test_a_goal_moves_only_along_its_table(state):
    for target in GoalState:
        goal = Goal((2, ""), GoalKind.CANCEL, "by", "why", 0)
        goal.state = state
        if target in GOAL_MOVES[state]:
            goal.move(target)
            assert goal.state == target
        else:
            with pytest.raises(IllegalMove):
                goal.move(target)
            assert goal.state == state


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), mode=st.sampled_from([NETTING, HEDGING]))
def test_whatever_the_terminal_says_it_ends_flat_and_nothing_is_opened(make_plane, data, mode):
    """Random refusals, lags and restarts; `Terminal` itself refuses to close more than there is."""
    desk = Desk(make_plane, Terminal(mode))
    symbols = ["EURUSD", "USDJPY", "GBPUSD"]
    for index in range(data.draw(st.integers(1, 3))):
        side = data.draw(st.sampled_from([0, 1]))
        desk.terminal.position(70 + index, data.draw(st.sampled_from([0.5, 7.0])), symbol=symbols[index], type=side)
    desk.terminal.pending(11)
    desk.terminal.answers = data.draw(st.lists(st.sampled_from([10004, 10018, 10029, 10030, 10006]), max_size=6))
    desk.kill(flatten=True)
    for _ in range(data.draw(st.integers(0, 6))):
        desk.terminal.lag = data.draw(st.integers(0, 3))
        desk.pass_time(data.draw(st.sampled_from([0.25, 0.5, 2])))
        if data.draw(st.booleans()):
            desk.restart()
    desk.pass_time(90)
    assert desk.is_flat()
    assert desk.goal()["state"] == "reached"
    assert desk.plane.answer("order_send", {"action": 1, "symbol": "EURUSD"}).result[0] == Code.HALTED
