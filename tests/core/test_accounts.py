"""Whose account is it, and may orders go?"""

import pytest

from gateway.core.accounts import Account
from gateway.core.engine import AccountRules
from gateway.core.orders import is_exit, trade_request
from gateway.wire import codec
from gateway.wire.errors import Code, Status
from gateway.wire.messages import WorkerKind


def rejection(told):
    kind, frame = told
    assert kind == WorkerKind.REJECT
    return codec.decode_reject(frame)


def test_a_matching_proof_is_welcome(plane):
    kind, frame = plane.ready("w2")
    assert kind == WorkerKind.WELCOME
    assert codec.decode_welcome(frame) == (7, 1_000)


def test_an_undeclared_account_is_rejected(plane):
    code, message = rejection(plane.ready("w2", account="live"))
    assert code == Code.UNKNOWN_ACCOUNT
    assert "'live'" in message


@pytest.mark.parametrize(
    ("rules", "changed", "text"),
    [
        (AccountRules("demo", login=1), {}, "expected login 1, found 5001"),
        (AccountRules("demo", server="Other"), {}, "expected server 'Other', found 'Broker-Demo'"),
        (AccountRules("demo"), {"trade_mode": 2}, "expected a demo account, found real"),
        (AccountRules("demo"), {"trade_mode": 1}, "expected a demo account, found contest"),
        (AccountRules("demo"), {"trade_mode": 9}, "found trade_mode 9"),
        (AccountRules("demo", mode="real", allow_real=True), {}, "expected a real account, found demo"),
        (AccountRules("demo", mode="real"), {"trade_mode": 2}, "allow_real"),
        (AccountRules("demo"), {"login": 0}, "expected a login and a server"),
        (AccountRules("demo"), {"server": ""}, "expected a login and a server"),
    ],
)
def test_a_proof_that_breaks_the_rules_is_rejected_and_unused(make_plane, proof, orders, rules, changed, text):
    plane = make_plane(accounts=(rules,))
    plane.hello()
    code, message = rejection(plane.ready(proof=proof | changed))
    assert code == Code.NOT_TRADABLE
    assert text in message
    refused = plane.answer("order_send", orders["exit"])
    assert (refused.status, refused.result[0]) == (Status.REFUSED, Code.NOT_TRADABLE)
    assert text in refused.result[1]
    assert text in plane.answer("positions_get").result[1]
    (account,) = plane.answer("accounts").result
    assert (account["proven"], account["tradable"]) == (False, False)
    assert text in account["reason"]


@pytest.mark.parametrize("trade_mode", [1, 2])
def test_contest_and_allowed_real_accounts_are_welcome(make_plane, proof, trade_mode):
    mode = ("demo", "contest", "real")[trade_mode]
    plane = make_plane(accounts=(AccountRules("demo", mode=mode, allow_real=True),))
    assert plane.ready(proof=proof | {"trade_mode": trade_mode})[0] == WorkerKind.WELCOME


def test_the_first_proof_pins_login_and_server_for_good(plane, proof):
    assert "login 5001" in rejection(plane.ready("w2", proof=proof | {"login": 5002}))[1]
    assert "'Broker-Demo'" in rejection(plane.ready("w2", proof=proof | {"server": "Other"}))[1]
    plane.goodbye("w1")
    assert "login 5001" in rejection(plane.ready("w1", epoch=2, proof=proof | {"login": 5002}))[1]
    assert plane.ready("w1", epoch=3, proof=proof | {"path": "D:\\elsewhere"})[0] == WorkerKind.WELCOME


@pytest.mark.parametrize("field", ["login", "server", "path", "trade_mode"])
def test_a_proof_lacking_a_field_is_malformed(plane, proof, field):
    del proof[field]
    code, message = rejection(plane.ready("w2", proof=proof))
    assert code == Code.BAD_ARGUMENTS
    assert f"{field} is missing" in message


@pytest.mark.parametrize(
    ("field", "value"),
    [("login", "5001"), ("login", -1), ("login", 2**63), ("trade_mode", True), ("server", 5), ("company", "x" * 300)],
)
def test_a_proof_of_wrong_types_is_malformed(plane, proof, field, value):
    assert rejection(plane.ready("w2", proof=proof | {field: value}))[0] == Code.BAD_ARGUMENTS


def test_unknown_fields_of_a_proof_are_ignored(plane, proof):
    assert plane.ready("w2", proof=proof | {"balance": 5.0, "nested": {"a": []}})[0] == WorkerKind.WELCOME


def test_a_worker_without_proof_is_welcome_but_unused(make_plane, orders):
    plane = make_plane()
    plane.hello()
    assert plane.ready(proof={}, tradable=True, reason="the terminal is offline")[0] == WorkerKind.WELCOME
    refused = plane.answer("order_send", orders["exit"])
    assert refused.result[0] == Code.NOT_TRADABLE
    assert "offline" in refused.result[1]
    assert plane.answer("positions_get").result[0] == Code.UNAVAILABLE
    assert plane.ready()[0] == WorkerKind.WELCOME
    plane.ask("order_send", orders["exit"])
    assert plane.call()


