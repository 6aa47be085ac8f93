/* The msgpack core: proves that bytes are one well-formed value, reads heads out of bytes so proven, and writes heads.
 *
 * It is plain C and knows nothing of Python, so that a fuzzer or a sanitizer can run it alone (tests/fuzz). Its laws:
 *
 *   1. `mt5gate_skip` reads only [at, end), whatever the bytes are: each read stands behind a comparison with `end`.
 *   2. What it accepts is what the reference codec accepts: no extension types, string keys in maps, valid UTF-8,
 *      at most MT5GATE_MAX_DEPTH containers deep, a count of items no greater than the bytes that are left.
 *   3. The `mt5gate_read_` functions trust their bytes and may be given only what `mt5gate_skip` has accepted.
 *   4. Nothing allocates; the stack's size is fixed; the time is O(bytes).
 */
#ifndef MT5GATE_MSGPACK_H
#define MT5GATE_MSGPACK_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { MT5GATE_MAX_DEPTH = 16 }; /* messages.MAX_DEPTH; the deepest honest message has four */

/* Why a value was refused; each has a text in msgpack.pyx. */
enum {
    MT5GATE_WELL_FORMED = 0,
    MT5GATE_TRUNCATED = 1,
    MT5GATE_RESERVED = 2,  /* 0xc1, which msgpack never uses */
    MT5GATE_EXTENSION = 3, /* timestamps are extensions too */
    MT5GATE_KEY = 4,
    MT5GATE_UTF8 = 5,
    MT5GATE_DEPTH = 6
};

/* The kinds of value that a reader tells apart. */
enum {
    MT5GATE_NIL,
    MT5GATE_BOOLEAN,
    MT5GATE_UNSIGNED, /* any integer that isn't negative, however it was encoded */
    MT5GATE_NEGATIVE,
    MT5GATE_FLOAT,
    MT5GATE_STRING,
    MT5GATE_BINARY,
    MT5GATE_ARRAY,
    MT5GATE_MAP
};

/* --- numbers of a fixed size, in network order ---------------------------------------------------------------- */

static inline uint32_t mt5gate_load16(const uint8_t *at)
{
    return ((uint32_t)at[0] << 8) | at[1];
}

static inline uint32_t mt5gate_load32(const uint8_t *at)
{
    return ((uint32_t)at[0] << 24) | ((uint32_t)at[1] << 16) | ((uint32_t)at[2] << 8) | at[3];
}

static inline uint64_t mt5gate_load64(const uint8_t *at)
{
    return ((uint64_t)at[0] << 56) | ((uint64_t)at[1] << 48) | ((uint64_t)at[2] << 40) | ((uint64_t)at[3] << 32) |
           ((uint64_t)at[4] << 24) | ((uint64_t)at[5] << 16) | ((uint64_t)at[6] << 8) | (uint64_t)at[7];
}

static inline void mt5gate_store16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void mt5gate_store32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

static inline void mt5gate_store64(uint8_t *at, uint64_t value)
{
    mt5gate_store32(at, (uint32_t)(value >> 32));
    mt5gate_store32(at + 4, (uint32_t)value);
}

static inline uint64_t mt5gate_double_bits(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, 8);
    return bits;
}

static inline double mt5gate_bits_double(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, 8);
    return value;
}

/* memcpy for what is mostly short: names and keys, for which a call costs more than the copy. */
static inline void mt5gate_copy(uint8_t *to, const void *from, size_t size)
{
    const uint8_t *source = (const uint8_t *)from;

    if (size > 16) {
        memcpy(to, source, size);
    } else if (size >= 8) { /* two words that overlap */
        uint64_t first, last;

        memcpy(&first, source, 8);
        memcpy(&last, source + size - 8, 8);
        memcpy(to, &first, 8);
        memcpy(to + size - 8, &last, 8);
    } else if (size >= 4) {
        uint32_t first, last;

        memcpy(&first, source, 4);
        memcpy(&last, source + size - 4, 4);
        memcpy(to, &first, 4);
        memcpy(to + size - 4, &last, 4);
    } else if (size) {
        uint8_t first = source[0], middle = source[size >> 1], last = source[size - 1];

        to[0] = first;
        to[size >> 1] = middle;
        to[size - 1] = last;
    }
}

/* --- UTF-8 ------------------------------------------------------------------------------------------------------- */

/* One character that isn't ASCII: its bytes, or 0 if it isn't valid (RFC 3629: no overlong forms, no surrogates,
 * nothing above U+10FFFF). `left` is at least 1. */
