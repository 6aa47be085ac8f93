"""The broker's process: the shell's own code over links, disk and clocks of the simulation.

`SimulatedBroker` is `gateway.broker.Broker` with everything but its sockets, locks and signals: recovery, the order of
writing and sending, segments, the gate of `durability: disk`. Its loop's body stands in `turn`, as `Broker.serve` has
it. A crash may come before, in the middle of, or behind any operation on the disk, and between any two frames sent.
"""

from collections.abc import Callable
from typing import Any, Final

from gateway.accel import ReplyCache, codec
from gateway.broker import BURST, Broker
from gateway.core.accounts import AccountRules
from gateway.core.dedupe import Retention
from gateway.core.engine import Engine, Limits
from gateway.core.limitset import RiskRules
from gateway.journal import Journal
from gateway.wire import codec as reference
from gateway.wire.errors import JournalError
from gateway.wire.messages import WorkerKind
from tests.simulation.disk import Disk, DiskOs, DiskPath
from tests.simulation.invariants import Checker
from tests.simulation.links import Line, Peer, Router
from tests.simulation.plan import Plan
from tests.simulation.silence import LOG
from tests.simulation.world import MS, SECOND, US, World

__all__ = ("BrokerHost", "Crash")

MAX_IDLE_NS: Final = 100 * MS


class Crash(BaseException):
    """The process is killed, here and now."""


class Syncer:
    """`journal._Syncer` without its thread: syncs that take their time."""

    host: "BrokerHost"  # set while a journal is made

    def __init__(self, notify: Callable[[], None]) -> None:
        self.durable = 0
        self.problem = ""
        self._host = self.host
        self._life = self._host.life
        self._notify = notify
        self._wanted = 0
        self._file = -1
        self._older: list[int] = []
        self._running = False

    def use(self, file: int, older: int) -> None:
        self._file = file
        if older >= 0:
            self._older.append(older)
            self._begin()

    def want(self, sequence: int) -> None:
        self._wanted = sequence
        self._begin()

    def wait(self, sequence: int) -> None:
        for finished in self._older:
            self._host.os.fsync(finished)
            self._host.os.close(finished)
        self._older.clear()
        self._host.os.fsync(self._file)
        self.durable = max(self.durable, sequence)

    def stop(self) -> None:
        raise AssertionError("an orderly end isn't simulated")

    def _begin(self) -> None:
        if not self._running:
            self._running = True
            chance = self._host.chance
            slow = chance.random() < 0.05
            delay_ns = chance.randrange(20 * MS, 300 * MS) if slow else chance.randrange(200 * US, 8 * MS)
            self._host.world.at(delay_ns, self._synced, self._file, self._wanted, tuple(self._older))
            self._older.clear()

    def _synced(self, file: int, wanted: int, older: tuple[int, ...]) -> None:
        if self._life != self._host.life or self._host.broker is None:
            return
        for finished in older:
            self._host.os.fsync(finished)
            self._host.os.close(finished)
        self._host.os.fsync(file)
        self.durable = max(self.durable, wanted)
        self._running = False
        self._notify()
        if self._wanted > self.durable or self._older:
            self._begin()


