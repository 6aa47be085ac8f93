"""The commands that trade: what they ask of the client, what they print, and how they end."""

import json
from typing import Any

import pytest

from gateway.cli import trade
from gateway.wire import constants as mt5
from gateway.wire.errors import (
    Busy,
    Code,
    ConfigError,
    GatewayError,
    LocalProtocolError,
    NoReply,
    NotTradable,
    OutcomeUnknown,
    Refused,
    RemoteProtocolError,
    TerminalRefused,
    Unavailable,
)

NOTHING_GIVEN = {"limit": None, "stop": None, "sl": None, "tp": None, "deviation": 20, "comment": "", "magic": 0}


def test_order_is_asked_for_with_everything_that_was_given(client: Any, mt5gate: Any, order_result: Any) -> None:
    client.answers["buy"] = client.answers["sell"] = order_result()

    mt5gate("order", "buy", "EURUSD", "0.1")
    mt5gate(
        *("order", "sell", "EURUSD", "0.2", "--sl", "1.2", "--tp", "1.1", "--limit", "1.15", "--stop", "1.14"),
        *(
            "--deviation",
            "5",
            "--comment",
            "dip",
            "--magic",
            "7",
            "--account",
            "live",
            "--endpoint",
            "tcp://127.0.0.1:1",
        ),
        *("--timeout", "2"),
    )

    assert client.asked == [
        ("buy", "EURUSD", 0.1, NOTHING_GIVEN),
        (
            *("sell", "EURUSD", 0.2),
            {"limit": 1.15, "stop": 1.14, "sl": 1.2, "tp": 1.1, "deviation": 5, "comment": "dip", "magic": 7},
        ),
    ]
    assert client.opened == [("", "", None), ("tcp://127.0.0.1:1", "live", 2.0)]
    assert client.shut


def test_filled_order_is_shown_with_its_timing_per_stage(client: Any, mt5gate: Any, order_result: Any) -> None:
    client.answers["buy"] = order_result(sl=1.07)

    result = mt5gate("order", "buy", "EURUSD", "0.1", "--sl", "1.07")

    assert result.exit_code == 0
    header, row, timing = result.stdout.splitlines()
    assert header.split() == ["result", "order", "deal", "type", "symbol", "volume", "price", "sl", "tp", "comment"]
    assert row.split() == [
        "10009",
        "done",
        "11",
        "22",
        "buy",
        "EURUSD",
        "0.1",
        "1.08123",
        "1.07",
        "Request",
        "executed",
    ]
    assert timing == "took 1.23 ms: transport 90 µs, queue 4.0 µs, terminal 1.00 ms"


def test_filled_order_is_one_object_for_programs(client: Any, mt5gate: Any, order_result: Any, timing: Any) -> None:
    client.answers["buy"] = order_result()

    result = mt5gate("order", "buy", "EURUSD", "0.1", "--json")

    (line,) = result.stdout.splitlines()
    shown = json.loads(line)
    assert (shown["retcode"], shown["order"], shown["price"]) == (10009, 11, 1.08123)
    assert shown["request"]["symbol"] == "EURUSD"
    assert shown["timing_ns"] == timing


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["close", "5"], ("close", 5, None, {"deviation": 20, "comment": ""})),
        (["close", "5", "--volume", "0.05"], ("close", 5, 0.05, {"deviation": 20, "comment": ""})),
        (["modify", "5", "--sl", "0"], ("modify", 5, {"sl": 0.0, "tp": None, "price": None})),
        (["modify", "5", "--tp", "2", "--price", "1.5"], ("modify", 5, {"sl": None, "tp": 2.0, "price": 1.5})),
        (["cancel", "5"], ("cancel", 5)),
    ],
)
def test_open_orders_and_positions_are_changed_by_ticket(
    client: Any, mt5gate: Any, arguments: list[str], asked: tuple[Any, ...], order_result: Any
) -> None:
    client.answers[arguments[0]] = order_result(action=mt5.TRADE_ACTION_REMOVE)

    result = mt5gate("order", *arguments)

    assert result.exit_code == 0
    assert client.asked == [asked]
    assert "10009 done" in result.stdout


