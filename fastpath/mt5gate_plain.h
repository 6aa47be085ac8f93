/* The commonest Python values as msgpack, in line: exact str of ASCII, exact float, exact int of 64 bits or fewer.
 *
 * `mt5gate_put_plain` writes one such value at `at` and returns the place behind it. It returns NULL, having written
 * nothing, for any other value or where there may not be room up to `end`: then the general way (msgpack.pyx) is taken.
 * No Python code runs, nothing is allocated, no reference is touched. The GIL is held.
 */
#ifndef MT5GATE_PLAIN_H
#define MT5GATE_PLAIN_H

#include <Python.h>

#include "mt5gate_msgpack.h"

enum { MT5GATE_HEAD_BYTES = 9 }; /* the longest head of a value, and the longest number */

/* An exact int's value as sign and magnitude; 0 if it takes more than 64 bits or can't be had without a call. */
static inline int mt5gate_integer(PyObject *number, int *is_negative, uint64_t *magnitude)
{
#if PY_VERSION_HEX >= 0x030C0000
    Py_ssize_t value;

    if (!PyUnstable_Long_IsCompact((PyLongObject *)number))
        return 0;
    value = PyUnstable_Long_CompactValue((PyLongObject *)number);
    *is_negative = value < 0;
    *magnitude = value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value;
    return 1;
#else
    const digit *digits = ((PyLongObject *)number)->ob_digit;
    Py_ssize_t count = Py_SIZE(number);

    *is_negative = count < 0;
    switch (count < 0 ? -count : count) {
    case 0:
        *magnitude = 0;
        return 1;
    case 1:
        *magnitude = digits[0];
        return 1;
    case 2:
        *magnitude = (uint64_t)digits[0] | (uint64_t)digits[1] << PyLong_SHIFT;
        return 1;
    case 3:
        if ((uint64_t)digits[2] >> (64 - 2 * PyLong_SHIFT)) /* with digits of 15 bits there is always room */
            return 0;
        *magnitude = (uint64_t)digits[0] | (uint64_t)digits[1] << PyLong_SHIFT | (uint64_t)digits[2]
                                                                                     << (2 * PyLong_SHIFT);
        return 1;
    default:
        return 0;
    }
#endif
}

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

/* The negative number -magnitude, which is at least -2**63. */
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
