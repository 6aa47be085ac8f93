"""What a client's session is made of: its phases as a table, one request's life, and the bounds, each with its name.

It never knows a socket, a thread or a clock. `clients.session` is the session itself.
"""

from enum import Enum
from typing import Any, Final, NamedTuple, Protocol

from gateway.wire.calls import CALLS
from gateway.wire.errors import Code, GatewayError, LocalProtocolError

__all__ = (
    "HELLO_AGAIN_NS",
    "MAX_GROWTH_BYTES",
    "MAX_IN_FLIGHT",
    "MAX_NOTICES",
    "MAX_UNKNOWN",
    "MOVES",
    "TTL_MARGIN_MS",
    "Codec",
    "Event",
    "Exchange",
    "IllegalMove",
    "Notice",
    "Phase",
    "State",
)

MAX_IN_FLIGHT: Final = 16_384
"""Requests of one client that wait or are in flight; further ones raise Busy before they leave."""

MAX_NOTICES: Final = 1_024
"""Notices kept until somebody reads them; then the oldest goes, and is counted."""

MAX_UNKNOWN: Final = 1_024
"""Orders reported unknown by us whose late answer is still recognised."""

HELLO_AGAIN_NS: Final = 2_000_000_000
"""A hello without an answer is said again; only the last one's answer counts."""

MAX_GROWTH_BYTES: Final = 16
"""What a request may grow by when it is encoded again for another session: its token and its number get longer."""

TTL_MARGIN_MS: Final = 250
"""The broker is given this much less (a tenth at most) than the caller waits: its "expired, never left" is worth more
than our "unknown"."""


class Phase(Enum):
    """Where the session is; whether the connection stands is another matter."""

    SILENT = "silent"  # no token, no hello under way
    GREETING = "greeting"  # hello sent
    OPEN = "open"  # a live token
    FENCED = "fenced"  # another hello of our client id took over; only `reset` leads out
    CLOSED = "closed"


class Event(Enum):
    """What moves a session."""

    HELLO = "hello"
    WELCOME = "welcome"
    TURNED_AWAY = "turned away"  # hello refused, or not sent
    LOST = "lost"  # the connection broke
    TOKEN_DIED = "token died"  # timed out, or of an earlier life of the broker
    FENCED = "fenced"
    RESET = "reset"
    CLOSE = "close"


MOVES: Final[dict[tuple[Phase, Event], Phase]] = {
    (Phase.SILENT, Event.HELLO): Phase.GREETING,
    (Phase.SILENT, Event.LOST): Phase.SILENT,
    (Phase.SILENT, Event.CLOSE): Phase.CLOSED,
    (Phase.GREETING, Event.HELLO): Phase.GREETING,
    (Phase.GREETING, Event.WELCOME): Phase.OPEN,
    (Phase.GREETING, Event.TURNED_AWAY): Phase.SILENT,
    (Phase.GREETING, Event.LOST): Phase.SILENT,
    (Phase.GREETING, Event.CLOSE): Phase.CLOSED,
    (Phase.OPEN, Event.LOST): Phase.SILENT,
    (Phase.OPEN, Event.TOKEN_DIED): Phase.SILENT,
    (Phase.OPEN, Event.FENCED): Phase.FENCED,
    (Phase.OPEN, Event.CLOSE): Phase.CLOSED,
    (Phase.FENCED, Event.LOST): Phase.FENCED,
    (Phase.FENCED, Event.RESET): Phase.SILENT,
    (Phase.FENCED, Event.CLOSE): Phase.CLOSED,
}


class IllegalMove(RuntimeError):
    """Our own fault: the session was to go where the table doesn't lead."""


class State(Enum):
    """Where one request is: WAITING → SENT → DONE; a read that is asked again goes back from SENT to WAITING."""

    WAITING = "waiting"  # never left, or may be asked again
    SENT = "sent"
    DONE = "done"  # `error` is set, or `value` is the answer


class Codec(Protocol):
    """What a session needs of `gateway.wire.codec`; its compiled twin returns plain tuples."""

    def encode_request(
        self,
        session: int,
        request_id: int,
        name: str,
        account: str,
        ttl_ms: int,
        args: tuple[Any, ...] | list[Any],
        kwargs: dict[str, Any] | None = None,
        /,
    ) -> bytes: ...
    def decode_reply(
        self, frame: bytes, /
    ) -> tuple[int, int | str, Any, tuple[int, int, int, int, int, int] | None]: ...


class Notice(NamedTuple):
    """What the gateway said without being asked (§3.3): its kind, and the payload as it came."""

    kind: str
    payload: Any


class Exchange:
    """One request and what became of it. Times are nanoseconds of the caller's monotonic clock, 0: not yet."""

    __slots__ = (
        "account",
        "args",
        "deadline_ns",
        "error",
        "frame",
        "kind",
        "kwargs",
        "name",
        "order_id",
        "refreshed",
        "replied_ns",
        "request_id",
        "sent_ns",
        "stamps",
        "state",
        "token",
        "value",
    )

    def __init__(
        self, name: str, account: str, args: tuple[Any, ...], kwargs: dict[str, Any] | None, deadline_ns: int
    ) -> None:
        """Raise LocalProtocolError for a name that no client may call."""
        call = CALLS.get(name)
        if call is None:
            raise LocalProtocolError(f"{name}: no such call", code=Code.UNKNOWN_CALL)
        self.name = name
        self.account = account
        self.args = args
        self.kwargs = kwargs
        self.kind = call.kind
        self.deadline_ns = deadline_ns
        self.order_id = ""  # an order's, by which its fate can be asked for
        self.state = State.WAITING
        self.request_id = 0
        self.token = 0
        self.frame: bytes | None = None
        self.refreshed = False  # asked again after a dead token: once only
        self.sent_ns = self.replied_ns = 0
        self.value: Any = None
        self.stamps: tuple[int, int, int, int, int, int] | None = None
        self.error: GatewayError | None = None

    def finished(self) -> None:
        """Called once, when the state has become DONE; a shell wakes who waits."""
