"""What a simulated terminal is told when it starts; plain data, checked once."""

import math
from dataclasses import dataclass, field

__all__ = ("Settings",)


@dataclass(frozen=True, slots=True)
class Settings:
    """One simulated terminal and its account; raises ValueError for values that make no sense.

    `address`: see `address.parse`. `tick_files`: MT5 tick exports to replay; empty means synthetic prices. `speed`: 1.0
    is real time, N is N times that, `math.inf` as fast as it goes. `password`: empty accepts any.
    """

    address: str
    tick_files: tuple[str, ...] = ()
    speed: float = 1.0
    seed: int = 0
    deposit: float = 100_000.0
    leverage: int = 100
    login: int = 50_000_001
    server: str = "MT5Gate-Demo"
    company: str = "MT5Gate"
    name: str = "Simulated Trader"
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.speed > 0.0:
            raise ValueError(f"speed: expected a number above 0, got {self.speed!r}")
        if not (math.isfinite(self.deposit) and self.deposit >= 0.0):
            raise ValueError(f"deposit: expected a finite amount of at least 0, got {self.deposit!r}")
        if self.leverage < 1:
            raise ValueError(f"leverage: expected at least 1, got {self.leverage!r}")
        if self.login < 1:
            raise ValueError(f"login: expected a positive account number, got {self.login!r}")
