"""Beats, back-off and requests to stop: the parts of `gateway.process` that need no second process."""

import threading
from pathlib import Path

import pytest

from gateway import process
from gateway.process import STALLED_AFTER_NS, STARTED_WITHIN_NS, Backoff, Beat, State, Stop

SECOND_NS = 1_000_000_000


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Beat, Beat]:
    """The same beat, as its process and as its watcher have it."""
    path = str(tmp_path / "beat")
    return Beat(path), Beat(path)


def test_watcher_sees_what_the_process_writes(pair: tuple[Beat, Beat]) -> None:
    mine, theirs = pair
    assert not theirs.has_begun
    mine.start()
    mine.state = State.READY
    assert theirs.has_begun
    assert theirs.state == State.READY
    theirs.request_stop()
    assert mine.stop_requested


def test_beat_of_a_dead_run_is_not_taken_for_life(tmp_path: Path) -> None:
    path = tmp_path / "beat"
    path.write_bytes(b"")
    assert not Beat(str(path)).has_begun


def test_private_beat_needs_no_file() -> None:
    beat = Beat()
    beat.tick(5)
    assert beat.has_begun


def test_loop_that_stands_still_is_complained_of(pair: tuple[Beat, Beat]) -> None:
    mine, theirs = pair
    mine.tick(10 * SECOND_NS)
    assert theirs.complaint(10 * SECOND_NS + STALLED_AFTER_NS, 0) == ""
    assert "stands still" in theirs.complaint(10 * SECOND_NS + STALLED_AFTER_NS + 1, 0)


def test_watcher_that_slept_itself_gives_time_anew(pair: tuple[Beat, Beat]) -> None:
    mine, theirs = pair
    mine.tick(SECOND_NS)
    assert theirs.complaint(100 * SECOND_NS, 99 * SECOND_NS) == ""


def test_call_counts_as_hung_at_its_deadline_only(pair: tuple[Beat, Beat]) -> None:
    mine, theirs = pair
    mine.tick(SECOND_NS)
    mine.begin(60 * SECOND_NS)
    assert theirs.complaint(60 * SECOND_NS, 0) == ""
    assert "call" in theirs.complaint(60 * SECOND_NS + 1, 0)
    mine.end(60 * SECOND_NS)
    assert theirs.complaint(60 * SECOND_NS + 2, 0) == ""


def test_process_that_never_begins_is_complained_of(pair: tuple[Beat, Beat]) -> None:
    _, theirs = pair
    assert theirs.complaint(STARTED_WITHIN_NS, 0) == ""
    assert theirs.complaint(STARTED_WITHIN_NS + 1, 0) == "it never started"


def test_backoff_doubles_to_its_limit_and_jitters_below_it() -> None:
    low = Backoff(lambda: 0.0, first_ms=100, limit_ms=500)
    high = Backoff(lambda: 1.0, first_ms=100, limit_ms=500)
    assert [low.failed(0) // 1_000_000 for _ in range(5)] == [50, 100, 200, 250, 250]
    assert [high.failed(0) // 1_000_000 for _ in range(5)] == [100, 200, 400, 500, 500]


def test_backoff_starts_anew_after_a_healthy_time_only() -> None:
    backoff = Backoff(lambda: 1.0, first_ms=100, limit_ms=10_000, healthy_ms=1_000)
    backoff.failed(0)
    backoff.started(SECOND_NS)
    assert backoff.failed(SECOND_NS + 999_999_999) == 200_000_000
    backoff.started(3 * SECOND_NS)
    assert backoff.failed(4 * SECOND_NS) == 100_000_000


def test_request_to_stop_ends_a_wait() -> None:
    stop = Stop()
    asker = threading.Thread(target=stop.request)
    asker.start()
    while not stop.requested:
        stop.wait(60 * SECOND_NS)
    asker.join()
    assert stop.requests == 1
    stop.close()


def test_exit_is_told_in_words() -> None:
    assert process.describe_exit(3) == "exited with status 3"
    assert process.describe_exit(-9) == "ended by SIGKILL"
    assert process.describe_exit(-200) == "ended by signal 200"
