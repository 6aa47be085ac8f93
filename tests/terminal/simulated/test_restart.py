"""A simulated terminal that ends, or is killed, and comes back with its accounts."""

import math
import os
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import wall_ns
from gateway.process import EXIT_REFUSED, EXIT_UNAVAILABLE, Child, State
from gateway.settings import SimulatorSettings
from gateway.terminal.port import Login
from gateway.terminal.simulated.connection import SimulatedConnection
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.store import StateWriteError, Store, open_store, persist
from gateway.terminal.simulated.terminal import Session, SimulatedTerminal
from gateway.wire import constants as mt5
from gateway.wire.arguments import prepare

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no Unix sockets")

DEADLINE_S = 60.0
START_MS = 1_790_000_000_000
"""A Monday, in an hour when every market is open."""
ALL = (0, 2**31 - 1)


def wait_until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"waited {DEADLINE_S:.0f} s for: {what}"
        time.sleep(0.002)


# --- processes ------------------------------------------------------------------------------------------------------


class Place:
    """A folder with a terminal's socket and its state file; the terminals of it end with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "account-demo.sqlite"
        self._children: list[Child] = []
        self._connections: list[SimulatedConnection] = []

    def start(self, *, socket: str = "terminal.sock", **terminal: Any) -> Child:
        told = {"state_file": str(self.file), "limit_orders": 0, **terminal}
        settings = SimulatorSettings(address=f"sim://{self.folder}/{socket}", terminal=told, log_level="critical")
        child = Child("simulator", settings)
        self._children.append(child)
        return child

    def ready(self, **terminal: Any) -> Child:
        child = self.start(**terminal)
        wait_until(lambda: child.beat.state == State.READY or child.poll() is not None, "the terminal")
        assert child.poll() is None
        return child

    def connect(self) -> SimulatedConnection:
        connection = SimulatedConnection()
        self._connections.append(connection)
        assert connection.initialize(Login(address=f"sim://{self.folder}/terminal.sock", timeout_ms=20_000))
        return connection

    def end(self) -> None:
        for connection in self._connections:
            connection.shutdown()
        for child in self._children:
            child.end()


@pytest.fixture
def place(socket_dir: Path) -> Iterator[Place]:
    place = Place(socket_dir)
    yield place
    place.end()


def ask(connection: SimulatedConnection, name: str, *args: Any) -> Any:
    return connection.call(name, args, {})


def buy(connection: SimulatedConnection, **request: Any) -> Any:
    filled_in = {"action": mt5.TRADE_ACTION_DEAL, "symbol": "EURUSD", "volume": 0.01, "type": mt5.ORDER_TYPE_BUY}
    return ask(connection, "order_send", filled_in | {"type_filling": mt5.ORDER_FILLING_IOC} | request)


def pend(connection: SimulatedConnection) -> Any:
    return buy(
        connection,
        action=mt5.TRADE_ACTION_PENDING,
        type=mt5.ORDER_TYPE_BUY_LIMIT,
        price=0.5,
        type_filling=mt5.ORDER_FILLING_RETURN,
    )


class Trader(threading.Thread):
    """Opens, closes and places, one order behind the other, until its terminal is gone."""

    def __init__(self, connection: SimulatedConnection) -> None:
        super().__init__(daemon=True)
        self._connection = connection
        self.opened: list[Any] = []
        self.closed: list[tuple[int, Any]] = []
        self.placed: list[Any] = []

    @property
    def answered(self) -> int:
        return len(self.opened) + len(self.closed) + len(self.placed)

    def run(self) -> None:
        while True:
            first, second, placed = buy(self._connection), buy(self._connection), pend(self._connection)
            self.opened += [result for result in (first, second) if result is not None]
            self.placed += [placed] if placed is not None else []
            if placed is None:
                return
            closed = buy(self._connection, type=mt5.ORDER_TYPE_SELL, position=first.order)
            if closed is None:
                return
            self.closed.append((first.order, closed))


def test_no_answered_order_is_forgotten_by_a_killed_terminal(place: Place) -> None:
    killed = place.ready()
    traders = [Trader(place.connect()) for _ in range(3)]
    for trader in traders:
        trader.start()
    wait_until(lambda: min(trader.answered for trader in traders) >= 60, "orders to be answered")
    killed.kill("the test")
    for trader in traders:
        trader.join(DEADLINE_S)
    assert {result.retcode for trader in traders for result in (*trader.opened, *trader.placed)} == {
        mt5.TRADE_RETCODE_DONE
    }

    place.ready()
    again = place.connect()
    orders, deals = ask(again, "history_orders_get", *ALL), ask(again, "history_deals_get", *ALL)
    positions, pending = ask(again, "positions_get"), ask(again, "orders_get")

    known_orders, known_deals = Counter(item.ticket for item in orders), Counter(item.ticket for item in deals)
    assert set(known_orders.values()) == set(known_deals.values()) == {1}
    held, waiting = {item.ticket for item in positions}, {item.ticket for item in pending}
    for trader in traders:
        gone = {ticket for ticket, _ in trader.closed}
        for result in (*trader.opened, *(result for _, result in trader.closed)):
            assert result.order in known_orders
            assert result.deal in known_deals
        assert {result.order for result in trader.opened[:-2]} - gone <= held
        assert not gone & held
        assert {result.order for result in trader.placed} <= waiting
    unanswered = len(known_orders) + len(waiting) - sum(trader.answered for trader in traders)
    assert 0 <= unanswered <= len(traders), "each can have been in the middle of one order"
    balance = ask(again, "account_info").balance
    assert math.isclose(balance, sum(item.profit + item.commission + item.swap + item.fee for item in deals))
    newest = buy(again)
    assert newest.order == max(known_orders | Counter(waiting)) + 1
    assert newest.deal == max(known_deals) + 1


def test_terminal_that_was_asked_to_stop_leaves_one_file(place: Place) -> None:
    first = place.ready()
    connection = place.connect()
    bought = buy(connection)
    first.request_stop()
    wait_until(lambda: first.poll() is not None, "the terminal to end")

    assert first.poll() == 0
    assert [file.name for file in place.folder.iterdir()] == [place.file.name]
    place.ready()
    assert [item.ticket for item in ask(place.connect(), "positions_get")] == [bought.order]


def test_second_terminal_on_an_account_lacks_it(place: Place) -> None:
    place.ready()
    connection = place.connect()

    second = place.start(socket="other.sock")
    wait_until(lambda: second.poll() is not None, "the second terminal to end")

    assert second.poll() == EXIT_UNAVAILABLE
    assert buy(connection).retcode == mt5.TRADE_RETCODE_DONE


@pytest.mark.parametrize("told", [{}, {"currency": "EUR"}], ids=["damaged", "in another currency"])
def test_terminal_does_not_start_on_an_account_it_cannot_go_on_from(place: Place, told: dict[str, Any]) -> None:
    if told:
        first = place.ready()
        first.request_stop()
        wait_until(lambda: first.poll() is not None, "the terminal to end")
    else:
        place.file.write_bytes(b"x" * 10_000)
    content = place.file.read_bytes()

    refused = place.start(**told)
    wait_until(lambda: refused.poll() is not None, "the terminal to end")

    assert refused.poll() == EXIT_REFUSED
    assert place.file.read_bytes() == content


def test_order_that_cannot_be_written_is_not_answered(
    place: Place, serving: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal ends instead: who asked doesn't know, and the next life says that it didn't happen."""
    settings = Settings(address=f"sim://{place.folder}/terminal.sock", state_file=str(place.file))

    def order_on_a_full_disk() -> None:
        with serving(settings):
            connection = connect(settings.address)
            assert buy(connection).retcode == mt5.TRADE_RETCODE_DONE
            monkeypatch.setattr(Store, "save", full)
            assert buy(connection) is None
            monkeypatch.undo()

    with pytest.raises(StateWriteError, match="full"):
        order_on_a_full_disk()
    with serving(settings):
        assert len(ask(connect(settings.address), "positions_get")) == 1


