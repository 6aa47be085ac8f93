"""How the processes log: one line an event on standard error, with the wall clock, the process's role and its level."""

import logging
import sys

__all__ = ("configure",)


def configure(role: str, level: str = "info") -> logging.Logger:
    """Set this process's logging up once, and return the logger named `mt5gate.<role>`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter("%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    )
    root = logging.getLogger("mt5gate")
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False
    return root.getChild(role)
