"""The accounts of one simulated terminal on disk: an SQLite file that a restarted terminal goes on from.

Laws: what has changed is written before the reply that tells of it leaves, a call's changes all or none; a file that
isn't this terminal's own, isn't of this format or is damaged is refused with the reason, and nothing in it is changed;
one terminal at a time has a file, and only its owner may read it.

What survives: everything that was answered, when the terminal's process is killed, however hard. Not so the host's
power: nothing waits for the disk (`synchronous=OFF`), the last seconds may be lost or the file be damaged, which is
found at the next start. A write costs about 20 µs; with a wait for the disk it would be a hundred times that, for an
account that isn't money.

Numbers are kept as they are: no column has a type, so that SQLite converts nothing, and -0.0 stays -0.0. The rows'
order is the order of entry. It must never know what the records mean.
"""

import dataclasses
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.trading.entries import Changes, Order, Position
from gateway.wire.structs import TradeDeal, TradeOrder

__all__ = ("StateError", "StateInUseError", "StateWriteError", "Store", "open_store", "persist")

APPLICATION_ID: Final = 0x4D543553
"""Marks the file as ours, in SQLite's own header: "MT5S"."""

VERSION: Final = 1
"""Of the tables; to be raised with every change of them. No file is converted: a simulated account can begin anew."""

CHECKPOINT_PAGES: Final = 100
"""The write-ahead log is taken over into the file when it has so many pages: 0.4 MB, a pause of 0.1 ms."""

FIXED: Final = ("login", "server", "currency", "margin_mode")
"""Settings that can't change under an account: its books would mean something else."""

_SIGNED: Final = 1 << 63
_UNSIGNED: Final = 1 << 64

Record = TypeVar("Record", Position, Order, TradeOrder, TradeDeal)


class StateError(ValueError):
    """The file can't be gone on from; the message names it, and what to do."""


class StateInUseError(OSError):
    """Another terminal has the file, now."""


class StateWriteError(OSError):
    """What has changed couldn't be written: the terminal must end before it tells anyone of it."""


class Keeping(Protocol):
    """What has accounts to be kept: a `SimulatedTerminal`."""

    def take_forgotten(self) -> Iterable[int]:
        """Return the accounts that began anew since last asked."""
        ...

    def take_changes(self) -> Iterable[tuple[int, Changes, int]]:
        """Return login, changes and server's time of each account that has changed since last asked."""
        ...


def open_store(settings: Settings) -> "Store | None":
    """Open the file that the settings name, None if they name none; raises what `Store` raises."""
    if not settings.state_file:
        return None
    return Store(settings.state_file, {key: getattr(settings, key) for key in FIXED})


def persist(store: "Store | None", terminal: Keeping) -> None:
    """Write what has changed since last asked, to be called before any reply leaves; raises StateWriteError.

    Without a store nothing is asked: a book that is never asked keeps no account of its changes.
    """
    if store is not None:
        for login in terminal.take_forgotten():
            store.forget(login)
        for login, changes, now_msc in terminal.take_changes():
            store.save(login, changes, now_msc)


class _Table(Generic[Record]):
    """Where the records of one kind are kept: a column a field, and the login before them.

    `magic` alone has 64 bits without a sign, which SQLite has not; it is kept as the signed number of the same bits.
    """

    def __init__(
        self, name: str, fields: Sequence[str], make: Callable[[tuple[Any, ...]], Record], *, is_ledger: bool
    ) -> None:
        """`make` returns the record of its fields' values. A ledger's records are never changed."""
        columns = ", ".join(f'"{field}"' for field in fields)
        unique = "" if is_ledger else ", UNIQUE (login, ticket)"
        on_conflict = "" if is_ledger else f" ON CONFLICT DO UPDATE SET {_assignments(fields)}"
        self.schema = f"CREATE TABLE {name} (login, {columns}{unique})"
        self.put = f"INSERT INTO {name} VALUES ({_places(len(fields) + 1)}){on_conflict}"
        self.delete = f"DELETE FROM {name} WHERE login = ? AND ticket = ?"
        self._select = f"SELECT {columns} FROM {name} WHERE login = ? ORDER BY rowid"
        self._make: Callable[[tuple[Any, ...]], Record] = make
        self._values = attrgetter(*fields)
        self._magic = fields.index("magic")

    def row(self, login: int, record: Record) -> tuple[Any, ...]:
        """Return the record as `put` takes it."""
        values: tuple[Any, ...] = record if isinstance(record, tuple) else self._values(record)
        if record.magic >= _SIGNED:
            values = self._with_magic(values, record.magic - _UNSIGNED)
        return (login, *values)

    def records(self, connection: sqlite3.Connection, login: int) -> Iterator[Record]:
        """Yield all of an account, as they came."""
        for values in connection.execute(self._select, (login,)):
            magic = values[self._magic]
            yield self._make(values if magic >= 0 else self._with_magic(values, magic + _UNSIGNED))

    def _with_magic(self, values: tuple[Any, ...], magic: int) -> tuple[Any, ...]:
        return (*values[: self._magic], magic, *values[self._magic + 1 :])


