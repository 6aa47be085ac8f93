"""A logger that says nothing: what happens is in the trace."""

import logging
from typing import Final

__all__ = ("LOG",)

LOG: Final = logging.getLogger("mt5gate.simulation")
LOG.setLevel(logging.CRITICAL + 1)
LOG.propagate = False
