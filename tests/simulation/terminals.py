"""The terminal's process and a worker's connection to it: `SimulatedTerminal` and `SimulatedConnection`, without the
socket between them.

A call takes time on the way there and back. Who is killed while the request is on its way may have it executed all the
same: it lies in the socket, and the terminal reads it. Every order that is executed is told to the checker, with what
the trade server truly did of it, whatever answer a fault makes of that.
"""

from typing import TYPE_CHECKING, Any

from gateway.terminal.simulated.connection import SimulatedConnection
from gateway.terminal.simulated.faults import HELD
from gateway.terminal.simulated.session import Session
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.terminal import SimulatedTerminal
from gateway.wire import constants as mt5
from tests.simulation.invariants import Checker
from tests.simulation.plan import Plan
from tests.simulation.world import MS, US, World

if TYPE_CHECKING:
    from tests.simulation.workers import WorkerHost

__all__ = ("Connection", "Hung", "Killed", "TerminalHost")

SYMBOLS = ("EURUSD", "XAUUSD")


class Killed(BaseException):
    """The worker's process is dead."""


class Hung(BaseException):
    """The call never returns: the process waits for its watchdog."""


class TerminalHost:
    """The terminal."""

    def __init__(self, world: World, plan: Plan, checker: Checker) -> None:
        self.world = world
        self.plan = plan
        self.checker = checker
        self.chance = world.random("terminal")
        settings = Settings(
            address="simulated",
            seed=world.seed % 64,  # prices are kept from seed to seed: making them is most of a start
            margin_mode="netting" if plan.netting else "hedging",
            faults=plan.terminal_rates,
        )
        self.terminal = SimulatedTerminal(settings, (), world.wall_ns() // MS, world.now_ns)
        desk = self.terminal.desk
        self.book = desk.book
        self._send = desk.send
        desk.send = self._sent  # type: ignore[method-assign]
        self.executing: tuple[str, str, dict[str, Any]] | None = None

    def live(self) -> None:
        """Let the market move, again and again."""
        self.terminal.advance(self.world.now_ns)
        self.checker.looked(self.book)
        self.world.at(200 * MS, self.live)

    def disturb(self) -> None:
        """Begin a lasting fault: shorter than the settle time, which is there to outlast it."""
        name = self.chance.choice(self.plan.terminal_troubles)
        call = ""
        parameters: dict[str, Any] = {"ms": self.chance.randrange(100, 1_500)}
        if name == "slow":
            call = self.chance.choice(("positions_get", "history_orders_get", "history_deals_get", "order_send"))
        elif name == "deals_late":
            parameters = {"ms": self.chance.randrange(500, 4_000), "lag_ms": self.chance.randrange(50, 1_800)}
        elif name == "terminal_gone":
            parameters["unsynchronised_ms"] = self.chance.choice((0, 300))
        self.world.note("terminal fault", name, parameters)
        self.terminal.command("sim.fault", (name, 1, 0, call, "", parameters), self.world.now_ns)

    def delay(self, call: str, duration_ms: int) -> None:
        """Have the next call of a name take long."""
        self.terminal.command("sim.fault", ("slow", 1, 0, call, "", {"ms": duration_ms}), self.world.now_ns)

    def trade_by_hand(self) -> None:
        """Let somebody trade in the terminal, or cancel or close what is there."""
        positions = list(self.book.positions)
        if positions and self.chance.random() < 0.5:
            arguments: tuple[Any, ...] = (self.chance.choice(positions), 0.0)
            name = "sim.close"
        else:
            name = "sim.trade"
            arguments = (self.chance.choice(("buy", "sell")), self.chance.choice(SYMBOLS), 0.01, 0.0, 0.0, "")
        self.world.note("by hand", name, arguments)
        self.terminal.command(name, arguments, self.world.now_ns)

    def shows(self, fields: dict[str, Any]) -> bool:
        """Tell whether what an order changes by value is so now."""
        order = self.book.orders.get(fields.get("order", 0))
        if fields["action"] == mt5.TRADE_ACTION_REMOVE:
            return False  # what isn't there may have been taken away by anybody
        if fields["action"] == mt5.TRADE_ACTION_MODIFY:
            return order is not None and abs(order.price - fields["price"]) < 1e-9
        position = self.book.positions.get(fields.get("position", 0))
        return position is not None and abs(position.sl - fields["sl"]) < 1e-9

    def calm(self) -> None:
        """End all faults, for good."""
        self.terminal.end_faults()
        self.terminal.faults._rates.clear()

    def _sent(self, request: Any, *args: Any, **options: Any) -> Any:
        """Stand between the terminal and its trade server: what is executed here is the truth."""
        deals = len(self.book.deals)
        result = self._send(request, *args, **options)
        executing, self.executing = self.executing, None
        if executing is not None:
            self.checker.executed(*executing, result, len(self.book.deals) - deals)
        return result


class _Line:
    """What `SimulatedConnection` holds in place of a socket."""

    def settimeout(self, _seconds: float | None) -> None:
        pass

    def close(self) -> None:
        pass


class Connection(SimulatedConnection):
    """A worker's connection; its code runs in that worker's process, and ends with it."""

    def __init__(self, host: TerminalHost, worker: "WorkerHost") -> None:
        super().__init__()
        self._host = host
        self._worker = worker
        self._life = worker.life
        self._session = Session()

    def _connect(self, timeout_s: float) -> None:
        self._spend(self._host.chance.randrange(100 * US, 2 * MS))
        if self._host.terminal.gone:
            raise ConnectionRefusedError
        self._session = Session()
        self._socket = _Line()  # type: ignore[assignment]

    def _ask(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if self._socket is None:
            return super()._ask(name, arguments)
        host, world = self._host, self._host.world
        chance = host.chance
        is_order = name == "order_send"
        dies = is_order and self._worker.dies_in_call
        if dies and chance.random() < 0.3:
            self._worker.kill()
        try:
            if dies:
                world.at(chance.randrange(10 * US, 5 * MS), self._worker.kill)
            self._spend(chance.randrange(50 * US, 3 * MS) if is_order else chance.randrange(10 * US, 300 * US))
        except Killed:
            if is_order and not self._is_dropped() and chance.random() < 0.5:
                world.at(chance.randrange(0, 1_200 * MS), self._execute, name, arguments, self._worker.executing)
            raise
        if self._is_dropped():
            return self._lose(name, mt5.RES_E_INTERNAL_FAIL_RECEIVE)
        reply, delivery = self._execute(name, arguments, self._worker.executing)
        if delivery.delay_ms == HELD:
            world.note("call hangs", name)
            raise Hung
        if delivery.delay_ms:
            world.note("call is slow", name)
        self._spend(delivery.delay_ms * MS + chance.randrange(10 * US, 2 * MS if is_order else 100 * US))
        if delivery.closes or self._is_dropped():
            return self._lose(name, mt5.RES_E_INTERNAL_FAIL_RECEIVE)
        code, text, result = reply
        self._error = (code, text)
        return result

    def _execute(self, name: str, arguments: tuple[Any, ...], executing: Any) -> Any:
        host = self._host
        if name == "order_send":
            host.executing = executing
            host.checker.reached(executing)
        answered = host.terminal.answer(self._session, name, arguments, host.world.now_ns)
        host.executing = None
        return answered

    def _is_dropped(self) -> bool:
        return self._session.authorised and self._session.life != self._host.terminal.life

    def _spend(self, duration_ns: int) -> None:
        self._host.world.spend(duration_ns)
        if self._worker.life != self._life or not self._worker.lives:
            raise Killed


def few_symbols(_settings: Settings) -> tuple[str, ...]:
    """Return what the terminals' market watch holds, in place of `catalog.shown`: fewer ticks to make."""
    return SYMBOLS
