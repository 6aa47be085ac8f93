"""What a trade server's return code says of an order: done, surely not, or perhaps.

"Perhaps" is 10011 (the server failed at it), 10012 (it gave up waiting), 10031 (no connection), and whatever isn't
listed: such an order is UNKNOWN until the terminal's ledger shows what became of it.
"""

from typing import Final

from gateway.wire import constants

__all__ = ("DONE", "NAMES", "REFUSED", "is_ambiguous")

NAMES: Final = {
    value: name.removeprefix("TRADE_RETCODE_")
    for name, value in vars(constants).items()
    if name.startswith("TRADE_RETCODE_")
}
"""Every listed code by its name in the package, without the prefix."""

DONE: Final = frozenset(
    {constants.TRADE_RETCODE_PLACED, constants.TRADE_RETCODE_DONE, constants.TRADE_RETCODE_DONE_PARTIAL}
)
"""It happened, all of it or a part, or rests at the server."""

REFUSED: Final = (
    frozenset(NAMES)
    - DONE
    - {constants.TRADE_RETCODE_ERROR, constants.TRADE_RETCODE_TIMEOUT, constants.TRADE_RETCODE_CONNECTION}
)
"""Nothing came of it, and nothing will."""


def is_ambiguous(retcode: object) -> bool:
    """Tell whether a code says neither."""
    return retcode not in DONE and retcode not in REFUSED
