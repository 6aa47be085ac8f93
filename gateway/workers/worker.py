"""A worker: one connection to a terminal, offered to the broker. `run` is its watchdog, `run_child` what calls MT5.

The child has one thread and one loop: keep the terminal proven, keep the broker told, take a call, execute it, return
it. It needs pyzmq, msgpack and NumPy, and nothing compiled: it runs wherever the terminal does. What a call means is
`gateway.workers.execution`'s affair, whether the terminal is the right one `gateway.workers.attachment`'s.

Order of shutdown: the call being executed is finished and returned, calls that wait are refused, GOODBYE is said, the
terminal is let go.
"""

import gc
import logging
import random
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgpack

from gateway import log
from gateway.clock import monotonic_ns
from gateway.process import Backoff, Beat, Child, State, Stop
from gateway.settings import WorkerSettings
from gateway.terminal.port import Terminal
from gateway.wire import codec
from gateway.wire.calls import CALLS, Kind
from gateway.wire.errors import Code, RemoteProtocolError, Status
from gateway.wire.messages import MAX_REQUEST_BYTES, CallMessage, Goodbye, Ready, WorkerKind
from gateway.workers.attachment import Attachment, open_terminal
from gateway.workers.execution import Executor, Outcome, failure, refusal
from gateway.workers.uplink import OVERSLEPT_NS, Uplink
from gateway.workers.watchdog import Watchdog

__all__ = ("Worker", "run", "run_child")

MAX_IDLE_NS: Final = 250_000_000
"""Longest wait: the beat is given, and a request to stop seen, at least this often."""

DRAIN_NS: Final = 100_000_000
"""How long a worker that shuts down listens for calls that were sent before the broker could know."""

MAX_KEPT_BYTES: Final = 65_536
"""The last results are kept, one for each credit, and returned again on a new line: the old one may have lost them, and
the broker would wait. Of a larger one (a read's, always) only that it was lost is told."""

MAX_CALL_BYTES: Final = 2 * MAX_REQUEST_BYTES
"""A CALL is little larger than the request in it."""


def run(settings: WorkerSettings) -> int:
    """Run the watchdog until SIGTERM or SIGINT; return the process's exit status."""
    logger = log.configure(f"worker.{settings.name}", settings.log_level)
    stop = Stop()
    stop.catch_signals()

    def start(epoch: int) -> Child:
        return Child("worker-child", settings, epoch=epoch)

    return Watchdog(settings.name, settings.gateway, start, Beat(settings.beat_file), stop, logger).run()


def run_child(settings: WorkerSettings, epoch: int) -> int:
    """Execute calls until SIGTERM; return the process's exit status. Raises ConfigError for a terminal of no kind."""
    logger = log.configure(f"worker.{settings.name}", settings.log_level)
    stop = Stop()
    stop.catch_signals()
    terminal = open_terminal(settings.terminal)
    gc.collect()
    gc.freeze()
    Worker(settings, epoch, terminal, Beat(settings.beat_file), stop, logger).run()
    return 0


class _Arrival(NamedTuple):
    """A CALL in its place in the queue."""

    call: CallMessage
    arrived_ns: int  # when it was seen
    since_ns: int  # the earliest that it can have come


