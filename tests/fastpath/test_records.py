"""The compiled journal records against their reference: the same bytes written, the same records read."""

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import records as reference

fast = pytest.importorskip("fastpath.records", reason="nothing is compiled here")

u64 = st.integers(0, 2**64 - 1)
u32 = st.integers(0, 2**32 - 1)
byte = st.integers(0, 255)
names = st.text(max_size=70)
heads = st.tuples(u64, u64, u64, u32)


@given(byte, heads, st.binary(max_size=300))
def test_any_record_has_the_references_bytes(kind, head, body):
    assert fast.record(kind, *head, body) == reference.record(kind, *head, body)


@given(
    heads,
    st.tuples(st.integers(0, 2**48 - 1), names, names, names, st.booleans(), st.booleans(), st.binary(max_size=300)),
)
def test_an_accepted_order_has_the_references_bytes(head, fields):
    assert fast.accepted_record(*head, *fields) == reference.accepted_record(*head, *fields)


@given(heads, st.tuples(u64, u64, names))
def test_a_sent_order_has_the_references_bytes(head, fields):
    assert fast.sent_record(*head, *fields) == reference.sent_record(*head, *fields)


@given(heads, st.tuples(u64, byte, byte, st.binary(max_size=300)))
def test_a_settled_order_has_the_references_bytes(head, fields):
    assert fast.settled_record(*head, *fields) == reference.settled_record(*head, *fields)


@given(st.binary(max_size=100))
def test_the_checksum_is_zlibs_for_every_length(body):
    record = fast.record(1, 2, 3, 4, 5, body)
    assert int.from_bytes(record[4:8], "little") == crc32(record[8:])


def journal(bodies, first=1):
    return b"".join(reference.encode(2, first + n, 10 * n, 20 * n, 3, body) for n, body in enumerate(bodies))


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(1, 2**40), st.binary(max_size=60))
def test_what_is_sound_is_read_as_the_reference_reads_it(bodies, first, behind):
    data = journal(bodies, first) + behind
    assert fast.read_sound(data, first) == reference.read_sound(data, first)


@given(st.data())
def test_whatever_is_spoilt_is_read_as_the_reference_reads_it(data):
    spoilt = bytearray(journal([b"", b"x" * 30, b"y" * 7]))
    spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(byte)
    del spoilt[data.draw(st.integers(0, len(spoilt))) :]
    first = data.draw(st.integers(0, 3))
    assert fast.read_sound(bytes(spoilt), first) == reference.read_sound(bytes(spoilt), first)
    assert reference.scan(bytes(spoilt), first, fast.read_sound) == reference.scan(bytes(spoilt), first)


def test_a_name_that_is_too_long_is_refused():
    with pytest.raises(OverflowError, match="70000 bytes"):
        fast.accepted_record(1, 2, 3, 4, 5, "x" * 70_000, "id", "demo", False, False, b"")
