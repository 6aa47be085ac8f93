"""Nothing that a peer can send raises."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.wire import codec
from gateway.wire.messages import Goodbye, Ready

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(),
        st.text(max_size=70),
        st.binary(max_size=20),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=10), inner, max_size=4)),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["hello", "ping", "bye", "accounts", "stats", "order_send", "symbol_spec", "positions_get", "x"]
)
SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@st.composite
def mutated(draw: st.DrawFn, frames: st.SearchStrategy[bytes]) -> bytes:
    frame = bytearray(draw(frames))
    for _ in range(draw(st.integers(0, 3))):
        position = draw(st.integers(0, len(frame)))
        how = draw(st.sampled_from(["set", "cut", "insert"]))
        if how == "set" and position < len(frame):
            frame[position] = draw(st.integers(0, 255))
        elif how == "cut":
            del frame[position : position + draw(st.integers(1, 4))]
        else:
            frame[position:position] = draw(st.binary(max_size=4))
    return bytes(frame)


def requests(token: int) -> st.SearchStrategy[bytes]:
    return st.builds(
        codec.encode_request,
        st.sampled_from([0, token, 2**63]),
        st.integers(1, 2**64 - 1),
        NAMES,
        st.sampled_from(["", "demo", "nope"]),
        st.integers(0, 86_400_000),
        st.lists(VALUES, max_size=3),
        st.one_of(st.none(), st.dictionaries(st.text(max_size=10), VALUES, max_size=3)),
    )


READIES = st.builds(
    Ready,
    st.sampled_from(["w1", "w2", "w3"]),
    st.integers(1, 2**64 - 1),
    st.sampled_from(["demo", "nope"]),
    st.lists(st.sampled_from(["trade", "watch", "query", "feed"]), min_size=1, max_size=4).map(tuple),
    st.integers(1, 65_535),
    st.one_of(
        st.dictionaries(st.sampled_from(["login", "server", "path", "trade_mode", "company"]), VALUES),
        st.just({"login": 5001, "server": "Broker-Demo", "path": "p", "trade_mode": 0}),
    ),
    st.booleans(),
    st.text(max_size=300),
)
WORKER_FRAMES = st.one_of(
    READIES.map(codec.encode_ready),
    st.builds(codec.encode_heartbeat, st.sampled_from(["w1", "w2", ""]), st.integers(0, 2**64 - 1)),
    st.builds(codec.encode_begun, st.integers(6, 8), st.integers(1, 20)),
    st.builds(
        codec.encode_return,
        st.integers(6, 8),
        st.integers(1, 20),
        st.integers(0, 4),
        st.integers(0, 2**64 - 1),
        st.integers(0, 2**64 - 1),
        VALUES.map(codec.pack),
    ),
    st.builds(Goodbye, st.sampled_from(["w1", "w2"]), st.integers(0, 2**64 - 1), st.text(max_size=300)).map(
        codec.encode_goodbye
    ),
    st.builds(codec.encode_welcome, st.integers(1, 9), st.integers(1, 9)),
)
FRAMES_OF_WORKERS = st.one_of(st.none(), st.binary(max_size=40), mutated(WORKER_FRAMES))


def settle(plane: Any, duration_ns: int) -> None:
    plane.now_ns += duration_ns
    plane.engine.tick(plane.now_ns)
    plane.flush()
    codec.pack(plane.stats())


@given(data=st.data())
@SETTINGS
def test_every_frame_of_a_client_gets_one_answer_at_most_and_never_raises(make_plane: Any, data: st.DataObject) -> None:
    plane = make_plane()
    plane.ready(credit=2)
    plane.hello()
    frames = st.one_of(st.none(), st.binary(max_size=40), mutated(requests(plane.token)), VALUES.map(codec.pack))
    burst = [(b"client", frame) for frame in data.draw(st.lists(frames, max_size=8))]
    plane.engine.receive_clients(plane.now_ns, burst)
    settle(plane, data.draw(st.integers(0, 10**11)))
    plane.engine.shutdown(plane.now_ns)
    replies = [reply for reply in plane.replies() if not isinstance(reply.status, str)]
    assert len(replies) <= len(burst)


@given(data=st.data())
@SETTINGS
def test_no_frame_of_a_worker_raises(make_plane: Any, data: st.DataObject) -> None:
    plane = make_plane()
    plane.ready(credit=2)
    plane.hello()
    for number in range(6):
        plane.ask(("positions_get", "order_send", "symbol_spec")[number % 3], {"action": 8})
    plane.flush()
    for identity, frame in data.draw(
        st.lists(st.tuples(st.sampled_from([b"w1", b"w2", b"x"]), FRAMES_OF_WORKERS), max_size=12)
    ):
        plane.engine.receive_workers(plane.now_ns, [(identity, frame)])
        if data.draw(st.booleans()):
            settle(plane, data.draw(st.integers(0, 10**10)))
    plane.engine.undeliverable_workers(plane.now_ns, list(range(len(plane.to_workers))))
    plane.engine.shutdown(plane.now_ns)
    settle(plane, 10**11)
    replies = [reply.request_id for reply in plane.inbox[b"client"] if reply.request_id]
    assert sorted(replies) == sorted(set(replies))