class Worker:
    """The child's loop."""

    def __init__(
        self,
        settings: WorkerSettings,
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
        self._attachment = Attachment(terminal, settings, settings.mode, beat, jitter, logger)
        self._executor = Executor(self._attachment, logger)
        self._uplink = Uplink(settings.gateway, MAX_CALL_BYTES, Backoff(jitter), logger)
        self._generation = 0
        self._line_is_new = False
        self._waiting: deque[_Arrival] = deque()
        self._returned: deque[bytes] = deque(maxlen=settings.credit)
        self._told: tuple[Any, ...] = ()
        self.malformed = 0

    def run(self) -> None:
        """Serve until asked to stop."""
        self._beat.start()
        try:
            while not self._is_asked_to_stop():
                self._keep()
                self._receive(self._wait_ns())
                while self._waiting and not self._is_asked_to_stop() and not self._uplink.is_full:
                    self._execute(self._waiting.popleft())
                    self._receive(0)
                    if self._waiting:
                        self._keep()
            self._drain()
        finally:
            self._uplink.close()
            self._attachment.close()

    def _is_asked_to_stop(self) -> bool:
        return self._stop.requested or self._beat.stop_requested

    def _keep(self) -> None:
        """Keep the terminal proven and the broker told."""
        now_ns = monotonic_ns()
        self._beat.tick(now_ns)
        self._attachment.keep(now_ns, idle=not self._waiting)
        after_ns = monotonic_ns()
        attachment, uplink = self._attachment, self._uplink
        if after_ns - now_ns > uplink.patience_ns:
            self._told = ()  # we were silent for so long that we may have been given up
            uplink.was_busy(after_ns)
        told = (attachment.proof, attachment.reason)
        if uplink.keep(after_ns):
            self._told = ()
            self._line_is_new = True
        if told != self._told and uplink.introduce(self._ready()):
            self._told = told
            if self._line_is_new:
                self._line_is_new = False
                for frame in self._returned:
                    uplink.send_surely(frame)
                self._refuse_waiting("the line to the broker was lost before it began")
        uplink.beat(after_ns, codec.encode_heartbeat(self._settings.name, self._epoch))
        self._beat.state = State.READY if attachment.usable and uplink.welcomed else State.WAITING

    def _ready(self) -> bytes:
        settings, attachment = self._settings, self._attachment
        proof = attachment.proof.to_wire() if attachment.proof is not None and attachment.usable else {}
        return codec.encode_ready(
            Ready(
                settings.name,
                self._epoch,
                settings.account,
                settings.lanes,
                settings.credit,
                proof,
                attachment.tradable,
                attachment.reason,
            )
        )

    def _wait_ns(self) -> int:
        if self._waiting:
            return 0
        due_ns = min(self._attachment.due_ns, self._uplink.due_ns) - monotonic_ns()
        return min(max(due_ns, 0), MAX_IDLE_NS)

    def _receive(self, timeout_ns: int) -> None:
        """Take what has come, after at most `timeout_ns`. A call's age counts from when we last knew there was none."""
        emptied_ns = self._uplink.emptied_ns
        frames = self._uplink.receive(timeout_ns, self._stop)
        now_ns = monotonic_ns()
        woke_in_time = timeout_ns and now_ns - emptied_ns <= timeout_ns + OVERSLEPT_NS
        since_ns = now_ns if woke_in_time else emptied_ns
        for frame in frames:
            try:
                self._frame(frame, now_ns, since_ns)
            except RemoteProtocolError as error:
                self.malformed += 1
                self._log.error("malformed message from the broker: %s", error)

    def _frame(self, frame: bytes, now_ns: int, since_ns: int) -> None:
        kind = codec.worker_kind(frame)
        if kind == WorkerKind.CALL:
            try:
                call = codec.decode_call(frame)
            except RemoteProtocolError as error:
                self._return_malformed(frame, error)
                raise
            self._waiting.append(_Arrival(call, now_ns, since_ns))
        elif kind == WorkerKind.WELCOME:
            generation, heartbeat_ms = codec.decode_welcome(frame)
            if generation < self._generation:
                self._uplink.rejected(now_ns, f"broker of generation {generation}, after one of {self._generation}")
                return
            self._generation = generation
            self._uplink.welcome(now_ns, heartbeat_ms)
        elif kind == WorkerKind.REJECT:
            code, message = codec.decode_reject(frame)
            self._uplink.rejected(now_ns, f"{message} ({code})")
        elif kind != WorkerKind.HEARTBEAT:
            raise RemoteProtocolError(f"kind: {kind} isn't a broker's")

    def _return_malformed(self, frame: bytes, error: RemoteProtocolError) -> None:
        """Give back the credit of a CALL whose ids can be read, with what is wrong with the rest."""
        unpacker = msgpack.Unpacker(raw=False, max_buffer_size=0)
        unpacker.feed(frame)
        try:
            unpacker.read_array_header()
            _, _, generation, call_id = (unpacker.unpack() for _ in range(4))
        except Exception:
            return
        if type(generation) is int and type(call_id) is int and generation > 0 and call_id > 0:
            self._return(CallMessage(generation, call_id, "", 0, [], {}), 0, refusal(Code.MALFORMED, error.message))

    def _execute(self, arrival: _Arrival) -> None:
        call = arrival.call
        started_ns = monotonic_ns()
        if call.generation < self._generation:
            message = f"generation {call.generation} of the broker was followed by {self._generation}"
            outcome = refusal(Code.REFUSED, message)
        else:
            self._generation = call.generation
            # Only an order must never run late: a read that may have waited elsewhere still serves who asked.
            known = CALLS.get(call.name)
            age_from_ns = arrival.since_ns if known is not None and known.kind is Kind.ORDER else arrival.arrived_ns
            outcome = self._executor.execute(
                call,
                age_from_ns + call.ttl_ms * 1_000_000,
                lambda: self._uplink.send(codec.encode_begun(call.generation, call.call_id)),
            )
        self._return(call, started_ns - arrival.arrived_ns, outcome)
        now_ns = monotonic_ns()
        self._beat.tick(now_ns)
        self._uplink.was_busy(now_ns)

    def _return(self, call: CallMessage, wait_ns: int, outcome: Outcome) -> None:
        status, result, call_ns = outcome
        ids = (call.generation, call.call_id)
        frame = codec.encode_return(*ids, int(status), max(wait_ns, 0), call_ns, result)
        self._uplink.send_surely(frame)
        if len(frame) > MAX_KEPT_BYTES:
            lost = failure(f"{call.name}: its answer was lost on the way")
            frame = codec.encode_return(*ids, int(Status.TERMINAL), max(wait_ns, 0), call_ns, lost)
        self._returned.append(frame)

    def _refuse_waiting(self, message: str) -> None:
        while self._waiting:
            self._return(self._waiting.popleft().call, 0, refusal(Code.UNAVAILABLE, message))

    def _drain(self) -> None:
        self._refuse_waiting("the worker is shutting down")
        until_ns = monotonic_ns() + DRAIN_NS
        while (left_ns := until_ns - monotonic_ns()) > 0:  # the wish to stop itself cuts a wait short
            self._receive(left_ns)  # a call that is on its way is better refused than left UNKNOWN by our GOODBYE
            self._refuse_waiting("the worker is shutting down")
        self._uplink.send(codec.encode_goodbye(Goodbye(self._settings.name, self._epoch, "drained")))
        self._uplink.flush_on_close()
        self._log.info("drained")
