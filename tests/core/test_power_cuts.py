"""A power cut may take the journal's end, and with it orders that have left: the next broker doesn't take them for new.

Another boot id tells it; where every record is on the disk before anything follows from it, nothing is lost.
"""

import pytest

from gateway.core.records import scan
from gateway.wire.errors import Code, Status

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SECOND = 1_000_000_000
MILLISECOND = 1_000_000
MAX_AHEAD = 60 * SECOND
FIRST_BOOT, SECOND_BOOT = bytes(15) + b"\1", bytes(15) + b"\2"
ENTRY = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0}


def ulid(born_ns: int, number: int = 0) -> str:
    value = (born_ns // MILLISECOND) << 80 | number
    return "".join(DIGITS[value >> shift & 31] for shift in range(125, -1, -5))


class Host:
    """A host that is booted again and again, and the journal on its disk."""

    def __init__(self, make_plane) -> None:
        self.make_plane = make_plane
        self.records: list[bytes] = []
        self.generation = 0

    def start(self, boot_id: bytes, now_ns: int, **options):
        self.generation += 1
        plane = self.make_plane(generation=self.generation, **options)
        records, _, problem = scan(b"".join(self.records), 1)
        assert not problem
        plane.engine.recover(records)
        plane.now_ns = now_ns
        plane.engine.start(boot_id, now_ns, now_ns)
        plane.on_records = self.records.append
        plane.flush()
        plane.ready()
        plane.hello()
        return plane


@pytest.fixture
def host(make_plane):
    return Host(make_plane)


def send(plane, order_id: str) -> int:
    return plane.ask("order_send", ENTRY | {"client_order_id": order_id})


def state(plane, order_id: str) -> str:
    return plane.answer("order_status", order_id).result["state"]


def test_an_id_from_before_the_cut_that_is_not_known_is_refused_and_one_from_after_it_goes(host):
    plane = host.start(FIRST_BOOT, 10 * SECOND)
    order_id = ulid(plane.now_ns + SECOND)
    kept = len(host.records)
    send(plane, order_id)
    plane.give_back(plane.call(), [10009, 5, 6])
    plane.flush()
    del host.records[kept:]

    plane = host.start(SECOND_BOOT, 20 * SECOND)

    assert state(plane, order_id) == "forgotten"
    reply = plane.reply(send(plane, order_id))
    assert (reply.status, reply.result[0]) == (Status.REFUSED, Code.FORGOTTEN_ID)
    plane.pass_time(MAX_AHEAD + SECOND)
    plane.ready("w1", epoch=2)
    plane.token = 0
    plane.hello()
    send(plane, ulid(plane.now_ns))
    assert plane.call().name == "order_send"


def test_a_clock_that_was_set_back_does_not_make_such_an_id_new(host):
    plane = host.start(FIRST_BOOT, 100 * SECOND)
    order_id = ulid(plane.now_ns + SECOND)

    plane = host.start(SECOND_BOOT, 90 * SECOND)

    assert plane.reply(send(plane, order_id)).result[0] == Code.FORGOTTEN_ID


def accepted_and_sent(host, **options):
    """Let an order leave, and the record of that be lost; return its id."""
    plane = host.start(FIRST_BOOT, 10 * SECOND, **options)
    order_id = ulid(plane.now_ns + SECOND)
    request_id = send(plane, order_id)
    plane.flush()
    records, _, _ = scan(b"".join(host.records), 1)
    assert [kind for _, _, _, kind, _ in records[-2:]] == [2, 3]
    whole = b"".join(host.records)
    sent_bytes = int.from_bytes(whole[whole.rindex(b"w1") - 56 :][:4], "little")
    host.records[:] = [whole[:-sent_bytes]]
    return order_id, request_id


def test_an_order_whose_sending_may_be_lost_is_unknown(host):
    order_id, _ = accepted_and_sent(host)
    plane = host.start(SECOND_BOOT, 20 * SECOND)
    assert state(plane, order_id) == "unknown"
    assert plane.calls() == []


@pytest.mark.parametrize("boot_id", [FIRST_BOOT, bytes(16)])
def test_without_another_boot_it_certainly_never_left(host, boot_id):
    order_id, _ = accepted_and_sent(host)
    plane = host.start(boot_id, 20 * SECOND)
    assert state(plane, order_id) == "refused"


def test_where_records_are_durable_first_nothing_is_in_doubt(host):
    plane = host.start(FIRST_BOOT, 10 * SECOND, gated=True)
    order_id = ulid(plane.now_ns + SECOND)

    plane = host.start(SECOND_BOOT, 20 * SECOND, gated=True)
    plane.engine.durable(2**62)

    assert state(plane, order_id) == "none"
    send(plane, order_id)
    assert plane.reply(plane.ask("ping")).status == Status.OK


def test_a_boot_behind_an_orderly_end_is_no_power_cut(host):
    plane = host.start(FIRST_BOOT, 10 * SECOND)
    order_id = ulid(plane.now_ns + SECOND)
    plane.engine.shutdown(plane.now_ns)
    plane.flush()

    plane = host.start(SECOND_BOOT, 20 * SECOND)

    send(plane, order_id)
    assert plane.call().name == "order_send"


def test_a_start_that_was_cut_short_is_begun_anew(host):
    """Of its records the first alone is on the disk."""
    order_id, _ = accepted_and_sent(host)
    kept = len(host.records)
    host.start(SECOND_BOOT, 20 * SECOND)
    first_bytes = int.from_bytes(host.records[kept][:4], "little")
    host.records[kept:] = [host.records[kept][:first_bytes]]

    plane = host.start(SECOND_BOOT, 30 * SECOND)

    assert state(plane, order_id) == "unknown"
