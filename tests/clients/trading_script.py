"""A trading script as people write them, for mypy alone (`make lint`): it is never run.

Whatever a type checker should find in it is marked; a mark that isn't needed is an error too.
"""

import datetime
import pickle

import MetaTrader5 as mt5
from MetaTrader5 import TIMEFRAME_H4, TradePosition


def trade(symbol: str) -> bool:
    if not mt5.initialize(login=5, server="Broker-Server", password="secret", timeout=10_000):
        code, text = mt5.last_error()
        print(code + 1, text.upper())
        return False
    account, tick, info = mt5.account_info(), mt5.symbol_info_tick(symbol), mt5.symbol_info(symbol)
    if account is None or tick is None or info is None:
        return False
    volume: float = max(info.volume_min, account.margin_free / 100_000)
    request = {
        "action": mt5.TRADE_ACTION_DEAL,
        "symbol": symbol,
        "volume": volume,
        "type": mt5.ORDER_TYPE_BUY,
        "price": tick.ask,
        "sl": tick.bid - 100 * info.point,
        "type_filling": mt5.ORDER_FILLING_IOC,
    }
    check = mt5.order_check(request)
    if check is None or check.retcode != 0:
        return False
    result = mt5.order_send(request)
    if result is None or result.retcode != mt5.TRADE_RETCODE_DONE:
        return False
    print(result.request.symbol.lower(), result.order + result.deal, mt5.Tick(pickle.loads(pickle.dumps(tick))))
    return mt5.Close(symbol, ticket=result.order) is True


def look(symbol: str) -> list[TradePosition]:
    now = datetime.datetime.now()
    rates = mt5.copy_rates_from(symbol, TIMEFRAME_H4, now, 100)
    deals = mt5.history_deals_get(now - datetime.timedelta(days=1), now, group="*USD*")
    if rates is not None and deals is not None:
        print(rates["close"].mean(), sum(deal.profit for deal in deals))
    return list(mt5.positions_get(symbol=symbol) or ())


def mistakes(symbol: str) -> None:
    tick = mt5.symbol_info_tick(symbol)
    print(tick.bid)  # type: ignore[union-attr]  # it may be None
    assert tick is not None
    print(tick.bud)  # type: ignore[attr-defined]
    print(mt5.TRADE_RETCODE_DNOE)  # type: ignore[attr-defined]
    mt5.symbol_info_tick(symbol=symbol)  # type: ignore[call-arg]  # positional only
    mt5.positions_get(symbol)  # type: ignore[call-arg]  # by keyword only
    mt5.copy_rates_from_pos(symbol, mt5.TIMEFRAME_M1, 0, 1.5)  # type: ignore[arg-type]
    mt5.initialize(login="5")  # type: ignore[arg-type]
    mt5.history_deals_get(ticket=1, position=2)  # type: ignore[call-overload]
    mt5.order_send(action=1, volume="0.1")  # type: ignore[call-overload]
