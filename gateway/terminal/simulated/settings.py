"""What a simulated terminal is told when it starts; plain data, checked once."""

import math
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ("MARGIN_MODES", "Settings")

MARGIN_MODES: Final = ("netting", "exchange", "hedging")
"""The account's margin mode by name, in the order of ACCOUNT_MARGIN_MODE_*."""
HOURS: Final = ("always", "market")


@dataclass(frozen=True, slots=True)
class Settings:
    """One simulated terminal and its account; raises ValueError for values that make no sense.

    `address`: see `address.parse`. `tick_files`, `bar_files`: MT5 exports to replay; none means synthetic prices.
    `speed`: 1.0 is real time, N is N times that, `math.inf` as fast as it goes. `password`: empty accepts any;
    `investor_password`: admits to look, not to trade.

    `hours`: "market" opens each symbol at its own sessions, "always" around the clock. `timezone`: the server's clock,
    an IANA name ("Europe/Athens") or minutes ahead of UTC. `symbols`: per symbol what differs from its specification
    (see `market.catalog`), `suffix` is put behind every name, `generated_symbols` adds as many made-up ones.

    `margin_call_level`, `stop_out_level`: percent. `limit_orders`: pending orders allowed, 0 is no limit.
    `execution_delay_ms`: above 0, a deal is answered "placed" and executed so much later. `faults`: chance of each
    fault of a call, by its name (see `faults`). `state_file`: where the account is kept on disk; empty keeps it in
    memory alone.
    """

    address: str
    tick_files: tuple[str, ...] = ()
    bar_files: tuple[str, ...] = ()
    speed: float = 1.0
    seed: int = 0
    hours: str = "always"
    timezone: str = "0"
    suffix: str = ""
    symbols: dict[str, dict[str, Any]] = field(default_factory=dict)
    generated_symbols: int = 0
    deposit: float = 100_000.0
    currency: str = "USD"
    leverage: int = 100
    margin_mode: str = "hedging"
    fifo_close: bool = False
    margin_call_level: float = 50.0
    stop_out_level: float = 30.0
    limit_orders: int = 500
    trade_allowed: bool = True
    trade_expert: bool = True
    execution_delay_ms: int = 0
    faults: dict[str, float] = field(default_factory=dict)
    state_file: str = ""
    login: int = 50_000_001
    server: str = "MT5Gate-Demo"
    company: str = "MT5Gate"
    name: str = "Simulated Trader"
    password: str = field(default="", repr=False)
    investor_password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.speed > 0.0:
            raise ValueError(f"speed: expected a number above 0, got {self.speed!r}")
        if not (math.isfinite(self.deposit) and self.deposit >= 0.0):
            raise ValueError(f"deposit: expected a finite amount of at least 0, got {self.deposit!r}")
        if self.leverage < 1:
            raise ValueError(f"leverage: expected at least 1, got {self.leverage!r}")
        if self.login < 1:
            raise ValueError(f"login: expected a positive account number, got {self.login!r}")
        if self.margin_mode not in MARGIN_MODES:
            raise ValueError(f"margin_mode: expected one of {', '.join(MARGIN_MODES)}, got {self.margin_mode!r}")
        if self.hours not in HOURS:
            raise ValueError(f"hours: expected one of {', '.join(HOURS)}, got {self.hours!r}")
