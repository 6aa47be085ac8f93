"""The same seed and the same requests at the same times make the same terminal: replies, books, faults, to the byte."""

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

from gateway.terminal.simulated.fault_kinds import FAULTS
from gateway.terminal.simulated.frames import encode
from gateway.terminal.simulated.session import Session
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.terminal import SimulatedTerminal
from gateway.wire.arguments import prepare

START_MS = 1_700_000_000_000
ROOT = Path(__file__).parents[3]
RATES = dict.fromkeys(FAULTS, 0.02) | {"terminal_gone": 0.002, "disconnected": 0.005}
READS = (
    ("account_info", ()),
    ("terminal_info", ()),
    ("symbol_info", ("EURUSD",)),
    ("symbol_info_tick", ("XAUUSD",)),
    ("symbol_select", ("EURUSD", True)),
    ("positions_get", ()),
    ("orders_get", ()),
    ("history_deals_get", (0, 2**31 - 1)),
    ("history_orders_get", (0, 2**31 - 1)),
    ("copy_ticks_from", ("EURUSD", START_MS // 1000, 200, -1)),
    ("copy_rates_from_pos", ("USDJPY", 1, 0, 20)),
    ("market_book_add", ("EURUSD",)),
    ("market_book_get", ("EURUSD",)),
    ("initialize", ()),
)


def digest(seed: int, script: int, steps: int = 600) -> str:
    """Run a script of calls on a fresh terminal, with every fault at random; return the hash of all it said and did."""
    settings = Settings(address="sim:///nowhere", seed=seed, faults=RATES, password="p", execution_delay_ms=3)
    terminal = SimulatedTerminal(settings, [], START_MS, 0)
    session, draw, found = Session(authorised=True), random.Random(script), hashlib.sha256()
    now_ns = 0
    for _ in range(steps):
        now_ns += draw.randrange(60_000_000)
        terminal.advance(now_ns)
        name, args = draw.choice(READS)
        if draw.random() < 0.4:
            name, args = "order_send", (request(draw, terminal),)
        arguments = prepare(name, args, {})
        arguments = arguments[1:4] if name == "initialize" else arguments
        reply, delivery = terminal.answer(session, name, arguments, now_ns)
        found.update(encode((*reply, delivery.closes, delivery.delay_ms)))
        found.update(repr(list(terminal.take_changes())).encode())
        found.update(repr((terminal.faults.status(now_ns), terminal.next_due_ns())).encode())
    return found.hexdigest()


def request(draw: random.Random, terminal: SimulatedTerminal) -> dict:
    positions = list(terminal.desk.book.positions.values())
    if positions and draw.random() < 0.4:
        position = draw.choice(positions)
        return {
            "action": 1,
            "symbol": position.symbol,
            "volume": position.volume,
            "type": 1 - position.type,
            "position": position.ticket,
            "type_filling": 1,
        }
    symbol = draw.choice(("EURUSD", "USDJPY", "XAUUSD"))
    if draw.random() < 0.3:
        bid = terminal.market.symbols[symbol].bid
        price = round(bid * draw.choice((0.9999, 0.99)), 2)
        return {"action": 5, "symbol": symbol, "volume": 0.1, "type": 2, "price": price, "type_filling": 2}
    return {"action": 1, "symbol": symbol, "volume": 0.1, "type": draw.randrange(2), "type_filling": 1}


def test_two_terminals_that_are_asked_the_same_are_the_same():
    assert digest(7, 1) == digest(7, 1)


def test_seed_makes_the_difference():
    assert digest(7, 1, 50) != digest(8, 1, 50)


def test_neither_memory_nor_the_order_of_hashes_plays_a_part():
    """A process of another hash seed says and does the same."""
    code = "from tests.terminal.simulated.test_determinism import digest; print(digest(7, 2, 200))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(found) == 1
