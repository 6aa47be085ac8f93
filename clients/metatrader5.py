"""The MetaTrader5 package's whole surface over the gateway: scripts written for the package run unchanged.

    from clients import metatrader5 as mt5          (or `import MetaTrader5 as mt5`, see README)

Functions, constants, types, argument rules and last errors are the package's (5.0.6231). What is ours:

- `initialize` takes a gateway's address (ipc://…, tcp://…) where the package takes a path, else MT5GATE_ENDPOINT, the
  configuration or the default says where it is. Any other path is accepted and means nothing, like `portable`: which
  terminal it is follows from the account. MT5GATE_ACCOUNT names the account, else it is the gateway's default.
- `login` and `server`, there and in `login()`, choose among the gateway's accounts; both must agree with
  MT5GATE_ACCOUNT if that is set. No terminal is ever switched, and the password isn't checked: who may reach the
  gateway may use its accounts. An account that it doesn't have is False, (-6, 'Terminal: Authorization failed').
- `initialize` waits at most `timeout` ms (60,000) for the account's terminal, and not at all where there is no socket
  of a gateway. A connection that breaks mends itself, without `initialize`; a call waits at most 5 s for a gateway that
  is gone. `shutdown` ends this process's session alone.
- Any thread may call at any time and stops no other. `last_error()` is of the calling thread's own last call, and of
  the process's last where that thread has made none. A forked process begins unconnected.
- The eleven types can be pickled.
- Why a call failed is logged as a warning of the logger "mt5gate.metatrader5".

What the gateway adds to the package's failures, when something was asked that

    no gateway or worker takes                       None, (-10004, 'No IPC connection'): it never left
    had no answer in time, or waited too long        None, (-10005, 'IPC timeout')
    the gateway is too busy for                      None, (-10001, 'IPC send failed'): it never left
    has an answer that can't be read                 None, (-10002, 'IPC recv failed')
    concerns an account that isn't there             None, (-6, 'Terminal: Authorization failed')
    the gateway refuses otherwise                    None, (-1, 'Terminal: Call failed')
    the gateway itself fails at                      None, (-10000, 'IPC call failed')

(False instead of None where the package returns that). An order that the gateway refuses before it could leave is
answered as a trade server would, with every other field 0, the reason as comment, and last error (1, 'Success'):

    the account can't trade, or the kill switch is on        10027 TRADE_RETCODE_CLIENT_DISABLES_AT
    this client may not trade                                10017 TRADE_RETCODE_TRADE_DISABLED
    too many requests wait, or it waited too long            10024 TRADE_RETCODE_TOO_MANY_REQUESTS
    a limit stands against it, or the journal's disk fails   10006 TRADE_RETCODE_REJECT

An order that may have happened is None with (-10005, 'IPC timeout'), or with (-10000, …) or (-10002, …) where its
terminal said so: look at positions, orders and deals before you send it again. None with any other last error means
that it never reached the trade server.
"""

from typing import Any

from clients.dropin.module import MODULE as _MODULE
from gateway.wire import constants as _constants
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

__version__ = "5.0.6231"
__author__ = "MetaQuotes Ltd."

_CONSTANTS = {name: value for name, value in vars(_constants).items() if name.isupper()}
globals().update(_CONSTANTS)

_TRIES = 10
_DEVIATION_POINTS = 10
_PRICE_MOVED = (_constants.TRADE_RETCODE_REQUOTE, _constants.TRADE_RETCODE_PRICE_OFF)


def initialize(*args: Any, **kwargs: Any) -> bool:
    """initialize([address], [login=], [password=], [server=], [timeout=], [portable=])

    Connect to a gateway and wait, at most `timeout` ms (60,000), until the account's terminal is there. Returns whether
    that worked.
    """
    return _MODULE.initialize(args, kwargs)


def login(*args: Any, **kwargs: Any) -> bool:
    """login(login, [password], [server], [timeout=])

    Choose the gateway's account with this login for the calls from now on. Returns False where there is none.
    """
    return _MODULE.login(args, kwargs)


def shutdown(*args: Any, **kwargs: Any) -> bool:
    """shutdown()

    Leave the gateway. Always returns True.
    """
    return _MODULE.shutdown(args, kwargs)


def last_error(*args: Any, **kwargs: Any) -> tuple[int, str]:
    """last_error()

    Return code and text of this thread's last call.
    """
    return _MODULE.last_error(args, kwargs)


def version(*args: Any, **kwargs: Any) -> Any:
    """version()

    Return 500, the terminal's build and its release date; (0, 0, '') without a terminal.
    """
    return _MODULE.call("version", args, kwargs)


def terminal_info(*args: Any, **kwargs: Any) -> Any:
    """terminal_info()

    Return the terminal's state and settings as TerminalInfo.
    """
    return _MODULE.call("terminal_info", args, kwargs)


def account_info(*args: Any, **kwargs: Any) -> Any:
    """account_info()

    Return the account's state as AccountInfo; money is in the account's currency.
    """
    return _MODULE.call("account_info", args, kwargs)


