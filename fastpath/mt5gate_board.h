/* The quote board: one file, mapped by one writer and any number of readers, that holds the last tick of each symbol.
 *
 * A header of 128 bytes, then `capacity` slots of 128 bytes, in the byte order of the host that shares it. A symbol
 * keeps its slot for the file's life. Its laws:
 *
 *   1. One writer. A reader writes nothing, and maps the file read-only.
 *   2. A slot's name is written once, before `used` counts the slot in (release), and read only after `used` was seen
 *      to count it (acquire). It needs no lock.
 *   3. What changes in a slot is guarded by its sequence, a seqlock: odd while it is being written. Every word of it is
 *      an atomic, accessed relaxed, for a reader does read while the writer writes; it then throws away what it read.
 *   4. A reader gives up after MT5GATE_BOARD_TRIES: a writer may die inside a write, and the sequence stay odd.
 *   5. `alive_ns` is stored (release) after the ticks it vouches for, and loaded (acquire) before they are read.
 *
 * Why the seqlock holds on processors that reorder (after Boehm, "Can seqlocks get along with programming language
 * memory models?", 2012). Writer: odd sequence, release fence, words, even sequence (release). Reader: sequence
 * (acquire), words, acquire fence, sequence again.
 *   - A reader that saw an even sequence by its acquire load sees at least the words written before it was stored.
 *   - If any word it read comes from a later write, that write's release fence stands before the word and the reader's
 *     acquire fence behind it, so the two fences synchronise, and the reader's second load must see that write's odd
 *     sequence or something newer: it differs from the first, and the reading is thrown away.
 * A sequence of 64 bits doesn't come around.
 */
#ifndef MT5GATE_BOARD_H
#define MT5GATE_BOARD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    MT5GATE_BOARD_VERSION = 1,
    MT5GATE_BOARD_BYTES = 128,         /* the header's size, and a slot's: two cache lines, fetched as a pair */
    MT5GATE_BOARD_RECORD_BYTES = 60,   /* structs.TICK_DTYPE */
    MT5GATE_BOARD_SYMBOL_BYTES = 39,   /* MT5 allows 31 characters */
    MT5GATE_BOARD_MAX_CAPACITY = 65536, /* 8 MB; a broker's largest list has some ten thousand symbols */
    MT5GATE_BOARD_TRIES = 1000,        /* a write takes tens of ns: this many tries outlast it, not a dead writer */
    MT5GATE_BOARD_RECORD_WORDS = 8     /* 60 bytes of record, 4 that say whether the slot is live */
};

#define MT5GATE_BOARD_MAGIC UINT64_C(0x3144524247354d54) /* "TM5GBRD1" in memory, little-endian */

typedef struct {
    /* What it is; written before the file gets its name. */
    uint64_t magic;
    uint32_t version;
    uint32_t capacity;
    uint64_t epoch;
    /* How far it is filled, and whether anybody still writes it. */
    _Atomic uint32_t used;
    _Atomic uint32_t closed;
    /* When the writer last knew all live slots to be current, on the host's monotonic clock; 0: never. */
    _Atomic int64_t alive_ns;
    uint8_t reserved[88];
} mt5gate_board;

typedef struct {
    /* The seqlock, and what it guards. */
    _Atomic uint64_t sequence;
    _Atomic uint64_t stream_seq;
    _Atomic uint64_t publish_ns;
    _Atomic uint64_t words[MT5GATE_BOARD_RECORD_WORDS];
    /* Whose it is: constant once counted in `used`. */
    uint8_t symbol_bytes;
    uint8_t symbol[MT5GATE_BOARD_SYMBOL_BYTES];
} mt5gate_slot;

/* What a reader takes out of a slot. */
typedef struct {
    uint8_t record[MT5GATE_BOARD_RECORD_BYTES];
    uint32_t live;
    uint64_t stream_seq;
    uint64_t publish_ns;
} mt5gate_quote;

_Static_assert(sizeof(mt5gate_board) == MT5GATE_BOARD_BYTES, "the header has its size");
_Static_assert(sizeof(mt5gate_slot) == MT5GATE_BOARD_BYTES, "a slot has its size");
_Static_assert(
    offsetof(mt5gate_quote, live) == MT5GATE_BOARD_RECORD_BYTES,
    "record and live flag are copied as eight words"
);
_Static_assert(
    ATOMIC_LLONG_LOCK_FREE == 2 && sizeof(_Atomic uint64_t) == 8, "64-bit atomics are plain loads: memory is read-only"
);

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records are little-endian, and readers take their fields as they stand"
#endif

static inline size_t mt5gate_board_size(uint32_t capacity)
{
    return ((size_t)capacity + 1) * MT5GATE_BOARD_BYTES;
}

static inline mt5gate_slot *mt5gate_board_slot(mt5gate_board *board, uint32_t index)
{
    return (mt5gate_slot *)((uint8_t *)board + ((size_t)index + 1) * MT5GATE_BOARD_BYTES);
}

