"""Measures the gateway against floors in C, rivals in Python, and itself. `python -m bench --list` says what there is.

The method, and the reason for each part of it:

- A ratio to a floor in C, because absolutes don't carry from one machine to another. Client and worker are the same C
  program on both sides, the frames are the same bytes: what differs is what stands in the middle.
- A and B are measured in alternating blocks, and the ratio is the median over the pairs: a machine that slows down
  for a second slows both halves of a pair.
- A second instance of A is measured along. The spread of A against A is what this machine calls equal; a ratio closer
  to its target than that is reported as within the noise.
- Latency ratios come from a closed loop with one request in flight. Latencies at a rate come from an open loop timed
  from the planned send, so that a stall is charged to all it delayed.
- p50, p99, p99.9 and max, never a mean; the machine and its noise floor above every table.
"""

import os
import sys
from pathlib import Path


def _prefer_what_is_installed() -> None:
    """Look for the gateway among the installed packages first, in the source tree last.

    `python -m` puts the current folder first, where nothing is compiled: the benchmarks would measure the plain twins
    without a word. Who wants the source tree measured says so with PYTHONPATH.
    """
    root = str(Path(__file__).resolve().parent.parent)
    if root in sys.path and root not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        sys.path.remove(root)
        sys.path.append(root)


_prefer_what_is_installed()
