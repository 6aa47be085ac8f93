"""The compiled msgpack: the same bytes and the same refusals as the reference codec's."""

import math
import struct
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.wire import codec as reference
from gateway.wire.errors import Code, LocalProtocolError, RemoteProtocolError
from gateway.wire.messages import MAX_DEPTH
from gateway.wire.structs import Tick

fast = pytest.importorskip("fastpath.msgpack", reason="nothing is compiled here")

Outcome = Callable[..., tuple[Any, ...]]

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=300)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=18)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=9), inner, max_size=18)
    ),
    max_leaves=25,
)


class Side(IntEnum):
    BUY = 0
    FAR = 70_000


class Name(StrEnum):
    EURO = "EURUSD"


def nested(depth: int) -> Any:
    value: Any = 0
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


def borders() -> list[int]:
    powers = [2**n for n in (0, 4, 5, 7, 8, 15, 16, 29, 30, 31, 32, 59, 60, 61, 62, 63)]
    around = {sign * power + off for power in powers for sign in (1, -1) for off in (-2, -1, 0, 1, 2)}
    return sorted(n for n in around | {2**64 - 1} if -(2**63) <= n < 2**64)


@given(values)
def test_encodes_as_the_reference(value: Any) -> None:
    assert fast.pack(value) == reference.pack(value)


@pytest.mark.parametrize("number", borders())
def test_integers_at_every_border_of_their_encodings(number: int) -> None:
    encoded = fast.pack(number)
    assert encoded == reference.pack(number)
    assert fast.unpack(encoded) == number


@pytest.mark.parametrize(
    "size", [0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 255, 256, 1_020, 1_100, 65_535, 65_536, 200_000]
)
def test_lengths_at_every_border_of_their_encodings(size: int) -> None:
    for value in ("x" * size, "é" * size, bytes(size), [None] * size, dict.fromkeys(map(str, range(size)))):
        encoded = fast.pack(value)
        assert encoded == reference.pack(value)
        assert fast.unpack(encoded) == value


def test_subclasses_travel_as_what_they_are() -> None:
    ordered = OrderedDict(a=1, b=2)
    ordered.move_to_end("a")
    for value in (
        Side.BUY,
        Side.FAR,
        Name.EURO,
        {Name.EURO: Side.FAR},
        Tick([1, 1.5, 2.5, 0.0, 3, 4, 5, 6.0]),
        ordered,
        defaultdict(int, a=1),
        np.float64(1.5),
        np.str_("EURUSD"),
        bytearray(b"abc"),
        memoryview(b"abcdef")[2:4],
        memoryview(np.arange(4)),
    ):
        assert fast.pack(value) == reference.pack(value)


@pytest.mark.parametrize(
    "value",
    [object(), 2**64, 2**200, -(2**63) - 1, -(2**200), {1, 2}, "\ud800", 1j, np.int64(1), np.bool_(True), range(3)],
)
def test_what_cant_travel_is_refused_as_by_the_reference(value: object, outcome: Outcome) -> None:
    for wrapped in (value, [value], {"k": value}, (1, value)):
        assert outcome(fast.pack, wrapped) == outcome(reference.pack, wrapped)
        with pytest.raises(LocalProtocolError, match="can't be sent"):
            fast.pack(wrapped)


@pytest.mark.parametrize("value", [{1: 2}, {b"k": 1}, {None: 1}, nested(MAX_DEPTH + 1)])
def test_what_every_peer_would_refuse_is_not_sent(value: object) -> None:
    with pytest.raises(LocalProtocolError, match="can't be sent"):
        fast.pack(value)
    with pytest.raises(RemoteProtocolError):
        reference.unpack(reference.pack(value))


def test_a_value_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(LocalProtocolError, match="16 containers"):
        fast.pack(endless)


def test_a_value_that_changes_while_it_is_written_is_refused() -> None:
    class Meddler(dict[str, int]):
        def items(self) -> Any:
            outer.clear()
            return super().items()

    outer: Any = [Meddler(a=1), 2, 3]
    with pytest.raises(LocalProtocolError, match="changed"):
        fast.pack(outer)
    outer = {"a": Meddler(a=1), "b": 2}
    with pytest.raises(LocalProtocolError, match="changed"):
        fast.pack(outer)


@given(values)
def test_decodes_as_the_reference(value: Any) -> None:
    encoded = reference.pack(value)
    assert repr(fast.unpack(encoded)) == repr(reference.unpack(encoded))
    assert fast.is_well_formed(encoded)


