"""The blocking client: MT5's calls by MT5's names, orders by intent, pipelining, and a connection that mends itself.

    with Client() as mt5:
        print(mt5.symbol_info_tick("EURUSD"))
        mt5.buy("EURUSD", 0.1, sl=1.08)

Several threads may share one Client: each gets its own answers, `last_error()` and `last_stamps`. Not so several
processes: a Client doesn't survive fork().
"""

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from clients.connection import Connection, Pending, timing
from clients.exchange import Notice, Phase, State
from clients.orderids import new_order_id
from clients.results import decode_result, encode_arguments
from clients.session import Session
from clients.trading import Trading
from gateway.accel import codec
from gateway.clock import monotonic_ns
from gateway.wire.calls import CALLS, Call, Kind
from gateway.wire.errors import (
    Code,
    GatewayError,
    LocalProtocolError,
    NoReply,
    OutcomeUnknown,
    Refused,
    RemoteProtocolError,
    SessionFenced,
    Status,
    TerminalRefused,
    Unavailable,
    error_for,
)
from gateway.wire.messages import MAX_NAME_BYTES, Stamps
from gateway.wire.structs import OrderSendResult

if TYPE_CHECKING:
    from clients.events import OrderEvents
    from clients.ticks import TickStream

__all__ = ("Client",)

_SUCCESS: Final = (1, "Success")
_QUICK_MS: Final = 5_000
ASK_AGAIN_S: Final = 0.05
"""How often an order in doubt is asked after."""

ASK_WITHIN_S: Final = 1.0
"""How long one such question may take; a gateway that is away is asked again."""

_OWN_AFFAIR: Final = ("hello", "bye")


