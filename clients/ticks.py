"""A stream of ticks: subscribe, iterate, and know of every tick that was missed.

Ticks are numbered per feed and symbol (docs/PROTOCOL.md §6); what the numbers say is `gateway.wire.sequence`. Nothing
is lost in silence: a gap is counted and told. One thread owns a stream; `stop` and `statistics` are for any thread.
"""

import contextlib
import math
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, NamedTuple, Self

import numpy as np
import zmq

from clients.results import Records
from clients.sockets import Descriptors, connect, monitor_of, read_monitor, subscriber
from gateway.accel import codec
from gateway.clock import monotonic_ns
from gateway.wire.errors import LocalProtocolError, NoReply, RemoteProtocolError, Unavailable
from gateway.wire.messages import topic_for
from gateway.wire.sequence import SequenceTracker
from gateway.wire.structs import RECORD_BYTES, TICK_DTYPE

__all__ = ("Batch", "Gap", "StreamTick", "SymbolStatistics", "TickStatistics", "TickStream")

MAX_TOPICS: Final = 65_536
"""Symbols whose numbering is followed at a time; beyond it the one that was first seen is forgotten, and counted."""

MAX_WAIT_NS: Final = 250_000_000
"""Longest single wait: bounds how late Ctrl-C is noticed on Windows."""

_TICK: Final = struct.Struct("<qdddQqId")
_ALL: Final = "*"


class StreamTick(NamedTuple):
    """One tick: where it is from, its number there, MT5's fields, and when it was published.

    `time` (s) and `time_msc` (ms) are the trade server's wall clock; `publish_ns` is the gateway's monotonic clock,
    which every process of the same host shares.
    """

    symbol: str
    feed: str
    seq: int
    time: int
    bid: float
    ask: float
    last: float
    volume: int
    time_msc: int
    flags: int
    volume_real: float
    publish_ns: int


class Batch(NamedTuple):
    """Ticks of one symbol that were published together: a read-only array of TICK_DTYPE, and its first one's number."""

    symbol: str
    ticks: Records
    first_seq: int


@dataclass(frozen=True, slots=True)
class Gap:
    """The numbering didn't go on as expected: `missed` ticks between `expected` and `received` are lost to this stream.

    With `new_epoch` a new numbering began (the publisher was restarted): what was missed of it is counted; what was
    missed between the two numberings can't be.
    """

    symbol: str
    feed: str
    missed: int
    expected: int
    received: int
    epoch: int
    new_epoch: bool


@dataclass(slots=True)
class SymbolStatistics:
    """One symbol's counts. `last_seq` is the number of its last tick."""

    ticks: int = 0
    gaps: int = 0
    missed: int = 0
    repeated: int = 0
    epochs: int = 0
    last_seq: int = 0


@dataclass(slots=True)
class TickStatistics:
    """A stream's counts; `symbols` is by (feed, symbol). `connected` is as last heard from the socket."""

    connected: bool = False
    connections: int = 0
    batches: int = 0
    ticks: int = 0
    gaps: int = 0
    missed: int = 0
    repeated: int = 0
    malformed: int = 0
    forgotten: int = 0
    symbols: dict[tuple[str, str], SymbolStatistics] = field(default_factory=dict)


class _Topic:
    """What is known of one feed's symbol."""

    __slots__ = ("counts", "feed", "symbol", "tracker")

    def __init__(self, topic: bytes) -> None:
        feed, _, symbol = topic[:-1].decode().partition("/")
        self.feed = feed
        self.symbol = symbol
        self.tracker = SequenceTracker()
        self.counts = SymbolStatistics()


_Found = tuple[_Topic, int, int, bytes, int]
"""A frame with ticks that are still to be given out: topic, first number, publish_ns, records, offset of the next."""


