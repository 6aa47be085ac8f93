"""What comes back from workers: BEGUN and RETURN, in time, late, or from somebody who has nothing to return.

Rules: only the worker that holds a call may answer it. Every RETURN frees one credit. An answer that comes after its
request was given up changes no reply: an order's is told to its session as a notice.
"""

from gateway.core.accounts import Account
from gateway.core.dispatch import Dispatcher
from gateway.core.inflight import CallPlan, InFlight
from gateway.core.lanes import Worker
from gateway.core.limits import Codec, ReplyCacheLike
from gateway.core.orderlog import OrderLog
from gateway.core.outbox import Outbox
from gateway.core.session import Session, SessionTable
from gateway.core.states import State
from gateway.core.workers import WorkerTable
from gateway.wire.constants import RES_E_FAIL
from gateway.wire.errors import Code, RemoteProtocolError, Status

__all__ = ("Returns",)

_SENT = int(State.SENT)
_BEGUN = int(State.BEGUN)
_ANSWERED = int(State.ANSWERED)
_REFUSED = int(State.REFUSED)
_UNKNOWN = int(State.UNKNOWN)
_OK = int(Status.OK)
_STATUS_REFUSED = int(Status.REFUSED)
_STATUS_TERMINAL = int(Status.TERMINAL)
_STATUS_UNKNOWN = int(Status.UNKNOWN)

_MAX_DURATION_NS = 10**15  # a worker's durations beyond eleven days are capped: they come from outside
_MAX_CACHED_TAIL_BYTES = 512  # arguments longer than that aren't a symbol's name
_MAX_CACHED_RESULT_BYTES = 65_536


