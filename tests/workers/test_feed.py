"""The feed's child, between a terminal and a publisher of the test's own."""

import contextlib
import dataclasses
import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from gateway.process import Beat, State, Stop
from gateway.settings import FeedSettings
from gateway.terminal.port import Login
from gateway.wire import codec
from gateway.wire.messages import FeedKind, FeedReady, Want
from gateway.wire.structs import TICK_DTYPE, AccountInfo, TerminalInfo, Tick
from gateway.workers import feed as feed_module
from gateway.workers.feed import Feed

DEADLINE_S = 60.0
START_MSC = 1_700_000_000_000


def wait_until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited {DEADLINE_S:.0f} s for: {what}")
        time.sleep(0.002)


def blank(kind: Any, **fields: Any) -> Any:
    empty = {int: 0, float: 0.0, bool: False, str: ""}
    return kind([fields.get(name, empty.get(of)) for name, of in kind.__annotations__.items()])


class FakeTerminal:
    """Symbols with their histories; what is asked of each is remembered."""

    def __init__(self) -> None:
        self.history: dict[str, np.ndarray] = {}
        self.login = 1
        self.connected = False
        self.error = (1, "Success")
        self.asked: list[tuple[str, str]] = []

    def add(self, symbol: str, times: list[int]) -> None:
        """Let ticks come in, at these milliseconds behind the start."""
        old = self.history.get(symbol, np.zeros(0, TICK_DTYPE))
        ticks = np.zeros(len(times), TICK_DTYPE)
        ticks["time_msc"] = np.asarray(times, dtype=np.int64) + START_MSC
        ticks["time"] = ticks["time_msc"] // 1_000
        ticks["bid"] = range(len(old), len(old) + len(times))
        self.history[symbol] = np.concatenate([old, ticks])

    def initialize(self, _login: Login) -> bool:
        self.connected = True
        return True

    def call(self, name: str, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Any:
        self.error = (1, "Success")
        if not self.connected:
            self.error = (-10004, "No IPC connection")
            return None
        if name == "account_info":
            return blank(AccountInfo, login=self.login, server="Demo")
        if name == "terminal_info":
            return blank(TerminalInfo, connected=True, path="/one")
        symbol = args[0]
        self.asked.append((name, symbol))
        ticks = self.history.get(symbol)
        if ticks is None:
            self.error = (-1, "Terminal: Call failed")
            return False if name == "symbol_select" else None
        if name == "symbol_select":
            return True
        if name == "symbol_info_tick":
            return Tick(ticks[-1].tolist()) if len(ticks) else blank(Tick)
        assert name == "copy_ticks_from"
        assert args[3] == -1
        return ticks[ticks["time_msc"] >= args[1] * 1_000][: args[2]]

    def last_error(self) -> tuple[int, str]:
        return self.error

    def shutdown(self) -> None:
        self.connected = False


AGES_NS = 10_000_000_000
"""More than any age between two rounds: what a feed says that vouches for nothing."""


class FakePublisher:
    """A ROUTER that keeps what feeds say, and answers as the publisher does."""

    def __init__(self, endpoint: str) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.LINGER, 0)
        self._router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._router.setsockopt(zmq.RCVHWM, 1)
        self._router.bind(endpoint)
        self.wants: list[Want] = []
        self.answers = True
        self.readies: list[FeedReady] = []
        self.ticks: dict[str, list[np.ndarray]] = {}
        self.cursors: dict[str, tuple[int, int]] = {}
        self.ages: list[int] = []
        self.missing: list[tuple[str, str]] = []
        self.goodbyes: list[Any] = []
        self.order: list[str] = []
        self._identity = b""

    def want(self, *symbols: str) -> None:
        """Ask for these symbols, each from behind what was received."""
        self.wants = [Want(symbol, *self.cursors.get(symbol, (0, 0))) for symbol in symbols]
        if self._identity:
            self._send(codec.encode_want(self.wants))

    def _send(self, frame: bytes) -> None:
        with contextlib.suppress(zmq.ZMQError):
            self._router.send_multipart([self._identity, frame])

    def listen(self, limit: int = 1_000) -> None:
        for _ in range(limit):
            try:
                identity, frame = self._router.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            kind = codec.worker_kind(frame)
            if kind == FeedKind.READY:
                self.readies.append(codec.decode_feed_ready(frame))
                self._identity = identity
                if self.answers:
                    self.want(*(want.symbol for want in self.wants))
            elif identity != self._identity:
                continue
            elif kind == FeedKind.HEARTBEAT:
                self.ages.append(codec.decode_heartbeat(frame)[2])
                if self.answers:
                    self._send(codec.encode_heartbeat())
            elif kind == FeedKind.TICKS:
                symbol, *cursor, data = codec.decode_feed_ticks(frame)
                self.cursors[symbol] = (cursor[0], cursor[1])
                self.ticks.setdefault(symbol, []).append(np.frombuffer(data, TICK_DTYPE))
                self.order.append(symbol)
            elif kind == FeedKind.NO_SYMBOL:
                self.missing.append(codec.decode_no_symbol(frame))
            else:
                self.goodbyes.append(codec.decode_goodbye(frame))

    def until(self, condition: Callable[[], object], what: str) -> None:
        wait_until(lambda: (self.listen(), condition())[1], what)

    def received(self, symbol: str) -> list[int]:
        """The numbers (bids) of the ticks that came."""
        return [int(bid) for rows in self.ticks.get(symbol, []) for bid in rows["bid"]]

    def receives(self, symbol: str, numbers: list[int]) -> None:
        self.until(lambda: len(self.received(symbol)) >= len(numbers), f"{len(numbers)} ticks of {symbol}")
        assert self.received(symbol) == numbers

    def close(self) -> None:
        self._router.close()
        self._context.term()


