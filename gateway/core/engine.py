"""The order plane's engine: frames and the time in, frames out. It joins the core's parts and holds no other policy.

It must never know sockets, clocks, files or logs. Rules: the same inputs give the same outputs, to the byte; every
request gets one reply unless its session has ended; nothing that a peer can send raises.
"""

from typing import Any

from gateway.core import records
from gateway.core.accounts import Account, AccountRules
from gateway.core.closing import Closer
from gateway.core.control import Control
from gateway.core.dedupe import Order, Retention
from gateway.core.desk import Desk
from gateway.core.dispatch import Dispatcher
from gateway.core.eventlog import EventLog, EventRetention
from gateway.core.goals import Goals
from gateway.core.inflight import CallPlan, InFlight, new_request
from gateway.core.lanes import Worker
from gateway.core.limits import Codec, Limits, QuoteSource, RecordWriter, ReplyCacheLike
from gateway.core.limitset import RiskRules
from gateway.core.orderids import birth_ms, made_id
from gateway.core.orderlog import OrderLog
from gateway.core.orders import is_exit, look_alike, trade_request
from gateway.core.outbox import Outbox
from gateway.core.override import Overrides
from gateway.core.reconcile import Reconciler
from gateway.core.records import Record
from gateway.core.returns import Returns
from gateway.core.risk import Risk
from gateway.core.riskdesk import RISK_CALLS, RiskDesk
from gateway.core.session import Session, SessionTable
from gateway.core.states import OrderState, State
from gateway.core.statistics import Counters, Stages
from gateway.core.switch import Switchboard
from gateway.core.valuation import Valuation
from gateway.core.watch import Watcher
from gateway.core.workers import WorkerTable
from gateway.wire.calls import CALLS
from gateway.wire.codec import decode_goodbye, decode_heartbeat, decode_ready
from gateway.wire.errors import Code, RemoteProtocolError, Status
from gateway.wire.messages import MAX_REQUEST_BYTES, MAX_RESULT_BYTES, WorkerKind

__all__ = ("AccountRules", "Engine", "Limits")

_KIND_RETURN = int(WorkerKind.RETURN)
_KIND_BEGUN = int(WorkerKind.BEGUN)
_KIND_READY = int(WorkerKind.READY)
_KIND_HEARTBEAT = int(WorkerKind.HEARTBEAT)
_KIND_GOODBYE = int(WorkerKind.GOODBYE)

_ANSWERED = int(State.ANSWERED)
_REFUSED = int(State.REFUSED)
_ORDER_UNKNOWN = int(OrderState.UNKNOWN)

_NS_PER_MS = 1_000_000
_NEVER_NS = 2**62

# As a request's name stands in its frame, behind the head, the version, and two integers of at most nine bytes each.
_KILL = b"\xa4kill"
_RESUME = b"\xa6resume"
_NAME_ENDS = 20 + len(_RESUME)


