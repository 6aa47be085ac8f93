"""`python -m tests.simulation`: runs many seeds and says what they reached, or shows one.

python -m tests.simulation --seeds 1000 --jobs 2 --record simulation.json
python -m tests.simulation --seed 1234 --trace
python -m tests.simulation --seeds 200 --mutation resend-unknown
"""

import argparse
import json
import multiprocessing
import platform
import sys
import time
from collections import Counter
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final

from gateway.accel import COMPILED
from tests.simulation.mutations import MUTATIONS, mutated
from tests.simulation.simulation import Outcome, run

__all__ = ("main",)

CHUNK: Final = 10
PROGRESS_S: Final = 10.0
SHOWN: Final = 20
"""Failing seeds that are shown one by one."""

REACHED: Final = (
    "broker killed",
    "broker crashes",
    "crash at start",
    "torn write",
    "power cut",
    "records lost",
    "disk full",
    "worker killed",
    "parent killed",
    "worker stopped",
    "watchdog kills",
    "call hangs",
    "call is slow",
    "terminal fault",
    "clock set",
    "by hand",
    "client crashes",
    "client silent",
    "undeliverable",
    "frame twice",
    "order UNKNOWN",
    "order NOT_FOUND",
    "reconciled",
    "server 10011",
    "server 10012",
    "server 10031",
    "told DuplicateMismatch",
    "told ForgottenId",
    "told LookAlike",
    "told Halted",
    "told RiskRefused",
    "told Busy",
    "told Expired",
    "twin takes over",
    "notice fenced",
    "switch HALTED",
    "switch DISCONNECTED",
    "switch ACTIVE",
    "placed and killed",
    "goal REACHED",
    "goal WITHDRAWN",
)
"""What a run must have come to, to have proven anything about it."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status: 0 if all seeds were sound."""
    options = _options(arguments)
    with mutated(options.mutation) if options.mutation else nullcontext():
        if options.seed is not None:
            return _show(options.seed, options.trace, options.mutation)
        return _run_all(options)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--trace", action="store_true", help="with everything that happens in it")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--record", type=Path, help="where to write what came out, as JSON")
    parser.add_argument("--mutation", choices=sorted(MUTATIONS), help="with this fault in the code under test")
    return parser.parse_args(arguments)


def _show(seed: int, traced: bool, mutation: str | None) -> int:
    outcome = run(seed, traced=traced, given=MUTATIONS[mutation].given if mutation else None)
    for line in outcome.lines:
        print(line)
    for violation in outcome.violations:
        print(violation)
    print(f"seed {seed}: {'broken' if outcome.violations else 'sound'}")
    return 1 if outcome.violations else 0


def _run_all(options: argparse.Namespace) -> int:
    started_s = time.monotonic()
    tally: Counter[str] = Counter()
    failed: list[Outcome] = []
    done, said_s = 0, started_s
    with _results(options) as outcomes:
        for outcome in outcomes:
            done += 1
            tally.update(outcome.tally)
            if outcome.violations:
                failed.append(outcome)
                if len(failed) <= SHOWN:
                    _tell(outcome, options.mutation)
            if time.monotonic() - said_s >= PROGRESS_S:
                said_s = time.monotonic()
                print(f"{done} of {options.seeds} seeds, {len(failed)} broken", flush=True)
    elapsed_s = time.monotonic() - started_s
    _summarise(options, tally, failed, elapsed_s)
    if options.record:
        options.record.write_text(json.dumps(_recorded(options, tally, failed, elapsed_s), indent=2) + "\n")
    return 1 if failed else 0


class _results:
    """The outcomes of all seeds in their order, from one process or several."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._seeds = range(options.first, options.first + options.seeds)
        self._jobs = options.jobs
        self._mutation = options.mutation
        self._pool: Any = None

    def __enter__(self) -> Any:
        if self._jobs == 1:
            return map(partial(_run_one, self._mutation), self._seeds)
        self._pool = multiprocessing.get_context("spawn").Pool(self._jobs)
        return self._pool.imap(partial(_run_mutated, self._mutation), self._seeds, CHUNK)

    def __exit__(self, *_error: object) -> None:
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()


def _run_one(mutation: str | None, seed: int) -> Outcome:
    return run(seed, given=MUTATIONS[mutation].given if mutation else None)


def _run_mutated(mutation: str | None, seed: int) -> Outcome:
    with mutated(mutation) if mutation else nullcontext():
        return _run_one(mutation, seed)


def _tell(outcome: Outcome, mutation: str | None) -> None:
    changed = f" --mutation {mutation}" if mutation else ""
    print(f"seed {outcome.seed} is broken: {outcome.violations[0]}")
    print(f"  python -m tests.simulation{changed} --seed {outcome.seed} --trace", flush=True)


def _summarise(options: argparse.Namespace, tally: Counter[str], failed: list[Outcome], elapsed_s: float) -> None:
    print(f"\n{options.seeds} seeds from {options.first} in {elapsed_s:.0f} s", end="")
    print(f" ({elapsed_s / options.seeds * options.jobs * 1e3:.0f} ms a seed and process)")
    for kind, count in sorted(tally.items(), key=lambda item: (-item[1], item[0])):
        print(f"{count:>10,} {kind}")
    missing = [kind for kind in REACHED if not tally[kind]]
    if missing:
        print(f"never reached: {', '.join(missing)}")
    print(f"{len(failed)} of {options.seeds} seeds broken")


def _recorded(
    options: argparse.Namespace, tally: Counter[str], failed: list[Outcome], elapsed_s: float
) -> dict[str, Any]:
    return {
        "first": options.first,
        "seeds": options.seeds,
        "jobs": options.jobs,
        "mutation": options.mutation,
        "elapsed_s": round(elapsed_s, 1),
        "python": platform.python_version(),
        "machine": platform.platform(),
        "compiled": COMPILED,
        "broken": [{"seed": outcome.seed, "violations": outcome.violations[:3]} for outcome in failed],
        "reached": dict(sorted(tally.items())),
        "never_reached": [kind for kind in REACHED if not tally[kind]],
        "command": f"python -m tests.simulation --seeds {options.seeds} --from {options.first} --jobs {options.jobs}",
    }


if __name__ == "__main__":
    sys.exit(main())