def symbols_total(*args: Any, **kwargs: Any) -> Any:
    """symbols_total()

    Return how many symbols the terminal knows.
    """
    return _MODULE.call("symbols_total", args, kwargs)


def symbols_get(*args: Any, **kwargs: Any) -> Any:
    """symbols_get([group=])

    Return all symbols, or those that a filter like "*USD*,!*JPY*" lets pass, as a tuple of SymbolInfo.
    """
    return _MODULE.call("symbols_get", args, kwargs)


def symbol_info(*args: Any, **kwargs: Any) -> Any:
    """symbol_info(symbol)

    Return everything about one symbol as SymbolInfo.
    """
    return _MODULE.call("symbol_info", args, kwargs)


def symbol_info_tick(*args: Any, **kwargs: Any) -> Any:
    """symbol_info_tick(symbol)

    Return the symbol's last Tick.
    """
    return _MODULE.call("symbol_info_tick", args, kwargs)


def symbol_select(*args: Any, **kwargs: Any) -> Any:
    """symbol_select(symbol, [enable])

    Show a symbol in MarketWatch, or remove it. Returns whether that worked.
    """
    return _MODULE.call("symbol_select", args, kwargs)


def market_book_add(*args: Any, **kwargs: Any) -> Any:
    """market_book_add(symbol)

    Open a symbol's depth of market. Returns whether that worked.
    """
    return _MODULE.call("market_book_add", args, kwargs)


def market_book_get(*args: Any, **kwargs: Any) -> Any:
    """market_book_get(symbol)

    Return an opened depth of market as a tuple of BookInfo.
    """
    return _MODULE.call("market_book_get", args, kwargs)


def market_book_release(*args: Any, **kwargs: Any) -> Any:
    """market_book_release(symbol)

    Close a symbol's depth of market. Returns whether that worked.
    """
    return _MODULE.call("market_book_release", args, kwargs)


def copy_rates_from(*args: Any, **kwargs: Any) -> Any:
    """copy_rates_from(symbol, timeframe, date_from, count)

    Return `count` bars that end at a date, oldest first, as a read-only array.
    """
    return _MODULE.call("copy_rates_from", args, kwargs)


def copy_rates_from_pos(*args: Any, **kwargs: Any) -> Any:
    """copy_rates_from_pos(symbol, timeframe, start_pos, count)

    Return `count` bars up to a position (0: the unfinished bar), oldest first.
    """
    return _MODULE.call("copy_rates_from_pos", args, kwargs)


def copy_rates_range(*args: Any, **kwargs: Any) -> Any:
    """copy_rates_range(symbol, timeframe, date_from, date_to)

    Return the bars that open within two dates.
    """
    return _MODULE.call("copy_rates_range", args, kwargs)


def copy_ticks_from(*args: Any, **kwargs: Any) -> Any:
    """copy_ticks_from(symbol, date_from, count, flags)

    Return `count` ticks from a date on, as a read-only array.
    """
    return _MODULE.call("copy_ticks_from", args, kwargs)


def copy_ticks_range(*args: Any, **kwargs: Any) -> Any:
    """copy_ticks_range(symbol, date_from, date_to, flags)

    Return the ticks within two dates.
    """
    return _MODULE.call("copy_ticks_range", args, kwargs)


def order_send(*args: Any, **kwargs: Any) -> Any:
    """order_send(request)

    Send a trade request, once. Returns the answer as OrderSendResult; None with (-10005, …), (-10002, …) or
    (-10000, …) as last error means that it may have happened.
    """
    return _MODULE.call("order_send", args, kwargs)


def order_check(*args: Any, **kwargs: Any) -> Any:
    """order_check(request)

    Ask whether the funds suffice for a trade request. Returns OrderCheckResult; retcode 0 is yes.
    """
    return _MODULE.call("order_check", args, kwargs)


def order_calc_margin(*args: Any, **kwargs: Any) -> Any:
    """order_calc_margin(action, symbol, volume, price)

    Return the margin that an order would need, in the account's currency.
    """
    return _MODULE.call("order_calc_margin", args, kwargs)


def order_calc_profit(*args: Any, **kwargs: Any) -> Any:
    """order_calc_profit(action, symbol, volume, price_open, price_close)

    Return what a trade between two prices would earn, in the account's currency.
    """
    return _MODULE.call("order_calc_profit", args, kwargs)


def positions_total(*args: Any, **kwargs: Any) -> Any:
    """positions_total()

    Return how many positions are open.
    """
    return _MODULE.call("positions_total", args, kwargs)


def positions_get(*args: Any, **kwargs: Any) -> Any:
    """positions_get([symbol=], [ticket=], [group=])

    Return the open positions as a tuple of TradePosition.
    """
    return _MODULE.call("positions_get", args, kwargs)


def orders_total(*args: Any, **kwargs: Any) -> Any:
    """orders_total()

    Return how many orders are pending.
    """
    return _MODULE.call("orders_total", args, kwargs)


