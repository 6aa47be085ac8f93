"""Makes `tests.simulation` importable as `python -m tests.simulation` has it, whichever package is under test."""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path

if "tests" not in sys.modules or not hasattr(sys.modules["tests"], "__path__"):
    spec = ModuleSpec("tests", None, is_package=True)
    spec.submodule_search_locations = [str(Path(__file__).resolve().parents[1])]
    sys.modules["tests"] = module_from_spec(spec)
