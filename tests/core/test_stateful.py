"""Random clients, workers and time against the engine's laws."""

from collections import Counter, defaultdict
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from gateway.core.engine import AccountRules, Engine, Limits
from gateway.core.replycache import ReplyCache
from gateway.wire import codec
from gateway.wire.messages import Goodbye, Ready, WorkerKind

SECOND = 1_000_000_000
CREDIT = 3
MAX_QUEUED = 6
MAX_SESSIONS = 3
CLIENTS = ("a", "b", "c", "d")
WORKERS = ("w1", "w2", "w3")
PROOFS = {"one": 1, "two": 2}
READS = ("positions_get", "symbol_info", "symbol_spec", "symbol_select", "version")


class Recorder:
    """An engine whose inputs and outputs are written down, so that they can be played again."""

    def __init__(self) -> None:
        self.engine = Engine(
            generation=3,
            version="1",
            accounts=(AccountRules("one"), AccountRules("two", login=2)),
            limits=Limits(
                heartbeat_ns=SECOND,
                worker_timeout_ns=4 * SECOND,
                session_timeout_ns=20 * SECOND,
                max_sessions=MAX_SESSIONS,
                max_queued=MAX_QUEUED,
                max_queued_per_session=4,
                max_workers=3,
                max_credit=CREDIT,
                late_answer_ns=10 * SECOND,
            ),
            codec=codec,
            cache=ReplyCache(4),
            quotes=None,
            token_seed=1,
        )
        self.log: list[tuple[str, tuple[Any, ...], Any]] = []

    def do(self, name: str, *args: Any) -> Any:
        result = getattr(self.engine, name)(*args)
        self.log.append((name, args, result))
        return result


