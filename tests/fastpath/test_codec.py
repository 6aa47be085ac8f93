"""The compiled codec against the reference: the same bytes out, the same frames in, the same refusals and codes."""

from collections.abc import Callable
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import codec as reference
from gateway.wire.errors import Code, LocalProtocolError, RemoteProtocolError, Status
from gateway.wire.messages import Reply, Request, Return, TickBatch, topic_for

fast = pytest.importorskip("fastpath.codec", reason="nothing is compiled here")

Outcome = Callable[..., tuple[Any, ...]]

DECODERS = (
    "decode_request",
    "decode_reply",
    "decode_return",
    "decode_begun",
    "decode_ticks",
    "trade_outcome",
    "worker_kind",
    "unpack",
)

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
names = st.sampled_from(["order_send", "symbol_info_tick", "demo", ""]) | st.text(max_size=70)
unsigned = st.integers(0, 2**64 - 1)
requests = st.tuples(
    unsigned,
    unsigned,
    names,
    names,
    st.integers(0, 86_400_001),
    st.lists(values, max_size=4) | st.lists(values, max_size=4).map(tuple),
    st.none() | st.dictionaries(st.text(max_size=8), values, max_size=4),
)
replies = st.tuples(
    unsigned,
    st.integers(0, 256) | names,
    values.map(reference.pack),
    st.none() | st.tuples(*[unsigned] * 6),
)
returns = st.tuples(unsigned, unsigned, st.integers(0, 5), unsigned, unsigned, values.map(reference.pack))
ticks = st.tuples(
    st.sampled_from([topic_for("demo", "EURUSD"), b"\0", b"", b"a\0b\0"]),
    unsigned,
    unsigned,
    st.integers(-1, 2**63),
    st.integers(-1, 2**63),
    unsigned,
    st.integers(0, 121).map(bytes) | st.just(bytes(60_000)),
)
frames = (
    requests.map(lambda fields: reference.encode_request(*fields))
    | replies.map(lambda fields: reference.encode_reply(*fields))
    | returns.map(lambda fields: reference.encode_return(*fields))
    | ticks.map(lambda fields: reference.encode_ticks(*fields))
    | st.tuples(unsigned, unsigned).map(lambda fields: reference.encode_begun(*fields))
    | st.lists(scalars | values, max_size=11).map(lambda fields: reference.pack([1, *fields]))
    | values.map(reference.pack)
)


def assert_same_judgement(outcome: Outcome, frame: bytes) -> None:
    for name in DECODERS:
        assert outcome(getattr(fast, name), frame) == outcome(getattr(reference, name), frame), name


@given(requests)
def test_requests_are_encoded_as_by_the_reference(request: tuple[Any, ...]) -> None:
    assert fast.encode_request(*request) == reference.encode_request(*request)


@given(replies)
def test_replies_are_encoded_as_by_the_reference(reply: tuple[Any, ...]) -> None:
    assert fast.encode_reply(*reply) == reference.encode_reply(*reply)


@given(st.tuples(unsigned, unsigned, names, unsigned, st.binary(max_size=2_000), st.booleans()))
def test_calls_are_encoded_as_by_the_reference(call: tuple[Any, ...]) -> None:
    assert fast.encode_call(*call) == reference.encode_call(*call)


@given(ticks)
def test_ticks_are_encoded_as_by_the_reference(batch: tuple[Any, ...]) -> None:
    assert fast.encode_ticks(*batch) == reference.encode_ticks(*batch)


@given(st.sampled_from(Code), st.text(max_size=300), st.none() | st.dictionaries(st.text(max_size=5), values))
def test_errors_are_encoded_as_by_the_reference(code: Code, message: str, detail: dict[str, Any] | None) -> None:
    assert fast.encode_error(code, message, detail) == reference.encode_error(code, message, detail)


def test_enumerations_and_keywords_are_taken() -> None:
    class Kind(IntEnum):
        FAR = 2**40

    encoded = fast.encode_reply(request_id=Kind.FAR, status=Status.REFUSED, result=b"\xc0", stamps=None)
    assert encoded == reference.encode_reply(Kind.FAR, Status.REFUSED, b"\xc0", None)
    encoded = fast.encode_request(
        session=1, request_id=2, name="ping", account="", ttl_ms=0, args=iter([1]), kwargs={"a": 1}
    )
    assert encoded == reference.encode_request(1, 2, "ping", "", 0, [1], {"a": 1})


@pytest.mark.parametrize("value", [object(), 2**64, -(2**63) - 1, "\ud800"])
def test_what_cant_travel_is_refused_in_every_field(value: object) -> None:
    for encode in (
        lambda: fast.encode_request(1, 1, "x", "", 0, [value]),
        lambda: fast.encode_request(value, 1, "x", "", 0, []),
        lambda: fast.encode_request(1, 1, "x", "", 0, [], {"k": value}),
        lambda: fast.encode_reply(value, 0, b"\xc0", None),
        lambda: fast.encode_error(100, "x", {"k": value}),
        lambda: fast.encode_call(1, 1, value, 0, b"\x90", False),
        lambda: fast.encode_ticks(b"t\0", value, 1, 1, 0, 1, bytes(60)),
    ):
        with pytest.raises(LocalProtocolError, match="can't be sent"):
            encode()


@given(frames)
def test_frames_are_decoded_as_by_the_reference(outcome: Outcome, frame: bytes) -> None:
    assert_same_judgement(outcome, frame)


@given(frames, st.binary(min_size=1, max_size=8))
def test_frames_with_bytes_behind_them_are_judged_as_by_the_reference(
    outcome: Outcome, frame: bytes, extra: bytes
) -> None:
    assert_same_judgement(outcome, frame + extra)


