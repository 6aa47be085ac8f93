"""A strategy in ten lines: buy once the spread is narrow, close at the first profit. For `mt5gate run`."""

from clients import Client

with Client() as mt5, mt5.tick_stream("EURUSD") as ticks:
    position = None
    for tick in ticks:
        if position is None and tick.ask - tick.bid < 0.00020:
            position = mt5.buy("EURUSD", 0.10, sl=tick.bid - 0.0050, comment="ten lines").order
        elif position and any(p.profit > 0 for p in mt5.positions_get(ticket=position) or ()):
            print(mt5.close(position))
            break
