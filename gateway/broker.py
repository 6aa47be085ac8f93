"""The order plane's process: one thread, one loop — wait, receive a bounded burst, run the engine, send.

It owns the sockets towards clients and workers, the order journal, and the clock; what a frame means is
`gateway.core`'s affair. No other Python thread runs here (but for the one that waits for the disk, with `durability:
disk`), and every send is non-blocking: a peer that doesn't read costs itself alone. A burst's records are written
before its frames are sent; start-up is recovery. On a full disk entries are refused, then exits. A journal that can't
be written at all is lost for this broker: no order leaves any more unless an operator allows exits, and only the next
broker, which reads what there is, writes again.

Order of shutdown: no more frames are read; the engine refuses what waits, answers what is in flight and says goodbye to
the sessions; these last frames get LINGER_MS to leave; then the sockets close and the locks are given back.
"""

import gc
import logging
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import zmq

from gateway import __version__, log
from gateway.accel import COMPILED, BoardReader, ReplyCache, RouterSocket, codec, records, wait
from gateway.clock import monotonic_ns, wall_ns
from gateway.core.accounts import AccountRules
from gateway.core.dedupe import Retention
from gateway.core.engine import Engine, Limits
from gateway.core.limitset import RiskRules
from gateway.journal import Journal, boot_id
from gateway.process import EXIT_REFUSED, Beat, State
from gateway.settings import AccountSettings, BrokerSettings
from gateway.sockets import bind, router_socket
from gateway.statedir import Lock, next_generation, prepare
from gateway.wire.errors import GatewayError, JournalError
from gateway.wire.messages import MAX_REQUEST_BYTES, MAX_RESULT_BYTES

__all__ = ("Broker", "run")

BURST: Final = 64
"""Frames taken from one socket before the other gets its turn; bounds how long a flood can hold the loop, and with it
how long a kill waits to be seen: some 0.4 ms."""

MAX_FLUSHES: Final = 4
"""In one turn of the loop: thousands of refusals after a kill must not keep it from what comes in meanwhile."""

MAX_IDLE_MS: Final = 100
"""Longest wait: the beat that the supervisor watches is given at least this often."""

COLLECT_ALL_NS: Final = 600_000_000_000
"""How often all that is remembered is looked through for garbage, busy or not: it takes some ten milliseconds."""

CACHE_ENTRIES: Final = 1_000
"""Replies kept; an account's symbols times one specification each, and the connection's status."""

DISCONNECT_BYTES: Final = 16 * 1_024 * 1_024
"""A client's message that libzmq itself refuses, by hanging up; up to this a clear reply is possible."""

LINGER_MS: Final = 500
"""How long the last replies may take to leave at shutdown."""


_DISK_FULL: Final = "the order journal's disk is full"
_RESERVE_USED: Final = "the order journal's disk is full, and the reserve for exits is used up"


class BoardQuotes:
    """The engine's source of live quotes: each account's feed writes a board in shared memory, we read it."""

    def __init__(self, boards: dict[str, str], max_age_ns: int) -> None:
        self._readers: dict[str, Any] = {account: BoardReader(path) for account, path in boards.items()}
        self._max_age_ns = max_age_ns

    def encoded_tick(self, account: str, tail: bytes, now_ns: int) -> bytes | None:
        """Return the encoded Tick for the encoded arguments `[symbol]`, or None if there is no fresh one. O(1)."""
        reader = self._readers.get(account)
        return None if reader is None else reader.encoded_tick(tail, now_ns, self._max_age_ns)

    def prices(self, account: str, tail: bytes, now_ns: int) -> tuple[float, float] | None:
        """Return the same tick's bid and ask. O(1)."""
        reader = self._readers.get(account)
        return None if reader is None else reader.prices(tail, now_ns, self._max_age_ns)


