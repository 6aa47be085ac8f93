"""Shares each symbol's last tick through memory: a reader needs no socket, no system call and no copy of its own.

It must never read a clock (the caller brings the time), nor know what a quote is used for. A writer makes a new file
and puts it in the old one's place, then marks the old one closed: readers keep what they have mapped, notice, and open
the new one. Nothing of an earlier life is ever taken over, so a writer that died inside a write leaves no harm.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from posix.mman cimport MAP_FAILED, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, munmap

from fastpath.msgpack cimport Writer, finish, put_array_head, put_double, put_signed, put_unsigned, start

import contextlib
import os

from fastpath.msgpack import pack

__all__ = ("BoardReader", "BoardWriter")

# A file that is missing or stale is looked for this often, not at each question: that would be two system calls.
cdef int64_t LOOK_INTERVAL_NS = 100_000_000


cdef mt5gate_board *_map(int file, size_t size, int protection) except NULL:
    cdef void *address = mmap(NULL, size, protection, MAP_SHARED, file, 0)
    if address == MAP_FAILED:
        raise OSError("quote board: mmap failed")
    return <mt5gate_board *> address


def _close_predecessor(int file):
    """Mark the board in `file` as closed, if it is one."""
    cdef size_t size = os.fstat(file).st_size
    cdef mt5gate_board *board
    if size == 0:
        return
    board = _map(file, size, PROT_READ | PROT_WRITE)
    if mt5gate_board_is_valid(board, size):
        mt5gate_board_close(board)
    munmap(board, size)


cdef class BoardWriter:
    """Owns a board: makes its file (0600, of its full size) and puts it in the place of the one before it."""

    def __cinit__(self, path not None, Py_ssize_t capacity=DEFAULT_CAPACITY, uint64_t epoch=0):
        cdef int file
        if not 1 <= capacity <= MT5GATE_BOARD_MAX_CAPACITY:
            raise ValueError(f"capacity: expected from 1 to {MT5GATE_BOARD_MAX_CAPACITY} symbols, got {capacity}")
        self.path = os.fspath(path)
        self.slots = {}
        self.size = mt5gate_board_size(<uint32_t> capacity)
        fresh = f"{self.path}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)  # of a writer that died before it could name it
        file = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file, 0, self.size)  # or a full disk would be a SIGBUS later
            else:
                os.ftruncate(file, self.size)
            self.board = _map(file, self.size, PROT_READ | PROT_WRITE)
            mt5gate_board_init(self.board, <uint32_t> capacity, epoch)
            self._take_name(fresh)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(fresh)
            raise
        finally:
            os.close(file)

    def _take_name(self, fresh):
        try:
            old = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            os.rename(fresh, self.path)
            return
        try:
            os.rename(fresh, self.path)
            _close_predecessor(old)  # after the rename: who reopens at once finds the new one
        finally:
            os.close(old)

    def __dealloc__(self):
        self.close()

    def close(self):
        """Mark the file closed, for its readers, and let go of it. The file stays. Idempotent."""
        if self.board != NULL:
            mt5gate_board_close(self.board)
            munmap(self.board, self.size)
            self.board = NULL

    @property
    def capacity(self):
        """How many symbols it holds in its life; raises ValueError once closed."""
        return self.mapped().capacity

    @property
    def epoch(self):
        """The publisher's epoch; raises ValueError once closed."""
        return self.mapped().epoch

    cdef mt5gate_board *mapped(self) except NULL:
        if self.board == NULL:
            raise ValueError("quote board: it is closed")
        return self.board

    cdef int64_t slot_of(self, str symbol) except -2:
        cdef int64_t index
        known = self.slots.get(symbol)
        if known is not None:
            return known
        name = symbol.encode()
        index = mt5gate_board_add(self.board, name, <size_t> len(name))
        if index >= 0:
            self.slots[symbol] = index
        return index

    def write(self, str symbol not None, record not None, uint64_t stream_seq, uint64_t publish_ns):
        """Make a packed 60-byte tick the symbol's last; False if there is no place for the symbol (`refused`)."""
        cdef mt5gate_board *board = self.mapped()
        cdef Py_buffer view
        cdef int64_t index
        PyObject_GetBuffer(record, &view, PyBUF_SIMPLE)
        try:
            if view.len != MT5GATE_BOARD_RECORD_BYTES:
                raise ValueError(f"record: expected {MT5GATE_BOARD_RECORD_BYTES} bytes, got {view.len}")
            index = self.slot_of(symbol)
            if index < 0:
                self.refused += 1
                return False
            mt5gate_slot_write(mt5gate_board_slot(board, <uint32_t> index), view.buf, 1, stream_seq, publish_ns)
            return True
        finally:
            PyBuffer_Release(&view)

    def retire(self, str symbol not None):
        """Have readers find no tick of this symbol until it is written again; its place stays its own."""
        cdef mt5gate_board *board = self.mapped()
        cdef uint8_t[60] nothing
        index = self.slots.get(symbol)
        if index is not None:
            memset(nothing, 0, sizeof(nothing))
            mt5gate_slot_write(mt5gate_board_slot(board, <uint32_t> index), nothing, 0, 0, 0)

    def set_alive(self, int64_t now_ns):
        """Vouch that every tick on the board was the last one at `now_ns` (the host's monotonic clock)."""
        mt5gate_board_set_alive(self.mapped(), now_ns)


