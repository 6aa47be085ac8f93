"""Burst sockets and waiting, over both implementations: on libzmq's functions, and on pyzmq alone."""

import signal
import threading
import time
from types import ModuleType
from typing import Any

import pytest
import zmq

from gateway import plain

MAX_BYTES = 1_000
PATIENCE_MS = 10_000


@pytest.fixture(params=["plain", "compiled"])
def sockets(request: pytest.FixtureRequest) -> ModuleType:
    if request.param == "plain":
        return plain
    return pytest.importorskip("fastpath.sockets", reason="nothing is compiled here", exc_type=ImportError)


@pytest.fixture
def router(sockets: ModuleType, context: Any, endpoint: str) -> Any:
    socket = context.socket(zmq.ROUTER)
    socket.router_mandatory = True
    socket.sndhwm = 10
    socket.bind(endpoint)
    return sockets.RouterSocket(socket, MAX_BYTES)


def raw(router: Any) -> zmq.Socket[Any]:
    return router._socket if hasattr(router, "_socket") else router.socket


def connect(context: Any, endpoint: str, kind: int, identity: bytes) -> zmq.Socket[Any]:
    socket = context.socket(kind)
    socket.identity = identity
    socket.rcvtimeo = socket.sndtimeo = PATIENCE_MS
    socket.rcvhwm = 10
    socket.connect(endpoint)
    return socket


def receive(sockets: ModuleType, router: Any, count: int) -> list[tuple[bytes, bytes | None]]:
    burst: list[tuple[bytes, bytes | None]] = []
    while len(burst) < count:
        assert sockets.wait((raw(router),), PATIENCE_MS) == 1
        burst += router.recv_burst(100)
    return burst


def test_a_burst_holds_what_has_come_up_to_its_limit(
    sockets: ModuleType, router: Any, context: Any, endpoint: str
) -> None:
    client = connect(context, endpoint, zmq.DEALER, b"a")
    assert router.recv_burst(10) == []
    for number in range(5):
        client.send(b"%d" % number)
    first = receive(sockets, router, 1)
    rest = receive(sockets, router, 5 - len(first)) if len(first) < 5 else []
    assert first + rest == [(b"a", b"%d" % number) for number in range(5)]
    for number in range(5):
        client.send(b"%d" % number)
    taken = []
    while len(taken) < 5:
        assert sockets.wait((raw(router),), PATIENCE_MS) == 1
        burst = router.recv_burst(2)
        assert len(burst) <= 2
        taken += burst
    assert router.recv_burst(0) == []


def test_messages_of_other_than_one_frame_are_drained_and_counted(
    sockets: ModuleType, router: Any, context: Any, endpoint: str
) -> None:
    client = connect(context, endpoint, zmq.DEALER, b"a")
    client.send_multipart([b"1", b"2"])
    client.send_multipart([b"1", b"2", b"3"])
    client.send_multipart([b"", b"2", b"3"])
    client.send_multipart([b"", b"", b"3"])
    client.send(b"after")
    assert receive(sockets, router, 5) == [(b"a", b"")] * 4 + [(b"a", b"after")]
    assert router.malformed == 4
    assert router.send_burst([(b"a", b"answer")]) == []
    assert client.recv_multipart() == [b"answer"]  # none of these made it a REQ


def test_an_empty_frame_is_a_message(sockets: ModuleType, router: Any, context: Any, endpoint: str) -> None:
    client = connect(context, endpoint, zmq.DEALER, b"a")
    client.send(b"")
    assert receive(sockets, router, 1) == [(b"a", b"")]
    assert router.malformed == 0


def test_a_frame_over_the_limit_is_not_copied(sockets: ModuleType, router: Any, context: Any, endpoint: str) -> None:
    client = connect(context, endpoint, zmq.DEALER, b"a")
    client.send(bytes(MAX_BYTES))
    client.send(bytes(MAX_BYTES + 1))
    client.send_multipart([b"", bytes(MAX_BYTES + 1)])
    assert receive(sockets, router, 3) == [(b"a", bytes(MAX_BYTES)), (b"a", None), (b"a", None)]
    assert router.oversized == 2


