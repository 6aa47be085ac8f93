"""The drop-in's one connection, shared by the process's threads as the package's is, and each thread's last error.

It makes the package's calls over `clients.connection`: arguments by the package's own rules, results in its types,
failures in its words. Nothing here raises an error of the gateway. A forked child begins without a connection.
"""

import atexit
import logging
import os
import secrets
import threading
import time
from typing import Any, Final, NamedTuple, TypeVar

from clients.connection import Connection, Pending
from clients.dropin.accounts import NoSuchAccount, choose
from clients.dropin.arguments import travelling
from clients.dropin.failures import failed_order, failed_read, value_of_failure
from clients.exchange import Phase
from clients.orderids import new_order_id
from clients.results import DECODERS
from clients.session import Session
from gateway import config
from gateway.accel import codec
from gateway.clock import monotonic_ns
from gateway.wire import constants as mt5
from gateway.wire.answers import SUCCESS, TEXTS, unconnected
from gateway.wire.arguments import BadArguments, prepare
from gateway.wire.calls import CALLS
from gateway.wire.errors import ConfigError, GatewayError, TerminalRefused

__all__ = ("MODULE", "Module")

LastError = tuple[int, str]
Arguments = tuple[Any, ...]
T = TypeVar("T")

HEARTBEAT_MS: Final = 1_000
"""How often a dead gateway is looked for."""

POLL_S: Final = 0.1
"""How often the account's state is asked for while it isn't ready; the package's own pace."""

ATTEMPT_NS: Final = 1_000_000_000
"""How long one question to the gateway may take while connecting."""

LANES_NS: Final = 5_000_000_000
"""How long the rest of an account's workers is waited for when the first has proven it; some have no more."""

AWAY_NS: Final = 5_000_000_000
"""How long a call waits for a gateway that is gone; once it has left, its own limit holds."""

REPEAT_NS: Final = 60_000_000_000
"""The same reason for a failure is logged again after this."""

_LIMITS_NS: Final = {call.name: call.ttl_ms * 1_000_000 for call in CALLS.values()}
_NOT_FOUND: Final = "MetaTrader 5 x64 not found"

_log = logging.getLogger("mt5gate.metatrader5")


class _Link(NamedTuple):
    """An open connection and the account that calls go to: read at once, replaced as one."""

    connection: Connection
    account: str


class _Failed(Exception):
    """Why initialize or login return False: their last error."""

    def __init__(self, code: int, reason: str, text: str = "") -> None:
        super().__init__(reason)
        self.pair = (code, text or TEXTS[code])


