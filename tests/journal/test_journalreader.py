"""The journal read beside its writer: every record once and in order, nothing half-written, faults named."""

import threading
from pathlib import Path

import pytest

from gateway import journalreader as module
from gateway.core.records import Kind, encode
from gateway.journal import Journal, segments
from gateway.journalreader import JournalReader, examine
from gateway.wire.errors import JournalError


def record(sequence: int, body: bytes = b"body") -> bytes:
    return encode(Kind.ACCEPTED, sequence, 1, 2, 3, body)


def opened(folder: Path) -> Journal:
    journal = Journal(folder)
    journal.recover(lambda _: None)
    journal.open(journal.last + 1)
    return journal


def new(reader: JournalReader) -> list[int]:
    return [found[0] for records in reader.records() for found in records]


def test_each_look_gives_what_is_new(tmp_path: Path) -> None:
    journal, reader = opened(tmp_path), JournalReader(tmp_path)
    assert new(reader) == []
    journal.append(record(1) + record(2), 2)
    assert new(reader) == [1, 2]
    assert new(reader) == []
    journal.append(record(3), 3)
    journal.open(4)
    assert new(reader) == [3]
    journal.append(record(4), 4)
    journal.open(5)
    journal.append(record(5), 5)
    assert new(reader) == [4, 5]
    journal.close()
    assert new(reader) == []


def test_a_record_is_seen_when_its_last_byte_is_there_and_not_before(tmp_path: Path) -> None:
    data = record(1) + record(2) + record(3, b"a longer body")
    ends = {len(record(1)): [1], len(record(1) + record(2)): [2], len(data): [3]}
    path, reader = tmp_path / "orders-00000000000000000001.journal", JournalReader(tmp_path)
    for size in range(len(data) + 1):
        path.write_bytes(data[:size].ljust(len(data) + 100, b"\0"))
        assert new(reader) == ends.get(size, []), size


def test_a_torn_end_that_a_start_cuts_away_is_passed_over(tmp_path: Path) -> None:
    journal, reader = opened(tmp_path), JournalReader(tmp_path)
    journal.append(record(1) + record(2)[:-1], 2)
    assert new(reader) == [1]
    again = opened(tmp_path)
    again.append(record(2, b"another"), 2)
    assert new(reader) == [2]
    again.close()
    journal.close()


def test_nothing_is_missed_beside_a_writer(tmp_path: Path) -> None:
    journal, reader = opened(tmp_path), JournalReader(tmp_path)
    count = 3_000

    def write() -> None:
        for sequence in range(1, count, 2):
            journal.append(record(sequence, bytes(sequence % 97)) + record(sequence + 1), sequence + 1)
            if sequence % 500 == 1:
                journal.open(sequence + 2)

    thread = threading.Thread(target=write)
    thread.start()
    seen: list[int] = []
    while thread.is_alive():
        seen += new(reader)
    thread.join()
    seen += new(reader)
    journal.close()
    assert seen == list(range(1, count + 1))


def test_segments_that_are_removed_before_they_are_read_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path)
    for sequence in (1, 2, 3):
        journal.append(record(sequence), sequence)
        journal.open(sequence + 1)
    listed = segments(tmp_path)
    listed[0][1].unlink()
    monkeypatch.setattr(module, "segments", lambda _: listed)

    assert new(JournalReader(tmp_path)) == [2, 3]
    assert [segment.problem for segment in examine(tmp_path)] == [""] * 3

    listed.insert(0, (1, tmp_path / "orders-00000000000000000001.journal"))
    listed[0][1].write_bytes(record(1))
    listed[2][1].unlink()
    with pytest.raises(JournalError, match=r"expected record 2 in orders-0+3\.journal, found 3"):
        new(JournalReader(tmp_path))
    journal.close()


def test_damage_is_named_with_its_place_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_AGAIN_S", 0)
    journal, reader = opened(tmp_path), JournalReader(tmp_path)
    journal.append(record(1), 1)
    assert new(reader) == [1]
    bad = bytearray(record(2))
    bad[-1] ^= 1
    journal.append(bytes(bad) + record(3), 3)
    journal.close()

    with pytest.raises(JournalError, match=f"record 2 at byte {len(record(1))} is damaged, and record 3"):
        new(reader)


def test_a_fault_that_is_only_a_write_under_way_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "orders-00000000000000000001.journal"
    whole = record(1) + record(2) + record(3)
    partly = bytearray(whole)
    partly[len(record(1)) : len(record(1)) + 20] = bytes(20)  # a page that is written before the one in front of it
    path.write_bytes(partly)
    monkeypatch.setattr(module.time, "sleep", lambda _: path.write_bytes(whole))

    assert new(JournalReader(tmp_path)) == [1, 2, 3]
    path.write_bytes(partly)
    assert [segment.problem for segment in examine(tmp_path)] == [""]


def test_every_segment_is_examined_whatever_is_wrong_with_the_one_before(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append(record(1)[:-1] + b"x" + record(2), 2)
    journal.open(3)
    journal.append(record(3), 3)
    journal.open(4)
    journal.append(record(4)[:-1], 4)
    journal.close()

    first, second, third = examine(tmp_path)

    assert (first.problem.startswith("record 1 at byte 0 is damaged"), first.records) == (True, [])
    assert (second.problem, [found[0] for found in second.records]) == ("", [3])
    assert (third.problem, third.is_last, third.end_bytes) == ("torn", True, 0)
