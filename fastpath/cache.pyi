"""Keeps encoded answers for a while: a lookup costs a hash and a comparison of bytes, and nothing is allocated."""

__all__ = ("ReplyCache",)

class ReplyCache:
    """A map of bytes to bytes, bounded in entries and in time, owned by one thread.

    The caller brings the time (`now_ns`, one monotonic clock for all calls). Memory for all `capacity` entries is taken
    at once, about 80 bytes each besides the bytes themselves.
    """

    def __init__(self, capacity: int = 4_096) -> None:
        """Raise ValueError for a capacity below 1 or above 2**24."""

    @property
    def capacity(self) -> int:
        """How many entries it holds; one more evicts the oldest insertion."""

    @property
    def hits(self) -> int:
        """Lookups that found an answer."""

    @property
    def misses(self) -> int:
        """Lookups that found none, or one past its time."""

    @property
    def evictions(self) -> int:
        """Answers that gave way to newer ones before their time."""

    @property
    def expirations(self) -> int:
        """Answers found past their time, and forgotten then."""

    def get(self, key: bytes, now_ns: int) -> bytes | None:
        """Return the answer kept under `key` if its time isn't over. O(1), no allocation."""

    def put(self, key: bytes, value: bytes, now_ns: int, ttl_ns: int) -> None:
        """Keep `value` until `now_ns + ttl_ns`, as the newest entry.

        O(1). With a time to live of 0 or less, what stands under `key` stays.
        """

    def invalidate(self, prefix: bytes) -> int:
        """Forget all entries whose keys start with `prefix`; return how many. O(entries)."""

    def clear(self) -> None:
        """Forget all entries; the counters stay."""

    def __len__(self) -> int:
        """Return the number of entries, those past their time but not yet looked up included."""