static inline size_t mt5gate_utf8_character(const uint8_t *at, size_t left)
{
    uint8_t first = at[0], low = 0x80, high = 0xbf;
    size_t length, index;

    if (first >= 0xc2 && first <= 0xdf)
        length = 2;
    else if (first >= 0xe0 && first <= 0xef) {
        length = 3;
        if (first == 0xe0)
            low = 0xa0;
        else if (first == 0xed)
            high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
        length = 4;
        if (first == 0xf0)
            low = 0x90;
        else if (first == 0xf4)
            high = 0x8f;
    } else
        return 0;
    if (left < length || at[1] < low || at[1] > high)
        return 0;
    for (index = 2; index < length; index++)
        if ((at[index] & 0xc0) != 0x80)
            return 0;
    return length;
}

/* Whether one of `size` bytes, at most 8, is other than ASCII; what is shorter than a word is read in two parts that
 * overlap. */
static inline int mt5gate_is_not_ascii(const uint8_t *at, size_t size)
{
    if (size == 8) {
        uint64_t word;

        memcpy(&word, at, 8);
        return (word & UINT64_C(0x8080808080808080)) != 0;
    }
    if (size >= 4) {
        uint32_t first, last;

        memcpy(&first, at, 4);
        memcpy(&last, at + size - 4, 4);
        return ((first | last) & UINT32_C(0x80808080)) != 0;
    }
    return size && ((at[0] | at[size >> 1] | at[size - 1]) & 0x80);
}

static inline int mt5gate_utf8_is_valid(const uint8_t *at, size_t left)
{
    while (left) {
        size_t length = left < 8 ? left : 8; /* names and comments are mostly ASCII */

        if (mt5gate_is_not_ascii(at, length)) {
            length = *at < 0x80 ? 1 : mt5gate_utf8_character(at, left);
            if (!length)
                return 0;
        }
        at += length;
        left -= length;
    }
    return 1;
}

/* --- validation ------------------------------------------------------------------------------------------------ */

/* What follows each head from 0xc0 to 0xdf: so many bytes, which are the value itself, or the length of what follows
 * them, or the number of items. */
enum {
    MT5GATE_FOLLOWS = 0x0f,
    MT5GATE_HAS_LENGTH = 0x10,
    MT5GATE_HAS_ITEMS = 0x20,
    MT5GATE_IS_TEXT = 0x40,
    MT5GATE_IS_MAP = 0x80,
    MT5GATE_REFUSED = MT5GATE_HAS_LENGTH | MT5GATE_HAS_ITEMS
};

static const uint8_t mt5gate_shapes[32] = {
    0, MT5GATE_REFUSED, 0, 0,                                              /* c0: nil, never used, false, true */
    MT5GATE_HAS_LENGTH | 1, MT5GATE_HAS_LENGTH | 2, MT5GATE_HAS_LENGTH | 4, /* c4: binaries */
    MT5GATE_REFUSED, MT5GATE_REFUSED, MT5GATE_REFUSED,                     /* c7: extensions */
    4, 8,                                                                  /* ca: floats */
    1, 2, 4, 8,                                                            /* cc: unsigned integers */
    1, 2, 4, 8,                                                            /* d0: signed integers */
    MT5GATE_REFUSED, MT5GATE_REFUSED, MT5GATE_REFUSED, MT5GATE_REFUSED, MT5GATE_REFUSED, /* d4: extensions */
    MT5GATE_IS_TEXT | MT5GATE_HAS_LENGTH | 1,                              /* d9: strings */
    MT5GATE_IS_TEXT | MT5GATE_HAS_LENGTH | 2, MT5GATE_IS_TEXT | MT5GATE_HAS_LENGTH | 4,
    MT5GATE_HAS_ITEMS | 2, MT5GATE_HAS_ITEMS | 4,                          /* dc: arrays */
    MT5GATE_IS_MAP | MT5GATE_HAS_ITEMS | 2, MT5GATE_IS_MAP | MT5GATE_HAS_ITEMS | 4, /* de: maps */
};

/* The place behind the value that begins at `at`, or NULL with the reason in `fault`.
 *
 * `depth` is how many containers may be nested, at most MT5GATE_MAX_DEPTH. Iterative: `left` is the number of items
 * still to come in the innermost open container, those of the others stand in `outer`. A map counts keys and values as
 * items, so that an even number left means that a key is next. */
