"""Sessions: when a symbol can be traded, and when next."""

import pytest

from gateway.terminal.simulated.market.sessions import FOREX, INDEX, ROUND_THE_CLOCK, Sessions

DAY = 86_400
SUNDAY = 3 * DAY
MONDAY, FRIDAY, SATURDAY = SUNDAY + DAY, SUNDAY + 5 * DAY, SUNDAY + 6 * DAY


def test_forex_is_open_from_monday_to_friday():
    assert [FOREX.is_open(SUNDAY + day * DAY) for day in range(7)] == [False, *[True] * 5, False]
    assert FOREX.next_open(SATURDAY - 1) == SATURDAY - 1
    assert FOREX.next_open(SATURDAY) == SATURDAY + 2 * DAY


def test_index_has_a_break_within_the_day():
    close, again = MONDAY + DAY - 4500, MONDAY + DAY - 1800

    assert INDEX.is_open(close - 1)
    assert not INDEX.is_open(close)
    assert INDEX.next_open(close) == again


def test_crypto_never_closes():
    assert all(ROUND_THE_CLOCK.is_open(SUNDAY + day * DAY) for day in range(7))
    assert ROUND_THE_CLOCK.next_open(12_345) == 12_345


def test_what_is_never_open_has_no_next():
    assert Sessions(((),) * 7).next_open(0) is None


@pytest.mark.parametrize(
    "days", [((),) * 6, (((5, 5),),) + ((),) * 6, (((0, DAY + 1),),) + ((),) * 6, (((0, 9), (5, 20)),) + ((),) * 6]
)
def test_impossible_week_is_refused(days):
    with pytest.raises(ValueError, match="sessions: expected"):
        Sessions(days)
