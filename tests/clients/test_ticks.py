"""The tick stream against a publisher of the test's own: order, gaps, epochs, subscriptions, a publisher that dies."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import zmq

from clients import TickStream
from clients.ticks import MAX_TOPICS, Batch, Gap, StreamTick
from gateway.wire import codec
from gateway.wire.errors import ConfigError, LocalProtocolError, NoReply, Unavailable
from gateway.wire.messages import topic_for
from gateway.wire.structs import TICK_DTYPE

WAIT_MS = 20_000


def ticks(*bids: float) -> bytes:
    records = np.zeros(len(bids), TICK_DTYPE)
    records["bid"] = bids
    records["ask"] = np.array(bids) + 0.5
    records["time_msc"] = range(1_000, 1_000 + len(bids))
    records["flags"] = 6
    return records.tobytes()


class Publisher:
    """An XPUB whose subscriptions the test waits for."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.open()

    def open(self) -> None:
        self.socket = self.context.socket(zmq.XPUB)
        self.socket.linger = 0
        self.socket.sndhwm = 100_000
        while True:
            try:
                self.socket.bind(self.endpoint)
                return
            except zmq.ZMQError as error:  # the former socket is still being closed
                if error.errno != zmq.EADDRINUSE:
                    raise

    def close(self) -> None:
        self.socket.close()

    def subscription(self) -> bytes:
        assert self.socket.poll(WAIT_MS)
        return self.socket.recv()

    def send(self, symbol: str, first_seq: int, *bids: float, epoch: int = 1, feed: str = "demo") -> None:
        frame = codec.encode_ticks(topic_for(feed, symbol), epoch, first_seq, 1_000, 0, 77, ticks(*bids))
        self.socket.send(frame)


@pytest.fixture
def publisher(folder: str) -> Iterator[Publisher]:
    publisher = Publisher(f"ipc://{folder}/ticks.ipc")
    yield publisher
    publisher.context.destroy(linger=0)


@pytest.fixture
def gaps() -> list[Gap]:
    return []


@pytest.fixture
def stream(publisher: Publisher, gaps: list[Gap]) -> Iterator[TickStream]:
    with TickStream(publisher.endpoint, ["EURUSD"], timeout=20.0, on_gap=gaps.append) as stream:
        assert publisher.subscription() == b"\x01demo/EURUSD\0"
        yield stream


def test_ticks_come_one_by_one_with_their_fields_and_numbers(publisher: Publisher, stream: TickStream) -> None:
    publisher.send("EURUSD", 5, 1.5, 2.5)
    publisher.send("EURUSD", 7, 3.5)
    assert next(stream) == StreamTick("EURUSD", "demo", 5, 0, 1.5, 2.0, 0.0, 0, 1_000, 6, 0.0, 77)
    assert [(tick.seq, tick.bid, tick.time_msc) for tick in (next(stream), next(stream))] == [
        (6, 2.5, 1_001),
        (7, 3.5, 1_000),
    ]
    statistics = stream.statistics()
    assert (statistics.ticks, statistics.batches, statistics.gaps, statistics.connected) == (3, 2, 0, True)


def test_batches_are_read_only_arrays(publisher: Publisher, stream: TickStream) -> None:
    publisher.send("EURUSD", 1, 1.5, 2.5)
    batch = next(stream.batches())
    assert isinstance(batch, Batch)
    assert (batch.symbol, batch.first_seq, batch.ticks.dtype) == ("EURUSD", 1, TICK_DTYPE)
    assert batch.ticks["bid"].tolist() == [1.5, 2.5]
    with pytest.raises(ValueError, match="read-only"):
        batch.ticks["bid"] = 0


def test_ticks_and_batches_may_be_mixed(publisher: Publisher, stream: TickStream) -> None:
    publisher.send("EURUSD", 1, 1.5, 2.5, 3.5)
    assert stream.recv(20).seq == 1
    symbol, rest, first_seq = stream.recv_batch(20)
    assert (symbol, rest["bid"].tolist(), first_seq) == ("EURUSD", [2.5, 3.5], 2)


def test_a_gap_is_counted_and_told_before_the_tick_behind_it(
    publisher: Publisher, stream: TickStream, gaps: list[Gap]
) -> None:
    publisher.send("EURUSD", 1, 1.5)
    publisher.send("EURUSD", 5, 2.5)
    assert stream.recv(20).seq == 1
    assert gaps == []
    assert stream.recv(20).seq == 5
    assert gaps == [Gap("EURUSD", "demo", missed=3, expected=2, received=5, epoch=1, new_epoch=False)]
    statistics = stream.statistics()
    assert (statistics.gaps, statistics.missed) == (1, 3)
    assert statistics.symbols["demo", "EURUSD"].missed == 3
    assert statistics.symbols["demo", "EURUSD"].last_seq == 5


