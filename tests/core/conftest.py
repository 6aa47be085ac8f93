"""The engine with a fake clock, fake clients and fake workers, which speak through the reference codec.

Nothing here looks inside the engine, so the same tests run over the interpreted and the compiled tree.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from gateway.core.engine import AccountRules, Engine, Limits
from gateway.core.records import scan
from gateway.core.replycache import ReplyCache
from gateway.wire import codec
from gateway.wire.messages import CallMessage, Goodbye, Ready, Reply, WorkerKind

SECOND = 1_000_000_000
MILLISECOND = 1_000_000

LIMITS = {
    "heartbeat_ns": SECOND,
    "worker_timeout_ns": 4 * SECOND,
    "session_timeout_ns": 30 * SECOND,
    "max_sessions": 8,
    "max_queued": 16,
    "max_queued_per_session": 8,
    "max_workers": 4,
    "max_credit": 64,
    "late_answer_ns": 60 * SECOND,
    "watch_ns": 0,  # only where a test is about it
}
PROOF = {
    "login": 5001,
    "server": "Broker-Demo",
    "path": "C:\\MT5",
    "trade_mode": 0,
    "margin_mode": 2,
    "currency": "USD",
}
ALL_LANES = ("trade", "watch", "query")
ENTRY = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0}
EXIT = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 1, "position": 77}
CANCEL = {"action": 8, "order": 99}


class Plane:
    """An engine and everybody around it."""

    def __init__(
        self,
        *,
        accounts: tuple[AccountRules, ...] = (AccountRules("demo"),),
        quotes: Any = None,
        cache: Any = None,
        generation: int = 7,
        retention: Any = None,
        gated: bool = False,
        risk: Any = None,
        observers: tuple[str, ...] = (),
        event_retention: Any = None,
        **limits: int,
    ) -> None:
        self.generation = generation
        self.now_ns = 10 * SECOND
        self.engine = Engine(
            generation=generation,
            version="1.2.3",
            accounts=accounts,
            limits=Limits(**(LIMITS | limits)),
            codec=codec,
            cache=ReplyCache() if cache is None else cache,
            quotes=quotes,
            token_seed=42,
            tick_endpoint="tcp://ticks:1",
            feeds={"demo": "demo-feed"},
            retention=retention,
            gated=gated,
            risk=risk,
            observers=observers,
            event_retention=event_retention,
        )
        self.on_records: Callable[[bytes], None] = lambda data: None
        self.token = 0
        self.last_request_id = 0
        self.to_clients: list[tuple[bytes, bytes]] = []  # of the last flush
        self.to_workers: list[tuple[bytes, bytes]] = []
        self.inbox: dict[bytes, list[Reply]] = defaultdict(list)
        self.worker_inbox: dict[bytes, list[tuple[int, bytes]]] = defaultdict(list)
        self.engine.tick(self.now_ns)

    # --- time and transport ---

    def flush(self) -> None:
        """Deliver everything; records first, as the broker's shell does."""
        self.to_clients, self.to_workers = [], []
        while self.engine.has_output():
            self.on_records(self.engine.take_records()[0])
            to_clients, to_workers = self.engine.flush(self.now_ns)
            self.to_clients += to_clients
            self.to_workers += to_workers
        for identity, frame in self.to_clients:
            self.inbox[identity].append(codec.decode_reply(frame))
        for identity, frame in self.to_workers:
            self.worker_inbox[identity].append((codec.worker_kind(frame), frame))

    def pass_time(self, duration_ns: int) -> None:
        """Move the clock in one step, and deliver."""
        self.now_ns += duration_ns
        self.engine.tick(self.now_ns)
        self.flush()

    def live(self, duration_ns: int, *workers: str) -> None:
        """Move the clock second by second while these workers, and the client, give signs of life."""
        end_ns = self.now_ns + duration_ns
        while self.now_ns < end_ns:
            for worker in workers:
                self.from_worker(codec.encode_heartbeat(worker, 1), worker.encode())
            self.pass_time(min(SECOND, end_ns - self.now_ns))

    # --- clients ---

    def from_client(self, *frames: bytes | None, identity: bytes = b"client") -> None:
        self.engine.receive_clients(self.now_ns, [(identity, frame) for frame in frames])

    def ask(
        self,
        name: str,
        *args: Any,
        token: int | None = None,
        account: str = "",
        ttl_ms: int = 0,
        identity: bytes = b"client",
        request_id: int = 0,
        kwargs: dict[str, Any] | None = None,
    ) -> int:
        """Send a request, without delivering what follows; return its id."""
        if not request_id:
            self.last_request_id += 1
            request_id = self.last_request_id
        session = self.token if token is None else token
        self.from_client(
            codec.encode_request(session, request_id, name, account, ttl_ms, args, kwargs), identity=identity
        )
        return request_id

    def hello(self, client_id: str = "me", identity: bytes = b"client", **options: Any) -> int:
        """Open a session and return its token; the first becomes the default."""
        request_id = self.ask("hello", client_id, options, token=0, identity=identity)
        reply = self.reply(request_id, identity)
        assert reply.status == 0, reply
        token: int = reply.result["session"]
        self.token = self.token or token
        return token

    def replies(self, identity: bytes = b"client") -> list[Reply]:
        """Deliver; return and forget what came to a client."""
        self.flush()
        return self.inbox.pop(identity, [])

    def reply(self, request_id: int, identity: bytes = b"client") -> Reply:
        """Deliver; return the one reply to a request, leaving the others."""
        self.flush()
        found = [reply for reply in self.inbox[identity] if reply.request_id == request_id]
        assert len(found) == 1, f"expected one reply to {request_id}, found {found}"
        self.inbox[identity].remove(found[0])
        return found[0]

    def answer(self, name: str, *args: Any, **options: Any) -> Reply:
        """Send a request and return its reply, which must come at once."""
        identity = options.get("identity", b"client")
        return self.reply(self.ask(name, *args, **options), identity)

    def silent(self, identity: bytes = b"client") -> bool:
        """Deliver; tell whether a client has nothing to read."""
        self.flush()
        return not self.inbox.get(identity)

    # --- workers ---

    def from_worker(self, frame: bytes | None, identity: bytes = b"w1") -> None:
        self.engine.receive_workers(self.now_ns, [(identity, frame)])

    def ready(
        self,
        name: str = "w1",
        *,
        epoch: int = 1,
        account: str = "demo",
        lanes: tuple[str, ...] = ALL_LANES,
        credit: int = 1,
        proof: dict[str, Any] | None = None,
        tradable: bool = True,
        reason: str = "",
        identity: bytes = b"",
    ) -> tuple[int, bytes]:
        """Let a worker say READY; return kind and frame of the first thing it is told."""
        where = identity or name.encode()
        self.flush()
        self.worker_inbox.pop(where, None)
        ready = Ready(name, epoch, account, lanes, credit, PROOF if proof is None else proof, tradable, reason)
        self.from_worker(codec.encode_ready(ready), where)
        self.flush()
        told = self.worker_inbox[where].pop(0)
        assert told[0] in (WorkerKind.WELCOME, WorkerKind.REJECT)
        return told

    def calls(self, identity: bytes = b"w1") -> list[CallMessage]:
        """Deliver; return and forget the calls that came to a worker, but for the broker's own."""
        return [call for call in self.all_calls(identity) if call.name != "ledger"]

    def all_calls(self, identity: bytes = b"w1") -> list[CallMessage]:
        """Deliver; return and forget every call that came to a worker."""
        self.flush()
        frames = self.worker_inbox.pop(identity, [])
        return [codec.decode_call(frame) for kind, frame in frames if kind == WorkerKind.CALL]

    def call(self, identity: bytes = b"w1") -> CallMessage:
        """Deliver; return the one call that came to a worker."""
        found = self.calls(identity)
        assert len(found) == 1, found
        return found[0]

    def begin(self, call: CallMessage, identity: bytes = b"w1") -> None:
        self.from_worker(codec.encode_begun(call.generation, call.call_id), identity)

    def give_back(
        self, call: CallMessage, result: Any = None, *, status: int = 0, identity: bytes = b"w1", generation: int = 0
    ) -> None:
        """Let a worker return a call."""
        frame = codec.encode_return(generation or call.generation, call.call_id, status, 100, 200, codec.pack(result))
        self.from_worker(frame, identity)

    def goodbye(self, name: str = "w1", epoch: int = 1, reason: str = "reaped", identity: bytes = b"watchdog") -> None:
        self.from_worker(codec.encode_goodbye(Goodbye(name, epoch, reason)), identity)

    # --- the operator ---

    def stats(self) -> dict[str, Any]:
        return self.engine.statistics(self.now_ns)

    def counters(self) -> dict[str, int]:
        counters: dict[str, int] = self.stats()["counters"]
        return counters

    def worker_stats(self, name: str = "w1") -> dict[str, Any]:
        found: list[dict[str, Any]] = [worker for worker in self.stats()["workers"] if worker["name"] == name]
        return found[0]

    def depth(self, lane: str, account: str = "demo") -> int:
        depths = [q["depth"] for q in self.stats()["lanes"] if (q["account"], q["lane"]) == (account, lane)]
        return int(depths[0])


