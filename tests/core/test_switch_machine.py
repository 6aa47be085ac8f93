"""Halted means halted, whatever happens in whatever order."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from gateway.core.records import scan
from gateway.wire import codec

SECOND = 1_000_000_000
DONE = [10009, 5, 6]
ENTRY = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0}
EXIT = ENTRY | {"type": 1, "position": 77}


class Halting(RuleBasedStateMachine):
    """Entries, kills, answers, deaths and restarts in any order: after a kill no entry in its scope leaves."""

    make_disk: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.disk = type(self).make_disk()
        self.halted: set[tuple[str, str]] = set()
        self.out: list[tuple[Any, bytes]] = []
        self.magic = 0
        self.asked: dict[int, str] = {}  # by magic: the client
        self.epoch = 1
        self.begin()

    def begin(self) -> None:
        self.plane = self.disk.start(clients=(), max_queued=32, max_queued_per_session=32)
        self.tokens = {name: self.plane.hello(name, identity=name.encode()) for name in "ab"}
        self.epoch = 1

    def is_halted(self, client: str) -> bool:
        return bool({("all", ""), ("account", "demo"), ("client", client)} & self.halted)

    def deliver(self) -> None:
        for call in self.plane.calls():
            request = call.args[0]
            if "position" not in request:
                assert not self.is_halted(self.asked[request["magic"]]), "an entry has left after the kill"
            self.out.append((call, b"w1"))

    @rule(client=st.sampled_from("ab"), count=st.integers(1, 4), exits=st.booleans(), flush=st.booleans())
    def order(self, client: str, count: int, exits: bool, flush: bool) -> None:
        for _ in range(count):
            self.magic += 1
            self.asked[self.magic] = client
            order = (EXIT if exits else ENTRY) | {"magic": self.magic}
            self.plane.ask("order_send", order, token=self.tokens[client], identity=client.encode())
        if flush:
            self.deliver()

    @rule(
        scope=st.sampled_from([("all", ""), ("account", "demo"), ("client", "a"), ("client", "b")]),
        before=st.lists(st.sampled_from("ab"), max_size=2),
        flush=st.booleans(),
    )
    def kill(self, scope: tuple[str, str], before: list[str], flush: bool) -> None:
        for client in before:
            self.order(client, 1, False, False)
        options = {"scope": scope[0], "name": scope[1]}
        self.plane.ask("kill", options, token=self.tokens["a"], identity=b"a")
        self.halted.add(scope)
        if flush:
            self.deliver()

    @rule(scope=st.sampled_from([("all", ""), ("account", "demo"), ("client", "b")]))
    def resume(self, scope: tuple[str, str]) -> None:
        self.deliver()
        options = {"scope": scope[0], "name": scope[1], "reason": "on"}
        assert self.plane.answer("resume", options, token=self.tokens["a"], identity=b"a").status == 0
        self.halted.discard(scope)

    @rule()
    def answer(self) -> None:
        self.deliver()
        if self.out:
            call, identity = self.out.pop(0)
            self.plane.give_back(call, DONE, identity=identity)
            self.deliver()

    @rule(undeliverable=st.booleans())
    def lose_worker(self, undeliverable: bool) -> None:
        if undeliverable:
            self.plane.flush()
            self.deliver()
        self.plane.goodbye("w1", self.epoch)
        self.epoch += 1
        self.plane.ready("w1", epoch=self.epoch)
        self.out.clear()
        self.deliver()

    @rule(seconds=st.integers(1, 20))
    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            for client in "ab":
                self.plane.ask("ping", token=self.tokens[client], identity=client.encode())
            self.plane.now_ns += SECOND
            self.plane.from_worker(codec.encode_heartbeat("w1", self.epoch))
            self.plane.engine.tick(self.plane.now_ns)
            self.deliver()

    @rule(written=st.booleans())
    def restart(self, written: bool) -> None:
        """The broker dies: after its records were written, or before."""
        if written:
            self.deliver()
        else:
            self.halted = {(halt["scope"], halt["name"]) for halt in self._written()}
        self.disk.now_ns = self.plane.now_ns + SECOND
        self.out.clear()
        self.begin()

    def _written(self) -> list[dict[str, Any]]:
        """What is thrown as far as the journal's file knows."""
        plane = self.disk.make_plane(generation=99)
        plane.engine.recover(scan(self.disk.data, 1)[0])
        return plane.stats()["switches"]


def test_halted_means_halted(make_disk):
    machine = type("Machine", (Halting,), {"make_disk": staticmethod(make_disk)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
