"""The session under any sequence of answers, losses, refusals and deadlines: no order twice, nothing without an end."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from clients.exchange import Exchange, Phase, State
from clients.session import Session
from gateway.wire import codec
from gateway.wire.calls import Kind
from gateway.wire.errors import Code, OutcomeUnknown, Refused
from gateway.wire.messages import Request

SECOND = 1_000_000_000


class Conversation(RuleBasedStateMachine):
    """The machine is the broker and the network; it remembers what left and what was executed."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = 0
        self.session = Session("me", codec)
        self.tokens = 2**63
        self.live: set[int] = set()
        self.hellos: list[int] = []
        self.inbox: list[Request] = []
        self.exchanges: list[Exchange] = []
        self.left: dict[int, int] = {}  # an order's magic -> how often it left and was not refused
        self.magics: dict[int, Exchange] = {}

    @rule(order=st.booleans(), ttl_s=st.integers(0, 3))
    def request(self, order: bool, ttl_s: int) -> None:
        magic = len(self.exchanges)
        name, args = ("order_send", ({"magic": magic},)) if order else ("symbol_info", ("EURUSD",))
        exchange = Exchange(name, "", args, None, self.now_ns + ttl_s * SECOND)
        try:
            self.session.request(exchange, self.now_ns)
        except Refused:
            return
        self.exchanges.append(exchange)
        if order:
            self.magics[magic] = exchange

    @rule()
    def connect(self) -> None:
        self.session.connected()

    @rule(order=st.booleans())
    def converse(self, order: bool) -> None:
        """What mostly happens: a request, a connection, a hello, and the request leaves."""
        self.session.connected()
        self.request(order, 3)
        self.send([True])
        if self.hellos:
            self.greet(False)
        self.send([True] * 4)

    @rule()
    def lose(self) -> None:
        self.session.lost()
        self.live.clear()
        self.hellos.clear()
        self.inbox.clear()

    @rule(takes=st.lists(st.booleans(), min_size=1, max_size=6))
    def send(self, takes: list[bool]) -> None:
        for take in takes:
            frame = self.session.next_frame(self.now_ns)
            if frame is None:
                return
            if not take:
                self.session.unsent()
                return
            request = codec.decode_request(frame)
            if request.name == "hello":
                self.hellos.append(request.request_id)
                continue
            assert self.session.up
            args, _ = codec.decode_arguments(request.tail, request.has_kwargs)
            if request.name == "order_send":
                magic = args[0]["magic"]
                self.left[magic] = self.left.get(magic, 0) + 1
                assert self.left[magic] == 1, "an order left twice"
            self.inbox.append(request)

    @precondition(lambda self: self.hellos)
    @rule(refuse=st.booleans())
    def greet(self, refuse: bool) -> None:
        request_id = self.hellos.pop(0)
        if refuse:
            self.reply(request_id, 2, [Code.BUSY, "full", None])
            return
        self.tokens += 1
        self.live = {self.tokens}
        self.reply(request_id, 0, {"session": self.tokens})

    @precondition(lambda self: self.inbox)
    @rule(data=st.data(), outcome=st.sampled_from(["ok", "refused", "unknown", "silence"]))
    def serve(self, data: st.DataObject, outcome: str) -> None:
        request = self.inbox.pop(data.draw(st.integers(0, len(self.inbox) - 1)))
        if request.session not in self.live:
            self.refuse_dead(request)
        elif outcome == "ok":
            self.reply(request.request_id, 0, None)
        elif outcome == "refused":
            self.reply(request.request_id, 2, [Code.BUSY, "full", None])
        elif outcome == "unknown":
            self.reply(request.request_id, 4, [Code.OUTCOME_UNKNOWN, "lost", None])

    @rule()
    def time_out(self) -> None:
        self.live.clear()

    @rule()
    def take_over(self) -> None:
        for token in self.live:
            self.session.receive(codec.encode_reply(0, "fenced", codec.pack({"session": token}), None), self.now_ns)
        self.live.clear()

    @rule()
    def reset(self) -> None:
        self.session.reset()

    @rule(garbage=st.binary(max_size=12))
    def babble(self, garbage: bytes) -> None:
        self.session.receive(garbage, self.now_ns)

    @rule(seconds=st.integers(1, 3))
    def pass_time(self, seconds: int) -> None:
        self.now_ns += seconds * SECOND
        self.session.expire(self.now_ns)
        for exchange in self.exchanges:
            assert exchange.state is State.DONE or self.now_ns < exchange.deadline_ns

    def refuse_dead(self, request: Request) -> None:
        args, _ = codec.decode_arguments(request.tail, request.has_kwargs)
        if request.name == "order_send":
            self.left[args[0]["magic"]] -= 1
        self.reply(request.request_id, 2, [Code.SESSION_FENCED, "dead", None])

    def reply(self, request_id: int, status: int, result: Any) -> None:
        self.session.receive(codec.encode_reply(request_id, status, codec.pack(result), None), self.now_ns)

    @invariant()
    def every_outcome_is_honest(self) -> None:
        for magic, exchange in self.magics.items():
            if isinstance(exchange.error, Refused):
                pending = [
                    codec.decode_arguments(r.tail, False)[0][0]["magic"] for r in self.inbox if r.name == "order_send"
                ]
                assert magic not in pending, "called refused while the broker may still execute it"
            if exchange.state is State.DONE and exchange.error is not None and exchange.kind is Kind.ORDER:
                assert isinstance(exchange.error, (Refused, OutcomeUnknown))

    @invariant()
    def a_token_is_held_exactly_while_open(self) -> None:
        assert (self.session.token != 0) == (self.session.phase is Phase.OPEN)

    @invariant()
    def what_is_in_flight_was_sent(self) -> None:
        sent = sum(exchange.state is State.SENT for exchange in self.exchanges)
        assert self.session.in_flight == sent


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