class Engine:
    """The broker without its sockets. Call it from one thread; times are monotonic nanoseconds."""

    __slots__ = (
        "_accounts",
        "_cache",
        "_closed",
        "_control",
        "_decode_arguments",
        "_decode_request",
        "_desk",
        "_dispatcher",
        "_events",
        "_generation",
        "_limits",
        "_log",
        "_look_ns",
        "_next_sweep_ns",
        "_outbox",
        "_pack",
        "_plans",
        "_quotes",
        "_returns",
        "_risk",
        "_risk_desk",
        "_session_timeout_ns",
        "_sessions",
        "_thrown",
        "_watcher",
        "_worker_kind",
        "_workers",
        "counters",
    )

    def __init__(
        self,
        *,
        generation: int,
        version: str,
        accounts: tuple[AccountRules, ...],
        limits: Limits,
        codec: Codec,
        cache: ReplyCacheLike,
        quotes: QuoteSource | None,
        token_seed: int,
        tick_endpoint: str = "",
        feeds: dict[str, str] | None = None,
        retention: Retention | None = None,
        gated: bool = False,
        observers: tuple[str, ...] = (),
        event_retention: EventRetention | None = None,
        risk: RiskRules | None = None,
        writer: RecordWriter = records,
    ) -> None:
        """`gated`: records are durable only when `durable` says so, and what follows from them waits for it. `writer`:
        `gateway.core.records`, or its compiled twin."""
        self.counters = Counters()
        self._generation = generation
        self._limits = limits
        self._session_timeout_ns = limits.session_timeout_ns
        self._cache = cache
        self._quotes = quotes
        self._decode_request = codec.decode_request
        self._decode_arguments = codec.decode_arguments
        self._pack = codec.pack
        self._worker_kind = codec.worker_kind
        self._plans = {name: CallPlan(call, index) for index, (name, call) in enumerate(CALLS.items())}
        cached = {plan.index: name for name, plan in self._plans.items() if plan.cache_ns}
        self._accounts = {rules.name: Account(rules, cached) for rules in accounts}
        self._log = OrderLog(generation, codec, retention or Retention(), gated, writer)
        self._outbox = Outbox(codec, self.counters, Stages(), self._log)
        self._sessions = SessionTable(token_seed)
        self._dispatcher = Dispatcher(generation, codec, limits, self._outbox, self._log)
        self._workers = WorkerTable(generation, limits, self._accounts, self._dispatcher, cache, self.counters)
        self._returns = Returns(
            generation,
            codec,
            self._dispatcher,
            self._outbox,
            self._workers,
            cache,
            self._plans["symbol_spec"].index,
            self._log,
            self._sessions,
        )
        self._events = EventLog(
            codec, self._outbox, self._sessions, self._log, observers, event_retention or EventRetention()
        )
        switches = Switchboard(self._log)
        self._thrown = switches.thrown
        self._dispatcher.obey(switches.thrown, switches.over)
        order_plan, spec_plan = self._plans["order_send"], self._plans["symbol_spec"]
        closer = Closer(generation, codec, self._dispatcher, self._log, order_plan, spec_plan)
        goals = Goals(self._accounts, self._log, closer, switches.thrown.__contains__, self._events.owner_of)
        self._control = Control(
            self._accounts,
            self._sessions,
            self._dispatcher,
            self._outbox,
            self._log,
            switches,
            goals,
            limits.session_timeout_ns,
        )
        reconciler = Reconciler(codec, self._outbox, self._sessions, self._log, self._events.owner_of)
        rules = risk or RiskRules()
        self._desk = Desk(
            generation=generation,
            version=version,
            limits=limits,
            codec=codec,
            accounts=self._accounts,
            sessions=self._sessions,
            dispatcher=self._dispatcher,
            outbox=self._outbox,
            workers=self._workers,
            cache=cache,
            tick_endpoint=tick_endpoint,
            feeds=feeds or {},
            log=self._log,
            events=self._events,
            control=self._control,
            overrides=Overrides(codec, self._outbox, self._log, self._workers, reconciler, rules.operators),
        )
        self._watcher = Watcher(limits.watch_ns, codec, self._accounts, self._dispatcher, self._outbox, self._log)
        self._watcher.listeners.append(reconciler)
        self._watcher.listeners.append(self._events)
        self._watcher.listeners.append(goals)  # behind the events, which tell whose everything is
        values = {name: Valuation(account, codec, self._dispatcher) for name, account in self._accounts.items()}
        self._risk = Risk(rules, codec, self._accounts, values, quotes, self._log)
        self._risk_desk = RiskDesk(self._risk, codec, self._outbox)
        self._watcher.listeners.append(self._risk)
        self._look_ns = 0
        self._next_sweep_ns = 0
        self._closed = False

    # --- clients -----------------------------------------------------------------------------------------------------

    def receive_clients(self, now_ns: int, burst: list[tuple[bytes, bytes | None]]) -> None:
        """Take frames of clients as (identity, frame); None stands for a frame that was too large."""
        self.counters.frames_from_clients += len(burst)
        self._log.now_ns = now_ns
        for identity, frame in burst:
            self._client_frame(now_ns, identity, frame)

    def take_urgent(self, burst: list[tuple[bytes, bytes | None]]) -> list[tuple[bytes, bytes | None]]:
        """Take the kills out of a burst and return them, to be given to `receive_clients` and flushed before the rest.

        Nothing is taken past a resume: what a client said last must be what counts. O(frames), a look at each one's
        first bytes: what only looks like a kill is handled early, and no more.
        """
        urgent: list[tuple[bytes, bytes | None]] = []
        for item in burst:
            frame = item[1]
            if frame is None:
                continue
            if frame.find(_RESUME, 0, _NAME_ENDS) > 0:
                return []
            if frame.find(_KILL, 0, _NAME_ENDS) > 0:
                urgent.append(item)
        for item in urgent:
            burst.remove(item)
        return urgent

    def _client_frame(self, now_ns: int, identity: bytes, frame: bytes | None) -> None:
        if frame is None:
            text = f"a request may have {MAX_REQUEST_BYTES} bytes"
            self._outbox.refuse(new_request(identity, 0, now_ns), Code.TOO_LARGE, text)
            return
        try:
            token, request_id, name, account_name, ttl_ms, tail, has_kwargs = self._decode_request(frame)
        except RemoteProtocolError as error:
            request = new_request(identity, error.detail.get("request_id", 0), now_ns)
            self._outbox.refuse(request, error.code, error.message)
            return
        request = new_request(identity, request_id, now_ns)
        plan: CallPlan | None = self._plans.get(name)
        session: Session | None = self._sessions.by_token.get(token)
        if session is not None and session.identity == identity:
            if now_ns - session.last_seen_ns > self._session_timeout_ns and not session.requests:
                self.counters.sessions_expired += 1
                self._desk.lose_session(now_ns, session)
                session = None
            else:
                session.last_seen_ns = now_ns
        else:
            session = None
        if plan is None:
            self._outbox.refuse(request, Code.UNKNOWN_CALL, f"there is no call {name!r}")
            return
        if session is None:
            if token:
                self._outbox.refuse(request, Code.SESSION_FENCED, _FENCED)
            elif self._desk.opens_a_conversation(name):
                self._gateway_call(now_ns, request, name, None, tail, has_kwargs)
            else:
                self._outbox.refuse(request, Code.SESSION_FENCED, f"{name} needs a session: say hello first")
            return
        if plan.is_gateway:
            self._gateway_call(now_ns, request, name, session, tail, has_kwargs)
            return
        account: Account | None = self._accounts.get(account_name) if account_name else session.account
        if account is None:
            known = ", ".join(self._accounts) or "none"
            self._outbox.refuse(request, Code.UNKNOWN_ACCOUNT, f"there is no account {account_name!r}; known: {known}")
            return
        twin: InFlight | None = session.requests.get(request_id)
        if twin is not None:
            if twin.plan is plan and twin.tail == tail and twin.has_kwargs == has_kwargs:
                self.counters.stray_frames += 1  # the same frame once more: its one reply is on its way
            else:
                self._outbox.refuse(request, Code.MALFORMED, f"request_id {request_id} is in use")
            return
        request.plan = plan
        request.account = account
        request.tail = tail
        request.has_kwargs = has_kwargs
        request.deadline_ns = now_ns + (ttl_ms * _NS_PER_MS if ttl_ms else plan.ttl_ns)
        if self._closed:
            self._outbox.refuse(request, Code.UNAVAILABLE, "the gateway shuts down")
        elif plan.is_order:
            self._order(now_ns, request, session, account)
        else:
            self._read(now_ns, request, session, account, plan)

    def _read(self, now_ns: int, request: InFlight, session: Session, account: Account, plan: CallPlan) -> None:
        if plan.cache_ns:
            found = self._cache.get(account.prefixes[plan.index] + request.tail, now_ns)
            if found is not None:
                self._outbox.answer(request, found)
                return
        elif plan.is_quote and self._quotes is not None and not request.has_kwargs:
            quote = self._quotes.encoded_tick(account.name, request.tail, now_ns)
            if quote is not None:
                self.counters.quotes_from_board += 1
                self._outbox.answer(request, quote)
                return
        queue = account.lanes[plan.lane]
        if not queue.workers:
            self._outbox.refuse(request, Code.UNAVAILABLE, account.read_refusal(plan.lane))
            return
        self._dispatcher.submit(request, session, queue)

    def _order(self, now_ns: int, request: InFlight, session: Session, account: Account) -> None:
        args, kwargs = self._decode_arguments(request.tail, request.has_kwargs)
        fields, problem = trade_request(args, kwargs)
        if fields is None:
            self._outbox.refuse(request, Code.BAD_ARGUMENTS, problem)
            return
        wall_ns = now_ns + self._log.wall_offset_ns
        order_id = fields.get("client_order_id")
        if order_id is None:
            request.birth_ms = wall_ns // _NS_PER_MS
            request.order_id = made_id(request.birth_ms, self._generation, self._log.sequence)
            named = {**fields, "client_order_id": request.order_id}  # the worker makes the order's tag of it
            request.tail = self._pack([]) + self._pack(named) if request.has_kwargs else self._pack([named])
        else:
            request.birth_ms = birth_ms(order_id) if type(order_id) is str else -1
            if request.birth_ms < 0:
                self._outbox.refuse(request, Code.BAD_ARGUMENTS, f"client_order_id: {_NO_ID}, got {order_id!r:.80}")
                return
            request.order_id = order_id
            known: Order | None = self._log.table.find(session.client_id, order_id)
            if known is not None:
                self._repeated(request, known)
                return
            problem = self._log.table.refusal(request.birth_ms, wall_ns)
            if problem:
                self._outbox.refuse(request, Code.FORGOTTEN_ID, f"client_order_id {order_id} was {problem}")
                return
        request.is_exit = is_exit(fields)
        if self._thrown:
            halt = self._control.halt_over(session.client_id, account.name)
            if halt is not None and (not request.is_exit or self._control.may_open(fields, account)):
                self._control.refuse(request, halt)
                return
        if self._log.doubt and (self._log.barred or not request.is_exit):
            self._doubted(request)
            return
        if self._log.unknown and not request.is_exit:
            twin = self._twin_in_doubt(session, account, fields)
            if twin is not None:
                text = (
                    f"order {twin.order_id} would do the same, and nobody knows yet whether it did: wait for its fate"
                )
                self._outbox.refuse(request, Code.LOOK_ALIKE, text)
                return
        refusal = account.order_refusal(request.is_exit)
        if refusal is not None:
            self._outbox.refuse(request, refusal[0], refusal[1])
            return
        if self._risk.active:
            request.intent, against = self._risk.judge(fields, account.name, session.client_id, now_ns)
            if against is not None:
                request.move(_REFUSED)
                self._outbox.fail(request, Status.REFUSED, Code.RISK, against.text, against.detail)
                return
        self._dispatcher.submit(request, session, account.lanes[0])

    def _doubted(self, request: InFlight) -> None:
        """Refuse what the journal has no room for, or can't be trusted with."""
        log = self._log
        text = (
            f"{log.barred}: exits are refused, too"
            if log.barred
            else f"{log.doubt}: entries are refused, exits are not"
        )
        self._outbox.refuse(request, Code.JOURNAL if log.lost else Code.NOT_TRADABLE, text)

    def _twin_in_doubt(self, session: Session, account: Account, fields: dict[str, Any]) -> Order | None:
        """Return an UNKNOWN order of this client that looks like this one. O(orders in doubt)."""
        for twin in self._log.unknown.values():
            if (
                twin.client_id == session.client_id
                and twin.account_name == account.name
                and twin.state == _ORDER_UNKNOWN
            ):
                args, kwargs = self._decode_arguments(twin.tail, twin.has_kwargs)
                doubtful, _ = trade_request(args, kwargs)
                if doubtful is not None and look_alike(fields, doubtful):
                    return twin
        return None

    def _repeated(self, request: InFlight, known: Order) -> None:
        """Answer a request whose id is taken: with what became of the order, if it is that one."""
        account: Account = request.account
        if request.tail != known.tail or request.has_kwargs != known.has_kwargs or account.name != known.account_name:
            text = f"client_order_id {known.order_id} was used with other content; an id names one order"
            self._outbox.refuse(request, Code.DUPLICATE_MISMATCH, text)
            return
        self.counters.orders_repeated += 1
        if known.state < _ORDER_UNKNOWN:
            request.move(_ANSWERED)
            text = f"order {known.order_id} is in flight: ask order_status for its fate"
            self._outbox.fail(request, Status.UNKNOWN, Code.IN_FLIGHT, text, self._log.describe(known))
        else:
            self._outbox.recall(request, known.status, known.result)

    def _gateway_call(
        self, now_ns: int, request: InFlight, name: str, session: Session | None, tail: bytes, has_kwargs: bool
    ) -> None:
        args, kwargs = self._decode_arguments(tail, has_kwargs)
        if kwargs:
            self._outbox.refuse(request, Code.BAD_ARGUMENTS, f"{name} takes no keywords")
        elif self._closed and name == "hello":
            self._outbox.refuse(request, Code.UNAVAILABLE, "the gateway shuts down")
        elif session is not None and name in RISK_CALLS:
            self._risk_desk.answer(now_ns, request, name, session, args)
        else:
            self._desk.answer(now_ns, request, name, session, args)

    # --- workers -----------------------------------------------------------------------------------------------------

    def receive_workers(self, now_ns: int, burst: list[tuple[bytes, bytes | None]]) -> None:
        """Take frames of workers as (identity, frame); None stands for a frame that was too large."""
        self.counters.frames_from_workers += len(burst)
        self._log.now_ns = now_ns
        for identity, frame in burst:
            try:
                self._worker_frame(now_ns, identity, frame)
            except RemoteProtocolError as error:
                self.counters.malformed_from_workers += 1
                # A worker that we know keeps what it holds: a REJECT would end it for one bad frame.
                if identity not in self._workers.by_identity:
                    self._workers.reject(identity, error.code, error.message)

    def _worker_frame(self, now_ns: int, identity: bytes, frame: bytes | None) -> None:
        worker: Worker | None = self._workers.by_identity.get(identity)
        if frame is None:
            self._returns.unreadable(now_ns, worker, f"more than {MAX_RESULT_BYTES} bytes")
            self.counters.malformed_from_workers += 1
            return
        kind = self._worker_kind(frame)
        if kind == _KIND_RETURN:
            self._returns.returned(now_ns, worker, frame)
        elif kind == _KIND_BEGUN:
            self._returns.begun(now_ns, worker, frame)
        elif kind == _KIND_HEARTBEAT:
            name, epoch, _ = decode_heartbeat(frame)
            self._workers.heartbeat(now_ns, identity, name, epoch)
        elif kind == _KIND_READY:
            if not self._closed:
                self._workers.ready(now_ns, identity, decode_ready(frame))
        elif kind == _KIND_GOODBYE:
            name, epoch, reason = decode_goodbye(frame)
            self._workers.goodbye(now_ns, name, epoch, reason)
        else:
            raise RemoteProtocolError(f"kind: a worker doesn't send {kind}")

    # --- time --------------------------------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> None:
        """End what is overdue, send heartbeats, notice silence. Cheap when nothing is due."""
        dispatcher = self._dispatcher
        if now_ns < dispatcher.due_ns:
            return
        self._log.now_ns = now_ns
        dispatcher.expire(now_ns)
        if now_ns >= self._next_sweep_ns:
            self._next_sweep_ns = now_ns + self._limits.heartbeat_ns
            self._desk.started(now_ns)
            self._workers.sweep(now_ns)
            self._desk.sweep_sessions(now_ns)
            self._control.sweep(now_ns)
            self._log.table.forget_old(now_ns + self._log.wall_offset_ns)
            self._events.forget_old(now_ns + self._log.wall_offset_ns)
        if now_ns >= self._look_ns and not self._closed:
            self._look_ns = self._watcher.look(now_ns)
        dispatcher.due_ns = dispatcher.next_due_ns(min(self._next_sweep_ns, self._look_ns))

    def next_deadline_ns(self) -> int:
        """Return when `tick` must be called at the latest; 0: now, for `flush` has something to send."""
        if self.has_output():
            return 0
        return _NEVER_NS if self._closed else self._dispatcher.due_ns

    # --- the journal -------------------------------------------------------------------------------------------------

    def recover(self, found: list[Record]) -> None:
        """Take in what the journal holds, segment by segment; call it before `start`."""
        others = self._log.recover(found)
        self._control.recover(others)
        self._risk.recover(others)
        self._events.recover(others)

    def start(self, boot_id: bytes, now_ns: int, wall_ns: int) -> None:
        """Begin, after all was recovered; `take_records` has what is to be written first."""
        self._log.start(boot_id, now_ns, wall_ns)
        self._events.start()
        self._control.start(now_ns)
        self._risk.start(now_ns, wall_ns)

    def set_wall_clock(self, now_ns: int, wall_ns: int) -> None:
        """Tell what the wall clock shows."""
        self._log.wall_offset_ns = wall_ns - now_ns

    def refuse_entries(self, why: str) -> None:
        """Refuse orders that open or change something, for as long as there is a reason; exits still go."""
        self._log.doubt = why

    def refuse_exits(self, why: str) -> None:
        """Refuse exits, too, for as long as there is a reason, unless an operator has allowed them."""
        self._log.bar_exits(why)

    def lose_journal(self, now_ns: int, why: str) -> None:
        """Take note that nothing can be recorded any more: no order that hasn't left may leave, none is accepted.

        What has left is waited for, and what came of it told. It ends with this broker.
        """
        self._log.now_ns = now_ns
        self._log.lose(why)
        queues = [account.lanes[0] for account in self._accounts.values()]
        self._dispatcher.withdraw_orders(queues, now_ns, Code.JOURNAL, why)
        self._outbox.release(_NEVER_NS)
        self._events.release(_NEVER_NS)

    def take_remarks(self) -> list[str]:
        """Return what an operator should read in the log, and forget it."""
        remarks = self._log.remarks
        if remarks:
            self._log.remarks = []
        return remarks

    def take_records(self) -> tuple[bytes, int]:
        """Return the journal's new records as one piece, and the sequence of the last one ever made.

        They must be written before the next `flush`, whose frames follow from them.
        """
        return self._log.take(), self._log.sequence

    def durable(self, sequence: int) -> None:
        """Let leave what waited for the records up to this one; needed only where `gated`."""
        self._log.durable_to = sequence
        self._dispatcher.release(sequence)
        self._outbox.release(sequence)
        self._events.release(sequence)

    def begin_segment(self) -> int:
        """Record what a new segment must begin with; return the number that nothing remembered is below."""
        self._log.begin_segment()
        oldest: int = self._log.sequence
        self._events.begin_segment()
        self._control.begin_segment()
        self._risk.begin_segment()
        for needed in (self._log.table.oldest_number(), self._events.oldest_sequence()):
            oldest = min(oldest, needed or oldest)
        return oldest

    # --- out ---------------------------------------------------------------------------------------------------------

    def flush(self, now_ns: int) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
        """Return what is to be sent now, to clients and to workers, as (identity, frame); both are the caller's.

        What it may give rise to, it leaves for the next one, after the records of it: see `has_output`.
        """
        self._log.now_ns = now_ns
        to_clients = self._outbox.flush(now_ns)
        to_workers = self._dispatcher.flush(now_ns)
        self._dispatcher.go_on_halting()
        return to_clients, to_workers

    def has_output(self) -> bool:
        """Tell whether records wait to be written, or frames to be flushed."""
        return self._log.has_records() or not self._outbox.is_empty() or not self._dispatcher.is_empty()

    def undeliverable_clients(self, now_ns: int, indexes: list[int]) -> None:
        """Take note of those of the last flush's frames that their clients couldn't be sent: counted, no more."""
        self.counters.undeliverable_to_clients += len(indexes)

    def undeliverable_workers(self, now_ns: int, indexes: list[int]) -> None:
        """Take back those of the last flush's frames that couldn't be sent; call it before anything else.

        A CALL among them never left: it goes to another worker, or is refused Unavailable. Its worker is lost.
        """
        self.counters.undeliverable_to_workers += len(indexes)
        self._workers.unreachable(now_ns, [self._dispatcher.flushed(index) for index in sorted(indexes)])

    # --- the operator -------------------------------------------------------------------------------------------------

    def statistics(self, now_ns: int) -> dict[str, Any]:
        """Return what `stats` answers. O(workers + lanes + histogram buckets)."""
        return self._desk.statistics(now_ns)

    def shutdown(self, now_ns: int) -> None:
        """Refuse what waits, reply UNKNOWN to orders in flight, tell every session; no request is taken after it."""
        self._closed = True
        self._desk.shutdown()
        self._log.end()


_NO_ID = "expected a ULID, and behind it at most a hyphen and a label of 37 letters, digits and -_.:"
_FENCED = "this session is dead: fenced by a newer hello, silent for too long, of another connection or another broker"
