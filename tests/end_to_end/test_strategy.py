"""The example strategy trades on a replay; its decisions, deals and balance are recomputed here from the file."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from gateway.wire import constants as mt5

DEPOSIT = 100_000.0
LOT = 100_000
FAST, SLOW, VOLUME = 20, 100, 0.1


@pytest.fixture(scope="module")
def example() -> ModuleType:
    path = Path(__file__).parents[2] / "examples" / "moving_average_cross.py"
    spec = importlib.util.spec_from_file_location("moving_average_cross", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def sides(example: ModuleType, ticks: np.ndarray) -> list[tuple[int, int]]:
    """(tick number, side) of every turn that the strategy must take on these ticks."""
    crossing = example.Crossing(FAST, SLOW)
    turns: list[tuple[int, int]] = []
    for number, tick in enumerate(ticks, start=1):
        side = crossing.add(float(tick["bid"]), float(tick["ask"]))
        if side != (turns[-1][1] if turns else 0):
            turns.append((number, side))
    return turns


def quotes_at(ticks: np.ndarray, time_msc: int, side: str) -> set[float]:
    return set(ticks[side][ticks["time_msc"] == time_msc])


def test_trades_positions_deals_and_balance_agree_with_a_recomputation(
    exports: dict[str, Path],
    start_gateway: Callable[..., Any],
    read_export: Callable[[Path], np.ndarray],
    example: ModuleType,
) -> None:
    options = [part for path in exports.values() for part in ("--ticks", str(path))]
    gateway = start_gateway(*options, "--speed", "max")
    history = {symbol: read_export(path) for symbol, path in exports.items()}
    report = example.run(
        gateway.endpoint,
        gateway.tick_endpoint,
        exports,
        sum(len(ticks) for ticks in history.values()),
        volume=VOLUME,
        fast=FAST,
        slow=SLOW,
        timeout=60.0,
    )
    assert report.missed == 0
    assert report.refusals == []
    with gateway.client() as client:
        assert client.positions_get() == ()
        deals = client.history_deals_get(0, 2_000_000_000)
        account = client.account_info()
        orders = client.history_orders_get(0, 2_000_000_000)

    for symbol, ticks in history.items():
        taken = [(trade.tick_seq, trade.side) for trade in report.trades if trade.symbol == symbol and trade.opened]
        assert taken == sides(example, ticks)

    assert deals[0].type == mt5.DEAL_TYPE_BALANCE
    assert deals[0].profit == DEPOSIT
    trading = deals[1:]
    assert [deal.order for deal in sorted(trading, key=lambda d: d.ticket)] == [t.result.order for t in report.trades]
    assert {order.ticket for order in orders} == {deal.order for deal in trading}
    balance = DEPOSIT
    opened: dict[int, Any] = {}
    for deal in sorted(trading, key=lambda d: d.ticket):
        ticks = history[deal.symbol]
        quoted = "ask" if deal.type == mt5.DEAL_TYPE_BUY else "bid"
        assert deal.price in quotes_at(ticks, deal.time_msc, quoted)
        assert deal.volume == VOLUME
        if deal.entry == mt5.DEAL_ENTRY_IN:
            assert deal.profit == 0.0
            opened[deal.position_id] = deal
        else:
            start = opened.pop(deal.position_id)
            assert deal.type != start.type
            change = (deal.price - start.price) * (1 if start.type == mt5.DEAL_TYPE_BUY else -1)
            profit = change * VOLUME * LOT
            if deal.symbol == "USDJPY":  # from yen at the quote of the closing tick, whichever of its two prices
                rates = quotes_at(ticks, deal.time_msc, "bid") | quotes_at(ticks, deal.time_msc, "ask")
                assert any(deal.profit == pytest.approx(profit / rate, abs=0.0051) for rate in rates)
            else:
                assert deal.profit == pytest.approx(profit, abs=0.0051)
        balance += deal.profit + deal.commission + deal.swap + deal.fee
    assert opened == {}
    assert account.balance == pytest.approx(balance, abs=1e-6)
    assert account.equity == account.balance
    assert account.margin == 0.0
