"""The calls that the gateway answers itself: hello, bye, ping, accounts, stats. And the ends of sessions.

Rules: what a hello asks for is checked before anything changes; an option that isn't known is refused, not ignored.
"""

from typing import Any

from gateway.core.accounts import Account
from gateway.core.control import CONTROL_CALLS, Control
from gateway.core.dedupe import Order
from gateway.core.dispatch import Dispatcher
from gateway.core.eventlog import EventLog
from gateway.core.inflight import InFlight
from gateway.core.limits import Codec, Limits, ReplyCacheLike
from gateway.core.orderids import birth_ms
from gateway.core.orderlog import OrderLog
from gateway.core.outbox import Outbox
from gateway.core.override import OVERRIDE_CALLS, Overrides
from gateway.core.session import Session, SessionTable
from gateway.core.states import OrderState, State
from gateway.core.workers import WorkerTable
from gateway.wire.errors import Code, Status
from gateway.wire.messages import MAX_NAME_BYTES

__all__ = ("Desk",)

_SESSIONLESS = ("hello", "ping")
_HELLO_OPTIONS = ("account", "cancel_on_disconnect", "events_from", "observe")
_RESERVED = "!"
_NS_PER_MS = 1_000_000
_MAX_LISTED = 1_000
_MAX_NUMBER = 2**63


