"""Join specifications, recorded data and made-up prices to a market, as the settings ask for it."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from gateway.terminal.simulated.market import catalog
from gateway.terminal.simulated.market.bar_export import BarExport, read_bars
from gateway.terminal.simulated.market.clock import LiveTime, ReplayTime, ServerClock
from gateway.terminal.simulated.market.export import Export, read
from gateway.terminal.simulated.market.kept import Kept
from gateway.terminal.simulated.market.minute_bars import KEPT_BAR_BYTES, MinuteBars, weigh_bars
from gateway.terminal.simulated.market.minutes import DAY_S, MINUTE_S, MinuteTable, RecordedMinutes, Scale
from gateway.terminal.simulated.market.noise import key_of
from gateway.terminal.simulated.market.replay import ReplaySource
from gateway.terminal.simulated.market.specification import Specification
from gateway.terminal.simulated.market.stream import KEPT_DAYS, MinuteStream, first_tick_ms
from gateway.terminal.simulated.market.symbols import Market, Symbol
from gateway.terminal.simulated.market.synthetic import GeneratedMinutes
from gateway.terminal.simulated.market.ticks import Records
from gateway.terminal.simulated.settings import Settings

__all__ = ("QUIET_HISTORY_MS", "Recording", "build_market", "read_exports")

QUIET_HISTORY_MS: Final = 300_000
"""How much history a market that never closes has at its start, if that falls into a time without a session."""
HISTORY_FROM_DAY: Final = 16_436
"""1 January 2015: from here on there is history, the same for every terminal."""
HISTORY_DAYS: Final = 400
"""How much there is at least, where a terminal's own time is as early as that: 400,000 M1 bars of a currency pair."""

Recording = Export | BarExport
"""What a file holds that a terminal exported."""

T = TypeVar("T")
_Shelf = tuple[Kept[MinuteTable], Kept[Records]]


def read_exports(settings: Settings) -> list[Recording]:
    """Read the files that the settings name; raises ExportError for a bad line, OSError for one that can't be read."""
    return [*map(read, settings.tick_files), *map(read_bars, settings.bar_files)]


def build_market(settings: Settings, exports: Sequence[Recording], start_ms: int, now_ns: int = 0) -> Market:
    """Return the market: recorded symbols if there are any `exports`, else the listed ones with made-up prices.

    `start_ms` is the time in UTC at `now_ns` of the monotonic clock. Raises ValueError for two tick files or two bar
    files of one symbol, and for settings that make no sense.
    """
    clock = ServerClock(settings.timezone)
    shelf: _Shelf = (Kept(KEPT_DAYS), Kept(KEPT_BAR_BYTES, weigh_bars))
    if exports:
        # Some hold nothing: then time begins where a live market's would.
        firsts = (export.first_msc for export in exports if export.first_msc is not None)
        return Market(_recorded(settings, exports, shelf), begin_msc=min(firsts, default=start_ms))
    symbols = (_made(settings, item, clock, start_ms, now_ns, shelf) for item in catalog.listed(settings).values())
    return Market(symbols, LiveTime(clock, start_ms, now_ns), clock.to_server_ms(start_ms))


def _made(
    settings: Settings, specification: Specification, clock: ServerClock, start_ms: int, now_ns: int, shelf: _Shelf
) -> Symbol:
    """Return a symbol whose prices are made up."""
    quiet_s = (clock.to_server_ms(start_ms) - QUIET_HISTORY_MS) // 1000 // MINUTE_S * MINUTE_S
    always = settings.hours == "always"
    minutes = GeneratedMinutes(
        specification,
        settings.seed,
        first_day=max(min(HISTORY_FROM_DAY, quiet_s // DAY_S - HISTORY_DAYS), 0),
        speed=settings.speed,
        clock=clock,
        always_from_s=quiet_s if always else None,
    )
    stream = MinuteStream(minutes, LiveTime(clock, start_ms, now_ns), shelf[0])
    return _streamed(specification, stream, shelf, always_open=always)


def _streamed(specification: Specification, stream: MinuteStream, shelf: _Shelf, *, always_open: bool) -> Symbol:
    bars = MinuteBars(stream, specification.point, shelf[1])
    return Symbol(specification, stream, made=(stream, bars), always_open=always_open)


def _recorded(settings: Settings, exports: Sequence[Recording], shelf: _Shelf) -> list[Symbol]:
    """Return the symbols that there are recordings of, in the order of the files."""
    ticks: dict[str, Export] = {}
    bars: dict[str, BarExport] = {}
    for export in exports:
        if isinstance(export, BarExport):
            _add(bars, export.symbol, export, "bar_files")
        else:
            _add(ticks, export.symbol, export, "tick_files")
    names = dict.fromkeys(export.symbol for export in exports)
    return [
        _replayed(settings, ticks[name], bars.get(name)) if name in ticks else _from_bars(settings, bars[name], shelf)
        for name in names
    ]


def _add(exports: dict[str, T], symbol: str, export: T, setting: str) -> None:
    if symbol in exports:
        raise ValueError(f"{setting}: expected one file a symbol, got two for {symbol}")
    exports[symbol] = export


def _replayed(settings: Settings, export: Export, bars: BarExport | None) -> Symbol:
    """Return a symbol whose ticks are recorded; recorded bars are its history before them."""
    digits = export.digits if bars is None else max(export.digits, bars.digits)
    return Symbol(
        _specification(settings, export.symbol, digits),
        ReplaySource(export.ticks, settings.speed),
        max_ticks=len(export.ticks),
        history=None if bars is None else _before(bars.bars),
        always_open=settings.hours == "always",
    )


def _before(bars: Records) -> Callable[[int, float], Records]:
    return lambda first_s, _: bars[bars["time"] < first_s]


def _from_bars(settings: Settings, export: BarExport, shelf: _Shelf) -> Symbol:
    """Return a symbol whose ticks are made from recorded bars."""
    specification = _specification(settings, export.symbol, export.digits)
    scale = Scale(1, specification.points_per_unit)
    minutes = RecordedMinutes(export.bars, scale, key_of("bars", settings.seed, specification.name))
    timeline = ReplayTime(first_tick_ms(minutes), minutes.end_s * 1000, settings.speed)
    stream = MinuteStream(minutes, timeline, shelf[0], live=False)
    return _streamed(specification, stream, shelf, always_open=settings.hours == "always")


def _specification(settings: Settings, name: str, digits: int) -> Specification:
    return catalog.specification_for(name + settings.suffix, digits, settings)
