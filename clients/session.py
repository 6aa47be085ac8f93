"""A client's session without its socket: what is asked, what is in flight, and what a broken connection means for it.

It never knows a socket, a thread or a clock: frames and the time come in, frames and outcomes go out. One core for the
blocking client and any other shell. docs/PROTOCOL.md §3 is the text; `clients.exchange.MOVES` its table of phases.

Laws:
- An order that may have left is never sent again: a lost connection or a deadline makes it OutcomeUnknown.
- A read may be asked again, until its deadline.
- A request refused with SESSION_FENCED never left. It is asked once more after a new hello, unless another client took
  our client id: that is told to the caller, or two clients would fence each other for ever.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from clients.exchange import (
    HELLO_AGAIN_NS,
    MAX_GROWTH_BYTES,
    MAX_IN_FLIGHT,
    MAX_NOTICES,
    MAX_UNKNOWN,
    MOVES,
    TTL_MARGIN_MS,
    Codec,
    Event,
    Exchange,
    IllegalMove,
    Notice,
    Phase,
    State,
)
from gateway.wire.calls import Kind
from gateway.wire.errors import (
    Busy,
    Code,
    GatewayError,
    LocalProtocolError,
    NoReply,
    OutcomeUnknown,
    RemoteProtocolError,
    SessionFenced,
    Status,
    Unavailable,
    error_for,
)
from gateway.wire.messages import MAX_REQUEST_BYTES, MAX_TTL_MS

__all__ = ("Session",)


class Session:
    """One client's conversation with the broker. The shell tells `connected`, `lost` and `receive`; and sends what
    `next_frame` hands out, telling `unsent` when the socket didn't take it."""

    def __init__(
        self, client_id: str, codec: Codec, *, options: Mapping[str, Any] | None = None, place: str = ""
    ) -> None:
        """`place` is what error messages call the gateway's address."""
        self.client_id = client_id
        self.options = dict(options or {})
        self.phase = Phase.SILENT
        self.up = False
        self.token = 0
        self.welcome: dict[str, Any] = {}
        self.late = self.malformed = self.dropped_notices = self.hellos = 0
        self.told = 0  # notices that came, read or not
        self._codec = codec
        self._place = place or "its address"
        self._waiting: deque[Exchange] = deque()
        self._in_flight: dict[int, Exchange] = {}
        self._unknown: dict[int, None] = {}
        self._unknown_ids: deque[int] = deque()
        self._notices: deque[Notice] = deque()
        self._listening: list[Exchange] = []  # done with the next notice
        self._last_id = 0
        self._last: Exchange | None = None  # what `next_frame` handed out last; None: a hello
        self._hello_id = 0
        self._hello_ns = 0

    # --- asking -----------------------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """How many requests were sent and not answered."""
        return len(self._in_flight)

    @property
    def waiting(self) -> int:
        """How many requests wait for a connection, a token or the socket."""
        return len(self._waiting)

    def request(self, exchange: Exchange, now_ns: int) -> None:
        """Take a request; `next_frame` hands it out as soon as there is a session.

        Raises LocalProtocolError for what can't travel, Busy when MAX_IN_FLIGHT are under way, SessionFenced when
        another client took our id, Unavailable when the session is closed. Then nothing was taken.
        """
        if self.phase is Phase.FENCED:
            raise self._fenced()
        if self.phase is Phase.CLOSED:
            raise Unavailable("this client is closed")
        if len(self._in_flight) + len(self._waiting) >= MAX_IN_FLIGHT:
            self.expire(now_ns)
            if len(self._in_flight) + len(self._waiting) >= MAX_IN_FLIGHT:
                raise Busy(f"{MAX_IN_FLIGHT} requests of this client are under way")
        size = len(self._encode(exchange, now_ns))
        if size > MAX_REQUEST_BYTES - MAX_GROWTH_BYTES:
            limit = MAX_REQUEST_BYTES - MAX_GROWTH_BYTES
            raise LocalProtocolError(f"request: expected at most {limit} bytes, got {size}", code=Code.TOO_LARGE)
        self._waiting.append(exchange)

    def next_frame(self, now_ns: int) -> bytes | None:
        """Return the next frame to send, counted as sent; None if there is nothing to send now."""
        if self.phase is not Phase.OPEN:
            return self._greeting(now_ns)
        while self._waiting:
            exchange = self._waiting.popleft()
            if exchange.state is not State.WAITING:
                continue  # given up meanwhile
            if now_ns >= exchange.deadline_ns:
                self._finish(exchange, self._never_left())
                continue
            frame = exchange.frame
            if frame is None or exchange.token != self.token:
                frame = self._encode(exchange, now_ns)
            exchange.frame = None
            exchange.state = State.SENT
            exchange.sent_ns = now_ns
            self._in_flight[exchange.request_id] = self._last = exchange
            return frame
        return None

    def unsent(self) -> None:
        """Take the last frame of `next_frame` back: the socket didn't take it, it hasn't left."""
        exchange = self._last
        if exchange is None:
            self._move(Event.TURNED_AWAY)
            return
        del self._in_flight[exchange.request_id]
        exchange.state = State.WAITING
        self._waiting.appendleft(exchange)

    def farewell(self) -> bytes | None:
        """Return the frame that ends an open session, or None."""
        if self.phase is not Phase.OPEN:
            return None
        self._last_id += 1
        return self._codec.encode_request(self.token, self._last_id, "bye", "", 0, ())

    def _encode(self, exchange: Exchange, now_ns: int) -> bytes:
        self._last_id += 1
        exchange.request_id = self._last_id
        exchange.token = self.token
        remaining_ms = (exchange.deadline_ns - now_ns) // 1_000_000
        ttl_ms = max(1, min(remaining_ms - min(remaining_ms // 10, TTL_MARGIN_MS), MAX_TTL_MS))
        frame = self._codec.encode_request(
            self.token, self._last_id, exchange.name, exchange.account, ttl_ms, exchange.args, exchange.kwargs
        )
        exchange.frame = frame
        return frame

    def _greeting(self, now_ns: int) -> bytes | None:
        if not self.up or self.phase in (Phase.FENCED, Phase.CLOSED):
            return None
        if self.phase is Phase.SILENT and not self._waiting:
            return None
        if self.phase is Phase.GREETING and now_ns - self._hello_ns < HELLO_AGAIN_NS:
            return None
        self._move(Event.HELLO)
        self._last_id += 1
        self._hello_id = self._last_id
        self._hello_ns = now_ns
        self._last = None
        self.hellos += 1
        return self._codec.encode_request(0, self._hello_id, "hello", "", 0, [self.client_id, self.options])

    # --- the connection ---------------------------------------------------------------------------------------------

    def connected(self) -> None:
        """The transport stands; a hello follows when something waits."""
        self.up = True

    def lost(self) -> None:
        """The transport broke: orders in flight are OutcomeUnknown, reads wait to be asked again."""
        self.up = False
        self.token = 0
        if self.phase is not Phase.CLOSED:
            self._move(Event.LOST)
        again = []
        for exchange in list(self._in_flight.values()):
            if exchange.kind is Kind.ORDER:
                self._order_unknown(exchange, "the connection to the gateway broke while this order was in flight")
            else:
                exchange.state = State.WAITING
                again.append(exchange)
        self._in_flight.clear()
        self._waiting.extendleft(reversed(again))

    def reset(self) -> None:
        """Leave FENCED: the caller wants its client id back, from whoever has it now."""
        if self.phase is Phase.FENCED:
            self._move(Event.RESET)

    def close(self) -> None:
        """End: orders in flight are OutcomeUnknown, everything else Unavailable."""
        self._move(Event.CLOSE)
        self.token = 0
        for exchange in list(self._in_flight.values()):
            if exchange.kind is Kind.ORDER:
                self._order_unknown(exchange, "this client was closed while the order was in flight")
            else:
                self._finish(exchange, Unavailable("this client is closed"))
        self._in_flight.clear()
        self._refuse_waiting(lambda: Unavailable("this client is closed"))

    # --- answers ----------------------------------------------------------------------------------------------------

    def receive(self, frame: bytes, now_ns: int) -> None:
        """Take one frame from the broker. Whatever it holds, nothing is raised: what can't be understood is counted."""
        try:
            request_id, status, value, stamps = self._codec.decode_reply(frame)
        except RemoteProtocolError as misshapen:
            self.malformed += 1
            self._notify("malformed", {"message": misshapen.message})
            return
        exchange = self._in_flight.pop(request_id, None)
        if exchange is None:
            self._unsolicited(request_id, status, value)
            return
        exchange.replied_ns = now_ns
        exchange.stamps = stamps
        if status == Status.OK:
            exchange.value = value
            self._finish(exchange, None)
            return
        error = _error_of(status, value)
        if exchange.kind is Kind.ORDER:
            error = _honest(status, error)
        if isinstance(error, SessionFenced):
            self._token_died(exchange, error, now_ns)
            return
        if isinstance(error, OutcomeUnknown):
            error.detail |= _names(exchange)  # the notice `answered` has them too
        self._finish(exchange, error)

    def _unsolicited(self, request_id: int, status: int | str, value: Any) -> None:
        if request_id == 0:
            if status == "fenced" and isinstance(value, dict) and value.get("session") == self.token != 0:
                self._taken_over()
            if type(status) is str:
                self._notify(status, value)
            else:
                self._notify("error", {"status": status, "result": value})
        elif request_id == self._hello_id and self.phase is Phase.GREETING:
            self._greeted(status, value)
        elif request_id in self._unknown:
            del self._unknown[request_id]
            self._notify("answered", {"request_id": request_id, "status": status, "result": value})
        else:
            self.late += 1

    def _greeted(self, status: int | str, value: Any) -> None:
        if status != Status.OK:
            error = _error_of(status, value)
            self._move(Event.TURNED_AWAY)
            self._refuse_waiting(lambda: type(error)(error.message, code=error.code, detail=error.detail))
            return
        token = value.get("session") if isinstance(value, dict) else None
        if type(token) is not int or token <= 0:
            self._move(Event.TURNED_AWAY)
            self._refuse_waiting(lambda: RemoteProtocolError("hello: expected a map with a session token"))
            return
        self._move(Event.WELCOME)
        self.token = token
        self.welcome = value

    def _token_died(self, exchange: Exchange, error: GatewayError, now_ns: int) -> None:
        if self.phase in (Phase.FENCED, Phase.CLOSED) or exchange.refreshed or now_ns >= exchange.deadline_ns:
            self._finish(exchange, error)
            return
        if self.phase is Phase.OPEN and exchange.token == self.token:
            self._move(Event.TOKEN_DIED)
            self.token = 0
        exchange.refreshed = True
        exchange.state = State.WAITING
        self._waiting.append(exchange)

    def _taken_over(self) -> None:
        self._move(Event.FENCED)
        self.token = 0
        for exchange in list(self._in_flight.values()):
            if exchange.kind is Kind.ORDER:
                self._order_unknown(exchange, "another client took this client's id while the order was in flight")
            else:
                self._finish(exchange, self._fenced())
        self._in_flight.clear()
        self._refuse_waiting(self._fenced)

    # --- time -------------------------------------------------------------------------------------------------------

    def give_up(self, exchange: Exchange) -> None:
        """Its deadline has passed. Never left: Unavailable; an order that left: OutcomeUnknown; a read: NoReply."""
        if exchange.state is State.WAITING:
            self._finish(exchange, self._never_left())
        elif exchange.state is State.SENT:
            del self._in_flight[exchange.request_id]
            if exchange.kind is Kind.ORDER:
                self._order_unknown(exchange, "no answer in time")
            else:
                self._finish(exchange, NoReply(f"{exchange.name}: no answer in time"))

    def expire(self, now_ns: int) -> None:
        """Give everything up whose deadline has passed. O(n)."""
        for exchange in [*self._in_flight.values(), *self._waiting]:
            if now_ns >= exchange.deadline_ns:
                self.give_up(exchange)
        self._waiting = deque(exchange for exchange in self._waiting if exchange.state is State.WAITING)

    # --- notices ----------------------------------------------------------------------------------------------------

    def take_notices(self) -> list[Notice]:
        """Return what the gateway said without being asked since the last time, oldest first."""
        notices = list(self._notices)
        self._notices.clear()
        return notices

    def listen(self, exchange: Exchange) -> None:
        """Finish an exchange that is no request when the next notice comes."""
        self._listening = [one for one in self._listening if one.state is State.WAITING]
        self._listening.append(exchange)

    def _notify(self, kind: str, payload: Any) -> None:
        self.told += 1
        listening, self._listening = self._listening, []
        for exchange in listening:
            if exchange.state is State.WAITING:
                self._finish(exchange, None)
        if len(self._notices) >= MAX_NOTICES:
            self._notices.popleft()
            self.dropped_notices += 1
        self._notices.append(Notice(kind, payload))

    # --- ends -------------------------------------------------------------------------------------------------------

    def _move(self, event: Event) -> None:
        phase = MOVES.get((self.phase, event))
        if phase is None:
            raise IllegalMove(f"{event.value} while {self.phase.value}")
        self.phase = phase

    def _finish(self, exchange: Exchange, error: GatewayError | None) -> None:
        exchange.state = State.DONE
        exchange.error = error
        exchange.frame = None
        exchange.finished()

    def _order_unknown(self, exchange: Exchange, why: str) -> None:
        if len(self._unknown_ids) >= MAX_UNKNOWN:
            self._unknown.pop(self._unknown_ids.popleft(), None)
        self._unknown_ids.append(exchange.request_id)
        self._unknown[exchange.request_id] = None
        message = f"{exchange.name}: {why}: it may have happened; order_outcome({exchange.order_id!r}) tells"
        self._finish(exchange, OutcomeUnknown(message, detail=_names(exchange)))

    def _refuse_waiting(self, error: Callable[[], GatewayError]) -> None:
        waiting, self._waiting = self._waiting, deque()
        for exchange in waiting:
            if exchange.state is State.WAITING:
                self._finish(exchange, error())

    def _fenced(self) -> SessionFenced:
        return SessionFenced(
            f"another client said hello as {self.client_id!r} and took over; give each client an id of its own,"
            " or call connect() to take it back"
        )

    def _never_left(self) -> Unavailable:
        if not self.up:
            return Unavailable(f"no gateway at {self._place}: is it running? (`mt5gate run` starts it)")
        if self.phase is not Phase.OPEN:
            return Unavailable(f"the gateway at {self._place} doesn't answer hello")
        return Unavailable(f"the gateway at {self._place} doesn't read fast enough: the request never left")


def _names(exchange: Exchange) -> dict[str, Any]:
    """Return by what an order's fate can be asked for."""
    names: dict[str, Any] = {"request_id": exchange.request_id}
    if exchange.order_id:
        names["client_order_id"] = exchange.order_id
    return names


def _error_of(status: int | str, value: Any) -> GatewayError:
    """Return the error that a reply stands for; a misshapen one is the gateway's fault."""
    if type(status) is int and isinstance(value, list) and len(value) == 3:
        code, message, detail = value
        if type(code) is int and type(message) is str and (detail is None or isinstance(detail, dict)):
            return error_for(status, code, message, detail)
    return RemoteProtocolError(f"reply: expected [code, message, detail] behind status {status!r}")


def _honest(status: int | str, error: GatewayError) -> GatewayError:
    """Return an order's error; whatever doesn't plainly say that it never happened becomes OutcomeUnknown."""
    never = status in (Status.PROTOCOL, Status.REFUSED, Status.TERMINAL, Status.INTERNAL)
    if isinstance(error, OutcomeUnknown) or (never and not isinstance(error, (NoReply, RemoteProtocolError))):
        return error
    return OutcomeUnknown(f"{error.message}: the order may have happened", code=error.code, detail=error.detail)
