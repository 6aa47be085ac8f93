"""Noise that is a function of a key and a number: what made-up prices are made of, in any order, again and again.

Only whole numbers, and of floating point what IEEE 754 rounds the same everywhere: the same key gives the same prices
on every machine, with every version of NumPy. Source: Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", 2014 (SplitMix64's finaliser over a counter).
"""

from hashlib import blake2b
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ("BELL_SCALE", "bells", "hashes", "key_of", "mixed", "uniforms")

_GOLDEN: Final = 0x9E37_79B9_7F4A_7C15
_FACTORS: Final = (0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB)
_SHIFTS: Final = (30, 27, 31)
_MASK: Final = 2**64 - 1
_G64: Final = np.uint64(_GOLDEN)
_F64: Final = tuple(np.uint64(factor) for factor in _FACTORS)
_S64: Final = tuple(np.uint64(shift) for shift in _SHIFTS)
_11: Final = np.uint64(11)

BELL_SCALE: Final = 65536.0 / 3.0**0.5
"""The standard deviation of `bells`: four uniform 16-bit numbers, added."""
_BELL_CENTRE: Final = 2 * 65535

Hashes = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def key_of(*parts: Any) -> int:
    """Return a 64-bit key for what the parts say."""
    return int.from_bytes(blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest(), "big")


def mixed(key: int, number: int) -> int:
    """Return another key, one for each number."""
    value = (key + (number + 1) * _GOLDEN) & _MASK
    value = ((value ^ (value >> _SHIFTS[0])) * _FACTORS[0]) & _MASK
    value = ((value ^ (value >> _SHIFTS[1])) * _FACTORS[1]) & _MASK
    return value ^ (value >> _SHIFTS[2])


def hashes(key: int, numbers: Integers) -> Hashes:
    """Return 64 bits for each number, those of `mixed`; O(n), 6 ns each."""
    values = (numbers.astype(np.uint64) + np.uint64(1)) * _G64
    values += np.uint64(key)
    values ^= values >> _S64[0]
    values *= _F64[0]
    values ^= values >> _S64[1]
    values *= _F64[1]
    values ^= values >> _S64[2]
    return values


def bells(bits: Hashes) -> Integers:
    """Return bell-shaped whole numbers around 0 with the standard deviation BELL_SCALE, one for each 64 bits."""
    parts = np.ascontiguousarray(bits).view(np.uint16).reshape(*bits.shape, 4)
    total = parts[..., 0].astype(np.int64)
    for index in (1, 2, 3):
        total += parts[..., index]
    total -= _BELL_CENTRE
    return total


def uniforms(bits: Hashes) -> Floats:
    """Return numbers from 0 up to, not including, 1."""
    return (bits >> _11).astype(np.float64) * 2.0**-53
