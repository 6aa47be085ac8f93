"""A worker's or feed's line to its gateway process: one DEALER, kept alive by beats in both directions.

It knows beats and silence, and nothing of what the frames say. Rules: no send ever waits; a peer that is silent for
MISSED_BEATS intervals is given up, with everything that was queued for it, and the line is made anew; whoever uses it
then introduces itself again.
"""

import logging
from collections import deque
from typing import Final

import zmq

from gateway.clock import monotonic_ns
from gateway.process import Backoff, Stop

__all__ = ("Uplink",)

MISSED_BEATS: Final = 3
"""Intervals of silence after which the peer is given up."""

HWM: Final = 1_000
"""Messages that may wait in either direction; a full line stops the work instead of growing."""

BURST: Final = 256
"""Messages taken at a time."""

CLOSE_LINGER_MS: Final = 1_000
"""How long the last messages may take to leave when the process ends in order."""

OVERSLEPT_NS: Final = 100_000_000
"""Not having listened for so much longer than meant: this process was stopped, or kept by its terminal."""

SETTLE_NS: Final = 250_000_000
"""After that, how long libzmq's own thread may need to bring in what has waited meanwhile."""

HEARTBEAT_MS: Final = 1_000
"""libzmq's own heartbeats: they turn a half-open TCP connection into a hang-up."""

RECONNECT_MS: Final = 50
RECONNECT_MAX_MS: Final = 250
"""How soon and how rarely libzmq tries to connect while nobody listens: a broker that is killed is there again within a
second, and its workers shouldn't be what is waited for."""


