"""Orders by intent, against a terminal that is a list of answers."""

from collections.abc import Hashable
from typing import Any

import pytest

from clients import trading
from clients.results import decode_result
from clients.trading import Trading
from gateway.wire.errors import LocalProtocolError, OutcomeUnknown, Refused, TerminalRefused, Unavailable
from gateway.wire.structs import SymbolInfo, TradeOrder, TradePosition, TradeRequest

SPEC = {
    "name": "EURUSD",
    "digits": 5,
    "trade_tick_size": 1e-05,
    "volume_min": 0.01,
    "volume_max": 50.0,
    "volume_step": 0.01,
    "trade_exemode": 2,
    "filling_mode": 2,
}


def refused(code: int = -4, text: str = "Terminal: Not found") -> TerminalRefused:
    return TerminalRefused(text, detail={"last_error": [code, text], "returned": None})


def fields(kind: type[Any], **given: Any) -> list[Any]:
    empty = {int: 0, float: 0.0, str: "", bool: False}
    return [given.get(name, empty.get(type_)) for name, type_ in kind.__annotations__.items()]


class Desk(Trading):
    """Answers by name; each answer is a value, an error, or a list of them for one call after another."""

    def __init__(self, **answers: Any) -> None:
        super().__init__()
        tick = [1, 1.1, 1.2, 0.0, 0, 1_000, 6, 0.0]
        self.answers: dict[str, Any] = {"symbol_spec": SPEC, "symbol_info_tick": tick, "symbol_select": True} | answers
        self.asked: list[tuple[str, Any]] = []
        self.life = 1

    def _ask(self, name: str, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        self.asked.append((name, args[0] if args else kwargs))
        answer = self.answers[name]
        if isinstance(answer, Sequence):
            answer = answer.next()
        if callable(answer):
            answer = answer(*args, **(kwargs or {}))
        if isinstance(answer, Exception):
            raise answer
        return decode_result(name, answer)

    def _call(self, name: str, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        raise AssertionError("an order by intent uses no raw call")

    def _life(self) -> Hashable:
        return self.life

    def names(self) -> list[str]:
        return [name for name, _ in self.asked]

    def sent(self) -> list[dict[str, Any]]:
        return [request for name, request in self.asked if name == "order_send"]


class Sequence:
    """One answer after another; the last one stays."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def next(self) -> Any:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def done(request: dict[str, Any], retcode: int = 10_009) -> list[Any]:
    echo = fields(TradeRequest, symbol=request.get("symbol", ""))
    return [retcode, 1, 2, request.get("volume", 0.0), request.get("price", 0.0), 1.1, 1.2, "ok", 3, 0, echo]


def position(ticket: int, **given: Any) -> list[Any]:
    return fields(TradePosition, **({"ticket": ticket, "symbol": "EURUSD", "volume": 0.5} | given))


def test_buying_asks_for_the_ask_and_selling_for_the_bid() -> None:
    desk = Desk(order_send=done)
    assert desk.buy("EURUSD", 0.1).retcode == 10_009
    desk.sell("EURUSD", 0.1)
    assert [(request["type"], request["price"]) for request in desk.sent()] == [(0, 1.2), (1, 1.1)]


def test_the_specification_is_asked_once_a_session() -> None:
    desk = Desk(order_send=done)
    desk.buy("EURUSD", 0.1)
    desk.buy("EURUSD", 0.1)
    assert desk.names() == ["symbol_spec", "symbol_info_tick", "order_send", "symbol_info_tick", "order_send"]
    desk.life = 2
    desk.buy("EURUSD", 0.1)
    assert desk.names().count("symbol_spec") == 2


def test_a_given_price_needs_no_quote() -> None:
    desk = Desk(order_send=done)
    desk.buy("EURUSD", 0.1, price=1.15)
    assert desk.names() == ["symbol_spec", "order_send"]


def test_an_unknown_symbol_is_selected_and_asked_again() -> None:
    desk = Desk(order_send=done, symbol_spec=Sequence(refused(), SPEC))
    desk.buy("EURUSD", 0.1)
    assert desk.names()[:3] == ["symbol_spec", "symbol_select", "symbol_spec"]


def test_a_symbol_that_isnt_there_is_the_terminals_refusal() -> None:
    desk = Desk(symbol_spec=refused(), symbol_select=refused(-1, "Terminal: Call failed"))
    with pytest.raises(TerminalRefused):
        desk.buy("NOPE", 0.1)
    assert desk.sent() == []


@pytest.mark.parametrize("first", [[0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0], refused()])
def test_a_symbol_without_a_price_is_selected_and_waited_for(first: Any) -> None:
    empty = [0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0]
    desk = Desk(order_send=done, symbol_info_tick=Sequence(first, empty, empty, [1, 1.1, 1.2, 0.0, 0, 1, 6, 0.0]))
    desk.buy("EURUSD", 0.1)
    assert desk.names().count("symbol_select") == 1
    assert desk.sent()[0]["price"] == 1.2


def test_a_symbol_that_never_gets_a_price_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trading, "PRICE_WAIT_NS", 0)
    desk = Desk(symbol_info_tick=[0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0])
    with pytest.raises(Unavailable, match="EURUSD: expected a price to sell at"):
        desk.sell("EURUSD", 0.1)
    assert desk.sent() == []


def test_a_pending_order_selects_its_symbol_and_needs_no_quote() -> None:
    desk = Desk(order_send=done)
    desk.buy("EURUSD", 0.1, limit=1.05)
    desk.sell("EURUSD", 0.1, stop=1.05)
    assert desk.names() == ["symbol_spec", "symbol_select", "order_send", "order_send"]
    with pytest.raises(LocalProtocolError, match="price"):
        desk.buy("EURUSD", 0.1, price=1.1, limit=1.05)


def test_a_volume_that_cant_fit_sends_nothing() -> None:
    desk = Desk()
    with pytest.raises(LocalProtocolError, match="volume"):
        desk.buy("EURUSD", 0.001)
    assert desk.sent() == []


@pytest.mark.parametrize(
    ("retcode", "error"), [(10_019, TerminalRefused), (10_012, OutcomeUnknown), (1, OutcomeUnknown)]
)
def test_the_return_code_becomes_the_outcome(retcode: int, error: type[Exception]) -> None:
    desk = Desk(order_send=lambda request: done(request, retcode))
    with pytest.raises(error):
        desk.buy("EURUSD", 0.1)
    assert len(desk.sent()) == 1


@pytest.mark.parametrize("code", [-10_000, -10_002, -10_005])
def test_a_broken_pipe_behind_an_order_is_unknown(code: int) -> None:
    desk = Desk(order_send=refused(code, "IPC"))
    with pytest.raises(OutcomeUnknown):
        desk.buy("EURUSD", 0.1)


@pytest.mark.parametrize("code", [-2, -8, -10_001, -10_004])
def test_what_the_terminal_refuses_before_the_server_is_a_refusal(code: int) -> None:
    desk = Desk(order_send=refused(code, "no"))
    with pytest.raises(TerminalRefused) as caught:
        desk.buy("EURUSD", 0.1)
    assert caught.value.last_error == (code, "no")


@pytest.mark.parametrize("given", ["ticket", "position"])
def test_closing_takes_a_ticket_or_a_position(given: str) -> None:
    desk = Desk(order_send=done, positions_get=[position(7)])
    desk.close(7 if given == "ticket" else TradePosition(position(7)))
    (request,) = desk.sent()
    assert (request["position"], request["type"], request["price"], request["volume"]) == (7, 1, 1.1, 0.5)
    assert ("positions_get" in desk.names()) == (given == "ticket")


def test_a_short_position_is_bought_back_at_the_ask() -> None:
    desk = Desk(order_send=done, positions_get=[position(7, type=1)])
    desk.close(7, 0.2)
    (request,) = desk.sent()
    assert (request["type"], request["price"], request["volume"]) == (0, 1.2, 0.2)


def test_closing_what_isnt_open_is_refused() -> None:
    with pytest.raises(Refused, match="position 7: not open"):
        Desk(positions_get=[]).close(7)


def test_close_all_closes_the_oldest_first_and_filters() -> None:
    open_now = [position(1, time_msc=30), position(2, time_msc=10, magic=5), position(3, time_msc=20, magic=5)]
    desk = Desk(order_send=done, positions_get=open_now)
    assert len(desk.close_all("EURUSD", magic=5)) == 2
    assert [request["position"] for request in desk.sent()] == [2, 3]
    assert ("positions_get", {"symbol": "EURUSD"}) in desk.asked


def test_close_all_closes_a_large_position_in_parts() -> None:
    desk = Desk(order_send=done, positions_get=[position(1, volume=120.3)])
    assert len(desk.close_all()) == 3
    assert [request["volume"] for request in desk.sent()] == [50.0, 50.0, 20.3]


def test_close_all_goes_on_after_a_failure_and_raises_the_gravest() -> None:
    outcomes = {1: 10_018, 2: 10_012, 3: 10_009}
    desk = Desk(
        order_send=lambda request: done(request, outcomes[request["position"]]),
        positions_get=[position(1), position(2), position(3)],
    )
    with pytest.raises(OutcomeUnknown) as caught:
        desk.close_all()
    assert len(desk.sent()) == 3
    assert (caught.value.detail["closed"], caught.value.detail["failed"]) == ([3], [1, 2])
    assert any("position 1: TerminalRefused" in note for note in caught.value.__notes__)


def test_modify_sets_a_positions_protection() -> None:
    desk = Desk(order_send=done, positions_get=[position(7, sl=1.0, tp=1.3)])
    desk.modify(7, sl=1.05)
    (request,) = desk.sent()
    assert (request["action"], request["sl"], request["tp"]) == (6, 1.05, 1.3)


@pytest.mark.parametrize("change", [{"price": 1.05}, {"sl": 1.0}, {"expiration": 100}])
def test_modify_changes_a_pending_order(change: dict[str, Any]) -> None:
    order = fields(TradeOrder, ticket=9, symbol="EURUSD", price_open=1.1)
    desk = Desk(order_send=done, positions_get=[], orders_get=[order])
    desk.modify(9, **change)
    (request,) = desk.sent()
    assert (request["action"], request["order"]) == (7, 9)
    assert {name: request[name] for name in change} == change


def test_modify_without_a_change_or_an_object_sends_nothing() -> None:
    desk = Desk(positions_get=[], orders_get=[])
    with pytest.raises(LocalProtocolError, match="something to change"):
        desk.modify(9)
    with pytest.raises(Refused, match="ticket 9"):
        desk.modify(9, sl=1.0)
    assert desk.sent() == []


def test_cancel_removes_the_order() -> None:
    desk = Desk(order_send=done)
    desk.cancel(9)
    assert desk.sent() == [{"action": 8, "order": 9}]


def test_the_specification_holds_every_field_a_request_needs() -> None:
    assert set(SPEC) <= set(SymbolInfo.__annotations__)
