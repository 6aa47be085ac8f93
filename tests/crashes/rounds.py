"""Rounds of kills and freezes against a gateway under load, and the comparison after each of them.

A round: the strategies trade; its plan is carried out; what died is brought back; the strategies rest; every order that
is still open is asked for, and all that was told is compared with the terminal's own books. Every so many rounds the
folder is changed for a fresh one, after every order that was ever sent in it was asked for once more.
"""

import json
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from clients import Client
from clients.events import decode_event
from gateway.journalreader import examine
from gateway.wire.errors import GatewayError
from tests.crashes.injection.crash_points import POINTS, Do, When
from tests.crashes.ledger import Arrivals, Books, read_books
from tests.crashes.plans import Armed, Plan
from tests.crashes.stack import ACCOUNT, BACK_WITHIN_S, Broken, Stack, waited
from tests.crashes.tally import Tally
from tests.crashes.verdicts import Event, Story, events_against, story_against, stray

__all__ = ("Folder",)

CLASSIFIED_WITHIN_S: Final = 30.0
"""An order that is still in doubt so long after everything is back will stay so."""

COMMON_WITHIN_S: Final = 1.5
RARE_WITHIN_S: Final = 8.0
"""How long a round waits for a process to come to its point: one that every order passes, and any other."""

TOLD_WITHIN_S: Final = 10.0
"""How long the events of the last deals are waited for; the gateway looks for them four times a second."""

SLOW_S: Final = 10.0
"""A service that was away for so long is worth a line."""

PAGE: Final = 256
MAX_LISTED: Final = 1_000
"""Orders in an answer to `client_orders`: the last ones (PROTOCOL.md)."""


