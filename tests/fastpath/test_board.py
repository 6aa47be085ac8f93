"""The quote board: whole ticks across processes, freshness, and a reader that follows its writer's successors."""

import mmap
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gateway.wire import codec as reference
from gateway.wire.structs import TICK_DTYPE, Tick

board = pytest.importorskip("fastpath.board", reason="nothing is compiled here")

SLOT_BYTES = 128
NOW_NS = 10**15
SECOND_NS = 10**9
EURUSD = reference.pack(["EURUSD"])


@pytest.fixture
def path(folder: str) -> str:
    return f"{folder}/board"


@pytest.fixture
def writer(path: str) -> Iterator[object]:
    made = board.BoardWriter(path, 8, 7)
    yield made
    made.close()


def record(number: float = 1.5) -> bytes:
    return np.array([(1_700_000_000, number, 2.5, 0.0, 2**63 + 1, -5, 6, 0.25)], TICK_DTYPE).tobytes()


def test_the_file_is_private_and_of_its_full_size(path: str, writer: object) -> None:
    found = os.stat(path)
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_size == SLOT_BYTES * 9
    assert os.listdir(os.path.dirname(path)) == ["board"]


def test_a_tick_comes_back_as_written(path: str, writer: object) -> None:
    reader = board.BoardReader(path)
    assert reader.tick("EURUSD") is None
    assert writer.write("EURUSD", record(1.0), 1, 100)
    assert writer.write("USDJPY", memoryview(record(3.0)), 5, 2**64 - 1)
    assert writer.write("EURUSD", bytearray(record(2.0)), 2, 200)
    assert reader.quote("EURUSD") == (record(2.0), 2, 200)
    assert reader.quote("USDJPY") == (record(3.0), 5, 2**64 - 1)
    assert reader.tick("EURUSD") == record(2.0)
    assert reader.tick("EURUSD.r") is None
    assert reader.epoch == writer.epoch == 7


def test_the_encoded_tick_is_what_a_worker_would_have_sent(path: str, writer: object) -> None:
    reader = board.BoardReader(path)
    writer.set_alive(NOW_NS)
    for fields in (
        (1_700_000_000, 1.08641, 1.08642, 0.0, 0, 1_700_000_000_123, 6, 0.0),
        (-1, 0.0, -0.0, 5e-324, 2**64 - 1, -(2**63), 2**32 - 1, 1e300),
        (0, 0.0, 0.0, 0.0, 127, 128, 255, 0.0),
    ):
        tick = np.array([fields], TICK_DTYPE)
        writer.write("EURUSD", tick, 1, 1)
        expected = reference.pack(Tick(tick[0].item()))
        assert reader.encoded_tick(EURUSD, NOW_NS, SECOND_NS) == expected
        assert reader.prices(EURUSD, NOW_NS, SECOND_NS) == fields[1:3]


