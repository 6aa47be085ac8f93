"""The only file that reads a clock (bench aside): everything else is handed the time.

Two clocks, never mixed: the monotonic one for deadlines and durations (the same for all processes of a host, on Linux,
macOS and Windows alike), the wall clock for days, retention and what a human reads.
"""

import time

__all__ = ("monotonic_ns", "wall_ns")

monotonic_ns = time.monotonic_ns
"""Return nanoseconds since an arbitrary start of this host; never steps back."""

wall_ns = time.time_ns
"""Return nanoseconds since 1970-01-01 UTC; may step."""
