"""What a peer sends never kills or stalls the broker: it is answered with what is wrong, or counted and dropped."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

from gateway.wire import codec
from gateway.wire.errors import Code, Status


@pytest.fixture
def stranger(gateway: Any) -> Iterator["zmq.Socket[bytes]"]:
    context: zmq.Context[Any] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.RCVTIMEO, 20_000)
    socket.setsockopt(zmq.LINGER, 0)
    socket.connect(gateway.endpoint)
    yield socket
    context.destroy(linger=0)


def hello(socket: "zmq.Socket[bytes]", client_id: str = "stranger") -> int:
    socket.send(codec.encode_request(0, 1, "hello", "", 0, [client_id, {}]))
    return codec.decode_reply(socket.recv()).result["session"]


def still_answers(gateway: Any) -> None:
    with gateway.client() as client:
        assert client.account_info().login


GOOD = codec.encode_request(2**63, 5, "account_info", "", 0, [])
NOT_UNDERSTOOD = {
    "empty": b"",
    "not msgpack": b"\xc1\xc1",
    "text": b"GET / HTTP/1.1\r\n\r\n",
    "truncated": GOOD[:-1],
    "extra bytes": GOOD + b"\x00",
    "wrong version": codec.pack([2, 0, 5, "ping", "", 0, []]),
    "integer out of range": codec.pack([1, -1, 5, "ping", "", 0, []]),
    "wrong types": codec.pack([1, "x", 5, 7, None, 1.5, {}]),
    "deep nesting": b"\x97\x01\x00\x05\xa4ping\xa0\x00" + b"\x91" * 60_000 + b"\xc0",
    "a million elements": b"\x97\x01\x00\x05\xa4ping\xa0\x00\xdd\x00\x0f\x42\x40",
    "10 MB": b"\x97\x01\x00\x05\xa4ping\xa0\x00\xc6\x00\x98\x96\x80" + bytes(10_000_000),
}


@pytest.mark.parametrize("frame", NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD.keys())
def test_what_isnt_understood_gets_a_reply_that_says_so(
    gateway: Any, stranger: "zmq.Socket[bytes]", frame: bytes
) -> None:
    stranger.send(frame)
    reply = codec.decode_reply(stranger.recv())
    assert reply.status == Status.PROTOCOL
    assert reply.result[1]
    still_answers(gateway)


def test_what_is_understood_but_wrong_gets_its_code(gateway: Any, stranger: "zmq.Socket[bytes]") -> None:
    token = hello(stranger)
    for request_id, (session, name, account, args, status, code) in enumerate(
        (
            (token, "rm_rf", "", [], Status.PROTOCOL, Code.UNKNOWN_CALL),
            (token, "account_info", "nobody", [], Status.REFUSED, Code.UNKNOWN_ACCOUNT),
            (token ^ 1, "account_info", "", [], Status.REFUSED, Code.SESSION_FENCED),
            (0, "account_info", "", [], Status.REFUSED, Code.SESSION_FENCED),
            (token, "order_send", "", ["not a map"], Status.PROTOCOL, Code.BAD_ARGUMENTS),
            (token, "symbol_info", "", [5], Status.TERMINAL, Code.CALL_FAILED),
            (token, "copy_rates_from_pos", "", ["EURUSD", "M1", 0.5, []], Status.PROTOCOL, Code.BAD_ARGUMENTS),
            (token, "hello", "", [5], Status.PROTOCOL, Code.BAD_ARGUMENTS),
        ),
        start=10,
    ):
        stranger.send(codec.encode_request(session, request_id, name, account, 0, args))
        reply = codec.decode_reply(stranger.recv())
        assert (reply.request_id, reply.status, reply.result[0]) == (request_id, status, code), (name, reply)
        assert reply.result[1]
    still_answers(gateway)


def test_several_frames_are_counted_and_answered(gateway: Any, stranger: "zmq.Socket[bytes]") -> None:
    stranger.send_multipart([b"one", b"two", b"three"])
    assert codec.decode_reply(stranger.recv()).status == Status.PROTOCOL
    still_answers(gateway)


def test_random_bytes_are_survived(gateway: Any, stranger: "zmq.Socket[bytes]") -> None:
    chance = random.Random(1)
    for _ in range(2_000):
        frame = bytearray(GOOD)
        for _ in range(chance.randrange(1, 6)):
            frame[chance.randrange(len(frame))] = chance.randrange(256)
        stranger.send(bytes(frame))
        stranger.recv()
    still_answers(gateway)


def test_client_that_never_reads_costs_itself(gateway: Any, wait_until: Callable[..., None]) -> None:
    context: zmq.Context[Any] = zmq.Context()
    try:
        sleeper = context.socket(zmq.DEALER)
        sleeper.setsockopt(zmq.RCVHWM, 1)
        sleeper.setsockopt(zmq.RCVTIMEO, 20_000)
        sleeper.connect(gateway.endpoint)
        token = hello(sleeper, "sleeper")
        request = codec.encode_request(token, 2, "symbols_get", "", 0, [])

        def flood() -> bool:
            for _ in range(500):
                try:
                    sleeper.send(request, zmq.DONTWAIT)
                except zmq.Again:
                    return True
            still_answers(gateway)
            with gateway.client() as client:
                return client.stats()["counters"]["undeliverable_to_clients"] > 0

        wait_until(flood, "the sleeper's replies to be dropped")
        still_answers(gateway)
    finally:
        context.destroy(linger=0)
