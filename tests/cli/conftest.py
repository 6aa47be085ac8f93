"""The command, run in this process against a client that remembers what it was asked and answers from a script."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from clients.ticks import Batch, TickStatistics
from gateway.cli import app, common
from gateway.wire import constants as mt5
from gateway.wire.errors import NoReply
from gateway.wire.structs import TICK_DTYPE, OrderSendResult, Struct, SymbolInfo, Tick, TradeRequest

TIMING = {"total": 1_230_000, "transport": 90_000, "queue": 4_000, "terminal": 1_000_000}
EMPTY = {int: 0, float: 0.0, bool: False, str: ""}


def _make(kind: type[Struct], **fields: Any) -> Any:
    """A structure with these fields, the others empty."""
    return kind([fields.get(name, EMPTY.get(type_)) for name, type_ in kind.__annotations__.items()])


def _order_result(retcode: int = mt5.TRADE_RETCODE_DONE, **request: Any) -> OrderSendResult:
    """What a trade server answers to a request."""
    asked = _make(TradeRequest, **{"action": mt5.TRADE_ACTION_DEAL, "symbol": "EURUSD", "volume": 0.1, **request})
    return _make(
        OrderSendResult,
        retcode=retcode,
        order=11,
        deal=22,
        volume=0.1,
        price=1.08123,
        comment="Request executed",
        request=asked,
    )


def _tick_batch(symbol: str, first_seq: int, count: int) -> Batch:
    """`count` ticks of a symbol, a millisecond apart."""
    ticks = np.zeros(count, TICK_DTYPE)
    ticks["time_msc"] = 1_577_916_000_000 + first_seq + np.arange(count)
    ticks["time"] = ticks["time_msc"] // 1_000
    ticks["bid"], ticks["ask"] = 1.08123, 1.08125
    ticks["flags"] = mt5.TICK_FLAG_BID | mt5.TICK_FLAG_ASK
    return Batch(symbol, ticks, first_seq)


class FakePending:
    def result(self) -> None:
        return None

    def timing(self) -> dict[str, int]:
        return TIMING


class FakeStream:
    """Gives its batches, then what ends it: an exception."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.end: BaseException = KeyboardInterrupt()
        self.connected = True
        self.closed = False
        self.timeouts: list[float | None] = []

    def recv_batch(self, timeout: float | None = None) -> Batch:
        self.timeouts.append(timeout)
        if not self.connected:
            raise NoReply("no publisher at ipc:///nowhere")
        if not self.batches:
            raise self.end
        return self.batches.pop(0)

    def statistics(self) -> TickStatistics:
        return TickStatistics(connected=self.connected)

    def __enter__(self) -> "FakeStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


class FakeClient:
    """Answers by name: a value, or an exception to raise. `asked` is what came, in order."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            "symbol_info_tick": _make(Tick, bid=1.08123, ask=1.08125, time_msc=1_577_916_000_123, time=1_577_916_000),
            "symbol_select": True,
            "symbol_info": _make(SymbolInfo, digits=5),
        }
        self.asked: list[tuple[Any, ...]] = []
        self.opened: list[tuple[Any, ...]] = []
        self.last_timing = TIMING
        self.welcome: dict[str, Any] = {}
        self.stream = FakeStream()
        self.stream_options: dict[str, Any] = {}
        self.shut = False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.asked.append((name, *args, kwargs) if kwargs else (name, *args))
            answer = self.answers.get(name)
            if isinstance(answer, list):
                answer = answer.pop(0)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return call

    def last_error(self) -> tuple[int, str]:
        return -4, "Terminal: Not found"

    def submit(self, name: str) -> FakePending:
        self.asked.append((name,))
        return FakePending()

    def tick_stream(self, *symbols: str, **options: Any) -> FakeStream:
        self.asked.append(("tick_stream", *symbols))
        self.stream_options = options
        return self.stream

    def shutdown(self) -> bool:
        self.shut = True
        return True


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    """The client that every command is given."""
    fake = FakeClient()

    def open_client(*options: Any, **more: Any) -> FakeClient:
        fake.opened.append((*options, more) if more else options)
        return fake

    monkeypatch.setattr(common, "open_client", open_client)
    return fake


@pytest.fixture
def mt5gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Run the command line, with nothing of ours in the environment; the result has exit_code, stdout and stderr."""
    for name in ("MT5GATE_ENDPOINT", "MT5GATE_TICK_ENDPOINT", "MT5_LOGIN", "MT5_PASSWORD", "MT5_SERVER"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, **options: Any) -> Any:
        result = CliRunner().invoke(app, list(arguments), **options)
        assert "Traceback" not in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


@pytest.fixture
def make() -> Callable[..., Any]:
    return _make


@pytest.fixture
def order_result() -> Callable[..., OrderSendResult]:
    return _order_result


@pytest.fixture
def tick_batch() -> Callable[[str, int, int], Batch]:
    return _tick_batch


@pytest.fixture
def timing() -> dict[str, int]:
    """What the client says of where every call's time went."""
    return TIMING
