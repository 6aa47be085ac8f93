"""Record ticks to files as MetaTrader 5 exports them, one for each symbol: what `mt5gate run --ticks` replays.

    python examples/record_ticks.py EURUSD USDJPY --folder ticks

A price is written when it changed or when the tick's flags name it; an empty one means "as before". A gap in the stream
can't be written in this format, so it is reported on standard error. Ctrl-C ends the recording.
"""

import argparse
import contextlib
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from clients import Client, Gap, StreamTick, TickStream
from gateway.wire.constants import TICK_FLAG_ASK, TICK_FLAG_BID, TICK_FLAG_LAST

HEADER = "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\n"


class Recording:
    """One symbol's file, open for writing."""

    def __init__(self, path: Path, digits: int) -> None:
        self._file: TextIO = path.open("w", encoding="utf-8", newline="\n")
        self._file.write(HEADER)
        self._digits = digits
        self._before = (0.0, 0.0, 0.0)
        self.ticks = 0

    def write(self, tick: StreamTick) -> None:
        """Append one tick."""
        when = datetime.fromtimestamp(tick.time_msc // 1000, UTC)  # the server's clock, written as it is
        now = (tick.bid, tick.ask, tick.last)
        flags = (TICK_FLAG_BID, TICK_FLAG_ASK, TICK_FLAG_LAST)
        prices = (
            f"{price:.{self._digits}f}" if price != before or (tick.flags & flag and price) else ""
            for price, before, flag in zip(now, self._before, flags, strict=True)
        )
        volume = f"{tick.volume_real:.8f}".rstrip("0").rstrip(".") if tick.volume_real else ""
        time = f"{when:%H:%M:%S}.{tick.time_msc % 1000:03d}"
        self._file.write("\t".join((f"{when:%Y.%m.%d}", time, *prices, volume, str(tick.flags))) + "\n")
        self._before = now
        self.ticks += 1

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def record(stream: TickStream, folder: Path, digits: dict[str, int], stop_after_ticks: int = 0) -> dict[str, int]:
    """Write every tick of the stream until it ends, so many were written or Ctrl-C; return the counts by symbol."""
    folder.mkdir(parents=True, exist_ok=True)
    recordings: dict[str, Recording] = {}
    written = 0
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as files:
        for tick in stream:
            recording = recordings.get(tick.symbol)
            if recording is None:
                path = folder / f"{tick.symbol}_ticks.csv"
                recording = recordings[tick.symbol] = Recording(path, digits.get(tick.symbol, 5))
                files.callback(recording.close)
            recording.write(tick)
            written += 1
            if written == stop_after_ticks:
                break
    return {symbol: recording.ticks for symbol, recording in recordings.items()}


def report(gap: Gap) -> None:
    """Say what is missing."""
    where = "a new numbering began" if gap.new_epoch else f"behind number {gap.expected - 1}"
    print(f"{gap.symbol}: {gap.missed} ticks missed, {where}", file=sys.stderr)


def main(arguments: Iterable[str] | None = None) -> None:
    """Record what the command line asks for."""
    parser = argparse.ArgumentParser(description="Record ticks in MetaTrader 5's export format.")
    parser.add_argument("symbols", nargs="+", metavar="SYMBOL")
    parser.add_argument("--folder", type=Path, default=Path("ticks"))
    parser.add_argument("--count", type=int, default=0, help="stop after so many ticks (0: at Ctrl-C)")
    parser.add_argument("--endpoint", default=None, help="the gateway's address")
    options = parser.parse_args(None if arguments is None else list(arguments))
    with Client(options.endpoint) as mt5:
        specifications = {symbol: mt5.symbol_spec(symbol) for symbol in options.symbols}
        unknown = [symbol for symbol, specification in specifications.items() if specification is None]
        if unknown:
            parser.error(f"the terminal doesn't know {', '.join(unknown)}")
        digits = {symbol: int(found["digits"]) for symbol, found in specifications.items() if found}
        with mt5.tick_stream(*options.symbols, on_gap=report) as stream:
            counts = record(stream, options.folder, digits, options.count)
    for symbol, count in counts.items():
        print(f"{symbol}: {count} ticks in {options.folder / f'{symbol}_ticks.csv'}")


if __name__ == "__main__":
    main()
