"""The sequence rules of a tick stream: what a subscriber may conclude from (epoch, first_seq, count).

Per feed and symbol, ticks are numbered 1, 2, 3, … by the publisher; `epoch` names one life of that numbering. A
higher `first_seq` than expected is a gap, a lower one repeats ticks already seen, another epoch starts anew.
"""

from dataclasses import dataclass

__all__ = ("Arrival", "SequenceTracker")


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a batch turned out to be: skip its first `repeated` ticks; `missed` ticks are lost before it."""

    repeated: int = 0
    missed: int = 0
    new_epoch: bool = False


_IN_ORDER = Arrival()


class SequenceTracker:
    """Follows one symbol's numbering; the first batch seen sets the start. O(1), no allocation while in order."""

    __slots__ = ("epoch", "expected")

    def __init__(self) -> None:
        self.epoch = 0
        self.expected = 0

    def observe(self, epoch: int, first_seq: int, count: int) -> Arrival:
        """Take a batch of `count` ticks numbered from `first_seq`, and say how it continues what was seen."""
        if epoch == self.epoch and first_seq == self.expected:
            self.expected = first_seq + count
            return _IN_ORDER
        if epoch != self.epoch:
            known = self.epoch != 0
            self.epoch = epoch
            self.expected = first_seq + count
            # A new numbering starts at 1: what of it came before this batch was missed, if we were already listening.
            return Arrival(missed=first_seq - 1 if known else 0, new_epoch=known)
        if first_seq > self.expected:
            missed = first_seq - self.expected
            self.expected = first_seq + count
            return Arrival(missed=missed)
        repeated = min(count, self.expected - first_seq)
        self.expected = max(self.expected, first_seq + count)
        return Arrival(repeated=repeated)
