"""Orders and positions as the package's structures."""

from gateway.terminal.simulated.market.symbols import Symbol
from gateway.terminal.simulated.trading.entries import Order, Position
from gateway.terminal.simulated.trading.levels import BUY_ORDERS, entry_price
from gateway.wire.constants import POSITION_TYPE_SELL
from gateway.wire.structs import TradeOrder, TradePosition

__all__ = ("describe_order", "describe_position", "finished_order")


def describe_order(symbol: Symbol, order: Order) -> TradeOrder:
    """Return an active order, with the price that it would be executed at now."""
    return finished_order(symbol, order, 0)


def finished_order(symbol: Symbol, order: Order, done_msc: int) -> TradeOrder:
    """Return an order that ended at `done_msc`."""
    return TradeOrder(
        (
            order.ticket,
            order.time_setup_msc // 1000,
            order.time_setup_msc,
            done_msc // 1000,
            done_msc,
            order.expires_s,
            order.type,
            order.type_time,
            order.type_filling,
            order.state,
            order.magic,
            order.position_id,
            order.position_by_id,
            order.reason,
            order.volume,
            order.volume_current,
            order.price,
            order.sl,
            order.tp,
            entry_price(symbol, order.type in BUY_ORDERS),
            order.price_stoplimit,
            order.symbol,
            order.comment,
            "",
        )
    )


def describe_position(symbol: Symbol, position: Position, profit: float) -> TradePosition:
    """Return an open position with its floating profit."""
    return TradePosition(
        (
            position.ticket,
            position.time_msc // 1000,
            position.time_msc,
            position.time_update_msc // 1000,
            position.time_update_msc,
            position.type,
            position.magic,
            position.identifier,
            position.reason,
            position.volume,
            position.price_open,
            position.sl,
            position.tp,
            entry_price(symbol, position.type == POSITION_TYPE_SELL),
            position.swap,
            profit,
            position.symbol,
            position.comment,
            "",
        )
    )
