"""Ticks two ways, and what their flags say: copy_ticks_from, copy_ticks_range."""

from datetime import datetime, timedelta, timezone

import MetaTrader5 as mt5

SYMBOL = "EURUSD"

if not mt5.initialize():
    print("initialize() failed:", mt5.last_error())
    raise SystemExit(1)
mt5.symbol_select(SYMBOL, True)

last = mt5.symbol_info_tick(SYMBOL)
now = datetime.fromtimestamp(last.time, timezone.utc)  # the server's time, told as if it were UTC
start = now - timedelta(minutes=10)

# So many ticks from a date on. COPY_TICKS_INFO: those that changed bid or ask.
ticks = mt5.copy_ticks_from(SYMBOL, start, 1_000, mt5.COPY_TICKS_INFO)
if ticks is None:
    print("copy_ticks_from failed:", mt5.last_error())
    mt5.shutdown()
    raise SystemExit(1)
print(f"from {start:%H:%M:%S} on: {len(ticks)} ticks")
for tick in ticks[:5]:
    moved = [
        name
        for name, flag in (("bid", mt5.TICK_FLAG_BID), ("ask", mt5.TICK_FLAG_ASK), ("last", mt5.TICK_FLAG_LAST))
        if tick["flags"] & flag
    ]
    print(f"  {tick['time_msc']}  {tick['bid']:.5f} / {tick['ask']:.5f}  {' and '.join(moved)} changed")

# All ticks within two dates. A date counts to the second.
ticks = mt5.copy_ticks_range(SYMBOL, start, now, mt5.COPY_TICKS_ALL)
print(f"between {start:%H:%M:%S} and {now:%H:%M:%S}: {len(ticks)} ticks")
if len(ticks) > 1:
    spread = ticks["ask"] - ticks["bid"]
    pause_ms = (ticks["time_msc"][1:] - ticks["time_msc"][:-1]).mean()
    print(f"average spread {spread.mean():.6f}, a tick every {pause_ms:.0f} ms on average")

mt5.shutdown()
