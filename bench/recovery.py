"""Start-up on a long journal: how much later a broker answers that has 1,000,000 records to read first."""

import time
from pathlib import Path
from typing import Final

from bench import frames
from bench.context import Context, Entry
from bench.gateway_process import start_gateway
from bench.runner import Block, Contender, Finding, Result, Target, interleave
from bench.stats import estimate
from gateway.accel import codec, records
from gateway.core.records import Kind, start_body
from gateway.journal import Journal

__all__ = ("ENTRIES", "write_journal")

RECORDS: Final = 1_000_000
AT_MOST: Final = Target("<=", 2_000_000_000)
AGE_NS: Final = 3_600_000_000_000
"""How long ago the first was written; the retention is a day."""

_PIECE: Final = 300
_GENERATION: Final = 3
_ANSWERED: Final = 3
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def recovery(context: Context) -> Result:
    """Start a broker on an empty folder, and one on a journal of orders that were sent and answered."""
    count, rounds = context.pick((RECORDS // 10, 3), (RECORDS, 8))
    empty, full = context.path("empty"), context.path("full")
    written = write_journal(full / "journal", count)
    contenders = [
        Contender("without a journal", lambda: _start(context, empty)),
        Contender(f"with {count:,} records", lambda: _start(context, full)),
    ]
    measured = interleave(contenders, rounds)
    result = Result("recovery", f"Recovery of {count:,} journal records", measured)
    later = [b - a for a, b in zip(measured[0].values("cost_ns"), measured[1].values("cost_ns"), strict=True)]
    # Cut short in a quick run: what is stated is for all of them, in proportion.
    scaled = estimate([value * RECORDS / count for value in later])
    result.findings.append(Finding(f"later by, for {RECORDS:,} records", scaled, "ns", None, AT_MOST))
    result.notes.append(f"{written / 1e6:.0f} MB: orders of three records, 65,536 of which are remembered.")
    return result


def write_journal(folder: Path, count: int) -> int:
    """Write `count` records of orders that were accepted, sent and answered; return their bytes."""
    folder.parent.mkdir(mode=0o700)  # the broker refuses a state folder that others may enter
    folder.mkdir(mode=0o700)
    journal = Journal(folder)
    journal.open(1)
    began_ns = time.time_ns() - AGE_NS
    tail = codec.decode_request(frames.ORDER.frame)[5]
    result = frames.null_results()["order_send"]
    head = (began_ns, 1, _GENERATION)
    pending = [records.record(int(Kind.START), 1, *head, start_body(bytes(16), 0))]
    sequence = written = 1
    while sequence < count:
        number, born_ms = sequence + 1, began_ns // 1_000_000
        order_id = _order_id(born_ms, number)
        pending += (
            records.accepted_record(number, *head, born_ms, "bench", order_id, frames.ACCOUNT, False, False, tail),
            records.sent_record(number + 1, *head, number, number, "null-1"),
            records.settled_record(number + 2, *head, number, _ANSWERED, 0, result),
        )
        sequence += 3
        if len(pending) >= _PIECE or sequence >= count:
            piece = b"".join(pending)
            written += len(piece)
            pending = []
            journal.append(piece, sequence)
            if journal.wants_segment:
                journal.open(sequence + 1)
    journal.close()
    return written


def _order_id(born_ms: int, number: int) -> str:
    value = born_ms << 80 | number
    return "".join(_DIGITS[value >> 5 * place & 31] for place in reversed(range(26)))


def _start(context: Context, state: Path) -> Block:
    began_ns = time.perf_counter_ns()
    with start_gateway(context, "ipc", state=state):
        return Block(cost_ns=time.perf_counter_ns() - began_ns)


ENTRIES = (Entry("recovery", "how much later a broker answers that reads 1,000,000 records first", recovery),)