def test_gaps_are_counted_per_symbol(publisher: Publisher, stream: TickStream) -> None:
    stream.subscribe("USDJPY")
    assert publisher.subscription() == b"\x01demo/USDJPY\0"
    for symbol, first_seq in (("EURUSD", 1), ("USDJPY", 100), ("EURUSD", 2), ("USDJPY", 103)):
        publisher.send(symbol, first_seq, 1.0)
    received = [stream.recv(20) for _ in range(4)]
    assert [(tick.symbol, tick.seq) for tick in received] == [
        ("EURUSD", 1),
        ("USDJPY", 100),
        ("EURUSD", 2),
        ("USDJPY", 103),
    ]
    symbols = stream.statistics().symbols
    assert (symbols["demo", "EURUSD"].missed, symbols["demo", "USDJPY"].missed) == (0, 2)
    assert stream.symbols == {"EURUSD", "USDJPY"}


def test_repeated_ticks_are_skipped(publisher: Publisher, stream: TickStream, gaps: list[Gap]) -> None:
    publisher.send("EURUSD", 1, 1.0, 2.0, 3.0)
    publisher.send("EURUSD", 1, 1.0, 2.0)
    publisher.send("EURUSD", 2, 2.0, 3.0, 4.0)
    assert [stream.recv(20).bid for _ in range(4)] == [1.0, 2.0, 3.0, 4.0]
    assert (stream.statistics().repeated, stream.statistics().ticks, gaps) == (4, 4, [])


def test_a_new_epoch_is_told_with_what_was_missed_of_it(
    publisher: Publisher, stream: TickStream, gaps: list[Gap]
) -> None:
    publisher.send("EURUSD", 10, 1.0)
    publisher.send("EURUSD", 1, 2.0, epoch=2)
    publisher.send("EURUSD", 4, 3.0, epoch=3)
    assert [stream.recv(20).bid for _ in range(3)] == [1.0, 2.0, 3.0]
    assert [(gap.new_epoch, gap.missed, gap.epoch) for gap in gaps] == [(True, 0, 2), (True, 3, 3)]
    assert stream.statistics().symbols["demo", "EURUSD"].epochs == 2
    assert (stream.statistics().gaps, stream.statistics().missed) == (1, 3)


def test_the_star_hears_every_symbol_of_the_feed_and_no_other(publisher: Publisher) -> None:
    with TickStream(publisher.endpoint, "*", feed="live") as stream:
        assert publisher.subscription() == b"\x01live/"
        publisher.send("EURUSD", 1, 1.0, feed="live")
        publisher.send("EURUSD", 1, 9.0, feed="demo")
        publisher.send("EURUSD.r", 1, 2.0, feed="live")
        received = [stream.recv(20) for _ in range(2)]
    assert [(tick.symbol, tick.feed, tick.bid) for tick in received] == [
        ("EURUSD", "live", 1.0),
        ("EURUSD.r", "live", 2.0),
    ]


def test_a_symbol_is_not_a_prefix_of_another(publisher: Publisher, stream: TickStream) -> None:
    publisher.send("EURUSD.r", 1, 9.0)
    publisher.send("EURUSD", 1, 1.0)
    assert stream.recv(20).bid == 1.0


def test_unsubscribing_drops_what_is_queued_and_starts_anew(
    publisher: Publisher, stream: TickStream, gaps: list[Gap]
) -> None:
    stream.subscribe("USDJPY")
    publisher.subscription()
    publisher.send("EURUSD", 1, 1.0, 2.0)
    publisher.send("EURUSD", 3, 3.0)
    publisher.send("USDJPY", 1, 5.0)
    assert stream.recv(20).bid == 1.0
    stream.unsubscribe("EURUSD", "NEVER")
    assert stream.recv(20).symbol == "USDJPY"
    assert publisher.subscription() == b"\x00demo/EURUSD\0"
    stream.subscribe("EURUSD")
    publisher.subscription()
    publisher.send("EURUSD", 50, 6.0)
    assert stream.recv(20).seq == 50
    assert gaps == []


def test_unsubscribing_the_star_leaves_the_named_symbols(publisher: Publisher, stream: TickStream) -> None:
    stream.subscribe("*")
    publisher.subscription()
    publisher.send("USDJPY", 1, 5.0)
    assert stream.recv(20).symbol == "USDJPY"
    stream.unsubscribe("*")
    assert publisher.subscription() == b"\x00demo/"
    publisher.send("USDJPY", 2, 5.0)
    publisher.send("EURUSD", 1, 1.0)
    assert stream.recv(20).symbol == "EURUSD"


