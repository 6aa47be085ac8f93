/* CRC-32 as zlib, gzip and PNG have it: reflected, polynomial 0x04C11DB7. Eight bytes at a time.
 *
 * tables[0] takes one byte. tables[n] takes a byte that n more zero bytes follow, so that eight bytes need eight lookups
 * that don't wait for one another (the method: Kounavis and Berry, "A Systematic Approach to Building High Performance
 * Software-Based CRC Generators", 2005). Little-endian and big-endian alike: bytes are put together by shifts.
 */
#ifndef MT5GATE_CRC32_H
#define MT5GATE_CRC32_H

#include <stddef.h>
#include <stdint.h>

enum { MT5GATE_CRC32_LANES = 8 };

static uint32_t mt5gate_crc32_tables[MT5GATE_CRC32_LANES][256];

/* Fills the tables; once, before the first use. */
static inline void mt5gate_crc32_prepare(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t rest = byte;
        for (int bit = 0; bit < 8; bit++)
            rest = rest & 1 ? rest >> 1 ^ 0xEDB88320u : rest >> 1;
        mt5gate_crc32_tables[0][byte] = rest;
    }
    for (int lane = 1; lane < MT5GATE_CRC32_LANES; lane++)
        for (int byte = 0; byte < 256; byte++) {
            uint32_t rest = mt5gate_crc32_tables[lane - 1][byte];
            mt5gate_crc32_tables[lane][byte] = rest >> 8 ^ mt5gate_crc32_tables[0][rest & 0xff];
        }
}

static inline uint32_t mt5gate_crc32_word(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint32_t mt5gate_crc32(const uint8_t *at, size_t size)
{
    uint32_t(*const tables)[256] = mt5gate_crc32_tables;
    uint32_t rest = 0xFFFFFFFFu;
    for (; size >= 8; at += 8, size -= 8) {
        uint32_t first = rest ^ mt5gate_crc32_word(at), second = mt5gate_crc32_word(at + 4);
        rest = tables[7][first & 0xff] ^ tables[6][first >> 8 & 0xff] ^ tables[5][first >> 16 & 0xff] ^
               tables[4][first >> 24] ^ tables[3][second & 0xff] ^ tables[2][second >> 8 & 0xff] ^
               tables[1][second >> 16 & 0xff] ^ tables[0][second >> 24];
    }
    for (; size > 0; at++, size--)
        rest = rest >> 8 ^ tables[0][(rest ^ *at) & 0xff];
    return rest ^ 0xFFFFFFFFu;
}

#endif
