"""Bars three ways, as NumPy arrays: copy_rates_from_pos, copy_rates_from, copy_rates_range."""

from datetime import datetime, timedelta, timezone

import MetaTrader5 as mt5

SYMBOL = "EURUSD"

if not mt5.initialize():
    print("initialize() failed:", mt5.last_error())
    raise SystemExit(1)
mt5.symbol_select(SYMBOL, True)


def show(title, rates):
    """Print the first and the last of some bars."""
    if rates is None:
        print(f"{title}: none:", mt5.last_error())
        return
    print(f"{title}: {len(rates)} bars")
    for bar in (rates[0], rates[-1]) if len(rates) > 1 else rates:
        when = datetime.fromtimestamp(int(bar["time"]), timezone.utc)
        prices = " ".join(f"{bar[name]:.5f}" for name in ("open", "high", "low", "close"))
        print(f"  {when:%Y-%m-%d %H:%M}  {prices}  {bar['tick_volume']} ticks")


# By position: 0 is the bar that isn't finished yet.
hours = mt5.copy_rates_from_pos(SYMBOL, mt5.TIMEFRAME_H1, 0, 100)
show("the last 100 hours", hours)

# A date is the server's time, told as if it were UTC.
now = datetime.fromtimestamp(int(hours[-1]["time"]), timezone.utc)

# So many bars up to a date, the last of them opened at it or before.
show("20 days before this hour", mt5.copy_rates_from(SYMBOL, mt5.TIMEFRAME_D1, now, 20))

# All bars that opened within two dates.
quarters = mt5.copy_rates_range(SYMBOL, mt5.TIMEFRAME_M15, now - timedelta(hours=6), now)
show("six hours in quarters", quarters)

# Columns are arrays: an average over all closes, the widest bar.
closes = hours["close"]
print(f"average close {closes.mean():.5f}, between {closes.min():.5f} and {closes.max():.5f}")
widest = hours[(hours["high"] - hours["low"]).argmax()]
print(f"widest hour: {round((widest['high'] - widest['low']) / mt5.symbol_info(SYMBOL).point)} points")

mt5.shutdown()
