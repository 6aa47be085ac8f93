"""The order journal's records, to bytes and back: the compiled twin of the hot half of `gateway.core.records`."""

__all__ = ("accepted_record", "read_sound", "record", "sent_record", "settled_record")

def record(kind: int, sequence: int, wall_ns: int, now_ns: int, generation: int, body: bytes) -> bytes:
    """Return a record of any kind."""

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
    """Return ACCEPTED. Raises OverflowError for a name of 65,536 bytes or more."""

def sent_record(
    sequence: int, wall_ns: int, now_ns: int, generation: int, number: int, call_id: int, worker_name: str
) -> bytes:
    """Return SENT."""

def settled_record(
    sequence: int, wall_ns: int, now_ns: int, generation: int, number: int, state: int, status: int, result: bytes
) -> bytes:
    """Return SETTLED."""

def read_sound(data: bytes, sequence: int) -> tuple[list[tuple[int, int, int, int, bytes]], int]:
    """Read records while they are sound and numbered from `sequence` on; return them, and where they end. O(size).

    A record is (sequence, wall clock in ns, generation, kind, body).
    """
