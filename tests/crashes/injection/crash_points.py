"""Where a process can be made to end itself, and the shared memory through which it is told when.

Both the harness and the processes under test import this file, the latter by its own name (see `sitecustomize`). A
point that isn't armed costs one look at a word. Counting down isn't atomic over processes: two that pass one point at
the same time may count as one.
"""

import mmap
import os
import signal
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path
from typing import Final

__all__ = ("POINTS", "Board", "Do", "Point", "When")

MAX_STRATEGIES: Final = 16


class When(IntFlag):
    """What makes a process pass a point."""

    TRADING = 1  # orders
    STARTING = 2  # its own start, recovery included
    CHILD_DIES = 4  # the end of its child


class Do(IntFlag):
    """What happens at an armed point, in this order."""

    KILL_OTHER = 1  # the process whose id is given along
    STOP_OTHER = 2
    KILL = 4  # the process that passes
    STOP = 8


@dataclass(frozen=True, slots=True)
class Point:
    """One place in one kind of process."""

    name: str
    role: str
    when: When = When.TRADING
    is_rare: bool = False  # not passed with every order


POINTS: Final = (
    Point("broker.received-request", "broker"),
    Point("journal.before-write", "broker"),
    Point("journal.torn-write", "broker"),
    Point("journal.after-write", "broker"),
    Point("broker.before-calls", "broker"),
    Point("broker.after-calls", "broker"),
    Point("broker.received-return", "broker"),
    Point("broker.before-replies", "broker"),
    Point("broker.after-replies", "broker"),
    Point("journal.segment-opened", "broker", When.TRADING | When.STARTING, is_rare=True),
    Point("journal.before-drop", "broker", is_rare=True),
    Point("journal.after-drop", "broker", is_rare=True),
    Point("broker.before-generation", "broker", When.STARTING),
    Point("broker.after-generation", "broker", When.STARTING),
    Point("journal.before-recovery", "broker", When.STARTING),
    Point("journal.recovered", "broker", When.STARTING),
    Point("broker.recovered", "broker", When.STARTING),
    Point("broker.bound", "broker", When.STARTING),
    Point("worker.call-taken", "worker-child"),
    Point("worker.before-begun", "worker-child"),
    Point("worker.after-begun", "worker-child"),
    Point("worker.request-written", "worker-child"),
    Point("worker.executed", "worker-child"),
    Point("worker.after-return", "worker-child"),
    Point("worker.reading-ledger", "worker-child", is_rare=True),
    Point("watchdog.child-dead", "worker", When.CHILD_DIES),
    Point("watchdog.child-reaped", "worker", When.CHILD_DIES),
    Point("watchdog.goodbye-said", "worker", When.CHILD_DIES),
    Point("watchdog.child-started", "worker", When.CHILD_DIES),
    Point("terminal.order-arrived", "simulator"),
    Point("terminal.executed", "simulator"),
    Point("store.in-transaction", "simulator"),
    Point("store.before-commit", "simulator"),
    Point("store.after-commit", "simulator"),
    Point("terminal.before-answer", "simulator"),
    Point("terminal.after-answer", "simulator"),
    Point("terminal.loaded", "simulator", When.STARTING),
    Point("supervisor.child-started", "supervisor", When.STARTING | When.CHILD_DIES),
    Point("strategy.intent-kept", "strategy"),
    Point("strategy.sent", "strategy"),
    Point("strategy.answered", "strategy"),
)

_INDEX: Final = {point.name: index for index, point in enumerate(POINTS)}
_COUNTDOWN, _DO, _OTHER, _SEED, _FIRED_PID, _PASSES = range(6)
_WORDS: Final = 8  # to a point
_GO, _STRATEGIES = 0, 8  # words before the points
_FIRST: Final = _STRATEGIES + MAX_STRATEGIES
BOARD_BYTES: Final = 8 * (_FIRST + _WORDS * len(POINTS))


class Board:
    """The shared memory: which points are armed, which have fired, and whether the strategies are to trade."""

    def __init__(self, path: Path | str) -> None:
        """Map the file; make it if there is none."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size < BOARD_BYTES:
                os.truncate(descriptor, BOARD_BYTES)
            self._words = memoryview(mmap.mmap(descriptor, BOARD_BYTES)).cast("Q")
        finally:
            os.close(descriptor)

    # The harness's side.

    def arm(self, name: str, count: int, do: Do, *, other: int = 0, seed: int = 0) -> None:
        """Let `do` happen at the `count`-th pass from now on; `other`: a process id, `seed`: where a write is torn."""
        base = self._base(name)
        words = self._words
        words[base + _DO], words[base + _OTHER], words[base + _SEED], words[base + _FIRED_PID] = do, other, seed, 0
        words[base + _COUNTDOWN] = count

    def disarm(self) -> None:
        """Arm nothing any more."""
        for name in _INDEX:
            self._words[self._base(name) + _COUNTDOWN] = 0

    def fired(self, name: str) -> int:
        """Return the process at which an armed point has fired; 0: none yet."""
        return self._words[self._base(name) + _FIRED_PID]

    def passes(self, name: str) -> int:
        """Return how often a point was passed."""
        return self._words[self._base(name) + _PASSES]

    def let_trade(self, on: bool) -> None:
        """Tell the strategies to trade, or to rest."""
        self._words[_GO] = on

    def resting(self, strategy: int) -> int:
        """Return the process id of the strategy's life that rests now; 0: none does."""
        return self._words[_STRATEGIES + strategy]

    # The processes' side.

    @property
    def may_trade(self) -> bool:
        """Whether strategies are to trade."""
        return self._words[_GO] != 0

    def rest(self, strategy: int, is_resting: bool) -> None:
        """Say that a strategy has come to rest, or goes on."""
        self._words[_STRATEGIES + strategy] = os.getpid() if is_resting else 0

    def passing(self, name: str) -> None:
        """Pass a point; may not return."""
        if self.is_due(name):
            self.strike(name)

    def is_due(self, name: str) -> bool:
        """Count one pass of a point; tell whether it fires now: then `strike` is to follow."""
        base = self._base(name)
        words = self._words
        words[base + _PASSES] += 1
        left = words[base + _COUNTDOWN]
        if not left:
            return False
        words[base + _COUNTDOWN] = left - 1
        return left == 1

    def seed(self, name: str) -> int:
        """Return the number that a point was armed with."""
        return self._words[self._base(name) + _SEED]

    def strike(self, name: str) -> None:
        """Do what a point is armed for; returns only where this process isn't killed."""
        base = self._base(name)
        do, other = Do(self._words[base + _DO]), self._words[base + _OTHER]
        self._words[base + _FIRED_PID] = os.getpid()
        for what, victim, number in (
            (Do.KILL_OTHER, other, signal.SIGKILL),
            (Do.STOP_OTHER, other, signal.SIGSTOP),
            (Do.KILL, os.getpid(), signal.SIGKILL),
            (Do.STOP, os.getpid(), signal.SIGSTOP),
        ):
            if do & what and victim:
                try:
                    os.kill(victim, number)
                except ProcessLookupError:
                    continue  # the other has ended by itself meanwhile

    @staticmethod
    def _base(name: str) -> int:
        return _FIRST + _WORDS * _INDEX[name]
