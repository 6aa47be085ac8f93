"""A worker's or feed's hold on its terminal: connected, proven, proven again, and connected anew when it is lost.

It uses the terminal through `port.Terminal` only, marks every call in the beat so that the watchdog can end one that
hangs, and never says `usable` of a terminal that isn't the one, or an account that isn't the one, it was made for. The
first account proven is the one it holds to, where the settings leave it open.
"""

import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

from gateway.clock import monotonic_ns
from gateway.process import Backoff, Beat
from gateway.terminal.port import Login, Terminal
from gateway.wire.constants import RES_E_INTERNAL_FAIL
from gateway.wire.errors import ConfigError
from gateway.workers.proof import Expected, Proof, mismatch, mode_mismatch, obstacle, prove

__all__ = ("AccountUnreadable", "Attachment", "ConnectionSettings", "is_lost", "open_terminal")

PROVE_EVERY_NS: Final = 1_000_000_000
"""How old a proof may become while there is time to renew it."""

PROVE_AT_LEAST_NS: Final = 5_000_000_000
"""How old a proof may become under constant load."""

RETRY_WITHIN_MS: Final = 1_000
"""The longest pause between two attempts to connect. Orders in doubt are looked for once the terminal is back: however
long it was away, they must not wait for us."""

CONNECT_GRACE_MS: Final = 10_000
"""Beyond its own time limit, a connection attempt gets this long before it counts as hung."""


class AccountUnreadable(Exception):
    """The terminal doesn't say whose account it has: that is no proof of either."""


class ConnectionSettings(Protocol):
    """What worker and feed settings have in common."""

    @property
    def terminal(self) -> str:
        """`simulated` or `metatrader5`."""

    @property
    def address(self) -> str:
        """The terminal's executable, or the simulated terminal's socket."""

    @property
    def login(self) -> int:
        """Account number."""

    @property
    def password(self) -> str:
        """Its password."""

    @property
    def server(self) -> str:
        """Its trade server."""

    @property
    def portable(self) -> bool:
        """Portable mode."""

    @property
    def connect_timeout_ms(self) -> int:
        """How long a connection may take."""

    @property
    def hung_after_ms(self) -> int:
        """How long a call may take."""


def open_terminal(kind: str) -> Terminal:
    """Return an unconnected terminal of this kind; raises ConfigError where there is none."""
    if kind == "simulated":
        from gateway.terminal.simulated.connection import SimulatedConnection

        return SimulatedConnection()
    if kind == "metatrader5":
        from gateway.terminal.metatrader5 import MetaTrader5Terminal

        try:
            return MetaTrader5Terminal()
        except ImportError as error:
            raise ConfigError(
                f"terminal: metatrader5 needs the MetaTrader5 package, which runs on Windows or Wine alone: {error}"
            ) from error
    raise ConfigError(f"terminal: expected simulated or metatrader5, got {kind!r}")


def is_lost(error: tuple[int, str]) -> bool:
    """Return whether a last error means that the terminal can't be reached."""
    return error[0] <= RES_E_INTERNAL_FAIL