def test_a_req_client_is_heard_and_answered_with_its_delimiter(
    sockets: ModuleType, router: Any, context: Any, endpoint: str
) -> None:
    asking = connect(context, endpoint, zmq.REQ, b"req")
    plainly = connect(context, endpoint, zmq.DEALER, b"dealer")
    for number in range(3):
        asking.send(b"question %d" % number)
        assert receive(sockets, router, 1) == [(b"req", b"question %d" % number)]
        assert router.send_burst([(b"req", b"answer %d" % number)]) == []
        assert asking.recv() == b"answer %d" % number
    plainly.send(b"hello")
    receive(sockets, router, 1)
    assert router.send_burst([(b"dealer", b"answer")]) == []
    assert plainly.recv_multipart() == [b"answer"]


def test_what_a_gone_peer_would_get_is_reported(sockets: ModuleType, router: Any, context: Any, endpoint: str) -> None:
    client = connect(context, endpoint, zmq.DEALER, b"a")
    client.send(b"hello")
    receive(sockets, router, 1)
    assert router.send_burst([(b"never", b"1"), (b"a", b"2"), (b"a" * 300, b"3")]) == [0, 2]
    assert (router.unreachable, router.full) == (2, 0)
    assert client.recv() == b"2"
    client.close(linger=0)
    deadline = time.monotonic() + PATIENCE_MS / 1_000
    while not router.send_burst([(b"a", b"late")]):
        assert time.monotonic() < deadline


def test_a_full_peer_costs_itself_alone(sockets: ModuleType, router: Any, context: Any, endpoint: str) -> None:
    slow = connect(context, endpoint, zmq.DEALER, b"slow")
    quick = connect(context, endpoint, zmq.DEALER, b"quick")
    slow.send(b"hello")
    quick.send(b"hello")
    receive(sockets, router, 2)
    refused: list[int] = []
    while not refused:
        refused = router.send_burst([(b"slow", bytes(100_000))] * 20)
    assert router.full == len(refused)
    assert refused == list(range(20 - len(refused), 20)) or len(refused) < 20
    assert router.send_burst([(b"slow", bytes(100_000)), (b"quick", b"still here")]) in ([0], [])
    assert quick.recv() == b"still here"
    # No message to the full peer was left half sent: what it gets is whole.
    while slow.poll(200):
        assert slow.recv_multipart() == [bytes(100_000)]


def test_a_dealer_sends_and_takes_bursts(sockets: ModuleType, context: Any, endpoint: str) -> None:
    server = context.socket(zmq.ROUTER)
    server.rcvtimeo = PATIENCE_MS
    server.bind(endpoint)
    socket = connect(context, endpoint, zmq.DEALER, b"d")
    dealer = sockets.DealerSocket(socket)
    assert dealer.recv_burst(10) == []
    assert dealer.send(b"hello") is True
    assert server.recv_multipart() == [b"d", b"hello"]
    server.send_multipart([b"d", b"1"])
    server.send_multipart([b"d", b"two", b"frames"])
    server.send_multipart([b"d", b"2"])
    burst: list[bytes] = []
    while len(burst) < 2:
        assert sockets.wait((socket,), PATIENCE_MS) == 1
        burst += dealer.recv_burst(10)
    assert burst == [b"1", b"2"]


def test_a_dealer_with_nobody_to_send_to_says_so(sockets: ModuleType, context: Any, endpoint: str) -> None:
    socket = context.socket(zmq.DEALER)
    socket.immediate = True
    socket.connect(endpoint)
    assert sockets.DealerSocket(socket).send(b"hello") is False


def test_wait_tells_which_sockets_can_be_read(sockets: ModuleType, context: Any, endpoint: str) -> None:
    servers = []
    for number in range(3):
        server = context.socket(zmq.ROUTER)
        server.bind(f"{endpoint}{number}")
        servers.append(server)
    assert sockets.wait(servers, 0) == 0
    clients = [connect(context, f"{endpoint}{number}", zmq.DEALER, b"c") for number in (0, 2)]
    for client in clients:
        client.send(b"x")
    seen = 0
    while seen != 0b101:
        found = sockets.wait(servers, PATIENCE_MS)
        assert found & 0b010 == 0
        assert found
        seen |= found