static inline const uint8_t *
mt5gate_skip(const uint8_t *at, const uint8_t *end, unsigned depth, int *fault)
{
    uint64_t outer[MT5GATE_MAX_DEPTH], left = 1;
    uint8_t outer_is_map[MT5GATE_MAX_DEPTH], in_map = 0;
    unsigned level = 0;

    assert(at <= end && depth <= MT5GATE_MAX_DEPTH);
    for (;;) {
        size_t length = 0; /* bytes behind the head */
        uint64_t items = 0;
        unsigned shape = 0;
        uint8_t head;

        if (at == end)
            goto truncated;
        head = *at++;
        if (head <= 0x7f || head >= 0xe0) {
            /* an integer in the head itself */
        } else if (head >= 0xc0) {
            unsigned follows;

            shape = mt5gate_shapes[head - 0xc0];
            follows = shape & MT5GATE_FOLLOWS;
            if ((size_t)(end - at) < follows)
                goto truncated;
            if (shape & (MT5GATE_HAS_LENGTH | MT5GATE_HAS_ITEMS)) {
                uint64_t number = 0;

                if (follows == 1)
                    number = at[0];
                else if (follows == 2)
                    number = mt5gate_load16(at);
                else if (follows == 4)
                    number = mt5gate_load32(at);

                if ((shape & MT5GATE_REFUSED) == MT5GATE_REFUSED) {
                    *fault = head == 0xc1 ? MT5GATE_RESERVED : MT5GATE_EXTENSION;
                    return NULL;
                }
                if (shape & MT5GATE_HAS_LENGTH)
                    length = (size_t)number;
                else
                    items = number;
            }
            at += follows;
        } else if (head >= 0xa0) {
            shape = MT5GATE_IS_TEXT;
            length = head & 0x1f;
        } else {
            shape = head <= 0x8f ? MT5GATE_HAS_ITEMS | MT5GATE_IS_MAP : MT5GATE_HAS_ITEMS;
            items = head & 0x0f;
        }
        if (in_map && !(left & 1) && !(shape & MT5GATE_IS_TEXT)) {
            *fault = MT5GATE_KEY;
            return NULL;
        }
        if (length) {
            if (length > (size_t)(end - at))
                goto truncated;
            if ((shape & MT5GATE_IS_TEXT) && !mt5gate_utf8_is_valid(at, length)) {
                *fault = MT5GATE_UTF8;
                return NULL;
            }
            at += length;
        } else if (shape & MT5GATE_HAS_ITEMS) {
            if (level == depth) {
                *fault = MT5GATE_DEPTH;
                return NULL;
            }
            if (shape & MT5GATE_IS_MAP)
                items <<= 1;
            if (items > (uint64_t)(end - at)) /* an item has at least one byte */
                goto truncated;
            if (items) {
                outer[level] = left;
                outer_is_map[level] = in_map;
                level++;
                left = items;
                in_map = (shape & MT5GATE_IS_MAP) != 0;
                continue;
            }
        }
        while (--left == 0) { /* the value is complete, and with it each container whose last item it was */
            if (!level)
                return at;
            level--;
            left = outer[level];
            in_map = outer_is_map[level];
        }
    }
truncated:
    *fault = MT5GATE_TRUNCATED;
    return NULL;
}

/* --- reading what was proven ----------------------------------------------------------------------------------- */

/* One value's head: what it is and its number, which is
 *   UNSIGNED, NEGATIVE  the integer (NEGATIVE as two's complement)
 *   FLOAT               the bits of a double
 *   BOOLEAN             0 or 1
 *   STRING, BINARY      bytes that follow at `body`
 *   ARRAY, MAP          items (pairs) that follow at `body` */
typedef struct {
    const uint8_t *body;
    uint64_t number;
    int kind;
} mt5gate_value;

static inline mt5gate_value mt5gate_signed(const uint8_t *body, int64_t number)
{
    mt5gate_value value = {body, (uint64_t)number, number < 0 ? MT5GATE_NEGATIVE : MT5GATE_UNSIGNED};

    return value;
}

static inline mt5gate_value mt5gate_value_of(const uint8_t *body, uint64_t number, int kind)
{
    mt5gate_value value = {body, number, kind};

    return value;
}

