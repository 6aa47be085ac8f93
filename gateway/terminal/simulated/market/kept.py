"""What was made lately and may be asked for again: a dictionary with a bound, the least recently used goes first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ("Kept",)

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by key, together at most `limit` heavy; a value weighs 1 unless `weigh` says otherwise."""

    __slots__ = ("_limit", "_values", "_weigh", "weight")

    def __init__(self, limit: int, weigh: Callable[[T], int] = lambda _: 1) -> None:
        self._limit = limit
        self._weigh = weigh
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self.weight = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key; make and keep it if it isn't there. The newest is kept whatever it weighs."""
        found = self._values.get(key)
        if found is not None:
            self._values.move_to_end(key)
            return found
        made = self._values[key] = make()
        self.weight += self._weigh(made)
        while self.weight > self._limit and len(self._values) > 1:
            self.weight -= self._weigh(self._values.popitem(last=False)[1])
        return made
