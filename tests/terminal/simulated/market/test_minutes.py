"""Recorded minutes: counted in points, with as many ticks as their prices need."""

import numpy as np
import pytest

from gateway.terminal.simulated.market.minutes import RecordedMinutes, Scale
from gateway.wire.structs import RATES_DTYPE


def recorded(*rows) -> RecordedMinutes:
    return RecordedMinutes(np.array(list(rows), RATES_DTYPE), Scale(1, 100), 0)


@pytest.mark.parametrize(
    ("prices", "needed"),
    [
        ((1.5, 1.5, 1.5, 1.5), 1),
        ((1.5, 1.6, 1.5, 1.6), 2),
        ((1.5, 1.7, 1.5, 1.6), 3),
        ((1.5, 1.7, 1.5, 1.5), 3),
        ((1.5, 1.7, 1.4, 1.5), 4),
        ((1.5, 1.7, 1.4, 1.6), 4),
    ],
)
def test_minute_has_the_ticks_that_its_prices_need(prices, needed):
    assert recorded((60, *prices, 1, 3, 0)).table(0, 1).count.tolist() == [needed]
    assert recorded((60, *prices, 90, 3, 0)).table(0, 1).count.tolist() == [90]


def test_days_are_cut_out_of_the_recording():
    minutes = recorded(*((at, 1.5, 1.5, 1.5, 1.5, 1, 3, 0) for at in (86_340, 86_400, 172_740, 172_800)))

    assert minutes.table(1, 1).time_s.tolist() == [86_400, 172_740]
    assert (minutes.first_day, minutes.last_day, minutes.end_s) == (0, 2, 172_860)


def test_empty_recording_has_no_minutes():
    minutes = recorded()

    assert len(minutes.table(0, 10)) == 0
    assert minutes.end_s == 0
