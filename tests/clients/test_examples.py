"""The examples do what they say, against a broker and a publisher of the test's own."""

import importlib.util
import runpy
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from clients import StreamTick
from gateway.terminal.simulated.market import export
from gateway.wire import codec
from gateway.wire.messages import topic_for
from gateway.wire.structs import TICK_DTYPE, OrderSendResult, TradePosition, TradeRequest

EXAMPLES = Path(__file__).parents[2] / "examples"
SPEC = {
    "name": "EURUSD",
    "digits": 5,
    "trade_tick_size": 1e-05,
    "volume_min": 0.01,
    "volume_max": 50.0,
    "volume_step": 0.01,
    "trade_exemode": 2,
    "filling_mode": 1,
}


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


recorder = load("record_ticks")
crossing = load("moving_average_cross")


def fields(kind: type[Any], **given: Any) -> list[Any]:
    empty = {int: 0, float: 0.0, str: "", bool: False}
    return [given.get(name, empty.get(type_)) for name, type_ in kind.__annotations__.items()]


class Desk:
    """A hedging account at the prices of the last tick that was published."""

    def __init__(self, broker: Any) -> None:
        self.bid, self.ask = 1.1, 1.1001
        self.positions: dict[int, list[Any]] = {}
        self.deals: list[tuple[int, float, float]] = []  # type, volume, price
        self.tickets = 100
        broker.handlers |= {
            "symbol_spec": lambda symbol: SPEC,
            "symbol_info_tick": lambda symbol: [1, self.bid, self.ask, 0.0, 0, 1_000, 6, 0.0],
            "positions_get": lambda **filters: [
                p for p in self.positions.values() if filters.get("ticket") in (None, p[0])
            ],
            "order_send": self.order_send,
        }

    def order_send(self, request: dict[str, Any]) -> list[Any]:
        self.tickets += 1
        price = self.ask if request["type"] == 0 else self.bid
        self.deals.append((request["type"], request["volume"], price))
        if "position" in request:
            del self.positions[request["position"]]
        else:
            self.positions[self.tickets] = fields(
                TradePosition,
                ticket=self.tickets,
                symbol=request["symbol"],
                type=request["type"],
                volume=request["volume"],
                price_open=price,
                magic=request["magic"],
                profit=1.0,
            )
        echo = fields(TradeRequest, **request)
        return fields(
            OrderSendResult, retcode=10_009, order=self.tickets, volume=request["volume"], price=price, request=echo
        )


@pytest.fixture
def publisher(folder: str) -> Iterator[Any]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.XPUB)
    socket.linger = 0
    socket.sndhwm = 100_000
    socket.bind(f"ipc://{folder}/ticks.ipc")
    yield socket
    context.destroy(linger=0)


def publish(publisher: Any, bids: list[float], spread: float = 0.0001) -> None:
    """Wait for the subscription, then publish ticks of EURUSD."""
    assert publisher.poll(20_000)
    assert publisher.recv() == b"\x01demo/EURUSD\0"
    records = np.zeros(len(bids), TICK_DTYPE)
    records["bid"], records["ask"], records["flags"] = bids, np.round(np.array(bids) + spread, 5), 6
    records["time_msc"] = np.arange(len(bids)) + 1_577_836_800_000
    publisher.send(codec.encode_ticks(topic_for("demo", "EURUSD"), 1, 1, 1, 0, 0, records.tobytes()))


def publish_in_background(publisher: Any, bids: list[float], spread: float = 0.0001) -> threading.Thread:
    thread = threading.Thread(target=publish, args=(publisher, bids, spread))
    thread.start()
    return thread


# --- the strategy on two averages -----------------------------------------------------------------------------------

WAVE = [round(1.1 + 0.01 * float(np.sin(index / 25)), 5) for index in range(600)]


def expected_sides(bids: list[float], fast: int, slow: int) -> list[tuple[int, int]]:
    """Return (tick's number, side) of every change, by plain means over slices."""
    changes, side = [], 0
    mids = [(bid + round(bid + 0.0001, 5)) / 2 for bid in bids]
    for end in range(slow, len(mids) + 1):
        difference = float(np.mean(mids[end - fast : end]) - np.mean(mids[end - slow : end]))
        now = 0 if abs(difference) < 1e-12 else 1 if difference > 0 else -1
        if now and now != side:
            side = now
            changes.append((end, side))
    return changes


def test_the_strategy_turns_at_every_crossing_and_ends_flat(broker: Any, publisher: Any, folder: str) -> None:
    desk = Desk(broker)
    thread = publish_in_background(publisher, WAVE)
    report = crossing.run(broker.endpoint, f"ipc://{folder}/ticks.ipc", ["EURUSD"], 600, fast=10, slow=40, timeout=20.0)
    thread.join(20)
    turns = [(trade.tick_seq, trade.side) for trade in report.trades if trade.opened]
    assert turns == expected_sides(WAVE, 10, 40)
    assert len(turns) > 5
    assert len(report.trades) == 2 * len(turns)
    assert desk.positions == {}
    assert sum(volume if kind == 0 else -volume for kind, volume, _ in desk.deals) == pytest.approx(0.0)
    assert (report.ticks, report.missed, report.refusals) == (600, 0, [])


