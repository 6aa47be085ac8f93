"""Runs in Windows' Python: a command in a console of its own, interrupted there by Ctrl-C once it has said a word.

As `python interrupt.py WORD COMMAND…`; passes on what the command says, and tells its exit status.
"""

import ctypes
import subprocess
import sys

CTRL_C = 0


def main() -> None:
    word, *command = sys.argv[1:]
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel32.FreeConsole()
    if not kernel32.AllocConsole():
        raise ctypes.WinError(ctypes.get_last_error())
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    kernel32.SetConsoleCtrlHandler(None, True)  # the interrupt is for the command alone, not for us
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        if word in line and not kernel32.GenerateConsoleCtrlEvent(CTRL_C, 0):
            raise ctypes.WinError(ctypes.get_last_error())
    print("ended with", process.wait(), flush=True)


main()