def test_what_isnt_a_tick_frame_is_counted(publisher: Publisher, stream: TickStream) -> None:
    publisher.socket.send(topic_for("demo", "EURUSD") + b"\xc1")
    publisher.socket.send(topic_for("demo", "EURUSD") + codec.pack([1, 2, [3, 4], 5, b"short"]))
    publisher.send("EURUSD", 1, 1.0)
    assert stream.recv(20).bid == 1.0
    assert stream.statistics().malformed == 2


def test_silence_is_no_reply_and_says_of_what(publisher: Publisher, stream: TickStream) -> None:
    publisher.send("EURUSD", 1, 1.0)
    stream.timeout = 0.02
    next(stream)
    with pytest.raises(NoReply, match=r"no tick of EURUSD \(demo\) within 0\.02 s"):
        next(stream)


def test_no_publisher_is_said_so(folder: str) -> None:
    with TickStream(f"ipc://{folder}/nobody.ipc") as stream:
        with pytest.raises(NoReply, match="no publisher at ipc://"):
            stream.recv(0.02)
        assert not stream.statistics().connected


def test_a_publisher_that_dies_is_noticed_and_found_again(publisher: Publisher, gaps: list[Gap]) -> None:
    states: list[bool] = []
    with TickStream(publisher.endpoint, ["EURUSD"], on_gap=gaps.append, on_connection=states.append) as stream:
        publisher.subscription()
        publisher.send("EURUSD", 1, 1.0)
        assert stream.recv(20).bid == 1.0
        publisher.close()
        while stream.statistics().connected:
            with pytest.raises(NoReply):
                stream.recv(0.05)
        publisher.open()
        reader = threading.Thread(target=lambda: received.append(stream.recv(20)))
        received: list[Any] = []
        reader.start()
        publisher.subscription()
        publisher.send("EURUSD", 1, 2.0, epoch=2)
        reader.join(20)
        assert received[0].bid == 2.0
        assert states == [True, False, True]
        assert (stream.statistics().connections, stream.statistics().connected) == (2, True)
    assert [gap.new_epoch for gap in gaps] == [True]


def test_a_slow_reader_sees_its_own_loss_as_a_gap(publisher: Publisher, folder: str) -> None:
    publisher.close()
    publisher.socket = publisher.context.socket(zmq.XPUB)
    publisher.socket.linger = 0
    publisher.socket.sndhwm = 5
    endpoint = f"ipc://{folder}/slow.ipc"
    publisher.socket.bind(endpoint)
    count = 20_000
    with TickStream(endpoint, ["EURUSD"], queue=5) as stream:
        publisher.subscription()
        for number in range(1, count + 1):
            publisher.send("EURUSD", number, 1.0)
        received = 0
        while stream.statistics().missed == 0:
            try:
                stream.recv(0.05)
                received += 1
            except NoReply:  # what was queued is read; another tick shows how far it went
                count += 1
                publisher.send("EURUSD", count, 1.0)
        assert received < count


def test_stop_ends_the_reading_from_another_thread(stream: TickStream) -> None:
    timer = threading.Timer(0.02, stream.stop)
    timer.start()
    assert list(stream) == []
    timer.join()
    with pytest.raises(Unavailable, match="stopped"):
        stream.recv(1)
    assert list(stream.batches()) == []


def test_stop_inside_the_loop_ends_it_within_a_batch(publisher: Publisher, stream: TickStream) -> None:
    publisher.send("EURUSD", 1, 1.0, 2.0, 3.0)
    received = []
    for tick in stream:
        received.append(tick)
        stream.stop()
    assert len(received) == 1


def test_names_that_cant_be_are_refused(publisher: Publisher) -> None:
    with pytest.raises(LocalProtocolError, match="symbol"):
        TickStream(publisher.endpoint, ["EUR\0USD"])
    with pytest.raises(LocalProtocolError, match="symbol"):
        TickStream(publisher.endpoint, [""])
    with pytest.raises(ConfigError, match="nonsense"):
        TickStream("nonsense", ["EURUSD"])


def test_the_number_of_followed_symbols_is_bounded(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_TOPICS == 65_536
    monkeypatch.setattr("clients.ticks.MAX_TOPICS", 2)
    with TickStream(publisher.endpoint, "*") as stream:
        publisher.subscription()
        for symbol in "ABC":
            publisher.send(symbol, 1, 1.0)
        assert [stream.recv(20).symbol for _ in range(3)] == ["A", "B", "C"]
        assert stream.statistics().forgotten == 1
        assert {symbol for _, symbol in stream.statistics().symbols} == {"B", "C"}
