"""The table of a request's states."""

import pytest

from gateway.core.inflight import new_request
from gateway.core.states import MOVE_MASKS, MOVES, IllegalMove, State

ALL_MOVES = [(start, target) for start in State for target in State]


@pytest.mark.parametrize(("start", "target"), ALL_MOVES)
def test_only_the_tables_moves_are_made(start: State, target: State) -> None:
    request = new_request(b"client", 1, 0)
    request.state = start
    if target in MOVES[start]:
        request.move(target)
        assert request.state == target
    else:
        with pytest.raises(IllegalMove, match=rf"request 1: {start.name} can't become {target.name}"):
            request.move(target)
        assert request.state == start


def test_masks_say_what_the_table_says() -> None:
    for start, target in ALL_MOVES:
        assert bool(MOVE_MASKS[start] >> target & 1) == (target in MOVES[start])


def test_what_never_left_is_final() -> None:
    for state in (State.REFUSED, State.EXPIRED, State.DROPPED):
        assert not MOVES[state]


def test_an_order_that_may_have_happened_never_returns_to_a_queue() -> None:
    assert State.QUEUED not in MOVES[State.BEGUN] | MOVES[State.UNKNOWN]
    assert MOVES[State.UNKNOWN] == {State.ANSWERED}


def test_every_state_can_be_reached() -> None:
    reached = {State.RECEIVED}
    while True:
        further = reached | {target for start in reached for target in MOVES[start]}
        if further == reached:
            break
        reached = further
    assert reached == set(State)
