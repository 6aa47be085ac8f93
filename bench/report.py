"""Turns results into what is kept: JSON for machines, a Markdown table for people, a plot of percentiles.

Measures nothing and decides nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.machine import Machine, Noise
from bench.runner import Finding, Measurement, Result
from bench.stats import PERCENTILES, Estimate, estimate, percentile

__all__ = ("Noises", "Skipped", "markdown", "plot", "to_json")

SCHEMA = 1
"""Version of the JSON's layout."""

Noises = Mapping[str, Noise]
"""The noise floor just before each bench, by the bench's name."""

Skipped = dict[str, str]
"""Name of a bench that didn't run, and why."""


# JSON


def to_json(
    machine: Machine, noises: Noises, command: str, results: Sequence[Result], skipped: Skipped
) -> dict[str, Any]:
    """Return everything as plain values."""
    return {
        "schema": SCHEMA,
        "command": command,
        "machine": asdict(machine),
        "results": [_result_json(result, noises.get(result.name)) for result in results],
        "skipped": skipped,
    }


def write_json(path: Path, report: dict[str, Any]) -> None:
    """Write the report, readable and with a closing newline."""
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _result_json(result: Result, noise: Noise | None) -> dict[str, Any]:
    return {
        "name": result.name,
        "title": result.title,
        "noise": asdict(noise) if noise is not None else None,
        "contenders": [_contender_json(measurement) for measurement in result.measurements],
        "findings": [_finding_json(finding) for finding in result.findings],
        "notes": result.notes,
    }


def _contender_json(measurement: Measurement) -> dict[str, Any]:
    latencies = measurement.latencies()
    found: dict[str, Any] = {"name": measurement.name, "blocks": len(measurement.blocks)}
    if latencies is not None:
        found["samples"] = len(latencies)
        found["latency_ns"] = {name: percentile(latencies, percent) for name, percent in PERCENTILES}
    if measurement.has("rate"):
        found["rate"] = _estimate_json(estimate(measurement.values("rate")))
    if measurement.has("cost_ns"):
        found["cost_ns"] = _estimate_json(estimate(measurement.values("cost_ns")))
    return found


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "label": finding.label,
        "unit": finding.unit,
        "value": _estimate_json(finding.value),
        "same_against_same": _estimate_json(finding.same) if finding.same is not None else None,
        "target": f"{finding.target.bound} {finding.target.value:g}" if finding.target is not None else None,
        "verdict": finding.verdict or None,
    }


def _estimate_json(value: Estimate) -> dict[str, float]:
    return {"median": value.median, "low": value.low, "high": value.high, "blocks": value.blocks}


# Markdown


def markdown(machine: Machine, noises: Noises, command: str, results: Sequence[Result], skipped: Skipped) -> str:
    """Return the report as one page: machine and noise floor above every table."""
    lines = ["# Benchmarks", "", f"`{command}`", ""]
    lines += [
        "Ratios are medians of paired, alternating blocks; in brackets the interval that holds the true median with",
        "95 % confidence. “Same/same” is a second instance of the same against the first: what this machine calls",
        "equal.",
        "",
    ]
    for result in results:
        head = [f"> {line}  " for line in machine.lines()]
        if result.name in noises:
            head.append(f"> Noise floor: {noises[result.name].line()}")
        lines += [f"## {result.title}", "", *head, "", *_contender_table(result), *_finding_table(result)]
        lines += [f"- {note}" for note in result.notes]
        lines += [f"- Reproduce: `python -m bench --only {result.name}`", ""]
    if skipped:
        lines += ["## Not run", "", *(f"- {name}: {reason}" for name, reason in skipped.items()), ""]
    return "\n".join(lines)


def _contender_table(result: Result) -> list[str]:
    has_latency = any(measurement.latencies() is not None for measurement in result.measurements)
    has_rate = any(measurement.has("rate") for measurement in result.measurements)
    has_cost = any(measurement.has("cost_ns") for measurement in result.measurements)
    header = ["contender"]
    header += ["samples", *(f"{name} µs" for name, _ in PERCENTILES)] if has_latency else []
    header += ["rate /s"] if has_rate else []
    header += ["ns per operation"] if has_cost else []
    rows = []
    for measurement in result.measurements:
        latencies = measurement.latencies()
        row = [measurement.name]
        if latencies is not None:
            values = (percentile(latencies, percent) / 1e3 for _, percent in PERCENTILES)
            row += [f"{len(latencies):,}", *(f"{value:,.0f}" for value in values)]
        if measurement.has("rate"):
            row.append(_absolute(estimate(measurement.values("rate"))))
        if measurement.has("cost_ns"):
            row.append(_absolute(estimate(measurement.values("cost_ns"))))
        rows.append(row)
    return _table(header, rows)


def _finding_table(result: Result) -> list[str]:
    if not result.findings:
        return []
    rows = [
        [
            finding.label,
            _shown(finding.value, finding.unit),
            _shown(finding.same, finding.unit) if finding.same is not None else "–",
            f"{'≤' if finding.target.bound == '<=' else '≥'} {_number(finding.target.value)}"
            if finding.target
            else "–",
            finding.verdict or "–",
        ]
        for finding in result.findings
    ]
    return _table(["finding", "value", "same/same", "target", "verdict"], rows)


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(header) - 1)]
    return [*(f"| {' | '.join(row)} |" for row in (header, rule, *rows)), ""]


def _shown(value: Estimate, unit: str) -> str:
    return _absolute(value) if unit != "x" else f"{_ratio(value.median)} [{_ratio(value.low)}–{_ratio(value.high)}]"


def _absolute(value: Estimate) -> str:
    return f"{_number(value.median)} [{_number(value.low)}–{_number(value.high)}]"


def _ratio(value: float) -> str:
    return f"{value:.2f}×" if value < 10 else f"{value:.0f}×"


def _number(value: float) -> str:
    """Three or more significant digits, thousands parted."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


# Plot


def plot(path: Path, results: Sequence[Result], machine: Machine) -> None:
    """Write a PNG of latency by percentile, one panel per bench that has latencies.

    Raises ImportError where matplotlib isn't installed: the plot is an extra, the numbers don't need it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [(result, curves) for result in results if (curves := result.curves())]
    if not panels:
        return
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(7.0 * columns, 4.2 * rows + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle("\n".join(machine.lines()[:1]), fontsize=9)
    for number, (result, curves) in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, number)
        for name, pairs in curves.items():
            # The x axis counts nines: 1 / (1 - fraction), on a logarithmic scale.
            points = [(1.0 / (1.0 - percent / 100.0), value / 1e3) for percent, value in pairs if percent < 100.0]
            style = ":" if name.endswith(" again") else "-"
            axes.plot(*zip(*points, strict=True), label=name, linewidth=1.4, linestyle=style)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks([1, 2, 10, 100, 1_000, 10_000], ["0", "50", "90", "99", "99.9", "99.99"])
        axes.set_xlabel("percentile", fontsize=8)
        axes.set_ylabel("latency, µs", fontsize=8)
        axes.set_title(result.title, fontsize=9)
        axes.grid(visible=True, which="both", alpha=0.25)
        axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)
