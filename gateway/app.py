"""One entry point for every child process: `python -m gateway.app ROLE`, settings as JSON on standard input.

Nothing is imported before it is needed: a worker must not come near what only the supervisor and the command use.
"""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final

from gateway import log, process
from gateway.settings import (
    BrokerSettings,
    FeedSettings,
    PublisherSettings,
    SimulatorSettings,
    WorkerSettings,
)
from gateway.wire.errors import GatewayError

__all__ = ("main",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one role until it is told to stop; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m gateway.app", description=__doc__)
    parser.add_argument("role", choices=sorted(_ROLES))
    parser.add_argument("--parent", type=int, default=0, help="process to end with; 0: none")
    parser.add_argument("--epoch", type=int, default=0, help="which life of a worker or feed this is")
    options = parser.parse_args(arguments)
    if options.parent:
        process.die_with_parent(options.parent)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's; it tells us in its own order
    if sys.platform == "win32":
        signal.signal(signal.SIGBREAK, _break)
    process.keep_freed_memory()
    text = sys.stdin.read()
    sys.stdin.close()
    try:
        status = _ROLES[options.role](text, options.epoch)
    except GatewayError as error:
        log.configure(options.role).error("%s", error)
        status = process.EXIT_REFUSED
    return status


def _break(_signal: int, _frame: FrameType | None) -> None:
    """Pass Windows' Ctrl-Break, by which a parent asks a child to stop, to whoever handles SIGTERM."""
    signal.raise_signal(signal.SIGTERM)


def _broker(text: str, _epoch: int) -> int:
    from gateway import broker

    return broker.run(BrokerSettings.from_json(text))


def _publisher(text: str, _epoch: int) -> int:
    from gateway import publisher

    return publisher.run(PublisherSettings.from_json(text))


def _worker(text: str, _epoch: int) -> int:
    from gateway.workers import worker

    return worker.run(WorkerSettings.from_json(text))


def _worker_child(text: str, epoch: int) -> int:
    from gateway.workers import worker

    return worker.run_child(WorkerSettings.from_json(text), epoch)


def _feed(text: str, _epoch: int) -> int:
    from gateway.workers import feed

    return feed.run(FeedSettings.from_json(text))


def _feed_child(text: str, epoch: int) -> int:
    from gateway.workers import feed

    return feed.run_child(FeedSettings.from_json(text), epoch)


def _simulator(text: str, _epoch: int) -> int:
    from gateway import simulator

    return simulator.run(SimulatorSettings.from_json(text))


_ROLES: Final[dict[str, Callable[[str, int], int]]] = {
    "broker": _broker,
    "feed": _feed,
    "feed-child": _feed_child,
    "publisher": _publisher,
    "simulator": _simulator,
    "worker": _worker,
    "worker-child": _worker_child,
}


if __name__ == "__main__":
    sys.exit(main())