class Attachment:
    """One terminal, kept connected and proven."""

    def __init__(
        self,
        terminal: Terminal,
        settings: ConnectionSettings,
        mode: str,
        beat: Beat,
        jitter: Callable[[], float],
        logger: logging.Logger,
    ) -> None:
        """`mode` is the declared kind of account; "" where no orders are sent. `jitter`: see `Backoff`."""
        self._terminal = terminal
        self._login = Login(
            settings.address,
            settings.login,
            settings.password,
            settings.server,
            settings.connect_timeout_ms,
            settings.portable,
        )
        executable = settings.address if settings.terminal == "metatrader5" else ""
        self._expected = Expected(settings.login, settings.server, "", executable, mode)
        self._connect_limit_ns = (settings.connect_timeout_ms + CONNECT_GRACE_MS) * 1_000_000
        self._call_limit_ns = settings.hung_after_ms * 1_000_000
        self._beat = beat
        self._backoff = Backoff(jitter, limit_ms=RETRY_WITHIN_MS)
        self._log = logger
        self._due_ns = 0
        self._proven_ns = 0
        self.connected = False
        self.connections = 0
        """How often it was connected: another number means perhaps another life of the terminal."""
        self.proof: Proof | None = None
        self.fault = "not connected to the terminal yet"
        """Why nothing may be asked of it, "" when it may."""
        self.order_fault = ""
        """Why no order may be sent though reads are fine: the account is of another kind than declared."""
        self.obstacle = ""
        """Why the terminal wouldn't take an order."""

    @property
    def usable(self) -> bool:
        """Whether the terminal is there and is the right one."""
        return not self.fault

    @property
    def tradable(self) -> bool:
        """Whether the terminal would take an order."""
        return not self.reason

    @property
    def reason(self) -> str:
        """Why not."""
        return self.fault or self.order_fault or self.obstacle

    @property
    def due_ns(self) -> int:
        """When `keep` has something to do again."""
        return self._due_ns

    def keep(self, now_ns: int, idle: bool = True) -> None:
        """Connect or prove anew if that is due; blocks for as long as the terminal takes."""
        if not self.connected:
            if now_ns >= self._due_ns:
                self._connect()
        elif now_ns >= self._due_ns and (idle or now_ns - self._proven_ns >= PROVE_AT_LEAST_NS):
            self._prove()

    def doubt(self) -> None:
        """Have it proven at the next opportunity: a call has met a lost connection."""
        self._due_ns = 0
        self._proven_ns = 0

    def call(self, name: str, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        """Call the terminal under the watchdog's eyes; raises what the terminal raises."""
        self._beat.begin(monotonic_ns() + self._call_limit_ns)
        try:
            return self._terminal.call(name, args, kwargs or {})
        finally:
            self._beat.end(monotonic_ns())

    def last_error(self) -> tuple[int, str]:
        """Return the last call's error pair."""
        code, text = self._terminal.last_error()
        return int(code), str(text)

    def account_switched(self) -> str:
        """Ask the terminal whose account it has, and return why that isn't ours, or "".

        Raises AccountUnreadable if it doesn't say, and what the terminal raises.
        """
        account = self.call("account_info")
        if account is None:
            code, text = self.last_error()
            raise AccountUnreadable(f"account: can't be read: {text} ({code})")
        return mismatch(self._expected, account.login, account.server)

    def close(self) -> None:
        """Disconnect; the terminal stays."""
        if self.connected:
            self.connected = False
            self._beat.begin(monotonic_ns() + self._call_limit_ns)
            self._terminal.shutdown()
            self._beat.end(monotonic_ns())

    def _connect(self) -> None:
        self._beat.begin(monotonic_ns() + self._connect_limit_ns)
        admitted = self._terminal.initialize(self._login)
        now_ns = monotonic_ns()
        self._beat.end(now_ns)
        if not admitted:
            code, text = self.last_error()
            self._lose(now_ns, f"terminal: {text} ({code})")
            return
        self.connected = True
        self.connections += 1
        self._backoff.started(now_ns)
        self._prove()

    def _prove(self) -> None:
        account = self.call("account_info")
        terminal = None if account is None else self.call("terminal_info")
        error = self.last_error()
        now_ns = monotonic_ns()
        if terminal is None:
            text = f"account: can't be read: {error[1]} ({error[0]})"
            if is_lost(error):
                self._lose(now_ns, text)
            else:
                self._judge(now_ns, text)
            return
        self.proof = prove(account, terminal)
        fault = mismatch(self._expected, self.proof.login, self.proof.server, self.proof.path)
        if not fault:
            self._expected = self.proof.held(self._expected)
            self.order_fault = mode_mismatch(self._expected, self.proof)
            self.obstacle = obstacle(self.proof)
        self._judge(now_ns, fault)

    def _judge(self, now_ns: int, fault: str) -> None:
        if fault and fault != self.fault:
            self._log.error("%s", fault)
        self.fault = fault
        self._proven_ns = now_ns
        self._due_ns = now_ns + PROVE_EVERY_NS

    def _lose(self, now_ns: int, fault: str) -> None:
        if fault != self.fault:
            self._log.warning("%s", fault)
        self.connected = False
        self.fault = fault
        delay_ns = self._backoff.failed(now_ns)
        self._log.debug("the next attempt to connect starts in %d ms", delay_ns // 1_000_000)
        self._due_ns = now_ns + delay_ns
