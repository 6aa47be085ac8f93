"""The lives of a request and of an accepted order as tables: which state may follow which. The docs' diagrams are drawn
from them.

Rules: a state changes only by `InFlight.move` and `Order.move`, which ask these tables; an illegal move raises and
changes nothing. What has left for a worker (SENT or later) never comes back to QUEUED if it is an order, unless its
CALL is known never to have left this process. A request ends with its reply; an order is remembered beyond it.
"""

from enum import IntEnum
from typing import Final

__all__ = ("MOVES", "MOVE_MASKS", "ORDER_MOVES", "ORDER_MOVE_MASKS", "IllegalMove", "OrderState", "State")


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


class OrderState(IntEnum):
    """Where an accepted order is, as the journal knows it."""

    ACCEPTED = 0  # in the journal, and certainly not at a terminal
    SENT = 1  # about to leave for a worker, or gone
    UNKNOWN = 2  # it left, and nobody knows what became of it
    ANSWERED = 3  # the terminal's answer is known, whatever it is
    REFUSED = 4  # it never reached the terminal, and never will
    NOT_FOUND = 5  # it left, and the terminal's ledger has shown for long enough that it wasn't executed


ORDER_MOVES: Final[dict[OrderState, frozenset[OrderState]]] = {
    OrderState.ACCEPTED: frozenset({OrderState.SENT, OrderState.UNKNOWN, OrderState.REFUSED}),
    OrderState.SENT: frozenset({OrderState.SENT, OrderState.UNKNOWN, OrderState.ANSWERED, OrderState.REFUSED}),
    OrderState.UNKNOWN: frozenset({OrderState.ANSWERED, OrderState.REFUSED, OrderState.NOT_FOUND}),
    OrderState.ANSWERED: frozenset(),
    OrderState.REFUSED: frozenset(),
    OrderState.NOT_FOUND: frozenset({OrderState.ANSWERED}),
}
"""The same for accepted orders. SENT follows itself where a CALL couldn't be handed over and goes to another worker;
UNKNOWN follows ACCEPTED where a power cut may have taken the record that it was sent;
ANSWERED follows NOT_FOUND where evidence came after all: an alarm."""

ORDER_MOVE_MASKS: Final[tuple[int, ...]] = tuple(
    sum(1 << target for target in ORDER_MOVES[state]) for state in OrderState
)


class IllegalMove(RuntimeError):
    """Our own fault: a request was to go where the table doesn't lead."""
