"""The order journal's records, from and to bytes. It knows their form, not what to do about them. What is hot in it has
a compiled twin, `fastpath.records`.

A record is, little-endian: length (u32, all of it), CRC-32 (u32, of all that follows), sequence (u64), wall clock and
monotonic clock (u64 each, ns), generation (u32), kind (u8), three zero bytes, body. A length of zero, or the end of the
file, is the end of what was written. An order is named by the sequence of the record that accepted it.
"""

from collections.abc import Callable, Iterator
from enum import IntEnum
from struct import Struct
from zlib import crc32

__all__ = (
    "MAX_RECORD_BYTES",
    "Kind",
    "Record",
    "accepted_body",
    "accepted_record",
    "durable_body",
    "encode",
    "outlives_power_cuts",
    "read_accepted",
    "read_sent",
    "read_settled",
    "read_sound",
    "read_start",
    "record",
    "scan",
    "sent_body",
    "sent_record",
    "settled_body",
    "settled_record",
    "start_body",
)


class Kind(IntEnum):
    """What a record tells."""

    START = 1  # a broker has begun, or a segment: which boot of the host, and which ids are no longer taken
    ACCEPTED = 2  # an order was taken in
    SENT = 3  # ... and is given to a worker
    SETTLED = 4  # ... and this is known of it now
    LIMITS = 5  # somebody changed a risk limit, or a segment begins and this one is changed
    EQUITY = 6  # what an account's losses are measured against
    EVENT = 7  # an account's terminal has shown a change, and these clients are told
    SHOWN = 8  # an account is seen for the first time, or a segment begins: what its terminal showed
    NUMBERED = 9  # a segment begins: how far each client's events are numbered
    SWITCH = 10  # a kill switch was thrown or lifted, or a segment begins and this one is thrown
    ARMED = 11  # a client's session has asked for cancel-on-disconnect, or has ended that
    GOAL = 12  # what the gateway pursues by orders of its own: taken up, reached or withdrawn
    RESOLVED = 13  # somebody has said what became of an order in doubt
    DURABLE = 14  # how far the journal was on the disk for certain when this was written


MAX_RECORD_BYTES = 67_108_864 + 4_096
"""A result may be that large, though an order's never is."""

_PREFIX = Struct("<II")
_HEAD = Struct("<QQQIB3x")
_FIRST = _PREFIX.size + _HEAD.size
_START = Struct("<16sQ")
_ACCEPTED = Struct("<QHHHBB")
_SENT = Struct("<QQ")
_SETTLED = Struct("<QBB")
_MARK = Struct("<Q")
_COMPLETE = b"\x01"
_IS_EXIT = 1
_HAS_KWARGS = 2


def encode(kind: int, sequence: int, wall_ns: int, now_ns: int, generation: int, body: bytes) -> bytes:
    """Return one record."""
    rest = _HEAD.pack(sequence, wall_ns, now_ns, generation, kind) + body
    return _PREFIX.pack(_PREFIX.size + len(rest), crc32(rest)) + rest


record = encode
"""What the order log calls it: a record of any kind."""


def accepted_record(
    sequence: int,
    wall_ns: int,
    now_ns: int,
    generation: int,
    birth_ms: int,
    client_id: str,
    order_id: str,
    account_name: str,
    is_exit: bool,
    has_kwargs: bool,
    tail: bytes,
) -> bytes:
    """Return ACCEPTED."""
    names = client_id.encode(), order_id.encode(), account_name.encode()
    body = accepted_body(birth_ms, *names, is_exit, has_kwargs, tail)
    return encode(Kind.ACCEPTED, sequence, wall_ns, now_ns, generation, body)


def sent_record(
    sequence: int, wall_ns: int, now_ns: int, generation: int, number: int, call_id: int, worker_name: str
) -> bytes:
    """Return SENT."""
    return encode(Kind.SENT, sequence, wall_ns, now_ns, generation, sent_body(number, call_id, worker_name))


def settled_record(
    sequence: int, wall_ns: int, now_ns: int, generation: int, number: int, state: int, status: int, result: bytes
) -> bytes:
    """Return SETTLED."""
    return encode(Kind.SETTLED, sequence, wall_ns, now_ns, generation, settled_body(number, state, status, result))


def start_body(boot_id: bytes, horizon_ms: int, is_complete: bool = False) -> bytes:
    """Return START's body; ids born at `horizon_ms` or before and not in the journal are refused. `is_complete`:
    a power cut takes nothing that matters, for what follows from a record leaves only when that is on the disk, or
    because nothing follows any more."""
    return _START.pack(boot_id, horizon_ms) + (_COMPLETE if is_complete else b"")


def read_start(body: bytes) -> tuple[bytes, int]:
    """Return boot id and horizon (ms)."""
    boot_id, horizon_ms = _START.unpack_from(body)
    return boot_id, horizon_ms


def outlives_power_cuts(body: bytes) -> bool:
    """Tell of START's body whether the journal behind it is never behind what has left."""
    return body[_START.size :] == _COMPLETE


def accepted_body(
    birth_ms: int, client: bytes, order_id: bytes, account: bytes, is_exit: bool, has_kwargs: bool, tail: bytes
) -> bytes:
    """Return ACCEPTED's body."""
    flags = (_IS_EXIT if is_exit else 0) | (_HAS_KWARGS if has_kwargs else 0)
    head = _ACCEPTED.pack(birth_ms, len(client), len(order_id), len(account), flags, 0)
    return head + client + order_id + account + tail


