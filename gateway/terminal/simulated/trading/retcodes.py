"""What a result's comment says, by return code.

Source: the texts that terminals are seen to answer; where none was seen, the documentation's description in that style
(MQL5 documentation, "Return codes of the trade server").
"""

from typing import Final

from gateway.wire import constants as mt5

__all__ = ("ACCEPTED", "COMMENTS")

ACCEPTED: Final = 0
"""The code of a request that nothing stands against, as in `order_check`."""

COMMENTS: Final[dict[int, str]] = {
    ACCEPTED: "Done",
    mt5.TRADE_RETCODE_REQUOTE: "Requote",
    mt5.TRADE_RETCODE_REJECT: "Request rejected",
    mt5.TRADE_RETCODE_CANCEL: "Request canceled",
    mt5.TRADE_RETCODE_PLACED: "Request placed",
    mt5.TRADE_RETCODE_DONE: "Request executed",
    mt5.TRADE_RETCODE_DONE_PARTIAL: "Request executed partially",
    mt5.TRADE_RETCODE_ERROR: "Request processing error",
    mt5.TRADE_RETCODE_TIMEOUT: "Request timed out",
    mt5.TRADE_RETCODE_INVALID: "Invalid request",
    mt5.TRADE_RETCODE_INVALID_VOLUME: "Invalid volume",
    mt5.TRADE_RETCODE_INVALID_PRICE: "Invalid price",
    mt5.TRADE_RETCODE_INVALID_STOPS: "Invalid stops",
    mt5.TRADE_RETCODE_TRADE_DISABLED: "Trade disabled",
    mt5.TRADE_RETCODE_MARKET_CLOSED: "Market closed",
    mt5.TRADE_RETCODE_NO_MONEY: "No money",
    mt5.TRADE_RETCODE_PRICE_CHANGED: "Price changed",
    mt5.TRADE_RETCODE_PRICE_OFF: "No prices",
    mt5.TRADE_RETCODE_INVALID_EXPIRATION: "Invalid expiration",
    mt5.TRADE_RETCODE_ORDER_CHANGED: "Order changed",
    mt5.TRADE_RETCODE_TOO_MANY_REQUESTS: "Too many requests",
    mt5.TRADE_RETCODE_NO_CHANGES: "No changes",
    mt5.TRADE_RETCODE_SERVER_DISABLES_AT: "AutoTrading disabled by server",
    mt5.TRADE_RETCODE_CLIENT_DISABLES_AT: "AutoTrading disabled by client",
    mt5.TRADE_RETCODE_LOCKED: "Request locked",
    mt5.TRADE_RETCODE_FROZEN: "Order or position frozen",
    mt5.TRADE_RETCODE_INVALID_FILL: "Unsupported filling mode",
    mt5.TRADE_RETCODE_CONNECTION: "No connection",
    mt5.TRADE_RETCODE_ONLY_REAL: "Allowed for real accounts only",
    mt5.TRADE_RETCODE_LIMIT_ORDERS: "Limit of orders reached",
    mt5.TRADE_RETCODE_LIMIT_VOLUME: "Limit of volume reached",
    mt5.TRADE_RETCODE_INVALID_ORDER: "Invalid order",
    mt5.TRADE_RETCODE_POSITION_CLOSED: "Position doesn't exist",
    mt5.TRADE_RETCODE_INVALID_CLOSE_VOLUME: "Invalid close volume",
    mt5.TRADE_RETCODE_CLOSE_ORDER_EXIST: "Order to close already exists",
    mt5.TRADE_RETCODE_LIMIT_POSITIONS: "Limit of positions reached",
    mt5.TRADE_RETCODE_REJECT_CANCEL: "Activation rejected, order canceled",
    mt5.TRADE_RETCODE_LONG_ONLY: "Long only",
    mt5.TRADE_RETCODE_SHORT_ONLY: "Short only",
    mt5.TRADE_RETCODE_CLOSE_ONLY: "Close only",
    mt5.TRADE_RETCODE_FIFO_CLOSE: "Close by FIFO only",
}
