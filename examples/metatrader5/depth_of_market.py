"""The depth of market, looked at a few times: market_book_add, market_book_get, market_book_release."""

import time

import MetaTrader5 as mt5

SYMBOL = "EURUSD"
NAMES = {
    mt5.BOOK_TYPE_SELL: "sell",
    mt5.BOOK_TYPE_BUY: "buy",
    mt5.BOOK_TYPE_SELL_MARKET: "sell at market",
    mt5.BOOK_TYPE_BUY_MARKET: "buy at market",
}

if not mt5.initialize():
    print("initialize() failed:", mt5.last_error())
    raise SystemExit(1)
mt5.symbol_select(SYMBOL, True)

if not mt5.market_book_add(SYMBOL):
    print(f"no depth of market for {SYMBOL}:", mt5.last_error())
    mt5.shutdown()
    raise SystemExit(1)

for look in range(3):
    book = mt5.market_book_get(SYMBOL)
    if not book:
        print("no entries:", mt5.last_error())
    else:
        tick = mt5.symbol_info_tick(SYMBOL)
        print(f"look {look + 1}: {len(book)} entries, while bid is {tick.bid:.5f} and ask {tick.ask:.5f}")
        for entry in book:
            print(f"  {NAMES[entry.type]:<5} {entry.price:.5f}  {entry.volume_dbl:g}")
    time.sleep(0.2)

print("released:", mt5.market_book_release(SYMBOL))
mt5.shutdown()
