"""What becomes of a worker's calls when it goes.

Rules: an order that has left is UNKNOWN, begun or not, for BEGUN may have been lost with the worker; it is never sent
again. A read is tried once more. What never left this process is queued again. While a worker may come back, its calls
keep their place, so that its RETURN still counts.
"""

from typing import Final

from gateway.core.dispatch import Dispatcher
from gateway.core.inflight import InFlight, new_request
from gateway.core.lanes import Worker
from gateway.core.states import State

__all__ = ("forget_unknown", "never_left", "release", "strike")

MAX_READ_ATTEMPTS: Final = 2
"""A read that has lost two workers isn't offered to a third."""


def release(dispatcher: Dispatcher, worker: Worker, now_ns: int, is_dead: bool, why: str) -> None:
    """Take everything from a worker that has gone; `is_dead` says that it can't come back. O(calls in flight)."""
    for request in reversed(dispatcher.held_by(worker)):  # the oldest goes back to a queue's head last
        if request.sent_ns == 0:
            dispatcher.recall(request)
            dispatcher.requeue_or_drop(request)
        else:
            _part(dispatcher, request, now_ns, is_dead, why)


def strike(dispatcher: Dispatcher, worker: Worker, requests: list[InFlight], now_ns: int, why: str) -> int:
    """Strike out calls that a worker can't return any more though it lives; return how many orders stay UNKNOWN."""
    unknown = 0
    for request in reversed(requests):
        if dispatcher.calls.get(request.call_id) is not request or request.worker is not worker:
            continue
        _part(dispatcher, request, now_ns, True, why)
        if request.state == State.UNKNOWN:
            dispatcher.forget(request)
            unknown += 1
    return unknown


def never_left(dispatcher: Dispatcher, request: InFlight) -> Worker | None:
    """Put back a call of the last flush that couldn't be sent; return its worker, or None if it isn't there."""
    worker = request.worker
    if request.state != State.SENT or dispatcher.calls.get(request.call_id) is not request:
        return None
    dispatcher.take_back(request)
    request.attempts -= 1
    dispatcher.requeue_or_drop(request)
    return worker


def forget_unknown(dispatcher: Dispatcher, worker: Worker) -> int:
    """Let go of a dead worker's UNKNOWN orders, when no answer can be under way any more; return how many."""
    held = dispatcher.held_by(worker)
    for request in held:
        dispatcher.forget(request)
    return len(held)


def _part(dispatcher: Dispatcher, request: InFlight, now_ns: int, is_final: bool, why: str) -> None:
    """Part a call that has left from its worker; `is_final` says that it can't be returned any more."""
    session = request.session
    if request.state == State.UNKNOWN:
        if is_final:
            dispatcher.released(request)
        return
    if request.state == State.ABANDONED:
        if is_final:
            dispatcher.forget(request)
    elif request.plan.is_order:
        dispatcher.give_up(request, why)
        if is_final:
            dispatcher.released(request)
    elif session is None or session.ended or request.attempts >= MAX_READ_ATTEMPTS or request.deadline_ns <= now_ns:
        dispatcher.give_up(request, f"worker lost: {why}")
        if is_final:
            dispatcher.forget(request)
    elif is_final:
        dispatcher.take_back(request)
        dispatcher.repeat(request)
    else:
        dispatcher.repeat(_twin(dispatcher, request))


def _twin(dispatcher: Dispatcher, request: InFlight) -> InFlight:
    """Return a request that takes the place of a read whose worker may still return it; that one is abandoned."""
    session = request.session
    assert session is not None
    twin = new_request(request.identity, request.request_id, request.received_ns)
    twin.session = session
    twin.plan = request.plan
    twin.account = request.account
    twin.tail = request.tail
    twin.has_kwargs = request.has_kwargs
    twin.lane = request.lane
    twin.deadline_ns = request.deadline_ns
    twin.attempts = request.attempts
    session.requests[twin.request_id] = twin
    dispatcher.deadlines.remove(request)
    dispatcher.deadlines.add(twin)
    request.session = None
    request.move(State.ABANDONED)
    request.worker.stuck += 1
    return twin
