# cython: boundscheck=False, wraparound=False
"""A log-linear histogram of latencies: bounded memory, O(1) to record, percentiles good to 1 in 32.

Every power of two is cut into 32 equal buckets, so a percentile is at most 3.2 % above what was recorded; the largest
value is kept exactly. Rules: nanoseconds in, nanoseconds out; nothing is ever forgotten (take differences of counts to
see an interval).
"""

from array import array

__all__ = ("Histogram",)

_FINE_BITS = 5
_FINE = 1 << _FINE_BITS
_MAX_VALUE_NS = (1 << 45) - 1  # nearly ten hours: beyond it only `max_ns` is exact
_BUCKETS = (45 - _FINE_BITS + 1) * _FINE


class Histogram:
    """Counts durations in nanoseconds; about 10 kB."""

    __slots__ = ("_counts", "count", "max_ns", "sum_ns")

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * _BUCKETS))
        self.count = 0
        self.max_ns = 0
        self.sum_ns = 0

    def record(self, value_ns: int) -> None:
        """Count one duration; a negative one counts as 0."""
        if value_ns < 0:
            value_ns = 0
        self.count += 1
        self.sum_ns += value_ns
        if value_ns > self.max_ns:
            self.max_ns = value_ns
        if value_ns > _MAX_VALUE_NS:
            value_ns = _MAX_VALUE_NS
        # The highest set bit, by halving: the same arithmetic for Python's and C's integers.
        rest = value_ns >> _FINE_BITS
        octave = 0
        if rest >> 32:
            rest >>= 32
            octave += 32
        if rest >> 16:
            rest >>= 16
            octave += 16
        if rest >> 8:
            rest >>= 8
            octave += 8
        if rest >> 4:
            rest >>= 4
            octave += 4
        if rest >> 2:
            rest >>= 2
            octave += 2
        if rest >> 1:
            octave += 2
        elif rest:
            octave += 1
        # The index needs no check: the value is capped at 45 bits, so the octave at 40.
        # Octave 0 holds 0..31 one by one; octave n > 0 holds 32 << (n - 1) onward in steps of 1 << (n - 1).
        index = value_ns if octave == 0 else octave * _FINE + (value_ns >> (octave - 1)) - _FINE
        self._counts[index] += 1

    def percentile(self, fraction: float) -> int:
        """Return the upper edge (ns) of the bucket that `fraction` of the counts reaches; 0 if empty. O(buckets)."""
        if self.count == 0:
            return 0
        wanted = max(1, -int(-(fraction * self.count) // 1))
        seen = 0
        for index in range(_BUCKETS):
            seen += self._counts[index]
            if seen >= wanted:
                return min(_upper_edge(index), self.max_ns)
        return self.max_ns

    def summary(self) -> dict[str, int]:
        """Return count, mean, p50, p99, p99.9 and max in nanoseconds."""
        return {
            "count": self.count,
            "mean_ns": self.sum_ns // self.count if self.count else 0,
            "p50_ns": self.percentile(0.5),
            "p99_ns": self.percentile(0.99),
            "p999_ns": self.percentile(0.999),
            "max_ns": self.max_ns,
        }


def _upper_edge(index: int) -> int:
    octave, fine = divmod(index, _FINE)
    if octave == 0:
        return fine
    return ((_FINE + fine + 1) << (octave - 1)) - 1