def test_a_refused_order_is_reported_and_tried_again_at_the_next_tick(
    broker: Any, publisher: Any, folder: str, answer: Any
) -> None:
    desk = Desk(broker)
    honest = broker.handlers["order_send"]
    refusals = iter([answer(2, [204, "full", None])] * 3)
    broker.handlers["order_send"] = lambda request: next(refusals, None) or honest(request)
    thread = publish_in_background(publisher, WAVE[:100])
    report = crossing.run(broker.endpoint, f"ipc://{folder}/ticks.ipc", ["EURUSD"], 100, fast=5, slow=20, timeout=20.0)
    thread.join(20)
    first = expected_sides(WAVE[:100], 5, 20)[0][0]
    assert report.refusals == ["full"] * 3
    assert report.trades[0].tick_seq == first + 3
    assert desk.positions == {}


def test_an_unknown_outcome_is_looked_up_and_not_repeated(
    broker: Any, publisher: Any, folder: str, answer: Any
) -> None:
    desk = Desk(broker)
    honest = broker.handlers["order_send"]
    lost = iter([True])

    def order_send(request: dict[str, Any]) -> Any:
        result = honest(request)
        return answer(4, [400, "no answer", None]) if next(lost, False) else result

    broker.handlers["order_send"] = order_send
    thread = publish_in_background(publisher, WAVE[:40])
    report = crossing.run(broker.endpoint, f"ipc://{folder}/ticks.ipc", ["EURUSD"], 40, fast=5, slow=20, timeout=20.0)
    thread.join(20)
    assert report.refusals == ["no answer"]
    assert len(expected_sides(WAVE[:40], 5, 20)) == 1
    assert [kind for kind, _, _ in desk.deals] == [0, 1]  # opened once, found in the positions, closed at the end
    assert desk.positions == {}


def test_the_ten_line_strategy_buys_and_closes(
    broker: Any, publisher: Any, folder: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(broker)
    broker.welcome["tick_endpoint"] = f"ipc://{folder}/ticks.ipc"
    monkeypatch.setenv("MT5GATE_ENDPOINT", broker.endpoint)
    thread = publish_in_background(publisher, [1.1, 1.2, 1.3], spread=0.00015)
    runpy.run_path(str(EXAMPLES / "strategy.py"), run_name="__main__")
    thread.join(20)
    assert "OrderSendResult(retcode=10009" in capsys.readouterr().out
    assert (len(desk.deals), desk.positions) == (2, {})


# --- the recorder ---------------------------------------------------------------------------------------------------

prices = st.integers(0, 300_000).map(lambda points: round(points / 100_000, 5))
recorded = st.lists(
    st.tuples(
        prices,
        prices,
        prices,
        st.sampled_from([0.0, 1.0, 2.5, 0.00000001, 12_345_678.0]),
        st.integers(0, 5_000),
        st.integers(0, 127),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(rows=recorded)
def test_a_recording_is_read_back_as_it_was(rows: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("recording") / "EURUSD_ticks.csv"
    recording = recorder.Recording(path, 5)
    time_msc, made = 1_577_836_800_000, []
    for bid, ask, last, volume, step, flags in rows:
        time_msc += step
        made.append((time_msc // 1000, bid, ask, last, int(volume), time_msc, flags, volume))
        recording.write(StreamTick("EURUSD", "demo", 1, *made[-1], 0))
    recording.close()
    found = export.read(path)
    assert found.symbol == "EURUSD"
    assert found.ticks.tolist() == made


def test_the_recorder_records_a_stream(
    broker: Any, publisher: Any, folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Desk(broker)
    broker.welcome["tick_endpoint"] = f"ipc://{folder}/ticks.ipc"
    bids = [1.1, 1.1, 1.10002, 1.09999]
    thread = publish_in_background(publisher, bids)
    recorder.main(["EURUSD", "--folder", str(tmp_path), "--count", "4", "--endpoint", broker.endpoint])
    thread.join(20)
    lines = (tmp_path / "EURUSD_ticks.csv").read_text().splitlines()
    assert lines[1:3] == [
        "2020.01.01\t00:00:00.000\t1.10000\t1.10010\t\t\t6",
        "2020.01.01\t00:00:00.001\t1.10000\t1.10010\t\t\t6",
    ]
    assert export.read(tmp_path / "EURUSD_ticks.csv").ticks["bid"].tolist() == bids
    assert "EURUSD: 4 ticks" in capsys.readouterr().out