cdef class BoardReader:
    """Reads a board that may not be there yet, and follows its writer's successors. Used by one thread."""

    def __cinit__(self, path not None):
        self.path = os.fspath(path)
        self.slots = {}
        self.next_look_ns = 0
        self.open()

    def __dealloc__(self):
        self.release()

    def close(self):
        """Let go of the file; the next question opens it again."""
        self.release()

    @property
    def epoch(self):
        """The epoch of the board that is open; None if there is none."""
        return None if self.board == NULL else self.board.epoch

    cdef int open(self) except -1:
        """Map the file that has the name now; 1, or 0 if there is none or it is no board."""
        cdef size_t size
        cdef mt5gate_board *board
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return 0
        try:
            found = os.fstat(file)
            size = found.st_size
            if size < mt5gate_board_size(1):
                return 0
            board = _map(file, size, PROT_READ)
            if not mt5gate_board_is_valid(board, size):
                munmap(board, size)
                return 0
            self.board = board
            self.size = size
            self.device, self.inode = found.st_dev, found.st_ino
            return 1
        finally:
            os.close(file)

    cdef int release(self) noexcept:
        if self.board != NULL:
            munmap(self.board, self.size)
            self.board = NULL
        if self.slots:
            self.slots = {}
        self.indexed = 0
        return 0

    cdef int look_again(self) except -1:
        """Open whatever has the name now, if that isn't what is mapped; 1 if a live board is mapped then."""
        if self.board != NULL:
            try:
                found = os.stat(self.path)
            except OSError:
                self.release()
                return 0
            if (found.st_dev, found.st_ino) == (self.device, self.inode):
                return not mt5gate_board_is_closed(self.board)
            self.release()
        return self.open() and not mt5gate_board_is_closed(self.board)

    cdef int64_t slot_of(self, bytes tail) except -2:
        cdef mt5gate_slot *slot
        cdef uint32_t used
        known = self.slots.get(tail)
        if known is not None:
            return known
        used = mt5gate_board_used(self.board)
        if used == self.indexed:
            return -1
        while self.indexed < used:
            slot = mt5gate_board_slot(self.board, self.indexed)
            name = PyBytes_FromStringAndSize(
                <char *> slot.symbol, min(<int> slot.symbol_bytes, <int> MT5GATE_BOARD_SYMBOL_BYTES)
            )
            self.slots[b"\x91" + pack(name.decode("utf-8", "replace"))] = self.indexed
            self.indexed += 1
        return self.slots.get(tail, -1)

    cdef bint read(self, bytes tail, mt5gate_quote *quote) except -1:
        """1 and the quote of a live slot, or 0."""
        cdef int64_t index = self.slot_of(tail)
        if index < 0:
            return 0
        return mt5gate_slot_read(mt5gate_board_slot(self.board, <uint32_t> index), quote) and quote.live

    def quote(self, str symbol not None):
        """Return (tick, its number in the stream, when it was published in ns); None if there is none. O(1)."""
        cdef mt5gate_quote quote
        if (self.board == NULL or mt5gate_board_is_closed(self.board)) and not self.look_again():
            return None
        if not self.read(b"\x91" + pack(symbol), &quote):
            return None
        record = PyBytes_FromStringAndSize(<char *> quote.record, MT5GATE_BOARD_RECORD_BYTES)
        return record, quote.stream_seq, quote.publish_ns

    def tick(self, str symbol not None):
        """Return the symbol's last tick (60 bytes), however old; None if there is none. O(1)."""
        quote = self.quote(symbol)
        return None if quote is None else quote[0]

    cdef bint read_fresh(self, bytes tail, int64_t now_ns, int64_t max_age_ns, mt5gate_quote *quote) except -1:
        """1 and the quote, if its writer has vouched for it lately; or 0."""
        if self.board == NULL or not _is_fresh(self.board, now_ns, max_age_ns):
            if self.next_look_ns - LOOK_INTERVAL_NS <= now_ns < self.next_look_ns:
                return 0
            self.next_look_ns = now_ns + LOOK_INTERVAL_NS
            if not self.look_again() or not _is_fresh(self.board, now_ns, max_age_ns):
                return 0
        return self.read(tail, quote)

    def encoded_tick(self, bytes tail not None, int64_t now_ns, int64_t max_age_ns):
        """Answer `symbol_info_tick`: the msgpack array of Tick's eight fields, or None."""
        cdef mt5gate_quote quote
        return _encode(quote.record) if self.read_fresh(tail, now_ns, max_age_ns, &quote) else None

    def prices(self, bytes tail not None, int64_t now_ns, int64_t max_age_ns):
        """Return bid and ask of the same tick, or None."""
        cdef mt5gate_quote quote
        if not self.read_fresh(tail, now_ns, max_age_ns, &quote):
            return None
        return _double_at(quote.record + 8), _double_at(quote.record + 16)