static inline mt5gate_value mt5gate_read(const uint8_t *at)
{
    uint8_t head = *at++;
    uint32_t narrow;
    float single;

    if (head <= 0x7f)
        return mt5gate_value_of(at, head, MT5GATE_UNSIGNED);
    if (head >= 0xe0)
        return mt5gate_signed(at, (int8_t)head);
    if (head <= 0x8f)
        return mt5gate_value_of(at, head & 0x0f, MT5GATE_MAP);
    if (head <= 0x9f)
        return mt5gate_value_of(at, head & 0x0f, MT5GATE_ARRAY);
    if (head <= 0xbf)
        return mt5gate_value_of(at, head & 0x1f, MT5GATE_STRING);
    switch (head) {
    case 0xc2:
        return mt5gate_value_of(at, 0, MT5GATE_BOOLEAN);
    case 0xc3:
        return mt5gate_value_of(at, 1, MT5GATE_BOOLEAN);
    case 0xc4:
        return mt5gate_value_of(at + 1, at[0], MT5GATE_BINARY);
    case 0xc5:
        return mt5gate_value_of(at + 2, mt5gate_load16(at), MT5GATE_BINARY);
    case 0xc6:
        return mt5gate_value_of(at + 4, mt5gate_load32(at), MT5GATE_BINARY);
    case 0xca:
        narrow = mt5gate_load32(at);
        memcpy(&single, &narrow, 4);
        return mt5gate_value_of(at + 4, mt5gate_double_bits((double)single), MT5GATE_FLOAT);
    case 0xcb:
        return mt5gate_value_of(at + 8, mt5gate_load64(at), MT5GATE_FLOAT);
    case 0xcc:
        return mt5gate_value_of(at + 1, at[0], MT5GATE_UNSIGNED);
    case 0xcd:
        return mt5gate_value_of(at + 2, mt5gate_load16(at), MT5GATE_UNSIGNED);
    case 0xce:
        return mt5gate_value_of(at + 4, mt5gate_load32(at), MT5GATE_UNSIGNED);
    case 0xcf:
        return mt5gate_value_of(at + 8, mt5gate_load64(at), MT5GATE_UNSIGNED);
    case 0xd0:
        return mt5gate_signed(at + 1, (int8_t)at[0]);
    case 0xd1:
        return mt5gate_signed(at + 2, (int16_t)mt5gate_load16(at));
    case 0xd2:
        return mt5gate_signed(at + 4, (int32_t)mt5gate_load32(at));
    case 0xd3:
        return mt5gate_signed(at + 8, (int64_t)mt5gate_load64(at));
    case 0xd9:
        return mt5gate_value_of(at + 1, at[0], MT5GATE_STRING);
    case 0xda:
        return mt5gate_value_of(at + 2, mt5gate_load16(at), MT5GATE_STRING);
    case 0xdb:
        return mt5gate_value_of(at + 4, mt5gate_load32(at), MT5GATE_STRING);
    case 0xdc:
        return mt5gate_value_of(at + 2, mt5gate_load16(at), MT5GATE_ARRAY);
    case 0xdd:
        return mt5gate_value_of(at + 4, mt5gate_load32(at), MT5GATE_ARRAY);
    case 0xde:
        return mt5gate_value_of(at + 2, mt5gate_load16(at), MT5GATE_MAP);
    case 0xdf:
        return mt5gate_value_of(at + 4, mt5gate_load32(at), MT5GATE_MAP);
    default:
        assert(head == 0xc0); /* the rest was refused by mt5gate_skip */
        return mt5gate_value_of(at, 0, MT5GATE_NIL);
    }
}

/* --- fields of a message --------------------------------------------------------------------------------------- */

enum { MT5GATE_MAX_FIELDS = 10 }; /* the longest message (READY) */

/* Validate a frame that must be one array, and note where its first MT5GATE_MAX_FIELDS items begin.
 *
 * Returns the number of items; -1 with `fault` if the frame isn't one well-formed value, -2 if bytes stand behind it,
 * -3 if it is no array. */
static inline int64_t
mt5gate_fields(const uint8_t *at, const uint8_t *end, const uint8_t *fields[MT5GATE_MAX_FIELDS], int *fault)
{
    mt5gate_value array;
    uint64_t index;
    const uint8_t *start = at;

    if (at == end || !((*at & 0xf0) == 0x90 || *at == 0xdc || *at == 0xdd)) {
        at = mt5gate_skip(start, end, MT5GATE_MAX_DEPTH, fault);
        return at == NULL ? -1 : at < end ? -2 : -3;
    }
    if ((*at == 0xdc && end - at < 3) || (*at == 0xdd && end - at < 5)) {
        *fault = MT5GATE_TRUNCATED;
        return -1;
    }
    array = mt5gate_read(at);
    at = array.body;
    for (index = 0; index < array.number; index++) {
        if (index < MT5GATE_MAX_FIELDS)
            fields[index] = at;
        at = mt5gate_skip(at, end, MT5GATE_MAX_DEPTH - 1, fault);
        if (at == NULL)
            return -1;
    }
    return at < end ? -2 : (int64_t)array.number;
}

