"""Which symbols there are, and what is known of one: symbols_total, symbols_get, symbol_info, symbol_select, tick."""

import MetaTrader5 as mt5

if not mt5.initialize():
    print("initialize() failed:", mt5.last_error())
    raise SystemExit(1)

print("symbols in all:", mt5.symbols_total())

# A group filter: "*" stands for anything, "!" takes out, commas part the conditions.
for group in ("*USD*", "*EUR*", "*, !*USD*"):
    found = mt5.symbols_get(group) or ()
    print(f'group "{group}": {len(found)}:', ", ".join(symbol.name for symbol in found[:5]))

name = "EURUSD"
if not mt5.symbol_select(name, True):  # into Market Watch, or there are no quotes
    print(f"{name} can't be selected:", mt5.last_error())
    mt5.shutdown()
    raise SystemExit(1)

info = mt5.symbol_info(name)
print(f"{info.name}: {info.description}, in {info.path}")
print(f"  {info.digits} digits, point {info.point:.{info.digits}f}, spread {info.spread} points")
print(f"  one lot is {info.trade_contract_size:g} {info.currency_base}, a profit is in {info.currency_profit}")
print(f"  volume from {info.volume_min} to {info.volume_max} lots, in steps of {info.volume_step}")
print(f"  swap {info.swap_long} long, {info.swap_short} short")

tick = mt5.symbol_info_tick(name)
print(f"  bid {tick.bid:.{info.digits}f}, ask {tick.ask:.{info.digits}f}, at {tick.time_msc} ms of the server's time")

mt5.shutdown()