class Broker:
    """Sockets, locks and engine of one broker; `serve()` runs until `stop()`."""

    def __init__(self, settings: BrokerSettings, logger: logging.Logger) -> None:
        """Take the locks, raise the generation, bind. Raises ConfigError or JournalError, with nothing left held."""
        self._log = logger
        self._settings = settings
        self._stopping = False
        self._collect_all_ns = 0
        self._locks: list[Lock] = []
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            state_dir = prepare(settings.state_dir)
            self._locks.append(Lock(state_dir / "broker.lock", f"state_dir {state_dir}"))
            self.generation = next_generation(state_dir)
            self._wake: zmq.Socket[bytes] | None = None
            notify: Callable[[], None] | None = None
            if settings.durability == "disk":
                self._wake, notify = self._pair()
            self._lost = ""
            self._told = ""
            self._journal = Journal(prepare(str(state_dir / "journal")), notify)
            self._engine = _engine(settings, self.generation)
            self._recover()
            client_socket = router_socket(self._context, DISCONNECT_BYTES)
            worker_socket = router_socket(self._context, MAX_RESULT_BYTES + MAX_REQUEST_BYTES)
            self._sockets = (
                (client_socket, worker_socket)
                if self._wake is None
                else (
                    client_socket,
                    worker_socket,
                    self._wake,
                )
            )
            for socket, endpoints in ((client_socket, settings.endpoints), (worker_socket, settings.worker_endpoints)):
                for endpoint in endpoints:
                    lock = bind(socket, endpoint)
                    if lock is not None:
                        self._locks.append(lock)
        except BaseException:
            self._release()
            raise
        self._clients = RouterSocket(client_socket, MAX_REQUEST_BYTES)
        self._workers = RouterSocket(worker_socket, MAX_RESULT_BYTES + MAX_REQUEST_BYTES)
        self._beat = Beat(settings.beat_file)
        self._beat.start()

    def stop(self, *_signal: int | FrameType | None) -> None:
        """Ask the loop to end; may be called from a signal handler."""
        self._stopping = True

    def serve(self) -> None:
        """Run the loop until `stop()`, then shut down in order."""
        gc.collect()
        gc.freeze()
        gc.disable()
        self._collect_all_ns = monotonic_ns() + COLLECT_ALL_NS
        self._beat.state = State.READY
        spin_ns = self._settings.spin_us * 1_000
        engine, clients, workers, sockets, beat = self._engine, self._clients, self._workers, self._sockets, self._beat
        quiet_since_ns = monotonic_ns()
        timeout_ms = 0
        while not (self._stopping or beat.stop_requested):
            ready = wait(sockets, timeout_ms)
            now_ns = monotonic_ns()
            beat.tick(now_ns)
            engine.set_wall_clock(now_ns, wall_ns())
            if ready & 4:
                self._synced()
            if ready & 2:
                engine.receive_workers(now_ns, workers.recv_burst(BURST))
            if ready & 1:
                self._receive_clients(now_ns, clients.recv_burst(BURST))
            self._flush()
            if now_ns >= engine.next_deadline_ns():
                engine.tick(now_ns)
                self._look_after_journal()
                self._flush()
                self._collect_garbage(now_ns, not ready)
            if ready:
                quiet_since_ns = now_ns
                timeout_ms = 0 if spin_ns else self._wait_ms(now_ns)
            elif not spin_ns or now_ns - quiet_since_ns > spin_ns:
                timeout_ms = self._wait_ms(now_ns)
        self._engine.shutdown(monotonic_ns())
        self._flush_all()
        if self._wake is not None and not self._lost:
            self._journal.sync()
            self._synced()
            self._flush_all()
        self._journal.close()
        self._release(LINGER_MS)
        gc.enable()

    def _collect_garbage(self, now_ns: int, is_idle: bool) -> None:
        """Look for garbage while nobody waits for anything, and seldom at what has lasted: left to itself the collector
        walks over every remembered order, for milliseconds, whenever enough new ones have come. What is done with is
        freed without it; it finds rings of objects alone, and an order's path makes none."""
        if now_ns >= self._collect_all_ns:
            self._collect_all_ns = now_ns + COLLECT_ALL_NS
            gc.collect()
        elif is_idle:
            gc.collect(1)

    def _wait_ms(self, now_ns: int) -> int:
        remaining_ms = (self._engine.next_deadline_ns() - now_ns) // 1_000_000 + 1
        return max(0, min(remaining_ms, MAX_IDLE_MS))

    def _receive_clients(self, now_ns: int, burst: list[tuple[bytes, bytes | None]]) -> None:
        """Hand over what clients sent. A kill goes first, and its first refusals leave before the rest is looked at."""
        engine = self._engine
        if len(burst) > 1:
            urgent = engine.take_urgent(burst)
            if urgent:
                engine.receive_clients(now_ns, urgent)
                self._flush()
        engine.receive_clients(now_ns, burst)

    def _flush_all(self) -> None:
        while self._engine.has_output():
            self._flush()

    def _flush(self) -> None:
        """Write what the engine records, then send what it has to say; tell it what couldn't be sent, and go on. What
        a few rounds don't finish is left for the loop's next turn."""
        engine = self._engine
        for _ in range(MAX_FLUSHES):
            if not engine.has_output():
                break
            self._record()
            to_clients, to_workers = engine.flush(monotonic_ns())
            if to_workers and (indexes := self._workers.send_burst(to_workers)):
                engine.undeliverable_workers(monotonic_ns(), indexes)
            if to_clients and (indexes := self._clients.send_burst(to_clients)):
                engine.undeliverable_clients(monotonic_ns(), indexes)

    def _record(self) -> None:
        """Write the engine's records; begin another segment when this one is long enough."""
        records, sequence = self._engine.take_records()
        if not records:
            return
        journal = self._journal
        try:
            journal.append(records, sequence)
            if journal.wants_segment and journal.open(sequence + 1):
                oldest = self._engine.begin_segment()
                journal.append(*self._engine.take_records())
                for path in journal.drop_below(oldest):
                    self._log.info("%s is no longer needed and removed", path.name)
        except JournalError as error:
            self._lose_journal(error.message)
            return
        if journal.is_full or self._told:
            self._tell_room()

    def _tell_room(self) -> None:
        """Have the engine refuse what there is no room for, and take again what there is."""
        journal = self._journal
        exhausted = _RESERVE_USED if journal.is_exhausted else ""
        told = exhausted or (_DISK_FULL if journal.is_full else "")
        if told == self._told:
            return
        self._told = told
        self._engine.refuse_entries(told)
        self._engine.refuse_exits(exhausted)
        if told:
            self._log.error("%s: %s are refused", told, "entries and exits" if exhausted else "entries")
        else:
            self._log.warning("the order journal's disk has room again: orders are taken")

    def _lose_journal(self, why: str) -> None:
        """Go on without a journal: nothing more is written by this broker, and no order leaves by itself."""
        if not self._lost:
            self._lost = why
            self._log.error("%s: the journal is lost, orders are refused; see `mt5gate allow-exits --help`", why)
            self._engine.lose_journal(monotonic_ns(), why)

    def _look_after_journal(self) -> None:
        """See whether a full disk has room again; write down what operators have decided."""
        for remark in self._engine.take_remarks():
            self._log.warning("%s", remark)
        journal = self._journal
        if not journal.is_full:
            return
        try:
            has_room = journal.look_for_room()
        except JournalError as error:
            self._lose_journal(error.message)
            return
        if not self._lost:
            self._tell_room()
        elif has_room:
            self._log.warning(
                "the order journal's disk has room again: this broker ends, the next one reads the journal"
            )
            self.stop()

    def _recover(self) -> None:
        """Read the journal, settle what can be settled, and open it for writing; raises JournalError.

        Where it was read and can't be written, the broker starts all the same: it knows the orders, and shows them.
        """
        journal, lost = self._journal, ""
        gc.disable()  # nothing of what is read is garbage, and looking for it takes as long as reading
        try:
            wiped = journal.recover(self._engine.recover)
        finally:
            gc.enable()
        if wiped:
            self._log.warning("the journal's last %d bytes were written in part when its broker ended; wiped", wiped)
        try:
            journal.open(journal.last + 1)
        except JournalError as error:
            if not journal.last:
                raise
            lost = error.message
        self._engine.start(boot_id(), monotonic_ns(), wall_ns())
        if lost:
            self._lose_journal(lost)
        self._record()
        if not self._lost:
            journal.sync()
            self._tell_room()

    def _pair(self) -> "tuple[zmq.Socket[bytes], Callable[[], None]]":
        """Return a socket that can be read when the journal has reached the disk, and what its thread calls then."""
        ours, theirs = self._context.socket(zmq.PAIR), self._context.socket(zmq.PAIR)
        ours.bind("inproc://journal")
        theirs.connect("inproc://journal")
        return ours, lambda: theirs.send(b"")

    def _synced(self) -> None:
        """Let leave what waited for the disk, or nothing more when it can't be trusted."""
        wake = self._wake
        assert wake is not None
        while wake.poll(0):
            wake.recv()
        if self._journal.problem:
            self._lose_journal(f"journal: the disk refuses: {self._journal.problem}")
        else:
            self._engine.durable(self._journal.durable)

    def _release(self, linger_ms: int = 0) -> None:
        self._context.destroy(linger=linger_ms)
        for lock in reversed(self._locks):
            lock.release()