class Uplink:
    """One line; made anew as often as needed."""

    def __init__(
        self,
        endpoint: str,
        max_bytes: int,
        backoff: Backoff,
        logger: logging.Logger,
        heartbeat_ms: int = 1_000,
        hwm: int = HWM,
    ) -> None:
        """`max_bytes` bounds what the peer may send; `heartbeat_ms` holds until `welcome` says otherwise."""
        self._endpoint = endpoint
        self._max_bytes = max_bytes
        self._backoff = backoff
        self._log = logger
        self._hwm = hwm
        self._interval_ns = heartbeat_ms * 1_000_000
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._dealer: zmq.Socket[bytes] | None = None
        self._monitor: zmq.Socket[bytes] | None = None
        self._hung_up = False
        self._linger_ms = 0
        self._open_at_ns = 0
        self._opened_ns = 0
        self._heard_ns = 0
        self._listened_ns = 0
        self._settled_ns = 0
        self._beat_at_ns = 0
        self._unsent: deque[bytes] = deque()
        self.welcomed = False
        """Whether the peer has answered on this line."""
        self.emptied_ns = 0
        """When the line was last known to hold nothing for us."""

    @property
    def patience_ns(self) -> int:
        """How long a silence may be."""
        return MISSED_BEATS * self._interval_ns

    @property
    def is_full(self) -> bool:
        """Whether something waits that couldn't be sent: no more work until it has left."""
        return bool(self._unsent)

    @property
    def due_ns(self) -> int:
        """When `keep` or `beat` has something to do again."""
        if self._dealer is None:
            return self._open_at_ns
        if self._unsent:
            return monotonic_ns() + 10_000_000
        return min(self._beat_at_ns, self._patient_since_ns + self.patience_ns)

    def keep(self, now_ns: int) -> bool:
        """Open the line if that is due; return whether it is new, and an introduction is wanted."""
        if self._hung_up:
            self._log.warning("%s has hung up", self._endpoint)
            self._lose(now_ns, 0)
        is_listening = now_ns - self._listened_ns <= OVERSLEPT_NS  # else what has come is to be looked at first
        if self._dealer is not None and is_listening and now_ns - self._patient_since_ns > self.patience_ns:
            if self.welcomed:
                self._log.warning("%s is silent for %.1f s", self._endpoint, (now_ns - self._heard_ns) / 1e9)
            self._lose(now_ns, 0)
        if self._dealer is not None:
            self._flush()
            return False
        if now_ns < self._open_at_ns:
            return False
        dealer = self._context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.SNDHWM, self._hwm)
        dealer.setsockopt(zmq.RCVHWM, self._hwm)
        dealer.setsockopt(zmq.MAXMSGSIZE, self._max_bytes)
        dealer.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
        dealer.setsockopt(zmq.HEARTBEAT_TIMEOUT, 5 * HEARTBEAT_MS)
        dealer.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        dealer.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        # A peer that ends is noticed at once, long before its silence would be.
        self._monitor = dealer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        dealer.connect(self._endpoint)
        self._dealer = dealer
        self._opened_ns = self._heard_ns = self._listened_ns = self.emptied_ns = now_ns
        return True

    def introduce(self, frame: bytes) -> bool:
        """Send the introduction, before anything that waits; False if it couldn't be sent."""
        if self._dealer is None:
            return False
        try:
            self._dealer.send(frame, zmq.DONTWAIT)
        except zmq.Again:
            return False
        return True

    def welcome(self, now_ns: int, heartbeat_ms: int = 0) -> None:
        """The peer has accepted us; 0 leaves the interval as it is."""
        if not self.welcomed:
            self._log.info("welcomed by %s", self._endpoint)
            self._backoff.started(now_ns)
        self.welcomed = True
        if heartbeat_ms:
            self._interval_ns = heartbeat_ms * 1_000_000
            self._beat_at_ns = min(self._beat_at_ns, now_ns + self._interval_ns)

    def rejected(self, now_ns: int, reason: str) -> None:
        """The peer doesn't want us: try again later, on a new line."""
        self._log.error("rejected by %s: %s", self._endpoint, reason)
        self._lose(now_ns, self._backoff.failed(now_ns))

    def beat(self, now_ns: int, frame: bytes) -> None:
        """Send a heartbeat if one is due."""
        if self._dealer is not None and now_ns >= self._beat_at_ns:
            self._beat_at_ns = now_ns + self._interval_ns
            self.send(frame)

    def send(self, frame: bytes) -> bool:
        """Send; False if there is no line, or it is full."""
        return not self._unsent and self.introduce(frame)

    def send_surely(self, frame: bytes) -> None:
        """Send, or keep it until it can be sent, on whatever line there is then."""
        if not self.send(frame):
            self._unsent.append(frame)

    def receive(self, timeout_ns: int, stop: Stop) -> list[bytes]:
        """Return what has come, after at most `timeout_ns`; a request to stop ends the wait."""
        if timeout_ns:
            poller = zmq.Poller()
            poller.register(stop.fileno(), zmq.POLLIN)
            if self._dealer is not None:
                poller.register(self._dealer, zmq.POLLIN)
                poller.register(self._monitor, zmq.POLLIN)
            ready = dict(poller.poll(-(-timeout_ns // 1_000_000)))
            if stop.fileno() in ready:
                stop.settle()
            self._hung_up = self._hung_up or self._monitor in ready
        frames: list[bytes] = []
        if self._dealer is None:
            return frames
        now_ns = monotonic_ns()
        if now_ns - self._listened_ns > timeout_ns + OVERSLEPT_NS:
            self.was_busy(now_ns)
            self._settled_ns = now_ns + SETTLE_NS
        self._listened_ns = now_ns
        while len(frames) < BURST:
            try:
                parts = self._dealer.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                if now_ns >= self._settled_ns:
                    self.emptied_ns = now_ns
                break
            if len(parts) == 1:
                frames.append(parts[0])
        if frames:
            self._heard_ns = now_ns
        return frames

    def was_busy(self, now_ns: int) -> None:
        """We didn't listen up to now, and know why: be patient anew."""
        self._opened_ns = self._heard_ns = self._listened_ns = now_ns

    def flush_on_close(self) -> None:
        """Let what is queued leave when the line is closed, for a bounded time."""
        self._linger_ms = CLOSE_LINGER_MS
        self._flush()

    def close(self) -> None:
        """Close the line for good."""
        self._close(self._linger_ms)
        self._context.term()

    @property
    def _patient_since_ns(self) -> int:
        """A peer that beats but doesn't welcome us has missed our introduction: that isn't enough."""
        return self._heard_ns if self.welcomed else self._opened_ns

    def _flush(self) -> None:
        while self._unsent and self._dealer is not None:
            try:
                self._dealer.send(self._unsent[0], zmq.DONTWAIT)
            except zmq.Again:
                return
            self._unsent.popleft()

    def _close(self, linger_ms: int) -> None:
        self._hung_up = False
        if self._dealer is not None and self._monitor is not None:
            self._dealer.disable_monitor()
            self._monitor.close(linger=0)
            self._dealer.close(linger=linger_ms)
            self._dealer = self._monitor = None

    def _lose(self, now_ns: int, delay_ns: int) -> None:
        self._close(0)
        self.welcomed = False
        self._open_at_ns = now_ns + delay_ns
