"""The lock has one holder and tells who it is; the generation only grows, and a damaged one stops the start."""

import errno
import os
from pathlib import Path

import pytest

from gateway import statedir
from gateway.statedir import Lock, next_generation, prepare
from gateway.wire.errors import ConfigError, JournalError


def test_lock_has_one_holder_and_is_given_back(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock", "the thing")
    with pytest.raises(ConfigError, match=f"the thing is in use by process {os.getpid()}"):
        Lock(tmp_path / "lock", "the thing")
    lock.release()
    Lock(tmp_path / "lock", "the thing").release()


def test_generation_grows_by_one(tmp_path: Path) -> None:
    assert [next_generation(tmp_path) for _ in range(3)] == [1, 2, 3]


def test_generation_grows_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def replace(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    assert [next_generation(tmp_path) for _ in range(9)][-1] == 9
    with monkeypatch.context() as patched:
        patched.setattr(statedir, "_replace", replace)
        assert [next_generation(tmp_path) for _ in range(3)] == [10, 11, 12]
    assert next_generation(tmp_path) == 13


def test_first_generation_needs_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def replace(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(statedir, "_replace", replace)
    with pytest.raises(JournalError, match="no space left"):
        next_generation(tmp_path)


def test_a_shorter_process_id_leaves_nothing_of_the_longer_one(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("99999999999999")
    lock = Lock(tmp_path / "lock", "the thing")
    assert (tmp_path / "lock").read_text() == str(os.getpid())
    lock.release()


@pytest.mark.parametrize("text", ["", "x", "1.5", "\ufffd"])
def test_damaged_generation_stops_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "generation").write_text(text, "utf-8")
    with pytest.raises(JournalError, match="generation"):
        next_generation(tmp_path)


def test_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = prepare(str(tmp_path / "a" / "b"))
    assert path.stat().st_mode & 0o777 == 0o700
