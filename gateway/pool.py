"""The supervisor: starts this host's processes, watches them, starts them again, and stops them in order.

It holds no socket and knows no message; what it knows of a process is its exit and its beat. One supervisor to a state
folder. Its children die with it, however it dies: there is never an orphan to adopt.

Order of shutdown: feeds and workers (they finish their call), then the publisher, then the broker (which answers what
is open), then the simulated terminals. Each stage has a bounded time; a second request to stop cuts it short.
"""

import logging
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway import __version__, log
from gateway.clock import monotonic_ns
from gateway.process import EXIT_REFUSED, EXIT_UNAVAILABLE, Backoff, Child, State, Stop, describe_exit
from gateway.statedir import Lock
from gateway.wire.errors import GatewayError

if TYPE_CHECKING:
    from gateway.config import Config

__all__ = ("Member", "Supervisor", "run")

LOOK_NS: Final = 100_000_000
"""How often the children are looked at; an exit is noticed at once where the system sends SIGCHLD."""

STAGE_NS: Final = 10_000_000_000
"""How long the processes of one stage of the shutdown may take, before they are killed."""

MAX_REFUSALS: Final = 3
"""A process that says so often that it can't run as told, and never ran, won't: the supervisor gives up."""

REFUSED: Final = (EXIT_REFUSED, EXIT_UNAVAILABLE, 2)
"""The exit statuses that say so; 2 is what the interpreter ends with when it can't even begin."""

FINAL: Final = (("simulator", EXIT_REFUSED),)
"""Where once is enough: what a simulated terminal refuses is in its settings and files, and stays in them."""

REMIND_NS: Final = 10_000_000_000
"""How often it is said what isn't ready yet."""

SHUTDOWN_STAGES: Final = (("feed", "worker"), ("publisher",), ("broker",), ("simulator",))


class Member:
    """One place in the pool, and the process that fills it at the moment."""

    def __init__(self, role: str, name: str, settings: Any, jitter: Callable[[], float] = random.random) -> None:
        self.role = role
        self.name = name
        self.child: Child | None = None
        self.was_ready = False
        self.refusals = 0
        self.start_at_ns = 0
        self.backoff = Backoff(jitter, limit_ms=30_000)
        self._settings = settings

    @property
    def title(self) -> str:
        """What it is called in the log."""
        return f"{self.role} {self.name}" if self.name else self.role

    @property
    def is_ready(self) -> bool:
        """Whether its process runs and has everything that it needs."""
        return self.child is not None and self.child.beat.state == State.READY

    def start(self, now_ns: int) -> None:
        """Start its process."""
        self.child = Child(self.role, self._settings)
        self.backoff.started(now_ns)


