/* Feeds the msgpack core (fastpath/mt5gate_msgpack.h) with bytes that want to break it; no Python anywhere near.
 *
 *   gcc -g -O1 -fsanitize=address,undefined -Ifastpath tests/fuzz/fuzz_msgpack.c -o fuzz_msgpack
 *   ./fuzz_msgpack SECONDS SEED          random values, mutated; the same seed gives the same inputs
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DLIBFUZZER -Ifastpath tests/fuzz/fuzz_msgpack.c -o fuzz_msgpack
 *
 * What is checked of each input, besides that no sanitizer complains (each lies in a block of exactly its size):
 *   - `mt5gate_skip` and `mt5gate_fields` agree on whether it is one array;
 *   - what is accepted can be read to its very end, with no more than the containers allowed open at once;
 *   - written again in the shortest form it is no longer than before, is accepted, and written once more is the same;
 *   - what is accepted is refused without its last byte, and with one byte more.
 */
#undef NDEBUG
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mt5gate_msgpack.h"

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);            \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

/* A copy in a block of its own size, so that one byte too far is out of bounds for the sanitizer. */
static uint8_t *exact_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    CHECK(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

/* Read one proven value and write it in its shortest form; *at moves behind it. Returns the end of what was written. */
static uint8_t *rewrite(const uint8_t **at, const uint8_t *end, uint8_t *to, unsigned depth)
{
    mt5gate_value value;
    uint64_t index, items;

    CHECK(*at < end);
    value = mt5gate_read(*at);
    *at = value.body;
    switch (value.kind) {
    case MT5GATE_NIL:
        *to = 0xc0;
        return to + 1;
    case MT5GATE_BOOLEAN:
        *to = value.number ? 0xc3 : 0xc2;
        return to + 1;
    case MT5GATE_UNSIGNED:
        return mt5gate_put_unsigned(to, value.number);
    case MT5GATE_NEGATIVE:
        CHECK(value.number >> 63);
        return mt5gate_put_signed(to, (int64_t)value.number);
    case MT5GATE_FLOAT: /* a float of 32 bits gets longer: its room is counted by the caller */
        return mt5gate_put_double(to, mt5gate_bits_double(value.number));
    case MT5GATE_STRING:
    case MT5GATE_BINARY:
        CHECK(value.number <= (uint64_t)(end - value.body));
        to = value.kind == MT5GATE_STRING ? mt5gate_put_string_head(to, (size_t)value.number)
                                          : mt5gate_put_binary_head(to, (size_t)value.number);
        mt5gate_copy(to, value.body, (size_t)value.number);
        CHECK(memcmp(to, value.body, (size_t)value.number) == 0);
        *at += value.number;
        return to + value.number;
    default:
        CHECK(depth > 0);
        CHECK(value.kind == MT5GATE_ARRAY || value.kind == MT5GATE_MAP);
        items = value.number;
        if (value.kind == MT5GATE_ARRAY) {
            to = mt5gate_put_array_head(to, (size_t)items);
        } else {
            to = mt5gate_put_map_head(to, (size_t)items);
            items *= 2;
        }
        for (index = 0; index < items; index++) {
            if (value.kind == MT5GATE_MAP && index % 2 == 0)
                CHECK(mt5gate_read(*at).kind == MT5GATE_STRING);
            to = rewrite(at, end, to, depth - 1);
        }
        return to;
    }
}

static size_t rewritten(const uint8_t *data, size_t size, uint8_t *to)
{
    const uint8_t *at = data;
    size_t written = (size_t)(rewrite(&at, data + size, to, MT5GATE_MAX_DEPTH) - to);

    CHECK(at == data + size);
    return written;
}

/* 1 if the input was one well-formed value. */
static int check_one(const uint8_t *data, size_t size)
{
    const uint8_t *fields[MT5GATE_MAX_FIELDS], *behind;
    uint8_t *once, *twice, *cut;
    size_t once_bytes, twice_bytes;
    int fault = 0, fields_fault = 0, is_whole;
    int64_t count;

    behind = mt5gate_skip(data, data + size, MT5GATE_MAX_DEPTH, &fault);
    CHECK(behind == NULL ? fault != 0 : behind > data && behind <= data + size);
    is_whole = behind == data + size;
    count = mt5gate_fields(data, data + size, fields, &fields_fault);
    CHECK(is_whole ? count >= 0 || count == -3 : count == -1 || count == -2);
    if (!is_whole)
        return 0;
    CHECK((count >= 0) == (mt5gate_read(data).kind == MT5GATE_ARRAY));
    for (int64_t index = 0; index < count && index < MT5GATE_MAX_FIELDS; index++)
        CHECK(fields[index] > data && fields[index] < data + size);

    once = malloc(2 * size + 16); /* a float of 32 bits takes 9 bytes instead of 5 */
    twice = malloc(2 * size + 16);
    CHECK(once != NULL && twice != NULL);
    once_bytes = rewritten(data, size, once);
    CHECK(mt5gate_skip(once, once + once_bytes, MT5GATE_MAX_DEPTH, &fault) == once + once_bytes);
    twice_bytes = rewritten(once, once_bytes, twice);
    CHECK(once_bytes == twice_bytes && memcmp(once, twice, once_bytes) == 0);
    free(once);
    free(twice);

    cut = exact_copy(data, size - 1);
    CHECK(mt5gate_skip(cut, cut + size - 1, MT5GATE_MAX_DEPTH, &fault) == NULL);
    free(cut);
    cut = malloc(size + 1);
    CHECK(cut != NULL);
    memcpy(cut, data, size);
    cut[size] = 0xc0;
    CHECK(mt5gate_skip(cut, cut + size + 1, MT5GATE_MAX_DEPTH, &fault) == cut + size);
    CHECK(mt5gate_fields(cut, cut + size + 1, fields, &fields_fault) == -2);
    free(cut);
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = exact_copy(data, size);

    check_one(copy, size);
    free(copy);
    return 0;
}

#ifndef LIBFUZZER

enum { MAX_INPUT_BYTES = 4096 };

static uint64_t state;

static uint64_t random_number(void) /* xorshift64* */
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(2685821657736338717);
}

