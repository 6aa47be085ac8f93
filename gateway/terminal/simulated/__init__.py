"""A simulated MetaTrader 5 terminal: a process of its own that several workers attach to.

`server.serve` is the process, `connection.SimulatedConnection` what a worker uses. Everything between them
(`terminal` and below) is pure: no socket, no clock, no environment.
"""