def full(*_: Any) -> None:
    raise StateWriteError("the disk is full")


# --- without processes ----------------------------------------------------------------------------------------------


class Life:
    """One life of a terminal on a state file, its clock moved by the test."""

    def __init__(self, file: Path, start_ms: int = START_MS, **told: Any) -> None:
        self.settings = Settings(address="sim:///nowhere", state_file=str(file), seed=5, **told)
        store = open_store(self.settings)
        assert store is not None
        self.store = store
        try:
            self.terminal = SimulatedTerminal(self.settings, (), start_ms, 0, store.load())
        except BaseException:
            store.close()
            raise
        self._session = Session(authorised=True)
        self.now_ns = 0
        persist(store, self.terminal)

    def move(self, ms: int) -> None:
        until_ns = self.now_ns + ms * 1_000_000
        while (due_ns := self.terminal.next_due_ns()) is not None and due_ns <= until_ns:
            self.now_ns = max(due_ns, self.now_ns)
            self.terminal.advance(self.now_ns)
            persist(self.store, self.terminal)
        self.now_ns = until_ns
        self.terminal.advance(self.now_ns)
        persist(self.store, self.terminal)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        _, _, result = self.terminal.call(self._session, name, prepare(name, args, kwargs), self.now_ns)
        persist(self.store, self.terminal)
        return result

    def buy(self, **request: Any) -> Any:
        filled_in = {"action": mt5.TRADE_ACTION_DEAL, "symbol": "EURUSD", "volume": 0.1, "type": mt5.ORDER_TYPE_BUY}
        result = self.call("order_send", filled_in | {"type_filling": mt5.ORDER_FILLING_IOC} | request)
        assert result.retcode == mt5.TRADE_RETCODE_DONE, result
        return result

    def books(self) -> list[Any]:
        return [
            self.call("positions_get"),
            self.call("orders_get"),
            self.call("history_orders_get", *ALL),
            self.call("history_deals_get", *ALL),
            self.call("account_info"),
        ]


