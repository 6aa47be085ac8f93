"""A position's whole life by order_send: opened at the market, its stops set and cleared, closed."""

import MetaTrader5 as mt5

SYMBOL = "EURUSD"
MAGIC = 100_200


def stop(reason):
    """Say what went wrong, and end."""
    print(reason, mt5.last_error())
    mt5.shutdown()
    raise SystemExit(1)


def send(title, request):
    """Send a trade request; end unless it was executed."""
    result = mt5.order_send(request)
    if result is None:  # no answer: look at the positions before anything is sent again
        stop(f"{title}: no answer:")
    print(f"{title}: retcode {result.retcode}, {result.comment}")
    if result.retcode != mt5.TRADE_RETCODE_DONE:
        stop(f"{title}: not executed:")
    return result


if not mt5.initialize():
    stop("initialize() failed:")
if not mt5.symbol_select(SYMBOL, True):
    stop(f"{SYMBOL} can't be selected:")

info = mt5.symbol_info(SYMBOL)
# filling_mode is a mask of what the symbol allows (1: FOK, 2: IOC), type_filling is one of the ORDER_FILLING values.
filling = (
    mt5.ORDER_FILLING_FOK
    if info.filling_mode & 1
    else mt5.ORDER_FILLING_IOC
    if info.filling_mode & 2
    else mt5.ORDER_FILLING_RETURN
)
market = {
    "action": mt5.TRADE_ACTION_DEAL,
    "symbol": SYMBOL,
    "volume": 0.1,
    "deviation": 20,
    "magic": MAGIC,
    "type_time": mt5.ORDER_TIME_GTC,
    "type_filling": filling,
}

tick = mt5.symbol_info_tick(SYMBOL)
opened = send("buy", {**market, "type": mt5.ORDER_TYPE_BUY, "price": tick.ask, "comment": "opened by example"})
print(f"  position {opened.order}: {opened.volume} lots at {opened.price:.{info.digits}f}, deal {opened.deal}")

distance = max(200, 2 * info.trade_stops_level) * info.point
stops = {"action": mt5.TRADE_ACTION_SLTP, "symbol": SYMBOL, "position": opened.order, "magic": MAGIC}
send(
    "set stops",
    {
        **stops,
        "sl": round(opened.price - distance, info.digits),
        "tp": round(opened.price + distance, info.digits),
    },
)
for position in mt5.positions_get(ticket=opened.order):
    print(f"  stop loss {position.sl:.{info.digits}f}, take profit {position.tp:.{info.digits}f}")

send("clear stops", {**stops, "sl": 0.0, "tp": 0.0})

tick = mt5.symbol_info_tick(SYMBOL)
closed = send(
    "close",
    {
        **market,
        "type": mt5.ORDER_TYPE_SELL,
        "position": opened.order,
        "price": tick.bid,
        "comment": "closed by example",
    },
)
print(f"  closed at {closed.price:.{info.digits}f}")
print("still open:", len(mt5.positions_get(ticket=opened.order)))

for deal in mt5.history_deals_get(position=opened.order):
    side = "in" if deal.entry == mt5.DEAL_ENTRY_IN else "out"
    print(f"  deal {deal.ticket} {side}: {deal.volume} lots at {deal.price:.{info.digits}f}, profit {deal.profit:+.2f}")

mt5.shutdown()
