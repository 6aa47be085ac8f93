"""The laws that can be read off the code: who may import whom, who reads a clock or the environment."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STANDARD = sys.stdlib_module_names
FILES = sorted(path for top in ("gateway", "fastpath", "clients") for path in (ROOT / top).rglob("*.py"))

# What each part may import of the project, by longest matching prefix. Arrows point down only.
ALLOWED: dict[str, tuple[str, ...]] = {
    "fastpath": ("fastpath",),
    "gateway": (),
    "gateway.wire": ("gateway.wire",),
    "gateway.core": ("gateway.wire", "gateway.core"),
    "gateway.clock": (),
    "gateway.log": (),
    "gateway.settings": (),
    "gateway.statedir": ("gateway.wire",),
    "gateway.config": ("gateway.config", "gateway.settings", "gateway.statedir", "gateway.wire"),
    "gateway.plain": ("gateway.wire",),
    "gateway.accel": ("fastpath", "gateway.plain", "gateway.core.records", "gateway.core.replycache", "gateway.wire"),
    "gateway.terminal": ("gateway.clock", "gateway.terminal", "gateway.wire"),
    "clients": ("clients", "gateway.accel", "gateway.clock", "gateway.config", "gateway.wire", "fastpath"),
}
SHELLS_MAY = ("gateway",)
LEAN = ("gateway.workers", "gateway.process", "gateway.terminal")
"""Law 10: what runs beside a terminal. None of these, nor anything they import, may lead to what is compiled."""

CORE_MAY_NOT = {"socket", "zmq", "time", "threading", "random", "logging", "os", "io", "secrets", "asyncio", "select"}
CLOCKS = {"time", "monotonic", "perf_counter", "time_ns", "monotonic_ns", "perf_counter_ns", "process_time"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, at its top or inside a function, in full; type-checking imports too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (
                f"{node.module}.{alias.name}" for alias in node.names if f"{node.module}.{alias.name}" in MODULES
            )


def rule_for(module: str) -> tuple[str, ...] | None:
    prefixes = [prefix for prefix in ALLOWED if module == prefix or module.startswith(prefix + ".")]
    best = max(prefixes, key=len, default=None)
    return None if best is None or (best == "gateway" and module != "gateway") else ALLOWED[best]


def within(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(module == prefix or module.startswith(prefix + ".") for prefix in prefixes)


def reached(start: str) -> set[str]:
    """Everything of the project that importing `start` leads to, type-checking aside."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        module = todo.pop()
        if module in seen or module not in MODULES:
            continue
        seen.add(module)
        todo.extend(imports(MODULES[module]))
    return seen


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_down_only(module: str) -> None:
    allowed = rule_for(module)
    for name in imports(MODULES[module]):
        if name.partition(".")[0] not in ("gateway", "fastpath", "clients", "bench", "tests"):
            continue
        assert not within(name, ("bench", "tests")), f"{module} imports {name}"
        if allowed is not None:
            assert name == "gateway" or within(name, allowed), f"{module} may not import {name}"
        elif name.startswith("clients"):
            # Law 8: the command line is a client like any other; no shell is.
            assert module.startswith(("gateway.cli", "gateway.exec")), f"{module} may not import {name}"


@pytest.mark.parametrize("module", sorted(name for name in MODULES if name.startswith("gateway.core")))
def test_core_is_pure(module: str) -> None:
    for name in imports(MODULES[module]):
        assert name.partition(".")[0] not in CORE_MAY_NOT, f"{module} imports {name}"


def test_ticks_never_pass_the_order_engine() -> None:
    for module in MODULES:
        if module.startswith("gateway.core"):
            tree = ast.parse(MODULES[module].read_text("utf-8"))
            names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            assert not names & {"encode_ticks", "decode_ticks", "decode_feed_ticks", "TickBatch"}, module
    assert "gateway.publisher" not in reached("gateway.broker")
    assert "gateway.core.engine" not in reached("gateway.publisher")


def test_only_one_file_imports_the_metatrader5_package() -> None:
    found = {
        module for module in MODULES if any(n.partition(".")[0] == "MetaTrader5" for n in imports(MODULES[module]))
    }
    assert found == {"gateway.terminal.metatrader5"}


def test_only_the_clock_reads_a_clock() -> None:
    for module, path in MODULES.items():
        if module == "gateway.clock":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                assert not {alias.name for alias in node.names} & CLOCKS, f"{module} reads a clock"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                read = (node.value.id, node.attr)
                assert not (read[0] == "time" and read[1] in CLOCKS), f"{module} reads a clock: {read}"
                assert read not in {("datetime", "now"), ("datetime", "utcnow"), ("date", "today")}, f"{module}: {read}"


def test_only_config_reads_the_environment() -> None:
    for module, path in MODULES.items():
        if module == "gateway.config.loading":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
                assert node.attr not in ("environ", "getenv", "environb"), f"{module} reads the environment"


@pytest.mark.parametrize("module", sorted(name for name in MODULES if within(name, LEAN)))
def test_what_runs_beside_a_terminal_never_imports_what_is_compiled(module: str) -> None:
    found = {name for name in reached(module) if within(name, ("fastpath", "gateway.accel", "gateway.core", "clients"))}
    assert not found, f"{module} leads to {sorted(found)}"
    lean = STANDARD | {"zmq", "msgpack", "numpy", "MetaTrader5", "gateway"}
    for name in reached(module):
        outside = {imported.partition(".")[0] for imported in imports(MODULES[name])} - lean
        assert not outside, f"{module} leads to {sorted(outside)} through {name}"


def test_every_file_says_what_it_is() -> None:
    for path in FILES:
        if path.read_text("utf-8").strip():
            assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), f"{path} has no docstring"