def test_only_a_board_that_was_lately_vouched_for_answers(path: str, writer: object) -> None:
    reader = board.BoardReader(path)
    writer.write("EURUSD", record(), 1, 1)
    assert reader.encoded_tick(EURUSD, SECOND_NS // 2, SECOND_NS) is None  # nobody ever vouched, however early it is
    writer.set_alive(NOW_NS)
    for age_ns, answers in ((0, True), (SECOND_NS, True), (SECOND_NS + 1, False), (-SECOND_NS - 1, False)):
        assert (reader.encoded_tick(EURUSD, NOW_NS + age_ns, SECOND_NS) is not None) == answers, age_ns
        assert (reader.prices(EURUSD, NOW_NS + age_ns, SECOND_NS) is not None) == answers, age_ns
    assert reader.tick("EURUSD") == record()  # asked for however old it is


def test_a_retired_symbol_has_no_tick_until_it_is_written_again(path: str, writer: object) -> None:
    reader = board.BoardReader(path)
    writer.set_alive(NOW_NS)
    writer.retire("EURUSD")  # never written: nothing to retire
    writer.write("EURUSD", record(), 1, 1)
    writer.retire("EURUSD")
    assert reader.tick("EURUSD") is None
    assert reader.encoded_tick(EURUSD, NOW_NS, SECOND_NS) is None
    writer.write("EURUSD", record(), 2, 2)
    assert reader.encoded_tick(EURUSD, NOW_NS, SECOND_NS) is not None


def test_arguments_of_another_shape_find_nothing(path: str, writer: object) -> None:
    reader = board.BoardReader(path)
    writer.set_alive(NOW_NS)
    writer.write("EURUSD", record(), 1, 1)
    for tail in (b"", b"\x90", reference.pack(["EURUSD", 1]), reference.pack(["GBPUSD"]), EURUSD[:-1], b"\x91\xd9" * 9):
        assert reader.encoded_tick(tail, NOW_NS, SECOND_NS) is None


def test_a_full_board_refuses_new_symbols_and_serves_the_old(path: str, writer: object) -> None:
    reader = board.BoardReader(path)
    for number in range(8):
        assert writer.write(f"S{number}", record(number), number, 1)
    assert writer.write("S8", record(), 1, 1) is False
    assert writer.refused == 1
    assert writer.write("S7", record(70), 1, 1)
    assert [reader.tick(f"S{number}") for number in (0, 7, 8)] == [record(0), record(70), None]


def test_a_symbol_is_as_long_as_its_slot_allows(path: str, writer: object) -> None:
    reader = board.BoardReader(path)
    assert writer.write("é" * 19 + "x", record(), 1, 1)
    assert reader.tick("é" * 19 + "x") == record()
    assert writer.write("x" * 40, record(), 1, 1) is False
    assert reader.tick("x" * 40) is None


def test_a_reader_waits_for_a_file_that_isnt_there_yet(path: str) -> None:
    reader = board.BoardReader(path)
    assert reader.epoch is None
    assert reader.encoded_tick(EURUSD, NOW_NS, SECOND_NS) is None
    writer = board.BoardWriter(path, 8, 7)
    writer.write("EURUSD", record(), 1, 1)
    writer.set_alive(NOW_NS)
    # It looks for the file every 100 ms of the time it is given, no more often.
    assert reader.encoded_tick(EURUSD, NOW_NS + 99_999_999, SECOND_NS) is None
    assert reader.encoded_tick(EURUSD, NOW_NS + 100_000_000, SECOND_NS) is not None
    writer.close()


def test_a_reader_follows_to_the_next_writer(path: str, writer: object) -> None:
    reader = board.BoardReader(path)
    writer.write("EURUSD", record(1.0), 1, 1)
    writer.write("USDJPY", record(1.0), 1, 1)
    writer.set_alive(NOW_NS)
    assert reader.encoded_tick(EURUSD, NOW_NS, SECOND_NS) is not None
    successor = board.BoardWriter(path, 4, 8)
    assert reader.encoded_tick(EURUSD, NOW_NS, SECOND_NS) is None  # the old one is closed, the new one still empty
    successor.write("USDJPY", record(2.0), 1, 1)
    successor.write("EURUSD", record(3.0), 1, 1)
    successor.set_alive(NOW_NS)
    assert reader.encoded_tick(EURUSD, NOW_NS + 1, SECOND_NS) == reference.pack(
        [1_700_000_000, 3.0, 2.5, 0.0, 2**63 + 1, -5, 6, 0.25]
    )
    assert reader.tick("USDJPY") == record(2.0)
    assert reader.epoch == 8
    successor.close()


def test_a_reader_finds_a_successor_that_couldnt_close_the_old_file(path: str, writer: object) -> None:
    reader = board.BoardReader(path)
    writer.write("EURUSD", record(1.0), 1, 1)
    writer.set_alive(NOW_NS)
    assert reader.encoded_tick(EURUSD, NOW_NS, SECOND_NS) is not None
    os.unlink(path)  # the successor finds nothing there to close
    successor = board.BoardWriter(path, 8, 8)
    successor.write("EURUSD", record(2.0), 1, 1)
    successor.set_alive(NOW_NS + 2 * SECOND_NS)
    assert reader.encoded_tick(EURUSD, NOW_NS + 2 * SECOND_NS, SECOND_NS) is not None  # the old one is stale: it looks
    assert reader.tick("EURUSD") == record(2.0)
    successor.close()


def test_a_closed_board_answers_nothing_and_takes_nothing(path: str, writer: object) -> None:
    reader = board.BoardReader(path)
    writer.write("EURUSD", record(), 1, 1)
    writer.set_alive(NOW_NS)
    writer.close()
    writer.close()
    assert reader.encoded_tick(EURUSD, NOW_NS, SECOND_NS) is None
    assert reader.tick("EURUSD") is None
    for use in (lambda: writer.write("EURUSD", record(), 1, 1), lambda: writer.set_alive(1), lambda: writer.capacity):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_a_writer_that_goes_away_closes_its_board(path: str) -> None:
    writer = board.BoardWriter(path, 8, 7)
    writer.set_alive(NOW_NS)
    writer.write("EURUSD", record(), 1, 1)
    reader = board.BoardReader(path)
    del writer
    assert reader.encoded_tick(EURUSD, NOW_NS, SECOND_NS) is None


def test_a_reader_can_be_closed_and_asked_again(path: str, writer: object) -> None:
    reader = board.BoardReader(path)
    writer.write("EURUSD", record(), 1, 1)
    reader.close()
    reader.close()
    assert reader.epoch is None
    assert reader.tick("EURUSD") == record()


@pytest.mark.parametrize("content", [b"", b"x", b"x" * 256, bytes(4_096)])
def test_a_file_that_is_no_board_is_no_board(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)
    reader = board.BoardReader(path)
    assert reader.epoch is None
    assert reader.tick("EURUSD") is None
    writer = board.BoardWriter(path, 8, 7)  # and is replaced like one
    writer.write("EURUSD", record(), 1, 1)
    assert reader.tick("EURUSD") == record()
    writer.close()


def test_a_board_cut_short_is_no_board(path: str, writer: object) -> None:
    cut = f"{path}.cut"
    Path(cut).write_bytes(Path(path).read_bytes()[:-1])
    assert board.BoardReader(cut).epoch is None


def test_a_path_that_cant_be_written_raises_and_leaves_nothing(folder: str) -> None:
    with pytest.raises(FileNotFoundError):
        board.BoardWriter(f"{folder}/missing/board", 8, 7)
    os.mkdir(f"{folder}/board")
    with pytest.raises(OSError, match="directory"):
        board.BoardWriter(f"{folder}/board", 8, 7)
    assert os.listdir(folder) == ["board"]


def test_what_a_dead_writer_left_half_made_is_swept_away(path: str) -> None:
    Path(f"{path}.new").write_bytes(b"half")
    writer = board.BoardWriter(path, 8, 7)
    assert os.listdir(os.path.dirname(path)) == ["board"]
    writer.close()


def test_a_slot_whose_writer_died_inside_a_write_has_no_tick(path: str, writer: object) -> None:
    reader = board.BoardReader(path)
    writer.set_alive(NOW_NS)
    writer.write("EURUSD", record(), 1, 1)
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        sequence = int.from_bytes(memory[SLOT_BYTES : SLOT_BYTES + 8], sys.byteorder)
        assert sequence % 2 == 0
        memory[SLOT_BYTES : SLOT_BYTES + 8] = (sequence + 1).to_bytes(8, sys.byteorder)
    assert reader.encoded_tick(EURUSD, NOW_NS, SECOND_NS) is None
    assert reader.tick("EURUSD") is None


@pytest.mark.parametrize("capacity", [0, -1, 65_537])
def test_a_capacity_out_of_range_is_refused(path: str, capacity: int) -> None:
    with pytest.raises(ValueError, match="capacity: expected"):
        board.BoardWriter(path, capacity, 7)


@pytest.mark.parametrize("size", [0, 59, 61, 120])
def test_a_record_of_another_size_is_refused(path: str, writer: object, size: int) -> None:
    with pytest.raises(ValueError, match="record: expected 60 bytes"):
        writer.write("EURUSD", bytes(size), 1, 1)


WRITER = """
import sys
from fastpath.board import BoardWriter
writer = BoardWriter(sys.argv[1], 8, 7)
writes = [bytes([number]) * 60 for number in range(256)]
writer.write("EURUSD", writes[0], 0, 0)
print("ready", flush=True)
import select
number = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(10_000):
        number += 1
        writer.write("EURUSD", writes[number % 256], number, number)
"""


def test_no_tick_is_ever_torn_between_two_processes(path: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", WRITER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        reader = board.BoardReader(path)
        seen: set[int] = set()
        last = 0
        while len(seen) < 20_000:
            for _ in range(1_000):
                quote = reader.quote("EURUSD")
                if quote is None:  # the writer was inside a write the whole time: its processor was taken from it
                    continue
                tick, stream_seq, publish_ns = quote
                assert tick == bytes([stream_seq % 256]) * 60
                assert publish_ns == stream_seq
                assert stream_seq >= last
                last = stream_seq
                seen.add(stream_seq)
    finally:
        process.communicate()
    assert process.returncode == 0
