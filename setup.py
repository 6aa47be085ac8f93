"""The extension modules, and nothing else: all other metadata stands in pyproject.toml.

MT5GATE_BUILD chooses what is built:

    (unset)    compiled where that is possible; else pure, with a notice that can't be overlooked
    compiled   compiled, and the build fails where that is impossible or a compiler warns
    debug      the same with bounds checks, assertions and debugging symbols
    pure       nothing compiled: one wheel for every platform (py3-none-any)

Two kinds of module are compiled: `fastpath/*.pyx`, and each `gateway/core/*.py` that has a `.pxd` of its name beside
it. The latter runs interpreted from the same source, so its annotations mean nothing to the compiler: only the `.pxd`
types it.
"""

import os
import sys
import tempfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

MODES = ("", "compiled", "debug", "pure")
MODE = os.environ.get("MT5GATE_BUILD", "")
if MODE not in MODES:
    sys.exit(f"MT5GATE_BUILD: expected one of {', '.join(MODES[1:])} or nothing, got {MODE!r}")
DEBUG = MODE == "debug"
REQUIRED = MODE in ("compiled", "debug")
ROOT = Path(__file__).resolve().parent

LEFT_OUT = {
    # libzmq is linked into pyzmq there and exports nothing; the board needs POSIX mappings and C11 atomics.
    *(("libzmq", "sockets", "broadcast", "board") if sys.platform == "win32" else ()),
    # Read-only memory needs 64-bit loads that are plain, and records are little-endian.
    *(("board",) if sys.maxsize < 2**32 or sys.byteorder == "big" else ()),
}
"""Modules that can't be on this platform; gateway.accel does without them."""

C_FLAGS = ["-O1", "-g", "-UNDEBUG"] if DEBUG else ["-O2"]
"""No -march=native: a wheel runs on other machines than the one that built it."""

WARNINGS = [
    "-Wall",
    "-Wextra",
    # What Cython's own generated code triggers, whatever the source:
    "-Wno-unused-parameter",  # calling conventions hand `self` and keyword arrays to functions that need neither
    "-Wno-missing-field-initializers",  # type and method tables name only the slots they fill
    "-Wno-cast-function-type",  # methods of every arity stand in one table as PyCFunction
    "-Wno-unused-function",  # inline functions of a .pxd that this module doesn't use
]

DIRECTIVES = {
    "language_level": 3,
    "annotation_typing": False,  # a .pyx says it with cdef, gateway/core with its .pxd; annotations are for mypy
    "boundscheck": True,  # switched off function by function, where the bound is proven
    "wraparound": True,
    "initializedcheck": True,
    "nonecheck": DEBUG,
    "cdivision": False,
    "embedsignature": True,
    "binding": True,
}


class Unbuildable(Exception):
    """Why nothing can be compiled here."""


def modules() -> list[Extension]:
    """Return every module to compile, from its Cython source."""
    fast = [path for path in sorted(ROOT.glob("fastpath/*.pyx")) if path.stem not in LEFT_OUT]
    hot = [path.with_suffix(".py") for path in sorted(ROOT.glob("gateway/core/*.pxd")) if path.stem != "__init__"]
    shared = sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("fastpath/*.pxd"), *ROOT.glob("fastpath/*.h")])
    posix = sys.platform != "win32"
    extensions = []
    for path in [*fast, *hot]:
        source = path.relative_to(ROOT)
        augmenting = [str(source.with_suffix(".pxd"))] if path.suffix == ".py" else []
        extensions.append(
            Extension(
                ".".join(source.with_suffix("").parts),
                [str(source)],
                include_dirs=["fastpath"],
                depends=shared if path.suffix == ".pyx" else augmenting,
                # -Werror only where it was asked for: a user's newer compiler must not cost him the compiled wheel.
                extra_compile_args=[*C_FLAGS, *WARNINGS, *(["-Werror"] if REQUIRED else [])] if posix else ["/O2"],
                define_macros=[] if DEBUG else [("CYTHON_WITHOUT_ASSERTIONS", "1")],
            )
        )
    return extensions


def check_buildable() -> None:
    """Raise Unbuildable unless Cython, a C compiler and Python's headers are all here."""
    try:
        import Cython  # noqa: F401
    except ImportError as error:
        raise Unbuildable(f"Cython can't be imported: {error}") from error

    from setuptools import Distribution
    from setuptools.errors import BaseError, CCompilerError

    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "probe.c")
        source.write_text("#include <Python.h>\nint mt5gate_probe(void) { return PY_MAJOR_VERSION; }\n")
        command = build_ext(Distribution({"ext_modules": [Extension("probe", [str(source)])]}))
        command.build_lib = command.build_temp = scratch
        command.ensure_finalized()
        try:
            command.run()
        except (BaseError, CCompilerError, OSError) as error:
            raise Unbuildable(f"no C compiler that finds Python.h ({str(error)[:60]}…)") from error


class BuildExtensions(build_ext):
    """Translates by Cython when it comes to building, so that an sdist carries the sources and no generated C."""

    def run(self) -> None:
        from Cython.Build import cythonize
        from Cython.Compiler import Options

        Options.warning_errors = REQUIRED
        folder = Path("build/cython-debug" if DEBUG else "build/cython")
        made_ns = [path.stat().st_mtime_ns for path in folder.rglob("*.c")]
        translated = cythonize(
            [Extension(extension.name, list(extension.sources)) for extension in self.extensions],
            build_dir=str(folder),
            # cythonize looks at the sources alone, not at the directives that are written above.
            force=bool(made_ns) and min(made_ns) < Path(__file__).stat().st_mtime_ns,
            compiler_directives=DIRECTIVES,
            language_level=3,
            quiet=True,
            nthreads=os.cpu_count() or 1,
        )
        sources = {extension.name: extension.sources for extension in translated}
        for extension in self.extensions:
            extension.sources = sources[extension.name]
        self.parallel = os.cpu_count()
        super().run()


def chosen() -> list[Extension]:
    """Return what is to be compiled: everything, or nothing."""
    if "sdist" in sys.argv:  # nothing is built, and the sources belong into it whatever can be built here
        return modules()
    if MODE == "pure":
        return []
    try:
        check_buildable()
    except Unbuildable as error:
        if REQUIRED:
            sys.exit(f"MT5GATE_BUILD={MODE}, but nothing can be compiled here: {error}")
        line = "*" * 100
        print(
            f"{line}\nmt5gate: NOTHING IS COMPILED. {error}\n"
            "The package is installed in plain Python: complete, and several times slower.\n"
            f"MT5GATE_BUILD=compiled makes this an error, MT5GATE_BUILD=pure makes it silent.\n{line}",
            file=sys.stderr,
        )
        return []
    return modules()


setup(ext_modules=chosen(), cmdclass={"build_ext": BuildExtensions})