@pytest.fixture
def endpoint() -> Iterator[str]:
    path = Path(tempfile.mkdtemp(prefix="mt5g", dir="/tmp"))
    yield f"ipc://{path}/feeds.ipc"
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def terminal() -> FakeTerminal:
    terminal = FakeTerminal()
    terminal.add("EURUSD", [0, 10, 10])
    return terminal


@pytest.fixture
def publisher(endpoint: str) -> Iterator[FakePublisher]:
    publisher = FakePublisher(endpoint)
    yield publisher
    publisher.close()


class RunningFeed:
    """A feed's loop in a thread of the test's process."""

    def __init__(self, settings: FeedSettings, terminal: FakeTerminal) -> None:
        self.stop = Stop()
        self.beat = Beat()
        self.feed = Feed(settings, 5, terminal, self.beat, self.stop, logging.getLogger("test"), lambda: 0.0)
        self.thread = threading.Thread(target=self.feed.run)
        self.thread.start()

    def end(self) -> None:
        self.stop.request()
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive()


@pytest.fixture
def start_feed(endpoint: str, terminal: FakeTerminal) -> Iterator[Callable[..., RunningFeed]]:
    settings = FeedSettings(name="demo", account="demo", publisher=endpoint)
    started: list[RunningFeed] = []

    def start(**changes: Any) -> RunningFeed:
        started.append(RunningFeed(dataclasses.replace(settings, **changes), terminal))
        return started[-1]

    yield start
    for feed in started:
        feed.end()
        feed.stop.close()


Start = Callable[..., RunningFeed]


def test_feed_introduces_itself_and_begins_at_the_last_tick(
    publisher: FakePublisher, start_feed: Start, terminal: FakeTerminal
) -> None:
    publisher.want("EURUSD")
    feed = start_feed(symbols=("EURUSD",))
    publisher.receives("EURUSD", [1, 2])  # the last tick's whole millisecond
    assert publisher.readies == [("demo", 5, "demo", ("EURUSD",))]
    assert publisher.cursors["EURUSD"] == (START_MSC + 10, 1)
    terminal.add("EURUSD", [10, 20, 1_500])
    publisher.receives("EURUSD", [1, 2, 3, 4, 5])
    wait_until(lambda: feed.beat.state == State.READY, "the feed's beat to say so")