@given(st.binary(max_size=60))
@example(b"\xc1")
@example(b"\xd6\xff\x00\x00\x00\x00")
@example(b"\xc7\x0c\xff" + bytes(12))
@example(b"\x81\x01\x02")
@example(b"\x81\xc4\x01k\x02")
@example(b"\x81\x90\x02")
@example(b"\xa2\xc0\x80")
@example(b"\xa3\xed\xa0\x80")
@example(b"\xa4\xf4\x90\x80\x80")
@example(b"\xa3\xe2\x82")
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\xdf\xff\xff\xff\xff")
@example(b"\xdb\xff\xff\xff\xff")
@example(b"\xc6\xff\xff\xff\xff\x00")
@example(b"")
def test_any_bytes_are_judged_as_by_the_reference(data: bytes) -> None:
    assert_same_judgement(data)


@given(values, st.data())
def test_mutated_bytes_are_judged_as_by_the_reference(value: Any, data: st.DataObject) -> None:
    encoded = bytearray(reference.pack(value))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    assert_same_judgement(bytes(encoded))


def assert_same_judgement(data: bytes) -> None:
    try:
        expected = repr(reference.unpack(data))
    except RemoteProtocolError:
        assert not fast.is_well_formed(data)
        with pytest.raises(RemoteProtocolError) as caught:
            fast.unpack(data)
        assert caught.value.code == Code.MALFORMED
    else:
        assert repr(fast.unpack(data)) == expected
        assert fast.is_well_formed(data)


@given(st.text(min_size=1, max_size=12), st.data())
def test_text_that_was_damaged_is_refused_where_python_refuses_it(text: str, data: st.DataObject) -> None:
    damaged = bytearray(text.encode())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        expected = damaged.decode()
    except UnicodeDecodeError:
        expected = None
    assert fast.is_well_formed(b"\xd9" + bytes([len(damaged)]) + damaged) == (expected is not None)


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1])
@pytest.mark.parametrize("innermost", [b"\x01", b"\x90", b"\x80"])
def test_depth_counts_containers_empty_ones_too(depth: int, innermost: bytes) -> None:
    assert_same_judgement(b"\x91" * (depth - (innermost != b"\x01")) + innermost)
    assert_same_judgement(b"\x81\xa0" * (depth - (innermost != b"\x01")) + innermost)


@given(values)
def test_every_truncation_and_every_trailing_byte_is_refused(value: Any) -> None:
    encoded = reference.pack(value)
    for end in range(min(len(encoded), 200)):
        assert not fast.is_well_formed(encoded[:end])
    assert not fast.is_well_formed(encoded + b"\xc0")
    with pytest.raises(RemoteProtocolError, match="1 bytes behind the end"):
        fast.unpack(encoded + b"\xc0")


def test_a_count_larger_than_the_frame_asks_for_no_memory() -> None:
    bomb = (b"\xdd\x00\x00\xff\xff" * (MAX_DEPTH - 1) + b"\xdd\x00\x01\x00\x00").ljust(65_600, b"\xc0")
    with pytest.raises(RemoteProtocolError, match="ends inside"):
        fast.unpack(bomb)


def test_of_a_key_that_comes_twice_the_last_value_counts() -> None:
    assert fast.unpack(b"\x82\xa1a\x01\xa1a\x02") == reference.unpack(b"\x82\xa1a\x01\xa1a\x02") == {"a": 2}


def test_buffers_of_every_kind_are_decoded() -> None:
    encoded = fast.pack({"a": [1, 2.5]})
    for data in (encoded, bytearray(encoded), memoryview(encoded), np.frombuffer(encoded, np.uint8)):
        assert fast.unpack(data) == {"a": [1, 2.5]}


def test_floats_keep_every_bit() -> None:
    for number in (0.1, -0.0, 5e-324, math.inf, -math.inf, 1.7976931348623157e308):
        assert struct.pack("<d", fast.unpack(fast.pack(number))) == struct.pack("<d", number)
    assert math.isnan(fast.unpack(fast.pack(math.nan)))
    assert fast.unpack(b"\xca" + struct.pack(">f", 1.5)) == 1.5


@given(st.lists(st.text(max_size=70), min_size=300, max_size=320))
def test_keys_are_the_right_ones_however_many_share_a_slot(keys: list[str]) -> None:
    value = dict.fromkeys(keys, 1)
    assert fast.unpack(reference.pack(value)) == value
    assert fast.unpack(reference.pack(value)) == value


def test_keys_come_back_as_the_same_object() -> None:
    encoded = fast.pack({"trade_contract_size": 1})
    first, second = (next(iter(fast.unpack(encoded))) for _ in range(2))
    assert first is second


def test_own_errors_serve_until_others_are_registered() -> None:
    fast.set_errors(fast.EncodeError, fast.DecodeError)
    with pytest.raises(fast.EncodeError) as local:
        fast.pack(object())
    with pytest.raises(fast.DecodeError) as remote:
        fast.unpack(b"")
    assert (local.value.code, remote.value.code) == (Code.BAD_ARGUMENTS, Code.MALFORMED)
    assert isinstance(local.value, ValueError)
    assert remote.value.detail == {}
