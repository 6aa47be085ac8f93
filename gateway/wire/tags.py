"""The mark that an order carries in the terminal's own ledger: first in its comment, derived from its client order id.

It lets an order be found again when everything else about it was lost. Reads through the gateway take it off. The
terminal counts a comment's length in UTF-16 units, and so does this file.
"""

import re
from hashlib import blake2b
from typing import Final

__all__ = ("COMMENT_ROOM", "MAX_COMMENT", "TAG_CHARACTERS", "fits", "is_tagged", "tag_of", "tagged", "untagged")

TAG_CHARACTERS: Final = 9
"""A tilde and eight characters of 62: two of a million orders share one with a chance of 1 in 400."""

MAX_COMMENT: Final = 29
"""Characters that the terminal takes; it refuses an order with more."""

COMMENT_ROOM: Final = MAX_COMMENT - TAG_CHARACTERS
"""Characters that are left for a caller's own comment; what is beyond is cut."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TAG: Final = re.compile(r"~[0-9A-Za-z]{8}")


def tag_of(order_id: str) -> str:
    """Return the tag of an order."""
    value = int.from_bytes(blake2b(order_id.encode(), digest_size=8).digest(), "big")
    characters = ["~"]
    for _ in range(TAG_CHARACTERS - 1):
        value, digit = divmod(value, 62)
        characters.append(_ALPHABET[digit])
    return "".join(characters)


def fits(comment: str) -> bool:
    """Tell whether the terminal would take a comment as it is."""
    return _units(comment) <= MAX_COMMENT


def tagged(tag: str, comment: str) -> str:
    """Return a comment as it goes to the terminal."""
    kept = comment[:COMMENT_ROOM]
    while _units(kept) > COMMENT_ROOM:
        kept = kept[:-1]
    return tag + kept


def is_tagged(comment: str) -> bool:
    """Tell whether a comment begins with a tag: its order came through a gateway."""
    return _TAG.match(comment) is not None


def untagged(comment: str) -> str:
    """Return a comment as its author wrote it (and the terminal kept it)."""
    return comment[TAG_CHARACTERS:] if _TAG.match(comment) else comment


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
