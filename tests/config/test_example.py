"""The annotated example and the page about it: every key is there, and what isn't commented out is the default."""

import re
from pathlib import Path

import pytest

from gateway.config import load
from gateway.config.problems import key_paths

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "mt5gate.yaml"
PAGE = ROOT / "docs" / "CONFIGURATION.md"


def test_example_means_the_same_as_no_file(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    environ = {"XDG_CONFIG_HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}

    assert load(EXAMPLE, environ=environ).model_dump() == load(environ=environ).model_dump()
    assert not caplog.records


def test_example_has_every_key_at_its_place(folder: Path) -> None:
    """A commented key counts once its mark is taken away: `# key: value` where the key would stand."""
    text = EXAMPLE.read_text("utf-8")
    sections, _, simulator = text.partition("\nsimulator:")
    shown = {"simulator": f"simulator:{simulator}"}
    for path in key_paths():
        depth = len(path) - 1
        place = shown.get(path[0], sections.partition("\n# live:")[0])
        assert re.search(rf"(?m)^(  ){{{depth}}}(# )?{path[-1]}:", place), path


def test_real_account_of_the_example_can_be_used(folder: Path) -> None:
    text = EXAMPLE.read_text("utf-8")
    account = re.search(r"(?m)^# live:.*\n(?:# .*\n)+", text)
    assert account is not None
    lines = [line.removeprefix("# ") for line in account[0].splitlines()]
    file = folder / "mt5gate.yaml"
    file.write_text("accounts:\n" + "".join(f"  {line}\n" for line in lines))

    assert load(file, environ={}).accounts["live"].mode == "real"


@pytest.mark.parametrize("path", sorted(key_paths()), ids=".".join)
def test_page_names_every_key(path: tuple[str, ...]) -> None:
    keys = set(re.findall(r"`([a-z_.]+)`", PAGE.read_text("utf-8")))
    in_full = ".".join(part for part in path if part not in ("NAME", "accounts"))
    names = {path[-1], in_full, f".{path[-1]}"}
    sections = {"log", "broker", "publisher", "accounts", "workers", "feed", "simulator"}

    assert names & keys or path[-1] in sections, path


def test_page_gives_the_defaults() -> None:
    page = PAGE.read_text("utf-8")
    rows = dict(re.findall(r"(?m)^\| `([a-z_.]+)` \| ([^|]+?) \|", page))
    config = load(environ={})

    for section in (config.broker, config.publisher, config.simulator, config.accounts["demo"]):
        for key, value in section.model_dump(mode="json").items():
            if key in rows and isinstance(value, int | float):
                assert rows[key] == str(value).lower().removesuffix(".0"), key
