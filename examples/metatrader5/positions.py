"""Positions, and the three ways to choose among them: positions_total, positions_get, and Buy, Sell and Close."""

import MetaTrader5 as mt5

if not mt5.initialize():
    print("initialize() failed:", mt5.last_error())
    raise SystemExit(1)

print("positions before:", mt5.positions_total())

# The package's own helpers send at the market, and again while the price moves away.
# They fill wholly or not at all (FOK), which not every broker offers.
made = []
for trade, name in ((mt5.Buy, "EURUSD"), (mt5.Sell, "GBPUSD"), (mt5.Buy, "USDJPY")):
    mt5.symbol_select(name, True)
    result = trade(name, 0.1)
    if result is None or result.retcode != mt5.TRADE_RETCODE_DONE:
        print(f"{name}: not traded:", mt5.last_error() if result is None else result.comment)
    else:
        made.append(result.order)
print("positions now:", mt5.positions_total())


def show(title, positions):
    """Print some positions."""
    if positions is None:
        print(f"{title}: failed:", mt5.last_error())
        return
    print(f"{title}: {len(positions)}")
    for position in positions:
        side = "buy" if position.type == mt5.POSITION_TYPE_BUY else "sell"
        print(f"  {position.ticket} {side} {position.volume} {position.symbol}: profit {position.profit:+.2f}")


show("of EURUSD", mt5.positions_get(symbol="EURUSD"))
show('of the group "*USD*, !USDJPY"', mt5.positions_get(group="*USD*, !USDJPY"))
for ticket in made[:1]:
    show(f"with ticket {ticket}", mt5.positions_get(ticket=ticket))

profit = sum(position.profit + position.swap for position in mt5.positions_get() or ())
print(f"profit of all {profit:+.2f}, and the account says {mt5.account_info().profit:+.2f}")

for ticket in made:
    for position in mt5.positions_get(ticket=ticket):
        print(f"closed {position.symbol}:", mt5.Close(position.symbol, ticket=ticket))
print("positions after:", mt5.positions_total())

mt5.shutdown()
