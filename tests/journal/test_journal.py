"""The journal on disk: what was appended is there, torn ends are cut, damage stops the start, room is kept."""

import errno
import os
import threading
from pathlib import Path

import pytest

from gateway import journal as module
from gateway.core.records import Kind, encode
from gateway.journal import LAST_BYTES, RESERVE_BYTES, Journal, boot_id, segments
from gateway.wire.errors import JournalError


def record(sequence: int, body: bytes = b"body") -> bytes:
    return encode(Kind.ACCEPTED, sequence, 1, 2, 3, body)


def opened(folder: Path, **options) -> tuple[Journal, list]:
    journal = Journal(folder, **options)
    found: list = []
    journal.recover(found.extend)
    journal.open(journal.last + 1)
    return journal, found


def sequences(folder: Path) -> list[int]:
    found: list = []
    Journal(folder).recover(found.extend)
    return [entry[0] for entry in found]


def test_what_was_appended_is_recovered(tmp_path):
    journal, _ = opened(tmp_path)
    journal.append(record(1) + record(2), 2)
    journal.append(record(3, b"x" * 3_000_000), 3)
    journal.close()

    again, found = opened(tmp_path)

    assert [entry[0] for entry in found] == [1, 2, 3]
    assert again.last == 3
    again.close()


def test_what_was_appended_outlives_a_writer_that_never_closed(tmp_path):
    journal, _ = opened(tmp_path)
    journal.append(record(1), 1)
    assert sequences(tmp_path) == [1]
    journal.close()


def test_each_start_begins_a_segment(tmp_path):
    for sequence in (1, 2, 3):
        journal, _ = opened(tmp_path)
        journal.append(record(sequence), sequence)
        journal.close()
    assert [first for first, _ in segments(tmp_path)] == [1, 2, 3]
    assert sequences(tmp_path) == [1, 2, 3]


def test_a_start_that_wrote_nothing_leaves_nothing_behind(tmp_path):
    for _ in range(2):
        opened(tmp_path)[0].close()
    assert len(segments(tmp_path)) == 1


@pytest.mark.parametrize("missing", [1, 10, 39, 43])
def test_a_torn_end_is_wiped(tmp_path, missing):
    journal, _ = opened(tmp_path)
    journal.append(record(1) + record(2), 2)
    journal.close()
    path = segments(tmp_path)[0][1]
    path.write_bytes(path.read_bytes().rstrip(b"\0")[:-missing])

    again = Journal(tmp_path)
    found: list = []
    cut = again.recover(found.extend)

    assert [entry[0] for entry in found] == [1]
    assert 0 < cut <= len(record(2)) - missing
    assert path.read_bytes().rstrip(b"\0") == record(1)
    again.open(2)
    assert path.read_bytes() == record(1)
    again.close()


def test_a_damaged_middle_stops_the_start(tmp_path):
    journal, _ = opened(tmp_path)
    journal.append(record(1) + record(2) + record(3), 3)
    journal.close()
    path = segments(tmp_path)[0][1]
    data = bytearray(path.read_bytes())
    data[len(record(1)) + 30] ^= 1
    path.write_bytes(data)

    with pytest.raises(JournalError, match="record 2 at byte 44 is damaged"):
        Journal(tmp_path).recover(lambda records: None)
    assert path.read_bytes() == data


def test_a_torn_segment_that_is_not_the_last_stops_the_start(tmp_path):
    for sequence in (1, 2):
        journal, _ = opened(tmp_path)
        journal.append(record(sequence), sequence)
        journal.close()
    path = segments(tmp_path)[0][1]
    path.write_bytes(path.read_bytes()[:-3])

    with pytest.raises(JournalError, match=r"cut short|missing"):
        Journal(tmp_path).recover(lambda records: None)


def test_a_missing_segment_stops_the_start(tmp_path):
    for sequence in (1, 2, 3):
        journal, _ = opened(tmp_path)
        journal.append(record(sequence), sequence)
        journal.close()
    segments(tmp_path)[1][1].unlink()

    with pytest.raises(JournalError, match="expected record 2"):
        Journal(tmp_path).recover(lambda records: None)


def test_segments_that_hold_nothing_needed_are_dropped(tmp_path):
    journal, _ = opened(tmp_path)
    for sequence in range(1, 10):
        if sequence in (4, 7):
            journal.open(sequence)
        journal.append(record(sequence), sequence)

    assert [path.name[7:27] for path in journal.drop_below(6)] == [f"{1:020d}"]
    assert journal.drop_below(7) == [tmp_path / f"orders-{4:020d}.journal"]
    assert sequences(tmp_path) == [7, 8, 9]
    journal.close()


