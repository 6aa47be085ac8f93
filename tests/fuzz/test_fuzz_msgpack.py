"""The msgpack core under address and undefined-behaviour sanitizers, alone in a C program, for a second."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def test_random_and_damaged_values_break_nothing(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler")
    empty = tmp_path / "empty.c"
    empty.write_text("int main(void) { return 0; }\n")
    probe = subprocess.run([compiler, *SANITIZERS, str(empty), "-o", str(tmp_path / "empty")], capture_output=True)
    if probe.returncode:
        pytest.skip("the C compiler has no sanitizers")
    program = tmp_path / "fuzz_msgpack"
    source = ROOT / "tests" / "fuzz" / "fuzz_msgpack.c"
    warnings = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(
        [compiler, "-g", "-O1", *warnings, *SANITIZERS, f"-I{ROOT / 'fastpath'}", str(source), "-o", str(program)],
        check=True,
    )
    result = subprocess.run([str(program), "1", "20240601"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "accepted" in result.stdout
