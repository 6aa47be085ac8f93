"""`python -m bench`: run the benchmarks and write what they found."""

import argparse
import gc
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import (
    broadcast,
    dropin,
    durability,
    floors,
    killswitch,
    machine,
    micro,
    orders,
    pipeline,
    recovery,
    report,
    roundtrip,
)
from bench.context import Context, Entry
from bench.gateway_process import kind_of_gateway
from bench.runner import Result, Unavailable

ENTRIES: tuple[Entry, ...] = (
    *roundtrip.ENTRIES,
    *pipeline.ENTRIES,
    *orders.ENTRIES,
    *durability.ENTRIES,
    *killswitch.ENTRIES,
    *recovery.ENTRIES,
    *broadcast.ENTRIES,
    *micro.ENTRIES,
    *dropin.ENTRIES,
)

EXIT_FAILED = 1
EXIT_NOTHING_RAN = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; returns 0, 1 when a bench failed, 3 when none could run."""
    options = _parser().parse_args(arguments)
    chosen = _chosen(options.only)
    if options.list:
        for entry in chosen:
            print(f"{entry.name:<20} {entry.title}")
        return 0
    command = shlex.join(["python", "-m", "bench", *(sys.argv[1:] if arguments is None else arguments)])
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        return _run(options, chosen, command, Path(scratch))


def _run(options: argparse.Namespace, chosen: Sequence[Entry], command: str, scratch: Path) -> int:
    computer = machine.describe(kind_of_gateway())
    skipped: report.Skipped = {}
    failed = False
    try:
        programs = floors.build()
    except Unavailable as reason:
        programs = {}
        skipped["noise floor"] = str(reason)
    context = Context(options.quick, scratch, programs)
    results: list[Result] = []
    noises: dict[str, machine.Noise] = {}
    for entry in chosen:
        began = time.monotonic()
        gc.collect()
        try:
            if programs:
                # Before each bench: what else runs, and whether the cores sleep, changes within minutes.
                noises[entry.name] = machine.listen(programs["noise"], context)
            results.append(entry.run(context))
        except Unavailable as reason:
            skipped[entry.name] = str(reason)
            _say(f"{entry.name}: not run: {reason}")
            continue
        except floors.Failed as error:
            failed = True
            skipped[entry.name] = f"failed: {str(error).splitlines()[0]}"
            _say(f"{entry.name}: FAILED: {error}")
            continue
        _say(f"{entry.name}: {time.monotonic() - began:.1f} s")
    page = report.markdown(computer, noises, command, results, skipped)
    print(page)
    found = report.to_json(computer, noises, command, results, skipped)
    if options.json is not None:
        report.write_json(options.json, found)
    if options.out is not None:
        _write_all(options.out, page, found, results, computer)
    if failed:
        return EXIT_FAILED
    return 0 if results else EXIT_NOTHING_RAN


def _write_all(
    folder: Path, page: str, found: dict[str, object], results: Sequence[Result], computer: machine.Machine
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.md").write_text(page + "\n", encoding="utf-8")
    report.write_json(folder / "bench.json", found)
    try:
        report.plot(folder / "percentiles.png", results, computer)
    except ImportError:
        _say("no plot: matplotlib isn't installed (the numbers don't need it)")


def _chosen(names: Sequence[str]) -> list[Entry]:
    """Return the benches of these names; a name also stands for all that begin with it and a dash."""
    if not names:
        return list(ENTRIES)
    for name in names:
        if not any(_matches(entry, name) for entry in ENTRIES):
            sys.exit(f"--only: expected one of {', '.join(entry.name for entry in ENTRIES)}, got {name}")
    return [entry for entry in ENTRIES if any(_matches(entry, name) for name in names)]


def _matches(entry: Entry, name: str) -> bool:
    return entry.name == name or entry.name.startswith(f"{name}-")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the gateway against floors in C.")
    parser.add_argument("--quick", action="store_true", help="everything in about two minutes: wider intervals")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="one bench, or a group of them")
    parser.add_argument("--list", action="store_true", help="say what there is, and stop")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the report as JSON")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write bench.json, bench.md and percentiles.png")
    return parser


if __name__ == "__main__":
    sys.exit(main())