@given(frames, st.data())
def test_mutated_frames_are_judged_as_by_the_reference(outcome: Outcome, frame: bytes, data: st.DataObject) -> None:
    mutated = bytearray(frame)
    for _ in range(data.draw(st.integers(1, 3))):
        mutated[data.draw(st.integers(0, min(len(mutated), 40) - 1))] = data.draw(st.integers(0, 255))
    assert_same_judgement(outcome, bytes(mutated))


@given(st.binary(max_size=80))
def test_any_bytes_are_judged_as_by_the_reference(outcome: Outcome, frame: bytes) -> None:
    assert_same_judgement(outcome, frame)
    assert_same_judgement(outcome, b"\x97\x01" + frame)


WHOLE = {
    "decode_request": reference.encode_request(
        2**63 + 1, 77, "order_send", "demo", 15_000, [{"volume": 0.1}], {"a": 1}
    ),
    "decode_reply": reference.encode_reply(77, 0, reference.pack([10009, 1.5, "é"]), (1, 2, 3, 4, 5, 6)),
    "decode_return": reference.encode_return(3, 4, 0, 10, 2**40, reference.pack({"a": [1, None]})),
    "decode_begun": reference.encode_begun(3, 4),
    "decode_ticks": reference.encode_ticks(topic_for("demo", "EURUSD"), 9, 1, 1_700_000_000_000, 0, 5, bytes(120)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_frames_cut_anywhere_are_judged_as_by_the_reference(outcome: Outcome, name: str) -> None:
    frame = WHOLE[name]
    for end in range(len(frame) + 1):
        judged = outcome(getattr(fast, name), frame[:end])
        assert judged == outcome(getattr(reference, name), frame[:end])
        assert (judged[0] == "accepted") == (end == len(frame))


def test_results_are_plain_tuples_equal_to_the_named_ones() -> None:
    named = {"decode_request": Request, "decode_reply": Reply, "decode_return": Return, "decode_ticks": TickBatch}
    for name, frame in WHOLE.items():
        decoded = getattr(fast, name)(frame)
        assert type(decoded) is tuple
        assert decoded == getattr(reference, name)(frame)
        if name in named:
            assert named[name](*decoded) == decoded


@given(requests)
def test_arguments_are_decoded_as_by_the_reference(outcome: Outcome, request: tuple[Any, ...]) -> None:
    args, kwargs = request[5:]
    tail = reference.pack(list(args)) + (reference.pack(kwargs) if kwargs else b"")
    for has_kwargs in (False, True):
        for given_tail in (tail, tail[:-1], tail + b"\x01"):
            assert outcome(fast.decode_arguments, given_tail, has_kwargs) == outcome(
                reference.decode_arguments, given_tail, has_kwargs
            )


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ([1, 5, 77, "ping", "", -1, []], {"request_id": 77}),
        ([1, 5, 77, 1, "", 0, []], {"request_id": 77}),
        ([1, 5, 77, "p" * 65, "", 0, []], {"request_id": 77}),
        ([1, 5, 77, "ping", "", 0, {}], {"request_id": 77}),
        ([1, 5, 77, "ping", "", 0, [], []], {"request_id": 77}),
        ([1, 5, 0, "ping", "", 0, []], {}),
        ([1, -5, 77, "ping", "", 0, []], {}),
        ([1, 5, 77], {}),
    ],
)
def test_refused_request_tells_its_id_where_it_could_be_read(fields: list[Any], detail: dict[str, int]) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        fast.decode_request(reference.pack(fields))
    assert caught.value.detail == detail
    assert caught.value.code == Code.MALFORMED
    assert "expected" in caught.value.message
    assert "got" in caught.value.message


@pytest.mark.parametrize("version", [2, 0, -1, 2**63, True, 1.0, None, "1", [1]])
def test_another_version_is_named_if_the_frame_is_sound(version: object) -> None:
    frame = reference.pack([version, 5, 77, "ping", "", 0, []])
    with pytest.raises(RemoteProtocolError, match="version: expected 1, got") as caught:
        fast.decode_request(frame)
    assert caught.value.code == Code.UNSUPPORTED_VERSION
    with pytest.raises(RemoteProtocolError) as caught:
        fast.decode_request(frame[:-1] + b"\xc1")
    assert caught.value.code == Code.MALFORMED


def test_longer_forms_of_integers_are_accepted(outcome: Outcome) -> None:
    frame = (
        b"\xdc\x00\x07\xcc\x01\xcf"
        + bytes(7)
        + b"\x05\xd3"
        + bytes(7)
        + b"\x09\xd9\x04ping\xda\x00\x00\xcd\x00\x00\xdd"
        + bytes(4)
    )
    assert fast.decode_request(frame)[:5] == (5, 9, "ping", "", 0)
    assert_same_judgement(outcome, frame)


def test_names_come_back_as_the_same_object() -> None:
    first, second = (fast.decode_request(WHOLE["decode_request"]) for _ in range(2))
    assert first[2] is second[2]
    assert first[3] is second[3]


@given(st.lists(st.text(max_size=64).filter(lambda text: len(text.encode()) <= 64), min_size=280, max_size=300))
def test_names_are_the_right_ones_however_many_share_a_slot(texts: list[str]) -> None:
    for text in texts:
        assert fast.decode_request(reference.encode_request(1, 1, text, text[::-1], 0, []))[2:4] == (text, text[::-1])


def test_other_than_bytes_are_the_callers_mistake() -> None:
    for name in (*DECODERS[:-1], "decode_arguments"):
        arguments = (True,) if name == "decode_arguments" else ()
        for wrong in (None, "text", bytearray(b"x")):
            with pytest.raises(TypeError):
                getattr(fast, name)(wrong, *arguments)
