"""`python -m tests.simulation`, or `python -P tests/simulation/__main__.py` for the installed package."""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path


def _reach_tests() -> None:
    """Make `tests` importable from wherever this is run, without putting the source tree before what is installed."""
    if "tests" not in sys.modules:
        spec = ModuleSpec("tests", None, is_package=True)
        spec.submodule_search_locations = [str(Path(__file__).resolve().parents[1])]
        sys.modules["tests"] = module_from_spec(spec)


_reach_tests()

from tests.simulation.command import main  # noqa: E402 - only now

if __name__ == "__main__":
    sys.exit(main())