@dataclass
class Folder:
    """One state folder under test: its processes, and all that is known of its orders."""

    stack: Stack
    tally: Tally
    stories: dict[str, Story] = field(default_factory=dict)
    own_events: dict[int, list[Event]] = field(default_factory=dict)
    all_events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.arrivals = Arrivals(self.stack.state_dir / "arrivals.log")
        self._offsets: Counter[int] = Counter()
        self._thawing: list[tuple[float, int, bool, str]] = []  # when, whom, whether to kill it then, its title
        self._hit_ns = 0  # wall clock, of the last kill, freeze or thaw
        self._back_ns = 0
        self._log_offset = 0

    # --- a folder's life --------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Start everything."""
        self.tally.folders += 1
        self.stack.start()
        self._bring_back()
        self.stack.keep_running()

    def play(self, plan: Plan) -> None:
        """Play one round; what breaks a promise goes into the tally. Raises Broken where nothing can go on."""
        began = time.monotonic()
        self._hit_ns = 0
        self._trade(plan)
        self._rest()
        away_s, lacking = self._bring_back()
        if away_s > SLOW_S:
            self.tally.slow.append(f"round {plan.number}: {away_s:.1f} s, {lacking}; {plan}")
        self.check(only_open=True)
        self.tally.rounds += 1
        self.tally.round_s.append(time.monotonic() - began)

    def close(self) -> None:
        """Ask for everything once more, end the gateway in order, and look at what it leaves."""
        self._rest()
        self._bring_back()
        self.check(only_open=False)
        books = self._books()
        status = self.stack.stop()
        left = self.stack.left_behind()
        if status != 0:
            self._against(f"the gateway ended with {status}, asked to stop")
        if left:
            self._against(f"{len(left)} processes ran on without their supervisor")
        for segment in examine(self.stack.state_dir / "journal"):
            if segment.problem:
                self._against(f"{segment.path.name}: {segment.problem}")
        self._compare_store(books)
        self.tally.orders += len(self.stories)
        self.tally.deals += len(books.trades)
        self.tally.events += len(self.all_events)
        for story in self.stories.values():
            self.tally.fates[story.now["state"]] += 1

    def end(self) -> None:
        """End everything at once."""
        self.stack.stop()
        self.stack.left_behind()

    # --- a round ----------------------------------------------------------------------------------------------------

    def _trade(self, plan: Plan) -> None:
        stack, board = self.stack, self.stack.board
        board.let_trade(True)
        self._supervise(time.monotonic() + plan.trading_s)
        pids = stack.processes()
        for armed in plan.armed:
            board.arm(armed.name, armed.count, armed.do, other=pids.get(armed.partner, 0), seed=armed.seed)
        began = time.monotonic()
        strikes = list(plan.strikes)
        waiting = list(plan.armed)
        patience_s = plan.patience_s or max((_patience_s(armed) for armed in plan.armed), default=0.0)
        while strikes or waiting or self._thawing:
            now = time.monotonic()
            while strikes and now - began >= strikes[0].at_s:
                strike = strikes.pop(0)
                if strike.frozen_s:
                    self._frozen(stack.freeze(strike.victim), strike.victim, strike.frozen_s, strike.then_killed)
                elif stack.kill(strike.victim):
                    self._killed(strike.victim)
            for armed in list(waiting):
                pid = board.fired(armed.name)
                if pid:
                    waiting.remove(armed)
                    self._fired(armed, pid)
            if waiting and not strikes and now - began > patience_s:
                self.tally.not_reached.update(armed.name for armed in waiting)
                waiting.clear()
                board.disarm()
            self._supervise(now + 0.01)
        board.disarm()
        for armed in plan.armed:  # between the last look and now
            if board.fired(armed.name) and armed.do & Do.STOP:
                stack.thaw(board.fired(armed.name))

    def _supervise(self, until: float) -> None:
        """Do what is due, and keep running what nobody else keeps running."""
        while True:
            for thawing in [item for item in self._thawing if item[0] <= time.monotonic()]:
                self._thawing.remove(thawing)
                _, pid, then_killed, title = thawing
                if then_killed:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                    self._killed(title)
                self.stack.thaw(pid)
                self._hit_ns = time.time_ns()
            for wrong in self.stack.keep_running():
                self._against(wrong)
            if time.monotonic() >= until:
                return
            time.sleep(0.005)

    def _fired(self, armed: Armed, pid: int) -> None:
        self.tally.fired[armed.name] += 1
        self._hit_ns = time.time_ns()
        if armed.do & Do.KILL_OTHER:
            self.tally.kills[_kind(armed.partner)] += 1
        if armed.do & Do.KILL:
            self.tally.kills[f"at {armed.name}"] += 1
        if armed.do & Do.STOP:
            self._frozen(pid, f"at {armed.name}", armed.frozen_s, armed.then_killed)

    def _killed(self, title: str) -> None:
        self.tally.kills[_kind(title)] += 1
        self._hit_ns = time.time_ns()

    def _frozen(self, pid: int, title: str, seconds: float, then_killed: bool) -> None:
        if pid:
            self.tally.freezes[_kind(title)] += 1
            self._hit_ns = time.time_ns()
            self._thawing.append((time.monotonic() + seconds, pid, then_killed, title))

    # --- back, and at rest ------------------------------------------------------------------------------------------

    def _rest(self) -> None:
        """Bring the strategies to rest: none has an order under way then."""
        board, stack = self.stack.board, self.stack
        board.let_trade(False)

        def all_rest() -> bool:
            for wrong in stack.keep_running():
                self._against(wrong)
            return all(board.resting(index) == life.process.pid for index, life in enumerate(stack.lives))

        if not waited(all_rest):
            raise Broken("the strategies don't come to rest")

    def _bring_back(self) -> tuple[float, str]:
        """Wait until everything is there again, and every order's fate is known.

        Return how long the service was away since the last kill or freeze, and what was the last thing to come back.
        """
        stack = self.stack
        away_s, lacking = 0.0, [""]
        with stack.client("harness") as client:
            self._back_ns = self._hit_ns
            away: list[Callable[[], bool]] = [stack.terminal_answers, lambda: _answers(client)]

            def is_back() -> bool:
                for wrong in stack.keep_running():
                    self._against(wrong)
                while away and away[0]():
                    away.pop(0)
                    if not away:
                        self._back_ns = time.time_ns()
                missing = "the terminal, or the broker" if away else stack.missing(client)
                lacking[0] = missing or lacking[0]
                return not missing

            if not waited(is_back):
                raise Broken(f"after {BACK_WITHIN_S:.0f} s there is still {stack.missing(client)}")
            if self._hit_ns:
                away_s = (time.time_ns() - self._hit_ns) / 1e9
                self.tally.back_after_s.append(away_s)
            waited(lambda: _is_settled(client), CLASSIFIED_WITHIN_S, 0.02)  # what isn't then, `check` shows
        return away_s, lacking[0]

    # --- the comparison ---------------------------------------------------------------------------------------------

    def check(self, *, only_open: bool) -> None:
        """Ask for every order (that is open still, or was told of since), and compare."""
        self._read_notes()
        asked = {
            order_id: story
            for order_id, story in self.stories.items()
            if not only_open or not story.is_over or len(story.told) > story.checked
        }
        doubted = [story for story in asked.values() if not story.is_over and story.fates & {"unknown", "lost"}]
        for index in range(self.stack.strategies):
            mine = {order_id: story for order_id, story in asked.items() if story.strategy == index}
            self._ask(index, mine, with_list=not only_open)
        self._note_times(doubted)
        books = self._books()
        self.arrivals.read()
        for story in asked.values():
            for wrong in story_against(story, books, self.arrivals):
                self._against(f"{story.order_id} of strategy {story.strategy}: {wrong}", story)
            story.checked = len(story.told)
        for wrong in stray(self.stories.values(), books, self.arrivals):
            self._against(wrong)
        self._check_events(books, all_again=not only_open)
        self._check_log()

    def _check_log(self) -> None:
        """Nobody ends by its own fault: whoever dies was killed."""
        with (self.stack.state_dir / "log").open(errors="replace") as file:
            file.seek(self._log_offset)
            lines = file.read().splitlines()
            self._log_offset = file.tell()
        for number, line in enumerate(lines):
            if "Traceback (most recent call last)" in line or "is dead: exited with" in line:
                self._against("\n    ".join(lines[max(number - 2, 0) : number + 30]))
                return

    def _ask(self, index: int, mine: dict[str, Story], *, with_list: bool) -> None:
        with self.stack.client(f"strategy-{index}", timeout=10.0) as client:
            ids = list(mine)
            for start in range(0, len(ids), PAGE):
                pendings = [client.submit("order_status", order_id) for order_id in ids[start : start + PAGE]]
                for order_id, status in zip(ids[start:], client.gather(pendings), strict=False):
                    if status["client_order_id"] != order_id:
                        self._against(f"asked for {order_id}, told of {status['client_order_id']}")
                    mine[order_id].take(status)
            if with_list:
                listed = {told["client_order_id"]: told["state"] for told in client.call("client_orders")}
                for order_id, state in listed.items():
                    if order_id not in mine:
                        self._against(f"order {order_id} is listed as strategy {index}'s, and it never sent it")
                    elif mine[order_id].now["state"] != state:
                        self._against(f"order {order_id} is {mine[order_id].now['state']}, and listed as {state}")
                for order_id, story in mine.items():
                    if story.now["state"] != "none" and order_id not in listed and len(listed) < MAX_LISTED:
                        self._against(f"order {order_id} is {story.now['state']}, and isn't listed")

    def _note_times(self, doubted: list[Story]) -> None:
        for story in doubted:
            state = story.now["state"]
            self.tally.doubted[state] += 1
            if state in ("answered", "refused", "not_found") and story.now["settled_ns"]:
                late_s = max(0.0, (story.now["settled_ns"] - self._back_ns) / 1e9)
                (self.tally.absent_after_s if state == "not_found" else self.tally.shown_after_s).append(late_s)

    def _read_notes(self) -> None:
        for index in range(self.stack.strategies):
            path = self.stack.notes(index)
            if not path.exists():
                continue
            with path.open() as file:
                file.seek(self._offsets[index])
                for line in file:
                    self._note(index, json.loads(line))
                self._offsets[index] = file.tell()

    def _note(self, index: int, note: dict[str, Any]) -> None:
        if "intent" in note:
            self.stories[note["intent"]["client_order_id"]] = Story(index, note["intent"])
        elif "told" in note:
            self.tally.told[note["fate"]] += 1
            self.stories[note["told"]].told.append(note)
        else:
            self._against(f"strategy {index}: {note}")

    def _books(self) -> Books:
        return read_books(self.stack.address, ACCOUNT)

    def _check_events(self, books: Books, *, all_again: bool) -> None:
        """Read the events that are new, wait for those of the last deals; in the end read all again: they must be the
        same under the same numbers."""
        indexes = range(self.stack.strategies)

        def read() -> list[str]:
            for index in indexes:
                known = self.own_events.setdefault(index, [])
                known += self._events(f"strategy-{index}", len(known) + 1)
            self.all_events += self._events("auditor", len(self.all_events) + 1)
            return events_against(self.own_events, self.all_events, self.stories, books)

        wrong: list[str] = []

        def is_complete() -> bool:
            wrong[:] = read()
            return not wrong

        if not waited(is_complete, 0.0 if self.tally.violations else TOLD_WITHIN_S, 0.1):
            for sentence in wrong:
                self._against(sentence)
        if all_again:
            for index in indexes:
                if self._events(f"strategy-{index}", 1) != self.own_events[index]:
                    self._against(f"strategy {index}'s events are others than they were")
            if self._events("auditor", 1) != self.all_events:
                self._against("the events are others than they were")

    def _events(self, name: str, number: int) -> list[Event]:
        found: list[Event] = []
        with self.stack.client(name, observe=name == "auditor", timeout=10.0) as client:
            while True:
                page = client.call("events", number)["events"]
                for event in map(decode_event, page):
                    deal, order = event.deal, event.order
                    found.append(
                        Event(
                            event.number,
                            str(event.kind),
                            deal.ticket if deal else 0,
                            order.ticket if order else 0,
                            event.client_order_id,
                        )
                    )
                if not page:
                    return found
                number = found[-1].number + 1

    def _compare_store(self, books: Books) -> None:
        """Compare what the terminal showed last with what it has left on disk."""
        found = {}
        with closing(sqlite3.connect(next(self.stack.state_dir.glob("*.sqlite")))) as file:
            for table in ("history_deals", "positions", "orders", "history_orders"):
                found[table] = {ticket for (ticket,) in file.execute(f"SELECT ticket FROM {table}")}
        if not set(books.trades) <= found["history_deals"] or not set(books.ended) <= found["history_orders"]:
            self._against("the terminal's file lacks what the terminal has shown of its history")
        was = set(books.positions) | set(books.resting)
        gone = (
            was
            - found["positions"]
            - found["orders"]
            - found["history_orders"]
            - {deal.position_id for deal in books.trades.values()}
        )
        if gone:
            self._against(f"the terminal's file lacks {sorted(gone)}")

    def _against(self, sentence: str, story: Story | None = None) -> None:
        """Note a broken promise, with all that is known of its order."""
        text = f"round {self.tally.rounds}, {self.stack.state_dir}: {sentence}"
        if story is not None:
            arrived = self.arrivals.times.get(story.magic, 0), self.arrivals.retcodes.get(story.magic, [])
            text += f"\n    request {story.request}\n    told {story.told}\n    now {story.now}\n    arrived {arrived}"
        self.tally.violations.append(text)


def _answers(client: Client) -> bool:
    try:
        client.ping()
    except GatewayError:
        return False
    return True


def _is_settled(client: Client) -> bool:
    try:
        told = client.call("stats")
    except GatewayError:
        return False
    return not told["unknown"] and not told["in_flight"]


def _patience_s(armed: Armed) -> float:
    point = next(point for point in POINTS if point.name == armed.name)
    return RARE_WITHIN_S if point.is_rare or When.TRADING not in point.when else COMMON_WITHIN_S


def _kind(title: str) -> str:
    return title if title.startswith("at ") else title.split()[0]
