"""What was traded: history_orders_total, history_orders_get, history_deals_total, history_deals_get."""

from datetime import datetime, timedelta

import MetaTrader5 as mt5

if not mt5.initialize():
    print("initialize() failed:", mt5.last_error())
    raise SystemExit(1)

# A server's clock may be hours ahead of ours: a day more includes all of today.
start, end = datetime(2020, 1, 1), datetime.now() + timedelta(days=1)

print("orders:", mt5.history_orders_total(start, end))
for order in mt5.history_orders_get(start, end)[-5:]:
    print(f"  {order.ticket} {order.symbol}: type {order.type}, state {order.state}, {order.volume_initial} lots")

print("deals:", mt5.history_deals_total(start, end))
deals = mt5.history_deals_get(start, end)
for deal in deals[-5:]:
    print(f"  {deal.ticket} {deal.symbol or '(balance)'}: {deal.volume} lots at {deal.price}, {deal.profit:+.2f}")

# A group filter picks by symbol.
print('deals of "*EUR*":', len(mt5.history_deals_get(start, end, group="*EUR*")))

# Everything that a balance is made of is a deal.
total = sum(deal.profit + deal.swap + deal.commission + deal.fee for deal in deals)
print(f"sum of all deals {total:.2f}, balance {mt5.account_info().balance:.2f}")

# The orders and deals of one position, by its identifier.
trades = [deal for deal in deals if deal.position_id]
if trades:
    identifier = trades[-1].position_id
    print(f"position {identifier}: {len(mt5.history_orders_get(position=identifier))} orders,", end=" ")
    print(f"{len(mt5.history_deals_get(position=identifier))} deals")

mt5.shutdown()
