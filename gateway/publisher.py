"""The tick plane's process: feeds push batches up, subscribers are told; what they ask for goes down to the feeds.

One thread, one loop, as in the broker, and no trading: ticks never pass the order engine. It numbers every symbol's
ticks, broadcasts them, and keeps the quote board, from which the broker answers `symbol_info_tick`. A slow subscriber
loses its own ticks, seen by it as a sequence gap. `TickPlane` is the part without sockets.

Order of shutdown: no more frames are read, the boards are closed (readers ask the terminal from then on), what was
broadcast gets LINGER_MS to leave, the sockets close, the locks are given back.
"""

import gc
import logging
import signal
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

import zmq

from gateway import log
from gateway.accel import BoardWriter, Broadcaster, RouterSocket, wait
from gateway.clock import monotonic_ns, wall_ns
from gateway.process import EXIT_REFUSED, Beat, State
from gateway.settings import PublisherSettings
from gateway.sockets import bind, publisher_socket, router_socket
from gateway.statedir import Lock, prepare
from gateway.wire import codec
from gateway.wire.errors import Code, GatewayError, RemoteProtocolError
from gateway.wire.messages import MAX_NAME_BYTES, FeedKind, Want
from gateway.wire.structs import RECORD_BYTES

__all__ = ("Publisher", "TickPlane", "run")

BURST: Final = 256
"""Feed frames or subscriptions taken at a time."""

MAX_IDLE_MS: Final = 100
"""Longest wait: the beat that the supervisor watches is given at least this often."""

MAX_BATCH_BYTES: Final = 16 * 1_024 * 1_024
"""A feed's largest message: about 280,000 ticks."""

MAX_WANTED: Final = 16_384
"""Symbols of one feed that subscribers may ask for; further ones are refused and counted."""

MAX_FEEDS: Final = 256
"""Names of feeds, heard of from feeds or from subscribers; further ones are refused and counted."""

LEAVE_NS: Final = 10_000_000_000
"""How long a symbol is read on after its last subscriber has left: who only reconnects misses nothing uncounted."""

FEED_TIMEOUT_NS: Final = 4_000_000_000
"""A feed that was heard of within this time is still about."""

LINGER_MS: Final = 500
"""How long the last ticks may take to leave at shutdown."""


@dataclass(slots=True)
class _Feed:
    """One feed's name on the wire, and what is known under it; outlives the process that feeds it."""

    broadcaster: Broadcaster
    board: Any
    identity: bytes = b""
    epoch: int = 0
    heard_ns: int = 0
    standing: tuple[str, ...] = ()  # read whether anybody listens or not
    wanted: set[str] = field(default_factory=set)
    leaving: dict[str, int] = field(default_factory=dict)  # wanted by nobody, and until when it is read all the same
    is_told: bool = True  # whether the feed has been sent what is wanted now
    cursors: dict[str, tuple[int, int]] = field(default_factory=dict)


