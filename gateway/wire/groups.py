"""The package's group filter, as in `symbols_get(group="*USD*, !EUR*")`."""

import re

__all__ = ("matches",)


def matches(group: str, name: str) -> bool:
    """Say whether `name` passes: any token accepts, the first matching token with `!` rejects.

    Tokens stand between commas, blanks around them are trimmed, `*` is the only wildcard, case matters, and a token
    must match the whole name: "*, !EUR" rejects a symbol named EUR alone.
    """
    accepted = False
    for part in group.split(","):
        token = part.strip()
        if token.startswith("!"):
            if _whole(token[1:], name):
                return False
        elif _whole(token, name):
            accepted = True
    return accepted


def _whole(pattern: str, name: str) -> bool:
    if "*" not in pattern:
        return pattern == name
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None
