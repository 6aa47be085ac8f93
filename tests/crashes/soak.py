"""What `make soak` does: crash rounds, simulation seeds and the memory soak, one after the other, with their records.

    python -m tests.crashes.soak --minutes 60 [--folder build/soak] [--installed]

Half of the time goes to crash rounds, a third to simulation, the rest to memory. Each begins where chance puts it, so
that no two runs do the same; the seeds are in the records. Exit status 1 if any of them found something.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
CRASHES_SHARE: Final = 1 / 2
SIMULATION_SHARE: Final = 1 / 3
SEEDS_AT_ONCE: Final = 200
"""Simulation is asked for so many seeds at a time, until its time is over."""
MANY: Final = 1_000_000
MEMORY_MINUTES: Final = 6.0
"""At least: what the gateway remembers has to be full before the second half, or it would count as growth."""


def run(title: str, words: Sequence[str], log: Path) -> int:
    """Run one of them, its output in the log too; return its exit status."""
    print(f"--- {title}: python -m {' '.join(words)}", flush=True)
    with (
        log.open("a", encoding="utf-8") as file,
        subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            file.write(line)
    return process.returncode


def crashes(seed: int, minutes: float, folder: Path, options: Sequence[str]) -> int:
    """Play crash rounds until the time is over."""
    words = ["tests.crashes", "--rounds", str(MANY), "--seed", str(seed), "--minutes", f"{minutes:.2f}"]
    return run("crash rounds", [*words, "--record", str(folder / "crashes.json"), *options], folder / "crashes.log")


def simulation(seed: int, minutes: float, folder: Path) -> int:
    """Simulate seeds until the time is over; a record for each portion, and the sum of them."""
    until = time.monotonic() + minutes * 60
    first, portions = seed, 0
    status = 0
    while not status and (time.monotonic() < until or not portions):
        record = folder / f"simulation-{portions}.json"
        words = ["--seeds", str(SEEDS_AT_ONCE), "--from", str(first), "--jobs", str(os.cpu_count() or 1)]
        status = run("simulation", ["tests.simulation", *words, "--record", str(record)], folder / "simulation.log")
        first += SEEDS_AT_ONCE
        portions += 1
    told = {"first_seed": seed, "seeds": first - seed, "status": status}
    (folder / "simulation.json").write_text(json.dumps(told) + "\n", "utf-8")
    return status


def memory(minutes: float, folder: Path) -> int:
    """Run under load and see whether broker and publisher stay flat."""
    words = ["bench.soak", "--minutes", f"{max(minutes, MEMORY_MINUTES):.2f}", "--orders-per-second", "200"]
    return run("memory", [*words, "--json", str(folder / "memory.json")], folder / "memory.log")


def main() -> int:
    """Run all three, whatever the others find; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.crashes.soak", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "soak")
    parser.add_argument("--installed", action="store_true", help="crash rounds on the installed package")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    minutes = options.minutes
    chosen = ["--installed"] if options.installed else []
    statuses: dict[str, Any] = {
        "crashes": crashes(options.seed, minutes * CRASHES_SHARE, folder, chosen),
        "simulation": simulation(options.seed, minutes * SIMULATION_SHARE, folder),
        "memory": memory(minutes * (1 - CRASHES_SHARE - SIMULATION_SHARE), folder),
    }
    (folder / "summary.json").write_text(
        json.dumps({"minutes": minutes, "seed": options.seed, "statuses": statuses}, indent=1) + "\n", "utf-8"
    )
    for name, status in statuses.items():
        print(f"{name}: {'held' if status == 0 else f'FAILED ({status})'}; records in {folder}")
    return int(any(statuses.values()))


if __name__ == "__main__":
    sys.exit(main())
