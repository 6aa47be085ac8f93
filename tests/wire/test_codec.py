"""The reference codec: what it accepts, what it refuses, and that every refusal is the one error promised."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import codec
from gateway.wire.errors import Code, LocalProtocolError, RemoteProtocolError

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
names = st.text(max_size=16)
requests = st.tuples(
    st.integers(0, 2**64 - 1),
    st.integers(1, 2**64 - 1),
    names,
    names,
    st.integers(0, 86_400_000),
    st.lists(values, max_size=4),
    st.dictionaries(st.text(max_size=8), values, max_size=4),
)
DECODERS = (
    codec.decode_request,
    codec.decode_reply,
    codec.decode_ready,
    codec.decode_call,
    codec.decode_return,
    codec.decode_begun,
    codec.decode_goodbye,
    codec.decode_heartbeat,
    codec.decode_welcome,
    codec.decode_reject,
    codec.decode_feed_ready,
    codec.decode_feed_ticks,
    codec.decode_want,
    codec.decode_no_symbol,
    codec.decode_ticks,
    codec.unpack,
    codec.worker_kind,
)


def refusal_or_none(decode: Callable[[bytes], object], frame: bytes) -> RemoteProtocolError | None:
    """Any other exception passes through, and fails the test."""
    try:
        decode(frame)
    except RemoteProtocolError as error:
        return error
    return None


@given(values)
def test_values_travel_unchanged(value: object) -> None:
    assert codec.unpack(codec.pack(value)) == value


@given(requests)
def test_request_arguments_pass_through_undecoded(request: tuple) -> None:
    session, request_id, name, account, ttl_ms, args, kwargs = request
    decoded = codec.decode_request(codec.encode_request(*request))
    assert decoded[:5] == (session, request_id, name, account, ttl_ms)
    assert codec.decode_arguments(decoded.tail, decoded.has_kwargs) == (args, kwargs)
    call = codec.decode_call(codec.encode_call(1, 2, name, ttl_ms, decoded.tail, decoded.has_kwargs))
    assert call == (1, 2, name, ttl_ms, args, kwargs)


@given(requests, st.data())
def test_truncated_request_is_refused(request: tuple, data: st.DataObject) -> None:
    frame = codec.encode_request(*request)
    end = data.draw(st.integers(0, len(frame) - 1))
    with pytest.raises(RemoteProtocolError):
        codec.decode_request(frame[:end])


@given(requests, st.binary(min_size=1, max_size=8))
def test_trailing_bytes_are_refused(request: tuple, extra: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="behind the end"):
        codec.decode_request(codec.encode_request(*request) + extra)


@given(st.binary(max_size=80))
def test_no_bytes_raise_anything_but_a_protocol_error(frame: bytes) -> None:
    for decode in DECODERS:
        refusal_or_none(decode, frame)


@given(values)
def test_well_formed_messages_of_another_shape_raise_a_protocol_error(value: object) -> None:
    for frame in (codec.pack(value), codec.pack([1, value]), codec.pack([1, 1, value, value, value, value])):
        for decode in DECODERS[:-2]:
            refusal_or_none(decode, frame)


def test_refused_request_tells_its_id_where_it_could_be_read() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        codec.decode_request(codec.pack([1, 5, 77, "ping", "", -1, []]))
    assert caught.value.detail == {"request_id": 77}
    assert "ttl_ms" in caught.value.message


def test_another_version_is_named() -> None:
    with pytest.raises(RemoteProtocolError, match=r"expected 1, got 2") as caught:
        codec.decode_request(codec.pack([2, 5, 77, "ping", "", 0, []]))
    assert caught.value.code == Code.UNSUPPORTED_VERSION


def test_longer_forms_of_integers_are_accepted() -> None:
    frame = (
        b"\xdc\x00\x07\xcc\x01\xcf"
        + bytes(7)
        + b"\x05\xd3"
        + bytes(7)
        + b"\x09\xd9\x04ping\xda\x00\x00\xcd\x00\x00\xdd"
        + bytes(4)
    )
    assert codec.decode_request(frame)[:5] == (5, 9, "ping", "", 0)


@pytest.mark.parametrize("value", [object(), 2**64, -(2**63) - 1, {1, 2}, [object()], "\ud800"])
def test_what_cant_travel_is_refused_before_it_is_sent(value: object) -> None:
    with pytest.raises(LocalProtocolError, match="can't be sent"):
        codec.encode_request(1, 1, "x", "", 0, [value])


def test_reply_keeps_the_result_and_the_stamps() -> None:
    frame = codec.encode_reply(9, 0, codec.pack([1, "x"]), (1, 2, 3, 4, 5, 6))
    assert codec.decode_reply(frame) == (9, 0, [1, "x"], (1, 2, 3, 4, 5, 6))


def test_notice_has_a_text_for_its_status_and_no_request() -> None:
    assert codec.decode_reply(codec.encode_reply(0, "fenced", codec.pack({}), None)).status == "fenced"
    with pytest.raises(RemoteProtocolError):
        codec.decode_reply(codec.encode_reply(5, "fenced", codec.pack({}), None))


def test_kind_of_a_worker_message() -> None:
    assert codec.worker_kind(codec.encode_begun(3, 4)) == 5
    with pytest.raises(RemoteProtocolError) as caught:
        codec.worker_kind(b"\x93\x02\x01\x00")
    assert caught.value.code == Code.UNSUPPORTED_VERSION
