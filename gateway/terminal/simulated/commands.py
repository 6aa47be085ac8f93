"""What somebody at the terminal can do to it, beside the package's calls: as commands by name. Pure.

They travel as calls do, their names beginning with "sim."; a command that can't be done raises CommandError, whose
message says what was expected, and has then changed nothing.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from gateway.terminal.simulated.fault_kinds import MAX_COMMENT
from gateway.terminal.simulated.faults import ByHand
from gateway.terminal.simulated.market.symbols import Symbol
from gateway.wire import constants as mt5
from gateway.wire.arguments import CALLS
from gateway.wire.filling import filling_for
from gateway.wire.structs import OrderSendResult, TradeRequest

if TYPE_CHECKING:
    from gateway.terminal.simulated.terminal import SimulatedTerminal

__all__ = ("PREFIX", "CommandError", "Commands", "is_command")

PREFIX: Final = "sim."
MAX_LOGIN: Final = 2**63 - 1
MAX_AMOUNT: Final = 1e12
"""Money in one deposit; more would only show how doubles round."""

_KINDS: Final = {"buy": mt5.ORDER_TYPE_BUY, "sell": mt5.ORDER_TYPE_SELL}

_SHAPES: Final[dict[str, tuple[type, ...]]] = {
    "sim.status": (),
    "sim.fault": (str, int, int, str, str, dict),
    "sim.clear": (str,),
    "sim.trade": (str, str, float, float, float, str),
    "sim.close": (int, float),
    "sim.deposit": (float, str),
    "sim.autotrading": (bool,),
    "sim.api": (bool,),
    "sim.connection": (bool,),
    "sim.account": (int,),
    "sim.reset": (),
}
"""Every command's arguments."""


class CommandError(ValueError):
    """A command that can't be done."""


def is_command(name: str, arguments: Any) -> bool:
    """Say whether this is a command, its arguments of the right form."""
    shape = _SHAPES.get(name)
    if shape is None or type(arguments) is not tuple or len(arguments) != len(shape):
        return False
    return all(type(value) is kind for value, kind in zip(arguments, shape, strict=True))