class Module:
    """What a process's `clients.metatrader5` does. Every method may be called by any thread."""

    def __init__(self) -> None:
        self._inherited: list[_Link | None] = []
        self._begin()
        atexit.register(self._disconnect)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._here = threading.local()
        self._latest: LastError = SUCCESS
        self._link: _Link | None = None
        self._said: tuple[str, int] = ("", 0)

    def _after_fork(self) -> None:
        # The parent's sockets live on in the parent: ours are copies that must be neither used nor closed.
        self._inherited.append(self._link)
        self._begin()

    # --- calls --------------------------------------------------------------------------------------------------------

    def call(self, name: str, args: Arguments, kwargs: dict[str, Any]) -> Any:
        """Make one call that a terminal answers, as the package's function of that name does; one round trip."""
        try:
            canonical = prepare(name, args, kwargs)
        except BadArguments as error:
            return self._leave((mt5.RES_E_INVALID_PARAMS, error.text), error.returns)
        except (TypeError, OverflowError) as error:
            self._raised(name, error)
            raise
        link = self._link
        if link is None:
            return self._leave(unconnected(name), value_of_failure(name))
        positional, named = travelling(name, canonical, args, kwargs)
        if name == "order_send":
            positional[0]["client_order_id"] = new_order_id()  # the gateway's journal and the terminal's ledger know it
        try:
            pending = _ask(link, name, positional, named, monotonic_ns() + _LIMITS_NS[name])
            if pending.error is None:
                result = DECODERS[name](pending.value)
                self._here.error = self._latest = SUCCESS
                return value_of_failure(name) if result is None else result
            failure = pending.error
        except GatewayError as error:
            failure = error
        result, pair = failed_order(failure, canonical) if name == "order_send" else failed_read(name, failure)
        if not isinstance(failure, TerminalRefused):  # there, the last error says it all
            self._say(f"{name}: {failure.message}")
        return self._leave(pair, result)

    def last_error(self, args: Arguments, kwargs: dict[str, Any]) -> LastError:
        """Return code and text of this thread's last call; of the process's last, if this thread has made none."""
        prepare("last_error", args, kwargs)
        pair: LastError = getattr(self._here, "error", self._latest)
        return pair

    # --- the connection -----------------------------------------------------------------------------------------------

    def initialize(self, args: Arguments, kwargs: dict[str, Any]) -> bool:
        """Connect to a gateway and wait until the account is there; closes an open connection before anything else."""
        with self._lock:
            self._disconnect()
            try:
                path, login, _, server, timeout_ms, _ = prepare("initialize", args, kwargs)
                self._link = self._opened(path or "", login, server, timeout_ms)
            except (BadArguments, TypeError, OverflowError, _Failed) as error:
                return self._refused("initialize", error)
            return self._leave(SUCCESS, True)

    def login(self, args: Arguments, kwargs: dict[str, Any]) -> bool:
        """Choose the gateway's account with this login for the calls from now on; without one, nothing changes."""
        with self._lock:
            try:
                login, _, server, timeout_ms = prepare("login", args, kwargs)
                link = self._link
                if link is None:
                    return self._leave(unconnected("login"), False)
                account = self._chosen(link.connection, config.named_account(), login, server, timeout_ms, False)
                self._link = _Link(link.connection, account)
            except (BadArguments, TypeError, OverflowError, _Failed) as error:
                return self._refused("login", error)
            return self._leave(SUCCESS, True)

    def shutdown(self, args: Arguments, kwargs: dict[str, Any]) -> bool:
        """End this process's session; gateway and terminals stay. Calls of other threads fail, orders in doubt."""
        prepare("shutdown", args, kwargs)
        self._disconnect()
        return self._leave(SUCCESS, True)

    def _disconnect(self) -> None:
        # Without the lock: at the process's end nobody waits for a thread that still tries to connect.
        link, self._link = self._link, None
        if link is not None:
            link.connection.close()

    def _opened(self, path: str, login: int, server: str, timeout_ms: int) -> _Link:
        endpoint, name = _place(path)
        client_id = f"mt5-{os.getpid()}-{secrets.token_hex(6)}"
        connection: Connection | None = None
        try:
            connection = Connection(endpoint, Session(client_id, codec, place=endpoint), HEARTBEAT_MS)
            return _Link(connection, self._chosen(connection, name, login, server, timeout_ms, True))
        except ConfigError as error:
            raise _not_initialized(error.message) from error
        except BaseException:
            if connection is not None:
                connection.close()
            raise

    def _chosen(
        self, connection: Connection, name: str, login: int, server: str, timeout_ms: int, initializing: bool
    ) -> str:
        """Return the account that is meant, as soon as a terminal has proven it; raises _Failed."""
        begun_ns = monotonic_ns()
        until_ns = begun_ns + max(1, timeout_ms) * 1_000_000
        link = _Link(connection, "")
        waiting, found = "", None
        while (now_ns := monotonic_ns()) < until_ns:
            try:
                pending = _ask(link, "accounts", (), None, min(until_ns, now_ns + ATTEMPT_NS))
            except GatewayError as error:  # another thread has shut down meanwhile
                raise _Failed(failed_read("login", error)[1][0], error.message) from None
            if pending.error is None:
                try:
                    found = choose(pending.value, name or _default(connection, login), login, server)
                except NoSuchAccount as none:
                    raise _Failed(mt5.RES_E_AUTH_FAILED, str(none)) from None
                waiting = found.missing
                if not waiting or (found.proven and now_ns - begun_ns >= LANES_NS):
                    return found.name
            else:
                waiting = pending.error.message
            self._say(f"waiting at most {timeout_ms / 1_000:g} s: {waiting}")
            time.sleep(min(POLL_S, max(0.0, (until_ns - monotonic_ns()) / 1e9)))
        if found is not None and found.proven:
            return found.name
        if connection.session.phase is Phase.OPEN:
            raise _Failed(mt5.RES_E_INTERNAL_FAIL_TIMEOUT, waiting)
        if not initializing:
            raise _Failed(mt5.RES_E_INTERNAL_FAIL_CONNECT, waiting)
        raise _not_initialized(f"Pipe server didn't answer in {timeout_ms // 1_000} sec", waiting)

    # --- the last error -----------------------------------------------------------------------------------------------

    def _leave(self, pair: LastError, result: T) -> T:
        self._here.error = self._latest = pair
        return result

    def _raised(self, name: str, error: BaseException) -> None:
        """Leave what the package leaves beside an exception; where Python refuses the call before it, nothing."""
        notes = getattr(error, "__notes__", None)
        if notes:
            self._leave((mt5.RES_E_INVALID_PARAMS, notes[0]), None)
        elif isinstance(error, OverflowError):  # the package goes on with a wrong date
            self._leave(unconnected(name) if self._link is None else SUCCESS, None)

    def _refused(self, name: str, error: Exception) -> bool:
        if isinstance(error, BadArguments):
            return self._leave((mt5.RES_E_INVALID_PARAMS, error.text), False)
        if isinstance(error, _Failed):
            self._say(f"{name}: {error}")
            return self._leave(error.pair, False)
        self._raised(name, error)
        raise error

    def _say(self, reason: str) -> None:
        """Log why something failed, which the package's words don't tell; the same reason not again and again."""
        now_ns = monotonic_ns()
        said, said_ns = self._said
        if reason != said or now_ns - said_ns >= REPEAT_NS:
            self._said = (reason, now_ns)
            _log.warning("%s", reason)