@pytest.fixture
def make_plane() -> Callable[..., Plane]:
    """The class itself: engines with other limits, accounts, quotes or caches."""
    return Plane


class Disk:
    """What the broker's shell does with records, for one life after the other."""

    def __init__(self, make_plane: Callable[..., Plane] = Plane) -> None:
        self.data = b""
        self.make_plane = make_plane
        self.generation = 0
        self.now_ns = 10 * SECOND

    def start(self, clients: tuple[str, ...] = ("me",), **options: Any) -> Any:
        self.generation += 1
        plane = self.make_plane(generation=self.generation, **options)
        records, end, problem = scan(self.data, 1)
        assert (end, problem) == (len(self.data), "")
        plane.engine.recover(records)
        plane.now_ns = self.now_ns
        plane.engine.start(bytes(16), self.now_ns, self.now_ns)
        plane.on_records = self.write
        plane.flush()
        plane.ready()
        for client_id in clients:
            plane.hello(client_id, identity=client_id.encode() if client_id != "me" else b"client")
        return plane

    def restart(self, plane: Any, **options: Any) -> Any:
        plane.flush()
        self.now_ns = plane.now_ns + SECOND
        return self.start(**options)

    def write(self, data: bytes) -> None:
        self.data += data


@pytest.fixture
def make_disk() -> Callable[..., Disk]:
    """The class itself: journals of planes that follow each other."""
    return Disk


@pytest.fixture
def plane() -> Plane:
    """One demo account, one worker on all lanes with one credit, one session."""
    plane = Plane()
    plane.ready()
    plane.hello()
    return plane


@pytest.fixture
def orders() -> dict[str, dict[str, Any]]:
    """Trade requests by what they are."""
    return {"entry": ENTRY, "exit": EXIT, "cancel": CANCEL}


@pytest.fixture
def proof() -> dict[str, Any]:
    """What a worker proves by default."""
    return dict(PROOF)