/* --- writer ------------------------------------------------------------------------------------------------------ */

/* Fill in the header of a file of zeros that nobody else has mapped yet. */
static inline void mt5gate_board_init(mt5gate_board *board, uint32_t capacity, uint64_t epoch)
{
    board->magic = MT5GATE_BOARD_MAGIC;
    board->version = MT5GATE_BOARD_VERSION;
    board->capacity = capacity;
    board->epoch = epoch;
}

/* Give a symbol the next slot: its index, or -1 if there is none or the name is too long. */
static inline int64_t mt5gate_board_add(mt5gate_board *board, const char *symbol, size_t size)
{
    uint32_t used = atomic_load_explicit(&board->used, memory_order_relaxed);
    mt5gate_slot *slot;

    if (used >= board->capacity || size > MT5GATE_BOARD_SYMBOL_BYTES)
        return -1;
    slot = mt5gate_board_slot(board, used);
    memcpy(slot->symbol, symbol, size);
    slot->symbol_bytes = (uint8_t)size;
    atomic_store_explicit(&board->used, used + 1, memory_order_release);
    return used;
}

static inline void mt5gate_slot_write(
    mt5gate_slot *slot, const void *record, uint32_t live, uint64_t stream_seq, uint64_t publish_ns
)
{
    uint64_t words[MT5GATE_BOARD_RECORD_WORDS];
    uint64_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
    int index;

    memcpy(words, record, MT5GATE_BOARD_RECORD_BYTES);
    memcpy((uint8_t *)words + MT5GATE_BOARD_RECORD_BYTES, &live, sizeof live);
    atomic_store_explicit(&slot->sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&slot->stream_seq, stream_seq, memory_order_relaxed);
    atomic_store_explicit(&slot->publish_ns, publish_ns, memory_order_relaxed);
    for (index = 0; index < MT5GATE_BOARD_RECORD_WORDS; index++)
        atomic_store_explicit(&slot->words[index], words[index], memory_order_relaxed);
    atomic_store_explicit(&slot->sequence, sequence + 2, memory_order_release);
}

static inline void mt5gate_board_set_alive(mt5gate_board *board, int64_t now_ns)
{
    atomic_store_explicit(&board->alive_ns, now_ns, memory_order_release);
}

static inline void mt5gate_board_close(mt5gate_board *board)
{
    atomic_store_explicit(&board->closed, 1, memory_order_release);
}

/* --- reader ------------------------------------------------------------------------------------------------------ */

/* Whether a file of `size` bytes is a board that this code can read; the header is constant, so no lock. */
static inline int mt5gate_board_is_valid(const mt5gate_board *board, size_t size)
{
    return size >= MT5GATE_BOARD_BYTES && board->magic == MT5GATE_BOARD_MAGIC &&
           board->version == MT5GATE_BOARD_VERSION && board->capacity >= 1 &&
           board->capacity <= MT5GATE_BOARD_MAX_CAPACITY && size >= mt5gate_board_size(board->capacity);
}

static inline uint32_t mt5gate_board_used(mt5gate_board *board)
{
    uint32_t used = atomic_load_explicit(&board->used, memory_order_acquire);

    return used <= board->capacity ? used : board->capacity;
}

static inline int mt5gate_board_is_closed(mt5gate_board *board)
{
    return atomic_load_explicit(&board->closed, memory_order_acquire) != 0;
}

static inline int64_t mt5gate_board_alive_ns(mt5gate_board *board)
{
    return atomic_load_explicit(&board->alive_ns, memory_order_acquire);
}

/* 1 and a whole quote, or 0 if the writer was inside a write the whole time. */
static inline int mt5gate_slot_read(mt5gate_slot *slot, mt5gate_quote *quote)
{
    uint64_t words[MT5GATE_BOARD_RECORD_WORDS];
    int attempt, index;

    for (attempt = 0; attempt < MT5GATE_BOARD_TRIES; attempt++) {
        uint64_t before = atomic_load_explicit(&slot->sequence, memory_order_acquire);

        if (before & 1) {
#if defined(__x86_64__)
            __builtin_ia32_pause();
#elif defined(__aarch64__)
            __asm__ volatile("yield");
#endif
            continue;
        }
        quote->stream_seq = atomic_load_explicit(&slot->stream_seq, memory_order_relaxed);
        quote->publish_ns = atomic_load_explicit(&slot->publish_ns, memory_order_relaxed);
        for (index = 0; index < MT5GATE_BOARD_RECORD_WORDS; index++)
            words[index] = atomic_load_explicit(&slot->words[index], memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&slot->sequence, memory_order_relaxed) == before) {
            memcpy(quote->record, words, MT5GATE_BOARD_RECORD_BYTES);
            memcpy(&quote->live, (uint8_t *)words + MT5GATE_BOARD_RECORD_BYTES, sizeof quote->live);
            return 1;
        }
    }
    return 0;
}

#endif
