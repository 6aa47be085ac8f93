"""The promises, as rules over what clients were told, what the gateway says now, and what the terminal's books hold.

Pure: no process, no clock. Each rule returns sentences; none means that it holds.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.wire import constants as mt5
from gateway.wire.structs import TradeDeal
from tests.crashes.ledger import Arrivals, Books

__all__ = ("Event", "Story", "events_against", "story_against", "stray")

DONE: Final = (mt5.TRADE_RETCODE_DONE, mt5.TRADE_RETCODE_PLACED, mt5.TRADE_RETCODE_DONE_PARTIAL)
MAKES_AN_ORDER: Final = (mt5.TRADE_ACTION_DEAL, mt5.TRADE_ACTION_PENDING, mt5.TRADE_ACTION_CLOSE_BY)
FINAL: Final = ("answered", "refused", "not_found")


@dataclass
class Story:
    """One order from its intent on."""

    strategy: int
    request: dict[str, Any]
    told: list[dict[str, Any]] = field(default_factory=list)
    now: dict[str, Any] = field(default_factory=dict)  # what `order_status` said last
    final: tuple[Any, ...] = ()  # the first final state that it told
    checked: int = 0  # how much of `told` was compared

    @property
    def order_id(self) -> str:
        """The client's id for it."""
        return str(self.request["client_order_id"])

    @property
    def magic(self) -> int:
        """Its magic number, which nobody else has."""
        return int(self.request["magic"])

    @property
    def fates(self) -> set[str]:
        """Everything that was told of it."""
        return {told["fate"] for told in self.told}

    def take(self, status: dict[str, Any]) -> None:
        """Take what `order_status` says of it."""
        self.now = status
        if not self.final and status["state"] in FINAL:
            self.final = _gist(status)

    @property
    def is_over(self) -> bool:
        """Whether its fate is known to the gateway, or it never got there."""
        return self.now.get("state") in (*FINAL, "none")


@dataclass(frozen=True, slots=True)
class Event:
    """What an event says, as far as it is compared."""

    number: int
    kind: str
    deal: int
    order: int
    client_order_id: str | None


def _gist(status: dict[str, Any]) -> tuple[Any, ...]:
    result: Any = status.get("result")
    gist = (result[0], result[2], result[1]) if result else ()
    return status["state"], status.get("status"), *gist


def story_against(story: Story, books: Books, arrivals: Arrivals) -> list[str]:
    """Return what of an order's story breaks a promise."""
    wrong = [*_never_twice(story, books, arrivals), *_right_answers(story)]
    wrong += _told_the_truth(story, books, arrivals)
    wrong += _known_now(story, books, arrivals)
    return wrong


def _executed(story: Story, books: Books) -> bool:
    """Tell whether the books hold it: they can for what makes an order of its own."""
    if story.request["action"] == mt5.TRADE_ACTION_PENDING:
        return any(order.state != mt5.ORDER_STATE_REJECTED for order in books.orders.get(story.magic, ()))
    return bool(books.deals.get(story.magic))


def _never_twice(story: Story, books: Books, arrivals: Arrivals) -> list[str]:
    times, tickets = arrivals.times.get(story.magic, 0), {order.ticket for order in books.orders.get(story.magic, ())}
    wrong = [f"it left {times} times"] if times > 1 else []
    if len(tickets) > 1:
        wrong.append(f"it was executed {len(tickets)} times, as orders {sorted(tickets)}")
    if tickets and not times:
        wrong.append("it was executed, and never arrived: the check itself is wrong")
    return wrong


def _right_answers(story: Story) -> list[str]:
    return [
        f"the answer is another order's: magic {told['echo']}, comment {told['comment']!r}"
        for told in story.told
        if "echo" in told and (told["echo"], told["comment"]) != (story.magic, story.request["comment"])
    ]


def _told_the_truth(story: Story, books: Books, arrivals: Arrivals) -> list[str]:
    wrong = []
    fates, happened = story.fates, _executed(story, books)
    times = arrivals.times.get(story.magic, 0)
    makes = story.request["action"] in MAKES_AN_ORDER
    if "done" in fates:
        if makes and not happened:
            wrong.append("its client was told that it was done, and the terminal's books don't hold it")
        if not times:
            wrong.append("its client was told that it was done, and it never arrived")
    for fate in fates & {"refused", "never"}:
        if times:
            wrong.append(f"its client was told that it never reached the terminal ({fate}), and it arrived")
    for fate in fates & {"not_executed", "no"}:
        if happened:
            wrong.append(f"its client was told that it wasn't executed ({fate}), and it was")
    said = fates & {"done", "refused", "never", "not_executed", "no"}
    if len(said) > 1:
        wrong.append(f"its client was told different fates: {', '.join(sorted(said))}")
    return wrong


