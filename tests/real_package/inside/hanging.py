"""Runs in Windows' Python: a worker whose terminal never answers, as `python hanging.py SECONDS_UNTIL_HUNG`.

Before it hangs, with the interpreter locked as the real package locks it, the terminal's call starts a program, as the
real one starts a terminal. A child's MetaTrader5 is the one beside this file only if its parent's was.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "hanging"))

from gateway.settings import WorkerSettings
from gateway.workers import attachment, worker

print(os.getpid(), flush=True)
sys.exit(
    worker.run(
        WorkerSettings(
            name="hanging",
            account="far",
            gateway=sys.argv[1],
            terminal="metatrader5",
            connect_timeout_ms=int(float(sys.argv[2]) * 1_000) - attachment.CONNECT_GRACE_MS,
            log_level="debug",
        )
    )
)
