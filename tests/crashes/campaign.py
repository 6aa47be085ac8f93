"""Many rounds, folder after folder, with a report at the end: the command behind `python -m tests.crashes`."""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from tests.crashes.injection.crash_mutations import MUTATIONS
from tests.crashes.plans import Plan, planned
from tests.crashes.rounds import Folder
from tests.crashes.stack import SETTLE_MS, Broken, Stack
from tests.crashes.tally import Tally

__all__ = ("main", "report", "run")

ROUNDS_TO_A_FOLDER: Final = 50
PROGRESS_EVERY: Final = 10
ROOT: Final = Path(__file__).parents[2]


def run(
    plans: Iterable[Plan],
    new_stack: Callable[[int], Stack],
    tally: Tally,
    *,
    until_s: float = float("inf"),
    rounds_to_a_folder: int = ROUNDS_TO_A_FOLDER,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Play rounds until they, or the time of the monotonic clock, are at their end, or a promise is broken.

    The folder of a broken promise is kept.
    """
    folder: Folder | None = None
    played = 0
    try:
        for plan in plans:
            if folder is None:
                folder = Folder(new_stack(tally.folders), tally)
                folder.open()
                played = 0
            folder.play(plan)
            played += 1
            if tally.rounds % PROGRESS_EVERY == 0:
                say(_progress(tally, folder))
            if tally.violations or time.monotonic() >= until_s:
                break
            if played == rounds_to_a_folder:
                folder.close()
                if tally.violations:
                    break
                folder.stack.remove()
                folder = None
        if folder is not None and not tally.violations:
            folder.close()
            if not tally.violations:
                folder.stack.remove()
                folder = None
    except Broken as error:
        assert folder is not None
        tally.violations.append(f"round {tally.rounds}, {folder.stack.state_dir}: {error}")
    finally:
        if folder is not None:
            folder.end()


def _progress(tally: Tally, folder: Folder) -> str:
    took = statistics.median(tally.round_s[-PROGRESS_EVERY:])
    return (
        f"round {tally.rounds}: {tally.kills.total()} kills, {tally.freezes.total()} freezes,"
        f" {len(folder.stories)} orders in this folder, {took:.1f} s a round"
    )


def report(tally: Tally) -> dict[str, Any]:
    """Return the record of a run, as it is written."""
    return {
        "rounds": tally.rounds,
        "folders": tally.folders,
        "kills": tally.kills.total(),
        "freezes": tally.freezes.total(),
        "orders": tally.orders,
        "acknowledged": tally.told["done"],
        "in_doubt": dict(tally.doubted),
        "violations": tally.violations,
        "fates": dict(tally.fates),
        "answers": dict(tally.told),
        "deals": tally.deals,
        "events": tally.events,
        "seconds": {
            "found_after_return": _spread(tally.shown_after_s),
            "not_found_after_return": _spread(tally.absent_after_s),
            "service_back": _spread(tally.back_after_s),
            "round": _spread(tally.round_s),
        },
        "settle_ms": SETTLE_MS,
        "killed": dict(tally.kills.most_common()),
        "frozen": dict(tally.freezes.most_common()),
        "points_fired": dict(sorted(tally.fired.items())),
        "points_not_reached": dict(sorted(tally.not_reached.items())),
        "slow": tally.slow,
    }


def _spread(times: list[float]) -> dict[str, float | int]:
    if not times:
        return {"count": 0}
    ordered = sorted(times)
    places = {"p50": 0.5, "p99": 0.99}
    spread = {name: round(ordered[min(int(len(ordered) * at), len(ordered) - 1)], 3) for name, at in places.items()}
    return {"count": len(ordered), **spread, "max": round(ordered[-1], 3)}


def _summary(record: dict[str, Any]) -> str:
    lines = [
        f"{record['rounds']} rounds in {record['folders']} folders:"
        f" {record['kills']} kills, {record['freezes']} freezes",
        f"{record['orders']} orders, {record['acknowledged']} acknowledged as done, {record['deals']} deals,"
        f" {record['events']} events",
        f"in doubt for their clients, and what became of them: {record['in_doubt'] or 'none'}",
    ]
    for name, spread in record["seconds"].items():
        if spread["count"]:
            lines.append(
                f"{name.replace('_', ' ')}: p50 {spread['p50']:.2f} s, p99 {spread['p99']:.2f} s,"
                f" max {spread['max']:.2f} s ({spread['count']})"
            )
    lines += [
        f"killed: {_counts(record['killed'])}",
        f"frozen: {_counts(record['frozen'])}",
        f"armed and not reached: {_counts(record['points_not_reached'])}",
    ]
    broken = record["violations"]
    lines.append(
        f"{len(broken)} PROMISES BROKEN" if broken else "every promise held: no duplicate, none lost, none wrong"
    )
    return "\n".join([*lines, *record["slow"], *broken])


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _version() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def main() -> int:
    """Run as the options say; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.crashes", description=sys.modules["__main__"].__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the number of the first round")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after so long, however many rounds are left")
    parser.add_argument("--strategies", type=int, default=3)
    parser.add_argument("--durability", choices=("process", "disk"), default="process")
    parser.add_argument("--record", type=Path, help="a file for the record, in JSON")
    parser.add_argument("--installed", action="store_true", help="the installed package instead of the source tree")
    parser.add_argument("--mutation", choices=sorted(MUTATIONS), default="", help="a deliberate fault, to be noticed")
    options = parser.parse_args()
    root = None if options.installed else ROOT

    def new_stack(number: int) -> Stack:
        return Stack(
            options.seed + number,
            strategies=options.strategies,
            mutation=options.mutation,
            durability=options.durability,
            root=root,
        )

    began = time.monotonic()
    tally = Tally()
    run(
        (planned(options.seed, number) for number in range(options.first, options.first + options.rounds)),
        new_stack,
        tally,
        until_s=began + options.minutes * 60 if options.minutes else float("inf"),
        say=lambda line: print(line, flush=True),
    )
    record = {
        "command": " ".join(sys.argv[1:]),
        "version": _version(),
        "machine": f"{platform.platform()}, Python {platform.python_version()}",
        "installed": options.installed,
        "seed": options.seed,
        "minutes": round((time.monotonic() - began) / 60, 1),
        **report(tally),
    }
    print(_summary(record), flush=True)
    if options.record:
        options.record.parent.mkdir(parents=True, exist_ok=True)
        options.record.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    return 1 if tally.violations else 0