class Desk:
    """Answers what needs no terminal. Nothing here is hot."""

    def __init__(
        self,
        *,
        generation: int,
        version: str,
        limits: Limits,
        codec: Codec,
        accounts: dict[str, Account],
        sessions: SessionTable,
        dispatcher: Dispatcher,
        outbox: Outbox,
        workers: WorkerTable,
        cache: ReplyCacheLike,
        tick_endpoint: str,
        feeds: dict[str, str],
        log: OrderLog,
        events: EventLog,
        control: Control,
        overrides: Overrides,
    ) -> None:
        self._generation = generation
        self._version = version
        self._limits = limits
        self._pack = codec.pack
        self._accounts = accounts
        self._default_account = next(iter(accounts.values()), None)
        self._sessions = sessions
        self._dispatcher = dispatcher
        self._outbox = outbox
        self._workers = workers
        self._cache = cache
        self._tick_endpoint = tick_endpoint
        self._feeds = feeds
        self._log = log
        self._events = events
        self._control = control
        self._overrides = overrides
        self._unpack = codec.unpack
        self._started_ns = -1

    def opens_a_conversation(self, name: str) -> bool:
        """Tell whether a call may be made without a session."""
        return name in _SESSIONLESS

    def answer(self, now_ns: int, request: InFlight, name: str, session: Session | None, args: list[Any]) -> None:
        """Answer a call of kind GATEWAY; `session` is None only for what may be asked without one."""
        if name == "hello":
            self._hello(now_ns, request, session, args)
            return
        if session is not None and name == "order_status":
            self._order_status(request, session, args)
            return
        if session is not None and name == "client_orders":
            self._client_orders(request, session, args)
            return
        if session is not None and name == "events":
            self._order_events(request, session, args)
            return
        if session is not None and name in CONTROL_CALLS:
            self._control.answer(now_ns, request, name, session, args)
            return
        if session is not None and name in OVERRIDE_CALLS:
            self._overrides.answer(request, name, session, args)
            return
        if args:
            self._outbox.refuse(request, Code.BAD_ARGUMENTS, f"{name} takes no arguments, got {len(args)}")
            return
        result: Any = None
        if name == "ping":
            result = {"generation": self._generation}
        elif name == "accounts":
            result = [account.describe() for account in self._accounts.values()]
        elif name == "stats":
            result = self.statistics(now_ns)
        elif session is not None:  # bye
            self._outbox.counters.sessions_ended += 1
            self._control.left(session.client_id)
            self.end_session(now_ns, session)
        self._outbox.answer(request, self._pack(result))

    def _order_status(self, request: InFlight, session: Session, args: list[Any]) -> None:
        """Tell what became of one of this client's orders; `state` is "none" for what was never accepted, and
        "forgotten" for what may have been, too long ago."""
        born_ms = birth_ms(args[0]) if len(args) == 1 and type(args[0]) is str else -1
        if born_ms < 0:
            self._outbox.refuse(request, Code.BAD_ARGUMENTS, "order_status: expected one client order id")
            return
        order = self._log.table.find(session.client_id, args[0])
        if order is None:
            state = "forgotten" if born_ms <= self._log.table.horizon_ms else "none"
            told: dict[str, Any] = {"client_order_id": args[0], "state": state}
        else:
            told = self._told(order)
        self._outbox.recall(request, Status.OK, self._pack(told))

    def _client_orders(self, request: InFlight, session: Session, args: list[Any]) -> None:
        """Tell of this client's orders since a time of the wall clock, in the order they were accepted."""
        since_ns = args[0] if len(args) == 1 else -1 if args else 0
        if type(since_ns) is not int or since_ns < 0:
            text = "client_orders: expected a time in ns since 1970, or nothing"
            self._outbox.refuse(request, Code.BAD_ARGUMENTS, text)
            return
        orders = list(self._log.table.by_client.get(session.client_id, {}).values())
        found = [self._told(order) for order in orders[-_MAX_LISTED:] if order.accepted_wall_ns >= since_ns]
        self._outbox.recall(request, Status.OK, self._pack(found))

    def _order_events(self, request: InFlight, session: Session, args: list[Any]) -> None:
        """Give this session's order events from a number on, a page at once; without one, say where they stand."""
        number = args[0] if len(args) == 1 else -1 if args else 0
        if type(number) is not int or not (0 < number < _MAX_NUMBER or not args):
            self._outbox.refuse(request, Code.BAD_ARGUMENTS, "events: expected an event's number from 1 on, or nothing")
            return
        self._outbox.answer(request, self._pack(self._events.page(session, number)))

    def _told(self, order: Order) -> dict[str, Any]:
        result = self._unpack(order.result) if order.result else None
        return self._log.describe(order) | {"status": order.status, "result": result}

    # --- sessions ----------------------------------------------------------------------------------------------------

    def _hello(self, now_ns: int, request: InFlight, session: Session | None, args: list[Any]) -> None:
        problem, account = self._checked_hello(session, args)
        if problem:
            self._outbox.refuse(request, Code.BAD_ARGUMENTS, problem)
            return
        client_id: str = args[0]
        options: dict[str, Any] = args[1] if len(args) == 2 else {}
        observes: bool = options.get("observe", False)
        if observes and not self._events.may_observe(client_id):
            text = f"client {client_id!r} may not observe: broker.observers doesn't name it"
            self._outbox.refuse(request, Code.PERMISSION, text)
            return
        older = self._sessions.by_client.get(client_id)
        if older is None and len(self._sessions.by_token) >= self._limits.max_sessions:
            self.sweep_sessions(now_ns)
            if len(self._sessions.by_token) >= self._limits.max_sessions:
                text = f"{self._limits.max_sessions} sessions are open, and no more are allowed"
                self._outbox.refuse(request, Code.BUSY, text)
                return
        if older is not None:
            self._outbox.notice(older, "fenced", {"session": older.token})
            self._outbox.counters.sessions_fenced += 1
            self.end_session(now_ns, older)
        session = self._sessions.open(client_id, request.identity, account, now_ns)
        self._outbox.counters.sessions_opened += 1
        self._outbox.answer(
            request,
            self._pack(
                {
                    "session": session.token,
                    "generation": self._generation,
                    "heartbeat_ms": self._limits.heartbeat_ns // _NS_PER_MS,
                    "session_timeout_ms": self._limits.session_timeout_ns // _NS_PER_MS,
                    "accounts": list(self._accounts),
                    "account": account.name if account is not None else "",
                    "tick_endpoint": self._tick_endpoint,
                    "feeds": self._feeds,
                    "version": self._version,
                }
            ),
        )
        self._control.greeted(session, options.get("cancel_on_disconnect"))
        self._events.attach(session, observes, options.get("events_from", 0))

    def _checked_hello(self, session: Session | None, args: list[Any]) -> tuple[str, Account | None]:
        """Return what is wrong with a hello ("": nothing) and the session's default account."""
        account = self._default_account
        if session is not None:
            return "hello: expected session 0", account
        if not 1 <= len(args) <= 2:
            return f"hello: expected a client id and a map of options, got {len(args)} arguments", account
        client_id = args[0]
        if type(client_id) is not str or not 1 <= len(client_id.encode()) <= MAX_NAME_BYTES:
            return f"hello: args[0]: expected a client id of 1 to {MAX_NAME_BYTES} bytes", account
        if client_id.startswith(_RESERVED):
            return f"hello: args[0]: expected a client id that doesn't begin with {_RESERVED!r}", account
        options = args[1] if len(args) == 2 else {}
        if type(options) is not dict:
            return f"hello: args[1]: expected a map of options, got {type(options).__name__}", account
        for option in options:
            if option not in _HELLO_OPTIONS:
                return f"hello: unknown option {option[:MAX_NAME_BYTES]!r}; known: {', '.join(_HELLO_OPTIONS)}", account
        if type(options.get("observe", False)) is not bool:
            return f"hello: observe: expected true or false, got {options['observe']!r:.40}", account
        number = options.get("events_from", 1)
        if type(number) is not int or not 0 < number < _MAX_NUMBER:
            return f"hello: events_from: expected an event's number from 1 on, got {number!r:.40}", account
        if "cancel_on_disconnect" in options:
            problem = self._control.refusal(client_id, options["cancel_on_disconnect"])
            if problem:
                return problem, account
        if "account" in options:
            wanted = options["account"]
            account = self._accounts.get(wanted) if type(wanted) is str else None
            if account is None:
                return f"hello: account: expected one of {', '.join(self._accounts) or 'none'}", None
        return "", account

    def end_session(self, now_ns: int, session: Session) -> None:
        """End a session: what it has queued never leaves, what has left runs to its end unheard."""
        self._sessions.close(session)
        self._dispatcher.drop_session(now_ns, session)

    def lose_session(self, now_ns: int, session: Session) -> None:
        """End a session that has fallen silent, and do what its client has asked for in that case."""
        self.end_session(now_ns, session)
        self._control.lost(now_ns, session.client_id)

    def sweep_sessions(self, now_ns: int) -> None:
        """End the silent ones. O(sessions)."""
        for session in self._sessions.silent(now_ns, self._limits.session_timeout_ns):
            self._outbox.counters.sessions_expired += 1
            self.lose_session(now_ns, session)

    # --- the operator ------------------------------------------------------------------------------------------------

    def started(self, now_ns: int) -> None:
        """Note when the engine was first given the time; later calls change nothing."""
        if self._started_ns < 0:
            self._started_ns = now_ns

    def statistics(self, now_ns: int) -> dict[str, Any]:
        """Return everything that is counted, as plain values."""
        self.started(now_ns)
        outbox, cache = self._outbox, self._cache
        asked = cache.hits + cache.misses
        waiting = self._dispatcher.calls.values()
        return {
            "generation": self._generation,
            "version": self._version,
            "uptime_ns": now_ns - self._started_ns,
            "sessions": {"live": len(self._sessions.by_token), "peak": self._sessions.peak},
            "in_flight": sum(1 for request in waiting if request.state in (State.SENT, State.BEGUN)),
            "unknown": sum(1 for order in self._log.table.unsettled.values() if order.state == OrderState.UNKNOWN),
            "remembered": len(self._log.table),
            "journal": self._log.describe_journal(),
            "reopened": self._log.reopened,
            "events": self._events.statistics(),
            "abandoned": sum(1 for request in waiting if request.state == State.ABANDONED),
            "counters": outbox.counters.as_dict(),
            "refusals": outbox.counters.refusals_by_name(),
            "cache": {
                "size": len(cache),
                "hits": cache.hits,
                "misses": cache.misses,
                "hit_rate": round(cache.hits / asked, 6) if asked else 0.0,
                "evictions": cache.evictions,
                "expirations": cache.expirations,
            },
            "stages": outbox.stages.as_dict(),
            "accounts": [account.describe() for account in self._accounts.values()],
            **self._control.describe(),
            "workers": self._workers.describe(now_ns, self._started_ns),
            "lanes": [
                {
                    "account": queue.account_name,
                    "lane": queue.lane_name,
                    "workers": len(queue.workers),
                    "depth": queue.depth,
                    "peak": queue.peak,
                }
                for account in self._accounts.values()
                for queue in account.lanes
            ],
        }

    def shutdown(self) -> None:
        """Settle every request and tell every session."""
        self._dispatcher.end([queue for account in self._accounts.values() for queue in account.lanes])
        for session in self._sessions.by_token.values():
            self._outbox.notice(session, "shutdown", {"generation": self._generation})
