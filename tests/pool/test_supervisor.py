"""The supervisor: what it starts again, when it gives up, and the order in which everything ends."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gateway import config, pool
from gateway.pool import MAX_REFUSALS, Member, Supervisor
from gateway.process import EXIT_REFUSED, EXIT_UNAVAILABLE, Beat, State, Stop
from gateway.statedir import Lock

DEADLINE_S = 60.0


def wait_until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited {DEADLINE_S:.0f} s for: {what}")
        time.sleep(0.002)


class FakeChild:
    """A child without a process; every one begun is in `begun`, what happens to it in `log`."""

    begun: ClassVar[list["FakeChild"]]
    log: ClassVar[list[tuple[str, str]]]
    refuses: int | None = None

    def __init__(self, role: str, settings: str) -> None:
        self.role = role
        self.name = settings
        self.pid = len(self.begun) + 1
        self.beat = Beat()
        self.killed_for = ""
        self.complaint = ""
        self.stubborn = False
        self.status: int | None = self.refuses
        self.begun.append(self)

    def poll(self) -> int | None:
        return self.status

    def watch(self, _now_ns: int) -> str:
        if self.complaint and not self.killed_for:
            self.kill(self.complaint)
            return self.complaint
        return ""

    def request_stop(self) -> None:
        self.log.append(("asked", self.name))
        if not self.stubborn:
            self.status = 0

    def kill(self, reason: str) -> None:
        self.log.append(("killed", self.name))
        self.killed_for = reason
        self.status = -9

    def end(self) -> int:
        if self.status is None:
            self.kill("ended")
        assert self.status is not None
        return self.status


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> type[FakeChild]:
    class Fresh(FakeChild):
        begun: ClassVar[list[FakeChild]] = []
        log: ClassVar[list[tuple[str, str]]] = []

    monkeypatch.setattr(pool, "Child", Fresh)
    return Fresh


class Running:
    """A supervisor in a thread of the test's process."""

    ROLES = ("simulator", "broker", "publisher", "worker", "feed")

    def __init__(self, roles: tuple[str, ...] = ROLES) -> None:
        self.stop = Stop()
        self.announced = 0
        self.status = -1
        members = [Member(role, f"my-{role}", f"my-{role}", lambda: 0.0) for role in roles]
        self._supervisor = Supervisor(members, self.stop, logging.getLogger("test"), self._announce)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _announce(self) -> None:
        self.announced += 1

    def _run(self) -> None:
        self.status = self._supervisor.run()

    def end(self) -> int:
        self.stop.request()
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()
        return self.status


@pytest.fixture
def running(children: type[FakeChild]) -> Iterator[Running]:
    running = Running()
    wait_until(lambda: len(children.begun) == 5, "all to be started")
    yield running
    running.end()
    running.stop.close()


def test_everything_is_started_once(running: Running, children: type[FakeChild]) -> None:
    assert [child.role for child in children.begun] == list(Running.ROLES)
    assert running.end() == 0
    assert len(children.begun) == 5


def test_ready_is_said_once_when_all_are(running: Running, children: type[FakeChild]) -> None:
    for child in children.begun[:-1]:
        child.beat.state = State.READY
    assert running.announced == 0
    children.begun[-1].beat.state = State.READY
    wait_until(lambda: running.announced, "it to be said")
    children.begun[0].beat.state = State.WAITING
    children.begun[0].status = 1
    wait_until(lambda: len(children.begun) == 6, "the restart")
    children.begun[-1].beat.state = State.READY
    running.end()
    assert running.announced == 1


def test_dead_process_is_started_again(running: Running, children: type[FakeChild]) -> None:
    children.begun[1].status = -9
    wait_until(lambda: len(children.begun) == 6, "the restart")
    assert children.begun[-1].role == "broker"


def test_hung_process_is_killed_and_started_again(running: Running, children: type[FakeChild]) -> None:
    children.begun[2].complaint = "its loop stands still"
    wait_until(lambda: len(children.begun) == 6, "the restart")
    assert children.log == [("killed", "my-publisher")]
    assert children.begun[-1].role == "publisher"


