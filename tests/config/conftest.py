"""A configuration is loaded from a folder of its own, with an environment of its own."""

import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from gateway.config import Config, load
from gateway.wire.errors import ConfigError

Load = Callable[..., Config]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short-named working folder."""
    path = Path(tempfile.mkdtemp(prefix="mt5g", dir="/tmp"))
    monkeypatch.chdir(path)
    yield path
    rmtree(path)


@pytest.fixture
def loaded(folder: Path) -> Load:
    """Load a text of YAML, with an environment that holds nothing but what is given."""

    def loaded(text: str = "", environ: dict[str, str] | None = None, **overrides: Any) -> Config:
        file = folder / "mt5gate.yaml"
        file.write_text(textwrap.dedent(text))
        file.chmod(0o600)
        return load(
            file,
            overrides=overrides,
            environ={"XDG_RUNTIME_DIR": str(folder), "XDG_CONFIG_HOME": str(folder), **(environ or {})},
        )

    return loaded


@pytest.fixture
def problems(loaded: Load) -> Callable[..., list[str]]:
    """Load what can't be loaded, and return the lines that say why."""

    def problems(text: str = "", environ: dict[str, str] | None = None, **overrides: Any) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            loaded(text, environ, **overrides)
        return caught.value.message.splitlines()

    return problems