def _engine(settings: BrokerSettings, generation: int) -> Engine:
    accounts = tuple(AccountSettings(**account) for account in settings.accounts)
    quotes = None
    if BoardReader is not None and settings.boards:
        quotes = BoardQuotes(settings.boards, settings.quote_max_age_ms * 1_000_000)
    return Engine(
        generation=generation,
        version=__version__,
        accounts=tuple(
            AccountRules(
                name=account.name,
                mode=account.mode,
                allow_real=account.allow_real,
                login=account.login,
                server=account.server,
                settle_ns=account.settle_ms * 1_000_000,
            )
            for account in accounts
        ),
        limits=Limits(
            heartbeat_ns=settings.heartbeat_ms * 1_000_000,
            worker_timeout_ns=settings.worker_timeout_ms * 1_000_000,
            session_timeout_ns=settings.session_timeout_ms * 1_000_000,
            max_sessions=settings.max_sessions,
            max_queued=settings.max_queued,
            max_queued_per_session=settings.max_queued_per_session,
        ),
        codec=codec,
        cache=ReplyCache(CACHE_ENTRIES),
        quotes=quotes,
        token_seed=int.from_bytes(os.urandom(8), "big"),
        tick_endpoint=settings.tick_endpoint,
        feeds=settings.feeds,
        retention=Retention(
            max_orders=settings.remembered_orders,
            max_age_ms=settings.remembered_ms,
        ),
        risk=RiskRules(**settings.risk),
        writer=records,
        gated=settings.durability == "disk",
        observers=settings.observers,
    )


def run(settings: BrokerSettings) -> int:
    """Serve until SIGTERM or SIGINT; return the process's exit status."""
    logger = log.configure("broker", settings.log_level)
    try:
        broker = Broker(settings, logger)
    except GatewayError as error:
        logger.error("%s", error)
        return EXIT_REFUSED
    signal.signal(signal.SIGTERM, broker.stop)
    signal.signal(signal.SIGINT, broker.stop)
    logger.info(
        "generation %d serves %s%s",
        broker.generation,
        ", ".join(settings.endpoints),
        "" if COMPILED else " (nothing compiled here: slower, otherwise the same)",
    )
    broker.serve()
    logger.info("stopped")
    return 0
