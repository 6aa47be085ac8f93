"""One seed's simulation from its start to its verdict."""

import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import gateway.broker
import gateway.journal
import gateway.terminal.simulated.terminal
import gateway.wire.codec
import gateway.workers.attachment
import gateway.workers.execution
import gateway.workers.uplink
import gateway.workers.worker
from tests.simulation.broker import BrokerHost, Syncer
from tests.simulation.clients import SimulatedClient
from tests.simulation.dealers import Zmq
from tests.simulation.invariants import Checker
from tests.simulation.plan import Plan, plan_of
from tests.simulation.terminals import TerminalHost, few_symbols
from tests.simulation.workers import WorkerHost
from tests.simulation.world import MS, SECOND, World

__all__ = ("Outcome", "Simulation", "run")

ROOM: Final = 16_384
"""How much the journal allocates ahead, and how much of it is its reserve: little, so that a full disk is felt."""


@dataclass(slots=True)
class Outcome:
    """What became of one seed."""

    seed: int
    violations: list[str]
    tally: Counter[str]
    lines: list[str]


class Simulation:
    """Everybody, and what happens to them."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self.chance = world.random("happenings")
        self.checker = Checker(world, plan)
        self.terminal = TerminalHost(world, plan, self.checker)
        self.gateway = BrokerHost(world, plan, self.checker)
        self.checker.durable = self._durable
        self.checker.deals_now = lambda: len(self.terminal.book.deals)
        self.checker.shows = self.terminal.shows
        self.checker.resting = lambda: list(self.terminal.book.orders)
        lanes: dict[str, tuple[str, ...]] = {"trade": ("trade", "watch", "query")}
        if not plan.one_worker:
            lanes = {f"trade{number}": ("trade",) for number in range(plan.trade_workers)}
            lanes["watch"] = ("watch", "query")
        self.workers = [
            WorkerHost(world, plan, self.gateway, self.terminal, name, lane) for name, lane in lanes.items()
        ]
        self.clients = [
            SimulatedClient(world, plan, self.gateway, self.terminal, self.checker, f"c{number}")
            for number in range(plan.clients)
        ]

        self.twin = SimulatedClient(world, plan, self.gateway, self.terminal, self.checker, "c0", is_twin=True)

    def run(self) -> list[str]:
        """Run until the end, or the first violation; return the violations."""
        world, plan = self.world, self.plan
        install = _patches(world, self.gateway)
        with _patched(install):
            self.terminal.live()
            self.gateway.start()
            for worker in self.workers:
                world.at(self.chance.randrange(0, 100 * MS), worker.start)
            for client in self.clients:
                world.at(self.chance.randrange(0, 300 * MS), client.start)
            self._arrange()
            self._run(plan.duration_ns)
            self._calm()
            self._run(plan.settle_ns + 4_500 * MS)
            for client in self.clients:
                client.ask_for_all()
            self._run(2 * SECOND)
            if not self.checker.violations and not world.failures:
                for client in self.clients:
                    client.finish()
                deals = list(self.terminal.book.deals.between(0, 2**40))
                self.checker.finish(deals, self.terminal.terminal.market.now_msc)
        return [*self.checker.violations, *world.failures]

    def _run(self, duration_ns: int) -> None:
        until_ns = self.world.now_ns + duration_ns
        while self.world.now_ns < until_ns and not self.checker.violations and not self.world.failures:
            self.world.run(min(until_ns, self.world.now_ns + 100 * MS))

    def _durable(self) -> int:
        broker = self.gateway.broker
        return 0 if broker is None else broker._journal.durable

    # --- what happens -------------------------------------------------------------------------------------------------

    def _arrange(self) -> None:
        plan, gateway, chance = self.plan, self.gateway, self.chance

        def worker() -> WorkerHost:
            return chance.choice(self.workers)

        def client() -> SimulatedClient:
            return chance.choice(self.clients)

        happenings: list[tuple[float, Callable[[], None]]] = [
            (plan.broker_kills, gateway.kill),
            (plan.broker_kills, gateway.die_behind_order),
            (plan.broker_crashes, lambda: gateway.crash_soon(chance.randrange(1, 14))),
            (plan.broker_stops, lambda: gateway.stop_for(chance.randrange(50 * MS, 1_500 * MS))),
            (plan.power, gateway.cut_power),
            (plan.power, gateway.cut_power_behind_reply),
            (plan.full_disks, self._fill_disk),
            (plan.worker_kills, lambda: worker().kill()),
            (2 * plan.worker_kills, lambda: setattr(worker(), "dies_in_call", True)),
            (plan.parent_kills, lambda: worker().kill(with_parent=True)),
            (plan.worker_stops, lambda: worker().stop_for(chance.randrange(50 * MS, 2_000 * MS))),
            (plan.line_breaks, lambda: worker().cut()),
            (plan.full_lines, self._fill_line),
            (plan.client_crashes, lambda: client().crash()),
            (plan.client_breaks, lambda: client().cut()),
            (plan.client_breaks, lambda: setattr(client(), "cuts_behind_order", True)),
            (plan.twins, self._take_over),
            (plan.races, self._race),
            (plan.client_silences, lambda: client().be_silent(chance.randrange(500 * MS, 4_000 * MS))),
            (plan.terminal_faults, self.terminal.disturb),
            (plan.clock_jumps, self._set_clock),
            (plan.hand_trades, self.terminal.trade_by_hand),
        ]
        for rate, action in happenings:
            if rate:
                self._again(rate, action)

    def _again(self, rate: float, action: Callable[[], None]) -> None:
        def happen() -> None:
            if not self.world.quiet:
                action()
                self._again(rate, action)

        self.world.at(int(self.chance.expovariate(rate) * SECOND), happen)

    def _take_over(self) -> None:
        """Let another process say hello by the first client's name, for a while."""
        if self.twin.line is None:
            self.world.note("twin takes over")
            self.twin.start()
            self.world.at(self.chance.randrange(200 * MS, 1_500 * MS), self.twin.leave)

    def _race(self) -> None:
        """Have an order placed, and all of them cancelled, while a reading that began before is under way."""
        self.terminal.delay("history_deals_get", 600)
        client = self.chance.choice(self.clients)
        self.world.at(self.chance.randrange(50 * MS, 500 * MS), client.place_and_kill)

    def _fill_disk(self) -> None:
        self.world.note("disk full")
        self.gateway.disk.full = True
        self.world.at(self.chance.randrange(200 * MS, 2_000 * MS), self._empty_disk)

    def _empty_disk(self) -> None:
        self.gateway.disk.full = False

    def _fill_line(self) -> None:
        """Let a peer not read for a while."""
        routers = [router for router in (self.gateway.client_router, self.gateway.worker_router) if router is not None]
        lines = [line for router in routers for line in router.lines.values()]
        if lines:
            line = self.chance.choice(lines)
            line.full = True
            self.world.note("line full", line.identity.decode())
            self.world.at(self.chance.randrange(50 * MS, 800 * MS), setattr, line, "full", False)

    def _set_clock(self) -> None:
        jumps = (2, 30, 3_600) if self.plan.power_cuts and not self.plan.gated else (-3_600, -30, -2, 2, 30, 3_600)
        jump_ns = self.chance.choice(jumps) * SECOND
        self.world.note("clock set", jump_ns // SECOND)
        self.world.wall_offset_ns += jump_ns

    def _calm(self) -> None:
        """Let nothing go wrong any more, and bring back what is gone."""
        self.world.note("calm")
        self.world.quiet = True
        self.twin.leave()
        self.terminal.calm()
        self.gateway.disk.full = False
        self.gateway.crash_soon(0)
        for client in self.clients:
            client.silent_until_ns = 0


def _patches(world: World, gateway_host: BrokerHost) -> list[tuple[Any, str, Any]]:
    """Return what is put in the place of clocks, files and sockets, where the code has them."""
    clocks = (gateway.broker, gateway.workers.worker, gateway.workers.execution, gateway.workers.attachment)
    return [
        *((module, "monotonic_ns", world.monotonic_ns) for module in (*clocks, gateway.workers.uplink)),
        (gateway.broker, "wall_ns", world.wall_ns),
        (gateway.broker, "boot_id", gateway_host.boot_id),
        (gateway.journal, "os", gateway_host.os),
        (gateway.journal, "_Syncer", Syncer),
        (gateway.journal, "_SYNC", gateway_host.os.fsync),
        (gateway.journal, "LAST_BYTES", ROOM // 8),
        (gateway.journal, "CHUNK_BYTES", ROOM),
        (gateway.journal, "RESERVE_BYTES", ROOM),
        (gateway.workers.uplink, "zmq", Zmq),
        (gateway.terminal.simulated.terminal, "shown", few_symbols),
        (gateway.wire.codec, "_check_shape", _trusting),  # half of a run's time, and nobody here sends what it refuses
    ]


def _trusting(_value: Any, _depth: int) -> None:
    pass


@contextmanager
def _patched(patches: list[tuple[Any, str, Any]]) -> Iterator[None]:
    before = [(module, name, getattr(module, name)) for module, name, _ in patches]
    for module, name, value in patches:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def run(seed: int, *, traced: bool = False, given: Mapping[str, Any] | None = None) -> Outcome:
    """Run one seed; `given` stands for what its plan would have drawn."""
    world = World(seed, traced=traced)
    plan = plan_of(Random(f"{seed}/plan"))
    for name, value in (given or {}).items():
        setattr(plan, name, value)
    if world.lines is not None:
        world.lines.append(f"seed {seed}: {plan}")
    try:
        with _patched([(gateway.terminal.simulated.terminal, "shown", few_symbols)]):
            simulation = Simulation(world, plan)
        violations = simulation.run()
    except Exception:
        violations = [traceback.format_exc()]
    return Outcome(seed, violations, world.tally, world.lines or [])
