"""The two chains that a request can stand in."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.inflight import DeadlineWheel, Fifo, InFlight, new_request

SLOT_NS = 2**23
TURN_NS = SLOT_NS * 4_096


def due_at(deadline_ns: int, request_id: int = 1) -> InFlight:
    request = new_request(b"client", request_id, 0)
    request.deadline_ns = deadline_ns
    return request


@given(st.lists(st.sampled_from(["push", "front", "remove"]), max_size=60), st.randoms(use_true_random=False))
def test_a_fifo_behaves_as_a_list(steps: list[str], random: object) -> None:
    fifo, model = Fifo(), []
    for number, step in enumerate(steps):
        request = new_request(b"client", number, 0)
        if step == "push":
            fifo.push(request)
            model.append(request)
        elif step == "front":
            fifo.push_front(request)
            model.insert(0, request)
        elif model:
            fifo.remove(model.pop(random.randrange(len(model))))  # type: ignore[attr-defined]
        found, at = [], fifo.head
        while at is not None:
            found.append(at)
            at = at.queue_after
        assert found == model
        assert fifo.size == len(model)
        assert fifo.tail is (model[-1] if model else None)


def test_nothing_is_due_early_and_at_most_one_slot_late() -> None:
    wheel = DeadlineWheel()
    request = due_at(5 * SLOT_NS + 123)
    due_ns = wheel.add(request)
    assert request.deadline_ns < due_ns <= request.deadline_ns + SLOT_NS
    assert wheel.expired(due_ns - 1) == []
    assert wheel.expired(due_ns) == [request]
    assert wheel.size == 0


def test_a_deadline_of_more_than_one_turn_waits_its_turns() -> None:
    wheel = DeadlineWheel()
    far, near = due_at(2 * TURN_NS + 7), due_at(7)
    wheel.add(far)
    wheel.add(near)
    assert wheel.expired(SLOT_NS) == [near]
    assert wheel.expired(TURN_NS + SLOT_NS) == []
    assert wheel.expired(2 * TURN_NS + SLOT_NS) == [far]


def test_what_left_is_not_due() -> None:
    wheel = DeadlineWheel()
    first, second = due_at(10), due_at(11)
    wheel.add(first)
    wheel.add(second)
    wheel.remove(first)
    wheel.remove(first)
    assert wheel.expired(SLOT_NS) == [second]


def test_an_empty_wheel_waits_as_long_as_it_may() -> None:
    assert DeadlineWheel().next_due_ns(12_345) == 12_345


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(0, 3 * TURN_NS)),
            st.tuples(st.just("remove"), st.integers(0, 30)),
            st.tuples(st.just("pass"), st.integers(0, TURN_NS)),
        ),
        max_size=60,
    )
)
def test_the_wheel_behaves_as_a_sorted_table(steps: list[tuple[str, int]]) -> None:
    wheel, model, now_ns = DeadlineWheel(), {}, 0
    for number, (step, value) in enumerate(steps):
        if step == "add":
            request = due_at(now_ns + 1 + value, number)
            model[request] = wheel.add(request)
        elif step == "remove" and model:
            request = list(model)[value % len(model)]
            del model[request]
            wheel.remove(request)
        elif step == "pass":
            now_ns += value
            found = wheel.expired(now_ns)
            assert set(found) == {request for request, due_ns in model.items() if due_ns <= now_ns}
            slots = [request.deadline_ns // SLOT_NS for request in found]
            assert slots == sorted(slots)
            for request in found:
                del model[request]
        assert wheel.size == len(model)
        until_ns = now_ns + TURN_NS // 2
        next_ns = wheel.next_due_ns(until_ns)
        assert next_ns <= max(until_ns, now_ns)
        assert all(next_ns <= due_ns for due_ns in model.values())


def test_a_deadline_that_has_passed_already_is_due_with_the_next_slot() -> None:
    wheel = DeadlineWheel()
    wheel.expired(10 * SLOT_NS)
    request = due_at(SLOT_NS)
    assert wheel.add(request) == 11 * SLOT_NS
    assert wheel.expired(11 * SLOT_NS) == [request]


def test_the_next_deadline_is_looked_for_one_turn_ahead() -> None:
    wheel = DeadlineWheel()
    wheel.add(due_at(5 * TURN_NS))
    assert wheel.next_due_ns(9 * TURN_NS) <= 5 * TURN_NS + SLOT_NS
