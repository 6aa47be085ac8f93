"""A simulated terminal: the package's calls by name, over a market and the accounts traded on it. Pure: time comes in.

Arguments arrive in the canonical form of `arguments.prepare`; results leave as plain values, structures (tuples) and,
for ticks and bars, packed bytes. One terminal shows one account; all its sessions share it, its login and its switches.

A terminal that has lost its trade server (or isn't running) hears nothing: its market stands still. What happened
meanwhile is worked off when it hears again, tick by tick and at the times it happened; only then is it connected.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from gateway.terminal.simulated.accounts import MAX_LOGINS, Accounts
from gateway.terminal.simulated.charts import MAX_BARS, Charts
from gateway.terminal.simulated.commands import CommandError, Commands
from gateway.terminal.simulated.distortion import PLAIN, Distortion
from gateway.terminal.simulated.failures import SUCCESS, CallFailed, Reply, failed
from gateway.terminal.simulated.fault_kinds import FaultError
from gateway.terminal.simulated.faults import CLEAR, LOGINS, Faults, Verdict, symbol_of
from gateway.terminal.simulated.market.building import Recording, build_market
from gateway.terminal.simulated.market.catalog import shown
from gateway.terminal.simulated.market.symbols import Symbol
from gateway.terminal.simulated.ordering import Ordering, hostile, refused
from gateway.terminal.simulated.portfolio import EMPTY
from gateway.terminal.simulated.session import PROMPT, Delivery, Session
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.trading.books import Changes
from gateway.terminal.simulated.watch import NO_TICK, Watch
from gateway.wire import constants as mt5
from gateway.wire.structs import AccountInfo, TerminalInfo

__all__ = ("Session", "SimulatedTerminal")

BUILD: Final = 5000
BUILD_DATE: Final = "01 Jan 2025"
ACCOUNT_AGE_MS: Final = 300_000
"""How long before the terminal's first start its account was opened, so that the deposit lies in the past."""

_NO_CONNECTION: Final = (mt5.RES_E_INTERNAL_FAIL_CONNECT, "No IPC connection", None)
_NOT_RUNNING: Final = (mt5.RES_E_INTERNAL_FAIL_INIT, "IPC initialize failed, MetaTrader 5 x64 not found", False)
_LOST: Final = (mt5.RES_E_INTERNAL_FAIL_RECEIVE, "IPC recv failed", None)
_NS_PER_MS: Final = 1_000_000
_TICKS: Final = ("copy_ticks_from", "copy_ticks_range")
_RATES: Final = ("copy_rates_from", "copy_rates_from_pos", "copy_rates_range")


