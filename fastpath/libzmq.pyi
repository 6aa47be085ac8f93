"""Binds libzmq's functions, for the other modules of this package, at import."""

AVAILABLE: bool
"""Whether libzmq could be reached through pyzmq; where it couldn't, `sockets` and `broadcast` raise ImportError."""

REASON: str
"""Why not; empty where it could."""
