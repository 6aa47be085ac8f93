"""The frames that travel in the benchmarks, made by the project's own codec, and where the C programs may patch them.

A template is one encoded frame in which the fields that change have their full width: the session token and the
request id as 0xcf and 8 bytes, an order's client order id as 26 characters. The C client overwrites those bytes and
nothing else, so every contender gets the same.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clients import new_order_id
from gateway.wire.codec import encode_heartbeat, encode_ready, encode_request, pack
from gateway.wire.messages import Ready
from gateway.wire.structs import AccountInfo, SymbolInfo, TradeOrder

__all__ = (
    "ACCOUNT",
    "HELLO",
    "ORDER",
    "QUERY",
    "REPLY_ID_OFFSET",
    "SPEC",
    "RequestTemplate",
    "WorkerFrames",
    "null_results",
    "worker_frames",
)

ACCOUNT: Final = "demo"

SESSION_OFFSET: Final = 3
REQUEST_ID_OFFSET: Final = 12
REPLY_ID_OFFSET: Final = 3
"""Behind the array's head, the version and the 0xcf: the same place in every request, and in every reply."""

_ANY_SESSION: Final = 2**63
_ANY_REQUEST_ID: Final = 2**62
_HELLO_REQUEST_ID: Final = 2**62 - 1
_LOGIN: Final = 50_000_001
_SERVER: Final = "MT5Gate-Demo"
_ANY_ORDER_ID: Final = "0000000000BENCHBENCH000000"


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """A request frame whose session and request id are to be patched."""

    name: str
    frame: bytes

    def __post_init__(self) -> None:
        if self.frame[SESSION_OFFSET - 1] != 0xCF or self.frame[REQUEST_ID_OFFSET - 1] != 0xCF:
            raise ValueError("template: expected session and request id of 8 bytes each at the front")

    def for_session(self, session: int, request_id: int) -> bytes:
        """Return the frame with all of these filled in, as the C client does it."""
        frame = bytearray(self.frame)
        frame[SESSION_OFFSET : SESSION_OFFSET + 8] = session.to_bytes(8)
        frame[REQUEST_ID_OFFSET : REQUEST_ID_OFFSET + 8] = request_id.to_bytes(8)
        if self.ulid_offset >= 0:
            frame[self.ulid_offset : self.ulid_offset + 26] = new_order_id().encode()
        return bytes(frame)

    @property
    def ulid_offset(self) -> int:
        """Where an order's client order id stands; -1 in other requests."""
        return self.frame.find(_ANY_ORDER_ID.encode())

    def client_options(self, scratch: Path) -> list[str]:
        """Write the frame to a file and return the C client's options for it."""
        path = scratch / f"request-{self.name}.msgpack"
        path.write_bytes(self.frame)
        options = ["--request", str(path), "--request-id-offset", str(REQUEST_ID_OFFSET)]
        return options if self.ulid_offset < 0 else [*options, "--ulid-offset", str(self.ulid_offset)]


def _template(name: str, args: list[Any]) -> RequestTemplate:
    return RequestTemplate(name, encode_request(_ANY_SESSION, _ANY_REQUEST_ID, name, ACCOUNT, 0, args))


_ORDER_REQUEST: Final = {
    "action": 1,
    "symbol": "EURUSD",
    "volume": 0.1,
    "type": 0,
    "price": 1.08642,
    "sl": 1.08142,
    "tp": 1.09142,
    "deviation": 10,
    "magic": 20_240_601,
    "comment": "bench",
    "type_time": 0,
    "type_filling": 1,
    "client_order_id": _ANY_ORDER_ID,
}

ORDER: Final = _template("order_send", [_ORDER_REQUEST])
SPEC: Final = _template("symbol_spec", ["EURUSD"])
QUERY: Final = _template("symbol_info", ["EURUSD"])


def hello_frame(client_id: str) -> bytes:
    """Return the hello that opens a session."""
    return encode_request(0, _HELLO_REQUEST_ID, "hello", "", 0, [client_id, {}])


HELLO: Final = hello_frame("bench")


