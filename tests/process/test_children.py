"""Child processes: how they start, and that they end with their parent."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import gateway
from gateway import process
from gateway.clock import monotonic_ns
from gateway.process import EXIT_REFUSED, Child, State
from gateway.settings import SimulatorSettings

TREE = str(Path(gateway.__file__).parents[1])

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds:.0f} s for: {what}")
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mt5g", dir="/tmp") as path:
        yield Path(path)


@pytest.fixture
def settings(folder: Path) -> SimulatorSettings:
    return SimulatorSettings(address=f"sim://{folder}/terminal.sock", log_level="warning")


@pytest.fixture
def child(settings: SimulatorSettings) -> Iterator[Child]:
    child = Child("simulator", settings)
    yield child
    child.end()


def test_child_gets_its_settings_and_says_when_it_is_ready(child: Child, folder: Path) -> None:
    wait_until(lambda: child.beat.state == State.READY, "the child to be ready")
    assert (folder / "terminal.sock").exists()
    assert child.poll() is None


def test_child_that_is_asked_to_stop_ends_in_order(child: Child, folder: Path) -> None:
    wait_until(lambda: child.beat.state == State.READY, "the child to be ready")
    child.request_stop()
    wait_until(lambda: child.poll() is not None, "the child to end")
    assert child.poll() == 0
    assert not (folder / "terminal.sock").exists()


def test_child_that_is_stopped_is_killed_for_it(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STALLED_AFTER_NS", 500_000_000)
    wait_until(lambda: child.beat.state == State.READY, "the child to be ready")
    reasons = []

    def watched() -> bool:
        reasons.append(child.watch(monotonic_ns()))
        return child.poll() is not None

    psutil.Process(child.pid).suspend()
    wait_until(watched, "the watcher to kill it")
    assert [reason for reason in reasons if reason] == [child.killed_for]
    assert "stands still" in child.killed_for


def test_child_whose_settings_are_of_no_use_says_so_by_its_status() -> None:
    child = Child("simulator", SimulatorSettings(address="nowhere", log_level="critical"))
    wait_until(lambda: child.poll() is not None, "the child to end")
    assert child.end() == EXIT_REFUSED


PARENT = """
import sys, time
sys.path.insert(0, {tree!r})
from gateway.process import Child
from gateway.settings import SimulatorSettings
child = Child("simulator", SimulatorSettings(address={address!r}, log_level="critical"))
while child.beat.state != 1:
    assert child.poll() is None
    time.sleep(0.01)
child.poll()
print(child.pid, flush=True)
time.sleep(3600)
"""


def test_child_dies_with_a_killed_parent_and_comes_from_its_tree(folder: Path, settings: SimulatorSettings) -> None:
    # The parent stands in another folder and finds the tree by its own doing: the child has to be told.
    text = PARENT.format(tree=TREE, address=settings.address)
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", text], stdout=subprocess.PIPE, cwd=folder, env={"PATH": "/usr/bin:/bin"}
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        pid = int(parent.stdout.readline())
        assert not is_gone(pid)
        parent.kill()
        wait_until(lambda: is_gone(pid), "the child to die with its parent")


GRANDPARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {child!r}])
print(child.pid, flush=True)
child.wait()
"""

ORPHAN = f"""
import os, sys, time
sys.path.insert(0, {TREE!r})
from gateway.process import watch_parent
watch_parent(os.getppid())
time.sleep(3600)
"""


def test_child_ends_without_the_kernels_help_too() -> None:
    parent = subprocess.Popen([sys.executable, "-c", GRANDPARENT.format(child=ORPHAN)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent, parent.stdout:
        pid = int(parent.stdout.readline())
        wait_until(lambda: is_gone(pid) or psutil.Process(pid).num_threads() > 1, "the watching thread")
        assert not is_gone(pid)
        parent.kill()
        wait_until(lambda: is_gone(pid), "the orphan to end itself")


def test_child_of_a_parent_that_has_gone_already_ends_at_once() -> None:
    text = f"import sys; sys.path.insert(0, {TREE!r}); from gateway import process; process.{{}}(1); print('alive')"
    for name in ("die_with_parent", "watch_parent"):
        done = subprocess.run([sys.executable, "-c", text.format(name)], capture_output=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (1, b"")
