"""The small parent of a worker or a feed: it keeps one child alive, and ends it when it hangs.

The child calls the terminal, and such a call can hang with the interpreter locked: only another process can end it. The
watchdog never touches the terminal. It says GOODBYE for a child only once that child is dead and reaped, so that
whoever hears it may rely on it; and each child has a greater epoch than every one before.
"""

import logging
import random
from collections.abc import Callable
from typing import Final, Protocol

import zmq

from gateway.clock import monotonic_ns, wall_ns
from gateway.process import EXIT_REFUSED, Backoff, Beat, State, Stop, describe_exit
from gateway.wire import codec
from gateway.wire.messages import Goodbye

__all__ = ("Life", "Watchdog")

LOOK_NS: Final = 50_000_000
"""How often the child is looked at; its end is noticed at once where the system sends SIGCHLD."""

GOODBYE_LINGER_MS: Final = 2_000
"""How long a GOODBYE may wait for the connection; if the gateway isn't there, the next child's READY tells it."""


class Life(Protocol):
    """One life of the child; `process.Child` is the real one."""

    epoch: int
    killed_for: str

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def beat(self) -> Beat:
        """What it shows of itself."""

    def poll(self) -> int | None:
        """Return its exit status once it is dead and reaped."""

    def watch(self, now_ns: int) -> str:
        """Kill it if it hangs; return why."""

    def request_stop(self) -> None:
        """Ask it to finish."""

    def end(self) -> int:
        """Kill, reap and free it."""


class Watchdog:
    """Keeps one child alive until it is asked to stop."""

    def __init__(
        self,
        name: str,
        endpoint: str,
        start: Callable[[int], Life],
        beat: Beat,
        stop: Stop,
        logger: logging.Logger,
        backoff: Backoff | None = None,
    ) -> None:
        """`start` begins a life with the epoch it is given; `endpoint` is where its GOODBYEs go, "" for none."""
        self._name = name
        self._endpoint = endpoint
        self._start = start
        self._beat = beat
        self._stop = stop
        self._log = logger
        self._backoff = backoff or Backoff(random.random)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._child: Life | None = None
        self._epoch = 0
        self._start_at_ns = 0
        self._draining = False
        self._status = 0

    def run(self) -> int:
        """Keep the child alive until stopped; return the exit status of this process."""
        self._beat.start()
        try:
            while self._step():
                self._stop.wait(LOOK_NS)
            return self._status
        finally:
            if self._child is not None:
                self._bury()
            self._context.term()  # waits for the last GOODBYE, at most its linger

    def _step(self) -> bool:
        now_ns = monotonic_ns()
        self._beat.tick(now_ns)
        asked = self._stop.requested or self._beat.stop_requested
        child = self._child
        if child is None:
            if asked:
                return False
            if now_ns >= self._start_at_ns:
                self._begin(now_ns)
            return True
        status = child.poll()
        if status is not None:
            return self._ended(now_ns, status)
        self._beat.state = child.beat.state
        if asked and not self._draining:
            self._draining = True
            child.request_stop()
        reason = child.watch(now_ns)
        if reason:
            self._log.error("child %d is killed: %s", child.pid, reason)
        return True

    def _begin(self, now_ns: int) -> None:
        self._epoch = max(wall_ns(), self._epoch + 1)
        self._child = self._start(self._epoch)
        self._backoff.started(now_ns)
        self._log.debug("child %d started, epoch %d", self._child.pid, self._epoch)

    def _ended(self, now_ns: int, status: int) -> bool:
        """Take the child's end; return whether to go on."""
        self._beat.state = State.WAITING
        self._bury()
        if self._draining:
            return False
        if status == EXIT_REFUSED:
            self._status = status  # it said why, and would say it again
            return False
        delay_ns = self._backoff.failed(now_ns)
        self._start_at_ns = now_ns + delay_ns
        self._log.info("the next child starts in %d ms", delay_ns // 1_000_000)
        return True

    def _bury(self) -> None:
        child = self._child
        assert child is not None
        self._child = None
        status = child.end()
        if status == 0 and self._draining:
            return  # it drained, and said GOODBYE itself; unasked, 0 proves nothing: Wine says it of what was killed
        reason = child.killed_for or describe_exit(status)
        self._log.error("child %d is dead: %s", child.pid, reason)
        if not self._endpoint:
            return
        dealer = self._context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, GOODBYE_LINGER_MS)
        dealer.connect(self._endpoint)
        dealer.send(codec.encode_goodbye(Goodbye(self._name, child.epoch, reason)), zmq.DONTWAIT)
        dealer.close()