class Wake:
    """What the shell's loop waits on for the disk."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self.pending = False
        self._wake = wake

    def notify(self) -> None:
        self.pending = True
        self._wake()

    def poll(self, _timeout_ms: int) -> bool:
        return self.pending

    def recv(self) -> None:
        self.pending = False


class WatchedJournal(Journal):
    """The journal; the checker sees what it has taken."""

    checker: Checker

    def append(self, data: bytes, sequence: int) -> None:
        super().append(data, sequence)
        self.checker.appended(data, sequence)


class SimulatedBroker(Broker):
    """One life of the broker."""

    def __init__(self, host: "BrokerHost") -> None:
        """Recover and begin; raises JournalError, or Crash."""
        plan, world = host.plan, host.world
        self._log = LOG
        self.generation = host.generation
        self._stopping = False
        self._lost = self._told = ""
        wake = Wake(host.wake) if plan.gated else None
        self._wake: Any = wake
        Syncer.host = host
        folder: Any = DiskPath(host.disk)
        self._journal = WatchedJournal(folder, None if wake is None else wake.notify)
        self._journal.checker = host.checker
        self._journal.segment_bytes = plan.segment_bytes
        self._engine = Engine(
            generation=self.generation,
            version="simulated",
            accounts=(
                AccountRules("demo", settle_ns=plan.settle_ns, login=plan.pinned_login, server=plan.pinned_server),
            ),
            limits=Limits(
                heartbeat_ns=plan.heartbeat_ns,
                worker_timeout_ns=4 * plan.heartbeat_ns,
                session_timeout_ns=plan.session_timeout_ns,
                max_queued=plan.max_queued,
                max_queued_per_session=plan.max_queued,
                watch_ns=plan.watch_ns,
                late_answer_ns=plan.late_answer_ns,
            ),
            codec=codec,
            cache=ReplyCache(1_000),
            quotes=None,
            token_seed=host.chance.getrandbits(64),
            retention=Retention(max_orders=plan.remembered, max_age_ms=plan.remembered_ms, max_ahead_ms=300),
            risk=RiskRules(limits=dict(plan.limits), operators=("c0",), max_age_ms=3_000),
            gated=plan.gated,
            observers=("c0",),
        )
        self._recover()

        def router(
            chance: str, sent: Callable[[bytes, bytes], None], taken: Callable[[Any], None], which: str
        ) -> Router:
            return Router(
                world,
                world.random(f"{chance}/{host.life}"),
                host.wake,
                host.step,
                sent,
                taken,
                adversarial=plan.adversarial,
                current=lambda: getattr(host, which),
                may_repeat=_may_repeat if which == "worker_router" else lambda frame: True,
            )

        self._clients: Any = router("clients", host.sent_to_client, lambda burst: None, "client_router")
        self._workers: Any = router("workers", host.sent_to_worker, host.checker.taken_from_workers, "worker_router")

    @property
    def engine(self) -> Engine:
        return self._engine

    def turn(self, now_ns: int, wall_ns: int) -> None:
        """Go round the loop once: the body of `Broker.serve`."""
        engine = self._engine
        engine.set_wall_clock(now_ns, wall_ns)
        if self._wake is not None and self._wake.pending:
            self._synced()
        if self._workers.has_frames:
            engine.receive_workers(now_ns, self._workers.recv_burst(BURST))
        if self._clients.has_frames:
            engine.receive_clients(now_ns, self._clients.recv_burst(BURST))
        if now_ns >= engine.next_deadline_ns():
            engine.tick(now_ns)
            self._look_after_journal()
        self._flush()


def _may_repeat(frame: bytes) -> bool:
    return reference.worker_kind(frame) != WorkerKind.READY


class BrokerHost:
    """The host that a broker runs on: it starts it, and starts it again."""

    def __init__(self, world: World, plan: Plan, checker: Checker) -> None:
        self.world = world
        self.plan = plan
        self.checker = checker
        self.chance = world.random("broker")
        self.disk = Disk(world.random("disk"), keeps_log=plan.power_cuts or plan.gated)
        self.disk.short_writes = plan.short_writes
        self.os = DiskOs(self.disk, self.step)
        self.life = 0
        self.generation = 0
        self.boot = 1
        self.broker: SimulatedBroker | None = None
        self.client_router: Router | None = None
        self.worker_router: Router | None = None
        self._cuts_behind_reply = False
        self._dies_behind_order = False
        self._crash_in = 0  # operations; 0: no crash is due
        self._wake_ns = 0  # when the next turn is due; 0: none is
        self._stopped_until_ns = 0
        self._connections = 0

    def boot_id(self) -> bytes:
        """Return what tells this boot of the host from others."""
        return self.boot.to_bytes(16, "big")

    # --- life and death -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin a life, with everything that was left on the disk."""
        if self.broker is not None:
            return
        self.life += 1
        self.generation += 1
        self._wake_ns = 0
        self._stopped_until_ns = 0
        self.world.note("broker starts", f"generation {self.generation}")
        self.checker.recovering(self.disk.segments())
        try:
            broker = SimulatedBroker(self)
        except Crash:
            self.world.note("crash at start")
            self._gone()
            return
        except JournalError as error:
            self.world.note("start refused", error.message)
            self.checker.start_refused(error.message, self.disk.full)
            self._gone()
            return
        self.broker = broker
        self.client_router, self.worker_router = broker._clients, broker._workers
        self.checker.started()
        self.wake()

    def crash_soon(self, operations: int) -> None:
        """Be killed in the midst of things: after so many operations of disk and sockets."""
        self._crash_in = operations

    def kill(self) -> None:
        """Be killed between two turns."""
        if self.broker is not None:
            self.world.note("broker killed")
            self._gone()

    def cut_power(self) -> None:
        """Let the host lose its power: the process, and what wasn't on the platter."""
        self.kill()
        lost = self.disk.cut_power()
        self.boot += 1
        self.world.note("power cut", f"{lost} bytes lost")
        self.checker.power_cut()

    def cut_power_behind_reply(self) -> None:
        """Let the host lose its power when a client has just been answered."""
        self._cuts_behind_reply = True

    def sent_to_client(self, identity: bytes, frame: bytes) -> None:
        """See a frame that leaves for a client."""
        if self._cuts_behind_reply and reference.decode_reply(frame).request_id:
            self._cuts_behind_reply = False
            self.world.at(self.chance.randrange(300 * US, 1_500 * US), self._cut_power_unless_calm)

    def die_behind_order(self) -> None:
        """Be killed when an order has just left, before it has arrived."""
        self._dies_behind_order = True

    def sent_to_worker(self, identity: bytes, frame: bytes) -> None:
        """See a frame that leaves for a worker."""
        self.checker.sent_to_worker(identity, frame)
        is_call = self._dies_behind_order and reference.worker_kind(frame) == WorkerKind.CALL
        if is_call and reference.decode_call(frame).name == "order_send" and not self.world.quiet:
            self._dies_behind_order = False
            self.world.at(self.chance.randrange(0, 150 * US), self.kill)

    def _cut_power_unless_calm(self) -> None:
        if not self.world.quiet:
            self.cut_power()

    def stop_for(self, duration_ns: int) -> None:
        """Stand still for a while, as by SIGSTOP."""
        if self.broker is not None:
            self.world.note("broker stopped", f"{duration_ns // MS} ms")
            self._stopped_until_ns = self.world.now_ns + duration_ns

    def _gone(self) -> None:
        self._crash_in = 0
        self.broker = None
        for router in (self.client_router, self.worker_router):
            if router is not None:
                router.end()
        self.client_router = self.worker_router = None
        self.world.at(self.chance.randrange(20 * MS, 1_200 * MS), self.start)

    def step(self, size: int) -> int | None:
        """Take an operation of the running broker; see `disk.DiskOs`."""
        if size < 0:
            raise Crash
        if not self._crash_in:
            return None
        self._crash_in -= 1
        if self._crash_in:
            return None
        if size == 0:
            raise Crash
        self.world.note("torn write")
        return self.chance.randrange(size + 1)

    # --- the loop -----------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """See to it that the loop comes round soon."""
        self._schedule(self.world.now_ns + self.chance.randrange(5 * US, 150 * US))

    def _schedule(self, due_ns: int) -> None:
        if self._wake_ns and self._wake_ns <= due_ns:
            return
        self._wake_ns = due_ns
        self.world.at(due_ns - self.world.now_ns, self._turn, self.life, due_ns)

    def _turn(self, life: int, due_ns: int) -> None:
        if self.broker is None or life != self.life or due_ns != self._wake_ns:
            return
        self._wake_ns = 0
        if self.world.now_ns < self._stopped_until_ns:
            self._schedule(self._stopped_until_ns)
            return
        try:
            self.broker.turn(self.world.now_ns, self.world.wall_ns())
        except Crash:
            self.world.note("broker crashes")
            self.checker.handed.clear()
            self._gone()
            return
        except JournalError as error:
            self.world.note("journal refuses", error.message)
            self.checker.journal_refused(error.message, self.disk.full)
            self._gone()
            return
        self.checker.turned()
        if self.broker._stopping:
            self.world.note("broker ends itself")
            self._gone()
            return
        deadline_ns = self.broker.engine.next_deadline_ns()
        self._schedule(max(self.world.now_ns + 1, min(deadline_ns, self.world.now_ns + SECOND)))

    # --- connections --------------------------------------------------------------------------------------------------

    def connect(self, peer: Peer, name: str, *, as_client: bool) -> Line | None:
        """Connect, if anybody listens."""
        router = self.client_router if as_client else self.worker_router
        if router is None:
            return None
        self._connections += 1
        return router.connect(peer, f"{name}#{self._connections}".encode())