def read_accepted(body: bytes) -> tuple[int, str, str, str, bool, bool, bytes]:
    """Return birth (ms), client id, order id, account, is_exit, has_kwargs, tail."""
    birth_ms, client, order_id, account, flags, _ = _ACCEPTED.unpack_from(body)
    first = _ACCEPTED.size
    second = first + client
    third = second + order_id
    fourth = third + account
    return (
        birth_ms,
        body[first:second].decode(),
        body[second:third].decode(),
        body[third:fourth].decode(),
        flags & _IS_EXIT != 0,
        flags & _HAS_KWARGS != 0,
        body[fourth:],
    )


def sent_body(number: int, call_id: int, worker: str) -> bytes:
    """Return SENT's body."""
    return _SENT.pack(number, call_id) + worker.encode()


def read_sent(body: bytes) -> tuple[int, int, str]:
    """Return the order's number, its call id, its worker's name."""
    number, call_id = _SENT.unpack_from(body)
    return number, call_id, body[_SENT.size :].decode()


def settled_body(number: int, state: int, status: int, result: bytes) -> bytes:
    """Return SETTLED's body: an `OrderState`, and the reply that goes with it."""
    return _SETTLED.pack(number, state, status) + result


def read_settled(body: bytes) -> tuple[int, int, int, bytes]:
    """Return the order's number, its state, and the reply's status and result."""
    number, state, status = _SETTLED.unpack_from(body)
    return number, state, status, body[_SETTLED.size :]


Record = tuple[int, int, int, int, bytes]
"""Sequence, wall clock (ns), generation, kind, body."""

SoundReader = Callable[[bytes, int], tuple[list[Record], int]]


def read_sound(data: bytes, sequence: int) -> tuple[list[Record], int]:
    """Read records while they are sound and numbered from `sequence` on; return them, and where they end. O(size)."""
    records: list[Record] = []
    offset = 0
    size = len(data)
    while size - offset >= _FIRST:
        length, checksum = _PREFIX.unpack_from(data, offset)
        if length < _FIRST or length > size - offset:
            break
        rest = data[offset + _PREFIX.size : offset + length]
        found, wall_ns, _, generation, kind = _HEAD.unpack_from(rest)
        if crc32(rest) != checksum or found != sequence:
            break
        records.append((found, wall_ns, generation, kind, rest[_HEAD.size :]))
        sequence += 1
        offset += length
    return records, offset


def scan(data: bytes, sequence: int, read: SoundReader = read_sound) -> tuple[list[Record], int, str]:
    """Read a segment from its first byte; `sequence` is its first record's; `read`: `read_sound`, or its twin. O(size).

    Returns its records, where they end, and what stands there: "" for nothing, "torn" where the last record was cut
    short and nothing sound follows it, else the damage. What was never on the disk for certain may have holes after a
    power cut: where the journal says that it waits for the disk, it is torn at the first of them.
    """
    records, end = read(data, sequence)
    if not data[end:].strip(b"\0"):
        return records, end, ""
    waits = next((outlives_power_cuts(body) for *_, kind, body in reversed(records) if kind == Kind.START), None)
    return records, end, _problem(data, end, sequence + len(records), waits)


def _problem(data: bytes, offset: int, sequence: int, waits: bool | None) -> str:
    """Tell a torn tail from a damaged middle: behind the latter stands a record that is sound. Where the journal waits
    for the disk (None: it isn't known), it must say that the damaged record was there."""
    length, checksum = _PREFIX.unpack_from(data, offset) if len(data) - offset >= _FIRST else (0, 0)
    if _FIRST <= length <= len(data) - offset and crc32(data[offset + _PREFIX.size : offset + length]) == checksum:
        found = _HEAD.unpack_from(data, offset + _PREFIX.size)[0]
        return f"expected record {sequence} at byte {offset}, found {found}"
    behind = list(_sound_behind(data, offset, sequence))
    marks = [_MARK.unpack(body)[0] for _, kind, body in behind if kind == Kind.DURABLE and len(body) == _MARK.size]
    if not behind or ((waits or (waits is None and marks)) and all(mark < sequence for mark in marks)):
        return "torn"
    return f"record {sequence} at byte {offset} is damaged, and record {behind[0][0]} behind it is sound"


def _sound_behind(data: bytes, offset: int, sequence: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield the sound records that stand anywhere behind a place: sequence, kind, body. O(size²) at the worst, and
    seldom more than O(size)."""
    end = min(len(data.rstrip(b"\0")), len(data) - _FIRST + 1)
    place = offset + 1
    while place < end:
        length, checksum = _PREFIX.unpack_from(data, place)
        if _FIRST <= length <= len(data) - place:
            found, _, _, _, kind = _HEAD.unpack_from(data, place + _PREFIX.size)
            if sequence <= found < sequence + 2**32 and crc32(data[place + _PREFIX.size : place + length]) == checksum:
                yield found, kind, data[place + _FIRST : place + length]
                place += length
                continue
        place += 1


def durable_body(sequence: int) -> bytes:
    """Return DURABLE's body: every record up to this one was on the disk."""
    return _MARK.pack(sequence)
