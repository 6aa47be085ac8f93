"""Sessions: who may ask, from where, and for how long.

A session is opened by `hello`, named by a token, bound to the connection that said hello, and ends by `bye`, by a newer
hello of the same client (fenced), or by silence. Rules: one live session per client; a dead token is never reused.
"""

from gateway.core.accounts import Account
from gateway.core.inflight import InFlight

__all__ = ("Session", "SessionTable")

_U64 = 2**64 - 1
_TOP_BIT = 2**63


class Session:
    """One client's conversation."""

    __slots__ = ("account", "client_id", "ended", "identity", "last_seen_ns", "queued", "requests", "token")

    def __init__(self, token: int, client_id: str, identity: bytes, account: Account | None, now_ns: int) -> None:
        self.token = token
        self.client_id = client_id
        self.identity = identity
        self.account = account  # what an empty account stands for
        self.last_seen_ns = now_ns
        self.requests: dict[int, InFlight] = {}  # without a reply yet, by request id
        self.queued = 0  # of these, those that wait for a worker
        self.ended = False


class SessionTable:
    """Live sessions, by token and by client."""

    __slots__ = ("_counter", "_seed", "by_client", "by_token", "peak")

    def __init__(self, token_seed: int) -> None:
        self.by_token: dict[int, Session] = {}
        self.by_client: dict[str, Session] = {}
        self.peak = 0
        self._seed = token_seed & _U64
        self._counter = 0

    def open(self, client_id: str, identity: bytes, account: Account | None, now_ns: int) -> Session:
        """Open a session; the client's older one must have been closed before."""
        token = self._next_token()
        while token in self.by_token:
            token = self._next_token()
        session = Session(token, client_id, identity, account, now_ns)
        self.by_token[token] = session
        self.by_client[client_id] = session
        self.peak = max(self.peak, len(self.by_token))
        return session

    def close(self, session: Session) -> None:
        """Take a session out; what it had asked is the caller's to settle."""
        session.ended = True
        del self.by_token[session.token]
        del self.by_client[session.client_id]

    def silent(self, now_ns: int, timeout_ns: int) -> list[Session]:
        """Return the sessions not heard of for `timeout_ns`; one that waits for an answer isn't silent. O(sessions)."""
        return [
            session
            for session in self.by_token.values()
            if now_ns - session.last_seen_ns > timeout_ns and not session.requests
        ]

    def _next_token(self) -> int:
        """SplitMix64 over seed and counter: unguessable enough between honest peers, and the same for the same inputs.

        Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014. The top bit makes every
        token nine bytes on the wire, so that a frame's length doesn't depend on it.
        """
        self._counter += 1
        value = (self._seed + self._counter * 0x9E3779B97F4A7C15) & _U64
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _U64
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _U64
        return (value ^ (value >> 31)) | _TOP_BIT