class TickPlane:
    """Subscriptions, feeds and cursors; what is to be sent to the feeds is taken with `flush`."""

    def __init__(self, xpub: "zmq.Socket[bytes]", epoch: int, boards: dict[str, str], logger: logging.Logger) -> None:
        self._xpub = xpub
        self._epoch = epoch
        self._boards = boards
        self._log = logger
        self._feeds: dict[str, _Feed] = {}
        self._by_identity: dict[bytes, _Feed] = {}
        self._outbox: list[tuple[bytes, bytes]] = []
        self.malformed = 0
        self.refused_wants = 0

    def subscription(self, now_ns: int, message: bytes) -> None:
        """Take one XPUB message: the first subscription to a topic, or its last subscriber's leaving."""
        topic = message[1:]
        feed_name, slash, rest = topic.partition(b"/")
        if not slash or not rest.endswith(b"\0"):
            return  # a prefix: it hears what others asked for, and asks for nothing by itself
        if max(len(feed_name), len(rest) - 1) > MAX_NAME_BYTES:
            self.malformed += 1
            return
        try:
            feed = self._feed(feed_name.decode())
            symbol = rest[:-1].decode()
        except UnicodeDecodeError:
            self.malformed += 1
            return
        if feed is None:
            self.refused_wants += 1
            return
        if message[0] == 0:
            if symbol in feed.wanted:
                feed.leaving[symbol] = now_ns + LEAVE_NS
        elif feed.leaving.pop(symbol, 0):
            pass  # it was still read
        elif len(feed.wanted) < MAX_WANTED:
            feed.wanted.add(symbol)
            feed.is_told = False
        else:
            self.refused_wants += 1

    def tick(self, now_ns: int) -> None:
        """Stop reading what nobody has wanted for LEAVE_NS. O(symbols that are about to be left)."""
        for feed in self._feeds.values():
            for symbol in [symbol for symbol, until_ns in feed.leaving.items() if now_ns >= until_ns]:
                del feed.leaving[symbol]
                feed.wanted.discard(symbol)
                feed.is_told = False
                if symbol in feed.standing:
                    continue
                # Whoever comes next begins at the present; the number left out tells an older listener of a gap.
                feed.cursors.pop(symbol, None)
                feed.broadcaster.skip(symbol)
                if feed.board is not None:
                    feed.board.retire(symbol)

    def frame(self, now_ns: int, identity: bytes, frame: bytes | None) -> None:
        """Take one frame of a feed. What breaks the rules is answered with REJECT and counted."""
        try:
            if frame is None:
                raise RemoteProtocolError(f"larger than {MAX_BATCH_BYTES} bytes", code=Code.TOO_LARGE)
            kind = codec.worker_kind(frame)
            if kind == FeedKind.READY:
                self._ready(now_ns, identity, frame)
                return
            feed = self._by_identity.get(identity)
            if feed is None:
                raise RemoteProtocolError("READY must come first")
            feed.heard_ns = now_ns
            if kind == FeedKind.TICKS:
                self._ticks(feed, frame)
            elif kind == FeedKind.HEARTBEAT:
                _, _, age_ns = codec.decode_heartbeat(frame)
                if feed.board is not None:
                    feed.board.set_alive(max(0, now_ns - age_ns))
                self._outbox.append((identity, codec.encode_heartbeat()))
            elif kind == FeedKind.NO_SYMBOL:
                symbol, message = codec.decode_no_symbol(frame)
                self._log.warning("feed %s can't read %s: %s", self._name_of(feed), symbol, message)
                if feed.board is not None:
                    feed.board.retire(symbol)
            elif kind == FeedKind.GOODBYE:
                goodbye = codec.decode_goodbye(frame)
                self._log.info("feed %s leaves: %s", goodbye.worker, goodbye.reason)
                del self._by_identity[identity]
                feed.identity = b""
            else:
                raise RemoteProtocolError(f"kind: {kind} isn't a feed's")
        except RemoteProtocolError as error:
            self.malformed += 1
            self._outbox.append((identity, codec.encode_reject(error.code, error.message)))

    def flush(self) -> list[tuple[bytes, bytes]]:
        """Return what is to be sent now, one WANT for every feed whose symbols have changed."""
        for feed in self._feeds.values():
            if not feed.is_told and feed.identity:
                symbols = sorted(feed.wanted.union(feed.standing))
                wants = [Want(symbol, *feed.cursors.get(symbol, (0, 0))) for symbol in symbols]
                self._outbox.append((feed.identity, codec.encode_want(wants)))
                feed.is_told = True
        outbox, self._outbox = self._outbox, []
        return outbox

    def undeliverable(self, identity: bytes) -> None:
        """Note that a feed is full or gone: what it is to read is told again."""
        feed = self._by_identity.get(identity)
        if feed is not None:
            feed.is_told = False

    def close(self) -> None:
        """Close the quote boards: their readers stop trusting them at once."""
        for feed in self._feeds.values():
            if feed.board is not None:
                feed.board.close()

    def _ready(self, now_ns: int, identity: bytes, frame: bytes) -> None:
        ready = codec.decode_feed_ready(frame)
        feed = self._feed(ready.feed)
        if feed is None:
            raise RemoteProtocolError(f"feed: {MAX_FEEDS} names are known, and no more are taken")
        # A host's clock may have been set back: a lower epoch is over only while the higher one is about.
        if ready.epoch < feed.epoch and now_ns - feed.heard_ns <= FEED_TIMEOUT_NS:
            raise RemoteProtocolError(f"epoch: {ready.epoch} of feed {ready.feed} was replaced by {feed.epoch}")
        self._by_identity.pop(feed.identity, None)
        feed.identity, feed.epoch, feed.standing = identity, ready.epoch, ready.symbols
        feed.heard_ns = now_ns
        self._by_identity[identity] = feed
        self._log.info("feed %s of account %s is here", ready.feed, ready.account)
        self._outbox.append((identity, codec.encode_heartbeat()))
        feed.is_told = False

    def _ticks(self, feed: _Feed, frame: bytes) -> None:
        ticks = codec.decode_feed_ticks(frame)
        publish_ns = monotonic_ns()
        first_seq = feed.broadcaster.publish(
            ticks.symbol, ticks.records, ticks.cursor_msc, ticks.cursor_ordinal, publish_ns
        )
        feed.cursors[ticks.symbol] = (ticks.cursor_msc, ticks.cursor_ordinal)
        # Ticks may still come for a symbol whose last subscriber has just left: its slot is retired, and stays so.
        if feed.board is not None and (ticks.symbol in feed.wanted or ticks.symbol in feed.standing):
            last_seq = first_seq + len(ticks.records) // RECORD_BYTES - 1
            feed.board.write(ticks.symbol, ticks.records[-RECORD_BYTES:], last_seq, publish_ns)

    def _feed(self, name: str) -> _Feed | None:
        feed = self._feeds.get(name)
        if feed is None and len(self._feeds) < MAX_FEEDS:
            board = None
            if BoardWriter is not None and name in self._boards:
                board = BoardWriter(self._boards[name], epoch=self._epoch)
            feed = self._feeds[name] = _Feed(Broadcaster(self._xpub, name, self._epoch), board)
        return feed

    def _name_of(self, feed: _Feed) -> str:
        return next(name for name, known in self._feeds.items() if known is feed)


