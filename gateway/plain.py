"""Sockets and broadcaster on pyzmq alone: what `gateway.accel` falls back on where nothing is compiled.

Same names, same rules as `fastpath.sockets` and `fastpath.broadcast`; the tests run over both.
"""

from collections.abc import Sequence
from typing import Any, Final

import zmq

from gateway.wire import codec
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.messages import topic_for
from gateway.wire.structs import RECORD_BYTES, TICK_DTYPE

__all__ = ("Broadcaster", "DealerSocket", "RouterSocket", "wait")

_MAX_DELIMITED: Final = 4_096
"""Remembered peers that send REQ's empty delimiter; when full the memory starts anew, and they must send again."""

_FULL_OR_GONE: Final = (zmq.EAGAIN, zmq.EHOSTUNREACH)


class RouterSocket:
    """Burst receive and non-blocking send on a ROUTER socket with ROUTER_MANDATORY set."""

    def __init__(self, socket: "zmq.Socket[bytes]", max_bytes: int) -> None:
        self._socket = socket
        self._max_bytes = max_bytes
        self._delimited: set[bytes] = set()
        self.malformed = 0
        self.oversized = 0
        self.full = 0
        self.unreachable = 0

    def recv_burst(self, limit: int) -> list[tuple[bytes, bytes | None]]:
        """Return up to `limit` messages as (identity, frame), without waiting.

        A frame over `max_bytes` comes as None, a message of several frames as b"": both are counted here and are the
        caller's to answer.
        """
        burst: list[tuple[bytes, bytes | None]] = []
        for _ in range(limit):
            try:
                parts = self._socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            identity = parts[0]
            if len(parts) == 3 and not parts[1]:
                if len(self._delimited) >= _MAX_DELIMITED:
                    self._delimited.clear()
                self._delimited.add(identity)
                del parts[1]
            if len(parts) != 2:
                self.malformed += 1
                burst.append((identity, b""))
            elif len(parts[1]) > self._max_bytes:
                self.oversized += 1
                burst.append((identity, None))
            else:
                burst.append((identity, parts[1]))
        return burst

    def send_burst(self, messages: Sequence[tuple[bytes, bytes]]) -> list[int]:
        """Send all, never waiting; return the indexes that found their peer full or gone."""
        failed = []
        for index, (identity, frame) in enumerate(messages):
            parts = [identity, b"", frame] if identity in self._delimited else [identity, frame]
            try:
                self._socket.send_multipart(parts, zmq.DONTWAIT)
            except zmq.ZMQError as error:
                if error.errno not in _FULL_OR_GONE:
                    raise
                if error.errno == zmq.EAGAIN:
                    self.full += 1
                else:
                    self.unreachable += 1
                failed.append(index)
        return failed


class DealerSocket:
    """Burst receive and non-blocking send on a DEALER socket."""

    def __init__(self, socket: "zmq.Socket[bytes]") -> None:
        self._socket = socket

    def recv_burst(self, limit: int) -> list[bytes]:
        """Return up to `limit` single-frame messages, without waiting; others are dropped."""
        burst = []
        for _ in range(limit):
            try:
                parts = self._socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            if len(parts) == 1:
                burst.append(parts[0])
        return burst

    def send(self, frame: bytes) -> bool:
        """Send one frame; False if it would have to wait."""
        try:
            self._socket.send(frame, zmq.DONTWAIT)
        except zmq.Again:
            return False
        return True


def wait(sockets: Sequence["zmq.Socket[bytes]"], timeout_ms: int) -> int:
    """Wait until a socket can be read, at most `timeout_ms` (-1: for ever); return a bit mask, lowest bit first."""
    poller = zmq.Poller()
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    ready: dict[Any, int] = dict(poller.poll(timeout_ms))
    return sum(1 << index for index, socket in enumerate(sockets) if socket in ready)


class Broadcaster:
    """Numbers each symbol's ticks and sends them as tick frames on a PUB or XPUB socket, never waiting."""

    def __init__(self, socket: "zmq.Socket[bytes]", feed: str, epoch: int) -> None:
        self._socket = socket
        self._feed = feed
        self._epoch = epoch
        self._streams: dict[str, list[Any]] = {}  # symbol -> [topic, next sequence number]
        self.frames = 0
        self.ticks = 0
        self.bytes = 0
        self.dropped = 0

    def publish(self, symbol: str, records: bytes, cursor_msc: int, cursor_ordinal: int, publish_ns: int) -> int:
        """Send one batch (n packed 60-byte ticks) as one frame; return the number of its first tick.

        Raises RemoteProtocolError for records that aren't a positive multiple of 60 bytes. O(bytes).
        """
        count, rest = divmod(len(records), RECORD_BYTES)
        if rest or not count:
            raise RemoteProtocolError(f"records: expected a positive multiple of 60 bytes, got {len(records)}")
        stream = self._streams.get(symbol)
        if stream is None:
            stream = self._streams[symbol] = [topic_for(self._feed, symbol), 1]
        first_seq: int = stream[1]
        frame = codec.encode_ticks(
            stream[0], self._epoch, first_seq, cursor_msc, cursor_ordinal, publish_ns, bytes(records)
        )
        stream[1] = first_seq + count
        self.frames += 1
        self.ticks += count
        self.bytes += len(frame)
        try:
            self._socket.send(frame, zmq.DONTWAIT)
        except zmq.Again:
            self.dropped += 1
        return first_seq

    def publish_each(self, symbol: str, records: bytes, publish_ns: int) -> int:
        """Send every tick as a frame of its own, its cursor counted within its millisecond; return the first number."""
        first_seq = self.sequence(symbol) + 1
        last_msc, ordinal = -1, 0
        for offset in range(0, len(records), RECORD_BYTES):
            record = records[offset : offset + RECORD_BYTES]
            msc = int.from_bytes(record[_TIME_MSC_OFFSET : _TIME_MSC_OFFSET + 8], "little", signed=True)
            ordinal = ordinal + 1 if msc == last_msc else 0
            last_msc = msc
            self.publish(symbol, record, msc, ordinal, publish_ns)
        return first_seq

    def skip(self, symbol: str) -> None:
        """Leave one number out: the symbol's next tick doesn't continue what went before, and shows it as a gap."""
        stream = self._streams.get(symbol)
        if stream is not None:
            stream[1] += 1

    def sequence(self, symbol: str) -> int:
        """Return the number of the symbol's last tick, 0 before the first."""
        stream = self._streams.get(symbol)
        return 0 if stream is None else stream[1] - 1


_TIME_MSC_OFFSET: Final[int] = TICK_DTYPE.fields["time_msc"][1]  # type: ignore[index]
