"""What a terminal keeps of one connection, and how its replies travel there."""

from dataclasses import dataclass, field
from typing import Final

__all__ = ("PROMPT", "Delivery", "Session")


@dataclass(slots=True)
class Session:
    """What belongs to one connection: has it logged in, in which life of the terminal, whose depth has it opened."""

    authorised: bool = False
    life: int = 0
    books: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a reply travels: at once, or `delay_ms` later (HELD: never). `closes`: the connection is closed instead."""

    closes: bool = False
    delay_ms: int = 0


PROMPT: Final = Delivery()
