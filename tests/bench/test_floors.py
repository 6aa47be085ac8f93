"""The C programs: they compile without a warning, do what they say, and end when told. No test asserts a time."""

import os
import shutil
import threading
import time

import msgpack
import numpy as np
import pytest
import zmq

from bench import floors, frames
from bench.chains import Chains, as_contenders, ask_once
from bench.context import Context
from bench.floors import Failed, Program
from bench.runner import Unavailable, interleave
from gateway.core.orderids import birth_ms

pytestmark = pytest.mark.skipif(
    os.name != "posix" or shutil.which(os.environ.get("CC", "cc")) is None, reason="needs a C compiler"
)

REPLY = b"\x95\x01\xcf" + bytes(8) + b"\x00" + msgpack.packb([1.08641, 1.08642]) + b"\xc0"


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    found = floors.build(tmp_path_factory.mktemp("bin"))
    try:
        floors.libzmq_path()
    except Unavailable as reason:
        pytest.skip(str(reason))
    return found


@pytest.fixture
def context(programs, tmp_path):
    return Context(True, tmp_path, programs)


def test_all_are_built(programs):
    assert sorted(programs) == sorted(floors.NAMES)
    assert all(os.access(path, os.X_OK) for path in programs.values())


def test_what_is_up_to_date_is_not_built_again(programs):
    before = {name: path.stat().st_mtime_ns for name, path in programs.items()}
    folder = next(iter(programs.values())).parent
    assert {name: path.stat().st_mtime_ns for name, path in floors.build(folder).items()} == before


@pytest.mark.parametrize(
    ("name", "is_it"),
    [
        ("libzmq-2f02442c.so.5.2.5", True),
        ("libzmq.so.5", True),
        ("libzmq.5.dylib", True),
        ("libzmq.cpython-311-x86_64-linux-gnu.so", False),
        ("_zmq.cpython-311-x86_64-linux-gnu.so", False),
    ],
)
def test_libzmq_is_told_from_an_extension_module_of_that_name(name, is_it):
    assert bool(floors.LIBZMQ_FILE.fullmatch(name)) is is_it


def test_without_a_compiler_the_bench_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(Unavailable, match="C compiler"):
        floors.build(tmp_path)


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
@pytest.mark.parametrize("reply", [None, REPLY], ids=["echoed", "answered"])
def test_every_request_of_a_block_is_answered_once(context, transport, reply):
    with Chains(context, transport, frames.ORDER) as chains:
        for client in (chains.echo_floor("echo", reply), chains.proxy_floor("proxy", reply)):
            for block in (client.closed(20), client.pipelined(200, 16), client.open(50, 5_000)):
                assert block.latencies_ns is not None
                assert (block.latencies_ns > 0).all()
            assert len(client.closed(30).latencies_ns) == 30


def test_a_refusal_is_a_failure_and_is_shown(context):
    refused = REPLY[:11] + b"\x02" + REPLY[12:]
    with Chains(context, "ipc", frames.ORDER) as chains:
        client = chains.echo_floor("echo", refused)
        with pytest.raises(Failed, match="5 of 5 refused"):
            client.closed(5)


def test_a_reply_to_nobodys_request_ends_the_client(context):
    endpoint = context.endpoint("ipc")
    options = frames.ORDER.client_options(context.scratch)
    with zmq.Context() as sockets, sockets.socket(zmq.ROUTER) as router:
        router.linger = 0
        router.bind(endpoint)
        with Program.floor(context.programs, "client", "--endpoint", endpoint, *options) as client:
            client.send("closed 1 -")
            identity, _ = router.recv_multipart()
            router.send_multipart([identity, REPLY])
            with pytest.raises(Failed, match="not outstanding"):
                client.answer(10.0)


def test_what_nobody_asked_for_is_counted_and_skipped(context):
    endpoint = context.endpoint("ipc")
    options = frames.ORDER.client_options(context.scratch)
    notice = msgpack.packb([1, 0, "order", [1, 2, 3], None])
    with zmq.Context() as sockets, sockets.socket(zmq.ROUTER) as router:
        router.linger = 0
        router.bind(endpoint)
        with Program.floor(context.programs, "client", "--endpoint", endpoint, *options) as client:
            client.send("closed 1 -")
            identity, request = router.recv_multipart()
            router.send_multipart([identity, notice])
            router.send_multipart([identity, REPLY[:3] + request[12:20] + REPLY[11:]])
            answer = client.answer(10.0)
    assert (answer["unsolicited"], answer["bad"], answer["requests"]) == (1, 0, 1)


