"""Makes the harness, which isn't installed, importable; at the end of the path, behind an installed gateway."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))
