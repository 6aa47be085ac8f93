"""The accounts on disk: what is written comes back as it was, and what can't be gone on from is refused untouched."""

import dataclasses
import math
import os
import sqlite3
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from gateway.terminal.simulated import store as module
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.store import (
    SCHEMA,
    VERSION,
    StateError,
    StateInUseError,
    StateWriteError,
    Store,
    open_store,
    persist,
)
from gateway.terminal.simulated.trading.books import Book
from gateway.terminal.simulated.trading.entries import Changes, Order, Position
from gateway.wire.structs import TradeDeal, TradeOrder

TERMINAL = {"login": 7, "server": "S", "currency": "USD", "margin_mode": "hedging"}
NOW_MSC = 1_700_000_000_123


def position(ticket: int = 1, **fields: Any) -> Position:
    values = {field.name: 0 for field in dataclasses.fields(Position)} | {
        "ticket": ticket,
        "identifier": ticket,
        "symbol": "EURUSD",
        "comment": "",
        "volume": 0.1,
        "price_open": 1.1,
        "swap": 0.0,
    }
    return Position(**(values | fields))


def order(ticket: int = 1, **fields: Any) -> Order:
    values = {field.name: 0 for field in dataclasses.fields(Order)} | {
        "ticket": ticket,
        "symbol": "EURUSD",
        "comment": "",
        "volume": 0.1,
    }
    return Order(**(values | fields))


def finished(ticket: int = 1, **fields: Any) -> TradeOrder:
    values = dict.fromkeys(TradeOrder.__match_args__, 0) | {"ticket": ticket, "symbol": "EURUSD", "comment": "é"}
    return TradeOrder((values | fields).values())


def deal(ticket: int = 1, **fields: Any) -> TradeDeal:
    values = dict.fromkeys(TradeDeal.__match_args__, 0) | {"ticket": ticket, "symbol": "EURUSD", "profit": 0.1}
    return TradeDeal((values | fields).values())


