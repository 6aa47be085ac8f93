"""What goes to clients: one reply for each request, and notices.

Rules: a request is replied to once; the reply to an ended session is dropped and counted. Frames are encoded at the
flush, so that their last stamp is true.
"""

from collections import deque
from typing import Any

from gateway.core.inflight import InFlight
from gateway.core.limits import Codec
from gateway.core.orderlog import OrderLog
from gateway.core.session import Session
from gateway.core.states import State
from gateway.core.statistics import Counters, Stages
from gateway.wire.errors import Code, Status

__all__ = ("Outbox",)

_ANSWERED = int(State.ANSWERED)
_REFUSED_STATE = int(State.REFUSED)
_OK = int(Status.OK)
_PROTOCOL = int(Status.PROTOCOL)
_REFUSED = int(Status.REFUSED)
_FIRST_REFUSAL = int(Code.REFUSED)


class Outbox:
    """Replies and notices until the next flush."""

    __slots__ = (
        "_durable",
        "_encode_error",
        "_encode_reply",
        "_held",
        "_log",
        "_pack",
        "_pending",
        "_recalled",
        "counters",
        "stages",
    )

    def __init__(self, codec: Codec, counters: Counters, stages: Stages, log: OrderLog) -> None:
        self.counters = counters
        self.stages = stages
        self._log = log
        self._held: deque[tuple[int, InFlight]] = deque()  # replies whose record, of this sequence, isn't durable yet
        self._recalled: deque[tuple[int, InFlight, int, bytes]] = deque()  # the same of what is told again
        self._durable = 0
        self._encode_reply = codec.encode_reply
        self._encode_error = codec.encode_error
        self._pack = codec.pack
        self._pending: list[Any] = []  # a request with its answer, or an encoded (identity, frame)

    def reply(self, request: InFlight, status: int, result: bytes) -> None:
        """Give a request its one reply; `result` is encoded. An accepted order's goes into the journal before."""
        session = request.session
        order = request.order
        if order is not None:
            self._log.replied(order, status, result)
        if request.asker is not None:
            request.asker.answered(request, status, result)
            return
        if session is not None:
            session.requests.pop(request.request_id, None)
            if session.ended:
                self.counters.replies_dropped += 1
                return
        request.status = status
        request.result = result
        if order is not None and self._log.gated and order.generation:  # what never left may be said to at once
            self._held.append((self._log.sequence, request))
        else:
            self._pending.append(request)

    def recall(self, request: InFlight, status: int, result: bytes) -> None:
        """Give a reply that tells what is recorded: not before that is durable, where replies wait for it."""
        request.move(_ANSWERED)
        if self._log.gated and self._log.sequence > self._durable:
            self._recalled.append((self._log.sequence, request, status, result))
        else:
            self.reply(request, status, result)

    def release(self, durable: int) -> None:
        """Let those replies leave whose records are durable, up to and including this sequence."""
        self._durable = durable
        held, recalled = self._held, self._recalled
        while held and held[0][0] <= durable:
            self._pending.append(held.popleft()[1])
        while recalled and recalled[0][0] <= durable:
            _, request, status, result = recalled.popleft()
            self.reply(request, status, result)

    def answer(self, request: InFlight, result: bytes) -> None:
        """Reply OK on the gateway's own account."""
        request.move(_ANSWERED)
        self.reply(request, _OK, result)

    def fail(self, request: InFlight, status: int, code: int, message: str, detail: dict[str, Any] | None) -> None:
        """Reply with an error to a request whose state has been moved already."""
        self.counters.refused(code)
        self.reply(request, status, self._encode_error(code, message, detail))

    def refuse(self, request: InFlight, code: int, message: str) -> None:
        """Refuse a request that never left; codes below 200 say that it wasn't understood."""
        request.move(_REFUSED_STATE)
        self.fail(request, _PROTOCOL if code < _FIRST_REFUSAL else _REFUSED, code, message, None)

    def notice(self, session: Session, kind: str, result: Any) -> None:
        """Tell a session something that it didn't ask."""
        self.counters.notices += 1
        self._pending.append((session.identity, self._encode_reply(0, kind, self._pack(result), None)))

    def notice_all(self, sessions: list[Session], kind: str, result: Any) -> None:
        """Tell several sessions the same; it is encoded once."""
        frame = self._encode_reply(0, kind, self._pack(result), None)
        self.counters.notices += len(sessions)
        for session in sessions:
            self._pending.append((session.identity, frame))

    def is_empty(self) -> bool:
        """Tell whether nothing waits for the flush."""
        return not self._pending

    def flush(self, now_ns: int) -> list[tuple[bytes, bytes]]:
        """Encode all that waits, as (identity, frame) in order."""
        pending = self._pending
        frames: list[tuple[bytes, bytes]] = []
        if not pending:
            return frames
        self._pending = []
        now = now_ns
        for item in pending:
            if type(item) is tuple:
                frames.append(item)
                continue
            request: InFlight = item
            stamps = (
                request.received_ns,
                request.sent_ns,
                request.returned_ns,
                now,
                request.wait_ns,
                request.call_ns,
            )
            frames.append(
                (request.identity, self._encode_reply(request.request_id, request.status, request.result, stamps))
            )
            self.counters.replies += 1
            session = request.session
            if session is not None:
                session.last_seen_ns = now_ns  # it was waiting for this, not silent
            if request.returned_ns:
                self.stages.record(request, now_ns)
        return frames
