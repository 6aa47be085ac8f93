"""A feed: one connection to a terminal, from which every tick is read and pushed to the publisher, none twice.

`run` is its watchdog, `run_child` what calls MT5: one thread and one loop that goes round the wanted symbols, a page
each, so that a symbol's long history doesn't keep the others waiting. How a symbol is read is `feedreader`'s
affair. A batch counts as read only when it could be sent: a publisher that doesn't take ticks stops the reading.

Order of shutdown: the round ends, GOODBYE is said, the terminal is let go.
"""

import gc
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from gateway import log
from gateway.clock import monotonic_ns
from gateway.process import Backoff, Beat, Child, State, Stop
from gateway.settings import FeedSettings
from gateway.terminal.port import Terminal
from gateway.wire import codec
from gateway.wire.constants import COPY_TICKS_ALL
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.messages import FeedKind, FeedReady, Goodbye, Ticks, Want
from gateway.workers.attachment import Attachment, is_lost, open_terminal
from gateway.workers.feedreader import TickReader
from gateway.workers.uplink import Uplink
from gateway.workers.watchdog import Watchdog

__all__ = ("Feed", "run", "run_child")

HEARTBEAT_MS: Final = 200
"""How often the publisher is told how fresh the quotes are."""

HWM: Final = 64
"""Batches on their way to the publisher, 16 MB at most; further ones wait in the terminal's history."""

MAX_WANT_BYTES: Final = 4_194_304
"""A WANT of as many symbols as a publisher takes."""

IDLE_NS: Final = 50_000_000
"""Longest wait while there is nothing to read."""

RETRY_SYMBOL_NS: Final = 10_000_000_000
"""A symbol that the terminal didn't have is asked for again so much later: it may have been synchronising."""

LONG_CALL_NS: Final = 100_000_000
"""A terminal call that takes longer has kept us from listening to the publisher."""


def run(settings: FeedSettings) -> int:
    """Run the watchdog until SIGTERM or SIGINT; return the process's exit status."""
    logger = log.configure(f"feed.{settings.name}", settings.log_level)
    stop = Stop()
    stop.catch_signals()

    def start(epoch: int) -> Child:
        return Child("feed-child", settings, epoch=epoch)

    # A publisher has nothing to clear up behind a dead feed: no GOODBYE is sent for it.
    return Watchdog(settings.name, "", start, Beat(settings.beat_file), stop, logger).run()


def run_child(settings: FeedSettings, epoch: int) -> int:
    """Read ticks until SIGTERM; return the process's exit status. Raises ConfigError for a terminal of no kind."""
    logger = log.configure(f"feed.{settings.name}", settings.log_level)
    stop = Stop()
    stop.catch_signals()
    terminal = open_terminal(settings.terminal)
    gc.collect()
    gc.freeze()
    Feed(settings, epoch, terminal, Beat(settings.beat_file), stop, logger).run()
    return 0


@dataclass(slots=True)
class _Stream:
    """One symbol: what is known of it, wanted at the moment or not."""

    reader: TickReader | None = None
    selected: bool = False
    asked: bool = False  # in this round, with an answer
    reported: bool = False  # as a symbol that can't be read
    retry_ns: int = 0
    late: int = 0


class _TerminalLost(Exception):
    """The terminal went away in the middle of a round."""


