/* The msgpack core: proves that bytes are one well-formed value, and reads heads out of bytes so proven.
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

static inline int mt5gate_utf8_is_valid(const uint8_t *at, size_t left)
{
    while (left) {
        uint64_t word;
        size_t length;

        if (left >= 8) { /* eight ASCII bytes at once: names and comments are mostly that */
            memcpy(&word, at, 8);
            if (!(word & UINT64_C(0x8080808080808080))) {
                at += 8;
                left -= 8;
                continue;
            }
        }
        length = *at < 0x80 ? 1 : mt5gate_utf8_character(at, left);
        if (!length)
            return 0;
        at += length;
        left -= length;
    }
    return 1;
}

/* --- validation ------------------------------------------------------------------------------------------------ */

/* The place behind the value that begins at `at`, or NULL with the reason in `fault`.
 *
 * `depth` is how many containers may be nested, at most MT5GATE_MAX_DEPTH. Iterative: the open containers stand in
 * `left`, each as the number of items still to come. A map counts keys and values as items, so that an even number
 * left means that a key is next. */
static inline const uint8_t *
mt5gate_skip(const uint8_t *at, const uint8_t *end, unsigned depth, int *fault)
{
    uint64_t left[MT5GATE_MAX_DEPTH];
    uint8_t is_map[MT5GATE_MAX_DEPTH];
    unsigned level = 0;

    assert(at <= end && depth <= MT5GATE_MAX_DEPTH);
    for (;;) {
        size_t rest, length = 0; /* bytes behind the head */
        uint64_t items = 0;
        int opens = 0, text = 0, map = 0;
        uint8_t head;

        if (at == end)
            goto truncated;
        head = *at++;
        rest = (size_t)(end - at);
        if (head <= 0x7f || head >= 0xe0) {
            /* an integer in the head itself */
        } else if (head <= 0x8f) {
            opens = map = 1;
            items = (uint64_t)(head & 0x0f);
        } else if (head <= 0x9f) {
            opens = 1;
            items = (uint64_t)(head & 0x0f);
        } else if (head <= 0xbf) {
            text = 1;
            length = head & 0x1f;
        } else {
            switch (head) {
            case 0xc0: /* nil */
            case 0xc2: /* false */
            case 0xc3: /* true */
                break;
            case 0xc1:
                *fault = MT5GATE_RESERVED;
                return NULL;
            case 0xcc: /* integers of 8 bits */
            case 0xd0:
                length = 1;
                break;
            case 0xcd: /* integers of 16 bits */
            case 0xd1:
                length = 2;
                break;
            case 0xca: /* float of 32 bits */
            case 0xce: /* integers of 32 bits */
            case 0xd2:
                length = 4;
                break;
            case 0xcb: /* float of 64 bits */
            case 0xcf: /* integers of 64 bits */
            case 0xd3:
                length = 8;
                break;
            case 0xd9: /* strings */
            case 0xc4: /* binaries */
                if (rest < 1)
                    goto truncated;
                text = head == 0xd9;
                length = at[0];
                at += 1;
                break;
            case 0xda:
            case 0xc5:
                if (rest < 2)
                    goto truncated;
                text = head == 0xda;
                length = mt5gate_load16(at);
                at += 2;
                break;
            case 0xdb:
            case 0xc6:
                if (rest < 4)
                    goto truncated;
                text = head == 0xdb;
                length = mt5gate_load32(at);
                at += 4;
                break;
            case 0xdc: /* arrays and maps */
            case 0xde:
                if (rest < 2)
                    goto truncated;
                opens = 1;
                map = head == 0xde;
                items = mt5gate_load16(at);
                at += 2;
                break;
            case 0xdd:
            case 0xdf:
                if (rest < 4)
                    goto truncated;
                opens = 1;
                map = head == 0xdf;
                items = mt5gate_load32(at);
                at += 4;
                break;
            default: /* 0xc7 to 0xc9, 0xd4 to 0xd8 */
                *fault = MT5GATE_EXTENSION;
                return NULL;
            }
        }
        if (level && is_map[level - 1] && !(left[level - 1] & 1) && !text) {
            *fault = MT5GATE_KEY;
            return NULL;
        }
        if (length) {
            if (length > (size_t)(end - at))
                goto truncated;
            if (text && !mt5gate_utf8_is_valid(at, length)) {
                *fault = MT5GATE_UTF8;
                return NULL;
            }
            at += length;
        } else if (opens) {
            if (level == depth) {
                *fault = MT5GATE_DEPTH;
                return NULL;
            }
            items <<= map;
            if (items > (uint64_t)(end - at)) /* an item has at least one byte */
                goto truncated;
            if (items) {
                left[level] = items;
                is_map[level] = (uint8_t)map;
                level++;
                continue;
            }
        }
        while (level) { /* the value is complete, and with it each container whose last item it was */
            if (--left[level - 1])
                break;
            level--;
        }
        if (!level)
            return at;
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

#endif
