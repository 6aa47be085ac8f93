"""Client order ids: a ULID, and behind it, if the caller wants one, a hyphen and a label.

An id says when it was born, so that one too old to be remembered can be told from a new one, and refused.
Source: ULID specification (48 bits of milliseconds since 1970, 80 bits of chance, in Crockford's base 32).
"""

__all__ = ("birth_ms", "made_id")

_MAX_BYTES = 64
_ULID_CHARACTERS = 26
_TIME_CHARACTERS = 10
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BASE_32 = "0123456789abcdefghijklmnopqrstuv"
_DIGITS = dict.fromkeys(range(128), "?") | {ord(a): b for a, b in zip(_CROCKFORD, _BASE_32, strict=True)}
_LABEL = frozenset("-_.:" + "0123456789" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + "abcdefghijklmnopqrstuvwxyz")
_MAX_TIME = 2**48


def birth_ms(order_id: str) -> int:
    """Return when an id was born, in milliseconds since 1970; -1 for what is no id."""
    size = len(order_id)
    if not _ULID_CHARACTERS <= size <= _MAX_BYTES or not order_id.isascii():
        return -1
    digits = order_id[:_ULID_CHARACTERS].translate(_DIGITS)
    if "?" in digits:
        return -1
    if size > _ULID_CHARACTERS and (order_id[_ULID_CHARACTERS] != "-" or not _LABEL.issuperset(order_id)):
        return -1
    born = int(digits[:_TIME_CHARACTERS], 32)
    return born if born < _MAX_TIME else -1


def made_id(born_ms: int, generation: int, sequence: int) -> str:
    """Return an id for an order that came without one: unique among those of this journal."""
    digits = []
    value = (born_ms << 80) | (generation & 0xFFFF_FFFF) << 48 | (sequence & 0xFFFF_FFFF_FFFF)
    for _ in range(_ULID_CHARACTERS):
        digits.append(_CROCKFORD[value & 31])
        value >>= 5
    return "".join(reversed(digits))
