"""The journal's records: read back as they were written, and every damage told from an end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import records
from gateway.core.records import Kind, encode, scan

BODIES = [b"", b"x", b"\0" * 40, bytes(range(256))]


def written(first=1, bodies=BODIES):
    return [encode(Kind.ACCEPTED, first + index, 10 + index, 20 + index, 3, body) for index, body in enumerate(bodies)]


def test_records_come_back_in_order():
    found, end, problem = scan(b"".join(written()), 1)

    assert [record[4] for record in found] == BODIES
    assert [record[:4] for record in found] == [(1 + n, 10 + n, 3, int(Kind.ACCEPTED)) for n in range(4)]
    assert (end, problem) == (sum(map(len, written())), "")


def test_allocated_room_behind_the_last_record_is_no_damage():
    data = b"".join(written())
    assert scan(data + bytes(1_000), 1)[1:] == (len(data), "")


@pytest.mark.parametrize("missing", range(1, 60))
def test_a_record_cut_short_is_torn(missing):
    whole = b"".join(written()[:3])
    data = b"".join(written())[:-missing]
    if len(data) < len(whole):
        whole = b"".join(written()[:2])
    found, end, problem = scan(data + bytes(500), 1)
    assert end <= len(data)
    assert problem == "torn" or data == whole
    assert found == scan(b"".join(written()), 1)[0][: len(found)]


@given(st.data())
def test_a_flipped_bit_before_a_sound_record_is_damage(data):
    pieces = written()
    place = data.draw(st.integers(0, sum(map(len, pieces[:-1])) - 1))
    spoilt = bytearray(b"".join(pieces))
    spoilt[place] ^= 1 << data.draw(st.integers(0, 7))

    found, end, problem = scan(bytes(spoilt), 1)

    assert end <= place
    assert len(found) < len(BODIES)
    assert "is damaged" in problem or problem == "torn"
    if end + len(pieces[len(found)]) <= sum(map(len, pieces[:-1])):
        assert "is damaged" in problem


def test_a_sequence_that_jumps_is_damage():
    data = encode(Kind.SENT, 1, 0, 0, 1, b"") + encode(Kind.SENT, 3, 0, 0, 1, b"")
    assert scan(data, 1)[2] == "expected record 2 at byte 40, found 3"


def waiting_for_the_disk(durable):
    """A journal that waits for the disk: START, three records, and a mark that says how far the disk is, if it does."""
    start = encode(Kind.START, 1, 0, 0, 3, records.start_body(bytes(16), 0, True))
    mark = [encode(Kind.DURABLE, 5, 0, 0, 3, records.durable_body(durable))] if durable else []
    return [start, *written(2, BODIES[:3]), *mark]


def with_hole(pieces, number):
    return b"".join(pieces[: number - 1]) + bytes(len(pieces[number - 1])) + b"".join(pieces[number:])


@pytest.mark.parametrize("durable", [0, 2])
def test_a_hole_in_what_was_never_durable_is_an_end(durable):
    pieces = waiting_for_the_disk(durable)
    found, end, problem = scan(with_hole(pieces, 3) + bytes(500), 1)
    assert (len(found), end, problem) == (2, len(pieces[0] + pieces[1]), "torn")


@pytest.mark.parametrize("durable", [3, 4])
def test_a_hole_in_what_was_durable_is_damage(durable):
    problem = scan(with_hole(waiting_for_the_disk(durable), 3) + bytes(500), 1)[2]
    assert "record 3 at byte" in problem
    assert "record 4 behind it is sound" in problem


def test_a_hole_where_nothing_waits_for_the_disk_is_damage():
    assert "record 2 at byte 40 is damaged, and record 3" in scan(with_hole(written(), 2), 1)[2]


def test_a_lost_start_of_a_segment_is_an_end_where_marks_say_that_it_was_never_durable():
    assert scan(with_hole(waiting_for_the_disk(0), 1), 1)[2].startswith("record 1 at byte 0 is damaged")
    first = encode(Kind.START, 10, 0, 0, 3, records.start_body(bytes(16), 0, True))
    mark = encode(Kind.DURABLE, 11, 0, 0, 3, records.durable_body(9))
    assert scan(bytes(len(first)) + mark, 10) == ([], 0, "torn")


@given(st.binary(max_size=400))
def test_no_bytes_raise(data):
    scan(data, 1)


@given(
    st.integers(0, 2**48 - 1),
    st.text(max_size=20),
    st.text(max_size=20),
    st.text(max_size=20),
    st.booleans(),
    st.booleans(),
    st.binary(max_size=50),
)
def test_an_accepted_order_comes_back(born_ms, client, order_id, account, is_exit, has_kwargs, tail):
    names = [text.encode(errors="ignore") for text in (client, order_id, account)]
    body = records.accepted_body(born_ms, *names, is_exit, has_kwargs, tail)
    told = records.read_accepted(body)
    assert told == (born_ms, *[name.decode() for name in names], is_exit, has_kwargs, tail)
