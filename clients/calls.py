"""MT5's calls by MT5's names, and the gateway's own: what each takes and gives. How they travel is `Calls._call`.

Dates are seconds or datetime (a naive one is taken in this machine's zone, as the package does) and are compared with
the trade server's wall clock. A call that the terminal refuses returns None (or False where the package does) and
leaves its reason in `last_error()`; what goes wrong in the gateway raises: Refused (never reached the terminal),
NoReply (a read without an answer), OutcomeUnknown (an order that may have happened).
"""

# What a call gives is decoded by its name, out of a type checker's sight.
# mypy: disable-error-code="no-any-return"

import datetime
from abc import ABC, abstractmethod
from typing import Any

from clients.results import Records
from gateway.wire.structs import (
    AccountInfo,
    BookInfo,
    OrderCheckResult,
    OrderSendResult,
    SymbolInfo,
    TerminalInfo,
    Tick,
    TradeDeal,
    TradeOrder,
    TradePosition,
    TradeRequest,
)

__all__ = ("Calls", "Date")

Date = int | float | datetime.datetime


class Calls(ABC):
    """Every call that reaches the gateway. Each is one round trip, and blocks for at most its timeout."""

    @abstractmethod
    def _call(self, name: str, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        """Make one call; return what the package would return, or raise an error of the gateway."""

    # --- terminal and account ---------------------------------------------------------------------------------------

    def version(self) -> tuple[int, int, str]:
        """Return the terminal's (500, build, release date); (0, 0, '') on failure, as the package does."""
        found = self._call("version")
        return found if found else (0, 0, "")

    def terminal_info(self) -> TerminalInfo | None:
        """Return the terminal's state and settings."""
        return self._call("terminal_info")

    def account_info(self) -> AccountInfo | None:
        """Return the account's state: balance, equity, margin in its own currency."""
        return self._call("account_info")

    # --- symbols ----------------------------------------------------------------------------------------------------

    def symbols_total(self) -> int | None:
        """Return how many symbols the terminal knows."""
        return self._call("symbols_total")

    def symbols_get(self, group: str | None = None) -> tuple[SymbolInfo, ...] | None:
        """Return all symbols, or those of a group filter such as "*USD*,!*JPY*"."""
        return self._call("symbols_get", (), _given(group=group))

    def symbol_info(self, symbol: str) -> SymbolInfo | None:
        """Return everything about one symbol."""
        return self._call("symbol_info", (symbol,))

    def symbol_info_tick(self, symbol: str) -> Tick | None:
        """Return the symbol's last tick."""
        return self._call("symbol_info_tick", (symbol,))

    def symbol_select(self, symbol: str, enable: bool = True) -> bool:
        """Show a symbol in the terminal's MarketWatch, or remove it."""
        return self._call("symbol_select", (symbol, enable))

    def symbol_spec(self, symbol: str) -> dict[str, Any] | None:
        """Return what a broker sets of a symbol and no market moves: digits, steps, limits; by SymbolInfo's names.

        The gateway's own call. Answered out of its cache, which may be five minutes old.
        """
        return self._call("symbol_spec", (symbol,))

    def market_book_add(self, symbol: str) -> bool:
        """Open the depth of market of a symbol."""
        return self._call("market_book_add", (symbol,))

    def market_book_get(self, symbol: str) -> tuple[BookInfo, ...] | None:
        """Return the depth of market; None unless it was opened."""
        return self._call("market_book_get", (symbol,))

    def market_book_release(self, symbol: str) -> bool:
        """Close the depth of market of a symbol."""
        return self._call("market_book_release", (symbol,))

    # --- history of prices ------------------------------------------------------------------------------------------

    def copy_rates_from(self, symbol: str, timeframe: int, date_from: Date, count: int) -> Records | None:
        """Return `count` bars that end at `date_from`, oldest first, as a read-only array of RATES_DTYPE."""
        return self._call("copy_rates_from", (symbol, timeframe, date_from, count))

    def copy_rates_from_pos(self, symbol: str, timeframe: int, start_pos: int, count: int) -> Records | None:
        """Return `count` bars up to position `start_pos` (0: the unfinished bar), oldest first."""
        return self._call("copy_rates_from_pos", (symbol, timeframe, start_pos, count))

    def copy_rates_range(self, symbol: str, timeframe: int, date_from: Date, date_to: Date) -> Records | None:
        """Return the bars that open within two dates, oldest first."""
        return self._call("copy_rates_range", (symbol, timeframe, date_from, date_to))

    def copy_ticks_from(self, symbol: str, date_from: Date, count: int, flags: int) -> Records | None:
        """Return `count` ticks from a date on, as a read-only array of TICK_DTYPE; `flags` is COPY_TICKS_ALL (-1),
        _INFO (1) or _TRADE (2)."""
        return self._call("copy_ticks_from", (symbol, date_from, count, flags))

    def copy_ticks_range(self, symbol: str, date_from: Date, date_to: Date, flags: int) -> Records | None:
        """Return the ticks within two dates."""
        return self._call("copy_ticks_range", (symbol, date_from, date_to, flags))

    # --- orders -----------------------------------------------------------------------------------------------------

    def order_send(
        self, request: dict[str, Any] | TradeRequest | None = None, /, **fields: Any
    ) -> OrderSendResult | None:
        """Send a trade request as it is (one mapping, or its fields as keywords), at most once.

        Returns the trade server's answer whatever its retcode; `clients.trading` makes errors of retcodes. None: the
        terminal refused it before the server. Raises Refused (never left) or OutcomeUnknown (it may have happened).
        """
        return self._call("order_send", () if request is None else (request,), fields)

    def order_check(
        self, request: dict[str, Any] | TradeRequest | None = None, /, **fields: Any
    ) -> OrderCheckResult | None:
        """Ask whether the funds suffice for a request; retcode 0 means yes and promises nothing."""
        return self._call("order_check", () if request is None else (request,), fields)

    def order_calc_margin(self, action: int, symbol: str, volume: float, price: float) -> float | None:
        """Return the margin that a deal (`action`: ORDER_TYPE_BUY or _SELL) would need, in the account's currency."""
        return self._call("order_calc_margin", (action, symbol, volume, price))

    def order_calc_profit(
        self, action: int, symbol: str, volume: float, price_open: float, price_close: float
    ) -> float | None:
        """Return what a deal between two prices would earn, in the account's currency."""
        return self._call("order_calc_profit", (action, symbol, volume, price_open, price_close))

    def positions_total(self) -> int | None:
        """Return how many positions are open."""
        return self._call("positions_total")

    def positions_get(
        self, *, symbol: str | None = None, ticket: int | None = None, group: str | None = None
    ) -> tuple[TradePosition, ...] | None:
        """Return the open positions: all, or those of a ticket, a symbol or a group filter (the first given counts)."""
        return self._call("positions_get", (), _given(symbol=symbol, ticket=ticket, group=group))

    def orders_total(self) -> int | None:
        """Return how many orders are pending."""
        return self._call("orders_total")

    def orders_get(
        self, *, symbol: str | None = None, ticket: int | None = None, group: str | None = None
    ) -> tuple[TradeOrder, ...] | None:
        """Return the pending orders: all, or those of a ticket, a symbol or a group filter (the first given counts)."""
        return self._call("orders_get", (), _given(symbol=symbol, ticket=ticket, group=group))

    # --- history of trades ------------------------------------------------------------------------------------------

    def history_orders_total(self, date_from: Date, date_to: Date) -> int | None:
        """Return how many orders ended within two dates."""
        return self._call("history_orders_total", (date_from, date_to))

    def history_orders_get(
        self,
        date_from: Date | None = None,
        date_to: Date | None = None,
        *,
        group: str | None = None,
        ticket: int | None = None,
        position: int | None = None,
    ) -> tuple[TradeOrder, ...] | None:
        """Return the orders that ended: within two dates (and of a group filter), or of a ticket or a position."""
        kwargs = _given(group=group, ticket=ticket, position=position)
        return self._call("history_orders_get", _dates(date_from, date_to), kwargs)

    def history_deals_total(self, date_from: Date, date_to: Date) -> int | None:
        """Return how many deals were made within two dates."""
        return self._call("history_deals_total", (date_from, date_to))

    def history_deals_get(
        self,
        date_from: Date | None = None,
        date_to: Date | None = None,
        *,
        group: str | None = None,
        ticket: int | None = None,
        position: int | None = None,
    ) -> tuple[TradeDeal, ...] | None:
        """Return the deals: within two dates (and of a group filter), or of an order's ticket or a position."""
        kwargs = _given(group=group, ticket=ticket, position=position)
        return self._call("history_deals_get", _dates(date_from, date_to), kwargs)

    # --- the gateway's own ------------------------------------------------------------------------------------------

    def accounts(self) -> list[dict[str, Any]]:
        """Return every account of the gateway: whether it is proven and tradable, or why not."""
        return self._call("accounts")

    def order_status(self, client_order_id: str) -> dict[str, Any]:
        """Return what the gateway knows of one of this client's orders; see docs/PROTOCOL.md §3.8.

        `state` is "accepted" or "sent" (in flight), "answered" (by the terminal), "refused" (it never reached one),
        "unknown" (it left; being looked into), "none" (never accepted, so never executed) or "forgotten" (too long ago
        to say). With an answer, `status` and `result` are the reply's, `result` decoded as `order_send` returns it.
        """
        return self._call("order_status", (client_order_id,))

    def client_orders(self, since_ns: int = 0) -> list[dict[str, Any]]:
        """Return what `order_status` tells of each of this client's orders accepted since a time of the gateway's wall
        clock (ns since 1970), oldest first; at most the last 1,000. A strategy that is restarted under its old
        `client_id` finds here what became of its orders."""
        return self._call("client_orders", (since_ns,))

    def events(self, number: int | None = None) -> dict[str, Any]:
        """Return a page of this client's order events from a number on, as they travel; None: only where they stand.

        `first` is the oldest number that is kept, `next` the one that the next event will have. `Client.order_events`
        asks page by page and waits for more.
        """
        return self._call("events", () if number is None else (number,))

    def limits(self) -> dict[str, Any]:
        """Return the pre-trade limits in force, the bounds of their changes, and what each account is held against.

        `limits` has each scope's `limits` as they are, as `configured`, and as `changed` since (None: lifted), with who
        changed them and why. `accounts` has open volume in lots at its worst, losses and equity, `age_ms` old.
        """
        return self._call("limits")

    def set_limits(
        self, limits: dict[str, Any], *, why: str, who: str = "", rebase: bool = False, **scope: str
    ) -> dict[str, Any]:
        """Change limits (None: lift one) of `account=`, `client=` or `symbol=`, or of every account; return what holds.

        It takes a client that the configuration names in `risk.operators`, else PermissionRefused; what is looser than
        the configuration's bounds raises RiskRefused, and then nothing is changed. `rebase` measures an account's
        losses anew. It holds from the next order on, over restarts, and is journaled with `who` and `why`.
        """
        return self._call("set_limits", (scope, limits, why, {"who": who, "rebase": rebase}))

    def stats(self) -> dict[str, Any]:
        """Return the broker's counters and latencies."""
        return self._call("stats")

    # --- stopping and restarting trade --------------------------------------------------------------------------------

    def kill(
        self, scope: str, name: str = "", *, flatten: bool = False, reason: str = "", who: str = ""
    ) -> dict[str, Any]:
        """Throw a kill switch: from now on every entry in its scope raises Halted; exits and cancels still go.

        `scope` is "client", "account" or "all"; `name` that of the client or account, by default this client or its
        account. What waits in the gateway is refused, pending orders in scope are cancelled; with `flatten`, positions
        are closed, too. Returns at once: `switches` tells how far that is. It holds over restarts, until `resume`.
        Returns the `switch`, the `goal`, and how many waiting orders were `refused`. `who` is written down with the
        `reason`, beside this client's id.
        """
        options = {"scope": scope, "name": name, "flatten": flatten, "reason": reason, "who": who}
        return self._call("kill", (options,))

    def resume(self, scope: str, name: str = "", *, reason: str, who: str = "", number: int = 0) -> dict[str, Any]:
        """Lift the switch of just this scope, and give up what the gateway still pursues for it.

        With `number` (see `switches`), only if it is still the one that was thrown then. Raises PermissionRefused for a
        client that somebody else has halted. Returns the `switch` and the `goal` that were, None for none, and the
        switches that are `remaining`.
        """
        options = {"scope": scope, "name": name, "reason": reason, "who": who, "number": number}
        return self._call("resume", (options,))

    def flatten(self, scope: str, name: str = "", *, reason: str = "", who: str = "") -> dict[str, Any]:
        """Have the gateway cancel every pending order and close every position in a scope; `kill` names scopes.

        Entries still go: `kill` with `flatten` stops them first. Returns the `goal` at once; `switches` tells how far
        it is. The gateway pursues it over restarts, closed markets and lost terminals until nothing is left, or
        `resume` of the same scope.
        """
        return self._call("flatten", ({"scope": scope, "name": name, "reason": reason, "who": who},))

    def switches(self) -> dict[str, Any]:
        """Return the `switches` that are thrown, the `goals` that are pursued or have ended a short while ago, each
        with what is left by account, and the clients whose pending orders are cancelled when they are lost (`armed`).
        """
        return self._call("switches")

    def resolve_order(
        self, client_id: str, client_order_id: str, executed: int | None, *, why: str, who: str = ""
    ) -> dict[str, Any]:
        """Say what became of another client's order that stays UNKNOWN, and return what `order_status` tells of it.

        For an order whose worker never came back and of which the terminal's ledger shows nothing. `executed` is the
        order's ticket at the terminal, None if it wasn't executed. Its client is told at once, and may trade on; it is
        journaled with `who` and `why`. Evidence that comes later is believed all the same. Raises PermissionRefused for
        an order of this client's own, Refused for one that isn't in doubt or that a worker may still execute.
        """
        said = {"executed": executed is not None} | ({} if executed is None else {"ticket": executed})
        options = {"client": client_id, "client_order_id": client_order_id, "reason": why, "who": who}
        return self._call("resolve_order", (options | said,))

    def allow_exits(self, *, why: str, who: str = "") -> dict[str, Any]:
        """Let cancels and closes go although the gateway's journal can't record them; `stats()["journal"]` says so.

        Until the gateway is restarted. What goes so isn't protected against being executed twice, and a restarted
        gateway knows nothing of it. It takes a client that the configuration names in `risk.operators`, else
        PermissionRefused; Refused while the journal takes exits.
        """
        return self._call("allow_exits", ({"reason": why, "who": who},))


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _dates(*dates: Date | None) -> tuple[Date, ...]:
    return tuple(date for date in dates if date is not None)