def changes(**fields: Any) -> Changes:
    return Changes(
        **{
            "positions": {},
            "orders": {},
            "finished": [],
            "deals": [],
            "balance": 0.0,
            "credit": 0.0,
            "next_order": 2,
            "next_deal": 3,
            "request_id": 4,
            **fields,
        }
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "account-demo.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store(path, TERMINAL)
    yield store
    store.close()


def reopened(path: Path, store: Store) -> Store:
    store.close()
    return Store(path, TERMINAL)


def bits(value: Any) -> str:
    """Every number as it is: -0.0 is another one than 0.0, 1 than 1.0."""
    return repr(value)


# --- what is kept ---------------------------------------------------------------------------------------------------


def test_new_file_holds_no_account(store: Store) -> None:
    assert store.load() == {}


def test_account_comes_back_as_it_was(path: Path, store: Store) -> None:
    account = changes(
        positions={1: position(1, magic=2**64 - 1, sl=-0.0, tp=math.pi, comment="[sl 1.1]", time_msc=NOW_MSC)},
        orders={2: order(2, price=0.1 + 0.2, expires_s=2**31)},
        finished=[finished(9, magic=2**63, volume_initial=1e-8), finished(3)],
        deals=[deal(5, profit=-0.0, commission=-7.0), deal(4)],
        balance=100_000.01,
        credit=5.0,
    )

    store.save(7, account, NOW_MSC)
    with_again = reopened(path, store)
    found = with_again.load()
    with_again.close()

    assert bits(found) == bits({7: (account, NOW_MSC)})
    saved, _ = found[7]
    assert type(saved.deals[0]) is TradeDeal
    assert type(saved.finished[0]) is TradeOrder


def test_accounts_are_kept_apart(store: Store) -> None:
    store.save(7, changes(positions={1: position(1)}, deals=[deal(1)], balance=1.0), 10)
    store.save(8, changes(positions={1: position(1, volume=5.0)}, balance=2.0), 20)
    store.save(8, changes(positions={1: None}, balance=3.0), 30)

    (one, one_msc), (other, other_msc) = store.load().values()

    assert (len(one.positions), len(one.deals), one.balance, one_msc) == (1, 1, 1.0, 10)
    assert (len(other.positions), len(other.deals), other.balance, other_msc) == (0, 0, 3.0, 30)


def test_forgotten_account_leaves_nothing_and_the_others_alone(store: Store) -> None:
    for login in (7, 8):
        account = changes(positions={1: position(1)}, orders={2: order(2)}, finished=[finished(3)], deals=[deal(4)])
        store.save(login, account, 10)

    store.forget(7)

    assert list(store.load()) == [8]
    store.save(7, changes(balance=5.0), 20)
    assert bits(store.load()[7]) == bits((changes(balance=5.0), 20))


def test_what_is_gone_stays_gone_and_what_changed_keeps_its_place(store: Store) -> None:
    store.save(7, changes(positions={n: position(n) for n in (1, 2, 3)}, orders={n: order(n) for n in (4, 5)}), 1)
    store.save(7, changes(positions={2: position(2, volume=0.5), 1: None}, orders={4: order(4, price=2.0), 5: None}), 2)

    account = store.load()[7][0]

    assert [(item.ticket, item.volume) for item in account.positions.values() if item] == [(2, 0.5), (3, 0.1)]
    assert [(item.ticket, item.price) for item in account.orders.values() if item] == [(4, 2.0)]


def test_same_changes_make_the_same_content(tmp_path: Path) -> None:
    dumps = []
    for name in ("one", "two"):
        kept = Store(tmp_path / name, TERMINAL)
        for n in range(5):
            kept.save(7, changes(positions={n: position(n)}, deals=[deal(n)], balance=0.1 * n), n)
            kept.save(7, changes(positions={n - 1: None}, balance=0.1 * n), n)
        kept.close()
        connection = sqlite3.connect(tmp_path / name)
        dumps.append(list(connection.iterdump()))
        connection.close()

    assert dumps[0] == dumps[1]


@pytest.mark.parametrize("unkeepable", [object(), 2**64], ids=["object", "number"])
def test_change_that_fails_is_not_written_in_part(path: Path, store: Store, unkeepable: object) -> None:
    store.save(7, changes(deals=[deal(1)], balance=1.0), 1)

    with pytest.raises(StateWriteError, match=str(path)):
        store.save(7, changes(deals=[deal(2), deal(3, symbol=unkeepable)], balance=3.0), 2)

    saved, now_msc = store.load()[7]
    assert ([item.ticket for item in saved.deals], saved.balance, now_msc) == ([1], 1.0, 1)
    store.save(7, changes(deals=[deal(2)], balance=2.0), 2)
    assert len(store.load()[7][0].deals) == 2


def test_hundred_thousand_deals_come_back_in_the_order_they_came(path: Path, store: Store) -> None:
    deals = [deal(n, time=n // 3, profit=n / 100) for n in range(100_000)]

    store.save(7, changes(deals=deals), 1)
    again = reopened(path, store)
    found = again.load()[7][0].deals
    again.close()

    assert found == deals


def test_log_beside_the_file_stays_small(path: Path, store: Store) -> None:
    for n in range(2_000):
        store.save(7, changes(deals=[deal(n)], finished=[finished(n)]), n)

    assert Path(f"{path}-wal").stat().st_size < 2 * module.CHECKPOINT_PAGES * 4_200


class Kept(RuleBasedStateMachine):
    """A book and the file that follows it: at every instant the file makes the same book again."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="mt5g")
        self.store = Store(Path(self.folder.name) / "account.sqlite", TERMINAL)
        self.book = Book()
        self.now_msc = NOW_MSC

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def take_forgotten(self) -> list[int]:
        return []

    def take_changes(self) -> Iterator[tuple[int, Changes, int]]:
        found = self.book.take_changes()
        if found is not None:
            yield 7, found, self.now_msc

    @initialize(amount=st.integers(0, 10**9))
    def deposit(self, amount: int) -> None:
        self.entered(profit=amount / 100)
        self.kept()

    @rule(volume=st.integers(1, 100), price=st.floats(0.5, 2.0), magic=st.integers(0, 2**64 - 1))
    def opened(self, volume: int, price: float, magic: int) -> None:
        ticket = self.book.next_order()
        self.book.add_position(position(ticket, volume=volume / 100, price_open=price, magic=magic))
        self.book.record_order(finished(ticket, time_done=self.now_msc // 1000, position_id=ticket))
        self.entered(order=ticket, position_id=ticket, magic=magic)

    @precondition(lambda self: self.book.positions)
    @rule(data=st.data(), part=st.floats(0.1, 1.0), profit=st.integers(-(10**6), 10**6))
    def reduced(self, data: Any, part: float, profit: int) -> None:
        held = data.draw(st.sampled_from(list(self.book.positions.values())))
        self.book.reduce_position(held, max(round(held.volume * part, 2), 0.01), self.now_msc)
        self.entered(position_id=held.identifier, profit=profit / 100)

    @rule(price=st.floats(0.5, 2.0))
    def placed(self, price: float) -> None:
        self.book.add_order(order(self.book.next_order(), type=2, price=price))

    @precondition(lambda self: self.book.orders)
    @rule(data=st.data())
    def removed(self, data: Any) -> None:
        held = data.draw(st.sampled_from(list(self.book.orders.values())))
        self.book.drop_order(held)
        self.book.record_order(finished(held.ticket, time_done=self.now_msc // 1000))

    @rule(amount=st.integers(-(10**6), 10**6))
    def entered_by_hand(self, amount: int) -> None:
        self.entered(profit=amount / 100)

    @rule(seconds=st.integers(-5, 60))
    def moved(self, seconds: int) -> None:
        self.now_msc += seconds * 1000

    @rule()
    def kept(self) -> None:
        persist(self.store, self)
        saved, _ = self.store.load()[7]
        again = Book()
        again.restore(saved)
        assert bits(self.content(again)) == bits(self.content(self.book))
        assert math.isclose(again.balance, sum(item.profit for item in saved.deals), abs_tol=1e-4)
        assert again.next_order() == saved.next_order

    @rule()
    def restarted(self) -> None:
        self.kept()
        again = Book()
        again.restore(self.store.load()[7][0])
        self.book = again

    def entered(self, **fields: Any) -> None:
        names = ("order", "entry", "magic", "position_id", "reason", "volume", "price", "profit")
        values = dict.fromkeys(names, 0) | {"symbol": "EURUSD", "comment": "", "type_": 0, "time_msc": self.now_msc}
        self.book.record_deal(**(values | fields))

    @staticmethod
    def content(book: Book) -> list[Any]:
        everything = (0, 2**40)
        indices = (book.positions_of, book.orders_of, book.deals_of_order, book.deals_of_position)
        return [
            *(book.balance, book.credit, book.request_id, book.positions, book.orders, book.exposures.keys()),
            *(book.history.between(*everything), book.deals.between(*everything)),
            book.pending,
            *({key: entries for key, entries in index.items() if entries} for index in indices),
        ]


Kept.TestCase.settings = hypothesis_settings(max_examples=30, stateful_step_count=30, deadline=None)
TestBookAndFile = Kept.TestCase


# --- whose it is ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no such rights")
def test_file_is_its_owners_alone(path: Path, store: Store) -> None:
    store.save(7, changes(), 1)

    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    assert len(list(path.parent.iterdir())) == 2  # the file and its log


@pytest.mark.skipif(sys.platform == "win32", reason="no such rights")
def test_file_open_to_others_is_closed_to_them(path: Path, store: Store) -> None:
    store.close()
    path.chmod(0o666)

    Store(path, TERMINAL).close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_second_terminal_is_refused(path: Path, store: Store) -> None:
    store.save(7, changes(balance=5.0), 1)

    with pytest.raises(StateInUseError, match=f"{path}: another terminal has this account; end that one"):
        Store(path, TERMINAL)

    store.save(7, changes(balance=6.0), 2)
    again = reopened(path, store)
    assert again.load()[7][0].balance == 6.0
    again.close()


def test_second_terminal_on_a_new_file_is_refused(path: Path, store: Store) -> None:
    with pytest.raises(StateInUseError):
        Store(path, TERMINAL)


@pytest.mark.parametrize("key", TERMINAL)
def test_file_of_another_account_is_refused(path: Path, store: Store, key: str) -> None:
    store.close()
    content = path.read_bytes()

    with pytest.raises(StateError, match=rf"{path}: holds an account with {key} .*; set {key} back, or remove the"):
        Store(path, TERMINAL | {key: "other"})

    assert path.read_bytes() == content


@pytest.mark.parametrize("version", [VERSION + 1, VERSION - 1])
def test_file_of_another_version_is_refused(path: Path, store: Store, version: int) -> None:
    store.close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    content = path.read_bytes()

    with pytest.raises(StateError, match=f"{path}: expected an account in format {VERSION}, got format {version}; run"):
        Store(path, TERMINAL)

    assert path.read_bytes() == content


def test_file_with_other_tables_is_refused(path: Path, store: Store) -> None:
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE positions ADD COLUMN mood")
    connection.commit()
    connection.close()

    with pytest.raises(StateError, match="with other tables"):
        Store(path, TERMINAL)


def test_file_of_another_program_is_refused_untouched(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE money (amount)")
    connection.commit()
    connection.close()
    content = path.read_bytes()

    with pytest.raises(StateError, match=f"{path}: is another program's SQLite file; name another place"):
        Store(path, TERMINAL)

    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"hello", b"x" * 5_000, b"SQLite format 3\0" + b"\xff" * 4_080], ids=len)
def test_file_that_is_no_database_is_refused_untouched(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    with pytest.raises(StateError, match=f"{path}: is damaged, and nothing in it was changed: .*; put a copy of it"):
        Store(path, TERMINAL)

    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", ["cut", "overwritten", "zeroed"])
def test_damaged_file_is_refused_untouched(path: Path, store: Store, damage: str) -> None:
    store.save(7, changes(deals=[deal(n) for n in range(5_000)]), 1)
    store.close()
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4_096 * 4_096
    if damage == "cut":
        del content[middle:]
    else:
        content[middle : middle + 4_096] = (b"\xa5" if damage == "overwritten" else b"\0") * 4_096
    path.write_bytes(content)

    with pytest.raises(StateError, match="is damaged"):
        Store(path, TERMINAL)

    assert path.read_bytes() == content


def test_empty_file_is_a_new_one(path: Path) -> None:
    path.write_bytes(b"")  # what a terminal leaves that dies before it has written the tables

    store = Store(path, TERMINAL)

    assert store.load() == {}
    store.close()


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Store(tmp_path / "nowhere" / "account.sqlite", TERMINAL)


def test_folder_in_its_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=str(tmp_path)):
        Store(tmp_path, TERMINAL)


# --- the seam -------------------------------------------------------------------------------------------------------


def test_without_a_file_nothing_is_kept_and_nobody_is_asked() -> None:
    store = open_store(Settings(address="sim:///x"))

    assert store is None
    persist(store, None)  # type: ignore[arg-type]


def test_settings_say_where_and_whose(path: Path) -> None:
    settings = Settings(address="sim:///x", state_file=str(path))
    store = open_store(settings)
    assert store is not None
    store.close()

    with pytest.raises(StateError, match="holds an account with margin_mode 'hedging', got margin_mode: 'netting'"):
        open_store(dataclasses.replace(settings, margin_mode="netting"))


def test_tables_have_the_version_that_is_said() -> None:
    """When this fails, the records have other fields: raise VERSION, and give the new ones here."""
    fields = {name.partition(" (")[0]: name.partition(" (")[2].count(",") for name in SCHEMA}

    assert VERSION == 1
    assert fields == {
        "CREATE TABLE terminal": 1,
        "CREATE TABLE accounts": 6,
        "CREATE TABLE positions": 16,
        "CREATE TABLE orders": 23,
        "CREATE TABLE history_orders": 24,
        "CREATE TABLE history_deals": 18,
    }


def test_write_is_not_put_off(path: Path, store: Store) -> None:
    """What `save` has returned from is there for whoever opens the file after the terminal was killed."""
    store.save(7, changes(deals=[deal(1)]), 1)

    copies = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    beside = path.parent / "copy"
    beside.mkdir()
    for name, content in copies.items():
        (beside / name).write_bytes(content)
    os.truncate(beside / f"{path.name}-wal", len(copies[f"{path.name}-wal"]))

    again = Store(beside / path.name, TERMINAL)
    assert len(again.load()[7][0].deals) == 1
    again.close()
