"""The simulated terminal as a process of this gateway: started, watched and stopped like the others."""

from gateway import log
from gateway.clock import monotonic_ns
from gateway.process import EXIT_REFUSED, EXIT_UNAVAILABLE, Beat, State, Stop
from gateway.settings import SimulatorSettings
from gateway.terminal.simulated.address import parse
from gateway.terminal.simulated.faults import Faults
from gateway.terminal.simulated.market.building import build_market
from gateway.terminal.simulated.market.clock import ServerClock
from gateway.terminal.simulated.server import serve
from gateway.terminal.simulated.settings import Settings
from gateway.terminal.simulated.trading.valuation import Valuation

__all__ = ("check", "run", "told")


def check(settings: SimulatorSettings) -> None:
    """Raise ValueError for what a terminal couldn't be started with; opens and reads nothing.

    Which symbols a replay has, its files say: whether their currencies can be converted shows only at the start.
    """
    terminal = told(settings)
    parse(terminal.address)
    ServerClock(terminal.timezone)
    Faults(terminal.seed, terminal.faults)
    symbols = build_market(terminal, [], 0)
    if not (terminal.tick_files or terminal.bar_files):
        Valuation(symbols, terminal)


def told(settings: SimulatorSettings) -> Settings:
    """Return what the terminal is told; raises ValueError for what makes no sense."""
    return Settings(address=settings.address, **settings.terminal)


def run(settings: SimulatorSettings) -> int:
    """Serve until asked to stop; return the process's exit status."""
    logger = log.configure("simulator", settings.log_level)
    beat = Beat(settings.beat_file)
    beat.start()
    stop = Stop()
    stop.catch_signals()

    def ready() -> None:
        beat.state = State.READY

    def should_stop() -> bool:
        beat.tick(monotonic_ns())
        return stop.requested or beat.stop_requested

    try:
        serve(told(settings), ready=ready, should_stop=should_stop)
    except ValueError as error:
        logger.error("%s", error)
        return EXIT_REFUSED
    except OSError as error:
        logger.error("%s", error)
        return EXIT_UNAVAILABLE
    return 0