class Conversation(RuleBasedStateMachine):
    """Everybody around an engine, and what they may rightly expect of it."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = SECOND
        self.recorder = Recorder()
        self.next_id = 1
        self.sessions: dict[str, int] = {}  # client -> token of its last hello
        self.asked: dict[int, tuple[int, str]] = {}  # request id -> token, name
        self.replied: Counter[int] = Counter()
        self.left: Counter[int] = Counter()  # orders by magic number
        self.may_have_ended: set[int] = set()  # tokens
        self.last_seen_ns: dict[int, int] = {}
        self.epochs: Counter[str] = Counter()
        self.held: dict[tuple[str, int], dict[int, str]] = defaultdict(dict)  # (worker, epoch) -> call id -> name
        self.connections: dict[bytes, tuple[str, int]] = {}
        self.connection = 0
        self.tick()

    # --- plumbing ---

    def tick(self) -> None:
        for token, seen_ns in self.last_seen_ns.items():
            if self.now_ns - seen_ns > 20 * SECOND:
                self.may_have_ended.add(token)
        self.recorder.do("tick", self.now_ns)

    def flush(self, lose: bool = False) -> None:
        to_clients, to_workers = self.recorder.do("flush", self.now_ns)
        lost = [index for index in range(len(to_workers)) if lose and index % 2 == 0]
        for identity, frame in to_clients:
            reply = codec.decode_reply(frame)
            if reply.request_id:
                self.replied[reply.request_id] += 1
                if reply.request_id in self.asked and self.asked[reply.request_id][1] == "hello" and reply.status == 0:
                    self.sessions[identity.decode()] = reply.result["session"]
                    self.last_seen_ns[reply.result["session"]] = self.now_ns
        for index, (identity, frame) in enumerate(to_workers):
            if index in lost or codec.worker_kind(frame) != WorkerKind.CALL:
                continue
            call = codec.decode_call(frame)
            holder = self.held[self.connections[identity]]
            holder[call.call_id] = call.name
            assert len(holder) <= CREDIT, "more calls than credit"
            if call.name == "order_send":
                self.left[call.args[0]["magic"]] += 1
        if lost:
            self.recorder.do("undeliverable_workers", self.now_ns, lost)
            self.flush()
        assert set(self.left.values()) <= {1}, "an order has left twice"
        assert all(self.replied[request_id] <= 1 for request_id in self.asked), "a request has two replies"
        self.check()

    def check(self) -> None:
        stats = self.recorder.engine.statistics(self.now_ns)
        for worker in stats["workers"]:
            assert 0 <= worker["stuck"] <= worker["used"] <= worker["credit"] <= CREDIT
        for lane in stats["lanes"]:
            assert 0 <= lane["depth"] <= MAX_QUEUED + CREDIT * len(WORKERS)
        assert stats["sessions"]["live"] <= MAX_SESSIONS
        assert len(stats["workers"]) <= 3
        assert stats["cache"]["size"] <= 4
        if not any(lane["depth"] for lane in stats["lanes"]) and stats["in_flight"] == 0:
            waiting = [i for i, (token, _) in self.asked.items() if self.replied[i] == 0 and token not in self.ended()]
            assert not waiting, "forgotten requests"

    def ended(self) -> set[int]:
        live = set(self.sessions.values()) - self.may_have_ended
        return {token for token, _ in self.asked.values() if token and token not in live}

    def request(self, client: str, name: str, args: list[Any], account: str = "", ttl_ms: int = 0) -> None:
        token = 0 if name == "hello" else self.sessions.get(client, 2**63)
        request_id = self.next_id
        self.next_id += 1
        self.asked[request_id] = (token, name)
        if token in self.last_seen_ns and self.now_ns - self.last_seen_ns[token] <= 20 * SECOND:
            self.last_seen_ns[token] = self.now_ns
        frame = codec.encode_request(token, request_id, name, account, ttl_ms, args)
        self.recorder.do("receive_clients", self.now_ns, [(client.encode(), frame)])

    def say(self, identity: bytes, frame: bytes) -> None:
        self.recorder.do("receive_workers", self.now_ns, [(identity, frame)])

    # --- clients ---

    @rule(client=st.sampled_from(CLIENTS))
    def hello(self, client: str) -> None:
        old = self.sessions.get(client)
        if old is not None:
            self.may_have_ended.add(old)
        self.request(client, "hello", [client, {}])
        self.flush()

    @rule(client=st.sampled_from(CLIENTS), flush=st.booleans())
    def bye(self, client: str, flush: bool) -> None:
        self.request(client, "bye", [])
        self.may_have_ended.add(self.sessions.pop(client, 0))
        if flush:
            self.flush()

    @rule(
        client=st.sampled_from(CLIENTS),
        name=st.sampled_from(READS),
        account=st.sampled_from(["", "one", "two", "three"]),
        ttl_ms=st.sampled_from([0, 1, 500, 3_000]),
        flush=st.booleans(),
    )
    def read(self, client: str, name: str, account: str, ttl_ms: int, flush: bool) -> None:
        self.request(client, name, ["EURUSD"], account, ttl_ms)
        if flush:
            self.flush()

    @rule(
        client=st.sampled_from(CLIENTS),
        fields=st.sampled_from([{"action": 1}, {"action": 1, "position": 5}, {"action": 8}]),
        account=st.sampled_from(["", "one", "two"]),
        ttl_ms=st.sampled_from([0, 1, 500, 3_000]),
        flush=st.booleans(),
    )
    def order(self, client: str, fields: dict[str, int], account: str, ttl_ms: int, flush: bool) -> None:
        self.request(client, "order_send", [fields | {"magic": self.next_id}], account, ttl_ms)
        if flush:
            self.flush()

    # --- workers ---

    def ready(self, worker: str, account: str, lanes: tuple[str, ...], tradable: bool, flush: bool = True) -> None:
        self.connection += 1
        identity = f"{worker}/{self.connection}".encode()
        self.connections[identity] = (worker, self.epochs[worker])
        proof = {"login": PROOFS[account], "server": "s", "path": "p", "trade_mode": 0}
        frame = Ready(worker, self.epochs[worker], account, lanes, CREDIT, proof, tradable, "")
        self.say(identity, codec.encode_ready(frame))
        if flush:
            self.flush()

    @rule(
        worker=st.sampled_from(WORKERS),
        account=st.sampled_from(["one", "two"]),
        lanes=st.sampled_from([("trade",), ("watch", "query"), ("trade", "watch", "query")]),
        tradable=st.booleans(),
    )
    def start(self, worker: str, account: str, lanes: tuple[str, ...], tradable: bool) -> None:
        self.epochs[worker] += 1
        self.ready(worker, account, lanes, tradable)

    @precondition(lambda self: self.connections)
    @rule(data=st.data(), tradable=st.booleans())
    def reconnect(self, data: st.DataObject, tradable: bool) -> None:
        worker = data.draw(st.sampled_from(sorted({name for name, _ in self.connections.values()})))
        holder = self.held[worker, self.epochs[worker]]
        lost = {call_id for call_id in holder if data.draw(st.booleans())}
        repeated, done = [call_id for call_id in holder if call_id not in lost], set(holder)
        self.ready(worker, "one", ("trade", "watch", "query"), tradable, flush=False)
        identity = list(self.connections)[-1]
        for call_id in repeated:
            self.say(identity, codec.encode_return(3, call_id, data.draw(st.sampled_from([0, 2])), 5, 7, codec.pack(1)))
        self.say(identity, codec.encode_heartbeat(worker, self.epochs[worker]))
        for call_id in done:
            del holder[call_id]
        self.flush()

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data(), status=st.sampled_from([0, 0, 0, 2, 3, 4]), begin=st.booleans(), flush=st.booleans())
    def give_back(self, data: st.DataObject, status: int, begin: bool, flush: bool) -> None:
        holder = data.draw(st.sampled_from(sorted(key for key, calls in self.held.items() if calls)))
        call_id = data.draw(st.sampled_from(sorted(self.held[holder])))
        identity = [where for where, who in self.connections.items() if who == holder][-1]
        if begin:
            self.say(identity, codec.encode_begun(3, call_id))
        del self.held[holder][call_id]
        result = codec.pack(1 if status == 0 else [300, "no", None])
        self.say(identity, codec.encode_return(3, call_id, status, 5, 7, result))
        if flush:
            self.flush()

    @precondition(lambda self: self.connections)
    @rule(data=st.data())
    def beat(self, data: st.DataObject) -> None:
        identity = data.draw(st.sampled_from(sorted(self.connections)))
        self.say(identity, codec.encode_heartbeat(*self.connections[identity]))

    @precondition(lambda self: self.connections)
    @rule(data=st.data(), flush=st.booleans())
    def goodbye(self, data: st.DataObject, flush: bool) -> None:
        worker, epoch = data.draw(st.sampled_from(sorted(set(self.connections.values()))))
        self.say(b"watchdog", codec.encode_goodbye(Goodbye(worker, epoch, "reaped")))
        if flush:
            self.flush()

    # --- time and transport ---

    @rule(milliseconds=st.sampled_from([1, 20, 600, 2_500, 7_000, 25_000]), tick=st.booleans())
    def pass_time(self, milliseconds: int, tick: bool) -> None:
        self.now_ns += milliseconds * 1_000_000
        if tick:
            self.tick()
        self.flush()

    @rule()
    def lose_frames(self) -> None:
        self.flush(lose=True)

    # --- the end ---

    def teardown(self) -> None:
        """Everything is settled at the end, and the same inputs give the same bytes."""
        self.flush()
        self.tick()
        self.recorder.do("shutdown", self.now_ns)
        self.flush()
        for request_id, (token, _) in self.asked.items():
            assert self.replied[request_id] <= 1
            if token not in self.ended():
                assert self.replied[request_id] == 1
        again = Recorder()
        for name, args, result in self.recorder.log:
            assert again.do(name, *args) == result


def test_the_laws_hold_whatever_happens() -> None:
    run_state_machine_as_test(
        Conversation,
        settings=settings(
            max_examples=60,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        ),
    )