cdef bint _is_fresh(mt5gate_board *board, int64_t now_ns, int64_t max_age_ns) noexcept:
    """Whether its writer still writes, and vouched for its ticks lately.

    A time that lies ahead is refused like one that lies behind: it is another boot's.
    """
    cdef int64_t alive_ns = mt5gate_board_alive_ns(board)
    if mt5gate_board_is_closed(board) or alive_ns <= 0:
        return False
    return (now_ns - alive_ns if now_ns >= alive_ns else alive_ns - now_ns) <= max_age_ns


cdef inline double _double_at(const uint8_t *at) noexcept:
    cdef double number
    memcpy(&number, at, sizeof(number))
    return number


cdef inline int64_t _integer_at(const uint8_t *at) noexcept:
    cdef int64_t number
    memcpy(&number, at, sizeof(number))
    return number


cdef object _encode(const uint8_t *record):
    """The record as Tick's fields, as a worker would have encoded them. Little-endian hosts only: the build says so."""
    cdef Writer writer
    cdef uint8_t[80] room  # a head and eight fields of at most 9 bytes are 73
    cdef uint32_t flags
    start(&writer, room, 80)
    put_array_head(&writer, 8)
    put_signed(&writer, _integer_at(record))
    put_double(&writer, _double_at(record + 8))
    put_double(&writer, _double_at(record + 16))
    put_double(&writer, _double_at(record + 24))
    put_unsigned(&writer, <uint64_t> _integer_at(record + 32))
    put_signed(&writer, _integer_at(record + 40))
    memcpy(&flags, record + 48, sizeof(flags))
    put_unsigned(&writer, flags)
    put_double(&writer, _double_at(record + 52))
    return finish(&writer)