class Client(Trading):
    """A strategy's connection to the gateway.

    It connects on first use, on `connect()`, `initialize()` or entering `with`. When the connection breaks, orders in
    flight raise OutcomeUnknown at once, reads are asked again as soon as there is a gateway, and what never left raises
    Unavailable, all within each call's own timeout. A session that died of silence or with the broker is renewed by the
    next call, unseen: a request refused for that reason never left. If another client says hello with the same
    `client_id`, this one raises SessionFenced from then on, until `connect()` takes the id back.

    There is no thread of its own: answers and notices are taken in while somebody calls. Ctrl-C ends the wait for a
    call and not the call: an order under way may still happen.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        account: str = "",
        client_id: str | None = None,
        timeout: float = 5.0,
        order_timeout: float = 15.0,
        bulk_timeout: float = 60.0,
        heartbeat: float = 1.0,
        observe: bool = False,
        cancel_on_disconnect: bool = False,
    ) -> None:
        """Make a client; nothing is sent yet.

        `endpoint` is the gateway's (by default what `mt5gate run` of this user listens on). `account` names one of its
        accounts, "" the default one. `client_id` must be unique among clients that are connected at the same time; one
        is made up by default. Times are seconds: `timeout` for quick calls, `order_timeout` for orders, `bulk_timeout`
        for history and lists of symbols; `heartbeat` is how often a dead peer is looked for (0: never). With `observe`
        its order events are everybody's; the gateway's configuration must name the client id for that.

        With `cancel_on_disconnect` the gateway cancels this client's pending orders and halts it when the session is
        lost: when nothing was heard of it for `welcome["session_timeout_ms"]` and no `disconnect()` came before. Only
        `resume("client", reason=…)` ends that. A client that is idle must `ping()` often enough.
        """
        super().__init__()
        self.account = account
        self.client_id = client_id or f"client-{os.getpid()}-{secrets.token_hex(4)}"
        if len(self.client_id.encode()) > MAX_NAME_BYTES:
            raise LocalProtocolError(f"client_id: expected at most {MAX_NAME_BYTES} bytes, got {self.client_id!r}")
        self._endpoint = endpoint
        self._observe = observe
        self._cancel_on_disconnect = cancel_on_disconnect
        if cancel_on_disconnect and client_id is None:
            raise LocalProtocolError("cancel_on_disconnect: expected a client_id, under which it can be lifted")
        self._heartbeat_ms = max(0, round(heartbeat * 1_000))
        self._timeouts_ns = {
            call.name: round(_timeout_of(call, timeout, order_timeout, bulk_timeout) * 1e9) for call in CALLS.values()
        }
        self._here = threading.local()
        self._opening = threading.Lock()
        self._connection: Connection | None = None
        self._closed = False

    # --- the connection ---------------------------------------------------------------------------------------------

    @property
    def endpoint(self) -> str:
        """The gateway's address."""
        if self._endpoint is None:
            from gateway.config import default_endpoint

            self._endpoint = default_endpoint()
        return self._endpoint

    @property
    def connected(self) -> bool:
        """Whether a session is open, as far as is known without asking."""
        return self._connection is not None and self._connection.session.phase is Phase.OPEN

    @property
    def welcome(self) -> dict[str, Any]:
        """What the gateway said in answer to hello: accounts, feeds, tick_endpoint, generation, version (§3.6.1)."""
        return {} if self._connection is None else dict(self._connection.session.welcome)

    def connect(self, timeout: float | None = None) -> Self:
        """Connect and say hello, if that isn't done; return this client.

        Raises Unavailable when there is no gateway after `timeout` seconds, and what the gateway refuses hello with.
        Takes the client id back if another client has taken it.
        """
        self._closed = False
        connection = self._open()
        connection.reset()
        self._request(connection, "ping", (), None, self.account, timeout).decoded()
        return self

    def disconnect(self) -> None:
        """Say bye and close the connection; may be repeated. Calls of other threads raise, orders OutcomeUnknown."""
        with self._opening:
            self._closed = True
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()

    # --- MT5's own four that no gateway sees --------------------------------------------------------------------------

    def initialize(
        self,
        path: str | None = None,
        *,
        login: int = 0,
        password: str = "",
        server: str = "",
        timeout: int | None = None,
        portable: bool = False,
    ) -> bool:
        """Connect to the gateway, and choose the account with this `login` if one is given; True when that worked.

        The terminals are the gateway's: `path`, `password` and `portable` mean nothing here. `timeout` is in ms. False
        with a reason in `last_error()` when there is no gateway (-10003) or no such account (-6).
        """
        try:
            self.connect(None if timeout is None else timeout / 1_000)
        except GatewayError as error:
            self._here.error = (-10_003, f"IPC initialize failed, {error.message}")
            return False
        self._here.error = _SUCCESS
        return self.login(login, password, server) if login else True

    def login(self, login: int | str, password: str = "", server: str = "", timeout: int | None = None) -> bool:
        """Choose one of the gateway's accounts, by login (and server) or by name, for this client's calls from now on.

        Nobody is logged in or out: `password` means nothing here. False, with (-6, …), if there is no such account.
        """
        if self._connection is None and not self.initialize(timeout=timeout):
            return False
        for name in self.welcome.get("accounts", ()):
            if login == name or (isinstance(login, int) and self._has_login(name, login, server)):
                self.account = name
                self._here.error = _SUCCESS
                return True
        self._here.error = (-6, f"Terminal: Authorization failed: the gateway has no account {login}")
        return False

    def shutdown(self) -> bool:
        """Close the connection as `disconnect`; the gateway and its terminals stay. Always True, as the package's."""
        self.disconnect()
        self._here.error = _SUCCESS
        return True

    def last_error(self) -> tuple[int, str]:
        """Return code and text of this thread's last call: (1, 'Success'), or why it returned None or False, or the
        nearest of the package's codes to what it raised."""
        error: tuple[int, str] = getattr(self._here, "error", _SUCCESS)
        return error

    # --- calls ------------------------------------------------------------------------------------------------------

    def call(self, name: str, /, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        """Make any call by name (MT5's or the gateway's) and return its result, as the method of that name does."""
        return self._reported(self._request(self._ready(), name, args, kwargs, self.account, timeout))

    def submit(self, name: str, /, *args: Any, timeout: float | None = None, **kwargs: Any) -> Pending:
        """Send a call and return at once; `Pending.result()` has the outcome. Many may be under way.

        Raises Busy when MAX_IN_FLIGHT are, Unavailable when there is no gateway; waits for room in the socket.
        """
        connection = self._ready()
        if connection.session.phase is not Phase.OPEN:
            self._request(connection, "ping", (), None, self.account, timeout).decoded()
        pending = self._pending(connection, name, args, kwargs, self.account, timeout)
        connection.submit(pending)
        if pending.state is State.WAITING:
            connection.wait_sent(pending)
        return pending

    def gather(self, pendings: Iterable[Pending]) -> list[Any]:
        """Wait for all and return their results in order; raises the first error among them, when all are done."""
        pendings = list(pendings)
        for pending in pendings:
            pending.wait()
        return [pending.result() for pending in pendings]

    def order_outcome(self, client_order_id: str, timeout: float | None = None) -> OrderSendResult | None:
        """Wait until an order's fate is known, and return or raise what its `order_send` would have.

        For an order whose answer was lost: OutcomeUnknown has its id in `detail["client_order_id"]`. Raises NotExecuted
        (a Refused) if it left and the terminal shows no trace of it, another Refused if it never reached a terminal,
        Unavailable if it never even reached the gateway: in all these nothing happened, and nothing will.
        OutcomeUnknown if that can't be said after `timeout` seconds (by default the order timeout), for want of a
        gateway too, and at once where the gateway doesn't let this client ask (another one has taken its id). It sends
        no order.
        """
        until_ns = monotonic_ns() + (self._timeouts_ns["order_send"] if timeout is None else round(timeout * 1e9))
        state = "unknown: no gateway has answered"
        while state != "forgotten":
            left_s = (until_ns - monotonic_ns()) / 1e9
            if left_s <= 0.0:
                break
            try:
                told = self._request(
                    self._ready(), "order_status", (client_order_id,), None, self.account, min(left_s, ASK_WITHIN_S)
                ).decoded()
            except (Unavailable, NoReply):  # that nobody could be asked says nothing of the order
                time.sleep(min(ASK_AGAIN_S, left_s))
                continue
            except Refused as error:  # it is the question that was refused (fenced, say), not the order
                state = f"unknown: {error.message}"
                break
            state = told["state"]
            if state == "none":
                raise Unavailable(f"order {client_order_id} never reached the gateway: nothing happened, nothing will")
            if state == "answered" and told["status"] == Status.OK:
                self._here.error = _SUCCESS
                result: OrderSendResult | None = told["result"]
                return result
            if state in ("answered", "refused", "not_found"):
                code, message, detail = told["result"]
                raise error_for(told["status"], code, message, detail)
            time.sleep(min(ASK_AGAIN_S, left_s))
        detail = {"client_order_id": client_order_id, "state": state}
        raise OutcomeUnknown(f"order {client_order_id} is {state}: look at the terminal", detail=detail)

    def ping(self) -> int:
        """Ask the broker for a sign of life; return the round trip in ns."""
        pending = self._request(self._ready(), "ping", (), None, self.account, None)
        self._reported(pending)
        return pending.timing()["total"]

    def notices(self) -> list[Notice]:
        """Return what the gateway said without being asked, since the last time: `fenced`, `shutdown`, `halted`
        and `resumed` (a kill switch that concerns this client), `answered`, the late answer to an order that was
        OutcomeUnknown (its result in MT5's type, `request_id` as in the error's detail), and `order`, an OrderEvent.
        Who must miss no event reads `order_events` instead."""
        if self._connection is None:
            return []
        return [_decoded(notice) for notice in self._connection.take_notices()]

    def order_events(self, from_number: int | None = None, timeout: float | None = None) -> "OrderEvents":
        """Return an endless iterator over what becomes of this client's orders and positions: `OrderEvent`s.

        `from_number` is the first event wanted, by default the next one: a restarted strategy gives the number behind
        the last one it has seen (`next_number` of the iterator), and misses nothing that the gateway keeps. The
        iterator waits for events; it ends when there was none for `timeout` seconds (by default never).
        """
        from clients.events import OrderEvents

        return OrderEvents(self, from_number, timeout)

    @property
    def notices_told(self) -> int:
        """How many notices have come since the connection was made, read or not."""
        return 0 if self._connection is None else self._connection.told

    def wait_for_notice(self, told: int, until_ns: int) -> None:
        """Wait until `notices_told` isn't `told` any more, at most until this time of the monotonic clock (ns)."""
        self._ready().wait_told(told, until_ns)

    @property
    def last_order_id(self) -> str:
        """The client order id of this thread's last order, "" for none."""
        return getattr(self._here, "order_id", "")

    @property
    def last_stamps(self) -> Stamps | None:
        """The gateway's stamps (§3.2, ns) of this thread's last call; None if it wasn't answered."""
        stamps = getattr(self._here, "stamps", None)
        return None if stamps is None else Stamps(*stamps)

    @property
    def last_timing(self) -> dict[str, int]:
        """Where the time of this thread's last call went, in ns; see `Pending.timing`."""
        return timing(getattr(self._here, "total_ns", 0), getattr(self._here, "stamps", None))

    def tick_stream(self, *symbols: str, **options: Any) -> "TickStream":
        """Return a TickStream of these symbols ("*": all that others ask for), from the feed of our account."""
        from clients.ticks import TickStream

        welcome = self.welcome or self.connect().welcome
        account = self.account or welcome.get("account", "")
        options.setdefault("feed", welcome.get("feeds", {}).get(account) or account)
        return TickStream(options.pop("endpoint", welcome.get("tick_endpoint") or None), symbols, **options)

    # --- parts ------------------------------------------------------------------------------------------------------

    def _ready(self) -> Connection:
        connection = self._connection
        return self._open() if connection is None else connection

    def _open(self) -> Connection:
        with self._opening:
            if self._closed:
                raise Unavailable("this client is closed; connect() or initialize() opens it again")
            if self._connection is None:
                options: dict[str, Any] = {"account": self.account} if self.account else {}
                if self._observe:
                    options["observe"] = True
                if self._cancel_on_disconnect:
                    options["cancel_on_disconnect"] = True
                session = Session(self.client_id, codec, options=options, place=self.endpoint)
                self._connection = Connection(self.endpoint, session, self._heartbeat_ms)
            return self._connection

    def _pending(
        self,
        connection: Connection,
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
        account: str,
        timeout: float | None,
    ) -> Pending:
        timeout_ns = self._timeouts_ns.get(name, 0) if timeout is None else round(timeout * 1e9)
        if name in _OWN_AFFAIR:
            raise LocalProtocolError(f"{name}: is the client's own affair", code=Code.UNKNOWN_CALL)
        args, kwargs = encode_arguments(name, args, kwargs)
        order_id = ""
        if name == "order_send":
            order_id, args, kwargs = _identified(args, kwargs)
        pending = Pending(connection, name, account, args, kwargs, monotonic_ns() + timeout_ns, self._reported)
        pending.order_id = order_id
        return pending

    def _request(
        self,
        connection: Connection,
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
        account: str,
        timeout: float | None,
    ) -> Pending:
        """Send a request and wait until it is done."""
        try:
            pending = self._pending(connection, name, args, kwargs, account, timeout)
            connection.submit(pending)
        except GatewayError as error:
            self._here.stamps, self._here.total_ns = None, 0
            self._here.error = _pair_of(error)
            raise
        connection.wait(pending)
        return pending

    def _call(self, name: str, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        return self._reported(self._request(self._ready(), name, args, kwargs, self.account, None))

    def _ask(self, name: str, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        pending = self._request(self._ready(), name, args, kwargs, self.account, None)
        result = self._reported(pending)
        if isinstance(pending.error, TerminalRefused):
            raise pending.error
        return result

    def _reported(self, pending: Pending) -> Any:
        """Return a finished call's result as the package would, leave its `last_error`; raise what isn't MT5's."""
        here = self._here
        if pending.order_id:
            here.order_id = pending.order_id
        here.stamps = pending.stamps
        here.total_ns = pending.total_ns
        here.error = _SUCCESS
        try:
            return pending.decoded()
        except TerminalRefused as error:
            here.error = error.last_error
            return error.detail.get("returned")
        except GatewayError as error:
            here.error = _pair_of(error)
            raise

    def _has_login(self, account: str, login: int, server: str) -> bool:
        try:
            info = self._request(self._ready(), "account_info", (), None, account, None).decoded()
        except GatewayError:
            return False
        return info is not None and info.login == login and server in ("", info.server)

    def _life(self) -> Hashable:
        connection = self._connection
        return None if connection is None else (connection.session.token, self.account)


def _identified(
    args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> tuple[str, tuple[Any, ...], dict[str, Any] | None]:
    """Return an order's client order id, a new one unless it has one, and its arguments with it."""
    fields = kwargs or (args[0] if len(args) == 1 and isinstance(args[0], dict) else None)
    if fields is None:
        return "", args, kwargs  # refused for its form
    order_id = fields.get("client_order_id")
    if order_id is None:
        order_id = fields["client_order_id"] = new_order_id()
    return str(order_id), args, kwargs


def _timeout_of(call: Call, timeout: float, order_timeout: float, bulk_timeout: float) -> float:
    if call.kind is Kind.ORDER:
        return order_timeout
    return bulk_timeout if call.ttl_ms > _QUICK_MS else timeout


def _pair_of(error: GatewayError) -> tuple[int, str]:
    """Return the package's error pair that is nearest to an error."""
    match error:
        case TerminalRefused():
            return error.last_error if "last_error" in error.detail else (-1, error.message)
        case LocalProtocolError():
            return -2, f"Invalid arguments: {error.message}"
        case Unavailable() | SessionFenced():
            return -10_004, "No IPC connection"
        case NoReply() | OutcomeUnknown():
            return -10_005, "IPC timeout"
        case _:
            return -1, error.message


def _decoded(notice: Notice) -> Notice:
    payload = notice.payload
    if notice.kind == "order":
        from clients.events import decode_event

        with contextlib.suppress(RemoteProtocolError):
            return Notice("order", decode_event(payload))
    if notice.kind == "answered" and isinstance(payload, dict) and payload.get("status") == Status.OK:
        decode: Callable[[str, Any], Any] = decode_result
        with contextlib.suppress(RemoteProtocolError):  # then as it came: a late answer is never lost
            return Notice("answered", {**payload, "result": decode("order_send", payload.get("result"))})
    return notice
