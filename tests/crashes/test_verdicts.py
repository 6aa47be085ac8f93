"""The rules by which a run is judged: each breach is noticed, and an honest story passes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.wire import constants as mt5
from gateway.wire.structs import OrderSendResult, TradeDeal, TradeOrder
from tests.crashes.ledger import Arrivals, Books
from tests.crashes.verdicts import Event, Story, events_against, story_against, stray

MAGIC = 41
REQUEST = {"action": mt5.TRADE_ACTION_DEAL, "magic": MAGIC, "comment": "41", "client_order_id": "ID"}


def row(kind: Any, **fields: Any) -> Any:
    empty = {int: 0, float: 0.0, bool: False, str: ""}
    return kind([fields.get(name, empty.get(of)) for name, of in kind.__annotations__.items()])


def executed(*tickets: int) -> Books:
    books = Books()
    for ticket in tickets:
        deal = row(TradeDeal, ticket=ticket + 100, order=ticket, magic=MAGIC, reason=mt5.DEAL_REASON_EXPERT)
        books.orders[MAGIC].append(row(TradeOrder, ticket=ticket, magic=MAGIC, state=mt5.ORDER_STATE_FILLED))
        books.deals[MAGIC].append(deal)
        books.trades[deal.ticket] = deal
    return books


def arrived(times: int) -> Arrivals:
    arrivals = Arrivals(Path("nowhere"))
    if times:
        arrivals.times[MAGIC] = times
    return arrivals


def told(fate: str, **fields: Any) -> dict[str, Any]:
    return {"fate": fate, "how": "send"} | fields


def status(state: str, retcode: int = 10009, order: int = 5) -> dict[str, Any]:
    result = row(OrderSendResult, retcode=retcode, order=order) if state == "answered" else [207, "no", None]
    return {"state": state, "status": 0 if state == "answered" else 2, "result": result}


def story(*fates: dict[str, Any], now: dict[str, Any], request: dict[str, Any] = REQUEST) -> Story:
    made = Story(0, request, list(fates))
    made.take(now)
    return made


ACKNOWLEDGED = told("done", echo=MAGIC, comment="41")
NONE: dict[str, Any] = {"state": "none"}


@pytest.mark.parametrize(
    ("honest", "books", "times"),
    [
        (story(ACKNOWLEDGED, now=status("answered")), executed(5), 1),
        (story(told("unknown"), now=status("answered")), executed(5), 1),
        (story(told("refused"), now=status("refused")), Books(), 0),
        (story(told("refused"), now=NONE), Books(), 0),
        (story(told("unknown"), told("not_executed"), now=status("not_found")), Books(), 1),
        (story(told("no"), now=status("answered", 10019)), Books(), 1),
        (story(now=NONE), Books(), 0),
    ],
)
def test_an_honest_story_passes(honest: Story, books: Books, times: int) -> None:
    assert story_against(honest, books, arrived(times)) == []


@pytest.mark.parametrize(
    ("breach", "books", "times", "complaint"),
    [
        (story(ACKNOWLEDGED, now=status("answered")), executed(5), 2, "left 2 times"),
        (story(ACKNOWLEDGED, now=status("answered")), executed(5, 6), 1, "executed 2 times"),
        (story(ACKNOWLEDGED, now=NONE), executed(5), 1, "acknowledged as done, and now"),
        (story(ACKNOWLEDGED, now=status("answered")), Books(), 1, "books don't hold it"),
        (story(told("unknown"), now=status("unknown")), executed(5), 1, "stays unknown"),
        (story(told("unknown"), now=status("not_found")), executed(5), 1, "books hold it"),
        (story(told("refused"), now=status("refused")), executed(5), 1, "never reached the terminal"),
        (story(told("never"), now=NONE), Books(), 1, "never reached the terminal"),
        (story(told("not_executed"), now=status("not_found")), executed(5), 1, "wasn't executed"),
        (story(told("not_executed"), ACKNOWLEDGED, now=status("answered")), executed(5), 1, "different fates"),
        (story(told("done", echo=7, comment="41"), now=status("answered")), executed(5), 1, "another order's"),
        (story(ACKNOWLEDGED, now=status("answered", order=9)), executed(5), 1, "order 9"),
    ],
)
def test_every_breach_is_noticed(breach: Story, books: Books, times: int, complaint: str) -> None:
    assert any(complaint in sentence for sentence in story_against(breach, books, arrived(times)))


def test_a_fate_that_changes_is_noticed() -> None:
    changed = story(now=status("not_found"))
    changed.take(status("answered"))
    assert any("changed" in sentence for sentence in story_against(changed, executed(5), arrived(1)))


def test_an_order_that_nobody_sent_is_noticed() -> None:
    assert stray([], executed(5), arrived(1)) != []
    assert stray([story(now=NONE)], executed(5), arrived(1)) == []


FILLED = Event(1, "filled", 105, 5, "ID")
STORIES = {"ID": story(ACKNOWLEDGED, now=status("answered"))}


def test_events_that_are_told_once_pass() -> None:
    assert events_against({0: [FILLED]}, [FILLED], STORIES, executed(5)) == []


@pytest.mark.parametrize(
    ("own", "everybodys", "complaint"),
    [
        ([FILLED, replace(FILLED, number=2)], [FILLED], "told twice"),
        ([replace(FILLED, number=2)], [FILLED], "a hole"),
        ([], [FILLED], "never told to strategy 0"),
        ([FILLED], [], "never told to all"),
        ([replace(FILLED, client_order_id="OTHER")], [FILLED], "was told as OTHER's"),
        ([FILLED, Event(2, "filled", 106, 6, None)], [FILLED], "isn't strategy 0's"),
    ],
)
def test_events_that_lack_or_repeat_are_noticed(own: list[Event], everybodys: list[Event], complaint: str) -> None:
    assert any(complaint in sentence for sentence in events_against({0: own}, everybodys, STORIES, executed(5)))
