"""What a trade would need and earn, before it is sent: order_calc_margin, order_calc_profit, order_check."""

import MetaTrader5 as mt5

LOTS = 0.1
POINTS = 100

if not mt5.initialize():
    print("initialize() failed:", mt5.last_error())
    raise SystemExit(1)

account = mt5.account_info()
print(f"{LOTS} lots, on an account in {account.currency} with {account.margin_free:.2f} free:")
for name in ("EURUSD", "GBPUSD", "USDJPY"):
    if not mt5.symbol_select(name, True):
        print(f"  {name} can't be selected:", mt5.last_error())
        continue
    point, tick = mt5.symbol_info(name).point, mt5.symbol_info_tick(name)
    margin = mt5.order_calc_margin(mt5.ORDER_TYPE_BUY, name, LOTS, tick.ask)
    up = mt5.order_calc_profit(mt5.ORDER_TYPE_BUY, name, LOTS, tick.ask, tick.ask + POINTS * point)
    down = mt5.order_calc_profit(mt5.ORDER_TYPE_SELL, name, LOTS, tick.bid, tick.bid + POINTS * point)
    print(f"  {name}: margin {margin:.2f}; {POINTS} points up: a buy {up:+.2f}, a sell {down:+.2f}")

# order_check asks whether the account could take a request. 0 means that it could; nothing is sent.
info, tick = mt5.symbol_info("EURUSD"), mt5.symbol_info_tick("EURUSD")
request = {
    "action": mt5.TRADE_ACTION_DEAL,
    "symbol": "EURUSD",
    "volume": LOTS,
    "type": mt5.ORDER_TYPE_BUY,
    "price": tick.ask,
    "deviation": 20,
    "type_filling": mt5.ORDER_FILLING_FOK if info.filling_mode & 1 else mt5.ORDER_FILLING_IOC,
}
for volume in (LOTS, info.volume_max):
    check = mt5.order_check({**request, "volume": volume})
    if check is None:
        print("order_check failed:", mt5.last_error())
        continue
    print(f"order_check of {volume:g} lots: retcode {check.retcode}, {check.comment}")
    if check.retcode == 0:
        print(f"  margin would be {check.margin:.2f}, and {check.margin_free:.2f} left free")

mt5.shutdown()
