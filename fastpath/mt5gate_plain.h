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

/* An int's sign and magnitude; 0 if that takes more than 64 bits or can't be had without a call. */
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
    uint64_t high;

    *is_negative = count < 0;
    switch (count < 0 ? -count : count) {
    case 0:
        *magnitude = 0;
        return 1;
    case 1:
        *magnitude = digits[0];
        return 1;
    case 2:
        *magnitude = (uint64_t)digits[0] | ((uint64_t)digits[1] << PyLong_SHIFT);
        return 1;
    case 3:
        high = digits[2];
        if (high >> (64 - 2 * PyLong_SHIFT))
            return 0;
        *magnitude = (uint64_t)digits[0] | ((uint64_t)digits[1] << PyLong_SHIFT) | (high << (2 * PyLong_SHIFT));
        return 1;
    default:
        return 0;
    }
#endif
}

static inline uint8_t *mt5gate_put_plain(uint8_t *at, const uint8_t *end, PyObject *value)
{
    if (end - at < MT5GATE_HEAD_BYTES)
        return NULL;
    if (PyUnicode_CheckExact(value)) {
        size_t size;

        if (!PyUnicode_IS_COMPACT_ASCII(value))
            return NULL;
        size = (size_t)PyUnicode_GET_LENGTH(value);
        if (size >= 0x100 || size + 2 > (size_t)(end - at))
            return NULL;
        at = mt5gate_put_string_head(at, size);
        mt5gate_copy(at, PyUnicode_1BYTE_DATA(value), size);
        return at + size;
    }
    if (PyFloat_CheckExact(value))
        return mt5gate_put_double(at, PyFloat_AS_DOUBLE(value));
    if (PyLong_CheckExact(value)) {
        uint64_t magnitude;
        int is_negative;

        if (!mt5gate_integer(value, &is_negative, &magnitude))
            return NULL;
        if (!is_negative)
            return mt5gate_put_unsigned(at, magnitude);
        if (magnitude > (uint64_t)1 << 63)
            return NULL;
        return mt5gate_put_negative(at, magnitude);
    }
    return NULL;
}

#endif