@pytest.mark.parametrize(
    ("action", "kind", "name"),
    [
        (mt5.TRADE_ACTION_DEAL, mt5.ORDER_TYPE_SELL, "sell"),
        (mt5.TRADE_ACTION_PENDING, mt5.ORDER_TYPE_BUY_STOP_LIMIT, "buy stop limit"),
        (mt5.TRADE_ACTION_SLTP, 0, "sltp"),
        (mt5.TRADE_ACTION_REMOVE, 0, "remove"),
    ],
)
def test_request_is_named_by_what_it_asks_for(
    client: Any, mt5gate: Any, action: int, kind: int, name: str, order_result: Any
) -> None:
    client.answers["cancel"] = order_result(action=action, type=kind)

    assert f" {name} " in mt5gate("order", "cancel", "5").stdout


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [
        (TerminalRefused("EURUSD: 10016 INVALID_STOPS"), 1, "it did not happen: the terminal refused it"),
        (NotTradable("AlgoTrading is off"), 1, "it did not happen: it never reached the terminal"),
        (Busy("queue full"), 1, "it did not happen: it never reached the terminal"),
        (GatewayError("our own fault", code=Code.INTERNAL), 1, "it did not happen: it never reached the terminal"),
        (Refused("no such account", code=Code.UNKNOWN_ACCOUNT), 2, "it did not happen: it never reached a terminal"),
        (LocalProtocolError("volume: expected at least 0.01"), 2, "it did not happen: nothing was sent"),
        (Unavailable("no gateway at ipc:///nowhere"), 3, "it did not happen: nothing was sent"),
        (NoReply("positions_get: no answer in time"), 3, "nothing was changed: it only reads"),
        (OutcomeUnknown("order_send: no answer in time"), 4, "it may have happened: look at positions, orders and"),
        (RemoteProtocolError("reply: misshapen"), 4, "it may have happened: look at positions, orders and history"),
        (KeyboardInterrupt(), 4, "it may have happened: look at positions, orders and history before you send it"),
    ],
)
def test_one_line_says_whether_it_may_have_happened(
    client: Any, mt5gate: Any, error: BaseException, status: int, outcome: str
) -> None:
    client.answers["buy"] = error

    result = mt5gate("order", "buy", "EURUSD", "0.1")

    assert result.exit_code == status
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("mt5gate: ")
    assert str(error) in line
    assert outcome in line
    assert client.shut


def test_outcome_that_the_message_tells_is_not_told_twice(client: Any, mt5gate: Any) -> None:
    client.answers["buy"] = OutcomeUnknown("no answer in time: it may have happened; look at positions first")

    assert mt5gate("order", "buy", "EURUSD", "0.1").stderr.count("may have happened") == 1


def test_configuration_that_cannot_be_used_is_a_usage_error(mt5gate: Any, monkeypatch: Any) -> None:
    def open_client(*_: Any) -> None:
        raise ConfigError("log.level: expected debug\nbrokr: unknown key")

    monkeypatch.setattr("gateway.cli.common.open_client", open_client)

    result = mt5gate("order", "buy", "EURUSD", "0.1")

    assert result.exit_code == 2
    assert result.stderr.splitlines() == ["mt5gate: log.level: expected debug", "mt5gate: brokr: unknown key"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["order", "buy", "EURUSD"],
        ["order", "buy", "EURUSD", "lots"],
        ["order", "buy", "EURUSD", "0.1", "--deviation", "-1"],
        ["order", "modify", "5"],
        ["order", "close", "ticket"],
        ["order", "hold", "5"],
        ["nonsense"],
    ],
)
def test_wrong_usage_sends_nothing(client: Any, mt5gate: Any, arguments: list[str]) -> None:
    result = mt5gate(*arguments)

    assert result.exit_code == 2
    assert result.stderr
    assert client.asked == []


@pytest.mark.parametrize(("said", "ticket"), [(("--executed", "7"), 7), (("--not-executed",), None)])
def test_an_order_is_resolved_as_somebody_says(
    client: Any, mt5gate: Any, monkeypatch: pytest.MonkeyPatch, said: tuple[str, ...], ticket: int | None
) -> None:
    monkeypatch.setattr(trade, "user", lambda: "ann")
    client.answers["resolve_order"] = {"state": "not_found", "status": 2}

    result = mt5gate("order", "resolve", "scalper", "01JCXXW7T5M0V8QK3Z9R2B4N6D", *said, "--why", "looked")

    assert client.asked == [
        ("resolve_order", "scalper", "01JCXXW7T5M0V8QK3Z9R2B4N6D", ticket, {"why": "looked", "who": "ann"})
    ]
    assert result.stdout == "scalper 01JCXXW7T5M0V8QK3Z9R2B4N6D: not found\n"


@pytest.mark.parametrize("said", [(), ("--executed", "7", "--not-executed")])
def test_an_order_is_resolved_one_way_or_the_other(client: Any, mt5gate: Any, said: tuple[str, ...]) -> None:
    result = mt5gate("order", "resolve", "scalper", "01JCXXW7T5M0V8QK3Z9R2B4N6D", *said, "--why", "x")
    assert (result.exit_code, client.asked) == (2, [])
