"""When a symbol can be traded: a weekly schedule in the server's time.

Source of the form: MQL5 documentation, SymbolInfoSessionTrade: for each day of the week, Sunday first, spans of seconds
since midnight.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ("FOREX", "INDEX", "ROUND_THE_CLOCK", "Sessions")

DAY: Final = 86_400
_DAYS: Final = 7
_SUNDAY: Final = 3 * DAY
"""1 January 1970 was a Thursday: three days later comes the first Sunday."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Sessions:
    """`days`: for each weekday, Sunday first, the spans [start, end) in seconds of the day, ascending, not touching."""

    days: tuple[tuple[Span, ...], ...]

    def __post_init__(self) -> None:
        if len(self.days) != _DAYS:
            raise ValueError(f"sessions: expected {_DAYS} days, Sunday first, got {len(self.days)}")
        for spans in self.days:
            edges = [edge for span in spans for edge in span]
            if edges != sorted(set(edges)) or (edges and not (edges[0] >= 0 and edges[-1] <= DAY)):
                raise ValueError(f"sessions: expected ascending spans within a day, got {spans!r}")

    def is_open(self, time_s: int) -> bool:
        """Say whether trading is open at a second of the server's time."""
        second = time_s % DAY
        return any(start <= second < end for start, end in self.days[_weekday(time_s)])

    def next_open(self, time_s: int) -> int | None:
        """Return the first second from `time_s` on at which trading is open; None if it never is."""
        midnight = time_s - time_s % DAY
        for ahead in range(_DAYS + 1):
            day = midnight + ahead * DAY
            for start, end in self.days[_weekday(day)]:
                if day + end > time_s:
                    return max(day + start, time_s)
        return None


def _weekday(time_s: int) -> int:
    return (time_s - _SUNDAY) // DAY % _DAYS


ROUND_THE_CLOCK: Final = Sessions((((0, DAY),),) * _DAYS)
"""Seven days a week: cryptocurrencies."""
FOREX: Final = Sessions(((), *(((0, DAY),),) * 5, ()))
"""From Monday's to Friday's midnight, as on servers two or three hours ahead of UTC."""
INDEX: Final = Sessions(((), *(((3_600, DAY - 4_500), (DAY - 1_800, DAY)),) * 5, ()))
"""01:00 to 22:45 and 23:30 to 24:00, Monday to Friday."""
