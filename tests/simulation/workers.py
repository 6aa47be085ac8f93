"""A worker: the child's real loop and line (`workers.worker.Worker`, `workers.uplink.Uplink`) over a simulated ZeroMQ,
and its watchdog.

The child can be killed at any instant, calls of its terminal included, stopped for a while, and hang. Its watchdog says
GOODBYE for it when it is dead, unless it dies with it; the next one has a greater epoch, by the wall clock.
"""

from typing import Any, Final

from gateway.process import Backoff, State
from gateway.settings import WorkerSettings
from gateway.wire import codec
from gateway.wire.messages import CallMessage, Goodbye
from gateway.workers.worker import Worker
from tests.simulation.broker import BrokerHost
from tests.simulation.dealers import Dealer, Zmq
from tests.simulation.links import Line
from tests.simulation.plan import Plan
from tests.simulation.silence import LOG
from tests.simulation.terminals import Connection, Hung, Killed, TerminalHost
from tests.simulation.world import MS, SECOND, US, World

__all__ = ("WorkerHost",)

HUNG_AFTER_NS: Final = 1_500 * MS


class _Beat:
    """`process.Beat` without its memory: what the watchdog sees of the child."""

    stop_requested = False

    def __init__(self) -> None:
        self.deadline_ns = 0
        self.state: int = State.WAITING

    def start(self) -> None:
        pass

    def tick(self, now_ns: int) -> None:
        pass

    def begin(self, deadline_ns: int) -> None:
        self.deadline_ns = deadline_ns

    def end(self, now_ns: int) -> None:
        self.deadline_ns = 0


class _Stop:
    requested = False

    def fileno(self) -> int:
        return -1

    def settle(self) -> None:
        pass


class Child(Worker):
    """The child's loop, turned: what stands behind the wait comes first."""

    def __init__(self, host: "WorkerHost", settings: WorkerSettings) -> None:
        Zmq.host = host
        self._host = host
        self.beat = _Beat()
        connection = Connection(host.terminal, host)
        super().__init__(settings, host.epoch, connection, self.beat, _Stop(), LOG, host.chance.random)  # type: ignore[arg-type]
        self._waited_ns = 0

    def turn(self) -> int:
        """Go round once, as `Worker.run` does; return how long to wait."""
        self._receive(self._waited_ns)
        while self._waiting and not self._uplink.is_full:
            self._execute(self._waiting.popleft())
            self._receive(0)
            if self._waiting:
                self._keep()
        self._keep()
        self._waited_ns = max(self._wait_ns(), 100 * US)
        return self._waited_ns

    def _execute(self, arrival: Any) -> None:
        self._host.executing = _executing(self._host.name, arrival.call)
        if arrival.call.generation < self._generation and self._host.executing is not None:
            self._host.world.note("stale call", self._host.name)
            self._host.terminal.checker.stale.add(self._host.executing[0])
        super()._execute(arrival)
        self._host.executing = None


def _executing(worker: str, call: CallMessage) -> tuple[str, str, dict[str, Any]] | None:
    if call.name != "order_send":
        return None
    fields = call.kwargs or call.args[0]
    return str(fields.get("client_order_id", "")), f"{worker}/{call.generation}/{call.call_id}", fields


