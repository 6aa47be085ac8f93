"""What the order plane counts: events, refusals by code, and where a request's time goes, stage by stage.

Rules: counting never decides anything. Counters only grow.
"""

from gateway.core.histogram import Histogram
from gateway.core.inflight import InFlight
from gateway.wire.errors import Code

__all__ = ("Counters", "Stages")


class Counters:
    """Events since the start."""

    __slots__ = (
        "frames_from_clients",
        "frames_from_workers",
        "late_answers",
        "late_returns",
        "malformed_from_workers",
        "notices",
        "orders_not_found",
        "orders_reconciled",
        "orders_repeated",
        "orders_unknown",
        "orders_unresolved",
        "quotes_from_board",
        "reads_repeated",
        "reads_unanswered",
        "refusals",
        "replies",
        "replies_dropped",
        "requests_dropped",
        "sessions_ended",
        "sessions_expired",
        "sessions_fenced",
        "sessions_opened",
        "stray_frames",
        "undeliverable_to_clients",
        "undeliverable_to_workers",
        "workers_lost",
        "workers_rejected",
    )

    def __init__(self) -> None:
        self.frames_from_clients = 0
        self.frames_from_workers = 0
        self.replies = 0
        self.notices = 0
        self.replies_dropped = 0  # their session had ended
        self.requests_dropped = 0  # queued when their session ended: they never left
        self.refusals: dict[int, int] = {}  # by code
        self.quotes_from_board = 0
        self.orders_repeated = 0  # with an id that is taken, answered from memory
        self.orders_unknown = 0  # replied UNKNOWN
        self.orders_reconciled = 0  # ... and found in the terminal's ledger
        self.orders_not_found = 0  # ... and not found there for long enough
        self.late_answers = 0  # ... and answered after all
        self.orders_unresolved = 0  # ... and forgotten: their worker is dead, and no answer was under way
        self.reads_repeated = 0  # their worker died
        self.reads_unanswered = 0  # replied NO_REPLY
        self.late_returns = 0  # a read's, after that
        self.stray_frames = 0  # of another generation or an unknown call, a stranger's HEARTBEAT, a request again
        self.malformed_from_workers = 0
        self.sessions_opened = 0
        self.sessions_ended = 0  # by bye
        self.sessions_fenced = 0
        self.sessions_expired = 0
        self.workers_lost = 0  # silent or unreachable, but not known to be dead
        self.workers_rejected = 0
        self.undeliverable_to_clients = 0
        self.undeliverable_to_workers = 0

    def refused(self, code: int) -> None:
        """Count a refusal."""
        self.refusals[code] = self.refusals.get(code, 0) + 1

    def as_dict(self) -> dict[str, int]:
        """Return all but the refusals."""
        return {name: getattr(self, name) for name in _PLAIN_COUNTERS}

    def refusals_by_name(self) -> dict[str, int]:
        """Return the refusals by their code's name."""
        return {Code(code).name.lower(): count for code, count in sorted(self.refusals.items())}


_PLAIN_COUNTERS = tuple(name for name in Counters.__slots__ if name != "refusals")


class Stages:
    """Where the time of those requests goes that a worker answers."""

    __slots__ = ("queue", "terminal", "total", "transport", "worker_wait")

    def __init__(self) -> None:
        self.queue = Histogram()  # received to sent
        self.transport = Histogram()  # sent to returned, less the worker's own time
        self.worker_wait = Histogram()  # at the worker, before its start
        self.terminal = Histogram()  # inside the terminal
        self.total = Histogram()  # received to replied

    def record(self, request: InFlight, replied_ns: int) -> None:
        """Count one answered request."""
        self.queue.record(request.sent_ns - request.received_ns)
        self.transport.record(request.returned_ns - request.sent_ns - request.wait_ns - request.call_ns)
        self.worker_wait.record(request.wait_ns)
        self.terminal.record(request.call_ns)
        self.total.record(replied_ns - request.received_ns)

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Return every stage's summary."""
        return {
            "queue": self.queue.summary(),
            "transport": self.transport.summary(),
            "worker_wait": self.worker_wait.summary(),
            "terminal": self.terminal.summary(),
            "total": self.total.summary(),
        }