def null_results() -> dict[str, bytes]:
    """Return what the null worker answers, by call: encoded results of the real shapes and of realistic sizes."""
    trade_request = [1, 20_240_601, 0, "EURUSD", 0.1, 1.08642, 0.0, 1.08142, 1.09142, 10, 0, 1, 0, 0, "bench", 0, 0]
    order = [10009, 700_001, 800_001, 0.1, 1.08642, 1.08641, 1.08642, "Request executed", 1, 0, trade_request]
    spec = {
        "name": "EURUSD",
        "description": "Euro vs US Dollar",
        "path": "Forex\\EURUSD",
        "currency_base": "EUR",
        "currency_profit": "USD",
        "currency_margin": "EUR",
        "digits": 5,
        "point": 0.00001,
        "trade_calc_mode": 0,
        "trade_mode": 4,
        "trade_exemode": 2,
        "trade_stops_level": 0,
        "trade_freeze_level": 0,
        "trade_tick_size": 0.00001,
        "trade_contract_size": 100_000.0,
        "volume_min": 0.01,
        "volume_max": 100.0,
        "volume_step": 0.01,
        "volume_limit": 0.0,
        "filling_mode": 3,
        "order_mode": 127,
        "expiration_mode": 15,
        "order_gtc_mode": 0,
        "swap_mode": 1,
        "swap_long": -6.1,
        "swap_short": 1.8,
        "swap_rollover3days": 3,
        "margin_initial": 0.0,
        "margin_maintenance": 0.0,
        "margin_hedged": 0.0,
        "ticks_bookdepth": 10,
        "start_time": 0,
        "expiration_time": 0,
    }
    return {
        "order_send": pack(order),
        "symbol_info": pack(_symbol_info(spec)),
        "symbol_spec": pack(spec),
        "ledger": pack(_ledger()),
    }


def _symbol_info(spec: dict[str, Any]) -> list[Any]:
    """Return a whole SymbolInfo in field order: the specification, living prices, and what most brokers leave empty."""
    fields = dict(spec)
    fields |= {"select": True, "visible": True, "spread": 1, "spread_float": True, "time": 1_717_400_000}
    fields |= {"bid": 1.08641, "bidhigh": 1.09012, "bidlow": 1.08377, "ask": 1.08642, "askhigh": 1.09013}
    fields |= {"asklow": 1.08378, "trade_tick_value": 1.0, "trade_tick_value_profit": 1.0, "trade_tick_value_loss": 1.0}
    return _row(SymbolInfo, **fields)


def _ledger() -> dict[str, Any]:
    """Return what the terminal shows: an account without positions, whose history knows the orders of the results."""
    money = dict.fromkeys(("balance", "equity", "margin_free"), 1_000_000.0)
    account = _row(AccountInfo, login=_LOGIN, server=_SERVER, currency="USD", margin_mode=2, leverage=100, **money)
    return {
        "login": _LOGIN,
        "server": _SERVER,
        "connected": True,
        "server_time_msc": 1_717_400_000_000,
        "account": account,
        "positions": [],
        "orders": [],
        "history_orders": [_row(TradeOrder, ticket=800_001, symbol="EURUSD")],
        "deals": [],
    }


def _row(structure: type, **fields: Any) -> list[Any]:
    empty = {bool: False, int: 0, float: 0.0, str: ""}
    return list(({name: empty[kind] for name, kind in structure.__annotations__.items()} | fields).values())


@dataclass(frozen=True, slots=True)
class WorkerFrames:
    """What a null worker says of itself."""

    worker: str
    ready: bytes
    heartbeat: bytes

    def options(self, scratch: Path) -> list[str]:
        """Write the frames and results to files and return the null worker's options for them."""
        options = []
        for option, content in (("ready", self.ready), ("heartbeat", self.heartbeat)):
            path = scratch / f"{self.worker}-{option}.msgpack"
            path.write_bytes(content)
            options += [f"--{option}", str(path)]
        for name, content in null_results().items():
            path = scratch / f"result-{name}.msgpack"
            path.write_bytes(content)
            options += ["--result", name, str(path)]
        return options


def worker_frames(worker: str, lanes: tuple[str, ...], credit: int) -> WorkerFrames:
    """Return READY and HEARTBEAT of a null worker that serves `lanes` and holds `credit` calls."""
    epoch = time.time_ns()
    proof = {
        "login": _LOGIN,
        "server": _SERVER,
        "path": "null",
        "trade_mode": 0,
        "margin_mode": 2,
        "currency": "USD",
    }
    ready = Ready(worker, epoch, ACCOUNT, lanes, credit, proof, True, "")
    return WorkerFrames(worker, encode_ready(ready), encode_heartbeat(worker, epoch))


def session_of(hello_reply: bytes) -> int:
    """Return the session token out of the reply to hello, found as the C client finds it."""
    marker = b"\xa7session\xcf"
    at = hello_reply.find(marker)
    if at < 0 or len(hello_reply) < at + len(marker) + 8:
        raise ValueError(f"hello: expected a session token of 8 bytes in the reply, got {hello_reply!r}")
    return int.from_bytes(hello_reply[at + len(marker) : at + len(marker) + 8])
