"""A stand-in that hangs in its first call and keeps the interpreter's lock, as the real package does in every call."""

import ctypes
import subprocess
import sys

FOREVER = 0xFFFF_FFFF


def initialize(**_options: object) -> bool:
    """Start what a terminal is here, then never return."""
    subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(3600)", "terminal-of-the-test"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    ctypes.PyDLL("kernel32").Sleep(FOREVER)  # PyDLL calls without releasing the lock
    return False


def last_error() -> tuple[int, str]:
    """Never reached."""
    return 1, "Success"