/* --- writing --------------------------------------------------------------------------------------------------- */

enum { MT5GATE_HEAD_BYTES = 9 }; /* the longest head of a value, and the longest number */

/* Each of these writes at most MT5GATE_HEAD_BYTES, for which its caller has made room, in the shortest encoding, and
 * returns the place behind them. */

static inline uint8_t *mt5gate_put_unsigned(uint8_t *at, uint64_t number)
{
    if (number < 0x80) {
        at[0] = (uint8_t)number;
        return at + 1;
    }
    if (number < 0x100) {
        at[0] = 0xcc;
        at[1] = (uint8_t)number;
        return at + 2;
    }
    if (number < 0x10000) {
        at[0] = 0xcd;
        mt5gate_store16(at + 1, (uint32_t)number);
        return at + 3;
    }
    if (number < UINT64_C(0x100000000)) {
        at[0] = 0xce;
        mt5gate_store32(at + 1, (uint32_t)number);
        return at + 5;
    }
    at[0] = 0xcf;
    mt5gate_store64(at + 1, number);
    return at + 9;
}

/* The number -magnitude; `magnitude` is from 1 to 2**63. */
static inline uint8_t *mt5gate_put_negative(uint8_t *at, uint64_t magnitude)
{
    uint64_t number = (uint64_t)0 - magnitude;

    if (magnitude <= 0x20) {
        at[0] = (uint8_t)number;
        return at + 1;
    }
    if (magnitude <= 0x80) {
        at[0] = 0xd0;
        at[1] = (uint8_t)number;
        return at + 2;
    }
    if (magnitude <= 0x8000) {
        at[0] = 0xd1;
        mt5gate_store16(at + 1, (uint32_t)number);
        return at + 3;
    }
    if (magnitude <= UINT64_C(0x80000000)) {
        at[0] = 0xd2;
        mt5gate_store32(at + 1, (uint32_t)number);
        return at + 5;
    }
    at[0] = 0xd3;
    mt5gate_store64(at + 1, number);
    return at + 9;
}

static inline uint8_t *mt5gate_put_signed(uint8_t *at, int64_t number)
{
    return number < 0 ? mt5gate_put_negative(at, (uint64_t)0 - (uint64_t)number)
                      : mt5gate_put_unsigned(at, (uint64_t)number);
}

static inline uint8_t *mt5gate_put_double(uint8_t *at, double number)
{
    at[0] = 0xcb;
    mt5gate_store64(at + 1, mt5gate_double_bits(number));
    return at + 9;
}

/* The heads of what has a length, which is below 2**32. `head` says 16 bits, the head behind it 32 bits: so it is with
 * strings, binaries, arrays and maps alike. */
static inline uint8_t *mt5gate_put_wide_head(uint8_t *at, size_t size, uint8_t head)
{
    if (size < 0x10000) {
        at[0] = head;
        mt5gate_store16(at + 1, (uint32_t)size);
        return at + 3;
    }
    assert(size <= 0xffffffff);
    at[0] = (uint8_t)(head + 1);
    mt5gate_store32(at + 1, (uint32_t)size);
    return at + 5;
}

static inline uint8_t *mt5gate_put_string_head(uint8_t *at, size_t size)
{
    if (size < 0x20) {
        at[0] = (uint8_t)(0xa0 | size);
        return at + 1;
    }
    if (size < 0x100) {
        at[0] = 0xd9;
        at[1] = (uint8_t)size;
        return at + 2;
    }
    return mt5gate_put_wide_head(at, size, 0xda);
}

static inline uint8_t *mt5gate_put_binary_head(uint8_t *at, size_t size)
{
    if (size < 0x100) {
        at[0] = 0xc4;
        at[1] = (uint8_t)size;
        return at + 2;
    }
    return mt5gate_put_wide_head(at, size, 0xc5);
}

static inline uint8_t *mt5gate_put_array_head(uint8_t *at, size_t size)
{
    if (size < 0x10) {
        at[0] = (uint8_t)(0x90 | size);
        return at + 1;
    }
    return mt5gate_put_wide_head(at, size, 0xdc);
}

static inline uint8_t *mt5gate_put_map_head(uint8_t *at, size_t size)
{
    if (size < 0x10) {
        at[0] = (uint8_t)(0x80 | size);
        return at + 1;
    }
    return mt5gate_put_wide_head(at, size, 0xde);
}

#endif