def test_an_account_without_workers_takes_no_order(make_plane, orders):
    plane = make_plane()
    plane.hello()
    refused = plane.answer("order_send", orders["exit"])
    assert refused.result[0] == Code.NOT_TRADABLE
    assert "no worker is connected" in refused.result[1]


def test_without_a_trade_lane_orders_are_unavailable(make_plane, orders):
    plane = make_plane()
    plane.ready(lanes=("watch",))
    plane.hello()
    assert plane.answer("order_send", orders["exit"]).result[0] == Code.UNAVAILABLE


def test_when_trading_is_off_entries_are_refused_with_the_reason_and_exits_may_try(make_plane, orders):
    plane = make_plane()
    plane.ready(tradable=False, reason="AlgoTrading is off")
    plane.hello()
    refused = plane.answer("order_send", orders["entry"])
    assert (refused.status, refused.result[0]) == (Status.REFUSED, Code.NOT_TRADABLE)
    assert "AlgoTrading is off" in refused.result[1]
    for name in ("exit", "cancel"):
        plane.ask("order_send", orders[name])
        plane.give_back(plane.call(), [10009])


def test_an_entry_goes_only_to_a_terminal_that_trades(make_plane, orders):
    plane = make_plane()
    plane.ready("off", lanes=("trade",), tradable=False, reason="AlgoTrading is off")
    plane.ready("on", lanes=("trade",))
    plane.hello()
    for _ in range(2):
        plane.ask("order_send", orders["entry"])
    held = plane.call(b"on")
    assert plane.calls(b"off") == []
    plane.ask("order_send", orders["exit"])
    assert plane.call(b"off").args[0]["position"] == 77
    plane.give_back(held, [], identity=b"on")
    assert orders["entry"].items() <= plane.call(b"on").args[0].items()


def test_trading_switched_off_refuses_the_entries_that_wait(plane, orders):
    plane.ask("symbol_info", "A", ttl_ms=60_000)
    held = plane.call()
    entry = plane.ask("order_send", orders["entry"])
    plane.ask("order_send", orders["cancel"])
    plane.ready(tradable=False, reason="investor password")
    refused = plane.reply(entry)
    assert refused.result[0] == Code.NOT_TRADABLE
    assert "never left" in refused.result[1]
    plane.give_back(held, [])
    assert plane.call().args[0]["action"] == 8


def test_a_worker_whose_terminal_changes_the_account_is_used_no_more(plane, proof, orders):
    sent = plane.ask("order_send", orders["entry"])
    call = plane.call()
    waiting = plane.ask("order_send", orders["exit"])
    code, message = rejection(plane.ready(proof=proof | {"login": 6666}))
    assert code == Code.NOT_TRADABLE
    assert "6666" in message
    assert plane.reply(sent).status == Status.UNKNOWN
    assert plane.reply(waiting).result[0] == Code.NOT_TRADABLE
    plane.from_worker(codec.encode_heartbeat("w1", 1))  # a sign of life isn't a proof
    assert plane.answer("order_send", orders["exit"]).result[0] == Code.NOT_TRADABLE
    plane.ready()
    plane.give_back(call, [10009])
    plane.ask("order_send", orders["exit"])
    assert plane.call()


def test_a_mode_that_doesnt_exist_is_refused_at_the_start():
    with pytest.raises(ValueError, match="demo, contest or real"):
        Account(AccountRules("a", mode="Demo"), {})


@pytest.mark.parametrize(
    ("request_map", "expected"),
    [
        ({"action": 8, "order": 5}, True),
        ({"action": 10, "position": 1, "position_by": 2}, True),
        ({"action": 1, "position": 5}, True),
        ({"action": 1, "position": 0}, False),
        ({"action": 1}, False),
        ({"action": 1, "position": True}, False),
        ({"action": 1, "position": 5.0}, False),
        ({"action": 5, "position": 5}, False),
        ({"action": 6, "position": 5}, False),
        ({"action": 7, "order": 5}, False),
        ({"action": 8.0}, False),
        ({"action": True, "position": 5}, False),
        ({"action": 2**63, "position": 5}, False),
        ({"action": -(2**63)}, False),
        ({"position": 5}, False),
        ({}, False),
    ],
)
def test_only_what_is_certainly_an_exit_is_one(request_map, expected):
    assert is_exit(request_map) is expected


def test_the_order_is_the_map_or_the_keywords():
    assert trade_request([{"action": 1}], {}) == ({"action": 1}, "")
    assert trade_request([], {"action": 1}) == ({"action": 1}, "")
    assert trade_request([[]], {})[0] is None
