"""What all rounds together have done and found: counts and times, and every broken promise."""

from collections import Counter
from dataclasses import dataclass, field

__all__ = ("Tally",)


@dataclass
class Tally:
    """What all rounds together have done and found."""

    rounds: int = 0
    folders: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    freezes: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    not_reached: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    fates: Counter[str] = field(default_factory=Counter)  # what the gateway says at last
    doubted: Counter[str] = field(default_factory=Counter)  # of those whose clients were left in doubt
    told: Counter[str] = field(default_factory=Counter)  # answers, by what they said
    events: int = 0
    deals: int = 0
    shown_after_s: list[float] = field(default_factory=list)  # in doubt, found: from the return of terminal and broker
    absent_after_s: list[float] = field(default_factory=list)  # ... not found: that takes the settle time
    back_after_s: list[float] = field(default_factory=list)  # all of the service, from the last kill or freeze
    round_s: list[float] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)  # rounds after which the service was away for long, and why
    violations: list[str] = field(default_factory=list)
