"""The worker table: who has come, what it has proven, and when it is taken to be gone.

Rules: a worker is used only while its proof matches its account's rules. A higher epoch of a worker proves the lower
one dead; so does a GOODBYE. Silence proves nothing: a silent worker isn't used, but its calls keep their place.
"""

from collections import deque
from typing import Any

from gateway.core.accounts import Account, checked_proof
from gateway.core.departures import forget_unknown, never_left, release, strike
from gateway.core.dispatch import Dispatcher
from gateway.core.inflight import InFlight
from gateway.core.lanes import DEAD, LIVE, LOST, LaneQueue, Worker
from gateway.core.limits import Limits, ReplyCacheLike
from gateway.core.statistics import Counters
from gateway.wire.calls import Lane
from gateway.wire.codec import encode_heartbeat, encode_reject, encode_welcome
from gateway.wire.errors import Code
from gateway.wire.messages import Ready

__all__ = ("WorkerTable",)

_LIVE = LIVE
_LOST = LOST
_DEAD = DEAD
_LANES = {lane.name.lower(): int(lane) for lane in Lane}
_TRADE = int(Lane.TRADE)
_MAX_REASON = 256


class WorkerTable:
    """Workers by name, and by the connection they are heard on."""

    __slots__ = (
        "_accounts",
        "_buried",
        "_cache",
        "_counters",
        "_dispatcher",
        "_heartbeat",
        "_limits",
        "_welcome",
        "by_identity",
        "by_name",
    )

    def __init__(
        self,
        generation: int,
        limits: Limits,
        accounts: dict[str, Account],
        dispatcher: Dispatcher,
        cache: ReplyCacheLike,
        counters: Counters,
    ) -> None:
        self.by_name: dict[str, Worker] = {}
        self.by_identity: dict[bytes, Worker] = {}
        self._limits = limits
        self._accounts = accounts
        self._dispatcher = dispatcher
        self._cache = cache
        self._counters = counters
        self._heartbeat = encode_heartbeat("", generation, 0)
        self._welcome = encode_welcome(generation, max(1, limits.heartbeat_ns // 1_000_000))
        self._buried: deque[tuple[int, Worker]] = deque()  # (until when a late answer is waited for, worker)

    # --- what workers say -------------------------------------------------------------------------------------------

    def ready(self, now_ns: int, identity: bytes, ready: Ready) -> None:
        """Take READY: WELCOME or REJECT."""
        name, epoch, account_name, lanes, credit, proof, tradable, reason = ready
        reason = reason[:_MAX_REASON]
        account = self._accounts.get(account_name)
        if account is None:
            self.reject(identity, Code.UNKNOWN_ACCOUNT, f"account {account_name!r} isn't declared here")
            return
        unknown = [lane for lane in lanes if lane not in _LANES]
        if unknown:
            text = f"lanes: expected some of {', '.join(_LANES)}, got {unknown[0][:32]!r}"
            self.reject(identity, Code.BAD_ARGUMENTS, text)
            return
        known = self.by_name.get(name)
        if known is not None:
            # A host's clock may have been set back: a lower epoch is over only while the higher one is about.
            is_about = now_ns - known.last_seen_ns <= self._limits.worker_timeout_ns
            if (epoch < known.epoch and is_about) or (epoch == known.epoch and known.condition == _DEAD):
                self.reject(identity, Code.SESSION_FENCED, f"worker {name}: epoch {epoch} is over")
                return
            if epoch != known.epoch and known.condition != _DEAD:
                self.bury(known, now_ns, f"worker {name} has started anew")
        other = self.by_identity.get(identity)
        if other is not None and other is not known and other.condition != _DEAD:
            self.reject(identity, Code.MALFORMED, f"this connection is worker {other.name}'s")
            return
        problem = ""
        if proof:
            proof, problem = checked_proof(proof)
            code = Code.BAD_ARGUMENTS
            if not problem:
                problem = account.mismatch(proof)
                code = Code.NOT_TRADABLE
            if problem:
                account.rejection = problem[:_MAX_REASON]
                if known is not None and known.epoch == epoch:
                    self._distrust(known, now_ns, problem)
                self.reject(identity, code, problem)
                return
        if known is None or known.epoch != epoch:
            if known is None and not self._make_room():
                self.reject(identity, Code.BUSY, f"{len(self.by_name)} workers are connected, and no more are allowed")
                return
            worker = Worker(name, epoch, identity, account, now_ns)
            if known is not None:
                worker.epochs_seen = known.epochs_seen + 1
            self.by_name[name] = worker
            self._cache.invalidate(account.prefix)
        else:
            worker = known
            self._leave(worker, now_ns, account)
            if worker.identity != identity:
                worker.doubtful = [request for request in self._dispatcher.held_by(worker) if request.sent_ns]
        self._bind(worker, identity)
        self._dispatcher.send_frame(identity, self._welcome)
        self._join(worker, now_ns, account, lanes, credit, proof, tradable, reason)

    def heartbeat(self, now_ns: int, identity: bytes, name: str, epoch: int) -> None:
        """Take a HEARTBEAT; on a connection that nobody is known on, the same process may have reconnected.

        The first one after READY on a new connection ends the old one: by then the worker has repeated its RETURNs and
        returned what it hadn't begun. What it still seems to hold of the old connection was lost with it.
        """
        worker = self.by_identity.get(identity)
        if worker is None:
            worker = self.by_name.get(name)
            if worker is None or worker.epoch != epoch or worker.condition == _DEAD:
                self._counters.stray_frames += 1
                return
            self._bind(worker, identity)
        self.seen(worker, now_ns)
        if not worker.settled:
            worker.settled = True
            self._dispatcher.worker_settled(worker.name)
        if worker.doubtful and worker.identity == identity:
            doubtful, worker.doubtful = worker.doubtful, []
            why = f"worker {worker.name} has reconnected"
            self._counters.orders_unresolved += strike(self._dispatcher, worker, doubtful, now_ns, why)
            self._dispatcher.feed(worker, now_ns)

    def goodbye(self, now_ns: int, name: str, epoch: int, reason: str) -> None:
        """Take GOODBYE, from the worker or its watchdog: this epoch and those before are over."""
        worker = self.by_name.get(name)
        if worker is None:
            self._dispatcher.worker_settled(name)
        if worker is not None and worker.condition != _DEAD and worker.epoch <= epoch:
            worker.reason = reason[:_MAX_REASON] or "said goodbye"
            self.bury(worker, now_ns, f"worker {name} has ended ({worker.reason})")
            worker.epoch = epoch

    def seen(self, worker: Worker, now_ns: int) -> None:
        """Take any sign of life; a lost worker is back with it."""
        worker.last_seen_ns = now_ns
        if worker.condition == _LOST:
            worker.condition = _LIVE
            if worker.proven:
                worker.attach()
                self._dispatcher.feed(worker, now_ns)

    def reject(self, identity: bytes, code: int, message: str) -> None:
        """Turn a worker away."""
        self._counters.workers_rejected += 1
        self._dispatcher.send_frame(identity, encode_reject(int(code), message))

    # --- time, and workers that go ----------------------------------------------------------------------------------

    def sweep(self, now_ns: int) -> None:
        """Send heartbeats, notice silence, and let go of what was kept for late answers. O(workers)."""
        for worker in self.by_name.values():
            if worker.condition != _LIVE:
                continue
            if worker.used == 0 and now_ns - worker.last_seen_ns > self._limits.worker_timeout_ns:
                self.lose(worker, now_ns, f"worker {worker.name} is silent")
            else:
                self._dispatcher.send_frame(worker.identity, self._heartbeat)
        while self._buried and self._buried[0][0] <= now_ns:
            self._let_go(self._buried.popleft()[1])

    def lose(self, worker: Worker, now_ns: int, why: str) -> None:
        """Stop using a worker that may or may not be alive."""
        if worker.condition == _LIVE:
            self._counters.workers_lost += 1
            worker.condition = _LOST
            worker.detach()
            release(self._dispatcher, worker, now_ns, False, why)
            self._reconsider(worker.account, worker.queues, now_ns)

    def unreachable(self, now_ns: int, unsent: list[Any]) -> None:
        """Take back what couldn't be sent: calls, and (identity, frame) of what is no call, in the order of the flush.

        A call goes to another worker, or is refused: it never left. Whoever couldn't be sent a call is lost; so is who
        couldn't be sent a HEARTBEAT while nothing is awaited of it.
        """
        gone: dict[str, Worker] = {}
        taken: list[InFlight] = []
        for item in reversed(unsent):
            if type(item) is tuple:
                idle = self.by_identity.get(item[0])
                if idle is not None and idle.identity == item[0] and idle.used == idle.stuck:
                    gone[idle.name] = idle
            elif item is not None:
                worker = never_left(self._dispatcher, item)
                if worker is not None:
                    gone[worker.name] = worker
                    taken.append(item)
        for worker in gone.values():
            self.lose(worker, now_ns, f"worker {worker.name} can't be reached")
        for request in reversed(taken):
            self._dispatcher.refuse_unserved(request)

    def bury(self, worker: Worker, now_ns: int, why: str) -> None:
        """End a worker that is known to be dead."""
        worker.condition = _DEAD
        worker.detach()
        worker.account.workers.remove(worker)
        release(self._dispatcher, worker, now_ns, True, why)
        self._buried.append((now_ns + self._limits.late_answer_ns, worker))
        if len(self._buried) > self._limits.max_workers:
            self._let_go(self._buried.popleft()[1])
        self._reconsider(worker.account, worker.queues, now_ns)

    def describe(self, now_ns: int, started_ns: int) -> list[dict[str, Any]]:
        """Return every worker for the statistics."""
        uptime_ns = max(1, now_ns - started_ns)
        return [
            {
                "name": worker.name,
                "account": worker.account.name,
                "lanes": [queue.lane_name for queue in worker.queues],
                "epoch": worker.epoch,
                "condition": ("live", "lost", "dead")[worker.condition],
                "proven": worker.proven,
                "credit": worker.credit,
                "used": worker.used,
                "stuck": worker.stuck,
                "calls": worker.calls,
                "errors": worker.errors,
                "busy_ns": worker.busy_ns,
                "utilisation": round(min(1.0, worker.busy_ns / max(1, now_ns - worker.connected_ns)), 6),
                "connected_share": round(min(1.0, (now_ns - worker.connected_ns) / uptime_ns), 6),
                "epochs_seen": worker.epochs_seen,
                "silent_ns": now_ns - worker.last_seen_ns,
                "tradable": worker.tradable,
                "reason": worker.reason,
            }
            for worker in self.by_name.values()
        ]

    # --- inside -----------------------------------------------------------------------------------------------------

    def _join(
        self,
        worker: Worker,
        now_ns: int,
        account: Account,
        lanes: tuple[str, ...],
        credit: int,
        proof: dict[str, Any],
        tradable: bool,
        reason: str,
    ) -> None:
        worker.account = account
        worker.queues = [account.lanes[lane] for lane in sorted({_LANES[name] for name in lanes})]
        worker.credit = min(credit, self._limits.max_credit)
        worker.condition = _LIVE
        worker.last_seen_ns = now_ns
        worker.proven = bool(proof)
        worker.proof = proof
        worker.tradable = tradable and worker.proven
        worker.reason = reason
        account.workers.append(worker)
        if worker.proven:
            account.accept(proof)
            worker.attach()
        self._reconsider(account, account.lanes, now_ns)

    def _leave(self, worker: Worker, now_ns: int, account: Account) -> None:
        """Take a worker out of its account before it joins again; its calls stay with it if the account is the same."""
        if worker.account is not account:
            self.lose(worker, now_ns, f"worker {worker.name} now serves account {account.name}")
        worker.detach()
        worker.account.workers.remove(worker)

    def _distrust(self, worker: Worker, now_ns: int, why: str) -> None:
        """Stop using a worker whose terminal turned out to hold another account."""
        worker.proven = worker.tradable = False
        worker.reason = why[:_MAX_REASON]
        self.lose(worker, now_ns, why)

    def _reconsider(self, account: Account, queues: list[LaneQueue], now_ns: int) -> None:
        """Refuse the queued orders that may no longer go; offer what was put back to the other workers."""
        for queue in queues:
            if queue.lane == _TRADE and queue.depth:
                for entries_only in (False, True):
                    refusal = account.order_refusal(not entries_only)
                    if refusal is not None:
                        self._dispatcher.refuse_queued(queue, entries_only, refusal[0], refusal[1])
            self._dispatcher.feed_lane(queue, now_ns)

    def _bind(self, worker: Worker, identity: bytes) -> None:
        """Note the connection a worker is heard on; the one before stays known, for what is still under way on it."""
        if worker.identity != identity:
            if self.by_identity.get(worker.previous_identity) is worker:
                del self.by_identity[worker.previous_identity]
            worker.previous_identity = worker.identity
            worker.identity = identity
        self.by_identity[identity] = worker

    def _let_go(self, worker: Worker) -> None:
        self._counters.orders_unresolved += forget_unknown(self._dispatcher, worker)
        for identity in (worker.identity, worker.previous_identity):
            if self.by_identity.get(identity) is worker:
                del self.by_identity[identity]

    def _make_room(self) -> bool:
        """Forget a worker that is gone, if the table is full; False if all are needed."""
        if len(self.by_name) < self._limits.max_workers:
            return True
        for worker in self.by_name.values():
            if worker.condition == _DEAD or (worker.condition == _LOST and worker.used == 0):
                if worker.condition == _LOST:
                    worker.account.workers.remove(worker)
                    self._let_go(worker)
                del self.by_name[worker.name]
                return True
        return False
