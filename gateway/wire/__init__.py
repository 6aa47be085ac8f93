"""The wire: every message's shape, the constants, the errors, the sequence rules, and the reference codec.

docs/PROTOCOL.md is the normative text; this package is its plain reading. It knows no socket, clock or process, and
imports nothing of the project.
"""
