"""Pending orders placed, listed, moved and removed: order_send, orders_total, orders_get."""

import MetaTrader5 as mt5

SYMBOL = "EURUSD"
MAGIC = 100_201

if not mt5.initialize():
    print("initialize() failed:", mt5.last_error())
    raise SystemExit(1)
mt5.symbol_select(SYMBOL, True)

info = mt5.symbol_info(SYMBOL)
tick = mt5.symbol_info_tick(SYMBOL)
distance = max(500, 2 * info.trade_stops_level) * info.point


def price(value):
    """Return a price with the symbol's digits."""
    return round(value, info.digits)


def send(title, request):
    """Send a request, say what came of it, return the order's ticket (0: none)."""
    result = mt5.order_send(request)
    if result is None:
        print(f"{title}: no answer:", mt5.last_error())
        return 0
    print(f"{title}: retcode {result.retcode}, {result.comment}")
    return result.order if result.retcode in (mt5.TRADE_RETCODE_DONE, mt5.TRADE_RETCODE_PLACED) else 0


before = mt5.orders_total()
place = {
    "action": mt5.TRADE_ACTION_PENDING,
    "symbol": SYMBOL,
    "volume": 0.1,
    "magic": MAGIC,
    "type_time": mt5.ORDER_TIME_GTC,
    "type_filling": mt5.ORDER_FILLING_RETURN,
    "comment": "pending example",
}
tickets = [
    send("buy limit", {**place, "type": mt5.ORDER_TYPE_BUY_LIMIT, "price": price(tick.ask - distance)}),
    send("sell limit", {**place, "type": mt5.ORDER_TYPE_SELL_LIMIT, "price": price(tick.bid + distance)}),
    send("buy stop", {**place, "type": mt5.ORDER_TYPE_BUY_STOP, "price": price(tick.ask + distance)}),
]
placed = [ticket for ticket in tickets if ticket]
print(f"orders: {before} before, {mt5.orders_total()} now, {len(mt5.orders_get(symbol=SYMBOL))} of them {SYMBOL}")

for ticket in placed:
    for order in mt5.orders_get(ticket=ticket):
        print(f"  {order.ticket}: type {order.type}, {order.volume_current} lots at {order.price_open:.{info.digits}f}")

# Modify: every price is given anew; what is left out becomes 0.
if placed:
    order = mt5.orders_get(ticket=placed[0])[0]
    lower = price(order.price_open - distance)
    modify = {"action": mt5.TRADE_ACTION_MODIFY, "order": order.ticket, "price": lower, "type_time": order.type_time}
    send("modify", {**modify, "sl": price(lower - distance), "tp": price(lower + distance)})
    order = mt5.orders_get(ticket=order.ticket)[0]
    digits = info.digits
    print(f"  {order.ticket}: now at {order.price_open:.{digits}f}, sl {order.sl:.{digits}f}, tp {order.tp:.{digits}f}")

for ticket in placed:
    send(f"remove {ticket}", {"action": mt5.TRADE_ACTION_REMOVE, "order": ticket})
print("orders left:", mt5.orders_total())

mt5.shutdown()