class Feed:
    """The child's loop."""

    def __init__(
        self,
        settings: FeedSettings,
        epoch: int,
        terminal: Terminal,
        beat: Beat,
        stop: Stop,
        logger: logging.Logger,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._epoch = epoch
        self._beat = beat
        self._stop = stop
        self._log = logger
        self._attachment = Attachment(terminal, settings, "", beat, jitter, logger)
        self._uplink = Uplink(settings.publisher, MAX_WANT_BYTES, Backoff(jitter), logger, HEARTBEAT_MS, HWM)
        self._streams: dict[str, _Stream] = {}
        self._wanted: list[str] = []
        self._connection = 0
        self._fresh_ns = 0  # when the last round began that found everything current; 0: none yet
        self.malformed = 0

    def run(self) -> None:
        """Read and push until asked to stop."""
        self._beat.start()
        try:
            pause_ns = 0
            while not (self._stop.requested or self._beat.stop_requested):
                self._keep()
                self._receive(pause_ns)
                pause_ns = IDLE_NS
                if self._attachment.usable and self._uplink.welcomed:
                    pause_ns = self._go_round()
            self._uplink.send(codec.encode_goodbye(Goodbye(self._settings.name, self._epoch, "drained")))
            self._uplink.flush_on_close()
        finally:
            self._uplink.close()
            self._attachment.close()

    def _keep(self) -> None:
        """Keep the terminal proven and the publisher told."""
        now_ns = monotonic_ns()
        self._beat.tick(now_ns)
        self._attachment.keep(now_ns)
        if self._connection != self._attachment.connections:
            self._connection = self._attachment.connections
            for stream in self._streams.values():
                stream.selected = False  # perhaps another life of the terminal
        now_ns = self._kept_since(now_ns)
        if self._uplink.keep(now_ns):
            settings = self._settings
            self._uplink.introduce(
                codec.encode_feed_ready(FeedReady(settings.name, self._epoch, settings.account, settings.symbols))
            )
        self._tell_age(now_ns)
        is_ready = self._attachment.usable and self._uplink.welcomed
        self._beat.state = State.READY if is_ready else State.WAITING

    def _tell_age(self, now_ns: int) -> None:
        self._uplink.beat(now_ns, self._heartbeat(now_ns))

    def _heartbeat(self, now_ns: int) -> bytes:
        return codec.encode_heartbeat(self._settings.name, self._epoch, max(now_ns - self._fresh_ns, 0))

    def _kept_since(self, since_ns: int) -> int:
        """Return the time; if the terminal kept us since `since_ns`, what we didn't hear meanwhile means nothing."""
        now_ns = monotonic_ns()
        if now_ns - since_ns > LONG_CALL_NS:
            self._uplink.was_busy(now_ns)
        return now_ns

    # What the publisher says.

    def _receive(self, pause_ns: int) -> None:
        """Take what the publisher sent; wait at most `pause_ns` for it."""
        if 0 < pause_ns < 1_000_000:  # zmq_poll knows milliseconds only
            self._stop.wait(pause_ns)
            pause_ns = 0
        for frame in self._uplink.receive(pause_ns, self._stop):
            try:
                self._frame(frame)
            except RemoteProtocolError as error:
                self.malformed += 1
                self._log.error("malformed message from the publisher: %s", error)

    def _frame(self, frame: bytes) -> None:
        kind = codec.worker_kind(frame)
        if kind == FeedKind.WANT:
            self._want(codec.decode_want(frame))
        elif kind == FeedKind.REJECT:
            code, message = codec.decode_reject(frame)
            self._uplink.rejected(monotonic_ns(), f"{message} ({code})")
        elif kind != FeedKind.HEARTBEAT:
            raise RemoteProtocolError(f"kind: {kind} isn't a publisher's")

    def _want(self, wants: list[Want]) -> None:
        """Take the whole set of wanted symbols.

        The first WANT on a line says what has arrived before: what was lost on the way is read again. Later ones may
        be older than what is on its way, and only say where new symbols begin.
        """
        is_first = not self._uplink.welcomed
        self._uplink.welcome(monotonic_ns())
        if not {want.symbol for want in wants} <= set(self._wanted):
            # What comes for a new symbol may be old: until a round has caught up, no quote of ours is fresh.
            self._fresh_ns = 0
            self._uplink.send(self._heartbeat(monotonic_ns()))
        for symbol, msc, ordinal in wants:
            stream = self._streams.setdefault(symbol, _Stream())
            stream.reported = stream.reported and symbol in self._wanted
            known = stream.reader is not None
            if msc and (not known or (is_first and stream.reader and stream.reader.cursor != (msc, ordinal))):
                stream.reader = TickReader(msc, ordinal + 1)
                stream.late = 0
            elif not known and self._settings.since >= 0:
                stream.reader = TickReader(self._settings.since * 1_000)
        self._wanted = [want.symbol for want in wants]
        if self._settings.since < 0:  # wanted again one day, it begins at the present; a history goes on where it was
            for symbol in self._streams.keys() - set(self._wanted):
                del self._streams[symbol]

    # What the terminal has.

    def _go_round(self) -> int:
        """Ask the terminal for every wanted symbol once; return how long to pause before the next round."""
        started_ns = now_ns = monotonic_ns()
        found = False
        current = True
        try:
            for symbol in self._wanted:
                stream = self._streams[symbol]
                found = self._read(symbol, stream, now_ns) or found
                # What couldn't be asked is not current, unless the publisher was told that it can't be read.
                if stream.reader is not None and not stream.reported:
                    current = current and stream.asked and stream.reader.caught_up
                now_ns = self._kept_since(now_ns)
                self._tell_age(now_ns)
                self._beat.tick(now_ns)
        except _TerminalLost:
            self._attachment.doubt()
            return 0
        if current:
            self._fresh_ns = started_ns
        if found:
            return 0
        return self._settings.poll_us * 1_000 if self._wanted else IDLE_NS

    def _read(self, symbol: str, stream: _Stream, now_ns: int) -> bool:
        """Look at one symbol, and read and send a page if there is something new; return whether there was."""
        stream.asked = False
        if not stream.selected and not self._select(symbol, stream, now_ns):
            return False
        tick = self._ask("symbol_info_tick", symbol)
        if tick is None:
            stream.selected = False
            return False
        stream.asked = True
        stream.reported = False
        reader = stream.reader
        if reader is None:
            if not tick.time_msc:
                return False  # selected just now: no tick has come in yet
            reader = stream.reader = TickReader(tick.time_msc)
        reader.observe(tick, now_ns)
        if reader.is_due(now_ns):
            page = self._ask("copy_ticks_from", symbol, *reader.request(), COPY_TICKS_ALL)
            if page is None:
                return False
            reader.take(page, now_ns)
            if reader.late > stream.late:
                self._log.warning("%s: %d ticks appeared behind what was read", symbol, reader.late - stream.late)
                stream.late = reader.late
        return self._send(symbol, reader)

    def _send(self, symbol: str, reader: TickReader) -> bool:
        sent = False
        while (batch := reader.batch()) is not None:
            if not self._uplink.send(codec.encode_feed_ticks(Ticks(symbol, *batch))):
                return False  # the publisher doesn't keep up: a pause is due, and nothing more is read
            reader.delivered()
            sent = True
        return sent

    def _select(self, symbol: str, stream: _Stream, now_ns: int) -> bool:
        if now_ns < stream.retry_ns:
            return False
        if self._ask("symbol_select", symbol, True):
            stream.selected = True
            return True
        stream.retry_ns = now_ns + RETRY_SYMBOL_NS
        if not stream.reported:
            _, text = self._attachment.last_error()
            stream.reported = self._uplink.send(codec.encode_no_symbol(symbol, text))
        return False

    def _ask(self, name: str, *args: Any) -> Any:
        """Call the terminal; None for a failure of the call, _TerminalLost if it is the terminal's."""
        try:
            value = self._attachment.call(name, args)
        except Exception as error:
            self._log.error("%s%r failed: %s: %s", name, args, type(error).__name__, error)
            return None
        if (value is None or value is False) and is_lost(self._attachment.last_error()):
            raise _TerminalLost
        return None if value is False else value