def _assignments(fields: Iterable[str]) -> str:
    return ", ".join(f'"{field}" = excluded."{field}"' for field in fields)


def _places(count: int) -> str:
    return ", ".join("?" * count)


def _fields(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def _position(values: tuple[Any, ...]) -> Position:
    return Position(**dict(zip(_fields(Position), values, strict=True)))


def _order(values: tuple[Any, ...]) -> Order:
    return Order(**dict(zip(_fields(Order), values, strict=True)))


_POSITIONS: Final = _Table("positions", _fields(Position), _position, is_ledger=False)
_ORDERS: Final = _Table("orders", _fields(Order), _order, is_ledger=False)
_FINISHED: Final = _Table("history_orders", TradeOrder.__match_args__, TradeOrder, is_ledger=True)
_DEALS: Final = _Table("history_deals", TradeDeal.__match_args__, TradeDeal, is_ledger=True)
_FIGURES: Final = tuple(name for name in _fields(Changes) if name not in ("positions", "orders", "finished", "deals"))
"""Balance, credit, and what numbers are next."""

_PUT_ACCOUNT: Final = (
    f"INSERT INTO accounts VALUES ({_places(len(_FIGURES) + 2)})"
    f" ON CONFLICT DO UPDATE SET {_assignments((*_FIGURES, 'now_msc'))}"
)
SCHEMA: Final = (
    "CREATE TABLE terminal (key PRIMARY KEY, value)",
    f"CREATE TABLE accounts (login PRIMARY KEY, {', '.join(_FIGURES)}, now_msc)",
    _POSITIONS.schema,
    _ORDERS.schema,
    _FINISHED.schema,
    _DEALS.schema,
)


TABLES: Final = ("accounts", "positions", "orders", "history_orders", "history_deals")
"""Those with a login in every row."""


class Store:
    """A terminal's file, open and held against every other process until `close`. One thread uses it."""

    def __init__(self, path: str | Path, terminal: Mapping[str, int | str]) -> None:
        """Open the file, or make it. `terminal`: what must not change under the accounts in it, by settings' key.

        Raises StateError for a file that can't be gone on from, StateInUseError for one that another terminal has,
        OSError for one that can't be opened.
        """
        self._path = path
        _make_private(Path(path))
        self._connection = _connected(path)
        self._execute = self._connection.cursor().execute
        self._figures = attrgetter(*_FIGURES)
        try:
            if self._is_new():
                self._create(terminal)
            else:
                self._check(terminal)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise self._explained(error) from None
        except BaseException:
            self._connection.close()
            raise

    def load(self) -> dict[int, tuple[Changes, int]]:
        """Return every account by its login, none from a new file, as `save` would take it whole: the change from
        nothing, and the server's time. About 4 µs a record; raises StateError.
        """
        try:
            rows = self._connection.execute("SELECT * FROM accounts ORDER BY rowid").fetchall()
            return {row[0]: self._account(row) for row in rows}
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from None

    def save(self, login: int, changes: Changes, now_msc: int) -> None:
        """Write what has changed of one account, all of it or nothing; raises StateWriteError."""
        execute = self._execute
        with self._transaction():
            for ticket, position in changes.positions.items():
                if position is None:
                    execute(_POSITIONS.delete, (login, ticket))
                else:
                    execute(_POSITIONS.put, _POSITIONS.row(login, position))
            for ticket, order in changes.orders.items():
                if order is None:
                    execute(_ORDERS.delete, (login, ticket))
                else:
                    execute(_ORDERS.put, _ORDERS.row(login, order))
            for finished in changes.finished:
                execute(_FINISHED.put, _FINISHED.row(login, finished))
            for deal in changes.deals:
                execute(_DEALS.put, _DEALS.row(login, deal))
            execute(_PUT_ACCOUNT, (login, *self._figures(changes), now_msc))

    def forget(self, login: int) -> None:
        """Take an account out, with all that happened on it; raises StateWriteError."""
        with self._transaction():
            for table in TABLES:
                self._execute(f"DELETE FROM {table} WHERE login = ?", (login,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._execute("BEGIN")
            yield
            self._execute("COMMIT")
        except (sqlite3.Error, OverflowError) as error:
            with suppress(sqlite3.Error):
                self._execute("ROLLBACK")
            raise StateWriteError(f"{self._path}: the account can't be written: {error}") from error

    def close(self) -> None:
        """Give the file back; what is in it is then all in the one file."""
        self._connection.close()

    def _is_new(self) -> bool:
        """Say whether there is nothing in it, as after a terminal's death just before it wrote the tables."""
        self._execute("PRAGMA synchronous = OFF")
        self._execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        (count,) = self._execute("SELECT count(*) FROM sqlite_master").fetchone()
        return int(count) == 0 and self._pragma("application_id") == 0

    def _create(self, terminal: Mapping[str, int | str]) -> None:
        self._execute("PRAGMA journal_mode = WAL")
        self._execute("BEGIN EXCLUSIVE")
        for statement in SCHEMA:
            self._execute(statement)
        for item in terminal.items():
            self._execute("INSERT INTO terminal VALUES (?, ?)", item)
        self._execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._execute(f"PRAGMA user_version = {VERSION}")
        self._execute("COMMIT")

    def _check(self, terminal: Mapping[str, int | str]) -> None:
        if self._pragma("application_id") != APPLICATION_ID:
            raise StateError(f"{self._path}: is another program's SQLite file; name another place for the account")
        version = self._pragma("user_version")
        tables = {sql for (sql,) in self._execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
        if version != VERSION or tables != set(SCHEMA):
            raise StateError(
                f"{self._path}: expected an account in format {VERSION}, got format {version}"
                f"{' with other tables' if version == VERSION else ''}; run the mt5gate that wrote it, or remove the"
                " file to begin a new account"
            )
        (verdict,) = self._execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise self._damaged(verdict)
        known = dict(self._execute("SELECT key, value FROM terminal").fetchall())
        for key, value in terminal.items():
            if known.get(key) != value:
                raise StateError(
                    f"{self._path}: holds an account with {key} {known.get(key)!r}, got {key}: {value!r}; set {key}"
                    " back, or remove the file to begin a new account"
                )
        self._execute("BEGIN IMMEDIATE")  # whoever can't write must hear of it now, not after an order
        self._execute("COMMIT")

    def _account(self, row: tuple[Any, ...]) -> tuple[Changes, int]:
        login, *figures, now_msc = row
        connection = self._connection
        account = Changes(
            positions={item.ticket: item for item in _POSITIONS.records(connection, login)},
            orders={item.ticket: item for item in _ORDERS.records(connection, login)},
            finished=list(_FINISHED.records(connection, login)),
            deals=list(_DEALS.records(connection, login)),
            **dict(zip(_FIGURES, figures, strict=True)),
        )
        return account, now_msc

    def _pragma(self, name: str) -> int:
        return int(self._execute(f"PRAGMA {name}").fetchone()[0])

    def _explained(self, error: sqlite3.DatabaseError) -> Exception:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says more exactly where
        if code == sqlite3.SQLITE_BUSY:
            return _in_use(self._path)
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return self._damaged(str(error))
        return OSError(f"{self._path}: can't be used: {error}")

    def _damaged(self, found: str) -> StateError:
        return StateError(
            f"{self._path}: is damaged, and nothing in it was changed: {found}; put a copy of it back, or remove the"
            " file to begin a new account"
        )


def _make_private(path: Path) -> None:
    """Make the file if there is none, its owner's alone. SQLite gives the log beside it the same rights.

    An existing one is never opened here: closing it would give away the lock that this process may hold on it.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise FileExistsError(f"{path}: is there and is no file; name another place for the account")
    if mode & 0o077:
        path.chmod(0o600)


def _connected(path: str | Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=0.0, isolation_level=None)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    return connection


def _in_use(path: str | Path) -> StateInUseError:
    return StateInUseError(f"{path}: another terminal has this account; end that one, or name another place")
