"""A request's life as a table: which state may follow which. The diagram in the docs is drawn from it.

Rules: a state changes only by `InFlight.move`, which asks this table; an illegal move raises and changes nothing.
What has left for a worker (SENT or later) never comes back to QUEUED if it is an order, unless its CALL is known never
to have left this process.
"""

from enum import IntEnum
from typing import Final

__all__ = ("MOVES", "MOVE_MASKS", "IllegalMove", "State")


class State(IntEnum):
    """Where a request is."""

    RECEIVED = 0  # decoded, nothing decided
    QUEUED = 1  # waits for a worker
    SENT = 2  # handed to a worker
    BEGUN = 3  # an order: the worker is about to call the terminal
    ANSWERED = 4  # by the gateway itself or by the terminal
    REFUSED = 5  # never left, or the worker said that it never began
    EXPIRED = 6  # never left, and its deadline has passed
    UNKNOWN = 7  # an order that left and has no answer
    ABANDONED = 8  # a read that left and is no longer waited for
    DROPPED = 9  # never left, and its session has ended


MOVES: Final[dict[State, frozenset[State]]] = {
    State.RECEIVED: frozenset({State.QUEUED, State.SENT, State.ANSWERED, State.REFUSED}),
    State.QUEUED: frozenset({State.SENT, State.REFUSED, State.EXPIRED, State.ABANDONED, State.DROPPED}),
    State.SENT: frozenset(
        {State.QUEUED, State.BEGUN, State.ANSWERED, State.REFUSED, State.EXPIRED, State.UNKNOWN, State.ABANDONED}
    ),
    State.BEGUN: frozenset({State.ANSWERED, State.REFUSED, State.UNKNOWN}),
    State.UNKNOWN: frozenset({State.ANSWERED}),
    State.ABANDONED: frozenset({State.ANSWERED}),
    State.ANSWERED: frozenset(),
    State.REFUSED: frozenset(),
    State.EXPIRED: frozenset(),
    State.DROPPED: frozenset(),
}
"""From each state, the states that may follow."""

MOVE_MASKS: Final[tuple[int, ...]] = tuple(sum(1 << target for target in MOVES[state]) for state in State)
"""The same table for the hot path: by state's number, a bit for each state that may follow."""


class IllegalMove(RuntimeError):
    """Our own fault: a request was to go where the table doesn't lead."""
