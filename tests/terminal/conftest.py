"""A terminal whose market is written down in the test, and whose clock the test moves."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.terminal.port import Login
from gateway.terminal.simulated.commands import is_command
from gateway.terminal.simulated.connection import SimulatedConnection
from gateway.terminal.simulated.market.export import Export
from gateway.terminal.simulated.server import serve
from gateway.terminal.simulated.session import Session
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.terminal import SimulatedTerminal
from gateway.wire.arguments import conforms, prepare
from gateway.wire.structs import TICK_DTYPE, OrderSendResult

START_MS = 1_700_000_000_000
START_S = START_MS // 1000
DIGITS = {"EURUSD": 5, "GBPUSD": 5, "USDJPY": 3, "XAUUSD": 2, "US500": 2}

Quote = tuple[int, float, float]


class Written:
    """A terminal that replays the quotes of a test: (milliseconds since START_MS, bid, ask) a symbol."""

    def __init__(self, quotes: dict[str, list[Quote]], *, select: bool = True, **settings: Any) -> None:
        exports = [Export(name, ticks_of(rows), DIGITS.get(name, 5)) for name, rows in quotes.items()]
        self.settings = Settings(address="sim:///nowhere", speed=1.0, **settings)
        self.terminal = SimulatedTerminal(self.settings, exports, START_MS, 0)
        self.session = Session(authorised=True)
        self.now_ns = 0
        self.error = (1, "Success")
        if select:
            for name in quotes:
                assert self.call("symbol_select", name, True)
            self.move_to(0)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        arguments = prepare(name, args, kwargs)
        assert conforms(name, arguments)
        code, text, result = self.terminal.call(self.session, name, arguments, self.now_ns)
        self.error = (code, text)
        return result

    def fault(
        self, name: str, count: int = 1, *, skip: int = 0, call: str = "", symbol: str = "", **takes: Any
    ) -> None:
        """Script a fault."""
        self.terminal.faults.inject(
            name, self.now_ns, count=count, skip=skip, call=call, symbol=symbol, parameters=takes
        )

    def command(self, name: str, *arguments: Any) -> Any:
        """Give a command, as somebody at the terminal."""
        assert is_command(name, arguments)
        code, text, result = self.terminal.command(name, arguments, self.now_ns)
        self.error = (code, text)
        return result

    def move_to(self, ms: int) -> None:
        """Move the clock to so many milliseconds after the symbols' first ticks."""
        self.now_ns = ms * 1_000_000
        while (due := self.terminal.next_due_ns()) is not None and due <= self.now_ns:
            self.terminal.advance(self.now_ns)

    def send(self, **request: Any) -> OrderSendResult:
        """Send an order; action, symbol and filling have defaults."""
        result = self.call("order_send", {"action": 1, "symbol": "EURUSD", "type_filling": 1} | request)
        assert isinstance(result, OrderSendResult)
        return result

    def buy(self, volume: float = 0.1, **request: Any) -> OrderSendResult:
        return self.send(type=0, volume=volume, **request)

    def sell(self, volume: float = 0.1, **request: Any) -> OrderSendResult:
        return self.send(type=1, volume=volume, **request)

    def pend(self, kind: int, price: float, volume: float = 0.1, **request: Any) -> OrderSendResult:
        return self.send(action=5, type=kind, price=price, volume=volume, **({"type_filling": 2} | request))

    def positions(self) -> list[Any]:
        return list(self.call("positions_get"))

    def orders(self) -> list[Any]:
        return list(self.call("orders_get"))

    def deals(self) -> list[Any]:
        return list(self.call("history_deals_get", 0, 2**31 - 1))

    def history(self) -> list[Any]:
        return list(self.call("history_orders_get", 0, 2**31 - 1))


def ticks_of(rows: list[Quote]) -> Any:
    return np.array(
        [
            ((START_MS + ms) // 1000, bid, ask, 0.0, 0, START_MS + ms, 6, 0.0)  # both sides, every time
            for ms, bid, ask in rows
        ],
        dtype=TICK_DTYPE,
    )


@pytest.fixture
def written() -> Callable[..., Written]:
    return Written


@pytest.fixture
def market() -> Written:
    """EURUSD at 1.10000/1.10010, then up to 1.10100, then down to 1.09900; XAUUSD and USDJPY stand still."""
    return Written(
        {
            "EURUSD": [(0, 1.1, 1.1001), (1000, 1.101, 1.1011), (2000, 1.099, 1.0991), (3000, 1.1, 1.1001)],
            "XAUUSD": [(0, 2350.0, 2350.2)],
            "USDJPY": [(0, 150.0, 150.01)],
        }
    )


@pytest.fixture
def socket_dir() -> Iterator[Path]:
    """A directory whose name is short enough for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="mt5sim-", dir="/tmp") as name:
        yield Path(name)


@contextmanager
def running(settings: Settings) -> Iterator[None]:
    """Serve in a thread until the block ends; what `serve` raises is raised here."""
    ready, stop = threading.Event(), threading.Event()
    failure: list[BaseException] = []

    def run() -> None:
        try:
            serve(settings, ready=ready.set, should_stop=stop.is_set)
        except BaseException as error:
            failure.append(error)
            ready.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        assert ready.wait(20)
        if failure:
            raise failure[0]
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()
    if failure:
        raise failure[0]


@pytest.fixture
def serving() -> Callable[[Settings], Any]:
    return running


@pytest.fixture
def connect() -> Iterator[Callable[..., SimulatedConnection]]:
    opened: list[SimulatedConnection] = []

    def make(address: str, **login: Any) -> SimulatedConnection:
        connection = SimulatedConnection()
        opened.append(connection)
        assert connection.initialize(Login(address=address, timeout_ms=20_000, **login)), connection.last_error()
        return connection

    yield make
    for connection in opened:
        connection.shutdown()


@pytest.fixture
def fast(socket_dir: Path) -> Settings:
    """Settings of a synthetic terminal on a socket of its own."""
    return Settings(address=f"sim://{socket_dir}/terminal.sock", seed=7)