class Publisher:
    """Sockets and locks around a `TickPlane`; `serve()` runs until `stop()`."""

    def __init__(self, settings: PublisherSettings, logger: logging.Logger) -> None:
        """Take the locks and bind. Raises ConfigError, with nothing left held."""
        self._stopping = False
        self._locks: list[Lock] = []
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            state_dir = prepare(settings.state_dir)
            self._locks.append(Lock(state_dir / "publisher.lock", f"state_dir {state_dir}"))
            self._xpub = publisher_socket(self._context, settings.send_hwm)
            self._feed_socket = router_socket(self._context, MAX_BATCH_BYTES)
            bindings = ((self._xpub, settings.endpoints), (self._feed_socket, settings.feed_endpoints))
            for socket, endpoints in bindings:
                for endpoint in endpoints:
                    lock = bind(socket, endpoint)
                    if lock is not None:
                        self._locks.append(lock)
        except BaseException:
            self._release(0)
            raise
        self._feeds = RouterSocket(self._feed_socket, MAX_BATCH_BYTES)
        self._plane = TickPlane(self._xpub, wall_ns(), settings.boards, logger)
        self._beat = Beat(settings.beat_file)
        self._beat.start()

    def stop(self, *_signal: int | FrameType | None) -> None:
        """Ask the loop to end; may be called from a signal handler."""
        self._stopping = True

    def serve(self) -> None:
        """Run the loop until `stop()`, then shut down in order."""
        gc.collect()
        gc.freeze()
        self._beat.state = State.READY
        sockets = (self._xpub, self._feed_socket)
        while not (self._stopping or self._beat.stop_requested):
            ready = wait(sockets, MAX_IDLE_MS)
            now_ns = monotonic_ns()
            self._beat.tick(now_ns)
            if ready & 1:
                self._take_subscriptions(now_ns)
            if ready & 2:
                for identity, frame in self._feeds.recv_burst(BURST):
                    self._plane.frame(now_ns, identity, frame)
            self._plane.tick(now_ns)
            if outbox := self._plane.flush():
                for index in self._feeds.send_burst(outbox):
                    self._plane.undeliverable(outbox[index][0])
        self._plane.close()
        self._release(LINGER_MS)

    def _take_subscriptions(self, now_ns: int) -> None:
        for _ in range(BURST):
            try:
                self._plane.subscription(now_ns, self._xpub.recv(zmq.DONTWAIT))
            except zmq.Again:
                return

    def _release(self, linger_ms: int) -> None:
        self._context.destroy(linger=linger_ms)
        for lock in reversed(self._locks):
            lock.release()


def run(settings: PublisherSettings) -> int:
    """Serve until SIGTERM or SIGINT; return the process's exit status."""
    logger = log.configure("publisher", settings.log_level)
    try:
        publisher = Publisher(settings, logger)
    except GatewayError as error:
        logger.error("%s", error)
        return EXIT_REFUSED
    signal.signal(signal.SIGTERM, publisher.stop)
    signal.signal(signal.SIGINT, publisher.stop)
    logger.info("serves %s", ", ".join(settings.endpoints))
    publisher.serve()
    logger.info("stopped")
    return 0
