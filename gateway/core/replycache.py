"""The reply cache: encoded results that may be given again for a while. The reference; `fastpath.cache` is its twin.

Rules: it knows bytes, not what they mean. An expired entry is never returned. When full, the entry that was put
longest ago goes, at O(1); putting a key again makes it the newest.
"""

from collections import OrderedDict
from typing import Final

__all__ = ("ReplyCache",)

DEFAULT_CAPACITY: Final = 4_096
"""Entries: a specification is about 700 bytes, so some 4 MB for a few hundred symbols on a dozen accounts."""


class ReplyCache:
    """A map from key to encoded result, bounded to `capacity` entries, each with its own time to live."""

    __slots__ = ("_entries", "capacity", "evictions", "expirations", "hits", "misses")

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        if capacity < 1:
            raise ValueError(f"capacity: expected at least 1, got {capacity}")
        self.capacity = capacity
        self.hits = 0
        self.misses = 0
        self.evictions = 0
        self.expirations = 0
        # An OrderedDict's first entry is found at once; a plain dict's `next(iter(d))` walks over its graves.
        self._entries: OrderedDict[bytes, tuple[int, bytes]] = OrderedDict()

    def get(self, key: bytes, now_ns: int) -> bytes | None:
        """Return the result put under `key` while it lives, else None. O(1)."""
        entry = self._entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        expires_ns, value = entry
        if expires_ns <= now_ns:
            del self._entries[key]
            self.expirations += 1
            self.misses += 1
            return None
        self.hits += 1
        return value

    def put(self, key: bytes, value: bytes, now_ns: int, ttl_ns: int) -> None:
        """Keep `value` for `ttl_ns`; nothing is kept for 0 or less. O(1)."""
        if ttl_ns <= 0:
            return
        self._entries.pop(key, None)
        if len(self._entries) >= self.capacity:
            self._entries.popitem(last=False)
            self.evictions += 1
        self._entries[key] = (now_ns + ttl_ns, value)

    def invalidate(self, prefix: bytes) -> int:
        """Forget every key that starts with `prefix`; return how many. O(entries)."""
        stale = [key for key in self._entries if key.startswith(prefix)]
        for key in stale:
            del self._entries[key]
        return len(stale)

    def clear(self) -> None:
        """Forget all; the counters stay."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
