"""The mark that an order carries in the terminal's own ledger: first in its comment, derived from its client order id.

It lets an order be found again when everything else about it was lost. Reads through the gateway take it off.
"""

import re
from hashlib import blake2b
from typing import Final

__all__ = ("COMMENT_ROOM", "TAG_CHARACTERS", "tag_of", "tagged", "untagged")

TAG_CHARACTERS: Final = 9
"""A tilde and eight characters of 62: two of a million orders share one with a chance of 1 in 400."""

COMMENT_ROOM: Final = 20
"""Characters that are left for a caller's own comment, of the 29 that the terminal takes; what is beyond is cut."""

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


def tagged(tag: str, comment: str) -> str:
    """Return a comment as it goes to the terminal."""
    return tag + comment[:COMMENT_ROOM]


def untagged(comment: str) -> str:
    """Return a comment as its author wrote it (and the terminal kept it)."""
    return comment[TAG_CHARACTERS:] if _TAG.match(comment) else comment
