"""One account at its trade server: books, rules, execution and valuation joined, over a market that others share.

Everything that can happen to an account passes here: a request, ticks, time, a deposit. Same calls at the same times,
same books.
"""

from collections.abc import Callable

from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.market.ticks import Records
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.trading.account import Account
from gateway.terminal.simulated.trading.books import Book
from gateway.terminal.simulated.trading.dealing import Dealing
from gateway.terminal.simulated.trading.execution import Execution
from gateway.terminal.simulated.trading.liquidity import Liquidity
from gateway.terminal.simulated.trading.permission import Permission
from gateway.terminal.simulated.trading.retcodes import ACCEPTED
from gateway.terminal.simulated.trading.rules import Rules
from gateway.terminal.simulated.trading.swaps import Swaps
from gateway.terminal.simulated.trading.trade import TradeServer
from gateway.terminal.simulated.trading.triggers import Triggers
from gateway.terminal.simulated.trading.valuation import Valuation
from gateway.wire.constants import DEAL_TYPE_BALANCE, ORDER_REASON_EXPERT
from gateway.wire.structs import OrderCheckResult, OrderSendResult, TradeRequest

__all__ = ("Desk",)


class Desk:
    """One account. What others may change while it runs:

    `permission`: the server's connection, AlgoTrading, the account's rights. `interference`: asked after a request was
    judged valid; a TRADE_RETCODE_* instead of ACCEPTED refuses it. `rewrite_comment`: what the broker stores instead
    of a request's comment.
    """

    def __init__(self, settings: Settings, market: Market) -> None:
        netting = settings.margin_mode != "hedging"
        self.market = market
        self.valuation = Valuation(market, settings)
        self.book = Book(self.valuation.digits)
        self.account = Account(settings, self.book, market, self.valuation)
        self.permission = Permission(trade_allowed=settings.trade_allowed, trade_expert=settings.trade_expert)
        self.interference: Callable[[TradeRequest], int] = _accept
        self.rewrite_comment: Callable[[str], str] = str
        self.execution = Execution(self.book, self.valuation, netting=netting)
        liquidity = Liquidity(settings.seed)
        dealing = Dealing(self.book, liquidity, self.execution)
        self.rules = Rules(settings, self.book, market, self.account)
        self.trade = TradeServer(settings, self.book, market, self.account, self.rules, self.execution, dealing)
        self.triggers = Triggers(self.book, market, self.account, self.rules, self.execution, dealing, liquidity)
        self.swaps = Swaps(self.book, market, self.valuation, self.execution.reopen)

    def send(
        self, request: TradeRequest, origin: int = ORDER_REASON_EXPERT, *, may_trade: bool = True
    ) -> OrderSendResult:
        """Answer `order_send`. `origin` is an ORDER_REASON_*: EXPERT for programs, CLIENT for a trade by hand.

        `may_trade` is false for a session with the investor password.
        """
        code = (
            self.permission.judge(origin, may_trade=may_trade)
            or self.rules.judge(request)
            or self.interference(request)
        )
        if code != ACCEPTED:
            return self.trade.refuse(request, code)
        return self.trade.execute(request, origin, self.rewrite_comment(request.comment))

    def check(self, request: TradeRequest) -> OrderCheckResult:
        """Answer `order_check`: the request is judged, not who may send it."""
        return self.trade.check(request)

    def deposit(self, amount: float, comment: str = "", kind: int = DEAL_TYPE_BALANCE, time_msc: int = 0) -> int:
        """Book a deal without a trade (a withdrawal is below zero) at `time_msc`, 0 is now; return its ticket.

        A withdrawal may leave the account to be stopped out at the next tick.
        """
        return self.book.deposit(amount, time_msc or self.market.now_msc, comment, kind)

    def feed(self, symbol: Symbol, ticks: Records) -> None:
        """Append ticks to a symbol, with all that follows, tick by tick."""
        self.triggers.feed(symbol, ticks)

    def await_tick(self, symbol: Symbol, time_msc: int) -> None:
        """Do what falls due before a tick of this time: the first half of `feed`, where several desks share a tick."""
        self.triggers.await_tick(symbol, time_msc)

    def react(self, symbol: Symbol) -> None:
        """Do what the latest tick of a symbol sets off: the second half of `feed`, after the tick was appended once."""
        self.triggers.react(symbol)

    def advance(self, now_msc: int) -> None:
        """Do what time alone brings: expirations, day orders, swaps, delayed executions. O(1) if nothing is due."""
        acted = self.triggers.elapse()
        charged = self.swaps.roll(now_msc)
        if acted or charged:
            self.triggers.stop_out(now_msc)

    def next_due_msc(self) -> int | None:
        """Return the server's time at which `advance` has something to do; None for never."""
        due = [time for time in (self.triggers.next_due_msc(), self.swaps.next_due_msc()) if time is not None]
        return min(due, default=None)


def _accept(request: TradeRequest) -> int:
    return ACCEPTED
