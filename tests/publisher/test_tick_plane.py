"""What subscribers ask for goes down to the feeds with its cursor; what the feeds send comes out numbered."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from gateway.accel import BoardReader
from gateway.publisher import LEAVE_NS, MAX_FEEDS, TickPlane
from gateway.wire import codec
from gateway.wire.errors import Code
from gateway.wire.messages import FeedReady, Goodbye, Ticks, Want, topic_for
from gateway.wire.structs import TICK_DTYPE

FEED = b"feed-1"


def ticks(symbol: str, *times_msc: int) -> Ticks:
    records = np.zeros(len(times_msc), TICK_DTYPE)
    records["time_msc"] = times_msc
    return Ticks(symbol, times_msc[-1], 0, records.tobytes())


class Harness:
    """A tick plane with its XPUB, and one subscriber to everything."""

    def __init__(self, context: "zmq.Context[Any]", boards: dict[str, str] | None = None) -> None:
        self.xpub = context.socket(zmq.XPUB)
        self.sub = context.socket(zmq.SUB)
        self.sub.setsockopt(zmq.RCVTIMEO, 5_000)
        self.xpub.setsockopt(zmq.RCVTIMEO, 5_000)
        self.xpub.bind("inproc://ticks")
        self.sub.connect("inproc://ticks")
        self.sub.subscribe(b"")
        assert self.xpub.recv() == b"\x01"
        self.plane = TickPlane(self.xpub, 1_000, boards or {}, logging.getLogger("test"))

    def ready(self, identity: bytes = FEED, epoch: int = 1, symbols: tuple[str, ...] = ()) -> None:
        self.plane.frame(0, identity, codec.encode_feed_ready(FeedReady("demo", epoch, "demo", symbols)))

    def sent(self) -> list[tuple[bytes, int, bytes]]:
        return [(identity, codec.worker_kind(frame), frame) for identity, frame in self.plane.flush()]

    def wants(self) -> list[Want]:
        return [codec.decode_want(frame) for _, kind, frame in self.sent() if kind == 3][-1]


@pytest.fixture
def harness() -> Iterator[Harness]:
    context: zmq.Context[Any] = zmq.Context()
    yield Harness(context)
    context.destroy(linger=0)


def test_ready_feed_is_told_what_to_read(harness: Harness) -> None:
    harness.plane.subscription(0, b"\x01" + topic_for("demo", "EURUSD"))
    harness.ready(symbols=("USDJPY",))
    assert harness.wants() == [Want("EURUSD", 0, 0), Want("USDJPY", 0, 0)]


def test_last_subscriber_leaving_ends_the_want_after_a_while(harness: Harness) -> None:
    harness.ready()
    topic = topic_for("demo", "EURUSD")
    harness.plane.subscription(0, b"\x01" + topic)
    assert harness.wants() == [Want("EURUSD", 0, 0)]
    harness.plane.subscription(0, b"\x00" + topic)
    harness.plane.tick(LEAVE_NS - 1)
    harness.plane.subscription(LEAVE_NS - 1, b"\x01" + topic)
    harness.plane.tick(LEAVE_NS)
    assert harness.sent() == []
    harness.plane.subscription(LEAVE_NS, b"\x00" + topic)
    harness.plane.tick(2 * LEAVE_NS)
    assert harness.wants() == []


def test_symbol_wanted_anew_begins_at_the_present_and_shows_the_gap(harness: Harness) -> None:
    harness.ready()
    topic = topic_for("demo", "EURUSD")
    harness.plane.subscription(0, b"\x01" + topic)
    harness.plane.frame(0, FEED, codec.encode_feed_ticks(ticks("EURUSD", 5_000)))
    harness.plane.subscription(0, b"\x00" + topic)
    harness.plane.tick(LEAVE_NS)
    harness.sent()
    harness.plane.subscription(LEAVE_NS, b"\x01" + topic)
    assert harness.wants() == [Want("EURUSD", 0, 0)]
    harness.plane.frame(LEAVE_NS, FEED, codec.encode_feed_ticks(ticks("EURUSD", 9_000)))
    assert [codec.decode_ticks(harness.sub.recv()).first_seq for _ in range(2)] == [1, 3]


def test_prefix_asks_for_nothing(harness: Harness) -> None:
    harness.ready()
    harness.sent()
    for prefix in (b"", b"demo", b"demo/", b"demo/EUR"):
        harness.plane.subscription(0, b"\x01" + prefix)
    assert harness.sent() == []


def test_ticks_are_numbered_and_restarted_feed_gets_its_cursor(harness: Harness) -> None:
    harness.ready(symbols=("EURUSD",))
    harness.plane.frame(0, FEED, codec.encode_feed_ticks(ticks("EURUSD", 5_000, 5_001)))
    harness.plane.frame(0, FEED, codec.encode_feed_ticks(ticks("EURUSD", 6_000)))
    first, second = (codec.decode_ticks(harness.sub.recv()) for _ in range(2))
    assert (first.topic, first.epoch, first.first_seq) == (b"demo/EURUSD\0", 1_000, 1)
    assert (second.first_seq, second.cursor_msc) == (3, 6_000)
    harness.sent()
    harness.ready(b"feed-2", epoch=2, symbols=("EURUSD",))
    assert harness.wants() == [Want("EURUSD", 6_000, 0)]


def test_older_epoch_of_a_feed_is_rejected(harness: Harness) -> None:
    harness.ready(b"feed-2", epoch=2)
    harness.sent()
    harness.ready(b"feed-1", epoch=1)
    (identity, kind, frame) = harness.sent()[0]
    assert (identity, kind) == (b"feed-1", 10)
    assert "replaced" in codec.decode_reject(frame)[1]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1\xc1\xc1",
        codec.pack([1, 4, "EURUSD", [0, 0], b"x" * 59]),
        codec.pack([1, 99, 0]),
        codec.pack([2, 4, "EURUSD", [0, 0], b"x" * 60]),
        codec.encode_feed_ticks(ticks("EURUSD", 1))[:-1],
        None,
    ],
)
def test_bad_frame_is_rejected_and_counted(harness: Harness, frame: bytes | None) -> None:
    harness.ready()
    harness.sent()
    harness.plane.frame(0, FEED, frame)
    assert [kind for _, kind, _ in harness.sent()] == [10]
    assert harness.plane.malformed == 1


def test_stranger_must_say_ready_first(harness: Harness) -> None:
    harness.plane.frame(0, b"stranger", codec.encode_feed_ticks(ticks("EURUSD", 1)))
    code, message = codec.decode_reject(harness.sent()[0][2])
    assert (code, message) == (Code.MALFORMED, "READY must come first")


def test_goodbye_ends_a_feeds_turn(harness: Harness) -> None:
    harness.ready()
    harness.plane.frame(0, FEED, codec.encode_goodbye(Goodbye("demo", 1, "drained")))
    harness.sent()
    harness.plane.subscription(0, b"\x01" + topic_for("demo", "EURUSD"))
    assert harness.sent() == []


def test_heartbeat_is_answered(harness: Harness) -> None:
    harness.ready()
    harness.sent()
    harness.plane.frame(0, FEED, codec.encode_heartbeat("demo", 1, 5))
    assert [kind for _, kind, _ in harness.sent()] == [2]


def test_many_subscriptions_make_one_want(harness: Harness) -> None:
    harness.ready()
    harness.sent()
    for number in range(1_000):
        harness.plane.subscription(0, b"\x01" + topic_for("demo", f"S{number}"))
    ((_, kind, frame),) = harness.sent()
    assert kind == 3
    assert len(codec.decode_want(frame)) == 1_000
    assert harness.sent() == []


def test_want_that_could_not_be_sent_is_told_again(harness: Harness) -> None:
    harness.ready()
    harness.sent()
    harness.plane.subscription(0, b"\x01" + topic_for("demo", "EURUSD"))
    harness.sent()
    harness.plane.undeliverable(FEED)
    assert harness.wants() == [Want("EURUSD", 0, 0)]


def test_feeds_names_are_bounded(harness: Harness) -> None:
    for number in range(MAX_FEEDS + 5):
        harness.plane.subscription(0, b"\x01" + topic_for(f"f{number}", "EURUSD"))
    assert harness.plane.refused_wants == 5
    harness.plane.subscription(0, b"\x01" + topic_for("f1", "X" * 65))
    assert harness.plane.malformed == 1


def test_tick_behind_the_last_unsubscription_does_not_revive_the_quote(tmp_path: Path) -> None:
    if BoardReader is None:
        pytest.skip("nothing is compiled here: there is no quote board")
    context: zmq.Context[Any] = zmq.Context()
    try:
        harness = Harness(context, {"demo": str(tmp_path / "board")})
        reader = BoardReader(str(tmp_path / "board"))
        harness.ready()
        topic = topic_for("demo", "EURUSD")
        harness.plane.subscription(0, b"\x01" + topic)
        harness.plane.frame(0, FEED, codec.encode_feed_ticks(ticks("EURUSD", 5_000)))
        assert reader.tick("EURUSD") is not None
        harness.plane.subscription(0, b"\x00" + topic)
        harness.plane.tick(LEAVE_NS)
        harness.plane.frame(LEAVE_NS, FEED, codec.encode_feed_ticks(ticks("EURUSD", 5_001)))
        assert reader.tick("EURUSD") is None
        harness.plane.close()
    finally:
        context.destroy(linger=0)
