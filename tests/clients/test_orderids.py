"""New ids: valid, ascending, unique over threads, with the caller's label."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from clients import new_order_id
from gateway.core.orderids import birth_ms
from gateway.wire.errors import LocalProtocolError


def test_ids_ascend_and_are_valid() -> None:
    ids = [new_order_id() for _ in range(1_000)]
    assert ids == sorted(set(ids))
    assert all(birth_ms(order_id) > 0 for order_id in ids)


def test_ids_of_many_threads_are_unique() -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: [new_order_id() for _ in range(200)], range(8)))
    ids = [order_id for part in found for order_id in part]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("label", ["a", "grid.7:EURUSD_1", "x" * 37])
def test_a_label_makes_it_readable(label: str) -> None:
    order_id = new_order_id(label)
    assert order_id.endswith(f"-{label}")
    assert birth_ms(order_id) > 0


@pytest.mark.parametrize("label", ["x" * 38, "a b", "ä", "/"])
def test_another_label_is_refused(label: str) -> None:
    with pytest.raises(LocalProtocolError, match="label"):
        new_order_id(label)