class Supervisor:
    """Keeps its members running until it is asked to stop."""

    def __init__(
        self, members: Sequence[Member], stop: Stop, logger: logging.Logger, on_ready: Callable[[], None]
    ) -> None:
        """`on_ready` is called once, when every member is ready for the first time."""
        self._members = tuple(members)
        self._stop = stop
        self._log = logger
        self._on_ready = on_ready
        self._announced = False
        self._remind_ns = 0

    def run(self) -> int:
        """Start everything, keep it running, stop it in order; return the exit status."""
        self._remind_ns = monotonic_ns() + REMIND_NS
        status = 0
        try:
            while not self._stop.requested:
                now_ns = monotonic_ns()
                for member in self._members:
                    self._look(member, now_ns)
                if any(member.refusals >= MAX_REFUSALS for member in self._members):
                    self._log.error("giving up: see above")
                    status = EXIT_REFUSED
                    break
                self._announce(now_ns)
                self._stop.wait(LOOK_NS)
            self._shut_down()
        finally:
            for member in reversed(self._members):
                if member.child is not None:
                    member.child.end()
        return status

    def _look(self, member: Member, now_ns: int) -> None:
        child = member.child
        if child is None:
            if now_ns >= member.start_at_ns:
                try:
                    member.start(now_ns)
                except OSError as error:  # no process or no memory to be had: the others must not suffer for it
                    self._log.error("%s can't be started: %s", member.title, error)
                    member.start_at_ns = now_ns + member.backoff.failed(now_ns)
            return
        status = child.poll()
        if status is None:
            reason = child.watch(now_ns)
            if reason:
                self._log.error("%s (process %d) is killed: %s", member.title, child.pid, reason)
            elif member.is_ready:
                member.was_ready = True
                member.refusals = 0
            return
        child.end()
        member.child = None
        if status in REFUSED and not member.was_ready:
            member.refusals += MAX_REFUSALS if (member.role, status) in FINAL else 1
        reason = child.killed_for or describe_exit(status)
        if member.refusals >= MAX_REFUSALS:
            self._log.error("%s (process %d) can't run as told: %s", member.title, child.pid, reason)
            return
        delay_ns = member.backoff.failed(now_ns)
        member.start_at_ns = now_ns + delay_ns
        self._log.error(
            "%s (process %d) is dead: %s; starts again in %d ms", member.title, child.pid, reason, delay_ns // 1_000_000
        )

    def _announce(self, now_ns: int) -> None:
        if self._announced:
            return
        missing = [member.title for member in self._members if not member.is_ready]
        if not missing:
            self._announced = True
            self._on_ready()
        elif now_ns >= self._remind_ns:
            self._remind_ns = now_ns + REMIND_NS
            self._log.warning("not ready yet: %s", ", ".join(missing))

    def _shut_down(self) -> None:
        for roles in SHUTDOWN_STAGES:
            stage = [member for member in self._members if member.role in roles]
            for member in stage:
                if member.child is not None:
                    member.child.request_stop()
            self._await_end(stage)

    def _await_end(self, stage: Sequence[Member]) -> None:
        """Wait for the stage's processes, and kill what doesn't end in time, or when asked to stop once more."""
        limit_ns = monotonic_ns() + STAGE_NS
        requests = self._stop.requests
        while True:
            now_ns = monotonic_ns()
            running = [member for member in stage if member.child is not None and member.child.poll() is None]
            if not running:
                return
            for member in running:
                assert member.child is not None
                member.child.watch(now_ns)
                if now_ns > limit_ns or self._stop.requests > requests:
                    self._log.error("%s doesn't end in time, and is killed", member.title)
                    member.child.kill("it didn't end in time")
            self._stop.wait(LOOK_NS)


def members(config: "Config") -> list[Member]:
    """Return what a configuration asks for, in the order in which it is started."""
    return [
        *(Member("simulator", settings.account, settings) for settings in config.simulator_settings()),
        Member("broker", "", config.broker_settings()),
        Member("publisher", "", config.publisher_settings()),
        *(Member("worker", settings.name, settings) for settings in config.worker_settings()),
        *(Member("feed", settings.name, settings) for settings in config.feed_settings()),
    ]


def run(config: "Config") -> int:
    """Run the whole gateway of this host until SIGINT or SIGTERM; return the exit status."""
    logger = log.configure("supervisor", config.log.level)
    try:
        config.prepare()
        lock = Lock(Path(config.state_dir) / "supervisor.lock", f"state_dir {config.state_dir}")
    except GatewayError as error:
        logger.error("%s", error)
        return EXIT_REFUSED
    stop = Stop()
    stop.catch_signals()
    try:
        return Supervisor(members(config), stop, logger, lambda: _announce(config)).run()
    finally:
        stop.close()
        lock.release()


def _announce(config: "Config") -> None:
    print(f"mt5gate {__version__}")
    for title, endpoints in (("orders", config.broker.endpoints), ("ticks", config.publisher.endpoints)):
        for endpoint in endpoints:
            print(f"  {title:<8}{endpoint}")
    for name, account in config.accounts.items():
        print(f"  {'account':<8}{name} ({account.terminal})")
    print("ready; stop with Ctrl-C. Try, in another shell:\n  mt5gate ticks EURUSD", flush=True)
