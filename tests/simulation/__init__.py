"""Deterministic simulation of the order plane: the real core, journal, worker and client, in virtual time, by a seed.

Nothing here reads a clock, a socket or a file; all chance comes from the seed. `python -m tests.simulation` runs seeds,
`--seed N --trace` shows one of them. What it models of a transport, a disk and a process stands in `links`, `disk`,
`broker` and `workers`, each with what it leaves out.
"""
