"""The quote board, last tick of each symbol in shared memory (mt5gate_board.h): one writer, any number of readers."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


cdef extern from "mt5gate_board.h" nogil:
    enum:
        MT5GATE_BOARD_RECORD_BYTES
        MT5GATE_BOARD_SYMBOL_BYTES
        MT5GATE_BOARD_MAX_CAPACITY

    ctypedef struct mt5gate_board:
        uint32_t capacity
        uint64_t epoch

    ctypedef struct mt5gate_slot:
        uint8_t symbol_bytes
        uint8_t *symbol

    ctypedef struct mt5gate_quote:
        uint8_t *record
        uint32_t live
        uint64_t stream_seq
        uint64_t publish_ns

    size_t mt5gate_board_size(uint32_t capacity) noexcept
    mt5gate_slot *mt5gate_board_slot(mt5gate_board *board, uint32_t index) noexcept
    # Writer.
    void mt5gate_board_init(mt5gate_board *board, uint32_t capacity, uint64_t epoch) noexcept
    int64_t mt5gate_board_add(mt5gate_board *board, const char *symbol, size_t size) noexcept
    void mt5gate_slot_write(
        mt5gate_slot *slot, const void *record, uint32_t live, uint64_t stream_seq, uint64_t publish_ns
    ) noexcept
    void mt5gate_board_set_alive(mt5gate_board *board, int64_t now_ns) noexcept
    void mt5gate_board_close(mt5gate_board *board) noexcept
    # Reader.
    bint mt5gate_board_is_valid(const mt5gate_board *board, size_t size) noexcept
    uint32_t mt5gate_board_used(mt5gate_board *board) noexcept
    bint mt5gate_board_is_closed(mt5gate_board *board) noexcept
    int64_t mt5gate_board_alive_ns(mt5gate_board *board) noexcept
    bint mt5gate_slot_read(mt5gate_slot *slot, mt5gate_quote *quote) noexcept


cdef enum:
    DEFAULT_CAPACITY = 4096  # symbols; half a megabyte


cdef class BoardWriter:
    # The file and its mapping; NULL once closed.
    cdef readonly str path
    cdef mt5gate_board *board
    cdef size_t size
    # Symbol to slot.
    cdef dict slots
    # Symbols that found no place.
    cdef readonly int64_t refused

    cdef mt5gate_board *mapped(self) except NULL
    cdef int64_t slot_of(self, str symbol) except -2


cdef class BoardReader:
    # The file and its mapping; NULL while there is none.
    cdef readonly str path
    cdef mt5gate_board *board
    cdef size_t size
    # Which file it is, to notice that another has taken its name.
    cdef uint64_t device
    cdef uint64_t inode
    # Encoded arguments `[symbol]` to slot, for the first `indexed` slots.
    cdef dict slots
    cdef uint32_t indexed
    # When a missing or stale file is looked for again.
    cdef int64_t next_look_ns

    cdef int open(self) except -1
    cdef int release(self) noexcept
    cdef int look_again(self) except -1
    cdef int64_t slot_of(self, bytes tail) except -2
    cdef bint read(self, bytes tail, mt5gate_quote *quote) except -1
    cdef bint read_fresh(self, bytes tail, int64_t now_ns, int64_t max_age_ns, mt5gate_quote *quote) except -1
