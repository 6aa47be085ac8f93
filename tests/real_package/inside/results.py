"""Runs in Windows' Python: builds instances of the real structures and sends each, as a worker returns it, over tcp."""

import sys
from pathlib import Path

import MetaTrader5
import zmq

sys.path.append(str(Path(__file__).parent))
from samples import COUNTS, RECORDS, fields, records

from gateway.wire import codec, structs
from gateway.workers.execution import encode_value

ONE = {
    "account_info": "AccountInfo",
    "terminal_info": "TerminalInfo",
    "symbol_info": "SymbolInfo",
    "symbol_info_tick": "Tick",
    "order_check": "OrderCheckResult",
    "order_send": "OrderSendResult",
}
MANY = {
    "positions_get": "TradePosition",
    "orders_get": "TradeOrder",
    "history_deals_get": "TradeDeal",
    "market_book_get": "BookInfo",
    "symbols_get": "SymbolInfo",
}


def real(name: str, number: int = 0) -> tuple:
    """Return an instance of the package's own structure, its request one too."""
    values = fields(getattr(structs, name), number)
    if isinstance(values[-1], list):
        values[-1] = MetaTrader5.TradeRequest(values[-1])
    made = getattr(MetaTrader5, name)(values)
    assert type(made).__module__ == "builtins", "not the package's own"
    return made


def main() -> None:
    context = zmq.Context()
    socket = context.socket(zmq.PUSH)
    socket.connect(sys.argv[1])
    results = [(call, real(name)) for call, name in ONE.items()]
    results += [(call, tuple(real(name, number) for number in range(3))) for call, name in MANY.items()]
    results += [(call, records(dtype, count)) for call, dtype in RECORDS.items() for count in COUNTS]
    results += [("version", (500, 5_000, "01 Nov 2025")), ("positions_get", ()), ("symbol_select", True)]
    for number, (call, value) in enumerate(results, 1):
        socket.send_multipart([call.encode(), codec.encode_return(1, number, 0, 0, 0, encode_value(value))])
    socket.send_multipart([b"", b""])
    socket.close(linger=30_000)
    context.term()
    print(len(results))


main()