def test_wait_lets_other_threads_run(sockets: ModuleType, context: Any, endpoint: str) -> None:
    server = context.socket(zmq.ROUTER)
    server.bind(endpoint)
    client = connect(context, endpoint, zmq.DEALER, b"c")
    sender = threading.Timer(0.05, client.send, (b"x",))  # it could never send if the GIL were held
    sender.start()
    assert sockets.wait((server,), PATIENCE_MS) == 1
    sender.join()


def test_a_signals_exception_ends_the_wait(sockets: ModuleType, context: Any, endpoint: str) -> None:
    server = context.socket(zmq.ROUTER)
    server.bind(endpoint)

    class Stop(Exception):
        pass

    def stop(_number: int, _frame: Any) -> None:
        raise Stop

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Stop):
            sockets.wait((server,), -1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_closed_socket_raises_and_nothing_worse(
    sockets: ModuleType, router: Any, context: Any, endpoint: str
) -> None:
    socket = connect(context, endpoint, zmq.DEALER, b"a")
    dealer = sockets.DealerSocket(socket)
    socket.close(linger=0)
    raw(router).close(linger=0)
    for use in (
        lambda: router.recv_burst(1),
        lambda: router.send_burst([(b"a", b"x")]),
        lambda: dealer.recv_burst(1),
        lambda: dealer.send(b"x"),
    ):
        with pytest.raises(zmq.ZMQError):
            use()


class TestCompiledAlone:
    """What only the compiled sockets promise."""

    @pytest.fixture
    def sockets(self) -> ModuleType:
        return pytest.importorskip("fastpath.sockets", reason="nothing is compiled here", exc_type=ImportError)

    def test_an_identity_comes_back_as_the_same_object(
        self, sockets: ModuleType, router: Any, context: Any, endpoint: str
    ) -> None:
        client = connect(context, endpoint, zmq.DEALER, b"some identity")
        client.send(b"1")
        client.send(b"2")
        first, second = receive(sockets, router, 2)
        assert first[0] is second[0]

    def test_identities_are_the_right_ones_however_many_share_a_slot(
        self, sockets: ModuleType, router: Any, context: Any, endpoint: str
    ) -> None:
        clients = {
            b"id-%d" % number: connect(context, endpoint, zmq.DEALER, b"id-%d" % number) for number in range(400)
        }
        for _ in range(2):
            for identity, client in clients.items():
                client.send(identity)
            assert all(identity == frame for identity, frame in receive(sockets, router, len(clients)))

    def test_other_kinds_of_socket_are_refused(self, sockets: ModuleType, context: Any) -> None:
        with pytest.raises(TypeError, match="expected a ROUTER"):
            sockets.RouterSocket(context.socket(zmq.DEALER), MAX_BYTES)
        with pytest.raises(TypeError, match="expected a DEALER"):
            sockets.DealerSocket(context.socket(zmq.ROUTER))
        with pytest.raises(ValueError, match="max_bytes"):
            sockets.RouterSocket(context.socket(zmq.ROUTER), 0)

    def test_messages_of_other_types_are_refused(self, sockets: ModuleType, router: Any) -> None:
        with pytest.raises(TypeError, match=r"message 1: expected \(bytes, bytes\), got \(bytes, str\)"):
            router.send_burst([(b"a", b"x"), (b"a", "x")])

    def test_wait_takes_the_burst_sockets_too_up_to_its_bound(self, sockets: ModuleType, router: Any) -> None:
        assert sockets.wait((router, router.socket), 0) == 0
        with pytest.raises(ValueError, match="at most 16"):
            sockets.wait([router] * 17, 0)

    def test_a_context_being_terminated_raises(self, sockets: ModuleType, context: Any, endpoint: str) -> None:
        own = zmq.Context()
        socket = own.socket(zmq.ROUTER)
        router = sockets.RouterSocket(socket, MAX_BYTES)
        ending = threading.Thread(target=own.term)
        ending.start()

        def use_until_it_ends() -> None:
            while True:
                sockets.wait((socket,), 10)
                router.recv_burst(1)

        with pytest.raises(zmq.ContextTerminated):
            use_until_it_ends()
        socket.close(linger=0)
        ending.join()
