"""Freed memory is kept: a process that handles one large message after another doesn't pay for its pages each time."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

import gateway

TREE = str(Path(gateway.__file__).parents[1])

PROGRAM = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from gateway.process import keep_freed_memory
if sys.argv[2] == "kept":
    assert keep_freed_memory()
def touch():
    large, larger = bytearray(3_000_000), bytearray(3_000_001)
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, TREE, how], capture_output=True, text=True, check=True, timeout=60
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator is what is told")
def test_large_blocks_are_taken_from_what_was_freed():
    assert faults("kept") < faults("given back") / 10
