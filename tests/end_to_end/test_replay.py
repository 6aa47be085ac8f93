"""Recorded ticks, replayed as fast as they go, reach a subscriber once, in order, and equal to the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.wire.structs import TICK_DTYPE


def options(exports: dict[str, Path], speed: str) -> list[str]:
    return [part for path in exports.values() for part in ("--ticks", str(path))] + ["--speed", speed]


def test_subscriber_receives_every_tick_of_the_replay(
    exports: dict[str, Path], start_gateway: Callable[..., Any], read_export: Callable[[Path], np.ndarray]
) -> None:
    gateway = start_gateway(*options(exports, "max"))
    expected = {symbol: read_export(path) for symbol, path in exports.items()}
    received: dict[str, list[np.ndarray]] = {symbol: [] for symbol in exports}
    next_seq = dict.fromkeys(exports, 1)
    with gateway.ticks(*exports, timeout=60.0) as stream:
        for symbol, batch, first_seq in stream.batches():
            assert first_seq == next_seq[symbol]
            next_seq[symbol] += len(batch)
            received[symbol].append(np.array(batch))
            if all(next_seq[name] > len(ticks) for name, ticks in expected.items()):
                break
        assert stream.statistics().missed == 0
    for symbol, ticks in expected.items():
        got = np.concatenate(received[symbol])
        assert len(got) == len(ticks)
        for name in TICK_DTYPE.names or ():
            assert np.array_equal(got[name], ticks[name]), f"{symbol}: {name}"


@pytest.mark.parametrize("symbol", ["EURUSD"])
def test_history_of_the_terminal_is_the_file(
    exports: dict[str, Path],
    start_gateway: Callable[..., Any],
    read_export: Callable[[Path], np.ndarray],
    wait_until: Callable[..., None],
    symbol: str,
) -> None:
    gateway = start_gateway(*options(exports, "max"))
    expected = read_export(exports[symbol])
    with gateway.client() as client:
        assert client.symbol_select(symbol, True)
        wait_until(lambda: client.symbol_info_tick(symbol).time_msc == expected["time_msc"][-1], "the replay's end")
        history = client.copy_ticks_from(symbol, 0, len(expected) + 1, -1)
    assert history.tobytes() == expected.tobytes()