def _ask(link: _Link, name: str, args: Arguments, kwargs: dict[str, Any] | None, deadline_ns: int) -> Pending:
    """Send a request and wait until it is done; raises GatewayError for what couldn't be taken."""
    connection = link.connection
    pending = Pending(connection, name, link.account, args, kwargs, deadline_ns, None)
    connection.submit(pending)
    if not connection.wait(pending, monotonic_ns() + AWAY_NS):
        if connection.session.phase is not Phase.OPEN:
            pending.deadline_ns = 0
        connection.wait(pending)
    return pending


def _place(path: str) -> tuple[str, str]:
    """Return the gateway's address and the account's name, "" for its default; raises _Failed if none is there."""
    try:
        # A path without a scheme is a terminal's executable, or nothing: which terminal it is, the account says.
        endpoint = path if "://" in path else config.named_endpoint() or config.gateway_endpoint()
        name = config.named_account()
    except ConfigError as error:
        raise _not_initialized(error.message) from error
    if not endpoint.startswith(("ipc://", "tcp://")):
        raise _not_initialized(f"expected an address as in tcp://127.0.0.1:5550, got {endpoint!r}")
    if endpoint.startswith("ipc:///") and not os.path.exists(endpoint.removeprefix("ipc://")):
        raise _not_initialized(_NOT_FOUND, f"no gateway at {endpoint}: is it running? (`mt5gate run` starts it)")
    return endpoint, name


def _default(connection: Connection, login: int) -> str:
    return "" if login else str(connection.session.welcome.get("account", ""))


def _not_initialized(detail: str, reason: str = "") -> _Failed:
    return _Failed(mt5.RES_E_INTERNAL_FAIL_INIT, reason or detail, f"IPC initialize failed, {detail}")


MODULE: Final = Module()
"""The process's own."""
