"""Sequence numbers and tick frames, over both implementations."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import zmq

from gateway import plain
from gateway.wire import codec as reference
from gateway.wire.errors import LocalProtocolError, RemoteProtocolError
from gateway.wire.structs import RECORD_BYTES, TICK_DTYPE

FEED = "demo"
EPOCH = 1_700_000_000_000_000_001
PATIENCE_MS = 10_000


@pytest.fixture(params=["plain", "compiled"])
def broadcast(request: pytest.FixtureRequest) -> ModuleType:
    if request.param == "plain":
        return plain
    return pytest.importorskip("fastpath.broadcast", reason="nothing is compiled here", exc_type=ImportError)


@pytest.fixture(params=["inproc", "ipc"])
def wires(request: pytest.FixtureRequest, context: Any, endpoint: str) -> tuple[zmq.Socket[Any], zmq.Socket[Any]]:
    """A publishing socket and one that has subscribed to everything on it."""
    address = "inproc://ticks" if request.param == "inproc" else endpoint
    sender = context.socket(zmq.XPUB)
    sender.sndhwm = 0
    sender.bind(address)
    receiver = context.socket(zmq.SUB)
    receiver.rcvtimeo = PATIENCE_MS
    receiver.rcvhwm = 0
    receiver.subscribe(b"")
    receiver.connect(address)
    assert sender.poll(PATIENCE_MS)  # the subscription has arrived
    sender.recv()
    return sender, receiver


def records(*times_msc: int) -> bytes:
    ticks = np.zeros(len(times_msc), TICK_DTYPE)
    ticks["time_msc"] = times_msc
    ticks["bid"] = np.arange(len(times_msc))
    return ticks.tobytes()


def test_numbers_continue_for_each_symbol_alone(broadcast: ModuleType, wires: tuple[Any, Any]) -> None:
    sender, receiver = wires
    broadcaster = broadcast.Broadcaster(sender, FEED, EPOCH)
    assert broadcaster.sequence("EURUSD") == 0
    assert broadcaster.publish("EURUSD", records(1, 2, 3), 3, 0, 10) == 1
    assert broadcaster.publish("USDJPY", records(1), 1, 0, 11) == 1
    assert broadcaster.publish("EURUSD", records(4), 4, 2, 12) == 4
    assert (broadcaster.sequence("EURUSD"), broadcaster.sequence("USDJPY")) == (4, 1)
    frames = [reference.decode_ticks(receiver.recv()) for _ in range(3)]
    assert frames == [
        (b"demo/EURUSD\0", EPOCH, 1, 3, 0, 10, records(1, 2, 3)),
        (b"demo/USDJPY\0", EPOCH, 1, 1, 0, 11, records(1)),
        (b"demo/EURUSD\0", EPOCH, 4, 4, 2, 12, records(4)),
    ]
    assert (broadcaster.frames, broadcaster.ticks, broadcaster.dropped) == (3, 5, 0)


@pytest.mark.parametrize("count", [1, 4, 5, 1_092, 1_093, 2_000])
@pytest.mark.parametrize("msc", [0, 127, 2**32, 2**63 - 1])
def test_frames_are_those_of_the_reference(broadcast: ModuleType, wires: tuple[Any, Any], count: int, msc: int) -> None:
    sender, receiver = wires
    batch = records(*range(count))
    for epoch in (0, 200, 2**64 - 1):
        broadcaster = broadcast.Broadcaster(sender, "fx-ö", epoch)
        broadcaster.publish("EURUSD.é", batch, msc, 70_000, 2**64 - 1)
        frame = receiver.recv()
        topic = "fx-ö/EURUSD.é\0".encode()
        assert frame == reference.encode_ticks(topic, epoch, 1, msc, 70_000, 2**64 - 1, batch)
        assert broadcaster.bytes == len(frame)


def test_every_tick_can_go_alone_with_its_place_in_its_millisecond(
    broadcast: ModuleType, wires: tuple[Any, Any]
) -> None:
    sender, receiver = wires
    broadcaster = broadcast.Broadcaster(sender, FEED, EPOCH)
    times = (5, 5, 5, 6, 2**40, 2**40, 7)
    batch = records(*times)
    assert broadcaster.publish_each("EURUSD", records(4), 9) == 1
    assert broadcaster.publish_each("EURUSD", batch, 10) == 2
    receiver.recv()
    frames = [reference.decode_ticks(receiver.recv()) for _ in times]
    assert [frame.first_seq for frame in frames] == list(range(2, 9))
    assert [(frame.cursor_msc, frame.cursor_ordinal) for frame in frames] == [
        (5, 0),
        (5, 1),
        (5, 2),
        (6, 0),
        (2**40, 0),
        (2**40, 1),
        (7, 0),
    ]
    assert b"".join(frame.records for frame in frames) == batch
    assert (broadcaster.frames, broadcaster.ticks) == (8, 8)


def test_buffers_of_every_kind_are_sent(broadcast: ModuleType, wires: tuple[Any, Any]) -> None:
    sender, receiver = wires
    broadcaster = broadcast.Broadcaster(sender, FEED, EPOCH)
    batch = records(1, 2)
    for data in (batch, bytearray(batch), memoryview(batch)):
        broadcaster.publish("EURUSD", data, 1, 0, 1)
        assert reference.decode_ticks(receiver.recv()).records == batch


@pytest.mark.parametrize("size", [0, 1, RECORD_BYTES - 1, RECORD_BYTES + 1, 2 * RECORD_BYTES - 1])
def test_records_of_another_size_are_refused_and_number_nothing(
    broadcast: ModuleType, wires: tuple[Any, Any], size: int
) -> None:
    broadcaster = broadcast.Broadcaster(wires[0], FEED, EPOCH)
    with pytest.raises(RemoteProtocolError, match="positive multiple of 60 bytes, got"):
        broadcaster.publish("EURUSD", bytes(size), 1, 0, 1)
    assert (broadcaster.sequence("EURUSD"), broadcaster.frames) == (0, 0)


def test_what_the_socket_cant_take_is_counted_and_numbered(broadcast: ModuleType, context: Any, endpoint: str) -> None:
    sender = context.socket(zmq.XPUB)
    sender.xpub_nodrop = True  # or libzmq would drop silently, which is what a publisher wants
    sender.sndhwm = 1
    sender.bind(endpoint)
    receiver = context.socket(zmq.SUB)
    receiver.rcvhwm = 1
    receiver.subscribe(b"")
    receiver.connect(endpoint)
    assert sender.poll(PATIENCE_MS)
    sender.recv()
    broadcaster = broadcast.Broadcaster(sender, FEED, EPOCH)
    published = 0
    while not broadcaster.dropped:
        published += 1
        assert broadcaster.publish("EURUSD", bytes(RECORD_BYTES * 10_000), 1, 0, 1) == (published - 1) * 10_000 + 1
    assert broadcaster.sequence("EURUSD") == published * 10_000
    assert broadcaster.frames == published


class TestCompiledAlone:
    """What only the compiled broadcaster promises."""

    @pytest.fixture
    def broadcast(self) -> ModuleType:
        return pytest.importorskip("fastpath.broadcast", reason="nothing is compiled here", exc_type=ImportError)

    @pytest.mark.parametrize("size", [0, 1, RECORD_BYTES + 1])
    def test_records_of_another_size_send_nothing_one_by_one_either(
        self, broadcast: ModuleType, wires: tuple[Any, Any], size: int
    ) -> None:
        broadcaster = broadcast.Broadcaster(wires[0], FEED, EPOCH)
        with pytest.raises(RemoteProtocolError, match="positive multiple of 60 bytes, got"):
            broadcaster.publish_each("EURUSD", bytes(size), 1)
        assert (broadcaster.sequence("EURUSD"), broadcaster.frames) == (0, 0)

    def test_a_topic_too_long_for_its_frame_is_refused(self, broadcast: ModuleType, wires: tuple[Any, Any]) -> None:
        sender, receiver = wires
        broadcaster = broadcast.Broadcaster(sender, FEED, 2**64 - 1)
        longest = "s" * (502 - len("demo/\0"))
        broadcaster.publish(longest, records(1), 1, 0, 1)
        assert reference.decode_ticks(receiver.recv()).topic == f"demo/{longest}\0".encode()
        with pytest.raises(LocalProtocolError, match="at most 502 bytes, got 503"):
            broadcaster.publish(longest + "s", records(1), 1, 0, 1)

    def test_numbers_out_of_range_are_refused(self, broadcast: ModuleType, wires: tuple[Any, Any]) -> None:
        broadcaster = broadcast.Broadcaster(wires[0], FEED, EPOCH)
        for cursor_msc, cursor_ordinal, publish_ns in ((2**63, 0, 1), (0, 2**63, 1), (0, 0, 2**64), (0, 0, -1)):
            with pytest.raises(OverflowError):
                broadcaster.publish("EURUSD", records(1), cursor_msc, cursor_ordinal, publish_ns)

    def test_other_kinds_of_socket_and_closed_ones_are_refused(
        self, broadcast: ModuleType, context: Any, wires: tuple[Any, Any]
    ) -> None:
        with pytest.raises(TypeError, match="expected a PUB or XPUB"):
            broadcast.Broadcaster(context.socket(zmq.PUSH), FEED, EPOCH)
        broadcaster = broadcast.Broadcaster(wires[0], FEED, EPOCH)
        wires[0].close(linger=0)
        with pytest.raises(zmq.ZMQError):
            broadcaster.publish("EURUSD", records(1), 1, 0, 1)
