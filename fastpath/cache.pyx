"""Keeps encoded answers for a while: a lookup costs a hash and a comparison of bytes, and nothing is allocated.

It must never know what it keeps, nor read a clock: the time comes in. When it is full the oldest insertion goes, found
in O(1) through the slots' own links: a dict that evicts with `next(iter(d))` would walk its deleted entries each time.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject_Hash
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp

__all__ = ("ReplyCache",)

MAX_CAPACITY = 1 << 24  # slot numbers have 32 bits, and nobody keeps more answers


cdef class ReplyCache:
    """A map of bytes to bytes, bounded in entries and in time, owned by one thread."""

    def __cinit__(self, Py_ssize_t capacity=4_096):
        cdef size_t buckets = 8
        cdef int32_t index
        if not 1 <= capacity <= MAX_CAPACITY:
            raise ValueError(f"capacity: expected from 1 to {MAX_CAPACITY} entries, got {capacity}")
        while buckets < 2 * <size_t> capacity:
            buckets *= 2
        self.slots = <Slot *> calloc(<size_t> capacity, sizeof(Slot))
        self.buckets = <int32_t *> calloc(buckets, sizeof(int32_t))
        if self.slots == NULL or self.buckets == NULL:
            raise MemoryError()
        self.capacity = <int32_t> capacity
        self.mask = buckets - 1
        self.oldest = self.newest = NONE
        for index in range(<int32_t> buckets):
            self.buckets[index] = NONE
        for index in range(self.capacity):
            self.slots[index].chain = index + 1
        self.slots[self.capacity - 1].chain = NONE

    def __dealloc__(self):
        if self.slots != NULL and self.buckets != NULL:
            while self.count:
                self.remove(self.oldest)
        free(self.slots)
        free(self.buckets)

    def __len__(self):
        """Return the number of entries, those past their time but not yet looked up included."""
        return self.count

    cdef int32_t find(self, bytes key, Py_hash_t hash) noexcept:
        cdef int32_t index = self.buckets[<size_t> hash & self.mask]
        cdef Slot *slot
        while index != NONE:
            slot = &self.slots[index]
            if slot.hash == hash and PyBytes_GET_SIZE(<object> slot.key) == PyBytes_GET_SIZE(key) and not memcmp(
                PyBytes_AS_STRING(<object> slot.key), PyBytes_AS_STRING(key), <size_t> PyBytes_GET_SIZE(key)
            ):
                return index
            index = slot.chain
        return NONE

    cdef void remove(self, int32_t index) noexcept:
        cdef Slot *slot = &self.slots[index]
        cdef int32_t *link = &self.buckets[<size_t> slot.hash & self.mask]
        cdef PyObject *key = slot.key
        cdef PyObject *value = slot.value
        while link[0] != index:
            link = &self.slots[link[0]].chain
        link[0] = slot.chain
        if slot.older == NONE:
            self.oldest = slot.newer
        else:
            self.slots[slot.older].newer = slot.newer
        if slot.newer == NONE:
            self.newest = slot.older
        else:
            self.slots[slot.newer].older = slot.older
        slot.key = slot.value = NULL
        slot.chain = self.free
        self.free = index
        self.count -= 1
        Py_DECREF(<object> key)
        Py_DECREF(<object> value)

    def get(self, bytes key not None, int64_t now_ns):
        """Return the answer kept under `key` if its time isn't over. O(1), no allocation."""
        cdef int32_t index = self.find(key, PyObject_Hash(key))
        if index == NONE:
            self.misses += 1
            return None
        if now_ns >= self.slots[index].expires_ns:
            self.remove(index)
            self.expirations += 1
            self.misses += 1
            return None
        self.hits += 1
        return <object> self.slots[index].value

    def put(self, bytes key not None, bytes value not None, int64_t now_ns, int64_t ttl_ns):
        """Keep `value` until `now_ns + ttl_ns`, as the newest entry."""
        cdef Py_hash_t hash = PyObject_Hash(key)
        cdef int32_t index
        cdef Slot *slot
        if ttl_ns <= 0:
            return
        index = self.find(key, hash)
        if index != NONE:
            self.remove(index)  # and in again, as the newest
        if self.count == self.capacity:
            self.remove(self.oldest)
            self.evictions += 1
        index = self.free
        slot = &self.slots[index]
        self.free = slot.chain
        Py_INCREF(key)
        Py_INCREF(value)
        slot.key = <PyObject *> key
        slot.value = <PyObject *> value
        slot.expires_ns = now_ns + ttl_ns if now_ns < (0x7FFFFFFFFFFFFFFFLL - ttl_ns) else 0x7FFFFFFFFFFFFFFFLL
        slot.hash = hash
        slot.chain = self.buckets[<size_t> hash & self.mask]
        self.buckets[<size_t> hash & self.mask] = index
        slot.older = self.newest
        slot.newer = NONE
        if self.newest == NONE:
            self.oldest = index
        else:
            self.slots[self.newest].newer = index
        self.newest = index
        self.count += 1

    def invalidate(self, bytes prefix not None):
        """Forget all entries whose keys start with `prefix`; return how many. O(entries)."""
        cdef int32_t index = self.oldest
        cdef int32_t newer
        cdef Py_ssize_t size = PyBytes_GET_SIZE(prefix)
        cdef int32_t removed = 0
        while index != NONE:
            newer = self.slots[index].newer
            if PyBytes_GET_SIZE(<object> self.slots[index].key) >= size and not memcmp(
                PyBytes_AS_STRING(<object> self.slots[index].key), PyBytes_AS_STRING(prefix), <size_t> size
            ):
                self.remove(index)
                removed += 1
            index = newer
        return removed

    def clear(self):
        """Forget all entries; the counters stay."""
        while self.count:
            self.remove(self.oldest)