class TickStream:
    """Ticks as they are published, until closed; mends its connection by itself.

        with TickStream(symbols=["EURUSD"]) as stream:
            for tick in stream:
                print(tick.symbol, tick.bid, tick.ask)

    Iteration gives single ticks, `batches()` arrays; both may be mixed. A slow reader loses ticks (its own), as a gap.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        symbols: Iterable[str] = ("EURUSD",),
        *,
        feed: str = "demo",
        timeout: float | None = None,
        queue: int = 100_000,
        heartbeat: float = 1.0,
        on_gap: Callable[[Gap], None] | None = None,
        on_connection: Callable[[bool], None] | None = None,
    ) -> None:
        """Connect and subscribe, without waiting.

        `endpoint` is the publisher's (by default that of this user's gateway), `feed` the account's feed, by default
        named as the account. The symbol "*" is every symbol that anybody subscribed to. `timeout` (s) is how long
        iteration waits for a tick before it raises NoReply; None waits for ever. `queue` is how many frames are kept
        for a slow reader, `heartbeat` (s) how often a dead publisher is looked for (0: never). `on_gap` and
        `on_connection` are called by the reading thread, before the tick that shows the gap is given out.
        """
        if endpoint is None:
            from gateway.config import default_tick_endpoint

            endpoint = default_tick_endpoint()
        if isinstance(symbols, str):
            symbols = (symbols,)
        self.endpoint = endpoint
        self.feed = feed
        self.timeout = timeout
        self._on_gap = on_gap
        self._on_connection = on_connection
        self._topics: dict[bytes, _Topic] = {}
        self._wanted: set[str] = set()
        self._statistics = TickStatistics()
        self._rest: tuple[_Topic, int, int, bytes, int] | None = (
            None  # topic, first number, publish_ns, records, offset
        )
        self._stopped = False
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._socket = subscriber(self._context, queue, max(0, round(heartbeat * 1_000)))
            self._monitor = monitor_of(self._socket)
            self._monitor_fd = int(self._monitor.FD)
            self._descriptors = Descriptors([int(self._socket.FD), self._monitor_fd])
            self.subscribe(*symbols)
            connect(self._socket, endpoint)
        except BaseException:
            self._context.destroy()
            raise

    # --- what is heard ----------------------------------------------------------------------------------------------

    @property
    def symbols(self) -> frozenset[str]:
        """The symbols subscribed to."""
        return frozenset(self._wanted)

    def subscribe(self, *symbols: str) -> None:
        """Hear these symbols too ("*": every symbol that anybody subscribed to)."""
        for symbol in symbols:
            if not symbol or "\0" in symbol:
                raise LocalProtocolError(f"symbol: expected a name, got {symbol!r}")
            if symbol not in self._wanted:
                self._wanted.add(symbol)
                self._socket.setsockopt(zmq.SUBSCRIBE, self._prefix(symbol))

    def unsubscribe(self, *symbols: str) -> None:
        """Hear these symbols no more; what of them is still queued is dropped."""
        for symbol in symbols:
            if symbol in self._wanted:
                self._wanted.remove(symbol)
                self._socket.setsockopt(zmq.UNSUBSCRIBE, self._prefix(symbol))
        # A numbering goes on unheard: subscribing again later is a new start, not a gap.
        self._topics = {name: topic for name, topic in self._topics.items() if self._hears(topic.symbol)}
        if self._rest is not None and not self._hears(self._rest[0].symbol):
            self._rest = None

    def statistics(self) -> TickStatistics:
        """Return the counts so far: a copy."""
        counts = self._statistics
        copy = TickStatistics(**{name: getattr(counts, name) for name in TickStatistics.__slots__ if name != "symbols"})
        for topic in list(self._topics.values()):
            known = topic.counts
            copy.symbols[topic.feed, topic.symbol] = SymbolStatistics(
                known.ticks, known.gaps, known.missed, known.repeated, known.epochs, known.last_seq
            )
        return copy

    def _prefix(self, symbol: str) -> bytes:
        return f"{self.feed}/".encode() if symbol == _ALL else topic_for(self.feed, symbol)

    def _hears(self, symbol: str) -> bool:
        return symbol in self._wanted or _ALL in self._wanted

    # --- reading ----------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[StreamTick]:
        return self

    def __next__(self) -> StreamTick:
        found = self._next(self.timeout)
        if found is None:
            raise StopIteration
        return self._tick(found)

    def batches(self) -> Iterator[Batch]:
        """Iterate over batches, with the stream's timeout."""
        while (found := self._next(self.timeout)) is not None:
            yield self._batch(found)

    def recv(self, timeout: float | None = None) -> StreamTick:
        """Return the next tick. Blocks; raises NoReply after `timeout` seconds without one (None: never), Unavailable
        when the stream was stopped."""
        return self._tick(self._expected(timeout))

    def recv_batch(self, timeout: float | None = None) -> Batch:
        """Return the next ticks of one symbol, as they were published; the array isn't copied. Raises as `recv`."""
        return self._batch(self._expected(timeout))

    def _tick(self, found: _Found) -> StreamTick:
        topic, first_seq, publish_ns, records, offset = found
        number = first_seq + offset // RECORD_BYTES
        fields = _TICK.unpack_from(records, offset)
        offset += RECORD_BYTES
        self._rest = (topic, first_seq, publish_ns, records, offset) if offset < len(records) else None
        return StreamTick._make((topic.symbol, topic.feed, number, *fields, publish_ns))

    def _batch(self, found: _Found) -> Batch:
        topic, first_seq, _, records, offset = found
        self._rest = None
        return Batch(
            topic.symbol, np.frombuffer(records, TICK_DTYPE, offset=offset), first_seq + offset // RECORD_BYTES
        )

    def _expected(self, timeout: float | None) -> _Found:
        found = self._next(timeout)
        if found is None:
            raise Unavailable("this stream was stopped")
        return found

    def _next(self, timeout: float | None) -> _Found | None:
        """Return the rest of the frame at hand, or wait for the next that has something new; None when stopped."""
        if self._rest is not None and not self._stopped:
            return self._rest
        until_ns = math.inf if timeout is None else monotonic_ns() + timeout * 1e9
        while not self._stopped:
            frame = None
            with contextlib.suppress(zmq.Again):
                frame = self._socket.recv(zmq.DONTWAIT)
            if frame is None:
                self._wait(until_ns, timeout)
            elif (found := self._taken(frame)) is not None:
                return found
        return None

    def _wait(self, until_ns: float, timeout: float | None) -> None:
        remaining_ns = until_ns - monotonic_ns()
        if remaining_ns <= 0:
            raise NoReply(
                f"no tick of {', '.join(sorted(self._wanted)) or 'no symbol'} ({self.feed}) within {timeout} s"
                if self._statistics.connected
                else f"no publisher at {self.endpoint}: is the gateway running? (`mt5gate run` starts it)"
            )
        if self._monitor_fd in self._descriptors.wait(int(min(remaining_ns, MAX_WAIT_NS))):
            self._look()

    def _look(self) -> None:
        """Learn from the monitor whether the connection came or went."""
        for stands in read_monitor(self._monitor):
            if stands != self._statistics.connected:
                self._statistics.connected = stands
                self._statistics.connections += stands
                if self._on_connection is not None:
                    self._on_connection(stands)

    def _taken(self, frame: bytes) -> _Found | None:
        counts = self._statistics
        if not counts.connected:
            self._look()
        try:
            name, epoch, first_seq, _, _, publish_ns, records = codec.decode_ticks(frame)
            topic = self._topics.get(name) or self._new_topic(name)
        except (RemoteProtocolError, UnicodeDecodeError):
            counts.malformed += 1
            return None
        if topic is None:
            return None
        count = len(records) // RECORD_BYTES
        expected = topic.tracker.expected
        arrival = topic.tracker.observe(epoch, first_seq, count)
        known = topic.counts
        if arrival.missed or arrival.new_epoch:
            known.missed += arrival.missed
            counts.missed += arrival.missed
            known.gaps += arrival.missed > 0
            counts.gaps += arrival.missed > 0
            known.epochs += arrival.new_epoch
            if self._on_gap is not None:
                gap = Gap(topic.symbol, topic.feed, arrival.missed, expected, first_seq, epoch, arrival.new_epoch)
                self._on_gap(gap)
        known.repeated += arrival.repeated
        counts.repeated += arrival.repeated
        if arrival.repeated >= count:
            return None
        known.ticks += count - arrival.repeated
        known.last_seq = first_seq + count - 1
        counts.ticks += count - arrival.repeated
        counts.batches += 1
        return topic, first_seq, publish_ns, records, arrival.repeated * RECORD_BYTES

    def _new_topic(self, name: bytes) -> _Topic | None:
        topic = _Topic(name)
        if topic.feed != self.feed or not self._hears(topic.symbol):
            return None  # was still queued when it was unsubscribed
        if len(self._topics) >= MAX_TOPICS:
            del self._topics[next(iter(self._topics))]
            self._statistics.forgotten += 1
        self._topics[name] = topic
        return topic

    # --- the end ----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End the reading, within a quarter of a second; from any thread or signal handler."""
        self._stopped = True

    def close(self) -> None:
        """Stop, and close the socket; by the thread that reads. May be repeated."""
        self._stopped = True
        self._rest = None
        self._context.destroy()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
