"""The order plane's process: one thread, one loop — wait, receive a bounded burst, run the engine, send.

It owns the sockets towards clients and workers, and the clock; what a frame means is `gateway.core`'s affair. No other
Python thread runs here, and every send is non-blocking: a peer that doesn't read costs itself alone.

Order of shutdown: no more frames are read; the engine refuses what waits, answers what is in flight and says goodbye to
the sessions; these last frames get LINGER_MS to leave; then the sockets close and the locks are given back.
"""

import gc
import logging
import os
import signal
from types import FrameType
from typing import Any, Final

import zmq

from gateway import __version__, log
from gateway.accel import COMPILED, BoardReader, ReplyCache, RouterSocket, codec, wait
from gateway.clock import monotonic_ns
from gateway.core.accounts import AccountRules
from gateway.core.engine import Engine, Limits
from gateway.process import EXIT_REFUSED, Beat, State
from gateway.settings import AccountSettings, BrokerSettings
from gateway.sockets import bind, router_socket
from gateway.statedir import Lock, next_generation, prepare
from gateway.wire.errors import GatewayError
from gateway.wire.messages import MAX_REQUEST_BYTES, MAX_RESULT_BYTES

__all__ = ("Broker", "run")

BURST: Final = 256
"""Frames taken from one socket before the other gets its turn; bounds how long a flood can hold the loop."""

MAX_IDLE_MS: Final = 100
"""Longest wait: the beat that the supervisor watches is given at least this often."""

CACHE_ENTRIES: Final = 1_000
"""Replies kept; an account's symbols times one specification each, and the connection's status."""

DISCONNECT_BYTES: Final = 16 * 1_024 * 1_024
"""A client's message that libzmq itself refuses, by hanging up; up to this a clear reply is possible."""

LINGER_MS: Final = 500
"""How long the last replies may take to leave at shutdown."""


class BoardQuotes:
    """The engine's source of live quotes: each account's feed writes a board in shared memory, we read it."""

    def __init__(self, boards: dict[str, str], max_age_ns: int) -> None:
        self._readers: dict[str, Any] = {account: BoardReader(path) for account, path in boards.items()}
        self._max_age_ns = max_age_ns

    def encoded_tick(self, account: str, tail: bytes, now_ns: int) -> bytes | None:
        """Return the encoded Tick for the encoded arguments `[symbol]`, or None if there is no fresh one. O(1)."""
        reader = self._readers.get(account)
        return None if reader is None else reader.encoded_tick(tail, now_ns, self._max_age_ns)


class Broker:
    """Sockets, locks and engine of one broker; `serve()` runs until `stop()`."""

    def __init__(self, settings: BrokerSettings, logger: logging.Logger) -> None:
        """Take the locks, raise the generation, bind. Raises ConfigError or JournalError, with nothing left held."""
        self._log = logger
        self._settings = settings
        self._stopping = False
        self._locks: list[Lock] = []
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            state_dir = prepare(settings.state_dir)
            self._locks.append(Lock(state_dir / "broker.lock", f"state_dir {state_dir}"))
            self.generation = next_generation(state_dir)
            client_socket = router_socket(self._context, DISCONNECT_BYTES)
            worker_socket = router_socket(self._context, MAX_RESULT_BYTES + MAX_REQUEST_BYTES)
            self._sockets = (client_socket, worker_socket)
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
        self._engine = _engine(settings, self.generation)

    def stop(self, *_signal: int | FrameType | None) -> None:
        """Ask the loop to end; may be called from a signal handler."""
        self._stopping = True

    def serve(self) -> None:
        """Run the loop until `stop()`, then shut down in order."""
        gc.collect()
        gc.freeze()
        self._beat.state = State.READY
        spin_ns = self._settings.spin_us * 1_000
        engine, clients, workers, sockets, beat = self._engine, self._clients, self._workers, self._sockets, self._beat
        quiet_since_ns = monotonic_ns()
        timeout_ms = 0
        while not (self._stopping or beat.stop_requested):
            ready = wait(sockets, timeout_ms)
            now_ns = monotonic_ns()
            beat.tick(now_ns)
            if ready & 2:
                engine.receive_workers(now_ns, workers.recv_burst(BURST))
            if ready & 1:
                engine.receive_clients(now_ns, clients.recv_burst(BURST))
            if now_ns >= engine.next_deadline_ns():
                engine.tick(now_ns)
            self._flush()
            if ready:
                quiet_since_ns = now_ns
                timeout_ms = 0 if spin_ns else self._wait_ms(now_ns)
            elif not spin_ns or now_ns - quiet_since_ns > spin_ns:
                timeout_ms = self._wait_ms(now_ns)
        self._engine.shutdown(monotonic_ns())
        self._flush()
        self._release(LINGER_MS)

    def _wait_ms(self, now_ns: int) -> int:
        remaining_ms = (self._engine.next_deadline_ns() - now_ns) // 1_000_000 + 1
        return max(0, min(remaining_ms, MAX_IDLE_MS))

    def _flush(self) -> None:
        """Send what the engine has to say; tell it what couldn't be sent, and send what it says to that."""
        failed = True
        while failed:
            failed = False
            to_clients, to_workers = self._engine.flush(monotonic_ns())
            if to_workers and (indexes := self._workers.send_burst(to_workers)):
                self._engine.undeliverable_workers(monotonic_ns(), indexes)
                failed = True
            if to_clients and (indexes := self._clients.send_burst(to_clients)):
                self._engine.undeliverable_clients(monotonic_ns(), indexes)

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
