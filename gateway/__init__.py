"""mt5gate: a low-latency gateway between strategy processes and MetaTrader 5. docs/ARCHITECTURE.md is the map."""

__version__ = "0.1.0"