@contextmanager
def life(file: Path, start_ms: int = START_MS, **told: Any) -> Iterator[Life]:
    living = Life(file, start_ms, **told)
    yield living
    living.store.close()


def trade(living: Life) -> None:
    living.move(2_000)
    first = living.buy(magic=2**64 - 1, comment="é")
    ask_price = living.call("symbol_info_tick", "EURUSD").ask
    living.buy(volume=0.3, sl=round(ask_price - 0.0002, 5), tp=round(ask_price + 0.0002, 5))
    limit = {"action": mt5.TRADE_ACTION_PENDING, "type": mt5.ORDER_TYPE_BUY_LIMIT, "type_filling": 2}
    living.buy(**limit, price=round(ask_price - 0.0003, 5))
    living.buy(**limit, price=0.5)
    living.buy(type=mt5.ORDER_TYPE_SELL, position=first.order, volume=0.05)
    living.move(30_000)


@pytest.mark.parametrize("margin_mode", ["hedging", "netting", "exchange"])
def test_same_seed_and_same_requests_write_the_same_account(tmp_path: Path, margin_mode: str) -> None:
    dumps = []
    for name in ("one.sqlite", "two.sqlite"):
        with life(tmp_path / name, margin_mode=margin_mode) as living:
            trade(living)
        connection = sqlite3.connect(tmp_path / name)
        dumps.append(list(connection.iterdump()))
        connection.close()

    assert dumps[0] == dumps[1]
    assert len(dumps[0]) > 15


def test_account_of_the_next_life_is_the_same_to_the_last_digit(tmp_path: Path) -> None:
    with life(tmp_path / "a.sqlite") as first:
        trade(first)
        now_ms = START_MS + first.now_ns // 1_000_000
        before = first.books()
    with life(tmp_path / "a.sqlite", now_ms) as second:
        after = second.books()
        second.move(2_000)
        second.buy()

    *books, info = before
    *same_books, same_info = after
    moving = {"price_current", "profit"}  # with the market, which needs no disk
    assert [[without(item, moving) for item in book] for book in same_books] == [
        [without(item, moving) for item in book] for book in books
    ]
    assert (same_info.balance, same_info.credit, same_info.margin) == (info.balance, info.credit, info.margin)


def without(item: Any, fields: set[str]) -> dict[str, Any]:
    return {name: value for name, value in item._asdict().items() if name not in fields}