def test_segments_are_for_their_owner_alone(tmp_path):
    journal, _ = opened(tmp_path)
    assert segments(tmp_path)[0][1].stat().st_mode & 0o777 == 0o600
    journal.close()


def test_room_is_allocated_before_it_is_needed(tmp_path):
    journal, _ = opened(tmp_path)
    path = segments(tmp_path)[0][1]
    for sequence in range(1, 30):
        journal.append(record(sequence, b"x" * 100_000), sequence)
        assert path.stat().st_size >= sequence * 100_000 + RESERVE_BYTES
    journal.close()
    written = sum(len(record(s, b"x" * 100_000)) for s in range(1, 30))
    assert path.stat().st_size == written + RESERVE_BYTES, "what isn't needed is given back, the reserve is kept"
    opened(tmp_path)[0].close()
    assert path.stat().st_size == written, "until another segment has it"


def test_a_full_disk_is_said_while_there_is_room_left(tmp_path, monkeypatch):
    journal, _ = opened(tmp_path)
    limit = segments(tmp_path)[0][1].stat().st_size

    def allocate(file: int, offset: int, length: int) -> None:
        if offset + length > limit:
            raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(module.os, "posix_fallocate", allocate)
    sequence = 0
    while not journal.is_full:
        sequence += 1
        journal.append(record(sequence, b"x" * 50_000), sequence)
    sequence += 1
    journal.append(record(sequence), sequence)
    limit += 2**30

    assert journal.look_for_room()
    assert not journal.is_full
    journal.close()
    assert sequences(tmp_path) == list(range(1, sequence + 1))