class Returns:
    """Matches what workers say with the calls they hold."""

    __slots__ = (
        "_cache",
        "_decode_begun",
        "_decode_return",
        "_dispatcher",
        "_encode_error",
        "_generation",
        "_log",
        "_outbox",
        "_sessions",
        "_spec_index",
        "_unpack",
        "_workers",
    )

    def __init__(
        self,
        generation: int,
        codec: Codec,
        dispatcher: Dispatcher,
        outbox: Outbox,
        workers: WorkerTable,
        cache: ReplyCacheLike,
        spec_index: int,
        log: OrderLog,
        sessions: SessionTable,
    ) -> None:
        self._generation = generation
        self._log = log
        self._sessions = sessions
        self._dispatcher = dispatcher
        self._outbox = outbox
        self._workers = workers
        self._cache = cache
        self._spec_index = spec_index  # of symbol_spec, whose answers symbol_select makes stale
        self._decode_begun = codec.decode_begun
        self._decode_return = codec.decode_return
        self._encode_error = codec.encode_error
        self._unpack = codec.unpack

    def begun(self, now_ns: int, worker: Worker | None, frame: bytes) -> None:
        """Take BEGUN from a connection; `worker` is who is known on it."""
        generation, call_id = self._decode_begun(frame)
        request = self._held_call(worker, generation, call_id)
        if worker is not None:
            self._workers.seen(worker, now_ns)
        if request is None:
            return
        plan = request.plan
        if plan.is_order and request.state == _SENT:
            request.move(_BEGUN)

    def returned(self, now_ns: int, worker: Worker | None, frame: bytes) -> None:
        """Take RETURN from a connection; `worker` is who is known on it."""
        try:
            generation, call_id, status, wait_ns, call_ns, result = self._decode_return(frame)
        except RemoteProtocolError as error:
            self.unreadable(now_ns, worker, error.message)
            raise
        request = self._held_call(worker, generation, call_id)
        if request is None:
            self._evidence(generation, call_id, status, result)
        else:
            request.wait_ns = wait_ns if wait_ns < _MAX_DURATION_NS else _MAX_DURATION_NS
            request.call_ns = call_ns if call_ns < _MAX_DURATION_NS else _MAX_DURATION_NS
            self._take(now_ns, request, status, result)
        if worker is not None:
            self._workers.seen(worker, now_ns)

    def unreadable(self, now_ns: int, worker: Worker | None, why: str) -> None:
        """Take a RETURN that can't be read (too large, or broken): if the worker holds one call, it was that one's."""
        if worker is None or worker.used != 1:
            return
        request: InFlight = self._dispatcher.held_by(worker)[0]
        plan = request.plan
        if request.sent_ns == 0:
            return
        if plan.is_order:
            text = f"its answer can't be read ({why}): query before acting, never resend it blindly"
            self._take(now_ns, request, _STATUS_UNKNOWN, self._encode_error(int(Code.OUTCOME_UNKNOWN), text, None))
        else:
            text = f"its answer can't be read: {why}"
            detail = {"last_error": [RES_E_FAIL, text], "returned": None}
            self._take(now_ns, request, _STATUS_TERMINAL, self._encode_error(int(Code.CALL_FAILED), text, detail))

    def _held_call(self, worker: Worker | None, generation: int, call_id: int) -> InFlight | None:
        """Return the call that a worker speaks of, or None, counted, if it can't speak of it.

        An unknown connection may be the call's own worker, reconnected by libzmq without noticing; another worker may
        not answer.
        """
        request: InFlight | None = self._dispatcher.calls.get(call_id)
        if (
            request is None
            or generation != self._generation
            or request.sent_ns == 0
            or (worker is not None and worker is not request.worker)
        ):
            self._outbox.counters.stray_frames += 1
            return None
        return request

    def _take(self, now_ns: int, request: InFlight, status: int, result: bytes) -> None:
        worker = request.worker
        plan = request.plan
        account = request.account
        self._dispatcher.returned(request)
        request.returned_ns = now_ns
        worker.busy_ns += request.call_ns
        if status != _OK:
            worker.errors += 1
        elif plan.cache_ns:
            self._keep(now_ns, request, account, plan, result)
        elif plan.clears_specs:
            self._cache.invalidate(account.prefixes[self._spec_index])
        state = request.state
        if state in (_SENT, _BEGUN):
            self._settle(request, plan, status, result)
        else:
            request.move(_ANSWERED)
            self._late(request, state, status, result)
        self._dispatcher.feed(worker, now_ns)

    def _settle(self, request: InFlight, plan: CallPlan, status: int, result: bytes) -> None:
        """Pass a worker's answer on."""
        if status == _STATUS_UNKNOWN and plan.is_order:
            request.move(_UNKNOWN)
            self._outbox.counters.orders_unknown += 1
            self._dispatcher.released(request)
        elif status == _STATUS_REFUSED:
            request.move(_REFUSED)
        else:
            request.move(_ANSWERED)
        self._outbox.reply(request, status, result)

    def _late(self, request: InFlight, state: int, status: int, result: bytes) -> None:
        """Take the answer to what nobody waits for any more; an order's is told to its session."""
        if state != _UNKNOWN:
            self._outbox.counters.late_returns += 1
            return
        self._outbox.counters.late_answers += 1
        self._dispatcher.released(request)
        if request.order is not None and not self._log.evidence_for(request.order, status, result):
            return
        session: Session | None = request.session
        if session is not None and not session.ended:
            told = {
                "request_id": request.request_id,
                "client_order_id": request.order_id,
                "status": status,
                "result": self._unpack(result),
            }
            self._outbox.notice(session, "answered", told)

    def _evidence(self, generation: int, call_id: int, status: int, result: bytes) -> None:
        """Take a RETURN that no request waits for: of an earlier broker's call, or of a worker given up for dead."""
        order = self._log.evidence(generation, call_id, status, result)
        if order is None:
            return
        self._outbox.counters.late_answers += 1
        session: Session | None = self._sessions.by_client.get(order.client_id)
        if session is not None:
            told = {"client_order_id": order.order_id, "status": status, "result": self._unpack(result)}
            self._outbox.notice(session, "answered", told)

    def _keep(self, now_ns: int, request: InFlight, account: Account, plan: CallPlan, result: bytes) -> None:
        if len(request.tail) <= _MAX_CACHED_TAIL_BYTES and len(result) <= _MAX_CACHED_RESULT_BYTES:
            self._cache.put(account.prefixes[plan.index] + request.tail, result, now_ns, plan.cache_ns)