def test_stops_and_orders_of_an_earlier_life_still_work(tmp_path: Path) -> None:
    with life(tmp_path / "a.sqlite") as first:
        first.move(2_000)
        quote = first.call("symbol_info_tick", "EURUSD")
        first.buy(sl=round(quote.bid - 0.00005, 5), tp=round(quote.ask + 0.00005, 5))
    with life(tmp_path / "a.sqlite", START_MS + 2_000) as second:
        second.move(600_000)
        left, deals = second.call("positions_get"), second.call("history_deals_get", *ALL)

    assert left == []
    assert deals[-1].entry == mt5.DEAL_ENTRY_OUT


def test_order_that_was_only_placed_is_executed_in_the_next_life(tmp_path: Path) -> None:
    with life(tmp_path / "a.sqlite", execution_delay_ms=1_000) as first:
        first.move(2_000)
        request = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "type_filling": 1}
        placed = first.call("order_send", request | {"deviation": 2**64 - 1, "magic": 2**64 - 1})
        assert placed.retcode == mt5.TRADE_RETCODE_PLACED
        assert first.call("positions_get") == []
    with life(tmp_path / "a.sqlite", START_MS + 2_100, execution_delay_ms=1_000) as second:
        assert [item.ticket for item in second.call("orders_get")] == [placed.order]
        second.move(5_000)
        (position,) = second.call("positions_get")

    assert (position.ticket, position.magic) == (placed.order, 2**64 - 1)


def test_symbols_that_an_earlier_life_holds_are_watched(tmp_path: Path) -> None:
    with life(tmp_path / "a.sqlite") as first:
        names = [item.name for item in first.call("symbols_get", "*") if not item.select]
        assert first.call("symbol_select", names[0], True)
        assert first.call("symbol_select", names[1], True)
        first.move(60_000)
        first.buy(symbol=names[0])
    with life(tmp_path / "a.sqlite", START_MS + 60_000) as second:
        watched = {name: second.call("symbol_info", name).select for name in names[:2]}

    assert watched == {names[0]: True, names[1]: False}


def test_nights_while_the_terminal_was_off_are_charged_once(tmp_path: Path) -> None:
    day_ms = 86_400_000
    with life(tmp_path / "a.sqlite") as first:
        first.move(2_000)
        first.buy()
    swaps = []
    for days in (1, 1, 2):
        with life(tmp_path / "a.sqlite", START_MS + days * day_ms) as later:
            later.move(5_000)
            swaps.append(later.call("positions_get")[0].swap)

    assert swaps[0] == swaps[1] != 0.0
    assert swaps[2] == pytest.approx(2 * swaps[0], rel=0.05)


def test_account_that_began_anew_has_no_past_in_the_next_life(tmp_path: Path) -> None:
    with life(tmp_path / "a.sqlite") as first:
        trade(first)
        code, _, _ = first.terminal.command("sim.reset", (), first.now_ns)
        assert code == mt5.RES_S_OK
        first.move(1_000)
        assert first.call("positions_get") == []
    with life(tmp_path / "a.sqlite", START_MS + 60_000) as second:
        positions, orders, finished, deals, info = second.books()

    assert (positions, orders, finished, len(deals), info.balance) == ([], [], [], 1, 100_000.0)


def test_account_that_holds_what_is_not_listed_is_refused(tmp_path: Path) -> None:
    with life(tmp_path / "a.sqlite") as first:
        first.move(2_000)
        first.buy()

    with pytest.raises(ValueError, match=r"account 50000001: holds positions or orders of EURUSD, which this terminal"):
        Life(tmp_path / "a.sqlite", suffix=".r")


def test_servers_time_does_not_go_back(place: Place) -> None:
    ahead_ms = 3_600_000
    with life(place.file, wall_ns() // 1_000_000 + ahead_ms) as first:
        first.move(1_000)
        bought = first.buy()
        opened_msc = first.call("positions_get")[0].time_msc

    place.ready(seed=5)
    again = place.connect()
    wait_until(lambda: ask(again, "symbol_info_tick", "EURUSD").time_msc > 0, "a tick")
    later = buy(again)

    first_position, second_position = ask(again, "positions_get")
    assert (first_position.ticket, second_position.ticket) == (bought.order, later.order)
    assert second_position.time_msc >= opened_msc


def test_file_is_for_the_owner_from_the_first_moment(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        with life(tmp_path / "a.sqlite") as first:
            first.move(1_000)
            modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    finally:
        os.umask(umask)

    assert modes == {"a.sqlite": 0o600, "a.sqlite-wal": 0o600}
