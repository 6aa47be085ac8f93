"""The drop-in module beside mt5linux's RPyC bridge: a script's calls, over one and the same simulated terminal.

    mt5gate     script ─▶ broker ─▶ worker ─▶ terminal        (a quote that a feed reads: script ─▶ broker)
    mt5linux    script ─▶ its server ─▶ terminal

The whole gateway runs, with its feed, while either side is measured. What is timed is `bench.script`.
"""

import importlib.metadata
import importlib.util
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from bench.bridge import HOST
from bench.context import Context, Entry
from bench.floors import Failed, Program, read_latencies
from bench.gateway_process import start_pool
from bench.runner import Block, Contender, Result, Target, Unavailable, interleave
from bench.script import BARS, FED_SYMBOL, POSITIONS

__all__ = ("CASES", "ENTRIES", "measure", "start_scripts")

OURS, AGAIN, TCP, THEIRS = "mt5gate", "mt5gate again", "mt5gate, tcp", "mt5linux"

MT5LINUX_RELEASE: Final = "1.0."
"""The last whose client talks to a server that somebody has started; later ones start a container of their own."""


@dataclass(frozen=True, slots=True)
class Read:
    """A second thing to measure with a call: what a script reads of its result."""

    operation: str
    suffix: str
    target: Target


@dataclass(frozen=True, slots=True)
class Case:
    """One bench: an operation of `bench.script`, what was promised of it, and what else is shown beside it."""

    name: str
    title: str
    operation: str
    counts: tuple[int, int]  # of a block: quick, full
    target: Target | None = None
    read: Read | None = None
    beside: str = ""  # an operation of ours alone, for comparison
    beside_name: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)


CASES: Final = (
    Case(
        "dropin-tick",
        "symbol_info_tick: the drop-in module beside mt5linux",
        "tick",
        (60, 400),
        Target(">=", 4.0),
        Read("tick-fields", "bid and ask read", Target(">=", 5.0)),
        "tick-asked",
        f"{OURS}, asked of the terminal",
        (
            f"A feed reads {FED_SYMBOL}, so the broker knows its quote (`feed.symbols`, or anybody who subscribes). "
            "“Asked of the terminal”: a symbol that no feed reads.",
        ),
    ),
    Case(
        "dropin-order",
        "order_send: the drop-in module beside mt5linux",
        "order",
        (30, 150),
        Target(">=", 1.5),
        Read("order-fields", "retcode and order read", Target(">=", 2.0)),
        notes=(
            "Market orders, opening and closing in turn, on an account that isn't kept on disk: that would add the "
            "same to both sides. Before and after each order the gateway's worker asks the terminal whose account it "
            "has, and the broker keeps the order's state; mt5linux does neither.",
        ),
    ),
    Case(
        "dropin-bars",
        f"copy_rates_from_pos, {BARS:,} bars: the drop-in module beside mt5linux",
        "bars",
        (4, 20),
        Target(">=", 5.0),
        notes=(
            f"{BARS * 60:,} bytes of records. mt5linux sends them pickled and compressed, without TCP_NODELAY: where a "
            "reply waits for a delayed acknowledgement, it takes 40 ms more.",
        ),
    ),
    Case(
        "dropin-positions",
        f"positions_get, {POSITIONS} positions, ticket and profit of each: the drop-in module beside mt5linux",
        "positions",
        (20, 100),
    ),
    Case(
        "dropin-account",
        "account_info, balance and equity: the drop-in module beside mt5linux",
        "account",
        (20, 100),
    ),
)


def run(context: Context, case: Case) -> Result:
    """Start everything, and measure one case."""
    with start_scripts(context) as scripts:
        return measure(context, case, scripts)


def measure(context: Context, case: Case, scripts: dict[str, "Script"]) -> Result:
    """Closed loop: the drop-in module over ipc and tcp, and mt5linux over tcp, which is all it has."""
    rounds, count = context.pick(9, 24), context.pick(*case.counts)
    contenders = [script.contender(name, case.operation, count) for name, script in scripts.items()]
    if case.beside:
        contenders.append(scripts[OURS].contender(case.beside_name, case.beside, count))
    if case.read is not None:
        for name in (OURS, THEIRS):
            contenders.append(scripts[name].contender(_reading(name, case.read), case.read.operation, count))
    result = Result(case.name, case.title, interleave(contenders, rounds))
    result.compare("p50", THEIRS, OURS, AGAIN, case.target)
    result.compare("p50", THEIRS, TCP, None)
    if case.beside:
        result.compare("p50", THEIRS, case.beside_name, None)
    if case.read is not None:
        result.compare("p50", _reading(THEIRS, case.read), _reading(OURS, case.read), None, case.read.target)
    result.notes += [
        "A ratio says how many times faster ours is. mt5gate over ipc unless it says tcp; mt5linux over tcp, "
        f"{_versions()}, its own server with its defaults.",
        *case.notes,
    ]
    return result


def _reading(name: str, read: Read) -> str:
    return f"{name}, {read.suffix}"


def _versions() -> str:
    return f"mt5linux {importlib.metadata.version('mt5linux')} on rpyc {importlib.metadata.version('rpyc')}"


def _require_mt5linux() -> None:
    if importlib.util.find_spec("mt5linux") is None or importlib.util.find_spec("rpyc") is None:
        raise Unavailable("mt5linux isn't installed: pip install 'mt5gate[bench]'")
    found = importlib.metadata.version("mt5linux")
    if not found.startswith(MT5LINUX_RELEASE):
        raise Unavailable(f"mt5linux: expected {MT5LINUX_RELEASE}x, whose client needs no container, found {found}")


@dataclass(frozen=True, slots=True)
class Script:
    """A script that is connected to one side."""

    context: Context
    program: Program

    def contender(self, name: str, operation: str, count: int) -> Contender:
        """Return a contender that measures `count` turns of an operation in each block."""
        return Contender(name, lambda: self._block(operation, count))

    def _block(self, operation: str, count: int) -> Block:
        path: Path = self.context.scratch / f"script-{self.program.pid}"
        answer = self.program.ask(f"{operation} {count} {path}")
        if answer["error"]:
            raise Failed(f"{self.program.name}, {operation}: {answer['error']}")
        return Block(read_latencies(path))


@contextmanager
def start_scripts(context: Context) -> Iterator[dict[str, Script]]:
    """Run a gateway, mt5linux's server on its terminal, and four scripts; all end with the block.

    Raises Unavailable where mt5linux isn't installed.
    """
    _require_mt5linux()
    with ExitStack() as stack:
        pool = stack.enter_context(start_pool(FED_SYMBOL))
        port = str(_free_port())
        stack.enter_context(Program.python("bench.bridge", pool.terminal, port))
        places = {
            OURS: (OURS, pool.endpoint),
            AGAIN: (OURS, pool.endpoint),
            TCP: (OURS, pool.tcp_endpoint),
            THEIRS: (THEIRS, port),
        }
        yield {
            name: Script(context, stack.enter_context(Program.python("bench.script", *place)))
            for name, place in places.items()
        }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


ENTRIES = tuple(Entry(case.name, case.title, partial(run, case=case)) for case in CASES)