static size_t below(size_t bound)
{
    return (size_t)(random_number() % bound);
}

static const char *const TEXTS[] = {"", "EURUSD", "order_send", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                    "a comment of more than thirty-one bytes, and not ASCII: \xe2\x80\xa6"};

/* Append a random value at `at`, no further than `end` minus a head; returns the place behind it. */
static uint8_t *random_value(uint8_t *at, const uint8_t *end, unsigned depth)
{
    size_t kind = below(depth ? 11 : 8), items;
    const char *text;

    if (end - at < 128)
        return mt5gate_put_unsigned(at, 1);
    switch (kind) {
    case 0:
        *at = (uint8_t)(0xc0 + (random_number() & 3)); /* once in a while the byte that begins no value */
        return at + 1;
    case 1:
        return mt5gate_put_unsigned(at, random_number() >> below(64));
    case 2:
        return mt5gate_put_signed(at, (int64_t)random_number() >> below(63));
    case 3:
        *at = (uint8_t)(0xca + below(10)); /* a number of any width, not in its shortest form */
        for (items = 1; items < 9; items++)
            at[items] = (uint8_t)random_number();
        return at + 1 + (mt5gate_shapes[*at - 0xc0] & MT5GATE_FOLLOWS);
    case 4:
        return mt5gate_put_double(at, (double)(int64_t)random_number());
    case 5:
    case 6:
        text = TEXTS[below(sizeof TEXTS / sizeof *TEXTS)];
        at = mt5gate_put_string_head(at, strlen(text));
        memcpy(at, text, strlen(text));
        return at + strlen(text);
    case 7:
        items = below(60);
        at = mt5gate_put_binary_head(at, items);
        memset(at, (int)below(256), items);
        return at + items;
    case 8:
        *at++ = 0xdc + (uint8_t)(2 * below(2)); /* a wide head for few items */
        items = below(5);
        mt5gate_store16(at, (uint32_t)items);
        at += 2;
        if (at[-3] == 0xdc)
            break;
        for (; items; items--) {
            *at++ = 0xa1;
            *at++ = 'k';
            at = random_value(at, end, depth - 1);
        }
        return at;
    default:
        items = below(20);
        at = mt5gate_put_array_head(at, items);
    }
    for (; items; items--)
        at = random_value(at, end, depth - 1);
    return at;
}

/* Damage it: bytes set, bits flipped, cut short, a piece doubled, a head that promises much. */
static size_t mutate(uint8_t *data, size_t size)
{
    static const uint8_t HEADS[] = {0xdd, 0xdf, 0xdb, 0xc6, 0xdc, 0xde, 0xda, 0xc5, 0xd9, 0xc7, 0xd6, 0xc1, 0x81, 0x91};
    size_t times = below(4), piece;

    for (; times && size; times--)
        switch (below(6)) {
        case 0:
            data[below(size)] = (uint8_t)random_number();
            break;
        case 1:
            data[below(size)] ^= (uint8_t)(1 << below(8));
            break;
        case 2:
            size = below(size + 1);
            break;
        case 3:
            data[below(size)] = HEADS[below(sizeof HEADS)];
            break;
        case 4:
            if (size < MAX_INPUT_BYTES) {
                piece = below(size);
                memmove(data + piece + 1, data + piece, size - piece);
                size++;
            }
            break;
        default:
            piece = below(size);
            memset(data + piece, 0xff, size - piece < 4 ? size - piece : 4);
        }
    return size;
}

int main(int argc, char **argv)
{
    static uint8_t input[2 * MAX_INPUT_BYTES];
    uint64_t executed = 0, accepted = 0;
    double seconds;
    time_t deadline;

    if (argc != 3) {
        fprintf(stderr, "usage: %s SECONDS SEED\n", argv[0]);
        return 2;
    }
    seconds = atof(argv[1]);
    state = strtoull(argv[2], NULL, 0) * 2 + 1; /* xorshift must not start at 0 */
    deadline = time(NULL) + (time_t)(seconds < 1 ? 1 : seconds);
    do {
        for (int index = 0; index < 1000; index++, executed++) {
            size_t size = (size_t)(random_value(input, input + MAX_INPUT_BYTES, (unsigned)below(19)) - input);
            uint8_t *copy;

            size = mutate(input, size);
            copy = exact_copy(input, size);
            accepted += (uint64_t)check_one(copy, size);
            free(copy);
        }
    } while (time(NULL) < deadline);
    printf("%llu inputs, %llu accepted\n", (unsigned long long)executed, (unsigned long long)accepted);
    return accepted && accepted < executed ? 0 : 1; /* a fuzzer that only ever sees one answer fuzzes nothing */
}

#endif
