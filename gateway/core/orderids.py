"""Client order ids: a ULID, and behind it, if the caller wants one, a hyphen and a label.

An id says when it was born, so that one too old to be remembered can be told from a new one, and refused.
Source: ULID specification (48 bits of milliseconds since 1970, 80 bits of chance, in Crockford's base 32).
"""

__all__ = ("birth_ms", "made_id")

_MAX_BYTES = 64
_ULID_CHARACTERS = 26
_TIME_CHARACTERS = 10
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_NO_DIGIT = 255
_VALUES = bytes(_CROCKFORD.index(chr(code)) if chr(code) in _CROCKFORD else _NO_DIGIT for code in range(128))
"""What each ASCII character is worth."""
_LABEL = frozenset("-_.:" + "0123456789" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + "abcdefghijklmnopqrstuvwxyz")
_MAX_TIME = 2**48


def birth_ms(order_id: str) -> int:
    """Return when an id was born, in milliseconds since 1970; -1 for what is no id."""
    size = len(order_id)
    if not _ULID_CHARACTERS <= size <= _MAX_BYTES or not order_id.isascii():
        return -1
    born = 0
    for index in range(_ULID_CHARACTERS):
        value = _VALUES[ord(order_id[index])]
        if value == _NO_DIGIT:
            return -1
        if index < _TIME_CHARACTERS:
            born = born << 5 | value
    if size > _ULID_CHARACTERS and (order_id[_ULID_CHARACTERS] != "-" or not _LABEL.issuperset(order_id)):
        return -1
    return born if born < _MAX_TIME else -1


def made_id(born_ms: int, generation: int, sequence: int) -> str:
    """Return an id for an order that came without one: unique among those of this journal."""
    digits = []
    value = (born_ms << 80) | (generation & 0xFFFF_FFFF) << 48 | (sequence & 0xFFFF_FFFF_FFFF)
    for _ in range(_ULID_CHARACTERS):
        digits.append(_CROCKFORD[value & 31])
        value >>= 5
    return "".join(reversed(digits))
