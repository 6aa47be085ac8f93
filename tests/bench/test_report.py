"""What is written of a run: JSON, Markdown, plot."""

import json

import numpy as np
import pytest

from bench import report
from bench.machine import Machine, Noise
from bench.runner import Block, Measurement, Result, Target

COMMAND = "python -m bench --quick"
MACHINE = Machine(
    "A CPU", 2, "", "virtual machine", "Linux 6 x86_64", "3.11", "4.3.5", {"pyzmq": "27"}, "compiled", 0.1
)
NOISE = Noise(20.0, 0.005, 80_000, {"p50": 44_000, "p99": 60_000, "p99.9": 160_000, "max": 200_000})

NOISES = {"order-ipc": NOISE}


@pytest.fixture
def result():
    def blocks(factor):
        return [Block(np.arange(1, 1001, dtype=np.uint64) * factor, rate=50_000.0 / factor) for _ in range(6)]

    found = Result("order-ipc", "Orders", [Measurement("floor", blocks(100)), Measurement("ours", blocks(110))])
    found.compare("p50", "ours", "floor", "floor", Target("<=", 1.15))
    found.notes.append("A remark.")
    return found


@pytest.fixture
def page(result):
    return report.markdown(MACHINE, NOISES, COMMAND, [result], {"cached-ipc": "no broker here"})


def test_json_holds_everything_and_survives_the_trip(result, tmp_path):
    found = report.to_json(MACHINE, NOISES, COMMAND, [result], {"cached-ipc": "no broker here"})
    report.write_json(tmp_path / "bench.json", found)
    assert json.loads((tmp_path / "bench.json").read_text()) == found
    ours = found["results"][0]["contenders"][1]
    assert ours["latency_ns"] == {"p50": 55_000, "p99": 108_900, "p99.9": 109_890, "max": 110_000}
    assert (ours["samples"], ours["blocks"]) == (6_000, 6)
    finding = found["results"][0]["findings"][0]
    assert finding["value"]["median"] == pytest.approx(1.1)
    assert (finding["target"], finding["verdict"]) == ("<= 1.15", "met")
    assert finding["same_against_same"]["median"] == 1.0
    assert found["results"][0]["noise"]["wake_ns"]["p50"] == 44_000
    assert found["skipped"] == {"cached-ipc": "no broker here"}


def test_machine_and_noise_stand_above_every_table(result):
    page = report.markdown(MACHINE, NOISES, COMMAND, [result, result], {})
    for section in page.split("## ")[1:]:
        assert section.index("A CPU, 2 cores") < section.index("Noise floor") < section.index("| contender")


def test_markdown_shows_percentiles_ratio_noise_target_and_verdict(page):
    assert "| ours | 6,000 | 55 | 109 | 110 | 110 | 455 [455–455] |" in page
    assert "| p50: ours / floor | 1.10× [1.10×–1.10×] | 1.00× [1.00×–1.00×] | ≤ 1.15 | met |" in page
    assert "- A remark." in page


def test_markdown_says_how_to_reproduce_and_what_did_not_run(page):
    assert "`python -m bench --only order-ipc`" in page
    assert "- cached-ipc: no broker here" in page


def test_plot_is_a_png(result, tmp_path):
    pytest.importorskip("matplotlib")
    report.plot(tmp_path / "percentiles.png", [result], MACHINE)
    assert (tmp_path / "percentiles.png").read_bytes().startswith(b"\x89PNG")


def test_without_latencies_there_is_no_plot(tmp_path):
    pytest.importorskip("matplotlib")
    result = Result("x", "", [Measurement("ours", [Block(rate=1.0)])])
    report.plot(tmp_path / "percentiles.png", [result], MACHINE)
    assert not (tmp_path / "percentiles.png").exists()