class Commands:
    """Executes commands on a terminal."""

    def __init__(self, terminal: "SimulatedTerminal") -> None:
        self._terminal = terminal
        self._by_name: dict[str, Callable[..., Any]] = {
            "sim.status": self._status,
            "sim.fault": self._fault,
            "sim.clear": self._clear,
            "sim.trade": self._trade,
            "sim.close": self._close,
            "sim.deposit": self._deposit,
            "sim.autotrading": self._autotrading,
            "sim.api": self._api,
            "sim.connection": self._connection,
            "sim.account": self._account,
            "sim.reset": self._reset,
        }

    def execute(self, name: str, arguments: Sequence[Any], now_ns: int) -> Any:
        """Execute a command of the right form (see `is_command`); raises CommandError, and FaultError for a fault."""
        return self._by_name[name](now_ns, *arguments)

    def by_hand(self, trade: ByHand) -> OrderSendResult | None:
        """Trade as a fault says; None where there is nothing to trade."""
        terminal = self._terminal
        symbol = terminal.market.get(trade.symbol) or terminal.first_quoted()
        if symbol is None or not terminal.hears:
            return None
        held = terminal.desk.book.positions_of.get(symbol.name, {})
        opened = [item for item in held.values() if item.reason == mt5.POSITION_REASON_CLIENT]
        if not trade.side and opened:
            return self._market_order(symbol, _opposite(opened[0].type), opened[0].volume, opened[0].ticket)
        kind = _KINDS[trade.side] if trade.side else (mt5.ORDER_TYPE_SELL if trade.falls else mt5.ORDER_TYPE_BUY)
        return self._market_order(symbol, kind, trade.volume or symbol.specification.volume_min)

    # --- faults ---

    def _fault(
        self, now_ns: int, name: str, count: int, skip: int, call: str, symbol: str, parameters: dict[str, Any]
    ) -> None:
        if call and call not in CALLS:
            raise CommandError(f"call: expected one of the package's functions, got {call!r}")
        self._terminal.faults.inject(
            name, now_ns, count=count, skip=skip, call=call, symbol=symbol, parameters=parameters
        )

    def _clear(self, now_ns: int, name: str) -> None:
        self._terminal.end_faults(name)

    def _status(self, now_ns: int) -> dict[str, Any]:
        terminal = self._terminal
        book = terminal.desk.book
        return {
            "login": terminal.login,
            "logins": list(terminal.accounts.desks),
            "server": terminal.settings.server,
            "server_time_msc": terminal.market.now_msc,
            "running": not terminal.gone,
            "connected": terminal.connected,
            "autotrading": terminal.autotrading,
            "api": not terminal.ordering.api_disabled,
            "investor": terminal.ordering.investor,
            "balance": book.balance,
            "positions": len(book.positions),
            "orders": len(book.orders),
            "deals": len(book.deals),
            "faults": terminal.faults.status(now_ns),
        }

    # --- by hand ---

    def _trade(
        self, now_ns: int, side: str, name: str, volume: float, sl: float, tp: float, comment: str
    ) -> OrderSendResult:
        if side not in _KINDS:
            raise CommandError(f"side: expected buy or sell, got {side!r}")
        symbol = self._terminal.market.get(name)
        if symbol is None or not symbol.selected:
            raise CommandError(f"symbol: expected one that is in the market watch, got {name!r}")
        for what, price in (("volume", volume), ("sl", sl), ("tp", tp)):
            if not (math.isfinite(price) and price >= 0.0):
                raise CommandError(f"{what}: expected a number of at least 0, got {price!r}")
        _check_comment(comment)
        return self._market_order(symbol, _KINDS[side], volume, sl=sl, tp=tp, comment=comment)

    def _close(self, now_ns: int, ticket: int, volume: float) -> OrderSendResult:
        position = self._terminal.desk.book.positions.get(ticket)
        if position is None:
            raise CommandError(f"ticket: expected an open position's, got {ticket}")
        if not (math.isfinite(volume) and volume >= 0.0):
            raise CommandError(f"volume: expected a number of at least 0 (0: all), got {volume!r}")
        symbol = self._terminal.market.symbols[position.symbol]
        return self._market_order(symbol, _opposite(position.type), volume or position.volume, ticket)

    def _market_order(
        self,
        symbol: Symbol,
        kind: int,
        volume: float,
        position: int = 0,
        sl: float = 0.0,
        tp: float = 0.0,
        comment: str = "",
    ) -> OrderSendResult:
        specification = symbol.specification
        filling = filling_for(mt5.TRADE_ACTION_DEAL, specification.trade_exemode, specification.filling_mode)
        values: dict[str, Any] = {field: kind_() for field, kind_ in TradeRequest.__annotations__.items()}
        values |= {
            "action": mt5.TRADE_ACTION_DEAL,
            "symbol": symbol.name,
            "volume": volume,
            "price": symbol.ask if kind == mt5.ORDER_TYPE_BUY else symbol.bid,
            "sl": sl,
            "tp": tp,
            "type": kind,
            "type_filling": filling,
            "comment": comment,
            "position": position,
        }
        return self._terminal.ordering.send_by_hand(TradeRequest(values.values()))

    def _deposit(self, now_ns: int, amount: float, comment: str) -> float:
        if not (math.isfinite(amount) and 0.0 < abs(amount) <= MAX_AMOUNT):
            raise CommandError(f"amount: expected money other than 0, at most {MAX_AMOUNT:.0f}, got {amount!r}")
        _check_comment(comment)
        desk = self._terminal.desk
        free = desk.account.figures().margin_free
        if amount < 0.0 and -amount > min(free, desk.book.balance):
            raise CommandError(f"amount: expected at most the free margin of {free:.2f}, got {-amount!r}")
        desk.deposit(amount, comment or ("Deposit" if amount > 0.0 else "Withdrawal"))
        return desk.book.balance

    # --- switches ---

    def _autotrading(self, now_ns: int, on: bool) -> None:
        self._terminal.switch(autotrading=on)

    def _api(self, now_ns: int, on: bool) -> None:
        self._terminal.switch(api=on)

    def _connection(self, now_ns: int, on: bool) -> None:
        self._terminal.switch(online=on)

    def _account(self, now_ns: int, login: int) -> None:
        if not 0 < login <= MAX_LOGIN:
            raise CommandError(f"account: expected a positive account number, got {login}")
        self._terminal.switch(login=login)

    def _reset(self, now_ns: int) -> None:
        self._terminal.reset()


def _check_comment(comment: str) -> None:
    if len(comment) > MAX_COMMENT:
        raise CommandError(f"comment: expected at most {MAX_COMMENT} characters, got {len(comment)}")


def _opposite(kind: int) -> int:
    return mt5.ORDER_TYPE_SELL if kind == mt5.POSITION_TYPE_BUY else mt5.ORDER_TYPE_BUY