def test_stages_end_in_order(running: Running, children: type[FakeChild]) -> None:
    running.end()
    assert [name for what, name in children.log if what == "asked"] == [
        "my-worker",
        "my-feed",
        "my-publisher",
        "my-broker",
        "my-simulator",
    ]
    assert not [name for what, name in children.log if what == "killed"]


def test_later_stages_wait_for_the_earlier_ones(running: Running, children: type[FakeChild]) -> None:
    worker = children.begun[3]
    worker.stubborn = True
    running.stop.request()
    wait_until(lambda: ("asked", "my-worker") in children.log, "the workers to be asked")
    assert ("asked", "my-publisher") not in children.log
    worker.status = 0
    wait_until(lambda: ("asked", "my-simulator") in children.log, "the last to be asked")


def test_what_does_not_end_in_time_is_killed(
    running: Running, children: type[FakeChild], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "STAGE_NS", 1)
    children.begun[1].stubborn = True
    assert running.end() == 0
    assert [name for what, name in children.log if what == "killed"] == ["my-broker"]
    assert children.log[-1] == ("asked", "my-simulator")


def test_second_request_to_stop_cuts_the_waiting_short(running: Running, children: type[FakeChild]) -> None:
    children.begun[1].stubborn = True
    running.stop.request()
    wait_until(lambda: ("asked", "my-broker") in children.log, "the broker to be asked")
    running.stop.request()
    wait_until(lambda: ("killed", "my-broker") in children.log, "the broker to be killed")


def test_process_that_cannot_run_as_told_ends_the_start(children: type[FakeChild]) -> None:
    children.refuses = EXIT_REFUSED
    running = Running(("broker",))
    wait_until(lambda: running.status == EXIT_REFUSED, "the supervisor to give up")
    assert len(children.begun) == MAX_REFUSALS
    running.end()
    running.stop.close()


def test_simulated_terminal_that_cannot_run_as_told_ends_the_start_at_once(
    children: type[FakeChild], caplog: pytest.LogCaptureFixture
) -> None:
    children.refuses = EXIT_REFUSED
    running = Running(("simulator",))
    wait_until(lambda: running.status == EXIT_REFUSED, "the supervisor to give up")
    assert len(children.begun) == 1
    assert "starts again" not in caplog.text
    running.end()
    running.stop.close()


def test_simulated_terminal_that_lacks_something_is_tried_again(
    children: type[FakeChild],
) -> None:
    children.refuses = EXIT_UNAVAILABLE
    running = Running(("simulator",))
    wait_until(lambda: running.status == EXIT_REFUSED, "the supervisor to give up")
    assert len(children.begun) == MAX_REFUSALS
    running.end()
    running.stop.close()


# --- the whole, without starting it ---------------------------------------------------------------------------------


def loaded(tmp_path: Path, **overrides: Any) -> config.Config:
    return config.load(overrides={"state_dir": str(tmp_path / "state"), **overrides}, environ={"HOME": str(tmp_path)})


def test_configuration_decides_who_is_started(tmp_path: Path) -> None:
    titles = [member.title for member in pool.members(loaded(tmp_path))]
    assert titles[0].startswith("simulator")
    assert titles[1:3] == ["broker", "publisher"]
    assert {"worker demo-trade-1", "worker demo-watch-1", "worker demo-query-2", "feed demo"} <= set(titles)
    remote = pool.members(loaded(tmp_path, accounts={"away": {"terminal": "remote"}}))
    assert [member.role for member in remote] == ["broker", "publisher"]


def test_second_supervisor_on_a_state_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configuration = loaded(tmp_path)
    configuration.prepare()
    lock = Lock(Path(configuration.state_dir) / "supervisor.lock", "this test")
    assert pool.run(configuration) == EXIT_REFUSED
    lock.release()
    holder = (Path(configuration.state_dir) / "supervisor.lock").read_text("ascii")
    said = capsys.readouterr().err
    assert configuration.state_dir in said
    assert f"process {holder} " in said