def test_history_is_read_from_since_on(publisher: FakePublisher, start_feed: Start, terminal: FakeTerminal) -> None:
    terminal.add("EURUSD", [20 + index // 3 for index in range(20_000)])
    publisher.want("EURUSD")
    start_feed(since=START_MSC // 1_000)
    publisher.receives("EURUSD", list(range(20_003)))
    terminal.add("EURUSD", [60_000])
    publisher.receives("EURUSD", list(range(20_004)))


def test_cursor_of_a_want_is_continued_behind(publisher: FakePublisher, start_feed: Start) -> None:
    publisher.cursors["EURUSD"] = (START_MSC + 10, 0)
    publisher.want("EURUSD")
    start_feed()
    publisher.receives("EURUSD", [2])


def test_symbol_without_a_tick_begins_with_its_first(
    publisher: FakePublisher, start_feed: Start, terminal: FakeTerminal
) -> None:
    terminal.add("NEW", [])
    publisher.want("NEW")
    start_feed()
    publisher.until(lambda: ("symbol_info_tick", "NEW") in terminal.asked, "the feed to look at it")
    terminal.add("NEW", [5])
    publisher.receives("NEW", [0])


def test_symbols_come_and_go_with_want(publisher: FakePublisher, start_feed: Start, terminal: FakeTerminal) -> None:
    terminal.add("USDJPY", [0])
    start_feed()
    publisher.until(lambda: publisher.readies, "READY")
    publisher.want("USDJPY")
    publisher.receives("USDJPY", [0])
    assert ("symbol_info_tick", "EURUSD") not in terminal.asked
    publisher.want("EURUSD")
    publisher.receives("EURUSD", [1, 2])
    terminal.asked.clear()
    terminal.add("USDJPY", [10, 20])
    publisher.until(lambda: len(terminal.asked) > 5, "some rounds")
    assert {symbol for _, symbol in terminal.asked} == {"EURUSD"}
    publisher.want("EURUSD", "USDJPY")
    publisher.receives("USDJPY", [0, 1, 2])


def test_unknown_symbol_is_reported_once(publisher: FakePublisher, start_feed: Start) -> None:
    publisher.want("NOPE", "EURUSD")
    start_feed()
    publisher.receives("EURUSD", [1, 2])
    publisher.want("EURUSD", "NOPE")
    publisher.until(lambda: len(publisher.ages) > 2, "some rounds")
    assert publisher.missing == [("NOPE", "Terminal: Call failed")]


def test_long_history_of_one_symbol_does_not_keep_the_others_waiting(
    publisher: FakePublisher, start_feed: Start, terminal: FakeTerminal
) -> None:
    terminal.add("LONG", list(range(100_000)))
    publisher.want("LONG", "EURUSD")
    start_feed(since=START_MSC // 1_000)
    publisher.receives("EURUSD", [0, 1, 2])
    assert publisher.order.index("EURUSD") <= 1
    publisher.receives("LONG", list(range(100_000)))


def test_publisher_that_does_not_read_loses_nothing(
    publisher: FakePublisher, start_feed: Start, terminal: FakeTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "HWM", 1)
    terminal.add("EURUSD", list(range(20, 400_020)))
    publisher.want("EURUSD")
    start_feed(since=START_MSC // 1_000)
    while len(publisher.received("EURUSD")) < 20_000:
        publisher.listen(1)
    publisher.receives("EURUSD", list(range(400_003)))


def test_what_was_lost_with_a_line_is_read_again(
    publisher: FakePublisher, start_feed: Start, terminal: FakeTerminal
) -> None:
    publisher.want("EURUSD")
    start_feed()
    publisher.receives("EURUSD", [1, 2])
    publisher.answers = False  # the feed gives the line up, and what it sends on the next one isn't taken
    publisher.until(lambda: len(publisher.readies) > 1, "another READY")
    terminal.add("EURUSD", [20, 30])
    publisher.answers = True
    publisher.receives("EURUSD", [1, 2, 3, 4])


def test_new_publisher_gets_what_comes_after(
    endpoint: str, publisher: FakePublisher, start_feed: Start, terminal: FakeTerminal
) -> None:
    publisher.want("EURUSD")
    start_feed()
    publisher.receives("EURUSD", [1, 2])
    publisher.close()
    publisher.__init__(endpoint)  # type: ignore[misc]
    publisher.want("EURUSD")
    publisher.until(lambda: publisher.readies, "READY")
    terminal.add("EURUSD", [20])
    publisher.receives("EURUSD", [3])


def test_lost_terminal_costs_no_tick(publisher: FakePublisher, start_feed: Start, terminal: FakeTerminal) -> None:
    publisher.want("EURUSD")
    start_feed()
    publisher.receives("EURUSD", [1, 2])
    terminal.asked.clear()
    terminal.connected = False
    terminal.add("EURUSD", [20])
    publisher.receives("EURUSD", [1, 2, 3])
    assert terminal.asked[0] == ("symbol_select", "EURUSD")


def test_heartbeat_tells_the_age_of_the_last_round(
    publisher: FakePublisher, start_feed: Start, terminal: FakeTerminal
) -> None:
    publisher.want("EURUSD")
    start_feed()
    publisher.receives("EURUSD", [1, 2])
    publisher.ages.clear()
    publisher.until(lambda: publisher.ages, "a heartbeat")
    terminal.login = 2  # another account's quotes are no quotes of ours
    publisher.until(lambda: publisher.ages[-1] > 500_000_000, "the age to grow")
    terminal.login = 1
    publisher.until(lambda: publisher.ages[-1] < 500_000_000, "the age to fall")


def test_feed_vouches_for_nothing_before_it_has_asked(
    publisher: FakePublisher, start_feed: Start, terminal: FakeTerminal
) -> None:
    publisher.want("EURUSD")
    start_feed()
    publisher.until(lambda: publisher.ages, "a heartbeat")
    assert publisher.ages[0] >= AGES_NS
    publisher.until(lambda: publisher.ages[-1] < 1_000_000_000, "the age to fall")


def test_symbol_wanted_anew_makes_every_quote_doubtful_until_it_has_caught_up(
    publisher: FakePublisher, start_feed: Start, terminal: FakeTerminal
) -> None:
    publisher.want("EURUSD")
    start_feed()
    publisher.until(lambda: publisher.ages and publisher.ages[-1] < 1_000_000_000, "a current quote")
    publisher.ages.clear()
    publisher.want("EURUSD", "USDJPY")
    publisher.until(lambda: any(age >= AGES_NS for age in publisher.ages), "the doubt")
    publisher.until(lambda: publisher.ages[-1] < 1_000_000_000, "the age to fall")


def test_rejected_feed_asks_again(publisher: FakePublisher, start_feed: Start) -> None:
    publisher.answers = False
    start_feed()
    publisher.until(lambda: publisher.readies, "READY")
    publisher._send(codec.encode_reject(100, "another feed has this name"))
    publisher.answers = True
    publisher.want("EURUSD")
    publisher.receives("EURUSD", [1, 2])


def test_feed_says_goodbye(publisher: FakePublisher, start_feed: Start, terminal: FakeTerminal) -> None:
    publisher.want("EURUSD")
    feed = start_feed()
    publisher.receives("EURUSD", [1, 2])
    feed.end()
    publisher.until(lambda: publisher.goodbyes, "GOODBYE")
    assert publisher.goodbyes == [("demo", 5, "drained")]
    assert not terminal.connected


def test_malformed_message_is_survived(publisher: FakePublisher, start_feed: Start) -> None:
    publisher.want("EURUSD")
    feed = start_feed()
    publisher.receives("EURUSD", [1, 2])
    for frame in (b"\xc1", codec.pack([1, 99]), codec.pack([1, int(FeedKind.WANT), 5])):
        publisher._send(frame)
    publisher.until(lambda: feed.feed.malformed == 3, "the feed to count them")
    publisher.ages.clear()
    publisher.until(lambda: publisher.ages, "the feed to go on")