def orders_get(*args: Any, **kwargs: Any) -> Any:
    """orders_get([symbol=], [ticket=], [group=])

    Return the pending orders as a tuple of TradeOrder.
    """
    return _MODULE.call("orders_get", args, kwargs)


def history_orders_total(*args: Any, **kwargs: Any) -> Any:
    """history_orders_total(date_from, date_to)

    Return how many orders ended within two dates.
    """
    return _MODULE.call("history_orders_total", args, kwargs)


def history_orders_get(*args: Any, **kwargs: Any) -> Any:
    """history_orders_get([date_from, date_to, [group=]], [position=], [ticket=])

    Return orders that ended, as a tuple of TradeOrder.
    """
    return _MODULE.call("history_orders_get", args, kwargs)


def history_deals_total(*args: Any, **kwargs: Any) -> Any:
    """history_deals_total(date_from, date_to)

    Return how many deals were made within two dates.
    """
    return _MODULE.call("history_deals_total", args, kwargs)


def history_deals_get(*args: Any, **kwargs: Any) -> Any:
    """history_deals_get([date_from, date_to, [group=]], [position=], [ticket=])

    Return deals as a tuple of TradeDeal.
    """
    return _MODULE.call("history_deals_get", args, kwargs)


# --- the package's helpers, which call the functions above by their names ---------------------------------------------


def _RawOrder(order_type, symbol, volume, price, comment=None, ticket=None):
    """Send a market order as the helpers do: 10 points of deviation, and no filling mode, which means FOK."""
    request = {
        "action": _constants.TRADE_ACTION_DEAL,
        "symbol": symbol,
        "volume": volume,
        "type": order_type,
        "price": price,
        "deviation": _DEVIATION_POINTS,
    }
    if comment is not None:
        request["comment"] = comment
    if ticket is not None:
        request["position"] = ticket
    return order_send(request)


def Buy(symbol, volume, price=None, *, comment=None, ticket=None):
    """Buy at a price, or at the market: then anew at the current ask, up to ten times, while the price moves away.

    Returns the last OrderSendResult, None if an order had none. Raises AttributeError where there is no tick.
    """
    return _enter(_constants.ORDER_TYPE_BUY, "ask", symbol, volume, price, comment, ticket)


def Sell(symbol, volume, price=None, *, comment=None, ticket=None):
    """Sell at a price, or at the market: as `Buy`, at the current bid."""
    return _enter(_constants.ORDER_TYPE_SELL, "bid", symbol, volume, price, comment, ticket)


def Close(symbol, *, comment=None, ticket=None):
    """Close a symbol's positions, or the one of this ticket, each at the market and with up to ten tries.

    Returns True if all were closed, "Partially" if some were, False if none was (or there is none), None if an order
    had no answer. Raises TypeError where the positions can't be read.
    """
    positions = positions_get(symbol=symbol) if ticket is None else positions_get(ticket=ticket)
    tried = done = 0
    for position in positions:
        if position.type not in (_constants.POSITION_TYPE_BUY, _constants.POSITION_TYPE_SELL):
            continue
        tried += 1
        if position.type == _constants.POSITION_TYPE_BUY:
            way = _constants.ORDER_TYPE_SELL, "bid"
        else:
            way = _constants.ORDER_TYPE_BUY, "ask"
        result = _enter(*way, symbol, position.volume, None, comment, position.ticket)
        if result is None:
            return None
        done += result.retcode == _constants.TRADE_RETCODE_DONE
    if not done:
        return False
    return True if done == tried else "Partially"


def _enter(order_type, side, symbol, volume, price, comment, ticket):
    if price is not None:
        return _RawOrder(order_type, symbol, volume, price, comment, ticket)
    for _ in range(_TRIES):
        result = _RawOrder(order_type, symbol, volume, getattr(symbol_info_tick(symbol), side), comment, ticket)
        if result is None or result.retcode not in _PRICE_MOVED:
            break
    return result


__all__ = (
    *_CONSTANTS,
    "AccountInfo",
    "BookInfo",
    "Buy",
    "Close",
    "OrderCheckResult",
    "OrderSendResult",
    "Sell",
    "SymbolInfo",
    "TerminalInfo",
    "Tick",
    "TradeDeal",
    "TradeOrder",
    "TradePosition",
    "TradeRequest",
    "account_info",
    "copy_rates_from",
    "copy_rates_from_pos",
    "copy_rates_range",
    "copy_ticks_from",
    "copy_ticks_range",
    "history_deals_get",
    "history_deals_total",
    "history_orders_get",
    "history_orders_total",
    "initialize",
    "last_error",
    "login",
    "market_book_add",
    "market_book_get",
    "market_book_release",
    "order_calc_margin",
    "order_calc_profit",
    "order_check",
    "order_send",
    "orders_get",
    "orders_total",
    "positions_get",
    "positions_total",
    "shutdown",
    "symbol_info",
    "symbol_info_tick",
    "symbol_select",
    "symbols_get",
    "symbols_total",
    "terminal_info",
    "version",
)
