"""The watchdog: one child at a time, each with a greater epoch, and GOODBYE for the dead alone."""

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.process import EXIT_REFUSED, Backoff, Beat, State, Stop
from gateway.workers.watchdog import Watchdog


class FakeLife:
    """A child without a process: it ends when it is killed, or told to."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.pid = 1
        self.beat = Beat()
        self.killed_for = ""
        self.status: int | None = None
        self.hangs_for = ""
        self.stop_requested = False
        self.ended = False

    def poll(self) -> int | None:
        return self.status

    def watch(self, _now_ns: int) -> str:
        if self.hangs_for and not self.killed_for:
            self.killed_for = self.hangs_for
            return self.hangs_for
        return ""

    def request_stop(self) -> None:
        self.stop_requested = True

    def end(self) -> int:
        self.ended = True
        if self.status is None:
            self.status = -9
        return self.status


class Kennel:
    """A watchdog in a thread, and the lives that it began."""

    def __init__(self, endpoint: str) -> None:
        self.lives: list[FakeLife] = []
        self.stop = Stop()
        self.beat = Beat()
        self.status = -1
        logger = logging.getLogger("test")
        self._watchdog = Watchdog(
            "demo-all-1", endpoint, self._start, self.beat, self.stop, logger, Backoff(lambda: 0.0, first_ms=2)
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _start(self, epoch: int) -> FakeLife:
        self.lives.append(FakeLife(epoch))
        return self.lives[-1]

    def _run(self) -> None:
        self.status = self._watchdog.run()

    def end(self) -> None:
        for life in self.lives:
            life.status = 0 if life.status is None else life.status
        self.stop.request()
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture
def kennel(settings: Any, broker: Any, until: Callable[..., None]) -> Iterator[Kennel]:
    kennel = Kennel(settings.gateway)
    until(lambda: kennel.lives, "the first child")
    yield kennel
    kennel.end()
    kennel.stop.close()


def test_dead_child_is_told_and_followed_by_a_greater_epoch(kennel: Kennel, broker: Any, until: Any) -> None:
    first = kennel.lives[0]
    first.status = -9
    assert broker.goodbye() == ("demo-all-1", first.epoch, "ended by SIGKILL")
    until(lambda: len(kennel.lives) == 2, "the second child")
    assert kennel.lives[1].epoch > first.epoch
    assert first.ended


def test_unasked_end_is_told_even_if_its_status_is_zero(kennel: Kennel, broker: Any) -> None:
    kennel.lives[0].status = 0
    assert broker.goodbye().reason == "exited with status 0"


def test_hung_child_is_told_only_when_it_is_dead(kennel: Kennel, broker: Any, until: Any) -> None:
    first = kennel.lives[0]
    first.hangs_for = "a terminal call didn't return in time"
    until(lambda: first.killed_for, "the watchdog to kill it")
    broker.listen()
    assert broker.heard == []
    assert len(kennel.lives) == 1
    first.status = -9
    assert broker.goodbye().reason == "a terminal call didn't return in time"


def test_state_of_the_child_is_the_watchdogs(kennel: Kennel, broker: Any, until: Any) -> None:
    kennel.lives[0].beat.state = State.READY
    until(lambda: kennel.beat.state == State.READY, "the watchdog to be ready")
    kennel.lives[0].status = 1
    until(lambda: kennel.beat.state == State.WAITING, "the watchdog to be waiting")
    assert broker.goodbye().reason == "exited with status 1"


@pytest.mark.parametrize("by_beat", [False, True])
def test_request_to_stop_drains_the_child(kennel: Kennel, broker: Any, until: Any, by_beat: bool) -> None:
    if by_beat:
        kennel.beat.request_stop()
    else:
        kennel.stop.request()
    first = kennel.lives[0]
    until(lambda: first.stop_requested, "the child to be asked")
    assert kennel.status == -1
    first.status = 0
    until(lambda: kennel.status == 0, "the watchdog to end")
    broker.listen()
    assert broker.heard == []  # a child that drains says GOODBYE itself
    assert len(kennel.lives) == 1


def test_child_that_hangs_while_draining_is_killed_and_told(kennel: Kennel, broker: Any, until: Any) -> None:
    kennel.stop.request()
    first = kennel.lives[0]
    until(lambda: first.stop_requested, "the child to be asked")
    first.hangs_for = "a terminal call didn't return in time"
    until(lambda: first.killed_for, "the watchdog to kill it")
    first.status = -9
    assert broker.goodbye().reason == "a terminal call didn't return in time"
    until(lambda: kennel.status == 0, "the watchdog to end")


def test_child_that_cannot_run_as_told_ends_the_watchdog(kennel: Kennel, until: Any) -> None:
    kennel.lives[0].status = EXIT_REFUSED
    until(lambda: kennel.status == EXIT_REFUSED, "the watchdog to end")
    assert len(kennel.lives) == 1
