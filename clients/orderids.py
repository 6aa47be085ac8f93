"""New client order ids: ULIDs, ascending within a process, with a label of the caller's behind them.

Source: ULID specification, "Monotonicity".
"""

import secrets
import threading
from typing import Final

from gateway.clock import wall_ns
from gateway.wire.errors import LocalProtocolError

__all__ = ("new_order_id",)

MAX_LABEL: Final = 37
"""Characters: an id has 64 at most."""

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CHANCE_BITS: Final = 80
_ALLOWED: Final = frozenset(_CROCKFORD + _CROCKFORD.lower() + "ILOUilou-_.:")


class _Ids:
    """The last id made, so that the next one is above it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        """Return the next id as a number of 128 bits."""
        fresh = (wall_ns() // 1_000_000) << _CHANCE_BITS | secrets.randbits(_CHANCE_BITS - 1)
        with self._lock:
            if fresh >> _CHANCE_BITS <= self._last >> _CHANCE_BITS:
                fresh = self._last + 1 + secrets.randbits(32)
            self._last = fresh
        return fresh


_IDS: Final = _Ids()


def new_order_id(label: str = "") -> str:
    """Return a new client order id; keep it where you will find it again, then send the order.

    `label`: letters, digits and "-_.:", at most 37 of them; it makes an id readable and means nothing to the gateway.
    Raises LocalProtocolError for another label.
    """
    if len(label) > MAX_LABEL or not _ALLOWED.issuperset(label):
        raise LocalProtocolError(f"label: expected at most {MAX_LABEL} letters, digits and -_.:, got {label!r:.60}")
    value = _IDS.next()
    ulid = "".join([_CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5)])
    return f"{ulid}-{label}" if label else ulid
