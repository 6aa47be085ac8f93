"""What a worker beside the real package returns arrives whole: its own structures, encoded there, decoded here."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from clients.results import decode_result
from gateway.wire import codec, structs

sys.path.append(str(Path(__file__).parent / "inside"))
import samples

RECEIVE_MS = 90_000


@pytest.fixture(scope="module")
def received(wine: Any) -> list[tuple[str, Any]]:
    """Each call's name with what a client makes of its result."""
    found: list[tuple[str, Any]] = []
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        socket.setsockopt(zmq.RCVTIMEO, RECEIVE_MS)
        sent = wine.run("results.py", f"tcp://127.0.0.1:{port}")
        while True:
            name, frame = socket.recv_multipart()
            if not name:
                break
            found.append((name.decode(), decode_result(name.decode(), codec.unpack(codec.decode_return(frame).result))))
    assert len(found) == sent
    return found


def expected(kind: type[structs.Struct], number: int = 0) -> structs.Struct:
    values = samples.fields(kind, number)
    if isinstance(values[-1], list):
        values[-1] = structs.TradeRequest(values[-1])
    return kind(values)


def only(received: list[tuple[str, Any]], call: str) -> Any:
    return next(value for name, value in received if name == call)


def is_the_same(found: Any, wanted: Any) -> bool:
    """Equal, of the same types all the way down, and with the sign of zero."""
    return found == wanted and type(found) is type(wanted) and repr(found) == repr(wanted)


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("account_info", structs.AccountInfo),
        ("terminal_info", structs.TerminalInfo),
        ("symbol_info", structs.SymbolInfo),
        ("symbol_info_tick", structs.Tick),
        ("order_check", structs.OrderCheckResult),
        ("order_send", structs.OrderSendResult),
    ],
)
def test_structure_arrives_whole(received: list[tuple[str, Any]], call: str, kind: type[structs.Struct]) -> None:
    assert is_the_same(only(received, call), expected(kind))


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("positions_get", structs.TradePosition),
        ("orders_get", structs.TradeOrder),
        ("history_deals_get", structs.TradeDeal),
        ("market_book_get", structs.BookInfo),
        ("symbols_get", structs.SymbolInfo),
    ],
)
def test_tuple_of_structures_arrives_whole(
    received: list[tuple[str, Any]], call: str, kind: type[structs.Struct]
) -> None:
    assert is_the_same(only(received, call), tuple(expected(kind, number) for number in range(3)))


def test_request_within_an_orders_result_is_a_request(received: list[tuple[str, Any]]) -> None:
    assert type(only(received, "order_send").request) is structs.TradeRequest


@pytest.mark.parametrize("call", samples.RECORDS)
def test_records_arrive_whole_and_read_only(received: list[tuple[str, Any]], call: str) -> None:
    arrays = [value for name, value in received if name == call]
    for found, count in zip(arrays, samples.COUNTS, strict=True):
        wanted = samples.records(samples.RECORDS[call], count)
        assert found.dtype == wanted.dtype
        assert found.tobytes() == wanted.tobytes()
        assert not found.flags.writeable
        assert isinstance(found, np.ndarray)


def test_plain_values_arrive_as_they_are(received: list[tuple[str, Any]]) -> None:
    assert only(received, "version") == (500, 5_000, "01 Nov 2025")
    assert only(received, "symbol_select") is True
    assert [value for name, value in received if name == "positions_get"][-1] == ()