def test_every_order_has_a_ulid_of_its_own(context):
    endpoint = context.endpoint("ipc")
    ulid = "01HZZZZZZZABCDEFGHJKMNPQRS"
    path = context.path("request")
    path.write_bytes(frames.ORDER.frame + msgpack.packb(ulid))
    offset = len(frames.ORDER.frame) + 1
    options = ["--request", str(path), "--request-id-offset", "12", "--ulid-offset", str(offset)]
    with zmq.Context() as sockets, sockets.socket(zmq.ROUTER) as router:
        router.linger = 0
        router.bind(endpoint)
        with Program.floor(context.programs, "client", "--endpoint", endpoint, *options) as client:
            client.send("pipelined 40 40 -")
            requests = [router.recv_multipart() for _ in range(40)]
            for identity, request in requests:
                router.send_multipart([identity, REPLY[:3] + request[12:20] + REPLY[11:]])
            client.answer(10.0)
    tails = [request[offset : offset + 26].decode() for _, request in requests]
    assert [tail[10:18] for tail in tails] == [ulid[10:18]] * 40
    assert (tails[0][18:], tails[33][18:]) == ("00000000", "00000011")
    assert len(set(tails)) == 40
    born_ms = [birth_ms(tail) for tail in tails]
    assert born_ms == sorted(born_ms)
    assert 0 <= time.time() * 1_000 - born_ms[0] < 60_000


def test_rival_and_null_workers_carry_requests_of_a_session(context):
    with Chains(context, "ipc", frames.QUERY) as chains:
        endpoint = chains.rival(((("query",), 8), (("trade",), 1)))
        reply = msgpack.unpackb(ask_once(endpoint, frames.QUERY))
        assert reply[3] == msgpack.unpackb(frames.null_results()["symbol_info"])
        client = chains.gateway_client("client", endpoint)
        (measured,) = interleave(as_contenders({"rival": client}, 100, 8), 2, warm_up=0)
    assert len(measured.latencies()) == 200


def test_null_worker_announces_an_order_before_it_answers(context):
    endpoint = context.endpoint("ipc")
    worker = frames.worker_frames("null", ("trade",), 1)
    options = ["--endpoint", endpoint, *worker.options(context.scratch)]
    with zmq.Context() as sockets, sockets.socket(zmq.ROUTER) as router:
        router.linger, router.rcvtimeo = 0, 10_000
        router.bind(endpoint)
        heard = []

        def broker():
            identity, ready = router.recv_multipart()
            heard.append(ready)
            router.send_multipart([identity, msgpack.packb([1, 8, 3, 50])])
            router.send_multipart([identity, msgpack.packb([1, 4, 3, 2**40, "order_send", 0, [{}]])])
            while len(heard) < 4:
                heard.append(router.recv_multipart()[1])

        # The worker says "ready" only when it has been welcomed: somebody else has to listen meanwhile.
        thread = threading.Thread(target=broker)
        thread.start()
        with Program.floor(context.programs, "null_worker", *options) as null_worker:
            thread.join(20.0)
            assert null_worker.stop() == 0
    assert heard[0] == worker.ready
    begun, returned = (msgpack.unpackb(frame) for frame in heard[1:3])
    assert begun == [1, 5, 3, 2**40]
    assert returned[:6] == [1, 6, 3, 2**40, 0, 0]
    assert returned[7] == msgpack.unpackb(frames.null_results()["order_send"])
    assert heard[3] == worker.heartbeat


def test_every_published_frame_arrives(context):
    endpoint = context.endpoint("ipc")
    frame = context.path("frame")
    frame.write_bytes(bytes(100))
    publisher = Program.floor(context.programs, "pubsub", "--pub", endpoint, "--frame", str(frame))
    with publisher, Program.floor(context.programs, "pubsub", "--sub", endpoint) as subscriber:
        subscriber.send("count 1 10000")
        while True:
            publisher.ask("send 1 0")
            try:
                subscriber.answer(0.05)
                break
            except Failed:
                continue
        subscriber.ask("count 1000000 200")
        subscriber.send("count 500 10000")
        publisher.ask("send 500 0")
        assert subscriber.answer()["bytes"] == 50_000


@pytest.mark.parametrize("name", ["echo", "proxy", "client", "pubsub"])
def test_ends_well_on_sigterm(context, name):
    request = frames.ORDER.client_options(context.scratch)
    options = {
        "echo": ["--bind", context.endpoint("ipc")],
        "proxy": ["--frontend", context.endpoint("ipc"), "--backend", context.endpoint("ipc")],
        "client": ["--endpoint", context.endpoint("ipc"), *request],
        "pubsub": ["--sub", context.endpoint("ipc")],
    }
    assert Program.floor(context.programs, name, *options[name]).stop() == 0


def test_noise_is_measured(programs, tmp_path):
    spun = floors.run_once(programs["noise"], "spin", "20")
    assert 0.0 <= spun["gap_share"] <= 1.0
    floors.run_once(programs["noise"], "pingpong", "50", str(tmp_path / "wakes"))
    assert np.fromfile(tmp_path / "wakes", dtype=np.uint64).shape == (50,)
