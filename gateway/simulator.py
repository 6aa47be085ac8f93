"""The simulated terminal as a process of this gateway: started, watched and stopped like the others."""

import dataclasses

from gateway import log
from gateway.clock import monotonic_ns
from gateway.process import EXIT_REFUSED, Beat, State, Stop
from gateway.settings import SimulatorSettings
from gateway.terminal.simulated.server import Settings, serve

__all__ = ("run",)


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

    names = {field.name for field in dataclasses.fields(Settings)}
    told = {name: value for name, value in dataclasses.asdict(settings).items() if name in names}
    try:
        serve(Settings(**told), ready=ready, should_stop=should_stop)
    except (ValueError, OSError) as error:
        logger.error("%s", error)
        return EXIT_REFUSED
    return 0
