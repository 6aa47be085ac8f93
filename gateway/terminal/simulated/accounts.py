"""The accounts that a terminal has shown: each has a desk of its own at the trade server, all trade on one market.

An account that isn't shown any more goes on at its server: its orders trigger, its stops close it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.market.ticks import Records
from gateway.terminal.simulated.portfolio import Portfolio
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.trading.books import Changes
from gateway.terminal.simulated.trading.desk import Desk

__all__ = ("MAX_LOGINS", "Accounts")

MAX_LOGINS: Final = 64
"""How many accounts one terminal may be switched to; each has books of its own."""


class Accounts:
    """Desks by login, each made when it is first seen.

    `saved`: accounts to go on from, by login, with the server's time then. They go on at once, shown or not. Raises
    ValueError for one that holds what this market doesn't list.
    """

    def __init__(self, settings: Settings, market: Market, saved: Mapping[int, tuple[Changes, int]]) -> None:
        self._settings = settings
        self._market = market
        self._forgotten: list[int] = []
        self.desks: dict[int, Desk] = {}
        self.portfolios: dict[int, Portfolio] = {}
        for login, (account, saved_msc) in saved.items():
            self._check_symbols(login, account)
            desk = self._add(login)
            desk.book.restore(account)
            desk.swaps.resume(saved_msc)

    def has_room(self, login: int) -> bool:
        """Say whether the terminal can show this account."""
        return login in self.desks or len(self.desks) < MAX_LOGINS

    def open(self, login: int, opened_msc: int) -> Desk:
        """Return an account's desk; a new account gets its deposit at `opened_msc`."""
        desk = self.desks.get(login)
        if desk is not None:
            return desk
        desk = self._add(login)
        if self._settings.deposit:
            desk.deposit(self._settings.deposit, time_msc=opened_msc)
        return desk

    def forget(self) -> None:
        """Let every account begin anew when it is seen next."""
        self._forgotten += self.desks
        self.desks.clear()
        self.portfolios.clear()

    def hold(self, symbol: str) -> bool:
        """Say whether any account has positions or orders of a symbol."""
        return any(desk.book.holds(symbol) for desk in self.desks.values())

    def feed(self, symbol: Symbol, ticks: Records) -> None:
        """Append ticks to a symbol, with all that follows for every account, in the ticks' order."""
        desks = list(self.desks.values())
        if len(desks) == 1:
            desks[0].feed(symbol, ticks)
            return
        for index in range(len(ticks)):
            tick = ticks[index : index + 1]
            for desk in desks:
                desk.await_tick(symbol, int(tick["time_msc"][0]))
            symbol.append(tick)
            for desk in desks:
                desk.react(symbol)

    def advance(self, now_msc: int) -> None:
        """Do what time alone brings."""
        for desk in self.desks.values():
            due_msc = desk.next_due_msc()
            if due_msc is not None and due_msc <= now_msc:
                desk.advance(now_msc)

    def next_due_msc(self) -> int | None:
        """Return the server's time at which `advance` has something to do; None for never."""
        return min((due for desk in self.desks.values() if (due := desk.next_due_msc()) is not None), default=None)

    def hide(self, now_ns: int, lag_ms: int) -> None:
        """Let history lag by so much, 0 for not at all."""
        for portfolio in self.portfolios.values():
            portfolio.lag(now_ns, lag_ms)

    def permit(self, connected: bool, autotrading: bool) -> None:
        """Tell every desk what stands between a request and the trade server."""
        for desk in self.desks.values():
            desk.permission.connected = connected
            desk.permission.autotrading = autotrading

    def take_forgotten(self) -> list[int]:
        """Return the accounts that began anew since last asked: nothing of before counts."""
        forgotten, self._forgotten = self._forgotten, []
        return forgotten

    def take_changes(self) -> Iterator[tuple[int, Changes, int]]:
        """Yield login, changes and the server's time of each account that has changed since last asked."""
        for login, desk in self.desks.items():
            changes = desk.book.take_changes()
            if changes is not None:
                yield login, changes, self._market.now_msc

    def _add(self, login: int) -> Desk:
        desk = self.desks[login] = Desk(replace(self._settings, login=login), self._market)
        self.portfolios[login] = Portfolio(desk, self._market)
        return desk

    def _check_symbols(self, login: int, account: Changes) -> None:
        held = {item.symbol for item in (*account.positions.values(), *account.orders.values()) if item is not None}
        unknown = sorted(held - self._market.symbols.keys())
        if unknown:
            raise ValueError(
                f"account {login}: holds positions or orders of {', '.join(unknown)}, which this terminal doesn't list;"
                f" list them again (suffix, symbols, generated_symbols), or remove {self._settings.state_file} to begin"
                " a new account"
            )
