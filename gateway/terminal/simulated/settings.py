"""What a simulated terminal is told when it starts; plain data, checked once."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ("MARGIN_MODES", "Settings")

MARGIN_MODES: Final = ("netting", "exchange", "hedging")
"""The account's margin mode by name, in the order of ACCOUNT_MARGIN_MODE_*."""
HOURS: Final = ("always", "market")
_BOUNDS: Final = (
    ("seed", 0, 2**63 - 1),
    ("generated_symbols", 0, 10_000),
    ("deposit", 0.0, 1e15),
    ("leverage", 1, 10_000),
    ("margin_call_level", 0.0, 1_000.0),
    ("stop_out_level", 0.0, 1_000.0),
    ("limit_orders", 0, 1_000_000),
    ("limit_positions", 0, 1_000_000),
    ("execution_delay_ms", 0, 60_000),
    ("login", 1, 2**63 - 1),
)
"""Least and most. A deposit has cents, and a float holds them up to 9e15: above, books wouldn't add up."""
_CURRENCY: Final = re.compile(r"[A-Z][A-Z0-9]{2,7}")
_SUFFIX: Final = re.compile(r"[A-Za-z0-9._#+-]{0,8}")


@dataclass(frozen=True, slots=True)
class Settings:
    """One simulated terminal and its account; raises ValueError for values that make no sense.

    `address`: see `address.parse`. `tick_files`, `bar_files`: MT5 exports to replay; none means synthetic prices.
    `speed`: 1.0 is real time, N is N times that, `math.inf` as fast as it goes. `password`: empty accepts any;
    `investor_password`: admits to look, not to trade.

    `hours`: "market" opens each symbol at its own sessions, "always" around the clock. `timezone`: the server's clock,
    an IANA name ("Europe/Athens") or minutes ahead of UTC. `symbols`: per symbol what differs from its specification
    (see `market.catalog`), `suffix` is put behind every name, `generated_symbols` adds as many made-up ones.

    `margin_call_level`, `stop_out_level`: percent. `limit_orders`: pending orders allowed, `limit_positions`: open
    positions (with hedging, pending orders count too), 0 is no limit. `execution_delay_ms`: above 0, a deal is answered
    "placed" and executed so much later. `faults`: chance of each fault of a call, by its name (see `faults`).
    `state_file`: where the account is kept on disk; empty keeps it in memory alone, as a replay must.
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
    limit_positions: int = 0
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
        for name, least, most in _BOUNDS:
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name}: expected a number from {least:g} to {most:g}, got {value!r}")
        for name, choices in (("margin_mode", MARGIN_MODES), ("hours", HOURS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {getattr(self, name)!r}")
        if not _CURRENCY.fullmatch(self.currency):
            raise ValueError(f"currency: expected a code such as USD, got {self.currency!r}")
        if not _SUFFIX.fullmatch(self.suffix):
            raise ValueError(
                f"suffix: expected at most 8 letters, digits and any of . _ # + -, got {self.suffix!r}: a symbol's"
                " name has at most 29 characters, and groups are parted by commas"
            )
        if self.stop_out_level > self.margin_call_level:
            raise ValueError(
                f"stop_out_level: expected at most the margin call's level ({self.margin_call_level:g}), got"
                f" {self.stop_out_level!r}"
            )
        if self.investor_password and self.investor_password == self.password:
            raise ValueError("investor_password: expected another one than the password, got the same")
        if self.state_file and (self.tick_files or self.bar_files):
            raise ValueError("state_file: a replay begins anew at every start, and an account can't go back with it")