class WorkerHost:
    """A worker's two processes, and who starts them again."""

    def __init__(
        self, world: World, plan: Plan, gateway: BrokerHost, terminal: TerminalHost, name: str, lanes: tuple[str, ...]
    ) -> None:
        self.world = world
        self.gateway = gateway
        self.terminal = terminal
        self.name = name
        self.chance = world.random(f"worker/{name}")
        self.epoch = 0
        self.life = 0
        self.hangs = False
        self.dies_in_call = False
        self.lives = False
        self.busy = False
        self.full_share = 0.0
        self.dealer: Dealer | None = None
        self.executing: Any = None
        self._backoff = Backoff(self.chance.random)
        self._child: Child | None = None
        self._skew_ns = self.chance.randrange(0, 1_000 * SECOND)
        self._wake_ns = 0
        self._stopped_until_ns = 0
        self._settings = WorkerSettings(
            name=name,
            account="demo",
            gateway="simulated",
            lanes=lanes,
            credit=plan.credit,
            address="simulated",
            connect_timeout_ms=500,
            hung_after_ms=HUNG_AFTER_NS // MS,
        )

    # --- life and death -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin a child's life."""
        if self.lives:
            return
        self.epoch = max(self.world.wall_ns(), self.epoch + 1)
        self.life += 1
        self.hangs = False
        self.lives = True
        self._wake_ns = 0
        self._stopped_until_ns = 0
        self.world.note("worker starts", self.name, self.epoch)
        self._child = Child(self, self._settings)
        self.wake()
        self._watch(self.life)

    def kill(self, *, with_parent: bool = False) -> None:
        """Kill the child, and its watchdog with it, which then says nothing."""
        if not self.lives:
            return
        self.world.note("parent killed" if with_parent else "worker killed", self.name, "busy" if self.busy else "")
        self.lives = False
        self.dies_in_call = False
        self._child = None
        if self.dealer is not None:
            self.dealer.close()
        reaped_ns = self.chance.randrange(500 * US, 60 * MS)
        if with_parent:
            self.epoch = 0  # the next watchdog knows nothing of this one's
        else:
            self.world.at(reaped_ns, self._goodbye, self.epoch)
        delay_ns = min(self._backoff.failed(self.world.now_ns), 400 * MS)
        self.world.at(reaped_ns + delay_ns, self.start)

    def stop_for(self, duration_ns: int) -> None:
        """Stand still for a while, as by SIGSTOP."""
        if self.lives and not self.busy:
            self.world.note("worker stopped", self.name, f"{duration_ns // MS} ms")
            self._stopped_until_ns = self.world.now_ns + duration_ns

    def cut(self) -> None:
        """Break the line to the gateway."""
        if self.dealer is not None:
            self.world.note("worker's line cut", self.name)
            self.dealer.cut()

    def _goodbye(self, epoch: int) -> None:
        """Let the watchdog say it, on a line of its own, which waits a while for somebody to listen."""
        _Farewell(self, codec.encode_goodbye(Goodbye(self.name, epoch, "killed")))

    def _end_hung(self, life: int) -> None:
        """Be the watchdog of a call that never returns."""
        if life == self.life and self.lives:
            self.world.note("watchdog kills", self.name)
            self.kill()

    def _watch(self, life: int) -> None:
        """Be the watchdog."""
        if self.life != life or not self.lives or self._child is None:
            return
        deadline_ns = self._child.beat.deadline_ns
        if deadline_ns and self.world.now_ns + self._skew_ns > deadline_ns:
            self.world.note("watchdog kills", self.name)
            self.kill()
            return
        self.world.at(100 * MS, self._watch, life)

    # --- the loop -----------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """See to it that the loop comes round soon."""
        self._schedule(self.world.now_ns + self.chance.randrange(5 * US, 100 * US))

    def _schedule(self, due_ns: int) -> None:
        if self._wake_ns and self._wake_ns <= due_ns:
            return
        self._wake_ns = due_ns
        self.world.at(due_ns - self.world.now_ns, self._turn, self.life, due_ns)

    def _turn(self, life: int, due_ns: int) -> None:
        child = self._child
        if child is None or self.hangs or life != self.life or due_ns != self._wake_ns:
            return
        self._wake_ns = 0
        if self.busy:  # an earlier child's call is still being unwound, or this one's is under way
            self._schedule(self.world.now_ns + MS)
            return
        if self.world.now_ns < self._stopped_until_ns:
            self._schedule(self._stopped_until_ns)
            return
        self.busy = True
        skew_ns, self.world.skew_ns = self.world.skew_ns, self._skew_ns
        try:
            wait_ns = child.turn()
        except Killed:
            return
        except Hung:
            self.hangs = True
            self.world.at(HUNG_AFTER_NS, self._end_hung, self.life)
            return
        finally:
            self.world.skew_ns = skew_ns
            self.busy = False
        if self._child is child:
            if self.dealer is not None and self.dealer.is_ready:
                wait_ns = 0
            self._schedule(self.world.now_ns + max(wait_ns, 10 * US))


class _Farewell:
    """A watchdog's GOODBYE on its way."""

    def __init__(self, host: WorkerHost, frame: bytes) -> None:
        self._host = host
        self._frame = frame
        self._until_ns = host.world.now_ns + 2 * SECOND
        self._send()

    def _send(self) -> None:
        world = self._host.world
        line = self._host.gateway.connect(self, f"{self._host.name}-watchdog", as_client=False)
        if line is not None:
            line.send_up(self._frame)
        elif world.now_ns < self._until_ns:
            world.at(60 * MS, self._send)

    def line_received(self, line: Line, frame: bytes) -> None:
        pass

    def line_lost(self, line: Line) -> None:
        pass

    def line_repeats(self, frame: bytes) -> None:
        pass

    def line_late(self, line: Line, frame: bytes) -> None:
        pass