def _known_now(story: Story, books: Books, arrivals: Arrivals) -> list[str]:
    """Compare what the gateway says now with the books, and with what it said before."""
    if not story.now:
        return []
    wrong = []
    state: str = story.now["state"]
    result: Any = story.now.get("result")
    happened = _executed(story, books)
    is_done = state == "answered" and bool(result) and story.now["status"] == 0 and result[0] in DONE
    if state not in (*FINAL, "none"):
        wrong.append(f"it stays {state}")
    if story.final and state in FINAL and _gist(story.now) != story.final:
        wrong.append(f"its fate changed from {story.final} to {_gist(story.now)}")
    if story.final and state not in FINAL:
        wrong.append(f"its fate was {story.final}, and now it is {state}")
    if "done" in story.fates and not is_done:
        wrong.append(f"it was acknowledged as done, and now it is {_gist(story.now)}")
    if "refused" in story.fates and state not in ("refused", "none"):
        wrong.append(f"its client was told that it was refused, and now it is {state}")
    if "not_executed" in story.fates and state != "not_found":
        wrong.append(f"its client was told that it wasn't executed, and now it is {state}")
    if happened and not is_done:
        wrong.append(f"the terminal's books hold it, and the gateway says {_gist(story.now)}")
    if is_done and story.request["action"] in MAKES_AN_ORDER:
        tickets = {order.ticket for order in books.orders.get(story.magic, ())}
        if result[2] not in tickets:
            wrong.append(f"the gateway says that it is order {result[2]}, and the books say {sorted(tickets) or 'no'}")
    if state in ("refused", "none") and arrivals.times.get(story.magic):
        wrong.append(f"the gateway says {state}, and it arrived at the terminal")
    return wrong


def stray(stories: Iterable[Story], books: Books, arrivals: Arrivals) -> list[str]:
    """Return what is in the books or arrived though no strategy meant it."""
    known = {story.magic for story in stories}
    magics = set(books.orders) | set(books.deals) | set(arrivals.times)
    return [f"an order with magic number {magic} is at the terminal, and nobody sent it" for magic in magics - known]


def events_against(
    own: Mapping[int, list[Event]], everybodys: list[Event], stories: Mapping[str, Story], books: Books
) -> list[str]:
    """Return what of the events breaks a promise: `own` by strategy, `everybodys` the observer's."""
    wrong = []
    for name, events in (*((f"strategy {index}", events) for index, events in own.items()), ("all", everybodys)):
        numbers = [event.number for event in events]
        if numbers != list(range(1, len(numbers) + 1)):
            odd = next(number for place, number in enumerate(numbers, 1) if number != place)
            wrong.append(f"the numbers of {name}'s events have a hole, or come twice, near {odd}")
        twice = [deal for deal, count in Counter(event.deal for event in events if event.deal).items() if count > 1]
        wrong += [f"deal {deal} was told twice to {name}" for deal in twice]
    by_magic = {story.magic: story for story in stories.values()}
    wrong += _untold("all", {event.deal for event in everybodys}, books.trades)
    for index, events in own.items():
        mine = {
            ticket: deal
            for ticket, deal in books.trades.items()
            if deal.magic in by_magic and by_magic[deal.magic].strategy == index
        }
        told = {event.deal: event for event in events if event.deal}
        wrong += _untold(f"strategy {index}", set(told), mine)
        wrong += [f"deal {deal} isn't strategy {index}'s, and it was told of it" for deal in set(told) - set(mine)]
        for ticket, event in told.items():
            deal = mine.get(ticket)
            if deal is not None and deal.reason == mt5.DEAL_REASON_EXPERT:
                order_id = by_magic[deal.magic].order_id
                if event.client_order_id != order_id:
                    wrong.append(f"deal {ticket} of {order_id} was told as {event.client_order_id}'s")
    return wrong


def _untold(name: str, told: set[int], deals: Mapping[int, TradeDeal]) -> list[str]:
    return [f"deal {ticket} was never told to {name}" for ticket in sorted(set(deals) - told)]