class SimulatedTerminal:
    """One terminal and its accounts.

    `exports`: recorded ticks and bars; each symbol's replay starts when it is first selected. Without any, the market
    is made up, and what a fresh terminal shows is selected. `start_ms` is the time in UTC at `now_ns`, of the monotonic
    clock.
    `saved`: accounts to go on from, by login, with the server's time then. Raises FaultError for a chance of a fault
    that can't be meant, ValueError for an account that holds what isn't listed.
    """

    def __init__(
        self,
        settings: Settings,
        exports: Sequence[Recording],
        start_ms: int,
        now_ns: int,
        saved: Mapping[int, tuple[Changes, int]] | None = None,
    ) -> None:
        self.settings = settings
        self.faults = Faults(settings.seed, settings.faults)
        self.market = build_market(settings, exports, start_ms, now_ns)
        self.accounts = Accounts(settings, self.market, saved or {})
        self.ordering = Ordering(self.market, lambda: self.desk)
        self.gone = False
        self.life = 0
        """Counts how often the terminal has gone: what was connected before isn't any more."""
        self.hears = True
        """Whether anything reaches the terminal from its trade server."""
        self._online = self._autotrading = True
        self._login = self.login = settings.login
        self._behind_ns: int | None = None
        self._lag_ms = 0
        self._pace = settings.speed if exports else 1.0
        self._moved_ns = now_ns
        self._settled = -1
        self._empty: dict[str, int] = {}
        self._charts = Charts(self.market)
        self._watch = Watch(self.market)
        self._commands = Commands(self)
        age_ms = 0 if exports else ACCOUNT_AGE_MS
        self.desk = self.accounts.open(settings.login, self.market.begin_msc - age_ms)
        held = [name for name in self.market.symbols if self.accounts.hold(name)]
        for name in (*(() if exports else shown(settings)), *held):
            self.market.select(self.market.symbols[name], now_ns)
            self._quote_conversions(name, now_ns)
        self._calls = self._table()
        self._session_calls: dict[str, Callable[..., Any]] = {
            "market_book_add": self._watch.add_book,
            "market_book_release": self._watch.release_book,
            "market_book_get": self._watch.book,
        }
        self._settle(now_ns)

    # --- what is asked ---

    def call(self, session: Session, name: str, arguments: Sequence[Any], now_ns: int) -> Reply:
        """Execute one call; see `answer`, without how the reply travels."""
        return self.answer(session, name, arguments, now_ns)[0]

    def answer(self, session: Session, name: str, arguments: Sequence[Any], now_ns: int) -> tuple[Reply, Delivery]:
        """Execute one call, unless a fault prevents it, and say how the reply travels.

        `arguments` conform to the call (see `arguments.conforms`). Raises KeyError for no call.
        """
        faults = self.faults
        faults.expire(now_ns)
        verdict = CLEAR
        if not faults.quiet and (session.authorised or name in LOGINS):
            verdict = faults.judge(name, symbol_of(name, arguments), now_ns)
        if faults.changes != self._settled:
            self._settle(now_ns)
        if self.hears:
            self.market.move(now_ns)
        if self._lag_ms:
            self.accounts.hide(now_ns, self._lag_ms)
        if verdict is CLEAR and not self._empty:
            return self._execute(session, name, arguments, now_ns), PROMPT
        if verdict.by_hand is not None:
            self._commands.by_hand(verdict.by_hand)
        delivery = Delivery(verdict.closes, verdict.delay_ms)
        if not verdict.executes:
            return _LOST, delivery
        return self._disturbed(verdict, session, name, arguments, now_ns), delivery

    def command(self, name: str, arguments: Sequence[Any], now_ns: int) -> Reply:
        """Execute a command of the right form (see `commands.is_command`); one that can't be done says why."""
        self.faults.expire(now_ns)
        if self.hears:
            self.market.move(now_ns)
        try:
            result = self._commands.execute(name, arguments, now_ns)
        except (CommandError, FaultError) as error:
            return mt5.RES_E_INVALID_PARAMS, str(error), None
        self._settle(now_ns)
        return mt5.RES_S_OK, SUCCESS, result

    def advance(self, now_ns: int) -> None:
        """Let the market move up to now, a slice of ticks a symbol at most, with all that follows for the accounts."""
        self.faults.expire(now_ns)
        if self.faults.changes != self._settled:
            self._settle(now_ns)
        if not self.hears:
            return
        for symbol, ticks in self.market.take(now_ns):
            self.accounts.feed(symbol, ticks)
        self._moved_ns = now_ns
        self.accounts.advance(self.market.now_msc)
        if self._lag_ms:
            self.accounts.hide(now_ns, self._lag_ms)
        if self._behind_ns is not None:
            due_ns = self.market.next_due_ns()
            if due_ns is None or due_ns > self._behind_ns:
                self._behind_ns = None
                self._permit()

    def next_due_ns(self) -> int | None:
        """Return when there is something to `advance` to; None for never."""
        times = [self.faults.due_ns]
        if self.hears:
            times += [self.market.next_due_ns(), self._account_due_ns()]
        return min((time for time in times if time is not None), default=None)

    def take_forgotten(self) -> list[int]:
        """Return the accounts that began anew since last asked."""
        return self.accounts.take_forgotten()

    def take_changes(self) -> Iterator[tuple[int, Changes, int]]:
        """Yield login, changes and the server's time of each account that has changed since last asked."""
        return self.accounts.take_changes()

    # --- what it is at the moment ---

    @property
    def connected(self) -> bool:
        """Whether the terminal has its trade server, and knows all that happened there."""
        return self.hears and self._behind_ns is None

    @property
    def autotrading(self) -> bool:
        """Whether the AlgoTrading button is on."""
        return self._autotrading and self.faults.in_force("autotrading_off") is None

    def switch(
        self,
        *,
        online: bool | None = None,
        autotrading: bool | None = None,
        api: bool | None = None,
        login: int | None = None,
    ) -> None:
        """Set what somebody can switch in the terminal; a fault that holds the same ends. Raises CommandError."""
        if login is not None:
            if not self.accounts.has_room(login):
                raise CommandError(f"account: {MAX_LOGINS} are known already, expected one of them, got {login}")
            self.faults.clear("account_switched")
            self._login = login
        if online is not None:
            self.faults.clear("disconnected")
            self._online = online
        if autotrading is not None:
            self.faults.clear("autotrading_off")
            self._autotrading = autotrading
        if api is not None:
            self.ordering.api_disabled = not api

    def end_faults(self, name: str = "") -> None:
        """End a fault, or all, with what is left of it; raises FaultError for no fault."""
        self.faults.clear(name)
        if name in ("", "first_call_empty"):
            self._empty.clear()

    def reset(self) -> None:
        """Begin anew: no faults, every switch as at the start, the account as if it had just been opened."""
        self.end_faults()
        self.switch(online=True, autotrading=True, api=True, login=self.settings.login)
        self.ordering.investor = False
        self.accounts.forget()

    def first_quoted(self) -> Symbol | None:
        """Return the first symbol of the market watch that has a price."""
        return next((item for item in self.market.symbols.values() if item.selected and item.quoted), None)

    def _settle(self, now_ns: int) -> None:
        """Bring what follows from switches and from faults in force up to date."""
        faults = self.faults
        self._settled = faults.changes
        gone = faults.in_force("terminal_gone") is not None
        if gone and not self.gone:
            self.life += 1
        self.gone = gone
        hears = self._online and not gone and faults.in_force("disconnected") is None
        if hears and not self.hears and math.isfinite(self.settings.speed):
            self._behind_ns = now_ns
        self.hears = hears
        self.login = self._shown_login()
        self.desk = self.accounts.open(self.login, max(self.market.now_msc, self.market.begin_msc))
        self._charts.distortion = self._distortion()
        deals = faults.in_force("deals_late")
        self._lag_ms = int(deals["lag_ms"]) if deals else 0
        self.accounts.hide(now_ns, self._lag_ms)
        self._calls |= self.accounts.portfolios[self.login].calls if self._synchronised else EMPTY
        self._permit()

    def _shown_login(self) -> int:
        """Return the account that somebody has switched to, or the terminal's own."""
        switched = self.faults.in_force("account_switched")
        if switched is None:
            return self._login
        login = int(switched["login"]) or self._login + 1
        return login if self.accounts.has_room(login) else self._login

    @property
    def _synchronised(self) -> bool:
        return self.faults.in_force("unsynchronised") is None

    def _permit(self) -> None:
        self.accounts.permit(self.connected, self.autotrading)

    def _distortion(self) -> Distortion:
        late, lag = self.faults.in_force("ticks_late"), self.faults.in_force("ticks_lag")
        if late is None and lag is None:
            return PLAIN
        return Distortion(
            lag_ms=int(lag["lag_ms"]) if lag else 0,
            late_ms=int(late["lag_ms"]) if late else 0,
            late_share=float(late["share"]) if late else 0.0,
            salt=self.settings.seed,
        )

    def _account_due_ns(self) -> int | None:
        """Return when an account has something to do: of recorded ticks at full speed, only they know the time."""
        due_msc = self.accounts.next_due_msc()
        if due_msc is None or math.isinf(self._pace):
            return None
        ahead_ms = max(due_msc - self.market.now_msc, 0) / self._pace
        return self._moved_ns + math.ceil(ahead_ms * _NS_PER_MS)

    # --- calls ---

    def _table(self) -> dict[str, Callable[..., Any]]:
        """Return what answers each call that takes nothing but its arguments; see `_settle` for the account's."""
        charts, watch = self._charts, self._watch
        return {
            "version": lambda: (500, BUILD, BUILD_DATE),
            "terminal_info": self._terminal_info,
            "account_info": self._account_info,
            "copy_ticks_from": charts.copy_ticks_from,
            "copy_ticks_range": charts.copy_ticks_range,
            "copy_rates_from": charts.copy_rates_from,
            "copy_rates_from_pos": charts.copy_rates_from_pos,
            "copy_rates_range": charts.copy_rates_range,
            **self.ordering.calls,
            "symbol_info": lambda name: watch.info(name, self.desk.valuation),
            "symbol_info_tick": watch.tick,
            "symbols_total": watch.total,
            "symbols_get": lambda group: watch.infos(group, self.desk.valuation),
        }

    def _execute(self, session: Session, name: str, arguments: Sequence[Any], now_ns: int) -> Reply:
        """Execute a call with nothing in its way."""
        if name in LOGINS:
            return self._log_in(session, *arguments, now_ns=now_ns)
        if not session.authorised or session.life != self.life:
            return _NO_CONNECTION
        try:
            if name in self._calls:
                result = self._calls[name](*arguments)
            elif name == "symbol_select":
                symbol, enable = arguments
                result = self._watch.select(symbol, enable, self.accounts.hold(symbol), now_ns)
                if enable:
                    self._quote_conversions(symbol, now_ns)
            else:
                result = self._session_calls[name](session.books, *arguments)
        except CallFailed as failure:
            return failure.reply
        return mt5.RES_S_OK, SUCCESS, result

    def _quote_conversions(self, name: str, now_ns: int) -> None:
        """Keep quoted, though hidden, what a symbol's margin and profit are converted at."""
        for symbol in self.desk.valuation.conversions(self.market.symbols[name]):
            if not symbol.selected:
                self.market.select(symbol, now_ns, visible=False)

    def _disturbed(self, verdict: Verdict, session: Session, name: str, arguments: Sequence[Any], now_ns: int) -> Reply:
        """Execute a call with a fault in it, or one of a symbol that has nothing to show yet."""
        if self._empty and (name == "symbol_info_tick" or name in _TICKS or name in _RATES):
            left = self._empty.pop(arguments[0], 0)
            if left > 1:
                self._empty[arguments[0]] = left - 1
            if left:
                return _nothing_yet(name)
        if name == "order_send" and session.authorised and session.life == self.life:
            with hostile(self.desk, verdict):
                reply = self._execute(session, name, arguments, now_ns)
            return refused(reply, verdict.retcode) if verdict.trades else reply
        plain = self._charts.distortion
        if verdict.order_seed is not None:
            self._charts.distortion = replace(plain, order_seed=verdict.order_seed)
        reply = self._execute(session, name, arguments, now_ns)
        self._charts.distortion = plain
        if name == "symbol_select" and verdict.empty_calls and reply[2] is True:
            self._empty[arguments[0]] = verdict.empty_calls
        return reply

    def _log_in(self, session: Session, login: int, password: str, server: str, *, now_ns: int) -> Reply:
        """Admit a connection: what it doesn't name is left to the terminal, which knows its own account.

        What it names, the terminal shows from now on, to all its connections: it is logged in once.
        """
        if self.gone:
            return _NOT_RUNNING
        known = self.settings
        investor = bool(password) and password == known.investor_password
        session.authorised = (
            login in (0, known.login, *self.accounts.desks)
            and server in ("", known.server)
            and (not known.password or investor or password in ("", known.password))
        )
        if not session.authorised:
            return mt5.RES_E_AUTH_FAILED, "Terminal: Authorization failed", False
        session.life = self.life
        if password:
            self.ordering.investor = investor
        if login and login != self.login:
            self.switch(login=login)
            self._settle(now_ns)
        return mt5.RES_S_OK, SUCCESS, True

    def _account_info(self) -> AccountInfo:
        portfolio = self.accounts.portfolios[self.login]
        return portfolio.account_info(not self.ordering.investor, self._synchronised)

    def _terminal_info(self) -> TerminalInfo:
        settings = self.settings
        values: dict[str, Any] = {field: kind() for field, kind in TerminalInfo.__annotations__.items()}
        values |= {
            "connected": self.connected,
            "trade_allowed": self.autotrading,
            "tradeapi_disabled": self.ordering.api_disabled,
            "build": BUILD,
            "maxbars": MAX_BARS,
            "ping_last": 1000,
            "company": settings.company,
            "name": "Simulated Terminal",
            "language": "English",
            "path": settings.address,
            "data_path": settings.address,
            "commondata_path": settings.address,
        }
        return TerminalInfo(values.values())


def _nothing_yet(name: str) -> Reply:
    """Return what a symbol shows before anything of it has come."""
    if name in _RATES:
        return failed().reply
    return mt5.RES_S_OK, SUCCESS, b"" if name in _TICKS else NO_TICK
