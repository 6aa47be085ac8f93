"""A strategy in ten lines: buy, follow the profit tick by tick, close at the first gain or after fifty ticks."""

from clients import Client

with Client() as mt5, mt5.tick_stream("EURUSD") as ticks:
    position = mt5.buy("EURUSD", 0.10, sl=mt5.symbol_info_tick("EURUSD").bid - 0.0050, comment="ten lines").order
    for number, tick in enumerate(ticks):
        profit = sum(found.profit for found in mt5.positions_get(ticket=position) or ())
        print(f"{tick.bid:.5f} / {tick.ask:.5f}  profit {profit:+.2f}")
        if profit > 0 or number == 50:
            print(mt5.close(position))
            break