@pytest.fixture
def full(monkeypatch):
    """A disk that has no room but what was allocated."""

    def allocate(file: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    return lambda: monkeypatch.setattr(module.os, "posix_fallocate", allocate)


def test_a_start_without_room_goes_on_in_the_last_segment(tmp_path, full):
    journal, _ = opened(tmp_path)
    journal.append(record(1) + record(2), 2)
    journal.close()
    full()

    again, found = opened(tmp_path)

    assert (len(found), again.is_full, again.is_exhausted) == (2, True, False)
    again.append(record(3), 3)
    again.close()
    assert [first for first, _ in segments(tmp_path)] == [1]
    assert sequences(tmp_path) == [1, 2, 3]


def test_a_start_after_a_kill_without_room_finds_the_reserve(tmp_path, full):
    killed, _ = opened(tmp_path)
    killed.append(record(1) + record(2)[:-1], 2)
    full()
    again, found = opened(tmp_path)
    assert [entry[0] for entry in found] == [1]
    assert not again.is_exhausted
    again.append(record(2, b"another"), 2)
    assert sequences(tmp_path) == [1, 2]
    again.close()
    killed.close()


def test_a_used_reserve_is_said_before_a_write_fails(tmp_path, full):
    journal, _ = opened(tmp_path)
    path = segments(tmp_path)[0][1]
    size = path.stat().st_size
    full()
    sequence = written = 0
    while not journal.is_exhausted:
        sequence += 1
        data = record(sequence, b"x" * 50_000)
        journal.append(data, sequence)
        written += len(data)
        assert journal.is_full == (written + RESERVE_BYTES > size)
    assert 0 < size - written < LAST_BYTES
    assert path.stat().st_size == size
    journal.close()


def test_a_segment_that_gets_no_room_is_asked_for_again_later(tmp_path, full, monkeypatch):
    journal, _ = opened(tmp_path)
    journal.segment_bytes = 1_000
    journal.append(record(1, b"x" * 2_000), 1)
    with monkeypatch.context():
        full()
        assert journal.wants_segment
        assert not journal.open(2)
    assert not journal.wants_segment
    journal.append(record(2), 2)
    assert sequences(tmp_path) == [1, 2]
    journal.close()


def test_without_room_and_without_a_segment_there_is_no_journal(tmp_path, full):
    full()
    with pytest.raises(JournalError, match="holds no segment to go on in"):
        opened(tmp_path)


def test_another_error_of_the_disk_is_not_taken_for_a_full_one(tmp_path, monkeypatch):
    def allocate(file: int, offset: int, length: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(module.os, "posix_fallocate", allocate)
    with pytest.raises(JournalError, match="input/output error"):
        opened(tmp_path)


def test_a_write_that_fails_raises(tmp_path, monkeypatch):
    journal, _ = opened(tmp_path)

    def write(file: int, data: bytes, offset: int) -> int:
        raise OSError(errno.EIO, "input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(module.os, "pwrite", write)
        with pytest.raises(JournalError, match="44 bytes can't be written"):
            journal.append(record(1), 1)
    journal.close()


def test_a_short_write_is_finished(tmp_path, monkeypatch):
    journal, _ = opened(tmp_path)
    write = os.pwrite
    monkeypatch.setattr(module.os, "pwrite", lambda file, data, offset: write(file, data[:5], offset))
    journal.append(record(1), 1)
    journal.close()
    assert sequences(tmp_path) == [1]


def test_durable_grows_when_the_disk_has_it(tmp_path):
    reached = threading.Event()
    journal, _ = opened(tmp_path, notify=reached.set)
    assert journal.durable == 0
    journal.append(record(1) + record(2), 2)

    assert reached.wait(30)
    journal.sync()

    assert journal.durable == 2
    journal.close()


def test_what_was_written_together_shares_one_sync(tmp_path, monkeypatch):
    entered, go_on = threading.Event(), threading.Event()
    synced: list[int] = []

    def sync(file: int) -> None:
        synced.append(file)
        entered.set()
        assert go_on.wait(30)

    monkeypatch.setattr(module, "_SYNC", sync)
    journal, _ = opened(tmp_path, notify=lambda: None)
    journal.append(record(1), 1)
    assert entered.wait(30)
    for sequence in range(2, 50):
        journal.append(record(sequence), sequence)
    assert journal.durable == 0
    go_on.set()
    journal.sync()

    assert journal.durable == 49
    assert len(synced) == 2
    journal.close()


def test_a_disk_that_refuses_to_sync_is_told(tmp_path, monkeypatch):
    reached = threading.Event()

    def sync(file: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(module, "_SYNC", sync)
    journal, _ = opened(tmp_path, notify=reached.set)
    journal.append(record(1), 1)

    assert reached.wait(30)
    assert "input/output error" in journal.problem
    assert journal.durable == 0
    journal.close()


def test_boot_id_is_sixteen_bytes():
    assert len(boot_id()) == 16


def test_a_torn_end_is_wiped_whole_by_short_writes(tmp_path, monkeypatch):
    journal, _ = opened(tmp_path)
    journal.append(record(1), 1)
    journal.append(record(2)[:-1] + b"x", 2)
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, offset: write(file, data[:3], offset))

    opened(tmp_path)

    assert sequences(tmp_path)[0] == 1
    first = next(path for path in sorted(tmp_path.glob("*.journal")))
    assert not any(first.read_bytes()[len(record(1)) :])


@pytest.mark.parametrize("restarts", [False, True])
def test_a_segment_is_on_the_disk_before_the_next_one_has_its_name(tmp_path, monkeypatch, restarts):
    """Or a power cut may leave the next one's name without this one's last record: a segment would be missing."""
    done: list[str] = []
    sync, replace = module._SYNC, os.replace
    monkeypatch.setattr(module, "_SYNC", lambda file: (sync(file), done.append("sync")))
    monkeypatch.setattr(os, "replace", lambda source, target: (replace(source, target), done.append("named")))
    journal, _ = opened(tmp_path, notify=lambda: None)
    journal.append(record(1), 1)
    journal.sync()
    done.clear()
    if restarts:
        journal.close()
        journal, _ = opened(tmp_path, notify=lambda: None)
    else:
        journal.open(2)
    assert done.index("sync") < done.index("named")
    journal.close()


def test_a_segment_that_is_gone_on_in_has_its_name_on_the_disk(tmp_path, monkeypatch):
    """Whoever made it may have been killed before that: it holds nothing yet."""
    first, _ = opened(tmp_path, notify=lambda: None)
    first.close()
    synced: list[Path] = []
    sync_folder = module._sync_folder
    monkeypatch.setattr(module, "_sync_folder", lambda folder: (sync_folder(folder), synced.append(folder)))

    journal, _ = opened(tmp_path, notify=lambda: None)
    journal.append(record(1), 1)
    journal.sync()

    assert synced == [tmp_path]
    assert len(segments(tmp_path)) == 1
    journal.close()
