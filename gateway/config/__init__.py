"""The configuration: `loading` finds it and is the environment's only reader, the other files check and explain."""

from gateway.config.loading import (
    FILE_NAME,
    Credentials,
    credentials,
    default_endpoint,
    default_tick_endpoint,
    gateway_endpoint,
    load,
    named_account,
    named_endpoint,
    named_tick_endpoint,
    scripts_environment,
)
from gateway.config.resolved import Config

__all__ = (
    "FILE_NAME",
    "Config",
    "Credentials",
    "credentials",
    "default_endpoint",
    "default_tick_endpoint",
    "gateway_endpoint",
    "load",
    "named_account",
    "named_endpoint",
    "named_tick_endpoint",
    "scripts_environment",
)
