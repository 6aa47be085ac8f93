"""The allow-list: what a client may name, and what it may not."""

from gateway.wire.calls import CALLS, INTERNAL_CALLS, Kind


def test_each_call_is_listed_under_its_name() -> None:
    for calls in (CALLS, INTERNAL_CALLS):
        assert all(name == call.name for name, call in calls.items())


def test_no_client_may_name_what_the_broker_asks_on_its_own_account() -> None:
    assert INTERNAL_CALLS.keys().isdisjoint(CALLS)
    assert {call.kind for call in INTERNAL_CALLS.values()} == {Kind.READ}
